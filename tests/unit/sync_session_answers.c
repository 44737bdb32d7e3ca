/* Sessions: tokens, what is sent and repeated, and what answers become. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "jobs/sync/github.h"
#include "tests/unit/sync_fixture.h"
#include "tests/unit/sync_keys.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GOOD "{\"data\":{\"rateLimit\":{\"cost\":3}}}"
#define HTML "<!DOCTYPE html><html>maintenance</html>"

static struct fixture_session f;
static struct sync_get one;
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    err = (struct cf_error){0};
    one = (struct sync_get){0};
}

static void teardown(void)
{
    sync_get_release(&one);
    fixture_close(&f);
}

static void open_with(const struct net_step *script, size_t count)
{
    fixture_open(&f, net_server_new(script, count), NULL);
}

static int query(bool can_split)
{
    json_t *answer;
    json_t *variables = json_pack("{s:s}", "a", "b");
    int rc = sync_query(f.session, "{ x }", variables, 1000000, can_split, &answer, &err);
    ck_assert_int_eq(rc != 0, answer == NULL);
    json_decref(answer);
    return rc;
}

static int get(void)
{
    return sync_get_now(f.session, &one, "/x?y=1", &err);
}

static size_t requests(void)
{
    return net_server_requests(f.server);
}

static bool head_has(size_t index, const char *line)
{
    return strstr(net_server_seen(f.server, index)->head, line) != NULL;
}

/* --- what is sent -------------------------------------------------------------------------------
 */

START_TEST(requests_carry_the_token)
{
    const struct net_step script[] = {{.path = "POST /graphql ", .body = GOOD},
                                      {.path = "GET /x?y=1 ", .body = "[]"}};
    open_with(script, COUNT(script));
    ck_assert(sync_session_uses_graphql(f.session));
    ck_assert_int_eq(query(false), 0);
    ck_assert_int_eq(get(), 0);
    ck_assert(json_is_array(one.document));
    for (size_t i = 0; i < 2; i++) {
        ck_assert(head_has(i, "\r\nAuthorization: bearer " FIXTURE_TOKEN "\r\n"));
        ck_assert(head_has(i, "\r\nX-GitHub-Api-Version: 2022-11-28\r\n"));
        ck_assert(head_has(i, "\r\nUser-Agent: cloudfolio-sync/"));
    }
    ck_assert_str_eq(fixture_request(&f, 0), "{\"query\":\"{ x }\",\"variables\":{\"a\":\"b\"}}");
    struct sync_usage usage = sync_session_usage(f.session);
    ck_assert_uint_eq(usage.requests, 2);
    ck_assert_uint_eq(usage.points, 3);
    ck_assert_int_eq(usage.remaining, -1);
    ck_assert_uint_gt(usage.bytes_in, 0);
    ck_assert_uint_gt(usage.bytes_out, 0);
    sync_session_give_up_graphql(f.session);
    ck_assert(!sync_session_uses_graphql(f.session));
}
END_TEST

START_TEST(without_a_token_none_is_sent)
{
    const struct net_step script[] = {{.path = "GET /x?y=1 ", .body = "{}"}};
    const struct sync_github_settings settings = {.token_sources = "env:CLOUDFOLIO_NOT_SET"};
    fixture_open(&f, net_server_new(script, COUNT(script)), &settings);
    ck_assert(!sync_session_uses_graphql(f.session));
    ck_assert_int_eq(get(), 0);
    ck_assert(!head_has(0, "Authorization"));
    ck_assert(!head_has(0, "authorization"));
}
END_TEST

START_TEST(rest_only_is_rest_only)
{
    const struct net_step script[] = {{.body = "{}"}};
    const struct sync_github_settings settings = {.rest_only = true};
    fixture_open(&f, net_server_new(script, COUNT(script)), &settings);
    ck_assert(!sync_session_uses_graphql(f.session));
    ck_assert_int_eq(get(), 0);
    ck_assert(head_has(0, "\r\nAuthorization: bearer " FIXTURE_TOKEN "\r\n"));
}
END_TEST

static const int redirects[] = {301, 302, 303, 307, 308};

START_TEST(redirects_are_not_followed)
{
    static const struct net_step never[] = {{.body = GOOD}};
    struct net_server *other = net_server_new(never, 1);
    const struct net_step script[] = {
        {.status = redirects[_i],
         .headers = fixture_text("Location: %s/x\r\n", net_server_url(other)),
         .body = "{}"}};
    open_with(script, COUNT(script));
    ck_assert_int_eq(query(true), CF_EDATA);
    ck_assert_int_eq(get(), CF_EDATA);
    ck_assert_str_eq(one.reason, redirects[_i] == 303 ? "refused" : "moved");
    ck_assert_uint_eq(requests(), 2);
    ck_assert_uint_eq(net_server_requests(other), 0);
    ck_assert_ptr_null(strstr(err.message, FIXTURE_TOKEN));
    net_server_free(other);
}
END_TEST

/* --- a token that expires -----------------------------------------------------------------------
 */

static struct sync_keys keys;

static void make_keys(void)
{
    sync_keys_make(&keys);
}

static void remove_keys(void)
{
    sync_keys_remove(&keys);
}

static const char *token_until(const char *token, int64_t ms)
{
    char when[CF_TIMESTAMP];
    cf_clock_format(cf_clock_now_ms() + ms, when);
    return fixture_text("{\"token\":\"%s\",\"expires_at\":\"%.19sZ\"}", token, when);
}

START_TEST(a_token_is_renewed_before_it_expires)
{
    const char *installation = "{\"id\":77,\"suspended_at\":null}";
    const struct net_step script[] = {
        {.path = "/users/octocat/installation ", .body = installation},
        {.path = "/access_tokens ", .status = 201, .body = token_until("ghs_first", 290000)},
        {.path = "/access_tokens ", .status = 201, .body = token_until("ghs_second", 3600000)},
        {.path = "POST /graphql ", .body = GOOD},
        {.path = "GET /x", .body = "{}"}};
    const struct sync_github_settings settings = {
        .token_sources = "app", .app_id = "123", .app_key = "env:TEST_APP_KEY"};
    ck_assert_int_eq(setenv("TEST_APP_KEY", keys.rsa, 1), 0);
    fixture_open(&f, net_server_new_unordered(script, COUNT(script)), &settings);
    ck_assert_uint_eq(requests(), 2);
    ck_assert_int_eq(query(false), 0);
    ck_assert_int_eq(query(false), 0);
    ck_assert_int_eq(get(), 0);
    ck_assert_uint_eq(requests(), 7); /* renewed once */
    ck_assert_uint_eq(fixture_count(&f, "/access_tokens "), 2);
    for (size_t i = 4; i < 7; i++) {
        ck_assert(head_has(i, "\r\nAuthorization: bearer ghs_second\r\n"));
    }
}
END_TEST

START_TEST(a_token_that_cannot_be_renewed_is_an_error)
{
    const char *installation = "{\"id\":77,\"suspended_at\":null}";
    const struct net_step script[] = {
        {.path = "/users/octocat/installation ", .body = installation},
        {.path = "/users/octocat/installation ", .status = 401, .body = "{}"},
        {.path = "/access_tokens ", .status = 201, .body = token_until("ghs_first", 1000)}};
    const struct sync_github_settings settings = {
        .token_sources = "app", .app_id = "123", .app_key = "env:TEST_APP_KEY"};
    ck_assert_int_eq(setenv("TEST_APP_KEY", keys.rsa, 1), 0);
    fixture_open(&f, net_server_new_unordered(script, COUNT(script)), &settings);
    ck_assert_int_eq(query(false), CF_EDENIED);
    ck_assert_int_eq(get(), CF_EDENIED);
    ck_assert_uint_eq(fixture_count(&f, "/graphql"), 0);
    ck_assert_ptr_null(strstr(err.message, "ghs_"));
}
END_TEST

/* --- what is repeated ---------------------------------------------------------------------------
 */

static const struct {
    int status;
    bool can_split;
    size_t attempts;
    bool too_heavy;
} outages[] = {
    {502, true, 1, true},  {504, true, 1, true},  {502, false, 5, true},  {504, false, 5, true},
    {503, true, 5, false}, {500, true, 5, false}, {503, false, 5, false},
};

START_TEST(what_can_be_split_is_not_repeated)
{
    const struct net_step script[] = {{.status = outages[_i].status, .body = HTML}};
    open_with(script, COUNT(script));
    ck_assert_int_eq(query(outages[_i].can_split), CF_EUNAVAILABLE);
    ck_assert_int_eq(err.code, CF_EUNAVAILABLE);
    ck_assert_int_eq(err.http_status, outages[_i].status);
    ck_assert_uint_eq(requests(), outages[_i].attempts);
    ck_assert_int_eq(sync_is_too_heavy(&err), outages[_i].too_heavy);
}
END_TEST

/* Pages of proxies, which no parser may see: they would be CF_EDATA. */
static const struct net_step pages[] = {
    {.body = HTML},
    {.body = ""},
    {.body = " \r\n\t"},
    {.body = "\"down\""},
    {.status = 502, .body = HTML},
    {.status = 502, .body = "{\"data\":{}}"},
    {.action = NET_CUT, .body = GOOD},
    {.action = NET_CLOSE},
};

START_TEST(pages_of_proxies_are_outages)
{
    const struct net_step script[] = {pages[_i]};
    open_with(script, COUNT(script));
    ck_assert_int_eq(query(false), CF_EUNAVAILABLE);
    ck_assert_uint_eq(requests(), 5);
    ck_assert_int_eq(get(), CF_EUNAVAILABLE);
    ck_assert_ptr_null(one.document);
    ck_assert_ptr_null(one.reason);
    ck_assert_uint_eq(requests(), 10);
}
END_TEST

START_TEST(what_recovers_is_no_error)
{
    const struct net_step script[] = {pages[_i], {.body = GOOD}, pages[_i], {.body = " {}"}};
    open_with(script, COUNT(script));
    ck_assert_msg(query(false) == 0, "%s", err.message);
    ck_assert_msg(get() == 0, "%s", err.message);
    ck_assert(json_is_object(one.document));
    ck_assert_uint_eq(requests(), 4);
}
END_TEST

static const struct {
    const char *body;
    int code;
    const char *service_code;
} nonsense[] = {
    {"{", CF_EDATA, ""},
    {"{}", CF_EDATA, ""},
    {"[]", CF_EDATA, ""},
    {"{\"data\":null}", CF_EDATA, ""},
    {"{\"data\":[]}", CF_EDATA, ""},
    {"{\"data\":{}} x", CF_EDATA, ""},
    {"{\"data\":null,\"errors\":[{\"type\":\"FORBIDDEN\"}]}", CF_EDENIED, ""},
    {"{\"data\":null,\"errors\":[{\"message\":\"x\"}]}", CF_EUNAVAILABLE,
     "RESOURCE_LIMITS_EXCEEDED"}, /* GitHub's "Something went wrong", often a timeout */
    {"{\"errors\":[{\"message\":\"x\",\"extensions\":{\"code\":\"undefinedField\"}}]}", CF_EDATA,
     "undefinedField"},
};

START_TEST(answers_without_data_are_errors)
{
    const struct net_step script[] = {{.body = nonsense[_i].body}};
    open_with(script, COUNT(script));
    ck_assert_int_eq(query(true), nonsense[_i].code);
    ck_assert_int_eq(err.code, nonsense[_i].code);
    ck_assert_str_eq(err.service_code, nonsense[_i].service_code);
    ck_assert_uint_eq(requests(), 1);
}
END_TEST

START_TEST(errors_beside_data_are_for_the_caller)
{
    const struct net_step script[] = {
        {.body = "{\"data\":{\"a\":null},\"errors\":[{\"type\":\"FORBIDDEN\"}]}"}};
    json_t *answer;
    open_with(script, COUNT(script));
    ck_assert_int_eq(sync_query(f.session, "{ a }", json_object(), 1000000, true, &answer, &err),
                     0);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "errors")), 1);
    json_decref(answer);
}
END_TEST

START_TEST(a_refused_token_is_denied)
{
    const struct net_step script[] = {{.status = 401, .body = "{}"}};
    open_with(script, COUNT(script));
    ck_assert_int_eq(query(true), CF_EDENIED);
    ck_assert_int_eq(get(), CF_EDENIED);
    ck_assert_ptr_null(one.reason);
    ck_assert_uint_eq(requests(), 2);
    ck_assert_ptr_null(strstr(err.message, FIXTURE_TOKEN));
}
END_TEST

/* --- documents that didn't change ---------------------------------------------------------------
 */

START_TEST(etags_spare_an_answer)
{
    const struct net_step script[] = {{.headers = "ETag: W/\"abc\"\r\n", .body = "[1]"},
                                      {.status = 304, .headers = "ETag: W/\"abc\"\r\n"},
                                      {.headers = "ETag: W/\"def\"\r\n", .body = "[2]"},
                                      {.body = "[3]"}};
    open_with(script, COUNT(script));
    ck_assert_int_eq(get(), 0);
    ck_assert(!one.not_modified);
    ck_assert_str_eq(one.new_etag, "W/\"abc\"");
    ck_assert(!head_has(0, "If-None-Match"));
    one.etag = "W/\"abc\"";
    ck_assert_int_eq(get(), 0);
    ck_assert(one.not_modified);
    ck_assert_ptr_null(one.document);
    ck_assert(head_has(1, "\r\nIf-None-Match: W/\"abc\"\r\n"));
    ck_assert(head_has(1, "\r\nAuthorization: bearer " FIXTURE_TOKEN "\r\n"));
    ck_assert_int_eq(get(), 0);
    ck_assert(!one.not_modified);
    ck_assert_int_eq(json_integer_value(json_array_get(one.document, 0)), 2);
    ck_assert_str_eq(one.new_etag, "W/\"def\"");
    one.etag = "";
    ck_assert_int_eq(get(), 0);
    ck_assert(!head_has(3, "If-None-Match"));
    ck_assert_str_eq(one.new_etag, "");
}
END_TEST

/* --- answers in pieces --------------------------------------------------------------------------
 */

static struct cf_buf fed;
static int restarts;
static int feed_rc;

static int feed(struct sync_get *request, const char *data, size_t length)
{
    cf_buf_append(&fed, data, length);
    return feed_rc ? cf_error_set(&request->error, feed_rc, "the reader says so") : 0;
}

static void restart(struct sync_get *request)
{
    (void)request;
    restarts++;
    cf_buf_release(&fed);
}

START_TEST(pieces_come_from_the_first_byte_of_a_good_answer)
{
    const struct net_step script[] = {{.action = NET_CUT, .body = "[1,2,3,4,5,6,7,8]"},
                                      {.body = HTML},
                                      {.status = 502, .body = HTML},
                                      {.action = NET_CHUNKS, .body = "[1,2]"}};
    open_with(script, COUNT(script));
    restarts = 0;
    feed_rc = 0;
    one.feed = feed;
    one.restart = restart;
    ck_assert_msg(get() == 0, "%s", err.message);
    ck_assert_str_eq(cf_buf_str(&fed), "[1,2]");
    ck_assert_ptr_null(one.document);
    ck_assert_int_eq(restarts, 2); /* the 502 gave it nothing */
    cf_buf_release(&fed);
}
END_TEST

START_TEST(who_reads_the_pieces_may_end_it)
{
    const struct net_step script[] = {{.body = "[1,2]"}};
    open_with(script, COUNT(script));
    feed_rc = CF_EDATA;
    one.feed = feed;
    one.restart = restart;
    ck_assert_int_eq(get(), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "the reader says so"));
    ck_assert_uint_eq(requests(), 1);
    cf_buf_release(&fed);
}
END_TEST

START_TEST(refusals_are_not_for_the_reader)
{
    const struct net_step script[] = {{.status = 404, .body = "{\"message\":\"Not Found\"}"}};
    open_with(script, COUNT(script));
    one.feed = feed;
    one.restart = restart;
    ck_assert_int_eq(get(), CF_EDATA);
    ck_assert_str_eq(one.reason, "not_found");
    ck_assert_uint_eq(fed.length, 0);
}
END_TEST

Suite *sync_session_answers_suite(void);

Suite *sync_session_answers_suite(void)
{
    Suite *suite = suite_create("sync_session_answers");
    TCase *tests = tcase_create("answers");
    TCase *renewal = tcase_create("renewal");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_unchecked_fixture(renewal, make_keys, remove_keys);
    tcase_add_checked_fixture(renewal, setup, teardown);
    tcase_add_test(tests, requests_carry_the_token);
    tcase_add_test(tests, without_a_token_none_is_sent);
    tcase_add_test(tests, rest_only_is_rest_only);
    tcase_add_loop_test(tests, redirects_are_not_followed, 0, COUNT(redirects));
    tcase_add_test(renewal, a_token_is_renewed_before_it_expires);
    tcase_add_test(renewal, a_token_that_cannot_be_renewed_is_an_error);
    tcase_add_loop_test(tests, what_can_be_split_is_not_repeated, 0, COUNT(outages));
    tcase_add_loop_test(tests, pages_of_proxies_are_outages, 0, COUNT(pages));
    tcase_add_loop_test(tests, what_recovers_is_no_error, 0, COUNT(pages));
    tcase_add_loop_test(tests, answers_without_data_are_errors, 0, COUNT(nonsense));
    tcase_add_test(tests, errors_beside_data_are_for_the_caller);
    tcase_add_test(tests, a_refused_token_is_denied);
    tcase_add_test(tests, etags_spare_an_answer);
    tcase_add_test(tests, pieces_come_from_the_first_byte_of_a_good_answer);
    tcase_add_test(tests, who_reads_the_pieces_may_end_it);
    tcase_add_test(tests, refusals_are_not_for_the_reader);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, renewal);
    return suite;
}
