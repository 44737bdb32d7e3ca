/* Files: the texts of the documents that the trees show, for up to 20 repositories in one query. */
#ifndef SYNC_FILES_H
#define SYNC_FILES_H

#include <jansson.h>

#include "common/base/buf.h"
#include "jobs/sync/plan.h"

#define SYNC_FILES_REPOSITORIES 20
#define SYNC_FILES_BYTES                                                                           \
    ((uint64_t)4 << 20) /* of one query's documents, unless it is for one repository */

/* Fetches the documents of every item whose tree came, and calls complete for each of those that is
 * whole then, which takes its content. An error is one that ends the run, or complete's. */
int sync_files_fetch(struct sync_github *github, struct sync_plan *plan,
                     int (*complete)(void *context, struct sync_item *item, struct cf_error *err),
                     void *context, struct cf_error *err);

/* Writes the query for these items. Its text is made of numbers only: ids and names are in
 * variables. */
void sync_files_query(struct sync_item *const *items, size_t count, struct cf_buf *query,
                      json_t **variables);

/* Enters what the answer holds into the items; one for which something is missing gets a reason. */
void sync_files_read(const json_t *answer, struct sync_item *const *items, size_t count);

#endif
