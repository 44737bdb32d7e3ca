/* The document of the datasets request and request-gpu, which orchestrate writes: train this, in
 * this way.
 *
 *     {"document": "request", "bundle": {"version", "sha256"}, "content_fingerprint": "<sha256>",
 *      "params": {"encoder": …, …}, "estimate": {"repositories", "words", "work"}, "blobs": []}
 *
 * and, where the tenant has a base model, "base_model": {"name", "sha256", "parameters"} and
 * "finetune": {…} (finetune.h): which one is fine-tuned, and how; both or neither. sha256 is that
 * of cf_base_model_hash. "turn" is there when it isn't 0.
 *
 * The marker's "request" is the SHA-256 of {"content_fingerprint", "params", "rules"} in canonical
 * form, with "base_model" and "finetune" where the document has them: equal for equal training,
 * whatever version of the bundle carries the content. The model's marker has the same. */
#ifndef CF_PORTFOLIO_REQUEST_H
#define CF_PORTFOLIO_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/hash.h"
#include "common/portfolio/base_models.h"
#include "common/portfolio/finetune.h"

/* Raise it when train makes another model from the same request, so that all are trained anew. */
#define CF_TRAINING_RULES 1

struct cf_request {
    uint64_t bundle_version; /* pinned */
    char bundle_sha256[CF_SHA256_HEX];
    char content_fingerprint[CF_SHA256_HEX];
    json_t *params;                          /* an object, owned */
    char base_model[CF_BASE_MODEL_NAME_MAX]; /* "": none, and the next three mean nothing */
    char base_model_sha256[CF_SHA256_HEX];
    uint64_t base_model_parameters;
    struct cf_finetune_options finetune;
    /* One above that of the other dataset's newest request when that pins the same bundle, else 0:
     * says which of the two came later. */
    uint64_t turn;
    uint64_t repositories;
    uint64_t words;
    /* words × epochs × parameters. With a base model those of finetune and of the base model, a
     * word counting as a token; without, one epoch and the buckets of features. */
    double work;
};

/* CF_EDATA names the field that is missing, of a wrong type or out of range. */
int cf_request_read(const json_t *root, struct cf_request *out, struct cf_error *err);
json_t *cf_request_write(const struct cf_request *request);
void cf_request_hash(const struct cf_request *request, char out[CF_SHA256_HEX]);

/* Whether a supersedes b, of the other dataset: it pins a later bundle, or the same with a higher
 * turn. When neither does, as after two runs at the same moment, that of request-gpu counts. */
bool cf_request_is_later(const struct cf_request *a, const struct cf_request *b);

void cf_request_release(struct cf_request *request);

#endif
