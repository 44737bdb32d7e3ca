/* alloc, buf and clock. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/build.h"
#include "common/base/clock.h"
#include "common/base/progress.h"
#include "tests/unit/capture.h"

START_TEST(a_buffer_grows_and_stays_terminated)
{
    struct cf_buf buf = CF_BUF_INIT;
    ck_assert_str_eq(cf_buf_str(&buf), "");
    for (size_t i = 0; i < 1000; i++) {
        cf_buf_putc(&buf, (char)('a' + i % 26));
        ck_assert_uint_eq(buf.length, i + 1);
        ck_assert_int_eq(buf.data[buf.length], 0);
        ck_assert_uint_gt(buf.capacity, buf.length);
    }
    ck_assert_int_eq(buf.data[999], 'a' + 999 % 26);
    cf_buf_clear(&buf);
    ck_assert_uint_eq(buf.length, 0);
    ck_assert_str_eq(cf_buf_str(&buf), "");
    ck_assert_uint_gt(buf.capacity, 1000);
    cf_buf_release(&buf);
    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.capacity, 0);
    cf_buf_clear(&buf);
}
END_TEST

START_TEST(a_buffer_takes_bytes_text_and_formats)
{
    struct cf_buf buf = CF_BUF_INIT;
    cf_buf_append(&buf, "a\0b", 3);
    cf_buf_append(&buf, NULL, 0);
    cf_buf_puts(&buf, "");
    cf_buf_puts(&buf, "cd");
    cf_buf_printf(&buf, "%s", "");
    cf_buf_printf(&buf, "-%05d-%s", 42, "x");
    ck_assert_uint_eq(buf.length, 13);
    ck_assert(memcmp(buf.data, "a\0bcd-00042-x", 14) == 0);
    cf_buf_release(&buf);
    char *big = cf_malloc(5001);
    memset(big, 'z', 5000);
    big[5000] = '\0';
    cf_buf_printf(&buf, "%s!", big);
    ck_assert_uint_eq(buf.length, 5001);
    ck_assert_int_eq(buf.data[5000], '!');
    cf_buf_release(&buf);
    free(big);
}
END_TEST

START_TEST(detaching_hands_the_memory_over)
{
    struct cf_buf buf = CF_BUF_INIT;
    char *empty = cf_buf_detach(&buf);
    ck_assert_str_eq(empty, "");
    cf_buf_puts(&buf, "text");
    const char *inside = buf.data;
    char *text = cf_buf_detach(&buf);
    ck_assert_ptr_eq(text, inside);
    ck_assert_str_eq(text, "text");
    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.length + buf.capacity, 0);
    free(empty);
    free(text);
}
END_TEST

START_TEST(reserving_keeps_what_is_there)
{
    struct cf_buf buf = CF_BUF_INIT;
    cf_buf_puts(&buf, "abc");
    cf_buf_reserve(&buf, 100000);
    ck_assert_uint_gt(buf.capacity, 100003);
    ck_assert_str_eq(buf.data, "abc");
    const char *before = buf.data;
    cf_buf_reserve(&buf, 1000);
    ck_assert_ptr_eq(buf.data, before);
    cf_buf_release(&buf);
    /* memory that the allocator gives again holds something else than a NUL */
    char *old = cf_malloc(128);
    memset(old, 'x', 128);
    free(old);
    cf_buf_reserve(&buf, 100);
    ck_assert_int_eq(buf.data[0], 0);
    cf_buf_release(&buf);
}
END_TEST

START_TEST(lists_grow_and_keep_their_items)
{
    uint32_t *items = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        items = cf_grow(items, i, &capacity, sizeof(*items));
        ck_assert_uint_gt(capacity, i);
        items[i] = i * 7;
    }
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(items[i], i * 7);
    }
    free(items);
}
END_TEST

START_TEST(allocations_of_nothing_are_something)
{
    void *a = cf_malloc(0);
    void *b = cf_calloc(0, 8);
    void *c = cf_realloc(NULL, 0, 8);
    ck_assert(a && b && c);
    free(a);
    free(b);
    free(c);
    char *text = cf_asprintf("%d and %s", 7, "more");
    char *cut = cf_strndup("abcdef", 3);
    char *copy = cf_strdup("abc");
    int *zeroed = cf_calloc(100, sizeof(int));
    ck_assert_str_eq(text, "7 and more");
    ck_assert_str_eq(cut, copy);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(zeroed[i], 0);
    }
    free(text);
    free(cut);
    free(copy);
    free(zeroed);
}
END_TEST

/* Makes ASan's allocator return NULL, as any other does, instead of ending the process itself. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static int overflow_realloc(void *context)
{
    (void)context;
    return cf_realloc(NULL, SIZE_MAX / 2, 3) ? 1 : 2;
}

static int overflow_buffer(void *context)
{
    struct cf_buf buf = CF_BUF_INIT;
    (void)context;
    cf_buf_puts(&buf, "x");
    cf_buf_reserve(&buf, SIZE_MAX - 1);
    return 1;
}

START_TEST(running_out_of_memory_ends_the_process_with_70)
{
    /* ASan's allocator would report the size itself; allocator_may_return_null makes it give NULL
     */
    static int (*const cases[])(void *) = {overflow_realloc, overflow_buffer};
    struct captured captured;
    capture_run(cases[_i], NULL, &captured);
    ck_assert_int_eq(captured.exit_status, 70);
    ck_assert_ptr_nonnull(strstr(cf_buf_str(&captured.err), "\"event\":\"out_of_memory\""));
    captured_release(&captured);
}
END_TEST

START_TEST(times_are_written_in_utc_with_milliseconds)
{
    static const struct {
        int64_t ms;
        const char *text;
    } times[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1769903999123, "2026-01-31T23:59:59.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    char text[CF_TIMESTAMP];
    ck_assert_int_eq(setenv("TZ", "America/New_York", 1), 0);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        cf_clock_format(times[i].ms, text);
        ck_assert_str_eq(text, times[i].text);
    }
}
END_TEST

START_TEST(clocks_run)
{
    int64_t start = cf_clock_monotonic_ms();
    double cpu = cf_clock_cpu_seconds();
    cf_clock_sleep_ms(30);
    int64_t slept = cf_clock_monotonic_ms() - start;
    ck_assert_int_ge(slept, 29);
    ck_assert_int_lt(slept, 5000);
    ck_assert_int_gt(cf_clock_now_ms(), INT64_C(1700000000000));
    ck_assert_double_ge(cf_clock_cpu_seconds(), cpu);
    ck_assert_double_lt(cf_clock_cpu_seconds() - cpu, 5);
    ck_assert_int_gt(cf_clock_peak_memory_bytes(), 1 << 20);
    ck_assert_str_ne(cf_build(), "");
}
END_TEST

static int draw(void *context)
{
    (void)context;
    cf_progress("reading", 1, 2);
    cf_progress("reading", 2, 2);
    cf_progress("reading", 0, 0);
    return 0;
}

START_TEST(no_progress_bar_without_a_terminal)
{
    struct captured captured;
    capture_run(draw, NULL, &captured);
    ck_assert_int_eq(captured.exit_status, 0);
    ck_assert_uint_eq(captured.err.length, 0);
    captured_release(&captured);
}
END_TEST

Suite *base_memory_suite(void)
{
    Suite *suite = suite_create("base_memory");
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_buffer_grows_and_stays_terminated);
    tcase_add_test(tc, a_buffer_takes_bytes_text_and_formats);
    tcase_add_test(tc, detaching_hands_the_memory_over);
    tcase_add_test(tc, reserving_keeps_what_is_there);
    tcase_add_test(tc, lists_grow_and_keep_their_items);
    tcase_add_test(tc, allocations_of_nothing_are_something);
    tcase_add_loop_test(tc, running_out_of_memory_ends_the_process_with_70, 0, 2);
    tcase_add_test(tc, times_are_written_in_utc_with_milliseconds);
    tcase_add_test(tc, clocks_run);
    tcase_add_test(tc, no_progress_bar_without_a_terminal);
    suite_add_tcase(suite, tc);
    return suite;
}
