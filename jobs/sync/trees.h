/* Trees: every path of a repository at one commit, in one request (two when GitHub cuts it). */
#ifndef SYNC_TREES_H
#define SYNC_TREES_H

#include <jansson.h>

#include "jobs/sync/plan.h"

/* Fetches the trees of the items that want one. Each of those ends with its content's counts and
 * chosen documents, or with a reason. An error is one that ends the run. */
int sync_trees_fetch(struct sync_github *github, struct sync_plan *plan, struct cf_error *err);

/* Reads the answer to a recursive request for the tree, or, with root_only, one for its root alone,
 * which fills in the documents that a cut answer may lack. CF_EDATA names the entry and field that
 * is wrong. */
int sync_tree_read(const json_t *answer, const char *tree, bool root_only,
                   struct cf_content *content, struct cf_error *err);

#endif
