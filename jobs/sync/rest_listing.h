/* The listing by REST: a page for every 100 repositories, which doesn't say their commit, tree and
 * languages. Those of repositories that the last version knows as they are now are taken from
 * there; the others are incomplete, and take two requests more each (rest_details.h). In the end it
 * is the same as the listing by GraphQL. */
#ifndef SYNC_REST_LISTING_H
#define SYNC_REST_LISTING_H

#include "jobs/sync/listing.h"

/* What the last version knows. */
struct sync_known {
    const struct cf_repos *repos; /* empty at first */
    const char *read_at;          /* its marker's created_at, or NULL */
    const json_t *etags;          /* of its pages, or NULL; of anybody's making */
};

/* Results and errors as those of sync_listing_fetch. When no page has changed, the listing is what
 * the last version says. out->etags is set when the pages can be believed next time. */
int sync_rest_listing_fetch(struct sync_session *session, const char *login,
                            const struct sync_known *known, struct sync_listing *out,
                            struct cf_error *err);

#endif
