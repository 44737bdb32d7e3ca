/* What GitHub's answers to an app mean. */
#include <string.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "common/base/json.h"
#include "jobs/sync/app.h"
#include "jobs/sync/github.h"

enum { MOST_TOKEN = 16384 };

/* True when GitHub's error document has this in its message. */
static bool says(const struct cf_http_request *answer, const char *part)
{
    json_t *body = NULL;
    if (cf_json_parse_foreign(answer->answer.data, answer->answer.length, "", &body, NULL)) {
        return false;
    }
    const char *message = json_string_value(json_object_get(body, "message"));
    bool found = message && strstr(message, part);
    json_decref(body);
    return found;
}

static int fail(const struct cf_http_request *answer, struct cf_error *err)
{
    struct cf_error found;
    const char *reason = NULL;
    bool limited = false;
    int rc = sync_answer_check(answer, &reason, &limited, &found);
    if (answer->status == 401 || (answer->status == 404 && says(answer, "Integration"))) {
        rc =
            cf_error_set(&found, CF_EDENIED,
                         "GitHub doesn't know the app; check GITHUB_APP_ID, that GITHUB_APP_KEY is "
                         "a key of this app, and this machine's clock");
    } else if (answer->status == 404) {
        rc = cf_error_set(&found, CF_ENOTFOUND, "the app isn't installed there");
    } else if (rc == CF_EDENIED && says(answer, "suspended")) {
        rc = cf_error_set(&found, CF_EDENIED, "the app's installation is suspended");
    } else if (!rc) {
        rc = cf_error_set(&found, CF_EUNAVAILABLE, "GitHub answered with an unexpected status");
    }
    found.http_status = answer->status;
    (void)cf_http_header(answer, "X-GitHub-Request-Id", found.request_id, sizeof(found.request_id));
    if (err) {
        *err = found;
    }
    return rc;
}

/* What jansson says of a document that it can't read may quote it, so nothing of that is passed on.
 */
static int read_document(const struct cf_http_request *answer, json_t **out, struct cf_error *err)
{
    struct cf_error ignored;
    if (!cf_json_parse_foreign(answer->answer.data, answer->answer.length, "", out, &ignored) &&
        json_is_object(*out)) {
        return 0;
    }
    json_decref(*out);
    *out = NULL;
    return cf_error_set(err, CF_EUNAVAILABLE, "GitHub's answer is not a JSON object");
}

int sync_app_read_installation(const struct cf_http_request *answer, uint64_t *id,
                               struct cf_error *err)
{
    json_t *document = NULL;
    if (answer->status != 200) {
        return fail(answer, err);
    }
    int rc = read_document(answer, &document, err);
    if (rc) {
        return rc;
    }
    const json_t *suspended = json_object_get(document, "suspended_at");
    json_int_t number = json_integer_value(json_object_get(document, "id"));
    if (number <= 0) {
        rc = cf_error_set(err, CF_EUNAVAILABLE, "GitHub's answer has no id of an installation");
    } else if (suspended && !json_is_null(suspended)) {
        rc = cf_error_set(err, CF_EDENIED, "the app's installation is suspended");
    } else {
        *id = (uint64_t)number;
    }
    json_decref(document);
    return rc;
}

static bool is_token(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) &&
           cf_credentials_is_plain(text, MOST_TOKEN) && !strchr(text, ' ');
}

int sync_app_read_token(const struct cf_http_request *answer, char **value, int64_t *expires_ms,
                        struct cf_error *err)
{
    json_t *document = NULL;
    int64_t expires = 0;
    *value = NULL;
    if (answer->status != 201) {
        return fail(answer, err);
    }
    int rc = read_document(answer, &document, err);
    if (rc) {
        return rc;
    }
    json_t *token = json_object_get(document, "token");
    const char *when = json_string_value(json_object_get(document, "expires_at"));
    if (!is_token(token)) {
        rc = cf_error_set(err, CF_EUNAVAILABLE, "the \"token\" of GitHub's answer is none");
    } else if (!when || !cf_credentials_time(when, &expires) || expires <= 0) {
        rc = cf_error_set(err, CF_EUNAVAILABLE, "the \"expires_at\" of GitHub's answer is no time");
    } else {
        *value = cf_strdup(json_string_value(token));
        *expires_ms = expires;
    }
    if (json_is_string(token)) { /* jansson frees without wiping */
        explicit_bzero((char *)json_string_value(token), json_string_length(token));
    }
    json_decref(document);
    return rc;
}
