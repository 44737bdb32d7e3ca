/* The document of the dataset model, which train writes.
 *
 *     {"document": "model",
 *      "current":  <training>,          the model that search uses
 *      "rejected": <training> or null,  a newer one that the promotion gate held back
 *      "gate": {"promoted", "reason", "shared_questions", "mrr_new", "mrr_old"}, "blobs": […]}
 *
 * A training: {"request": "<sha256>", "bundle": {"version", "sha256"}, "repositories", "chunks",
 * "scores": {"model", "bm25", "bm25_tuned"}, "files": [{"path", "type", "sha256"}]}.
 *
 * A version whose training was rejected still lists the files of the current model, so the newest
 * version is always all that a reader needs. */
#ifndef CF_PORTFOLIO_MODEL_H
#define CF_PORTFOLIO_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/contract/dataset.h"

#define CF_MODEL_FILES_MAX 32

struct cf_model_file {
    char path[64];
    char type[CF_TYPE_MAX];
    char sha256[CF_SHA256_HEX];
};

/* The member "files" of a document. More than most: CF_EDATA, and *count is 0. */
int cf_model_files_read(const json_t *object, struct cf_model_file *out, size_t most, size_t *count,
                        struct cf_error *err);
json_t *cf_model_files_write(const struct cf_model_file *files, size_t count);

struct cf_training {
    char request[CF_SHA256_HEX];
    uint64_t bundle_version;
    char bundle_sha256[CF_SHA256_HEX];
    uint64_t repositories;
    uint64_t chunks;
    json_t *scores; /* owned */
    struct cf_model_file files[CF_MODEL_FILES_MAX];
    size_t file_count;
};

struct cf_model_document {
    struct cf_training current;
    struct cf_training rejected;
    bool has_current; /* false only before the first promotion */
    bool has_rejected;
    json_t *gate; /* owned */
};

int cf_model_document_read(const json_t *root, struct cf_model_document *out, struct cf_error *err);
json_t *cf_model_document_write(const struct cf_model_document *document);
void cf_model_document_release(struct cf_model_document *document);

/* The newest model of a tenant: marker and document, both released by the caller, and the blobs of
 * its files. CF_ENOTFOUND when nothing was trained yet. */
int cf_model_document_newest(const struct cf_dataset *dataset, struct cf_marker *marker,
                             struct cf_model_document *out, struct cf_blob_set *blobs,
                             struct cf_error *err);

/* Fetches the files of a training: out[i] is that of files[i]. */
int cf_training_fetch(const struct cf_dataset *dataset, const struct cf_training *training,
                      const struct cf_blob_set *blobs, struct cf_buf out[CF_MODEL_FILES_MAX],
                      struct cf_error *err);

#endif
