#include "tests/unit/job_dummy.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/task.h"
#include "common/job/job.h"
#include "tests/unit/capture.h"
#include "tests/unit/temporary.h"

static char *folder;
char *dummy_url;
static struct cf_error err;

struct dummy_plan dummy_plan;

static int dummy_start(const volatile int *stop, struct cf_error *e)
{
    (void)printf("start %d\n", *stop);
    return dummy_plan.start_code ? cf_error_set(e, dummy_plan.start_code, "the start failed") : 0;
}

static void dummy_finish(void)
{
    (void)puts("finish");
}

static int commit(struct cf_run *run, struct cf_error *e)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_blob_ref ref;
    cf_dataset_init(&dataset, run->store, run->tenant, "repos");
    struct cf_commit *c = cf_commit_new(&dataset, NULL, NULL, &run->producer);
    cf_commit_add(c, "payload", 7, "text/plain", &ref);
    cf_commit_input(c, "config", run->config_version, run->config_sha256);
    int rc = cf_commit_finish(c, json_object(), ref.sha256, NULL, &marker, e);
    cf_commit_free(c);
    if (!rc) {
        cf_run_record_output(&run->record, &marker);
        cf_run_outcome(run, "committed");
        cf_marker_release(&marker);
    }
    return rc;
}

static void be_busy(void)
{
    double end = cf_clock_cpu_seconds() + 0.2;
    while (cf_clock_cpu_seconds() < end) {
    }
}

static int dummy_run(struct cf_run *run, struct cf_error *e)
{
    (void)printf("run %s%s%s %s %s %llu %llu\n", run->tenant, run->force ? " force" : "",
                 run->dry_run ? " dry" : "", run->config.login,
                 run->event_dataset ? run->event_dataset : "-",
                 (unsigned long long)run->event_version, (unsigned long long)dummy_plan.number);
    bool signals = !dummy_plan.signaller || strcmp(dummy_plan.signaller, run->tenant) == 0;
    for (int i = 0; signals && i < dummy_plan.signals; i++) {
        (void)raise(SIGTERM);
    }
    if (dummy_plan.busy && strcmp(dummy_plan.busy, run->tenant) == 0) {
        be_busy();
    }
    if (dummy_plan.pauses) {
        cf_task_sleep(0, NULL);
        (void)printf("end %s\n", run->tenant);
    }
    if (*run->stop && dummy_plan.heeds) {
        return cf_error_set(e, CF_EINTERRUPTED, "stopped at a safe point");
    }
    struct cf_marker seen = {.dataset = "config", .version = run->config_version};
    cf_run_record_input(&run->record, &seen);
    if (dummy_plan.conflicts-- > 0) {
        return cf_error_set(e, CF_ECONFLICT, "somebody was faster");
    }
    if (dummy_plan.failing && strcmp(dummy_plan.failing, run->tenant) == 0) {
        return cf_error_at(e, dummy_plan.code, "get", "some/key", "planned");
    }
    if (run->dry_run) {
        cf_run_outcome(run, "unchanged");
        return 0;
    }
    return commit(run, e);
}

static const struct cf_option own_options[] = {
    {"number", "DUMMY_NUMBER", "N", "a number of its own", CF_OPTION_UINT, &dummy_plan.number, 1,
     9},
    {NULL, NULL, NULL, NULL, CF_OPTION_FLAG, NULL, 0, 0},
};
static const char *const events[] = {"request", NULL};
static const struct cf_job dummy = {.name = "dummy",
                                    .summary = "does as it is told",
                                    .event_datasets = events,
                                    .options = own_options,
                                    .notes = "A note at the end.",
                                    .start = dummy_start,
                                    .finish = dummy_finish,
                                    .run = dummy_run};

/* --- running it ---------------------------------------------------------------------------------
 */

static int run_main(void *context)
{
    char *copy = cf_strdup(context);
    char *argv[16] = {"cloudfolio-dummy"};
    int argc = 1;
    for (char *word = strtok(copy, " "); word && argc < 15; word = strtok(NULL, " ")) {
        argv[argc++] = strcmp(word, "STORE") == 0 ? dummy_url : word;
    }
    struct cf_job job = dummy;
    job.parallel = dummy_plan.parallel;
    int status = cf_job_main(&job, argc, argv);
    free(copy);
    return status;
}

struct captured dummy_captured;

/* STORE among the arguments stands for the store's URL. */
int dummy_main(const char *arguments)
{
    captured_release(&dummy_captured);
    capture_run(run_main, (void *)(uintptr_t)arguments, &dummy_captured);
    return dummy_captured.exit_status;
}

void dummy_expect_out(const char *text)
{
    ck_assert_str_eq(cf_buf_str(&dummy_captured.out), text);
}

void dummy_expect_logged(const char *text)
{
    ck_assert_msg(strstr(cf_buf_str(&dummy_captured.err), text) != NULL, "no %s in %s", text,
                  cf_buf_str(&dummy_captured.err));
}

void dummy_add_tenant(const char *login, bool enabled)
{
    struct cf_store *store = NULL;
    struct cf_config config = {.enabled = enabled};
    struct cf_producer producer = {.job = "tenant", .build = "b", .run = "r"};
    struct cf_marker marker;
    char tenant[CF_TENANT_MAX];
    (void)snprintf(config.login, sizeof(config.login), "%s", login);
    ck_assert_int_eq(cf_tenant_normalise(login, tenant, &err), 0);
    ck_assert_int_eq(cf_job_open_store(dummy_url, &store, &err), 0);
    int rc = cf_config_commit(store, tenant, &config, NULL, &producer, &marker, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    cf_marker_release(&marker);
    cf_store_free(store);
}

void dummy_setup(void)
{
    static const char *const variables[] = {
        "CLOUDFOLIO_STORE",        "CLOUDFOLIO_TENANT", "CLOUDFOLIO_ALL",
        "CLOUDFOLIO_SHARD",        "CLOUDFOLIO_EVENT",  "CLOUDFOLIO_FORCE",
        "CLOUDFOLIO_DRY_RUN",      "CLOUDFOLIO_LOG",    "CLOUDFOLIO_LOG_LEVEL",
        "CLOUDFOLIO_PARALLEL",     "DUMMY_NUMBER",      "AWS_BATCH_JOB_ARRAY_INDEX",
        "AWS_BATCH_JOB_ARRAY_SIZE"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        (void)unsetenv(variables[i]);
    }
    memset(&dummy_plan, 0, sizeof(dummy_plan));
    folder = temporary_folder();
    dummy_url = cf_asprintf("file:%s/store", folder);
    dummy_add_tenant("Octocat", true);
}

void dummy_teardown(void)
{
    captured_release(&dummy_captured);
    free(dummy_url);
    temporary_remove(folder);
}

/* --- the store afterwards -----------------------------------------------------------------------
 */

static int note(void *context, const struct cf_listed *listed)
{
    struct dummy_found *found = context;
    found->count++;
    (void)snprintf(found->key, sizeof(found->key), "%s", listed->key);
    return 0;
}

struct dummy_found dummy_find(const char *prefix)
{
    struct cf_store *store = NULL;
    struct dummy_found found = {0};
    ck_assert_int_eq(cf_store_open(dummy_url, &store, &err), 0);
    ck_assert_int_eq(cf_store_walk(store, prefix, NULL, false, note, &found, &err), 0);
    cf_store_free(store);
    return found;
}

json_t *dummy_record(const char *tenant)
{
    struct cf_store *store = NULL;
    struct cf_buf text = CF_BUF_INIT;
    json_t *document = NULL;
    char prefix[64];
    (void)snprintf(prefix, sizeof(prefix), "tenants/%s/runs/", tenant);
    struct dummy_found found = dummy_find(prefix);
    ck_assert_uint_eq(found.count, 1);
    ck_assert_int_eq(cf_store_open(dummy_url, &store, &err), 0);
    ck_assert_int_eq(cf_store_get(store, found.key, &text, &err), 0);
    ck_assert_int_eq(cf_json_parse(text.data, text.length, "it", &document, &err), 0);
    cf_buf_release(&text);
    cf_store_free(store);
    return document;
}

const char *dummy_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "(none)";
}
