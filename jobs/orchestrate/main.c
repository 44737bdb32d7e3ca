#include "common/base/log.h"
#include "jobs/orchestrate/ask.h"

static uint64_t gpu_work = (uint64_t)ORCHESTRATE_GPU_WORK;

static const struct cf_option options[] = {
    {"gpu-work", "CLOUDFOLIO_GPU_WORK", "N",
     "send trainings with more work (words × epochs × parameters) to the GPU queue", CF_OPTION_UINT,
     &gpu_work, 0, UINT64_MAX},
    {0},
};

static int run(struct cf_run *r, struct cf_error *err)
{
    struct orchestrate_bundle bundle;
    bool asked = false;
    int rc = orchestrate_join(r, &bundle, err);
    if (!rc && !bundle.marker.version && !r->dry_run) {
        cf_run_outcome(r, "skipped");
        cf_log(CF_INFO, "skipped", CF_S("reason", "the portfolio was not synced yet"), CF_END);
    } else if (!rc) {
        rc = orchestrate_ask(r, &bundle, (double)gpu_work, &asked, err);
        cf_run_outcome(r, bundle.committed || asked ? "committed" : "unchanged");
    }
    orchestrate_bundle_release(&bundle);
    return rc;
}

int main(int argc, char **argv)
{
    static const char *const events[] = {"repos", NULL};
    static const struct cf_job job = {
        .name = "orchestrate",
        .summary = "joins the synced repositories into a bundle and asks for trainings",
        .event_datasets = events,
        .options = options,
        .run = run,
    };
    return cf_job_main(&job, argc, argv);
}
