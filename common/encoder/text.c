#include "common/encoder/text.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/utf8.h"

#define BOUNDARIES 16

enum class { SEPARATOR, LETTER, MARK, UNSPACED };

struct range {
    uint32_t first, last;
};

/* Sorted. Code points above U+007F that separate words: punctuation, symbols, emoji, private use.
 */
static const struct range separators[] = {
    {0x80, 0xa9},       {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
    {0xf7, 0xf7},       {0x37e, 0x37e},   {0x387, 0x387},   {0x589, 0x58a},   {0x5be, 0x5be},
    {0x5c0, 0x5c0},     {0x5f3, 0x5f4},   {0x60c, 0x60d},   {0x61b, 0x61f},   {0x66a, 0x66d},
    {0x6d4, 0x6d4},     {0x964, 0x965},   {0xe3f, 0xe3f},   {0xe4f, 0xe5b},   {0x1680, 0x1680},
    {0x2000, 0x206f},   {0x20a0, 0x2bff}, {0x2e00, 0x2e7f}, {0x3000, 0x3004}, {0x3008, 0x3020},
    {0x3030, 0x3030},   {0x303d, 0x303f}, {0x30fb, 0x30fb}, {0xe000, 0xf8ff}, {0xfe10, 0xfe1f},
    {0xfe30, 0xfe6f},   {0xfeff, 0xfeff}, {0xff5f, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1fbff},
    {0xe0000, 0x10ffff}};

/* Sorted. Marks that are dropped inside a word: combining accents, variation selectors. */
static const struct range marks[] = {
    {0xad, 0xad}, {0x300, 0x36f}, {0x200b, 0x200d}, {0xfe00, 0xfe0f}};

/* Sorted. Scripts without spaces between words. */
static const struct range unspaced[] = {
    {0xe01, 0xe3e},    {0xe40, 0xe4e},   {0xe81, 0xedf},   {0x1000, 0x109f}, {0x1100, 0x11ff},
    {0x1780, 0x17ff},  {0x2e80, 0x2fdf}, {0x3005, 0x3007}, {0x3021, 0x302f}, {0x3031, 0x303c},
    {0x3041, 0x30fa},  {0x30fc, 0x318f}, {0x31a0, 0x31ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff},
    {0xa960, 0xa97f},  {0xac00, 0xd7ff}, {0xf900, 0xfaff}, {0xff66, 0xffdf}, {0x1b000, 0x1b2ff},
    {0x20000, 0x3ffff}};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t count)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && c >= ranges[low].first;
}

#define IN(c, table) in_ranges((c), (table), sizeof(table) / sizeof((table)[0]))

static enum class classify(uint32_t c) {
    if (c < 0x80){return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                             ? LETTER
                             : SEPARATOR;}
if (IN(c, marks))
{
    return MARK;
}
if (IN(c, separators)) {
    return SEPARATOR;
}
return IN(c, unspaced) ? UNSPACED : LETTER;
}

/* Upper and lower case that alternate: from first to last, the upper one on each even distance. */
static const struct range pairs[] = {
    {0x100, 0x12f},   {0x132, 0x137},  {0x139, 0x148}, {0x14a, 0x177}, {0x179, 0x17e},
    {0x1cd, 0x1dc},   {0x1de, 0x1ef},  {0x1f8, 0x21f}, {0x222, 0x233}, {0x370, 0x373},
    {0x3d8, 0x3ef},   {0x460, 0x481},  {0x48a, 0x4bf}, {0x4c1, 0x4ce}, {0x4d0, 0x52f},
    {0x1e00, 0x1e95}, {0x1ea0, 0x1eff}};

static uint32_t lower_pair(uint32_t c)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]) && c >= pairs[i].first; i++) {
        if (c <= pairs[i].last) {
            return (c - pairs[i].first) % 2 == 0 ? c + 1 : c;
        }
    }
    return c;
}

static uint32_t lower_shifted(uint32_t c)
{
    static const struct {
        uint32_t first, last, shift;
    } blocks[] = {{0xc0, 0xd6, 32},   {0xd8, 0xde, 32},   {0x388, 0x38a, 37}, {0x38c, 0x38c, 64},
                  {0x38e, 0x38f, 63}, {0x391, 0x3a1, 32}, {0x3a3, 0x3ab, 32}, {0x400, 0x40f, 80},
                  {0x410, 0x42f, 32}, {0x4c0, 0x4c0, 15}, {0x531, 0x556, 48}, {0x386, 0x386, 38}};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        if (c >= blocks[i].first && c <= blocks[i].last) {
            return c + blocks[i].shift;
        }
    }
    return c;
}

/* The letters under the accents from U+00E0 to U+017F; '.' where the letter stays as it is. */
static const char bases[] = "aaaaaa.ceeeeiiii.nooooo.ouuuuy.y"
                            "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii..jjkk.lllllll"
                            "lllnnnnnn...oooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

_Static_assert(sizeof(bases) - 1 == 32 + 128,
               "one letter for each of U+00E0 … U+00FF, U+0100 … U+017F");

uint32_t cf_text_fold(uint32_t c)
{
    if (c >= 0xff01 && c <= 0xff5e) {
        c -= 0xfee0;
    }
    if (c < 0x80) {
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    }
    if (c == 0x3c2) {
        return 0x3c3; /* sigma at the end of a word */
    }
    if (c == 0x178) {
        return 'y';
    }
    uint32_t lower = lower_shifted(c);
    lower = lower == c ? lower_pair(c) : lower;
    if (lower >= 0xe0 && lower < 0xe0 + sizeof(bases) - 1 && bases[lower - 0xe0] != '.') {
        return (uint32_t)bases[lower - 0xe0];
    }
    return lower;
}

struct scan {
    struct cf_words *words;
    size_t start;            /* of the present word, in the list's bytes */
    size_t cuts[BOUNDARIES]; /* where the word changes case, in the list's bytes */
    size_t cut_count;
    size_t last_start; /* of the character before */
    bool in_word, in_unspaced;
    bool last_upper, acronym;   /* the character before was upper-case; and the one before that */
    bool cut_in_acronym;        /* the newest cut took the last letter of an acronym */
    size_t unspaced_characters; /* of the present run */
};

static void emit(struct scan *s, size_t from, size_t to, bool part)
{
    struct cf_words *w = s->words;
    if (to - from > CF_WORD_MAX || to == from) {
        return;
    }
    w->items = cf_grow(w->items, w->count, &w->capacity, sizeof(*w->items));
    w->items[w->count++] = (struct cf_word){(uint32_t)from, (uint16_t)(to - from), part};
}

static void end_run(struct scan *s)
{
    if (s->in_unspaced && s->unspaced_characters == 1) {
        emit(s, s->last_start, s->words->bytes.length, false);
    }
    s->in_unspaced = false;
    s->unspaced_characters = 0;
    if (!s->in_word) {
        return;
    }
    size_t end = s->words->bytes.length;
    s->in_word = false;
    emit(s, s->start, end, false);
    if (s->cut_count && s->cut_in_acronym && end - s->cuts[s->cut_count - 1] == 2 &&
        s->words->bytes.data[end - 1] == 's') {
        s->cut_count--; /* "APIs" is no "AP" and "Is" */
    }
    if (!s->cut_count || end - s->start > CF_WORD_MAX) {
        return;
    }
    size_t from = s->start;
    for (size_t i = 0; i < s->cut_count; i++) {
        emit(s, from, s->cuts[i], true);
        from = s->cuts[i];
    }
    emit(s, from, end, true);
}

static void cut(struct scan *s, size_t at, bool in_acronym)
{
    if (at > s->start && s->cut_count < BOUNDARIES) {
        s->cuts[s->cut_count++] = at;
        s->cut_in_acronym = in_acronym;
    }
}

static void letter(struct scan *s, uint32_t c, uint32_t folded)
{
    struct cf_buf *bytes = &s->words->bytes;
    bool digit = c >= '0' && c <= '9';
    bool upper = !digit && (c < 0x80 ? c <= 'Z' : lower_shifted(c) != c || lower_pair(c) != c);
    if (s->in_unspaced) {
        end_run(s);
    }
    if (!s->in_word) {
        s->in_word = true;
        s->start = bytes->length;
        s->cut_count = 0;
        s->acronym = false;
    } else if (upper && !s->last_upper) {
        cut(s, bytes->length, false);
        s->acronym = false;
    } else if (!upper && !digit && s->last_upper && s->acronym) {
        cut(s, s->last_start, true); /* "HTTPServer": before the S */
    } else {
        s->acronym = upper && s->last_upper;
    }
    s->last_upper = upper;
    s->last_start = bytes->length;
    cf_utf8_encode(folded, bytes);
}

static void unspaced_character(struct scan *s, uint32_t c)
{
    struct cf_buf *bytes = &s->words->bytes;
    if (s->in_word) {
        end_run(s);
    }
    size_t before = s->last_start;
    s->in_unspaced = true;
    s->last_start = bytes->length;
    cf_utf8_encode(c, bytes);
    if (++s->unspaced_characters > 1) {
        emit(s, before, bytes->length, false);
    }
}

static bool ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool ascii_word(char c)
{
    return ascii_letter(c) || (c >= '0' && c <= '9');
}

/* How many bytes of the separator at s belong to the word before it: "++" and "#" behind C and F
 * are kept (in *keep), an apostrophe with up to two letters is dropped. */
static size_t trailer(const struct scan *s, const char *p, size_t left, bool *keep)
{
    size_t length = s->words->bytes.length - s->start;
    const char *word = s->words->bytes.data + s->start;
    *keep = false;
    if (length == 1 && (*word == 'c' || *word == 'f')) {
        size_t take = p[0] == '#' ? 1 : left >= 2 && p[0] == '+' && p[1] == '+' ? 2 : 0;
        if (take && (take == left || !ascii_word(p[take]))) {
            *keep = true;
            return take;
        }
    }
    size_t mark = p[0] == '\'' ? 1 : left >= 3 && memcmp(p, "\xe2\x80\x99", 3) == 0 ? 3 : 0;
    if (mark) {
        size_t end = mark;
        while (end < left && end < mark + 3 && ascii_letter(p[end])) {
            end++;
        }
        if (end > mark && end <= mark + 2 && (end == left || !ascii_word(p[end]))) {
            return end;
        }
    }
    return 0;
}

static size_t separator(struct scan *s, const char *p, size_t left, size_t used)
{
    size_t extra = 0;
    bool keep = false;
    if (s->in_word) {
        extra = trailer(s, p, left, &keep);
        if (keep) {
            cf_buf_append(&s->words->bytes, p, extra);
        }
    }
    end_run(s);
    return extra ? extra : used;
}

void cf_words_read(struct cf_words *words, const char *s, size_t length)
{
    struct scan scan = {.words = words};
    cf_buf_clear(&words->bytes);
    words->count = 0;
    length = length > (1UL << 30) ? 1UL << 30 : length;
    cf_buf_reserve(&words->bytes, length);
    size_t i = 0;
    while (i < length) {
        uint32_t c = 0;
        size_t used = cf_utf8_decode(s + i, length - i, &c);
        enum class class = SEPARATOR;
        uint32_t folded = 0;
        if (used) {
            c = c >= 0xff01 && c <= 0xff5e ? c - 0xfee0 : c; /* full-width forms of ASCII */
            folded = c < 0x80 && !(c >= 'A' && c <= 'Z') ? c : cf_text_fold(c);
            class = classify(folded);
        }
        if (class == LETTER) {
            letter(&scan, c, folded);
        } else if (class == UNSPACED) {
            unspaced_character(&scan, folded);
        } else if (class == SEPARATOR) {
            used = separator(&scan, s + i, length - i, used ? used : 1);
        }
        i += used;
    }
    end_run(&scan);
}

void cf_words_release(struct cf_words *words)
{
    cf_buf_release(&words->bytes);
    free(words->items);
    *words = (struct cf_words)CF_WORDS_INIT;
}

const char *cf_word_bytes(const struct cf_words *words, size_t index)
{
    return words->bytes.data + words->items[index].offset;
}

char *cf_text_spaced(const char *s, size_t length)
{
    struct cf_words words = CF_WORDS_INIT;
    struct cf_buf out = CF_BUF_INIT;
    cf_words_read(&words, s, length);
    cf_buf_putc(&out, ' ');
    for (size_t i = 0; i < words.count; i++) {
        if (!words.items[i].part) {
            cf_buf_append(&out, cf_word_bytes(&words, i), words.items[i].length);
            cf_buf_putc(&out, ' ');
        }
    }
    cf_words_release(&words);
    return cf_buf_detach(&out);
}

size_t cf_text_stem_s(char *word, size_t length)
{
    if (length <= 3 || word[length - 1] != 's') {
        return length;
    }
    char before = word[length - 2];
    char third = word[length - 3];
    if (before == 'e') {
        if (third == 'i' && word[length - 4] != 'e' && word[length - 4] != 'a') {
            word[length - 3] = 'y';
            return length - 2;
        }
        return third == 'a' || third == 'e' || third == 'o' || third == 'i' ? length : length - 1;
    }
    return before == 'u' || before == 's' ? length : length - 1;
}

static int compare_word(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

bool cf_text_is_stopword(const char *word, size_t length)
{
    static const char *const stopwords[] = {
        "a",     "about", "all",  "also",  "an",    "and",   "any",   "are",   "as",    "at",
        "be",    "been",  "but",  "by",    "can",   "did",   "do",    "does",  "done",  "for",
        "from",  "had",   "has",  "have",  "he",    "how",   "i",     "if",    "in",    "into",
        "is",    "it",    "its",  "just",  "made",  "make",  "me",    "more",  "my",    "no",
        "not",   "of",    "on",   "one",   "or",    "our",   "out",   "she",   "so",    "some",
        "such",  "than",  "that", "the",   "their", "them",  "then",  "there", "these", "they",
        "this",  "those", "to",   "up",    "us",    "used",  "using", "via",   "was",   "we",
        "were",  "what",  "when", "where", "which", "while", "who",   "whose", "will",  "with",
        "would", "you",   "your"};
    char text[16];
    if (length == 0 || length >= sizeof(text)) {
        return false;
    }
    memcpy(text, word, length);
    text[length] = '\0';
    return bsearch(text, stopwords, sizeof(stopwords) / sizeof(stopwords[0]), sizeof(stopwords[0]),
                   compare_word) != NULL;
}
