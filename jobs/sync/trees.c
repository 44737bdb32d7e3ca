#include "jobs/sync/trees.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "jobs/sync/tree_get.h"

struct fetcher;

struct trees {
    struct sync_session *session;
    struct sync_plan *plan;
    struct sync_item *items;
    size_t count;
    struct fetcher *fetchers;
    bool limited; /* no request may be sent for now */
    int rc;
    struct cf_error *err;
};

struct fetcher {
    struct sync_tree_get one;
    struct trees *trees;
    struct sync_item *item; /* NULL: idle */
};

static void set_unavailable(struct sync_item *item)
{
    item->unavailable = true;
    item->reason = "unavailable";
}

int sync_item_failed(struct sync_item *item, const struct sync_get *get, struct cf_error *err)
{
    if (!get->reason && sync_error_is_fatal(get->rc)) {
        *err = get->error;
        return get->rc;
    }
    if (get->rc == CF_EUNAVAILABLE) {
        set_unavailable(item);
    } else {
        item->reason = get->reason ? get->reason : "bad_answer";
    }
    cf_log_error(CF_WARN, "repository_unreadable", &get->error);
    return 0;
}

static bool wants_tree(const struct sync_item *item)
{
    return item->action == SYNC_FETCH && !item->reason && !*item->content.tree &&
           !item->under_way && !item->walk;
}

static void start_next(struct fetcher *fetcher)
{
    struct trees *trees = fetcher->trees;
    struct sync_plan *plan = trees->plan;
    for (size_t i = 0; i < trees->count && !fetcher->item && !trees->rc && !trees->limited; i++) {
        struct sync_item *item = &trees->items[i];
        if (!wants_tree(item)) {
            continue;
        }
        if (!plan->answered && plan->unanswered >= SYNC_OUTAGE) {
            set_unavailable(item); /* GitHub is down: that needn't be found out for each of them */
            continue;
        }
        const struct cf_repository *r = &item->repository;
        fetcher->item = item;
        item->under_way = true;
        sync_tree_get_start(trees->session, &fetcher->one, r->metadata.owner_login, r->name,
                            r->tree, true, true);
    }
}

/* As many as may be. The first of all goes alone when nothing is known of the budget yet: together
 * they could take more than its rest. */
static void start_some(struct trees *trees)
{
    bool alone = !trees->plan->answered && !trees->plan->unanswered &&
                 !sync_session_knows_budget(trees->session, SYNC_REST);
    for (size_t i = 0; i < (alone ? 1 : SYNC_AT_ONCE); i++) {
        start_next(&trees->fetchers[i]);
    }
}

static void take(struct fetcher *fetcher, struct sync_item *item)
{
    if (fetcher->one.truncated) {
        item->walk = true;
        return;
    }
    sync_tally_finish(&fetcher->one.tally, &item->content);
    memcpy(item->content.tree, item->repository.tree, CF_OID_HEX);
}

static void tree_done(struct sync_tree_get *one)
{
    struct fetcher *fetcher = one->context;
    struct trees *trees = fetcher->trees;
    struct sync_item *item = fetcher->item;
    item->under_way = false;
    fetcher->item = NULL;
    if (one->get.limited) {
        trees->limited = true;
        return;
    }
    if (one->get.rc == CF_EUNAVAILABLE) {
        trees->plan->unanswered++;
    } else {
        trees->plan->answered++;
    }
    if (!one->get.rc) {
        take(fetcher, item);
    } else {
        struct cf_error err;
        int rc = sync_item_failed(item, &one->get, &err);
        if (rc && !trees->rc) {
            trees->rc = rc;
            *trees->err = err;
        }
    }
    start_some(trees);
}

static bool any_wants(const struct trees *trees)
{
    for (size_t i = 0; i < trees->count; i++) {
        if (wants_tree(&trees->items[i])) {
            return true;
        }
    }
    return false;
}

static int fetch_whole(struct trees *trees)
{
    while (!trees->rc && any_wants(trees)) {
        trees->limited = false;
        trees->rc = sync_session_ready(trees->session, SYNC_REST, trees->err);
        start_some(trees);
        sync_session_wait(trees->session);
    }
    return trees->rc;
}

int sync_trees_fetch(struct sync_session *session, struct sync_plan *plan, struct sync_item *items,
                     size_t count, struct cf_error *err)
{
    struct trees trees = {
        .session = session, .plan = plan, .items = items, .count = count, .err = err};
    struct fetcher *fetchers = cf_calloc(SYNC_AT_ONCE, sizeof(*fetchers));
    trees.fetchers = fetchers;
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        sync_tree_get_init(&fetchers[i].one);
        fetchers[i].trees = &trees;
        fetchers[i].one.done = tree_done;
        fetchers[i].one.context = &fetchers[i];
    }
    int rc = fetch_whole(&trees);
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        sync_tree_get_release(&fetchers[i].one);
    }
    free(fetchers);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = items[i].walk && !items[i].reason ? sync_tree_walk(session, &items[i], err) : 0;
    }
    return rc;
}
