/* What every driver lists, compared with a plain model of the rules. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/store.h"
#include "tests/unit/store_drivers.h"

static struct tested_store tested;

static void put_all(const char *const *keys, size_t count)
{
    struct cf_op *ops = cf_calloc(count, sizeof(*ops));
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct cf_op){
            .kind = CF_OP_PUT, .key = keys[i], .data = keys[i], .length = strlen(keys[i])};
    }
    ck_assert_int_eq(cf_store_run(tested.store, ops, count), 0);
    free(ops);
}

/* In byte order; no key is the folder of another one, which the file driver couldn't hold. */
static const char *const keys[] = {
    "a-/x",    "a-b",   "a.b",   "a/b",   "a/b-c", "a/c-d", "a/c.d", "a/c/d",   "a/c/e/f",
    "a/c/e/g", "a/c0d", "a/c_d", "a0b",   "a_b",   "ab/x",  "b-1/x", "b/1/2/3", "b/1/2/4",
    "b/1/3/1", "b/2",   "c",     "d/0/a", "d/1/a", "d/1/b", "d/2/a", "d/3/a",   "d/4",
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

struct expected {
    char names[KEYS][32];
    bool group[KEYS];
    size_t count;
    bool more;
};

static void model(const char *prefix, const char *after, bool group, size_t max,
                  struct expected *out)
{
    *out = (struct expected){.count = 0};
    for (size_t i = 0; i < KEYS; i++) {
        const char *slash = NULL;
        char name[32];
        if (strncmp(keys[i], prefix, strlen(prefix)) != 0 ||
            (after && strcmp(keys[i], after) <= 0)) {
            continue;
        }
        if (group) {
            slash = strchr(keys[i] + strlen(prefix), '/');
        }
        int length = (int)(slash ? slash - keys[i] + 1 : (long)strlen(keys[i]));
        (void)snprintf(name, sizeof(name), "%.*s", length, keys[i]);
        if (slash && out->count && strcmp(out->names[out->count - 1], name) == 0) {
            continue;
        }
        if (out->count == max) {
            out->more = true;
            return;
        }
        memcpy(out->names[out->count], name, sizeof(name));
        out->group[out->count++] = slash != NULL;
    }
}

static void compare(const char *prefix, const char *after, bool group, size_t max)
{
    struct expected expected;
    struct cf_op list = {.kind = CF_OP_LIST,
                         .key = prefix,
                         .start_after = after,
                         .group_by_slash = group,
                         .max_keys = max};
    char what[128];
    (void)snprintf(what, sizeof(what), "prefix \"%s\", after \"%s\", %s, at most %zu", prefix,
                   after ? after : "(null)", group ? "grouped" : "flat", max);
    model(prefix, after, group, max, &expected);
    ck_assert_msg(cf_store_run(tested.store, &list, 1) == 0, "%s: %s", what, list.error.message);
    ck_assert_msg(list.listed_count == expected.count, "%s: %zu names instead of %zu", what,
                  list.listed_count, expected.count);
    ck_assert_msg(list.more == expected.more, "%s: more is %d", what, list.more);
    for (size_t i = 0; i < expected.count; i++) {
        const struct cf_listed *listed = &list.listed[i];
        ck_assert_msg(strcmp(listed->key, expected.names[i]) == 0, "%s: %s instead of %s", what,
                      listed->key, expected.names[i]);
        ck_assert_msg(listed->group == expected.group[i], "%s: %s", what, listed->key);
        ck_assert_uint_eq(listed->size, listed->group ? 0 : strlen(listed->key));
        ck_assert_int_eq(listed->etag[0] == '\0', listed->group);
    }
    cf_op_release(&list);
}

/* For one prefix: after each key, and after names before, between, inside and behind them. */
static void compare_all(const char *prefix)
{
    static const char *const others[] = {NULL,      "",      "a",  "a/",       "a/c",  "a/c/",
                                         "a/c/e/~", "a/c~",  "a~", "b/1/2/30", "b/1/", "d/",
                                         "d/1/",    "d/1/~", "z",  "A"};
    static const size_t sizes[] = {1, 3, CF_LIST_MAX};
    for (size_t i = 0; i < KEYS + sizeof(others) / sizeof(others[0]); i++) {
        const char *after = i < KEYS ? keys[i] : others[i - KEYS];
        for (size_t s = 0; s < 3; s++) {
            compare(prefix, after, false, sizes[s]);
            compare(prefix, after, true, sizes[s]);
        }
    }
}

START_TEST(lists_follow_the_rules)
{
    char before[32] = "?";
    tested_store_open(_i, &tested);
    put_all(keys, KEYS);
    compare_all("");
    for (size_t i = 0; i < KEYS; i++) {
        for (size_t n = 1; n <= strlen(keys[i]); n++) {
            char prefix[32];
            (void)snprintf(prefix, sizeof(prefix), "%.*s", (int)n, keys[i]);
            if (strncmp(prefix, before, n) != 0) { /* not seen with the key before */
                compare_all(prefix);
            }
        }
        (void)snprintf(before, sizeof(before), "%s", keys[i]);
    }
    compare_all("nothing");
    compare_all("a/b/");
    tested_store_close(&tested);
}
END_TEST

START_TEST(an_empty_store_lists_nothing)
{
    struct cf_op list = {.kind = CF_OP_LIST, .key = "", .more = true};
    tested_store_open(_i, &tested);
    ck_assert_int_eq(cf_store_run(tested.store, &list, 1), 0);
    ck_assert_uint_eq(list.listed_count, 0);
    ck_assert(!list.more);
    tested_store_close(&tested);
}
END_TEST

START_TEST(a_new_key_is_listed_at_once_and_a_deleted_one_no_more)
{
    struct cf_error err;
    struct cf_op list = {.kind = CF_OP_LIST, .key = "now/", .max_keys = 1};
    tested_store_open(_i, &tested);
    for (int i = 9; i >= 0; i--) {
        char key[16];
        (void)snprintf(key, sizeof(key), "now/%d", i);
        ck_assert_int_eq(cf_store_put_new(tested.store, key, "x", 1, &err), 0);
        ck_assert_int_eq(cf_store_run(tested.store, &list, 1), 0);
        ck_assert_str_eq(list.listed[0].key, key);
        ck_assert_int_eq(list.more, i < 9);
    }
    ck_assert_int_eq(cf_store_delete(tested.store, "now/0", &err), 0);
    ck_assert_int_eq(cf_store_run(tested.store, &list, 1), 0);
    ck_assert_str_eq(list.listed[0].key, "now/1");
    cf_op_release(&list);
    tested_store_close(&tested);
}
END_TEST

/* --- walking ------------------------------------------------------------------------------------
 */

enum { MANY = 2500 };

struct walked {
    size_t count;
    size_t stop_at; /* 0: never */
    char last[64];
    bool in_order;
};

static int visit(void *context, const struct cf_listed *listed)
{
    struct walked *walked = context;
    walked->in_order = walked->in_order && strcmp(walked->last, listed->key) < 0;
    (void)snprintf(walked->last, sizeof(walked->last), "%s", listed->key);
    walked->count++;
    return walked->count == walked->stop_at ? 42 : 0;
}

static struct walked walk(const char *prefix, const char *after, bool group, size_t stop_at)
{
    struct cf_error err = {0};
    struct walked walked = {.in_order = true, .stop_at = stop_at};
    int rc = cf_store_walk(tested.store, prefix, after, group, visit, &walked, &err);
    ck_assert_int_eq(rc, stop_at ? 42 : 0);
    ck_assert(walked.in_order);
    return walked;
}

START_TEST(thousands_of_keys_are_walked_page_by_page)
{
    char **names = cf_calloc(MANY, sizeof(*names));
    struct cf_op list = {.kind = CF_OP_LIST, .key = "m/"};
    tested_store_open(_i, &tested);
    for (size_t i = 0; i < MANY; i++) { /* 1,250 folders of two, inserted in a scattered order */
        size_t n = i * 1009 % MANY;
        names[i] = cf_asprintf("m/%05zu/%zu", n / 2, n % 2);
    }
    put_all((const char *const *)names, MANY);
    ck_assert_uint_eq(walk("m/", NULL, false, 0).count, MANY);
    ck_assert_uint_eq(walk("", NULL, false, 0).count, MANY);
    ck_assert_uint_eq(walk("m/", NULL, true, 0).count, MANY / 2);
    ck_assert_uint_eq(walk("", NULL, true, 0).count, 1);
    ck_assert_uint_eq(walk("m/", "m/00999/1", false, 0).count, MANY - 2000);
    ck_assert_uint_eq(walk("m/0000", NULL, false, 0).count, 20);
    struct walked walked = walk("m/", NULL, false, 1500);
    ck_assert_uint_eq(walked.count, 1500);
    ck_assert_str_eq(walked.last, "m/00749/1");
    ck_assert_int_eq(cf_store_run(tested.store, &list, 1), 0);
    ck_assert_uint_eq(list.listed_count, CF_LIST_MAX);
    ck_assert(list.more);
    cf_op_release(&list);
    for (size_t i = 0; i < MANY; i++) {
        free(names[i]);
    }
    free(names);
    tested_store_close(&tested);
}
END_TEST

Suite *store_listing_suite(void)
{
    Suite *suite = suite_create("store_listing");
    TCase *tc = tcase_create("listing");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, lists_follow_the_rules, 0, store_driver_count());
    tcase_add_loop_test(tc, an_empty_store_lists_nothing, 0, store_driver_count());
    tcase_add_loop_test(tc, a_new_key_is_listed_at_once_and_a_deleted_one_no_more, 0,
                        store_driver_count());
    tcase_add_loop_test(tc, thousands_of_keys_are_walked_page_by_page, 0, store_driver_count());
    suite_add_tcase(suite, tc);
    return suite;
}
