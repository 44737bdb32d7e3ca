#include "jobs/sync/plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

/* The content of a tree in the last version, whichever repository has it. */
static const char *known_content(const struct cf_repos *previous, const struct cf_repository *same,
                                 const char *tree)
{
    if (same && *same->content && strcmp(same->tree, tree) == 0) {
        return same->content;
    }
    for (size_t i = 0; i < previous->count; i++) {
        const struct cf_repository *r = &previous->items[i];
        if (*r->content && strcmp(r->tree, tree) == 0) {
            return r->content;
        }
    }
    return NULL;
}

void sync_plan_decide(const struct sync_plan *plan, struct sync_item *item)
{
    if (!*item->repository.tree) {
        item->action = SYNC_EMPTY;
        return;
    }
    const char *content =
        plan->force ? NULL : known_content(plan->previous, item->previous, item->repository.tree);
    item->action = content ? SYNC_REUSE : SYNC_FETCH;
    if (content) {
        memcpy(item->repository.content, content, CF_SHA256_HEX);
    }
}

static void plan_item(const struct sync_plan *plan, struct sync_item *item,
                      const struct sync_listed *listed)
{
    item->repository = listed->repository;
    item->previous = cf_repos_find(plan->previous, item->repository.id);
    if (listed->problem) {
        item->action = SYNC_BAD;
        item->reason = listed->problem;
    } else if (listed->incomplete) {
        item->action = SYNC_ASK;
    } else {
        sync_plan_decide(plan, item);
    }
}

void sync_plan_make(struct sync_plan *plan, struct sync_listing *listing,
                    const struct cf_repos *previous, bool force)
{
    *plan = (struct sync_plan){.login = listing->login,
                               .kind = listing->kind,
                               .partial = listing->partial,
                               .force = force,
                               .previous = previous,
                               .count = listing->count};
    plan->items = cf_calloc(listing->count, sizeof(*plan->items));
    for (size_t i = 0; i < listing->count; i++) {
        plan_item(plan, &plan->items[i], &listing->items[i]);
    }
    listing->count = 0; /* the repositories are the plan's now */
}

void sync_plan_release(struct sync_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        cf_repository_release(&plan->items[i].repository);
        cf_content_release(&plan->items[i].content);
    }
    free(plan->items);
    *plan = (struct sync_plan){0};
}

size_t sync_plan_fetch_first(struct sync_plan *plan)
{
    size_t wanted = sync_plan_count(plan, SYNC_FETCH) + sync_plan_count(plan, SYNC_ASK);
    struct sync_item *items = cf_calloc(plan->count, sizeof(*items));
    size_t first = 0;
    size_t second = wanted;
    for (size_t i = 0; i < plan->count; i++) {
        const struct sync_item *item = &plan->items[i];
        bool wants = item->action == SYNC_FETCH || item->action == SYNC_ASK;
        items[wants ? first++ : second++] = *item;
    }
    free(plan->items);
    plan->items = items;
    return wanted;
}

size_t sync_plan_count(const struct sync_plan *plan, enum sync_action action)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        count += plan->items[i].action == action;
    }
    return count;
}

static bool is_good(const struct cf_repository *r)
{
    return r && r->state != CF_REPOSITORY_FAILED;
}

static void keep(const struct cf_repository *previous, const char *reason,
                 struct cf_repository *out)
{
    cf_repository_copy(previous, out);
    free(out->reason);
    out->reason = cf_strdup(reason);
    if (is_good(previous)) {
        out->state = CF_REPOSITORY_KEPT;
    }
}

static void move_repository(struct sync_item *item, struct cf_repository *out)
{
    *out = item->repository;
    item->repository = (struct cf_repository){.id = out->id};
}

static bool item_result(struct sync_item *item, struct cf_repository *out)
{
    if (!item->reason) {
        move_repository(item, out);
        return true;
    }
    if (is_good(item->previous) || (item->previous && item->action == SYNC_BAD)) {
        keep(item->previous, item->reason, out);
        return true;
    }
    if (item->action == SYNC_BAD) {
        return false; /* there is nothing to say of it but its number, which is in the log */
    }
    move_repository(item, out);
    out->state = CF_REPOSITORY_FAILED;
    out->reason = cf_strdup(item->reason);
    out->fingerprint[0] = '\0';
    out->content[0] = '\0';
    return true;
}

static bool is_listed(const struct sync_plan *plan, uint64_t id)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].repository.id == id) {
            return true;
        }
    }
    return false;
}

void sync_plan_result(struct sync_plan *plan, struct cf_repos *out)
{
    *out = (struct cf_repos){.login = cf_strdup(plan->login), .kind = cf_strdup(plan->kind)};
    out->items = cf_calloc(plan->count + plan->previous->count, sizeof(*out->items));
    for (size_t i = 0; i < plan->count; i++) {
        out->count += item_result(&plan->items[i], &out->items[out->count]);
    }
    for (size_t i = 0; i < plan->previous->count && plan->partial; i++) {
        if (!is_listed(plan, plan->previous->items[i].id)) {
            keep(&plan->previous->items[i], "not_listed", &out->items[out->count++]);
        }
    }
}

bool sync_plan_is_outage(const struct sync_plan *plan, const struct sync_changes *changes)
{
    size_t wanted = 0;
    size_t down = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct sync_item *item = &plan->items[i];
        wanted += item->action == SYNC_FETCH || item->action == SYNC_ASK || item->was_asked;
        down += item->unavailable;
    }
    bool nothing_else = !changes->removed && changes->added + changes->changed <= down;
    return down && down == wanted &&
           (nothing_else || !plan->previous->login || down >= SYNC_OUTAGE);
}

bool sync_changes_count(const struct cf_repos *previous, const struct cf_repos *now,
                        struct sync_changes *out)
{
    *out = (struct sync_changes){.repositories = now->count};
    size_t known = 0;
    for (size_t i = 0; i < now->count; i++) {
        const struct cf_repository *r = &now->items[i];
        const struct cf_repository *before = cf_repos_find(previous, r->id);
        out->current += r->state == CF_REPOSITORY_CURRENT;
        out->kept += r->state == CF_REPOSITORY_KEPT;
        out->empty += r->state == CF_REPOSITORY_EMPTY;
        out->failed += r->state == CF_REPOSITORY_FAILED;
        out->added += !before;
        known += before != NULL;
        out->changed += before && (before->state != r->state ||
                                   strcmp(before->fingerprint, r->fingerprint) != 0);
    }
    out->removed = previous->count - known;
    return !previous->login || strcmp(previous->login, now->login) != 0 || out->added ||
           out->changed || out->removed;
}
