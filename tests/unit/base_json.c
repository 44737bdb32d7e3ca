#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "common/base/json.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct cf_error err = {0};
    int rc = cf_json_parse(text, strlen(text), "the text", &value, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return value;
}

#define BYTES(s) (s), sizeof(s) - 1

static const struct {
    const char *data;
    size_t length;
} refused[] = {
    {BYTES("")},
    {BYTES("{")},
    {BYTES("{}x")},
    {BYTES("{}{}")},
    {BYTES("{}\0")},
    {BYTES("{\"a\":1,\"a\":2}")},
    {BYTES("{\"x\":{\"a\":1,\"b\":2,\"a\":1}}")},
    {BYTES("{\"a\":1,}")},
    {BYTES("[1,2")},
    {BYTES("{'a':1}")},
    {BYTES("{\"a\":NaN}")},
    {BYTES("{\"a\":01}")},
    {BYTES("{\"a\":1e999}")},
    {BYTES("{\"a\":9223372036854775808}")},
    {BYTES("\"alone\"")},
    {BYTES("7")},
    {BYTES("{\"a\":\"\\u0000\"}")},
    {BYTES("{\"a\\u0000\":1}")},
    {BYTES("{\"a\":\"\0\"}")},
    {BYTES("{\"a\":\"\x1f\"}")},
    {BYTES("{\"a\":\"\xff\"}")},
    {BYTES("{\"a\":\"\xc0\x80\"}")},
    {BYTES("{\"a\":\"\xed\xa0\x80\"}")},
    {BYTES("{\"a\":\"\\ud800\"}")},
    {BYTES("\xef\xbb\xbf{}")},
    {BYTES("{} // remark")},
};

START_TEST(what_is_not_strict_json_is_refused)
{
    struct cf_error err = {0};
    json_t *value = NULL;
    ck_assert_int_eq(
        cf_json_parse(refused[_i].data, refused[_i].length, "the marker", &value, &err), CF_EDATA);
    ck_assert_ptr_null(value);
    ck_assert_int_eq(err.code, CF_EDATA);
    ck_assert_msg(strncmp(err.message, "the marker is not JSON: line ", 29) == 0, "%s",
                  err.message);
}
END_TEST

START_TEST(no_data_at_all_is_refused)
{
    struct cf_error err = {0};
    json_t *value = NULL;
    ck_assert_int_eq(cf_json_parse(NULL, 0, "it", &value, &err), CF_EDATA);
}
END_TEST

static char *nested(size_t depth)
{
    char *text = cf_malloc(2 * depth + 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    return text;
}

START_TEST(nesting_is_limited)
{
    struct cf_error err = {0};
    char *deep = nested(2049);
    char *good = nested(2048);
    json_t *value = NULL;
    ck_assert_int_eq(cf_json_parse(deep, strlen(deep), "it", &value, &err), CF_EDATA);
    ck_assert_int_eq(cf_json_parse(good, strlen(good), "it", &value, &err), 0);
    json_decref(value);
    free(deep);
    free(good);
}
END_TEST

START_TEST(foreign_documents_may_hold_nul_but_nothing_else_more)
{
    static const char text[] = "{\"a\":\"x\\u0000y\"}";
    struct cf_error err = {0};
    json_t *value = NULL;
    const char *s = NULL;
    ck_assert_int_eq(cf_json_parse_foreign(text, sizeof(text) - 1, "it", &value, &err), 0);
    ck_assert_uint_eq(json_string_length(json_object_get(value, "a")), 3);
    ck_assert_int_eq(cf_json_get_string(value, "a", &s, &err), CF_EDATA);
    json_decref(value);
    ck_assert_int_eq(cf_json_parse_foreign("{\"a\":1,\"a\":1}", 13, "it", &value, &err), CF_EDATA);
    ck_assert_int_eq(cf_json_parse_foreign("{} {}", 5, "it", &value, &err), CF_EDATA);
}
END_TEST

START_TEST(equal_documents_give_equal_bytes)
{
    json_t *a = parse(" { \"b\" : [1, 2.5, null, true] , \"a\" : \"\\u00e9/\\n\", \"B\":{} } ");
    json_t *b = parse("{\"a\":\"é/\\u000a\",\"B\":{},\"b\":[1,2.5,null,true]}");
    struct cf_buf text = CF_BUF_INIT;
    char first[65];
    char second[65];
    char direct[65];
    static const char expected[] = "{\"B\":{},\"a\":\"é/\\n\",\"b\":[1,2.5,null,true]}";
    cf_buf_puts(&text, ">");
    cf_json_dump(a, &text);
    ck_assert_str_eq(text.data + 1, expected);
    cf_json_sha256(a, first);
    cf_json_sha256(b, second);
    cf_sha256_hex(expected, strlen(expected), direct);
    ck_assert_str_eq(first, second);
    ck_assert_str_eq(first, direct);
    cf_buf_release(&text);
    json_decref(a);
    json_decref(b);
}
END_TEST

static void expect_wrong(int rc, const struct cf_error *err, const char *field, const char *text)
{
    char quoted[64];
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", field);
    ck_assert_int_eq(rc, CF_EDATA);
    ck_assert_msg(strstr(err->message, quoted) != NULL, "%s", err->message);
    ck_assert_msg(strstr(err->message, text) != NULL, "%s", err->message);
}

/* Calls the getter of each kind on one field. */
enum getter { STRING, SHA256, U64, NUMBER, BOOL, OBJECT, ARRAY, GETTERS };

static int get(enum getter getter, const json_t *object, const char *key, struct cf_error *err)
{
    union {
        const char *s;
        char hash[65];
        uint64_t u;
        double d;
        bool b;
        json_t *j;
    } v;
    switch (getter) {
    case STRING:
        return cf_json_get_string(object, key, &v.s, err);
    case SHA256:
        return cf_json_get_sha256(object, key, v.hash, err);
    case U64:
        return cf_json_get_u64(object, key, &v.u, err);
    case NUMBER:
        return cf_json_get_number(object, key, &v.d, err);
    case BOOL:
        return cf_json_get_bool(object, key, &v.b, err);
    case OBJECT:
        return cf_json_get_object(object, key, &v.j, err);
    default:
        return cf_json_get_array(object, key, &v.j, err);
    }
}

START_TEST(a_missing_field_is_named_by_each_getter)
{
    json_t *object = parse("{\"there\":null}");
    struct cf_error err = {0};
    expect_wrong(get((enum getter)_i, object, "gone", &err), &err, "gone", "is missing");
    expect_wrong(get((enum getter)_i, object, "there", &err), &err, "there", "must be");
    expect_wrong(get((enum getter)_i, NULL, "any", &err), &err, "any", "an object was expected");
    json_decref(object);
}
END_TEST

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(a_field_of_another_type_is_named_by_each_getter)
{
    /* One value of every type under the names of the getters that take it. */
    static const struct {
        const char *key;
        unsigned fits; /* bits of the getters that accept it */
    } fields[] = {{"text", 1U << STRING},     {"hash", 1U << STRING | 1U << SHA256},
                  {"upper", 1U << STRING},    {"integer", 1U << U64 | 1U << NUMBER},
                  {"negative", 1U << NUMBER}, {"real", 1U << NUMBER},
                  {"true", 1U << BOOL},       {"object", 1U << OBJECT},
                  {"array", 1U << ARRAY},     {"null", 0}};
    json_t *object = parse("{\"text\":\"x\",\"hash\":\"" HASH "\",\"upper\":\"F" HASH
                           "\",\"integer\":7,\"negative\":-1,\"real\":1.5,\"true\":true,"
                           "\"object\":{},\"array\":[],\"null\":null}");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (unsigned g = 0; g < GETTERS; g++) {
            struct cf_error err = {0};
            int rc = get((enum getter)g, object, fields[i].key, &err);
            if (fields[i].fits >> g & 1) {
                ck_assert_msg(rc == 0, "%s with getter %u", fields[i].key, g);
            } else {
                expect_wrong(rc, &err, fields[i].key, "must be");
            }
        }
    }
    json_decref(object);
}
END_TEST

START_TEST(getters_give_the_values)
{
    json_t *object = parse("{\"s\":\"é\",\"h\":\"" HASH "\",\"u\":9223372036854775807,\"d\":2,"
                           "\"t\":true,\"f\":false,\"o\":{\"x\":1},\"a\":[1,2]}");
    struct cf_error err = {0};
    const char *s = NULL;
    char hash[65];
    uint64_t u = 0;
    double d = 0;
    bool b = false;
    json_t *j = NULL;
    ck_assert_int_eq(cf_json_get_string(object, "s", &s, &err), 0);
    ck_assert_str_eq(s, "é");
    ck_assert_int_eq(cf_json_get_sha256(object, "h", hash, &err), 0);
    ck_assert_str_eq(hash, HASH);
    ck_assert_int_eq(cf_json_get_u64(object, "u", &u, &err), 0);
    ck_assert_uint_eq(u, INT64_MAX);
    ck_assert_int_eq(cf_json_get_number(object, "d", &d, &err), 0);
    ck_assert_double_eq(d, 2);
    ck_assert_int_eq(cf_json_get_bool(object, "t", &b, &err), 0);
    ck_assert(b);
    ck_assert_int_eq(cf_json_get_bool(object, "f", &b, &err), 0);
    ck_assert(!b);
    ck_assert_int_eq(cf_json_get_object(object, "o", &j, &err), 0);
    ck_assert_ptr_eq(j, json_object_get(object, "o"));
    ck_assert_int_eq(cf_json_get_array(object, "a", &j, &err), 0);
    ck_assert_uint_eq(json_array_size(j), 2);
    json_decref(object);
}
END_TEST

START_TEST(optional_strings_fall_back)
{
    json_t *object = parse("{\"s\":\"x\",\"null\":null,\"n\":1}");
    struct cf_error err = {0};
    const char *s = NULL;
    ck_assert_int_eq(cf_json_opt_string(object, "s", "f", &s, &err), 0);
    ck_assert_str_eq(s, "x");
    ck_assert_int_eq(cf_json_opt_string(object, "null", "f", &s, &err), 0);
    ck_assert_str_eq(s, "f");
    ck_assert_int_eq(cf_json_opt_string(object, "gone", NULL, &s, &err), 0);
    ck_assert_ptr_null(s);
    expect_wrong(cf_json_opt_string(object, "n", "f", &s, &err), &err, "n", "must be");
    json_decref(object);
}
END_TEST

START_TEST(text_from_outside_becomes_utf8)
{
    json_t *dirty = cf_json_text("a\xff\0b", 4);
    json_t *empty = cf_json_text("", 0);
    json_t *null = cf_json_string_or_null(NULL);
    ck_assert_str_eq(json_string_value(dirty), "a\xef\xbf\xbd\xef\xbf\xbd"
                                               "b");
    ck_assert_str_eq(json_string_value(empty), "");
    ck_assert(json_is_null(null));
    json_decref(dirty);
    json_decref(empty);
    json_decref(null);
}
END_TEST

Suite *base_json_suite(void)
{
    Suite *suite = suite_create("base_json");
    TCase *tc = tcase_create("json");
    tcase_add_loop_test(tc, what_is_not_strict_json_is_refused, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tc, no_data_at_all_is_refused);
    tcase_add_test(tc, nesting_is_limited);
    tcase_add_test(tc, foreign_documents_may_hold_nul_but_nothing_else_more);
    tcase_add_test(tc, equal_documents_give_equal_bytes);
    tcase_add_loop_test(tc, a_missing_field_is_named_by_each_getter, 0, GETTERS);
    tcase_add_test(tc, a_field_of_another_type_is_named_by_each_getter);
    tcase_add_test(tc, getters_give_the_values);
    tcase_add_test(tc, optional_strings_fall_back);
    tcase_add_test(tc, text_from_outside_becomes_utf8);
    suite_add_tcase(suite, tc);
    return suite;
}
