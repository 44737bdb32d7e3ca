#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/encoder/model_internal.h"
#include "common/encoder/safetensors.h"
#include "common/encoder/transformer.h"

static const char config_file[] = "config.json";
static const char index_file[] = "index.safetensors";
static const char chunks_file[] = "chunks.json";
static const char transformer_tensor[] = "transformer.embeddings";

static void save_json(struct cf_artefacts *artefacts, const char *path, json_t *json)
{
    struct cf_artefact *file = cf_artefacts_add(artefacts, path, "application/json");
    cf_json_dump(json, &file->data);
    json_decref(json);
}

static void save_config(const struct cf_model *model, struct cf_artefacts *artefacts)
{
    save_json(artefacts, config_file,
              json_pack("{s:i, s:o, s:I, s:I, s:I, s:I}", "format", 1, "params",
                        cf_model_params_to_json(&model->params), "projects",
                        (json_int_t)model->projects, "chunks", (json_int_t)model->chunks.count,
                        "words", (json_int_t)cf_bm25_words(model->bm25), "dimensions",
                        (json_int_t)model->dimensions));
}

static void save_index(const struct cf_model *model, struct cf_artefacts *artefacts)
{
    struct cf_tensors tensors = CF_TENSORS_INIT;
    int32_t *projects = cf_calloc(model->chunks.count, sizeof(*projects));
    for (size_t i = 0; i < model->chunks.count; i++) {
        projects[i] = (int32_t)model->chunks.items[i].project;
    }
    cf_tensors_add_matrix(&tensors, "embeddings", CF_F32, model->embeddings, model->chunks.count,
                          model->dimensions);
    cf_tensors_add(&tensors, "chunk_projects", CF_I32, projects, model->chunks.count, 0);
    if (model->transformer_embeddings) {
        cf_tensors_add_matrix(&tensors, transformer_tensor, CF_F32, model->transformer_embeddings,
                              model->chunks.count, model->transformer_dimensions);
    }
    cf_bm25_save(model->bm25, &tensors);
    struct cf_artefact *file = cf_artefacts_add(artefacts, index_file, "application/octet-stream");
    cf_safetensors_write(&tensors, &file->data);
    cf_tensors_release(&tensors);
    free(projects);
}

static void save_chunks(const struct cf_model *model, struct cf_artefacts *artefacts)
{
    json_t *projects = json_array();
    json_t *chunks = json_array();
    for (size_t i = 0; i < model->projects; i++) {
        json_t *languages = json_array();
        for (size_t k = 0; k < model->languages[i].count; k++) {
            json_array_append_new(languages, json_string(model->languages[i].items[k]));
        }
        json_array_append_new(
            projects, json_pack("{s:s, s:o}", "name", model->names[i], "languages", languages));
    }
    for (size_t i = 0; i < model->chunks.count; i++) {
        const struct cf_chunk *c = &model->chunks.items[i];
        json_array_append_new(chunks,
                              json_pack("{s:s, s:s, s:s, s:s}", "project", model->names[c->project],
                                        "path", c->path, "heading", c->heading, "text", c->text));
    }
    save_json(artefacts, chunks_file,
              json_pack("{s:o, s:o}", "projects", projects, "chunks", chunks));
}

void cf_model_save(const struct cf_model *model, struct cf_artefacts *artefacts)
{
    save_config(model, artefacts);
    model->encoder->type->save(model->encoder, artefacts);
    save_index(model, artefacts);
    save_chunks(model, artefacts);
    if (model->transformer) {
        model->transformer->type->save(model->transformer, artefacts);
    }
    if (model->whitening) {
        cf_whitening_save(model->whitening, artefacts);
    }
}

static int wrong(struct cf_error *err, const char *file, const char *what)
{
    return cf_error_at(err, CF_EDATA, "load", file, "%s: %s", file, what);
}

static int find_file(const struct cf_artefacts *artefacts, const char *path,
                     const struct cf_artefact **out, struct cf_error *err)
{
    *out = cf_artefacts_find(artefacts, path);
    return *out ? 0 : wrong(err, path, "is missing");
}

static int load_json(const struct cf_artefacts *artefacts, const char *path, json_t **out,
                     struct cf_error *err)
{
    const struct cf_artefact *file = NULL;
    int code = find_file(artefacts, path, &file, err);
    return code ? code : cf_json_parse(file->data.data, file->data.length, path, out, err);
}

/* What config.json says of the other files. */
struct counts {
    uint64_t projects, chunks, words, dimensions;
};

static int load_config(const struct cf_artefacts *artefacts, struct cf_model_params *params,
                       struct counts *counts, struct cf_error *err)
{
    json_t *config = NULL;
    json_t *object = NULL;
    uint64_t format = 0;
    int code = load_json(artefacts, config_file, &config, err);
    if (code) {
        return code;
    }
    code = cf_json_get_u64(config, "format", &format, err);
    if (!code && format != 1) {
        code =
            cf_error_set(err, CF_EDATA, "the format %llu isn't known", (unsigned long long)format);
    }
    code = code ? code : cf_json_get_object(config, "params", &object, err);
    code = code ? code : cf_model_params_from_json(object, params, err);
    code = code ? code : cf_json_get_u64(config, "projects", &counts->projects, err);
    code = code ? code : cf_json_get_u64(config, "chunks", &counts->chunks, err);
    code = code ? code : cf_json_get_u64(config, "words", &counts->words, err);
    code = code ? code : cf_json_get_u64(config, "dimensions", &counts->dimensions, err);
    json_decref(config);
    return code ? cf_error_prefix(err, "%s", config_file) : 0;
}

static int load_project(const json_t *json, struct cf_model *model, struct cf_error *err)
{
    const char *name = NULL;
    json_t *languages = NULL;
    int code = cf_json_get_string(json, "name", &name, err);
    code = code ? code : cf_json_get_array(json, "languages", &languages, err);
    size_t count = json_array_size(languages);
    const char **items = cf_calloc(count, sizeof(*items));
    for (size_t i = 0; !code && i < count; i++) {
        items[i] = json_string_value(json_array_get(languages, i));
        code =
            items[i] ? 0 : cf_error_set(err, CF_EDATA, "the field \"languages\" must hold strings");
    }
    if (!code) {
        model->names[model->projects] = cf_strdup(name);
        cf_languages_copy(items, count, &model->languages[model->projects]);
        model->projects++;
    }
    free(items);
    return code;
}

static int load_chunk(const json_t *json, int32_t project, struct cf_model *model,
                      struct cf_error *err)
{
    const char *name = NULL;
    const char *path = NULL;
    const char *heading = NULL;
    const char *text = NULL;
    int code = cf_json_get_string(json, "project", &name, err);
    code = code ? code : cf_json_get_string(json, "path", &path, err);
    code = code ? code : cf_json_get_string(json, "heading", &heading, err);
    code = code ? code : cf_json_get_string(json, "text", &text, err);
    if (!code && strcmp(name, model->names[project]) != 0) {
        code = cf_error_set(err, CF_EDATA, "a chunk is of another project than the index says");
    }
    if (!code) {
        cf_chunks_add(&model->chunks, (size_t)project, path, heading, text, strlen(text));
    }
    return code;
}

/* Fills names, languages, chunks and first. owners: the project of each chunk. */
static int load_chunks(const json_t *root, const struct counts *counts, const int32_t *owners,
                       struct cf_model *model, struct cf_error *err)
{
    json_t *projects = NULL;
    json_t *chunks = NULL;
    int code = cf_json_get_array(root, "projects", &projects, err);
    code = code ? code : cf_json_get_array(root, "chunks", &chunks, err);
    if (!code && (json_array_size(projects) != counts->projects || counts->projects == 0 ||
                  json_array_size(chunks) != counts->chunks)) {
        code =
            cf_error_set(err, CF_EDATA, "holds another number of projects or chunks than stated");
    }
    if (code) {
        return code;
    }
    model->names = cf_calloc(counts->projects, sizeof(*model->names));
    model->languages = cf_calloc(counts->projects, sizeof(*model->languages));
    model->first = cf_calloc(counts->projects + 1, sizeof(*model->first));
    for (size_t i = 0; !code && i < counts->projects; i++) {
        code = load_project(json_array_get(projects, i), model, err);
    }
    for (size_t i = 0; !code && i < counts->chunks; i++) {
        code = load_chunk(json_array_get(chunks, i), owners[i], model, err);
        model->first[owners[i] + 1] = i + 1;
    }
    return code;
}

/* Each project has chunks, and they stand in the order of the projects. */
static int check_owners(const int32_t *owners, const struct counts *counts, struct cf_error *err)
{
    bool good = counts->chunks > 0 && owners[0] == 0 &&
                (uint64_t)owners[counts->chunks - 1] + 1 == counts->projects;
    for (size_t i = 1; good && i < counts->chunks; i++) {
        good = owners[i] == owners[i - 1] || owners[i] == owners[i - 1] + 1;
    }
    return good ? 0 : wrong(err, index_file, "tensor \"chunk_projects\" isn't in order");
}

/* Embeddings of all chunks: components of vectors of length 1. */
static int load_embeddings(const struct cf_tensors *tensors, const char *name, size_t chunks,
                           size_t dimensions, float **out, struct cf_error *err)
{
    const size_t shape[2] = {chunks, dimensions};
    int code = cf_tensors_get_f32(tensors, index_file, name, 2, shape, NULL, out, err);
    for (size_t i = 0; !code && i < chunks * dimensions; i++) {
        if (!(fabsf((*out)[i]) < 1.01F)) {
            code = cf_error_at(err, CF_EDATA, "load", index_file,
                               "%s: tensor \"%s\" holds a value out of range", index_file, name);
        }
    }
    return code;
}

/* A transformer of weight 0 isn't there, as far as search is concerned. */
static int load_transformer(const struct cf_artefacts *artefacts, const struct cf_tensors *index,
                            struct cf_model *model, struct cf_error *err)
{
    const struct cf_encoder_type *type = &cf_transformer_type;
    if (!(model->params.transformer > 0)) {
        model->params.whitening = 0;
        return 0;
    }
    int code = type->load(artefacts, &model->params, &model->transformer, err);
    size_t n = code ? 0 : type->dimensions(model->transformer);
    if (!code && model->params.whitening) {
        code = cf_whitening_load(artefacts, n, model->params.whitening, &model->whitening, err);
        n = model->params.whitening;
    }
    model->transformer_dimensions = n;
    return code ? code
                : load_embeddings(index, transformer_tensor, model->chunks.count, n,
                                  &model->transformer_embeddings, err);
}

static int load_index(const struct cf_tensors *tensors, const struct counts *counts,
                      struct cf_model *model, int32_t **owners, struct cf_error *err)
{
    size_t chunks = (size_t)counts->chunks;
    struct cf_bm25_options options = cf_model_bm25_options(&model->params);
    if (counts->projects == 0 || counts->projects > INT32_MAX) {
        return wrong(err, config_file, "the number of projects is out of range");
    }
    int code =
        load_embeddings(tensors, "embeddings", chunks, model->dimensions, &model->embeddings, err);
    code = code ? code
                : cf_tensors_get_i32(tensors, index_file, "chunk_projects", chunks, 0,
                                     (int32_t)counts->projects - 1, NULL, owners, err);
    code = code ? code : check_owners(*owners, counts, err);
    code = code ? code
                : cf_bm25_load(tensors, index_file, &options, (size_t)counts->projects,
                               &model->bm25, err);
    if (!code && cf_bm25_words(model->bm25) != counts->words) {
        code = wrong(err, index_file, "holds another number of words than config.json states");
    }
    return code;
}

static int load_files(const struct cf_artefacts *artefacts, struct cf_model *model,
                      struct cf_error *err)
{
    struct counts counts = {0, 0, 0, 0};
    const struct cf_artefact *index = NULL;
    struct cf_tensors tensors = CF_TENSORS_INIT;
    int32_t *owners = NULL;
    json_t *root = NULL;
    int code = load_config(artefacts, &model->params, &counts, err);
    if (code) {
        return code;
    }
    const struct cf_encoder_type *type = cf_encoder_find(model->params.encoder);
    code = type->load(artefacts, &model->params, &model->encoder, err);
    model->dimensions = code ? 0 : type->dimensions(model->encoder);
    if (!code && model->dimensions != counts.dimensions) {
        code = wrong(err, config_file, "states another number of dimensions than the encoder has");
    }
    code = code ? code : find_file(artefacts, index_file, &index, err);
    code =
        code ? code
             : cf_safetensors_read(index->data.data, index->data.length, index_file, &tensors, err);
    code = code ? code : load_index(&tensors, &counts, model, &owners, err);
    code = code ? code : load_json(artefacts, chunks_file, &root, err);
    if (!code) {
        code = load_chunks(root, &counts, owners, model, err);
        code = code ? cf_error_prefix(err, "%s", chunks_file) : 0;
    }
    code = code ? code : load_transformer(artefacts, &tensors, model, err);
    json_decref(root);
    free(owners);
    cf_tensors_release(&tensors);
    return code;
}

int cf_model_load(const struct cf_artefacts *artefacts, struct cf_model **out, struct cf_error *err)
{
    struct cf_model *model = cf_calloc(1, sizeof(*model));
    int code = load_files(artefacts, model, err);
    if (code) {
        cf_model_free(model);
        return code;
    }
    *out = model;
    return 0;
}
