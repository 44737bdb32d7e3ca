/* What a page by REST doesn't say of a repository: commit, tree and languages, two requests each.
 */
#ifndef SYNC_REST_DETAILS_H
#define SYNC_REST_DETAILS_H

#include "jobs/sync/plan.h"

/* Asks for those of the count items whose action is SYNC_ASK and decides what to do with each: its
 * action is another one afterwards, or it has a reason. An error is one that ends the run; items
 * that weren't reached have neither then. */
int sync_rest_details_fetch(struct sync_session *session, struct sync_plan *plan,
                            struct sync_item *items, size_t count, struct cf_error *err);

#endif
