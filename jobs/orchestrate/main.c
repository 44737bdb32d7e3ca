#include <stdlib.h>

#include "common/base/log.h"
#include "jobs/orchestrate/ask.h"

static uint64_t gpu_work = (uint64_t)ORCHESTRATE_GPU_WORK;
static const char *finetune_list;
static struct cf_finetune_options finetune;

static const char notes[] =
    "--finetune takes, each at most once and with commas between them: batch=8, epochs=2,\n"
    "rate=2e-5, warmup=0.1, decay=0.01, clip=1, dropout=0.1, seed=1, hard_negatives=0, pairs=150.\n"
    "Those are the defaults. Another list makes another request for each tenant with a base model.";

static const char finetune_variable[] = "CLOUDFOLIO_FINETUNE";

static const struct cf_option options[] = {
    {"gpu-work", "CLOUDFOLIO_GPU_WORK", "N",
     "send trainings with more work (words × epochs × parameters) to the GPU queue", CF_OPTION_UINT,
     &gpu_work, 0, UINT64_MAX},
    {"finetune", finetune_variable, "LIST", "how base models are fine-tuned: epochs=3,rate=3e-5,…",
     CF_OPTION_STRING, &finetune_list, 0, 0},
    {0},
};

static int start(const volatile int *stop, struct cf_error *err)
{
    (void)stop;
    finetune = cf_finetune_defaults;
    int rc = finetune_list ? cf_finetune_parse(finetune_list, &finetune, err) : 0;
    if (!rc) {
        return 0;
    }
    bool from_variable = finetune_list == getenv(finetune_variable);
    (void)cf_error_prefix(err, from_variable ? "%s" : "--finetune", finetune_variable);
    if (from_variable) {
        err->code = CF_ECONFIG;
    }
    return err->code;
}

static int run(struct cf_run *r, struct cf_error *err)
{
    const struct orchestrate_options o = {.gpu_work = (double)gpu_work, .finetune = finetune};
    struct orchestrate_bundle bundle;
    bool asked = false;
    int rc = orchestrate_join(r, &bundle, err);
    if (!rc && !bundle.marker.version && !r->dry_run) {
        cf_run_outcome(r, "skipped");
        cf_log(CF_INFO, "skipped", CF_S("reason", "the portfolio was not synced yet"), CF_END);
    } else if (!rc) {
        rc = orchestrate_ask(r, &bundle, &o, &asked, err);
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
        .notes = notes,
        .start = start,
        .run = run,
    };
    return cf_job_main(&job, argc, argv);
}
