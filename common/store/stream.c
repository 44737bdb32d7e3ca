#include "common/store/stream.h"

enum { PIECE = 64 * 1024 };

int cf_stream_range(struct cf_op *op, uint64_t size, uint64_t *first, uint64_t *length)
{
    *first = op->offset < size ? op->offset : size;
    *length = size - *first;
    if (op->limit && op->limit < *length) {
        *length = op->limit;
    }
    if (!op->sink && *length > op->max_body) {
        return cf_error_at(&op->error, CF_EDATA, "get", op->key,
                           "the object has %llu bytes, the limit is %zu", (unsigned long long)size,
                           op->max_body);
    }
    return 0;
}

int cf_stream_write(struct cf_op *op, const void *data, size_t length)
{
    if (!op->sink) {
        cf_buf_append(&op->body, data, length);
        return 0;
    }
    int rc = op->sink->write(op->sink->context, data, length);
    return rc ? cf_error_at(&op->error, rc, "get", op->key, "the receiver refused the bytes") : 0;
}

int cf_stream_deliver(struct cf_op *op, const char *data, size_t length)
{
    uint64_t first = 0;
    uint64_t wanted = 0;
    int rc = cf_stream_range(op, length, &first, &wanted);
    return rc ? rc : cf_stream_write(op, data + first, (size_t)wanted);
}

static int append(void *context, const void *data, size_t length)
{
    cf_buf_append(context, data, length);
    return 0;
}

int cf_stream_collect(struct cf_op *op, struct cf_buf *out)
{
    return cf_stream_pump(op, append, out);
}

int cf_stream_pump(struct cf_op *op, int (*write)(void *context, const void *data, size_t length),
                   void *context)
{
    if (!op->source) {
        return write(context, op->data ? op->data : "", op->length);
    }
    int rc = op->source->rewind(op->source->context);
    uint64_t total = 0;
    size_t got = 1;
    char piece[PIECE];
    while (!rc && got) {
        rc = op->source->read(op->source->context, piece, sizeof(piece), &got);
        total += got;
        if (!rc && total > op->source->size) {
            break;
        }
        if (!rc && got) {
            rc = write(context, piece, got);
        }
    }
    if (!rc && total != op->source->size) {
        rc = cf_error_at(&op->error, CF_EINTERNAL, "put", op->key,
                         "the source gave %llu bytes, %llu were announced",
                         (unsigned long long)total, (unsigned long long)op->source->size);
    } else if (rc && !op->error.code) {
        rc = cf_error_at(&op->error, rc, "put", op->key, "the source failed");
    }
    return rc;
}
