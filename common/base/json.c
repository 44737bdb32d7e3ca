#include "common/base/json.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "common/base/utf8.h"

static int parse(const char *data, size_t length, size_t flags, const char *what, json_t **out,
                 struct cf_error *err)
{
    json_error_t error;
    *out = json_loadb(data, length, flags | JSON_REJECT_DUPLICATES, &error);
    if (*out) {
        return 0;
    }
    return cf_error_set(err, CF_EDATA, "%s is not JSON: line %d, column %d: %s", what, error.line,
                        error.column, error.text);
}

int cf_json_parse(const char *data, size_t length, const char *what, json_t **out,
                  struct cf_error *err)
{
    return parse(data ? data : "", length, 0, what, out, err);
}

int cf_json_parse_foreign(const char *data, size_t length, const char *what, json_t **out,
                          struct cf_error *err)
{
    return parse(data ? data : "", length, JSON_ALLOW_NUL, what, out, err);
}

static int append(const char *buffer, size_t size, void *data)
{
    cf_buf_append(data, buffer, size);
    return 0;
}

void cf_json_dump(const json_t *value, struct cf_buf *out)
{
    (void)json_dump_callback(value, append, out,
                             JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY |
                                 JSON_REAL_PRECISION(17));
}

void cf_json_sha256(const json_t *value, char out[65])
{
    struct cf_buf buf = CF_BUF_INIT;
    cf_json_dump(value, &buf);
    cf_sha256_hex(buf.data, buf.length, out);
    cf_buf_release(&buf);
}

static int wrong(struct cf_error *err, const json_t *object, const char *key, const char *type)
{
    if (!json_is_object(object)) {
        return cf_error_set(err, CF_EDATA, "an object was expected around the field \"%s\"", key);
    }
    return cf_error_set(err, CF_EDATA, "the field \"%s\" %s %s", key,
                        json_object_get(object, key) ? "must be" : "is missing; it must be", type);
}

int cf_json_get_string(const json_t *object, const char *key, const char **out,
                       struct cf_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        return wrong(err, object, key, "a string");
    }
    *out = json_string_value(value);
    return 0;
}

int cf_json_get_sha256(const json_t *object, const char *key, char out[65], struct cf_error *err)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || !cf_is_hex(text, 64)) {
        return wrong(err, object, key, "a SHA-256 in lower-case hexadecimal");
    }
    memcpy(out, text, 65);
    return 0;
}

int cf_json_get_u64(const json_t *object, const char *key, uint64_t *out, struct cf_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return wrong(err, object, key, "a whole number that isn't negative");
    }
    *out = (uint64_t)json_integer_value(value);
    return 0;
}

int cf_json_get_number(const json_t *object, const char *key, double *out, struct cf_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) {
        return wrong(err, object, key, "a number");
    }
    *out = json_number_value(value);
    return 0;
}

int cf_json_get_bool(const json_t *object, const char *key, bool *out, struct cf_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) {
        return wrong(err, object, key, "true or false");
    }
    *out = json_is_true(value);
    return 0;
}

int cf_json_get_object(const json_t *object, const char *key, json_t **out, struct cf_error *err)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_object(value)) {
        return wrong(err, object, key, "an object");
    }
    *out = value;
    return 0;
}

int cf_json_get_array(const json_t *object, const char *key, json_t **out, struct cf_error *err)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) {
        return wrong(err, object, key, "an array");
    }
    *out = value;
    return 0;
}

int cf_json_opt_string(const json_t *object, const char *key, const char *fallback,
                       const char **out, struct cf_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value)) {
        *out = fallback;
        return 0;
    }
    return cf_json_get_string(object, key, out, err);
}

json_t *cf_json_text(const char *s, size_t length)
{
    struct cf_buf clean = CF_BUF_INIT;
    cf_utf8_clean(s, length, &clean);
    json_t *text = json_stringn(cf_buf_str(&clean), clean.length);
    cf_buf_release(&clean);
    return text;
}

json_t *cf_json_string_or_null(const char *s)
{
    return s ? cf_json_text(s, strlen(s)) : json_null();
}
