#include "common/base/utf8.h"

#include <stdbool.h>

static const uint32_t REPLACEMENT = 0xfffd;

size_t cf_utf8_decode(const char *s, size_t length, uint32_t *code_point)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *code_point = p[0];
        return 1;
    }
    size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || length < need) {
        return 0;
    }
    uint32_t value = p[0] & (0xffU >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (p[i] & 0x3fU);
    }
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < lowest[need] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *code_point = value;
    return need;
}

void cf_utf8_encode(uint32_t c, struct cf_buf *out)
{
    if (c < 0x80) {
        cf_buf_putc(out, (char)c);
    } else if (c < 0x800) {
        cf_buf_putc(out, (char)(0xc0 | c >> 6));
        cf_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        cf_buf_putc(out, (char)(0xe0 | c >> 12));
        cf_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        cf_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        cf_buf_putc(out, (char)(0xf0 | c >> 18));
        cf_buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
        cf_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        cf_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* How many bytes at p, which don't begin a code point, one U+FFFD stands for: the longest run that
 * begins one and is cut short ("maximal subpart", the Unicode Standard, chapter 3), or one byte. */
static size_t invalid_run(const unsigned char *p, size_t length)
{
    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 1;
    }
    size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    unsigned lowest = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned highest = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    size_t run = 1;
    while (run < need && run < length && p[run] >= lowest && p[run] <= highest) {
        lowest = 0x80;
        highest = 0xbf;
        run++;
    }
    return run;
}

void cf_utf8_clean(const char *s, size_t length, struct cf_buf *out)
{
    size_t start = 0; /* of the valid run that is not yet copied */
    size_t i = 0;
    while (i < length) {
        uint32_t c = 0;
        size_t used = cf_utf8_decode(s + i, length - i, &c);
        if (used && c) {
            i += used;
            continue;
        }
        cf_buf_append(out, s + start, i - start);
        cf_utf8_encode(REPLACEMENT, out);
        i += invalid_run((const unsigned char *)s + i, length - i);
        start = i;
    }
    if (length > start) {
        cf_buf_append(out, s + start, length - start);
    }
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void cf_utf8_printable(const char *s, size_t length, struct cf_buf *out)
{
    size_t i = 0;
    while (i < length) {
        uint32_t c = REPLACEMENT;
        size_t used = cf_utf8_decode(s + i, length - i, &c);
        i += used ? used : 1;
        if (!used) {
            cf_utf8_encode(REPLACEMENT, out);
        } else if (c == '\n' || c == '\t') {
            cf_buf_puts(out, c == '\n' ? "\\n" : "\\t");
        } else if (is_control(c)) {
            cf_buf_printf(out, "\\u%04x", c);
        } else {
            cf_utf8_encode(c, out);
        }
    }
}
