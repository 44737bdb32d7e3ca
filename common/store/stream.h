/* Bytes between an operation and a driver that has the whole object at hand, or a file. */
#ifndef CF_STORE_STREAM_H
#define CF_STORE_STREAM_H

#include "common/store/store.h"

/* Gives a GET the wanted range of an object that lies in memory. */
int cf_stream_deliver(struct cf_op *op, const char *data, size_t length);

/* The part of an object of the given size that a GET wants: first byte and number of bytes.
 * CF_EDATA when that is more than max_body and there is no sink. */
int cf_stream_range(struct cf_op *op, uint64_t size, uint64_t *first, uint64_t *length);

/* Hands the next bytes to the sink, or appends them to the body. */
int cf_stream_write(struct cf_op *op, const void *data, size_t length);

/* Appends what a PUT sends, from its data or its source. */
int cf_stream_collect(struct cf_op *op, struct cf_buf *out);

/* Passes what a PUT sends to write, piece by piece, in bounded memory. */
int cf_stream_pump(struct cf_op *op, int (*write)(void *context, const void *data, size_t length),
                   void *context);

#endif
