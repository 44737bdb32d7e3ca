/* One repository's entry of the bundle. */
#ifndef ORCHESTRATE_ENTRY_H
#define ORCHESTRATE_ENTRY_H

#include <jansson.h>

#include "common/portfolio/bundle.h"
#include "common/portfolio/content.h"
#include "common/portfolio/repos.h"

/* Raise it when an entry is made in another way, so that all are made anew. */
#define ORCHESTRATE_RULES 1

/* A hash of everything that an entry is made from, which needs no content to be fetched. */
void orchestrate_entry_source(const struct cf_repository *repository, char out[CF_SHA256_HEX]);

/* Makes an entry: the document of its blob, and how the bundle's root lists it (listed->entry is
 * left to the caller). content may be NULL. The result is freed by the caller, listed by
 * cf_bundle_release. A .repo-context.json that isn't a JSON object counts as none; *bad_context
 * says so. */
json_t *orchestrate_entry(const struct cf_repository *repository, const struct cf_content *content,
                          struct cf_bundle_entry *listed, bool *bad_context);

#endif
