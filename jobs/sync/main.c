#include <stdlib.h>

#include "jobs/sync/sync.h"

static const char notes[] =
    "GITHUB_TOKEN is enough to begin with, and needs no permission, since only public\n"
    "repositories are read; --github-tokens says where else tokens are. GITHUB_API_URL\n"
    "(https://api.github.com) and GITHUB_GRAPHQL_URL point to another GitHub, such as\n"
    "https://github.example.com/api/v3.";

static const char *tokens;
static bool graphql = true;
static uint64_t reserve = 500;
static uint64_t pace = 850;
static uint64_t time_limit = 1500;

static const struct cf_option options[] = {
    {"github-tokens", "CLOUDFOLIO_GITHUB_TOKENS", "LIST",
     "where tenants' tokens are (the default: env:GITHUB_TOKEN)", CF_OPTION_STRING, &tokens, 0, 0},
    {"github-graphql", "CLOUDFOLIO_GITHUB_GRAPHQL", NULL,
     "use GraphQL (the default; 0 turns it off: REST only)", CF_OPTION_FLAG, &graphql, 0, 0},
    {"github-reserve", "CLOUDFOLIO_GITHUB_RESERVE", "N",
     "leave so many points and requests of each hour to others (500; a tenth at most)",
     CF_OPTION_UINT, &reserve, 0, 1000000},
    {"github-pace", "CLOUDFOLIO_GITHUB_PACE", "N",
     "REST requests a minute with one token, and twice as many queries (850; 0: no bound)",
     CF_OPTION_UINT, &pace, 0, 1000000},
    {"time-limit", "CLOUDFOLIO_TIME_LIMIT", "SECONDS",
     "wait for GitHub's limits only within so long from the start (1500)", CF_OPTION_UINT,
     &time_limit, 1, 86400},
    {0},
};

static struct sync_github *github;

static int start(const volatile int *stop, struct cf_error *err)
{
    const struct sync_github_settings settings = {
        .api_url = getenv("GITHUB_API_URL"),
        .graphql_url = getenv("GITHUB_GRAPHQL_URL"),
        .token_sources = tokens,
        .app_id = getenv("GITHUB_APP_ID"),
        .app_key = getenv("GITHUB_APP_KEY"),
        .rest_only = !graphql,
        .limits = {.reserve = reserve, .per_minute = pace},
        .time_limit_ms = (int64_t)time_limit * 1000,
        .stop = stop,
    };
    return sync_github_new(&settings, &github, err);
}

static int run(struct cf_run *r, struct cf_error *err)
{
    return sync_run(r, github, err);
}

static void finish(void)
{
    sync_github_free(github);
}

int main(int argc, char **argv)
{
    static const struct cf_job job = {
        .name = "sync",
        .summary = "read a tenant's repositories from GitHub",
        .notes = notes,
        .options = options,
        .parallel = 16,
        .start = start,
        .run = run,
        .finish = finish,
    };
    return cf_job_main(&job, argc, argv);
}
