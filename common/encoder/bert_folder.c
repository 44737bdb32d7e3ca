#include "common/encoder/bert_folder.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/safetensors.h"

static const char WEIGHTS[] = "model.safetensors";
static const char VOCABULARY[] = "vocab.txt";
static const char PREFIX[] = "bert."; /* of exports that hold more than the encoder */

const char *const cf_bert_files[] = {"config.json",
                                     "model.safetensors",
                                     "vocab.txt",
                                     "tokenizer_config.json",
                                     "sentence_bert_config.json",
                                     "modules.json",
                                     "1_Pooling/config.json",
                                     NULL};

/* The file of weights, and which of its tensors is which of the layout's. */
struct weights {
    struct cf_tensors tensors;
    const struct cf_tensor **chosen; /* [layout.tensor_count] */
    const char *prefix;              /* "" or PREFIX */
};

static int wrong(struct cf_error *err, const char *name, const char *what)
{
    return cf_error_at(err, CF_EDATA, "load", WEIGHTS, "%s: tensor \"%.100s\" %s", WEIGHTS, name,
                       what);
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What exports hold beside the encoder's own parameters. */
static bool is_harmless(const char *name)
{
    const char *bare = begins(name, PREFIX) ? name + strlen(PREFIX) : name;
    return strcmp(bare, "embeddings.position_ids") == 0 ||
           strcmp(bare, "embeddings.token_type_ids") == 0 || begins(bare, "pooler.") ||
           begins(bare, "cls.");
}

static void describe_shape(const size_t *shape, size_t rank, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "[");
    for (size_t d = 0; d < rank && n < size; d++) {
        n += (size_t)snprintf(out + n, size - n, "%s%zu", d ? ", " : "", shape[d]);
    }
    if (n < size) {
        (void)snprintf(out + n, size - n, "]");
    }
}

static int check_tensor(const struct cf_tensor *t, const struct cf_bert_tensor *want,
                        struct cf_error *err)
{
    size_t shape[2] = {want->rows, want->columns};
    size_t rank = want->columns ? 2 : 1;
    char what[256];
    if (t->dtype != CF_F32 && t->dtype != CF_F16 && t->dtype != CF_BF16) {
        (void)snprintf(what, sizeof(what), "is of the type %s, not F32, F16 or BF16",
                       cf_dtype_name(t->dtype));
        return wrong(err, t->name, what);
    }
    if (t->rank != rank || memcmp(t->shape, shape, rank * sizeof(*shape)) != 0) {
        char is[100];
        char wanted[64];
        describe_shape(t->shape, t->rank, is, sizeof(is));
        describe_shape(shape, rank, wanted, sizeof(wanted));
        (void)snprintf(what, sizeof(what), "has the shape %s; config.json makes it %s", is, wanted);
        return wrong(err, t->name, what);
    }
    return 0;
}

static int choose_tensors(struct weights *w, const struct cf_bert_layout *layout,
                          struct cf_error *err)
{
    char name[CF_TENSOR_NAME_MAX];
    (void)snprintf(name, sizeof(name), "%s%s", PREFIX, layout->tensors[0].name);
    w->prefix = cf_tensors_find(&w->tensors, name) ? PREFIX : "";
    w->chosen = cf_calloc(layout->tensor_count, sizeof(struct cf_tensor *));
    int rc = 0;
    for (size_t i = 0; i < layout->tensor_count && !rc; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", w->prefix, layout->tensors[i].name);
        w->chosen[i] = cf_tensors_find(&w->tensors, name);
        rc = w->chosen[i] ? check_tensor(w->chosen[i], &layout->tensors[i], err)
                          : wrong(err, name, "is missing");
    }
    return rc;
}

/* What is left must be known to be of no use here. */
static int check_others(const struct weights *w, const struct cf_bert_layout *layout,
                        struct cf_string_list *skipped, struct cf_error *err)
{
    for (size_t i = 0; i < w->tensors.count; i++) {
        const struct cf_tensor *t = &w->tensors.items[i];
        bool used = false;
        for (size_t k = 0; k < layout->tensor_count && !used; k++) {
            used = w->chosen[k] == t;
        }
        if (!used && !is_harmless(t->name)) {
            return wrong(err, t->name, "is not one of a BERT encoder with these sizes");
        }
        if (!used) {
            cf_string_list_add(skipped, t->name, strlen(t->name));
        }
    }
    return 0;
}

static int read_weights(const struct cf_artefact *file, struct cf_bert_folder *f,
                        struct cf_error *err)
{
    struct weights w = {.tensors = CF_TENSORS_INIT};
    int rc =
        cf_safetensors_read(cf_buf_str(&file->data), file->data.length, WEIGHTS, &w.tensors, err);
    rc = rc ? rc : choose_tensors(&w, &f->layout, err);
    rc = rc ? rc : check_others(&w, &f->layout, &f->skipped, err);
    if (!rc) {
        f->weights = cf_malloc(f->layout.parameters * sizeof(*f->weights));
    }
    for (size_t i = 0; i < f->layout.tensor_count && !rc; i++) {
        rc = cf_tensor_floats(w.chosen[i], WEIGHTS, f->weights + f->layout.tensors[i].offset, err);
    }
    free(w.chosen);
    cf_tensors_release(&w.tensors);
    return rc;
}

static int read_vocabulary(const struct cf_artefact *file, struct cf_bert_folder *f,
                           struct cf_error *err)
{
    int rc = cf_wordpiece_new(cf_buf_str(&file->data), file->data.length, VOCABULARY,
                              &f->vocabulary, err);
    size_t count = rc ? 0 : cf_wordpiece_count(f->vocabulary);
    if (count > f->layout.config.vocabulary) {
        rc = cf_error_at(err, CF_EDATA, "load", VOCABULARY,
                         "%s: it has %zu tokens, config.json's \"vocab_size\" is %zu", VOCABULARY,
                         count, f->layout.config.vocabulary);
    }
    return rc;
}

static int read_all(const struct cf_artefacts *files, struct cf_bert_folder *f,
                    struct cf_error *err)
{
    struct cf_bert_config config;
    for (size_t i = 0; i < CF_BERT_FILES_NEEDED; i++) {
        if (!cf_artefacts_find(files, cf_bert_files[i])) {
            return cf_error_at(err, CF_EDATA, "load", cf_bert_files[i], "%s: it is missing",
                               cf_bert_files[i]);
        }
    }
    int rc = cf_bert_config_read(files, &config, err);
    if (rc) {
        return rc;
    }
    rc = cf_bert_layout_make(&config, &f->layout, err);
    if (rc) {
        return cf_error_prefix(err, "config.json");
    }
    rc = read_vocabulary(cf_artefacts_find(files, VOCABULARY), f, err);
    return rc ? rc : read_weights(cf_artefacts_find(files, WEIGHTS), f, err);
}

int cf_bert_folder_read(const struct cf_artefacts *files, struct cf_bert_folder *out,
                        struct cf_error *err)
{
    *out = (struct cf_bert_folder){0};
    int rc = read_all(files, out, err);
    if (rc) {
        cf_bert_folder_release(out);
    }
    return rc;
}

void cf_bert_folder_release(struct cf_bert_folder *folder)
{
    cf_bert_layout_release(&folder->layout);
    cf_wordpiece_free(folder->vocabulary);
    cf_string_list_release(&folder->skipped);
    free(folder->weights);
    *folder = (struct cf_bert_folder){0};
}
