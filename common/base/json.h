/* JSON: strict parsing, canonical writing, and typed reading that names the field that is wrong.
 *
 * Canonical form: compact, keys sorted, UTF-8, reals with 17 significant digits, no trailing
 * newline. Equal documents give equal bytes. */
#ifndef CF_BASE_JSON_H
#define CF_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/* Parses one document. Duplicate keys, trailing bytes, invalid UTF-8 and nesting deeper than
 * jansson's 2,048 are errors: CF_EDATA, with what (such as "the marker") named in the message. */
int cf_json_parse(const char *data, size_t length, const char *what, json_t **out,
                  struct cf_error *err);

/* As cf_json_parse, but "\u0000" is allowed in strings: answers of services, not our own documents.
 */
int cf_json_parse_foreign(const char *data, size_t length, const char *what, json_t **out,
                          struct cf_error *err);

/* Appends the canonical form. */
void cf_json_dump(const json_t *value, struct cf_buf *out);

/* SHA-256 of the canonical form. */
void cf_json_sha256(const json_t *value, char out[65]);

/* Required fields: CF_EDATA when the field is missing or of another type. Results are borrowed. */
int cf_json_get_string(const json_t *object, const char *key, const char **out,
                       struct cf_error *err);
/* A SHA-256 as 64 lower-case hexadecimal digits, copied. */
int cf_json_get_sha256(const json_t *object, const char *key, char out[65], struct cf_error *err);
int cf_json_get_u64(const json_t *object, const char *key, uint64_t *out, struct cf_error *err);
int cf_json_get_number(const json_t *object, const char *key, double *out, struct cf_error *err);
int cf_json_get_bool(const json_t *object, const char *key, bool *out, struct cf_error *err);
int cf_json_get_object(const json_t *object, const char *key, json_t **out, struct cf_error *err);
int cf_json_get_array(const json_t *object, const char *key, json_t **out, struct cf_error *err);

/* Optional strings: fallback when the field is missing or null, and CF_EDATA when it is of another
 * type. */
int cf_json_opt_string(const json_t *object, const char *key, const char *fallback,
                       const char **out, struct cf_error *err);

/* A string, or null when s is NULL. Bytes that are not UTF-8 become U+FFFD. */
json_t *cf_json_text(const char *s, size_t length);
json_t *cf_json_string_or_null(const char *s);

#endif
