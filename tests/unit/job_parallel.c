/* cf_job_main with --parallel: tenants that take turns, each with its own record, log context and
 * processor time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/job_dummy.h"

static const char *const names[] = {"octocat", "second", "third", "ultra"};
enum { TENANTS = sizeof(names) / sizeof(names[0]) };

static void setup(void)
{
    dummy_setup();
    for (size_t i = 1; i < TENANTS; i++) {
        dummy_add_tenant(names[i], true);
    }
    dummy_plan.parallel = 3;
    dummy_plan.pauses = true;
}

/* The order in which runs began and ended: "+octocat +second -octocat …". */
static void expect_order(const char *expected)
{
    struct cf_buf order = CF_BUF_INIT;
    for (char *line = strtok(dummy_captured.out.data, "\n"); line; line = strtok(NULL, "\n")) {
        bool begins = strncmp(line, "run ", 4) == 0;
        if (begins || strncmp(line, "end ", 4) == 0) {
            const char *name = line + 4;
            cf_buf_printf(&order, "%s%c%.*s", order.length ? " " : "", begins ? '+' : '-',
                          (int)strcspn(name, " "), name);
        }
    }
    ck_assert_str_eq(cf_buf_str(&order), expected);
    cf_buf_release(&order);
}

static void expect_outcome(const char *tenant, const char *outcome)
{
    json_t *record = dummy_record(tenant);
    ck_assert_str_eq(dummy_text(record, "tenant"), tenant);
    ck_assert_str_eq(dummy_text(record, "outcome"), outcome);
    json_decref(record);
}

START_TEST(tenants_take_turns)
{
    static const struct {
        const char *arguments;
        const char *variable;
        const char *order;
    } cases[] = {
        {"--store STORE --all --parallel 2", NULL,
         "+octocat +second -octocat -second +third +ultra -third -ultra"},
        {"--store STORE --all", NULL, /* as many as the job says */
         "+octocat +second +third -octocat -second -third +ultra -ultra"},
        {"--store STORE --all", "4",
         "+octocat +second +third +ultra -octocat -second -third -ultra"},
        {"--store STORE --all --parallel 64", "1",
         "+octocat +second +third +ultra -octocat -second -third -ultra"},
        {"--store STORE --all --parallel 1", NULL,
         "+octocat -octocat +second -second +third -third +ultra -ultra"},
        {"--store STORE --tenant third --parallel 8", NULL, "+third -third"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].variable) {
            (void)setenv("CLOUDFOLIO_PARALLEL", cases[i].variable, 1);
        }
        char arguments[128];
        (void)snprintf(arguments, sizeof(arguments), "%s --dry-run", cases[i].arguments);
        ck_assert_int_eq(dummy_main(arguments), 0);
        expect_order(cases[i].order);
        (void)unsetenv("CLOUDFOLIO_PARALLEL");
    }
}
END_TEST

/* The line "run_ended" of a tenant must name the run of its record. */
static void expect_ended_once(const char *log, const char *tenant)
{
    json_t *record = dummy_record(tenant);
    char context[160];
    size_t lines = 0;
    (void)snprintf(context, sizeof(context),
                   "\"job\":\"dummy\",\"run\":\"%s\",\"tenant\":\"%s\",\"event\":\"run_ended\"",
                   dummy_text(record, "run"), tenant);
    for (const char *p = log; (p = strstr(p, context)); p++) {
        lines++;
    }
    ck_assert_msg(lines == 1, "%zu times %s in %s", lines, context, log);
    json_decref(record);
}

START_TEST(each_tenant_has_one_record_and_its_own_context)
{
    ck_assert_int_eq(dummy_main("--store STORE --all"), 0);
    for (size_t i = 0; i < TENANTS; i++) {
        char prefix[64];
        expect_outcome(names[i], "committed");
        expect_ended_once(cf_buf_str(&dummy_captured.err), names[i]);
        (void)snprintf(prefix, sizeof(prefix), "tenants/%s/repos/v/", names[i]);
        ck_assert_uint_eq(dummy_find(prefix).count, 1);
    }
    expect_order("+octocat +second +third -octocat -second -third +ultra -ultra");
}
END_TEST

START_TEST(the_worst_status_wins)
{
    dummy_plan.failing = names[_i];
    dummy_plan.code = CF_EUNAVAILABLE;
    ck_assert_int_eq(dummy_main("--store STORE --all"), 69);
    for (int i = 0; i < TENANTS; i++) {
        expect_outcome(names[i], i == _i ? "failed" : "committed");
    }
    ck_assert_int_eq(dummy_main("--store STORE --tenant nobody --tenant ultra --dry-run"), 65);
    ck_assert_int_eq(dummy_main("--store STORE --tenant ultra --tenant nobody --dry-run"), 65);
}
END_TEST

START_TEST(a_stop_in_the_middle_leaves_the_rest_out)
{
    dummy_plan.signals = 1;
    dummy_plan.signaller = "second";
    dummy_plan.heeds = _i == 0;
    ck_assert_int_eq(dummy_main("--store STORE --all --parallel 2"), 75);
    expect_order("+octocat +second -octocat -second");
    expect_outcome("octocat", dummy_plan.heeds ? "interrupted" : "committed");
    expect_outcome("second", dummy_plan.heeds ? "interrupted" : "committed");
    ck_assert_uint_eq(dummy_find("tenants/third/runs/").count, 0);
    ck_assert_uint_eq(dummy_find("tenants/ultra/runs/").count, 0);
    dummy_expect_logged("2 tenants weren't begun");
}
END_TEST

START_TEST(conflicts_are_each_tenants_own)
{
    dummy_plan.conflicts = 2;
    ck_assert_int_eq(dummy_main("--store STORE --all --parallel 2"), 0);
    expect_order("+octocat +second -octocat +octocat -second +second -octocat -second "
                 "+third +ultra -third -ultra");
    for (size_t i = 0; i < TENANTS; i++) {
        expect_outcome(names[i], "committed");
    }
}
END_TEST

START_TEST(a_jobs_own_number_is_needed)
{
    ck_assert_int_eq(dummy_main("--help"), 0);
    ck_assert_ptr_nonnull(strstr(cf_buf_str(&dummy_captured.out), "--parallel"));
    dummy_plan.parallel = 0;
    ck_assert_int_eq(dummy_main("--help"), 0);
    ck_assert_ptr_null(strstr(cf_buf_str(&dummy_captured.out), "--parallel"));
    ck_assert_int_eq(dummy_main("--store STORE --all --parallel 2"), 64);
    dummy_expect_logged("--parallel");
    (void)setenv("CLOUDFOLIO_PARALLEL", "4", 1); /* is another job's */
    ck_assert_int_eq(dummy_main("--store STORE --all --dry-run"), 0);
    expect_order("+octocat -octocat +second -second +third -third +ultra -ultra");
}
END_TEST

START_TEST(other_numbers_are_refused)
{
    static const char *const wrong[] = {"0", "65", "-1", "two", "18446744073709551617"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char arguments[64];
        (void)snprintf(arguments, sizeof(arguments), "--store STORE --all --parallel %s", wrong[i]);
        ck_assert_int_eq(dummy_main(arguments), 64);
        dummy_expect_logged("parallel");
        dummy_expect_out("");
    }
    (void)setenv("CLOUDFOLIO_PARALLEL", "65", 1);
    ck_assert_int_ne(dummy_main("--store STORE --all"), 0);
    dummy_expect_logged("CLOUDFOLIO_PARALLEL");
    dummy_expect_out("");
}
END_TEST

START_TEST(processor_time_is_each_runs_own)
{
    dummy_plan.busy = "second";
    ck_assert_int_eq(dummy_main("--store STORE --all"), 0);
    for (size_t i = 0; i < TENANTS; i++) {
        json_t *record = dummy_record(names[i]);
        double seconds = json_number_value(json_object_get(record, "cpu_seconds"));
        ck_assert_double_ge(seconds, i == 1 ? 0.19 : 0);
        ck_assert_double_lt(seconds, i == 1 ? 60 : 0.19);
        json_decref(record);
    }
}
END_TEST

Suite *job_parallel_suite(void)
{
    Suite *suite = suite_create("job_parallel");
    TCase *tc = tcase_create("parallel");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, dummy_teardown);
    tcase_add_test(tc, tenants_take_turns);
    tcase_add_test(tc, each_tenant_has_one_record_and_its_own_context);
    tcase_add_loop_test(tc, the_worst_status_wins, 0, TENANTS);
    tcase_add_loop_test(tc, a_stop_in_the_middle_leaves_the_rest_out, 0, 2);
    tcase_add_test(tc, conflicts_are_each_tenants_own);
    tcase_add_test(tc, a_jobs_own_number_is_needed);
    tcase_add_test(tc, other_numbers_are_refused);
    tcase_add_test(tc, processor_time_is_each_runs_own);
    suite_add_tcase(suite, tc);
    return suite;
}
