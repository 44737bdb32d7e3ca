/* The listing: which public repositories an account owns, and what GitHub says of each. */
#ifndef SYNC_LISTING_H
#define SYNC_LISTING_H

#include <jansson.h>
#include <stdbool.h>

#include "common/portfolio/repos.h"
#include "jobs/sync/batch.h"
#include "jobs/sync/github.h"

struct sync_listed {
    struct cf_repository
        repository;      /* with a fingerprint, sorted; only the id when there is a problem */
    bool incomplete;     /* commit, tree and languages are to be asked for: rest_details.h */
    const char *problem; /* why the rest can't be used: NULL, "bad_listing", "forbidden", … */
};

struct sync_listing {
    char *login; /* as GitHub spells it */
    char *kind;  /* "User", "Organization" */
    struct sync_listed *items;
    size_t count;
    size_t capacity;
    bool partial;  /* GitHub says that there are more, but doesn't say which */
    json_t *etags; /* of the pages by REST, when all is well with them; else NULL */
    /* While pages come: */
    char *cursor;
    bool more;
    uint64_t pages;
};

#define SYNC_LISTING_PAGE 50 /* repositories a page, at most */

/* Fetches all pages, with pages of the size that batch says. CF_ENOTFOUND when there is no such
 * account. After CF_ERETRY (a rate limit) out holds what came until then, as partial; after any
 * other error nothing. sync_listing_needs_rest is true of an error that the listing by REST may not
 * have. */
int sync_listing_fetch(struct sync_session *session, const char *login, struct sync_batch *batch,
                       struct sync_listing *out, struct cf_error *err);
bool sync_listing_needs_rest(const struct cf_error *err);
void sync_listing_release(struct sync_listing *listing);

/* Enters one repository, which is taken over, or only its id when there is a problem (NULL: none).
 * One without even an id makes the listing partial; one that is there already is dropped. */
void sync_listing_add(struct sync_listing *listing, struct cf_repository *repository,
                      const char *problem, const struct cf_error *why);

/* Adds what one page's answer holds. tenant is the login asked for, in any case; api_url is for the
 * REST addresses in the metadata. */
int sync_listing_add_page(struct sync_listing *listing, const json_t *answer, const char *tenant,
                          const char *api_url, struct cf_error *err);

/* Reads one node of the listing. CF_EDATA names the field that is wrong; out->id is set when it
 * could be read even then. CF_EDENIED: it isn't public, and must be forgotten. */
int sync_listing_read_node(const json_t *node, const char *owner, const char *api_url,
                           struct cf_repository *out, struct cf_error *err);

#endif
