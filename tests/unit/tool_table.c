#include "jobs/cloudfolio/table.h"

#include <check.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const int64_t NOW = INT64_C(1769904000000); /* 2026-02-01T00:00:00.000Z */

static const struct {
    const char *json;
    enum tool_format format;
    const char *cell;
} cells[] = {
    {"\"a\\nb\\u001b[31m\"", TOOL_TEXT, "a\\nb\\u001b[31m"},
    {"\"\"", TOOL_TEXT, ""},
    {"7", TOOL_TEXT, "-"},
    {"null", TOOL_TEXT, "-"},
    {"42", TOOL_NUMBER, "42"},
    {"0.98765", TOOL_NUMBER, "0.988"},
    {"\"42\"", TOOL_NUMBER, "-"},
    {"0", TOOL_BYTES, "0 B"},
    {"999", TOOL_BYTES, "999 B"},
    {"1000", TOOL_BYTES, "1.0 kB"},
    {"9949", TOOL_BYTES, "9.9 kB"},
    {"9950", TOOL_BYTES, "10 kB"},
    {"999499", TOOL_BYTES, "999 kB"},
    {"999500", TOOL_BYTES, "1.0 MB"},
    {"9223372036854775807", TOOL_BYTES, "9.2 EB"},
    {"1.5", TOOL_SECONDS, "1.50 s"},
    {"\"2026-01-31T23:59:59.001Z\"", TOOL_AGE, "now"},
    {"\"2026-01-31T23:59:59.000Z\"", TOOL_AGE, "1 s"},
    {"\"2026-01-31T23:48:00.000Z\"", TOOL_AGE, "12 min"},
    {"\"2026-01-31T20:59:00.000Z\"", TOOL_AGE, "3 h"},
    {"\"2026-01-01T00:00:00.000Z\"", TOOL_AGE, "31 d"},
    {"\"2027-01-01T00:00:00.000Z\"", TOOL_AGE, "now"},
    {"\"yesterday\"", TOOL_AGE, "yesterday"},
    {"\"2026-01-31T20:59:07.123Z\"", TOOL_TIME, "2026-01-31 20:59:07"},
    {"\"soon\"", TOOL_TIME, "soon"},
    {"\"0123456789abcdef\"", TOOL_HASH, "0123456789ab"},
    {"\"0123\"", TOOL_HASH, "0123"},
    {"{\"a\": 1, \"b\": \"x y\", \"c\": true, \"d\": null, \"e\": [1]}", TOOL_PAIRS,
     "a=1 b=x y c=yes d=- e=…"},
    {"{\"f\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}", TOOL_PAIRS,
     "f=0123456789ab"},
    {"{}", TOOL_PAIRS, "-"},
    {"[{\"dataset\": \"repos\", \"version\": 4}, {\"dataset\": \"model\", \"version\": 2}]",
     TOOL_INPUTS, "repos 4, model 2"},
    {"[]", TOOL_INPUTS, "-"},
    {"true", TOOL_YES, "yes"},
    {"false", TOOL_YES, ""},
    {"null", TOOL_YES, "-"},
};

START_TEST(values_as_cells)
{
    struct cf_buf out = CF_BUF_INIT;
    json_t *value = json_loads(cells[_i].json, JSON_DECODE_ANY, NULL);
    tool_cell(value, cells[_i].format, NOW, &out);
    ck_assert_str_eq(cf_buf_str(&out), cells[_i].cell);
    json_decref(value);
    cf_buf_release(&out);
}
END_TEST

START_TEST(times_are_read_strictly)
{
    static const char *const wrong[] = {"", "2026-01-31", "2026-01-31T23:59:59Z",
                                        "2026-01-31T23:59:59.123Zx", "1926-01-31T23:59:59.123Z"};
    ck_assert_int_eq(tool_parse_time("2026-02-01T00:00:00.000Z"), NOW);
    ck_assert_int_eq(tool_parse_time("1970-01-01T00:00:00.007Z"), 7);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        ck_assert_msg(tool_parse_time(wrong[i]) == -1, "\"%s\"", wrong[i]);
    }
}
END_TEST

static const struct {
    const char *text;
    size_t width;
} widths[] = {
    {"", 0},         {"abc", 3}, {"é", 1}, {"e\xcc\x81", 1}, {"日本語", 6},        {"한글", 4},
    {"ｗｉｄｅ", 8}, {"🚀", 2},   {"…", 1}, {"\xff", 1},      {"a\xe2\x80\x8d", 1}, {"Ωμέγα", 5},
};

START_TEST(widths_on_a_terminal)
{
    ck_assert_uint_eq(tool_width(widths[_i].text, strlen(widths[_i].text)), widths[_i].width);
}
END_TEST

static const struct tool_column columns[] = {
    {"NAME", "name", TOOL_TEXT},
    {"N", "count", TOOL_NUMBER},
    {"WHY", "error.message", TOOL_TEXT},
    {0},
};

static char *table_of(const char *rows_text, bool bold)
{
    struct cf_buf out = CF_BUF_INIT;
    json_t *rows = json_loads(rows_text, 0, NULL);
    ck_assert_ptr_nonnull(rows);
    tool_table(rows, columns, NOW, bold, &out);
    json_decref(rows);
    return cf_buf_detach(&out);
}

START_TEST(columns_are_aligned)
{
    char *text = table_of("[{\"name\": \"日本\", \"count\": 7, \"error\": {\"message\": \"x\"}},"
                          " {\"name\": \"a\", \"count\": 1000},"
                          " {\"name\": \"long name\", \"error\": {\"message\": \"\"}}]",
                          false);
    ck_assert_str_eq(text, "NAME          N  WHY\n"
                           "日本          7  x\n"
                           "a          1000  -\n"
                           "long name     -\n");
    free(text);
}
END_TEST

START_TEST(headings_alone_and_in_bold)
{
    char *text = table_of("[]", true);
    ck_assert_str_eq(text, "\033[1mNAME  N  WHY\033[0m\n");
    free(text);
}
END_TEST

START_TEST(paths_reach_into_objects)
{
    json_t *object = json_loads("{\"a\": {\"b\": {\"c\": 1}}, \"d\": 2}", 0, NULL);
    ck_assert_int_eq(json_integer_value(tool_field(object, "a.b.c")), 1);
    ck_assert_int_eq(json_integer_value(tool_field(object, "d")), 2);
    ck_assert_ptr_null(tool_field(object, "d.x.y"));
    ck_assert_ptr_null(tool_field(object, "z"));
    json_decref(object);
}
END_TEST

Suite *tool_table_suite(void)
{
    Suite *suite = suite_create("tool_table");
    TCase *tc = tcase_create("table");
    tcase_add_loop_test(tc, values_as_cells, 0, (int)COUNT(cells));
    tcase_add_test(tc, times_are_read_strictly);
    tcase_add_loop_test(tc, widths_on_a_terminal, 0, (int)COUNT(widths));
    tcase_add_test(tc, columns_are_aligned);
    tcase_add_test(tc, headings_alone_and_in_bold);
    tcase_add_test(tc, paths_reach_into_objects);
    suite_add_tcase(suite, tc);
    return suite;
}
