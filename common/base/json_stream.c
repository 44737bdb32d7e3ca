#include "common/base/json_stream.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/utf8.h"

enum {
    VALUE,        /* a value must come */
    VALUE_OR_END, /* or "]" */
    KEY,
    KEY_OR_END,
    COLON,
    NEXT, /* "," or the end of what is around */
    DONE, /* only white space may follow */
    STRING,
    ESCAPE, /* behind "\" */
    DIGITS, /* of "\uXXXX" */
    PAIR,   /* the "\" of a pair's second half must come */
    PAIR_U, /* its "u" */
    LITERAL,
    NUMBER, /* its first byte */
    MINUS,
    ZERO,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,   /* behind "e" */
    SIGN,       /* behind its sign */
    POWER,      /* its digits */
    NUMBER_END, /* what number_state says of a byte behind a number */
    NUMBER_BAD, /* … of one that breaks it */
};

void cf_json_stream_init(struct cf_json_stream *stream, const char *what, size_t most,
                         cf_json_callback *callback, void *context)
{
    *stream = (struct cf_json_stream){
        .callback = callback, .context = context, .what = what, .most = most, .state = VALUE};
}

void cf_json_stream_restart(struct cf_json_stream *stream)
{
    struct cf_buf token = stream->token;
    cf_buf_clear(&token);
    cf_json_stream_init(stream, stream->what, stream->most, stream->callback, stream->context);
    stream->token = token;
}

void cf_json_stream_release(struct cf_json_stream *stream)
{
    cf_buf_release(&stream->token);
}

/* All that follows reads from the n > 0 bytes at s, the first of which is at the stream's offset,
 * and returns how many it took. Errors are left in stream->rc. */

static size_t refuse(struct cf_json_stream *stream, size_t at, const char *why,
                     struct cf_error *err)
{
    stream->rc = cf_error_set(err, CF_EDATA, "%s is not JSON: byte %" PRIu64 ": %s", stream->what,
                              stream->offset + at, why);
    return at;
}

static void too_long(struct cf_json_stream *stream, size_t at, struct cf_error *err)
{
    stream->rc = cf_error_set(err, CF_EDATA, "%s: byte %" PRIu64 ": a text of over %zu bytes",
                              stream->what, stream->offset + at, stream->most);
}

/* The first n bytes belong to the token. */
static void append(struct cf_json_stream *stream, const unsigned char *s, size_t n,
                   struct cf_error *err)
{
    size_t room = stream->most - stream->token.length;
    if (n > room) {
        too_long(stream, room, err);
    } else {
        cf_buf_append(&stream->token, s, n);
    }
}

/* As append, for what an escape stands for. */
static void append_scalar(struct cf_json_stream *stream, uint32_t c, struct cf_error *err)
{
    cf_utf8_encode(c, &stream->token);
    stream->state = STRING;
    if (stream->token.length > stream->most) {
        too_long(stream, 0, err);
    }
}

static void emit(struct cf_json_stream *stream, enum cf_json_kind kind, struct cf_error *err)
{
    const struct cf_json_event event = {.kind = kind,
                                        .depth = stream->depth,
                                        .text = cf_buf_str(&stream->token),
                                        .length = stream->token.length};
    stream->rc = stream->callback(stream->context, &event, err);
    cf_buf_clear(&stream->token);
}

static bool in_object(const struct cf_json_stream *stream)
{
    size_t level = stream->depth - 1;
    return stream->depth && stream->objects[level / 8] >> (level % 8) & 1;
}

static void container_begins(struct cf_json_stream *stream, bool object, struct cf_error *err)
{
    emit(stream, object ? CF_JSON_OBJECT : CF_JSON_ARRAY, err);
    unsigned char *byte = &stream->objects[stream->depth / 8];
    unsigned bit = 1U << (stream->depth % 8);
    *byte = (unsigned char)(object ? *byte | bit : *byte & ~bit);
    stream->depth++;
    stream->state = object ? KEY_OR_END : VALUE_OR_END;
}

static void container_ends(struct cf_json_stream *stream, struct cf_error *err)
{
    bool object = in_object(stream);
    stream->depth--;
    emit(stream, object ? CF_JSON_OBJECT_END : CF_JSON_ARRAY_END, err);
    stream->state = stream->depth ? NEXT : DONE;
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Takes the first byte of a sequence of UTF-8 (RFC 3629), and says what may follow. */
static bool sequence_begins(struct cf_json_stream *stream, unsigned char c)
{
    stream->to_come = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    stream->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    stream->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return c >= 0xc2 && c <= 0xf4;
}

static bool sequence_goes_on(struct cf_json_stream *stream, unsigned char c)
{
    if (c < stream->low || c > stream->high) {
        return false;
    }
    stream->to_come--;
    stream->low = 0x80;
    stream->high = 0xbf;
    return true;
}

static size_t read_string(struct cf_json_stream *stream, const unsigned char *s, size_t n,
                          struct cf_error *err)
{
    size_t i = 0;
    bool bad = false;
    for (; i < n && !bad; i++) {
        unsigned char c = s[i];
        if (stream->to_come) {
            bad = !sequence_goes_on(stream, c);
        } else if (c >= 0x80) {
            bad = !sequence_begins(stream, c);
        } else if (c < 0x20 || c == '"' || c == '\\') {
            break;
        }
    }
    i -= bad;
    append(stream, s, i, err);
    if (stream->rc || i == n) {
        return i;
    }
    if (bad) {
        return refuse(stream, i, "not UTF-8", err);
    }
    if (s[i] == '\\') {
        stream->state = ESCAPE;
    } else if (s[i] != '"') {
        return refuse(stream, i, "a control character in a string", err);
    } else {
        bool key = stream->kind == CF_JSON_KEY;
        emit(stream, (enum cf_json_kind)stream->kind, err);
        stream->state = key ? COLON : NEXT;
    }
    return i + 1;
}

/* The digits of an escape are complete. */
static void unit_ends(struct cf_json_stream *stream, struct cf_error *err)
{
    uint32_t c = stream->unit;
    bool high = c >= 0xd800 && c <= 0xdbff;
    bool low = c >= 0xdc00 && c <= 0xdfff;
    if (stream->surrogate ? !low : low) {
        (void)refuse(stream, 0, "half of a surrogate pair", err);
        return;
    }
    if (high) {
        stream->surrogate = c;
        stream->state = PAIR;
        return;
    }
    if (!c && stream->kind == CF_JSON_KEY) {
        (void)refuse(stream, 0, "a NUL in a key", err);
        return;
    }
    if (low) {
        c = 0x10000 + ((stream->surrogate & 0x3ff) << 10 | (c & 0x3ff));
    }
    stream->surrogate = 0;
    append_scalar(stream, c, err);
}

static void read_digit(struct cf_json_stream *stream, unsigned char c, struct cf_error *err)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *digit = c ? strchr(digits, c) : NULL;
    if (!digit) {
        (void)refuse(stream, 0, "an escape needs four hexadecimal digits", err);
        return;
    }
    stream->unit = stream->unit << 4 | (uint32_t)((digit - digits) & 0xf);
    if (!--stream->to_come) {
        unit_ends(stream, err);
    }
}

static void escape_begins(struct cf_json_stream *stream)
{
    stream->unit = 0;
    stream->to_come = 4;
    stream->state = DIGITS;
}

/* One byte of an escape. */
static size_t read_escape(struct cf_json_stream *stream, unsigned char c, struct cf_error *err)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *name = c ? strchr(names, c) : NULL;
    if (stream->state == DIGITS) {
        read_digit(stream, c, err);
    } else if (stream->state == PAIR && c == '\\') {
        stream->state = PAIR_U;
    } else if (stream->state != PAIR && c == 'u') {
        escape_begins(stream);
    } else if (stream->state != ESCAPE) {
        (void)refuse(stream, 0, "half of a surrogate pair", err);
    } else if (!name) {
        (void)refuse(stream, 0, "no such escape", err);
    } else {
        append_scalar(stream, (unsigned char)meanings[name - names], err);
    }
    return 1;
}

/* --- numbers and literals --------------------------------------------------------------------- */

static int behind_digits(int state, unsigned char c)
{
    if (c == '.' && state != FRACTION && state != POWER) {
        return POINT;
    }
    if ((c == 'e' || c == 'E') && state != POWER) {
        return EXPONENT;
    }
    return NUMBER_END;
}

/* The state behind one more byte of a number. */
static int number_state(int state, unsigned char c)
{
    bool digit = c >= '0' && c <= '9';
    switch (state) {
    case NUMBER:
        if (c == '-') {
            return MINUS;
        }
        return c == '0' ? ZERO : INTEGER;
    case MINUS:
        return c == '0' ? ZERO : digit ? INTEGER : NUMBER_BAD;
    case ZERO:
        return digit ? NUMBER_BAD : behind_digits(state, c);
    case POINT:
        return digit ? FRACTION : NUMBER_BAD;
    case EXPONENT:
        if (c == '+' || c == '-') {
            return SIGN;
        }
        return digit ? POWER : NUMBER_BAD;
    case SIGN:
        return digit ? POWER : NUMBER_BAD;
    default: /* INTEGER, FRACTION, POWER */
        return digit ? state : behind_digits(state, c);
    }
}

static size_t read_number(struct cf_json_stream *stream, const unsigned char *s, size_t n,
                          struct cf_error *err)
{
    size_t i = 0;
    int state = stream->state;
    while (i < n) {
        int next = number_state(state, s[i]);
        if (next == NUMBER_END || next == NUMBER_BAD) {
            state = next;
            break;
        }
        state = next;
        i++;
    }
    append(stream, s, i, err);
    if (stream->rc) {
        return i;
    }
    if (state == NUMBER_BAD) {
        return refuse(stream, i, "a number is written in another way", err);
    }
    stream->state = (unsigned char)state;
    if (state == NUMBER_END) {
        emit(stream, CF_JSON_NUMBER, err);
        stream->state = NEXT;
    }
    return i;
}

static size_t read_literal(struct cf_json_stream *stream, unsigned char c, struct cf_error *err)
{
    if (c != (unsigned char)*stream->literal) {
        return refuse(stream, 0, "a value must come: true, false and null are all its words", err);
    }
    if (!*++stream->literal) {
        emit(stream, (enum cf_json_kind)stream->kind, err);
        stream->state = NEXT;
    }
    return 1;
}

/* --- what is around them ---------------------------------------------------------------------- */

static void string_begins(struct cf_json_stream *stream, enum cf_json_kind kind)
{
    stream->kind = (unsigned char)kind;
    stream->state = STRING;
}

static void literal_begins(struct cf_json_stream *stream, enum cf_json_kind kind, const char *rest)
{
    stream->kind = (unsigned char)kind;
    stream->literal = rest;
    stream->state = LITERAL;
}

/* Returns how many bytes of the value's first one were taken. */
static size_t value_begins(struct cf_json_stream *stream, unsigned char c, size_t at,
                           struct cf_error *err)
{
    if (!stream->depth && c != '{' && c != '[') {
        return refuse(stream, at, "the document must be an object or an array", err);
    }
    if (stream->depth == CF_JSON_STREAM_LEVELS) {
        return refuse(stream, at, "too many levels", err);
    }
    if (c == '{' || c == '[') {
        container_begins(stream, c == '{', err);
    } else if (c == '"') {
        string_begins(stream, CF_JSON_STRING);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        stream->state = NUMBER;
        return 0;
    } else if (c == 't') {
        literal_begins(stream, CF_JSON_TRUE, "rue");
    } else if (c == 'f') {
        literal_begins(stream, CF_JSON_FALSE, "alse");
    } else if (c == 'n') {
        literal_begins(stream, CF_JSON_NULL, "ull");
    } else {
        return refuse(stream, at, "a value must come", err);
    }
    return 1;
}

/* Behind a value. */
static void read_next(struct cf_json_stream *stream, unsigned char c, size_t at,
                      struct cf_error *err)
{
    bool object = in_object(stream);
    if (c == ',') {
        stream->state = object ? KEY : VALUE;
    } else if (c == (object ? '}' : ']')) {
        container_ends(stream, err);
    } else {
        (void)refuse(stream, at, object ? "\",\" or \"}\" must come" : "\",\" or \"]\" must come",
                     err);
    }
}

static size_t read_structure(struct cf_json_stream *stream, const unsigned char *s, size_t n,
                             struct cf_error *err)
{
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t')) {
        i++;
    }
    if (i == n) {
        return n;
    }
    unsigned char c = s[i];
    int state = stream->state;
    if ((state == VALUE_OR_END && c == ']') || (state == KEY_OR_END && c == '}')) {
        container_ends(stream, err);
    } else if (state == VALUE || state == VALUE_OR_END) {
        return i + value_begins(stream, c, i, err);
    } else if (state == NEXT) {
        read_next(stream, c, i, err);
    } else if (state == COLON && c == ':') {
        stream->state = VALUE;
    } else if ((state == KEY || state == KEY_OR_END) && c == '"') {
        string_begins(stream, CF_JSON_KEY);
    } else {
        return refuse(stream, i,
                      state == DONE    ? "the document has ended"
                      : state == COLON ? "\":\" must come"
                                       : "a key must come",
                      err);
    }
    return i + 1;
}

static size_t read_some(struct cf_json_stream *stream, const unsigned char *s, size_t n,
                        struct cf_error *err)
{
    switch (stream->state) {
    case STRING:
        return read_string(stream, s, n, err);
    case ESCAPE:
    case DIGITS:
    case PAIR:
    case PAIR_U:
        return read_escape(stream, *s, err);
    case LITERAL:
        return read_literal(stream, *s, err);
    case VALUE:
    case VALUE_OR_END:
    case KEY:
    case KEY_OR_END:
    case COLON:
    case NEXT:
    case DONE:
        return read_structure(stream, s, n, err);
    default:
        return read_number(stream, s, n, err);
    }
}

static int has_ended(const struct cf_json_stream *stream, struct cf_error *err)
{
    return cf_error_set(err, stream->rc, "%s is no longer read: there was an error", stream->what);
}

int cf_json_stream_feed(struct cf_json_stream *stream, const void *data, size_t length,
                        struct cf_error *err)
{
    if (stream->rc) {
        return has_ended(stream, err);
    }
    const unsigned char *s = data;
    for (size_t i = 0; i < length && !stream->rc;) {
        size_t used = read_some(stream, s + i, length - i, err);
        stream->offset += used;
        i += used;
    }
    return stream->rc;
}

int cf_json_stream_end(struct cf_json_stream *stream, struct cf_error *err)
{
    if (stream->rc) {
        return has_ended(stream, err);
    }
    if (stream->state != DONE) {
        (void)refuse(stream, 0, "the document isn't complete", err);
    }
    return stream->rc;
}
