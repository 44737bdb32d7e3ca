#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/encoder/text.h"

/* The words of s, each whole word behind " " and each part behind " +". */
static char *listed(const char *s, size_t length)
{
    struct cf_words words = CF_WORDS_INIT;
    struct cf_buf out = CF_BUF_INIT;
    cf_words_read(&words, s, length);
    for (size_t i = 0; i < words.count; i++) {
        cf_buf_puts(&out, words.items[i].part ? " +" : " ");
        cf_buf_append(&out, cf_word_bytes(&words, i), words.items[i].length);
    }
    cf_words_release(&words);
    return cf_buf_detach(&out);
}

static const struct {
    const char *text, *words;
} samples[] = {
    {"", ""},
    {" \n\t.,;-_/", ""},
    {"Hello, world_wide 2x", " hello world wide 2x"},
    {"myHTTPServer", " myhttpserver +my +http +server"},
    {"JavaScript TypeScript", " javascript +java +script typescript +type +script"},
    {"HTML5Parser utf8 IPv6", " html5parser +html5 +parser utf8 ipv6 +i +pv6"},
    {"APIs URLs IDs", " apis urls ids"},
    {"XMLIs", " xmlis"},
    {"C++ c# F# C+ x++ C++17 C#s c++.", " c++ c# f# c x c 17 c s c++"},
    {"don't it's the users' O'Reilly React\xe2\x80\x99s", " don it the users o reilly react"},
    {"\xc3\x89t\xc3\xa9 caf\xc3\xa9 cafe\xcc\x81 stra\xc3\x9f"
     "e",
     " ete cafe cafe stra\xc3\x9f"
     "e"},
    {"\xce\xa3\xce\x9f\xce\xa6\xce\x9f\xce\xa3 \xcf\x83\xce\xbf\xcf\x86\xce\xbf\xcf\x82",
     " \xcf\x83\xce\xbf\xcf\x86\xce\xbf\xcf\x83 \xcf\x83\xce\xbf\xcf\x86\xce\xbf\xcf\x83"},
    {"\xd0\x9c\xd0\x98\xd0\xa0 \xd0\x81\xd0\xb6", " \xd0\xbc\xd0\xb8\xd1\x80 \xd1\x91\xd0\xb6"},
    {"\xef\xbc\xa1\xef\xbd\x82\xef\xbc\x91", " ab1"},
    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", " \xe6\x97\xa5\xe6\x9c\xac \xe6\x9c\xac\xe8\xaa\x9e"},
    {"a\xe6\x97\xa5z", " a \xe6\x97\xa5 z"},
    {"\xec\x84\x9c\xec\x9a\xb8 \xe0\xb8\x81\xe0\xb8\x82",
     " \xec\x84\x9c\xec\x9a\xb8 \xe0\xb8\x81\xe0\xb8\x82"},
    {"rocket\xf0\x9f\x9a\x80ship \xf0\x9f\x98\x80", " rocket ship"},
    {"bad\xffutf8 \xc0\xaf \xed\xa0\x80 end\xe2\x82", " bad utf8 end"},
};

START_TEST(words_of_samples)
{
    char *got = listed(samples[_i].text, strlen(samples[_i].text));
    ck_assert_str_eq(got, samples[_i].words);
    free(got);
}
END_TEST

START_TEST(nul_separates)
{
    char *got = listed("one\0two", 7);
    ck_assert_str_eq(got, " one two");
    free(got);
}
END_TEST

START_TEST(words_above_the_limit_are_dropped)
{
    char text[200];
    memset(text, 'x', sizeof(text));
    text[64] = ' ';
    text[65 + 65] = ' ';
    text[132] = ' ';
    char *got = listed(text, 133);
    ck_assert_uint_eq(strlen(got), 1 + 64 + 2); /* the first of 64, and one of 1; not that of 65 */
    free(got);
}
END_TEST

START_TEST(a_megabyte_without_a_space)
{
    size_t length = 1 << 20;
    char *text = malloc(length);
    ck_assert_ptr_nonnull(text);
    memset(text, 'q', length);
    char *got = listed(text, length);
    ck_assert_str_eq(got, "");
    free(got);
    for (size_t i = 0; i < length; i++) {
        text[i] = i % 2 ? 'a' : 'B';
    }
    got = listed(text, length);
    ck_assert_str_eq(got, "");
    free(got);
    free(text);
}
END_TEST

START_TEST(a_list_is_reused)
{
    struct cf_words words = CF_WORDS_INIT;
    cf_words_read(&words, "one two three", 13);
    ck_assert_uint_eq(words.count, 3);
    cf_words_read(&words, "four", 4);
    ck_assert_uint_eq(words.count, 1);
    ck_assert_mem_eq(cf_word_bytes(&words, 0), "four", 4);
    cf_words_release(&words);
    ck_assert_ptr_null(words.items);
}
END_TEST

START_TEST(spaced_text_holds_whole_words_only)
{
    char *got = cf_text_spaced("The GitHub-API!", 15);
    ck_assert_str_eq(got, " the github api ");
    free(got);
    got = cf_text_spaced("", 0);
    ck_assert_str_eq(got, " ");
    free(got);
}
END_TEST

/* Harman's three rules, each with its exceptions. */
static const struct {
    const char *word, *stem;
} stems[] = {
    {"queries", "query"},     {"movies", "movy"}, {"ties", "ty"},       {"aeries", "aery"},
    {"zombaies", "zombaies"}, {"eies", "eies"},   {"caches", "cache"},  {"indexes", "indexe"},
    {"does", "does"},         {"trees", "trees"}, {"aes", "aes"},       {"repos", "repo"},
    {"status", "status"},     {"class", "class"}, {"aws", "aws"},       {"go", "go"},
    {"libraries", "library"}, {"s", "s"},         {"servers", "server"}};

START_TEST(s_stemmer)
{
    char word[32];
    size_t length = strlen(stems[_i].word);
    memcpy(word, stems[_i].word, length + 1);
    word[cf_text_stem_s(word, length)] = '\0';
    ck_assert_str_eq(word, stems[_i].stem);
}
END_TEST

START_TEST(stopwords)
{
    ck_assert(cf_text_is_stopword("the", 3));
    ck_assert(cf_text_is_stopword("a", 1));
    ck_assert(cf_text_is_stopword("your", 4));
    ck_assert(cf_text_is_stopword("whose", 5));
    ck_assert(!cf_text_is_stopword("them1", 5));
    ck_assert(!cf_text_is_stopword("server", 6));
    ck_assert(!cf_text_is_stopword("", 0));
    ck_assert(!cf_text_is_stopword("averyveryverylongword", 21));
}
END_TEST

START_TEST(folding)
{
    static const struct {
        uint32_t from, to;
    } cases[] = {{'A', 'a'},       {'z', 'z'},       {'1', '1'},     {0xc4, 'a'},
                 {0xdf, 0xdf},     {0x178, 'y'},     {0x17d, 'z'},   {0x130, 'i'},
                 {0x386, 0x3ac},   {0x38f, 0x3ce},   {0x38c, 0x3cc}, {0x3a9, 0x3c9},
                 {0x401, 0x451},   {0x42f, 0x44f},   {0x48a, 0x48b}, {0x531, 0x561},
                 {0x1e00, 0x1e01}, {0x3042, 0x3042}, {0xff21, 'a'},  {0x1f600, 0x1f600}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_uint_eq(cf_text_fold(cases[i].from), cases[i].to);
    }
}
END_TEST

Suite *encoder_text_suite(void)
{
    Suite *suite = suite_create("encoder_text");
    TCase *tc = tcase_create("text");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, words_of_samples, 0, (int)(sizeof(samples) / sizeof(samples[0])));
    tcase_add_test(tc, nul_separates);
    tcase_add_test(tc, words_above_the_limit_are_dropped);
    tcase_add_test(tc, a_megabyte_without_a_space);
    tcase_add_test(tc, a_list_is_reused);
    tcase_add_test(tc, spaced_text_holds_whole_words_only);
    tcase_add_loop_test(tc, s_stemmer, 0, (int)(sizeof(stems) / sizeof(stems[0])));
    tcase_add_test(tc, stopwords);
    tcase_add_test(tc, folding);
    suite_add_tcase(suite, tc);
    return suite;
}
