/* What every driver does with single objects. Runs unchanged against each of store_drivers.c. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/store.h"
#include "tests/unit/store_drivers.h"

static struct tested_store tested;
static struct cf_error err;

static void begin(int driver)
{
    tested_store_open(driver, &tested);
}

static void end(void)
{
    tested_store_close(&tested);
}

static void put(const char *key, const char *text)
{
    int rc = cf_store_put(tested.store, key, text, strlen(text), &err);
    ck_assert_msg(rc == 0, "%s: %s", key, err.message);
}

static void expect_text(const char *key, const char *text)
{
    struct cf_buf body = CF_BUF_INIT;
    int rc = cf_store_get(tested.store, key, &body, &err);
    ck_assert_msg(rc == 0, "%s: %s", key, err.message);
    ck_assert_uint_eq(body.length, strlen(text));
    ck_assert_str_eq(cf_buf_str(&body), text);
    cf_buf_release(&body);
}

static void expect_absent(const char *key)
{
    struct cf_buf body = CF_BUF_INIT;
    struct cf_op stat = {.kind = CF_OP_STAT, .key = key};
    ck_assert_int_eq(cf_store_get(tested.store, key, &body, &err), CF_ENOTFOUND);
    ck_assert_str_eq(err.key, key);
    ck_assert_ptr_null(body.data);
    ck_assert_int_eq(cf_store_run(tested.store, &stat, 1), CF_ENOTFOUND);
    ck_assert_int_eq(stat.rc, CF_ENOTFOUND);
    ck_assert_int_eq(stat.error.code, CF_ENOTFOUND);
}

static int run(struct cf_op *op)
{
    return cf_store_run(tested.store, op, 1);
}

START_TEST(an_object_is_what_was_put_last)
{
    begin(_i);
    expect_absent("some/key");
    put("some/key", "first");
    expect_text("some/key", "first");
    put("some/key", "the second, longer");
    expect_text("some/key", "the second, longer");
    put("some/key", "3");
    expect_text("some/key", "3");
    ck_assert_int_eq(cf_store_delete(tested.store, "some/key", &err), 0);
    expect_absent("some/key");
    put("some/key", "again");
    expect_text("some/key", "again");
    end();
}
END_TEST

START_TEST(bytes_of_every_value_come_back)
{
    char data[1024];
    struct cf_buf body = CF_BUF_INIT;
    begin(_i);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (char)(i ^ i >> 8);
    }
    ck_assert_int_eq(cf_store_put(tested.store, "bytes", data, sizeof(data), &err), 0);
    cf_buf_puts(&body, "what was there before is replaced");
    ck_assert_int_eq(cf_store_get(tested.store, "bytes", &body, &err), 0);
    ck_assert_uint_eq(body.length, sizeof(data));
    ck_assert(memcmp(body.data, data, sizeof(data)) == 0);
    cf_buf_release(&body);
    end();
}
END_TEST

START_TEST(an_object_can_be_empty)
{
    struct cf_op op = {.kind = CF_OP_STAT, .key = "empty", .size = 7};
    struct cf_op get = {.kind = CF_OP_GET, .key = "empty"};
    begin(_i);
    ck_assert_int_eq(cf_store_put(tested.store, "empty", NULL, 0, &err), 0);
    ck_assert_int_eq(run(&op), 0);
    ck_assert_uint_eq(op.size, 0);
    ck_assert_int_eq(run(&get), 0);
    ck_assert_uint_eq(get.body.length, 0);
    ck_assert_str_ne(get.etag, "");
    ck_assert_int_eq(cf_store_put_new(tested.store, "empty", "x", 1, &err), CF_ECONFLICT);
    cf_op_release(&get);
    end();
}
END_TEST

START_TEST(deleting_what_is_not_there_is_no_error)
{
    begin(_i);
    ck_assert_int_eq(cf_store_delete(tested.store, "no/such/key", &err), 0);
    put("folder/key", "x");
    ck_assert_int_eq(cf_store_delete(tested.store, "folder/other", &err), 0);
    ck_assert_int_eq(cf_store_delete(tested.store, "folder/key/below", &err), 0);
    ck_assert_int_eq(cf_store_delete(tested.store, "folder", &err), 0);
    expect_text("folder/key", "x");
    expect_absent("folder");
    expect_absent("folder/key/below");
    end();
}
END_TEST

START_TEST(put_new_creates_once)
{
    begin(_i);
    ck_assert_int_eq(cf_store_put_new(tested.store, "k", "mine", 4, &err), 0);
    ck_assert_int_eq(cf_store_put_new(tested.store, "k", "yours!", 6, &err), CF_ECONFLICT);
    ck_assert_int_eq(err.code, CF_ECONFLICT);
    ck_assert_str_eq(err.key, "k");
    ck_assert_int_eq(cf_store_put_new(tested.store, "k", "mine", 4, &err), CF_ECONFLICT);
    expect_text("k", "mine");
    ck_assert_int_eq(cf_store_delete(tested.store, "k", &err), 0);
    ck_assert_int_eq(cf_store_put_new(tested.store, "k", "yours!", 6, &err), 0);
    expect_text("k", "yours!");
    put("k", "put replaces");
    expect_text("k", "put replaces");
    end();
}
END_TEST

START_TEST(racers_in_one_call_have_one_winner)
{
    struct cf_op ops[8];
    int winners = 0;
    char last[2] = "?";
    begin(_i);
    for (size_t i = 0; i < 8; i++) {
        ops[i] = (struct cf_op){
            .kind = CF_OP_PUT_NEW, .key = "race", .data = &"01234567"[i], .length = 1};
    }
    ck_assert_int_eq(cf_store_run(tested.store, ops, 8), CF_ECONFLICT);
    for (size_t i = 0; i < 8; i++) {
        winners += ops[i].rc == 0;
        ck_assert(ops[i].rc == 0 || ops[i].rc == CF_ECONFLICT);
        last[0] = ops[i].rc == 0 ? (char)('0' + i) : last[0];
    }
    ck_assert_int_eq(winners, 1);
    expect_text("race", last);
    end();
}
END_TEST

START_TEST(the_etag_is_the_same_everywhere_and_changes_with_each_put)
{
    struct cf_op put_op = {.kind = CF_OP_PUT, .key = "e/k", .data = "same", .length = 4};
    struct cf_op stat = {.kind = CF_OP_STAT, .key = "e/k"};
    struct cf_op get = {.kind = CF_OP_GET, .key = "e/k"};
    struct cf_op list = {.kind = CF_OP_LIST, .key = "e/"};
    char before[CF_ETAG_MAX] = "";
    begin(_i);
    for (int i = 0; i < 20; i++) {
        put_op.data = i % 2 ? "same" : "size";
        ck_assert_int_eq(run(&put_op), 0);
        ck_assert_int_eq(run(&stat), 0);
        ck_assert_int_eq(run(&get), 0);
        ck_assert_int_eq(run(&list), 0);
        ck_assert_uint_eq(list.listed_count, 1);
        ck_assert_str_ne(put_op.etag, "");
        ck_assert_str_eq(put_op.etag, stat.etag);
        ck_assert_str_eq(put_op.etag, get.etag);
        ck_assert_str_eq(put_op.etag, list.listed[0].etag);
        ck_assert_str_ne(put_op.etag, before);
        ck_assert_uint_eq(stat.size, 4);
        ck_assert_uint_eq(get.size, 4);
        ck_assert_uint_eq(list.listed[0].size, 4);
        memcpy(before, put_op.etag, sizeof(before));
    }
    cf_op_release(&get);
    cf_op_release(&list);
    end();
}
END_TEST

START_TEST(a_get_can_ask_for_one_version_of_an_object)
{
    struct cf_op first = {.kind = CF_OP_PUT, .key = "v", .data = "one", .length = 3};
    struct cf_op get = {.kind = CF_OP_GET, .key = "v", .if_match = first.etag};
    begin(_i);
    ck_assert_int_eq(run(&first), 0);
    ck_assert_int_eq(run(&get), 0);
    ck_assert_str_eq(cf_buf_str(&get.body), "one");
    put("v", "two");
    ck_assert_int_eq(run(&get), CF_ECONFLICT);
    ck_assert_uint_eq(get.body.length, 0);
    ck_assert_int_eq(cf_store_delete(tested.store, "v", &err), 0);
    ck_assert_int_eq(run(&get), CF_ENOTFOUND);
    /* Deleted and made again is another object, though it has the same bytes. */
    put("v", "one");
    ck_assert_int_eq(run(&get), tested.content_etags ? 0 : CF_ECONFLICT);
    cf_op_release(&get);
    end();
}
END_TEST

static const struct {
    uint64_t offset;
    uint64_t limit;
    const char *text;
} ranges[] = {
    {0, 0, "0123456789"},
    {0, 10, "0123456789"},
    {0, 11, "0123456789"},
    {0, 1, "0"},
    {3, 4, "3456"},
    {3, 0, "3456789"},
    {9, 1, "9"},
    {9, 5, "9"},
    {10, 0, ""},
    {10, 5, ""},
    {11, 1, ""},
    {UINT64_MAX, 1, ""},
    {2, UINT64_MAX, "23456789"},
};

START_TEST(ranges_give_the_wanted_bytes)
{
    begin(_i);
    put("range", "0123456789");
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct cf_op get = {.kind = CF_OP_GET,
                            .key = "range",
                            .offset = ranges[i].offset,
                            .limit = ranges[i].limit};
        ck_assert_int_eq(run(&get), 0);
        ck_assert_str_eq(cf_buf_str(&get.body), ranges[i].text);
        ck_assert_uint_eq(get.body.length, strlen(ranges[i].text));
        ck_assert_uint_eq(get.size, 10);
        cf_op_release(&get);
    }
    end();
}
END_TEST

START_TEST(a_body_over_the_limit_is_bad_data)
{
    struct cf_op get = {.kind = CF_OP_GET, .key = "big", .max_body = 9};
    begin(_i);
    put("big", "0123456789");
    ck_assert_int_eq(run(&get), CF_EDATA);
    ck_assert_str_eq(get.error.key, "big");
    ck_assert_uint_eq(get.body.length, 0);
    get.max_body = 10;
    ck_assert_int_eq(run(&get), 0);
    get.max_body = 5;
    get.limit = 5;
    ck_assert_int_eq(run(&get), 0);
    ck_assert_str_eq(get.body.data, "01234");
    cf_op_release(&get);
    end();
}
END_TEST

START_TEST(every_operation_of_a_call_has_its_own_result)
{
    struct cf_op ops[] = {
        {.kind = CF_OP_PUT, .key = "m/new", .data = "n", .length = 1},
        {.kind = CF_OP_GET, .key = "m/missing"},
        {.kind = CF_OP_PUT_NEW, .key = "m/old", .data = "x", .length = 1},
        {.kind = CF_OP_GET, .key = "m/old"},
        {.kind = CF_OP_PUT, .key = "m/../escape", .data = "x", .length = 1},
        {.kind = CF_OP_DELETE, .key = "m/gone"},
        {.kind = CF_OP_STAT, .key = "m/old"},
        {.kind = CF_OP_PUT, .key = NULL, .data = "x", .length = 1},
        {.kind = CF_OP_LIST, .key = "elsewhere/"},
        {.kind = CF_OP_PUT_NEW, .key = "m/other", .data = "o", .length = 1},
    };
    static const int expected[] = {0, CF_ENOTFOUND, CF_ECONFLICT, 0, CF_EUSAGE, 0, 0, CF_EUSAGE, 0,
                                   0};
    begin(_i);
    put("m/old", "old");
    put("m/gone", "gone");
    ck_assert_int_eq(cf_store_run(tested.store, ops, 10), CF_ENOTFOUND);
    for (size_t i = 0; i < 10; i++) {
        ck_assert_msg(ops[i].rc == expected[i], "operation %zu: %d", i, ops[i].rc);
        ck_assert_int_eq(ops[i].error.code, expected[i]);
    }
    ck_assert_str_eq(cf_buf_str(&ops[3].body), "old");
    expect_text("m/new", "n");
    expect_text("m/old", "old");
    expect_text("m/other", "o");
    expect_absent("m/gone");
    for (size_t i = 0; i < 10; i++) {
        cf_op_release(&ops[i]);
    }
    ck_assert_int_eq(cf_store_run(tested.store, NULL, 0), 0);
    end();
}
END_TEST

START_TEST(an_operation_can_be_run_again)
{
    struct cf_op list = {.kind = CF_OP_LIST, .key = ""};
    struct cf_op get = {.kind = CF_OP_GET, .key = "again"};
    begin(_i);
    ck_assert_int_eq(run(&get), CF_ENOTFOUND);
    put("again", "x");
    ck_assert_int_eq(run(&get), 0);
    ck_assert_int_eq(get.error.code, 0);
    ck_assert_int_eq(run(&list), 0);
    ck_assert_uint_eq(list.listed_count, 1);
    ck_assert_int_eq(cf_store_delete(tested.store, "again", &err), 0);
    ck_assert_int_eq(run(&list), 0);
    ck_assert_uint_eq(list.listed_count, 0);
    ck_assert_int_eq(run(&get), CF_ENOTFOUND);
    ck_assert_uint_eq(get.body.length, 0);
    ck_assert_str_eq(get.etag, "");
    ck_assert_uint_eq(get.size, 0);
    cf_op_release(&get);
    end();
}
END_TEST

/* --- keys ---------------------------------------------------------------------------------------
 */

static char long_key[CF_KEY_MAX + 1]; /* segments of 99, 511 or 512 bytes in all */

static const char *key_of(size_t length)
{
    for (size_t i = 0; i < length; i++) {
        long_key[i] = i % 100 == 99 ? '/' : 'k';
    }
    long_key[length] = '\0';
    return long_key;
}

static const char *const bad_keys[] = {
    "",         "/",    "a/",    "/a",     "a//b", ".",   "..",   "a/.", "a/..",
    "./a",      "../a", "a/./b", "a/../b", "A",    "a/B", "a b",  "a\n", "a\tb",
    "\xc3\xa9", "a~b",  "~a",    "a%41",   "a:b",  "a*",  "a\\b", "a+b", "a\x7f",
    "a?b",      "a#b",  "a\"b",  "a&b",    "a=b",  "a,b", "a;b",  "a@b", NULL,
};

START_TEST(keys_that_the_contract_does_not_allow_are_refused)
{
    static const enum cf_op_kind kinds[] = {CF_OP_GET, CF_OP_PUT, CF_OP_PUT_NEW, CF_OP_DELETE,
                                            CF_OP_STAT};
    struct cf_op list = {.kind = CF_OP_LIST, .key = ""};
    begin(_i);
    for (size_t i = 0; i < sizeof(bad_keys) / sizeof(bad_keys[0]); i++) {
        const char *key = bad_keys[i] ? bad_keys[i] : key_of(CF_KEY_MAX);
        for (size_t k = 0; k < 5; k++) {
            struct cf_op op = {.kind = kinds[k], .key = key, .data = "x", .length = 1};
            ck_assert_msg(run(&op) == CF_EUSAGE, "\"%s\"", key);
            ck_assert_int_eq(op.error.code, CF_EUSAGE);
            ck_assert(strncmp(op.error.key, key, sizeof(op.error.key) - 1) == 0);
        }
    }
    ck_assert_int_eq(run(&list), 0);
    ck_assert_uint_eq(list.listed_count, 0);
    end();
}
END_TEST

START_TEST(keys_that_the_contract_allows_work)
{
    static const char *const keys[] = {"a",  "0",   "_",    "-",     "...", "a.b/..c/d..",
                                       ".a", "-a-", "x/.y", "x/...", NULL};
    begin(_i);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *key = keys[i] ? keys[i] : key_of(CF_KEY_MAX - 1);
        put(key, key);
        expect_text(key, key);
        ck_assert_int_eq(cf_store_delete(tested.store, key, &err), 0);
    }
    end();
}
END_TEST

START_TEST(prefixes_may_end_anywhere)
{
    static const char *const good[] = {"", "a", "a/", "a/b", "a/.", "a/..", ".", "..", "-"};
    static const char *const bad[] = {"/", "a//", "//", "A", "a/../", "./", "a b", "/a", "~"};
    begin(_i);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cf_op list = {.kind = CF_OP_LIST, .key = good[i]};
        ck_assert_msg(run(&list) == 0, "\"%s\"", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cf_op list = {.kind = CF_OP_LIST, .key = bad[i]};
        ck_assert_msg(run(&list) == CF_EUSAGE, "\"%s\"", bad[i]);
    }
    end();
}
END_TEST

START_TEST(there_is_nothing_to_tidy_in_a_quiet_store)
{
    uint64_t removed = 7;
    begin(_i);
    ck_assert_int_eq(cf_store_tidy(tested.store, &removed, &err), 0);
    ck_assert_uint_eq(removed, 0);
    put("a/b", "x");
    ck_assert_int_eq(cf_store_tidy(tested.store, &removed, &err), 0);
    ck_assert_uint_eq(removed, 0);
    expect_text("a/b", "x");
    ck_assert(cf_store_can_commit(tested.store));
    end();
}
END_TEST

Suite *store_conformance_suite(void)
{
    const TTest *const tests[] = {an_object_is_what_was_put_last,
                                  bytes_of_every_value_come_back,
                                  an_object_can_be_empty,
                                  deleting_what_is_not_there_is_no_error,
                                  put_new_creates_once,
                                  racers_in_one_call_have_one_winner,
                                  the_etag_is_the_same_everywhere_and_changes_with_each_put,
                                  a_get_can_ask_for_one_version_of_an_object,
                                  ranges_give_the_wanted_bytes,
                                  a_body_over_the_limit_is_bad_data,
                                  every_operation_of_a_call_has_its_own_result,
                                  an_operation_can_be_run_again,
                                  keys_that_the_contract_does_not_allow_are_refused,
                                  keys_that_the_contract_allows_work,
                                  prefixes_may_end_anywhere,
                                  there_is_nothing_to_tidy_in_a_quiet_store};
    Suite *suite = suite_create("store_conformance");
    TCase *tc = tcase_create("objects");
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        tcase_add_loop_test(tc, tests[i], 0, store_driver_count());
    }
    suite_add_tcase(suite, tc);
    return suite;
}
