/* The document of the datasets request and request-gpu, which orchestrate writes: train this, in
 * this way.
 *
 *     {"document": "request", "bundle": {"version", "sha256"}, "content_fingerprint": "<sha256>",
 *      "params": {"encoder": …, …}, "estimate": {"repositories", "words", "work"}, "blobs": []}
 *
 * The marker's "request" is the SHA-256 of {"content_fingerprint", "params", "rules"} in canonical
 * form: equal for equal training, whatever version of the bundle carries the content. The model's
 * marker has the same. */
#ifndef CF_PORTFOLIO_REQUEST_H
#define CF_PORTFOLIO_REQUEST_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/hash.h"

/* Raise it when train makes another model from the same request, so that all are trained anew. */
#define CF_TRAINING_RULES 1

struct cf_request {
    uint64_t bundle_version; /* pinned */
    char bundle_sha256[CF_SHA256_HEX];
    char content_fingerprint[CF_SHA256_HEX];
    json_t *params; /* an object, owned */
    uint64_t repositories;
    uint64_t words;
    double work; /* words × epochs × parameters */
};

int cf_request_read(const json_t *root, struct cf_request *out, struct cf_error *err);
json_t *cf_request_write(const struct cf_request *request);
void cf_request_hash(const struct cf_request *request, char out[CF_SHA256_HEX]);
void cf_request_release(struct cf_request *request);

#endif
