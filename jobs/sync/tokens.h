/* The GitHub tokens that tenants' requests carry: each tenant may bring his own, with his own 5,000
 * points an hour.
 *
 * Where to look is a list with commas, tried in its order for each tenant; the first source that
 * has a token wins. "{tenant}" stands for the tenant's name in lower case.
 *
 *     env:NAME                        a variable of the environment
 *     file:/path/{tenant}             a file of at most 64 KiB
 *     ssm:/path/{tenant}/name         a parameter of AWS Systems Manager
 *     secretsmanager:name/{tenant}    a secret of AWS Secrets Manager
 *     app                             an installation of a GitHub App (app.h)
 *
 * Only a source that says it has none leads to the next one; one that is down, denied or wrong is
 * an error, and so is a path whose folder before "{tenant}" is missing. One line break at the end
 * of a file, parameter or secret is dropped; a variable's value must have none. Variables and the
 * app's key are read once; files, parameters and secrets at every sync_tokens_get. Values never
 * appear in errors or in the log. */
#ifndef SYNC_TOKENS_H
#define SYNC_TOKENS_H

#include <stdint.h>

#include "common/base/hash.h"
#include "common/net/http.h"

struct sync_tokens;

struct sync_tokens_settings {
    const char *sources; /* CLOUDFOLIO_GITHUB_TOKENS; NULL or "": "env:GITHUB_TOKEN" */
    const char *app_id;  /* GITHUB_APP_ID: digits, or the client id */
    const char *app_key; /* GITHUB_APP_KEY: a source, of any kind but app and without {tenant}, that
                          * has the PEM of the app's private key */
    const char *api_url; /* without a slash at its end; NULL: https://api.github.com */
    struct cf_http *http; /* borrowed; the app's requests go through it */
    const volatile int *stop;
    int64_t (*now_ms)(void); /* NULL: cf_clock_now_ms */
};

/* Makes no request and reads no file. CF_ECONFIG names the part of the list, or the variable, that
 * is wrong. */
int sync_tokens_new(const struct sync_tokens_settings *settings, struct sync_tokens **out,
                    struct cf_error *err);
void sync_tokens_free(struct sync_tokens *tokens); /* NULL is fine */

struct sync_token {
    char *value;                /* owned; NULL: no source has one, and requests go without */
    int64_t expires_ms;         /* since 1970; 0: not known */
    char sha256[CF_SHA256_HEX]; /* of value, to tell tokens apart; "" without one */
    const char *source; /* "env", "file", "ssm", "secretsmanager", "app"; NULL without one */
};

/* The token for a tenant, whose GitHub login may be written in any case (NULL: the tenant's name).
 * May run the engine, and so other tasks, before it returns. *out is released by the caller unless
 * an error is returned: CF_ECONFIG names the source whose token holds what no token holds,
 * CF_EDENIED and CF_EUNAVAILABLE the source that refuses or doesn't answer. */
int sync_tokens_get(struct sync_tokens *tokens, const char *tenant, const char *login,
                    struct sync_token *out, struct cf_error *err);
void sync_token_release(struct sync_token *token); /* wipes, and leaves an empty one */

#endif
