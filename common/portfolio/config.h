/* The document of the dataset config: what the operator set for a tenant. A tenant exists when it
 * has one.
 *
 *     {"document": "config", "login": "Octocat", "enabled": true, "base_model": "all-MiniLM-L6-v2",
 *      "blobs": []}
 *
 * base_model is there only when one is set: requests pin it (request.h). Without it the tenant's
 * models are of the encoder that needs none (LSA and BM25). */
#ifndef CF_PORTFOLIO_CONFIG_H
#define CF_PORTFOLIO_CONFIG_H

#include <stdbool.h>

#include "common/contract/dataset.h"
#include "common/portfolio/base_models.h"

struct cf_config {
    char login[CF_TENANT_MAX]; /* as the operator wrote it */
    bool enabled;
    char base_model[CF_BASE_MODEL_NAME_MAX]; /* "": none */
};

/* CF_ENOTFOUND says how to add the tenant. *marker, when wanted, is released by the caller. */
int cf_config_read(struct cf_store *store, const char *tenant, struct cf_config *out,
                   struct cf_marker *marker, struct cf_error *err);

/* Commits a configuration after parent (NULL: the tenant's first). */
int cf_config_commit(struct cf_store *store, const char *tenant, const struct cf_config *config,
                     const struct cf_marker *parent, const struct cf_producer *producer,
                     struct cf_marker *out, struct cf_error *err);

#endif
