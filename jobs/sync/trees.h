/* Trees: every path of a repository at one commit, in one request; where GitHub cuts the answer
 * (100,000 entries, 7 MB), the tree is walked, one request a subtree. */
#ifndef SYNC_TREES_H
#define SYNC_TREES_H

#include "jobs/sync/plan.h"

#define SYNC_WALK_MAX                                                                              \
    2000 /* requests for one repository's trees; what is below stays uncounted                     \
          */

/* Fetches the trees of those of the count items that want one. Each of them ends with its content's
 * counts and chosen documents, or with a reason. An error is one that ends the run; items that
 * weren't reached have neither then. */
int sync_trees_fetch(struct sync_session *session, struct sync_plan *plan, struct sync_item *items,
                     size_t count, struct cf_error *err);

/* Walks the tree of an item that GitHub cuts. As above. */
int sync_tree_walk(struct sync_session *session, struct sync_item *item, struct cf_error *err);

/* What a request's failure means for the item: enters the reason, or returns an error that ends the
 * run. */
int sync_item_failed(struct sync_item *item, const struct sync_get *get, struct cf_error *err);

#endif
