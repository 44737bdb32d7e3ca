/* What an account owns: by GraphQL, or by REST where GraphQL isn't used or can't. */
#ifndef SYNC_LIST_H
#define SYNC_LIST_H

#include "jobs/sync/rest_listing.h"

/* As sync_listing_fetch. CF_ENOTFOUND names the account that the last version's repositories belong
 * to now, if they do: users who rename themselves leave their old names to whoever takes them, so
 * sync doesn't follow by itself. */
int sync_list(struct sync_session *session, const char *login, const struct sync_known *known,
              struct sync_batch *batch, struct sync_listing *out, struct cf_error *err);

#endif
