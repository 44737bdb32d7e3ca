/* Tokens of a GitHub App: for every account that has installed it, one that is good for an hour and
 * may read what is public.
 *
 * The app proves who it is by a JSON web token (RS256), which is signed with its private key,
 * begins a minute ago, lasts nine minutes from now, and is used for many accounts. */
#ifndef SYNC_APP_H
#define SYNC_APP_H

#include <stddef.h>
#include <stdint.h>

#include "common/net/http.h"

struct sync_app;

struct sync_app_settings {
    const char *app_id; /* the app's id, or its client id */
    const char *key; /* PEM of its RSA private key, PKCS #1 or #8, without a passphrase; copied */
    size_t key_length;
    const char *api_url;     /* the REST API's, without a slash at its end */
    struct cf_http *http;    /* borrowed */
    int64_t (*now_ms)(void); /* NULL: cf_clock_now_ms */
};

/* CF_ECONFIG unless it may be an app's id or client id. */
int sync_app_check_id(const char *app_id, struct cf_error *err);

/* Signs once, to try the key. CF_ECONFIG names the variable that is wrong. */
int sync_app_new(const struct sync_app_settings *settings, struct sync_app **out,
                 struct cf_error *err);
void sync_app_free(struct sync_app *app); /* wipes the key; NULL is fine */

/* A token for the account's installation, in two requests. *value is wiped and freed by the caller.
 * CF_ENOTFOUND: the account hasn't installed the app. CF_EDENIED: the app isn't known to GitHub by
 * this id and key, or is suspended there. Calls may overlap: other tasks run while one waits. */
int sync_app_token(struct sync_app *app, const char *login, char **value, int64_t *expires_ms,
                   struct cf_error *err);

/* The JSON web token for this moment; wiped and freed by the caller. CF_ECONFIG: the key is not the
 * PEM of an RSA private key; nothing of it is in the message. */
int sync_app_jwt(const char *app_id, const char *key, size_t key_length, int64_t now_ms, char **out,
                 struct cf_error *err);

/* What an answer to "GET /users/LOGIN/installation" says: the installation's id, or the errors of
 * sync_app_token. CF_EUNAVAILABLE: it makes no sense. */
int sync_app_read_installation(const struct cf_http_request *answer, uint64_t *id,
                               struct cf_error *err);

/* The same for "POST /app/installations/ID/access_tokens". *value is wiped and freed by the caller.
 */
int sync_app_read_token(const struct cf_http_request *answer, char **value, int64_t *expires_ms,
                        struct cf_error *err);

#endif
