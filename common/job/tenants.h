/* Which tenants a job works on: --tenant, --all with --shard, or --event. */
#ifndef CF_JOB_TENANTS_H
#define CF_JOB_TENANTS_H

#include "common/job/job.h"

struct cf_selection {
    struct cf_string_list tenants; /* as given; normalised by cf_selection_check */
    bool all;
    const char *shard; /* "I/N" */
    const char *event;

    char event_dataset[CF_DATASET_MAX]; /* set by cf_selection_check */
    uint64_t event_version;
    uint64_t shard_index;
    uint64_t shard_count; /* 0: not sharded */
};

/* Checks what was given, before any request is made: exactly one way to choose, good names, an
 * event of one of the given datasets (NULL-terminated). CF_EUSAGE says what is wrong; a wrong event
 * key is CF_EDATA. */
int cf_selection_check(struct cf_selection *selection, const char *const *event_datasets,
                       struct cf_error *err);

/* Fills selection->tenants for --all: every tenant whose name falls into the shard. */
int cf_selection_resolve(struct cf_selection *selection, struct cf_store *store,
                         struct cf_error *err);

#endif
