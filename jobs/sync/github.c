#include "jobs/sync/github.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/build.h"
#include "common/base/json.h"
#include "common/base/log.h"

static const size_t TREE_ANSWER = (size_t)24 << 20; /* GitHub cuts a tree at 7 MB */

struct sync_github {
    struct cf_http *http;
    char *api_url;
    char *graphql_url;
    char *authorization;
    const char *headers[5];
    uint64_t points;
    int64_t remaining;
};

static int check_url(const char *variable, const char *url, struct cf_error *err)
{
    if (!cf_http_url_is_safe(url) || strpbrk(url, "?#")) {
        return cf_error_set(err, CF_ECONFIG,
                            "%s must be an https URL (http to a loopback address only) without "
                            "user, query and fragment",
                            variable);
    }
    return 0;
}

static int check_token(const char *token, struct cf_error *err)
{
    if (!token || !*token) {
        return cf_error_set(err, CF_ECONFIG,
                            "GITHUB_TOKEN is not set; a token without any permission is enough to "
                            "read public repositories");
    }
    for (const char *p = token; *p; p++) {
        if (*p <= ' ' || *p > '~') {
            return cf_error_set(err, CF_ECONFIG,
                                "GITHUB_TOKEN holds a space, a line break or another character "
                                "that no token has");
        }
    }
    return 0;
}

static char *without_last_slashes(const char *url)
{
    size_t length = strlen(url);
    while (length && url[length - 1] == '/') {
        length--;
    }
    return cf_strndup(url, length);
}

int sync_github_new(const struct sync_github_settings *settings, struct sync_github **out,
                    struct cf_error *err)
{
    const char *api =
        settings->api_url && *settings->api_url ? settings->api_url : "https://api.github.com";
    const char *graphql =
        settings->graphql_url && *settings->graphql_url ? settings->graphql_url : NULL;
    *out = NULL;
    int rc = check_url("GITHUB_API_URL", api, err);
    rc = rc || !graphql ? rc : check_url("GITHUB_GRAPHQL_URL", graphql, err);
    rc = rc ? rc : check_token(settings->token, err);
    if (rc) {
        return rc;
    }
    struct sync_github *github = cf_calloc(1, sizeof(*github));
    char *agent = cf_asprintf("cloudfolio-sync/%s", cf_build());
    const struct cf_http_options options = {.max_in_flight = 8,
                                            .user_agent = agent,
                                            .stop = settings->stop,
                                            .backoff_ms = settings->backoff_ms,
                                            .total_ms =
                                                settings->total_ms ? settings->total_ms : 60000};
    github->http = cf_http_new(&options);
    free(agent);
    github->api_url = without_last_slashes(api);
    github->graphql_url = graphql ? cf_strdup(graphql) : sync_graphql_url(github->api_url);
    github->authorization = cf_asprintf("Authorization: bearer %s", settings->token);
    github->headers[0] = github->authorization;
    github->headers[1] = "Accept: application/vnd.github+json";
    github->headers[2] = "X-GitHub-Api-Version: 2022-11-28";
    github->headers[3] = "Content-Type: application/json";
    github->remaining = -1;
    *out = github;
    return 0;
}

void sync_github_free(struct sync_github *github)
{
    if (github) {
        cf_http_free(github->http);
        free(github->api_url);
        free(github->graphql_url);
        free(github->authorization);
        free(github);
    }
}

const char *sync_github_api(const struct sync_github *github)
{
    return github->api_url;
}

/* A page of a proxy or load balancer in a 200 is an outage, and must not reach the parser. */
static enum cf_http_verdict judge(struct cf_http_request *request)
{
    const char *body = cf_buf_str(&request->answer);
    body += strspn(body, " \t\r\n");
    if (request->status == 200 && *body != '{' && *body != '[') {
        request->rc = cf_error_at(&request->error, CF_EUNAVAILABLE, request->method, "",
                                  "GitHub answered with something that isn't JSON");
        return CF_HTTP_RETRY;
    }
    return CF_HTTP_DEFAULT;
}

/* Counts what a query cost, as far as the answer says so. */
static void count_points(struct sync_github *github, const json_t *data)
{
    const json_t *limit = json_object_get(data, "rateLimit");
    json_int_t cost = json_integer_value(json_object_get(limit, "cost"));
    const json_t *remaining = json_object_get(limit, "remaining");
    if (cost > 0) {
        github->points += (uint64_t)cost;
    }
    if (json_is_integer(remaining)) {
        github->remaining = json_integer_value(remaining);
    }
}

static int read_query_answer(struct sync_github *github, const struct cf_http_request *request,
                             json_t **answer, struct cf_error *err)
{
    const char *reason;
    int rc = sync_answer_check(request, &reason, err);
    if (rc) {
        return rc;
    }
    rc = cf_json_parse_foreign(request->answer.data, request->answer.length, "GitHub's answer",
                               answer, err);
    if (rc) {
        return rc;
    }
    const json_t *data = json_object_get(*answer, "data");
    const json_t *errors = json_object_get(*answer, "errors");
    count_points(github, data);
    rc = sync_errors_check(request, errors, err);
    if (!rc && !json_is_object(data)) {
        rc = errors ? sync_errors_fatal(errors, "the query failed", err)
                    : cf_error_set(err, CF_EDATA, "GitHub's answer has no \"data\"");
    }
    return rc;
}

int sync_github_query(struct sync_github *github, const char *query, json_t *variables,
                      size_t max_answer, json_t **answer, struct cf_error *err)
{
    struct cf_buf body = CF_BUF_INIT;
    json_t *document = json_object();
    (void)json_object_set_new(document, "query", json_string(query));
    (void)json_object_set_new(document, "variables", variables);
    cf_json_dump(document, &body);
    json_decref(document);
    struct cf_http_request request = {.method = "POST",
                                      .url = github->graphql_url,
                                      .headers = github->headers,
                                      .body = body.data,
                                      .body_length = body.length,
                                      .max_answer = max_answer,
                                      .judge = judge};
    *answer = NULL;
    cf_http_add(github->http, &request);
    cf_http_wait(github->http);
    int rc = request.rc;
    if (rc) {
        *err = request.error;
    } else {
        rc = read_query_answer(github, &request, answer, err);
    }
    cf_http_request_release(&request);
    cf_buf_release(&body);
    if (rc) {
        json_decref(*answer);
        *answer = NULL;
    }
    return rc;
}

static void get_done(struct cf_http_request *request)
{
    struct sync_get *get = request->context;
    get->rc = request->rc;
    get->error = request->error;
    if (!get->rc) {
        get->rc = sync_answer_check(request, &get->reason, &get->error);
    }
    if (!get->rc) {
        get->rc = cf_json_parse_foreign(request->answer.data, request->answer.length,
                                        "GitHub's answer", &get->document, &get->error);
    }
    cf_http_request_release(request);
    free(get->url);
    get->url = NULL;
    get->done(get);
}

void sync_github_get(struct sync_github *github, struct sync_get *get, const char *path)
{
    sync_get_release(get);
    get->rc = 0;
    get->reason = NULL;
    get->url = cf_asprintf("%s%s", github->api_url, path);
    get->http = (struct cf_http_request){.method = "GET",
                                         .url = get->url,
                                         .headers = github->headers,
                                         .max_answer = TREE_ANSWER,
                                         .judge = judge,
                                         .done = get_done,
                                         .context = get};
    cf_http_add(github->http, &get->http);
}

void sync_github_wait(struct sync_github *github)
{
    cf_http_wait(github->http);
}

void sync_get_release(struct sync_get *get)
{
    json_decref(get->document);
    get->document = NULL;
    free(get->url);
    get->url = NULL;
}

struct sync_github_totals sync_github_totals(const struct sync_github *github)
{
    return (struct sync_github_totals){.http = cf_http_totals(github->http),
                                       .points = github->points,
                                       .remaining = github->remaining};
}
