/* GitHub's answers to an app: what is accepted may stand in a header, reads back equal when it is
 * written again, and came with the right status; what isn't leaves nothing behind, and its error
 * quotes nothing of the answer. The first byte of the input chooses status and headers. */
#include "tests/fuzz/fuzz.h"

#include <time.h>

/* The fuzzers link the library only, and these two need nothing else. */
#include "jobs/sync/answers.c"
#include "jobs/sync/app_answers.c"

static const long statuses[] = {200, 201, 401, 403, 404, 422, 429, 500};
static const char *const headers[] = {"", "Retry-After: 60\r\n", "X-RateLimit-Remaining: 0\r\n",
                                      "X-GitHub-SSO: required\r\n"};

/* No message of ours has eight digits and letters in a row that an answer could have by chance. */
static void check_no_secret(const struct cf_http_request *answer, const struct cf_error *err)
{
    json_t *document =
        json_loadb(cf_buf_str(&answer->answer), answer->answer.length, JSON_ALLOW_NUL, NULL);
    const char *key;
    json_t *value;
    json_object_foreach(document, key, value)
    {
        const char *text = json_string_value(value);
        MUST(!text || strlen(text) < 8 || !strpbrk(text, "0123456789") ||
             !strstr(err->message, text));
    }
    json_decref(document);
}

static void check_error(const struct cf_http_request *answer, int rc, long good,
                        const struct cf_error *err)
{
    MUST(rc < 0 && err->code == rc && *err->message);
    MUST(rc == CF_EUNAVAILABLE || rc == CF_EDENIED || answer->status != good);
    MUST(rc != CF_ENOTFOUND || answer->status == 404);
    check_no_secret(answer, err);
}

static void check_installation(const struct cf_http_request *answer)
{
    struct cf_error err = {0};
    uint64_t id = 0;
    uint64_t again = 0;
    int rc = sync_app_read_installation(answer, &id, &err);
    if (rc) {
        MUST(id == 0);
        check_error(answer, rc, 200, &err);
        return;
    }
    MUST(answer->status == 200 && id > 0 && id <= INT64_MAX);
    struct cf_http_request written = {.status = 200};
    cf_buf_printf(&written.answer, "{\"id\":%llu}", (unsigned long long)id);
    MUST(sync_app_read_installation(&written, &again, &err) == 0 && again == id);
    cf_http_request_release(&written);
}

static void check_round(const char *value, int64_t expires)
{
    struct cf_http_request written = {.status = 201};
    struct cf_error err = {0};
    char when[32];
    char *again = NULL;
    int64_t then = 0;
    struct tm t;
    time_t seconds = (time_t)(expires / 1000);
    MUST(gmtime_r(&seconds, &t));
    if (t.tm_year > 9999 - 1900) { /* an offset led out of what can be written */
        return;
    }
    MUST(strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &t));
    json_t *document = json_pack("{s:s,s:s}", "token", value, "expires_at", when);
    cf_json_dump(document, &written.answer);
    MUST(sync_app_read_token(&written, &again, &then, &err) == 0);
    MUST(strcmp(again, value) == 0 && then == expires);
    free(again);
    json_decref(document);
    cf_http_request_release(&written);
}

static void check_token(const struct cf_http_request *answer)
{
    struct cf_error err = {0};
    char *value = NULL;
    int64_t expires = 0;
    int rc = sync_app_read_token(answer, &value, &expires, &err);
    if (rc) {
        MUST(!value && expires == 0);
        check_error(answer, rc, 201, &err);
        return;
    }
    MUST(answer->status == 201 && *value && expires > 0);
    for (const char *p = value; *p; p++) {
        MUST(*p > ' ' && *p <= '~');
    }
    check_round(value, expires);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (length == 0) {
        return 0;
    }
    struct cf_http_request answer = {.status = statuses[data[0] % 8]};
    cf_buf_puts(&answer.response_headers, headers[data[0] / 8 % 4]);
    cf_buf_append(&answer.answer, data + 1, length - 1);
    check_installation(&answer);
    check_token(&answer);
    cf_http_request_release(&answer);
    return 0;
}
