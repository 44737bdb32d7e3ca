/* What a request can ask of its attempts: headers made anew, limits of its own, addresses that
 * others may not use, a grace after the stop flag; and that a small answer isn't waited for. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/net/http.h"
#include "common/net/policy.h"
#include "tests/unit/net_server.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct cf_http_options quick = {
    .backoff_ms = 20, .max_attempts = 3, .silence_ms = 5000, .total_ms = 10000};

static void run(struct cf_http_request *request, const struct cf_http_options *options)
{
    struct cf_http *http = cf_http_new(options);
    cf_http_add(http, request);
    cf_http_wait(http);
    cf_http_free(http);
}

struct numbered {
    char line[32];
    const char *headers[2];
    int attempts;
    int fails_at;
};

static int number_attempt(struct cf_http_request *request)
{
    struct numbered *numbered = request->context;
    if (++numbered->attempts == numbered->fails_at) {
        return cf_error_set(&request->error, CF_EDENIED, "no more attempts");
    }
    (void)snprintf(numbered->line, sizeof(numbered->line), "X-Attempt: %d", numbered->attempts);
    numbered->headers[0] = numbered->line;
    request->headers = numbered->headers;
    return 0;
}

START_TEST(every_attempt_has_its_own_headers)
{
    static const struct net_step script[] = {{.status = 503}, {.status = 500}, {.body = "x"}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct numbered numbered = {.attempts = 0};
    struct cf_http_request request = {.method = "GET",
                                      .url = net_server_url(server),
                                      .prepare = number_attempt,
                                      .context = &numbered};
    run(&request, &quick);
    ck_assert_int_eq(request.rc, 0);
    for (size_t i = 0; i < 3; i++) {
        char line[40];
        (void)snprintf(line, sizeof(line), "\r\nX-Attempt: %zu\r\n", i + 1);
        ck_assert_ptr_nonnull(strstr(net_server_seen(server, i)->head, line));
    }
    cf_http_request_release(&request);
    net_server_free(server);
}
END_TEST

START_TEST(an_attempt_that_cannot_be_prepared_ends_the_request)
{
    static const struct net_step script[] = {{.status = 503}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct numbered numbered = {.fails_at = _i};
    struct cf_http_request request = {.method = "GET",
                                      .url = net_server_url(server),
                                      .prepare = number_attempt,
                                      .context = &numbered};
    run(&request, &quick);
    ck_assert_int_eq(request.rc, CF_EDENIED);
    ck_assert_ptr_nonnull(strstr(request.error.message, "no more attempts"));
    ck_assert_uint_eq(net_server_requests(server), (size_t)_i - 1);
    cf_http_request_release(&request);
    net_server_free(server);
}
END_TEST

START_TEST(a_request_has_limits_of_its_own)
{
    static const struct net_step script[] = {{.action = NET_SILENT}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_http_request total = {
        .method = "GET", .url = net_server_url(server), .total_ms = 300};
    struct cf_http_request silence = {
        .method = "GET", .url = net_server_url(server), .silence_ms = 1000, .total_ms = 2500};
    int64_t begin = cf_clock_monotonic_ms();
    run(&total, &quick);
    int64_t middle = cf_clock_monotonic_ms();
    run(&silence, &quick);
    ck_assert_int_eq(total.rc, CF_EUNAVAILABLE);
    ck_assert_int_eq(silence.rc, CF_EUNAVAILABLE);
    ck_assert_int_lt(middle - begin, 2000);
    ck_assert_int_lt(cf_clock_monotonic_ms() - middle, 4500);
    ck_assert_uint_ge(silence.attempts, 2);
    cf_http_request_release(&total);
    cf_http_request_release(&silence);
    net_server_free(server);
}
END_TEST

START_TEST(what_is_under_way_may_end_within_the_grace)
{
    static const struct net_step script[] = {{.body = "x", .delay_ms = 400}};
    struct net_server *server = net_server_new(script, COUNT(script));
    static const volatile int stop = 1;
    struct cf_http_options options = quick;
    struct cf_http_request first = {.method = "GET", .url = net_server_url(server)};
    struct cf_http_request second = {.method = "GET", .url = net_server_url(server)};
    options.stop = &stop;
    options.grace_ms = 700;
    struct cf_http *http = cf_http_new(&options);
    cf_http_add(http, &first);
    cf_http_wait(http);
    cf_http_add(http, &second);
    cf_http_wait(http);
    ck_assert_int_eq(first.rc, 0);
    ck_assert_int_eq(second.rc, CF_EINTERRUPTED);
    cf_http_free(http);
    cf_http_request_release(&first);
    cf_http_request_release(&second);
    net_server_free(server);
}
END_TEST

static const struct {
    const char *url;
    enum cf_net_url kind;
} urls[] = {
    {"https://example.org/", CF_NET_URL_TLS},
    {"http://127.0.0.1/", CF_NET_URL_LOOPBACK},
    {"http://169.254.170.2/creds", CF_NET_URL_CONTAINER},
    {"http://169.254.170.23/", CF_NET_URL_CONTAINER},
    {"http://[fd00:ec2::23]/", CF_NET_URL_CONTAINER},
    {"http://[fd00:ec2:0::0:23]:80/", CF_NET_URL_CONTAINER},
    {"http://169.254.169.254/latest", CF_NET_URL_INSTANCE},
    {"http://[fd00:ec2::254]/", CF_NET_URL_INSTANCE},
    {"http://169.254.170.2.example.org/", CF_NET_URL_REFUSED},
    {"http://169.254.170.22/", CF_NET_URL_REFUSED},
    {"http://169.254.170.2@example.org/", CF_NET_URL_REFUSED},
    {"http://[::ffff:169.254.170.2]/", CF_NET_URL_REFUSED},
    {"http://example.org/169.254.170.2", CF_NET_URL_REFUSED},
};

START_TEST(plain_http_has_its_addresses)
{
    enum cf_net_url kind = urls[_i].kind;
    ck_assert_int_eq(cf_net_url_kind(urls[_i].url), kind);
    for (int plain = CF_HTTP_PLAIN_LOOPBACK; plain <= CF_HTTP_PLAIN_INSTANCE; plain++) {
        bool expected = kind == CF_NET_URL_TLS || kind == CF_NET_URL_LOOPBACK ||
                        (kind == CF_NET_URL_CONTAINER && plain == CF_HTTP_PLAIN_CONTAINER) ||
                        (kind == CF_NET_URL_INSTANCE && plain == CF_HTTP_PLAIN_INSTANCE);
        ck_assert_int_eq(cf_net_url_is_allowed(kind, (enum cf_http_plain)plain), expected);
    }
}
END_TEST

/* The scripted server sends head and body apart with Nagle's algorithm on, as some real ones do: so
 * each of these takes 40 ms when its first segment isn't acknowledged at once. */
START_TEST(small_answers_are_not_waited_for)
{
    enum { TIMES = 50 };
    static const struct net_step script[] = {{.body = "a small body"}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_http *http = cf_http_new(&quick);
    int64_t begin = cf_clock_monotonic_ms();
    for (int i = 0; i < TIMES; i++) {
        struct cf_http_request request = {.method = "GET", .url = net_server_url(server)};
        cf_http_add(http, &request);
        cf_http_wait(http);
        ck_assert_int_eq(request.rc, 0);
        cf_http_request_release(&request);
    }
    ck_assert_int_lt(cf_clock_monotonic_ms() - begin, TIMES * 30);
    ck_assert_int_eq(net_server_accepts(server), 1);
    cf_http_free(http);
    net_server_free(server);
}
END_TEST

Suite *net_attempts_suite(void);

Suite *net_attempts_suite(void)
{
    Suite *suite = suite_create("net_attempts");
    TCase *tc = tcase_create("attempts");
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, every_attempt_has_its_own_headers);
    tcase_add_loop_test(tc, an_attempt_that_cannot_be_prepared_ends_the_request, 1, 3);
    tcase_add_test(tc, a_request_has_limits_of_its_own);
    tcase_add_test(tc, what_is_under_way_may_end_within_the_grace);
    tcase_add_loop_test(tc, plain_http_has_its_addresses, 0, (int)COUNT(urls));
    tcase_add_test(tc, small_answers_are_not_waited_for);
    suite_add_tcase(suite, tc);
    return suite;
}
