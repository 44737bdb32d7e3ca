#include "common/transformer/wordpiece.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/base/alloc.h"
#include "common/base/utf8.h"
#include "common/transformer/wordpiece_vocabulary.h"

enum { WORD_CHARACTERS = 100, WORD_BYTES = 4 * WORD_CHARACTERS, DECOMPOSED_MAX = 32 };

/* What becomes of an ASCII character; everything else goes the long way. */
enum ascii { ASCII_DROP, ASCII_SPACE, ASCII_PUNCTUATION, ASCII_LETTER };

/* The text so far: ids that were found, and the word that is being read. */
struct reader {
    const struct cf_wordpiece *w;
    int32_t *ids;
    size_t count;
    size_t limit; /* of count */
    size_t bytes;
    size_t characters; /* of the word, also those that don't fit any more */
    char word[WORD_BYTES];
};

static enum ascii ascii_kind(unsigned char c)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        return ASCII_SPACE;
    }
    if (c < 0x20 || c == 0x7f) {
        return ASCII_DROP;
    }
    bool letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return letter ? ASCII_LETTER : ASCII_PUNCTUATION;
}

static void emit(struct reader *r, int32_t id)
{
    if (r->count < r->limit) {
        r->ids[r->count++] = id;
    }
}

/* The pieces of a whole word, 0 when it has a part that no piece begins. */
static size_t split_word(const struct reader *r, int32_t pieces[WORD_CHARACTERS])
{
    size_t count = 0;
    size_t start = 0;
    while (start < r->bytes) {
        size_t used = 0;
        pieces[count] =
            cf_wordpiece_longest(r->w, r->word + start, r->bytes - start, start > 0, &used);
        if (pieces[count] < 0) {
            return 0;
        }
        start += used;
        count++;
    }
    return count;
}

static void end_word(struct reader *r)
{
    int32_t pieces[WORD_CHARACTERS];
    if (!r->characters) {
        return;
    }
    size_t count = r->characters <= WORD_CHARACTERS ? split_word(r, pieces) : 0;
    if (!count) {
        emit(r, r->w->unknown);
    }
    for (size_t i = 0; i < count; i++) {
        emit(r, pieces[i]);
    }
    r->bytes = 0;
    r->characters = 0;
}

static void add_byte(struct reader *r, char c)
{
    if (r->characters++ < WORD_CHARACTERS) {
        r->word[r->bytes++] = c;
    }
}

/* Where a character of this combining class belongs: before those of a higher one that it follows
 * (canonical order). Only few that aren't of category Mn have a class. */
static size_t ordered_place(const struct reader *r, utf8proc_propval_t class)
{
    size_t place = r->bytes;
    while (class && place) {
        size_t before = place - 1;
        uint32_t c = 0;
        while (((unsigned char)r->word[before] & 0xc0) == 0x80) {
            before--;
        }
        (void)cf_utf8_decode(r->word + before, place - before, &c);
        if (utf8proc_get_property((utf8proc_int32_t)c)->combining_class <= class) {
            break;
        }
        place = before;
    }
    return place;
}

static void add_character(struct reader *r, utf8proc_int32_t c)
{
    utf8proc_uint8_t encoded[4];
    if (r->characters++ >= WORD_CHARACTERS) {
        return;
    }
    size_t length = (size_t)utf8proc_encode_char(c, encoded);
    size_t place = ordered_place(r, utf8proc_get_property(c)->combining_class);
    memmove(r->word + place + length, r->word + place, r->bytes - place);
    memcpy(r->word + place, encoded, length);
    r->bytes += length;
}

static bool is_control(utf8proc_category_t category)
{
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CS || category == UTF8PROC_CATEGORY_CO;
}

static bool is_space(utf8proc_category_t category)
{
    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

static bool is_punctuation(utf8proc_int32_t c)
{
    if (c < 0x80) {
        return ascii_kind((unsigned char)c) == ASCII_PUNCTUATION;
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return true;
    default:
        return false;
    }
}

/* The blocks that BERT calls Chinese. Extension E begins at U+2B820, but Hugging Face's tokenizer
 * has it from U+2B920, and that one is followed. */
static bool is_ideograph(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

/* Steps 3 and 4 of one character that stays. */
static void add_normalised(struct reader *r, uint32_t c)
{
    utf8proc_int32_t parts[DECOMPOSED_MAX];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, DECOMPOSED_MAX,
                                                 UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if (utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN) {
            continue;
        }
        utf8proc_int32_t lower = utf8proc_tolower(parts[i]);
        if (is_punctuation(lower)) {
            end_word(r);
            add_character(r, lower);
            end_word(r);
        } else {
            add_character(r, lower);
        }
    }
}

static void add_wide(struct reader *r, uint32_t c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    if (c == 0xfffd || is_control(category)) {
        return;
    }
    if (is_space(category)) {
        end_word(r);
    } else if (is_ideograph(c)) {
        end_word(r);
        add_normalised(r, c);
        end_word(r);
    } else {
        add_normalised(r, c);
    }
}

static void add_ascii(struct reader *r, unsigned char c)
{
    switch (ascii_kind(c)) {
    case ASCII_LETTER:
        add_byte(r, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
        break;
    case ASCII_SPACE:
        end_word(r);
        break;
    case ASCII_PUNCTUATION:
        end_word(r);
        add_byte(r, (char)c);
        end_word(r);
        break;
    default:
        break;
    }
}

/* How many bytes the special token takes that text begins with; 0 when it begins with none. */
static size_t add_special(struct reader *r, const char *text, size_t length)
{
    for (size_t i = 0; *text == '[' && i < CF_WORDPIECE_SPECIALS; i++) {
        size_t n = strlen(cf_wordpiece_specials[i]);
        if (r->w->special[i] >= 0 && n <= length &&
            memcmp(text, cf_wordpiece_specials[i], n) == 0) {
            end_word(r);
            emit(r, r->w->special[i]);
            return n;
        }
    }
    return 0;
}

/* Reads one character, or a special token; returns its bytes. */
static size_t read_one(struct reader *r, const char *text, size_t length)
{
    uint32_t c = 0;
    unsigned char first = (unsigned char)*text;
    if (first < 0x80) {
        size_t special = first == '[' ? add_special(r, text, length) : 0;
        if (!special) {
            add_ascii(r, first);
        }
        return special ? special : 1;
    }
    size_t used = cf_utf8_decode(text, length, &c);
    if (used) {
        add_wide(r, c);
    }
    return used ? used : 1;
}

size_t cf_wordpiece_encode(const struct cf_wordpiece *wordpiece, const char *text, size_t length,
                           size_t max_tokens, int32_t *ids)
{
    struct reader r;
    r.w = wordpiece;
    r.ids = ids;
    r.count = 0;
    r.limit = max_tokens - 1;
    r.bytes = 0;
    r.characters = 0;
    emit(&r, wordpiece->begin);
    for (size_t i = 0; i < length && r.count < r.limit;) {
        i += read_one(&r, text + i, length - i);
    }
    end_word(&r);
    r.limit = max_tokens;
    emit(&r, wordpiece->end);
    return r.count;
}
