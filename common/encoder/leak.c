#include "common/encoder/leak.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/encoder/chunk.h"
#include "common/encoder/markdown.h"
#include "common/encoder/text.h"

#define DESCRIPTION_MAX                                                                            \
    2000 /* bytes that are compared: bounds the work; GitHub allows 350 characters */

struct key {
    char *words;      /* the description's, spaced */
    const char *core; /* without its leading article */
    size_t count;     /* of words */
    size_t content;   /* distinct content words */
};

static size_t count_spaced(const char *spaced)
{
    size_t n = 0;
    for (; *spaced; spaced++) {
        n += *spaced == ' ';
    }
    return n - 1;
}

/* The next word of a spaced text at *at, with its spaces; NULL at the end. *at moves to its last
 * space. */
static const char *next_word(const char **at, size_t *length)
{
    const char *word = *at;
    const char *end = strchr(word + 1, ' ');
    if (!end) {
        return NULL;
    }
    *length = (size_t)(end - word) + 1;
    *at = end;
    return word;
}

static bool is_content(const char *word, size_t length)
{
    return length >= 2 && !cf_text_is_stopword(word, length);
}

/* True when the needle, with its spaces, occurs before end or, with end NULL, anywhere in the text.
 */
static bool has_word(const char *spaced, const char *end, const char *needle, size_t length)
{
    char word[CF_WORD_MAX + 3];
    memcpy(word, needle, length);
    word[length] = '\0';
    const char *found = strstr(spaced, word);
    return found && (!end || found < end);
}

/* Distinct content words of a, and how many of them b has. */
static size_t common_content(const char *a, const char *b, size_t *distinct)
{
    const char *at = a;
    const char *word;
    size_t length = 0;
    size_t common = 0;
    *distinct = 0;
    while ((word = next_word(&at, &length))) {
        if (is_content(word + 1, length - 2) && !has_word(a, word, word, length)) {
            ++*distinct;
            common += has_word(b, NULL, word, length);
        }
    }
    return common;
}

size_t cf_leak_content_words(const char *s, size_t length)
{
    size_t distinct = 0;
    char *spaced = cf_text_spaced(s, length < DESCRIPTION_MAX ? length : DESCRIPTION_MAX);
    (void)common_content(spaced, " ", &distinct);
    free(spaced);
    return distinct;
}

static void key_init(struct key *key, const char *description)
{
    static const char *const articles[] = {" a ", " an ", " the "};
    key->words = cf_text_spaced(description, strnlen(description, DESCRIPTION_MAX));
    key->count = count_spaced(key->words);
    key->core = key->words;
    for (size_t i = 0; i < sizeof(articles) / sizeof(articles[0]); i++) {
        size_t n = strlen(articles[i]);
        if (strncmp(key->words, articles[i], n) == 0) {
            key->core = key->words + n - 1;
        }
    }
    (void)common_content(key->words, " ", &key->content);
}

static bool repeats(const struct key *key, const char *s, size_t length)
{
    struct cf_buf plain = CF_BUF_INIT;
    cf_markdown_inline(s, length, &plain);
    char *words = cf_text_spaced(cf_buf_str(&plain), plain.length);
    size_t count = count_spaced(words);
    size_t content = 0;
    bool found = false;
    cf_buf_release(&plain);
    if (count) {
        found = key->core[1] && strstr(words, key->core);
        if (!found && count <= 2 * key->count) {
            size_t shared = common_content(key->words, words, &content);
            found = key->content >= 4 && shared >= 4 && shared * 5 >= key->content * 4;
        }
        if (!found && count <= key->count && strstr(key->words, words)) {
            (void)common_content(words, " ", &content);
            found = content >= 3;
        }
    }
    free(words);
    return found;
}

/* Copies the lines of one paragraph that may stay. */
static void strip_paragraph(const struct key *key, const char *s, size_t length, struct cf_buf *out)
{
    bool any = false;
    size_t start = out->length;
    for (size_t i = 0; i < length;) {
        const char *end = memchr(s + i, '\n', length - i);
        size_t n = end ? (size_t)(end - s) - i + 1 : length - i;
        if (repeats(key, s + i, n)) {
            any = true;
        } else {
            cf_buf_append(out, s + i, n);
        }
        i += n;
    }
    if (!any && repeats(key, s, length)) {
        out->length = start;
    }
}

static bool is_blank(const char *s, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!strchr(" \t\r\n", s[i]) || !s[i]) {
            return false;
        }
    }
    return true;
}

/* The length of the paragraph at s, with the blank line behind it. */
static size_t paragraph_length(const char *s, size_t length)
{
    size_t i = 0;
    while (i < length) {
        const char *end = memchr(s + i, '\n', length - i);
        size_t n = end ? (size_t)(end - s) - i + 1 : length - i;
        if (is_blank(s + i, n)) {
            return i + n;
        }
        i += n;
    }
    return length;
}

char *cf_leak_strip(const char *description, const struct cf_text *text, size_t *length)
{
    struct key key;
    struct cf_buf raw = CF_BUF_INIT;
    struct cf_buf out = CF_BUF_INIT;
    size_t n = strlen(text->path);
    key_init(&key, description);
    if (n < 5 || strcmp(text->path + n - 5, ".json") != 0 ||
        cf_chunk_json_strings(text->text ? text->text : "", text->length, &raw)) {
        cf_buf_append(&raw, text->text, text->length);
    }
    for (size_t i = 0; i < raw.length;) {
        size_t paragraph = paragraph_length(raw.data + i, raw.length - i);
        strip_paragraph(&key, raw.data + i, paragraph, &out);
        i += paragraph;
    }
    free(key.words);
    cf_buf_release(&raw);
    *length = out.length;
    return cf_buf_detach(&out);
}
