#include "common/portfolio/request.h"

#include <string.h>

#include "common/base/json.h"

int cf_request_read(const json_t *root, struct cf_request *out, struct cf_error *err)
{
    json_t *bundle;
    json_t *params;
    json_t *estimate;
    memset(out, 0, sizeof(*out));
    if (cf_json_get_object(root, "bundle", &bundle, err) ||
        cf_json_get_u64(bundle, "version", &out->bundle_version, err) ||
        cf_json_get_sha256(bundle, "sha256", out->bundle_sha256, err) ||
        cf_json_get_sha256(root, "content_fingerprint", out->content_fingerprint, err) ||
        cf_json_get_object(root, "params", &params, err) ||
        cf_json_get_object(root, "estimate", &estimate, err) ||
        cf_json_get_u64(estimate, "repositories", &out->repositories, err) ||
        cf_json_get_u64(estimate, "words", &out->words, err) ||
        cf_json_get_number(estimate, "work", &out->work, err)) {
        return cf_error_prefix(err, "request");
    }
    out->params = json_incref(params);
    return 0;
}

json_t *cf_request_write(const struct cf_request *r)
{
    return json_pack("{s:s,s:{s:I,s:s},s:s,s:O,s:{s:I,s:I,s:f}}", "document", "request", "bundle",
                     "version", (json_int_t)r->bundle_version, "sha256", r->bundle_sha256,
                     "content_fingerprint", r->content_fingerprint, "params", r->params, "estimate",
                     "repositories", (json_int_t)r->repositories, "words", (json_int_t)r->words,
                     "work", r->work);
}

void cf_request_hash(const struct cf_request *request, char out[CF_SHA256_HEX])
{
    json_t *identity =
        json_pack("{s:s,s:O,s:i}", "content_fingerprint", request->content_fingerprint, "params",
                  request->params, "rules", CF_TRAINING_RULES);
    cf_json_sha256(identity, out);
    json_decref(identity);
}

void cf_request_release(struct cf_request *request)
{
    json_decref(request->params);
    memset(request, 0, sizeof(*request));
}
