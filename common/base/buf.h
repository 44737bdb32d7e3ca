/* A growable run of bytes. data is always followed by a NUL that length doesn't count. */
#ifndef CF_BASE_BUF_H
#define CF_BASE_BUF_H

#include <stddef.h>

struct cf_buf {
    char *data; /* NULL until the first byte arrives */
    size_t length;
    size_t capacity;
};

#define CF_BUF_INIT                                                                                \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void cf_buf_release(struct cf_buf *buf); /* frees, and leaves an empty buffer */
void cf_buf_clear(struct cf_buf *buf);   /* length 0, memory kept */
void cf_buf_reserve(struct cf_buf *buf, size_t extra);
void cf_buf_append(struct cf_buf *buf, const void *data, size_t length);
void cf_buf_puts(struct cf_buf *buf, const char *s);
void cf_buf_putc(struct cf_buf *buf, char c);
void cf_buf_printf(struct cf_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Hands the memory over, to be freed by the caller; "" when the buffer is empty. */
char *cf_buf_detach(struct cf_buf *buf);

/* The text, "" when nothing was ever written. */
const char *cf_buf_str(const struct cf_buf *buf);

#endif
