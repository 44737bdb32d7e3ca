/* GET and STAT. A GET that breaks off goes on from the byte where it did, on condition that the
 * object is still the same; when it isn't, it begins anew. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/s3_task.h"
#include "common/store/s3_xml.h"
#include "common/store/stream.h"

enum { CHANGES = 3 };
static const int64_t STREAM_MS = (int64_t)6 * 3600 * 1000; /* silence is what ends a stream */

static bool read_number(const char **p, uint64_t *out)
{
    size_t n = strspn(*p, "0123456789");
    *out = n && n < 19 ? strtoull(*p, NULL, 10) : 0;
    *p += n;
    return n && n < 19;
}

/* "bytes 0-9/100" */
static bool read_range(const struct cf_http_request *http, uint64_t *first, uint64_t *size)
{
    char value[80];
    uint64_t last = 0;
    if (!cf_http_header(http, "Content-Range", value, sizeof(value)) ||
        strncmp(value, "bytes ", 6) != 0) {
        return false;
    }
    const char *p = value + 6;
    return read_number(&p, first) && *p++ == '-' && read_number(&p, &last) && *p++ == '/' &&
           read_number(&p, size) && !*p && *first <= last && last < *size;
}

int cf_s3_read_headers(const struct cf_http_request *http, struct cf_op *op)
{
    char value[CF_ETAG_MAX + 8];
    const char *p = value;
    uint64_t first = 0;
    if (http->status == 206 ? !read_range(http, &first, &op->size)
                            : !cf_http_header(http, "Content-Length", value, sizeof(value)) ||
                                  !read_number(&p, &op->size)) {
        return cf_error_set(&op->error, CF_EUNAVAILABLE, "the answer tells no size");
    }
    if (!cf_http_header(http, "ETag", value, sizeof(value)) || !cf_s3_etag(value, op->etag)) {
        return cf_error_set(&op->error, CF_EUNAVAILABLE, "the answer has no usable ETag");
    }
    return 0;
}

static int refuse(struct cf_s3_task *task, int code, const char *text)
{
    return cf_error_at(&task->op->error, code, "get", task->op->key, "%s", text);
}

/* Everything from the first byte again. */
static int start_over(struct cf_s3_task *task)
{
    struct cf_op *op = task->op;
    bool delivered = task->next > task->first;
    task->next = task->first;
    task->end = UINT64_MAX;
    op->etag[0] = '\0';
    cf_buf_clear(&op->body);
    return delivered && op->sink ? op->sink->restart(op->sink->context) : 0;
}

static int before_get(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    struct cf_op *op = task->op;
    task->opened = false;
    const char *match = op->if_match ? op->if_match : op->etag;
    if (*match && (op->if_match || task->next > task->first)) {
        cf_s3_call_header(call, "if-match", "\"%s\"", match);
    } else {
        cf_s3_call_drop_header(call, "if-match");
    }
    uint64_t last = op->offset + op->limit - 1;
    if (op->limit && op->limit <= (uint64_t)INT64_MAX - op->offset) {
        cf_s3_call_header(call, "range", "bytes=%" PRIu64 "-%" PRIu64, task->next, last);
    } else if (task->next) {
        cf_s3_call_header(call, "range", "bytes=%" PRIu64 "-", task->next);
    }
    return 0;
}

/* Looks at the headers of an answer that gives bytes: where they belong, and whether they are of
 * the object that was wanted. */
static int open_answer(struct cf_s3_task *task)
{
    struct cf_op *op = task->op;
    const struct cf_http_request *http = &task->call.http;
    char before[CF_ETAG_MAX];
    uint64_t size = 0;
    uint64_t wanted = 0;
    (void)snprintf(before, sizeof(before), "%s", op->if_match ? op->if_match : op->etag);
    task->opened = true;
    int rc = cf_s3_read_headers(http, op);
    if (rc) {
        return refuse(task, rc, "the answer lacks its size or its ETag");
    }
    if (*before && strcmp(before, op->etag) != 0) {
        return refuse(task, CF_ECONFLICT, "the object has changed");
    }
    task->at = 0;
    if (http->status == 206 && (!read_range(http, &task->at, &size) || task->at != task->next)) {
        return refuse(task, CF_EUNAVAILABLE, "the answer is of another range than was asked for");
    }
    uint64_t first = 0;
    rc = cf_stream_range(op, op->size, &first, &wanted);
    if (!rc) {
        task->end = first + wanted;
        if (!op->sink) {
            cf_buf_reserve(&op->body, (size_t)wanted);
        }
    }
    return rc;
}

static int take_bytes(void *context, const void *data, size_t length)
{
    struct cf_s3_task *task = context;
    int rc = task->opened ? 0 : open_answer(task);
    if (rc) {
        return rc;
    }
    uint64_t from = task->at; /* data covers [from, from + length) */
    task->at += length;
    if (task->at <= task->next || from >= task->end) {
        return 0;
    }
    uint64_t skip = task->next > from ? task->next - from : 0;
    uint64_t most = task->end - task->next;
    uint64_t take = length - skip < most ? length - skip : most;
    rc = cf_stream_write(task->op, (const char *)data + skip, (size_t)take);
    task->next += take;
    return rc;
}

static int keep_bytes(void *context)
{
    (void)context; /* the next attempt goes on where this one broke off */
    return 0;
}

static void get_ended(struct cf_s3_call *call);

static void send_get(struct cf_s3_task *task)
{
    struct cf_s3_call *call = &task->call;
    cf_s3_call_begin(call, "GET", task->op->key, NULL, 0);
    call->before = before_get;
    call->then = get_ended;
    call->http.sink = &task->sink;
    call->http.total_ms = task->op->sink ? STREAM_MS : CF_S3_TOTAL_MS(task->op->max_body);
    cf_s3_call_start(call);
}

static void no_bytes_ended(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    int rc = call->error.code;
    cf_s3_task_end(task, rc ? rc : cf_s3_read_headers(&call->http, task->op));
}

/* 416: the range begins behind the end. HEAD tells size and ETag. */
static void send_head_for_get(struct cf_s3_task *task)
{
    struct cf_s3_call *call = &task->call;
    cf_s3_call_begin(call, "HEAD", task->op->key, NULL, 0);
    if (task->op->if_match) {
        cf_s3_call_header(call, "if-match", "\"%s\"", task->op->if_match);
    }
    call->then = no_bytes_ended;
    cf_s3_call_start(call);
}

static void get_ended(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    struct cf_op *op = task->op;
    int rc = call->error.code;
    bool resumed = task->next > task->first;
    if (!op->error.code && call->http.status == 416 && !resumed) {
        send_head_for_get(task);
        return;
    }
    if (!op->error.code && call->http.status == 412 && !op->if_match && resumed) {
        rc = task->changes++ < CHANGES ? start_over(task) : CF_ECONFLICT;
        if (!rc) {
            send_get(task);
            return;
        }
    }
    if (call->http.status == 416 && task->next == task->end) {
        cf_s3_task_end(task, 0); /* it had broken off behind the last byte */
        return;
    }
    if (!rc && !task->opened) {
        rc = open_answer(task); /* of no bytes */
    }
    if (!rc && task->next != task->end) {
        rc = refuse(task, CF_EUNAVAILABLE, "the answer is shorter than its headers say");
    }
    cf_s3_task_end(task, rc);
}

void cf_s3_get_start(struct cf_s3_task *task)
{
    const struct cf_op *op = task->op;
    task->call.operation = "get";
    task->call.permission = "s3:GetObject";
    task->sink = (struct cf_http_sink){.write = take_bytes, .restart = keep_bytes, .context = task};
    task->first = op->offset;
    task->next = op->offset;
    task->end = UINT64_MAX;
    task->changes = 0;
    if (op->offset > INT64_MAX) {
        send_head_for_get(task); /* no object is as long as that */
        return;
    }
    send_get(task);
}

static void asked_for_reason(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    int rc = call->error.code;
    cf_s3_task_end(task, rc ? rc : cf_s3_read_headers(&call->http, task->op));
}

/* An answer to HEAD has no body, so what is wrong must be asked with a GET of one byte. */
static void stat_ended(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    if (call->http.status == 400 || call->http.status == 403) {
        cf_s3_call_begin(call, "GET", task->op->key, NULL, 0);
        cf_s3_call_header(call, "range", "bytes=0-0");
        call->then = asked_for_reason;
        cf_s3_call_start(call);
        return;
    }
    asked_for_reason(call);
}

void cf_s3_stat_start(struct cf_s3_task *task)
{
    struct cf_s3_call *call = &task->call;
    call->operation = "stat";
    call->permission = "s3:GetObject";
    cf_s3_call_begin(call, "HEAD", task->op->key, NULL, 0);
    call->then = stat_ended;
    cf_s3_call_start(call);
}
