/* LIST, one page. Pages go on behind the last name (start-after) and never by the service's
 * continuation token, so that any name can be gone on from. */
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
static int take_name(struct cf_s3_task *task, struct cf_listed *name)
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
                    (!name->group && task->after && strcmp(key, task->after) <= 0);
    if (op->listed_count && strcmp(op->listed[op->listed_count - 1].key, key) >= 0) {
        free(key);
        return refuse(op, CF_ECONFIG,
                      "the store does not list in the order of the names' bytes, so it can't be "
                      "used");
    }
    if (unwanted) {
        free(key);
        return 0;
    }
    struct cf_listed *entry = &op->listed[op->listed_count++];
    *entry = *name;
    entry->key = key;
    return 0;
}

static int take_page(struct cf_s3_task *task, struct cf_s3_page *page)
{
    struct cf_op *op = task->op;
    size_t object = 0;
    size_t group = 0;
    size_t total = page->object_count + page->group_count;
    struct cf_listed *name;
    const char *last = NULL;
    int rc = 0;
    if (total > op->max_keys) {
        return refuse(op, CF_EUNAVAILABLE, "the store lists more names than were asked for");
    }
    op->listed = total ? cf_calloc(total, sizeof(*op->listed)) : NULL;
    while (!rc && (name = next_name(page, &object, &group))) {
        rc = take_name(task, name);
        last = name->key;
    }
    op->more = page->truncated;
    if (!rc && op->more && !op->listed_count) {
        /* A page of nothing that is wanted: the next one begins behind it. */
        size_t length = strlen(task->call.s3->config.prefix);
        char *after = last ? cf_strdup(last + length) : NULL;
        if (!after || (task->after && strcmp(after, task->after) <= 0)) {
            rc = refuse(op, CF_EUNAVAILABLE,
                        "the store says that more names remain, but lists none");
        }
        free(task->after);
        task->after = after;
        free(op->listed);
        op->listed = NULL;
    }
    return rc;
}

static void list_ended(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    struct cf_op *op = task->op;
    struct cf_s3_page page = {0};
    int rc = call->error.code;
    if (rc == CF_ENOTFOUND) {
        rc = cf_error_set(&call->error, CF_ECONFIG, "there is no bucket %s at %s",
                          call->s3->config.bucket, call->s3->config.host);
    }
    rc = rc ? rc
            : cf_s3_xml_page(call->http.answer.data, call->http.answer.length, &page, &op->error);
    rc = rc ? rc : take_page(task, &page);
    cf_s3_page_release(&page);
    if (!rc && op->more && !op->listed) {
        send_list(task);
        return;
    }
    cf_s3_task_end(task, rc);
}

static void send_list(struct cf_s3_task *task)
{
    struct cf_s3_call *call = &task->call;
    const struct cf_op *op = task->op;
    const char *base = call->s3->config.prefix;
    char number[24];
    struct cf_sigv4_pair pairs[6];
    size_t count = 0;
    char *prefix = cf_asprintf("%s%s", base, op->key);
    char *after = task->after ? cf_asprintf("%s%s", base, task->after) : NULL;
    (void)snprintf(number, sizeof(number), "%zu", op->max_keys);
    pairs[count++] = (struct cf_sigv4_pair){"list-type", "2"};
    pairs[count++] = (struct cf_sigv4_pair){"encoding-type", "url"};
    pairs[count++] = (struct cf_sigv4_pair){"max-keys", number};
    pairs[count++] = (struct cf_sigv4_pair){"prefix", prefix};
    if (after) {
        pairs[count++] = (struct cf_sigv4_pair){"start-after", after};
    }
    if (op->group_by_slash) {
        pairs[count++] = (struct cf_sigv4_pair){"delimiter", "/"};
    }
    cf_s3_call_begin(call, "GET", NULL, pairs, count);
    call->then = list_ended;
    free(prefix);
    free(after);
    cf_s3_call_start(call);
}

void cf_s3_list_start(struct cf_s3_task *task)
{
    task->call.operation = "list";
    task->call.permission = "s3:ListBucket";
    free(task->after);
    task->after = task->op->start_after ? cf_strdup(task->op->start_after) : NULL;
    send_list(task);
}
