/* cf_job_main from end to end: what a job does, and what is left of it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "tests/unit/job_dummy.h"

static struct cf_error err;

START_TEST(a_run_commits_and_leaves_its_record)
{
    ck_assert_int_eq(dummy_main("--store STORE --tenant OCTOCAT --force"), 0);
    dummy_expect_out("start 0\nrun octocat force Octocat - 0 0\nfinish\n");
    ck_assert_uint_eq(dummy_find("tenants/octocat/repos/v/").count, 1);
    json_t *document = dummy_record("octocat");
    const json_t *input = json_array_get(json_object_get(document, "inputs"), 0);
    const json_t *output = json_array_get(json_object_get(document, "outputs"), 0);
    ck_assert_str_eq(dummy_text(document, "job"), "dummy");
    ck_assert_str_eq(dummy_text(document, "tenant"), "octocat");
    ck_assert_str_eq(dummy_text(document, "outcome"), "committed");
    ck_assert(json_is_null(json_object_get(document, "error")));
    ck_assert_int_eq(json_integer_value(json_object_get(document, "exit_status")), 0);
    ck_assert_str_ne(dummy_text(document, "build"), "");
    ck_assert_int_ge(strcmp(dummy_text(document, "ended"), dummy_text(document, "started")), 0);
    ck_assert_str_eq(dummy_text(input, "dataset"), "config");
    ck_assert_str_eq(dummy_text(output, "dataset"), "repos");
    ck_assert_int_eq(json_integer_value(json_object_get(output, "version")), 1);
    ck_assert_int_gt(json_integer_value(json_object_get(document, "peak_memory_bytes")), 1 << 20);
    ck_assert_double_lt(json_number_value(json_object_get(document, "cpu_seconds")), 60);
    json_decref(document);
}
END_TEST

START_TEST(the_log_is_json_with_the_context)
{
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), 0);
    size_t ended = 0;
    for (char *line = strtok(dummy_captured.err.data, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *object = NULL;
        ck_assert_msg(cf_json_parse(line, strlen(line), "it", &object, &err) == 0, "%s", line);
        ck_assert_str_eq(dummy_text(object, "job"), "dummy");
        if (strcmp(dummy_text(object, "event"), "run_ended") == 0) {
            ended++;
            ck_assert_str_eq(dummy_text(object, "tenant"), "octocat");
            ck_assert_str_eq(dummy_text(object, "outcome"), "committed");
            json_t *document = dummy_record("octocat");
            ck_assert_str_eq(dummy_text(object, "run"), dummy_text(document, "run"));
            json_decref(document);
        }
        json_decref(object);
    }
    ck_assert_uint_eq(ended, 1);
    (void)setenv("CLOUDFOLIO_LOG", "text", 1);
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"),
                     75); /* version 1 is there already */
    dummy_expect_logged("dummy [octocat] run_ended outcome=failed");
    (void)setenv("CLOUDFOLIO_LOG_LEVEL", "error", 1);
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat --dry-run"), 0);
    ck_assert_uint_eq(dummy_captured.err.length, 0);
}
END_TEST

START_TEST(every_failure_has_its_status)
{
    static const int codes[] = {CF_ENOTFOUND, CF_ERETRY,  CF_EUNAVAILABLE, CF_EDENIED,
                                CF_EDATA,     CF_ECONFIG, CF_EUSAGE,       CF_EINTERNAL};
    static const int statuses[] = {65, 75, 69, 77, 65, 78, 64, 70};
    dummy_plan.failing = "octocat";
    dummy_plan.code = codes[_i];
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), statuses[_i]);
    dummy_expect_logged("\"error\":\"planned\"");
    json_t *document = dummy_record("octocat");
    const json_t *error = json_object_get(document, "error");
    ck_assert_str_eq(dummy_text(document, "outcome"), "failed");
    ck_assert_int_eq(json_integer_value(json_object_get(document, "exit_status")), statuses[_i]);
    ck_assert_str_eq(dummy_text(error, "code"), cf_code_name(codes[_i]));
    ck_assert_str_eq(dummy_text(error, "message"), "planned");
    ck_assert_str_eq(dummy_text(error, "key"), "some/key");
    json_decref(document);
}
END_TEST

START_TEST(an_unknown_tenant_is_65_and_leaves_nothing)
{
    ck_assert_int_eq(dummy_main("--store STORE --tenant nobody"), 65);
    dummy_expect_out("start 0\nfinish\n");
    dummy_expect_logged("tenant add nobody");
    ck_assert_uint_eq(dummy_find("tenants/nobody/").count, 0);
}
END_TEST

START_TEST(a_disabled_tenant_is_skipped)
{
    dummy_add_tenant("resting", false);
    ck_assert_int_eq(dummy_main("--store STORE --tenant resting"), 0);
    dummy_expect_out("start 0\nfinish\n");
    dummy_expect_logged("disabled");
    ck_assert_uint_eq(dummy_find("tenants/resting/runs/").count, 0);
}
END_TEST

static size_t count_runs(void)
{
    size_t n = 0;
    for (const char *p = cf_buf_str(&dummy_captured.out); (p = strstr(p, "run ")); p++) {
        n++;
    }
    return n;
}

START_TEST(conflicts_are_tried_again_five_times)
{
    dummy_plan.conflicts = 4;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), 0);
    ck_assert_uint_eq(count_runs(), 5);
    json_t *document = dummy_record("octocat");
    ck_assert_str_eq(dummy_text(document, "outcome"), "committed");
    ck_assert_uint_eq(json_array_size(json_object_get(document, "inputs")), 1); /* of the last */
    json_decref(document);
}
END_TEST

START_TEST(then_it_is_try_again_later)
{
    dummy_plan.conflicts = 100;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), 75);
    ck_assert_uint_eq(count_runs(), CF_JOB_ATTEMPTS);
    json_t *document = dummy_record("octocat");
    ck_assert_str_eq(dummy_text(json_object_get(document, "error"), "code"), "conflict");
    json_decref(document);
}
END_TEST

START_TEST(a_dry_run_writes_nothing)
{
    size_t before = dummy_find("").count;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat --dry-run"), 0);
    dummy_expect_out("start 0\nrun octocat dry Octocat - 0 0\nfinish\n");
    ck_assert_uint_eq(dummy_find("").count, before);
}
END_TEST

START_TEST(one_tenant_does_not_stop_the_others)
{
    dummy_add_tenant("second", true);
    dummy_plan.failing = "octocat";
    dummy_plan.code = CF_EUNAVAILABLE;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat --tenant second"), 69);
    ck_assert_uint_eq(count_runs(), 2);
    ck_assert_uint_eq(dummy_find("tenants/second/repos/v/").count, 1);
    /* the worst status wins, whatever the order */
    ck_assert_int_eq(dummy_main("--store STORE --tenant nobody --tenant octocat --dry-run"), 65);
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat --tenant nobody --dry-run"), 65);
}
END_TEST

START_TEST(all_tenants_are_worked_on_each_by_one_shard)
{
    dummy_add_tenant("second", true);
    dummy_add_tenant("third", true);
    ck_assert_int_eq(dummy_main("--store STORE --all --dry-run"), 0);
    dummy_expect_out("start 0\nrun octocat dry Octocat - 0 0\nrun second dry second - 0 0\n"
                     "run third dry third - 0 0\nfinish\n");
    size_t runs = 0;
    for (int i = 0; i < 4; i++) {
        char arguments[64];
        (void)snprintf(arguments, sizeof(arguments), "--store STORE --all --shard %d/4 --dry-run",
                       i);
        ck_assert_int_eq(dummy_main(arguments), 0);
        runs += count_runs();
    }
    ck_assert_uint_eq(runs, 3);
}
END_TEST

START_TEST(all_passes_over_a_tenant_that_is_being_added)
{
    struct cf_store *store = NULL;
    ck_assert_int_eq(cf_store_open(dummy_url, &store, &err), 0);
    ck_assert_int_eq(
        cf_store_put(store, "tenants/almost/config/b/0000000000000001/x", "x", 1, &err), 0);
    cf_store_free(store);
    ck_assert_int_eq(dummy_main("--store STORE --all"), 0);
    ck_assert_uint_eq(count_runs(), 1);
    dummy_expect_logged("no tenant");
    ck_assert_int_eq(dummy_main("--store STORE --tenant almost"), 65);
}
END_TEST

START_TEST(an_event_chooses_tenant_and_version)
{
    ck_assert_int_eq(dummy_main("--store STORE --event tenants/octocat/request/v/7fffffffffffffd5"),
                     0);
    dummy_expect_out("start 0\nrun octocat Octocat request 42 0\nfinish\n");
    ck_assert_int_eq(dummy_main("--store STORE --event tenants/octocat/model/v/7fffffffffffffd5"),
                     65);
}
END_TEST

START_TEST(a_signal_stops_at_the_next_safe_point)
{
    dummy_add_tenant("second", true);
    dummy_plan.signals = 1;
    dummy_plan.heeds = _i == 0;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat --tenant second"), 75);
    ck_assert_uint_eq(count_runs(), 1); /* the second tenant isn't begun */
    json_t *document = dummy_record("octocat");
    ck_assert_str_eq(dummy_text(document, "outcome"),
                     dummy_plan.heeds ? "interrupted" : "committed");
    ck_assert_uint_eq(dummy_find("tenants/octocat/repos/v/").count, dummy_plan.heeds ? 0 : 1);
    json_decref(document);
}
END_TEST

START_TEST(after_a_signal_a_conflict_is_not_tried_again)
{
    dummy_plan.signals = 1;
    dummy_plan.conflicts = 3;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), 75);
    ck_assert_uint_eq(count_runs(), 1);
    json_t *document = dummy_record("octocat");
    ck_assert_str_eq(dummy_text(document, "outcome"), "interrupted");
    json_decref(document);
}
END_TEST

START_TEST(a_second_signal_ends_it_at_once)
{
    dummy_plan.signals = 2;
    ck_assert_int_eq(dummy_main("--store STORE --tenant octocat"), 75);
    ck_assert_ptr_null(strstr(cf_buf_str(&dummy_captured.out), "finish"));
    json_t *document = dummy_record("octocat"); /* as it was at the start */
    ck_assert(json_is_null(json_object_get(document, "ended")));
    json_decref(document);
}
END_TEST

Suite *job_main_suite(void)
{
    Suite *suite = suite_create("job_main");
    TCase *tc = tcase_create("main");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, dummy_setup, dummy_teardown);
    tcase_add_test(tc, a_run_commits_and_leaves_its_record);
    tcase_add_test(tc, the_log_is_json_with_the_context);
    tcase_add_loop_test(tc, every_failure_has_its_status, 0, 8);
    tcase_add_test(tc, an_unknown_tenant_is_65_and_leaves_nothing);
    tcase_add_test(tc, a_disabled_tenant_is_skipped);
    tcase_add_test(tc, conflicts_are_tried_again_five_times);
    tcase_add_test(tc, then_it_is_try_again_later);
    tcase_add_test(tc, a_dry_run_writes_nothing);
    tcase_add_test(tc, one_tenant_does_not_stop_the_others);
    tcase_add_test(tc, all_tenants_are_worked_on_each_by_one_shard);
    tcase_add_test(tc, all_passes_over_a_tenant_that_is_being_added);
    tcase_add_test(tc, an_event_chooses_tenant_and_version);
    tcase_add_loop_test(tc, a_signal_stops_at_the_next_safe_point, 0, 2);
    tcase_add_test(tc, after_a_signal_a_conflict_is_not_tried_again);
    tcase_add_test(tc, a_second_signal_ends_it_at_once);
    suite_add_tcase(suite, tc);
    return suite;
}
