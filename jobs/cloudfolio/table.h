/* Tables for people, made of the same JSON rows that --json prints. */
#ifndef CLOUDFOLIO_TABLE_H
#define CLOUDFOLIO_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum tool_format {
    TOOL_TEXT,    /* a string */
    TOOL_NUMBER,  /* an integer; a real with three decimals */
    TOOL_BYTES,   /* "1.2 MB" */
    TOOL_SECONDS, /* "0.42 s" */
    TOOL_AGE,     /* how long ago a timestamp is: "3 h" */
    TOOL_TIME,    /* a timestamp, to the second */
    TOOL_HASH,    /* the first 12 digits */
    TOOL_PAIRS,   /* an object of small values: "repositories=12 chunks=340"; hashes are cut */
    TOOL_INPUTS,  /* an array of versions: "repos 4, model 2" */
    TOOL_YES,     /* a boolean: "yes" or nothing */
};

struct tool_column {
    const char *heading; /* NULL ends a list */
    const char *field;   /* of a row; "error.message" reaches into an object */
    enum tool_format format;
};

/* Appends the rows (an array of objects) with headings, columns aligned. Strings are made
 * printable, a field that is missing or null shows as "-", and the last column isn't padded. bold:
 * headings are set in bold. */
void tool_table(const json_t *rows, const struct tool_column *columns, int64_t now_ms, bool bold,
                struct cf_buf *out);

/* Appends one value as a cell shows it. */
void tool_cell(const json_t *value, enum tool_format format, int64_t now_ms, struct cf_buf *out);

/* The field of an object that a path names; NULL when it isn't there. */
const json_t *tool_field(const json_t *object, const char *path);

/* How many columns of a terminal valid UTF-8 takes: 2 for wide characters, 0 for combining ones. */
size_t tool_width(const char *s, size_t length);

/* "45 s", "12 min", "3 h", "5 d"; "now" below a second, and for times to come. */
void tool_age(int64_t ms, struct cf_buf *out);
/* "999 B", "1.2 kB", "34 MB": powers of 1000. */
void tool_bytes(uint64_t bytes, struct cf_buf *out);

/* Milliseconds since 1970 of "2026-01-31T23:59:59.123Z"; -1 when it isn't such a time. */
int64_t tool_parse_time(const char *text);

#endif
