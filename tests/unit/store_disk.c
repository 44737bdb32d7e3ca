/* The file driver where writing isn't allowed, and where the disk is full. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/store.h"
#include "tests/unit/capture.h"
#include "tests/unit/store_drivers.h"

static struct tested_store tested;
static struct cf_error err;
static char path_buffer[4096];

static void setup(void)
{
    tested_store_open_file(&tested);
}

static void teardown(void)
{
    tested_store_close(&tested);
}

/* The path of a name below the store's root. */
static const char *path_of(const char *name)
{
    (void)snprintf(path_buffer, sizeof(path_buffer), "%s/store/%s", tested.folder, name);
    return path_buffer;
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
    ck_assert_str_eq(cf_buf_str(&body), text);
    cf_buf_release(&body);
}

static uint64_t tidy(void)
{
    uint64_t removed = 0;
    ck_assert_int_eq(cf_store_tidy(tested.store, &removed, &err), 0);
    return removed;
}

static int use_as_other_user(void)
{
    uint64_t removed = 0;
    struct cf_op op = {.kind = CF_OP_PUT_NEW, .key = "a/c", .data = "x", .length = 1};
    if (cf_store_put(tested.store, "a/b", "y", 1, &err) != CF_EDENIED ||
        strcmp(err.key, "a/b") != 0) {
        return 1;
    }
    if (cf_store_run(tested.store, &op, 1) != CF_EDENIED ||
        cf_store_put(tested.store, "new/k", "y", 1, &err) != CF_EDENIED ||
        cf_store_delete(tested.store, "a/b", &err) != CF_EDENIED) {
        return 2;
    }
    expect_text("a/b", "x"); /* which may be read */
    struct cf_buf body = CF_BUF_INIT;
    if (cf_store_get(tested.store, "private/k", &body, &err) != CF_EDENIED) {
        return 3;
    }
    op = (struct cf_op){.kind = CF_OP_LIST, .key = ""};
    if (cf_store_run(tested.store, &op, 1) != CF_EDENIED || op.error.code != CF_EDENIED) {
        return 4;
    }
    cf_op_release(&op);
    return cf_store_tidy(tested.store, &removed, &err) == CF_EDENIED ? 0 : 5;
}

/* root may do everything, so it becomes nobody for that long. */
static int use_as_stranger(void *context)
{
    bool root = geteuid() == 0;
    (void)context;
    if (root && seteuid(65534) != 0) {
        return 90;
    }
    int result = use_as_other_user();
    if (root && (seteuid(0) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0)) { /* for LeakSanitizer */
        return 91;
    }
    return result;
}

START_TEST(what_is_not_allowed_is_denied)
{
    struct captured captured;
    put("a/b", "x");
    put("private/k", "x");
    ck_assert_int_eq(chmod(tested.folder, 0755), 0);
    ck_assert_int_eq(chmod(path_of("private"), geteuid() == 0 ? 0700 : 0000), 0);
    ck_assert_int_eq(chmod(path_of("a"), 0555), 0);
    ck_assert_int_eq(chmod(path_of(""), 0555), 0);
    capture_run(use_as_stranger, NULL, &captured);
    ck_assert_int_eq(chmod(path_of(""), 0755), 0);
    ck_assert_int_eq(chmod(path_of("a"), 0755), 0);
    ck_assert_int_eq(chmod(path_of("private"), 0755), 0);
    ck_assert_msg(captured.exit_status == 0, "%d: %s", captured.exit_status,
                  cf_buf_str(&captured.err));
    captured_release(&captured);
}
END_TEST

enum { CANNOT_MOUNT = 80 };

static int fill_disk(void *context)
{
    (void)context;
    static char big[100000];
    char key[32];
    int rc = 0;
    int stored = 0;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", path_of(""), "tmpfs", 0, "size=1m") != 0) {
        (void)fputs(strerror(errno), stderr);
        return CANNOT_MOUNT;
    }
    memset(big, 'b', sizeof(big));
    put("old", "old");
    while (stored < 20 && !rc) {
        (void)snprintf(key, sizeof(key), "k/%02d", stored);
        rc = cf_store_put(tested.store, key, big, sizeof(big), &err);
        stored += !rc;
    }
    if (rc != CF_ERETRY || stored < 5 || strcmp(err.key, key) != 0) {
        return 1;
    }
    if (cf_store_put_new(tested.store, key, big, sizeof(big), &err) != CF_ERETRY ||
        cf_store_put(tested.store, "old", big, sizeof(big), &err) != CF_ERETRY) {
        return 2;
    }
    /* What is there is whole, and nothing was left behind. */
    expect_text("old", "old");
    struct cf_op list = {.kind = CF_OP_LIST, .key = "k/"};
    if (cf_store_run(tested.store, &list, 1) != 0 || (int)list.listed_count != stored) {
        return 3;
    }
    for (size_t i = 0; i < list.listed_count; i++) {
        if (list.listed[i].size != sizeof(big)) {
            return 4;
        }
    }
    cf_op_release(&list);
    if (tidy() != 0) {
        return 5;
    }
    /* With room again, it goes on. */
    if (cf_store_delete(tested.store, "k/00", &err) != 0) {
        return 6;
    }
    return cf_store_put(tested.store, key, big, sizeof(big), &err);
}

START_TEST(a_full_disk_means_try_again_later)
{
    struct captured captured;
    put("made/k", "x"); /* makes the root, over which the small disk is mounted */
    capture_run(fill_disk, NULL, &captured);
    if (captured.exit_status == CANNOT_MOUNT) {
        (void)fprintf(stderr,
                      "# SKIP a_full_disk_means_try_again_later: mounting a small disk: %s\n",
                      cf_buf_str(&captured.err));
    } else {
        ck_assert_msg(captured.exit_status == 0, "%d: %s", captured.exit_status,
                      cf_buf_str(&captured.err));
    }
    captured_release(&captured);
}
END_TEST

Suite *store_disk_suite(void)
{
    Suite *suite = suite_create("store_disk");
    TCase *tc = tcase_create("disk");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_not_allowed_is_denied);
    tcase_add_test(tc, a_full_disk_means_try_again_later);
    suite_add_tcase(suite, tc);
    return suite;
}
