#include <check.h>
#include <string.h>

#include "jobs/cloudfolio/files.h"
#include "jobs/cloudfolio/names.h"
#include "jobs/cloudfolio/runs.h"
#include "jobs/cloudfolio/tool.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    const char *a, *b;
    size_t distance;
} distances[] = {
    {"", "", 0},
    {"", "abc", 3},
    {"abc", "", 3},
    {"status", "status", 0},
    {"statsu", "status", 1},
    {"kitten", "sitting", 3},
    {"lgo", "log", 1},
    {"ca", "abc", 3},
    {"repo", "repos", 1},
    {"abcd", "badc", 2},
};

START_TEST(counts_changes_and_swaps)
{
    ck_assert_uint_eq(tool_distance(distances[_i].a, distances[_i].b), distances[_i].distance);
    ck_assert_uint_eq(tool_distance(distances[_i].b, distances[_i].a), distances[_i].distance);
}
END_TEST

START_TEST(counts_long_words_up_to_63_bytes)
{
    char a[200];
    char b[200];
    memset(a, 'a', sizeof(a) - 1);
    memset(b, 'b', sizeof(b) - 1);
    a[sizeof(a) - 1] = b[sizeof(b) - 1] = '\0';
    ck_assert_uint_eq(tool_distance(a, b), 63);
    ck_assert_uint_eq(tool_distance(a, a), 0);
}
END_TEST

START_TEST(nearest_is_near_enough_or_none)
{
    static const char *const names[] = {"status", "log", "cat", "rollback"};
    ck_assert_str_eq(tool_nearest("statsu", names, COUNT(names)), "status");
    ck_assert_str_eq(tool_nearest("rolback", names, COUNT(names)), "rollback");
    ck_assert_str_eq(tool_nearest("lo", names, COUNT(names)), "log");
    ck_assert_ptr_null(tool_nearest("xylophone", names, COUNT(names)));
    ck_assert_ptr_null(tool_nearest("log", names, 0));
}
END_TEST

static const struct tool_command commands[] = {
    {.name = "tenant add"}, {.name = "tenant list"}, {.name = "log"}, {.name = "status"}, {0},
};

static const struct {
    const char *words[3];
    size_t count;
    const char *name; /* NULL: none */
    size_t used;
    const char *says;
} lines[] = {
    {{"log", "octocat"}, 2, "log", 1, NULL},
    {{"tenant", "list"}, 2, "tenant list", 2, NULL},
    {{"tenant", "add", "octocat"}, 3, "tenant add", 2, NULL},
    {{"tenant", "lits"}, 2, NULL, 0, "\"tenant list\" is"},
    {{"tenant"}, 1, NULL, 0, "\"tenant add\" is"},
    {{"tenant", "xylophone"}, 2, NULL, 0, "\"tenant add\" is"},
    {{"satus"}, 1, NULL, 0, "\"status\" is"},
    {{"xylophone", "log"}, 2, NULL, 0, "--help"},
    {{""}, 1, NULL, 0, "--help"},
    {{NULL}, 0, NULL, 0, "a command is needed"},
};

START_TEST(finds_commands_of_one_and_two_words)
{
    const struct tool_command *command;
    struct cf_error err;
    char *words[3] = {NULL};
    size_t used = 0;
    for (size_t i = 0; i < lines[_i].count; i++) {
        words[i] = strdup(lines[_i].words[i]);
    }
    int rc = tool_find_command(commands, words, lines[_i].count, &command, &used, &err);
    if (lines[_i].name) {
        ck_assert_int_eq(rc, 0);
        ck_assert_str_eq(command->name, lines[_i].name);
        ck_assert_uint_eq(used, lines[_i].used);
    } else {
        ck_assert_int_eq(rc, CF_EUSAGE);
        ck_assert_msg(strstr(err.message, lines[_i].says) != NULL, "%s", err.message);
    }
    for (size_t i = 0; i < lines[_i].count; i++) {
        free(words[i]);
    }
}
END_TEST

START_TEST(versions_are_whole_numbers_from_1)
{
    static const char *const wrong[] = {"",
                                        "v",
                                        "0",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "x",
                                        "1.5",
                                        "vv1",
                                        "v-1",
                                        "9223372036854775807",
                                        "99999999999999999999999"};
    struct cf_error err;
    uint64_t version;
    ck_assert_int_eq(tool_version("12", &version, &err), 0);
    ck_assert_uint_eq(version, 12);
    ck_assert_int_eq(tool_version("v7", &version, &err), 0);
    ck_assert_uint_eq(version, 7);
    ck_assert_int_eq(tool_version("9223372036854775806", &version, &err), 0);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        ck_assert_msg(tool_version(wrong[i], &version, &err) == CF_EUSAGE, "\"%s\"", wrong[i]);
    }
}
END_TEST

START_TEST(every_dataset_is_one_of_the_contract)
{
    struct cf_error err;
    for (size_t i = 0; tool_datasets[i]; i++) {
        ck_assert_int_eq(tool_check_dataset(tool_datasets[i], &err), 0);
    }
    ck_assert_int_eq(tool_check_dataset("modle", &err), CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "\"model\" is"));
    ck_assert_int_eq(tool_check_dataset("xylophone", &err), CF_EUSAGE);
}
END_TEST

START_TEST(names_of_run_records)
{
    static const char *const wrong[] = {
        "",
        ".json",
        "sync.json",
        "-01a20dae4021-6b5c936c4f9ffb45.json",
        "sync-01a20dae4021-6b5c936c4f9ffb4.json",
        "sync-01a20dae4021x6b5c936c4f9ffb45.json",
        "sync-01A20dae4021-6b5c936c4f9ffb45.json",
        "sync-01a20dae4021-6b5c936c4f9ffb45.jsonx",
        "sync_01a20dae4021-6b5c936c4f9ffb45.json",
    };
    size_t length;
    const char *run;
    ck_assert(tool_run_name("sync-01a20dae4021-6b5c936c4f9ffb45.json", &length, &run));
    ck_assert_uint_eq(length, 4);
    ck_assert_str_eq(run, "01a20dae4021-6b5c936c4f9ffb45.json");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        ck_assert_msg(!tool_run_name(wrong[i], &length, &run), "\"%s\"", wrong[i]);
    }
}
END_TEST

START_TEST(names_of_files_stay_in_their_folder)
{
    static const char *const wrong[] = {"",     ".",    "..",   ".hidden", "a/b",
                                        "/etc", "../x", "a\nb", "a b",     "a\\b"};
    char longest[300];
    ck_assert(tool_file_name_is_safe("README.md"));
    ck_assert(tool_file_name_is_safe("encoder-2_x.safetensors"));
    for (size_t i = 0; i < COUNT(wrong); i++) {
        ck_assert_msg(!tool_file_name_is_safe(wrong[i]), "\"%s\"", wrong[i]);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[256] = '\0';
    ck_assert(!tool_file_name_is_safe(longest));
    longest[255] = '\0';
    ck_assert(tool_file_name_is_safe(longest));
}
END_TEST

Suite *tool_names_suite(void)
{
    Suite *suite = suite_create("tool_names");
    TCase *tc = tcase_create("names");
    tcase_add_loop_test(tc, counts_changes_and_swaps, 0, (int)COUNT(distances));
    tcase_add_test(tc, counts_long_words_up_to_63_bytes);
    tcase_add_test(tc, nearest_is_near_enough_or_none);
    tcase_add_loop_test(tc, finds_commands_of_one_and_two_words, 0, (int)COUNT(lines));
    tcase_add_test(tc, versions_are_whole_numbers_from_1);
    tcase_add_test(tc, every_dataset_is_one_of_the_contract);
    tcase_add_test(tc, names_of_run_records);
    tcase_add_test(tc, names_of_files_stay_in_their_folder);
    suite_add_tcase(suite, tc);
    return suite;
}
