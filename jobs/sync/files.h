/* Files: the texts of the documents that the trees show. By GraphQL for up to 20 repositories in
 * one query; one by one by REST where GraphQL can't or mayn't: blobs over 512,000 bytes, those that
 * it calls binary or doesn't give, and everything when it isn't used. */
#ifndef SYNC_FILES_H
#define SYNC_FILES_H

#include <jansson.h>

#include "common/base/buf.h"
#include "jobs/sync/batch.h"
#include "jobs/sync/plan.h"

#define SYNC_FILES_REPOSITORIES 20
#define SYNC_FILES_BYTES                                                                           \
    ((uint64_t)4 << 20)        /* of one query's documents, unless it is for one repository */
#define SYNC_FILES_TEXT 512000 /* bytes: where GraphQL cuts a text */

/* True for a document whose text is still to come. */
bool sync_is_wanted(const struct cf_document *document);

/* Fetches the documents of those of the count items whose tree came. Each of them ends whole or
 * with a reason. An error is one that ends the run; items may have wanted documents then. */
int sync_files_fetch(struct sync_session *session, struct sync_batch *batch,
                     struct sync_item *items, size_t count, struct cf_error *err);

/* The second half of it: what is wanted still, by REST. */
int sync_blobs_fetch(struct sync_session *session, struct sync_item *items, size_t count,
                     struct cf_error *err);

/* Writes the query for these items. Its text is made of numbers only: ids and names are in
 * variables. */
void sync_files_query(struct sync_item *const *items, size_t count, struct cf_buf *query,
                      json_t **variables);

/* Enters what the answer holds into the items. An item of which GitHub says that it may not be seen
 * or isn't there, or that makes no sense, gets a reason; documents that the answer lacks stay
 * wanted. Returns how many items it lacks because they were too much. */
size_t sync_files_read(const json_t *answer, struct sync_item *const *items, size_t count);

#endif
