#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/encoder/chunk.h"
#include "common/encoder/markdown.h"

static const struct {
    const char *markdown, *plain;
} inlines[] = {
    {"plain & simple", "plain & simple"},
    {"a [link](http://x.y/z \"t\") b", "a link b"},
    {"[ref][r] and [bare] and [x]()", "ref and [bare] and x"},
    {"![logo of a cat](cat.png)", "logo of a cat"},
    {"[![build](https://travis-ci.org/x.svg)](https://y) tail", " tail"},
    {"![npm](https://img.shields.io/npm/v/x.svg)![cov][c]", ""},
    {"<p align=\"center\">Hello <b>bold</b><br>world</p>", " Hello bold world "},
    {"<img\n src=\"x\" alt=\"y\">text", "text"},
    {"Promise<string> and a < b and List<Foo>", "Promise<string> and a < b and List<Foo>"},
    {"<https://example.org/a> <me@x.y>", "https://example.org/a <me@x.y>"},
    {"<!-- hidden --> shown <!-- open", " shown "},
    {"`code <b> [x](y)` and ``a ` b``", "`code <b> [x](y)` and ``a ` b``"},
    {"lone ` tick **strong** ~~gone~~ *em*", "lone ` tick strong gone *em*"},
    {"\\*literal\\* \\[x\\](y) c:\\dir", "*literal* [x](y) c:\\dir"},
    {"a &lt;b&gt; &amp; &quot;c&quot; &unknown; &copy;", "a <b> & \"c\" &unknown; \xc2\xa9"},
    {"[a [nested] b](u) [open", "a [nested] b [open"},
    {"![](x.png)[](y)", ""},
};

START_TEST(inline_markup)
{
    struct cf_buf out = CF_BUF_INIT;
    cf_markdown_inline(inlines[_i].markdown, strlen(inlines[_i].markdown), &out);
    ck_assert_str_eq(cf_buf_str(&out), inlines[_i].plain);
    cf_buf_release(&out);
}
END_TEST

START_TEST(brackets_without_end_are_quick)
{
    size_t length = 1 << 20;
    char *text = malloc(length);
    struct cf_buf out = CF_BUF_INIT;
    ck_assert_ptr_nonnull(text);
    memset(text, '[', length);
    cf_markdown_inline(text, length, &out);
    ck_assert_uint_eq(out.length, length);
    cf_buf_release(&out);
    free(text);
}
END_TEST

/* "path|heading|text" of each chunk, a newline behind each; newlines in texts become "/". */
static char *chunked(const char *path, const char *text, size_t limit, size_t minimum, char **title)
{
    struct cf_chunk_options options = {limit, minimum};
    struct cf_chunks chunks = CF_CHUNKS_INIT;
    struct cf_text document = {path, text, strlen(text)};
    struct cf_buf out = CF_BUF_INIT;
    struct cf_buf first = CF_BUF_INIT;
    cf_chunk_text(&document, 0, &options, &chunks, title ? &first : NULL);
    for (size_t i = 0; i < chunks.count; i++) {
        cf_buf_printf(&out, "%s|%s|%s\n", chunks.items[i].path, chunks.items[i].heading,
                      chunks.items[i].text);
        for (char *p = out.data + out.length - strlen(chunks.items[i].text) - 1; p[1]; p++) {
            *p = (char)(*p == '\n' ? '/' : *p);
        }
    }
    if (title) {
        *title = cf_buf_detach(&first);
    }
    cf_chunks_release(&chunks);
    return cf_buf_detach(&out);
}

static const struct {
    const char *path, *text, *chunks;
} documents[] = {
    {"README.md", "", ""},
    {"README.md", "Only text\nof two lines\n\nand two paragraphs",
     "README.md||Only text/of two lines//and two paragraphs\n"},
    {"README.md", "# One\ntext\n## Two ##\nmore\n####### no heading\n#none",
     "README.md|One|text\nREADME.md|Two|more/####### no heading/#none\n"},
    {"README.md", "One\n===\ntext\n\nTwo\n---\nmore\n\n---\n",
     "README.md|One|text\nREADME.md|Two|more\n"},
    {"README.md", "lead\nTitle\n=====\r\nbody\r\n", "README.md||lead\nREADME.md|Title|body\n"},
    {"README.md", "# A\n```sh\n# not a heading\n\n---\n~~~\n```\n# B\nb",
     "README.md|A|# not a heading//---/~~~\nREADME.md|B|b\n"},
    {"README.md", "~~~~\n# x\n~~~\n# y\n~~~~\n# Z\nz", "README.md||# x/~~~/# y\nREADME.md|Z|z\n"},
    {"README.md", "```\n# never closed\n", "README.md||# never closed\n"},
    {"README.md", "# A\n## B\n### C\ntext\n# D",
     "README.md|A \xe2\x80\xba B \xe2\x80\xba C|text\nREADME.md|D|\n"},
    {"README.md", "<h1 align=\"center\">Logo <img src=\"x\"></h1>\n\ntext",
     "README.md|Logo|text\n"},
    {"README.md",
     "# [![b](https://badge.x)](y) Name\n\n[![b](https://badge.x)](y)\n\ntext\n\n[r]: http://x\n",
     "README.md|Name|text\n"},
    {"README.md", "| a | b |\n|---|:-:|\n| 1 | 2 |", "README.md||| a | b |/| 1 | 2 |\n"},
    {"README.md", "---\ntitle: T\n---\n# H\nx", "README.md||title: T\nREADME.md|H|x\n"},
    {"README.md", "a <!-- c\n\n# hidden\n\n--> b\n\n# H\nx", "README.md||a  b\nREADME.md|H|x\n"},
    {"docs/ARCHITECTURE", "# H\nx", "docs/ARCHITECTURE|H|x\n"},
    {"notes.txt", "# no heading\n\n**x**", "notes.txt||# no heading//**x**\n"},
    {".repo-context.json",
     "{\"purpose\":\"does it\",\"n\":3,\"tags\":[\"a\",{\"deep\":\"b\"}],\"e\":\"\"}",
     ".repo-context.json||does it//a//b\n"},
    {".repo-context.json", "{\"broken\": ", ".repo-context.json||{\"broken\":\n"},
    {".repo-context.json", "[\"\\u0000nul\"]", ".repo-context.json||\xef\xbf\xbdnul\n"},
};

START_TEST(sections)
{
    char *got = chunked(documents[_i].path, documents[_i].text, 1000, 0, NULL);
    ck_assert_str_eq(got, documents[_i].chunks);
    free(got);
}
END_TEST

START_TEST(short_sections_join)
{
    char *title = NULL;
    char *got = chunked("a.md", "# T\nabc\n## U\ndef\n## V\nghi jkl mno", 100, 8, &title);
    ck_assert_str_eq(got, "a.md|T|abc//U//def\na.md|V|ghi jkl mno\n");
    ck_assert_str_eq(title, "T");
    free(got);
    free(title);
}
END_TEST

START_TEST(long_sections_are_cut)
{
    char text[600] = "# H\n";
    for (int i = 0; i < 5; i++) {
        strcat(text, "one paragraph of forty characters, full.\n\n");
    }
    char *got = chunked("a.md", text, 90, 0, NULL);
    ck_assert_str_eq(got, "a.md|H|one paragraph of forty characters, full.//one paragraph of forty "
                          "characters, full.\n"
                          "a.md|H|one paragraph of forty characters, full.//one paragraph of forty "
                          "characters, full.\n"
                          "a.md|H|one paragraph of forty characters, full.\n");
    free(got);
}
END_TEST

START_TEST(a_long_line_is_cut_between_characters)
{
    struct cf_chunk_options options = {64, 0};
    struct cf_chunks chunks = CF_CHUNKS_INIT;
    struct cf_buf text = CF_BUF_INIT;
    struct cf_buf back = CF_BUF_INIT;
    for (int i = 0; i < 400; i++) {
        cf_buf_puts(&text, i % 3 ? "\xe6\x97\xa5" : "\xf0\x9f\x98\x80");
    }
    struct cf_text document = {"README.md", text.data, text.length};
    cf_chunk_text(&document, 0, &options, &chunks, NULL);
    ck_assert_uint_gt(chunks.count, text.length / 64);
    for (size_t i = 0; i < chunks.count; i++) {
        struct cf_buf clean = CF_BUF_INIT;
        size_t length = strlen(chunks.items[i].text);
        ck_assert_uint_le(length, 64);
        cf_utf8_clean(chunks.items[i].text, length, &clean);
        ck_assert_str_eq(clean.data, chunks.items[i].text);
        cf_buf_puts(&back, chunks.items[i].text);
        cf_buf_release(&clean);
    }
    ck_assert_str_eq(back.data, text.data);
    cf_buf_release(&text);
    cf_buf_release(&back);
    cf_chunks_release(&chunks);
}
END_TEST

START_TEST(bytes_that_are_no_text)
{
    struct cf_chunk_options options = {64, 0};
    struct cf_chunks chunks = CF_CHUNKS_INIT;
    struct cf_text document = {"README.md", "a\0b\xff# c\n\0\n# D\n\xfe", 15};
    cf_chunk_text(&document, 3, &options, &chunks, NULL);
    ck_assert_uint_eq(chunks.count, 2);
    ck_assert_uint_eq(chunks.items[0].project, 3);
    ck_assert_str_eq(chunks.items[0].text, "a\xef\xbf\xbd"
                                           "b\xef\xbf\xbd# c\n\xef\xbf\xbd");
    ck_assert_str_eq(chunks.items[1].heading, "D");
    cf_chunks_release(&chunks);
    document = (struct cf_text){"README.md", NULL, 0};
    cf_chunk_text(&document, 0, &options, &chunks, NULL);
    ck_assert_uint_eq(chunks.count, 0);
    cf_chunks_release(&chunks);
}
END_TEST

Suite *encoder_chunk_suite(void)
{
    Suite *suite = suite_create("encoder_chunk");
    TCase *tc = tcase_create("chunk");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, inline_markup, 0, (int)(sizeof(inlines) / sizeof(inlines[0])));
    tcase_add_test(tc, brackets_without_end_are_quick);
    tcase_add_loop_test(tc, sections, 0, (int)(sizeof(documents) / sizeof(documents[0])));
    tcase_add_test(tc, short_sections_join);
    tcase_add_test(tc, long_sections_are_cut);
    tcase_add_test(tc, a_long_line_is_cut_between_characters);
    tcase_add_test(tc, bytes_that_are_no_text);
    suite_add_tcase(suite, tc);
    return suite;
}
