/* LIST of a file: store while names come and go between the reading of a folder and the look at a
 * file: lstat is interposed, so that others act exactly there. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/store/store.h"
#include "tests/unit/temporary.h"

static struct cf_store *store;
static char *folder;
static void (*others)(void);

int lstat(const char *path, struct stat *st)
{
    void (*act)(void) = others;
    others = NULL;
    if (act) {
        act();
    }
    return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

static void setup(void)
{
    struct cf_error err;
    folder = temporary_folder();
    char *url = cf_asprintf("file:%s/store", folder);
    ck_assert_int_eq(cf_store_open(url, &store, &err), 0);
    free(url);
    ck_assert_int_eq(cf_store_put(store, "v/5", "old", 3, &err), 0);
}

static void teardown(void)
{
    cf_store_free(store);
    temporary_remove(folder);
}

/* A newer version is committed, the old one collected, and then created again by a writer that had
 * stalled. */
static void resurrect(void)
{
    struct cf_error err;
    ck_assert_int_eq(cf_store_put(store, "v/4", "new", 3, &err), 0);
    ck_assert_int_eq(cf_store_delete(store, "v/5", &err), 0);
    ck_assert_int_eq(cf_store_put(store, "v/5", "stalled", 7, &err), 0);
}

/* The first name vanishes between; what lies behind it is not the newest. */
static void replace(void)
{
    struct cf_error err;
    ck_assert_int_eq(cf_store_put(store, "v/3", "newest", 6, &err), 0);
    ck_assert_int_eq(cf_store_delete(store, "v/4", &err), 0);
}

static void expect_first(const char *key)
{
    struct cf_op list = {.kind = CF_OP_LIST, .key = "v/", .max_keys = 1};
    ck_assert_int_eq(cf_store_run(store, &list, 1), 0);
    ck_assert_uint_eq(list.listed_count, 1);
    ck_assert_str_eq(list.listed[0].key, key);
    ck_assert(list.more);
    cf_op_release(&list);
}

START_TEST(a_resurrected_name_is_not_the_first)
{
    others = resurrect;
    expect_first("v/4");
}
END_TEST

START_TEST(a_vanished_name_does_not_show_an_old_one)
{
    struct cf_error err;
    ck_assert_int_eq(cf_store_put(store, "v/4", "new", 3, &err), 0);
    others = replace;
    expect_first("v/3");
}
END_TEST

Suite *store_file_race_suite(void)
{
    Suite *suite = suite_create("store: LIST beside others");
    TCase *tc = tcase_create("race");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_resurrected_name_is_not_the_first);
    tcase_add_test(tc, a_vanished_name_does_not_show_an_old_one);
    suite_add_tcase(suite, tc);
    return suite;
}
