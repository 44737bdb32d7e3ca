/* Whether to ask for a training, and where. */
#ifndef ORCHESTRATE_ASK_H
#define ORCHESTRATE_ASK_H

#include "common/job/job.h"
#include "common/portfolio/request.h"
#include "jobs/orchestrate/join.h"

/* Above this much work (words × epochs × parameters) a training goes to the GPU queue. Bringing up
 * a GPU instance takes minutes; 10^13 is what two CPU cores do in about five of them. */
#define ORCHESTRATE_GPU_WORK 1e13

struct orchestrate_options {
    double gpu_work;                     /* the threshold */
    struct cf_finetune_options finetune; /* of base models */
};

/* The base model that the tenant's configuration names, as the store has it now. */
struct orchestrate_base {
    struct cf_base_model model; /* name "": the configuration names none */
    struct cf_marker marker;    /* of base-models */
};

/* CF_EDATA when the store doesn't have the model that the configuration names: the message says how
 * to choose another. */
int orchestrate_base_read(struct cf_run *run, struct orchestrate_base *out, struct cf_error *err);
void orchestrate_base_release(struct orchestrate_base *base);

/* Commits a request for the bundle unless the newest one asks for the same. It goes to the dataset
 * request or, with more work than the threshold, request-gpu. A request that was not answered and
 * whose pinned bundle has fallen below the floor is issued again. *asked says whether one was
 * committed (or, in a dry run, would be). CF_EDATA: orchestrate_base_read; nothing was asked. */
int orchestrate_ask(struct cf_run *run, const struct orchestrate_bundle *bundle,
                    const struct orchestrate_options *options, bool *asked, struct cf_error *err);

/* The request that a bundle and a base model call for; released by the caller. Its turn is 0. */
void orchestrate_request(const struct orchestrate_bundle *bundle,
                         const struct orchestrate_base *base,
                         const struct orchestrate_options *options, struct cf_request *out);

#endif
