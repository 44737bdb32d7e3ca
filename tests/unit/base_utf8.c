#include <check.h>
#include <string.h>

#include "common/base/utf8.h"

/* By hand from RFC 3629, section 4. */
static const struct {
    const char *bytes;
    size_t length;
    uint32_t code_point;
    size_t used; /* 0: not UTF-8 */
} vectors[] = {
    {"\x00", 1, 0, 1},
    {"A", 1, 'A', 1},
    {"\x7f", 1, 0x7f, 1},
    {"\xc2\x80", 2, 0x80, 2},
    {"\xdf\xbf", 2, 0x7ff, 2},
    {"\xe0\xa0\x80", 3, 0x800, 3},
    {"\xed\x9f\xbf", 3, 0xd7ff, 3},
    {"\xee\x80\x80", 3, 0xe000, 3},
    {"\xef\xbf\xbf", 3, 0xffff, 3},
    {"\xf0\x90\x80\x80", 4, 0x10000, 4},
    {"\xf4\x8f\xbf\xbf", 4, 0x10ffff, 4},
    {"\xe2\x82\xac!", 4, 0x20ac, 3},
    /* a continuation first */
    {"\x80", 1, 0, 0},
    {"\xbf", 1, 0, 0},
    /* overlong */
    {"\xc0\x80", 2, 0, 0},
    {"\xc1\xbf", 2, 0, 0},
    {"\xe0\x80\x80", 3, 0, 0},
    {"\xe0\x9f\xbf", 3, 0, 0},
    {"\xf0\x80\x80\x80", 4, 0, 0},
    {"\xf0\x8f\xbf\xbf", 4, 0, 0},
    /* surrogates */
    {"\xed\xa0\x80", 3, 0, 0},
    {"\xed\xbf\xbf", 3, 0, 0},
    /* above U+10FFFF, and lead bytes that never occur */
    {"\xf4\x90\x80\x80", 4, 0, 0},
    {"\xf5\x80\x80\x80", 4, 0, 0},
    {"\xf8\x88\x80\x80\x80", 5, 0, 0},
    {"\xff", 1, 0, 0},
    /* cut short, or followed by something else */
    {"\xc2", 1, 0, 0},
    {"\xe2\x82", 2, 0, 0},
    {"\xf0\x9f\x98", 3, 0, 0},
    {"\xc2\x41", 2, 0, 0},
    {"\xc2\xc0", 2, 0, 0},
    {"\xe2\x28\xa1", 3, 0, 0},
    {"\xe2\x82\x28", 3, 0, 0},
    {"\xf0\x90\x80\x28", 4, 0, 0},
};

START_TEST(decodes_what_rfc_3629_allows_and_nothing_else)
{
    uint32_t c = 0x7777;
    size_t used = cf_utf8_decode(vectors[_i].bytes, vectors[_i].length, &c);
    ck_assert_uint_eq(used, vectors[_i].used);
    if (used) {
        ck_assert_uint_eq(c, vectors[_i].code_point);
    }
}
END_TEST

START_TEST(encodes_every_scalar_value_so_that_it_decodes)
{
    struct cf_buf text = CF_BUF_INIT;
    for (uint32_t c = 0; c <= 0x10ffff; c = c == 0xd7ff ? 0xe000 : c + 1) {
        uint32_t back = 0;
        cf_buf_clear(&text);
        cf_utf8_encode(c, &text);
        if (cf_utf8_decode(text.data, text.length, &back) != text.length || back != c) {
            ck_abort_msg("U+%04X becomes U+%04X", (unsigned)c, (unsigned)back);
        }
    }
    cf_buf_release(&text);
}
END_TEST

#define FFFD "\xef\xbf\xbd"

static const struct {
    const char *in;
    size_t length;
    const char *clean;
    const char *printable;
} texts[] = {
    {"", 0, "", ""},
    {"plain \xc3\xa9", 8, "plain \xc3\xa9", "plain \xc3\xa9"},
    {"a\0b", 3, "a" FFFD "b", "a\\u0000b"},
    {"\xff", 1, FFFD, FFFD},
    {"x\xe2\x82", 3, "x" FFFD, "x" FFFD FFFD},
    /* The Unicode Standard's example for maximal subparts, table 3-8 and its neighbours */
    {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", 9, FFFD FFFD FFFD FFFD "A",
     FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A"},
    {"\xf0\x80\x80\x41", 4, FFFD FFFD FFFD "A", FFFD FFFD FFFD "A"},
    {"\xf4\x91\x92\x93\xff\x41", 6, FFFD FFFD FFFD FFFD FFFD "A", FFFD FFFD FFFD FFFD FFFD "A"},
    {"\xe2\x82\x28", 3, FFFD "(", FFFD FFFD "("},
    {"\xf0\x9f\x98\xf0\x9f\x98\x80", 7, FFFD "\xf0\x9f\x98\x80", FFFD FFFD FFFD "\xf0\x9f\x98\x80"},
    {"\xed\xa0\x80y", 4, FFFD FFFD FFFD "y", FFFD FFFD FFFD "y"},
    {"\xc0\xafz", 3, FFFD FFFD "z", FFFD FFFD "z"},
    {"1\n2\t3\r4", 7, "1\n2\t3\r4", "1\\n2\\t3\\u000d4"},
    {"\x1b[31m", 5, "\x1b[31m", "\\u001b[31m"},
    {"\x7f", 1, "\x7f", "\\u007f"},
    {"\xc2\x9b"
     "2J",
     4,
     "\xc2\x9b"
     "2J",
     "\\u009b2J"},
    {"\xc2\x80\xc2\x9f\xc2\xa0", 6, "\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0"},
    /* left-to-right mark, override, isolates, Arabic letter mark */
    {"\xe2\x80\x8e\xe2\x80\xae", 6, "\xe2\x80\x8e\xe2\x80\xae", "\\u200e\\u202e"},
    {"\xe2\x81\xa6\xe2\x81\xa9", 6, "\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069"},
    {"\xd8\x9c", 2, "\xd8\x9c", "\\u061c"},
    /* line and paragraph separators */
    {"\xe2\x80\xa8\xe2\x80\xa9", 6, "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"},
    /* their neighbours stay */
    {"\xe2\x80\x90\xe2\x80\xaf", 6, "\xe2\x80\x90\xe2\x80\xaf", "\xe2\x80\x90\xe2\x80\xaf"},
};

START_TEST(cleaning_replaces_only_what_is_invalid)
{
    struct cf_buf out = CF_BUF_INIT;
    cf_utf8_clean(texts[_i].in, texts[_i].length, &out);
    ck_assert_str_eq(cf_buf_str(&out), texts[_i].clean);
    ck_assert_uint_eq(out.length, strlen(texts[_i].clean));
    cf_buf_release(&out);
}
END_TEST

START_TEST(terminals_get_no_control_characters)
{
    struct cf_buf out = CF_BUF_INIT;
    cf_utf8_printable(texts[_i].in, texts[_i].length, &out);
    ck_assert_str_eq(cf_buf_str(&out), texts[_i].printable);
    cf_buf_release(&out);
}
END_TEST

Suite *base_utf8_suite(void)
{
    Suite *suite = suite_create("base_utf8");
    TCase *tc = tcase_create("utf8");
    const int n = (int)(sizeof(texts) / sizeof(texts[0]));
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, decodes_what_rfc_3629_allows_and_nothing_else, 0,
                        (int)(sizeof(vectors) / sizeof(vectors[0])));
    tcase_add_test(tc, encodes_every_scalar_value_so_that_it_decodes);
    tcase_add_loop_test(tc, cleaning_replaces_only_what_is_invalid, 0, n);
    tcase_add_loop_test(tc, terminals_get_no_control_characters, 0, n);
    suite_add_tcase(suite, tc);
    return suite;
}
