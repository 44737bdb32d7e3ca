/* JSON in pieces. The first byte says how the rest is cut. What is built of the events equals what
 * jansson reads, and one refuses what the other does, except: a NUL byte, which jansson overlooks
 * behind a number; keys that come twice and numbers that are too big, which are the caller's
 * business here. Any other cut gives the same error. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "common/base/json.h"
#include "common/base/json_stream.h"

#define MOST 300 /* bytes of a text */

struct built {
    json_t *around[CF_JSON_STREAM_LEVELS];
    char key[MOST + 1];
    size_t depth;
    json_t *root;
    bool lenient; /* jansson must refuse it */
};

static json_t *number(struct built *built, const char *text)
{
    errno = 0;
    if (strpbrk(text, ".eE")) {
        double value = strtod(text, NULL);
        bool fits = isfinite(value);
        built->lenient |= !fits;
        return json_real(fits ? value : 0);
    }
    long long value = strtoll(text, NULL, 10);
    built->lenient |= errno == ERANGE;
    return json_integer(value);
}

static json_t *make(struct built *built, const struct cf_json_event *event)
{
    switch (event->kind) {
    case CF_JSON_OBJECT:
        return json_object();
    case CF_JSON_ARRAY:
        return json_array();
    case CF_JSON_STRING:
        return json_stringn(event->text, event->length); /* NULL when it isn't UTF-8 */
    case CF_JSON_NUMBER:
        return number(built, event->text);
    case CF_JSON_NULL:
        return json_null();
    default:
        MUST(event->kind == CF_JSON_TRUE || event->kind == CF_JSON_FALSE);
        return json_boolean(event->kind == CF_JSON_TRUE);
    }
}

static void enter(struct built *built, json_t *value)
{
    json_t *around = built->depth ? built->around[built->depth - 1] : NULL;
    MUST(value);
    if (!around) {
        MUST(!built->root);
        built->root = value;
    } else if (json_is_array(around)) {
        MUST(json_array_append_new(around, value) == 0);
    } else {
        built->lenient |= json_object_get(around, built->key) != NULL;
        MUST(json_object_set_new(around, built->key, value) == 0);
    }
}

static int build(void *context, const struct cf_json_event *event, struct cf_error *err)
{
    struct built *built = context;
    (void)err;
    MUST(event->text[event->length] == '\0' && event->length <= MOST);
    if (event->kind == CF_JSON_OBJECT_END || event->kind == CF_JSON_ARRAY_END) {
        built->depth--;
        MUST(event->depth == built->depth);
        MUST(json_is_object(built->around[built->depth]) == (event->kind == CF_JSON_OBJECT_END));
        return 0;
    }
    MUST(event->depth == built->depth);
    if (event->kind == CF_JSON_KEY) {
        MUST(strlen(event->text) == event->length &&
             json_is_object(built->around[built->depth - 1]));
        memcpy(built->key, event->text, event->length + 1);
        return 0;
    }
    json_t *value = make(built, event);
    enter(built, value);
    if (event->kind == CF_JSON_OBJECT || event->kind == CF_JSON_ARRAY) {
        built->around[built->depth++] = value;
    }
    return 0;
}

static int ignore(void *context, const struct cf_json_event *event, struct cf_error *err)
{
    (void)context;
    (void)event;
    (void)err;
    return 0;
}

/* Each piece is copied, so that a byte read beyond it is seen. */
static int read_cut(struct cf_json_stream *stream, const uint8_t *data, size_t length, size_t piece,
                    struct cf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < length && !rc; i += piece) {
        size_t n = length - i < piece ? length - i : piece;
        uint8_t *copy = malloc(n);
        memcpy(copy, data + i, n);
        rc = cf_json_stream_feed(stream, copy, n, err);
        free(copy);
    }
    return rc ? rc : cf_json_stream_end(stream, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static struct built built;
    struct cf_json_stream stream;
    struct cf_error err = {0};
    struct cf_error again = {0};
    json_t *value = NULL;
    if (!length) {
        return 0;
    }
    size_t piece = 1 + data[0];
    data++;
    length--;
    memset(&built, 0, sizeof(built));
    cf_json_stream_init(&stream, "the input", MOST, build, &built);
    int rc = read_cut(&stream, data, length, piece, &err);
    cf_json_stream_release(&stream);
    MUST(rc == err.code && (!rc || rc == CF_EDATA));

    cf_json_stream_init(&stream, "the input", MOST, ignore, NULL);
    MUST(read_cut(&stream, data, length, 1, &again) == rc);
    MUST(strcmp(err.message, again.message) == 0);
    cf_json_stream_restart(&stream);
    MUST(read_cut(&stream, data, length, length, &again) == rc);
    MUST(strcmp(err.message, again.message) == 0);
    cf_json_stream_release(&stream);

    bool too_long = strstr(err.message, "a text of over") != NULL;
    int expected = cf_json_parse_foreign((const char *)data, length, "it", &value, &again);
    if (length && memchr(data, 0, length)) {
        MUST(rc);
    } else if (!too_long) {
        MUST((rc || built.lenient) == (expected != 0));
        MUST(rc || expected || json_equal(built.root, value));
    }
    json_decref(value);
    json_decref(built.root);
    return 0;
}
