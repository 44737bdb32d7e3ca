#include "jobs/sync/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/secrets.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/contract/tenant.h"
#include "jobs/sync/app.h"
#include "jobs/sync/tokens_source.h"

#define VARIABLE "CLOUDFOLIO_GITHUB_TOKENS"

struct sync_tokens {
    struct sync_source *sources;
    size_t count;
    struct sync_secrets secrets;
    struct sync_source app_key; /* where is NULL when no source is an app */
    struct sync_app_settings app_settings;
    char *app_id;
    char *api_url;
    struct sync_app *app; /* made when first needed */
};

/* --- settings -----------------------------------------------------------------------------------
 */

/* Nothing that a header can't hold, and no space either. */
static int check_token(const struct sync_source *source, const char *value, size_t length,
                       struct cf_error *err)
{
    const char *colon = *source->where ? ":" : "";
    if (!length) {
        return cf_error_set(err, CF_ECONFIG, "the token of %s%s%s is empty",
                            sync_source_name(source), colon, source->where);
    }
    for (size_t i = 0; i < length; i++) {
        if (value[i] <= ' ' || value[i] > '~') {
            return cf_error_set(err, CF_ECONFIG,
                                "the token of %s%s%s holds a space, a line break or another "
                                "character that no token has",
                                sync_source_name(source), colon, source->where);
        }
    }
    return 0;
}

static int add_source(struct sync_tokens *tokens, const char *text, struct cf_error *err)
{
    struct sync_source *source = &tokens->sources[tokens->count];
    char *what = cf_asprintf("part %zu of " VARIABLE, tokens->count + 1);
    int rc = sync_source_parse(text, what, source, err);
    free(what);
    if (rc) {
        return rc;
    }
    tokens->count++;
    return source->value ? check_token(source, source->value, strlen(source->value), err) : 0;
}

static int parse_list(struct sync_tokens *tokens, const char *list, struct cf_error *err)
{
    size_t parts = 1;
    int rc = 0;
    for (const char *p = list; *p; p++) {
        parts += *p == ',';
    }
    tokens->sources = cf_calloc(parts, sizeof(*tokens->sources));
    for (size_t i = 0; i < parts && !rc; i++) {
        size_t length = strcspn(list, ",");
        char *part = cf_strndup(list, length);
        rc = add_source(tokens, part, err);
        free(part);
        list += length + (i + 1 < parts);
    }
    return rc;
}

static int parse_app_key(struct sync_tokens *tokens, const char *text, struct cf_error *err)
{
    static const char what[] = "GITHUB_APP_KEY";
    if (!text || !*text) {
        return cf_error_set(err, CF_ECONFIG,
                            "%s must say where the private key of the GitHub App is, such as "
                            "file:/PATH",
                            what);
    }
    struct sync_source *key = &tokens->app_key;
    int rc = sync_source_parse(text, what, key, err);
    if (rc) {
        return rc;
    }
    if (key->kind == SYNC_SOURCE_APP || sync_source_has_tenant(key)) {
        return cf_error_set(err, CF_ECONFIG, "%s must name one key, for all tenants: %s", what,
                            key->kind == SYNC_SOURCE_APP ? "not \"app\"" : "without {tenant}");
    }
    if (key->kind == SYNC_SOURCE_ENV && !key->value) {
        return cf_error_set(err, CF_ECONFIG, "%s names the variable %s, which is not set", what,
                            key->where);
    }
    return 0;
}

static bool has_app(const struct sync_tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (tokens->sources[i].kind == SYNC_SOURCE_APP) {
            return true;
        }
    }
    return false;
}

int sync_tokens_new(const struct sync_tokens_settings *settings, struct sync_tokens **out,
                    struct cf_error *err)
{
    const char *list =
        settings->sources && *settings->sources ? settings->sources : "env:GITHUB_TOKEN";
    struct sync_tokens *tokens = cf_calloc(1, sizeof(*tokens));
    *out = NULL;
    tokens->secrets.stop = settings->stop;
    tokens->app_id = cf_strdup(settings->app_id ? settings->app_id : "");
    tokens->api_url = cf_strdup(settings->api_url ? settings->api_url : "https://api.github.com");
    tokens->app_settings = (struct sync_app_settings){.app_id = tokens->app_id,
                                                      .api_url = tokens->api_url,
                                                      .http = settings->http,
                                                      .now_ms = settings->now_ms};
    int rc = parse_list(tokens, list, err);
    if (!rc && has_app(tokens)) {
        rc = sync_app_check_id(tokens->app_id, err);
        rc = rc ? rc : parse_app_key(tokens, settings->app_key, err);
    }
    if (rc) {
        sync_tokens_free(tokens);
        return rc;
    }
    *out = tokens;
    return 0;
}

void sync_tokens_free(struct sync_tokens *tokens)
{
    if (tokens) {
        for (size_t i = 0; i < tokens->count; i++) {
            sync_source_release(&tokens->sources[i]);
        }
        free(tokens->sources);
        sync_source_release(&tokens->app_key);
        sync_app_free(tokens->app);
        cf_aws_secrets_free(tokens->secrets.aws);
        free(tokens->app_id);
        free(tokens->api_url);
        free(tokens);
    }
}

/* --- tokens -------------------------------------------------------------------------------------
 */

/* Reading the key may wait, and two tasks may do so at one time: the first to come back makes the
 * app. A key that isn't there is not a token that isn't there. */
static int make_app(struct sync_tokens *tokens, struct cf_error *err)
{
    const struct sync_source *source = &tokens->app_key;
    struct cf_buf key = CF_BUF_INIT;
    int rc = sync_source_read(source, &tokens->secrets, NULL, &key, err);
    if (rc == CF_ENOTFOUND) {
        rc = cf_error_set(err, CF_ECONFIG, "%s:%s, which GITHUB_APP_KEY names, is not there",
                          sync_source_name(source), source->where);
    } else if (rc && err) {
        (void)cf_error_prefix(err, "the key in %s:%s", sync_source_name(source), source->where);
    }
    if (!rc && !tokens->app) {
        struct sync_app_settings settings = tokens->app_settings;
        settings.key = cf_buf_str(&key);
        settings.key_length = key.length;
        rc = sync_app_new(&settings, &tokens->app, err);
    }
    sync_secret_release(&key);
    return rc;
}

static int from_app(struct sync_tokens *tokens, const char *login, struct sync_token *out,
                    struct cf_error *err)
{
    int rc = tokens->app ? 0 : make_app(tokens, err);
    return rc ? rc : sync_app_token(tokens->app, login, &out->value, &out->expires_ms, err);
}

static int from_source(struct sync_tokens *tokens, const struct sync_source *source,
                       const char *tenant, struct sync_token *out, struct cf_error *err)
{
    struct cf_buf value = CF_BUF_INIT;
    int rc = sync_source_read(source, &tokens->secrets, tenant, &value, err);
    if (rc && err) {
        (void)cf_error_prefix(err, "the token of %s:%s", sync_source_name(source), source->where);
    }
    rc = rc ? rc : check_token(source, cf_buf_str(&value), value.length, err);
    if (!rc) {
        out->value = cf_strdup(value.data);
    }
    sync_secret_release(&value);
    return rc;
}

int sync_tokens_get(struct sync_tokens *tokens, const char *tenant, const char *login,
                    struct sync_token *out, struct cf_error *err)
{
    char name[CF_TENANT_MAX];
    *out = (struct sync_token){0};
    int rc = cf_tenant_normalise(tenant, name, err);
    if (rc) {
        return rc;
    }
    rc = CF_ENOTFOUND;
    for (size_t i = 0; i < tokens->count && rc == CF_ENOTFOUND; i++) {
        const struct sync_source *source = &tokens->sources[i];
        rc = source->kind == SYNC_SOURCE_APP ? from_app(tokens, login ? login : name, out, err)
                                             : from_source(tokens, source, name, out, err);
        if (!rc) {
            out->source = sync_source_name(source);
            cf_sha256_hex(out->value, strlen(out->value), out->sha256);
        }
    }
    if (rc == CF_ENOTFOUND && err) {
        *err = (struct cf_error){0};
    }
    return rc == CF_ENOTFOUND ? 0 : rc;
}

void sync_token_release(struct sync_token *token)
{
    if (token->value) {
        explicit_bzero(token->value, strlen(token->value));
    }
    free(token->value);
    *token = (struct sync_token){0};
}
