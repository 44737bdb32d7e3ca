#include "jobs/cloudfolio/excerpt.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/utf8.h"
#include "common/encoder/text.h"

enum { SPACE, SIGNS, LETTERS };
enum { FIRST_IDEOGRAPH = 0x2e80, IDEOGRAPHS = 12 };

/* A run of letters and the like, or of what stands between them. */
struct piece {
    size_t offset, length; /* bytes */
    size_t characters;
    bool space; /* a single space: here a line may be cut */
    bool match;
};

struct pieces {
    struct piece *items;
    size_t count;
    size_t capacity;
};

static void add_stems(const struct cf_words *words, bool keep_stopwords, json_t *out)
{
    for (size_t i = 0; i < words->count; i++) {
        char stem[CF_WORD_MAX + 1];
        size_t length = words->items[i].length;
        memcpy(stem, cf_word_bytes(words, i), length);
        if (keep_stopwords || !cf_text_is_stopword(stem, length)) {
            stem[cf_text_stem_s(stem, length)] = '\0';
            (void)json_object_set_new(out, stem, json_true());
        }
    }
}

json_t *tool_query_words(const char *query)
{
    struct cf_words words = CF_WORDS_INIT;
    json_t *out = json_object();
    cf_words_read(&words, query, strlen(query));
    add_stems(&words, false, out);
    if (!json_object_size(out)) {
        add_stems(&words, true, out);
    }
    cf_words_release(&words);
    return out;
}

/* Runs of white space become one space, control characters printable. */
static void flatten(const char *passage, struct cf_buf *out)
{
    const char *p = passage + strspn(passage, " \t\r\n\f\v");
    while (*p) {
        size_t run = strcspn(p, " \t\r\n\f\v");
        cf_utf8_printable(p, run, out);
        p += run;
        p += strspn(p, " \t\r\n\f\v");
        if (*p) {
            cf_buf_putc(out, ' ');
        }
    }
}

/* Letters and digits of any script, and the marks of "C++" and "C#". Latin-1 signs, dashes, quotes
 * and CJK punctuation are none. */
static bool is_word(uint32_t c)
{
    if (c < 0x80) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '#';
    }
    return c >= 0xc0 && !(c >= 0x2000 && c <= 0x206f) && !(c >= 0x3000 && c <= 0x303f);
}

static bool matches(struct cf_words *scratch, const char *s, size_t length, const json_t *words)
{
    cf_words_read(scratch, s, length);
    for (size_t i = 0; i < scratch->count; i++) {
        char stem[CF_WORD_MAX + 1];
        size_t n = scratch->items[i].length;
        memcpy(stem, cf_word_bytes(scratch, i), n);
        stem[cf_text_stem_s(stem, n)] = '\0';
        if (json_object_get(words, stem)) {
            return true;
        }
    }
    return false;
}

/* Does a code point go into the piece before it? Very long runs, and scripts without spaces, are
 * cut into pieces too, so that a window can end in them. */
static bool continues(const struct piece *piece, int kind, int before, uint32_t c)
{
    size_t limit = c < FIRST_IDEOGRAPH ? CF_WORD_MAX : IDEOGRAPHS;
    return kind != SPACE && kind == before && piece->characters < limit;
}

static void split(const struct cf_buf *text, const json_t *words, struct pieces *out)
{
    struct cf_words scratch = CF_WORDS_INIT;
    int before = SPACE;
    for (size_t i = 0; i < text->length;) {
        uint32_t c = 0xfffd;
        size_t used = cf_utf8_decode(text->data + i, text->length - i, &c);
        used = used ? used : 1;
        int kind = c == ' ' ? SPACE : is_word(c) ? LETTERS : SIGNS;
        if (!out->count || !continues(&out->items[out->count - 1], kind, before, c)) {
            out->items = cf_grow(out->items, out->count, &out->capacity, sizeof(*out->items));
            out->items[out->count++] = (struct piece){.offset = i, .space = kind == SPACE};
        }
        out->items[out->count - 1].length += used;
        out->items[out->count - 1].characters++;
        before = kind;
        i += used;
    }
    for (size_t i = 0; i < out->count; i++) {
        struct piece *p = &out->items[i];
        p->match = !p->space && matches(&scratch, text->data + p->offset, p->length, words);
    }
    cf_words_release(&scratch);
}

/* Where a window that begins at first ends, at most so many characters on: at a space, unless the
 * text ends before, or no space comes in the window's second half. */
static size_t window_end(const struct pieces *p, size_t first, size_t width)
{
    size_t characters = 0;
    size_t end = first;
    size_t at_end = 0;
    size_t i = first;
    for (; i < p->count && characters + p->items[i].characters <= width; i++) {
        if (p->items[i].space) {
            end = i;
            at_end = characters;
        }
        characters += p->items[i].characters;
    }
    bool ends = i == p->count || p->items[i].space;
    return ends || at_end < width / 2 ? i : end;
}

static size_t count_matches(const struct pieces *p, size_t first, size_t end)
{
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
        n += p->items[i].match;
    }
    return n;
}

/* Of all windows that begin at a word, the first with the most matches; then moved back a little,
 * so that what stands before its first match is seen. */
static size_t best_window(const struct pieces *p, size_t width)
{
    size_t best = 0;
    size_t most = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].match) {
            size_t n = count_matches(p, i, window_end(p, i, width - width / 6));
            if (n > most) {
                most = n;
                best = i;
            }
        }
    }
    size_t back = width / 6;
    size_t first = best;
    for (size_t i = best; i > 0 && p->items[i - 1].characters <= back; i--) {
        back -= p->items[i - 1].characters;
        if (i == 1 || p->items[i - 2].space) {
            first = i - 1;
        }
    }
    return first;
}

void tool_excerpt(const char *passage, const json_t *words, size_t width, bool bold,
                  struct cf_buf *out)
{
    struct cf_buf text = CF_BUF_INIT;
    struct pieces p = {0};
    flatten(passage, &text);
    split(&text, words, &p);
    size_t first = window_end(&p, 0, width) == p.count ? 0 : best_window(&p, width);
    size_t end = window_end(&p, first, width);
    cf_buf_puts(out, first ? "…" : "");
    for (size_t i = first; i < end; i++) {
        bool mark = bold && p.items[i].match;
        cf_buf_puts(out, mark ? "\033[1m" : "");
        cf_buf_append(out, text.data + p.items[i].offset, p.items[i].length);
        cf_buf_puts(out, mark ? "\033[0m" : "");
    }
    cf_buf_puts(out, end < p.count ? "…" : "");
    free(p.items);
    cf_buf_release(&text);
}
