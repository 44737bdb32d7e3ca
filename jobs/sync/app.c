#include "jobs/sync/app.h"

#include <inttypes.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/contract/tenant.h"

static const int64_t ISSUED_BEFORE = 60; /* seconds: GitHub's clock may be behind ours */
static const int64_t LASTS = 540;        /* seconds; GitHub takes no more than 600 */
static const int64_t RENEWED_MS = 60000; /* before it ends: a request may take so long */
static const size_t MOST_KEY = 65536;
static const size_t MOST_ANSWER = 262144;

struct sync_app {
    char *app_id;
    char *key;
    size_t key_length;
    char *api_url;
    struct cf_http *http;
    int64_t (*now_ms)(void);
    char *authorization; /* the header with the current JSON web token */
    int64_t made_ms;
};

static void wipe(char *text, size_t length)
{
    if (text) {
        explicit_bzero(text, length);
    }
    free(text);
}

static void wipe_text(char *text)
{
    wipe(text, text ? strlen(text) : 0);
}

static int sign(jwt_t *jwt, const char *app_id, const char *key, size_t key_length, int64_t now_ms,
                char **out)
{
    int64_t now = now_ms / 1000;
    int rc = jwt_add_grant(jwt, "iss", app_id);
    rc = rc ? rc : jwt_add_grant_int(jwt, "iat", (long)(now - ISSUED_BEFORE));
    rc = rc ? rc : jwt_add_grant_int(jwt, "exp", (long)(now + LASTS));
    rc = rc ? rc : jwt_set_alg(jwt, JWT_ALG_RS256, (const unsigned char *)key, (int)key_length);
    *out = rc ? NULL : jwt_encode_str(jwt);
    return *out ? 0 : -1;
}

int sync_app_jwt(const char *app_id, const char *key, size_t key_length, int64_t now_ms, char **out,
                 struct cf_error *err)
{
    jwt_t *jwt = NULL;
    *out = NULL;
    int rc = !key_length || key_length > MOST_KEY || jwt_new(&jwt);
    rc = rc ? rc : sign(jwt, app_id, key, key_length, now_ms, out);
    jwt_free(jwt); /* wipes its copy of the key */
    return rc ? cf_error_set(
                    err, CF_ECONFIG,
                    "what GITHUB_APP_KEY names is not the PEM of an RSA private key without "
                    "a passphrase")
              : 0;
}

/* Makes a new JSON web token when there is none that lasts long enough. Doesn't wait. */
static int renew(struct sync_app *app, struct cf_error *err)
{
    int64_t now = app->now_ms();
    char *jwt = NULL;
    if (app->authorization && now >= app->made_ms &&
        now <= app->made_ms + LASTS * 1000 - RENEWED_MS) {
        return 0;
    }
    int rc = sync_app_jwt(app->app_id, app->key, app->key_length, now, &jwt, err);
    if (rc) {
        return rc;
    }
    wipe_text(app->authorization);
    app->authorization = cf_asprintf("Authorization: Bearer %s", jwt);
    app->made_ms = now;
    wipe_text(jwt);
    return 0;
}

int sync_app_check_id(const char *app_id, struct cf_error *err)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.";
    size_t length = app_id ? strlen(app_id) : 0;
    if (!length || length > 64 || strspn(app_id, allowed) != length) {
        return cf_error_set(err, CF_ECONFIG,
                            "GITHUB_APP_ID must be the id or the client id of a GitHub App");
    }
    return 0;
}

int sync_app_new(const struct sync_app_settings *settings, struct sync_app **out,
                 struct cf_error *err)
{
    *out = NULL;
    int rc = sync_app_check_id(settings->app_id, err);
    if (rc) {
        return rc;
    }
    struct sync_app *app = cf_calloc(1, sizeof(*app));
    app->app_id = cf_strdup(settings->app_id);
    app->key = cf_malloc(settings->key_length + 1);
    memcpy(app->key, settings->key, settings->key_length);
    app->key_length = settings->key_length;
    app->api_url = cf_strdup(settings->api_url);
    app->http = settings->http;
    app->now_ms = settings->now_ms ? settings->now_ms : cf_clock_now_ms;
    rc = renew(app, err);
    if (rc) {
        sync_app_free(app);
        return rc;
    }
    *out = app;
    return 0;
}

void sync_app_free(struct sync_app *app)
{
    if (app) {
        wipe(app->key, app->key_length);
        wipe_text(app->authorization);
        free(app->app_id);
        free(app->api_url);
        free(app);
    }
}

/* A page of a proxy or load balancer instead of an answer is an outage. */
static enum cf_http_verdict judge(struct cf_http_request *request)
{
    const char *body = cf_buf_str(&request->answer);
    body += strspn(body, " \t\r\n");
    if (request->status / 100 == 2 && *body != '{') {
        request->rc = cf_error_at(&request->error, CF_EUNAVAILABLE, request->method, "",
                                  "GitHub answered with something that isn't JSON");
        return CF_HTTP_RETRY;
    }
    return CF_HTTP_DEFAULT;
}

/* Asks GitHub as the app. Others may renew the header while this waits, so it has its own copy. */
static int ask(struct sync_app *app, struct cf_http_request *request, struct cf_error *err)
{
    int rc = renew(app, err);
    if (rc) {
        return rc;
    }
    char *authorization = cf_strdup(app->authorization);
    const char *const headers[] = {authorization, "Accept: application/vnd.github+json",
                                   "X-GitHub-Api-Version: 2022-11-28",
                                   request->body ? "Content-Type: application/json" : NULL, NULL};
    request->headers = headers;
    request->max_answer = MOST_ANSWER;
    request->judge = judge;
    cf_http_add(app->http, request);
    cf_http_wait(app->http);
    request->headers = NULL;
    wipe_text(authorization);
    if (request->rc && err) {
        *err = request->error;
    }
    return request->rc;
}

static void release(struct cf_http_request *request, char *url)
{
    if (request->answer.data) {
        explicit_bzero(request->answer.data, request->answer.length);
    }
    cf_http_request_release(request);
    free(url);
}

static int find_installation(struct sync_app *app, const char *login, uint64_t *id,
                             struct cf_error *err)
{
    char *url = cf_asprintf("%s/users/%s/installation", app->api_url, login);
    struct cf_http_request request = {.method = "GET", .url = url};
    int rc = ask(app, &request, err);
    rc = rc ? rc : sync_app_read_installation(&request, id, err);
    release(&request, url);
    return rc;
}

static int create_token(struct sync_app *app, uint64_t id, char **value, int64_t *expires_ms,
                        struct cf_error *err)
{
    /* Every installation has this permission, and public repositories need no other. */
    static const char body[] = "{\"permissions\":{\"metadata\":\"read\"}}";
    char *url = cf_asprintf("%s/app/installations/%" PRIu64 "/access_tokens", app->api_url, id);
    struct cf_http_request request = {
        .method = "POST", .url = url, .body = body, .body_length = sizeof(body) - 1};
    int rc = ask(app, &request, err);
    rc = rc ? rc : sync_app_read_token(&request, value, expires_ms, err);
    release(&request, url);
    return rc;
}

int sync_app_token(struct sync_app *app, const char *login, char **value, int64_t *expires_ms,
                   struct cf_error *err)
{
    char checked[CF_TENANT_MAX]; /* what a login may hold needs no escaping in a URL */
    uint64_t id = 0;
    *value = NULL;
    int rc = cf_tenant_normalise(login, checked, err);
    if (rc) {
        return rc;
    }
    rc = find_installation(app, login, &id, err);
    rc = rc ? rc : create_token(app, id, value, expires_ms, err);
    if (rc && err) {
        (void)cf_error_prefix(err, "the GitHub App for \"%s\"", checked);
    }
    return rc;
}
