#include "jobs/train/train.h"

static bool promotion_gate = true;
static bool bf16;
static uint64_t threads;
static uint64_t checkpoint_seconds = 600;

static const struct cf_option options[] = {
    {"promotion-gate", "CLOUDFOLIO_PROMOTION_GATE", NULL,
     "promote only what isn't worse on held-out questions (the default; 0 turns it off)",
     CF_OPTION_FLAG, &promotion_gate, 0, 0},
    {"bf16", "CLOUDFOLIO_BF16", NULL,
     "fine-tune a base model with matrix products in bfloat16, if the CPU has it", CF_OPTION_FLAG,
     &bf16, 0, 0},
    {"threads", "CLOUDFOLIO_THREADS", "N",
     "threads of the fine-tuning (the CPUs that may be used, at most 16)", CF_OPTION_UINT, &threads,
     1, 64},
    {"checkpoint-seconds", "CLOUDFOLIO_CHECKPOINT_SECONDS", "SECONDS",
     "between checkpoints of the fine-tuning (600; 0: one after each step)", CF_OPTION_UINT,
     &checkpoint_seconds, 0, 86400},
    {0},
};

static int run(struct cf_run *r, struct cf_error *err)
{
    struct train_options o = {.gate_off = !promotion_gate,
                              .tuning = {.threads = (size_t)threads,
                                         .bf16 = bf16,
                                         .checkpoint_seconds = checkpoint_seconds}};
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
