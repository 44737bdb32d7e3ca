#include "jobs/cloudfolio/excerpt.h"

#include <check.h>
#include <string.h>

#include "jobs/cloudfolio/table.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Bold is shown as <…> here. */
static char *excerpt_of(const char *passage, const char *query, size_t width)
{
    struct cf_buf out = CF_BUF_INIT;
    struct cf_buf shown = CF_BUF_INIT;
    json_t *words = tool_query_words(query);
    tool_excerpt(passage, words, width, true, &out);
    for (const char *p = cf_buf_str(&out); *p;) {
        if (strncmp(p, "\033[1m", 4) == 0 || strncmp(p, "\033[0m", 4) == 0) {
            cf_buf_putc(&shown, p[2] == '1' ? '<' : '>');
            p += 4;
        } else {
            cf_buf_putc(&shown, *p++);
        }
    }
    json_decref(words);
    cf_buf_release(&out);
    return cf_buf_detach(&shown);
}

static const struct {
    const char *passage, *query, *excerpt;
    size_t width;
} excerpts[] = {
    {"", "dates", "", 40},
    {"Parses dates.", "", "Parses dates.", 40},
    {"Parses dates.", "parse a date", "<Parses> <dates>.", 40},
    {"  two\n\n\tlines  ", "x", "two lines", 40},
    {"A tool for the web", "the tool", "A <tool> for the web", 40},
    {"to be or not to be", "to be", "<to> <be> or not <to> <be>", 40},
    {"written in C++ and C#, not C", "c++", "written in <C++> and C#, not C", 40},
    {"myHTTPServer speaks it", "http", "<myHTTPServer> speaks it", 40},
    {"Un café au lait", "cafe", "Un <café> au lait", 40},
    {"bell\x07 and \x1b[31m red", "red", "bell\\u0007 and \\u001b[31m <red>", 60},
    {"one two three four five six", "nothing", "one two…", 10},
    {"one two three four five six seven", "five", "…<five> six…", 12},
    {"alpha beta gamma delta epsilon zeta", "zeta", "…<zeta>", 12},
    {"red x x x x x x x x x x red green blue x x", "red green blue",
     "…x x <red> <green> <blue> x x", 24},
    {"abcdefghijklmnopqrstuvwxyz", "x", "…", 10},
    {"a 日本語の文章を書くための道具です日本語の文章を書くための道具です", "x",
     "a 日本語の文章を書くための…", 20},
};

START_TEST(excerpts_show_the_words_of_the_query)
{
    char *text = excerpt_of(excerpts[_i].passage, excerpts[_i].query, excerpts[_i].width);
    ck_assert_str_eq(text, excerpts[_i].excerpt);
    free(text);
}
END_TEST

START_TEST(never_wider_than_asked_and_whole_characters)
{
    static const char passage[] = "日本語の文章 für größere Maße — naïve 🚀 rockets, “quoted” and "
                                  "a-very-long-compound-word-that-goes-on-and-on.";
    for (size_t width = 1; width < 140; width++) {
        struct cf_buf out = CF_BUF_INIT;
        struct cf_buf clean = CF_BUF_INIT;
        json_t *words = tool_query_words("rocket");
        tool_excerpt(passage, words, width, false, &out);
        size_t characters = 0;
        for (size_t i = 0; i < out.length; i++) {
            characters += (out.data[i] & 0xc0) != 0x80;
        }
        ck_assert_uint_le(characters, width + 2); /* and the two marks of what was left out */
        tool_cell(NULL, TOOL_TEXT, 0, &clean);
        json_decref(words);
        cf_buf_release(&clean);
        cf_buf_release(&out);
    }
}
END_TEST

START_TEST(queries_become_stems)
{
    json_t *words = tool_query_words("Who has done Servers with the C++?");
    ck_assert_ptr_nonnull(json_object_get(words, "server"));
    ck_assert_ptr_nonnull(json_object_get(words, "c++"));
    ck_assert_ptr_null(json_object_get(words, "the"));
    json_decref(words);
}
END_TEST

Suite *tool_excerpt_suite(void)
{
    Suite *suite = suite_create("tool_excerpt");
    TCase *tc = tcase_create("excerpt");
    tcase_add_loop_test(tc, excerpts_show_the_words_of_the_query, 0, (int)COUNT(excerpts));
    tcase_add_test(tc, never_wider_than_asked_and_whole_characters);
    tcase_add_test(tc, queries_become_stems);
    suite_add_tcase(suite, tc);
    return suite;
}
