/* WordPiece. The expected tokens were derived by hand, from BERT's rules (wordpiece.h) and the
 * Unicode Character Database: the comment at each group says by which property. The vocabulary
 * lists only what the cases need, so that a wrong split or character shows as another token. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/transformer/wordpiece.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
    /* words and pieces */
    "un\n##aff\n##able\nunaff\nhello\nworld\n##s\nresume\nnaive\nstrasse\nstra\xc3\x9f"
    "e\n"
    "istanbul\ndi\n##yar\n\xc4\xb1\n##\xc4\xb1\ni\n##i\na\n##a\nb\n##b\nc\nx\nmask\n"
    "soft\n##hyphen\nsofthyphen\n##ware\nsoftware\n\xc7\x86\n\xcf\x83\n##\xcf\x83\n\xcf\x82\n"
    "##\xcf\x82\n\xce\xb1\n##\xce\xb1\n2024\n##4\n20\n1\n##2\n##3\n\xef\xbd\x81\n"
    /* punctuation */
    "#\n##\n!\n.\n,\n-\n'\n$\n+\n~\n[\n]\n`\n;\n\xc2\xab\n\xc2\xbb\n\xc2\xbf\n\xe2\x80\xa6\n"
    "\xe2\x80\x94\n\xef\xbc\x81\n\xe3\x80\x82\n\xe3\x80\x88\n_\n\xc2\xb7\n"
    /* CJK, kana, Hangul: U+1112 U+1161 U+11AB is han taken apart */
    "\xe4\xb8\xad\n\xe6\x96\x87\n\xe8\xb1\x88\n\xf0\xa0\x80\x80\n\xe3\x81\x8b\n##\xe3\x81\x8b\n"
    "##\xe3\x81\xaa\n\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\n##\xe1\x84\x80\xe1\x85\xb3\xe1\x86\xaf\n"
    /* Hebrew, Arabic, Devanagari, emoji */
    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\n\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7\n"
    "\xe0\xa4\xb9\xe0\xa4\xa8\xe0\xa4\xa6\n\xf0\x9f\x91\xa9\n##\xf0\x9f\x92\xbb\n\xe2\x9d\xa4\n"
    "\xe2\x84\xa2\n##\xe2\x84\xa2\n\xc2\xa9\n\xe2\x82\xac\n##5\n##\xe1\xad\x84\n##\xe3\x80\xae\n";

static const struct {
    const char *text, *tokens; /* between [CLS] and [SEP] */
} cases[] = {
    {"", ""},
    {" \t\r\n ", ""},
    /* Greedy longest match: "unaff" is longer than "un". */
    {"unaffable", "unaff ##able"},
    {"unable", "un ##able"},
    {"Hello, WORLD!", "hello , world !"},
    {"worlds", "world ##s"},
    /* Nothing in the vocabulary begins "z", or goes on after "hello": the whole word is unknown. */
    {"z hello", "[UNK] hello"},
    {"helloz", "[UNK]"},
    {"zhello", "[UNK]"},
    {"un\xe2\x98\x83"
     "able",
     "[UNK]"},
    /* U+00E9 is e + U+0301 by NFD, U+0301 is Mn: both forms give "resume"; U+00EF likewise. */
    {"R\xc3\xa9sum\xc3\xa9", "resume"},
    {"re\xcc\x81sume\xcc\x81", "resume"},
    {"NA\xc3\x8fVE", "naive"},
    /* Stacked marks, a mark alone (nothing is left of the word), one behind a space. */
    {"a\xcc\x81\xcc\xa3\xcc\x88", "a"},
    {"\xcc\x81", ""},
    {"hello \xcc\x81 world", "hello world"},
    /* U+01ED is U+01EB + U+0304, which is o + U+0328: taken apart to the end. U+1E69: s and two. */
    {"\xe1\xb9\xa9", "[UNK]"},
    {"world\xe1\xb9\xa9", "world ##s"},
    /* German: U+00DF and U+1E9E (its capital) stay one letter; str.lower() doesn't fold to "ss". */
    {"Stra\xc3\x9f"
     "e strasse",
     "stra\xc3\x9f"
     "e strasse"},
    {"STRA\xe1\xba\x9e"
     "E",
     "stra\xc3\x9f"
     "e"},
    /* Turkish: U+0130 is I + U+0307 (Mn): i. U+0131 has no decomposition and is lower case. */
    {"\xc4\xb0stanbul", "istanbul"},
    {"\xc4\xb0", "i"},
    {"\xc4\xb1\xc4\xb1", "\xc4\xb1 ##\xc4\xb1"},
    /* Greek: each character alone, so U+03A3 is U+03C3 at the end too; U+03C2 stays. U+1F00 is
     * alpha + U+0313, U+0390's accents go. */
    {"\xce\xa3\xce\x91\xce\xa3", "\xcf\x83 ##\xce\xb1 ##\xcf\x83"},
    {"\xce\xb1\xcf\x82", "\xce\xb1 ##\xcf\x82"},
    {"\xe1\xbc\x80", "\xce\xb1"},
    /* The titlecase digraph U+01C5 lowers to U+01C6; NFD doesn't take it apart (compatibility). */
    {"\xc7\x85 \xc7\x84 \xc7\x86", "\xc7\x86 \xc7\x86 \xc7\x86"},
    /* Kelvin sign U+212A is K by NFD, Angstrom U+212B is A + ring. No piece "k". */
    {"\xe2\x84\xab", "a"},
    {"\xe2\x84\xaa", "[UNK]"},
    /* Full-width A U+FF21: compatibility only, so it stays and lowers to U+FF41. */
    {"\xef\xbc\xa1", "\xef\xbd\x81"},
    /* CJK: each alone, also between letters. U+8C48's compatibility form U+F900 is replaced by NFD.
     * U+20000 is in extension B. */
    {"\xe4\xb8\xad\xe6\x96\x87", "\xe4\xb8\xad \xe6\x96\x87"},
    {"a\xe4\xb8\xad"
     "b",
     "a \xe4\xb8\xad b"},
    {"\xef\xa4\x80", "\xe8\xb1\x88"},
    {"a\xf0\xa0\x80\x80", "a \xf0\xa0\x80\x80"},
    /* Kana stay together; U+304C is U+304B + U+3099, which is Mn. */
    {"\xe3\x81\x8b\xe3\x81\xaa", "\xe3\x81\x8b ##\xe3\x81\xaa"},
    {"\xe3\x81\x8b\xe3\x81\x8c", "\xe3\x81\x8b ##\xe3\x81\x8b"},
    /* Hangul: U+D55C is U+1112 U+1161 U+11AB, U+AE00 is U+1100 U+1173 U+11AF. Letters, not marks.
     */
    {"\xed\x95\x9c\xea\xb8\x80",
     "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab ##\xe1\x84\x80\xe1\x85\xb3\xe1\x86\xaf"},
    /* Right to left: Hebrew points (U+05B8, U+05C1) and Arabic U+064E are Mn. RLM U+200F is Cf. */
    {"\xd7\xa9\xd7\x81\xd6\xb8\xd7\x9c\xd7\x95\xd7\x9d", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"},
    {"\xe2\x80\x8f\xd9\x85\xd9\x8e\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7",
     "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7"},
    /* Devanagari: the virama U+094D is Mn, the vowel sign U+0940 is Mc and stays. */
    {"\xe0\xa4\xb9\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6", "\xe0\xa4\xb9\xe0\xa4\xa8\xe0\xa4\xa6"},
    {"\xe0\xa4\xb9\xe0\xa4\xa8\xe0\xa5\x80", "[UNK]"},
    /* Marks of category Mc with a combining class are put in canonical order: U+1B44 has 9, U+302E
     * 224. */
    {"a\xe3\x80\xae\xe1\xad\x84", "a ##\xe1\xad\x84 ##\xe3\x80\xae"},
    {"a\xe1\xad\x84\xe3\x80\xae", "a ##\xe1\xad\x84 ##\xe3\x80\xae"},
    /* Emoji are So, no punctuation: woman, ZWJ (Cf, dropped), laptop are one word. U+FE0F is Mn. */
    {"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", "\xf0\x9f\x91\xa9 ##\xf0\x9f\x92\xbb"},
    {"\xe2\x9d\xa4\xef\xb8\x8f", "\xe2\x9d\xa4"},
    {"\xf0\x9f\x98\x80", "[UNK]"},
    {"a\xe2\x84\xa2 \xc2\xa9 \xe2\x82\xac"
     "5",
     "a ##\xe2\x84\xa2 \xc2\xa9 \xe2\x82\xac ##5"},
    /* U+1F9FF's plane has unassigned characters, such as U+1FBFF: they stay and are unknown. */
    {"a\xf0\x9f\xaf\xbf", "[UNK]"},
    /* White space: NBSP U+00A0, U+2003, U+3000 (Zs), U+2028 (Zl), U+2029 (Zp). */
    {"a\tb\nc\rx", "a b c x"},
    {"a\xc2\xa0"
     "b\xe2\x80\x83"
     "c\xe3\x80\x80x",
     "a b c x"},
    {"a\xe2\x80\xa8"
     "b\xe2\x80\xa9"
     "c",
     "a b c"},
    /* Controls are dropped and split nothing: VT, FF, DEL, U+0085 (Cc), U+200B, U+FEFF, U+00AD
     * (Cf), U+E000 (Co), U+FFFD. */
    {"soft\vhyphen", "softhyphen"},
    {"soft\x7fhyphen\f", "softhyphen"},
    {"soft\xc2\x85hyphen", "softhyphen"},
    {"soft\xe2\x80\x8bhyphen", "softhyphen"},
    {"\xef\xbb\xbfsoft\xc2\xadhyphen", "softhyphen"},
    {"soft\xee\x80\x80hyphen", "softhyphen"},
    {"soft\xef\xbf\xbdhyphen", "softhyphen"},
    {"soft-hyphen", "soft - [UNK]"},
    /* Bytes that aren't UTF-8 (alone, overlong, a surrogate, cut short) count as U+FFFD. */
    {"soft\xffware", "software"},
    {"soft\xc0\xafware", "software"},
    {"soft\xed\xa0\x80ware", "software"},
    {"software\xe4\xb8", "software"},
    /* Punctuation: ASCII's, of which $ + ~ ` are symbols to Unicode; Pi, Pf, Po, Pd, Pc, Ps. */
    {"a$b+c~x`a", "a $ b + c ~ x ` a"},
    {"##a", "# # a"},
    {"##", "# #"},
    {"\xc2\xab"
     "a\xc2\xbb \xc2\xbf"
     "a\xe2\x80\xa6"
     "b\xe2\x80\x94"
     "c_x",
     "\xc2\xab a \xc2\xbb \xc2\xbf a \xe2\x80\xa6 b \xe2\x80\x94 c _ x"},
    {"a\xef\xbc\x81\xe3\x80\x82", "a \xef\xbc\x81 \xe3\x80\x82"},
    /* U+037E is ; by NFD, U+0387 is U+00B7, U+2329 is U+3008: punctuation after NFD. */
    {"a\xcd\xbe"
     "b\xce\x87"
     "c\xe2\x8c\xa9x",
     "a ; b \xc2\xb7 c \xe3\x80\x88 x"},
    /* Digits are letters like others. */
    {"2024 123", "2024 1 ##2 ##3"},
    {"20.4", "20 . [UNK]"},
    /* Special tokens, exactly as written, anywhere; in lower case they are punctuation and a word.
     */
    {"a[MASK]b", "a [MASK] b"},
    {"[CLS][SEP] [PAD]", "[CLS] [SEP] [PAD]"},
    {"[UNK]", "[UNK]"},
    {"[mask]", "[ mask ]"},
    {"[MASK", "[ mask"},
    {"[MA\xc2\xadSK]", "[ mask ]"},
    {"[[MASK]]", "[ [MASK] ]"},
};

static struct cf_wordpiece *open_vocabulary(const char *text)
{
    struct cf_wordpiece *w = NULL;
    struct cf_error err = {0};
    int rc = cf_wordpiece_new(text, strlen(text), "vocab.txt", &w, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return w;
}

static void join(const struct cf_wordpiece *w, const int32_t *ids, size_t count, struct cf_buf *out)
{
    cf_buf_clear(out);
    for (size_t i = 0; i < count; i++) {
        cf_buf_printf(out, "%s%s", i ? " " : "", cf_wordpiece_token(w, ids[i]));
    }
}

START_TEST(tokens_by_hand)
{
    struct cf_wordpiece *w = open_vocabulary(vocabulary);
    struct cf_buf got = CF_BUF_INIT;
    struct cf_buf want = CF_BUF_INIT;
    int32_t ids[64];
    const char *tokens = cases[_i].tokens;
    cf_buf_printf(&want, "[CLS]%s%s [SEP]", *tokens ? " " : "", tokens);
    size_t n = cf_wordpiece_encode(w, cases[_i].text, strlen(cases[_i].text), COUNT(ids), ids);
    join(w, ids, n, &got);
    ck_assert_msg(strcmp(cf_buf_str(&got), cf_buf_str(&want)) == 0, "\"%s\": %s, not %s",
                  cases[_i].text, cf_buf_str(&got), cf_buf_str(&want));
    cf_buf_release(&got);
    cf_buf_release(&want);
    cf_wordpiece_free(w);
}
END_TEST

/* A NUL in the text is dropped like other controls; a length ends the text, not a NUL. */
START_TEST(nul_is_a_control)
{
    struct cf_wordpiece *w = open_vocabulary(vocabulary);
    int32_t ids[8];
    ck_assert_uint_eq(cf_wordpiece_encode(w, "soft\0ware", 9, 8, ids), 3);
    ck_assert_str_eq(cf_wordpiece_token(w, ids[1]), "software");
    ck_assert_uint_eq(cf_wordpiece_encode(w, "software", 4, 8, ids), 3);
    ck_assert_str_eq(cf_wordpiece_token(w, ids[1]), "soft");
    cf_wordpiece_free(w);
}
END_TEST

/* 100 characters are a word like others, 101 are [UNK]; characters count, not bytes, and those that
 * were dropped don't. */
START_TEST(words_of_more_than_100_characters)
{
    static const struct {
        const char *first, *more, *last;
        size_t repeats, tokens; /* tokens 1: [UNK] */
    } words[] = {
        {"a", "a", "", 99, 100},
        {"a", "a", "", 100, 1},
        {"\xc4\xb1", "\xc4\xb1", "", 99, 100},
        {"\xc4\xb1", "\xc4\xb1", "", 100, 1},
        {"a\xcc\x81", "a\xcc\x81", "", 99, 100},
        {"a", "a", "\xc2\xad\xcc\x81", 99, 100},
        {"a", "a", "\xc4\xb1", 99, 1},
        {"\xed\x95\x9c", "\xed\x95\x9c", "", 33, 1}, /* 102 letters; 33 syllables are unknown too */
    };
    struct cf_wordpiece *w = open_vocabulary(vocabulary);
    for (size_t i = 0; i < COUNT(words); i++) {
        struct cf_buf text = CF_BUF_INIT;
        int32_t ids[256];
        cf_buf_puts(&text, words[i].first);
        for (size_t k = 0; k < words[i].repeats; k++) {
            cf_buf_puts(&text, words[i].more);
        }
        cf_buf_puts(&text, words[i].last);
        cf_buf_puts(&text, " hello");
        size_t n = cf_wordpiece_encode(w, text.data, text.length, COUNT(ids), ids);
        ck_assert_uint_eq(n, words[i].tokens + 3);
        ck_assert_str_eq(cf_wordpiece_token(w, ids[n - 2]), "hello");
        ck_assert_int_eq(words[i].tokens == 1, ids[1] == 1);
        cf_buf_release(&text);
    }
    cf_wordpiece_free(w);
}
END_TEST

/* Any limit gives the beginning of the whole, with [SEP] at its end; nothing is written behind. */
START_TEST(truncation)
{
    static const char text[] = "hello unaffable worlds, [MASK] 123!";
    struct cf_wordpiece *w = open_vocabulary(vocabulary);
    int32_t whole[64];
    size_t n = cf_wordpiece_encode(w, text, sizeof(text) - 1, COUNT(whole), whole);
    ck_assert_uint_eq(n, 13);
    for (size_t limit = 2; limit <= n + 2; limit++) {
        int32_t ids[64];
        memset(ids, 0x55, sizeof(ids));
        size_t got = cf_wordpiece_encode(w, text, sizeof(text) - 1, limit, ids);
        ck_assert_uint_eq(got, limit < n ? limit : n);
        ck_assert_mem_eq(ids, whole, (got - 1) * sizeof(*ids));
        ck_assert_int_eq(ids[got - 1], cf_wordpiece_id(w, "[SEP]", 5));
        ck_assert_int_eq(ids[got], 0x55555555);
    }
    cf_wordpiece_free(w);
}
END_TEST

START_TEST(ids_are_line_numbers)
{
    struct cf_wordpiece *w =
        open_vocabulary("[PAD]\nb\n[UNK]\n##b\n[CLS]\n[SEP]"); /* no LF at the end */
    ck_assert_uint_eq(cf_wordpiece_count(w), 6);
    ck_assert_int_eq(cf_wordpiece_id(w, "b", 1), 1);
    ck_assert_int_eq(cf_wordpiece_id(w, "##b", 3), 3);
    ck_assert_int_eq(cf_wordpiece_id(w, "##", 2), -1);
    ck_assert_int_eq(cf_wordpiece_id(w, "", 0), -1);
    ck_assert_int_eq(cf_wordpiece_id(w, "[SEP]", 5), 5);
    ck_assert_int_eq(cf_wordpiece_id(w, "bb", 2), -1);
    ck_assert_int_eq(cf_wordpiece_id(w, "[MASK]", 6), -1);
    int32_t ids[16];
    /* without [MASK] in the vocabulary these are punctuation and a word */
    ck_assert_uint_eq(cf_wordpiece_encode(w, "[MASK]", 6, 16, ids), 5);
    cf_wordpiece_free(w);
}
END_TEST

static const struct {
    const char *text;
    size_t length; /* 0: up to the NUL */
    const char *says;
} malformed[] = {
    {"", 0, "[UNK] is missing"},
    {"[PAD]\n[UNK]\n[CLS]\n", 0, "v.txt: the token [SEP] is missing"},
    {"[PAD]\n[UNK]\n[SEP]\n", 0, "v.txt: the token [CLS] is missing"},
    {"[UNK]\n[CLS]\n[SEP]\n", 0, "v.txt: the token [PAD] is missing"},
    {"[PAD]\n[CLS]\n[SEP]\n", 0, "v.txt: the token [UNK] is missing"},
    {"[PAD]\n[UNK]\n[CLS]\n[SEP]\n\n", 0, "v.txt: line 5 is empty"},
    {"[PAD]\n\n[UNK]\n[CLS]\n[SEP]\n", 0, "v.txt: line 2 is empty"},
    {"\n", 0, "v.txt: line 1 is empty"},
    {"[PAD]\n[UNK]\na\n[CLS]\n[SEP]\na\n", 0, "v.txt: line 6 repeats the token \"a\" of line 3"},
    {"[PAD]\n[UNK]\n##a\n[CLS]\n[SEP]\n##a\n", 0, "line 6 repeats the token \"##a\" of line 3"},
    {"[PAD]\n[UNK]\r\n[CLS]\n[SEP]\n", 0, "v.txt: line 2 ends with CR LF"},
    {"[PAD]\n\r\n[CLS]\n[SEP]\n", 0, "v.txt: line 2 ends with CR LF"},
    {"[PAD]\n[UNK]\n\xff\n[CLS]\n[SEP]\n", 0, "v.txt: line 3 is not UTF-8"},
    {"[PAD]\n[UNK]\na\0b\n[CLS]\n[SEP]\n", 27, "v.txt: line 3 is not UTF-8"},
};

START_TEST(bad_vocabularies_are_refused)
{
    struct cf_wordpiece *w = (struct cf_wordpiece *)1;
    struct cf_error err = {0};
    size_t length = malformed[_i].length ? malformed[_i].length : strlen(malformed[_i].text);
    char *exact = malloc(length + 1); /* what reads beyond it is noticed */
    ck_assert_ptr_nonnull(exact);
    char *copy = realloc(exact, length ? length : 1);
    memcpy(copy, malformed[_i].text, length);
    ck_assert_int_eq(cf_wordpiece_new(copy, length, "v.txt", &w, &err), CF_EDATA);
    ck_assert_ptr_null(w);
    ck_assert_msg(strstr(err.message, malformed[_i].says) != NULL, "%s", err.message);
    free(copy);
}
END_TEST

START_TEST(vocabularies_have_bounds)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_wordpiece *w;
    struct cf_error err = {0};
    cf_buf_puts(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    for (int i = 0; i < CF_WORDPIECE_TOKEN_MAX; i++) {
        cf_buf_putc(&text, 'a');
    }
    ck_assert_int_eq(cf_wordpiece_new(text.data, text.length, "v.txt", &w, &err), 0);
    cf_wordpiece_free(w);
    cf_buf_putc(&text, 'a');
    ck_assert_int_eq(cf_wordpiece_new(text.data, text.length, "v.txt", &w, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "line 5 is longer"));
    cf_buf_clear(&text);
    for (int i = 0; i <= CF_WORDPIECE_VOCABULARY_MAX; i++) {
        cf_buf_puts(&text, "a\n");
    }
    ck_assert_int_eq(cf_wordpiece_new(text.data, text.length, "v.txt", &w, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "1000001 lines"));
    cf_buf_release(&text);
}
END_TEST

/* 20,000 generated tokens, each found by its own id: collisions of the table are met. */
START_TEST(a_large_vocabulary_finds_each_token)
{
    struct cf_buf text = CF_BUF_INIT;
    cf_buf_puts(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    for (int i = 0; i < 10000; i++) {
        cf_buf_printf(&text, "t%d\n##t%d\n", i * 7919, i * 7919);
    }
    struct cf_wordpiece *w = open_vocabulary(cf_buf_str(&text));
    for (int i = 0; i < 10000; i++) {
        char token[32];
        (void)snprintf(token, sizeof(token), "##t%d", i * 7919);
        ck_assert_int_eq(cf_wordpiece_id(w, token + 2, strlen(token) - 2), 4 + 2 * i);
        ck_assert_int_eq(cf_wordpiece_id(w, token, strlen(token)), 5 + 2 * i);
    }
    cf_wordpiece_free(w);
    cf_buf_release(&text);
}
END_TEST

static void *encode_often(void *context)
{
    const struct cf_wordpiece *w = context;
    static const char text[] = "Hello, unaffable W\xc3\xb6rlds [MASK] 123";
    int32_t first[64];
    size_t n = cf_wordpiece_encode(w, text, sizeof(text) - 1, COUNT(first), first);
    for (int i = 0; i < 2000; i++) {
        int32_t ids[64];
        size_t m = cf_wordpiece_encode(w, text, sizeof(text) - 1, COUNT(ids), ids);
        if (m != n || memcmp(ids, first, n * sizeof(*ids)) != 0) {
            return context;
        }
    }
    return NULL;
}

START_TEST(threads_share_a_vocabulary)
{
    struct cf_wordpiece *w = open_vocabulary(vocabulary);
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, encode_often, w), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *failed = w;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    cf_wordpiece_free(w);
}
END_TEST

Suite *transformer_wordpiece_suite(void)
{
    Suite *suite = suite_create("transformer_wordpiece");
    TCase *tc = tcase_create("wordpiece");
    tcase_add_loop_test(tc, tokens_by_hand, 0, (int)COUNT(cases));
    tcase_add_test(tc, nul_is_a_control);
    tcase_add_test(tc, words_of_more_than_100_characters);
    tcase_add_test(tc, truncation);
    tcase_add_test(tc, ids_are_line_numbers);
    tcase_add_loop_test(tc, bad_vocabularies_are_refused, 0, (int)COUNT(malformed));
    tcase_add_test(tc, vocabularies_have_bounds);
    tcase_add_test(tc, a_large_vocabulary_finds_each_token);
    tcase_add_test(tc, threads_share_a_vocabulary);
    suite_add_tcase(suite, tc);
    return suite;
}
