/* Sessions and GitHub's limits: what is waited for, and what isn't sent. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "jobs/sync/github.h"
#include "tests/unit/sync_fixture.h"
#include "tests/unit/temporary.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GOOD "{\"data\":{\"rateLimit\":{\"cost\":3}}}"

static struct fixture_session f;
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    err = (struct cf_error){0};
}

static void teardown(void)
{
    fixture_close(&f);
}

static void open_with(const struct net_step *script, size_t count,
                      const struct sync_github_settings *settings)
{
    fixture_open(&f, net_server_new(script, count), settings);
}

static int query(struct sync_session *session)
{
    json_t *answer;
    int rc = sync_query(session, "{ x }", json_object(), 1000000, false, &answer, &err);
    json_decref(answer);
    return rc;
}

static int get(struct sync_session *session)
{
    struct sync_get one = {0};
    int rc = sync_get_now(session, &one, "/x", &err);
    sync_get_release(&one);
    return rc;
}

static int send_kind(struct sync_session *session, enum sync_resource resource)
{
    return resource == SYNC_GRAPHQL ? query(session) : get(session);
}

/* The monotonic clock's time of one of the real-time clock, rounded to the past. */
static int64_t monotonic_of(int64_t now_ms)
{
    return cf_clock_monotonic_ms() + (now_ms - cf_clock_now_ms()) - 2;
}

/* --- primary limits -----------------------------------------------------------------------------
 */

static const struct {
    enum sync_resource resource;
    int status;
    const char *body;
} used_up[] = {
    {SYNC_GRAPHQL, 200,
     "{\"errors\":[{\"type\":\"RATE_LIMITED\",\"message\":\"API rate limit\"}]}"},
    {SYNC_GRAPHQL, 200, "{\"data\":null,\"errors\":[{\"type\":\"RATE_LIMIT\"}]}"},
    {SYNC_GRAPHQL, 200, "{\"data\":{\"x\":1},\"errors\":[{\"type\":\"RATE_LIMIT\"}]}"},
    {SYNC_GRAPHQL, 403, "{}"},
    {SYNC_GRAPHQL, 429, ""},
    {SYNC_REST, 403, "{\"message\":\"API rate limit exceeded for user ID 1.\"}"},
    {SYNC_REST, 429, "{}"},
};

START_TEST(a_used_up_budget_is_waited_for)
{
    int64_t reset_ms = (cf_clock_now_ms() / 1000 + 1) * 1000;
    const char *headers = fixture_text("X-RateLimit-Limit: 5000\r\nx-ratelimit-remaining: 0\r\n"
                                       "X-RateLimit-Reset: %lld\r\n",
                                       (long long)reset_ms / 1000);
    const struct net_step script[] = {
        {.status = used_up[_i].status, .headers = headers, .body = used_up[_i].body},
        {.body = GOOD}};
    open_with(script, COUNT(script), NULL);
    ck_assert_msg(send_kind(f.session, used_up[_i].resource) == 0, "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_int_ge(net_server_seen(f.server, 1)->at_ms, monotonic_of(reset_ms));
    struct sync_usage usage = sync_session_usage(f.session);
    ck_assert_uint_eq(usage.requests, 2);
    ck_assert_int_gt(usage.waited_ms, 0);
    ck_assert_uint_eq(usage.points, used_up[_i].resource == SYNC_GRAPHQL ? 3 : 0);
}
END_TEST

START_TEST(a_used_up_budget_that_is_too_far_is_named)
{
    char when[CF_TIMESTAMP];
    const struct sync_github_settings settings = {.time_limit_ms = 3000};
    enum sync_resource resource = used_up[_i].resource;
    enum sync_resource other = resource == SYNC_REST ? SYNC_GRAPHQL : SYNC_REST;
    int64_t reset = cf_clock_now_ms() / 1000 + 3600;
    const char *headers = fixture_text("X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 0\r\n"
                                       "X-RateLimit-Reset: %lld\r\n",
                                       (long long)reset);
    const struct net_step script[] = {
        {.status = used_up[_i].status, .headers = headers, .body = used_up[_i].body},
        {.body = GOOD}};
    cf_clock_format((reset + 1) * 1000, when);
    open_with(script, COUNT(script), &settings);
    for (int i = 0; i < 3; i++) {
        err = (struct cf_error){0};
        ck_assert_int_eq(send_kind(f.session, resource), CF_ERETRY);
        ck_assert_int_eq(err.code, CF_ERETRY);
        ck_assert_msg(strstr(err.message, when) != NULL, "%s", err.message);
        ck_assert_int_eq(sync_session_ready(f.session, resource, &err), CF_ERETRY);
    }
    ck_assert_uint_eq(net_server_requests(f.server), 1);
    ck_assert_int_eq(send_kind(f.session, other), 0); /* the other budget isn't used up */
    ck_assert_uint_eq(net_server_requests(f.server), 2);
}
END_TEST

START_TEST(the_reserve_is_left)
{
    const struct sync_github_settings settings = {.time_limit_ms = 2000, .limits.reserve = 100};
    const char *headers = fixture_text("X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 101\r\n"
                                       "X-RateLimit-Reset: %lld\r\n",
                                       (long long)cf_clock_now_ms() / 1000 + 3600);
    const struct net_step script[] = {{.headers = headers, .body = GOOD}};
    open_with(script, COUNT(script), &settings);
    ck_assert_int_eq(query(f.session), 0);
    ck_assert_int_eq(query(f.session), 0);
    ck_assert_int_eq(query(f.session), CF_ERETRY); /* though the last answer said 101 as well */
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_int_eq(sync_session_usage(f.session).remaining, 100);
}
END_TEST

START_TEST(the_pace_is_kept)
{
    const struct sync_github_settings settings = {.time_limit_ms = 2000, .limits.per_minute = 1};
    const struct net_step script[] = {{.body = GOOD}};
    open_with(script, COUNT(script), &settings);
    ck_assert_int_eq(get(f.session), 0);
    ck_assert_int_eq(get(f.session), CF_ERETRY);
    ck_assert_int_eq(query(f.session), 0);
    ck_assert_int_eq(query(f.session), 0);
    ck_assert_int_eq(query(f.session), CF_ERETRY);
    ck_assert_uint_eq(net_server_requests(f.server), 3);
}
END_TEST

/* Attempts count as well: a server that is down isn't asked faster. */
START_TEST(the_pace_counts_attempts)
{
    const struct sync_github_settings settings = {.time_limit_ms = 2000, .limits.per_minute = 3};
    const struct net_step script[] = {{.status = 503, .body = "{}"}};
    open_with(script, COUNT(script), &settings);
    ck_assert_int_eq(get(f.session), CF_ERETRY);
    ck_assert_uint_eq(net_server_requests(f.server), 3);
}
END_TEST

START_TEST(a_limit_without_end_is_given_up)
{
    const struct net_step script[] = {
        {.headers = "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1\r\n",
         .body = "{\"errors\":[{\"type\":\"RATE_LIMITED\"}]}"}};
    open_with(script, COUNT(script), NULL);
    ck_assert_int_eq(query(f.session), CF_ERETRY);
    ck_assert_uint_eq(net_server_requests(f.server), 20);
}
END_TEST

/* --- secondary limits ---------------------------------------------------------------------------
 */

static const struct {
    enum sync_resource resource;
    int status;
    const char *body;
} secondary[] = {
    {SYNC_GRAPHQL, 200, "{\"errors\":[{\"type\":\"RATE_LIMITED\"}]}"},
    {SYNC_GRAPHQL, 403,
     "{\"documentation_url\":\"https://docs.github.com/graphql/overview/"
     "rate-limits-and-node-limits-for-the-graphql-api#secondary-rate-limits\"}"},
    {SYNC_GRAPHQL, 429, "{}"},
    {SYNC_REST, 403,
     "{\"documentation_url\":\"https://docs.github.com/free-pro-team@latest/rest/overview/"
     "rate-limits-for-the-rest-api#about-secondary-rate-limits\"}"},
    {SYNC_REST, 429, "{}"},
};

START_TEST(retry_after_is_waited_for_by_both)
{
    const struct net_step script[] = {{.status = secondary[_i].status,
                                       .headers = "Retry-After: 1\r\nX-RateLimit-Limit: 5000\r\n"
                                                  "X-RateLimit-Remaining: 4000\r\n"
                                                  "X-RateLimit-Reset: 99999999999\r\n",
                                       .body = secondary[_i].body},
                                      {.body = GOOD}};
    open_with(script, COUNT(script), NULL);
    ck_assert_msg(send_kind(f.session, secondary[_i].resource) == 0, "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_int_ge(net_server_seen(f.server, 1)->at_ms,
                     net_server_seen(f.server, 0)->at_ms + 990);
}
END_TEST

START_TEST(without_a_time_it_is_a_minute_for_both)
{
    const struct sync_github_settings settings = {.time_limit_ms = 5000};
    const struct net_step script[] = {{.status = secondary[_i].status,
                                       .headers = "X-RateLimit-Limit: 5000\r\n"
                                                  "X-RateLimit-Remaining: 4000\r\n",
                                       .body = secondary[_i].body},
                                      {.body = GOOD}};
    open_with(script, COUNT(script), &settings);
    ck_assert_int_eq(send_kind(f.session, secondary[_i].resource), CF_ERETRY);
    ck_assert_int_eq(err.code, CF_ERETRY);
    ck_assert_int_eq(get(f.session), CF_ERETRY);
    ck_assert_int_eq(query(f.session), CF_ERETRY);
    ck_assert_uint_eq(net_server_requests(f.server), 1);
}
END_TEST

START_TEST(a_403_that_is_no_limit_is_none)
{
    const struct net_step script[] = {
        {.status = 403,
         .headers = "X-RateLimit-Remaining: 4000\r\n",
         .body = "{\"message\":\"Resource not accessible\",\"documentation_url\":"
                 "\"https://docs.github.com/rest/repos/repos\"}"}};
    open_with(script, COUNT(script), NULL);
    ck_assert_int_eq(query(f.session), CF_EDENIED);
    ck_assert_int_eq(get(f.session), CF_EDENIED);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_int_eq(sync_session_ready(f.session, SYNC_REST, &err), 0);
}
END_TEST

/* --- several at a time --------------------------------------------------------------------------
 */

static volatile int stop;

static void wait_or_stop(void *context, size_t index)
{
    int *rc = context;
    if (index == 0) {
        *rc = query(f.session);
    } else {
        cf_task_sleep(300, NULL);
        stop = 1;
    }
}

START_TEST(a_signal_ends_the_wait)
{
    int rc = 0;
    const struct sync_github_settings settings = {.stop = &stop, .time_limit_ms = 1000000};
    const struct net_step script[] = {{.status = 429, .headers = "Retry-After: 600\r\n"}};
    const struct cf_task_set set = {.count = 2, .at_once = 2, .run = wait_or_stop, .context = &rc};
    stop = 0;
    open_with(script, COUNT(script), &settings);
    cf_tasks_run(&set);
    ck_assert_int_eq(rc, CF_EINTERRUPTED);
    ck_assert_uint_eq(net_server_requests(f.server), 1);
}
END_TEST

/* The first tenant's token is used up for a while; the second's isn't. */
struct tenants {
    struct sync_session *sessions[2];
    int64_t ended_ms[2];
    int rc[2];
};

static void run_tenant(void *context, size_t index)
{
    struct tenants *tenants = context;
    for (int i = 0; i < 5 && !tenants->rc[index]; i++) {
        struct sync_get one = {0};
        struct cf_error error;
        const char *path = index ? "/second" : "/first";
        tenants->rc[index] = sync_get_now(tenants->sessions[index], &one, path, &error);
        sync_get_release(&one);
    }
    tenants->ended_ms[index] = cf_clock_monotonic_ms();
}

static void write_token(const char *folder, const char *tenant, const char *token)
{
    char *path = cf_asprintf("%s/%s", folder, tenant);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert(fprintf(file, "%s\n", token) > 0);
    ck_assert_int_eq(fclose(file), 0);
    free(path);
}

static void run_two(const char *second_token, struct tenants *tenants)
{
    char *folder = temporary_folder();
    char *source = cf_asprintf("file:%s/{tenant}", folder);
    const struct sync_github_settings settings = {.token_sources = source};
    const struct net_step script[] = {
        {.path = "/first", .status = 429, .headers = "Retry-After: 1\r\n"},
        {.path = "/first", .body = "{}"},
        {.path = "/second", .body = "{}"}};
    const struct cf_task_set set = {
        .count = 2, .at_once = 2, .run = run_tenant, .context = tenants};
    write_token(folder, "octocat", "token-of-the-first");
    write_token(folder, "second", second_token);
    fixture_open(&f, net_server_new_unordered(script, COUNT(script)), &settings);
    memset(tenants, 0, sizeof(*tenants));
    tenants->sessions[0] = f.session;
    ck_assert_int_eq(sync_session_open(f.github, "second", "Second", &tenants->sessions[1], &err),
                     0);
    cf_tasks_run(&set);
    ck_assert_int_eq(tenants->rc[0], 0);
    ck_assert_int_eq(tenants->rc[1], 0);
    ck_assert_uint_eq(net_server_requests(f.server), 11);
    sync_session_close(tenants->sessions[1]);
    free(source);
    temporary_remove(folder);
}

/* The index of the last request with this path. */
static size_t last_of(const char *path)
{
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < net_server_requests(f.server); i++) {
        last = strstr(net_server_seen(f.server, i)->head, path) ? i : last;
    }
    return last;
}

START_TEST(tokens_have_limits_of_their_own)
{
    struct tenants tenants;
    run_two("token-of-the-second", &tenants);
    ck_assert_int_lt(tenants.ended_ms[1], tenants.ended_ms[0]);
    ck_assert_uint_lt(last_of("/second"), 6); /* all before the first's second request */
    for (size_t i = 0; i < net_server_requests(f.server); i++) {
        const char *head = net_server_seen(f.server, i)->head;
        ck_assert_ptr_nonnull(strstr(head, strstr(head, "GET /first")
                                               ? "Authorization: bearer token-of-the-first\r\n"
                                               : "Authorization: bearer token-of-the-second\r\n"));
    }
    ck_assert_int_gt(sync_session_usage(f.session).waited_ms, 0);
}
END_TEST

START_TEST(one_token_has_one_limit)
{
    struct tenants tenants;
    run_two("token-of-the-first", &tenants);
    size_t refused = 0;
    while (!strstr(net_server_seen(f.server, refused)->head, "/first")) {
        refused++;
    }
    /* What was under way when the refusal came may be answered; the rest waits. */
    ck_assert_uint_le(refused, 5);
    const struct net_seen *last = net_server_seen(f.server, last_of("/second"));
    ck_assert(refused == 5 || last->at_ms >= net_server_seen(f.server, refused)->at_ms + 990);
}
END_TEST

Suite *sync_session_suite(void);

Suite *sync_session_suite(void)
{
    Suite *suite = suite_create("sync_session");
    TCase *tests = tcase_create("limits");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_used_up_budget_is_waited_for, 0, COUNT(used_up));
    tcase_add_loop_test(tests, a_used_up_budget_that_is_too_far_is_named, 0, COUNT(used_up));
    tcase_add_test(tests, the_reserve_is_left);
    tcase_add_test(tests, the_pace_is_kept);
    tcase_add_test(tests, the_pace_counts_attempts);
    tcase_add_test(tests, a_limit_without_end_is_given_up);
    tcase_add_loop_test(tests, retry_after_is_waited_for_by_both, 0, COUNT(secondary));
    tcase_add_loop_test(tests, without_a_time_it_is_a_minute_for_both, 0, COUNT(secondary));
    tcase_add_test(tests, a_403_that_is_no_limit_is_none);
    tcase_add_test(tests, a_signal_ends_the_wait);
    tcase_add_test(tests, tokens_have_limits_of_their_own);
    tcase_add_test(tests, one_token_has_one_limit);
    suite_add_tcase(suite, tests);
    return suite;
}
