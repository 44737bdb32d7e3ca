/* The document of the dataset checkpoint, which train writes: how far a fine-tuning has come, so
 * that a later run goes on from there.
 *
 *     {"document": "checkpoint", "request": "<sha256>", "stage": "exam", "step", "steps",
 *      "files": [{"path", "type", "sha256"}], "blobs": […]}
 *
 * A fine-tuning happens twice: in stage "exam" on what is left without the held-out questions, in
 * stage "model" on everything. The files checkpoint.safetensors, moment1.safetensors and
 * moment2.safetensors are the stage's fine-tuning between two steps (jobs/train/checkpoint.h);
 * stage "model" also has evaluation.json, the exam's result, and params.json, the parameters that
 * it chose. Stage "none" has no files: the training was finished, and collection can free the space
 * of the versions before. */
#ifndef CF_PORTFOLIO_CHECKPOINT_H
#define CF_PORTFOLIO_CHECKPOINT_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/hash.h"
#include "common/portfolio/model.h"

#define CF_CHECKPOINT_FILES_MAX 8

struct cf_checkpoint_document {
    char request[CF_SHA256_HEX]; /* the training: the "request" of the request's marker */
    char stage[8];               /* "exam", "model", "none" */
    uint64_t step;               /* done, of the stage's steps */
    uint64_t steps;
    struct cf_model_file files[CF_CHECKPOINT_FILES_MAX];
    size_t file_count; /* 0 in stage "none" and there alone */
};

/* CF_EDATA names the field that is missing, of a wrong type, or doesn't go with the others. */
int cf_checkpoint_document_read(const json_t *root, struct cf_checkpoint_document *out,
                                struct cf_error *err);
json_t *cf_checkpoint_document_write(const struct cf_checkpoint_document *document);

#endif
