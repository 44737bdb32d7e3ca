/* What every job does around its work: arguments, signals, tenants, the run record, the exit
 * status. */
#ifndef CF_JOB_JOB_H
#define CF_JOB_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"
#include "common/contract/dataset.h"
#include "common/contract/runs.h"
#include "common/portfolio/config.h"
#include "common/store/store.h"

/* One job on one tenant. */
struct cf_run {
    struct cf_store *store;
    const char *tenant; /* lower case */
    struct cf_config config;
    uint64_t config_version;
    char config_sha256[CF_SHA256_HEX]; /* of its marker */
    struct cf_producer producer;
    struct cf_run_record record; /* inputs, outputs, outcome and counters: filled by the job */
    bool force;                  /* --force: do the work even if its inputs are unchanged */
    bool dry_run;                /* --dry-run: say what would be done, commit nothing */
    bool alone;                  /* the process's only tenant: it may draw a progress bar */
    const char *event_dataset;   /* of --event KEY; NULL otherwise */
    uint64_t event_version;
    double cpu_before;        /* what the task or process had used before this run */
    const volatile int *stop; /* not 0 once SIGTERM or SIGINT came: end at the next safe point */
};

struct cf_job {
    const char *name;                  /* "sync" */
    const char *summary;               /* one line for --help */
    const char *const *event_datasets; /* whose markers may start it; NULL-terminated */
    const struct cf_option *options;   /* its own, or NULL */
    const char *notes;                 /* more text for --help, or NULL */
    /* For a job that waits more than it works: so many tenants at once unless --parallel says
     * otherwise, each as a task (common/base/task.h). 0: one after another. */
    uint64_t parallel;

    /* Once, before the first tenant, and after the last; finish also after a start that failed, but
     * not when the job was refused before it. May be NULL. */
    int (*start)(const volatile int *stop, struct cf_error *err);
    void (*finish)(void);

    /* The work. CF_ECONFLICT means that somebody committed meanwhile: it is called again, at most
     * CF_JOB_ATTEMPTS times in all. */
    int (*run)(struct cf_run *run, struct cf_error *err);
};

#define CF_JOB_ATTEMPTS 5

/* Sets the outcome that the record and the log name: "committed", "unchanged", "skipped", … */
void cf_run_outcome(struct cf_run *run, const char *outcome);

/* The whole main function of a job. */
int cf_job_main(const struct cf_job *job, int argc, char **argv);

/* Opens a store and checks that it holds this contract (contract/root.h). */
int cf_job_open_store(const char *url, struct cf_store **out, struct cf_error *err);

/* Every tenant of a store, in order. */
int cf_job_tenants(struct cf_store *store, struct cf_string_list *out, struct cf_error *err);

/* Reads CLOUDFOLIO_LOG (json, text) and CLOUDFOLIO_LOG_LEVEL (debug, info, warn, error). */
int cf_job_configure_log(struct cf_error *err);

/* From now on SIGTERM and SIGINT set the flag that is returned, which stores opened later heed; a
 * second one ends the process with 75; and SIGPIPE is ignored. */
const volatile int *cf_job_signals(void);

#endif
