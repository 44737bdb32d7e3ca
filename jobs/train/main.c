#include "jobs/train/train.h"

static bool promotion_gate = true;

static const struct cf_option options[] = {
    {"promotion-gate", "CLOUDFOLIO_PROMOTION_GATE", NULL,
     "promote only what isn't worse on held-out questions (the default; 0 turns it off)",
     CF_OPTION_FLAG, &promotion_gate, 0, 0},
    {0},
};

static int run(struct cf_run *r, struct cf_error *err)
{
    struct train_options o = {.gate_off = !promotion_gate};
    return train_run(r, &o, err);
}

int main(int argc, char **argv)
{
    static const char *const events[] = {"request", "request-gpu", NULL};
    static const struct cf_job job = {
        .name = "train",
        .summary = "trains the model that a request asks for",
        .event_datasets = events,
        .options = options,
        .run = run,
    };
    return cf_job_main(&job, argc, argv);
}
