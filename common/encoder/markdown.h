/* What a reader sees of Markdown's inline markup. */
#ifndef CF_ENCODER_MARKDOWN_H
#define CF_ENCODER_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/* Appends the plain text of one paragraph or heading: links become their text, images their
 * alternative text (badges nothing), HTML tags and comments nothing, common entities their
 * character; emphasis by "**" and
 * "~~" goes, code spans stay as they are. s is valid UTF-8; so is what is appended. Tags are known
 * HTML names only, so that "Promise<string>" stays. */
void cf_markdown_inline(const char *s, size_t length, struct cf_buf *out);

/* The level (1 to 6) of an ATX heading ("## Use ##") or of a heading in HTML that closes on its
 * line, 0 when the line is neither. *text and *text_length are set to what is between the marks. */
int cf_markdown_heading(const char *line, size_t length, const char **text, size_t *text_length);

/* The level of the setext underline that the line is (1 for "===", 2 for "---"), or 0. */
int cf_markdown_underline(const char *line, size_t length);

/* The length of the fence that opens a code block ("```" or "~~~", at least 3), or 0. */
size_t cf_markdown_fence(const char *line, size_t length, char *mark);

/* True for a line that shows nothing: a reference definition, a ruler, the ruler of a table. */
bool cf_markdown_is_hidden(const char *line, size_t length);

#endif
