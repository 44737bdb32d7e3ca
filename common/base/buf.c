#include "common/base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

void cf_buf_release(struct cf_buf *buf)
{
    free(buf->data);
    *buf = (struct cf_buf)CF_BUF_INIT;
}

void cf_buf_clear(struct cf_buf *buf)
{
    buf->length = 0;
    if (buf->data) {
        buf->data[0] = '\0';
    }
}

void cf_buf_reserve(struct cf_buf *buf, size_t extra)
{
    if (extra >= SIZE_MAX / 2 - buf->length) {
        (void)cf_malloc(SIZE_MAX); /* ends the process */
    }
    size_t need = buf->length + extra + 1;
    if (need <= buf->capacity) {
        return;
    }
    size_t capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < need) {
        capacity *= 2;
    }
    buf->data = cf_realloc(buf->data, capacity, 1);
    buf->data[buf->length] = '\0';
    buf->capacity = capacity;
}

void cf_buf_append(struct cf_buf *buf, const void *data, size_t length)
{
    cf_buf_reserve(buf, length);
    if (length) {
        memcpy(buf->data + buf->length, data, length);
    }
    buf->length += length;
    buf->data[buf->length] = '\0';
}

void cf_buf_puts(struct cf_buf *buf, const char *s)
{
    cf_buf_append(buf, s, strlen(s));
}

void cf_buf_putc(struct cf_buf *buf, char c)
{
    cf_buf_append(buf, &c, 1);
}

void cf_buf_printf(struct cf_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length <= 0) {
        return;
    }
    cf_buf_reserve(buf, (size_t)length);
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
    va_end(args);
    buf->length += (size_t)length;
}

char *cf_buf_detach(struct cf_buf *buf)
{
    cf_buf_reserve(buf, 0);
    char *data = buf->data;
    *buf = (struct cf_buf)CF_BUF_INIT;
    return data;
}

const char *cf_buf_str(const struct cf_buf *buf)
{
    return buf->data ? buf->data : "";
}
