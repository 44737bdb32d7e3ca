#include "jobs/sync/trees.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "jobs/sync/choose.h"

enum { AT_ONCE = 8, MOST_FILE_TYPES = 2000 };

static void count_extension(json_t *counts, const char *path, size_t length)
{
    char extension[SYNC_EXTENSION_MAX];
    if (!sync_extension(path, length, extension)) {
        return;
    }
    json_t *count = json_object_get(counts, extension);
    if (count) {
        (void)json_integer_set(count, json_integer_value(count) + 1);
    } else if (json_object_size(counts) < MOST_FILE_TYPES) {
        (void)json_object_set_new(counts, extension, json_integer(1));
    }
}

static int compare_types(const void *a, const void *b)
{
    return strcmp(((const struct cf_file_type *)a)->extension,
                  ((const struct cf_file_type *)b)->extension);
}

static void take_counts(json_t *counts, struct cf_content *content)
{
    const char *extension;
    json_t *count;
    content->file_types = cf_calloc(json_object_size(counts), sizeof(*content->file_types));
    json_object_foreach(counts, extension, count)
    {
        struct cf_file_type *type = &content->file_types[content->file_type_count++];
        type->extension = cf_strdup(extension);
        type->count = (uint64_t)json_integer_value(count);
    }
    if (content->file_type_count) {
        qsort(content->file_types, content->file_type_count, sizeof(*content->file_types),
              compare_types);
    }
}

/* A blob's entry; counts is NULL when only documents are looked for. */
static int read_blob(const json_t *entry, const json_t *path, json_t *counts,
                     struct cf_content *content, struct cf_error *err)
{
    const char *mode = NULL;
    const char *name = json_string_value(path);
    struct sync_file file = {.name = name};
    int rc = cf_json_get_string(entry, "mode", &mode, err);
    rc = rc ? rc : cf_json_get_string(entry, "sha", &file.oid, err);
    rc = rc ? rc : cf_json_get_u64(entry, "size", &file.bytes, err);
    if (!rc && !cf_oid_is_valid(file.oid)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"sha\" must be a git object's id");
    }
    if (rc) {
        return rc;
    }
    size_t length = json_string_length(path);
    if (counts) {
        content->files++;
        count_extension(counts, name, length);
    }
    if (strlen(name) == length && !strchr(name, '/') && length <= 255) {
        file.link = strcmp(mode, "120000") == 0;
        sync_choose(content, &file);
    }
    return 0;
}

int sync_tree_read(const json_t *answer, const char *tree, bool root_only,
                   struct cf_content *content, struct cf_error *err)
{
    const char *sha = NULL;
    json_t *entries = NULL;
    bool truncated = false;
    int rc = cf_json_get_string(answer, "sha", &sha, err);
    rc = rc ? rc : cf_json_get_bool(answer, "truncated", &truncated, err);
    rc = rc ? rc : cf_json_get_array(answer, "tree", &entries, err);
    if (!rc && strcmp(sha, tree) != 0) {
        rc = cf_error_set(err, CF_EDATA, "GitHub answered with another tree");
    }
    json_t *counts = root_only ? NULL : json_object();
    for (size_t i = 0; i < json_array_size(entries) && !rc; i++) {
        const json_t *entry = json_array_get(entries, i);
        const json_t *path = json_object_get(entry, "path");
        const char *type = NULL;
        rc = cf_json_get_string(entry, "type", &type, err);
        if (!rc && !json_is_string(path)) {
            rc = cf_error_set(err, CF_EDATA, "the field \"path\" must be a string");
        }
        if (!rc && strcmp(type, "blob") == 0) {
            rc = read_blob(entry, path, counts, content, err);
        }
        if (rc) {
            (void)cf_error_prefix(err, "entry %zu of the tree", i);
        }
    }
    if (!rc && counts) {
        take_counts(counts, content);
        content->truncated = truncated;
        memcpy(content->tree, tree, strlen(tree) + 1);
    }
    json_decref(counts);
    return rc;
}

struct trees {
    struct sync_github *github;
    struct sync_plan *plan;
    size_t next;        /* the first item that wasn't looked at yet */
    size_t answered;    /* requests that GitHub answered, in whatever way */
    size_t unavailable; /* requests that it didn't */
    int rc;
    struct cf_error *err;
};

struct tree_get {
    struct sync_get get;
    struct trees *trees;
    struct sync_item *item; /* NULL: nothing left to do */
    bool root_only;
};

static void request_tree(struct tree_get *one)
{
    const struct cf_repository *r = &one->item->repository;
    char *path = cf_asprintf("/repos/%s/%s/git/trees/%s%s", r->metadata.owner_login, r->name,
                             r->tree, one->root_only ? "" : "?recursive=1");
    sync_github_get(one->trees->github, &one->get, path);
    free(path);
}

static void set_unavailable(struct sync_item *item)
{
    item->unavailable = true;
    item->reason = "unavailable";
}

static void start_next(struct tree_get *one)
{
    struct trees *trees = one->trees;
    one->item = NULL;
    one->root_only = false;
    while (!trees->rc && trees->next < trees->plan->count) {
        struct sync_item *item = &trees->plan->items[trees->next++];
        if (item->action != SYNC_FETCH) {
            continue;
        }
        if (!trees->answered && trees->unavailable >= SYNC_OUTAGE) {
            set_unavailable(item); /* GitHub is down: that needn't be found out for each of them */
            continue;
        }
        one->item = item;
        request_tree(one);
        return;
    }
}

static void give_up(struct tree_get *one)
{
    struct sync_item *item = one->item;
    const struct sync_get *get = &one->get;
    if (!get->reason && sync_error_is_fatal(get->rc)) {
        if (!one->trees->rc) {
            one->trees->rc = get->rc;
            *one->trees->err = get->error;
        }
        return;
    }
    if (get->rc == CF_EUNAVAILABLE) {
        set_unavailable(item);
    } else {
        item->reason = get->reason ? get->reason : "bad_answer";
    }
    cf_log_error(CF_WARN, "tree_failed", &get->error);
}

static void tree_done(struct sync_get *get)
{
    struct tree_get *one = get->context;
    struct sync_item *item = one->item;
    if (get->rc == CF_EUNAVAILABLE) {
        one->trees->unavailable++;
    } else {
        one->trees->answered++;
    }
    if (!get->rc) {
        get->rc = sync_tree_read(get->document, item->repository.tree, one->root_only,
                                 &item->content, &get->error);
    }
    bool cut = !get->rc && !one->root_only && item->content.truncated;
    if (get->rc) {
        give_up(one);
    }
    sync_get_release(get);
    if (cut) {
        cf_log(CF_WARN, "tree_truncated", CF_S("repository", item->repository.name),
               CF_I("files", item->content.files), CF_END);
        one->root_only = true;
        request_tree(one);
    } else {
        start_next(one);
    }
}

int sync_trees_fetch(struct sync_github *github, struct sync_plan *plan, struct cf_error *err)
{
    struct trees trees = {.github = github, .plan = plan, .err = err};
    struct tree_get *gets = cf_calloc(AT_ONCE, sizeof(*gets));
    for (size_t i = 0; i < AT_ONCE; i++) {
        gets[i].trees = &trees;
        gets[i].get.done = tree_done;
        gets[i].get.context = &gets[i];
        start_next(&gets[i]);
    }
    sync_github_wait(github);
    free(gets);
    return trees.rc;
}
