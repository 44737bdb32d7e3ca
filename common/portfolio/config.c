#include "common/portfolio/config.h"

#include <stdio.h>

#include "common/base/json.h"

static int parse(const json_t *root, struct cf_config *out, struct cf_error *err)
{
    const char *login;
    const char *base_model = "";
    int rc = cf_json_get_string(root, "login", &login, err);
    rc = rc ? rc : cf_json_get_bool(root, "enabled", &out->enabled, err);
    rc = rc ? rc : cf_json_opt_string(root, "base_model", "", &base_model, err);
    char lower[CF_TENANT_MAX];
    rc = rc ? rc : cf_tenant_normalise(login, lower, err);
    rc = rc || !*base_model ? rc : cf_base_model_check_name(base_model, err);
    if (rc) {
        (void)cf_error_prefix(err, "config");
        return rc == CF_EUSAGE ? CF_EDATA : rc;
    }
    (void)snprintf(out->login, sizeof(out->login), "%s", login);
    (void)snprintf(out->base_model, sizeof(out->base_model), "%s", base_model);
    return 0;
}

int cf_config_read(struct cf_store *store, const char *tenant, struct cf_config *out,
                   struct cf_marker *marker, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker newest;
    json_t *root = NULL;
    cf_dataset_init(&dataset, store, tenant, "config");
    int rc = cf_dataset_newest(&dataset, &newest, err);
    if (rc == CF_ENOTFOUND) {
        return cf_error_set(err, CF_ENOTFOUND,
                            "there is no tenant \"%s\"; cloudfolio tenant add %s makes it one",
                            tenant, tenant);
    }
    rc = rc ? rc : cf_dataset_root(&dataset, &newest, &root, err);
    rc = rc ? rc : parse(root, out, err);
    json_decref(root);
    if (!rc && marker) {
        *marker = newest;
    } else {
        cf_marker_release(&newest);
    }
    return rc;
}

int cf_config_commit(struct cf_store *store, const char *tenant, const struct cf_config *config,
                     const struct cf_marker *parent, const struct cf_producer *producer,
                     struct cf_marker *out, struct cf_error *err)
{
    struct cf_dataset dataset;
    char request[CF_SHA256_HEX];
    cf_dataset_init(&dataset, store, tenant, "config");
    json_t *root = json_pack("{s:s,s:s,s:b}", "document", "config", "login", config->login,
                             "enabled", (int)config->enabled);
    if (*config->base_model) {
        (void)json_object_set_new(root, "base_model", json_string(config->base_model));
    }
    cf_json_sha256(root, request);
    struct cf_commit *commit = cf_commit_new(&dataset, parent, NULL, producer);
    int rc = cf_commit_finish(commit, root, request, NULL, out, err);
    cf_commit_free(commit);
    return rc;
}
