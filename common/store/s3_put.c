/* PUT, PUT_NEW and DELETE of one object with one request. */
#include <string.h>

#include "common/store/s3_task.h"
#include "common/store/s3_xml.h"
#include "common/store/stream.h"

static int add_to_hash(void *context, const void *data, size_t length)
{
    cf_sha256_update(context, data, length);
    return 0;
}

/* The hash goes into the signature, so a source is read twice. */
static int attach_body(struct cf_s3_task *task)
{
    struct cf_s3_call *call = &task->call;
    struct cf_op *op = task->op;
    if (!op->source) {
        cf_s3_call_body(call, op->data, op->length);
        return 0;
    }
    struct cf_sha256 *hash = cf_sha256_new();
    int rc = cf_stream_pump(op, add_to_hash, hash);
    cf_sha256_final(hash, call->payload);
    rc = rc ? rc : op->source->rewind(op->source->context);
    task->source = (struct cf_http_source){.read = op->source->read,
                                           .rewind = op->source->rewind,
                                           .context = op->source->context,
                                           .size = op->source->size};
    call->http.source = &task->source;
    return rc;
}

/* Every store gives an ETag for what it has taken; a 200 without one is something else's. */
static bool put_is_void(struct cf_s3_call *call)
{
    char value[CF_ETAG_MAX + 8];
    char etag[CF_ETAG_MAX];
    if (cf_http_header(&call->http, "ETag", value, sizeof(value)) && cf_s3_etag(value, etag)) {
        return false;
    }
    (void)cf_error_set(&call->error, CF_EUNAVAILABLE, "the answer to PUT has no usable ETag");
    return true;
}

static void put_ended(struct cf_s3_call *call)
{
    struct cf_s3_task *task = call->context;
    struct cf_op *op = task->op;
    char value[CF_ETAG_MAX + 8];
    int rc = call->error.code;
    if (rc == CF_ECONFIG && call->http.status == 501) {
        rc = cf_error_prefix(&call->error, "the store at %s can't be used: %s",
                             call->s3->config.host,
                             op->kind == CF_OP_PUT_NEW ? "it has no put-if-absent" : "PUT fails");
    } else if (rc == CF_ECONFLICT && op->kind == CF_OP_PUT_NEW) {
        (void)cf_error_prefix(&call->error, "the key exists");
    } else if (!rc && cf_http_header(&call->http, "ETag", value, sizeof(value))) {
        (void)cf_s3_etag(value, op->etag);
    }
    cf_s3_task_end(task, rc);
}

void cf_s3_put_start(struct cf_s3_task *task)
{
    struct cf_s3_call *call = &task->call;
    const struct cf_op *op = task->op;
    call->operation = op->kind == CF_OP_PUT_NEW ? "put_new" : "put";
    call->permission = "s3:PutObject";
    cf_s3_call_begin(call, "PUT", op->key, NULL, 0);
    call->then = put_ended;
    call->http.total_ms = CF_S3_TOTAL_MS(op->source ? op->source->size : op->length);
    call->is_void = put_is_void;
    cf_s3_call_header(call, "content-type", "%s",
                      op->content_type ? op->content_type : "application/octet-stream");
    if (op->kind == CF_OP_PUT_NEW) {
        cf_s3_call_header(call, "if-none-match", "*");
    }
    int rc = attach_body(task);
    if (rc) {
        cf_s3_task_end(task, rc);
    } else {
        cf_s3_call_start(call);
    }
}

static void delete_ended(struct cf_s3_call *call)
{
    int rc = call->error.code == CF_ENOTFOUND ? 0 : call->error.code;
    cf_s3_task_end(call->context, rc);
}

void cf_s3_delete_start(struct cf_s3_task *task)
{
    struct cf_s3_call *call = &task->call;
    call->operation = "delete";
    call->permission = "s3:DeleteObject";
    cf_s3_call_begin(call, "DELETE", task->op->key, NULL, 0);
    call->then = delete_ended;
    cf_s3_call_start(call);
}
