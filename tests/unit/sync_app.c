/* A GitHub App's JSON web tokens and what it is answered. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "jobs/sync/app.h"
#include "tests/unit/net_fixture.h"
#include "tests/unit/sync_keys.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct sync_keys keys;
static struct cf_error err;
static int64_t now;

static int64_t clock_now(void)
{
    return now;
}

static void make_keys(void)
{
    sync_keys_make(&keys);
}

static void remove_keys(void)
{
    sync_keys_remove(&keys);
}

/* --- JSON web tokens ----------------------------------------------------------------------------
 */

static json_t *part_of(const char *jwt, int part)
{
    json_t *document = NULL;
    char *text = sync_keys_part(jwt, part);
    ck_assert_int_eq(cf_json_parse(text, strlen(text), "the part", &document, &err), 0);
    free(text);
    return document;
}

START_TEST(json_web_tokens_are_signed)
{
    const char *key = _i ? keys.rsa_pkcs1 : keys.rsa;
    char *jwt = NULL;
    ck_assert_int_eq(sync_app_jwt("12345", key, strlen(key), 1700000000999, &jwt, &err), 0);
    ck_assert(sync_keys_signed(&keys, jwt));
    json_t *header = part_of(jwt, 0);
    json_t *payload = part_of(jwt, 1);
    ck_assert_str_eq(json_string_value(json_object_get(header, "alg")), "RS256");
    ck_assert_str_eq(json_string_value(json_object_get(header, "typ")), "JWT");
    ck_assert_str_eq(json_string_value(json_object_get(payload, "iss")), "12345");
    ck_assert_int_eq(json_integer_value(json_object_get(payload, "iat")), 1699999940);
    ck_assert_int_eq(json_integer_value(json_object_get(payload, "exp")), 1700000540);
    ck_assert_uint_eq(json_object_size(payload), 3);
    ck_assert_ptr_null(strpbrk(jwt, "+/=\n"));
    char *character = &jwt[strlen(jwt) / 2]; /* of the signature: the check does check */
    *character = *character == 'A' ? 'B' : 'A';
    ck_assert(!sync_keys_signed(&keys, jwt));
    json_decref(header);
    json_decref(payload);
    free(jwt);
}
END_TEST

START_TEST(keys_that_are_none)
{
    char *cut = cf_strndup(keys.rsa, strlen(keys.rsa) / 2);
    char *long_one = cf_calloc(1, 65538);
    memset(long_one, 'A', 65537);
    memcpy(long_one, keys.rsa, strlen(keys.rsa));
    const char *const bad[] = {"",          "s3cret",      "-----BEGIN RSA PRIVATE KEY-----\n",
                               cut,         keys.ec,       long_one,
                               keys.public, keys.encrypted};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char *jwt = NULL;
        ck_assert_int_eq(sync_app_jwt("1", bad[i], strlen(bad[i]), 1700000000000, &jwt, &err),
                         CF_ECONFIG);
        ck_assert_ptr_null(jwt);
        ck_assert_ptr_nonnull(strstr(err.message, "GITHUB_APP_KEY"));
        ck_assert_ptr_null(strstr(err.message, "s3cret"));
        ck_assert_ptr_null(strstr(err.message, "BEGIN"));
    }
    free(cut);
    free(long_one);
}
END_TEST

/* --- answers ------------------------------------------------------------------------------------
 */

static struct cf_http_request answer_of(long status, const char *headers, const char *body)
{
    struct cf_http_request answer = {.status = status};
    cf_buf_puts(&answer.response_headers, headers);
    cf_buf_puts(&answer.response_headers, "X-GitHub-Request-Id: C0DE:1\r\n");
    for (const char *p = body; *p; p++) {
        cf_buf_putc(&answer.answer, (char)(*p == '\'' ? '"' : *p));
    }
    return answer;
}

#define EXPIRES "'expires_at': '2026-01-31T12:00:00Z'"

static const struct {
    long status;
    const char *headers, *body;
    int code;
    const char *said;
} refusals[] = {
    {401, "", "{'message': 'A JSON web token could not be decoded'}", CF_EDENIED, "clock"},
    {401, "", "", CF_EDENIED, "GITHUB_APP_ID"},
    {404, "", "{'message': 'Integration not found'}", CF_EDENIED, "GITHUB_APP_ID"},
    {404, "", "{'message': 'Not Found'}", CF_ENOTFOUND, "isn't installed"},
    {404, "", "", CF_ENOTFOUND, "isn't installed"},
    {403, "", "{'message': 'This installation has been suspended'}", CF_EDENIED, "suspended"},
    {403, "", "{'message': 'Resource not accessible'}", CF_EDENIED, "refuses"},
    {403, "", "[", CF_EDENIED, "refuses"},
    {403, "Retry-After: 60\r\n", "{'message': 'suspended'}", CF_ERETRY, "rate limit"},
    {429, "", "{}", CF_ERETRY, "rate limit"},
    {422, "", "{'message': 's3cret'}", CF_EDATA, "422"},
    {301, "Location: /s3cret\r\n", "{}", CF_EDATA, "301"},
    {500, "", "", CF_EUNAVAILABLE, "500"},
    {202, "", "{'id': 7, 'token': 's3cret', " EXPIRES "}", CF_EDATA, "202"},
};

START_TEST(refusals_are_told_apart)
{
    struct cf_http_request answer =
        answer_of(refusals[_i].status, refusals[_i].headers, refusals[_i].body);
    uint64_t id = 0;
    int64_t expires = 0;
    char *value = NULL;
    for (int i = 0; i < 2; i++) {
        int rc = i ? sync_app_read_token(&answer, &value, &expires, &err)
                   : sync_app_read_installation(&answer, &id, &err);
        ck_assert_int_eq(rc, refusals[_i].code);
        ck_assert_int_eq(err.code, rc);
        ck_assert_msg(strstr(err.message, refusals[_i].said) != NULL, "%s", err.message);
        ck_assert_int_eq(err.http_status, refusals[_i].status);
        ck_assert_str_eq(err.request_id, "C0DE:1");
        ck_assert_ptr_null(strstr(err.message, "s3cret"));
    }
    ck_assert_uint_eq(id, 0);
    ck_assert_ptr_null(value);
    /* Nobody needs to be told. */
    ck_assert_int_eq(sync_app_read_installation(&answer, &id, NULL), refusals[_i].code);
    cf_http_request_release(&answer);
}
END_TEST

static const struct {
    const char *body;
    int code;
    uint64_t id;
} installations[] = {
    {"{'id': 7}", 0, 7},
    {"{'id': 9007199254740993, 'suspended_at': null}", 0, 9007199254740993},
    {"{'id': 7, 'suspended_at': '2026-01-31T12:00:00Z'}", CF_EDENIED, 0},
    {"{'id': 0}", CF_EUNAVAILABLE, 0},
    {"{'id': -7}", CF_EUNAVAILABLE, 0},
    {"{'id': '7'}", CF_EUNAVAILABLE, 0},
    {"{'id': 7.5}", CF_EUNAVAILABLE, 0},
    {"{}", CF_EUNAVAILABLE, 0},
    {"[7]", CF_EUNAVAILABLE, 0},
    {"{'id': 7", CF_EUNAVAILABLE, 0},
    {"", CF_EUNAVAILABLE, 0},
};

START_TEST(installations_are_read)
{
    struct cf_http_request answer = answer_of(200, "", installations[_i].body);
    uint64_t id = 0;
    ck_assert_int_eq(sync_app_read_installation(&answer, &id, &err), installations[_i].code);
    ck_assert_uint_eq(id, installations[_i].id);
    answer.status = 201;
    ck_assert_int_ne(sync_app_read_installation(&answer, &id, &err), 0);
    cf_http_request_release(&answer);
}
END_TEST

static const struct {
    const char *body, *token;
} created[] = {
    {"{'token': 'ghs_s3cret', " EXPIRES "}", "ghs_s3cret"},
    {"{'token': 'ey.J-_', " EXPIRES ", 'permissions': {}}", "ey.J-_"},
    {"{'token': '', " EXPIRES "}", NULL},
    {"{'token': 's3 cret', " EXPIRES "}", NULL},
    {"{'token': 's3cret\\n', " EXPIRES "}", NULL},
    {"{'token': 's3cret\\u0000', " EXPIRES "}", NULL},
    {"{'token': 's3cret\\u00e9', " EXPIRES "}", NULL},
    {"{'token': 7, " EXPIRES "}", NULL},
    {"{" EXPIRES "}", NULL},
    {"{'token': 's3cret'}", NULL},
    {"{'token': 's3cret', 'expires_at': 1700000000}", NULL},
    {"{'token': 's3cret', 'expires_at': 'tomorrow'}", NULL},
    {"{'token': 's3cret', 'expires_at': '1970-01-01T00:00:00Z'}", NULL},
    {"['s3cret']", NULL},
    {"{'token': 's3cret', s3cret", NULL},
};

START_TEST(tokens_are_read)
{
    struct cf_http_request answer = answer_of(201, "", created[_i].body);
    char *value = NULL;
    int64_t expires = 0;
    int rc = sync_app_read_token(&answer, &value, &expires, &err);
    ck_assert_pstr_eq(value, created[_i].token);
    ck_assert_int_eq(rc, value ? 0 : CF_EUNAVAILABLE);
    ck_assert_int_eq(expires, value ? 1769860800000 : 0);
    ck_assert_ptr_null(rc ? strstr(err.message, "s3") : NULL);
    free(value);
    answer.status = 200;
    ck_assert_int_ne(sync_app_read_token(&answer, &value, &expires, &err), 0);
    ck_assert_ptr_null(value);
    cf_http_request_release(&answer);
}
END_TEST

/* --- requests -----------------------------------------------------------------------------------
 */

struct world {
    struct net_server *server;
    struct cf_http *http;
    struct sync_app *app;
};

static void open_world(struct world *w, const struct net_step *script, size_t count)
{
    w->server = net_server_new(script, count);
    w->http = cf_http_new(&net_quick);
    const struct sync_app_settings settings = {.app_id = "Iv1.abc",
                                               .key = keys.rsa,
                                               .key_length = strlen(keys.rsa),
                                               .api_url = net_server_url(w->server),
                                               .http = w->http,
                                               .now_ms = clock_now};
    now = 1700000000000;
    ck_assert_msg(!sync_app_new(&settings, &w->app, &err), "%s", err.message);
}

static void close_world(struct world *w)
{
    sync_app_free(w->app);
    cf_http_free(w->http);
    net_server_free(w->server);
}

static const char installation[] = "{\"id\":77,\"suspended_at\":null}";
static const char token[] = "{\"token\":\"ghs_one\",\"expires_at\":\"2026-01-31T12:00:00Z\"}";

/* The JSON web token of a request, good until the next call. */
static const char *jwt_of(const struct world *w, size_t index)
{
    static char jwt[2][2048];
    char *out = jwt[index % 2];
    const char *header = strstr(net_server_seen(w->server, index)->head, "Authorization: Bearer ");
    ck_assert_ptr_nonnull(header);
    ck_assert_int_eq(sscanf(header, "Authorization: Bearer %2047[^\r]", out), 1);
    return out;
}

START_TEST(a_token_takes_two_requests)
{
    static const struct net_step script[] = {
        {.body = installation, .path = "GET /users/Octo-Cat/installation "},
        {.status = 201, .body = token, .path = "POST /app/installations/77/access_tokens "}};
    struct world w;
    char *value = NULL;
    int64_t expires = 0;
    open_world(&w, script, COUNT(script));
    ck_assert_msg(!sync_app_token(w.app, "Octo-Cat", &value, &expires, &err), "%s", err.message);
    ck_assert_str_eq(value, "ghs_one");
    ck_assert_int_eq(expires, 1769860800000);
    ck_assert_uint_eq(net_server_requests(w.server), 2);
    for (size_t i = 0; i < 2; i++) {
        const char *head = net_server_seen(w.server, i)->head;
        ck_assert_ptr_nonnull(strstr(head, "\r\nAccept: application/vnd.github+json\r\n"));
        ck_assert_ptr_nonnull(strstr(head, "\r\nX-GitHub-Api-Version: 2022-11-28\r\n"));
        ck_assert(sync_keys_signed(&keys, jwt_of(&w, i)));
    }
    ck_assert_str_eq(net_server_seen(w.server, 1)->body,
                     "{\"permissions\":{\"metadata\":\"read\"}}");
    free(value);
    close_world(&w);
}
END_TEST

START_TEST(a_json_web_token_is_renewed_in_time)
{
    static const struct net_step script[] = {{.status = 404, .body = "{}"}};
    static const struct {
        int64_t at;
        bool renewed;
    } calls[] = {{0, false},      {479000, false}, {480000, false},
                 {480001, true},  {482000, false}, {470000, true}, /* the clock was put back */
                 {950000, false}, {950001, true}};
    struct world w;
    char *value;
    int64_t expires;
    char *last = NULL;
    open_world(&w, script, COUNT(script));
    for (size_t i = 0; i < COUNT(calls); i++) {
        now = 1700000000000 + calls[i].at;
        ck_assert_int_eq(sync_app_token(w.app, "octocat", &value, &expires, &err), CF_ENOTFOUND);
        const char *jwt = jwt_of(&w, i);
        char *payload = sync_keys_part(jwt, 1);
        if (last) {
            ck_assert_int_eq(strcmp(payload, last) != 0, calls[i].renewed);
        }
        free(last);
        last = payload;
    }
    free(last);
    close_world(&w);
}
END_TEST

static const struct {
    struct net_step script[3];
    int code;
    const char *said;
} failures[] = {
    {{{.status = 404, .body = "{}"}}, CF_ENOTFOUND, "\"octocat\": the app isn't installed"},
    {{{.status = 401, .body = "{}"}}, CF_EDENIED, "clock"},
    {{{.body = "{\"id\":7,\"suspended_at\":\"x\"}"}}, CF_EDENIED, "suspended"},
    {{{.body = installation},
      {.status = 403, .body = "{\"message\":\"This installation has been suspended\"}"}},
     CF_EDENIED,
     "suspended"},
    {{{.body = installation}, {.status = 404, .body = "{}"}}, CF_ENOTFOUND, "isn't installed"},
    {{{.body = installation}, {.status = 201, .body = "<html>"}}, CF_EUNAVAILABLE, "JSON"},
    {{{.body = "<html>"}}, CF_EUNAVAILABLE, "JSON"},
    {{{.status = 503}}, CF_EUNAVAILABLE, "503"},
};

START_TEST(failures_are_the_callers)
{
    struct world w;
    char *value = NULL;
    int64_t expires = 0;
    size_t steps = 1;
    while (failures[_i].script[steps].body) {
        steps++;
    }
    open_world(&w, failures[_i].script, steps);
    ck_assert_int_eq(sync_app_token(w.app, "octocat", &value, &expires, &err), failures[_i].code);
    ck_assert_msg(strstr(err.message, failures[_i].said) != NULL, "%s", err.message);
    ck_assert_ptr_null(value);
    close_world(&w);
}
END_TEST

START_TEST(no_request_for_what_is_no_login)
{
    static const struct net_step script[] = {{.body = installation}};
    static const char *const bad[] = {"", "a/b", "..", "a?b", "a b"};
    struct world w;
    char *value = NULL;
    int64_t expires = 0;
    open_world(&w, script, COUNT(script));
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_int_eq(sync_app_token(w.app, bad[i], &value, &expires, &err), CF_EUSAGE);
    }
    ck_assert_uint_eq(net_server_requests(w.server), 0);
    close_world(&w);
}
END_TEST

START_TEST(settings_are_checked)
{
    static const char *const ids[] = {NULL, "", "1 2", "1\n", "a\"b"};
    struct sync_app_settings settings = {
        .key = keys.rsa, .key_length = strlen(keys.rsa), .api_url = "https://api.github.com"};
    struct sync_app *app;
    for (size_t i = 0; i < COUNT(ids); i++) {
        settings.app_id = ids[i];
        ck_assert_int_eq(sync_app_new(&settings, &app, &err), CF_ECONFIG);
        ck_assert_ptr_null(app);
        ck_assert_ptr_nonnull(strstr(err.message, "GITHUB_APP_ID"));
    }
    settings.app_id = "1";
    settings.key = keys.ec;
    settings.key_length = strlen(keys.ec);
    ck_assert_int_eq(sync_app_new(&settings, &app, &err), CF_ECONFIG);
    ck_assert_ptr_null(app);
    ck_assert_ptr_nonnull(strstr(err.message, "GITHUB_APP_KEY"));
}
END_TEST

Suite *sync_app_suite(void);

Suite *sync_app_suite(void)
{
    Suite *suite = suite_create("sync_app");
    TCase *answers = tcase_create("answers");
    tcase_add_loop_test(answers, refusals_are_told_apart, 0, COUNT(refusals));
    tcase_add_loop_test(answers, installations_are_read, 0, COUNT(installations));
    tcase_add_loop_test(answers, tokens_are_read, 0, COUNT(created));
    suite_add_tcase(suite, answers);
    TCase *requests = tcase_create("requests");
    tcase_set_timeout(requests, 30);
    tcase_add_unchecked_fixture(requests, make_keys, remove_keys);
    tcase_add_loop_test(requests, json_web_tokens_are_signed, 0, 2);
    tcase_add_test(requests, keys_that_are_none);
    tcase_add_test(requests, a_token_takes_two_requests);
    tcase_add_test(requests, a_json_web_token_is_renewed_in_time);
    tcase_add_loop_test(requests, failures_are_the_callers, 0, COUNT(failures));
    tcase_add_test(requests, no_request_for_what_is_no_login);
    tcase_add_test(requests, settings_are_checked);
    suite_add_tcase(suite, requests);
    return suite;
}
