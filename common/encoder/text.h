/* Words of a text in any language.
 *
 * Letters and digits form words; everything else, invalid UTF-8 and NULs included, separates them.
 * Words are lower-cased (Latin, Greek, Cyrillic, Armenian), full-width forms become ASCII, and
 * Latin letters lose their accents, so that "café", its decomposed form and "cafe" are one word.
 * Scripts that put no spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese)
 * give bigrams of characters, and a character that stands alone gives itself. "C++", "C#" and "F#"
 * are words. An English "'s", "'t", "'re" or the like is dropped. Words above 64 bytes (hashes,
 * encoded data) are dropped. */
#ifndef CF_ENCODER_TEXT_H
#define CF_ENCODER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

#define CF_WORD_MAX 64 /* bytes */

/* One word: bytes offset … offset + length of the list's bytes. A word that changes case inside,
 * such as "myHTTPServer", comes first whole ("myhttpserver"), then as its parts ("my", "http",
 * "server"). */
struct cf_word {
    uint32_t offset;
    uint16_t length;
    bool part; /* a part of the whole word before it */
};

struct cf_words {
    struct cf_buf bytes;
    struct cf_word *items;
    size_t count;
    size_t capacity;
};

#define CF_WORDS_INIT                                                                              \
    {                                                                                              \
        CF_BUF_INIT, NULL, 0, 0                                                                    \
    }

/* Replaces what the list holds by the words of s, of which at most 1 GiB is read. */
void cf_words_read(struct cf_words *words, const char *s, size_t length);
void cf_words_release(struct cf_words *words);

/* The bytes of one word; not followed by a NUL. */
const char *cf_word_bytes(const struct cf_words *words, size_t index);

/* The whole words of s, with one space before and behind each (" " when there are none), so that a
 * run of words can be sought in another text with strstr. The caller frees it. */
char *cf_text_spaced(const char *s, size_t length);

/* Lower case of one code point, and without its accent. */
uint32_t cf_text_fold(uint32_t code_point);

/* Harman's S-stemmer ("How effective is suffixing?", JASIS 42(1), 1991), in place: "-ies" → "-y",
 * "-es" → "-e", "-s" → "", each with its exceptions. Words up to 3 bytes stay. Returns the new
 * length. */
size_t cf_text_stem_s(char *word, size_t length);

/* True for English function words ("the", "with", "who", …). */
bool cf_text_is_stopword(const char *word, size_t length);

#endif
