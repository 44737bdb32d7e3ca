/* What must equal the old system's Python to the byte; the vectors were made by Python's json and
 * hashlib. */
#include <check.h>
#include <string.h>

#include "jobs/orchestrate/category.h"
#include "jobs/orchestrate/legacy.h"

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(value);
    return value;
}

static void check_python(const char *input, const char *want)
{
    struct cf_buf out = CF_BUF_INIT;
    json_t *value = parse(input);
    orchestrate_python_json(value, &out);
    ck_assert_str_eq(cf_buf_str(&out), want);
    json_decref(value);
    cf_buf_release(&out);
}

START_TEST(python_form)
{
    check_python("{\"b\":[1,2.5,null,true],\"a\":\"x\"}",
                 "{\"a\": \"x\", \"b\": [1, 2.5, null, true]}");
    check_python("{\"k\":\"\xc3\xa9 \xf0\x9f\x98\x80\"}", "{\"k\": \"\\u00e9 \\ud83d\\ude00\"}");
    check_python("{\"k\":\"\\\\u00E9 \\\" \\n\"}", "{\"k\": \"\\\\u00E9 \\\" \\n\"}");
    check_python("{\"k\":\"\x7f \\\\\"}", "{\"k\": \"\\u007f \\\\\"}");
    check_python("[]", "[]");
}
END_TEST

static void check_fingerprint(const char *fields, const char *want)
{
    char got[CF_MD5_HEX];
    json_t *value = parse(fields);
    orchestrate_legacy_fingerprint(value, got);
    ck_assert_str_eq(got, want);
    json_decref(value);
}

START_TEST(entry_fingerprint)
{
    check_fingerprint("{\"id\":1296269,\"updated_at\":\"2011-01-26T19:14:43Z\","
                      "\"pushed_at\":\"2011-01-26T19:06:43Z\",\"size\":108,"
                      "\"default_branch\":\"main\",\"language\":\"C\",\"stars\":80}",
                      "c4ce2c3727514f64c01244e305665ce3");
    check_fingerprint("{\"id\":1,\"size\":0,\"default_branch\":\"gr\xc3\xb6\xc3\x9f"
                      "e/\xf0\x9f\x98\x80\"}",
                      "7b5fbf98944dd3f0cacc629435e6ab28");
}
END_TEST

START_TEST(categories)
{
    ck_assert_str_eq(orchestrate_category(".c"), "programming");
    ck_assert_str_eq(orchestrate_category(".json"), "data");
    ck_assert_str_eq(orchestrate_category(".html"), "markup");
    ck_assert_str_eq(orchestrate_category(".rst"), "prose");
    /* The first language that lists ".md" is GCC's Machine Description, as in the old system. */
    ck_assert_str_eq(orchestrate_category(".md"), "programming");
    ck_assert_ptr_null(orchestrate_category(".no-such-extension"));
    ck_assert_ptr_null(orchestrate_category(""));
    /* The table is searched by halves, so each end must be found. */
    ck_assert_ptr_nonnull(orchestrate_category(".1"));
    ck_assert_ptr_nonnull(orchestrate_category(".zsh"));
}
END_TEST

START_TEST(categorised_counts)
{
    json_t *types = parse("{\".c\":3,\".h\":2,\".json\":1,\".unknown-thing\":9}");
    json_t *sums = orchestrate_categorise(types);
    json_t *want = parse("{\"programming\":5,\"data\":1}");
    ck_assert_int_eq(json_equal(sums, want), 1);
    json_decref(want);
    json_decref(sums);
    json_decref(types);
}
END_TEST

Suite *orchestrate_legacy_suite(void)
{
    Suite *suite = suite_create("orchestrate: legacy forms");
    TCase *tc = tcase_create("legacy");
    tcase_add_test(tc, python_form);
    tcase_add_test(tc, entry_fingerprint);
    tcase_add_test(tc, categories);
    tcase_add_test(tc, categorised_counts);
    suite_add_tcase(suite, tc);
    return suite;
}
