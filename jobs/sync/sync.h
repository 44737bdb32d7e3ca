/* The job sync: GitHub → the dataset repos. */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include "common/job/job.h"
#include "jobs/sync/github.h"

/* One tenant. As struct cf_job's run. When GitHub's limits, a signal or a refused token cut it
 * short after some repositories were read, what is whole is committed before the error is returned;
 * the others stay as they were in the last version. */
int sync_run(struct cf_run *run, struct sync_github *github, struct cf_error *err);

#endif
