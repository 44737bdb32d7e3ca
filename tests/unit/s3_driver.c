/* The S3 driver's single requests against a scripted service: what it sends, what it makes of
 * errors, and what it retries. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "tests/unit/s3_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct s3_fixture f;

static void expect_header(size_t index, const char *line)
{
    ck_assert_msg(strstr(s3_head(&f, index), line) != NULL, "no %s in %s", line,
                  s3_head(&f, index));
}

/* --- what is sent -------------------------------------------------------------------------------
 */

START_TEST(requests_are_signed)
{
    static const struct net_step script[] = {
        {.path = "PUT /bucket/base/some/key ", .headers = S3_ETAG}};
    struct cf_op op = {.kind = CF_OP_PUT_NEW,
                       .key = "some/key",
                       .data = "hello",
                       .length = 5,
                       .content_type = "application/json"};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0);
    ck_assert_str_eq(op.etag, "abc");
    ck_assert_str_eq(net_server_seen(f.server, 0)->body, "hello");
    expect_header(0, "\r\nif-none-match: *\r\n");
    expect_header(0, "\r\ncontent-type: application/json\r\n");
    expect_header(0, "\r\nx-amz-content-sha256: "
                     "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n");
    expect_header(0, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDOFTHETEST/");
    expect_header(0, "/us-east-1/s3/aws4_request, SignedHeaders=content-type;host;if-none-match;"
                     "x-amz-content-sha256;x-amz-date, Signature=");
    ck_assert_ptr_null(strstr(s3_head(&f, 0), "Expect:"));
    ck_assert_ptr_null(strstr(s3_head(&f, 0), "Accept-Encoding"));
    s3_fixture_close(&f);
}
END_TEST

START_TEST(ranges_and_conditions_are_sent)
{
    static const struct net_step script[] = {
        {.status = 206, .headers = S3_ETAG "Content-Range: bytes 2-4/10\r\n", .body = "234"}};
    struct cf_op op = {.kind = CF_OP_GET, .key = "k", .offset = 2, .limit = 3, .if_match = "abc"};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0);
    ck_assert_str_eq(cf_buf_str(&op.body), "234");
    ck_assert_uint_eq(op.size, 10);
    expect_header(0, "\r\nrange: bytes=2-4\r\n");
    expect_header(0, "\r\nif-match: \"abc\"\r\n");
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_list_goes_on_behind_a_name)
{
    static const struct net_step script[] = {
        {.path = "GET /bucket/?encoding-type=url&list-type=2&max-keys=2&prefix=base%2Fa%2F"
                 "&start-after=base%2Fa%2Fb ",
         .body = S3_LIST(S3_MORE S3_NAME("base/a/c") S3_NAME("base/a/d"))}};
    struct cf_op op = {.kind = CF_OP_LIST, .key = "a/", .start_after = "a/b", .max_keys = 2};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0);
    ck_assert_uint_eq(op.listed_count, 2);
    ck_assert_str_eq(op.listed[1].key, "a/d");
    ck_assert_str_eq(op.listed[1].etag, "e");
    ck_assert_uint_eq(op.listed[1].size, 3);
    ck_assert(op.more);
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_short_page_is_filled_up)
{
    static const struct net_step script[] = {
        {.path = "&max-keys=4&prefix=base%2F ",
         .body = S3_LIST(S3_MORE S3_NAME(
             "base/a") "<CommonPrefixes><Prefix>base/b/</Prefix></CommonPrefixes>")},
        {.path = "&max-keys=2&prefix=base%2F&start-after=base%2Fb%2F~ ",
         .body = S3_LIST(S3_MORE "<CommonPrefixes><Prefix>base/b/</Prefix></CommonPrefixes>"
                                 "<CommonPrefixes><Prefix>base/c/</Prefix></CommonPrefixes>")},
        {.path = "&max-keys=1&prefix=base%2F&start-after=base%2Fc%2F~ ",
         .body = S3_LIST(S3_MORE S3_NAME("base/d"))}};
    struct cf_op op = {.kind = CF_OP_LIST, .key = "", .max_keys = 4, .group_by_slash = true};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0);
    ck_assert_uint_eq(op.listed_count, 4);
    ck_assert_str_eq(op.listed[1].key, "b/");
    ck_assert_str_eq(op.listed[2].key, "c/");
    ck_assert_str_eq(op.listed[3].key, "d");
    ck_assert(op.more);
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(names_that_no_key_can_be_are_passed_over)
{
    char longer[CF_KEY_MAX + 1];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    char *first = cf_asprintf(
        S3_LIST("<EncodingType>url</EncodingType>" S3_MORE S3_NAME("base/%%00") S3_NAME("base/%s")),
        longer);
    char *path = cf_asprintf("start-after=base%%2F%s ", longer);
    const struct net_step script[] = {
        {.body = first},
        {.path = path,
         .body = S3_LIST("<EncodingType>url</EncodingType>" S3_LAST S3_NAME("base/b")
                             S3_NAME("base/c%0A%C3%A9"))}};
    struct cf_op op = {.kind = CF_OP_LIST, .key = ""};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0); /* the first page has nothing that is wanted */
    ck_assert_uint_eq(op.listed_count, 2);
    ck_assert_str_eq(op.listed[0].key, "b");
    ck_assert_str_eq(op.listed[1].key, "c\n\xc3\xa9");
    ck_assert(!op.more);
    cf_op_release(&op);
    s3_fixture_close(&f);
    free(first);
    free(path);
}
END_TEST

static const struct {
    const char *body;
    int code;
} lists[] = {
    {S3_LIST(S3_LAST S3_NAME("base/b") S3_NAME("base/a")), CF_ECONFIG},
    {S3_LIST(S3_LAST S3_NAME("base/a") S3_NAME("base/a")), CF_ECONFIG},
    {S3_LIST(S3_LAST S3_NAME("other/a")), CF_EUNAVAILABLE},
    {S3_LIST(S3_LAST S3_NAME("a")), CF_EUNAVAILABLE},
    {S3_LIST(S3_LAST S3_NAME("base/a") S3_NAME("base/b") S3_NAME("base/c")), CF_EUNAVAILABLE},
    {S3_LIST(S3_MORE), CF_EUNAVAILABLE},
    {"<html/>", CF_EUNAVAILABLE},
    {"", CF_EUNAVAILABLE},
    {"<!DOCTYPE x [<!ENTITY y \"z\">]>" S3_LIST(S3_LAST), CF_EUNAVAILABLE},
};

START_TEST(a_list_is_not_taken_on_trust)
{
    const struct net_step script[] = {{.body = lists[_i].body}};
    struct cf_op op = {.kind = CF_OP_LIST, .key = "", .max_keys = 2};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, lists[_i].code);
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

/* --- what errors mean ---------------------------------------------------------------------------
 */

static const struct {
    enum cf_op_kind kind;
    int status;
    const char *body;
    const char *headers;
    int code;
    const char *said;
} errors[] = {
    {CF_OP_GET, 404, S3_FAULT("NoSuchKey"), NULL, CF_ENOTFOUND, "no such object"},
    {CF_OP_STAT, 404, NULL, NULL, CF_ENOTFOUND, "no such object"},
    {CF_OP_GET, 404, S3_FAULT("NoSuchBucket"), NULL, CF_ECONFIG, "no bucket bucket"},
    {CF_OP_LIST, 404, S3_FAULT("NoSuchBucket"), NULL, CF_ECONFIG, "no bucket bucket"},
    {CF_OP_LIST, 404, "gone", NULL, CF_ECONFIG, "no bucket bucket"},
    {CF_OP_PUT, 404, S3_FAULT("NoSuchBucket"), NULL, CF_ECONFIG, "no bucket bucket"},
    {CF_OP_DELETE, 404, S3_FAULT("NoSuchBucket"), NULL, CF_ECONFIG, "no bucket bucket"},
    {CF_OP_GET, 403, S3_FAULT("AccessDenied"), NULL, CF_EDENIED, "s3:GetObject"},
    {CF_OP_PUT, 403, S3_FAULT("AccessDenied"), NULL, CF_EDENIED, "s3:PutObject"},
    {CF_OP_PUT_NEW, 403, "", NULL, CF_EDENIED, "s3:PutObject"},
    {CF_OP_LIST, 403, S3_FAULT("AccessDenied"), NULL, CF_EDENIED, "s3:ListBucket"},
    {CF_OP_DELETE, 403, S3_FAULT("AccessDenied"), NULL, CF_EDENIED, "s3:DeleteObject"},
    {CF_OP_GET, 403, S3_FAULT("InvalidAccessKeyId"), NULL, CF_EDENIED, "access key"},
    {CF_OP_GET, 403, S3_FAULT("SignatureDoesNotMatch"), NULL, CF_EDENIED, "secret key"},
    {CF_OP_GET, 400, S3_FAULT("ExpiredToken"), NULL, CF_EDENIED, "expired"},
    {CF_OP_GET, 412, S3_FAULT("PreconditionFailed"), NULL, CF_ECONFLICT, "condition"},
    {CF_OP_PUT_NEW, 412, S3_FAULT("PreconditionFailed"), NULL, CF_ECONFLICT, "the key exists"},
    {CF_OP_PUT_NEW, 501, S3_FAULT("NotImplemented"), NULL, CF_ECONFIG, "no put-if-absent"},
    {CF_OP_PUT_NEW, 501, "", NULL, CF_ECONFIG, "no put-if-absent"},
    {CF_OP_PUT, 400, S3_FAULT("EntityTooLarge"), NULL, CF_EDATA, "In the service's words"},
    {CF_OP_PUT, 403, S3_FAULT("QuotaExceeded"), NULL, CF_EDENIED, "quota"},
    {CF_OP_PUT, 507, "", NULL, CF_ERETRY, "no room"},
    {CF_OP_GET, 301, "<Error><Code>PermanentRedirect</Code></Error>",
     "x-amz-bucket-region: eu-west-1\r\n", CF_ECONFIG, "eu-west-1"},
    {CF_OP_GET, 400,
     "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the Authorization header "
     "Signature=abc</Message><Region>eu-west-2</Region></Error>",
     NULL, CF_ECONFIG, "AWS_REGION"},
    {CF_OP_GET, 418, "teapot", NULL, CF_EUNAVAILABLE, "isn't known"},
};

START_TEST(errors_are_told_apart)
{
    const struct net_step script[] = {
        {.status = errors[_i].status, .body = errors[_i].body, .headers = errors[_i].headers}};
    struct cf_op op = {.kind = errors[_i].kind, .key = "k", .data = "x", .length = 1};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, errors[_i].code);
    ck_assert_msg(strstr(op.error.message, errors[_i].said) != NULL, "%s", op.error.message);
    ck_assert_int_eq(op.error.http_status, errors[_i].status);
    if (errors[_i].body && strstr(errors[_i].body, "REQ1")) {
        ck_assert_str_eq(op.error.request_id, "REQ1");
        ck_assert_str_ne(op.error.service_code, "");
    }
    ck_assert_uint_eq(net_server_requests(f.server), 1);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_header_names_the_request)
{
    static const struct net_step script[] = {{.status = 403,
                                              .body = S3_FAULT("AccessDenied"),
                                              .headers = "x-amz-request-id: HEADER-ID\r\n"}};
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, CF_EDENIED);
    ck_assert_str_eq(op.error.request_id, "HEADER-ID");
    ck_assert_str_eq(op.error.service_code, "AccessDenied");
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_wrong_clock_is_told_by_how_much)
{
    char headers[80];
    struct tm t;
    time_t theirs = time(NULL) - 3600;
    ck_assert_ptr_nonnull(gmtime_r(&theirs, &t));
    (void)strftime(headers, sizeof(headers), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &t);
    const struct net_step script[] = {
        {.status = 403, .body = S3_FAULT("RequestTimeTooSkewed"), .headers = headers}};
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, CF_ECONFIG);
    ck_assert_msg(strstr(op.error.message, "clock is 3600 seconds ahead of") ||
                      strstr(op.error.message, "clock is 3601 seconds ahead of"),
                  "%s", op.error.message);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_refused_stat_is_asked_again_for_the_reason)
{
    static const struct net_step script[] = {
        {.path = "HEAD ", .status = 403, .body = ""},
        {.path = "GET ", .status = 403, .body = S3_FAULT("InvalidAccessKeyId")}};
    struct cf_op op = {.kind = CF_OP_STAT, .key = "k"};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, CF_EDENIED);
    ck_assert_str_eq(op.error.service_code, "InvalidAccessKeyId");
    expect_header(1, "\r\nrange: bytes=0-0\r\n");
    s3_fixture_close(&f);
}
END_TEST

/* --- what is retried ----------------------------------------------------------------------------
 */

static const struct {
    enum cf_op_kind kind;
    struct net_step first;
} passing[] = {
    {CF_OP_PUT, {.status = 503, .body = S3_FAULT("SlowDown")}},
    {CF_OP_PUT, {.status = 500, .body = S3_FAULT("InternalError")}},
    {CF_OP_PUT, {.status = 502, .body = "<html/>"}},
    {CF_OP_PUT, {.status = 429, .body = ""}},
    {CF_OP_PUT, {.status = 400, .body = S3_FAULT("RequestTimeout")}},
    {CF_OP_PUT, {.status = 400, .body = S3_FAULT("BadDigest")}},
    {CF_OP_PUT, {.status = 400, .body = S3_FAULT("XAmzContentSHA256Mismatch")}},
    {CF_OP_PUT, {.status = 409, .body = S3_FAULT("OperationAborted")}},
    {CF_OP_PUT_NEW, {.status = 409, .body = S3_FAULT("ConditionalRequestConflict")}},
    {CF_OP_PUT_NEW, {.action = NET_ABORT}},
    {CF_OP_GET, {.status = 503, .body = S3_FAULT("SlowDown")}},
    {CF_OP_GET, {.action = NET_CLOSE}},
};

START_TEST(what_may_pass_is_tried_again)
{
    const struct net_step script[] = {passing[_i].first, {.headers = S3_ETAG, .body = "x"}};
    struct cf_op op = {.kind = passing[_i].kind, .key = "k", .data = "x", .length = 1};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

/* The answer was lost, but the object is there: only the caller can know that it is its own. */
START_TEST(a_lost_answer_comes_back_as_a_conflict)
{
    static const struct net_step script[] = {
        {.action = NET_ABORT}, {.status = 412, .body = S3_FAULT("PreconditionFailed")}};
    struct cf_op op = {.kind = CF_OP_PUT_NEW, .key = "k", .data = "x", .length = 1};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, CF_ECONFLICT);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_str_eq(net_server_seen(f.server, 1)->body, "x");
    s3_fixture_close(&f);
}
END_TEST

START_TEST(every_attempt_is_signed_with_its_own_time)
{
    static const struct net_step script[] = {
        {.status = 503, .headers = "Retry-After: 1\r\n", .body = S3_FAULT("SlowDown")},
        {.headers = S3_ETAG, .body = "x"}};
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0);
    const char *first = strstr(s3_head(&f, 0), "x-amz-date: ");
    const char *second = strstr(s3_head(&f, 1), "x-amz-date: ");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_int_ne(strncmp(first, second, 28), 0);
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(expired_credentials_are_renewed_once)
{
    static const struct net_step script[] = {
        {.status = 400, .body = S3_FAULT("ExpiredToken")},
        {.headers = S3_ETAG, .body = "x"},
        {.status = 400, .body = S3_FAULT("ExpiredToken")},
        {.status = 400, .body = S3_FAULT("ExpiredToken")},
    };
    static const struct net_step sources[] = {
        {.body = "{\"AccessKeyId\":\"ONE\",\"SecretAccessKey\":\"s\",\"Token\":\"t1\"}"},
        {.body = "{\"AccessKeyId\":\"TWO\",\"SecretAccessKey\":\"s\",\"Token\":\"t2\"}"}};
    struct net_server *source = net_server_new(sources, COUNT(sources));
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    s3_fixture_open(&f, script, COUNT(script));
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)unsetenv("AWS_SECRET_ACCESS_KEY");
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", net_server_url(source), 1);
    s3_expect(&f, &op, 0);
    expect_header(0, "Credential=ONE/");
    expect_header(0, "\r\nx-amz-security-token: t1\r\n");
    expect_header(0, ";x-amz-security-token, Signature=");
    expect_header(1, "Credential=TWO/");
    expect_header(1, "\r\nx-amz-security-token: t2\r\n");
    s3_expect(&f, &op, CF_EDENIED);
    ck_assert_str_eq(op.error.service_code, "ExpiredToken");
    ck_assert_uint_eq(net_server_requests(f.server), 4);
    ck_assert_uint_eq(net_server_requests(source), 3);
    cf_op_release(&op);
    s3_fixture_close(&f);
    net_server_free(source);
}
END_TEST

START_TEST(without_credentials_nothing_is_sent)
{
    static const struct net_step script[] = {{.status = 200}};
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    s3_fixture_open(&f, script, COUNT(script));
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    s3_expect(&f, &op, CF_ECONFIG);
    ck_assert_uint_eq(net_server_requests(f.server), 0);
    s3_fixture_close(&f);
}
END_TEST

Suite *s3_driver_suite(void)
{
    Suite *suite = suite_create("s3_driver");
    TCase *tc = tcase_create("requests");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, requests_are_signed);
    tcase_add_test(tc, ranges_and_conditions_are_sent);
    tcase_add_test(tc, a_list_goes_on_behind_a_name);
    tcase_add_test(tc, a_short_page_is_filled_up);
    tcase_add_test(tc, names_that_no_key_can_be_are_passed_over);
    tcase_add_loop_test(tc, a_list_is_not_taken_on_trust, 0, (int)COUNT(lists));
    tcase_add_loop_test(tc, errors_are_told_apart, 0, (int)COUNT(errors));
    tcase_add_test(tc, a_header_names_the_request);
    tcase_add_test(tc, a_wrong_clock_is_told_by_how_much);
    tcase_add_test(tc, a_refused_stat_is_asked_again_for_the_reason);
    tcase_add_loop_test(tc, what_may_pass_is_tried_again, 0, (int)COUNT(passing));
    tcase_add_test(tc, a_lost_answer_comes_back_as_a_conflict);
    tcase_add_test(tc, every_attempt_is_signed_with_its_own_time);
    tcase_add_test(tc, expired_credentials_are_renewed_once);
    tcase_add_test(tc, without_credentials_nothing_is_sent);
    suite_add_tcase(suite, tc);
    return suite;
}
