#include "tests/unit/net_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

const struct cf_http_options net_quick = {
    .backoff_ms = 20, .max_attempts = 3, .silence_ms = 1000, .total_ms = 4000, .connect_ms = 2000};

const struct net_step net_failures[NET_FAILURES] = {
    {.action = NET_CLOSE},
    {.action = NET_ABORT},
    {.action = NET_CUT, .body = "half of this"},
    {.status = 500, .body = "{}"},
    {.status = 502, .body = "<html>bad gateway</html>"},
    {.status = 503},
    {.status = 504}};

void net_one_open(struct net_one *one, const struct net_step *script, size_t count,
                  const char *path)
{
    memset(one, 0, sizeof(*one));
    one->server = net_server_new(script, count);
    (void)snprintf(one->url, sizeof(one->url), "%s%s", net_server_url(one->server), path);
    one->request.method = "GET";
    one->request.url = one->url;
}

void net_one_run(struct net_one *one, const struct cf_http_options *options)
{
    struct cf_http *http = cf_http_new(options);
    cf_http_add(http, &one->request);
    cf_http_wait(http);
    one->totals = cf_http_totals(http);
    cf_http_free(http);
}

void net_one_close(struct net_one *one)
{
    cf_http_request_release(&one->request);
    net_server_free(one->server);
}

void net_one_expect(const struct net_one *one, long status, const char *body)
{
    ck_assert_msg(one->request.rc == 0, "%s", one->request.error.message);
    ck_assert_int_eq(one->request.status, status);
    ck_assert_str_eq(cf_buf_str(&one->request.answer), body);
}
