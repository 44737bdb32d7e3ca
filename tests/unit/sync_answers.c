/* What GitHub's statuses, headers and errors mean. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "jobs/sync/github.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    long status;
    const char *headers, *body;
    int code;
    const char *reason;
} answers[] = {
    {200, "", "{}", 0, NULL},
    {304, "", "", 0, NULL},
    {401, "", "{'message': 'Bad credentials'}", CF_EDENIED, NULL},
    {404, "", "{'message': 'Not Found'}", CF_EDATA, "not_found"},
    {409, "", "{'message': 'Git Repository is empty.'}", CF_EDATA, "conflict"},
    {451, "", "{'block': {'reason': 'dmca'}}", CF_EDATA, "legal"},
    {301, "Location: /repositories/1\r\n", "{}", CF_EDATA, "moved"},
    {422, "", "{}", CF_EDATA, "refused"},
    {403, "", "{'message': 'Repository access blocked', 'block': {'reason': 'tos'}}", CF_EDENIED,
     "blocked"},
    {403, "", "{'message': 'Resource not accessible'}", CF_EDENIED, "forbidden"},
    {403, "", "not JSON", CF_EDENIED, "forbidden"},
    {403, "X-GitHub-SSO: required; url=https://x\r\n", "{}", CF_EDENIED, NULL},
    {403, "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1700000000\r\n", "{}", CF_ERETRY, NULL},
    {403, "x-ratelimit-remaining: 9\r\nRetry-After: 60\r\n", "{}", CF_ERETRY, NULL},
    {403, "x-ratelimit-remaining: 9\r\n", "{'documentation_url': 'https://docs.github.com/rest'}",
     CF_EDENIED, "forbidden"},
    {403, "x-ratelimit-remaining: 9\r\n",
     "{'documentation_url': 'https://developer.github.com/v3/#abuse-rate-limits'}", CF_ERETRY,
     NULL},
    {403, "x-ratelimit-remaining: 9\r\n",
     "{'documentation_url': 'https://docs.github.com/rest/using-the-rest-api/"
     "rate-limits-for-the-rest-api#about-secondary-rate-limits'}",
     CF_ERETRY, NULL},
    {429, "", "", CF_ERETRY, NULL},
    {429, "x-ratelimit-remaining: 9\r\nx-ratelimit-reset: 1800000000\r\n", "", CF_ERETRY, NULL},
    {500, "", "", CF_EUNAVAILABLE, NULL},
    {502, "", "<html>", CF_EUNAVAILABLE, NULL},
};

START_TEST(statuses)
{
    struct cf_http_request answer = {.status = answers[_i].status};
    struct cf_error err = {0};
    const char *reason = "unset";
    bool limited = answers[_i].code != CF_ERETRY;
    char *body = cf_strdup(answers[_i].body);
    for (char *p = body; *p; p++) {
        *p = (char)(*p == '\'' ? '"' : *p);
    }
    cf_buf_puts(&answer.response_headers, answers[_i].headers);
    cf_buf_puts(&answer.response_headers, "X-GitHub-Request-Id: C0DE:1\r\n");
    cf_buf_puts(&answer.answer, body);
    ck_assert_int_eq(sync_answer_check(&answer, &reason, &limited, &err), answers[_i].code);
    ck_assert_int_eq(limited, answers[_i].code == CF_ERETRY);
    ck_assert_pstr_eq(reason, answers[_i].reason);
    ck_assert_int_eq(err.code, answers[_i].code);
    if (err.code) {
        ck_assert_int_eq(err.http_status, answers[_i].status);
        ck_assert_str_eq(err.request_id, "C0DE:1");
    }
    if (strstr(answers[_i].headers, "1700000000")) {
        ck_assert_ptr_nonnull(strstr(err.message, "2023-11-14T22:13:20"));
    }
    ck_assert_ptr_null(strstr(err.message, "2027")); /* the reset of a limit that isn't used up */
    cf_http_request_release(&answer);
    free(body);
}
END_TEST

START_TEST(rate_limits_in_a_200)
{
    struct cf_http_request answer = {.status = 200};
    struct cf_error err;
    json_t *limited = fixture("[{'type': 'SOMETHING'}, {'type': 'RATE_LIMITED'}]");
    json_t *older = fixture("[{'type': 'RATE_LIMIT'}]");
    json_t *other = fixture("[{'type': 'FORBIDDEN'}, 7, null, {}]");
    ck_assert_int_eq(sync_errors_check(&answer, limited, &err), CF_ERETRY);
    ck_assert_int_eq(sync_errors_check(&answer, older, &err), CF_ERETRY);
    ck_assert_int_eq(sync_errors_check(&answer, other, &err), 0);
    ck_assert_int_eq(sync_errors_check(&answer, NULL, &err), 0);
    json_decref(limited);
    json_decref(older);
    json_decref(other);
}
END_TEST

START_TEST(queries_that_want_too_much)
{
    json_t *heavy = fixture("[{'type': 'FORBIDDEN'}, {'type': 'RESOURCE_LIMITS_EXCEEDED'}]");
    json_t *slow = fixture("[{'type': 'TIMEOUT'}]");
    json_t *other = fixture("[{'type': 'FORBIDDEN'}, 7, null, {}]");
    ck_assert(sync_errors_too_heavy(heavy));
    ck_assert(sync_errors_too_heavy(slow));
    ck_assert(!sync_errors_too_heavy(other));
    ck_assert(!sync_errors_too_heavy(NULL));
    json_decref(heavy);
    json_decref(slow);
    json_decref(other);
}
END_TEST

static const struct {
    const char *errors;
    int code;
} fatal[] = {
    {"[{'type': 'FORBIDDEN'}]", CF_EDENIED},
    {"[{'type': 'INSUFFICIENT_SCOPES'}]", CF_EDENIED},
    {"[{'message': 'x', 'extensions': {'code': 'undefinedField'}}]", CF_EDATA},
    {"[{'message': 'Something went wrong while executing your query'}]", CF_EUNAVAILABLE},
    {"[{'type': 7}]", CF_EUNAVAILABLE},
    {"[]", CF_EUNAVAILABLE},
    {"'x'", CF_EUNAVAILABLE},
};

START_TEST(errors_without_data)
{
    struct cf_error err;
    json_t *errors = fixture(fatal[_i].errors);
    ck_assert_int_eq(sync_errors_fatal(errors, "test", &err), fatal[_i].code);
    json_decref(errors);
}
END_TEST

START_TEST(a_query_that_is_not_understood_is_told_apart)
{
    struct cf_error err = {0};
    json_t *old = fixture("[{'message': 'x', 'extensions': {'code': 'undefinedField'}}]");
    json_t *heavy = fixture("[{'type': 'RESOURCE_LIMITS_EXCEEDED'}]");
    json_t *typed = fixture("[{'type': 'INTERNAL', 'extensions': {'code': 'undefinedField'}}]");
    ck_assert_int_eq(sync_errors_fatal(old, "test", &err), CF_EDATA);
    ck_assert_str_eq(err.service_code, "undefinedField");
    ck_assert(sync_listing_needs_rest(&err));
    err = (struct cf_error){0};
    ck_assert_int_eq(sync_errors_fatal(typed, "test", &err), CF_EUNAVAILABLE);
    ck_assert(!sync_listing_needs_rest(&err));
    ck_assert(!sync_is_too_heavy(&err));
    err = (struct cf_error){0};
    ck_assert_int_eq(sync_errors_fatal(heavy, "test", &err), CF_EUNAVAILABLE);
    ck_assert(sync_is_too_heavy(&err));
    json_decref(heavy);
    json_decref(old);
    json_decref(typed);
}
END_TEST

START_TEST(errors_have_paths)
{
    static const char *const whole[] = {"r1", NULL};
    static const char *const part[] = {"a", "3", NULL};
    static const char *const none[] = {"r2", NULL};
    json_t *errors = fixture("[7, {'path': null}, {'path': ['r1', 'd0'], 'type': 'NOT_FOUND'},"
                             " {'path': ['a', 3, 'b'], 'type': 'FORBIDDEN'}, {'path': [{}]}]");
    ck_assert_str_eq(sync_error_reason(sync_error_at(errors, whole)), "not_found");
    ck_assert_str_eq(sync_error_reason(sync_error_at(errors, part)), "forbidden");
    ck_assert_ptr_null(sync_error_at(errors, none));
    ck_assert_ptr_null(sync_error_at(NULL, none));
    ck_assert_str_eq(sync_error_reason(NULL), "incomplete");
    json_decref(errors);
}
END_TEST

START_TEST(addresses)
{
    static const char *const cases[][2] = {
        {"https://api.github.com", "https://api.github.com/graphql"},
        {"https://github.example.com/api/v3", "https://github.example.com/api/graphql"},
        {"https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *url = sync_graphql_url(cases[i][0]);
        ck_assert_str_eq(url, cases[i][1]);
        free(url);
    }
}
END_TEST

static const struct {
    struct sync_github_settings settings;
    const char *named;
} bad_settings[] = {
    {{.api_url = "http://api.github.com"}, "GITHUB_API_URL"},
    {{.api_url = "https://u:s3cret@api.github.com"}, "GITHUB_API_URL"},
    {{.api_url = "https://api.github.com?s3cret"}, "GITHUB_API_URL"},
    {{.api_url = "https://api.github.com#s3cret"}, "GITHUB_API_URL"},
    {{.graphql_url = "ftp://127.0.0.1/"}, "GITHUB_GRAPHQL_URL"},
};

START_TEST(settings_are_checked)
{
    struct sync_github *github;
    struct cf_error err;
    ck_assert_int_eq(sync_github_new(&bad_settings[_i].settings, &github, &err), CF_ECONFIG);
    ck_assert_ptr_null(github);
    ck_assert_ptr_nonnull(strstr(err.message, bad_settings[_i].named));
    ck_assert_ptr_null(strstr(err.message, "s3"));
}
END_TEST

START_TEST(errors_that_end_a_run)
{
    ck_assert(!sync_error_is_fatal(0));
    ck_assert(!sync_error_is_fatal(CF_EUNAVAILABLE));
    ck_assert(!sync_error_is_fatal(CF_EDATA));
    ck_assert(sync_error_is_fatal(CF_ERETRY));
    ck_assert(sync_error_is_fatal(CF_EDENIED));
    ck_assert(sync_error_is_fatal(CF_EINTERRUPTED));
    ck_assert(sync_error_is_fatal(CF_ECONFIG));
}
END_TEST

Suite *sync_answers_suite(void);

Suite *sync_answers_suite(void)
{
    Suite *suite = suite_create("sync_answers");
    TCase *tests = tcase_create("answers");
    tcase_add_checked_fixture(tests, fixture_quiet, NULL);
    tcase_add_loop_test(tests, statuses, 0, COUNT(answers));
    tcase_add_test(tests, rate_limits_in_a_200);
    tcase_add_test(tests, queries_that_want_too_much);
    tcase_add_test(tests, a_query_that_is_not_understood_is_told_apart);
    tcase_add_loop_test(tests, errors_without_data, 0, COUNT(fatal));
    tcase_add_test(tests, errors_have_paths);
    tcase_add_test(tests, addresses);
    tcase_add_loop_test(tests, settings_are_checked, 0, COUNT(bad_settings));
    tcase_add_test(tests, errors_that_end_a_run);
    suite_add_tcase(suite, tests);
    return suite;
}
