#include "common/base/compress.h"

#include <sysexits.h>
#include <zstd.h>
#include <zstd_errors.h>

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

int cf_zstd_decompress(const void *data, size_t length, size_t limit, struct cf_buf *out,
                       struct cf_error *err)
{
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
    (void)ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
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
