/* Models whose files are damaged: each is refused with CF_EDATA, and never read out of bounds. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/encoder/model.h"
#include "common/encoder/safetensors.h"

static const struct cf_text texts[] = {
    {"README.md", "# One\nalpha beta gamma\n\n# Two\ndelta", 36}};
static const struct cf_project projects[] = {{"first", "alpha things", NULL, 0, NULL, 0, texts, 1},
                                             {"second", "other words", NULL, 0, NULL, 0, NULL, 0}};

static void fit(struct cf_artefacts *artefacts)
{
    struct cf_corpus corpus = {projects, 2};
    struct cf_model_params params;
    struct cf_model *model = NULL;
    struct cf_error err;
    cf_model_params_default(&params);
    params.feature_bits = 10;
    ck_assert_int_eq(cf_model_fit(&corpus, &params, NULL, &model, &err), 0);
    cf_model_save(model, artefacts);
    cf_model_free(model);
}

static struct cf_buf *data_of(struct cf_artefacts *artefacts, const char *path)
{
    for (size_t i = 0; i < artefacts->count; i++) {
        if (strcmp(artefacts->items[i].path, path) == 0) {
            return &artefacts->items[i].data;
        }
    }
    ck_abort_msg("no %s", path);
}

static void expect_refused(const struct cf_artefacts *artefacts, const char *named)
{
    struct cf_model *model = NULL;
    struct cf_error err = {0};
    ck_assert_int_eq(cf_model_load(artefacts, &model, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, named) != NULL, "\"%s\" doesn't name %s", err.message, named);
    ck_assert_ptr_null(model);
}

static const char *const files[] = {"config.json", "encoder.safetensors", "index.safetensors",
                                    "chunks.json"};

START_TEST(missing_and_empty_files)
{
    struct cf_artefacts artefacts = CF_ARTEFACTS_INIT;
    fit(&artefacts);
    cf_buf_clear(data_of(&artefacts, files[_i]));
    expect_refused(&artefacts, files[_i]);
    for (size_t i = 0; i < artefacts.count; i++) {
        if (strcmp(artefacts.items[i].path, files[_i]) == 0) {
            artefacts.items[i].path[0] = 'X';
        }
    }
    expect_refused(&artefacts, files[_i]);
    cf_artefacts_release(&artefacts);
}
END_TEST

/* Replaces the first occurrence of from by to in a JSON file. */
static const struct {
    const char *file, *from, *to, *named;
} edits[] = {
    {"config.json", "\"format\":1", "\"format\":2", "format"},
    {"config.json", "\"format\":1", "\"format\":\"1\"", "format"},
    {"config.json", "\"projects\":2", "\"projects\":3", "chunk_projects"},
    {"config.json", "\"projects\":2", "\"projects\":0", "projects"},
    {"config.json", "\"projects\":2", "\"projects\":-1", "projects"},
    {"config.json", "\"projects\":2", "\"projects\":99999999999", "projects"},
    {"config.json", "\"chunks\":", "\"chunks\":1", "embeddings"},
    {"config.json", "\"dimensions\":2,\"", "\"dimensions\":3,\"", "dimensions"},
    {"config.json", "\"words\":", "\"words\":1", "words"},
    {"config.json", "\"feature_bits\":10", "\"feature_bits\":9", "feature_bits"},
    {"config.json", "\"feature_bits\":10", "\"feature_bits\":10.5", "feature_bits"},
    {"config.json", "\"blend\":0.5", "\"blend\":1.5", "blend"},
    {"config.json", "\"blend\":0.5", "\"mix\":0.5", "mix"},
    {"config.json", "\"encoder\":\"lsa-bm25\"", "\"encoder\":\"magic\"", "encoder"},
    {"config.json", "\"params\":{", "\"params\":3,\"x\":{", "params"},
    {"chunks.json", "\"project\":\"first\"", "\"project\":\"second\"", "chunk"},
    {"chunks.json", "\"heading\":\"One\"", "\"heading\":1", "heading"},
    {"chunks.json", "\"path\":\"README.md\"", "\"bath\":\"README.md\"", "path"},
    {"chunks.json", "\"languages\":[]", "\"languages\":[1]", "languages"},
    {"chunks.json", "\"languages\":[]", "\"languages\":{}", "languages"},
    {"chunks.json", "{\"languages\":[],\"name\":\"first\"},", "", "projects"},
    {"chunks.json", "\"name\":\"first\"", "\"name\":null", "name"},
    {"chunks.json", "\"chunks\":", "\"junks\":", "chunks"},
    {"chunks.json", "\"chunks\":[", "\"chunks\":[5,", "chunks"},
};

START_TEST(edited_json)
{
    struct cf_artefacts artefacts = CF_ARTEFACTS_INIT;
    struct cf_buf edited = CF_BUF_INIT;
    fit(&artefacts);
    struct cf_buf *data = data_of(&artefacts, edits[_i].file);
    char *at = strstr(data->data, edits[_i].from);
    ck_assert_ptr_nonnull(at);
    cf_buf_append(&edited, data->data, (size_t)(at - data->data));
    cf_buf_puts(&edited, edits[_i].to);
    cf_buf_puts(&edited, at + strlen(edits[_i].from));
    cf_buf_release(data);
    *data = edited;
    expect_refused(&artefacts, edits[_i].named);
    cf_artefacts_release(&artefacts);
}
END_TEST

/* Overwrites one 32-bit element of a tensor. */
static const struct {
    const char *file, *tensor;
    size_t element;
    uint32_t bits;
} damages[] = {
    {"encoder.safetensors", "lsa.idf", 0, 0x7fc00000},
    {"encoder.safetensors", "lsa.idf", 1, 0x7f800000},
    {"encoder.safetensors", "lsa.values", 2, 0xff800000},
    {"encoder.safetensors", "lsa.projection", 0, 0x7fc00001},
    {"encoder.safetensors", "lsa.buckets", 0, 1024},
    {"encoder.safetensors", "lsa.buckets", 0, 1023},
    {"encoder.safetensors", "lsa.buckets", 0, 0x80000000},
    {"encoder.safetensors", "lsa.rows", 0, 2},
    {"encoder.safetensors", "lsa.rows", 0, 0xffffffff},
    {"encoder.safetensors", "lsa.offsets", 0, 1},
    {"encoder.safetensors", "lsa.offsets", 1, 0x7fffffff},
    {"encoder.safetensors", "lsa.offsets", 2, 0xfffffff0},
    {"index.safetensors", "embeddings", 0, 0x7f800000},
    {"index.safetensors", "embeddings", 1, 0x40000000},
    {"index.safetensors", "chunk_projects", 0, 1},
    {"index.safetensors", "chunk_projects", 1, 2},
    {"index.safetensors", "chunk_projects", 2, 0},
    {"index.safetensors", "bm25.posting_documents", 0, 2},
    {"index.safetensors", "bm25.lengths", 1, 0x7fc00000},
};

START_TEST(damaged_tensors)
{
    struct cf_artefacts artefacts = CF_ARTEFACTS_INIT;
    struct cf_tensors tensors;
    fit(&artefacts);
    struct cf_buf *data = data_of(&artefacts, damages[_i].file);
    ck_assert_int_eq(cf_safetensors_read(data->data, data->length, "x", &tensors, NULL), 0);
    const struct cf_tensor *t = cf_tensors_find(&tensors, damages[_i].tensor);
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_gt(t->bytes / 4, damages[_i].element);
    size_t at = (size_t)((const char *)t->data - data->data) + 4 * damages[_i].element;
    cf_tensors_release(&tensors);
    memcpy(data->data + at, &damages[_i].bits, 4);
    expect_refused(&artefacts, damages[_i].tensor);
    expect_refused(&artefacts, damages[_i].file);
    cf_artefacts_release(&artefacts);
}
END_TEST

/* Any byte of any file changed: refused, or loaded into something that can be searched. */
START_TEST(any_byte_changed)
{
    struct cf_artefacts artefacts = CF_ARTEFACTS_INIT;
    struct cf_hit hits[2];
    struct cf_search_options options = {2, -1, false};
    fit(&artefacts);
    struct cf_buf *data = data_of(&artefacts, files[_i]);
    size_t step = data->length / 700 + 1;
    for (size_t at = 0; at < data->length; at += at < 600 ? 1 : step) {
        static const char flips[] = {1, 0x40, (char)0x80};
        for (size_t f = 0; f < sizeof(flips); f++) {
            struct cf_model *model = NULL;
            struct cf_error err;
            data->data[at] = (char)(data->data[at] ^ flips[f]);
            int code = cf_model_load(&artefacts, &model, &err);
            ck_assert(code == 0 || code == CF_EDATA);
            if (!code) {
                size_t count;
                ck_assert_int_eq(
                    cf_model_search(model, "alpha beta other", &options, hits, &count, &err), 0);
                cf_model_free(model);
            }
            data->data[at] = (char)(data->data[at] ^ flips[f]);
        }
    }
    cf_artefacts_release(&artefacts);
}
END_TEST

START_TEST(any_truncation)
{
    struct cf_artefacts artefacts = CF_ARTEFACTS_INIT;
    fit(&artefacts);
    struct cf_buf *data = data_of(&artefacts, files[_i]);
    size_t length = data->length;
    for (size_t n = 1; n < length; n += length / 300 + 1) {
        struct cf_model *model = NULL;
        data->length = n;
        ck_assert_int_eq(cf_model_load(&artefacts, &model, NULL), CF_EDATA);
    }
    cf_artefacts_release(&artefacts);
}
END_TEST

START_TEST(parameters)
{
    struct cf_model_params a;
    struct cf_model_params b;
    struct cf_error err;
    json_t *empty = json_object();
    cf_model_params_default(&a);
    ck_assert_int_eq(cf_model_params_from_json(empty, &b, &err), 0);
    ck_assert_mem_eq(&a, &b, sizeof(a));
    ck_assert(a.blend == .5 && a.k1 == 2 && a.b == .75 && a.dimensions == 256);
    a.blend = .3;
    a.chunk_limit = 999;
    json_t *json = cf_model_params_to_json(&a);
    ck_assert_int_eq(cf_model_params_from_json(json, &b, &err), 0);
    ck_assert_mem_eq(&a, &b, sizeof(a));
    json_object_set_new(json, "chunk_minimum", json_integer(1000));
    ck_assert_int_eq(cf_model_params_from_json(json, &b, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "chunk_minimum"));
    json_object_set_new(json, "chunk_minimum", json_true());
    ck_assert_int_eq(cf_model_params_from_json(json, &b, &err), CF_EDATA);
    json_t *array = json_array();
    ck_assert_int_eq(cf_model_params_from_json(array, &b, &err), CF_EDATA);
    json_decref(array);
    json_decref(json);
    json_decref(empty);
}
END_TEST

Suite *encoder_files_suite(void)
{
    Suite *suite = suite_create("encoder_files");
    TCase *tc = tcase_create("files");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, missing_and_empty_files, 0, 4);
    tcase_add_loop_test(tc, edited_json, 0, (int)(sizeof(edits) / sizeof(edits[0])));
    tcase_add_loop_test(tc, damaged_tensors, 0, (int)(sizeof(damages) / sizeof(damages[0])));
    tcase_add_loop_test(tc, any_byte_changed, 0, 4);
    tcase_add_loop_test(tc, any_truncation, 0, 4);
    tcase_add_test(tc, parameters);
    suite_add_tcase(suite, tc);
    return suite;
}
