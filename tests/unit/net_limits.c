/* What is cut, refused or kept secret: answers without end, unsafe URLs, secrets in errors. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/http.h"
#include "common/net/policy.h"
#include "tests/unit/net_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(an_endless_answer_is_cut)
{
    static char block[65536];
    memset(block, 'x', sizeof(block));
    const struct net_step script[] = {
        {.action = NET_STREAM, .body = block, .body_length = sizeof(block), .repeat = UINT64_MAX}};
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    one.request.max_answer = 300000;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "300000 bytes"));
    ck_assert_uint_eq(one.request.attempts, 1);
    ck_assert(one.request.answer.length <= 300000);
    net_one_close(&one);
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
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    net_one_close(&one);
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
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    one.request.max_answer = 1000000;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "1000000 bytes"));
    net_one_close(&one);
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
    struct cf_http *http = cf_http_new(&net_quick);
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
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    one.request.headers = headers;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_ECONFIG);
    ck_assert_ptr_null(strstr(one.request.error.message, "s3cret"));
    ck_assert_uint_eq(net_server_requests(one.server), 0);
    net_one_close(&one);
}
END_TEST

START_TEST(secrets_stay_out_of_errors)
{
    static const char *const headers[] = {"Authorization: bearer s3cret", NULL};
    struct net_one one;
    net_one_open(&one, &net_failures[_i], 1, "/p?sig=s3cret");
    one.request.method = "POST";
    one.request.headers = headers;
    one.request.body = "s3cret";
    one.request.body_length = 6;
    net_one_run(&one, &net_quick);
    const struct cf_error *e = &one.request.error;
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_ptr_null(strstr(e->message, "s3cret"));
    ck_assert_ptr_null(strstr(e->key, "s3cret"));
    ck_assert_ptr_null(strstr(e->service_code, "s3cret"));
    net_one_close(&one);
}
END_TEST

START_TEST(proxies_are_not_used_for_loopback)
{
    static const struct net_step script[] = {{.body = "direct"}};
    struct net_one one;
    ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    net_one_open(&one, script, 1, "/");
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "direct");
    net_one_close(&one);
    ck_assert_int_eq(unsetenv("http_proxy"), 0);
}
END_TEST

START_TEST(https_needs_a_trusted_server)
{
    struct net_one one;
    static const struct net_step script[] = {{.action = NET_CLOSE}};
    net_one_open(&one, script, 1, "/");
    memmove(one.url + 5, one.url + 4, strlen(one.url + 4) + 1);
    one.url[4] = 's';
    net_one_run(&one, &net_quick);
    ck_assert_int_ne(one.request.rc, 0);
    net_one_close(&one);
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

Suite *net_limits_suite(void)
{
    Suite *suite = suite_create("net_limits");
    TCase *limits = tcase_create("limits");
    tcase_set_timeout(limits, 20);
    tcase_add_test(limits, an_endless_answer_is_cut);
    tcase_add_test(limits, endless_headers_are_cut);
    tcase_add_test(limits, a_decompression_bomb_is_cut);
    tcase_add_loop_test(limits, plain_http_stays_on_this_machine, 0, COUNT(refused));
    tcase_add_test(limits, safe_urls);
    tcase_add_test(limits, a_line_break_in_a_header_is_refused);
    tcase_add_loop_test(limits, secrets_stay_out_of_errors, 0, COUNT(net_failures));
    tcase_add_test(limits, proxies_are_not_used_for_loopback);
    tcase_add_test(limits, https_needs_a_trusted_server);
    tcase_add_test(limits, urls_are_shown_without_secrets);
    suite_add_tcase(suite, limits);
    return suite;
}
