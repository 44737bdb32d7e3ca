#include "common/portfolio/model.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"

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

static int read_file(const json_t *value, struct cf_model_file *out, struct cf_error *err)
{
    int rc = read_text(value, "path", out->path, sizeof(out->path), err);
    rc = rc ? rc : read_text(value, "type", out->type, sizeof(out->type), err);
    return rc ? rc : cf_json_get_sha256(value, "sha256", out->sha256, err);
}

int cf_model_files_read(const json_t *object, struct cf_model_file *out, size_t most, size_t *count,
                        struct cf_error *err)
{
    json_t *files;
    *count = 0;
    int rc = cf_json_get_array(object, "files", &files, err);
    size_t length = rc ? 0 : json_array_size(files);
    if (length > most) {
        return cf_error_set(err, CF_EDATA, "files: more than %zu", most);
    }
    for (size_t i = 0; i < length && !rc; i++) {
        rc = read_file(json_array_get(files, i), &out[i], err);
        if (rc) {
            (void)cf_error_prefix(err, "files[%zu]", i);
        }
    }
    *count = rc ? 0 : length;
    return rc;
}

json_t *cf_model_files_write(const struct cf_model_file *files, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, json_pack("{s:s,s:s,s:s}", "path", files[i].path, "type",
                                                     files[i].type, "sha256", files[i].sha256));
    }
    return array;
}

static int read_training(const json_t *value, struct cf_training *out, struct cf_error *err)
{
    json_t *bundle;
    json_t *scores;
    int rc;
    if ((rc = cf_json_get_sha256(value, "request", out->request, err)) ||
        (rc = cf_json_get_object(value, "bundle", &bundle, err)) ||
        (rc = cf_json_get_u64(bundle, "version", &out->bundle_version, err)) ||
        (rc = cf_json_get_sha256(bundle, "sha256", out->bundle_sha256, err)) ||
        (rc = cf_json_get_u64(value, "repositories", &out->repositories, err)) ||
        (rc = cf_json_get_u64(value, "chunks", &out->chunks, err)) ||
        (rc = cf_json_get_object(value, "scores", &scores, err)) ||
        (rc = cf_model_files_read(value, out->files, CF_MODEL_FILES_MAX, &out->file_count, err))) {
        return rc;
    }
    out->scores = json_incref(scores);
    return 0;
}

static json_t *write_training(const struct cf_training *t)
{
    return json_pack("{s:s,s:{s:I,s:s},s:I,s:I,s:O,s:o}", "request", t->request, "bundle",
                     "version", (json_int_t)t->bundle_version, "sha256", t->bundle_sha256,
                     "repositories", (json_int_t)t->repositories, "chunks", (json_int_t)t->chunks,
                     "scores", t->scores, "files", cf_model_files_write(t->files, t->file_count));
}

static int read_optional(const json_t *root, const char *key, struct cf_training *out,
                         bool *present, struct cf_error *err)
{
    const json_t *value = json_object_get(root, key);
    *present = value && !json_is_null(value);
    int rc = *present ? read_training(value, out, err) : 0;
    return rc ? cf_error_prefix(err, "model: %s", key) : 0;
}

int cf_model_document_read(const json_t *root, struct cf_model_document *out, struct cf_error *err)
{
    json_t *gate;
    memset(out, 0, sizeof(*out));
    int rc = read_optional(root, "current", &out->current, &out->has_current, err);
    rc = rc ? rc : read_optional(root, "rejected", &out->rejected, &out->has_rejected, err);
    rc = rc ? rc : cf_json_get_object(root, "gate", &gate, err);
    if (rc) {
        cf_model_document_release(out);
        return rc;
    }
    out->gate = json_incref(gate);
    return 0;
}

json_t *cf_model_document_write(const struct cf_model_document *d)
{
    return json_pack("{s:s,s:o,s:o,s:O}", "document", "model", "current",
                     d->has_current ? write_training(&d->current) : json_null(), "rejected",
                     d->has_rejected ? write_training(&d->rejected) : json_null(), "gate", d->gate);
}

void cf_model_document_release(struct cf_model_document *document)
{
    json_decref(document->current.scores);
    json_decref(document->rejected.scores);
    json_decref(document->gate);
    memset(document, 0, sizeof(*document));
}

int cf_model_document_newest(const struct cf_dataset *dataset, struct cf_marker *marker,
                             struct cf_model_document *out, struct cf_blob_set *blobs,
                             struct cf_error *err)
{
    json_t *root = NULL;
    memset(out, 0, sizeof(*out));
    memset(blobs, 0, sizeof(*blobs));
    int rc = cf_dataset_newest(dataset, marker, err);
    rc = rc ? rc : cf_dataset_root(dataset, marker, &root, err);
    rc = rc ? rc : cf_model_document_read(root, out, err);
    rc = rc ? rc : cf_blob_set_read(root, blobs, err);
    json_decref(root);
    if (rc) {
        cf_model_document_release(out);
        cf_marker_release(marker);
    }
    return rc;
}

int cf_training_fetch(const struct cf_dataset *dataset, const struct cf_training *training,
                      const struct cf_blob_set *blobs, struct cf_buf out[CF_MODEL_FILES_MAX],
                      struct cf_error *err)
{
    struct cf_blob_ref refs[CF_MODEL_FILES_MAX];
    for (size_t i = 0; i < training->file_count; i++) {
        const struct cf_blob_ref *ref = cf_blob_set_find(blobs, training->files[i].sha256);
        if (!ref) {
            return cf_error_set(err, CF_EDATA, "model: the file \"%s\" is not among the blobs",
                                training->files[i].path);
        }
        refs[i] = *ref;
    }
    return cf_dataset_blobs(dataset, refs, training->file_count, out, err);
}
