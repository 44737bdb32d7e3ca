/* The walk of a tree that GitHub doesn't give in one answer: its root alone, then each subtree with
 * all that is below it, and so on where that is cut as well. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "jobs/sync/tree_get.h"
#include "jobs/sync/trees.h"

/* A tree to be asked for, and in the end what it adds up to. */
struct step {
    char oid[CF_OID_HEX];
    bool recursive;
    bool of_root;
    bool taken;
    struct sync_tally tally;
};

struct walker;

struct walk {
    struct sync_session *session;
    struct sync_item *item;
    struct step *steps;
    size_t count, capacity;
    struct walker *walkers;
    bool cut; /* something stays uncounted */
    bool limited;
    int rc;
    struct cf_error *err;
};

struct walker {
    struct sync_tree_get one;
    struct walk *walk;
    size_t step;
    bool busy;
};

static void add_step(struct walk *walk, const char *oid, bool recursive, bool of_root)
{
    if (walk->count >= SYNC_WALK_MAX) {
        walk->cut = true;
        return;
    }
    walk->steps = cf_grow(walk->steps, walk->count, &walk->capacity, sizeof(*walk->steps));
    struct step *step = &walk->steps[walk->count++];
    *step = (struct step){.recursive = recursive, .of_root = of_root};
    sync_tally_init(&step->tally);
    memcpy(step->oid, oid, strlen(oid) + 1);
}

static bool find_step(const struct walk *walk, size_t *index)
{
    *index = 0;
    while (*index < walk->count && walk->steps[*index].taken) {
        ++*index;
    }
    return *index < walk->count;
}

static void start_next(struct walker *walker)
{
    struct walk *walk = walker->walk;
    const struct cf_repository *r = &walk->item->repository;
    if (walker->busy || walk->rc || walk->limited || walk->item->reason ||
        !find_step(walk, &walker->step)) {
        return;
    }
    struct step *step = &walk->steps[walker->step];
    step->taken = true;
    walker->busy = true;
    sync_tree_get_start(walk->session, &walker->one, r->metadata.owner_login, r->name, step->oid,
                        step->recursive, step->of_root);
}

static void start_all(struct walk *walk)
{
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        start_next(&walk->walkers[i]);
    }
}

static void take(struct walker *walker)
{
    struct walk *walk = walker->walk;
    struct sync_tree_get *one = &walker->one;
    struct step *step = &walk->steps[walker->step];
    if (one->truncated && step->recursive) {
        char oid[CF_OID_HEX];
        memcpy(oid, step->oid, sizeof(oid)); /* adding moves the steps */
        add_step(walk, oid, false, step->of_root);
        return;
    }
    walk->cut = walk->cut || one->truncated; /* one folder with so many entries can't be divided */
    sync_tally_merge(&step->tally, &one->tally);
    for (size_t i = 0; i < one->subtrees.count; i++) {
        add_step(walk, one->subtrees.items[i], true, false);
    }
}

static void step_done(struct sync_tree_get *one)
{
    struct walker *walker = one->context;
    struct walk *walk = walker->walk;
    walker->busy = false;
    if (one->get.limited) {
        walk->limited = true;
        walk->steps[walker->step].taken = false; /* again */
        return;
    }
    if (!one->get.rc) {
        take(walker);
    } else {
        struct cf_error err;
        int rc = sync_item_failed(walk->item, &one->get, &err);
        if (rc && !walk->rc) {
            walk->rc = rc;
            *walk->err = err;
        }
    }
    start_all(walk);
}

static int run(struct walk *walk)
{
    size_t next;
    while (!walk->rc && !walk->item->reason && find_step(walk, &next)) {
        walk->limited = false;
        walk->rc = sync_session_ready(walk->session, SYNC_REST, walk->err);
        start_all(walk);
        sync_session_wait(walk->session);
    }
    return walk->rc;
}

static int compare_steps(const void *a, const void *b)
{
    return strcmp(((const struct step *)a)->oid, ((const struct step *)b)->oid);
}

/* Answers come in any order; the sum must not depend on it. */
static void finish(struct walk *walk)
{
    struct sync_item *item = walk->item;
    struct sync_tally sum;
    sync_tally_init(&sum);
    qsort(walk->steps, walk->count, sizeof(*walk->steps), compare_steps);
    for (size_t i = 0; i < walk->count; i++) {
        sync_tally_merge(&sum, &walk->steps[i].tally);
    }
    cf_log(walk->cut ? CF_WARN : CF_INFO, walk->cut ? "tree_truncated" : "tree_walked",
           CF_S("repository", item->repository.name), CF_I("requests", walk->count),
           CF_I("files", sum.files), CF_END);
    sync_tally_finish(&sum, &item->content);
    sync_tally_release(&sum);
    item->content.truncated = walk->cut;
    memcpy(item->content.tree, item->repository.tree, CF_OID_HEX);
}

int sync_tree_walk(struct sync_session *session, struct sync_item *item, struct cf_error *err)
{
    struct walk walk = {.session = session, .item = item, .err = err};
    struct walker *walkers = cf_calloc(SYNC_AT_ONCE, sizeof(*walkers));
    walk.walkers = walkers;
    add_step(&walk, item->repository.tree, false, true);
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        sync_tree_get_init(&walkers[i].one);
        walkers[i].walk = &walk;
        walkers[i].one.done = step_done;
        walkers[i].one.context = &walkers[i];
    }
    int rc = run(&walk);
    if (!rc && !item->reason) {
        finish(&walk);
    }
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        sync_tree_get_release(&walkers[i].one);
    }
    free(walkers);
    for (size_t i = 0; i < walk.count; i++) {
        sync_tally_release(&walk.steps[i].tally);
    }
    free(walk.steps);
    return rc;
}
