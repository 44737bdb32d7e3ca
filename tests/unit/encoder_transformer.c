/* The transformer as an encoder: its embeddings, its folder, and folders that are damaged. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cpus.h"
#include "common/encoder/bert_folder.h"
#include "common/encoder/transformer.h"
#include "common/transformer/bert.h"
#include "tests/unit/encoder_tuner.h"
#include "tests/unit/transformer_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
enum { TEXTS = 70 };

static struct cf_view view(const char *text)
{
    return (struct cf_view){text, strlen(text)};
}

static void embed(struct cf_encoder *encoder, const struct cf_view *texts, size_t count, float *out)
{
    struct cf_error err = {0};
    ck_assert_msg(!encoder->type->embed(encoder, texts, count, out, &err), "%s", err.message);
}

/* The embeddings that cf_bert_encode gives for the ids of one batch. */
static void encode(const struct tuner_parts *parts, const int32_t *ids, const size_t *offsets,
                   size_t texts, float *out)
{
    struct cf_bert_options options = {
        .most_tokens = (size_t)TEXTS * TUNER_TOKENS, .most_texts = TEXTS, .threads = 1};
    struct cf_bert *bert = NULL;
    ck_assert_int_eq(cf_bert_new(&parts->layout, &options, &bert, NULL), 0);
    memcpy(cf_bert_weights(bert), parts->weights, parts->layout.parameters * sizeof(float));
    cf_bert_changed(bert);
    ck_assert_int_eq(cf_bert_encode(bert, ids, offsets, texts, out, NULL), 0);
    cf_bert_free(bert);
}

START_TEST(embeddings_are_those_of_the_tokens)
{
    static const char *const texts[] = {"Audio player", "", "port\nscanner, network!",
                                        "unknown \xe6\x97\xa5", "zz"};
    struct tuner_parts parts;
    struct cf_view views[COUNT(texts)];
    int32_t ids[COUNT(texts) * TUNER_TOKENS];
    size_t offsets[COUNT(texts) + 1] = {0};
    float want[COUNT(texts)][TUNER_HIDDEN];
    float got[COUNT(texts)][TUNER_HIDDEN];
    tuner_parts_make(&parts);
    for (size_t i = 0; i < COUNT(texts); i++) {
        views[i] = view(texts[i]);
        offsets[i + 1] =
            offsets[i] + cf_wordpiece_encode(parts.vocabulary, texts[i], views[i].length,
                                             TUNER_TOKENS, ids + offsets[i]);
    }
    ck_assert_uint_eq(offsets[1], 4);              /* [CLS] audio player [SEP] */
    ck_assert_uint_eq(offsets[2] - offsets[1], 2); /* [CLS] [SEP] */
    encode(&parts, ids, offsets, COUNT(texts), want[0]);
    struct cf_encoder *encoder = tuner_transformer();
    ck_assert_str_eq(encoder->type->name, "transformer");
    ck_assert(!encoder->type->fit);
    ck_assert_uint_eq(encoder->type->dimensions(encoder), TUNER_HIDDEN);
    embed(encoder, views, COUNT(texts), got[0]);
    ck_assert_mem_eq(got, want, sizeof(want));
    for (size_t i = 0; i < COUNT(texts); i++) {
        double square = 0;
        for (size_t k = 0; k < TUNER_HIDDEN; k++) {
            square += (double)got[i][k] * (double)got[i][k];
        }
        ck_assert(fabs(square - 1) < 1e-5);
    }
    ck_assert(transformer_difference(got[0], got[1], TUNER_HIDDEN) > 1e-3);
    encoder->type->free(encoder);
    tuner_parts_release(&parts);
}
END_TEST

START_TEST(any_number_of_texts_of_any_length)
{
    struct cf_encoder *encoder = tuner_transformer();
    struct cf_view views[TEXTS];
    char *texts[TEXTS];
    float *all = cf_calloc((size_t)TEXTS * TUNER_HIDDEN, sizeof(*all));
    float one[TUNER_HIDDEN];
    for (size_t i = 0; i < TEXTS; i++) {
        struct cf_buf text = CF_BUF_INIT;
        for (size_t k = 0; k <= i; k++) {
            cf_buf_printf(&text, "%c ", (int)('a' + (i * 7 + k) % 26));
        }
        texts[i] = cf_buf_detach(&text);
        views[i] = view(texts[i]);
    }
    embed(encoder, views, TEXTS, all);
    for (size_t i = 0; i < TEXTS; i++) {
        embed(encoder, &views[i], 1, one);
        ck_assert(transformer_difference(one, all + i * TUNER_HIDDEN, TUNER_HIDDEN) < 1e-5);
    }
    /* beyond [CLS] and 22 letters nothing counts */
    struct cf_view cut = {texts[60], 2UL * (TUNER_TOKENS - 2)};
    embed(encoder, &cut, 1, one);
    ck_assert(transformer_difference(one, all + (size_t)60 * TUNER_HIDDEN, TUNER_HIDDEN) < 1e-5);
    cut.length -= 2;
    embed(encoder, &cut, 1, one);
    ck_assert(transformer_difference(one, all + (size_t)60 * TUNER_HIDDEN, TUNER_HIDDEN) > 1e-4);
    encoder->type->embed(encoder, NULL, 0, NULL, NULL);
    for (size_t i = 0; i < TEXTS; i++) {
        free(texts[i]);
    }
    free(all);
    encoder->type->free(encoder);
}
END_TEST

START_TEST(it_knows_what_has_a_token)
{
    static const struct {
        const char *text;
        bool known;
    } cases[] = {{"audio", true},
                 {"", false},
                 {" \n", false},
                 {"\xe6\x97\xa5", false},
                 {"\xe6\x97\xa5 \xe6\x9c\xac", false},
                 {"\xe6\x97\xa5 q", true},
                 {"[UNK] [UNK]", false},
                 {"?!", false}};
    struct cf_encoder *encoder = tuner_transformer();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cf_view text = view(cases[i].text);
        ck_assert_msg(encoder->type->knows(encoder, &text) == cases[i].known, "%s", cases[i].text);
    }
    encoder->type->free(encoder);
}
END_TEST

START_TEST(no_threads_is_an_error)
{
    struct tuner_parts parts;
    struct cf_encoder *encoder = NULL;
    struct cf_error err = {0};
    tuner_parts_make(&parts);
    ck_assert_int_eq(
        cf_transformer_new(&parts.layout, parts.weights, parts.vocabulary, 0, &encoder, &err),
        CF_EUSAGE);
    ck_assert_ptr_null(encoder);
    tuner_parts_release(&parts);
    ck_assert_uint_ge(cf_cpus(), 1);
}
END_TEST

/* --- the folder ----------------------------------------------------------------------------------
 */

static struct cf_artefacts saved(void)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct cf_encoder *encoder = tuner_transformer();
    encoder->type->save(encoder, &files);
    encoder->type->free(encoder);
    return files;
}

START_TEST(saved_as_a_folder_and_loaded)
{
    struct cf_artefacts files = saved();
    struct cf_artefacts plain = CF_ARTEFACTS_INIT;
    struct cf_artefacts again = CF_ARTEFACTS_INIT;
    struct tuner_parts parts;
    struct cf_bert_folder folder;
    struct cf_encoder *back = NULL;
    struct cf_error err = {0};
    float a[TUNER_HIDDEN];
    float b[TUNER_HIDDEN];
    struct cf_view text = view("a web player for audio");
    tuner_parts_make(&parts);
    /* below transformer/ lies what cf_bert_folder_write makes, byte for byte */
    cf_bert_folder_write(&parts.layout, parts.weights, parts.vocabulary, &plain);
    ck_assert_uint_eq(files.count, plain.count);
    for (size_t i = 0; i < files.count; i++) {
        char *path = cf_asprintf("transformer/%s", plain.items[i].path);
        const struct cf_artefact *file = cf_artefacts_find(&files, path);
        ck_assert_msg(file != NULL, "%s", path);
        ck_assert_str_eq(file->type, plain.items[i].type);
        ck_assert_uint_eq(file->data.length, plain.items[i].data.length);
        ck_assert_mem_eq(file->data.data, plain.items[i].data.data, file->data.length);
        free(path);
    }
    ck_assert_int_eq(cf_bert_folder_read(&plain, &folder, &err), 0);
    cf_bert_folder_release(&folder);
    cf_artefacts_add(&files, "config.json", "x/x"); /* of the model around it: not this one's */
    ck_assert_msg(!cf_transformer_type.load(&files, NULL, &back, &err), "%s", err.message);
    struct cf_encoder *first = tuner_transformer();
    embed(first, &text, 1, a);
    embed(back, &text, 1, b);
    ck_assert_mem_eq(a, b, sizeof(a));
    back->type->save(back, &again);
    for (size_t i = 0; i < again.count; i++) {
        const struct cf_artefact *file = cf_artefacts_find(&files, again.items[i].path);
        ck_assert_uint_eq(file->data.length, again.items[i].data.length);
        ck_assert_mem_eq(file->data.data, again.items[i].data.data, file->data.length);
    }
    first->type->free(first);
    back->type->free(back);
    tuner_parts_release(&parts);
    cf_artefacts_release(&files);
    cf_artefacts_release(&plain);
    cf_artefacts_release(&again);
}
END_TEST

static const struct {
    const char *file, *from, *to; /* of equal length; from NULL: the file is missing */
    const char *says, *key;
} damages[] = {
    {"config.json", NULL, NULL, "transformer/config.json: it is missing",
     "transformer/config.json"},
    {"model.safetensors", NULL, NULL, "transformer/model.safetensors: it is missing",
     "transformer/model.safetensors"},
    {"vocab.txt", NULL, NULL, "transformer/vocab.txt: it is missing", "transformer/vocab.txt"},
    {"model.safetensors", "embeddings.LayerNorm.bias", "embeddings.LayerNorm.bios",
     "transformer/model.safetensors: tensor \"embeddings.LayerNorm.bias\" is missing",
     "transformer/model.safetensors"},
    {"model.safetensors", "\"F32\"", "\"F31\"", "transformer/model.safetensors: tensor", NULL},
    {"model.safetensors", "{\"", "{{", "the header of transformer/model.safetensors", NULL},
    {"vocab.txt", "audio\n", "a\nb\nc\n", "transformer/vocab.txt: line ", NULL},
    {"config.json", "\"hidden_size\":16", "\"hidden_size\":14", "transformer/", NULL},
    {"config.json", "\"model_type\":\"bert\"", "\"model_type\":\"bart\"",
     "transformer/config.json: \"model_type\" is \"bart\"", NULL},
    {"1_Pooling/config.json", "mean_tokens\":true", "mean_tokens\":null",
     "transformer/1_Pooling/config.json: ", NULL},
    {"1_Pooling/config.json", "dimension\":16", "dimension\":17",
     "transformer/1_Pooling/config.json: \"word_embedding_dimension\" is 17, config.json's", NULL},
    {"sentence_bert_config.json", "length\":24", "length\":99",
     "transformer/sentence_bert_config.json: ", NULL},
};

static void damage(struct cf_artefacts *files, const char *name, const char *from, const char *to)
{
    char *path = cf_asprintf("transformer/%s", name);
    struct cf_artefact *file = (struct cf_artefact *)cf_artefacts_find(files, path);
    ck_assert_ptr_nonnull(file);
    if (!from) {
        file->path[0] = 'T';
    } else {
        char *at = NULL;
        for (size_t i = 0; !at && i + strlen(from) <= file->data.length; i++) {
            at = memcmp(file->data.data + i, from, strlen(from)) == 0 ? file->data.data + i : NULL;
        }
        ck_assert_msg(at != NULL, "no %s in %s", from, name);
        memcpy(at, to, strlen(to));
    }
    free(path);
}

START_TEST(damaged_folders_are_refused)
{
    struct cf_artefacts files = saved();
    struct cf_encoder *encoder = NULL;
    struct cf_error err = {0};
    damage(&files, damages[_i].file, damages[_i].from, damages[_i].to);
    ck_assert_int_eq(cf_transformer_type.load(&files, NULL, &encoder, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, damages[_i].says) != NULL, "\"%s\"", err.message);
    ck_assert_ptr_null(encoder);
    if (damages[_i].key) {
        ck_assert_str_eq(err.key, damages[_i].key);
        ck_assert_ptr_eq(strstr(err.message, damages[_i].says), err.message);
    }
    ck_assert_int_eq(cf_transformer_type.load(&files, NULL, &encoder, NULL), CF_EDATA);
    cf_artefacts_release(&files);
}
END_TEST

START_TEST(a_weight_that_is_no_number_is_refused)
{
    struct cf_artefacts files = saved();
    struct cf_encoder *encoder = NULL;
    struct cf_error err = {0};
    const float nan = NAN;
    struct cf_buf *data =
        &((struct cf_artefact *)cf_artefacts_find(&files, "transformer/model.safetensors"))->data;
    memcpy(data->data + data->length - sizeof(nan), &nan, sizeof(nan));
    ck_assert_int_eq(cf_transformer_type.load(&files, NULL, &encoder, &err), CF_EDATA);
    ck_assert_ptr_eq(strstr(err.message, "transformer/model.safetensors: tensor \""), err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "holds a value that isn't finite"));
    cf_artefacts_release(&files);
}
END_TEST

Suite *encoder_transformer_suite(void)
{
    Suite *suite = suite_create("encoder_transformer");
    TCase *tc = tcase_create("transformer");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, embeddings_are_those_of_the_tokens);
    tcase_add_test(tc, any_number_of_texts_of_any_length);
    tcase_add_test(tc, it_knows_what_has_a_token);
    tcase_add_test(tc, no_threads_is_an_error);
    tcase_add_test(tc, saved_as_a_folder_and_loaded);
    tcase_add_loop_test(tc, damaged_folders_are_refused, 0, (int)COUNT(damages));
    tcase_add_test(tc, a_weight_that_is_no_number_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
