/* What the container's and the instance's provider share: their documents, and how to ask. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "common/base/json.h"

enum { MOST_ANSWER = 65536 };

bool cf_credentials_is_plain(const char *text, size_t most)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return length > 0 && length <= most;
}

/* A number of exactly so many digits that lies in a range. */
static bool digits(const char **p, int count, int low, int high, int *out)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (**p < '0' || **p > '9') {
            return false;
        }
        value = 10 * value + (*(*p)++ - '0');
    }
    *out = value;
    return value >= low && value <= high;
}

static bool literal(const char **p, char c)
{
    return *(*p)++ == c;
}

/* "", ".123", then "Z", "+02:00" or "+0200". */
static bool read_zone(const char *p, int *minutes)
{
    if (*p == '.') {
        size_t n = strspn(p + 1, "0123456789");
        if (n < 1 || n > 9) {
            return false;
        }
        p += n + 1;
    }
    *minutes = 0;
    if (strcmp(p, "Z") == 0) {
        return true;
    }
    int sign = *p == '-' ? -1 : 1;
    int hours = 0;
    int rest = 0;
    if (*p != '+' && *p != '-') {
        return false;
    }
    p++;
    if (!digits(&p, 2, 0, 14, &hours)) {
        return false;
    }
    p += *p == ':';
    if (!digits(&p, 2, 0, 59, &rest) || *p) {
        return false;
    }
    *minutes = sign * (60 * hours + rest);
    return true;
}

bool cf_credentials_time(const char *text, int64_t *ms)
{
    struct tm t = {0};
    const char *p = text;
    int minutes = 0;
    bool good = digits(&p, 4, 1970, 9999, &t.tm_year) && literal(&p, '-') &&
                digits(&p, 2, 1, 12, &t.tm_mon) && literal(&p, '-') &&
                digits(&p, 2, 1, 31, &t.tm_mday) && literal(&p, 'T') &&
                digits(&p, 2, 0, 23, &t.tm_hour) && literal(&p, ':') &&
                digits(&p, 2, 0, 59, &t.tm_min) && literal(&p, ':') &&
                digits(&p, 2, 0, 60, &t.tm_sec) && read_zone(p, &minutes);
    if (!good) {
        return false;
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *ms = ((int64_t)timegm(&t) - 60 * (int64_t)minutes) * 1000;
    return true;
}

/* A string field that may stand in a header; values are never quoted in errors. */
static int read_field(const json_t *object, const char *key, size_t most, bool required, char **out,
                      struct cf_error *err)
{
    const json_t *field = json_object_get(object, key);
    if (!required && (!field || json_is_null(field))) {
        return 0;
    }
    const char *value = json_string_value(field);
    if (!value || !cf_credentials_is_plain(value, most)) {
        return cf_error_set(err, CF_EUNAVAILABLE, "the field %s is %s", key,
                            field ? "not what it should be" : "missing");
    }
    *out = cf_strdup(value);
    return 0;
}

int cf_credentials_read(const char *data, size_t length, struct cf_credentials *out,
                        struct cf_error *err)
{
    json_t *document = NULL;
    char *expiration = NULL;
    struct cf_error parse = {0};
    if (cf_json_parse_foreign(data, length, "the credentials", &document, &parse) ||
        !json_is_object(document)) {
        json_decref(document);
        return cf_error_set(err, CF_EUNAVAILABLE, "the answer is not a JSON object");
    }
    int rc = read_field(document, "AccessKeyId", 128, true, &out->access_key, err);
    rc = rc ? rc : read_field(document, "SecretAccessKey", 512, true, &out->secret_key, err);
    rc = rc ? rc : read_field(document, "Token", 16384, false, &out->session_token, err);
    rc = rc ? rc : read_field(document, "Expiration", 64, false, &expiration, err);
    /* 0 stands for never, so the epoch itself can't be told from it. */
    if (!rc && expiration &&
        (!cf_credentials_time(expiration, &out->expires_ms) || out->expires_ms <= 0)) {
        rc = cf_error_set(err, CF_EUNAVAILABLE, "the field Expiration is no time");
    }
    free(expiration);
    json_decref(document);
    if (rc) {
        cf_credentials_release(out);
    }
    return rc;
}

int cf_credentials_http(const struct cf_credentials_request *request, struct cf_buf *answer,
                        long *status, struct cf_error *err)
{
    struct cf_http_options options = {.max_in_flight = 1,
                                      .connect_ms = request->connect_ms,
                                      .silence_ms = 3000,
                                      .total_ms = 6000,
                                      .max_attempts = 3,
                                      .backoff_ms = 100};
    const char *const headers[] = {request->header, NULL};
    struct cf_http_request http = {.method = request->method,
                                   .url = request->url,
                                   .headers = headers,
                                   .plain = request->plain,
                                   .max_answer = MOST_ANSWER};
    struct cf_http *engine = cf_http_new(&options);
    cf_http_add(engine, &http);
    cf_http_wait_alone(engine); /* two tasks mustn't fetch the same credentials */
    cf_http_free(engine);
    int rc = http.rc;
    *status = http.status;
    if (rc && err) {
        *err = http.error;
    } else if (http.status != 200) {
        rc = cf_error_set(err, http.status / 100 == 4 ? CF_EDENIED : CF_EUNAVAILABLE,
                          "their service answered with status %ld", http.status);
    }
    if (!rc) {
        cf_buf_append(answer, cf_buf_str(&http.answer), http.answer.length);
    }
    if (http.answer.data) {
        explicit_bzero(http.answer.data, http.answer.length);
    }
    cf_http_request_release(&http);
    return rc;
}
