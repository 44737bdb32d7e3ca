/* JSON as it arrives: a document of any size, read in pieces cut anywhere, in a few KB.
 *
 * What is accepted is what cf_json_parse_foreign (json.h) accepts: RFC 8259 with an object or array
 * at the root. Invalid UTF-8, half a surrogate pair, a byte order mark and "\u0000" in keys are
 * refused; "\u0000" in other strings isn't. It differs in three things: a NUL byte behind a number
 * or literal is refused; an object may have a key twice, since its keys aren't remembered; a number
 * is text, of any size and precision. */
#ifndef CF_BASE_JSON_STREAM_H
#define CF_BASE_JSON_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/* The root is a value's first level; a value on a deeper level than this is CF_EDATA. As json.h. */
#define CF_JSON_STREAM_LEVELS 2048

enum cf_json_kind {
    CF_JSON_OBJECT,
    CF_JSON_OBJECT_END,
    CF_JSON_ARRAY,
    CF_JSON_ARRAY_END,
    CF_JSON_KEY,
    CF_JSON_STRING,
    CF_JSON_NUMBER,
    CF_JSON_TRUE,
    CF_JSON_FALSE,
    CF_JSON_NULL,
};

struct cf_json_event {
    enum cf_json_kind kind;
    size_t depth;     /* objects and arrays around it; the root's begin and end: 0 */
    const char *text; /* of a key, string (decoded) or number (as written); "" otherwise. Followed
                       * by a NUL that length doesn't count, and good until the callback returns */
    size_t length;
};

/* Returns 0, or what ends the reading: the code that feed or end then return, with err as the
 * callback set it. */
typedef int cf_json_callback(void *context, const struct cf_json_event *event,
                             struct cf_error *err);

/* To be used through the functions below only. */
struct cf_json_stream {
    cf_json_callback *callback;
    void *context;
    const char *what;
    size_t most;
    int rc;          /* what ended the reading; 0 before */
    uint64_t offset; /* of the byte that is looked at */
    size_t depth;
    unsigned char state;
    unsigned char objects[CF_JSON_STREAM_LEVELS / 8]; /* a bit for each level: an object */
    struct cf_buf token;      /* a key, string or number as far as it came */
    const char *literal;      /* what must still follow of true, false or null */
    unsigned char kind;       /* of the string or literal that is read */
    unsigned char low, high;  /* what the next byte of a UTF-8 sequence must lie between */
    unsigned char to_come;    /* bytes of it, or digits of an escape, that must follow */
    uint32_t unit, surrogate; /* of an escape; of the one before, or 0 */
};

/* what names the document in errors ("the tree"), which is kept, not copied. A key, string or
 * number of more than most bytes is CF_EDATA; the memory for it grows as far as is needed. */
void cf_json_stream_init(struct cf_json_stream *stream, const char *what, size_t most,
                         cf_json_callback *callback, void *context);

/* Reads the next piece, and calls back for everything that is complete. CF_EDATA names the byte
 * (the first is 0) at which the document is wrong. After an error, every call returns its code. */
int cf_json_stream_feed(struct cf_json_stream *stream, const void *data, size_t length,
                        struct cf_error *err);

/* There are no more pieces: CF_EDATA when the document isn't complete. */
int cf_json_stream_end(struct cf_json_stream *stream, struct cf_error *err);

/* Back to the first byte of a document, whatever came so far. */
void cf_json_stream_restart(struct cf_json_stream *stream);

void cf_json_stream_release(struct cf_json_stream *stream);

#endif
