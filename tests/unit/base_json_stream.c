/* JSON in pieces: wherever it is cut, the same events, and jansson's verdict. */
#include "common/base/json_stream.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES(s) (s), sizeof(s) - 1

struct text {
    const char *data;
    size_t length;
};

/* --- what is read, as text ----------------------------------------------------------------------
 */

static void trace_number(struct cf_buf *out, const char *text)
{
    if (strpbrk(text, ".eE")) {
        cf_buf_printf(out, "real %.17g\n", strtod(text, NULL));
    } else {
        cf_buf_printf(out, "integer %lld\n", strtoll(text, NULL, 10));
    }
}

static void trace_string(struct cf_buf *out, const char *name, const char *text, size_t length)
{
    cf_buf_printf(out, "%s %zu:", name, length);
    cf_buf_append(out, text, length);
    cf_buf_putc(out, '\n');
}

static const char *const names[] = {
    [CF_JSON_OBJECT] = "{",    [CF_JSON_OBJECT_END] = "}", [CF_JSON_ARRAY] = "[",
    [CF_JSON_ARRAY_END] = "]", [CF_JSON_KEY] = "key",      [CF_JSON_STRING] = "string",
    [CF_JSON_TRUE] = "true",   [CF_JSON_FALSE] = "false",  [CF_JSON_NULL] = "null",
};

struct traced {
    struct cf_buf text;
    size_t events;
    size_t stop_at; /* the event that ends it; 0: none */
};

static int trace(void *context, const struct cf_json_event *event, struct cf_error *err)
{
    struct traced *traced = context;
    traced->events++;
    ck_assert(event->text[event->length] == '\0');
    cf_buf_printf(&traced->text, "%zu ", event->depth);
    if (event->kind == CF_JSON_NUMBER) {
        trace_number(&traced->text, event->text);
    } else if (event->kind == CF_JSON_STRING || event->kind == CF_JSON_KEY) {
        trace_string(&traced->text, names[event->kind], event->text, event->length);
    } else {
        ck_assert_uint_eq(event->length, 0);
        cf_buf_printf(&traced->text, "%s\n", names[event->kind]);
    }
    if (traced->events == traced->stop_at) {
        return cf_error_set(err, CF_EINTERRUPTED, "that's enough");
    }
    return 0;
}

/* The events of a document that jansson read. */
static void trace_value(const json_t *value, size_t depth, struct cf_buf *out)
{
    const char *key;
    json_t *item;
    cf_buf_printf(out, "%zu ", depth);
    if (json_is_object(value)) {
        cf_buf_puts(out, "{\n");
        json_object_foreach((json_t *)value, key, item)
        {
            cf_buf_printf(out, "%zu ", depth + 1);
            trace_string(out, "key", key, strlen(key));
            trace_value(item, depth + 1, out);
        }
        cf_buf_printf(out, "%zu }\n", depth);
    } else if (json_is_array(value)) {
        cf_buf_puts(out, "[\n");
        for (size_t i = 0; i < json_array_size(value); i++) {
            trace_value(json_array_get(value, i), depth + 1, out);
        }
        cf_buf_printf(out, "%zu ]\n", depth);
    } else if (json_is_string(value)) {
        trace_string(out, "string", json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        cf_buf_printf(out, "integer %lld\n", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        cf_buf_printf(out, "real %.17g\n", json_real_value(value));
    } else {
        cf_buf_puts(out, json_is_true(value)    ? "true\n"
                         : json_is_false(value) ? "false\n"
                                                : "null\n");
    }
}

/* Each piece lies in memory of its own, so that a sanitizer sees a byte read beyond it. */
static int feed(struct cf_json_stream *stream, const char *data, size_t length,
                struct cf_error *err)
{
    char *copy = cf_malloc(length ? length : 1);
    memcpy(copy, data, length);
    int rc = cf_json_stream_feed(stream, copy, length, err);
    free(copy);
    return rc;
}

/* A piece of first bytes, then pieces of the given size. */
static int read_cut(const struct text *t, size_t first, size_t piece, size_t most,
                    struct traced *out, struct cf_error *err)
{
    struct cf_json_stream stream;
    cf_json_stream_init(&stream, "the text", most, trace, out);
    int rc = feed(&stream, t->data, first, err);
    for (size_t i = first; i < t->length && !rc; i += piece) {
        rc = feed(&stream, t->data + i, t->length - i < piece ? t->length - i : piece, err);
    }
    rc = rc ? rc : cf_json_stream_end(&stream, err);
    cf_json_stream_release(&stream);
    return rc;
}

static const size_t pieces[] = {1, 2, 3, 7, SIZE_MAX / 2};

/* --- what is accepted ---------------------------------------------------------------------------
 */

static const struct text accepted[] = {
    {BYTES("{}")},
    {BYTES("[]")},
    {BYTES(" \t\r\n[ \t\r\n] \t\r\n")},
    {BYTES("{ \"a\" : 1 , \"b\" : [ ] , \"c\" : { } }")},
    {BYTES("[[],[[]],{},[{}],{\"a\":{\"b\":[{\"c\":[]}]}}]")},
    {BYTES("[true,false,null,\ttrue]")},
    {BYTES("[0,-0,1,-1,10,9007199254740993,9223372036854775807,-9223372036854775808]")},
    {BYTES("[0.0,-0.0,0.5,10.25,1e3,1E3,1e+3,1e-3,-1.5E-07,0e0,0.1e1,123.456e2]")},
    {BYTES("[ 0 ,1\n,2\t]")},
    {BYTES("{\"n\":0}")},
    {BYTES("{\"n\":-12.5e1}")},
    {BYTES("[\"\",\"a\",\"\x7f\",\" \",\"/\",\"{}[],:\"]")},
    {BYTES("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]")},
    {BYTES("[\"\\u0041\\u00e9\\u20AC\\u20ac\\uFFFF\\ud7ff\\ue000\\u0000x\\u0001\"]")},
    {BYTES("[\"\\ud83d\\ude00\\uD800\\uDC00\\udbff\\udfff!\"]")},
    {BYTES("[\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"]")},
    {BYTES("[\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xef\xbb\xbf\"]")},
    {BYTES("{\"\":1,\"\\u006b\":2,\"\\ud83d\\ude00\":3,\"\xe2\x82\xac\":4}")},
    {BYTES("{\"sha\":\"0\",\"tree\":[{\"path\":\"a/b.c\",\"size\":9},{\"path\":\"\\u0000\"}],"
           "\"truncated\":false}")},
};

START_TEST(every_cut_gives_jansson_s_events)
{
    const struct text *t = &accepted[_i];
    struct cf_error err = {0};
    struct cf_buf expected = CF_BUF_INIT;
    json_t *value = NULL;
    ck_assert_msg(!cf_json_parse_foreign(t->data, t->length, "it", &value, &err), "%s",
                  err.message);
    trace_value(value, 0, &expected);
    for (size_t first = 0; first <= t->length; first++) {
        for (size_t p = 0; p < COUNT(pieces); p++) {
            struct traced traced = {.stop_at = 0};
            ck_assert_msg(!read_cut(t, first, pieces[p], 100, &traced, &err), "%s", err.message);
            ck_assert_uint_eq(traced.text.length, expected.length);
            ck_assert_mem_eq(traced.text.data, expected.data, expected.length);
            cf_buf_release(&traced.text);
        }
    }
    cf_buf_release(&expected);
    json_decref(value);
}
END_TEST

START_TEST(what_is_cut_short_is_refused)
{
    struct cf_error err = {0};
    for (size_t length = 0; length < accepted[_i].length; length++) {
        const struct text t = {accepted[_i].data, length};
        struct traced traced = {.stop_at = 0};
        json_t *value = NULL;
        int expected = cf_json_parse_foreign(t.data, t.length, "it", &value, &err);
        ck_assert_int_eq(read_cut(&t, length, 1, 100, &traced, &err), expected);
        if (expected) {
            char message[80];
            (void)snprintf(message, sizeof(message),
                           "the text is not JSON: byte %zu: the document isn't complete", length);
            ck_assert_str_eq(err.message, message);
        }
        json_decref(value);
        cf_buf_release(&traced.text);
    }
}
END_TEST

/* --- what is refused ----------------------------------------------------------------------------
 */

static const struct {
    struct text t;
    size_t byte; /* the one that is named */
} refused[] = {
    {{BYTES("x")}, 0},
    {{BYTES("\xef\xbb\xbf{}")}, 0},
    {{BYTES("7")}, 0},
    {{BYTES("\"alone\"")}, 0},
    {{BYTES("true")}, 0},
    {{BYTES(" null")}, 1},
    {{BYTES("{}x")}, 2},
    {{BYTES("{}{}")}, 2},
    {{BYTES("[] ]")}, 3},
    {{BYTES("[],")}, 2},
    {{BYTES("{}\0")}, 2},
    {{BYTES("{} // remark")}, 3},
    {{BYTES("[1,]")}, 3},
    {{BYTES("[,1]")}, 1},
    {{BYTES("[,]")}, 1},
    {{BYTES("[1,,2]")}, 3},
    {{BYTES("[1 2]")}, 3},
    {{BYTES("[1}")}, 2},
    {{BYTES("[}")}, 1},
    {{BYTES("[1:2]")}, 2},
    {{BYTES("{]")}, 1},
    {{BYTES("{,}")}, 1},
    {{BYTES("{\"a\":1,}")}, 7},
    {{BYTES("{\"a\":1]")}, 6},
    {{BYTES("{\"a\"}")}, 4},
    {{BYTES("{\"a\",1}")}, 4},
    {{BYTES("{\"a\" 1}")}, 5},
    {{BYTES("{\"a\":}")}, 5},
    {{BYTES("{\"a\"::1}")}, 5},
    {{BYTES("{\"a\":1 \"b\":2}")}, 7},
    {{BYTES("{a:1}")}, 1},
    {{BYTES("{'a':1}")}, 1},
    {{BYTES("{1:1}")}, 1},
    {{BYTES("{null:1}")}, 1},
    {{BYTES("{\"a\":1,2}")}, 7},
    {{BYTES("[01]")}, 2},
    {{BYTES("[-01]")}, 3},
    {{BYTES("[00]")}, 2},
    {{BYTES("[-]")}, 2},
    {{BYTES("[--1]")}, 2},
    {{BYTES("[+1]")}, 1},
    {{BYTES("[.5]")}, 1},
    {{BYTES("[-.5]")}, 2},
    {{BYTES("[5.]")}, 3},
    {{BYTES("[5.e1]")}, 3},
    {{BYTES("[1e]")}, 3},
    {{BYTES("[1e+]")}, 4},
    {{BYTES("[1e+-1]")}, 4},
    {{BYTES("[1e1.5]")}, 4},
    {{BYTES("[1e1e1]")}, 4},
    {{BYTES("[1.5.5]")}, 4},
    {{BYTES("[0x10]")}, 2},
    {{BYTES("[1a]")}, 2},
    {{BYTES("[1\0]")}, 2},
    {{BYTES("[NaN]")}, 1},
    {{BYTES("[Infinity]")}, 1},
    {{BYTES("[-Infinity]")}, 2},
    {{BYTES("[nul]")}, 4},
    {{BYTES("[nulL]")}, 4},
    {{BYTES("[True]")}, 1},
    {{BYTES("[truee]")}, 5},
    {{BYTES("[tru\0]")}, 4},
    {{BYTES("[\v1]")}, 1},
    {{BYTES("[\f1]")}, 1},
    {{BYTES("[\xc2\xa0]")}, 1},
    {{BYTES("[\x00]")}, 1},
    {{BYTES("[\"\0\"]")}, 2},
    {{BYTES("[\"a\x1f\"]")}, 3},
    {{BYTES("[\"\n\"]")}, 2},
    {{BYTES("[\"\t\"]")}, 2},
    {{BYTES("{\"\x01\":1}")}, 2},
    {{BYTES("[\"\\x\"]")}, 3},
    {{BYTES("[\"\\'\"]")}, 3},
    {{BYTES("[\"\\0\"]")}, 3},
    {{BYTES("[\"\\\0\"]")}, 3},
    {{BYTES("[\"\\U0041\"]")}, 3},
    {{BYTES("[\"\\u\"]")}, 4},
    {{BYTES("[\"\\u00g0\"]")}, 6},
    {{BYTES("[\"\\u004\"]")}, 7},
    {{BYTES("[\"\\u00\0\x30\"]")}, 6},
    {{BYTES("[\"\\ud800\"]")}, 8},
    {{BYTES("[\"\\ud800x\"]")}, 8},
    {{BYTES("[\"\\ud800\\n\"]")}, 9},
    {{BYTES("[\"\\ud800\\u0041\"]")}, 13},
    {{BYTES("[\"\\ud800\\ud800\"]")}, 13},
    {{BYTES("[\"\\ud800\\ue000\"]")}, 13},
    {{BYTES("[\"\\udc00\"]")}, 7},
    {{BYTES("[\"\\udfff\\ud800\"]")}, 7},
    {{BYTES("{\"a\\u0000\":1}")}, 8},
    {{BYTES("[\"\x80\"]")}, 2},
    {{BYTES("[\"\xbf\"]")}, 2},
    {{BYTES("[\"\xc0\x80\"]")}, 2},
    {{BYTES("[\"\xc1\xbf\"]")}, 2},
    {{BYTES("[\"\xc2\"]")}, 3},
    {{BYTES("[\"\xc2\x41\"]")}, 3},
    {{BYTES("[\"\xc2\xc2\x80\"]")}, 3},
    {{BYTES("[\"\xe0\x9f\xbf\"]")}, 3},
    {{BYTES("[\"\xe2\x82\"]")}, 4},
    {{BYTES("[\"\xed\xa0\x80\"]")}, 3},
    {{BYTES("[\"\xed\xbf\xbf\"]")}, 3},
    {{BYTES("[\"\xf0\x8f\xbf\xbf\"]")}, 3},
    {{BYTES("[\"\xf0\x9f\x98\"]")}, 5},
    {{BYTES("[\"\xf4\x90\x80\x80\"]")}, 3},
    {{BYTES("[\"\xf5\x80\x80\x80\"]")}, 2},
    {{BYTES("[\"\xff\"]")}, 2},
    {{BYTES("{\"\xe2\x82\":1}")}, 4},
};

START_TEST(what_is_not_json_is_refused_at_its_byte)
{
    const struct text *t = &refused[_i].t;
    struct cf_error err = {0};
    json_t *value = NULL;
    char message[80];
    (void)snprintf(message, sizeof(message), "the text is not JSON: byte %zu: ", refused[_i].byte);
    if (!memchr(t->data, 0, t->length)) { /* jansson overlooks one behind a number */
        ck_assert_int_eq(cf_json_parse_foreign(t->data, t->length, "it", &value, &err), CF_EDATA);
    }
    char first_message[sizeof(err.message)] = "";
    for (size_t first = 0; first <= t->length; first++) {
        for (size_t p = 0; p < COUNT(pieces); p++) {
            struct traced traced = {.stop_at = 0};
            ck_assert_int_eq(read_cut(t, first, pieces[p], 100, &traced, &err), CF_EDATA);
            ck_assert_msg(!strncmp(err.message, message, strlen(message)), "%s", err.message);
            if (!*first_message) {
                memcpy(first_message, err.message, sizeof(first_message));
            }
            ck_assert_str_eq(err.message, first_message);
            cf_buf_release(&traced.text);
        }
    }
}
END_TEST

/* Levels: as many as jansson takes. */
static int read_nested(size_t arrays, const char *inside)
{
    struct cf_error err;
    struct cf_buf text = CF_BUF_INIT;
    json_t *value = NULL;
    struct traced traced = {.stop_at = 0};
    for (size_t i = 0; i < arrays; i++) {
        cf_buf_puts(&text, i % 3 ? "[" : "{\"\":");
    }
    cf_buf_puts(&text, inside);
    for (size_t i = arrays; i-- > 0;) {
        cf_buf_putc(&text, i % 3 ? ']' : '}');
    }
    const struct text t = {text.data, text.length};
    int rc = read_cut(&t, 0, 11, 100, &traced, &err);
    ck_assert_int_eq(rc, cf_json_parse_foreign(t.data, t.length, "it", &value, &err));
    json_decref(value);
    cf_buf_release(&text);
    cf_buf_release(&traced.text);
    return rc;
}

START_TEST(levels_are_bounded)
{
    ck_assert_int_eq(read_nested(CF_JSON_STREAM_LEVELS - 1, "7"), 0);
    ck_assert_int_eq(read_nested(CF_JSON_STREAM_LEVELS - 1, "[]"), 0);
    ck_assert_int_eq(read_nested(CF_JSON_STREAM_LEVELS - 1, "{}"), 0);
    ck_assert_int_eq(read_nested(CF_JSON_STREAM_LEVELS, "7"), CF_EDATA);
    ck_assert_int_eq(read_nested(CF_JSON_STREAM_LEVELS, "[]"), CF_EDATA);
    ck_assert_int_eq(read_nested(2 * CF_JSON_STREAM_LEVELS, "[]"), CF_EDATA);
}
END_TEST

/* With at most five bytes: those that fit, and those whose named byte is one too many. */
static const struct {
    struct text t;
    size_t byte; /* 0: it fits */
} lengths[] = {
    {{BYTES("[\"12345\",\"12345\"]")}, 0},
    {{BYTES("[\"123456\"]")}, 7},
    {{BYTES("[\"1\",\"123456789\"]")}, 11},
    {{BYTES("{\"12345\":12345}")}, 0},
    {{BYTES("{\"123456\":1}")}, 7},
    {{BYTES("[-1234]")}, 0},
    {{BYTES("[-12345]")}, 6},
    {{BYTES("[1.2e+5]")}, 6},
    {{BYTES("[\"\\u0031\\u0032\\u0033\\u0034\\u0035\"]")}, 0},
    {{BYTES("[\"1234\\n\"]")}, 0},
    {{BYTES("[\"12345\\n\"]")}, 8},
    {{BYTES("[\"123\xc3\xa4\"]")}, 0},
    {{BYTES("[\"1234\xc3\xa4\"]")}, 7},
    {{BYTES("[\"1\\ud83d\\ude00\"]")}, 0},
    {{BYTES("[\"12\\ud83d\\ude00\"]")}, 15},
};

START_TEST(texts_are_bounded)
{
    const struct text *t = &lengths[_i].t;
    struct cf_error err = {0};
    char message[80];
    (void)snprintf(message, sizeof(message), "the text: byte %zu: a text of over 5 bytes",
                   lengths[_i].byte);
    for (size_t first = 0; first <= t->length; first++) {
        for (size_t p = 0; p < COUNT(pieces); p++) {
            struct traced traced = {.stop_at = 0};
            int rc = read_cut(t, first, pieces[p], 5, &traced, &err);
            ck_assert_int_eq(rc, lengths[_i].byte ? CF_EDATA : 0);
            if (rc) {
                ck_assert_str_eq(err.message, message);
            }
            cf_buf_release(&traced.text);
        }
    }
}
END_TEST

START_TEST(memory_is_that_of_the_longest_text)
{
    struct cf_error err = {0};
    struct traced traced = {.stop_at = 0};
    struct cf_json_stream stream;
    char text[1000];
    memset(text, 'x', sizeof(text));
    cf_json_stream_init(&stream, "the text", 1000, trace, &traced);
    ck_assert_int_eq(cf_json_stream_feed(&stream, "[", 1, &err), 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(cf_json_stream_feed(&stream, "\"", 1, &err), 0);
        ck_assert_int_eq(cf_json_stream_feed(&stream, text, sizeof(text), &err), 0);
        ck_assert_int_eq(cf_json_stream_feed(&stream, "\",", 2, &err), 0);
        cf_buf_clear(&traced.text);
    }
    ck_assert_uint_le(stream.token.capacity, 1024);
    ck_assert_uint_le(sizeof(stream), 512);
    cf_json_stream_release(&stream);
    cf_buf_release(&traced.text);
}
END_TEST

/* --- ends and beginnings ------------------------------------------------------------------------
 */

START_TEST(a_callback_ends_it)
{
    static const char text[] = "{\"a\":[1,\"b\",true,null,{}],\"c\":{\"d\":false}}";
    for (size_t stop_at = 1; stop_at <= 15; stop_at++) {
        struct cf_error err = {0};
        struct traced traced = {.stop_at = stop_at};
        struct cf_json_stream stream;
        cf_json_stream_init(&stream, "the text", 100, trace, &traced);
        ck_assert_int_eq(feed(&stream, BYTES(text), &err), CF_EINTERRUPTED);
        ck_assert_str_eq(err.message, "that's enough");
        ck_assert_int_eq(feed(&stream, BYTES("]"), &err), CF_EINTERRUPTED);
        ck_assert_int_eq(err.code, CF_EINTERRUPTED);
        ck_assert_int_eq(cf_json_stream_end(&stream, &err), CF_EINTERRUPTED);
        ck_assert_uint_eq(traced.events, stop_at);
        cf_json_stream_release(&stream);
        cf_buf_release(&traced.text);
    }
}
END_TEST

START_TEST(an_error_stays_until_a_restart)
{
    static const char text[] = "{\"a\":[-1.5e7,\"b\\ud83d\\ude00\xe2\x82\xac\",true,{}]}";
    struct cf_error err = {0};
    struct traced traced = {.stop_at = 0};
    struct cf_json_stream stream;
    cf_json_stream_init(&stream, "the text", 100, trace, &traced);
    ck_assert_int_eq(feed(&stream, BYTES("[1,]"), &err), CF_EDATA);
    ck_assert_int_eq(feed(&stream, BYTES("2]"), &err), CF_EDATA);
    ck_assert_int_eq(cf_json_stream_end(&stream, &err), CF_EDATA);
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        cf_json_stream_restart(&stream);
        ck_assert_int_eq(feed(&stream, text, cut, &err), 0);
        cf_json_stream_restart(&stream);
        cf_buf_clear(&traced.text);
        ck_assert_int_eq(feed(&stream, BYTES("[\"c\",7x"), &err), CF_EDATA);
        ck_assert_str_eq(traced.text.data, "0 [\n1 string 1:c\n1 integer 7\n");
        ck_assert_msg(!strncmp(err.message, "the text is not JSON: byte 6: ", 30), "%s",
                      err.message);
    }
    cf_json_stream_release(&stream);
    cf_buf_release(&traced.text);
}
END_TEST

/* --- at random ----------------------------------------------------------------------------------
 */

static uint32_t random_state;

static uint32_t at_random(size_t below)
{
    random_state = random_state * 1664525U + 1013904223U;
    return (random_state >> 8) % (uint32_t)below;
}

/* One of the documents, with up to three changes. */
static void make_random(struct cf_buf *out)
{
    static const char alphabet[] =
        "{}[]:,\"\\/ \n0123456789-+.eEtrufalsn\x80\xbf\xc2\xe2\xed\xf0\xf4"
        "\x01\x7f\0dD89cC";
    const struct text *t = &accepted[at_random(COUNT(accepted))];
    cf_buf_clear(out);
    cf_buf_append(out, t->data, t->length);
    for (uint32_t changes = at_random(4); changes; changes--) {
        size_t at = at_random(out->length);
        char c = alphabet[at_random(sizeof(alphabet) - 1)];
        switch (at_random(3)) {
        case 0:
            out->data[at] = c;
            break;
        case 1:
            cf_buf_putc(out, 0);
            memmove(out->data + at + 1, out->data + at, out->length - 1 - at);
            out->data[at] = c;
            break;
        default:
            memmove(out->data + at, out->data + at + 1, out->length - at);
            out->length -= out->length > 1;
        }
    }
}

/* True when both refused it. Keys that come twice and numbers that are too big are not the stream's
 * business; a NUL behind a number or literal is what jansson overlooks. */
static bool check_random(const struct text *t)
{
    struct cf_error err = {0};
    struct cf_error parse_err = {0};
    json_t *value = NULL;
    struct cf_buf expected = CF_BUF_INIT;
    struct traced traced = {.stop_at = 0};
    int expected_rc = cf_json_parse_foreign(t->data, t->length, "it", &value, &parse_err);
    int rc = read_cut(t, at_random(t->length), 1 + at_random(9), 1000, &traced, &err);
    bool zero = memchr(t->data, 0, t->length);
    bool lenient = strstr(parse_err.message, "duplicate object key") ||
                   strstr(parse_err.message, "too big") || strstr(parse_err.message, "overflow");
    if (zero) {
        ck_assert_int_eq(rc, CF_EDATA);
    } else if (!lenient) {
        ck_assert_msg(rc == expected_rc, "%.*s: %s, %s", (int)t->length, t->data, err.message,
                      parse_err.message);
    }
    if (!rc && value) {
        trace_value(value, 0, &expected);
        ck_assert_uint_eq(traced.text.length, expected.length);
        ck_assert_mem_eq(traced.text.data, expected.data, expected.length);
    }
    json_decref(value);
    cf_buf_release(&expected);
    cf_buf_release(&traced.text);
    return rc && expected_rc;
}

START_TEST(random_changes_have_jansson_s_verdict)
{
    struct cf_buf text = CF_BUF_INIT;
    size_t both_refused = 0;
    random_state = 20260;
    for (int i = 0; i < 20000; i++) {
        make_random(&text);
        both_refused += check_random(&(struct text){text.data, text.length});
    }
    ck_assert_uint_gt(both_refused, 5000);
    ck_assert_uint_lt(both_refused, 15000);
    cf_buf_release(&text);
}
END_TEST

Suite *base_json_stream_suite(void);
Suite *base_json_stream_suite(void)
{
    Suite *suite = suite_create("base_json_stream");
    TCase *tc = tcase_create("base_json_stream");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_cut_gives_jansson_s_events, 0, (int)COUNT(accepted));
    tcase_add_loop_test(tc, what_is_cut_short_is_refused, 0, (int)COUNT(accepted));
    tcase_add_loop_test(tc, what_is_not_json_is_refused_at_its_byte, 0, (int)COUNT(refused));
    tcase_add_test(tc, levels_are_bounded);
    tcase_add_loop_test(tc, texts_are_bounded, 0, (int)COUNT(lengths));
    tcase_add_test(tc, memory_is_that_of_the_longest_text);
    tcase_add_test(tc, a_callback_ends_it);
    tcase_add_test(tc, an_error_stays_until_a_restart);
    tcase_add_test(tc, random_changes_have_jansson_s_verdict);
    suite_add_tcase(suite, tc);
    return suite;
}
