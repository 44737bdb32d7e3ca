/* Tenants and datasets: the names that every key begins with. */
#ifndef CF_CONTRACT_TENANT_H
#define CF_CONTRACT_TENANT_H

#include <stdbool.h>

#include "common/base/error.h"

#define CF_TENANT_MAX 48 /* with the NUL */

/* A GitHub login: 1 to 39 of letters, digits and single inner hyphens; for an enterprise-managed
 * user one underscore before the enterprise's short code. Writes the lower-case form that keys
 * hold, or returns CF_EUSAGE with what is wrong. */
int cf_tenant_normalise(const char *login, char out[CF_TENANT_MAX], struct cf_error *err);

/* The datasets of the contract: config, repos, bundle, request, request-gpu, checkpoint, model. */
bool cf_dataset_is_known(const char *name);

#endif
