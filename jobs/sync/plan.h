/* What a run does: the listing compared with the last version, and the new version made of both. */
#ifndef SYNC_PLAN_H
#define SYNC_PLAN_H

#include "common/portfolio/content.h"
#include "common/portfolio/repos.h"
#include "jobs/sync/listing.h"

enum sync_action {
    SYNC_REUSE, /* its tree is one whose content the last version has */
    SYNC_FETCH, /* its tree and documents are needed */
    SYNC_EMPTY, /* it has no commit */
    SYNC_ASK,   /* what is needed is known once it was asked for more (rest_details.h) */
    SYNC_BAD,   /* the listing doesn't say enough */
};

struct sync_item {
    struct cf_repository repository;      /* as listed; content is set once it came */
    const struct cf_repository *previous; /* in the last version, or NULL */
    enum sync_action action;
    const char *reason;        /* why it couldn't be read; NULL: nothing went wrong */
    bool was_asked;            /* its action is known by asking (SYNC_ASK) */
    bool unavailable;          /* because GitHub was down */
    struct cf_content content; /* while it is fetched */
    bool under_way;            /* its tree was asked for */
    bool walk;                 /* its tree is too large for one answer */
    bool document_under_way[CF_DOCUMENT_KINDS];
    bool asked; /* a query for its documents was answered, or given up */
};

struct sync_plan {
    struct sync_item *items;
    size_t count;
    const char *login;
    const char *kind;
    bool partial;
    bool force;
    const struct cf_repos *previous; /* borrowed */
    size_t answered;                 /* requests for trees and details that GitHub answered */
    size_t unanswered;               /* … and that it didn't */
};

struct sync_changes {
    size_t repositories; /* in the new version */
    size_t current, kept, empty, failed;
    size_t added, changed, removed; /* against the last version */
};

/* Takes the listing's repositories over. previous is empty at first. With force, nothing is reused.
 */
void sync_plan_make(struct sync_plan *plan, struct sync_listing *listing,
                    const struct cf_repos *previous, bool force);
void sync_plan_release(struct sync_plan *plan);

/* Gives an item whose repository is complete its action: SYNC_EMPTY, SYNC_REUSE or SYNC_FETCH. */
void sync_plan_decide(const struct sync_plan *plan, struct sync_item *item);

/* Moves the items that are to be fetched or asked for to the front, in the order that they have,
 * and returns how many they are. */
size_t sync_plan_fetch_first(struct sync_plan *plan);

/* How many items have this action. */
size_t sync_plan_count(const struct sync_plan *plan, enum sync_action action);

/* The new version: what came, else what the last version had (kept), else an entry without content
 * (failed). Repositories that the listing doesn't have are left out, unless it was partial. The
 * items' repositories are moved out: of them, only the ids are left. */
void sync_plan_result(struct sync_plan *plan, struct cf_repos *out);

/* True when nothing that was wanted could be fetched because GitHub was down, and there is nothing
 * worth a version: nothing else has changed, or this would be the first, or so many were wanted
 * that it wasn't about one of them. */
#define SYNC_OUTAGE 8
bool sync_plan_is_outage(const struct sync_plan *plan, const struct sync_changes *changes);

/* Counts, and tells whether a new version is needed: another list of ids, or another fingerprint or
 * state. */
bool sync_changes_count(const struct cf_repos *previous, const struct cf_repos *now,
                        struct sync_changes *out);

#endif
