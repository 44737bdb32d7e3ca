/* Documents cut into chunks: the passages that a search finds and shows.
 *
 * A chunk is a section of a Markdown document (ATX, setext and one-line HTML headings; a heading
 * inside fenced code is none), without markup. Sections shorter than the minimum join the one
 * before them, a section that is longer than the limit is cut between paragraphs, and a paragraph
 * that is longer at a line, a sentence, a space, or at worst between characters. */
#ifndef CF_ENCODER_CHUNK_H
#define CF_ENCODER_CHUNK_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/encoder/corpus.h"

/* All strings are the chunk's own, valid UTF-8. */
struct cf_chunk {
    size_t project;
    char *path;
    char
        *heading; /* "" when there is none; of nested sections without text of their own, "A › B" */
    char *text;
};

struct cf_chunks {
    struct cf_chunk *items;
    size_t count;
    size_t capacity;
};

#define CF_CHUNKS_INIT                                                                             \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

struct cf_chunk_options {
    size_t limit;   /* bytes of text, at least 64 */
    size_t minimum; /* bytes of text */
};

/* Appends the chunks of one document. Its first heading is appended to title unless that is NULL.
 */
void cf_chunk_text(const struct cf_text *text, size_t project,
                   const struct cf_chunk_options *options, struct cf_chunks *out,
                   struct cf_buf *title);

/* Appends one chunk; the strings are copied, cleaned to valid UTF-8. */
void cf_chunks_add(struct cf_chunks *chunks, size_t project, const char *path, const char *heading,
                   const char *text, size_t length);
void cf_chunks_release(struct cf_chunks *chunks);

/* Appends the string values of a JSON document, a blank line between them. Returns 0, or -1 when it
 * doesn't parse, and then nothing was appended. */
int cf_chunk_json_strings(const char *text, size_t length, struct cf_buf *out);

#endif
