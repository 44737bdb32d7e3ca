/* Run records, read back. */
#ifndef CLOUDFOLIO_RUNS_H
#define CLOUDFOLIO_RUNS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/store/store.h"

struct tool_run_filter {
    const char *job;       /* only this one's; NULL: of all jobs */
    const char *first_day; /* "2026-01-31", the earliest; NULL: however old */
    bool failed;           /* only those with an exit status other than 0 */
    size_t limit;          /* at most so many; 0: all */
};

/* Appends a tenant's records to out, newest first, as they are stored. Records that can't be read
 * are skipped with a warning. */
int tool_runs_read(struct cf_store *store, const char *tenant, const struct tool_run_filter *filter,
                   json_t *out, struct cf_error *err);

/* Deletes a tenant's records of the days before first_day, "2026-01-31", and adds how many there
 * were to *count; with dry_run it only counts. Names that are no record's stay. */
int tool_runs_expire(struct cf_store *store, const char *tenant, const char *first_day,
                     bool dry_run, uint64_t *count, struct cf_error *err);

/* The job and the run's id in a record's name, "<job>-<run id>.json"; false when it isn't one. Both
 * point into the name. */
bool tool_run_name(const char *name, size_t *job_length, const char **run);

#endif
