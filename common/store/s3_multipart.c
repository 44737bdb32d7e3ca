/* PUT of a large object in parts, one after the other: so an attempt that fails costs a part and
 * not the whole. The object appears when the last request succeeds; whatever fails before that is
 * cleaned up with an abort. What a process that died left behind holds space but has no name: the
 * bucket's lifecycle rule for incomplete uploads removes it.
 *
 * Each part's hash goes into its signature, so a source is read twice: once for the hashes, once to
 * send. No part is ever held in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/store/s3_task.h"
#include "common/store/s3_xml.h"
#include "common/store/stream.h"

enum { MOST_PARTS = 10000, DISCARD = 65536 };
static const uint64_t MIB = (uint64_t)1 << 20;
static const int64_t PART_MS = 3600 * 1000LL;
static const int64_t JOINING_MS = 300 * 1000LL; /* the store may say nothing while it joins parts */

struct part {
    char sha256[CF_SHA256_HEX];
    char etag[CF_ETAG_MAX];
};

struct upload {
    struct cf_s3 *s3;
    struct cf_op *op;
    struct cf_s3_call call;
    char id[CF_S3_UPLOAD_ID_MAX];
    uint64_t size;
    uint64_t part_size;
    struct part *parts;
    size_t count;

    /* The part that is being sent */
    uint64_t first, end;
    uint64_t at; /* where the source stands */
};

static uint64_t part_size_for(uint64_t size)
{
    uint64_t least = (size + MOST_PARTS - 1) / MOST_PARTS;
    least = (least + MIB - 1) / MIB * MIB;
    return least > CF_S3_PART ? least : CF_S3_PART;
}

/* --- hashes -------------------------------------------------------------------------------------
 */

struct hashing {
    struct upload *upload;
    struct cf_sha256 *hash;
    uint64_t done;
};

static int hash_piece(void *context, const void *data, size_t length)
{
    struct hashing *h = context;
    const char *p = data;
    const struct upload *upload = h->upload;
    while (length) {
        uint64_t part = h->done / upload->part_size;
        uint64_t left = (part + 1) * upload->part_size - h->done;
        size_t n = length < left ? length : (size_t)left;
        h->hash = h->hash ? h->hash : cf_sha256_new();
        cf_sha256_update(h->hash, p, n);
        h->done += n;
        if (n == left || h->done == upload->size) {
            cf_sha256_final(h->hash, upload->parts[part].sha256);
            h->hash = NULL;
        }
        p += n;
        length -= n;
    }
    return 0;
}

static int hash_parts(struct upload *upload)
{
    struct hashing h = {.upload = upload};
    char unused[CF_SHA256_HEX];
    int rc = cf_stream_pump(upload->op, hash_piece, &h);
    if (h.hash) {
        cf_sha256_final(h.hash, unused);
    }
    upload->at = upload->size;
    return rc;
}

/* --- a part's bytes -----------------------------------------------------------------------------
 */

static int read_part(void *context, void *data, size_t size, size_t *got)
{
    struct upload *upload = context;
    uint64_t left = upload->end - upload->at;
    *got = 0;
    if (!left) {
        return 0;
    }
    const struct cf_source *source = upload->op->source;
    int rc = source->read(source->context, data, left < size ? (size_t)left : size, got);
    upload->at += *got;
    return rc;
}

/* A source can only go back to its beginning: what lies before the part is read and dropped. */
static int rewind_part(void *context)
{
    struct upload *upload = context;
    const struct cf_source *source = upload->op->source;
    char dropped[DISCARD];
    int rc = 0;
    if (upload->at != upload->first) {
        rc = source->rewind(source->context);
        upload->at = 0;
    }
    while (!rc && upload->at < upload->first) {
        uint64_t left = upload->first - upload->at;
        size_t got = 0;
        rc = source->read(source->context, dropped,
                          left < sizeof(dropped) ? (size_t)left : sizeof(dropped), &got);
        upload->at += got;
        if (!rc && !got) {
            rc = CF_EINTERNAL;
        }
    }
    return rc;
}

/* --- requests -----------------------------------------------------------------------------------
 */

static int failed(struct upload *upload)
{
    upload->op->error = upload->call.error;
    return upload->call.error.code;
}

static int begin(struct upload *upload)
{
    struct cf_s3_call *call = &upload->call;
    struct cf_op *op = upload->op;
    struct cf_sigv4_pair pair = {"uploads", ""};
    cf_s3_call_begin(call, "POST", op->key, &pair, 1);
    cf_s3_call_header(call, "content-type", "%s",
                      op->content_type ? op->content_type : "application/octet-stream");
    if (cf_s3_call_run(call)) {
        return failed(upload);
    }
    return cf_s3_xml_upload(call->http.answer.data, call->http.answer.length, upload->id,
                            &op->error);
}

static int send_part(struct upload *upload, size_t index)
{
    struct cf_s3_call *call = &upload->call;
    struct cf_op *op = upload->op;
    struct cf_http_source source = {.read = read_part, .rewind = rewind_part, .context = upload};
    char number[24];
    char value[CF_ETAG_MAX + 8];
    struct part *part = &upload->parts[index];
    upload->first = index * upload->part_size;
    upload->end = upload->first + upload->part_size;
    upload->end = upload->end < upload->size ? upload->end : upload->size;
    source.size = upload->end - upload->first;
    (void)snprintf(number, sizeof(number), "%zu", index + 1);
    struct cf_sigv4_pair pairs[] = {{"partNumber", number}, {"uploadId", upload->id}};
    cf_s3_call_begin(call, "PUT", op->key, pairs, 2);
    (void)snprintf(call->payload, sizeof(call->payload), "%s", part->sha256);
    call->http.total_ms = PART_MS;
    if (op->source) {
        int rc = rewind_part(upload);
        if (rc) {
            return cf_error_set(&op->error, rc, "the source can't go back to byte %llu",
                                (unsigned long long)upload->first);
        }
        call->http.source = &source;
    } else {
        call->http.body = (const char *)op->data + upload->first;
        call->http.body_length = (size_t)source.size;
    }
    if (cf_s3_call_run(call)) {
        return failed(upload);
    }
    if (!cf_http_header(&call->http, "ETag", value, sizeof(value)) ||
        !cf_s3_etag(value, part->etag)) {
        return cf_error_set(&op->error, CF_EUNAVAILABLE, "the answer to a part has no usable ETag");
    }
    return 0;
}

/* The status was sent before the parts were joined: an error may follow in the body. */
static bool complete_is_void(struct cf_s3_call *call)
{
    struct cf_s3_fault fault;
    struct upload *upload = call->context;
    const struct cf_buf *answer = &call->http.answer;
    if (cf_s3_xml_fault(answer->data, answer->length, &fault)) {
        return cf_s3_call_fault(call);
    }
    return cf_s3_xml_completed(answer->data, answer->length, upload->op->etag, &call->error) != 0;
}

/* A first answer may have been lost: then there is an object of this size in so many parts. */
static bool is_there(struct upload *upload)
{
    struct cf_op stat = {.kind = CF_OP_STAT, .key = upload->op->key};
    struct cf_op *one = &stat;
    char suffix[24];
    cf_s3_run_tasks(upload->s3, &one, 1);
    (void)snprintf(suffix, sizeof(suffix), "-%zu", upload->count);
    const char *dash = strrchr(stat.etag, '-');
    bool same = !stat.rc && stat.size == upload->size && dash && strcmp(dash, suffix) == 0;
    if (same) {
        (void)snprintf(upload->op->etag, sizeof(upload->op->etag), "%s", stat.etag);
    }
    cf_op_release(&stat);
    return same;
}

static int complete(struct upload *upload)
{
    struct cf_s3_call *call = &upload->call;
    struct cf_buf body = CF_BUF_INIT;
    cf_buf_puts(&body,
                "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < upload->count; i++) {
        cf_buf_printf(&body, "<Part><PartNumber>%zu</PartNumber><ETag>&quot;", i + 1);
        cf_s3_xml_escape(&body, upload->parts[i].etag);
        cf_buf_puts(&body, "&quot;</ETag></Part>");
    }
    cf_buf_puts(&body, "</CompleteMultipartUpload>");
    struct cf_sigv4_pair pair = {"uploadId", upload->id};
    cf_s3_call_begin(call, "POST", upload->op->key, &pair, 1);
    cf_s3_call_body(call, body.data, body.length);
    cf_s3_call_header(call, "content-type", "application/xml");
    call->is_void = complete_is_void;
    call->http.silence_ms = JOINING_MS;
    call->http.total_ms = 2 * JOINING_MS;
    int rc = cf_s3_call_run(call);
    bool gone = strcmp(call->error.service_code, "NoSuchUpload") == 0 && call->http.attempts > 1;
    cf_buf_release(&body);
    if (rc && gone && is_there(upload)) {
        return 0;
    }
    return rc ? failed(upload) : 0;
}

static void abort_upload(struct upload *upload)
{
    struct cf_s3_call *call = &upload->call;
    struct cf_sigv4_pair pair = {"uploadId", upload->id};
    call->permission = "s3:AbortMultipartUpload";
    cf_s3_call_begin(call, "DELETE", upload->op->key, &pair, 1);
    if (cf_s3_call_run(call) && call->http.status != 404) {
        cf_log_error(CF_WARN, "upload_not_aborted", &call->error);
    }
}

void cf_s3_put_parts(struct cf_s3 *s3, struct cf_op *op)
{
    struct upload upload = {.s3 = s3, .op = op};
    upload.call = (struct cf_s3_call){.s3 = s3,
                                      .operation = "put",
                                      .key = op->key,
                                      .permission = "s3:PutObject",
                                      .context = &upload};
    upload.size = op->source ? op->source->size : op->length;
    upload.part_size = part_size_for(upload.size);
    upload.count = (size_t)((upload.size + upload.part_size - 1) / upload.part_size);
    upload.parts = cf_calloc(upload.count, sizeof(*upload.parts));
    int rc = hash_parts(&upload);
    rc = rc ? rc : begin(&upload);
    for (size_t i = 0; !rc && i < upload.count; i++) {
        rc = send_part(&upload, i);
    }
    rc = rc ? rc : complete(&upload);
    op->rc = rc;
    if (rc) {
        (void)snprintf(op->error.operation, sizeof(op->error.operation), "put");
        (void)snprintf(op->error.key, sizeof(op->error.key), "%s", op->key);
        if (*upload.id) {
            abort_upload(&upload);
        }
    }
    cf_s3_call_release(&upload.call);
    free(upload.parts);
}
