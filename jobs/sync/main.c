#include "jobs/sync/sync.h"

static const char notes[] =
    "GITHUB_TOKEN is needed; a token without any permission is enough, since only public\n"
    "repositories are read. GITHUB_API_URL (https://api.github.com) and GITHUB_GRAPHQL_URL point "
    "to\n"
    "another GitHub, such as https://github.example.com/api/v3.";

static const struct cf_job job = {
    .name = "sync",
    .summary = "read a tenant's repositories from GitHub",
    .notes = notes,
    .start = sync_start,
    .run = sync_run_job,
    .finish = sync_finish,
};

int main(int argc, char **argv)
{
    return cf_job_main(&job, argc, argv);
}
