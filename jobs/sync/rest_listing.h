/* The listing by REST: a page for every 100 repositories, and two requests more for each one that
 * the last version doesn't know as it is now. Gives the same as the listing by GraphQL. */
#ifndef SYNC_REST_LISTING_H
#define SYNC_REST_LISTING_H

#include "jobs/sync/listing.h"

/* What the last version knows. */
struct sync_known {
    const struct cf_repos *repos; /* empty at first */
    const char *read_at;          /* its marker's created_at, or NULL */
    const json_t *etags;          /* of its pages, or NULL; of anybody's making */
};

/* Results and errors as those of sync_listing_fetch; of a repository that a rate limit kept from
 * being read, the problem is "rate_limited". When no page has changed, the listing is what the last
 * version says. out->etags is set when the pages can be believed next time. */
int sync_rest_listing_fetch(struct sync_session *session, const char *login,
                            const struct sync_known *known, struct sync_listing *out,
                            struct cf_error *err);

#endif
