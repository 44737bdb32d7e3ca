#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/base/alloc.h"
#include "common/base/compress.h"

static const char sample[] =
    "the quick brown fox jumps over the lazy dog; the quick brown fox jumps over the lazy dog";

static void expect_refused(const void *data, size_t length, size_t limit)
{
    struct cf_error err = {0};
    struct cf_buf out = CF_BUF_INIT;
    cf_buf_puts(&out, "kept");
    ck_assert_int_eq(cf_zstd_decompress(data, length, limit, &out, &err), CF_EDATA);
    ck_assert_int_eq(err.code, CF_EDATA);
    ck_assert_str_ne(err.message, "");
    ck_assert_str_eq(out.data, "kept");
    ck_assert_uint_eq(out.length, 4);
    cf_buf_release(&out);
}

START_TEST(round_trip_of_any_size)
{
    static const size_t sizes[] = {0, 1, 2, 100, 65536, 65537, 1000003};
    size_t size = sizes[_i / 2];
    char *data = cf_malloc(size + 1);
    struct cf_buf frame = CF_BUF_INIT;
    struct cf_buf back = CF_BUF_INIT;
    struct cf_error err;
    uint32_t state = 12345;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (char)(_i % 2 ? state >> 24 : i / 100);
    }
    cf_zstd_compress(data, size, &frame);
    ck_assert_uint_eq(ZSTD_getFrameContentSize(frame.data, frame.length), size);
    cf_buf_puts(&back, "<");
    ck_assert_int_eq(cf_zstd_decompress(frame.data, frame.length, size, &back, &err), 0);
    ck_assert_uint_eq(back.length, size + 1);
    ck_assert(memcmp(back.data + 1, data, size) == 0);
    ck_assert_int_eq(back.data[back.length], 0);
    cf_buf_release(&frame);
    cf_buf_release(&back);
    free(data);
}
END_TEST

START_TEST(frames_are_appended)
{
    struct cf_buf out = CF_BUF_INIT;
    struct cf_buf alone = CF_BUF_INIT;
    cf_zstd_compress(sample, sizeof(sample), &alone);
    cf_buf_puts(&out, "before");
    cf_zstd_compress(sample, sizeof(sample), &out);
    ck_assert_uint_eq(out.length, alone.length + 6);
    ck_assert(memcmp(out.data + 6, alone.data, alone.length) == 0);
    cf_zstd_compress(NULL, 0, &alone);
    cf_buf_release(&out);
    cf_buf_release(&alone);
}
END_TEST

START_TEST(more_than_the_limit_is_refused)
{
    struct cf_buf frame = CF_BUF_INIT;
    cf_zstd_compress(sample, sizeof(sample), &frame);
    expect_refused(frame.data, frame.length, sizeof(sample) - 1);
    cf_buf_release(&frame);
}
END_TEST

START_TEST(truncated_frames_are_refused)
{
    struct cf_buf frame = CF_BUF_INIT;
    cf_zstd_compress(sample, sizeof(sample), &frame);
    for (size_t n = 0; n < frame.length; n++) {
        /* an allocation of exactly n bytes, so that the sanitizer sees a read behind them */
        char *cut = cf_malloc(n);
        memcpy(cut, frame.data, n);
        expect_refused(cut, n, sizeof(sample));
        free(cut);
    }
    expect_refused(NULL, 0, 10);
    cf_buf_release(&frame);
}
END_TEST

START_TEST(extra_bytes_are_refused)
{
    struct cf_buf frame = CF_BUF_INIT;
    cf_zstd_compress(sample, sizeof(sample), &frame);
    cf_buf_putc(&frame, '\0');
    expect_refused(frame.data, frame.length, 1 << 20);
    frame.length--;
    cf_zstd_compress(sample, sizeof(sample), &frame); /* two frames */
    expect_refused(frame.data, frame.length, 1 << 20);
    cf_buf_release(&frame);
}
END_TEST

START_TEST(every_flipped_bit_is_noticed_or_harmless)
{
    struct cf_buf frame = CF_BUF_INIT;
    cf_zstd_compress(sample, sizeof(sample), &frame);
    size_t noticed = 0;
    for (size_t bit = 0; bit < 8 * frame.length; bit++) {
        struct cf_buf out = CF_BUF_INIT;
        struct cf_error err;
        frame.data[bit / 8] = (char)(frame.data[bit / 8] ^ 1 << bit % 8);
        int rc = cf_zstd_decompress(frame.data, frame.length, 1 << 20, &out, &err);
        bool same = rc == 0 && out.length == sizeof(sample) &&
                    memcmp(out.data, sample, sizeof(sample)) == 0;
        ck_assert_msg(rc == CF_EDATA || same, "bit %zu", bit);
        noticed += rc == CF_EDATA;
        frame.data[bit / 8] = (char)(frame.data[bit / 8] ^ 1 << bit % 8);
        cf_buf_release(&out);
    }
    ck_assert_uint_gt(noticed, 7 * frame.length);
    cf_buf_release(&frame);
}
END_TEST

START_TEST(an_unknown_content_size_is_refused)
{
    char out[256];
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
    size_t n = ZSTD_compress2(ctx, out, sizeof(out), sample, sizeof(sample));
    ZSTD_freeCCtx(ctx);
    ck_assert(!ZSTD_isError(n));
    expect_refused(out, n, 1 << 20);
}
END_TEST

START_TEST(a_skippable_frame_is_no_payload)
{
    static const char frame[] = "\x50\x2a\x4d\x18\x03\x00\x00\x00"
                                "abc";
    expect_refused(frame, sizeof(frame) - 1, 1 << 20);
}
END_TEST

START_TEST(a_huge_window_is_refused)
{
    /* RFC 8878: magic, descriptor (content size of 4 bytes), window 2^exponent, size 3, one raw
     * last block of 3 bytes */
    char frame[] = "\x28\xb5\x2f\xfd\x80?\x03\x00\x00\x00\x19\x00\x00"
                   "abc";
    struct cf_buf out = CF_BUF_INIT;
    struct cf_error err;
    frame[5] = (char)((27 - 10) << 3);
    ck_assert_int_eq(cf_zstd_decompress(frame, sizeof(frame) - 1, 10, &out, &err), 0);
    ck_assert_str_eq(out.data, "abc");
    cf_buf_release(&out);
    frame[5] = (char)(((27 - 10) << 3) + 1);
    expect_refused(frame, sizeof(frame) - 1, 10);
    frame[5] = (char)((31 - 10) << 3);
    expect_refused(frame, sizeof(frame) - 1, 10);
}
END_TEST

Suite *base_compress_suite(void)
{
    Suite *suite = suite_create("base_compress");
    TCase *tc = tcase_create("compress");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, round_trip_of_any_size, 0, 14);
    tcase_add_test(tc, frames_are_appended);
    tcase_add_test(tc, more_than_the_limit_is_refused);
    tcase_add_test(tc, truncated_frames_are_refused);
    tcase_add_test(tc, extra_bytes_are_refused);
    tcase_add_test(tc, every_flipped_bit_is_noticed_or_harmless);
    tcase_add_test(tc, an_unknown_content_size_is_refused);
    tcase_add_test(tc, a_skippable_frame_is_no_payload);
    tcase_add_test(tc, a_huge_window_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
