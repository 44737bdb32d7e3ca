/* Whether to ask for a training, and where. */
#ifndef ORCHESTRATE_ASK_H
#define ORCHESTRATE_ASK_H

#include "common/job/job.h"
#include "common/portfolio/request.h"
#include "jobs/orchestrate/join.h"

/* Above this much work (words × epochs × parameters) a training goes to the GPU queue. Bringing up
 * a GPU instance takes minutes; 10^13 is what two CPU cores do in about five of them. */
#define ORCHESTRATE_GPU_WORK 1e13

/* Commits a request for the bundle unless the newest one asks for the same. It goes to the dataset
 * request or, with more work than the threshold, request-gpu. A request that was not answered and
 * whose pinned bundle has fallen below the floor is issued again. *asked says whether one was
 * committed (or, in a dry run, would be). */
int orchestrate_ask(struct cf_run *run, const struct orchestrate_bundle *bundle, double gpu_work,
                    bool *asked, struct cf_error *err);

/* The request that a bundle calls for; released by the caller. */
void orchestrate_request(const struct orchestrate_bundle *bundle, struct cf_request *out);

#endif
