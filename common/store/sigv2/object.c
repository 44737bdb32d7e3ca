/* GET, STAT, PUT, PUT_NEW and DELETE: the steps of each, and the callbacks of libs3. */
#include <nettle/base64.h>
#include <nettle/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/net/policy.h"
#include "common/store/s3_xml.h"
#include "common/store/sigv2/sigv2.h"
#include "common/store/stream.h"

enum { CHANGES = 3, RESENT = 5, BACKOFF_MS = 100 };

const char *const cf_sigv2_names[] = {"get", "put", "put_new", "list", "delete", "stat"};

static uint64_t body_size(const struct cf_op *op)
{
    return op->source ? op->source->size : op->length;
}

void cf_sigv2_end(struct cf_sigv2_task *task, int rc)
{
    struct cf_op *op = task->op;
    op->rc = rc;
    if (rc) {
        op->error.code = rc;
        (void)snprintf(op->error.operation, sizeof(op->error.operation), "%s",
                       cf_sigv2_names[op->kind]);
        (void)snprintf(op->error.key, sizeof(op->error.key), "%s", op->key);
        cf_buf_release(&op->body);
    } else {
        op->error = (struct cf_error){0};
    }
    free(task->key);
    task->key = NULL;
    task->op = NULL;
}

static void refuse(struct cf_sigv2_task *task, int code, const char *text)
{
    (void)cf_error_set(&task->op->error, code, "%s", text);
    cf_sigv2_end(task, code);
}

static void go_to(struct cf_sigv2_task *task, enum cf_sigv2_step step)
{
    task->step = step;
    task->attempts = 0;
    task->due_ms = cf_clock_monotonic_ms();
}

/* op->error says what failed. */
static void try_again(struct cf_sigv2_task *task)
{
    int64_t now = cf_clock_monotonic_ms();
    int64_t wait = cf_net_backoff_ms(task->attempts, BACKOFF_MS, 0, cf_random_u64());
    const volatile int *stop = cf_store_stop();
    if (task->attempts >= CF_SIGV2_ATTEMPTS || now + wait > task->deadline_ms) {
        cf_sigv2_end(task, task->op->error.code);
    } else if (stop && *stop && now + wait > task->store->stopped_ms + CF_SIGV2_GRACE_MS &&
               task->store->stopped_ms) {
        cf_sigv2_end(task, CF_EINTERRUPTED);
    } else {
        task->due_ms = now + wait;
    }
}

static void again_because(struct cf_sigv2_task *task, const char *text)
{
    (void)cf_error_set(&task->op->error, CF_EUNAVAILABLE, "%s", text);
    try_again(task);
}

static S3Status stop_with(struct cf_sigv2_task *task, int rc)
{
    task->rc = rc;
    return S3StatusAbortedByCallback;
}

static S3Status void_because(struct cf_sigv2_task *task, const char *text)
{
    task->void_ = text;
    return S3StatusAbortedByCallback;
}

static int size_is_known(struct cf_sigv2_task *task)
{
    struct cf_op *op = task->op;
    uint64_t length = 0;
    int rc = cf_stream_range(op, op->size, &task->first, &length);
    task->next = task->first;
    task->end = task->first + length;
    task->sized = !rc;
    if (!rc && !op->sink) {
        cf_buf_reserve(&op->body, (size_t)length);
    }
    return rc;
}

static S3Status open_get(struct cf_sigv2_task *task)
{
    struct cf_op *op = task->op;
    if (task->sized) {
        return strcmp(task->etag, op->etag) != 0 || task->size != task->end - task->next
                   ? void_because(task, "the answer is of another object or range than was asked "
                                        "for")
                   : S3StatusOK;
    }
    (void)snprintf(op->etag, sizeof(op->etag), "%s", task->etag);
    op->size = task->size;
    int rc = size_is_known(task);
    return rc ? stop_with(task, rc) : S3StatusOK;
}

/* Not called for a PUT: libs3 looks at the headers when it sends the first byte. */
static S3Status on_properties(const S3ResponseProperties *properties, void *data)
{
    struct cf_sigv2_task *task = data;
    if (!task->op || task->step == CF_SIGV2_DELETE || task->step == CF_SIGV2_PUT) {
        return task->op ? S3StatusOK : S3StatusAbortedByCallback;
    }
    task->size = properties->contentLength;
    if (!properties->eTag || !cf_s3_etag(properties->eTag, task->etag) || task->size > INT64_MAX) {
        return void_because(task, "the answer has no usable ETag or size");
    }
    return task->step == CF_SIGV2_GET ? open_get(task) : S3StatusOK;
}

static S3Status on_data(int length, const char *bytes, void *data)
{
    struct cf_sigv2_task *task = data;
    if (!task->op) {
        return S3StatusAbortedByCallback;
    }
    if (!task->sized || (uint64_t)length > task->end - task->next) {
        return void_because(task, "the answer is longer than its headers say");
    }
    int rc = cf_stream_write(task->op, bytes, (size_t)length);
    task->next += (uint64_t)length;
    return rc ? stop_with(task, rc) : S3StatusOK;
}

static int on_wanted(int size, char *buffer, void *data)
{
    struct cf_sigv2_task *task = data;
    struct cf_op *op = task->op;
    size_t got = 0;
    if (!op) {
        return -1;
    }
    if (!op->source) {
        size_t left = op->length - (size_t)task->sent;
        got = left < (size_t)size ? left : (size_t)size;
        memcpy(buffer, (const char *)op->data + task->sent, got);
    } else {
        uint64_t left = op->source->size - task->sent;
        size_t most = left < (uint64_t)size ? (size_t)left : (size_t)size;
        int rc = most ? op->source->read(op->source->context, buffer, most, &got) : 0;
        if (!rc && most && !got) {
            rc = CF_EINTERNAL;
        }
        if (rc) {
            (void)cf_error_set(&op->error, rc, "the source failed");
            task->rc = rc;
            return -1;
        }
    }
    task->sent += got;
    return (int)got;
}

static void head_is_known(struct cf_sigv2_task *task)
{
    struct cf_op *op = task->op;
    if (op->kind == CF_OP_PUT_NEW) {
        refuse(task, CF_ECONFLICT, "the key exists");
        return;
    }
    op->size = task->size;
    (void)snprintf(op->etag, sizeof(op->etag), "%s", task->etag);
    if (op->kind == CF_OP_STAT) {
        cf_sigv2_end(task, 0);
        return;
    }
    if (op->if_match && strcmp(op->if_match, op->etag) != 0) {
        refuse(task, CF_ECONFLICT, "the object has changed");
        return;
    }
    int rc = size_is_known(task);
    if (rc || task->next == task->end) {
        cf_sigv2_end(task, rc);
    } else {
        go_to(task, CF_SIGV2_GET);
    }
}

/* HEAD does not show what was sent. */
static void put_once_more(struct cf_sigv2_task *task)
{
    if (task->resent++ >= RESENT) {
        refuse(task, CF_EUNAVAILABLE,
               "the PUT can't be confirmed: the object is not there or has another MD5, or the "
               "store's ETags are no MD5 (encryption by a key service, for example)");
        return;
    }
    go_to(task, CF_SIGV2_PUT);
    task->due_ms += cf_net_backoff_ms(task->resent, BACKOFF_MS, 0, cf_random_u64());
}

/* What HEAD shows behind a PUT must be what was sent. */
static void confirm(struct cf_sigv2_task *task)
{
    struct cf_op *op = task->op;
    if (strcmp(task->etag, task->md5_hex) != 0) {
        put_once_more(task);
        return;
    }
    (void)snprintf(op->etag, sizeof(op->etag), "%s", task->etag);
    cf_sigv2_end(task, 0);
}

static enum cf_sigv2_step first_step(const struct cf_op *op)
{
    switch (op->kind) {
    case CF_OP_GET:
        return op->offset || op->limit ? CF_SIGV2_HEAD : CF_SIGV2_GET;
    case CF_OP_PUT:
        return CF_SIGV2_PUT;
    case CF_OP_DELETE:
        return CF_SIGV2_DELETE;
    default:
        return CF_SIGV2_HEAD;
    }
}

/* The object was replaced under the reading. */
static void start_over(struct cf_sigv2_task *task)
{
    struct cf_op *op = task->op;
    if (op->if_match || task->changes++ >= CHANGES) {
        refuse(task, CF_ECONFLICT, "the object has changed");
        return;
    }
    bool delivered = task->sized && task->next > task->first;
    int rc = delivered && op->sink ? op->sink->restart(op->sink->context) : 0;
    cf_buf_clear(&op->body);
    task->sized = false;
    if (rc) {
        refuse(task, rc, "the receiver can't start over");
    } else {
        go_to(task, first_step(op));
    }
}

static void succeeded(struct cf_sigv2_task *task)
{
    switch (task->step) {
    case CF_SIGV2_HEAD:
        head_is_known(task);
        break;
    case CF_SIGV2_GET:
        if (!task->sized) {
            again_because(task, "the answer has no usable ETag or size");
        } else if (task->next != task->end) {
            again_because(task, "the answer is shorter than its headers say");
        } else {
            cf_sigv2_end(task, 0);
        }
        break;
    case CF_SIGV2_PUT:
        go_to(task, CF_SIGV2_CONFIRM);
        break;
    case CF_SIGV2_CONFIRM:
        confirm(task);
        break;
    case CF_SIGV2_DELETE:
        cf_sigv2_end(task, 0);
        break;
    }
}

static const char *detail_of(const S3ErrorDetails *details, const char *name)
{
    for (int i = 0; details && i < details->extraDetailsCount; i++) {
        if (strcmp(details->extraDetails[i].name, name) == 0) {
            return details->extraDetails[i].value;
        }
    }
    return NULL;
}

static void failed(struct cf_sigv2_task *task, S3Status status, const S3ErrorDetails *details)
{
    struct cf_op *op = task->op;
    bool again = cf_sigv2_fault(S3_get_status_name(status), details ? details->message : NULL,
                                detail_of(details, "RequestId"), &op->error);
    int code = op->error.code;
    if (code == CF_ENOTFOUND && task->step == CF_SIGV2_DELETE) {
        cf_sigv2_end(task, 0);
    } else if (code == CF_ENOTFOUND && task->step == CF_SIGV2_HEAD && op->kind == CF_OP_PUT_NEW) {
        go_to(task, CF_SIGV2_PUT);
    } else if (code == CF_ENOTFOUND && task->step == CF_SIGV2_CONFIRM) {
        put_once_more(task);
    } else if (code == CF_ECONFLICT && task->step == CF_SIGV2_GET) {
        start_over(task);
    } else if (status == S3StatusConnectionFailed && task->step == CF_SIGV2_PUT &&
               task->sent == body_size(op)) {
        go_to(task, CF_SIGV2_CONFIRM); /* so it says when no "100 Continue" came, too */
    } else if (again) {
        try_again(task);
    } else {
        cf_sigv2_end(task, code);
    }
}

static void on_complete(S3Status status, const S3ErrorDetails *details, void *data)
{
    struct cf_sigv2_task *task = data;
    task->in_flight = false;
    if (!task->op) {
        return; /* it was abandoned */
    }
    if (task->rc) {
        cf_sigv2_end(task, task->rc);
    } else if (task->void_) {
        again_because(task, task->void_);
    } else if (status == S3StatusOK) {
        succeeded(task);
    } else {
        failed(task, status, details);
    }
}

static int add_to_hash(void *context, const void *data, size_t length)
{
    md5_update(context, length, data);
    return 0;
}

/* A source is read twice: its MD5 goes ahead of it. */
static int hash_body(struct cf_sigv2_task *task)
{
    struct md5_ctx hash;
    uint8_t digest[MD5_DIGEST_SIZE];
    md5_init(&hash);
    int rc = cf_stream_pump(task->op, add_to_hash, &hash);
    md5_digest(&hash, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        (void)snprintf(task->md5_hex + 2 * i, 3, "%02x", digest[i]);
    }
    base64_encode_raw(task->md5_base64, sizeof(digest), digest);
    task->md5_base64[24] = '\0';
    task->hashed = !rc;
    return rc;
}

static const S3ResponseHandler on_answer = {on_properties, on_complete};

static void send_put(struct cf_sigv2_task *task)
{
    struct cf_op *op = task->op;
    static const S3PutObjectHandler handler = {{on_properties, on_complete}, on_wanted};
    int rc = task->hashed ? 0 : hash_body(task);
    if (!rc && op->source) {
        rc = op->source->rewind(op->source->context);
    }
    if (rc) {
        if (!op->error.code) {
            (void)cf_error_set(&op->error, rc, "the source failed");
        }
        task->in_flight = false;
        cf_sigv2_end(task, rc);
        return;
    }
    S3PutProperties properties = {.contentType = op->content_type ? op->content_type
                                                                  : "application/octet-stream",
                                  .md5 = task->md5_base64,
                                  .expires = -1};
    task->sent = 0;
    S3_put_object(&task->store->bucket, task->key, body_size(op), &properties,
                  task->store->requests, &handler, task);
}

static void send_get(struct cf_sigv2_task *task)
{
    const struct cf_op *op = task->op;
    static const S3GetObjectHandler handler = {{on_properties, on_complete}, on_data};
    char quoted[CF_ETAG_MAX + 2];
    const char *match = task->sized ? op->etag : op->if_match;
    S3GetConditions conditions = {.ifModifiedSince = -1, .ifNotModifiedSince = -1};
    if (match) {
        (void)snprintf(quoted, sizeof(quoted), "\"%s\"", match);
        conditions.ifMatchETag = quoted;
    }
    uint64_t left = task->sized ? task->end - task->next : 0;
    bool whole = !task->sized || left == op->size;
    S3_get_object(&task->store->bucket, task->key, &conditions, whole ? 0 : task->next,
                  whole ? 0 : left, task->store->requests, &handler, task);
}

void cf_sigv2_send(struct cf_sigv2_task *task)
{
    struct cf_sigv2 *store = task->store;
    task->attempts++;
    task->in_flight = true;
    task->rc = 0;
    task->void_ = NULL;
    task->etag[0] = '\0';
    task->op->error = (struct cf_error){0};
    switch (task->step) {
    case CF_SIGV2_HEAD:
    case CF_SIGV2_CONFIRM:
        S3_head_object(&store->bucket, task->key, store->requests, &on_answer, task);
        break;
    case CF_SIGV2_GET:
        if (task->sized && task->next == task->end) { /* it broke off behind the last byte */
            on_complete(S3StatusOK, NULL, task);
            break;
        }
        send_get(task);
        break;
    case CF_SIGV2_PUT:
        send_put(task);
        break;
    case CF_SIGV2_DELETE:
        S3_delete_object(&store->bucket, task->key, store->requests, &on_answer, task);
        break;
    }
}

void cf_sigv2_begin(struct cf_sigv2_task *task, struct cf_op *op)
{
    struct cf_sigv2 *store = task->store;
    bool is_put = op->kind == CF_OP_PUT || op->kind == CF_OP_PUT_NEW;
    uint64_t bytes = is_put ? body_size(op) : op->sink ? (uint64_t)1 << 40 : op->max_body;
    *task = (struct cf_sigv2_task){.store = store, .op = op};
    task->key = cf_asprintf("%s%s", store->config.prefix, op->key);
    go_to(task, first_step(op));
    /* what any request may take, and 64 KiB a second */
    task->deadline_ms = task->due_ms + 120000 + (int64_t)(bytes / 64);
    if (op->kind == CF_OP_PUT_NEW && !store->single_writer) {
        refuse(task, CF_ECONFIG,
               "Signature Version 2 through libs3 has no put-if-absent, so this store can be read "
               "but not committed to; where no other process ever writes, set "
               "CLOUDFOLIO_SINGLE_WRITER=1");
    } else if (is_put && body_size(op) > CF_SIGV2_MOST_PUT) {
        refuse(task, CF_EDATA, "s3v2: stores hold objects of at most 5 GiB");
    }
}
