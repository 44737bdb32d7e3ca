/* PUT of a large object in parts: an attempt that fails costs a part and not the whole. Parts go up
 * side by side when the bytes can be had in any order, else one after the other. The object appears
 * when the last request succeeds; whatever fails before that is cleaned up with an abort. What a
 * process that died left behind holds space but has no name: the bucket's lifecycle rule for
 * incomplete uploads removes it.
 *
 * Each part's hash goes into its signature, so a source is read twice: no part is ever held in
 * memory. A source that can only be read in order is hashed as a whole first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/store/s3_task.h"
#include "common/store/s3_xml.h"
#include "common/store/stream.h"

enum { MOST_PARTS = 10000, PIECE = 65536, LANES = 4 };
static const uint64_t MIB = (uint64_t)1 << 20;
static const int64_t PART_MS = (int64_t)3600 * 1000;
static const int64_t JOINING_MS =
    (int64_t)300 * 1000; /* the store may say nothing while it joins parts */

struct part {
    char sha256[CF_SHA256_HEX]; /* "" until it is known */
    char etag[CF_ETAG_MAX];
};

/* One part on its way. */
struct lane {
    struct upload *upload;
    struct cf_s3_call call;
    struct cf_http_source source;
    size_t index;
    uint64_t first, end; /* the part's bytes */
    uint64_t at;         /* the next one to be sent */
};

struct upload {
    struct cf_s3 *s3;
    struct cf_op *op;
    struct cf_s3_call call; /* of the requests before and after the parts */
    char id[CF_S3_UPLOAD_ID_MAX];
    uint64_t size;
    uint64_t part_size;
    struct part *parts;
    size_t count;
    size_t next;     /* the next part to be started */
    uint64_t stands; /* where a source that is read in order stands */
    int (*read)(struct lane *lane, void *data, size_t size, size_t *got);
    struct lane lanes[LANES];
    int rc; /* of the first part that failed */
};

static uint64_t part_size_for(uint64_t size)
{
    uint64_t least = (size + MOST_PARTS - 1) / MOST_PARTS;
    least = (least + MIB - 1) / MIB * MIB;
    return least > CF_S3_PART ? least : CF_S3_PART;
}

/* A source can only go back to its beginning: what lies before the part is read and dropped. */
static int seek_in_order(struct upload *upload, uint64_t to)
{
    const struct cf_source *source = upload->op->source;
    char dropped[PIECE];
    int rc = 0;
    if (upload->stands > to) {
        rc = source->rewind(source->context);
        upload->stands = 0;
    }
    while (!rc && upload->stands < to) {
        uint64_t left = to - upload->stands;
        size_t got = 0;
        rc = source->read(source->context, dropped, left < PIECE ? (size_t)left : PIECE, &got);
        upload->stands += got;
        rc = rc || got ? rc : CF_EINTERNAL;
    }
    return rc;
}

static int read_in_order(struct lane *lane, void *data, size_t size, size_t *got)
{
    struct upload *upload = lane->upload;
    const struct cf_source *source = upload->op->source;
    int rc = seek_in_order(upload, lane->at);
    rc = rc ? rc : source->read(source->context, data, size, got);
    upload->stands += rc ? 0 : *got;
    return rc;
}

static int read_anywhere(struct lane *lane, void *data, size_t size, size_t *got)
{
    const struct cf_source *source = lane->upload->op->source;
    return source->read_at(source->context, lane->at, data, size, got);
}

static int read_lane(void *context, void *data, size_t size, size_t *got)
{
    struct lane *lane = context;
    uint64_t left = lane->end - lane->at;
    *got = 0;
    int rc = left ? lane->upload->read(lane, data, left < size ? (size_t)left : size, got) : 0;
    lane->at += *got;
    return rc;
}

static int rewind_lane(void *context)
{
    struct lane *lane = context;
    lane->at = lane->first;
    return 0;
}

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

/* All parts in one pass, for a source that can only be read in order. */
static int hash_all(struct upload *upload)
{
    struct hashing h = {.upload = upload};
    char unused[CF_SHA256_HEX];
    int rc = cf_stream_pump(upload->op, hash_piece, &h);
    if (h.hash) {
        cf_sha256_final(h.hash, unused);
    }
    upload->stands = upload->size;
    return rc;
}

static int hash_lane(struct lane *lane, char out[CF_SHA256_HEX])
{
    struct cf_sha256 *hash = cf_sha256_new();
    char piece[PIECE];
    size_t got = 1;
    int rc = rewind_lane(lane);
    while (!rc && got) {
        rc = read_lane(lane, piece, sizeof(piece), &got);
        cf_sha256_update(hash, piece, rc ? 0 : got);
    }
    cf_sha256_final(hash, out);
    rc = rc || lane->at == lane->end ? rc : CF_EINTERNAL;
    return rc ? rc : rewind_lane(lane);
}

static int attach_part(struct lane *lane)
{
    struct upload *upload = lane->upload;
    struct cf_s3_call *call = &lane->call;
    struct part *part = &upload->parts[lane->index];
    uint64_t length = lane->end - lane->first;
    if (!upload->op->source) {
        cf_s3_call_body(call, (const char *)upload->op->data + lane->first, (size_t)length);
        return 0;
    }
    int rc = *part->sha256 ? rewind_lane(lane) : hash_lane(lane, part->sha256);
    (void)snprintf(call->payload, sizeof(call->payload), "%s", part->sha256);
    lane->source = (struct cf_http_source){
        .read = read_lane, .rewind = rewind_lane, .context = lane, .size = length};
    call->http.source = &lane->source;
    return rc;
}

static void fail(struct upload *upload, int rc, const struct cf_error *error)
{
    if (!upload->rc) {
        upload->rc = rc;
        upload->op->error = *error;
    }
}

static void start_part(struct lane *lane)
{
    struct upload *upload = lane->upload;
    struct cf_s3_call *call = &lane->call;
    char number[24];
    if (upload->rc || upload->next == upload->count) {
        return;
    }
    lane->index = upload->next++;
    lane->first = lane->index * upload->part_size;
    lane->end = lane->first + upload->part_size;
    lane->end = lane->end < upload->size ? lane->end : upload->size;
    (void)snprintf(number, sizeof(number), "%zu", lane->index + 1);
    struct cf_sigv4_pair pairs[] = {{"partNumber", number}, {"uploadId", upload->id}};
    cf_s3_call_begin(call, "PUT", upload->op->key, pairs, 2);
    call->http.total_ms = PART_MS;
    int rc = attach_part(lane);
    if (rc) {
        struct cf_error error;
        (void)cf_error_set(&error, rc, "the source fails at part %zu", lane->index + 1);
        fail(upload, rc, &error);
        return;
    }
    cf_s3_call_start(call);
}

static void part_ended(struct cf_s3_call *call)
{
    struct lane *lane = call->context;
    struct cf_error error = call->error;
    char value[CF_ETAG_MAX + 8];
    if (!error.code && (!cf_http_header(&call->http, "ETag", value, sizeof(value)) ||
                        !cf_s3_etag(value, lane->upload->parts[lane->index].etag))) {
        (void)cf_error_set(&error, CF_EUNAVAILABLE, "the answer to a part has no usable ETag");
    }
    if (error.code) {
        fail(lane->upload, error.code, &error);
    } else {
        start_part(lane);
    }
}

static int send_parts(struct upload *upload)
{
    const struct cf_source *source = upload->op->source;
    bool in_order = source && !source->read_at;
    upload->read = in_order ? read_in_order : read_anywhere;
    for (size_t i = 0; i < (in_order ? 1 : LANES); i++) {
        struct lane *lane = &upload->lanes[i];
        lane->upload = upload;
        lane->call = (struct cf_s3_call){.s3 = upload->s3,
                                         .operation = "put",
                                         .key = upload->op->key,
                                         .permission = "s3:PutObject",
                                         .context = lane,
                                         .then = part_ended};
        start_part(lane);
    }
    cf_http_wait(upload->s3->http);
    for (size_t i = 0; i < LANES; i++) {
        cf_s3_call_release(&upload->lanes[i].call);
    }
    return upload->rc;
}

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
    bool gone = strcmp(call->error.service_code, "NoSuchUpload") == 0;
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

static int upload_all(struct upload *upload)
{
    bool in_order = upload->op->source && !upload->op->source->read_at;
    int rc = in_order ? hash_all(upload) : 0;
    rc = rc ? rc : begin(upload);
    rc = rc ? rc : send_parts(upload);
    return rc ? rc : complete(upload);
}

void cf_s3_put_parts(struct cf_s3 *s3, struct cf_op *op)
{
    struct upload *upload = cf_calloc(1, sizeof(*upload));
    upload->s3 = s3;
    upload->op = op;
    upload->call = (struct cf_s3_call){.s3 = s3,
                                       .operation = "put",
                                       .key = op->key,
                                       .permission = "s3:PutObject",
                                       .context = upload};
    upload->size = op->source ? op->source->size : op->length;
    upload->part_size = part_size_for(upload->size);
    upload->count = (size_t)((upload->size + upload->part_size - 1) / upload->part_size);
    upload->parts = cf_calloc(upload->count, sizeof(*upload->parts));
    op->rc = upload_all(upload);
    if (op->rc) {
        (void)snprintf(op->error.operation, sizeof(op->error.operation), "put");
        (void)snprintf(op->error.key, sizeof(op->error.key), "%s", op->key);
        if (*upload->id) {
            abort_upload(upload);
        }
    }
    cf_s3_call_release(&upload->call);
    free(upload->parts);
    free(upload);
}
