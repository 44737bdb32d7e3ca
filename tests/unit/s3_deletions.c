/* Deletions of many objects at once, also by a service that can't, or says it did and didn't. */
#include <check.h>
#include <string.h>

#include "tests/unit/s3_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct s3_fixture f;

static const char *const doomed[] = {"a/3", "a/1", "a/2", "a/4", "a/5"};

static void delete_all(const struct net_step *script, size_t count, struct cf_op ops[5])
{
    s3_fixture_open(&f, script, count);
    for (size_t i = 0; i < COUNT(doomed); i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_DELETE, .key = doomed[i]};
    }
    (void)cf_store_run(f.store, ops, COUNT(doomed));
}

static void expect_deleted(const struct cf_op ops[5])
{
    for (size_t i = 0; i < COUNT(doomed); i++) {
        ck_assert_msg(ops[i].rc == 0, "%s: %s", ops[i].key, ops[i].error.message);
    }
}

START_TEST(many_deletions_take_one_request_and_a_look)
{
    static const struct net_step script[] = {
        {.path = "POST /bucket/?delete= ", .body = "<DeleteResult></DeleteResult>"},
        {.path = "max-keys=1000&prefix=base%2Fa%2F&start-after=base%2Fa%2F0~ ",
         .body = S3_LIST(S3_LAST S3_NAME("base/a/0") S3_NAME("base/a/6"))}};
    struct cf_op ops[5];
    delete_all(script, COUNT(script), ops);
    expect_deleted(ops);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_str_eq(net_server_seen(f.server, 0)->body,
                     "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
                     "<Object><Key>base/a/1</Key></Object><Object><Key>base/a/2</Key></Object>"
                     "<Object><Key>base/a/3</Key></Object><Object><Key>base/a/4</Key></Object>"
                     "<Object><Key>base/a/5</Key></Object></Delete>");
    ck_assert_ptr_nonnull(strstr(s3_head(&f, 0), "\r\ncontent-md5: "));
    s3_fixture_close(&f);
}
END_TEST

START_TEST(what_was_not_deleted_is_deleted_by_itself)
{
    static const struct net_step script[] = {
        {.body = "<DeleteResult><Error><Key>base/a/3</Key><Code>InternalError</Code></Error>"
                 "</DeleteResult>"},
        {.body = S3_LIST(S3_LAST S3_NAME("base/a/3") S3_NAME("base/a/4"))},
        {.path = "DELETE /bucket/base/a/", .status = 204},
        {.path = "DELETE /bucket/base/a/", .status = 204},
        {.body = S3_LIST(S3_LAST)}};
    struct cf_op ops[5];
    delete_all(script, COUNT(script), ops);
    expect_deleted(ops);
    ck_assert_uint_eq(net_server_requests(f.server), 5);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_store_that_lies_is_found_out)
{
    static const struct net_step script[] = {{.body = "<DeleteResult></DeleteResult>"},
                                             {.body = S3_LIST(S3_LAST S3_NAME("base/a/2"))},
                                             {.path = "DELETE /bucket/base/a/2 ", .status = 204},
                                             {.body = S3_LIST(S3_LAST S3_NAME("base/a/2"))}};
    struct cf_op ops[5];
    delete_all(script, COUNT(script), ops);
    for (size_t i = 0; i < COUNT(doomed); i++) {
        bool kept = strcmp(ops[i].key, "a/2") == 0;
        ck_assert_int_eq(ops[i].rc, kept ? CF_EUNAVAILABLE : 0);
    }
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_store_without_many_deletions_gets_single_ones)
{
    static const struct net_step script[] = {{.status = 501, .body = S3_FAULT("NotImplemented")},
                                             {.body = S3_LIST(S3_LAST)},
                                             {.status = 204},
                                             {.status = 204},
                                             {.status = 204},
                                             {.status = 204},
                                             {.status = 204},
                                             {.body = S3_LIST(S3_LAST)}};
    struct cf_op ops[5];
    delete_all(script, COUNT(script), ops);
    expect_deleted(ops);
    ck_assert_uint_eq(net_server_requests(f.server), 8);
    s3_fixture_close(&f);
}
END_TEST

START_TEST(a_denial_holds_for_each)
{
    static const struct net_step script[] = {{.status = 403, .body = S3_FAULT("AccessDenied")}};
    struct cf_op ops[5];
    delete_all(script, COUNT(script), ops);
    for (size_t i = 0; i < COUNT(doomed); i++) {
        ck_assert_int_eq(ops[i].rc, CF_EDENIED);
        ck_assert_str_eq(ops[i].error.key, doomed[i]);
        ck_assert_ptr_nonnull(strstr(ops[i].error.message, "s3:DeleteObject"));
    }
    ck_assert_uint_eq(net_server_requests(f.server), 1);
    s3_fixture_close(&f);
}
END_TEST

Suite *s3_deletions_suite(void)
{
    Suite *suite = suite_create("s3_deletions");
    TCase *tc = tcase_create("several requests");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, many_deletions_take_one_request_and_a_look);
    tcase_add_test(tc, what_was_not_deleted_is_deleted_by_itself);
    tcase_add_test(tc, a_store_that_lies_is_found_out);
    tcase_add_test(tc, a_store_without_many_deletions_gets_single_ones);
    tcase_add_test(tc, a_denial_holds_for_each);
    suite_add_tcase(suite, tc);
    return suite;
}
