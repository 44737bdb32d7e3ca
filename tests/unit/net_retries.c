/* Which attempts are followed by another, when, and what ends them all. */
#include <check.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/http.h"
#include "common/net/policy.h"
#include "tests/unit/net_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(retries_what_may_pass)
{
    static const struct net_step script[] = {
        {.status = 503, .body = "busy"}, {.action = NET_ABORT}, {.body = "fine"}};
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "fine");
    ck_assert(one.request.attempts >= 2); /* libcurl itself repeats one on a reused connection */
    ck_assert_uint_eq(net_server_requests(one.server), 3);
    net_one_close(&one);
}
END_TEST

START_TEST(gives_up_after_the_last_attempt)
{
    struct net_one one;
    net_one_open(&one, &net_failures[_i], 1, "/x?token=s3cret");
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_int_eq(one.request.error.code, CF_EUNAVAILABLE);
    ck_assert_uint_eq(one.request.attempts, 3);
    ck_assert_uint_eq(net_server_requests(one.server), 3);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "after 3 attempts"));
    ck_assert_ptr_null(strstr(one.request.error.key, "s3cret"));
    if (net_failures[_i].status) {
        ck_assert_int_eq(one.request.error.http_status, net_failures[_i].status);
        ck_assert_str_eq(cf_buf_str(&one.request.answer),
                         net_failures[_i].body ? net_failures[_i].body : "");
    }
    net_one_close(&one);
}
END_TEST

static const int final_statuses[] = {201, 204, 301, 302, 304, 307, 400, 401, 403,
                                     404, 409, 412, 416, 422, 429, 451, 501};

START_TEST(never_retries_or_follows_the_rest)
{
    const struct net_step script[] = {
        {.status = final_statuses[_i], .headers = "Location: http://127.0.0.1:1/elsewhere\r\n"}};
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    net_one_run(&one, &net_quick);
    net_one_expect(&one, final_statuses[_i], "");
    ck_assert_uint_eq(net_server_requests(one.server), 1);
    net_one_close(&one);
}
END_TEST

START_TEST(honours_retry_after)
{
    static const struct net_step script[] = {{.status = 503, .headers = "Retry-After: 1\r\n"},
                                             {.body = "fine"}};
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "fine");
    int64_t waited = net_server_seen(one.server, 1)->at_ms - net_server_seen(one.server, 0)->at_ms;
    ck_assert_msg(waited >= 995 && waited < 1900, "waited %lld ms", (long long)waited);
    net_one_close(&one);
}
END_TEST

START_TEST(honours_a_date_in_retry_after)
{
    char header[80];
    time_t then = time(NULL) + 2;
    struct tm tm;
    ck_assert_ptr_nonnull(gmtime_r(&then, &tm));
    (void)strftime(header, sizeof(header), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    const struct net_step script[] = {{.status = 503, .headers = header}, {.body = "fine"}};
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "fine");
    int64_t waited = net_server_seen(one.server, 1)->at_ms - net_server_seen(one.server, 0)->at_ms;
    ck_assert_msg(waited >= 900 && waited < 3000, "waited %lld ms", (long long)waited);
    net_one_close(&one);
}
END_TEST

static const char *const far_waits[] = {"Retry-After: 60\r\n", "Retry-After: 9999999999\r\n"};

START_TEST(a_wait_that_does_not_fit_ends_it_at_once)
{
    const struct net_step script[] = {{.status = 503, .headers = far_waits[_i], .body = "busy"}};
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    int64_t start = cf_clock_monotonic_ms();
    net_one_run(&one, &net_quick);
    ck_assert(cf_clock_monotonic_ms() - start < 1500);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_int_eq(one.request.error.http_status, 503);
    ck_assert_uint_eq(one.request.attempts, 1);
    net_one_close(&one);
}
END_TEST

START_TEST(total_time_bounds_all_attempts)
{
    static const struct net_step script[] = {
        {.action = NET_DRIP, .body_length = 1000, .body = "0123456789"}};
    static char body[1000];
    struct net_step drip = script[0];
    memset(body, 'x', sizeof(body));
    drip.body = body;
    struct cf_http_options options = net_quick;
    options.total_ms = 700;
    options.silence_ms = 30000;
    struct net_one one;
    net_one_open(&one, &drip, 1, "/");
    int64_t start = cf_clock_monotonic_ms();
    net_one_run(&one, &options);
    int64_t took = cf_clock_monotonic_ms() - start;
    ck_assert_msg(took >= 600 && took < 2000, "took %lld ms", (long long)took);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    net_one_close(&one);
}
END_TEST

START_TEST(silence_ends_an_attempt)
{
    static const struct net_step script[] = {{.action = NET_SILENT}, {.body = "fine"}};
    struct cf_http_options options = net_quick;
    options.total_ms = 20000;
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    net_one_run(&one, &options);
    net_one_expect(&one, 200, "fine");
    ck_assert_uint_eq(one.request.attempts, 2);
    ck_assert_int_eq(net_server_accepts(one.server), 2);
    net_one_close(&one);
}
END_TEST

START_TEST(refused_connections_are_unavailable)
{
    struct net_one one;
    static const struct net_step script[] = {{.body = ""}};
    net_one_open(&one, script, 1, "/");
    struct cf_http_request request = {.method = "GET", .url = "http://127.0.0.1:1/?key=s3cret"};
    struct cf_http *http = cf_http_new(&net_quick);
    cf_http_add(http, &request);
    cf_http_wait(http);
    ck_assert_int_eq(request.rc, CF_EUNAVAILABLE);
    ck_assert_uint_eq(request.attempts, 3);
    ck_assert_str_eq(request.error.key, "http://127.0.0.1:1/");
    ck_assert_ptr_null(strstr(request.error.message, "s3cret"));
    cf_http_request_release(&request);
    cf_http_free(http);
    net_one_close(&one);
}
END_TEST

START_TEST(a_dead_connection_is_replaced)
{
    static const struct net_step script[] = {
        {.body = "one"}, {.action = NET_CLOSE}, {.body = "two"}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_http *http = cf_http_new(&net_quick);
    for (int i = 0; i < 2; i++) {
        struct cf_http_request request = {
            .method = "POST", .url = net_server_url(server), .body = "body", .body_length = 4};
        cf_http_add(http, &request);
        cf_http_wait(http);
        ck_assert_int_eq(request.rc, 0);
        ck_assert_str_eq(request.answer.data, i ? "two" : "one");
        cf_http_request_release(&request);
    }
    ck_assert_str_eq(net_server_seen(server, 2)->body, "body");
    cf_http_free(http);
    net_server_free(server);
}
END_TEST

static volatile int stop_flag;

static void set_stop(int signal_number)
{
    (void)signal_number;
    stop_flag = 1;
}

/* One in flight that never gets an answer, one waiting for its next attempt, one queued. */
START_TEST(the_stop_flag_ends_everything)
{
    static const struct net_step script[] = {{.status = 503, .headers = "Retry-After: 3\r\n"},
                                             {.action = NET_SILENT}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_http_options options = net_quick;
    options.max_in_flight = 2;
    options.total_ms = 30000;
    options.silence_ms = 30000;
    options.stop = &stop_flag;
    struct cf_http_request requests[3];
    struct cf_http *http = cf_http_new(&options);
    memset(requests, 0, sizeof(requests));
    for (size_t i = 0; i < COUNT(requests); i++) {
        requests[i].method = "GET";
        requests[i].url = net_server_url(server);
        cf_http_add(http, &requests[i]);
    }
    stop_flag = 0;
    (void)signal(SIGALRM, set_stop);
    (void)alarm(1);
    int64_t start = cf_clock_monotonic_ms();
    cf_http_wait(http);
    ck_assert(cf_clock_monotonic_ms() - start < 2500);
    for (size_t i = 0; i < COUNT(requests); i++) {
        ck_assert_int_eq(requests[i].rc, CF_EINTERRUPTED);
        cf_http_request_release(&requests[i]);
    }
    cf_http_free(http);
    net_server_free(server);
    stop_flag = 0;
}
END_TEST

START_TEST(jitter_has_bounds)
{
    for (uint64_t r = 0; r < 1000; r++) {
        uint64_t random = r * UINT64_C(0x9e3779b97f4a7c15);
        int64_t first = cf_net_backoff_ms(1, 200, 0, random);
        int64_t third = cf_net_backoff_ms(3, 200, 0, random);
        int64_t late = cf_net_backoff_ms(40, 200, 0, random);
        int64_t floored = cf_net_backoff_ms(1, 200, 5000, random);
        ck_assert(first >= 0 && first < 200);
        ck_assert(third >= 0 && third < 800);
        ck_assert(late >= 0 && late < 20000);
        ck_assert(floored >= 5000 && floored < 5200);
    }
    ck_assert_int_eq(cf_net_backoff_ms(1, 0, 0, 7), 0);
    ck_assert_int_eq(cf_net_backoff_ms(1, 200, -5, 0), 0);
    ck_assert(cf_net_backoff_ms(4, 200, 0, 1599) > cf_net_backoff_ms(1, 200, 0, 199));
}
END_TEST

Suite *net_retries_suite(void)
{
    Suite *suite = suite_create("net_retries");
    TCase *retries = tcase_create("retries");
    tcase_set_timeout(retries, 20);
    tcase_add_test(retries, retries_what_may_pass);
    tcase_add_loop_test(retries, gives_up_after_the_last_attempt, 0, COUNT(net_failures));
    tcase_add_loop_test(retries, never_retries_or_follows_the_rest, 0, COUNT(final_statuses));
    tcase_add_test(retries, honours_retry_after);
    tcase_add_test(retries, honours_a_date_in_retry_after);
    tcase_add_loop_test(retries, a_wait_that_does_not_fit_ends_it_at_once, 0, COUNT(far_waits));
    tcase_add_test(retries, total_time_bounds_all_attempts);
    tcase_add_test(retries, silence_ends_an_attempt);
    tcase_add_test(retries, refused_connections_are_unavailable);
    tcase_add_test(retries, a_dead_connection_is_replaced);
    tcase_add_test(retries, jitter_has_bounds);
    tcase_add_test(retries, the_stop_flag_ends_everything);
    suite_add_tcase(suite, retries);
    return suite;
}
