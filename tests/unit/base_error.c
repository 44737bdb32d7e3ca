#include <check.h>
#include <errno.h>
#include <string.h>

#include "common/base/error.h"

static const struct {
    int code;
    int status;
    const char *name;
} codes[] = {
    {CF_OK, 0, "ok"},
    {CF_ENOTFOUND, 65, "not_found"},
    {CF_ECONFLICT, 75, "conflict"},
    {CF_ERETRY, 75, "retry"},
    {CF_EUNAVAILABLE, 69, "unavailable"},
    {CF_EDENIED, 77, "denied"},
    {CF_EDATA, 65, "bad_data"},
    {CF_ECONFIG, 78, "configuration"},
    {CF_EUSAGE, 64, "usage"},
    {CF_EINTERRUPTED, 75, "interrupted"},
    {CF_EINTERNAL, 70, "internal"},
};

START_TEST(each_code_has_its_status_and_name)
{
    ck_assert_int_eq(cf_exit_status(codes[_i].code), codes[_i].status);
    ck_assert_str_eq(cf_code_name(codes[_i].code), codes[_i].name);
}
END_TEST

START_TEST(an_unknown_code_is_a_bug)
{
    ck_assert_int_eq(cf_exit_status(-99), 70);
    ck_assert_int_eq(cf_exit_status(1), 70);
    ck_assert_str_eq(cf_code_name(-99), "unknown");
}
END_TEST

START_TEST(of_two_statuses_the_worse_is_reported)
{
    static const int order[] = {70, 78, 77, 65, 69, 75, 64, 0};
    const int n = (int)(sizeof(order) / sizeof(order[0]));
    for (int worse = 0; worse < n; worse++) {
        for (int better = worse; better < n; better++) {
            ck_assert_int_eq(cf_exit_worst(order[worse], order[better]), order[worse]);
            ck_assert_int_eq(cf_exit_worst(order[better], order[worse]), order[worse]);
        }
    }
}
END_TEST

START_TEST(setting_an_error_clears_what_was_there)
{
    struct cf_error err;
    memset(&err, 'x', sizeof(err));
    ck_assert_int_eq(cf_error_set(&err, CF_EDATA, "line %d", 7), CF_EDATA);
    ck_assert_int_eq(err.code, CF_EDATA);
    ck_assert_str_eq(err.message, "line 7");
    ck_assert_str_eq(err.operation, "");
    ck_assert_str_eq(err.key, "");
    ck_assert_str_eq(err.service_code, "");
    ck_assert_str_eq(err.request_id, "");
    ck_assert_int_eq(err.http_status, 0);
}
END_TEST

START_TEST(an_error_can_say_where)
{
    struct cf_error err;
    ck_assert_int_eq(cf_error_at(&err, CF_ERETRY, "put", "a/b", "%s", "slow"), CF_ERETRY);
    ck_assert_str_eq(err.operation, "put");
    ck_assert_str_eq(err.key, "a/b");
    ck_assert_str_eq(err.message, "slow");
    ck_assert_int_eq(cf_error_at(&err, CF_ERETRY, NULL, NULL, "x"), CF_ERETRY);
    ck_assert_str_eq(err.operation, "");
    ck_assert_str_eq(err.key, "");
}
END_TEST

START_TEST(long_texts_are_cut)
{
    struct cf_error err;
    char text[2000];
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)cf_error_at(&err, CF_EDATA, text, text, "%s", text);
    ck_assert_uint_eq(strlen(err.operation), sizeof(err.operation) - 1);
    ck_assert_uint_eq(strlen(err.key), sizeof(err.key) - 1);
    ck_assert_uint_eq(strlen(err.message), sizeof(err.message) - 1);
    ck_assert_int_eq(cf_error_prefix(&err, "%s", text), CF_EDATA);
    ck_assert_uint_eq(strlen(err.message), sizeof(err.message) - 1);
}
END_TEST

START_TEST(a_prefix_goes_before_the_message_and_keeps_the_rest)
{
    struct cf_error err;
    (void)cf_error_at(&err, CF_EDENIED, "get", "k", "no");
    ck_assert_int_eq(cf_error_prefix(&err, "part %d", 2), CF_EDENIED);
    ck_assert_str_eq(err.message, "part 2: no");
    ck_assert_str_eq(err.key, "k");
    ck_assert_int_eq(err.code, CF_EDENIED);
}
END_TEST

START_TEST(without_an_error_to_fill_the_code_still_returns)
{
    ck_assert_int_eq(cf_error_set(NULL, CF_EDATA, "x"), CF_EDATA);
    ck_assert_int_eq(cf_error_at(NULL, CF_EUSAGE, "a", "b", "x"), CF_EUSAGE);
    ck_assert_int_eq(cf_error_errno(NULL, EACCES, "a", "b"), CF_EDENIED);
}
END_TEST

static const struct {
    int number;
    int code;
} numbers[] = {
    {EACCES, CF_EDENIED},      {EPERM, CF_EDENIED},    {EROFS, CF_EDENIED},
    {ENOSPC, CF_ERETRY},       {EDQUOT, CF_ERETRY},    {ENOENT, CF_ENOTFOUND},
    {ENOTDIR, CF_ENOTFOUND},   {EIO, CF_EUNAVAILABLE}, {EINTR, CF_EINTERRUPTED},
    {EMFILE, CF_EUNAVAILABLE}, {0, CF_EUNAVAILABLE},
};

START_TEST(errno_values_map_to_codes)
{
    struct cf_error err;
    ck_assert_int_eq(cf_error_errno(&err, numbers[_i].number, "open", "some/key"),
                     numbers[_i].code);
    ck_assert_int_eq(err.code, numbers[_i].code);
    ck_assert_str_eq(err.message, strerror(numbers[_i].number));
    ck_assert_str_eq(err.operation, "open");
    ck_assert_str_eq(err.key, "some/key");
}
END_TEST

Suite *base_error_suite(void)
{
    Suite *suite = suite_create("base_error");
    TCase *tc = tcase_create("error");
    tcase_add_loop_test(tc, each_code_has_its_status_and_name, 0,
                        (int)(sizeof(codes) / sizeof(codes[0])));
    tcase_add_test(tc, an_unknown_code_is_a_bug);
    tcase_add_test(tc, of_two_statuses_the_worse_is_reported);
    tcase_add_test(tc, setting_an_error_clears_what_was_there);
    tcase_add_test(tc, an_error_can_say_where);
    tcase_add_test(tc, long_texts_are_cut);
    tcase_add_test(tc, a_prefix_goes_before_the_message_and_keeps_the_rest);
    tcase_add_test(tc, without_an_error_to_fill_the_code_still_returns);
    tcase_add_loop_test(tc, errno_values_map_to_codes, 0,
                        (int)(sizeof(numbers) / sizeof(numbers[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
