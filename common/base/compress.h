/* zstd frames: level 3, content size and checksum in the frame. */
#ifndef CF_BASE_COMPRESS_H
#define CF_BASE_COMPRESS_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/* Appends one frame that holds data. */
void cf_zstd_compress(const void *data, size_t length, struct cf_buf *out);

/* Appends what the one frame in data holds. CF_EDATA when it isn't exactly one whole frame, states
 * no content size, needs a window above 8 MiB × 16, or holds more than limit bytes. */
int cf_zstd_decompress(const void *data, size_t length, size_t limit, struct cf_buf *out,
                       struct cf_error *err);

#endif
