#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "tests/unit/capture.h"

/* Tries to end the line, forge another, and reach the terminal. */
static const char hostile[] = "x\n{\"level\":\"error\",\"event\":\"forged\"}\r\x1b[2J\"\\,\"a\":\"b"
                              "\x7f\xc2\x9b"
                              "31m\xe2\x80\xae\xff\xed\xa0\x80 end";

static size_t count_lines(const struct cf_buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->length; i++) {
        n += text->data[i] == '\n';
    }
    return n;
}

/* The n-th line as JSON, from 0. */
static json_t *line_json(const struct cf_buf *text, size_t n)
{
    const char *start = cf_buf_str(text);
    struct cf_error err = {0};
    json_t *value = NULL;
    while (n--) {
        start = strchr(start, '\n');
        ck_assert_ptr_nonnull(start);
        start++;
    }
    size_t length = strcspn(start, "\n");
    int rc = cf_json_parse(start, length, "the line", &value, &err);
    ck_assert_msg(rc == 0, "%s: %.*s", err.message, (int)length, start);
    return value;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "(none)";
}

static int log_hostile(void *context)
{
    cf_log_configure(*(enum cf_log_format *)context, CF_INFO);
    cf_log_context("sync", "run-1", "octocat");
    cf_log(CF_WARN, "odd", CF_S("text", hostile), CF_S("nothing", NULL), CF_I("n", -7),
           CF_R("r", 1.5), CF_S("empty", ""), CF_END);
    return 0;
}

START_TEST(hostile_text_stays_in_its_field_as_json)
{
    struct captured captured;
    enum cf_log_format format = CF_LOG_JSON;
    capture_run(log_hostile, &format, &captured);
    ck_assert_int_eq(captured.exit_status, 0);
    ck_assert_uint_eq(captured.out.length, 0);
    ck_assert_uint_eq(count_lines(&captured.err), 1);
    for (size_t i = 0; i + 1 < captured.err.length; i++) {
        unsigned char c = (unsigned char)captured.err.data[i];
        ck_assert_msg(c >= 0x20 && c < 0x80, "byte %02x reaches the terminal", c);
    }
    json_t *line = line_json(&captured.err, 0);
    ck_assert_str_eq(text_of(line, "level"), "warn");
    ck_assert_str_eq(text_of(line, "event"), "odd");
    ck_assert_str_eq(text_of(line, "job"), "sync");
    ck_assert_str_eq(text_of(line, "run"), "run-1");
    ck_assert_str_eq(text_of(line, "tenant"), "octocat");
    ck_assert_uint_eq(strlen(text_of(line, "time")), 24);
    ck_assert_ptr_null(json_object_get(line, "a"));
    struct cf_buf clean = CF_BUF_INIT;
    cf_utf8_clean(hostile, strlen(hostile), &clean);
    ck_assert_str_eq(text_of(line, "text"), clean.data);
    cf_buf_release(&clean);
    ck_assert(json_is_null(json_object_get(line, "nothing")));
    ck_assert_int_eq(json_integer_value(json_object_get(line, "n")), -7);
    ck_assert_double_eq(json_real_value(json_object_get(line, "r")), 1.5);
    ck_assert_uint_eq(json_object_size(line), 11);
    json_decref(line);
    captured_release(&captured);
}
END_TEST

START_TEST(hostile_text_stays_in_its_field_as_text)
{
    struct captured captured;
    enum cf_log_format format = CF_LOG_TEXT;
    capture_run(log_hostile, &format, &captured);
    ck_assert_uint_eq(count_lines(&captured.err), 1);
    const char *line = cf_buf_str(&captured.err);
    ck_assert(strncmp(line, "warn  sync [octocat] odd text=\"x\\n{", 35) == 0);
    ck_assert_ptr_nonnull(strstr(line, "nothing=- n=-7 r=1.5 empty=\"\"\n"));
    ck_assert_ptr_null(strchr(line, '\x1b'));
    ck_assert_ptr_null(strchr(line, '\r'));
    ck_assert_ptr_null(strchr(line, '\x7f'));
    ck_assert_ptr_null(strstr(line, "\xc2\x9b"));
    ck_assert_ptr_null(strstr(line, "\xe2\x80\xae"));
    captured_release(&captured);
}
END_TEST

static int log_levels(void *context)
{
    cf_log_configure(CF_LOG_JSON, *(enum cf_level *)context);
    cf_log(CF_DEBUG, "a", CF_END);
    cf_log(CF_INFO, "b", CF_END);
    cf_log(CF_WARN, "c", CF_END);
    cf_log(CF_ERROR, "d", CF_END);
    return 0;
}

START_TEST(lines_below_the_level_are_dropped)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct captured captured;
    enum cf_level level = (enum cf_level)_i;
    capture_run(log_levels, &level, &captured);
    ck_assert_uint_eq(count_lines(&captured.err), 4 - (size_t)_i);
    json_t *line = line_json(&captured.err, 0);
    ck_assert_str_eq(text_of(line, "level"), names[_i]);
    json_decref(line);
    captured_release(&captured);
}
END_TEST

static int log_contexts(void *context)
{
    char tenant[] = "one";
    (void)context;
    cf_log_configure(CF_LOG_AUTO, CF_INFO); /* no terminal here: JSON */
    cf_log(CF_INFO, "none", CF_END);
    cf_log_context("train", "r", tenant);
    memcpy(tenant, "two", 3);
    cf_log(CF_INFO, "all", CF_END);
    cf_log_context("train", NULL, NULL);
    cf_log(CF_INFO, "job", CF_END);
    return cf_log_is_terminal();
}

START_TEST(the_context_is_copied_and_can_be_cleared)
{
    struct captured captured;
    capture_run(log_contexts, NULL, &captured);
    ck_assert_int_eq(captured.exit_status, 0);
    json_t *none = line_json(&captured.err, 0);
    json_t *all = line_json(&captured.err, 1);
    json_t *job = line_json(&captured.err, 2);
    ck_assert_uint_eq(json_object_size(none), 3);
    ck_assert_str_eq(text_of(all, "tenant"), "one");
    ck_assert_str_eq(text_of(all, "run"), "r");
    ck_assert_str_eq(text_of(job, "job"), "train");
    ck_assert_uint_eq(json_object_size(job), 4);
    json_decref(none);
    json_decref(all);
    json_decref(job);
    captured_release(&captured);
}
END_TEST

static int log_errors(void *context)
{
    struct cf_error err;
    (void)context;
    cf_log_configure(CF_LOG_JSON, CF_INFO);
    (void)cf_error_set(&err, CF_EDATA, "plain");
    cf_log_error(CF_ERROR, "failed", &err);
    (void)cf_error_at(&err, CF_ERETRY, "put", "a/b", "slow");
    err.http_status = 503;
    memcpy(err.service_code, "SlowDown", 9);
    memcpy(err.request_id, "id-1", 5);
    cf_log_error(CF_WARN, "failed", &err);
    return 0;
}

START_TEST(errors_are_logged_with_the_fields_that_are_set)
{
    struct captured captured;
    capture_run(log_errors, NULL, &captured);
    json_t *plain = line_json(&captured.err, 0);
    json_t *full = line_json(&captured.err, 1);
    ck_assert_str_eq(text_of(plain, "error"), "plain");
    ck_assert_str_eq(text_of(plain, "code"), "bad_data");
    ck_assert_uint_eq(json_object_size(plain), 5);
    ck_assert_str_eq(text_of(full, "code"), "retry");
    ck_assert_str_eq(text_of(full, "operation"), "put");
    ck_assert_str_eq(text_of(full, "key"), "a/b");
    ck_assert_str_eq(text_of(full, "service_code"), "SlowDown");
    ck_assert_str_eq(text_of(full, "request_id"), "id-1");
    ck_assert_int_eq(json_integer_value(json_object_get(full, "http_status")), 503);
    json_decref(plain);
    json_decref(full);
    captured_release(&captured);
}
END_TEST

static int log_metrics(void *context)
{
    cf_log_configure(*(enum cf_log_format *)context, CF_ERROR);
    cf_log_context("sync", "r", NULL);
    cf_log_metric("RunFailed", "Count", 1);
    cf_log_context("sync", "r", "octocat");
    cf_log_metric("RunSeconds", "Seconds", 2.25);
    cf_log_metric("Broken", "Seconds", NAN);
    return 0;
}

/* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
static void check_metric(const json_t *line, const char *name, const char *unit, double value,
                         size_t sets)
{
    const json_t *aws = json_object_get(line, "_aws");
    const json_t *directives = json_object_get(aws, "CloudWatchMetrics");
    const json_t *directive = json_array_get(directives, 0);
    const json_t *dimensions = json_object_get(directive, "Dimensions");
    const json_t *metrics = json_object_get(directive, "Metrics");
    ck_assert(json_is_integer(json_object_get(aws, "Timestamp")));
    ck_assert_int_gt(json_integer_value(json_object_get(aws, "Timestamp")), 1700000000000);
    ck_assert_uint_eq(json_array_size(directives), 1);
    ck_assert_str_eq(text_of(directive, "Namespace"), "CloudFolio");
    ck_assert_uint_eq(json_array_size(metrics), 1);
    ck_assert_str_eq(text_of(json_array_get(metrics, 0), "Name"), name);
    ck_assert_str_eq(text_of(json_array_get(metrics, 0), "Unit"), unit);
    ck_assert_double_eq(json_number_value(json_object_get(line, name)), value);
    ck_assert_uint_eq(json_array_size(dimensions), sets);
    for (size_t i = 0; i < sets; i++) {
        const json_t *set = json_array_get(dimensions, i);
        ck_assert_uint_eq(json_array_size(set), i + 1);
        for (size_t j = 0; j < json_array_size(set); j++) {
            /* each dimension must be a string member of the line itself */
            const char *member = json_string_value(json_array_get(set, j));
            ck_assert(json_is_string(json_object_get(line, member)));
        }
    }
}

START_TEST(metrics_are_in_the_embedded_metric_format)
{
    struct captured captured;
    enum cf_log_format format = CF_LOG_JSON;
    capture_run(log_metrics, &format, &captured);
    json_t *first = line_json(&captured.err, 0);
    json_t *second = line_json(&captured.err, 1);
    check_metric(first, "RunFailed", "Count", 1, 1);
    check_metric(second, "RunSeconds", "Seconds", 2.25, 2);
    json_decref(first);
    json_decref(second);
    captured_release(&captured);
}
END_TEST

START_TEST(no_metrics_in_text)
{
    struct captured captured;
    enum cf_log_format format = CF_LOG_TEXT;
    capture_run(log_metrics, &format, &captured);
    ck_assert_uint_eq(captured.err.length, 0);
    captured_release(&captured);
}
END_TEST

Suite *base_log_suite(void)
{
    Suite *suite = suite_create("base_log");
    TCase *tc = tcase_create("log");
    tcase_add_test(tc, hostile_text_stays_in_its_field_as_json);
    tcase_add_test(tc, hostile_text_stays_in_its_field_as_text);
    tcase_add_loop_test(tc, lines_below_the_level_are_dropped, 0, 4);
    tcase_add_test(tc, the_context_is_copied_and_can_be_cleared);
    tcase_add_test(tc, errors_are_logged_with_the_fields_that_are_set);
    tcase_add_test(tc, metrics_are_in_the_embedded_metric_format);
    tcase_add_test(tc, no_metrics_in_text);
    suite_add_tcase(suite, tc);
    return suite;
}
