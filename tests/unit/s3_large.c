/* What takes the S3 driver several requests for one object: reads that break off, and uploads in
 * parts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "tests/unit/s3_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MIB ((size_t)1 << 20)

static struct s3_fixture f;

static void expect_header(size_t index, const char *line)
{
    ck_assert_msg(strstr(s3_head(&f, index), line) != NULL, "no %s in %s", line,
                  s3_head(&f, index));
}

static void expect_request(size_t index, const char *start)
{
    ck_assert_msg(strncmp(s3_head(&f, index), start, strlen(start)) == 0, "no %s in %s", start,
                  s3_head(&f, index));
}

/* --- reads --------------------------------------------------------------------------------------
 */

struct taken {
    struct cf_buf bytes;
    int restarts;
};

static int take(void *context, const void *data, size_t length)
{
    cf_buf_append(&((struct taken *)context)->bytes, data, length);
    return 0;
}

static int restart(void *context)
{
    struct taken *taken = context;
    cf_buf_clear(&taken->bytes);
    taken->restarts++;
    return 0;
}

static void get(const struct net_step *script, size_t count, struct cf_op *op, int rc,
                const char *text, int restarts)
{
    struct taken taken = {.restarts = 0};
    struct cf_sink sink = {.write = take, .restart = restart, .context = &taken};
    op->kind = CF_OP_GET;
    op->key = "k";
    op->sink = &sink;
    s3_fixture_open(&f, script, count);
    s3_expect(&f, op, rc);
    if (!rc) {
        ck_assert_str_eq(cf_buf_str(&taken.bytes), text);
        ck_assert_str_eq(op->etag, "abc");
        ck_assert_uint_eq(op->size, 10);
    }
    ck_assert_int_eq(taken.restarts, restarts);
    ck_assert_uint_eq(net_server_requests(f.server), count);
    cf_buf_release(&taken.bytes);
    op->sink = NULL;
}

START_TEST(a_read_goes_on_where_it_broke_off)
{
    static const struct net_step script[] = {
        {.action = NET_CUT, .headers = S3_ETAG, .body = "0123456789"},
        {.status = 206, .headers = S3_ETAG "Content-Range: bytes 5-9/10\r\n", .body = "56789"}};
    struct cf_op op = {.limit = 0};
    get(script, COUNT(script), &op, 0, "0123456789", 0);
    expect_header(1, "\r\nrange: bytes=5-\r\n");
    expect_header(1, "\r\nif-match: \"abc\"\r\n");
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_range_goes_on_where_it_broke_off)
{
    static const struct net_step script[] = {
        {.action = NET_CUT,
         .status = 206,
         .headers = S3_ETAG "Content-Range: bytes 2-7/10\r\n",
         .body = "234567"},
        {.status = 206, .headers = S3_ETAG "Content-Range: bytes 5-7/10\r\n", .body = "567"}};
    struct cf_op op = {.offset = 2, .limit = 6};
    get(script, COUNT(script), &op, 0, "234567", 0);
    expect_header(0, "\r\nrange: bytes=2-7\r\n");
    expect_header(1, "\r\nrange: bytes=5-7\r\n");
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_service_without_ranges_will_do)
{
    static const struct net_step script[] = {
        {.action = NET_CUT, .headers = S3_ETAG, .body = "0123456789"},
        {.headers = S3_ETAG, .body = "0123456789"}};
    struct cf_op op = {.offset = 2, .limit = 6};
    get(script, COUNT(script), &op, 0, "234567", 0);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(an_object_that_was_replaced_is_read_anew)
{
    static const struct net_step script[] = {
        {.action = NET_CUT, .headers = "ETag: \"old\"\r\n", .body = "what was"},
        {.status = 412, .body = S3_FAULT("PreconditionFailed")},
        {.headers = S3_ETAG, .body = "0123456789"}};
    struct cf_op op = {.limit = 0};
    get(script, COUNT(script), &op, 0, "0123456789", 1);
    ck_assert_ptr_null(strstr(s3_head(&f, 2), "if-match"));
    ck_assert_ptr_null(strstr(s3_head(&f, 2), "range"));
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_wanted_version_that_was_replaced_is_a_conflict)
{
    static const struct net_step script[] = {
        {.action = NET_CUT, .headers = S3_ETAG, .body = "0123456789"},
        {.status = 412, .body = S3_FAULT("PreconditionFailed")}};
    struct cf_op op = {.if_match = "abc"};
    get(script, COUNT(script), &op, CF_ECONFLICT, NULL, 0);
    s3_fixture_close(&f);
}
END_TEST

static const struct {
    struct net_step step;
    uint64_t offset;
    const char *if_match;
    int code;
} wrong[] = {
    {{.headers = "ETag: \"other\"\r\n", .body = "x"}, 0, "abc", CF_ECONFLICT},
    {{.body = "x"}, 0, NULL, CF_EUNAVAILABLE},
    {{.headers = "ETag: \"\"\r\n", .body = "x"}, 0, NULL, CF_EUNAVAILABLE},
    {{.headers = S3_ETAG, .body = "x", .action = NET_CHUNKS}, 0, NULL, CF_EUNAVAILABLE},
    {{.status = 206, .headers = S3_ETAG, .body = "x"}, 3, NULL, CF_EUNAVAILABLE},
    {{.status = 206, .headers = S3_ETAG "Content-Range: bytes 2-2/10\r\n", .body = "x"},
     3,
     NULL,
     CF_EUNAVAILABLE},
    {{.status = 206, .headers = S3_ETAG "Content-Range: bytes 3-9/10\r\n", .body = "x"},
     3,
     NULL,
     CF_EUNAVAILABLE},
    {{.status = 206, .headers = S3_ETAG "Content-Range: bytes 3-12/10\r\n", .body = "x"},
     3,
     NULL,
     CF_EUNAVAILABLE},
    {{.status = 206, .headers = S3_ETAG "Content-Range: bytes */10\r\n", .body = "x"},
     3,
     NULL,
     CF_EUNAVAILABLE},
};

START_TEST(an_answer_that_is_not_what_was_asked_for_is_refused)
{
    const struct net_step script[] = {wrong[_i].step};
    struct cf_op op = {.offset = wrong[_i].offset, .if_match = wrong[_i].if_match};
    get(script, COUNT(script), &op, wrong[_i].code, NULL, 0);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_larger_object_than_allowed_is_refused)
{
    static const struct net_step script[] = {{.headers = S3_ETAG, .body = "0123456789"}};
    struct cf_op op = {.kind = CF_OP_GET, .key = "k", .max_body = 9};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, CF_EDATA);
    ck_assert_uint_eq(op.body.length, 0);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_range_behind_the_end_gives_nothing)
{
    static const struct net_step script[] = {{.status = 416, .body = S3_FAULT("InvalidRange")},
                                             {.path = "HEAD ", .headers = S3_ETAG, .body = ""}};
    struct cf_op op = {.kind = CF_OP_GET, .key = "k", .offset = 11, .limit = 2};
    s3_fixture_open(&f, script, COUNT(script));
    s3_expect(&f, &op, 0);
    ck_assert_uint_eq(op.body.length, 0);
    ck_assert_str_eq(op.etag, "abc");
    s3_fixture_close(&f);
}
END_TEST

/* --- uploads ------------------------------------------------------------------------------------
 */

#define BEGUN                                                                                      \
    "<InitiateMultipartUploadResult><UploadId>up+1</UploadId></InitiateMultipartUploadResult>"
#define DONE "<CompleteMultipartUploadResult><ETag>\"all-5\"</ETag></CompleteMultipartUploadResult>"
#define PART                                                                                       \
    {                                                                                              \
        .path = "PUT ", .headers = S3_ETAG                                                         \
    }

/* 65 MiB: four parts of 16 MiB and one of 1. */
struct counted {
    uint64_t at;
    int rewinds;
    int fails_after; /* so many rewinds; 0: never */
};

static int read_counted(void *context, void *data, size_t size, size_t *got)
{
    struct counted *c = context;
    uint64_t left = 65 * MIB - c->at;
    *got = left < size ? (size_t)left : size;
    memset(data, (int)(c->at / MIB), *got);
    c->at += *got;
    return c->fails_after && c->rewinds >= c->fails_after ? CF_EDATA : 0;
}

static int rewind_counted(void *context)
{
    struct counted *c = context;
    c->at = 0;
    c->rewinds++;
    return 0;
}

static void upload(const struct net_step *script, size_t count, struct counted *counted, int rc,
                   struct cf_error *error)
{
    struct cf_source source = {
        .read = read_counted, .rewind = rewind_counted, .context = counted, .size = 65 * MIB};
    struct cf_op op = {.kind = CF_OP_PUT, .key = "k", .source = &source};
    s3_fixture_open(&f, script, count);
    s3_expect(&f, &op, rc);
    ck_assert_str_eq(op.error.operation, rc ? "put" : "");
    if (!rc) {
        ck_assert_str_eq(op.etag, "all-5");
    }
    *error = op.error;
}

START_TEST(a_large_object_goes_up_in_parts)
{
    static const struct net_step script[] = {
        {.path = "POST /bucket/base/k?uploads= ", .body = BEGUN},
        PART,
        PART,
        PART,
        PART,
        {.path = "PUT /bucket/base/k?partNumber=5&uploadId=up%2B1 ", .headers = S3_ETAG},
        {.path = "POST /bucket/base/k?uploadId=up%2B1 ", .body = DONE}};
    struct counted counted = {.at = 0};
    struct cf_error error;
    char hash[CF_SHA256_HEX];
    char line[128];
    upload(script, COUNT(script), &counted, 0, &error);
    ck_assert_uint_eq(net_server_requests(f.server), 7);
    const struct net_seen *last = net_server_seen(f.server, 5);
    ck_assert_uint_eq(last->body_length, MIB);
    cf_sha256_hex(last->body, MIB, hash);
    (void)snprintf(line, sizeof(line), "\r\nx-amz-content-sha256: %s\r\n", hash);
    expect_header(5, line);
    ck_assert_int_eq(last->body[0], 64);
    ck_assert_ptr_nonnull(strstr(net_server_seen(f.server, 6)->body,
                                 "<Part><PartNumber>5</PartNumber><ETag>&quot;abc&quot;</ETag>"));
    ck_assert_int_eq(counted.rewinds, 2); /* for the hashes and for the first part */
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_part_that_breaks_off_is_sent_again)
{
    static const struct net_step script[] = {
        {.body = BEGUN}, PART, {.action = NET_ABORT}, PART, PART, PART, PART, {.body = DONE}};
    struct counted counted = {.at = 0};
    struct cf_error error;
    upload(script, COUNT(script), &counted, 0, &error);
    const struct net_seen *again = net_server_seen(f.server, 3);
    expect_request(3, "PUT /bucket/base/k?partNumber=2&");
    ck_assert_uint_eq(again->body_length, 16 * MIB);
    ck_assert_int_eq(again->body[0], 16);
    ck_assert_int_eq(again->body[again->body_length - 1], 31);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(an_upload_that_fails_is_aborted)
{
    static const struct net_step script[] = {
        {.body = BEGUN},
        PART,
        {.status = 403, .body = S3_FAULT("AccessDenied")},
        {.path = "DELETE /bucket/base/k?uploadId=up%2B1 ", .status = 204}};
    struct counted counted = {.at = 0};
    struct cf_error error;
    upload(script, COUNT(script), &counted, CF_EDENIED, &error);
    ck_assert_str_eq(error.service_code, "AccessDenied");
    ck_assert_uint_eq(net_server_requests(f.server), 4);
    expect_request(3, "DELETE ");
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_source_that_fails_aborts_the_upload)
{
    static const struct net_step script[] = {{.body = BEGUN}, {.status = 204}};
    struct counted counted = {.fails_after = 2};
    struct cf_error error;
    upload(script, COUNT(script), &counted, CF_EDATA, &error);
    ck_assert_uint_ge(net_server_requests(f.server), 2);
    expect_request(net_server_requests(f.server) - 1, "DELETE ");
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_success_with_an_error_in_it_is_none)
{
    static const struct net_step script[] = {
        {.body = BEGUN}, PART, PART, PART, PART, PART, {.body = "  \n" S3_FAULT("AccessDenied")},
        {.status = 204}};
    struct counted counted = {.at = 0};
    struct cf_error error;
    upload(script, COUNT(script), &counted, CF_EDENIED, &error);
    ck_assert_str_eq(error.service_code, "AccessDenied");
    ck_assert_int_eq(error.http_status, 200);
    expect_request(7, "DELETE ");
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_success_with_a_passing_error_in_it_is_tried_again)
{
    static const struct net_step script[] = {{.body = BEGUN},
                                             PART,
                                             PART,
                                             PART,
                                             PART,
                                             PART,
                                             {.body = " " S3_FAULT("InternalError")},
                                             {.body = "   "},
                                             {.body = DONE}};
    struct counted counted = {.at = 0};
    struct cf_error error;
    upload(script, COUNT(script), &counted, 0, &error);
    ck_assert_uint_eq(net_server_requests(f.server), 9);
    s3_fixture_close(&f);
}
END_TEST

/* The object is there, the answer was lost, and the upload's id is not known any more. */
START_TEST(a_lost_answer_to_the_last_request_is_made_good)
{
    static const struct net_step script[] = {
        {.body = BEGUN},
        PART,
        PART,
        PART,
        PART,
        PART,
        {.action = NET_ABORT},
        {.status = 404, .body = S3_FAULT("NoSuchUpload")},
        {.path = "HEAD ", .headers = "ETag: \"all-5\"\r\nX-Size: 1\r\n", .body = ""}};
    struct counted counted = {.at = 0};
    struct cf_error error;
    /* The scripted HEAD tells a length of 0, which is another object: so the upload has failed. */
    upload(script, COUNT(script), &counted, CF_ERETRY, &error);
    ck_assert_str_eq(error.service_code, "NoSuchUpload");
    ck_assert_uint_ge(net_server_requests(f.server), 9);
    expect_request(8, "HEAD ");
    s3_fixture_close(&f);
}
END_TEST

Suite *s3_large_suite(void)
{
    Suite *suite = suite_create("s3_large");
    TCase *tc = tcase_create("several requests");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_read_goes_on_where_it_broke_off);
    tcase_add_test(tc, a_range_goes_on_where_it_broke_off);
    tcase_add_test(tc, a_service_without_ranges_will_do);
    tcase_add_test(tc, an_object_that_was_replaced_is_read_anew);
    tcase_add_test(tc, a_wanted_version_that_was_replaced_is_a_conflict);
    tcase_add_loop_test(tc, an_answer_that_is_not_what_was_asked_for_is_refused, 0,
                        (int)COUNT(wrong));
    tcase_add_test(tc, a_larger_object_than_allowed_is_refused);
    tcase_add_test(tc, a_range_behind_the_end_gives_nothing);
    tcase_add_test(tc, a_large_object_goes_up_in_parts);
    tcase_add_test(tc, a_part_that_breaks_off_is_sent_again);
    tcase_add_test(tc, an_upload_that_fails_is_aborted);
    tcase_add_test(tc, a_source_that_fails_aborts_the_upload);
    tcase_add_test(tc, a_success_with_an_error_in_it_is_none);
    tcase_add_test(tc, a_success_with_a_passing_error_in_it_is_tried_again);
    tcase_add_test(tc, a_lost_answer_to_the_last_request_is_made_good);
    suite_add_tcase(suite, tc);
    return suite;
}
