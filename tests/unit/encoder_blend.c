/* Models with a transformer: fitted, searched, saved, loaded, damaged. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/encoder/model.h"
#include "common/encoder/safetensors.h"
#include "common/encoder/whitening.h"
#include "tests/unit/encoder_tuner.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT(path, s)                                                                              \
    {                                                                                              \
        path, s, sizeof(s) - 1                                                                     \
    }

static const struct cf_text cloud_texts[] = {
    TEXT("README.md", "# Cloud\n\nSets up the cloud with code.\n\n# Use\n\nAsk for an account.\n"),
    TEXT("ARCHITECTURE.md", "# Parts\n\nOne network for all accounts, one port for the web.\n")};
static const struct cf_text player_texts[] = {TEXT(
    "README.md", "# Player\n\nPlays audio in a web page.\n\n# Files\n\nReads flac and ogg.\n")};
static const struct cf_text scanner_texts[] = {
    TEXT("README.md", "# Scanner\n\nScans a network for each open port.\n")};
static const char *const go[] = {"Go"};

static const struct cf_project projects[] = {
    {"cloud", "Infrastructure as code", NULL, 0, go, 1, cloud_texts, 2},
    {"player", "Audio player for web pages", NULL, 0, NULL, 0, player_texts, 1},
    {"scanner", "Fast network port scanner", NULL, 0, go, 1, scanner_texts, 1}};
static const struct cf_corpus corpus = {projects, 3};

static struct cf_model_params params_of(double weight, unsigned whitening)
{
    struct cf_model_params params;
    cf_model_params_default(&params);
    params.chunk_minimum = 0;
    params.transformer = weight;
    params.whitening = whitening;
    return params;
}

static struct cf_model *fitted(double weight, unsigned whitening, struct tuner_state *state)
{
    struct cf_model_params params = params_of(weight, whitening);
    struct tuner_state own = {0};
    struct cf_tuner tuner = tuner_of(state ? state : &own);
    struct cf_model *model = NULL;
    struct cf_error err = {0};
    ck_assert_msg(!cf_model_fit(&corpus, &params, &tuner, &model, &err), "%s", err.message);
    return model;
}

static struct cf_artefacts saved(double weight, unsigned whitening)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct cf_model *model = fitted(weight, whitening, NULL);
    cf_model_save(model, &files);
    cf_model_free(model);
    return files;
}

static size_t search(struct cf_model *model, const char *question, struct cf_hit *hits)
{
    struct cf_search_options options = {3, -1, false};
    size_t count = SIZE_MAX;
    struct cf_error err = {0};
    ck_assert_msg(!cf_model_search(model, question, &options, hits, &count, &err), "%s",
                  err.message);
    return count;
}

static struct cf_buf *data_of(struct cf_artefacts *files, const char *path)
{
    struct cf_artefact *file = (struct cf_artefact *)cf_artefacts_find(files, path);
    ck_assert_msg(file != NULL, "no %s", path);
    return &file->data;
}

static void expect_equal(const struct cf_artefacts *a, const struct cf_artefacts *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        ck_assert_str_eq(a->items[i].path, b->items[i].path);
        ck_assert_uint_eq(a->items[i].data.length, b->items[i].data.length);
        ck_assert_mem_eq(a->items[i].data.data, b->items[i].data.data, a->items[i].data.length);
    }
}

/* --- what is fitted ------------------------------------------------------------------------------
 */

/* The embeddings that index.safetensors holds, and which project each is of. */
struct index {
    float *embeddings;
    int32_t *owners;
    size_t shape[2];
};

static struct index index_of(struct cf_artefacts *files)
{
    const size_t any[2] = {CF_ANY, CF_ANY};
    struct index index;
    struct cf_tensors tensors;
    struct cf_buf *data = data_of(files, "index.safetensors");
    ck_assert_int_eq(cf_safetensors_read(data->data, data->length, "i", &tensors, NULL), 0);
    ck_assert_int_eq(cf_tensors_get_f32(&tensors, "i", "transformer.embeddings", 2, any,
                                        index.shape, &index.embeddings, NULL),
                     0);
    ck_assert_int_eq(cf_tensors_get_i32(&tensors, "i", "chunk_projects", index.shape[0], 0, 2, NULL,
                                        &index.owners, NULL),
                     0);
    cf_tensors_release(&tensors);
    return index;
}

static void index_release(struct index *index)
{
    free(index->embeddings);
    free(index->owners);
}

/* Of heading and text of every chunk, from chunks.json. */
START_TEST(embeddings_are_those_of_heading_and_text)
{
    struct cf_artefacts files = saved(.4, 0);
    struct index index = index_of(&files);
    struct cf_buf *data = data_of(&files, "chunks.json");
    struct cf_encoder *encoder = tuner_transformer();
    json_t *root = NULL;
    ck_assert_int_eq(cf_json_parse(data->data, data->length, "chunks", &root, NULL), 0);
    const json_t *chunks = json_object_get(root, "chunks");
    ck_assert_uint_eq(index.shape[0], json_array_size(chunks));
    ck_assert_uint_eq(index.shape[1], TUNER_HIDDEN);
    for (size_t i = 0; i < index.shape[0]; i++) {
        const json_t *chunk = json_array_get(chunks, i);
        char *text = cf_asprintf("%s\n%s", json_string_value(json_object_get(chunk, "heading")),
                                 json_string_value(json_object_get(chunk, "text")));
        struct cf_view view = {text, strlen(text)};
        float z[TUNER_HIDDEN];
        ck_assert_int_eq(encoder->type->embed(encoder, &view, 1, z, NULL), 0);
        for (size_t k = 0; k < TUNER_HIDDEN; k++) {
            ck_assert(fabs((double)(z[k] - index.embeddings[i * TUNER_HIDDEN + k])) < 1e-5);
        }
        free(text);
    }
    encoder->type->free(encoder);
    json_decref(root);
    index_release(&index);
    cf_artefacts_release(&files);
}
END_TEST

/* The transformer's cosine with each project's best chunk, from the saved embeddings. */
static void cosines_by_hand(struct cf_artefacts *files, const char *question, double best[3])
{
    struct index index = index_of(files);
    struct cf_encoder *encoder = tuner_transformer();
    struct cf_whitening *w = NULL;
    struct cf_view view = {question, strlen(question)};
    float raw[TUNER_HIDDEN];
    float z[TUNER_HIDDEN];
    ck_assert_int_eq(encoder->type->embed(encoder, &view, 1, raw, NULL), 0);
    memcpy(z, raw, sizeof(z));
    if (cf_artefacts_find(files, CF_WHITENING_FILE)) {
        ck_assert_int_eq(cf_whitening_load(files, TUNER_HIDDEN, index.shape[1], &w, NULL), 0);
        cf_whitening_apply(w, raw, 1, z);
    }
    best[0] = best[1] = best[2] = -INFINITY;
    for (size_t i = 0; i < index.shape[0]; i++) {
        double cosine = 0;
        for (size_t k = 0; k < index.shape[1]; k++) {
            cosine += (double)z[k] * (double)index.embeddings[i * index.shape[1] + k];
        }
        best[index.owners[i]] = fmax(best[index.owners[i]], cosine);
    }
    cf_whitening_free(w);
    encoder->type->free(encoder);
    index_release(&index);
}

static double z_of(const double x[3], size_t i)
{
    double mean = (x[0] + x[1] + x[2]) / 3;
    double variance = (pow(x[0] - mean, 2) + pow(x[1] - mean, 2) + pow(x[2] - mean, 2)) / 3;
    return (x[i] - mean) / sqrt(variance);
}

static const struct {
    double weight;
    unsigned whitening;
} blends[] = {{.4, 0}, {1, 0}, {.4, 3}, {.7, 5}};

START_TEST(scores_are_blended)
{
    struct cf_model *model = fitted(blends[_i].weight, blends[_i].whitening, NULL);
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    const char *question = "scanner for a network with Go";
    struct cf_hit hits[3];
    double x[3][3];
    double language[3] = {.3, 0, .3};
    cf_model_save(model, &files);
    ck_assert(cf_model_params(model)->transformer == blends[_i].weight);
    ck_assert_uint_eq(cf_model_params(model)->whitening, blends[_i].whitening);
    ck_assert_uint_eq(search(model, question, hits), 3);
    for (size_t i = 0; i < 3; i++) {
        x[0][hits[i].index] = hits[i].bm25;
        x[1][hits[i].index] = hits[i].lsa;
    }
    cosines_by_hand(&files, question, x[2]);
    for (size_t i = 0; i < 3; i++) {
        size_t p = hits[i].index;
        double t = blends[_i].weight;
        double want =
            (1 - t) * (.5 * z_of(x[0], p) + .5 * z_of(x[1], p)) + t * z_of(x[2], p) + language[p];
        ck_assert(fabs(hits[i].transformer - x[2][p]) < 1e-5);
        ck_assert_msg(fabs(hits[i].score - want) < 1e-3, "%g, not %g", hits[i].score, want);
        ck_assert(i == 0 || hits[i].score <= hits[i - 1].score);
    }
    cf_artefacts_release(&files);
    cf_model_free(model);
}
END_TEST

/* One-hot: 0 for what is about files, 1 for anything else. */
static void files_or_not(const struct cf_view *text, float *out)
{
    char *copy = cf_calloc(text->length + 1, 1);
    memcpy(copy, text->text, text->length);
    out[strstr(copy, "flac") || strstr(copy, "music") ? 0 : 1] = 1;
    free(copy);
}

START_TEST(the_transformer_chooses_the_passage_too)
{
    struct tuner_state state = {.fake = files_or_not, .dimensions = 2};
    struct cf_model *model = fitted(1, 0, &state);
    struct cf_hit hits[3];
    ck_assert_uint_eq(search(model, "music", hits), 3);
    ck_assert_str_eq(hits[0].project, "player");
    ck_assert_str_eq(hits[0].heading, "Files");
    ck_assert(hits[0].transformer == 1 && hits[1].transformer == 0);
    ck_assert(hits[0].bm25 == 0);
    cf_model_free(model);
}
END_TEST

/* "zebra" is in no project, but in the vocabulary. */
START_TEST(a_token_is_enough_to_be_known)
{
    static const char *const unknown[] = {"", "\xe6\x97\xa5\xe6\x9c\xac", "[UNK]", "?!"};
    struct cf_model *model = fitted(.2, 0, NULL);
    struct cf_model *without = fitted(0, 0, NULL);
    struct cf_hit hits[3];
    ck_assert_uint_eq(search(model, "zebra", hits), 3);
    ck_assert(hits[0].bm25 == 0 && hits[0].transformer != 0);
    ck_assert_uint_eq(search(without, "zebra", hits), 0);
    ck_assert_uint_eq(search(without, "player", hits), 3);
    ck_assert(hits[0].transformer == 0 && hits[1].transformer == 0);
    for (size_t i = 0; i < COUNT(unknown); i++) {
        ck_assert_uint_eq(search(model, unknown[i], hits), 0);
    }
    cf_model_free(model);
    cf_model_free(without);
}
END_TEST

START_TEST(whitening_has_no_more_dimensions_than_there_can_be)
{
    struct cf_model *model = fitted(.5, 1024, NULL);
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    cf_model_save(model, &files);
    struct index index = index_of(&files);
    ck_assert_uint_eq(index.shape[0], cf_model_chunks(model));
    ck_assert_uint_le(index.shape[1], TUNER_HIDDEN);
    ck_assert_uint_lt(index.shape[1], index.shape[0]);
    ck_assert_uint_ge(index.shape[1], 2);
    ck_assert_uint_eq(cf_model_params(model)->whitening, index.shape[1]);
    for (size_t i = 0; i < index.shape[0]; i++) {
        double square = 0;
        for (size_t k = 0; k < index.shape[1]; k++) {
            double x = (double)index.embeddings[i * index.shape[1] + k];
            square += x * x;
        }
        ck_assert(fabs(square - 1) < 1e-5);
    }
    index_release(&index);
    cf_artefacts_release(&files);
    cf_model_free(model);
}
END_TEST

static void the_same(const struct cf_view *text, float *out)
{
    (void)text;
    out[1] = 1;
}

START_TEST(what_is_all_the_same_is_not_whitened)
{
    struct tuner_state state = {.fake = the_same, .dimensions = 3};
    struct cf_model *model = fitted(.5, 3, &state);
    struct cf_hit hits[3];
    ck_assert_uint_eq(cf_model_params(model)->whitening, 0);
    ck_assert_uint_eq(search(model, "player", hits), 3);
    ck_assert_str_eq(hits[0].project, "player");
    ck_assert(hits[0].transformer == 1 && hits[2].transformer == 1);
    cf_model_free(model);
}
END_TEST

/* --- saved and loaded ----------------------------------------------------------------------------
 */

START_TEST(round_trip)
{
    static const char *const questions[] = {"web player", "a port with Go", "zebra", "account"};
    struct cf_model *model = fitted(blends[_i].weight, blends[_i].whitening, NULL);
    struct cf_artefacts first = CF_ARTEFACTS_INIT;
    struct cf_artefacts second = CF_ARTEFACTS_INIT;
    struct cf_model *back = NULL;
    struct cf_error err = {0};
    cf_model_save(model, &first);
    ck_assert_msg(!cf_model_load(&first, &back, &err), "%s", err.message);
    for (size_t q = 0; q < COUNT(questions); q++) {
        struct cf_hit a[3];
        struct cf_hit b[3];
        ck_assert_uint_eq(search(model, questions[q], a), 3);
        ck_assert_uint_eq(search(back, questions[q], b), 3);
        for (size_t i = 0; i < 3; i++) {
            ck_assert_str_eq(a[i].project, b[i].project);
            ck_assert_str_eq(a[i].passage, b[i].passage);
            ck_assert_mem_eq(&a[i].score, &b[i].score, sizeof(double));
            ck_assert_mem_eq(&a[i].transformer, &b[i].transformer, sizeof(double));
        }
    }
    ck_assert_ptr_nonnull(strstr(data_of(&first, "config.json")->data, "\"transformer\":"));
    cf_model_save(back, &second);
    expect_equal(&first, &second);
    ck_assert_uint_eq(first.count, blends[_i].whitening ? 14 : 13);
    cf_model_free(model);
    cf_model_free(back);
    cf_artefacts_release(&first);
    cf_artefacts_release(&second);
}
END_TEST

START_TEST(equal_input_gives_equal_bytes)
{
    struct cf_artefacts a = saved(blends[_i].weight, blends[_i].whitening);
    struct cf_artefacts b = saved(blends[_i].weight, blends[_i].whitening);
    expect_equal(&a, &b);
    cf_artefacts_release(&a);
    cf_artefacts_release(&b);
}
END_TEST

/* The folder is there for others; everything else is as without a tuner, byte for byte. */
START_TEST(with_weight_0_only_the_folder_is_added)
{
    struct cf_model_params params = params_of(.5, 7); /* without a tuner: of no effect */
    struct cf_artefacts with = saved(0, 7);
    struct cf_artefacts without = CF_ARTEFACTS_INIT;
    struct cf_model *model = NULL;
    struct cf_hit hits[3];
    ck_assert_int_eq(cf_model_fit(&corpus, &params, NULL, &model, NULL), 0);
    ck_assert(cf_model_params(model)->transformer == 0);
    ck_assert_uint_eq(cf_model_params(model)->whitening, 0);
    cf_model_save(model, &without);
    cf_model_free(model);
    ck_assert_uint_eq(without.count, 4);
    ck_assert_uint_eq(with.count, 13);
    for (size_t i = 0; i < with.count; i++) {
        if (i < 4) {
            ck_assert_str_eq(with.items[i].path, without.items[i].path);
            ck_assert_uint_eq(with.items[i].data.length, without.items[i].data.length);
            ck_assert_mem_eq(with.items[i].data.data, without.items[i].data.data,
                             with.items[i].data.length);
        } else {
            ck_assert_ptr_eq(strstr(with.items[i].path, "transformer/"), with.items[i].path);
        }
    }
    ck_assert_ptr_null(strstr(data_of(&with, "config.json")->data, "transformer"));
    ck_assert_ptr_null(strstr(data_of(&with, "config.json")->data, "whitening"));
    cf_buf_clear(data_of(&with, "transformer/vocab.txt")); /* load doesn't look */
    ck_assert_int_eq(cf_model_load(&with, &model, NULL), 0);
    ck_assert_uint_eq(search(model, "zebra", hits), 0);
    cf_model_free(model);
    cf_artefacts_release(&with);
    cf_artefacts_release(&without);
}
END_TEST

START_TEST(parameters_of_a_transformer)
{
    struct cf_model_params a = params_of(0, 0);
    struct cf_model_params b;
    struct cf_error err = {0};
    json_t *json = cf_model_params_to_json(&a);
    ck_assert_uint_eq(json_object_size(json), 12);
    ck_assert_ptr_null(json_object_get(json, "transformer"));
    json_decref(json);
    a.whitening = 8;
    json = cf_model_params_to_json(&a);
    ck_assert_uint_eq(json_object_size(json), 14);
    json_decref(json);
    a = params_of(.3, 0);
    json = cf_model_params_to_json(&a);
    ck_assert_uint_eq(json_object_size(json), 14);
    ck_assert_int_eq(cf_model_params_from_json(json, &b, &err), 0);
    ck_assert_mem_eq(&a, &b, sizeof(a));
    json_object_set_new(json, "transformer", json_real(1.01));
    ck_assert_int_eq(cf_model_params_from_json(json, &b, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "the parameter \"transformer\" must be from 0 to 1");
    json_object_set_new(json, "transformer", json_real(1));
    json_object_set_new(json, "whitening", json_integer(1025));
    ck_assert_int_eq(cf_model_params_from_json(json, &b, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "the parameter \"whitening\" must be from 0 to 1024");
    json_decref(json);
}
END_TEST

/* --- refused -------------------------------------------------------------------------------------
 */

static void expect_refused(const struct cf_artefacts *files, const char *says)
{
    struct cf_model *model = NULL;
    struct cf_error err = {0};
    ck_assert_int_eq(cf_model_load(files, &model, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, says) != NULL, "\"%s\" doesn't say \"%s\"", err.message,
                  says);
    ck_assert_ptr_null(model);
}

static const char *const needed[] = {
    "transformer/config.json: it is missing", "transformer/model.safetensors: it is missing",
    "transformer/vocab.txt: it is missing", "whitening.safetensors: is missing"};

START_TEST(missing_files)
{
    struct cf_artefacts files = saved(.4, 3);
    for (size_t i = 0; i < files.count; i++) {
        size_t length = strlen(files.items[i].path);
        if (strncmp(needed[_i], files.items[i].path, length) == 0 && needed[_i][length] == ':') {
            files.items[i].path[0] = 'X';
        }
    }
    expect_refused(&files, needed[_i]);
    cf_artefacts_release(&files);
}
END_TEST

/* Replaces the first place of from in a file by to, of the same length. */
static void edit(struct cf_artefacts *files, const char *path, const char *from, const char *to)
{
    struct cf_buf *data = data_of(files, path);
    size_t length = strlen(from);
    size_t at = 0;
    while (at + length <= data->length && memcmp(data->data + at, from, length) != 0) {
        at++;
    }
    ck_assert_msg(at + length <= data->length, "no %s in %s", from, path);
    ck_assert_uint_eq(length, strlen(to));
    memcpy(data->data + at, to, length);
}

static const struct {
    const char *file, *from, *to, *says;
} edits[] = {
    {"index.safetensors", "transformer.embeddings", "transformer.embedding5",
     "index.safetensors: tensor \"transformer.embeddings\" is missing"},
    {"config.json", "\"whitening\":3", "\"whitening\":4",
     "whitening.safetensors: tensor \"whitening.projection\" is of another shape"},
    {"config.json", "\"whitening\":3", "\"whitening\":0",
     "index.safetensors: tensor \"transformer.embeddings\" is of another shape"},
    {"config.json", "\"transformer\":0.4", "\"transformer\":9.4", "\"transformer\" must be"},
    {"whitening.safetensors", "whitening.mean", "whitening.meat",
     "whitening.safetensors: tensor \"whitening.mean\" is missing"},
    {"transformer/model.safetensors", "embeddings.LayerNorm.bias", "embeddings.LayerNorm.bios",
     "transformer/model.safetensors: tensor \"embeddings.LayerNorm.bias\" is missing"},
    {"transformer/vocab.txt", "[SEP]", "[SAP]", "transformer/vocab.txt"},
};

START_TEST(edited_files)
{
    struct cf_artefacts files = saved(.4, 3);
    edit(&files, edits[_i].file, edits[_i].from, edits[_i].to);
    expect_refused(&files, edits[_i].says);
    cf_artefacts_release(&files);
}
END_TEST

static const struct {
    const char *file, *tensor;
    float value;
} values[] = {
    {"index.safetensors", "transformer.embeddings", NAN},
    {"index.safetensors", "transformer.embeddings", 1.5F},
    {"whitening.safetensors", "whitening.mean", NAN},
    {"whitening.safetensors", "whitening.projection", INFINITY},
    {"transformer/model.safetensors", "encoder.layer.0.output.dense.bias", NAN},
};

START_TEST(numbers_that_cant_be)
{
    struct cf_artefacts files = saved(.4, 3);
    struct cf_buf *data = data_of(&files, values[_i].file);
    struct cf_tensors tensors;
    ck_assert_int_eq(cf_safetensors_read(data->data, data->length, "x", &tensors, NULL), 0);
    const struct cf_tensor *t = cf_tensors_find(&tensors, values[_i].tensor);
    ck_assert_ptr_nonnull(t);
    memcpy((char *)(uintptr_t)t->data + 4, &values[_i].value, 4);
    cf_tensors_release(&tensors);
    expect_refused(&files, values[_i].tensor);
    expect_refused(&files, values[_i].file);
    cf_artefacts_release(&files);
}
END_TEST

/* Any byte changed: refused, or loaded into what can be searched, if only to be told that the
 * embedding of the question isn't finite. */
static const char *const damaged[] = {"config.json",
                                      "index.safetensors",
                                      "whitening.safetensors",
                                      "transformer/config.json",
                                      "transformer/model.safetensors",
                                      "transformer/vocab.txt"};

START_TEST(any_byte_changed)
{
    struct cf_artefacts files = saved(.4, 3);
    struct cf_search_options options = {3, -1, false};
    struct cf_buf *data = data_of(&files, damaged[_i]);
    size_t step = data->length / 150 + 1;
    for (size_t at = 0; at < data->length; at += step) {
        static const char flips[] = {1, 0x40, (char)0x80};
        for (size_t f = 0; f < sizeof(flips); f++) {
            struct cf_model *model = NULL;
            struct cf_error err;
            struct cf_hit hits[3];
            size_t count;
            data->data[at] = (char)(data->data[at] ^ flips[f]);
            int code = cf_model_load(&files, &model, &err);
            ck_assert_msg(code == 0 || code == CF_EDATA, "%s", err.message);
            if (!code) {
                code = cf_model_search(model, "audio player", &options, hits, &count, &err);
                ck_assert(code == 0 ? isfinite(hits[0].score) : code == CF_EDATA && count == 0);
                cf_model_free(model);
            }
            data->data[at] = (char)(data->data[at] ^ flips[f]);
        }
    }
    cf_artefacts_release(&files);
}
END_TEST

/* --- what goes wrong while fitting ---------------------------------------------------------------
 */

static int fit_code(struct tuner_state *state, struct cf_error *err)
{
    struct cf_model_params params = params_of(.4, 3);
    struct cf_tuner tuner = tuner_of(state);
    struct cf_model *model = NULL;
    int code = cf_model_fit(&corpus, &params, &tuner, &model, err);
    ck_assert(code != 0 || model);
    cf_model_free(model);
    return code;
}

START_TEST(a_tuner_that_stops_or_fails)
{
    struct tuner_state state = {.stop_at = 1};
    struct cf_error err = {0};
    ck_assert_int_eq(fit_code(&state, &err), CF_EINTERRUPTED);
    ck_assert_str_eq(err.message, "stopped while texts were embedded");
    ck_assert_uint_eq(state.tunes, 1);
    state = (struct tuner_state){.fails = CF_ERETRY};
    ck_assert_int_eq(fit_code(&state, &err), CF_ERETRY);
    ck_assert_str_eq(err.message, "the tuner fails");
    ck_assert_uint_eq(state.asked, 0);
    state = (struct tuner_state){0};
    ck_assert_int_eq(fit_code(&state, &err), 0);
    ck_assert_uint_eq(state.asked, 1); /* one batch */
    ck_assert(state.descriptions);
}
END_TEST

START_TEST(stopping_is_asked_for_between_batches)
{
    /* 100 sections: two batches with the metadata */
    struct cf_buf text = CF_BUF_INIT;
    for (int i = 0; i < 100; i++) {
        cf_buf_printf(&text, "# Port %c%c\n\nweb cloud %d\n", 'a' + i % 26, 'a' + i / 26, i);
    }
    const struct cf_text texts[] = {{"README.md", text.data, text.length}};
    const struct cf_project one = {"one", NULL, NULL, 0, NULL, 0, texts, 1};
    const struct cf_corpus long_one = {&one, 1};
    struct cf_model_params params = params_of(.4, 0);
    struct tuner_state state = {.fake = the_same, .dimensions = 2};
    struct cf_tuner tuner = tuner_of(&state);
    struct cf_model *model = NULL;
    struct cf_error err = {0};
    ck_assert_int_eq(cf_model_fit(&long_one, &params, &tuner, &model, &err), 0);
    ck_assert_uint_eq(cf_model_chunks(model), 101);
    ck_assert_uint_eq(state.asked, 2);
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    cf_model_save(model, &files);
    struct index index = index_of(&files);
    ck_assert_uint_eq(index.shape[0], 101);
    for (size_t i = 0; i < 101; i++) {
        ck_assert(index.embeddings[2 * i] == 0 && index.embeddings[2 * i + 1] == 1);
    }
    index_release(&index);
    cf_artefacts_release(&files);
    cf_model_free(model);
    model = NULL;
    state = (struct tuner_state){.fake = the_same, .dimensions = 2, .stop_at = 2};
    ck_assert_int_eq(cf_model_fit(&long_one, &params, &tuner, &model, &err), CF_EINTERRUPTED);
    ck_assert_ptr_null(model);
    cf_buf_release(&text);
}
END_TEST

static void broken(const struct cf_view *text, float *out)
{
    out[0] = text->length > 40 ? NAN : 1;
}

static void broken_for_questions(const struct cf_view *text, float *out)
{
    out[0] = text->length == 6 ? INFINITY : 1;
}

START_TEST(embeddings_that_are_not_finite)
{
    struct tuner_state state = {.fake = broken, .dimensions = 2};
    struct cf_error err = {0};
    ck_assert_int_eq(fit_code(&state, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "embeddings of the texts from 0 on aren't finite"));
    state.fake = broken_for_questions;
    struct cf_model *model = fitted(.4, 0, &state);
    struct cf_search_options options = {3, -1, false};
    struct cf_hit hits[3];
    size_t count = 7;
    ck_assert_int_eq(cf_model_search(model, "player", &options, hits, &count, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "the transformer's embedding of the question isn't finite");
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(search(model, "scanner", hits), 3);
    cf_model_free(model);
}
END_TEST

Suite *encoder_blend_suite(void)
{
    Suite *suite = suite_create("encoder_blend");
    TCase *tc = tcase_create("blend");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, embeddings_are_those_of_heading_and_text);
    tcase_add_loop_test(tc, scores_are_blended, 0, (int)COUNT(blends));
    tcase_add_test(tc, the_transformer_chooses_the_passage_too);
    tcase_add_test(tc, a_token_is_enough_to_be_known);
    tcase_add_test(tc, whitening_has_no_more_dimensions_than_there_can_be);
    tcase_add_test(tc, what_is_all_the_same_is_not_whitened);
    tcase_add_loop_test(tc, round_trip, 0, (int)COUNT(blends));
    tcase_add_loop_test(tc, equal_input_gives_equal_bytes, 0, (int)COUNT(blends));
    tcase_add_test(tc, with_weight_0_only_the_folder_is_added);
    tcase_add_test(tc, parameters_of_a_transformer);
    tcase_add_loop_test(tc, missing_files, 0, (int)COUNT(needed));
    tcase_add_loop_test(tc, edited_files, 0, (int)COUNT(edits));
    tcase_add_loop_test(tc, numbers_that_cant_be, 0, (int)COUNT(values));
    tcase_add_loop_test(tc, any_byte_changed, 0, (int)COUNT(damaged));
    tcase_add_test(tc, a_tuner_that_stops_or_fails);
    tcase_add_test(tc, stopping_is_asked_for_between_batches);
    tcase_add_test(tc, embeddings_that_are_not_finite);
    suite_add_tcase(suite, tc);
    return suite;
}
