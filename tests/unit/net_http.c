/* Requests and their answers: headers, bodies, encodings, what may judge them, and streams in both
 * directions. */
#include "common/net/http.h"

#include <check.h>
#include <string.h>

#include "common/base/compress.h"
#include "tests/unit/net_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(gets_an_answer_with_headers)
{
    static const struct net_step script[] = {
        {.path = "GET /a?b=c ", .headers = "X-One:  first \r\nETag: \"x\"\r\n", .body = "hello"}};
    static const char *const headers[] = {"Authorization: bearer s3cret", NULL};
    struct net_one one;
    char value[16];
    char small[3];
    net_one_open(&one, script, COUNT(script), "/a?b=c");
    one.request.headers = headers;
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "hello");
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
    net_one_close(&one);
}
END_TEST

START_TEST(sends_bodies_of_every_method)
{
    static const struct net_step script[] = {{.body = "ok"}};
    static const struct {
        const char *method, *body;
    } cases[] = {{"POST", "{}"}, {"PUT", "data"}, {"DELETE", NULL}, {"PUT", ""}, {"GET", NULL}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_http_options serial = net_quick;
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
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    one.request.method = "HEAD";
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "");
    ck_assert_int_eq(strncmp(net_server_seen(one.server, 0)->head, "HEAD / ", 7), 0);
    net_one_close(&one);
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
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, text);
    net_one_close(&one);
    net_one_open(&one, script, 1, "/");
    one.request.identity = true;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, 0);
    ck_assert_uint_eq(one.request.answer.length, packed.length);
    ck_assert_ptr_null(strstr(net_server_seen(one.server, 0)->head, "Accept-Encoding"));
    net_one_close(&one);
    cf_buf_release(&packed);
}
END_TEST

START_TEST(chunked_answers_come_whole)
{
    static const struct net_step script[] = {
        {.action = NET_STREAM, .body = "0123456789", .repeat = 1000}};
    struct net_one one;
    net_one_open(&one, script, 1, "/");
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, 0);
    ck_assert_uint_eq(one.request.answer.length, 10000);
    net_one_close(&one);
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
    struct cf_http_options options = net_quick;
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
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    one.request.judge = no_html;
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 503, "mine");
    net_one_close(&one);
    net_one_open(&one, html, 1, "/");
    one.request.judge = no_html;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_EUNAVAILABLE);
    ck_assert_uint_eq(one.request.attempts, 3);
    ck_assert_ptr_nonnull(strstr(one.request.error.message, "a page, not an answer"));
    net_one_close(&one);
    net_one_open(&one, limited, 1, "/");
    one.request.judge = no_html;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_ERETRY);
    ck_assert_uint_eq(one.request.attempts, 1);
    net_one_close(&one);
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
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    one.request.sink = &sink;
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "");
    ck_assert_str_eq(stream.buf.data, "0123456789");
    ck_assert_int_eq(stream.restarts, 1);
    net_one_close(&one);
    net_one_open(&one, &script[2], 1, "/");
    stream.refuse = CF_ERETRY;
    one.request.sink = &sink;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_ERETRY);
    ck_assert_uint_eq(one.request.attempts, 1);
    net_one_close(&one);
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
    struct net_one one;
    net_one_open(&one, script, COUNT(script), "/");
    one.request.method = "PUT";
    one.request.source = &source;
    net_one_run(&one, &net_quick);
    net_one_expect(&one, 200, "stored");
    ck_assert_uint_eq(net_server_seen(one.server, 1)->body_length, stream.buf.length);
    ck_assert_str_eq(net_server_seen(one.server, 1)->body, stream.buf.data);
    net_one_close(&one);
    net_one_open(&one, &script[1], 1, "/");
    stream.refuse = CF_EDATA;
    one.request.method = "PUT";
    one.request.source = &source;
    net_one_run(&one, &net_quick);
    ck_assert_int_eq(one.request.rc, CF_EDATA);
    net_one_close(&one);
    cf_buf_release(&stream.buf);
}
END_TEST

Suite *net_http_suite(void)
{
    Suite *suite = suite_create("net_http");
    TCase *answers = tcase_create("answers");
    TCase *streams = tcase_create("streams");
    tcase_set_timeout(answers, 20);
    tcase_add_test(answers, gets_an_answer_with_headers);
    tcase_add_test(answers, sends_bodies_of_every_method);
    tcase_add_test(answers, head_has_a_length_and_no_body);
    tcase_add_test(answers, chunked_answers_come_whole);
    tcase_add_test(answers, decodes_unless_the_bytes_themselves_are_wanted);
    tcase_add_test(answers, many_requests_share_few_connections);
    tcase_add_test(answers, a_judge_decides);
    tcase_add_test(streams, a_sink_gets_the_body_once);
    tcase_add_test(streams, a_source_is_sent_again_from_its_beginning);
    suite_add_tcase(suite, answers);
    suite_add_tcase(suite, streams);
    return suite;
}
