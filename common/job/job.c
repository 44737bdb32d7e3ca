#include "common/job/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/build.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/progress.h"
#include "common/base/task.h"
#include "common/contract/root.h"
#include "common/job/tenants.h"

struct arguments {
    const char *store;
    struct cf_selection selection;
    bool force;
    bool dry_run;
    bool help;
    bool version;
    uint64_t parallel;
};

enum { MOST_PARALLEL = 64 };

int cf_job_configure_log(struct cf_error *err)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const char *format = getenv("CLOUDFOLIO_LOG");
    const char *level = getenv("CLOUDFOLIO_LOG_LEVEL");
    enum cf_log_format chosen = CF_LOG_AUTO;
    if (format && *format) {
        if (strcmp(format, "json") != 0 && strcmp(format, "text") != 0) {
            return cf_error_set(err, CF_ECONFIG,
                                "CLOUDFOLIO_LOG: \"%.40s\" is neither json nor text", format);
        }
        chosen = *format == 'j' ? CF_LOG_JSON : CF_LOG_TEXT;
    }
    size_t i = CF_INFO;
    if (level && *level) {
        for (i = 0; i < 4 && strcmp(levels[i], level) != 0; i++) {
        }
        if (i == 4) {
            return cf_error_set(err, CF_ECONFIG,
                                "CLOUDFOLIO_LOG_LEVEL: \"%.40s\" is not debug, info, warn or error",
                                level);
        }
    }
    cf_log_configure(chosen, (enum cf_level)i);
    return 0;
}

int cf_job_open_store(const char *url, struct cf_store **out, struct cf_error *err)
{
    if (!url || !*url) {
        return cf_error_set(err, CF_EUSAGE, "--store URL (or CLOUDFOLIO_STORE) is needed");
    }
    int rc = cf_store_open(url, out, err);
    if (!rc && (rc = cf_root_check(*out, err))) {
        cf_store_free(*out);
        *out = NULL;
    }
    return rc;
}

void cf_run_outcome(struct cf_run *run, const char *outcome)
{
    (void)snprintf(run->record.outcome, sizeof(run->record.outcome), "%s", outcome);
}

static void print_help(const struct cf_job *job, const struct cf_option *options)
{
    (void)printf("cloudfolio-%s: %s\n\n"
                 "  cloudfolio-%s --store URL (--tenant NAME… | --all [--shard I/N] | --event KEY) "
                 "[options]\n\n",
                 job->name, job->summary, job->name);
    cf_options_help(options, stdout);
    if (job->notes) {
        (void)printf("\n%s\n", job->notes);
    }
    (void)printf(
        "\nThe log goes to stderr: CLOUDFOLIO_LOG=json|text, CLOUDFOLIO_LOG_LEVEL=debug|info|"
        "warn|error.\nExit status: 0 done or nothing to do, 64 usage, 65 bad input, 69 a service "
        "is down,\n70 a bug, 75 try again later, 77 not allowed, 78 configuration.\n");
}

/* The options of every job, followed by the job's own. Freed by the caller. */
static struct cf_option *option_table(const struct cf_job *job, struct arguments *a)
{
    const struct cf_option common[] = {
        {"store", "CLOUDFOLIO_STORE", "URL",
         "where everything is kept, such as file:/var/lib/cloudfolio", CF_OPTION_STRING, &a->store,
         0, 0},
        {"tenant", "CLOUDFOLIO_TENANT", "NAME", "work on this tenant; may be given several times",
         CF_OPTION_LIST, &a->selection.tenants, 0, 0},
        {"all", "CLOUDFOLIO_ALL", NULL, "work on every tenant", CF_OPTION_FLAG, &a->selection.all,
         0, 0},
        {"shard", "CLOUDFOLIO_SHARD", "I/N", "with --all: only the I-th of N parts, from 0",
         CF_OPTION_STRING, &a->selection.shard, 0, 0},
        {"event", "CLOUDFOLIO_EVENT", "KEY", "work on what this new marker calls for",
         CF_OPTION_STRING, &a->selection.event, 0, 0},
        {"force", "CLOUDFOLIO_FORCE", NULL, "do the work even if nothing changed", CF_OPTION_FLAG,
         &a->force, 0, 0},
        {"dry-run", "CLOUDFOLIO_DRY_RUN", NULL, "say what would be done, commit nothing",
         CF_OPTION_FLAG, &a->dry_run, 0, 0},
        {"help", NULL, NULL, "print this", CF_OPTION_FLAG, &a->help, 0, 0},
        {"version", NULL, NULL, "print the build", CF_OPTION_FLAG, &a->version, 0, 0},
        {"parallel", "CLOUDFOLIO_PARALLEL", "N", "so many tenants at once, from 1 to 64",
         CF_OPTION_UINT, &a->parallel, 1, MOST_PARALLEL},
    };
    size_t n = sizeof(common) / sizeof(common[0]) - !job->parallel; /* the last one is optional */
    size_t own = 0;
    while (job->options && job->options[own].name) {
        own++;
    }
    struct cf_option *table = cf_calloc(n + own + 1, sizeof(*table));
    memcpy(table, common, n * sizeof(*table));
    if (own) {
        memcpy(table + n, job->options, own * sizeof(*table));
    }
    return table;
}

static void finish_record(struct cf_run *run, int rc, const struct cf_error *err)
{
    struct cf_run_record *r = &run->record;
    struct cf_error put_error;
    r->ended_ms = cf_clock_now_ms();
    r->exit_status = cf_exit_status(rc);
    if (rc) {
        r->error = *err;
        cf_run_outcome(run, r->output_count         ? "partial"
                            : rc == CF_EINTERRUPTED ? "interrupted"
                                                    : "failed");
    }
    r->cpu_seconds = cf_task_cpu_seconds() - run->cpu_before;
    r->peak_memory_bytes = cf_clock_peak_memory_bytes();
    if (!run->dry_run && cf_run_record_put(run->store, r, &put_error)) {
        cf_log_error(CF_WARN, "run_record_lost", &put_error);
    }
    double seconds = (double)(r->ended_ms - r->started_ms) / 1000;
    cf_log(rc ? CF_WARN : CF_INFO, "run_ended", CF_S("outcome", r->outcome),
           CF_R("seconds", seconds), CF_R("cpu_seconds", r->cpu_seconds),
           CF_I("peak_memory_bytes", r->peak_memory_bytes), CF_I("exit_status", r->exit_status),
           CF_END);
    cf_log_metric("RunSeconds", "Seconds", seconds);
    cf_log_metric("RunFailed", "Count", rc ? 1 : 0);
}

static void start_record(const struct cf_job *job, struct cf_run *run)
{
    struct cf_run_record *r = &run->record;
    cf_run_id(r->run);
    (void)snprintf(r->job, sizeof(r->job), "%s", job->name);
    (void)snprintf(r->tenant, sizeof(r->tenant), "%s", run->tenant);
    (void)snprintf(r->build, sizeof(r->build), "%s", cf_build());
    r->started_ms = cf_clock_now_ms();
    run->cpu_before = cf_task_cpu_seconds();
    run->producer = (struct cf_producer){.job = r->job, .build = r->build, .run = r->run};
    cf_log_context(job->name, r->run, run->tenant);
}

static int attempt(const struct cf_job *job, struct cf_run *run, struct cf_error *err)
{
    int rc = CF_ECONFLICT;
    for (int i = 0; i < CF_JOB_ATTEMPTS && rc == CF_ECONFLICT; i++) {
        if (*run->stop) {
            return cf_error_set(err, CF_EINTERRUPTED, "a signal asked the job to stop");
        }
        run->record.input_count = 0;
        run->record.output_count = 0;
        rc = job->run(run, err);
        if (rc == CF_ECONFLICT) {
            cf_log_error(CF_INFO, "conflict", err);
        }
    }
    return rc;
}

static int read_config(struct cf_run *run, struct cf_error *err)
{
    struct cf_marker marker;
    int rc = cf_config_read(run->store, run->tenant, &run->config, &marker, err);
    if (!rc) {
        run->config_version = marker.version;
        memcpy(run->config_sha256, marker.sha256, sizeof(run->config_sha256));
        cf_marker_release(&marker);
    }
    return rc;
}

static int run_tenant(const struct cf_job *job, const struct arguments *a, struct cf_store *store,
                      const char *tenant, const volatile int *stop)
{
    struct cf_error err = {0};
    struct cf_run run = {.store = store,
                         .tenant = tenant,
                         .force = a->force,
                         .dry_run = a->dry_run,
                         .alone = a->selection.tenants.count == 1,
                         .stop = stop,
                         .event_version = a->selection.event_version,
                         .event_dataset = a->selection.event ? a->selection.event_dataset : NULL};
    start_record(job, &run);
    int rc = read_config(&run, &err);
    if (!rc && !run.config.enabled) {
        cf_log(CF_INFO, "skipped", CF_S("reason", "the tenant is disabled"), CF_END);
        return 0;
    }
    if (rc == CF_ENOTFOUND && a->selection.all) {
        /* Being added just now, or deleted: none of those that --all means. */
        cf_log(CF_INFO, "skipped", CF_S("reason", err.message), CF_END);
        return 0;
    }
    rc = rc || a->dry_run ? rc : cf_run_record_put(store, &run.record, &err);
    if (!rc) {
        rc = attempt(job, &run, &err);
        finish_record(&run, rc, &err);
    }
    if (rc) {
        cf_log_error(CF_ERROR, "failed", &err);
    }
    return cf_exit_status(rc);
}

/* The tenants of one process. */
struct batch {
    const struct cf_job *job;
    const struct arguments *arguments;
    struct cf_store *store;
    const volatile int *stop;
    int status; /* the worst so far */
    size_t done;
    size_t left_out; /* since the stop was asked for */
};

static void run_one(void *context, size_t index)
{
    struct batch *batch = context;
    const struct cf_string_list *tenants = &batch->arguments->selection.tenants;
    if (*batch->stop && index) {
        batch->left_out++;
        return;
    }
    int status =
        run_tenant(batch->job, batch->arguments, batch->store, tenants->items[index], batch->stop);
    batch->status = cf_exit_worst(batch->status, status);
    if (tenants->count > 1) {
        cf_progress("tenants", ++batch->done, tenants->count);
    }
}

static int run_tenants(struct batch *batch, struct cf_error *err)
{
    const struct cf_task_set set = {.count = batch->arguments->selection.tenants.count,
                                    .at_once = batch->arguments->parallel,
                                    .run = run_one,
                                    .context = batch};
    cf_tasks_run(&set);
    if (batch->left_out) {
        return cf_error_set(err, CF_EINTERRUPTED,
                            "a signal asked the job to stop; %zu tenants weren't begun",
                            batch->left_out);
    }
    return 0;
}

static int run_all(const struct cf_job *job, struct arguments *a, struct cf_error *err)
{
    struct batch batch = {.job = job, .arguments = a, .stop = cf_job_signals()};
    int rc = cf_selection_check(&a->selection, job->event_datasets, err);
    rc = rc ? rc : cf_job_open_store(a->store, &batch.store, err);
    rc = rc ? rc : cf_selection_resolve(&a->selection, batch.store, err);
    bool started = !rc;
    rc = rc || !job->start ? rc : job->start(batch.stop, err);
    rc = rc ? rc : run_tenants(&batch, err);
    cf_log_context(job->name, NULL, NULL);
    if (started && job->finish) {
        job->finish();
    }
    cf_store_free(batch.store);
    if (rc) {
        cf_log_error(CF_ERROR, "failed", err);
    }
    return cf_exit_worst(batch.status, cf_exit_status(rc));
}

int cf_job_main(const struct cf_job *job, int argc, char **argv)
{
    struct arguments a = {.parallel = job->parallel};
    struct cf_error err = {0};
    int first = 0;
    struct cf_option *options = option_table(job, &a);
    cf_log_context(job->name, NULL, NULL);
    int rc = cf_job_configure_log(&err);
    rc = rc ? rc : cf_options_parse(options, argc, argv, &first, &err);
    if (!rc && first < argc) {
        rc = cf_error_set(&err, CF_EUSAGE, "\"%.60s\" is one argument too many", argv[first]);
    }
    int status = cf_exit_status(rc);
    if (rc) {
        cf_log_error(CF_ERROR, "failed", &err);
    } else if (a.help) {
        print_help(job, options);
    } else if (a.version) {
        (void)printf("cloudfolio-%s %s\n", job->name, cf_build());
    } else {
        status = run_all(job, &a, &err);
    }
    cf_string_list_release(&a.selection.tenants);
    free(options);
    return status;
}
