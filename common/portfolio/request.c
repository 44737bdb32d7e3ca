#include "common/portfolio/request.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"

static int read_base_model(const json_t *root, struct cf_request *out, struct cf_error *err)
{
    const json_t *finetune = json_object_get(root, "finetune");
    json_t *base_model;
    const char *name;
    if (!json_object_get(root, "base_model")) {
        return finetune ? cf_error_set(err, CF_EDATA,
                                       "the field \"finetune\" is there without \"base_model\"")
                        : 0;
    }
    if (!finetune) {
        return cf_error_set(err, CF_EDATA,
                            "the field \"base_model\" is there without \"finetune\"");
    }
    int rc = cf_json_get_object(root, "base_model", &base_model, err);
    rc = rc ? rc : cf_json_get_string(base_model, "name", &name, err);
    if (!rc && cf_base_model_check_name(name, err)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"name\" can't be a base model's");
    }
    rc = rc ? rc : cf_json_get_sha256(base_model, "sha256", out->base_model_sha256, err);
    rc = rc ? rc : cf_json_get_u64(base_model, "parameters", &out->base_model_parameters, err);
    if (rc) {
        return cf_error_prefix(err, "base_model");
    }
    (void)snprintf(out->base_model, sizeof(out->base_model), "%s", name);
    rc = cf_finetune_from_json(finetune, &out->finetune, err);
    return rc ? cf_error_prefix(err, "finetune") : 0;
}

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
        cf_json_get_number(estimate, "work", &out->work, err) || read_base_model(root, out, err) ||
        (json_object_get(root, "turn") && cf_json_get_u64(root, "turn", &out->turn, err))) {
        return cf_error_prefix(err, "request");
    }
    out->params = json_incref(params);
    return 0;
}

/* Adds what there is only with a base model. */
static void add_base_model(const struct cf_request *r, json_t *object)
{
    if (*r->base_model) {
        (void)json_object_set_new(object, "base_model",
                                  json_pack("{s:s,s:s,s:I}", "name", r->base_model, "sha256",
                                            r->base_model_sha256, "parameters",
                                            (json_int_t)r->base_model_parameters));
        (void)json_object_set_new(object, "finetune", cf_finetune_to_json(&r->finetune));
    }
}

json_t *cf_request_write(const struct cf_request *r)
{
    json_t *root = json_pack(
        "{s:s,s:{s:I,s:s},s:s,s:O,s:{s:I,s:I,s:f}}", "document", "request", "bundle", "version",
        (json_int_t)r->bundle_version, "sha256", r->bundle_sha256, "content_fingerprint",
        r->content_fingerprint, "params", r->params, "estimate", "repositories",
        (json_int_t)r->repositories, "words", (json_int_t)r->words, "work", r->work);
    add_base_model(r, root);
    if (r->turn) {
        (void)json_object_set_new(root, "turn", json_integer((json_int_t)r->turn));
    }
    return root;
}

void cf_request_hash(const struct cf_request *request, char out[CF_SHA256_HEX])
{
    json_t *identity =
        json_pack("{s:s,s:O,s:i}", "content_fingerprint", request->content_fingerprint, "params",
                  request->params, "rules", CF_TRAINING_RULES);
    add_base_model(request, identity);
    cf_json_sha256(identity, out);
    json_decref(identity);
}

bool cf_request_is_later(const struct cf_request *a, const struct cf_request *b)
{
    return a->bundle_version > b->bundle_version ||
           (a->bundle_version == b->bundle_version && a->turn > b->turn);
}

void cf_request_release(struct cf_request *request)
{
    json_decref(request->params);
    memset(request, 0, sizeof(*request));
}
