/* Keeps a question's answer key out of the exam: when a project's description is the question,
 * whatever repeats the description must not be in the index. */
#ifndef CF_ENCODER_LEAK_H
#define CF_ENCODER_LEAK_H

#include <stddef.h>

#include "common/encoder/corpus.h"

/* How many distinct words of s are content words: no function words, at least two bytes long. */
size_t cf_leak_content_words(const char *s, size_t length);

/* A copy of the text without the passages that repeat the description; the caller frees it, and it
 * is never longer than the text's string values. JSON is given back as its string values. Words are
 * compared without case, punctuation and markup. A line repeats the description when
 *   - it contains it (without a leading "a", "an" or "the"),
 *   - it is contained in it and has at least three content words, or
 *   - it is at most twice as long and has at least four fifths of its content words, at least four.
 * Such lines go; where no single line but a paragraph does, the paragraph goes. */
char *cf_leak_strip(const char *description, const struct cf_text *text, size_t *length);

#endif
