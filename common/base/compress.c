#include "common/base/compress.h"

#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#include "common/base/alloc.h"

enum { LEVEL = 3, WINDOW_LOG_MAX = 27 };

void cf_zstd_compress(const void *data, size_t length, struct cf_buf *out)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    if (!ctx) {
        (void)cf_malloc((size_t)-1); /* ends the process */
    }
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
    size_t bound = ZSTD_compressBound(length);
    cf_buf_reserve(out, bound);
    size_t used = ZSTD_compress2(ctx, out->data + out->length, bound, data ? data : "", length);
    ZSTD_freeCCtx(ctx);
    if (ZSTD_isError(used)) {
        (void)cf_malloc((size_t)-1); /* the output fits, so only memory can have run out */
    }
    out->length += used;
    out->data[out->length] = '\0';
}

/* zstd itself takes skippable and old frames as well, and looks at the window only when it streams
 * (RFC 8878, 3.1.1.1: bit 5 of the descriptor says that there is no window byte, whose upper five
 * bits are the exponent less 10 and whose lower three add eighths). */
static bool is_acceptable(const unsigned char *frame, size_t length)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (length < sizeof(magic) + 2 || memcmp(frame, magic, sizeof(magic)) != 0) {
        return false;
    }
    return frame[4] & 0x20 || frame[5] <= (WINDOW_LOG_MAX - 10) << 3;
}

int cf_zstd_decompress(const void *data, size_t length, size_t limit, struct cf_buf *out,
                       struct cf_error *err)
{
    if (!is_acceptable(data, length)) {
        return cf_error_set(err, CF_EDATA, "not a zstd frame with a window of at most %d MiB",
                            1 << (WINDOW_LOG_MAX - 20));
    }
    unsigned long long content = ZSTD_getFrameContentSize(data, length);
    if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN ||
        ZSTD_findFrameCompressedSize(data, length) != length) {
        return cf_error_set(err, CF_EDATA, "not one whole zstd frame that states its size");
    }
    if (content > limit) {
        return cf_error_set(err, CF_EDATA, "holds %llu bytes, the limit is %zu", content, limit);
    }
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    if (!ctx) {
        (void)cf_malloc((size_t)-1);
    }
    cf_buf_reserve(out, (size_t)content);
    size_t got = ZSTD_decompressDCtx(ctx, out->data + out->length, (size_t)content, data, length);
    ZSTD_freeDCtx(ctx);
    if (ZSTD_isError(got)) {
        return cf_error_set(err, CF_EDATA, "damaged zstd frame: %s", ZSTD_getErrorName(got));
    }
    out->length += got;
    out->data[out->length] = '\0';
    return 0;
}
