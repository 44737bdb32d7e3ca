#include "common/encoder/transformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cpus.h"
#include "common/encoder/bert_folder.h"
#include "common/transformer/bert.h"

enum { BATCH_TOKENS = 2048, THREADS_MOST = 16 };

struct transformer {
    struct cf_encoder base;
    struct cf_bert_layout layout;
    struct cf_wordpiece *vocabulary;
    struct cf_bert *bert; /* of this layout */
    int32_t unknown;      /* the id of [UNK] */
    int32_t *ids;         /* [CF_TRANSFORMER_BATCH × max_tokens] */
};

static void transformer_free(struct cf_encoder *encoder)
{
    struct transformer *t = (struct transformer *)encoder;
    if (t) {
        cf_bert_free(t->bert);
        cf_bert_layout_release(&t->layout);
        cf_wordpiece_free(t->vocabulary);
        free(t->ids);
        free(t);
    }
}

/* Takes over layout and vocabulary, also when it fails. */
static int make(struct cf_bert_layout layout, struct cf_wordpiece *vocabulary, const float *weights,
                size_t threads, struct cf_encoder **out, struct cf_error *err)
{
    size_t most = layout.config.max_tokens > BATCH_TOKENS ? layout.config.max_tokens : BATCH_TOKENS;
    struct cf_bert_options options = {
        .most_tokens = most, .most_texts = CF_TRANSFORMER_BATCH, .threads = threads};
    struct transformer *t = cf_calloc(1, sizeof(*t));
    t->base.type = &cf_transformer_type;
    t->layout = layout;
    t->vocabulary = vocabulary;
    t->unknown = cf_wordpiece_id(vocabulary, "[UNK]", strlen("[UNK]"));
    int rc = cf_bert_new(&t->layout, &options, &t->bert, err);
    if (rc) {
        transformer_free(&t->base);
        return rc;
    }
    memcpy(cf_bert_weights(t->bert), weights, layout.parameters * sizeof(*weights));
    cf_bert_changed(t->bert);
    t->ids = cf_calloc(CF_TRANSFORMER_BATCH * layout.config.max_tokens, sizeof(*t->ids));
    *out = &t->base;
    return 0;
}

/* Another vocabulary of the same tokens. */
static int copy_vocabulary(const struct cf_wordpiece *vocabulary, struct cf_wordpiece **out,
                           struct cf_error *err)
{
    struct cf_buf text = CF_BUF_INIT;
    for (size_t i = 0; i < cf_wordpiece_count(vocabulary); i++) {
        cf_buf_puts(&text, cf_wordpiece_token(vocabulary, (int32_t)i));
        cf_buf_putc(&text, '\n');
    }
    int rc = cf_wordpiece_new(cf_buf_str(&text), text.length, "vocab.txt", out, err);
    cf_buf_release(&text);
    return rc;
}

int cf_transformer_new(const struct cf_bert_layout *layout, const float *weights,
                       const struct cf_wordpiece *vocabulary, size_t threads,
                       struct cf_encoder **out, struct cf_error *err)
{
    struct cf_bert_layout own;
    struct cf_wordpiece *words = NULL;
    int rc = cf_bert_layout_make(&layout->config, &own, err);
    if (rc) {
        return rc;
    }
    rc = copy_vocabulary(vocabulary, &words, err);
    if (rc) {
        cf_bert_layout_release(&own);
        return rc;
    }
    return make(own, words, weights, threads, out, err);
}

/* The artefacts below the folder, by their names in it; their bytes stay the caller's. */
static struct cf_artefacts inside(const struct cf_artefacts *artefacts)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    size_t prefix = strlen(CF_TRANSFORMER_FOLDER);
    for (size_t i = 0; i < artefacts->count; i++) {
        const struct cf_artefact *a = &artefacts->items[i];
        if (strncmp(a->path, CF_TRANSFORMER_FOLDER, prefix) == 0) {
            cf_artefacts_add(&files, a->path + prefix, a->type)->data = a->data;
        }
    }
    return files;
}

/* Puts the folder before the first file that the message names. */
static void name_folder(struct cf_error *err)
{
    const char *first = NULL;
    for (size_t i = 0; cf_bert_files[i]; i++) {
        const char *at = strstr(err->message, cf_bert_files[i]);
        first = at && (!first || at < first) ? at : first;
    }
    int before = first ? (int)(first - err->message) : 0;
    char *message =
        cf_asprintf("%.*s%s%s", before, err->message, CF_TRANSFORMER_FOLDER, err->message + before);
    (void)snprintf(err->message, sizeof(err->message), "%s", message);
    free(message);
    if (*err->key) {
        char *key = cf_asprintf("%s%s", CF_TRANSFORMER_FOLDER, err->key);
        (void)snprintf(err->key, sizeof(err->key), "%s", key);
        free(key);
    }
}

static int transformer_load(const struct cf_artefacts *artefacts,
                            const struct cf_model_params *params, struct cf_encoder **out,
                            struct cf_error *err)
{
    struct cf_artefacts files = inside(artefacts);
    struct cf_bert_folder folder;
    struct cf_error unread = {0};
    (void)params;
    int rc = cf_bert_folder_read(&files, &folder, err ? err : &unread);
    free(files.items); /* not the bytes */
    if (rc) {
        name_folder(err ? err : &unread);
        return rc;
    }
    size_t cpus = cf_cpus();
    rc = make(folder.layout, folder.vocabulary, folder.weights,
              cpus < THREADS_MOST ? cpus : THREADS_MOST, out, err);
    folder.layout = (struct cf_bert_layout){0};
    folder.vocabulary = NULL;
    cf_bert_folder_release(&folder);
    return rc;
}

static void transformer_save(const struct cf_encoder *encoder, struct cf_artefacts *artefacts)
{
    const struct transformer *t = (const struct transformer *)encoder;
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    cf_bert_folder_write(&t->layout, cf_bert_weights(t->bert), t->vocabulary, &files);
    for (size_t i = 0; i < files.count; i++) {
        char path[sizeof(files.items[i].path) + sizeof(CF_TRANSFORMER_FOLDER)];
        (void)snprintf(path, sizeof(path), "%s%s", CF_TRANSFORMER_FOLDER, files.items[i].path);
        cf_artefacts_add(artefacts, path, files.items[i].type)->data = files.items[i].data;
        files.items[i].data = (struct cf_buf)CF_BUF_INIT;
    }
    cf_artefacts_release(&files);
}

static size_t transformer_dimensions(const struct cf_encoder *encoder)
{
    return ((const struct transformer *)encoder)->layout.config.hidden;
}

static int transformer_embed(struct cf_encoder *encoder, const struct cf_view *texts, size_t count,
                             float *out, struct cf_error *err)
{
    struct transformer *t = (struct transformer *)encoder;
    size_t most = t->layout.config.max_tokens;
    int rc = 0;
    for (size_t done = 0; done < count && !rc;) {
        size_t left = count - done;
        size_t batch = left < CF_TRANSFORMER_BATCH ? left : CF_TRANSFORMER_BATCH;
        size_t offsets[CF_TRANSFORMER_BATCH + 1] = {0};
        for (size_t i = 0; i < batch; i++) {
            offsets[i + 1] =
                offsets[i] + cf_wordpiece_encode(t->vocabulary, texts[done + i].text,
                                                 texts[done + i].length, most, t->ids + offsets[i]);
        }
        rc = cf_bert_encode(t->bert, t->ids, offsets, batch, out + done * t->layout.config.hidden,
                            err);
        done += batch;
    }
    return rc;
}

static bool transformer_knows(struct cf_encoder *encoder, const struct cf_view *text)
{
    struct transformer *t = (struct transformer *)encoder;
    size_t count = cf_wordpiece_encode(t->vocabulary, text->text, text->length,
                                       t->layout.config.max_tokens, t->ids);
    bool knows = false;
    for (size_t i = 1; i + 1 < count; i++) { /* between [CLS] and [SEP] */
        knows = knows || t->ids[i] != t->unknown;
    }
    return knows;
}

const struct cf_encoder_type cf_transformer_type = {
    .name = "transformer",
    .load = transformer_load,
    .save = transformer_save,
    .dimensions = transformer_dimensions,
    .embed = transformer_embed,
    .knows = transformer_knows,
    .free = transformer_free,
};
