/* The credentials' JSON: what is accepted may stand in a header and reads back equal when it is
 * written again; what isn't leaves nothing behind, and its error holds no secret. */
#include "tests/fuzz/fuzz.h"

#include <time.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "common/base/json.h"

static bool equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_header_text(const char *text, size_t most)
{
    size_t n = 0;
    for (; text[n]; n++) {
        if (text[n] < ' ' || text[n] > '~') {
            return false;
        }
    }
    return n > 0 && n <= most;
}

static bool write_time(int64_t ms, char out[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    return seconds > 0 && gmtime_r(&seconds, &t) && t.tm_year <= 9999 - 1900 &&
           strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &t);
}

static void check_time(const char *text)
{
    char again[32];
    int64_t ms = 0;
    int64_t second = 0;
    if (cf_credentials_time(text, &ms) && write_time(ms, again)) {
        MUST(cf_credentials_time(again, &second) && second == ms);
    }
}

static void check_round(const struct cf_credentials *c)
{
    struct cf_credentials again = {0};
    struct cf_error err = {0};
    struct cf_buf text = CF_BUF_INIT;
    char expiration[32];
    json_t *document =
        json_pack("{s:s,s:s}", "AccessKeyId", c->access_key, "SecretAccessKey", c->secret_key);
    if (c->session_token) {
        (void)json_object_set_new(document, "Token", json_string(c->session_token));
    }
    bool dated = write_time(c->expires_ms, expiration);
    if (dated) {
        (void)json_object_set_new(document, "Expiration", json_string(expiration));
    }
    cf_json_dump(document, &text);
    MUST(cf_credentials_read(text.data, text.length, &again, &err) == 0);
    MUST(equal(again.access_key, c->access_key) && equal(again.secret_key, c->secret_key));
    MUST(equal(again.session_token, c->session_token));
    MUST(!dated || again.expires_ms == c->expires_ms);
    cf_credentials_release(&again);
    cf_buf_release(&text);
    json_decref(document);
}

/* No message of ours has a digit, so a value with one can't be there by chance. */
static void check_no_secret(const char *data, size_t length, const struct cf_error *err)
{
    json_t *document = json_loadb(data, length, JSON_ALLOW_NUL, NULL);
    const char *key;
    json_t *value;
    json_object_foreach(document, key, value)
    {
        const char *secret = json_string_value(value);
        MUST(!secret || !strpbrk(secret, "0123456789") || !strstr(err->message, secret));
    }
    json_decref(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct cf_credentials c = {0};
    struct cf_error err = {0};
    char *text = cf_strndup(length ? (const char *)data : "", length);
    check_time(text);
    free(text);
    int rc = cf_credentials_read((const char *)data, length, &c, &err);
    if (rc) {
        MUST(rc == CF_EUNAVAILABLE && *err.message);
        MUST(!c.access_key && !c.secret_key && !c.session_token);
        check_no_secret((const char *)data, length, &err);
        return 0;
    }
    MUST(is_header_text(c.access_key, 128) && is_header_text(c.secret_key, 512));
    MUST(!c.session_token || is_header_text(c.session_token, 16384));
    check_round(&c);
    cf_credentials_release(&c);
    return 0;
}
