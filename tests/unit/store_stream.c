/* Streamed puts and gets of every driver. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/store/store.h"
#include "tests/unit/store_drivers.h"

static const uint64_t MIB = 1 << 20;
static struct tested_store tested;

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

/* Gives bytes that follow from their offsets; can fail at one of them. */
struct generator {
    uint64_t at;
    uint64_t size;
    uint64_t fail_at; /* with CF_EUNAVAILABLE; 0: never */
    int rewind_code;
    size_t rewinds;
    size_t piece; /* most bytes a read gives; 0: as many as fit */
};

static int generate(void *context, void *data, size_t size, size_t *got)
{
    struct generator *g = context;
    unsigned char *out = data;
    uint64_t n = g->size - g->at < size ? g->size - g->at : size;
    n = g->piece && n > g->piece ? g->piece : n;
    if (g->fail_at && g->at + n > g->fail_at) {
        errno = ENOENT; /* some leftover that says nothing */
        return CF_EUNAVAILABLE;
    }
    for (uint64_t i = 0; i < n; i++) {
        out[i] = byte_at(g->at + i);
    }
    g->at += n;
    *got = (size_t)n;
    return 0;
}

static int rewind_generator(void *context)
{
    struct generator *g = context;
    g->at = 0;
    g->rewinds++;
    return g->rewind_code;
}

/* Checks that the bytes come in order; can fail at an offset. */
struct checker {
    uint64_t first; /* offset of the wanted range */
    uint64_t at;
    uint64_t wrong;
    uint64_t fail_at; /* with CF_EINTERRUPTED; 0: never */
};

static int check_bytes(void *context, const void *data, size_t length)
{
    struct checker *c = context;
    const unsigned char *bytes = data;
    if (c->fail_at && c->at + length > c->fail_at) {
        return CF_EINTERRUPTED;
    }
    for (size_t i = 0; i < length; i++) {
        c->wrong += bytes[i] != byte_at(c->first + c->at + i);
    }
    c->at += length;
    return 0;
}

static int restart_checker(void *context)
{
    struct checker *c = context;
    c->at = 0;
    c->wrong = 0;
    return 0;
}

static int put_generated(const char *key, enum cf_op_kind kind, struct generator *g,
                         uint64_t announced, struct cf_op *out)
{
    struct cf_source source = {
        .read = generate, .rewind = rewind_generator, .context = g, .size = announced};
    *out = (struct cf_op){.kind = kind, .key = key, .source = &source};
    int rc = cf_store_run(tested.store, out, 1);
    out->source = NULL;
    return rc;
}

static int get_checked(const char *key, struct checker *c, uint64_t limit, struct cf_op *out)
{
    struct cf_sink sink = {.write = check_bytes, .restart = restart_checker, .context = c};
    *out = (struct cf_op){
        .kind = CF_OP_GET, .key = key, .sink = &sink, .offset = c->first, .limit = limit};
    int rc = cf_store_run(tested.store, out, 1);
    out->sink = NULL;
    return rc;
}

static void expect_keys(size_t count)
{
    struct cf_op list = {.kind = CF_OP_LIST, .key = ""};
    ck_assert_int_eq(cf_store_run(tested.store, &list, 1), 0);
    ck_assert_uint_eq(list.listed_count, count);
    cf_op_release(&list);
}

START_TEST(a_stream_is_rewound_first_and_comes_back_whole)
{
    struct generator g = {.at = 999, .size = 300001, .piece = 1000};
    struct checker c = {.at = 0};
    struct cf_op op;
    tested_store_open(_i, &tested);
    ck_assert_int_eq(put_generated("s/k", CF_OP_PUT, &g, g.size, &op), 0);
    ck_assert_uint_ge(g.rewinds, 1);
    ck_assert_uint_eq(g.at, g.size);
    ck_assert_str_ne(op.etag, "");
    ck_assert_int_eq(get_checked("s/k", &c, 0, &op), 0);
    ck_assert_uint_eq(c.at, 300001);
    ck_assert_uint_eq(c.wrong, 0);
    ck_assert_uint_eq(op.size, 300001);
    ck_assert_uint_eq(op.body.length, 0);
    tested_store_close(&tested);
}
END_TEST

START_TEST(a_sink_gets_the_wanted_range)
{
    struct generator g = {.size = 200000};
    struct checker c = {.first = 70001};
    struct checker behind = {.first = 200000};
    struct cf_op op;
    tested_store_open(_i, &tested);
    ck_assert_int_eq(put_generated("k", CF_OP_PUT_NEW, &g, g.size, &op), 0);
    ck_assert_int_eq(get_checked("k", &c, 99999, &op), 0);
    ck_assert_uint_eq(c.at, 99999);
    ck_assert_uint_eq(c.wrong, 0);
    ck_assert_int_eq(get_checked("k", &behind, 5, &op), 0);
    ck_assert_uint_eq(behind.at, 0);
    tested_store_close(&tested);
}
END_TEST

START_TEST(an_empty_stream_makes_an_empty_object)
{
    struct generator g = {.size = 0};
    struct checker c = {.at = 0};
    struct cf_op op;
    tested_store_open(_i, &tested);
    ck_assert_int_eq(put_generated("k", CF_OP_PUT, &g, 0, &op), 0);
    ck_assert_int_eq(get_checked("k", &c, 0, &op), 0);
    ck_assert_uint_eq(op.size, 0);
    tested_store_close(&tested);
}
END_TEST

START_TEST(put_new_streams_too)
{
    struct generator g = {.size = 1000};
    struct generator other = {.size = 2000};
    struct checker c = {.at = 0};
    struct cf_op op;
    tested_store_open(_i, &tested);
    ck_assert_int_eq(put_generated("k", CF_OP_PUT_NEW, &g, g.size, &op), 0);
    ck_assert_int_eq(put_generated("k", CF_OP_PUT_NEW, &other, other.size, &op), CF_ECONFLICT);
    ck_assert_int_eq(get_checked("k", &c, 0, &op), 0);
    ck_assert_uint_eq(c.at, 1000);
    tested_store_close(&tested);
}
END_TEST

START_TEST(a_source_that_fails_leaves_nothing)
{
    struct generator late = {.size = 300000, .fail_at = 290000};
    struct generator early = {.size = 300000, .rewind_code = CF_EDENIED};
    struct cf_op op;
    tested_store_open(_i, &tested);
    ck_assert_int_eq(put_generated("k", CF_OP_PUT, &late, late.size, &op), CF_EUNAVAILABLE);
    ck_assert_int_eq(op.error.code, CF_EUNAVAILABLE);
    ck_assert_str_eq(op.error.key, "k");
    ck_assert_int_eq(put_generated("k", CF_OP_PUT_NEW, &early, early.size, &op), CF_EDENIED);
    expect_keys(0);
    tested_store_close(&tested);
}
END_TEST

START_TEST(a_source_that_fails_leaves_the_old_object)
{
    struct cf_error err;
    struct cf_buf body = CF_BUF_INIT;
    struct generator g = {.size = 300000, .fail_at = 100000};
    struct cf_op op;
    tested_store_open(_i, &tested);
    ck_assert_int_eq(cf_store_put(tested.store, "k", "old", 3, &err), 0);
    ck_assert_int_eq(put_generated("k", CF_OP_PUT, &g, g.size, &op), CF_EUNAVAILABLE);
    ck_assert_int_eq(cf_store_get(tested.store, "k", &body, &err), 0);
    ck_assert_str_eq(body.data, "old");
    cf_buf_release(&body);
    expect_keys(1);
    tested_store_close(&tested);
}
END_TEST

START_TEST(a_source_of_another_size_than_announced_is_a_bug)
{
    static const uint64_t announced[] = {0, 1, 99999, 100001, 65536};
    struct cf_op op;
    tested_store_open(_i, &tested);
    for (size_t i = 0; i < sizeof(announced) / sizeof(announced[0]); i++) {
        struct generator g = {.size = 100000};
        ck_assert_int_eq(put_generated("k", CF_OP_PUT, &g, announced[i], &op), CF_EINTERNAL);
        ck_assert_str_eq(op.error.key, "k");
    }
    expect_keys(0);
    tested_store_close(&tested);
}
END_TEST

START_TEST(a_sink_that_fails_ends_the_get_with_its_code)
{
    struct generator g = {.size = 3 * MIB};
    struct checker c = {.fail_at = 2 * MIB};
    struct checker at_once = {.fail_at = 1};
    struct cf_op op;
    tested_store_open(_i, &tested);
    ck_assert_int_eq(put_generated("k", CF_OP_PUT, &g, g.size, &op), 0);
    ck_assert_int_eq(get_checked("k", &c, 0, &op), CF_EINTERRUPTED);
    ck_assert_int_eq(op.error.code, CF_EINTERRUPTED);
    ck_assert_str_eq(op.error.key, "k");
    ck_assert_int_eq(get_checked("k", &at_once, 0, &op), CF_EINTERRUPTED);
    tested_store_close(&tested);
}
END_TEST

START_TEST(a_big_object_streams_in_bounded_memory)
{
    struct generator g = {.size = 70 * MIB};
    struct checker c = {.at = 0};
    struct cf_op op;
    struct cf_op get = {.kind = CF_OP_GET, .key = "big"};
    tested_store_open(_i, &tested);
    int64_t before = cf_clock_peak_memory_bytes();
    ck_assert_int_eq(put_generated("big", CF_OP_PUT, &g, g.size, &op), 0);
    ck_assert_int_eq(get_checked("big", &c, 0, &op), 0);
    ck_assert_uint_eq(c.at, 70 * MIB);
    ck_assert_uint_eq(c.wrong, 0);
    if (tested.bounded_memory) {
        ck_assert_int_lt(cf_clock_peak_memory_bytes() - before, 16 * (int64_t)MIB);
    }
    /* Without a sink, the default limit of 64 MiB holds. */
    ck_assert_int_eq(cf_store_run(tested.store, &get, 1), CF_EDATA);
    ck_assert_uint_eq(get.body.length, 0);
    tested_store_close(&tested);
}
END_TEST

Suite *store_stream_suite(void)
{
    const TTest *const tests[] = {a_stream_is_rewound_first_and_comes_back_whole,
                                  a_sink_gets_the_wanted_range,
                                  an_empty_stream_makes_an_empty_object,
                                  put_new_streams_too,
                                  a_source_that_fails_leaves_nothing,
                                  a_source_that_fails_leaves_the_old_object,
                                  a_source_of_another_size_than_announced_is_a_bug,
                                  a_sink_that_fails_ends_the_get_with_its_code,
                                  a_big_object_streams_in_bounded_memory};
    Suite *suite = suite_create("store_stream");
    TCase *tc = tcase_create("streams");
    tcase_set_timeout(tc, 120);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        tcase_add_loop_test(tc, tests[i], 0, store_driver_count());
    }
    suite_add_tcase(suite, tc);
    return suite;
}
