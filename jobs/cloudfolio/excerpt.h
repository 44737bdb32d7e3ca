/* Excerpts: the part of a passage that a query is about, its words marked. */
#ifndef CLOUDFOLIO_EXCERPT_H
#define CLOUDFOLIO_EXCERPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/* The words of a query, folded and stemmed, without English function words (unless there are no
 * others): an object word → true, freed by the caller. */
json_t *tool_query_words(const char *query);

/* Appends about width characters of the passage, on one line, printable, cut between words, around
 * where most words of the query stand; "…" where something was left out. bold: the query's words
 * are set in bold. */
void tool_excerpt(const char *passage, const json_t *words, size_t width, bool bold,
                  struct cf_buf *out);

#endif
