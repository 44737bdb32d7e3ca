/* What only the file driver does: names on a disk, processes that die, folders that vanish. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/store/store.h"
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

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    ck_assert_ptr_nonnull(file);
    (void)fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
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

/* Names with ";" behind each. */
static const char *listing(void)
{
    static char names[1024];
    struct cf_op list = {.kind = CF_OP_LIST, .key = ""};
    names[0] = '\0';
    ck_assert_int_eq(cf_store_run(tested.store, &list, 1), 0);
    for (size_t i = 0; i < list.listed_count; i++) {
        strcat(strcat(names, list.listed[i].key), ";");
    }
    cf_op_release(&list);
    return names;
}

static uint64_t tidy(void)
{
    uint64_t removed = 0;
    ck_assert_int_eq(cf_store_tidy(tested.store, &removed, &err), 0);
    return removed;
}

START_TEST(urls_name_an_absolute_path)
{
    static const char *const bad[] = {
        "file:relative", "file:", "file:./x", "nothing:/x", "/x", "", "filex", "FILE:/x", "file"};
    struct cf_store *store = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(cf_store_open(bad[i], &store, &err) == CF_EUSAGE, "%s", bad[i]);
        ck_assert_int_eq(err.code, CF_EUSAGE);
    }
    char *endless = cf_asprintf("file:/%04000d", 1);
    ck_assert_int_eq(cf_store_open(endless, &store, &err), CF_EUSAGE);
    free(endless);
    put("k", "x");
    char *url = cf_asprintf("file://%s/store///", tested.folder);
    ck_assert_int_eq(cf_store_open(url, &store, &err), 0);
    ck_assert_str_eq(cf_store_url(store), url);
    struct cf_buf body = CF_BUF_INIT;
    ck_assert_int_eq(cf_store_get(store, "k", &body, &err), 0);
    ck_assert_str_eq(body.data, "x");
    cf_buf_release(&body);
    cf_store_free(store);
    cf_store_free(NULL);
    free(url);
}
END_TEST

START_TEST(nothing_is_created_before_the_first_put)
{
    ck_assert_str_eq(listing(), "");
    ck_assert_uint_eq(tidy(), 0);
    ck_assert_int_eq(cf_store_delete(tested.store, "a/b", &err), 0);
    ck_assert_int_eq(access(path_of(""), F_OK), -1);
    put("a/b/c", "x");
    expect_text("a/b/c", "x");
}
END_TEST

START_TEST(a_key_is_the_path_and_folders_go_when_they_are_empty)
{
    put("a/b/c", "text");
    put("a/d", "x");
    char text[8] = "";
    FILE *file = fopen(path_of("a/b/c"), "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(text, 1, sizeof(text), file), 4);
    (void)fclose(file);
    ck_assert_str_eq(text, "text");
    ck_assert_int_eq(cf_store_delete(tested.store, "a/b/c", &err), 0);
    ck_assert_int_eq(access(path_of("a/b"), F_OK), -1);
    ck_assert_int_eq(access(path_of("a"), F_OK), 0);
    ck_assert_int_eq(cf_store_delete(tested.store, "a/d", &err), 0);
    ck_assert_int_eq(access(path_of("a"), F_OK), -1);
    ck_assert_int_eq(access(path_of(""), F_OK), 0);
}
END_TEST

START_TEST(what_is_not_a_key_is_not_listed)
{
    put("a/b", "x");
    write_file("a/~0123456789abcdef", "half");
    write_file("~top", "half");
    write_file("a/Upper", "x");
    write_file("a/with blank", "x");
    ck_assert_int_eq(mkdir(path_of("a/Folder"), 0777), 0);
    write_file("a/Folder/k", "x");
    ck_assert_int_eq(mkdir(path_of("empty"), 0777), 0);
    ck_assert_str_eq(listing(), "a/b;");
}
END_TEST

START_TEST(links_and_pipes_are_not_followed)
{
    struct cf_buf body = CF_BUF_INIT;
    put("a/b", "x");
    put("secret", "secret");
    char *target = cf_strdup(path_of("secret"));
    ck_assert_int_eq(symlink(target, path_of("a/link")), 0);
    ck_assert_int_eq(mkfifo(path_of("a/pipe"), 0666), 0);
    ck_assert_str_eq(listing(), "a/b;secret;");
    ck_assert_int_eq(cf_store_get(tested.store, "a/link", &body, &err), CF_ENOTFOUND);
    ck_assert_int_eq(cf_store_get(tested.store, "a/pipe", &body, &err), CF_ENOTFOUND);
    ck_assert_int_eq(cf_store_put_new(tested.store, "a/link", "y", 1, &err), CF_ECONFLICT);
    put("a/link", "mine");
    expect_text("a/link", "mine");
    expect_text("secret", "secret");
    ck_assert_uint_eq(tidy(), 0);
    free(target);
}
END_TEST

START_TEST(an_object_in_the_place_of_a_folder_is_an_error)
{
    put("a", "x");
    ck_assert_int_ne(cf_store_put(tested.store, "a/b", "y", 1, &err), 0);
    put("f/b", "y");
    ck_assert_int_ne(cf_store_put(tested.store, "f", "y", 1, &err), 0);
    expect_text("a", "x");
    expect_text("f/b", "y");
    ck_assert_str_eq(listing(), "a;f/b;");
    ck_assert_uint_eq(tidy(), 0);
}
END_TEST

START_TEST(etags_differ_even_when_inodes_are_reused)
{
    char before[CF_ETAG_MAX] = "";
    for (int i = 0; i < 500; i++) {
        struct cf_op op = {.kind = CF_OP_PUT_NEW, .key = "k", .data = "same", .length = 4};
        ck_assert_int_eq(cf_store_run(tested.store, &op, 1), 0);
        ck_assert_msg(strcmp(op.etag, before) != 0, "round %d: %s twice", i, op.etag);
        memcpy(before, op.etag, sizeof(before));
        ck_assert_int_eq(cf_store_delete(tested.store, "k", &err), 0);
    }
}
END_TEST

/* --- other processes ----------------------------------------------------------------------------
 */

/* A child that is in the middle of writing "slow/key": it has sent one piece, and goes on when it
 * is told to. */
struct writer {
    pid_t pid;
    int started[2];
    int go_on[2];
    int step;
};

static int slow_read(void *context, void *data, size_t size, size_t *got)
{
    struct writer *w = context;
    char c = 0;
    if (w->step == 1) {
        (void)!write(w->started[1], "s", 1);
        (void)!read(w->go_on[0], &c, 1);
    }
    *got = w->step < 2 ? size : 0;
    memset(data, 'w', *got);
    w->step++;
    return 0;
}

static int slow_rewind(void *context)
{
    ((struct writer *)context)->step = 0;
    return 0;
}

static void start_writer(struct writer *w, enum cf_op_kind kind)
{
    char c = 0;
    ck_assert(pipe(w->started) == 0 && pipe(w->go_on) == 0);
    w->pid = fork();
    if (w->pid == 0) {
        struct cf_source source = {
            .read = slow_read, .rewind = slow_rewind, .context = w, .size = 2 * 65536};
        struct cf_op op = {.kind = kind, .key = "slow/key", .source = &source};
        _exit(cf_store_run(tested.store, &op, 1) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(read(w->started[0], &c, 1), 1);
}

static int end_writer(const struct writer *w)
{
    int status = 0;
    ck_assert_int_eq(write(w->go_on[1], "g", 1), 1);
    ck_assert_int_eq(waitpid(w->pid, &status, 0), w->pid);
    return status;
}

START_TEST(tidy_spares_a_writer_that_lives)
{
    struct writer w = {0};
    struct cf_op stat = {.kind = CF_OP_STAT, .key = "slow/key"};
    start_writer(&w, _i ? CF_OP_PUT_NEW : CF_OP_PUT);
    write_file("slow/~dead", "left by somebody else");
    write_file("~dead", "left by somebody else");
    ck_assert_str_eq(listing(), "");
    ck_assert_uint_eq(tidy(), 2);
    ck_assert_int_eq(end_writer(&w), 0);
    ck_assert_str_eq(listing(), "slow/key;");
    ck_assert_int_eq(cf_store_run(tested.store, &stat, 1), 0);
    ck_assert_uint_eq(stat.size, 2 * 65536);
    ck_assert_uint_eq(tidy(), 0);
}
END_TEST

START_TEST(a_killed_writer_leaves_only_what_tidy_removes)
{
    struct writer w = {0};
    int status = 0;
    start_writer(&w, CF_OP_PUT);
    ck_assert_int_eq(kill(w.pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(w.pid, &status, 0), w.pid);
    ck_assert_str_eq(listing(), "");
    ck_assert_uint_eq(tidy(), 1);
    ck_assert_uint_eq(tidy(), 0);
}
END_TEST

START_TEST(processes_that_race_for_a_key_have_one_winner)
{
    enum { RACERS = 8, ROUNDS = 8 };
    for (int round = 0; round < ROUNDS; round++) {
        char key[32];
        char text[2] = "?";
        int gate[2];
        int winners = 0;
        pid_t pids[RACERS];
        (void)snprintf(key, sizeof(key), "race/%d/k", round);
        ck_assert_int_eq(pipe(gate), 0);
        for (int i = 0; i < RACERS; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                char c = (char)('a' + i);
                (void)close(gate[1]);
                (void)!read(gate[0], text, 1);
                int rc = cf_store_put_new(tested.store, key, &c, 1, &err);
                _exit(rc == 0 ? 0 : rc == CF_ECONFLICT ? 1 : 2);
            }
        }
        (void)close(gate[1]); /* lets all of them go */
        (void)close(gate[0]);
        for (int i = 0; i < RACERS; i++) {
            int status = 0;
            ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
            ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2);
            if (WEXITSTATUS(status) == 0) {
                winners++;
                text[0] = (char)('a' + i);
            }
        }
        ck_assert_int_eq(winners, 1);
        expect_text(key, text);
    }
}
END_TEST

/* Puts, reads and deletes one key for a while; the folder goes whenever it is empty. */
static int churn(const char *key, bool shared)
{
    int64_t end = cf_clock_monotonic_ms() + 1000;
    while (cf_clock_monotonic_ms() < end) {
        struct cf_buf body = CF_BUF_INIT;
        int rc = cf_store_put(tested.store, key, "x", 1, &err);
        if (!rc && !shared) {
            rc = cf_store_get(tested.store, key, &body, &err);
        }
        cf_buf_release(&body);
        if (rc || (rc = cf_store_delete(tested.store, key, &err))) {
            (void)fprintf(stderr, "%s: %s\n", key, err.message);
            return 1;
        }
    }
    return 0;
}

START_TEST(a_put_survives_that_its_folder_is_removed)
{
    /* first with a key each, then with one for all: a put may be undone, but doesn't fail */
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            char key[32];
            (void)snprintf(key, sizeof(key), "deep/folder/k%d", _i ? 0 : i);
            _exit(churn(key, _i == 1));
        }
    }
    for (int i = 0; i < 4; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_str_eq(listing(), "");
    ck_assert_uint_eq(tidy(), 0);
}
END_TEST

Suite *store_file_suite(void)
{
    Suite *suite = suite_create("store_file");
    TCase *tc = tcase_create("file");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, urls_name_an_absolute_path);
    tcase_add_test(tc, nothing_is_created_before_the_first_put);
    tcase_add_test(tc, a_key_is_the_path_and_folders_go_when_they_are_empty);
    tcase_add_test(tc, what_is_not_a_key_is_not_listed);
    tcase_add_test(tc, links_and_pipes_are_not_followed);
    tcase_add_test(tc, an_object_in_the_place_of_a_folder_is_an_error);
    tcase_add_test(tc, etags_differ_even_when_inodes_are_reused);
    tcase_add_loop_test(tc, tidy_spares_a_writer_that_lives, 0, 2);
    tcase_add_test(tc, a_killed_writer_leaves_only_what_tidy_removes);
    tcase_add_test(tc, processes_that_race_for_a_key_have_one_winner);
    tcase_add_loop_test(tc, a_put_survives_that_its_folder_is_removed, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
