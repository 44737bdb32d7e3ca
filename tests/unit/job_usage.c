/* cf_job_main: the command line, its help, and what is refused before any work. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/job_dummy.h"

static struct cf_error err;

START_TEST(the_help_lists_every_option)
{
    static const char *const words[] = {"cloudfolio-dummy: does as it is told",
                                        "--store URL",
                                        "CLOUDFOLIO_STORE",
                                        "--tenant NAME",
                                        "CLOUDFOLIO_TENANT",
                                        "--all",
                                        "CLOUDFOLIO_ALL",
                                        "--shard I/N",
                                        "CLOUDFOLIO_SHARD",
                                        "--event KEY",
                                        "CLOUDFOLIO_EVENT",
                                        "--force",
                                        "CLOUDFOLIO_FORCE",
                                        "--dry-run",
                                        "CLOUDFOLIO_DRY_RUN",
                                        "--help",
                                        "--version",
                                        "--number N",
                                        "DUMMY_NUMBER",
                                        "A note at the end.",
                                        "CLOUDFOLIO_LOG=json|text",
                                        "CLOUDFOLIO_LOG_LEVEL",
                                        "75 try again"};
    ck_assert_int_eq(dummy_main("--help"), 0);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        ck_assert_msg(strstr(dummy_captured.out.data, words[i]) != NULL, "no %s", words[i]);
    }
    ck_assert_uint_eq(dummy_captured.err.length, 0);
    ck_assert_int_eq(dummy_main("--version"), 0);
    ck_assert(strncmp(dummy_captured.out.data, "cloudfolio-dummy ", 17) == 0);
}
END_TEST

static const struct {
    const char *arguments;
    const char *variable;
    const char *value;
    int status;
    const char *named;
} wrong[] = {
    {"--tenant octocat", NULL, NULL, 64, "--store"},
    {"--store STORE", NULL, NULL, 64, "exactly one"},
    {"--store STORE --all --tenant octocat", NULL, NULL, 64, "exactly one"},
    {"--store STORE --tenant ../x", NULL, NULL, 64, "../x"},
    {"--store STORE --tenant octocat more", NULL, NULL, 64, "more"},
    {"--store STORE --tenant octocat --more", NULL, NULL, 64, "--more"},
    {"--store STORE --tenant octocat --number 10", NULL, NULL, 64, "--number"},
    {"--store STORE --tenant octocat --shard 0/2", NULL, NULL, 64, "--shard"},
    {"--store nothing:/x --tenant octocat", NULL, NULL, 64, "nothing:/x"},
    {"--store STORE --event x", NULL, NULL, 65, "--event"},
    {"--store STORE --tenant octocat", "CLOUDFOLIO_LOG", "xml", 78, "CLOUDFOLIO_LOG"},
    {"--help", "CLOUDFOLIO_LOG", "JSON", 78, "CLOUDFOLIO_LOG"},
    {"--store STORE --tenant octocat", "CLOUDFOLIO_LOG_LEVEL", "all", 78, "CLOUDFOLIO_LOG_LEVEL"},
    {"--store STORE --tenant octocat", "CLOUDFOLIO_FORCE", "yes", 78, "CLOUDFOLIO_FORCE"},
    {"--store STORE --tenant octocat", "DUMMY_NUMBER", "0", 78, "DUMMY_NUMBER"},
};

START_TEST(what_is_wrong_is_told)
{
    if (wrong[_i].variable) {
        (void)setenv(wrong[_i].variable, wrong[_i].value, 1);
    }
    ck_assert_int_eq(dummy_main(wrong[_i].arguments), wrong[_i].status);
    dummy_expect_logged(wrong[_i].named);
    ck_assert_ptr_null(strstr(cf_buf_str(&dummy_captured.out), "run "));
    ck_assert_ptr_null(strstr(cf_buf_str(&dummy_captured.out), "finish")); /* it never started */
    ck_assert_uint_eq(dummy_find("tenants/octocat/runs/").count, 0);
}
END_TEST

START_TEST(the_environment_is_enough)
{
    (void)setenv("CLOUDFOLIO_STORE", dummy_url, 1);
    (void)setenv("CLOUDFOLIO_TENANT", "octocat,nobody", 1);
    (void)setenv("CLOUDFOLIO_DRY_RUN", "1", 1);
    (void)setenv("DUMMY_NUMBER", "7", 1);
    ck_assert_int_eq(dummy_main(""), 65);
    dummy_expect_out("start 0\nrun octocat dry Octocat - 0 7\nfinish\n");
}
END_TEST

START_TEST(a_store_of_another_contract_is_refused)
{
    struct cf_store *store = NULL;
    ck_assert_int_eq(cf_store_open(dummy_url, &store, &err), 0);
    ck_assert_int_eq(cf_store_put(store, "cloudfolio.json", "{\"contract\":2}", 14, &err), 0);
    cf_store_free(store);
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), 78);
    dummy_expect_logged("contract 2");
    ck_assert_int_eq(cf_job_open_store("", &store, &err), CF_EUSAGE);
    ck_assert_int_eq(cf_job_open_store(NULL, &store, &err), CF_EUSAGE);
}
END_TEST

START_TEST(a_start_that_fails_ends_it)
{
    dummy_plan.start_code = CF_EDENIED;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), 77);
    dummy_expect_out("start 0\nfinish\n");
    dummy_expect_logged("the start failed");
}
END_TEST

Suite *job_usage_suite(void)
{
    Suite *suite = suite_create("job_usage");
    TCase *tc = tcase_create("usage");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, dummy_setup, dummy_teardown);
    tcase_add_test(tc, the_help_lists_every_option);
    tcase_add_loop_test(tc, what_is_wrong_is_told, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_test(tc, the_environment_is_enough);
    tcase_add_test(tc, a_store_of_another_contract_is_refused);
    tcase_add_test(tc, a_start_that_fails_ends_it);
    suite_add_tcase(suite, tc);
    return suite;
}
