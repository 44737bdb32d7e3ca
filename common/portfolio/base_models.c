#include "common/portfolio/base_models.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"

int cf_base_model_check_name(const char *name, struct cf_error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t length = strlen(name);
    bool fine = length && length < CF_BASE_MODEL_NAME_MAX && strchr(letters, name[0]);
    for (size_t i = 0; i < length && fine; i++) {
        fine = strchr(letters, name[i]) || strchr("._-", name[i]);
    }
    if (!fine) {
        return cf_error_set(err, CF_EUSAGE,
                            "a base model's name is 1 to %d of letters, digits, \".\", \"_\" and "
                            "\"-\", and begins with a letter or digit",
                            CF_BASE_MODEL_NAME_MAX - 1);
    }
    return strcmp(name, "none") != 0
               ? 0
               : cf_error_set(err, CF_EUSAGE, "no base model can be called \"none\"");
}

void cf_base_models_dataset(struct cf_dataset *dataset, struct cf_store *store)
{
    cf_dataset_init(dataset, store, NULL, "base-models");
}

int cf_base_models_newest(const struct cf_dataset *dataset, struct cf_marker *marker, json_t **root,
                          struct cf_error *err)
{
    *root = NULL;
    int rc = cf_dataset_newest(dataset, marker, err);
    if (rc == CF_ENOTFOUND) {
        return cf_error_set(err, rc,
                            "the store has no base models; cloudfolio model import DIR --name NAME "
                            "brings one");
    }
    if (rc) {
        return rc;
    }
    rc = cf_dataset_root(dataset, marker, root, err);
    if (rc) {
        cf_marker_release(marker);
    }
    return rc;
}

static int read_text(const json_t *object, const char *key, char *out, size_t size,
                     struct cf_error *err)
{
    const char *text;
    int rc = cf_json_get_string(object, key, &text, err);
    if (!rc && strlen(text) >= size) {
        rc = cf_error_set(err, CF_EDATA, "the field \"%s\" is too long", key);
    }
    if (!rc) {
        (void)snprintf(out, size, "%s", text);
    }
    return rc;
}

int cf_base_model_read(const json_t *root, const char *name, struct cf_base_model *out,
                       struct cf_error *err)
{
    json_t *models;
    json_t *config;
    *out = (struct cf_base_model){.config = NULL};
    int rc = cf_json_get_object(root, "models", &models, err);
    if (rc) {
        return rc;
    }
    const json_t *value = json_object_get(models, name);
    if (!value) {
        return cf_error_set(err, CF_ENOTFOUND,
                            "there is no base model \"%.63s\"; cloudfolio model list shows them",
                            name);
    }
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    rc = cf_json_get_object(value, "config", &config, err);
    rc = rc ? rc : cf_json_get_u64(value, "parameters", &out->parameters, err);
    rc = rc ? rc : read_text(value, "imported_at", out->imported_at, sizeof(out->imported_at), err);
    rc =
        rc ? rc
           : cf_model_files_read(value, out->files, CF_BASE_MODEL_FILES_MAX, &out->file_count, err);
    if (!rc && !out->file_count) {
        rc = cf_error_set(err, CF_EDATA, "files: 0, from 1 to %d may be", CF_BASE_MODEL_FILES_MAX);
    }
    if (rc) {
        return cf_error_prefix(err, "base model \"%.63s\"", name);
    }
    out->config = json_incref(config);
    return 0;
}

void cf_base_model_release(struct cf_base_model *model)
{
    json_decref(model->config);
    model->config = NULL;
}

static const struct cf_model_file *find_file(const struct cf_base_model *model, const char *path)
{
    for (size_t i = 0; i < model->file_count; i++) {
        if (strcmp(model->files[i].path, path) == 0) {
            return &model->files[i];
        }
    }
    return NULL;
}

bool cf_base_model_same(const struct cf_base_model *a, const struct cf_base_model *b)
{
    bool same = a->file_count == b->file_count;
    for (size_t i = 0; i < a->file_count && same; i++) {
        const struct cf_model_file *other = find_file(b, a->files[i].path);
        same = other && strcmp(other->sha256, a->files[i].sha256) == 0;
    }
    return same;
}

void cf_base_model_hash(const struct cf_base_model *model, char out[CF_SHA256_HEX])
{
    json_t *paths = json_object();
    for (size_t i = 0; i < model->file_count; i++) {
        (void)json_object_set_new(paths, model->files[i].path, json_string(model->files[i].sha256));
    }
    cf_json_sha256(paths, out);
    json_decref(paths);
}

int cf_base_model_fetch(const struct cf_dataset *dataset, const json_t *root,
                        const struct cf_base_model *model,
                        struct cf_buf out[CF_BASE_MODEL_FILES_MAX], struct cf_error *err)
{
    struct cf_blob_set blobs;
    int rc = cf_blob_set_read(root, &blobs, err);
    memset(out, 0, CF_BASE_MODEL_FILES_MAX * sizeof(*out));
    for (size_t i = 0; i < model->file_count && !rc; i++) {
        const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, model->files[i].sha256);
        rc = ref ? cf_dataset_blob(dataset, ref, &out[i], err)
                 : cf_error_set(err, CF_EDATA, "base model \"%s\": %s is not among the blobs",
                                model->name, model->files[i].path);
    }
    for (size_t i = 0; i < model->file_count && rc; i++) {
        cf_buf_release(&out[i]);
    }
    cf_blob_set_release(&blobs);
    return rc;
}

static json_t *model_json(const struct cf_base_model *model)
{
    return json_pack("{s:O,s:I,s:s,s:o}", "config", model->config, "parameters",
                     (json_int_t)model->parameters, "imported_at", model->imported_at, "files",
                     cf_model_files_write(model->files, model->file_count));
}

/* {"models": {name: {path: sha256}}}: when a model was imported makes no other version. */
static void hash_models(const json_t *models, char out[CF_SHA256_HEX])
{
    const char *name;
    json_t *model;
    json_t *all = json_object();
    json_object_foreach((json_t *)models, name, model)
    {
        const json_t *files = json_object_get(model, "files");
        json_t *paths = json_object();
        for (size_t i = 0; i < json_array_size(files); i++) {
            const json_t *file = json_array_get(files, i);
            (void)json_object_set(paths, json_string_value(json_object_get(file, "path")),
                                  json_object_get(file, "sha256"));
        }
        (void)json_object_set_new(all, name, paths);
    }
    json_t *hashed = json_pack("{s:o}", "models", all);
    cf_json_sha256(hashed, out);
    json_decref(hashed);
}

/* The parent's other models, whose blobs stay where they are. */
static int keep_others(struct cf_commit *commit, const json_t *parent_root, const char *except,
                       json_t *models, struct cf_error *err)
{
    const char *name;
    json_t *value;
    int rc = 0;
    json_object_foreach(json_object_get(parent_root, "models"), name, value)
    {
        struct cf_base_model model;
        struct cf_blob_ref ref;
        if (rc || strcmp(name, except) == 0) {
            continue;
        }
        rc = cf_base_model_read(parent_root, name, &model, err);
        for (size_t i = 0; i < model.file_count && !rc; i++) {
            rc = cf_commit_keep(commit, model.files[i].sha256, &ref, err);
        }
        cf_base_model_release(&model);
        (void)json_object_set(models, name, value);
    }
    return rc;
}

int cf_base_models_commit(const struct cf_dataset *dataset, const struct cf_marker *parent,
                          const json_t *parent_root, const struct cf_base_model *model,
                          const struct cf_buf *const data[], const struct cf_producer *producer,
                          struct cf_marker *out, struct cf_error *err)
{
    char request[CF_SHA256_HEX];
    struct cf_blob_ref ref;
    struct cf_commit *commit = cf_commit_new(dataset, parent, parent_root, producer);
    json_t *models = json_object();
    int rc = keep_others(commit, parent_root, model->name, models, err);
    if (!rc && json_object_size(models) >= CF_BASE_MODELS_MAX) {
        rc = cf_error_set(err, CF_EDATA, "the store has %d base models; that is the limit",
                          CF_BASE_MODELS_MAX);
    }
    for (size_t i = 0; i < model->file_count && !rc; i++) {
        cf_commit_add(commit, cf_buf_str(data[i]), data[i]->length, model->files[i].type, &ref);
        rc = cf_commit_flush(commit, err);
    }
    if (!rc) {
        (void)json_object_set_new(models, model->name, model_json(model));
        hash_models(models, request);
        json_t *summary = json_pack("{s:I}", "models", (json_int_t)json_object_size(models));
        json_t *root = json_pack("{s:s,s:O}", "document", "base-models", "models", models);
        rc = cf_commit_finish(commit, root, request, summary, out, err);
    }
    json_decref(models);
    cf_commit_free(commit);
    return rc;
}
