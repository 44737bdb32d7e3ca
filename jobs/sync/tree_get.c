#include "jobs/sync/tree_get.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

static const size_t MOST_ANSWER = (size_t)64 << 20; /* GitHub cuts trees at 7 MB of its own */

static int on_entry(void *context, const struct sync_tree_entry *entry, struct cf_error *err)
{
    struct sync_tree_get *one = context;
    struct sync_oids *subtrees = &one->subtrees;
    (void)err;
    sync_tally_add(&one->tally, entry, one->of_root);
    if (!one->recursive && entry->type == SYNC_TREE_TREE) {
        subtrees->items = cf_grow(subtrees->items, subtrees->count, &subtrees->capacity,
                                  sizeof(*subtrees->items));
        memcpy(subtrees->items[subtrees->count++], entry->oid, CF_OID_HEX);
    }
    return 0;
}

static int feed(struct sync_get *get, const char *data, size_t length)
{
    struct sync_tree_get *one = get->context;
    return sync_tree_reader_feed(&one->reader, data, length, &get->error);
}

static void restart(struct sync_get *get)
{
    struct sync_tree_get *one = get->context;
    sync_tree_reader_restart(&one->reader);
    sync_tally_clear(&one->tally);
    one->subtrees.count = 0;
}

static void done(struct sync_get *get)
{
    struct sync_tree_get *one = get->context;
    char sha[CF_OID_HEX];
    if (!get->rc) {
        get->rc = sync_tree_reader_end(&one->reader, sha, &one->truncated, &get->error);
    }
    if (!get->rc && strcmp(sha, one->oid) != 0) {
        get->rc = cf_error_set(&get->error, CF_EDATA, "GitHub answered with another tree");
    }
    one->done(one);
}

void sync_tree_get_init(struct sync_tree_get *one)
{
    *one = (struct sync_tree_get){0};
    sync_tally_init(&one->tally);
    sync_tree_reader_init(&one->reader, on_entry, one);
    one->get.feed = feed;
    one->get.restart = restart;
    one->get.done = done;
    one->get.context = one;
    one->get.max_answer = MOST_ANSWER;
}

void sync_tree_get_release(struct sync_tree_get *one)
{
    sync_get_release(&one->get);
    sync_tally_release(&one->tally);
    sync_tree_reader_release(&one->reader);
    free(one->subtrees.items);
}

void sync_tree_get_start(struct sync_session *session, struct sync_tree_get *one, const char *owner,
                         const char *name, const char *oid, bool recursive, bool of_root)
{
    restart(&one->get);
    one->truncated = false;
    one->recursive = recursive;
    one->of_root = of_root;
    memcpy(one->oid, oid, strlen(oid) + 1);
    char *path = cf_asprintf("/repos/%s/%s/git/trees/%s%s", owner, name, oid,
                             recursive ? "?recursive=1" : "");
    sync_get_start(session, &one->get, path);
    free(path);
}
