#include "common/net/http.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/compress.h"
#include "common/net/policy.h"
#include "tests/unit/net_server.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct cf_http_options quick = {
    .backoff_ms = 20, .max_attempts = 3, .silence_ms = 1000, .total_ms = 4000, .connect_ms = 2000};

/* One request, for the tests that need no more. */
struct one {
    struct net_server *server;
    char url[128];
    struct cf_http_request request;
    struct cf_http_totals totals;
};

static void one_open(struct one *one, const struct net_step *script, size_t count, const char *path)
{
    memset(one, 0, sizeof(*one));
    one->server = net_server_new(script, count);
    (void)snprintf(one->url, sizeof(one->url), "%s%s", net_server_url(one->server), path);
    one->request.method = "GET";
    one->request.url = one->url;
}

static void one_run(struct one *one, const struct cf_http_options *options)
{
    struct cf_http *http = cf_http_new(options);
    cf_http_add(http, &one->request);
    cf_http_wait(http);
    one->totals = cf_http_totals(http);
    cf_http_free(http);
}

static void one_close(struct one *one)
{
    cf_http_request_release(&one->request);
    net_server_free(one->server);
}

static void expect_answer(const struct one *one, long status, const char *body)
{
    ck_assert_msg(one->request.rc == 0, "%s", one->request.error.message);
    ck_assert_int_eq(one->request.status, status);
    ck_assert_str_eq(cf_buf_str(&one->request.answer), body);
}

START_TEST(gets_an_answer_with_headers)
{
    static const struct net_step script[] = {
        {.path = "GET /a?b=c ", .headers = "X-One:  first \r\nETag: \"x\"\r\n", .body = "hello"}};
    static const char *const headers[] = {"Authorization: bearer s3cret", NULL};
    struct one one;
    char value[16];
    char small[3];
    one_open(&one, script, COUNT(script), "/a?b=c");
    one.request.headers = headers;
    one_run(&one, &quick);
    expect_answer(&one, 200, "hello");
    ck_assert(cf_http_header(&one.request, "x-one", value, sizeof(value)));
    ck_assert_str_eq(value, "first");
    ck_assert(!cf_http_header(&one.request, "X-On", value, sizeof(value)));
    ck_assert(!cf_http_header(&one.request, "x-one", small, sizeof(small)));
    const char *head = net_server_seen(one.server, 0)->head;
    ck_assert_ptr_nonnull(strstr(head, "\r\nAuthorization: bearer s3cret\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nUser-Agent: cloudfolio\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nAccept-Encoding: "));
    ck_assert_ptr_null(strstr(head, "\r\nContent-Type"));
    ck_assert_uint_eq(one.totals.requests, 1);
    ck_assert(one.totals.bytes_sent >= strlen(head) && one.totals.bytes_received > 5);
    one_close(&one);
}
END_TEST

START_TEST(sends_bodies_of_every_method)
{
    static const struct net_step script[] = {{.body = "ok"}};
    static const struct {
        const char *method, *body;
    } cases[] = {{"POST", "{}"}, {"PUT", "data"}, {"DELETE", NULL}, {"PUT", ""}, {"GET", NULL}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_http_options serial = quick;
    serial.max_in_flight = 1; /* so that one handle carries all methods, one after the other */
    struct cf_http *http = cf_http_new(&serial);
    struct cf_http_request requests[COUNT(cases)];
    memset(requests, 0, sizeof(requests));
    for (size_t i = 0; i < COUNT(cases); i++) {
        requests[i].method = cases[i].method;
        requests[i].url = net_server_url(server);
        requests[i].body = cases[i].body;
        requests[i].body_length = cases[i].body ? strlen(cases[i].body) : 0;
        cf_http_add(http, &requests[i]);
    }
    cf_http_wait(http);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct net_seen *seen = net_server_seen(server, i);
        ck_assert_int_eq(requests[i].rc, 0);
        ck_assert_int_eq(strncmp(seen->head, cases[i].method, strlen(cases[i].method)), 0);
        ck_assert_str_eq(seen->body, cases[i].body ? cases[i].body : "");
        ck_assert_ptr_null(strstr(seen->head, "Expect"));
        cf_http_request_release(&requests[i]);
    }
    ck_assert_int_eq(net_server_accepts(server), 1);
    cf_http_free(http);
    net_server_free(server);
}
END_TEST

START_TEST(head_has_a_length_and_no_body)
{
    static const struct net_step script[] = {{.headers = "Connection: close\r\n", .body = ""}};
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one.request.method = "HEAD";
    one_run(&one, &quick);
    expect_answer(&one, 200, "");
    ck_assert_int_eq(strncmp(net_server_seen(one.server, 0)->head, "HEAD / ", 7), 0);
    one_close(&one);
}
END_TEST

START_TEST(retries_what_may_pass)
{
    static const struct net_step script[] = {
        {.status = 503, .body = "busy"}, {.action = NET_ABORT}, {.body = "fine"}};
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one_run(&one, &quick);
    expect_answer(&one, 200, "fine");
    ck_assert(one.request.attempts >= 2); /* libcurl itself repeats one on a reused connection */
    ck_assert_uint_eq(net_server_requests(one.server), 3);
    one_close(&one);
}
END_TEST

static const struct net_step failures[] = {{.action = NET_CLOSE},
                                           {.action = NET_ABORT},
                                           {.action = NET_CUT, .body = "half of this"},
                                           {.status = 500, .body = "{}"},
                                           {.status = 502, .body = "<html>bad gateway</html>"},
                                           {.status = 503},
                                           {.status = 504}};

START_TEST(gives_up_after_the_last_attempt)
{
    struct one one;
    one_open(&one, &failures[_i], 1, "/x?token=s3cret");
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_int_eq(one.request.error.code, CF_EUNAVAILABLE);
    ck_assert_uint_eq(one.request.attempts, 3);
    ck_assert_uint_eq(net_server_requests(one.server), 3);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "after 3 attempts"));
    ck_assert_ptr_null(strstr(one.request.error.key, "s3cret"));
    if (failures[_i].status) {
        ck_assert_int_eq(one.request.error.http_status, failures[_i].status);
        ck_assert_str_eq(cf_buf_str(&one.request.answer),
                         failures[_i].body ? failures[_i].body : "");
    }
    one_close(&one);
}
END_TEST

static const int final_statuses[] = {201, 204, 301, 302, 304, 307, 400, 401, 403,
                                     404, 409, 412, 416, 422, 429, 451, 501};

START_TEST(never_retries_or_follows_the_rest)
{
    const struct net_step script[] = {
        {.status = final_statuses[_i], .headers = "Location: http://127.0.0.1:1/elsewhere\r\n"}};
    struct one one;
    one_open(&one, script, 1, "/");
    one_run(&one, &quick);
    expect_answer(&one, final_statuses[_i], "");
    ck_assert_uint_eq(net_server_requests(one.server), 1);
    one_close(&one);
}
END_TEST

START_TEST(honours_retry_after)
{
    static const struct net_step script[] = {{.status = 503, .headers = "Retry-After: 1\r\n"},
                                             {.body = "fine"}};
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one_run(&one, &quick);
    expect_answer(&one, 200, "fine");
    int64_t waited = net_server_seen(one.server, 1)->at_ms - net_server_seen(one.server, 0)->at_ms;
    ck_assert_msg(waited >= 995 && waited < 1900, "waited %lld ms", (long long)waited);
    one_close(&one);
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
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one_run(&one, &quick);
    expect_answer(&one, 200, "fine");
    int64_t waited = net_server_seen(one.server, 1)->at_ms - net_server_seen(one.server, 0)->at_ms;
    ck_assert_msg(waited >= 900 && waited < 3000, "waited %lld ms", (long long)waited);
    one_close(&one);
}
END_TEST

static const char *const far_waits[] = {"Retry-After: 60\r\n", "Retry-After: 9999999999\r\n"};

START_TEST(a_wait_that_does_not_fit_ends_it_at_once)
{
    const struct net_step script[] = {{.status = 503, .headers = far_waits[_i], .body = "busy"}};
    struct one one;
    one_open(&one, script, 1, "/");
    int64_t start = cf_clock_monotonic_ms();
    one_run(&one, &quick);
    ck_assert(cf_clock_monotonic_ms() - start < 1500);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_int_eq(one.request.error.http_status, 503);
    ck_assert_uint_eq(one.request.attempts, 1);
    one_close(&one);
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
    struct cf_http_options options = quick;
    options.total_ms = 700;
    options.silence_ms = 30000;
    struct one one;
    one_open(&one, &drip, 1, "/");
    int64_t start = cf_clock_monotonic_ms();
    one_run(&one, &options);
    int64_t took = cf_clock_monotonic_ms() - start;
    ck_assert_msg(took >= 600 && took < 2000, "took %lld ms", (long long)took);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    one_close(&one);
}
END_TEST

START_TEST(silence_ends_an_attempt)
{
    static const struct net_step script[] = {{.action = NET_SILENT}, {.body = "fine"}};
    struct cf_http_options options = quick;
    options.total_ms = 20000;
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one_run(&one, &options);
    expect_answer(&one, 200, "fine");
    ck_assert_uint_eq(one.request.attempts, 2);
    ck_assert_int_eq(net_server_accepts(one.server), 2);
    one_close(&one);
}
END_TEST

START_TEST(refused_connections_are_unavailable)
{
    struct one one;
    static const struct net_step script[] = {{.body = ""}};
    one_open(&one, script, 1, "/");
    struct cf_http_request request = {.method = "GET", .url = "http://127.0.0.1:1/?key=s3cret"};
    struct cf_http *http = cf_http_new(&quick);
    cf_http_add(http, &request);
    cf_http_wait(http);
    ck_assert_int_eq(request.rc, CF_EUNAVAILABLE);
    ck_assert_uint_eq(request.attempts, 3);
    ck_assert_str_eq(request.error.key, "http://127.0.0.1:1/");
    ck_assert_ptr_null(strstr(request.error.message, "s3cret"));
    cf_http_request_release(&request);
    cf_http_free(http);
    one_close(&one);
}
END_TEST

START_TEST(an_endless_answer_is_cut)
{
    static char block[65536];
    memset(block, 'x', sizeof(block));
    const struct net_step script[] = {
        {.action = NET_STREAM, .body = block, .body_length = sizeof(block), .repeat = UINT64_MAX}};
    struct one one;
    one_open(&one, script, 1, "/");
    one.request.max_answer = 300000;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "300000 bytes"));
    ck_assert_uint_eq(one.request.attempts, 1);
    ck_assert(one.request.answer.length <= 300000);
    one_close(&one);
}
END_TEST

START_TEST(endless_headers_are_cut)
{
    char *headers = malloc(80000);
    headers[0] = '\0';
    for (char *p = headers; p < headers + 70000;) {
        p += sprintf(p, "X-Header-%td: 0123456789012345678901234567890123456789\r\n", p - headers);
    }
    const struct net_step script[] = {{.headers = headers, .body = "x"}};
    struct one one;
    one_open(&one, script, 1, "/");
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    one_close(&one);
    free(headers);
}
END_TEST

/* Deflate with the fixed code: one zero byte, then as many times 258 more. */
static size_t gzip_bomb(unsigned char *out, size_t times)
{
    static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    size_t bit = sizeof(head) * 8;
    memcpy(out, head, sizeof(head));
#define PUT(text)                                                                                  \
    for (const char *p = (text); *p; p++, bit++) {                                                 \
        out[bit / 8] = (unsigned char)(out[bit / 8] | (*p == '1' ? 1U << bit % 8 : 0U));           \
    }
    PUT("1"
        "10");       /* last block, fixed code */
    PUT("00110000"); /* literal 0 */
    for (size_t i = 0; i < times; i++) {
        PUT("11000101"
            "00000"); /* length 258, distance 1 */
    }
    PUT("0000000");
#undef PUT
    return bit / 8 + 1 + 8; /* and a wrong checksum, which nobody comes to */
}

START_TEST(a_decompression_bomb_is_cut)
{
    static unsigned char bomb[20000];
    size_t length = gzip_bomb(bomb, 10000); /* 2.6 MB in 16 KB */
    const struct net_step script[] = {{.headers = "Content-Encoding: gzip\r\n",
                                       .body = (const char *)bomb,
                                       .body_length = length}};
    struct one one;
    one_open(&one, script, 1, "/");
    one.request.max_answer = 1000000;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "1000000 bytes"));
    one_close(&one);
}
END_TEST

START_TEST(decodes_unless_the_bytes_themselves_are_wanted)
{
    static const char text[] = "the same the same the same the same the same the same";
    struct cf_buf packed = CF_BUF_INIT;
    cf_zstd_compress(text, strlen(text), &packed);
    const struct net_step script[] = {{.headers = "Content-Encoding: zstd\r\n",
                                       .body = packed.data,
                                       .body_length = packed.length}};
    struct one one;
    one_open(&one, script, 1, "/");
    one_run(&one, &quick);
    expect_answer(&one, 200, text);
    one_close(&one);
    one_open(&one, script, 1, "/");
    one.request.identity = true;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, 0);
    ck_assert_uint_eq(one.request.answer.length, packed.length);
    ck_assert_ptr_null(strstr(net_server_seen(one.server, 0)->head, "Accept-Encoding"));
    one_close(&one);
    cf_buf_release(&packed);
}
END_TEST

START_TEST(chunked_answers_come_whole)
{
    static const struct net_step script[] = {
        {.action = NET_STREAM, .body = "0123456789", .repeat = 1000}};
    struct one one;
    one_open(&one, script, 1, "/");
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, 0);
    ck_assert_uint_eq(one.request.answer.length, 10000);
    one_close(&one);
}
END_TEST

static const char *const refused[] = {"http://example.invalid/",
                                      "http://127.0.0.1.example.invalid/",
                                      "http://10.0.0.1/",
                                      "http://127.0.0.1@example.invalid/",
                                      "https://user:pw@host.invalid/",
                                      "ftp://127.0.0.1/",
                                      "file:///etc/hostname",
                                      "http://[::2]/",
                                      "http://localhost.invalid/",
                                      "http://0.0.0.0/",
                                      "",
                                      "//127.0.0.1/",
                                      "http://169.254.169.254/",
                                      "gopher://localhost/"};

START_TEST(plain_http_stays_on_this_machine)
{
    struct cf_http_request request = {.method = "GET", .url = refused[_i]};
    struct cf_http *http = cf_http_new(&quick);
    ck_assert_msg(!cf_http_url_is_safe(refused[_i]), "%s", refused[_i]);
    cf_http_add(http, &request);
    cf_http_wait(http);
    ck_assert_int_eq(request.rc, CF_ECONFIG);
    ck_assert_uint_eq(cf_http_totals(http).requests, 0);
    ck_assert_ptr_null(strstr(request.error.key, "pw"));
    cf_http_free(http);
}
END_TEST

START_TEST(safe_urls)
{
    ck_assert(cf_http_url_is_safe("https://api.github.com/graphql"));
    ck_assert(cf_http_url_is_safe("http://127.0.0.1:8080/x"));
    ck_assert(cf_http_url_is_safe("http://127.9.9.9/"));
    ck_assert(cf_http_url_is_safe("http://[::1]:9000/"));
    ck_assert(cf_http_url_is_safe("http://localhost:9000/"));
    ck_assert(!cf_http_url_is_safe(NULL));
}
END_TEST

START_TEST(a_line_break_in_a_header_is_refused)
{
    static const struct net_step script[] = {{.body = "x"}};
    static const char *const headers[] = {"Authorization: bearer s3cret\r\nX-Evil: 1", NULL};
    struct one one;
    one_open(&one, script, 1, "/");
    one.request.headers = headers;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_ECONFIG);
    ck_assert_ptr_null(strstr(one.request.error.message, "s3cret"));
    ck_assert_uint_eq(net_server_requests(one.server), 0);
    one_close(&one);
}
END_TEST

START_TEST(secrets_stay_out_of_errors)
{
    static const char *const headers[] = {"Authorization: bearer s3cret", NULL};
    struct one one;
    one_open(&one, &failures[_i], 1, "/p?sig=s3cret");
    one.request.method = "POST";
    one.request.headers = headers;
    one.request.body = "s3cret";
    one.request.body_length = 6;
    one_run(&one, &quick);
    const struct cf_error *e = &one.request.error;
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_ptr_null(strstr(e->message, "s3cret"));
    ck_assert_ptr_null(strstr(e->key, "s3cret"));
    ck_assert_ptr_null(strstr(e->service_code, "s3cret"));
    one_close(&one);
}
END_TEST

struct many {
    struct cf_http *http;
    struct cf_http_request *requests;
    size_t next, count, done;
};

static void add_another(struct cf_http_request *request)
{
    struct many *many = request->context;
    many->done++;
    ck_assert_int_eq(request->rc, 0);
    cf_http_request_release(request);
    if (many->next < many->count) {
        cf_http_add(many->http, &many->requests[many->next++]);
    }
}

START_TEST(many_requests_share_few_connections)
{
    static const struct net_step script[] = {{.body = "ok", .delay_ms = 5}};
    static struct cf_http_request requests[100];
    struct net_server *server = net_server_new(script, 1);
    struct cf_http_options options = quick;
    options.max_in_flight = 4;
    struct many many = {.requests = requests, .count = COUNT(requests)};
    many.http = cf_http_new(&options);
    for (size_t i = 0; i < COUNT(requests); i++) {
        requests[i] = (struct cf_http_request){
            .method = "GET", .url = net_server_url(server), .done = add_another, .context = &many};
    }
    for (; many.next < 10; many.next++) {
        cf_http_add(many.http, &requests[many.next]);
    }
    cf_http_wait(many.http);
    ck_assert_uint_eq(many.done, 100);
    ck_assert_uint_eq(net_server_requests(server), 100);
    ck_assert_int_eq(net_server_accepts(server), 4);
    ck_assert_int_eq(net_server_most_at_once(server), 4);
    cf_http_wait(many.http); /* nothing queued: returns */
    cf_http_free(many.http);
    net_server_free(server);
}
END_TEST

START_TEST(a_dead_connection_is_replaced)
{
    static const struct net_step script[] = {
        {.body = "one"}, {.action = NET_CLOSE}, {.body = "two"}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_http *http = cf_http_new(&quick);
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

static enum cf_http_verdict no_html(struct cf_http_request *request)
{
    if (request->answer.length && request->answer.data[0] == '<') {
        request->rc = cf_error_set(&request->error, CF_EUNAVAILABLE, "a page, not an answer");
        return CF_HTTP_RETRY;
    }
    if (request->status == 403) {
        request->rc = cf_error_set(&request->error, CF_ERETRY, "rate limit");
        return CF_HTTP_FAIL;
    }
    return request->status == 503 ? CF_HTTP_ACCEPT : CF_HTTP_DEFAULT;
}

START_TEST(a_judge_decides)
{
    static const struct net_step script[] = {{.body = "<html>"}, {.status = 503, .body = "mine"}};
    static const struct net_step html[] = {{.body = "<html>"}};
    static const struct net_step limited[] = {{.status = 403}};
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one.request.judge = no_html;
    one_run(&one, &quick);
    expect_answer(&one, 503, "mine");
    one_close(&one);
    one_open(&one, html, 1, "/");
    one.request.judge = no_html;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_uint_eq(one.request.attempts, 3);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "a page, not an answer"));
    one_close(&one);
    one_open(&one, limited, 1, "/");
    one.request.judge = no_html;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_ERETRY);
    ck_assert_uint_eq(one.request.attempts, 1);
    one_close(&one);
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
    struct cf_http_options options = quick;
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

struct stream {
    struct cf_buf buf;
    size_t at;
    int restarts;
    int refuse;
};

static int sink_write(void *context, const void *data, size_t length)
{
    struct stream *stream = context;
    cf_buf_append(&stream->buf, data, length);
    return stream->refuse;
}

static int sink_restart(void *context)
{
    struct stream *stream = context;
    cf_buf_clear(&stream->buf);
    stream->restarts++;
    return 0;
}

START_TEST(a_sink_gets_the_body_once)
{
    static const struct net_step script[] = {{.status = 503, .body = "not for the sink"},
                                             {.action = NET_CUT, .body = "0123456789"},
                                             {.body = "0123456789"}};
    struct stream stream = {.buf = CF_BUF_INIT};
    const struct cf_http_sink sink = {sink_write, sink_restart, &stream};
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one.request.sink = &sink;
    one_run(&one, &quick);
    expect_answer(&one, 200, "");
    ck_assert_str_eq(stream.buf.data, "0123456789");
    ck_assert_int_eq(stream.restarts, 1);
    one_close(&one);
    one_open(&one, &script[2], 1, "/");
    stream.refuse = CF_ERETRY;
    one.request.sink = &sink;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_ERETRY);
    ck_assert_uint_eq(one.request.attempts, 1);
    one_close(&one);
    cf_buf_release(&stream.buf);
}
END_TEST

static int source_read(void *context, void *data, size_t size, size_t *got)
{
    struct stream *stream = context;
    size_t left = stream->buf.length - stream->at;
    *got = left < size ? left : size;
    memcpy(data, stream->buf.data + stream->at, *got);
    stream->at += *got;
    return stream->refuse;
}

static int source_rewind(void *context)
{
    struct stream *stream = context;
    stream->at = 0;
    stream->restarts++;
    return 0;
}

START_TEST(a_source_is_sent_again_from_its_beginning)
{
    static const struct net_step script[] = {{.status = 500}, {.body = "stored"}};
    struct stream stream = {.buf = CF_BUF_INIT};
    for (int i = 0; i < 5000; i++) {
        cf_buf_printf(&stream.buf, "%08d;", i);
    }
    struct cf_http_source source = {source_read, source_rewind, &stream, stream.buf.length};
    struct one one;
    one_open(&one, script, COUNT(script), "/");
    one.request.method = "PUT";
    one.request.source = &source;
    one_run(&one, &quick);
    expect_answer(&one, 200, "stored");
    ck_assert_uint_eq(net_server_seen(one.server, 1)->body_length, stream.buf.length);
    ck_assert_str_eq(net_server_seen(one.server, 1)->body, stream.buf.data);
    one_close(&one);
    one_open(&one, &script[1], 1, "/");
    stream.refuse = CF_EDATA;
    one.request.method = "PUT";
    one.request.source = &source;
    one_run(&one, &quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    one_close(&one);
    cf_buf_release(&stream.buf);
}
END_TEST

START_TEST(proxies_are_not_used_for_loopback)
{
    static const struct net_step script[] = {{.body = "direct"}};
    struct one one;
    ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    one_open(&one, script, 1, "/");
    one_run(&one, &quick);
    expect_answer(&one, 200, "direct");
    one_close(&one);
    ck_assert_int_eq(unsetenv("http_proxy"), 0);
}
END_TEST

START_TEST(https_needs_a_trusted_server)
{
    struct one one;
    static const struct net_step script[] = {{.action = NET_CLOSE}};
    one_open(&one, script, 1, "/");
    memmove(one.url + 5, one.url + 4, strlen(one.url + 4) + 1);
    one.url[4] = 's';
    one_run(&one, &quick);
    ck_assert_int_ne(one.request.rc, 0);
    one_close(&one);
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

START_TEST(urls_are_shown_without_secrets)
{
    static const struct {
        const char *url, *shown;
    } cases[] = {{"https://a.b/c?d=e#f", "https://a.b/c"},
                 {"https://u:p@a.b/c", "https://a.b/c"},
                 {"https://u@p@a.b?x", "https://a.b"},
                 {"nonsense?x=://y", "nonsense"},
                 {"", ""}};
    char out[64];
    for (size_t i = 0; i < COUNT(cases); i++) {
        cf_net_url_public(cases[i].url, out, sizeof(out));
        ck_assert_str_eq(out, cases[i].shown);
    }
    cf_net_url_public("https://a.b/long", out, 10);
    ck_assert_str_eq(out, "https://a");
}
END_TEST

Suite *net_http_suite(void);

Suite *net_http_suite(void)
{
    Suite *suite = suite_create("net_http");
    TCase *answers = tcase_create("answers");
    TCase *retries = tcase_create("retries");
    TCase *limits = tcase_create("limits");
    TCase *streams = tcase_create("streams");
    tcase_set_timeout(answers, 20);
    tcase_set_timeout(retries, 20);
    tcase_set_timeout(limits, 20);
    tcase_add_test(answers, gets_an_answer_with_headers);
    tcase_add_test(answers, sends_bodies_of_every_method);
    tcase_add_test(answers, head_has_a_length_and_no_body);
    tcase_add_test(answers, chunked_answers_come_whole);
    tcase_add_test(answers, decodes_unless_the_bytes_themselves_are_wanted);
    tcase_add_test(answers, many_requests_share_few_connections);
    tcase_add_test(answers, a_judge_decides);
    tcase_add_test(retries, retries_what_may_pass);
    tcase_add_loop_test(retries, gives_up_after_the_last_attempt, 0, COUNT(failures));
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
    tcase_add_test(limits, an_endless_answer_is_cut);
    tcase_add_test(limits, endless_headers_are_cut);
    tcase_add_test(limits, a_decompression_bomb_is_cut);
    tcase_add_loop_test(limits, plain_http_stays_on_this_machine, 0, COUNT(refused));
    tcase_add_test(limits, safe_urls);
    tcase_add_test(limits, a_line_break_in_a_header_is_refused);
    tcase_add_loop_test(limits, secrets_stay_out_of_errors, 0, COUNT(failures));
    tcase_add_test(limits, proxies_are_not_used_for_loopback);
    tcase_add_test(limits, https_needs_a_trusted_server);
    tcase_add_test(limits, urls_are_shown_without_secrets);
    tcase_add_test(streams, a_sink_gets_the_body_once);
    tcase_add_test(streams, a_source_is_sent_again_from_its_beginning);
    suite_add_tcase(suite, answers);
    suite_add_tcase(suite, retries);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, streams);
    return suite;
}
