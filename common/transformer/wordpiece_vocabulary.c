#include "common/transformer/wordpiece_vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/utf8.h"

const char *const cf_wordpiece_specials[CF_WORDPIECE_SPECIALS] = {"[UNK]", "[CLS]", "[SEP]",
                                                                  "[PAD]", "[MASK]"};
enum { REQUIRED = 4, PREFIX = 2, PROBED = 512 };

/* FNV-1a, begun at another number for pieces that stand inside of a word. */
static uint32_t hash_begin(bool inside)
{
    return inside ? 0x5bd1e995U : 2166136261U;
}

static uint32_t hash_byte(uint32_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * 16777619U;
}

/* FNV's low bits depend on few of the last byte's bits: they are mixed before use. */
static size_t slot_of(const struct cf_wordpiece *w, uint32_t hash)
{
    return (hash ^ hash >> 15) & w->mask;
}

static bool is_inside(const char *token, size_t length)
{
    return length > PREFIX && token[0] == '#' && token[1] == '#';
}

/* A token without its "##". */
static const char *piece_of(const struct cf_wordpiece *w, int32_t id, bool *inside, size_t *length)
{
    const char *token = w->text + w->offsets[id];
    size_t bytes = w->offsets[id + 1] - w->offsets[id] - 1;
    *inside = is_inside(token, bytes);
    *length = bytes - (*inside ? PREFIX : 0);
    return token + (*inside ? PREFIX : 0);
}

static int32_t find(const struct cf_wordpiece *w, uint32_t hash, const char *text, size_t length,
                    bool inside)
{
    for (size_t slot = slot_of(w, hash); w->slots[slot].id >= 0; slot = (slot + 1) & w->mask) {
        if (w->slots[slot].hash == hash) {
            bool other_inside;
            size_t other_length;
            const char *other = piece_of(w, w->slots[slot].id, &other_inside, &other_length);
            if (other_inside == inside && other_length == length &&
                memcmp(other, text, length) == 0) {
                return w->slots[slot].id;
            }
        }
    }
    return -1;
}

int32_t cf_wordpiece_longest(const struct cf_wordpiece *w, const char *text, size_t length,
                             bool inside, size_t *used)
{
    uint32_t hashes[PROBED];
    uint32_t hash = hash_begin(inside);
    size_t most = length < w->longest ? length : w->longest;
    most = most < PROBED ? most : PROBED; /* a word has at most 400 bytes */
    for (size_t i = 0; i < most; i++) {
        hash = hash_byte(hash, text[i]);
        hashes[i] = hash;
    }
    for (size_t n = most; n > 0; n--) {
        bool between = n == length || ((unsigned char)text[n] & 0xc0) != 0x80;
        int32_t id = between ? find(w, hashes[n - 1], text, n, inside) : -1;
        if (id >= 0) {
            *used = n;
            return id;
        }
    }
    return -1;
}

int32_t cf_wordpiece_id(const struct cf_wordpiece *wordpiece, const char *token, size_t length)
{
    bool inside = is_inside(token, length);
    const char *piece = token + (inside ? PREFIX : 0);
    size_t bytes = length - (inside ? PREFIX : 0);
    uint32_t hash = hash_begin(inside);
    for (size_t i = 0; i < bytes; i++) {
        hash = hash_byte(hash, piece[i]);
    }
    return find(wordpiece, hash, piece, bytes, inside);
}

static void insert(struct cf_wordpiece *w, int32_t id)
{
    bool inside;
    size_t length;
    const char *piece = piece_of(w, id, &inside, &length);
    uint32_t hash = hash_begin(inside);
    for (size_t i = 0; i < length; i++) {
        hash = hash_byte(hash, piece[i]);
    }
    size_t slot = slot_of(w, hash);
    while (w->slots[slot].id >= 0) {
        slot = (slot + 1) & w->mask;
    }
    w->slots[slot] = (struct cf_wordpiece_slot){hash, id};
    w->longest = length > w->longest ? length : w->longest;
}

static bool is_utf8(const char *s, size_t length)
{
    size_t i = 0;
    while (i < length) {
        uint32_t c;
        size_t used = cf_utf8_decode(s + i, length - i, &c);
        if (!used || !c) {
            return false;
        }
        i += used;
    }
    return true;
}

/* What is wrong with a line, NULL when it may be a token. */
static const char *fault_of(const char *line, size_t length)
{
    if (length && line[length - 1] == '\r') {
        return "ends with CR LF; a vocabulary's lines end with LF";
    }
    if (!length) {
        return "is empty";
    }
    if (length > CF_WORDPIECE_TOKEN_MAX) {
        return "is longer than a token may be (1,024 bytes)";
    }
    return is_utf8(line, length) ? NULL : "is not UTF-8";
}

static size_t count_lines(const char *text, size_t length)
{
    size_t lines = 0;
    const char *p = text;
    const char *end = text + length;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline ? newline + 1 : end;
        lines++;
    }
    return lines;
}

static void make_table(struct cf_wordpiece *w, size_t lines)
{
    size_t slots = 16;
    while (slots < 2 * lines) {
        slots *= 2;
    }
    w->mask = slots - 1;
    w->slots = cf_malloc(slots * sizeof(*w->slots));
    for (size_t i = 0; i < slots; i++) {
        w->slots[i] = (struct cf_wordpiece_slot){0, -1};
    }
    w->offsets = cf_calloc(lines + 1, sizeof(*w->offsets));
}

static int add_line(struct cf_wordpiece *w, const char *line, size_t length, const char *file,
                    struct cf_error *err)
{
    const char *fault = fault_of(line, length);
    if (fault) {
        return cf_error_at(err, CF_EDATA, "load", file, "%s: line %zu %s", file, w->count + 1,
                           fault);
    }
    int32_t same = cf_wordpiece_id(w, line, length);
    if (same >= 0) {
        return cf_error_at(err, CF_EDATA, "load", file,
                           "%s: line %zu repeats the token \"%.60s\" of line %d", file,
                           w->count + 1, cf_wordpiece_token(w, same), (int)same + 1);
    }
    char *token = w->text + w->offsets[w->count];
    memcpy(token, line, length);
    token[length] = '\0';
    w->offsets[w->count + 1] = w->offsets[w->count] + length + 1;
    insert(w, (int32_t)w->count++);
    return 0;
}

static int find_specials(struct cf_wordpiece *w, const char *file, struct cf_error *err)
{
    for (size_t i = 0; i < CF_WORDPIECE_SPECIALS; i++) {
        const char *name = cf_wordpiece_specials[i];
        w->special[i] = cf_wordpiece_id(w, name, strlen(name));
        if (i < REQUIRED && w->special[i] < 0) {
            return cf_error_at(err, CF_EDATA, "load", file, "%s: the token %s is missing", file,
                               name);
        }
    }
    w->unknown = w->special[0];
    w->begin = w->special[1];
    w->end = w->special[2];
    return 0;
}

int cf_wordpiece_new(const char *vocabulary, size_t length, const char *file,
                     struct cf_wordpiece **out, struct cf_error *err)
{
    *out = NULL;
    size_t lines = count_lines(vocabulary, length);
    if (lines > CF_WORDPIECE_VOCABULARY_MAX) {
        return cf_error_at(err, CF_EDATA, "load", file, "%s: %zu lines; %d are the limit", file,
                           lines, CF_WORDPIECE_VOCABULARY_MAX);
    }
    struct cf_wordpiece *w = cf_calloc(1, sizeof(*w));
    w->text = cf_malloc(length + 1);
    make_table(w, lines);
    int rc = 0;
    for (size_t i = 0; i < length && !rc;) {
        const char *line = vocabulary + i;
        const char *newline = memchr(line, '\n', length - i);
        size_t n = newline ? (size_t)(newline - line) : length - i;
        rc = add_line(w, line, n, file, err);
        i += n + 1;
    }
    rc = rc ? rc : find_specials(w, file, err);
    if (rc) {
        cf_wordpiece_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void cf_wordpiece_free(struct cf_wordpiece *wordpiece)
{
    if (wordpiece) {
        free(wordpiece->text);
        free(wordpiece->offsets);
        free(wordpiece->slots);
        free(wordpiece);
    }
}

size_t cf_wordpiece_count(const struct cf_wordpiece *wordpiece)
{
    return wordpiece->count;
}

const char *cf_wordpiece_token(const struct cf_wordpiece *wordpiece, int32_t id)
{
    return wordpiece->text + wordpiece->offsets[id];
}
