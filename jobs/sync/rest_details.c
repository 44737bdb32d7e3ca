#include "jobs/sync/rest_details.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "jobs/sync/rest_node.h"
#include "jobs/sync/trees.h"

struct details {
    struct sync_session *session;
    struct sync_plan *plan;
    struct sync_item *items;
    size_t count;
    size_t next;
    bool limited; /* no request may be sent for now */
    int rc;
    struct cf_error *err;
};

/* Asks for a repository's branch, then for its languages. */
struct asker {
    struct sync_get get;
    struct details *details;
    struct sync_item *item; /* NULL: idle */
    bool for_languages;
};

static void ask_branch(struct asker *asker)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    const struct cf_repository *r = &asker->item->repository;
    struct cf_buf path = CF_BUF_INIT;
    cf_buf_printf(&path, "/repos/%s/%s/branches/", r->metadata.owner_login, r->name);
    for (const char *c = r->default_branch ? r->default_branch : ""; *c; c++) {
        cf_buf_printf(&path, strchr(plain, *c) ? "%c" : "%%%02X", (unsigned char)*c);
    }
    asker->for_languages = false;
    sync_get_start(asker->details->session, &asker->get, cf_buf_str(&path));
    cf_buf_release(&path);
}

static void ask_languages(struct asker *asker)
{
    const struct cf_repository *r = &asker->item->repository;
    char *path = cf_asprintf("/repos/%s/%s/languages", r->metadata.owner_login, r->name);
    asker->for_languages = true;
    sync_get_start(asker->details->session, &asker->get, path);
    free(path);
}

static void start_next(struct asker *asker)
{
    struct details *details = asker->details;
    asker->item = NULL;
    while (details->next < details->count && !details->rc && !details->limited) {
        struct sync_item *item = &details->items[details->next++];
        if (item->action != SYNC_ASK || item->reason) {
            continue;
        }
        if (!details->plan->answered && details->plan->unanswered >= SYNC_OUTAGE) {
            item->unavailable = true; /* GitHub is down: that needn't be found out for each */
            item->reason = "unavailable";
        } else {
            asker->item = item;
            ask_branch(asker);
            return;
        }
    }
}

/* Enters what came. */
static int take(struct asker *asker)
{
    struct cf_repository *r = &asker->item->repository;
    struct sync_get *get = &asker->get;
    if (asker->for_languages) {
        return get->rc ? get->rc : sync_rest_read_languages(get->document, r, &get->error);
    }
    if (get->reason && strcmp(get->reason, "not_found") == 0 && !r->metadata.size) {
        get->reason = NULL;
        return 0; /* it has no commit yet */
    }
    return get->rc ? get->rc : sync_rest_read_branch(get->document, r, &get->error);
}

static void fail(struct asker *asker)
{
    struct details *details = asker->details;
    struct cf_error err;
    int rc = sync_item_failed(asker->item, &asker->get, &err);
    if (rc && !details->rc) {
        details->rc = rc;
        *details->err = err;
    }
}

static void answered(struct sync_get *get)
{
    struct asker *asker = get->context;
    struct details *details = asker->details;
    if (get->limited) {
        details->limited = true; /* the same request goes out again after the wait */
        return;
    }
    if (get->rc == CF_EUNAVAILABLE) {
        details->plan->unanswered++;
    } else {
        details->plan->answered++;
    }
    int rc = take(asker);
    get->rc = rc;
    bool failed = rc != 0;
    if (failed) {
        fail(asker);
    }
    sync_get_release(get);
    if (!failed && !asker->for_languages && *asker->item->repository.tree) {
        ask_languages(asker);
        return;
    }
    if (!failed) {
        sync_rest_finish(&asker->item->repository);
        asker->item->was_asked = true;
        sync_plan_decide(details->plan, asker->item);
    }
    start_next(asker);
}

static void resume(struct asker *asker)
{
    if (!asker->item) {
        start_next(asker);
    } else if (asker->for_languages) {
        ask_languages(asker);
    } else {
        ask_branch(asker);
    }
}

int sync_rest_details_fetch(struct sync_session *session, struct sync_plan *plan,
                            struct sync_item *items, size_t count, struct cf_error *err)
{
    struct details details = {
        .session = session, .plan = plan, .items = items, .count = count, .err = err};
    struct asker *askers = cf_calloc(SYNC_AT_ONCE, sizeof(*askers));
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        askers[i].details = &details;
        askers[i].get.done = answered;
        askers[i].get.context = &askers[i];
    }
    do {
        details.limited = false;
        details.rc = sync_session_ready(session, SYNC_REST, err);
        for (size_t i = 0; i < SYNC_AT_ONCE && !details.rc; i++) {
            resume(&askers[i]);
        }
        sync_session_wait(session);
    } while (!details.rc && details.limited);
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        sync_get_release(&askers[i].get);
    }
    free(askers);
    return details.rc;
}
