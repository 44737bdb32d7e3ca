/* LIST, one page. Pages go on behind the last name (start-after) and never by the service's
 * continuation token, so that any name can be gone on from.
 *
 * Services differ in whether a group is listed when start-after lies within it. So that is asked
 * apart, with a LIST of one name in the group, and the page proper begins behind the group. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/s3_task.h"
#include "common/store/s3_xml.h"

static void send_list(struct cf_s3_task *task);

static int refuse(struct cf_op *op, int code, const char *text)
{
    return cf_error_at(&op->error, code, "list", op->key, "%s", text);
}

/* The next name of objects and groups together. */
static struct cf_listed *next_name(struct cf_s3_page *page, size_t *object, size_t *group)
{
    bool has_object = *object < page->object_count;
    bool has_group = *group < page->group_count;
    if (has_object &&
        (!has_group || strcmp(page->objects[*object].key, page->groups[*group].key) <= 0)) {
        return &page->objects[(*object)++];
    }
    return has_group ? &page->groups[(*group)++] : NULL;
}

/* Takes one name over, without the store's own prefix. The order is what finding the newest version
 * rests on, so it is not taken on trust. */
static int take_name(struct cf_s3_task *task, const struct cf_listed *name)
{
    struct cf_op *op = task->op;
    const char *prefix = task->call.s3->config.prefix;
    size_t length = strlen(prefix);
    if (strncmp(name->key, prefix, length) != 0 ||
        strncmp(name->key + length, op->key, strlen(op->key)) != 0) {
        return refuse(op, CF_EUNAVAILABLE, "the store lists names that weren't asked for");
    }
    char *key = cf_strdup(name->key + length);
    bool unwanted = strlen(key) >= CF_KEY_MAX || !*key ||
                    (name->group ? task->group && strcmp(key, task->group) == 0
                                 : task->after && strcmp(key, task->after) <= 0);
    bool disorder = op->listed_count && strcmp(op->listed[op->listed_count - 1].key, key) >= 0;
    if (unwanted) {
        free(key);
        return 0;
    }
    if (disorder) {
        free(key);
        return refuse(op, CF_ECONFIG,
                      "the store does not list in the order of the names' bytes, so it can't be "
                      "used");
    }
    struct cf_listed *entry = &op->listed[op->listed_count++];
    *entry = *name;
    entry->key = key;
    return 0;
}

/* How many names the page may still hold; at least one is asked for, to see whether any remain. */
static size_t room(const struct cf_op *op)
{
    return op->max_keys - op->listed_count;
}

/* "~" sorts behind every character of a key. */
static char *behind_group(const char *group)
{
    return cf_asprintf("%s~", group);
}

/* A page that is shorter than what was asked for, while more names remain: the next one begins
 * behind it. */
static int go_on_behind(struct cf_s3_task *task, const struct cf_listed *last)
{
    const char *name = last ? last->key + strlen(task->call.s3->config.prefix) : NULL;
    char *after = NULL;
    if (last && last->group) {
        free(task->group);
        task->group = cf_strdup(name);
        after = behind_group(name);
    } else if (last) {
        after = cf_strdup(name);
    }
    bool further = after && (!task->after || strcmp(after, task->after) > 0);
    free(task->after);
    task->after = after;
    return further ? 0
                   : refuse(task->op, CF_EUNAVAILABLE,
                            "the store says that more names remain, but lists none");
}

/* *again: the next page is needed to fill this one. Services may end a page at any place. */
static int take_page(struct cf_s3_task *task, struct cf_s3_page *page, bool *again)
{
    struct cf_op *op = task->op;
    size_t object = 0;
    size_t group = 0;
    size_t total = page->object_count + page->group_count;
    size_t most = room(op);
    size_t before = op->listed_count;
    const struct cf_listed *name;
    const struct cf_listed *last = NULL;
    int rc = 0;
    *again = false;
    if (total > (most ? most : 1)) {
        return refuse(op, CF_EUNAVAILABLE, "the store lists more names than were asked for");
    }
    op->listed = cf_realloc(op->listed, before + total + 1, sizeof(*op->listed));
    while (!rc && (name = next_name(page, &object, &group))) {
        last = name;
        rc = take_name(task, name);
    }
    op->more = page->truncated;
    if (!rc && op->listed_count > op->max_keys) { /* that was to see whether any remain */
        free(op->listed[--op->listed_count].key);
        op->more = true;
    } else if (!rc && op->more && op->listed_count < op->max_keys) {
        rc = go_on_behind(task, last);
        *again = !rc;
    }
    if (!op->listed_count) {
        free(op->listed);
        op->listed = NULL;
    }
    return rc;
}

/* A 404 of a LIST can only mean the bucket, whatever else it says. */
static int bucket_error(struct cf_s3_call *call)
{
    if (call->error.code == CF_ENOTFOUND) {
        call->error.code = CF_ECONFIG;
        (void)snprintf(call->error.message, sizeof(call->error.message),
                       "there is no bucket %s at %s", call->s3->config.bucket,
                       call->s3->config.host);
    }
    return call->error.code;
}

static void list_ended(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    struct cf_op *op = task->op;
    struct cf_s3_page page = {0};
    bool again = false;
    int rc = bucket_error(call);
    rc = rc ? rc
            : cf_s3_xml_page(call->http.answer.data, call->http.answer.length, &page, &op->error);
    rc = rc ? rc : take_page(task, &page, &again);
    cf_s3_page_release(&page);
    if (again) {
        send_list(task);
        return;
    }
    cf_s3_task_end(task, rc);
}

/* Makes the call; group: names are grouped by slash. */
static void build_list(struct cf_s3_task *task, const char *key, size_t max_keys, bool group)
{
    struct cf_s3_call *call = &task->call;
    const char *base = call->s3->config.prefix;
    char number[24];
    struct cf_sigv4_pair pairs[6];
    size_t count = 0;
    char *prefix = cf_asprintf("%s%s", base, key);
    char *after = task->after ? cf_asprintf("%s%s", base, task->after) : NULL;
    (void)snprintf(number, sizeof(number), "%zu", max_keys);
    pairs[count++] = (struct cf_sigv4_pair){"list-type", "2"};
    pairs[count++] = (struct cf_sigv4_pair){"encoding-type", "url"};
    pairs[count++] = (struct cf_sigv4_pair){"max-keys", number};
    pairs[count++] = (struct cf_sigv4_pair){"prefix", prefix};
    if (after) {
        pairs[count++] = (struct cf_sigv4_pair){"start-after", after};
    }
    if (group) {
        pairs[count++] = (struct cf_sigv4_pair){"delimiter", "/"};
    }
    cf_s3_call_begin(call, "GET", NULL, pairs, count);
    free(prefix);
    free(after);
}

static void send_list(struct cf_s3_task *task)
{
    const struct cf_op *op = task->op;
    build_list(task, op->key, room(op) ? room(op) : 1, op->group_by_slash);
    task->call.then = list_ended;
    cf_s3_call_start(&task->call);
}

static void begin_behind_group(struct cf_s3_task *task)
{
    free(task->after);
    task->after = behind_group(task->group);
    send_list(task);
}

static void group_ended(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    struct cf_op *op = task->op;
    struct cf_s3_page page = {0};
    int rc = bucket_error(call);
    rc = rc ? rc
            : cf_s3_xml_page(call->http.answer.data, call->http.answer.length, &page, &op->error);
    bool some = page.object_count > 0;
    cf_s3_page_release(&page);
    if (rc) {
        cf_s3_task_end(task, rc);
        return;
    }
    if (some) {
        op->listed = cf_calloc(1, sizeof(*op->listed));
        op->listed[op->listed_count++] =
            (struct cf_listed){.key = cf_strdup(task->group), .group = true};
    }
    begin_behind_group(task);
}

/* The group that a name lies in, NULL when it lies in none. */
static char *group_of(const struct cf_op *op, const char *name)
{
    size_t prefix = strlen(op->key);
    const char *slash = NULL;
    if (op->group_by_slash && name && strncmp(name, op->key, prefix) == 0) {
        slash = strchr(name + prefix, '/');
    }
    return slash ? cf_strndup(name, (size_t)(slash - name) + 1) : NULL;
}

void cf_s3_list_start(struct cf_s3_task *task)
{
    const struct cf_op *op = task->op;
    task->call.operation = "list";
    task->call.permission = "s3:ListBucket";
    free(task->after);
    free(task->group);
    task->after = op->start_after ? cf_strdup(op->start_after) : NULL;
    task->group = group_of(op, op->start_after);
    if (!task->group) {
        send_list(task);
    } else if (op->start_after[strlen(task->group)] == '~') {
        begin_behind_group(task); /* as a walk goes on: nothing of the group is left */
    } else {
        build_list(task, task->group, 1, false);
        task->call.then = group_ended;
        cf_s3_call_start(&task->call);
    }
}
