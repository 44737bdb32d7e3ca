/* LIST. libs3 takes an answer that was cut off for a whole one, and doesn't show the difference; a
 * name that is missing from a LIST would go unnoticed. So libs3 only signs the URL, and the
 * program's own engine and its strict reader of XML do the rest. Pages are ones of Version 1
 * (marker), one after another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/store/s3_xml.h"
#include "common/store/sigv2/sigv2.h"

enum { SECONDS = 900 }; /* how long a signed URL is good for */

struct list {
    struct cf_sigv2 *store;
    struct cf_op *op;
    char *after; /* NULL: from the first name */
    size_t capacity;
};

static int refuse(struct cf_op *op, int code, const char *text)
{
    return cf_error_set(&op->error, code, "%s", text);
}

static enum cf_http_verdict judge(struct cf_http_request *request)
{
    struct cf_s3_fault fault;
    if (request->status / 100 == 2) {
        return CF_HTTP_ACCEPT;
    }
    bool some = cf_s3_xml_fault(request->answer.data, request->answer.length, &fault);
    char number[24];
    (void)snprintf(number, sizeof(number), "HTTP %ld", request->status);
    const char *name = some && fault.code[0]        ? fault.code
                       : request->status == 403     ? "AccessDenied"
                       : request->status == 404     ? "NoSuchBucket"
                       : request->status == 429     ? "SlowDown"
                       : request->status / 100 == 5 ? "InternalError"
                                                    : number;
    bool again = cf_sigv2_fault(name, some ? fault.message : NULL, some ? fault.request_id : NULL,
                                &request->error);
    if (request->error.code == CF_ENOTFOUND) {
        request->error.code = CF_ECONFIG; /* a 404 of a LIST can only mean the bucket */
    }
    request->error.http_status = request->status;
    request->rc = request->error.code;
    return again ? CF_HTTP_RETRY : CF_HTTP_FAIL;
}

static int build_url(struct list *list, const char *prefix, size_t max_keys, bool group,
                     struct cf_buf *url)
{
    const char *base = list->store->config.prefix;
    char number[24];
    char signed_url[S3_MAX_AUTHENTICATED_QUERY_STRING_SIZE];
    struct cf_sigv4_pair pairs[5];
    size_t count = 0;
    S3Status status = S3_generate_authenticated_query_string(
        signed_url, &list->store->bucket, NULL, cf_clock_now_ms() / 1000 + SECONDS, NULL);
    if (status != S3StatusOK) {
        (void)cf_sigv2_fault(S3_get_status_name(status), NULL, NULL, &list->op->error);
        return list->op->error.code;
    }
    char *whole_prefix = cf_asprintf("%s%s", base, prefix);
    char *marker = list->after ? cf_asprintf("%s%s", base, list->after) : NULL;
    (void)snprintf(number, sizeof(number), "%zu", max_keys);
    pairs[count++] = (struct cf_sigv4_pair){"encoding-type", "url"};
    pairs[count++] = (struct cf_sigv4_pair){"max-keys", number};
    pairs[count++] = (struct cf_sigv4_pair){"prefix", whole_prefix};
    if (marker) {
        pairs[count++] = (struct cf_sigv4_pair){"marker", marker};
    }
    if (group) {
        pairs[count++] = (struct cf_sigv4_pair){"delimiter", "/"};
    }
    cf_buf_puts(url, signed_url);
    cf_buf_putc(url, '&');
    cf_sigv4_query(url, pairs, count);
    free(whole_prefix);
    free(marker);
    return 0;
}

static int get_page(struct list *list, const char *prefix, size_t max_keys, bool group,
                    struct cf_s3_page *page)
{
    struct cf_buf url = CF_BUF_INIT;
    struct cf_op *op = list->op;
    int rc = build_url(list, prefix, max_keys, group, &url);
    if (!rc) {
        struct cf_http_request request = {
            .method = "GET", .url = cf_buf_str(&url), .identity = true, .judge = judge};
        cf_http_add(list->store->http, &request);
        cf_http_wait(list->store->http);
        rc = request.rc;
        if (rc) {
            op->error = request.error;
        } else {
            rc = cf_s3_xml_page(request.answer.data, request.answer.length, page, &op->error);
        }
        cf_http_request_release(&request);
    }
    cf_buf_release(&url);
    return rc;
}

/* "~" sorts behind every character of a key. */
static void go_behind(struct list *list, const char *name, bool group)
{
    char *after = cf_asprintf("%s%s", name, group ? "~" : "");
    free(list->after);
    list->after = after;
}

static int take_name(struct list *list, const struct cf_listed *name)
{
    struct cf_op *op = list->op;
    const char *base = list->store->config.prefix;
    size_t length = strlen(base);
    if (strncmp(name->key, base, length) != 0 ||
        strncmp(name->key + length, op->key, strlen(op->key)) != 0) {
        return refuse(op, CF_EUNAVAILABLE, "the store lists names that weren't asked for");
    }
    const char *key = name->key + length;
    if (!*key || strlen(key) >= CF_KEY_MAX ||
        (!name->group && list->after && strcmp(key, list->after) <= 0)) {
        return 0;
    }
    if (op->listed_count) {
        int order = strcmp(op->listed[op->listed_count - 1].key, key);
        if (order >= 0) {
            return order == 0 && name->group
                       ? 0
                       : refuse(op, CF_ECONFIG,
                                "the store does not list in the order of the names' bytes, so it "
                                "can't be used");
        }
    }
    op->listed = cf_grow(op->listed, op->listed_count, &list->capacity, sizeof(*op->listed));
    op->listed[op->listed_count] = *name;
    op->listed[op->listed_count++].key = cf_strdup(key);
    return 0;
}

/* Objects and groups come apart, each in order. *last is the last name of the page. */
static int take_page(struct list *list, const struct cf_s3_page *page,
                     const struct cf_listed **last)
{
    size_t object = 0;
    size_t group = 0;
    int rc = 0;
    while (!rc && (object < page->object_count || group < page->group_count)) {
        bool take_object = group == page->group_count ||
                           (object < page->object_count &&
                            strcmp(page->objects[object].key, page->groups[group].key) <= 0);
        *last = take_object ? &page->objects[object++] : &page->groups[group++];
        rc = take_name(list, *last);
    }
    return rc;
}

/* Takes pages until one name more than wanted is there, or none remain. */
static int fill(struct list *list)
{
    struct cf_op *op = list->op;
    const size_t base = strlen(list->store->config.prefix);
    bool more = true;
    int rc = 0;
    while (!rc && more && op->listed_count <= op->max_keys) {
        struct cf_s3_page page = {0};
        const struct cf_listed *last = NULL;
        size_t room = op->max_keys - op->listed_count;
        rc = get_page(list, op->key, room ? room : 1, op->group_by_slash, &page);
        rc = rc ? rc : take_page(list, &page, &last);
        more = page.truncated;
        if (!rc && more && !last) {
            rc = refuse(op, CF_EUNAVAILABLE,
                        "the store says that more names remain, but lists none");
        } else if (!rc && last) {
            char *before = list->after ? cf_strdup(list->after) : NULL;
            go_behind(list, last->key + base, last->group);
            if (more && before && strcmp(list->after, before) <= 0) {
                rc = refuse(op, CF_EUNAVAILABLE, "the store lists the same names again");
            }
            free(before);
        }
        cf_s3_page_release(&page);
    }
    return rc;
}

/* The group that start_after lies in, NULL when it lies in none. */
static char *group_of(const struct cf_op *op)
{
    size_t prefix = strlen(op->key);
    const char *slash = NULL;
    if (op->group_by_slash && op->start_after && strncmp(op->start_after, op->key, prefix) == 0) {
        slash = strchr(op->start_after + prefix, '/');
    }
    return slash ? cf_strndup(op->start_after, (size_t)(slash - op->start_after) + 1) : NULL;
}

/* Services differ in whether a group is listed when the marker lies within it: so that is asked
 * apart, and the page proper begins behind the group. */
static int begin_in_group(struct list *list, const char *group)
{
    struct cf_op *op = list->op;
    struct cf_s3_page page = {0};
    int rc = 0;
    if (op->start_after[strlen(group)] != '~') {
        rc = get_page(list, group, 1, false, &page);
        if (!rc && page.object_count) {
            op->listed =
                cf_grow(op->listed, op->listed_count, &list->capacity, sizeof(*op->listed));
            op->listed[op->listed_count++] =
                (struct cf_listed){.key = cf_strdup(group), .group = true};
        }
        cf_s3_page_release(&page);
    }
    go_behind(list, group, true);
    return rc;
}

void cf_sigv2_list(struct cf_sigv2 *store, struct cf_op *op)
{
    struct list list = {.store = store, .op = op};
    char *group = group_of(op);
    int rc = 0;
    list.after = op->start_after ? cf_strdup(op->start_after) : NULL;
    if (group) {
        rc = begin_in_group(&list, group);
    }
    rc = rc ? rc : fill(&list);
    while (op->listed_count > op->max_keys) { /* they were to see whether any remain */
        free(op->listed[--op->listed_count].key);
        op->more = true;
    }
    if (rc) {
        op->more = false;
        cf_op_release(op);
        op->error.code = rc;
        (void)snprintf(op->error.operation, sizeof(op->error.operation), "list");
        (void)snprintf(op->error.key, sizeof(op->error.key), "%s", op->key);
    }
    op->rc = rc;
    free(list.after);
    free(group);
}
