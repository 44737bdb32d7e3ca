#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "jobs/sync/github.h"

bool sync_error_is_fatal(int code)
{
    return code && code != CF_EUNAVAILABLE && code != CF_EDATA && code != CF_ENOTFOUND;
}

char *sync_graphql_url(const char *api_url)
{
    static const char rest[] = "/api/v3"; /* GitHub Enterprise Server */
    size_t length = strlen(api_url);
    size_t cut = strlen(rest);
    if (length > cut && strcmp(api_url + length - cut, rest) == 0) {
        return cf_asprintf("%.*s/api/graphql", (int)(length - cut), api_url);
    }
    return cf_asprintf("%s/graphql", api_url);
}

/* A part of GitHub's own error document, "" when it isn't there. Borrowed from *body. */
static const char *body_text(const struct cf_http_request *answer, const char *name, json_t **body)
{
    if (!*body && answer->answer.length < 65536 &&
        cf_json_parse_foreign(answer->answer.data, answer->answer.length, "", body, NULL)) {
        return "";
    }
    const char *text = json_string_value(json_object_get(*body, name));
    return text ? text : "";
}

static bool has_none_left(const struct cf_http_request *answer)
{
    char value[32];
    return cf_http_header(answer, "X-RateLimit-Remaining", value, sizeof(value)) &&
           strcmp(value, "0") == 0;
}

static bool is_rate_limit(const struct cf_http_request *answer, json_t **body)
{
    char value[32];
    if (answer->status == 429 || cf_http_header(answer, "Retry-After", value, sizeof(value))) {
        return true;
    }
    if (has_none_left(answer)) {
        return true;
    }
    /* A secondary limit may come without either; its documentation's address is what tells it. */
    const char *documentation = body_text(answer, "documentation_url", body);
    return strstr(documentation, "rate-limit") || strstr(documentation, "abuse");
}

static int rate_limited(const struct cf_http_request *answer, struct cf_error *err)
{
    char value[32];
    if (cf_http_header(answer, "Retry-After", value, sizeof(value))) {
        return cf_error_set(err, CF_ERETRY, "GitHub's rate limit (Retry-After: %s)", value);
    }
    if (has_none_left(answer) &&
        cf_http_header(answer, "X-RateLimit-Reset", value, sizeof(value))) {
        char when[CF_TIMESTAMP];
        long long seconds = strtoll(value, NULL, 10);
        cf_clock_format(seconds > 0 && seconds < 253402300800 ? seconds * 1000 : 0, when);
        return cf_error_set(err, CF_ERETRY, "GitHub's rate limit is used up until %s", when);
    }
    return cf_error_set(err, CF_ERETRY, "GitHub's rate limit; it doesn't say for how long");
}

static int forbidden(const struct cf_http_request *answer, const char **reason, bool *limited,
                     struct cf_error *err)
{
    char value[2048];
    json_t *body = NULL;
    int rc;
    if (is_rate_limit(answer, &body)) {
        *limited = true;
        rc = rate_limited(answer, err);
    } else if (cf_http_header(answer, "X-GitHub-SSO", value, sizeof(value))) {
        rc = cf_error_set(err, CF_EDENIED, "GitHub wants the token to be authorized for SSO");
    } else {
        (void)body_text(answer, "message", &body);
        *reason = json_object_get(body, "block") ? "blocked" : "forbidden";
        rc = cf_error_set(err, CF_EDENIED, "GitHub refuses access");
    }
    json_decref(body);
    return rc;
}

static const char *reason_of_status(long status)
{
    switch (status) {
    case 301:
    case 302:
    case 307:
    case 308:
        return "moved";
    case 404:
    case 410:
        return "not_found";
    case 409:
        return "conflict";
    case 451:
        return "legal";
    default:
        return "refused";
    }
}

int sync_answer_check(const struct cf_http_request *answer, const char **reason, bool *limited,
                      struct cf_error *err)
{
    int rc;
    *reason = NULL;
    *limited = false;
    if (answer->status == 200 || answer->status == 304) {
        return 0;
    }
    if (answer->status == 401) {
        rc = cf_error_set(err, CF_EDENIED,
                          "GitHub refused the token, which is wrong, expired or revoked");
    } else if (answer->status == 403 || answer->status == 429) {
        rc = forbidden(answer, reason, limited, err);
    } else if (answer->status >= 500) {
        rc = cf_error_set(err, CF_EUNAVAILABLE, "GitHub answered with status %ld", answer->status);
    } else {
        *reason = reason_of_status(answer->status);
        rc = cf_error_set(err, CF_EDATA, "GitHub answered with status %ld", answer->status);
    }
    if (err) {
        err->http_status = answer->status;
        (void)cf_http_header(answer, "X-GitHub-Request-Id", err->request_id,
                             sizeof(err->request_id));
    }
    return rc;
}

static bool path_begins_with(const json_t *path, const char *const *names)
{
    for (size_t i = 0; names[i]; i++) {
        const json_t *part = json_array_get(path, i);
        char number[24];
        const char *text = json_string_value(part);
        if (json_is_integer(part)) {
            (void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(part));
            text = number;
        }
        if (!text || strcmp(text, names[i]) != 0) {
            return false;
        }
    }
    return true;
}

const json_t *sync_error_at(const json_t *errors, const char *const *path)
{
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *error = json_array_get(errors, i);
        if (path_begins_with(json_object_get(error, "path"), path)) {
            return error;
        }
    }
    return NULL;
}

static const char *error_type(const json_t *error)
{
    const char *type = json_string_value(json_object_get(error, "type"));
    return type ? type : "";
}

int sync_errors_check(const struct cf_http_request *answer, const json_t *errors,
                      struct cf_error *err)
{
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *type = error_type(json_array_get(errors, i));
        if (strcmp(type, "RATE_LIMIT") == 0 || strcmp(type, "RATE_LIMITED") == 0) {
            return rate_limited(answer, err);
        }
    }
    return 0;
}

bool sync_errors_too_heavy(const json_t *errors)
{
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *type = error_type(json_array_get(errors, i));
        if (strcmp(type, "RESOURCE_LIMITS_EXCEEDED") == 0 || strcmp(type, "TIMEOUT") == 0) {
            return true;
        }
    }
    return false;
}

int sync_errors_fatal(const json_t *errors, const char *what, struct cf_error *err)
{
    const json_t *first = json_array_get(errors, 0);
    const char *type = error_type(first);
    const char *code =
        json_string_value(json_object_get(json_object_get(first, "extensions"), "code"));
    if (strcmp(type, "FORBIDDEN") == 0 || strcmp(type, "INSUFFICIENT_SCOPES") == 0) {
        return cf_error_set(err, CF_EDENIED, "%s: the token may not see it (%s)", what, type);
    }
    if (!*type && code) { /* only errors of validation have a code and no type */
        (void)cf_error_set(err, CF_EDATA, "%s: this GitHub doesn't understand the query (%.60s)",
                           what, code);
        if (err) {
            (void)snprintf(err->service_code, sizeof(err->service_code), "%s", code);
        }
        return CF_EDATA;
    }
    (void)cf_error_set(err, CF_EUNAVAILABLE, "%s: GitHub answered with an error (%.60s)", what,
                       *type ? type : "without a type");
    /* "Something went wrong … a timeout" has neither type nor code. */
    if (err && (!*type || sync_errors_too_heavy(errors))) {
        (void)snprintf(err->service_code, sizeof(err->service_code), "%s",
                       "RESOURCE_LIMITS_EXCEEDED");
    }
    return CF_EUNAVAILABLE;
}

const char *sync_error_reason(const json_t *error)
{
    static const struct {
        const char *type, *reason;
    } reasons[] = {{"FORBIDDEN", "forbidden"},
                   {"NOT_FOUND", "not_found"},
                   {"RESOURCE_LIMITS_EXCEEDED", "resource_limits"},
                   {"TIMEOUT", "resource_limits"}};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(error_type(error), reasons[i].type) == 0) {
            return reasons[i].reason;
        }
    }
    return "incomplete";
}
