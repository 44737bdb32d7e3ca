/* The job sync: GitHub → the dataset repos. */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include "common/job/job.h"
#include "jobs/sync/github.h"

/* One tenant, with a client that is there already. As struct cf_job's run. */
int sync_run(struct cf_run *run, struct sync_github *github, struct cf_error *err);

/* The job: its client comes from the environment. */
int sync_start(const volatile int *stop, struct cf_error *err);
int sync_run_job(struct cf_run *run, struct cf_error *err);
void sync_finish(void);

#endif
