/* UTF-8 that comes from outside. */
#ifndef CF_BASE_UTF8_H
#define CF_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Decodes one code point of s (length > 0 bytes): returns how many bytes it took, 0 when they are
 * not UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
size_t cf_utf8_decode(const char *s, size_t length, uint32_t *code_point);

/* Appends one code point, which must be a Unicode scalar value. */
void cf_utf8_encode(uint32_t code_point, struct cf_buf *out);

/* Appends s with what isn't valid UTF-8, and every NUL, replaced by U+FFFD: one for each longest
 * run that could have begun a code point, else for each byte, as WHATWG's decoder does. */
void cf_utf8_clean(const char *s, size_t length, struct cf_buf *out);

/* Appends s so that a terminal can show it: control characters (C0, DEL, C1, bidirectional
 * overrides) become \n, \t or \u00XX; invalid bytes become U+FFFD. */
void cf_utf8_printable(const char *s, size_t length, struct cf_buf *out);

#endif
