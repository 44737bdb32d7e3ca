/* s3v2: stores: what is refused before any request, and what reading and writing through libs3
 * does with answers that libs3 alone would take for good ones. A scripted server stands in for the
 * store; without the module, only its absence is tested. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/store/module.h"
#include "common/store/store.h"
#include "tests/unit/net_server.h"
#include "tests/unit/s3_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MD5_ABC "900150983cd24fb0d6963f7d28e17f72"
#define MD5_XYZ "d16fb36f0911f878998c136191af705e"

static void clean_environment(void)
{
    static const char *const names[] = {"AWS_ENDPOINT_URL_S3",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_SESSION_TOKEN",
                                        "CLOUDFOLIO_SINGLE_WRITER",
                                        "CLOUDFOLIO_UNVERIFIED_TLS",
                                        "http_proxy",
                                        "all_proxy",
                                        "ALL_PROXY",
                                        "no_proxy",
                                        "NO_PROXY"};
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)unsetenv(names[i]);
    }
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHETEST", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "s3cretKeyOfTheTest", 1);
}

static void expect_refusal(const char *url, int code, const char *text)
{
    struct cf_store *store = NULL;
    struct cf_error err = {0};
    ck_assert_int_eq(cf_store_open(url, &store, &err), code);
    ck_assert_int_eq(err.code, code);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    s3_check_secrecy(&err);
    ck_assert_ptr_null(store);
}

static bool has_module(void)
{
    const struct cf_store_driver *driver = NULL;
    struct cf_error err;
    return cf_store_sigv2_load(&driver, &err) == 0;
}

START_TEST(a_missing_module_says_what_to_install)
{
    clean_environment();
    expect_refusal("s3v2://bucket", CF_ECONFIG, "libs3-2");
    expect_refusal("s3v2:", CF_ECONFIG, "cloudfolio-s3v2.so");
}
END_TEST

/* The same, tried by this program from another folder, where no module lies beside it. */
START_TEST(the_module_is_not_looked_for_elsewhere)
{
    char exe[1024];
    char command[4096];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    ck_assert_int_gt(length, 0);
    exe[length] = '\0';
    char *folder = cf_asprintf("%s-alone-%ld", exe, (long)getpid());
    char *copy = cf_asprintf("%s/unit", folder);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    int rc = link(exe, copy);
    (void)snprintf(command, sizeof(command), "'%s' store_s3v2 >/dev/null 2>&1", copy);
    rc = rc ? rc : system(command);
    (void)unlink(copy);
    (void)rmdir(folder);
    ck_assert_int_eq(rc, 0);
    free(copy);
    free(folder);
}
END_TEST

/* --- with the module ----------------------------------------------------------------------------
 */

static const struct {
    const char *name, *value, *text;
} refused[] = {
    {"AWS_SESSION_TOKEN", "token", "no session tokens"},
    {"AWS_ENDPOINT_URL_S3", "", "AWS_ENDPOINT_URL_S3"},
    {"AWS_ENDPOINT_URL_S3", "http://store.example.org", "loopback"},
    {"AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1/base", "has a path"},
    {"AWS_ENDPOINT_URL_S3", "https://store.example.org", "CLOUDFOLIO_UNVERIFIED_TLS"},
    {"AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY is not set"},
    {"http_proxy", "http://127.0.0.1:9", "no_proxy"},
};

START_TEST(what_libs3_can_not_do_is_refused)
{
    clean_environment();
    (void)setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", 1);
    (void)setenv(refused[_i].name, refused[_i].value, 1);
    expect_refusal("s3v2://bucket", CF_ECONFIG, refused[_i].text);
}
END_TEST

START_TEST(an_address_that_is_none_is_bad_usage)
{
    clean_environment();
    (void)setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", 1);
    expect_refusal("s3v2://b", CF_EUSAGE, "bucket");
    expect_refusal("s3v2://bucket/a//b", CF_EUSAGE, "prefix");
}
END_TEST

START_TEST(unverified_tls_can_be_asked_for)
{
    struct cf_store *store = NULL;
    struct cf_error err;
    clean_environment();
    (void)setenv("AWS_ENDPOINT_URL_S3", "https://store.example.org", 1);
    (void)setenv("CLOUDFOLIO_UNVERIFIED_TLS", "1", 1);
    ck_assert_int_eq(cf_store_open("s3v2://bucket", &store, &err), 0);
    cf_store_free(store);
}
END_TEST

static void open_fixture(struct s3_fixture *f, const struct net_step *script, size_t count,
                         bool single_writer)
{
    struct cf_error err = {0};
    clean_environment();
    f->server = net_server_new(script, count);
    (void)setenv("AWS_ENDPOINT_URL_S3", net_server_url(f->server), 1);
    if (single_writer) {
        (void)setenv("CLOUDFOLIO_SINGLE_WRITER", "1", 1);
    }
    ck_assert_msg(!cf_store_open("s3v2://bucket/base", &f->store, &err), "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f->server), 0);
}

START_TEST(put_new_takes_the_promise_of_a_single_writer)
{
    static const struct net_step script[] = {{NET_REPLY, .status = 599}};
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_PUT_NEW, .key = "k", .data = "x", .length = 1};
    open_fixture(&f, script, COUNT(script), false);
    ck_assert(!cf_store_can_commit(f.store));
    s3_expect(&f, &op, CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(op.error.message, "CLOUDFOLIO_SINGLE_WRITER=1"));
    ck_assert_uint_eq(net_server_requests(f.server), 0);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(put_new_looks_then_writes_then_looks)
{
    static const struct net_step script[] = {
        {NET_REPLY, .status = 404, .path = "HEAD /bucket/base/k"},
        {NET_REPLY, .path = "PUT /bucket/base/k"},
        {NET_REPLY, .headers = "ETag: \"" MD5_ABC "\"\r\n", .path = "HEAD /bucket/base/k"},
        {NET_REPLY, .headers = "ETag: \"" MD5_ABC "\"\r\n", .path = "HEAD /bucket/base/k"},
    };
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_PUT_NEW, .key = "k", .data = "abc", .length = 3};
    open_fixture(&f, script, COUNT(script), true);
    ck_assert(cf_store_can_commit(f.store));
    s3_expect(&f, &op, 0);
    ck_assert_str_eq(op.etag, MD5_ABC);
    ck_assert_ptr_nonnull(strstr(s3_head(&f, 1), "Content-MD5: kAFQmDzST7DWlj99KOF/cg=="));
    ck_assert_ptr_nonnull(strstr(s3_head(&f, 1), "Authorization: AWS AKIDOFTHETEST:"));
    s3_expect(&f, &op, CF_ECONFLICT);
    ck_assert_uint_eq(net_server_requests(f.server), 4);
    s3_fixture_close(&f);
}
END_TEST

/* libs3 doesn't show a PUT's answer. */
START_TEST(a_put_that_is_not_there_afterwards_is_sent_again)
{
    static const struct net_step script[] = {
        {NET_REPLY, .status = 500, .path = "PUT"},
        {NET_REPLY, .headers = "ETag: \"" MD5_XYZ "\"\r\n", .path = "HEAD"},
        {NET_REPLY, .path = "PUT"},
        {NET_REPLY, .status = 404, .path = "HEAD"},
        {NET_REPLY, .path = "PUT"},
        {NET_REPLY, .headers = "ETag: \"" MD5_ABC "\"\r\n", .path = "HEAD"},
    };
    static const struct net_step never[] = {
        {NET_REPLY, .headers = "ETag: \"" MD5_XYZ "\"\r\n"},
    };
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_PUT, .key = "k", .data = "abc", .length = 3};
    open_fixture(&f, script, COUNT(script), false);
    s3_expect(&f, &op, 0);
    ck_assert_str_eq(op.etag, MD5_ABC);
    s3_fixture_close(&f);
    open_fixture(&f, never, COUNT(never), false);
    s3_expect(&f, &op, CF_EUNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(op.error.message, "MD5"));
    s3_fixture_close(&f);
}
END_TEST

/* libs3 takes a body that was cut off for a whole one. */
START_TEST(a_get_that_was_cut_off_goes_on_where_it_ended)
{
    static const struct net_step script[] = {
        {NET_CUT, .headers = S3_ETAG, .body = "0123456789"},
        {NET_REPLY, .status = 206, .headers = S3_ETAG, .body = "56789"},
    };
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    open_fixture(&f, script, COUNT(script), false);
    s3_expect(&f, &op, 0);
    ck_assert_str_eq(cf_buf_str(&op.body), "0123456789");
    ck_assert_ptr_nonnull(strstr(s3_head(&f, 1), "Range: bytes=5-9"));
    ck_assert_ptr_nonnull(strstr(s3_head(&f, 1), "If-Match: \"abc\""));
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_get_whose_object_changed_under_it_begins_anew)
{
    static const struct net_step script[] = {
        {NET_CUT, .headers = S3_ETAG, .body = "0123456789"},
        {NET_REPLY, .status = 412, .body = S3_FAULT("PreconditionFailed")},
        {NET_REPLY, .headers = "ETag: \"new\"\r\n", .body = "abcd"},
    };
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    open_fixture(&f, script, COUNT(script), false);
    s3_expect(&f, &op, 0);
    ck_assert_str_eq(cf_buf_str(&op.body), "abcd");
    ck_assert_str_eq(op.etag, "new");
    ck_assert_uint_eq(op.size, 4);
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_list_that_was_cut_off_is_asked_again)
{
    static const struct net_step script[] = {
        {NET_CUT, .body = S3_LIST(S3_LAST S3_NAME("base/a") S3_NAME("base/b"))},
        {NET_REPLY, .body = S3_LIST(S3_LAST S3_NAME("base/a") S3_NAME("base/b"))},
    };
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_LIST, .key = ""};
    open_fixture(&f, script, COUNT(script), false);
    s3_expect(&f, &op, 0);
    ck_assert_uint_eq(op.listed_count, 2);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    cf_op_release(&op);
    s3_fixture_close(&f);
}
END_TEST

static const struct {
    int status;
    const char *body;
    int code;
    const char *service_code;
} faults[] = {
    {404, S3_FAULT("NoSuchKey"), CF_ENOTFOUND, "ErrorNoSuchKey"},
    {404, S3_FAULT("NoSuchBucket"), CF_ECONFIG, "ErrorNoSuchBucket"},
    {403, S3_FAULT("AccessDenied"), CF_EDENIED, "ErrorAccessDenied"},
    {403, S3_FAULT("SignatureDoesNotMatch"), CF_EDENIED, "ErrorSignatureDoesNotMatch"},
    {403, S3_FAULT("RequestTimeTooSkewed"), CF_ECONFIG, "ErrorRequestTimeTooSkewed"},
    {403, NULL, CF_EDENIED, "HttpErrorForbidden"},
};

START_TEST(failures_have_codes_and_libs3_names)
{
    const struct net_step script[] = {
        {NET_REPLY, .status = faults[_i].status, .body = faults[_i].body}};
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    open_fixture(&f, script, 1, false);
    s3_expect(&f, &op, faults[_i].code);
    ck_assert_str_eq(op.error.service_code, faults[_i].service_code);
    ck_assert_uint_eq(net_server_requests(f.server), 1);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(what_may_pass_is_tried_again)
{
    static const struct net_step script[] = {
        {NET_REPLY, .status = 503, .body = S3_FAULT("SlowDown")},
        {NET_REPLY, .status = 500, .body = S3_FAULT("InternalError")},
        {NET_CLOSE, .status = 0},
        {NET_REPLY, .status = 502},
        {NET_REPLY, .headers = S3_ETAG, .body = "body"},
    };
    static const struct net_step never[] = {
        {NET_REPLY, .status = 503, .body = S3_FAULT("SlowDown")},
    };
    struct s3_fixture f;
    struct cf_op op = {.kind = CF_OP_GET, .key = "k"};
    open_fixture(&f, script, COUNT(script), false);
    s3_expect(&f, &op, 0);
    ck_assert_str_eq(cf_buf_str(&op.body), "body");
    cf_op_release(&op);
    s3_fixture_close(&f);
    open_fixture(&f, never, COUNT(never), false);
    s3_expect(&f, &op, CF_ERETRY);
    ck_assert_str_eq(op.error.service_code, "ErrorSlowDown");
    ck_assert_uint_eq(net_server_requests(f.server), 8);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(many_run_side_by_side_but_no_more_than_16)
{
    static const struct net_step script[] = {
        {NET_REPLY, .headers = S3_ETAG, .body = "x", .delay_ms = 30}};
    struct s3_fixture f;
    struct cf_op ops[40];
    open_fixture(&f, script, 1, false);
    for (size_t i = 0; i < COUNT(ops); i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_GET, .key = "k"};
    }
    ck_assert_int_eq(cf_store_run(f.store, ops, COUNT(ops)), 0);
    for (size_t i = 0; i < COUNT(ops); i++) {
        ck_assert_str_eq(cf_buf_str(&ops[i].body), "x");
        cf_op_release(&ops[i]);
    }
    ck_assert_int_le(net_server_most_at_once(f.server), 16);
    ck_assert_int_gt(net_server_most_at_once(f.server), 1);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_stop_ends_what_is_silent)
{
    static const volatile int stop = 1;
    static const struct net_step script[] = {{NET_SILENT, .status = 0}};
    struct s3_fixture f;
    struct cf_op ops[20];
    cf_store_stop_on(&stop);
    open_fixture(&f, script, COUNT(script), false);
    for (size_t i = 0; i < COUNT(ops); i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_GET, .key = "k"};
    }
    int64_t began = cf_clock_monotonic_ms();
    ck_assert_int_eq(cf_store_run(f.store, ops, COUNT(ops)), CF_EINTERRUPTED);
    ck_assert_int_lt(cf_clock_monotonic_ms() - began, 12000);
    for (size_t i = 0; i < COUNT(ops); i++) {
        ck_assert_int_eq(ops[i].rc, CF_EINTERRUPTED);
        ck_assert_str_eq(ops[i].error.operation, "get");
    }
    s3_fixture_close(&f);
    cf_store_stop_on(NULL);
}
END_TEST

Suite *store_s3v2_suite(void)
{
    Suite *suite = suite_create("store_s3v2");
    TCase *tc = tcase_create("s3v2");
    tcase_set_timeout(tc, 60);
    if (!has_module()) {
        (void)fprintf(stderr,
                      "the module for s3v2: is not there (make s3v2): only that is tested\n");
        tcase_add_test(tc, a_missing_module_says_what_to_install);
    } else {
        tcase_add_test(tc, the_module_is_not_looked_for_elsewhere);
        tcase_add_loop_test(tc, what_libs3_can_not_do_is_refused, 0, (int)COUNT(refused));
        tcase_add_test(tc, an_address_that_is_none_is_bad_usage);
        tcase_add_test(tc, unverified_tls_can_be_asked_for);
        tcase_add_test(tc, put_new_takes_the_promise_of_a_single_writer);
        tcase_add_test(tc, put_new_looks_then_writes_then_looks);
        tcase_add_test(tc, a_put_that_is_not_there_afterwards_is_sent_again);
        tcase_add_test(tc, a_get_that_was_cut_off_goes_on_where_it_ended);
        tcase_add_test(tc, a_get_whose_object_changed_under_it_begins_anew);
        tcase_add_test(tc, a_list_that_was_cut_off_is_asked_again);
        tcase_add_loop_test(tc, failures_have_codes_and_libs3_names, 0, (int)COUNT(faults));
        tcase_add_test(tc, what_may_pass_is_tried_again);
        tcase_add_test(tc, a_stop_ends_what_is_silent);
        tcase_add_test(tc, many_run_side_by_side_but_no_more_than_16);
    }
    suite_add_tcase(suite, tc);
    return suite;
}
