#include "jobs/sync/github.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/build.h"
#include "common/base/clock.h"
#include "jobs/sync/session.h"

enum { IN_FLIGHT = 32 }; /* of all tenants together; GitHub bears 100 of one */

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

static char *without_last_slashes(const char *url)
{
    size_t length = strlen(url);
    while (length && url[length - 1] == '/') {
        length--;
    }
    return cf_strndup(url, length);
}

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void make_engine(struct sync_github *github, const struct sync_github_settings *settings)
{
    char *agent = cf_asprintf("cloudfolio-sync/%s", cf_build());
    const struct cf_http_options options = {.max_in_flight = IN_FLIGHT,
                                            .user_agent = agent,
                                            .stop = settings->stop,
                                            .backoff_ms = settings->backoff_ms,
                                            .total_ms =
                                                settings->total_ms ? settings->total_ms : 60000};
    github->http = cf_http_new(&options);
    free(agent);
}

static int make_tokens(struct sync_github *github, const struct sync_github_settings *settings,
                       struct cf_error *err)
{
    const struct sync_tokens_settings tokens = {.sources = settings->token_sources,
                                                .app_id = settings->app_id,
                                                .app_key = settings->app_key,
                                                .api_url = github->api_url,
                                                .http = github->http,
                                                .stop = settings->stop};
    return sync_tokens_new(&tokens, &github->tokens, err);
}

int sync_github_new(const struct sync_github_settings *settings, struct sync_github **out,
                    struct cf_error *err)
{
    const char *api = or_null(settings->api_url);
    const char *graphql = or_null(settings->graphql_url);
    api = api ? api : "https://api.github.com";
    *out = NULL;
    int rc = check_url("GITHUB_API_URL", api, err);
    rc = rc || !graphql ? rc : check_url("GITHUB_GRAPHQL_URL", graphql, err);
    if (rc) {
        return rc;
    }
    struct sync_github *github = cf_calloc(1, sizeof(*github));
    github->api_url = without_last_slashes(api);
    github->graphql_url = graphql ? cf_strdup(graphql) : sync_graphql_url(github->api_url);
    github->rest_only = settings->rest_only;
    github->limits = settings->limits;
    github->backoff_ms = settings->backoff_ms ? settings->backoff_ms : 200;
    github->stop = settings->stop;
    github->deadline_ms =
        settings->time_limit_ms ? cf_clock_monotonic_ms() + settings->time_limit_ms : 0;
    make_engine(github, settings);
    rc = make_tokens(github, settings, err);
    if (rc) {
        sync_github_free(github);
        return rc;
    }
    *out = github;
    return 0;
}

void sync_github_free(struct sync_github *github)
{
    if (!github) {
        return;
    }
    sync_tokens_free(github->tokens);
    cf_http_free(github->http);
    while (github->budgets) {
        struct sync_budget *budget = github->budgets;
        github->budgets = budget->next;
        free(budget);
    }
    free(github->api_url);
    free(github->graphql_url);
    free(github);
}
