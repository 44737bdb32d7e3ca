/* rollback, verify and gc. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/contract/collect.h"
#include "common/contract/verify.h"
#include "common/job/job.h"
#include "jobs/cloudfolio/runs.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { ATTEMPTS = 5, FINDINGS = 5 };

struct rollback {
    struct cf_dataset dataset;
    uint64_t target;
    uint64_t newest; /* when it was decided */
    uint64_t made;   /* 0: nothing was committed */
    const char *action;
};

/* Everything that the version refers to must be there and whole. */
static int check_contents(const struct cf_dataset *dataset, const struct cf_marker *marker,
                          struct cf_error *err)
{
    json_t *root = NULL;
    struct cf_blob_set blobs = {0};
    int rc = cf_dataset_root(dataset, marker, &root, err);
    rc = rc ? rc : cf_blob_set_read(root, &blobs, err);
    for (size_t i = 0; i < blobs.count && !rc; i++) {
        struct cf_buf payload = CF_BUF_INIT;
        rc = cf_dataset_blob(dataset, &blobs.items[i], &payload, err);
        cf_buf_release(&payload);
    }
    cf_blob_set_release(&blobs);
    json_decref(root);
    return rc;
}

static int rollback_once(struct tool *tool, struct rollback *r, struct cf_error *err)
{
    struct cf_marker parent;
    struct cf_marker target = {0};
    struct cf_marker made;
    int rc = cf_dataset_newest(&r->dataset, &parent, err);
    if (rc) {
        return rc;
    }
    r->newest = parent.version;
    if (r->target < parent.floor || r->target > parent.version) {
        rc = cf_error_set(err, CF_ENOTFOUND,
                          "version %" PRIu64 " of %s can't be restored: %" PRIu64 " to %" PRIu64
                          " can",
                          r->target, r->dataset.name, parent.floor, parent.version);
    }
    rc = rc ? rc : cf_dataset_at(&r->dataset, r->target, &target, err);
    if (!rc && strcmp(target.root.sha256, parent.root.sha256) == 0) {
        r->action = "unchanged";
    } else if (!rc) {
        rc = check_contents(&r->dataset, &target, err);
        r->action = "would_roll_back";
        if (!rc && !tool->dry_run) {
            rc = cf_commit_rollback(&r->dataset, &parent, &target, &tool->producer, &made, err);
        }
        if (!rc && !tool->dry_run) {
            r->action = "rolled_back";
            r->made = made.version;
            cf_marker_release(&made);
        }
    }
    cf_marker_release(&target);
    cf_marker_release(&parent);
    return rc;
}

static void print_rollback(struct tool *tool, const struct rollback *r)
{
    const char *name = r->dataset.name;
    if (tool->json) {
        tool_json(tool, json_pack("{s:s,s:s,s:s,s:I,s:I,s:o}", "tenant", r->dataset.tenant,
                                  "dataset", name, "action", r->action, "restored",
                                  (json_int_t)r->target, "newest", (json_int_t)r->newest, "version",
                                  r->made ? json_integer((json_int_t)r->made) : json_null()));
    } else if (r->made) {
        tool_print(tool,
                   "%s %" PRIu64 " has the contents of %s %" PRIu64 "; version %" PRIu64
                   " stays readable\n",
                   name, r->made, name, r->target, r->newest);
    } else if (strcmp(r->action, "unchanged") == 0) {
        tool_print(tool, "%s %" PRIu64 " has the contents of %s %" PRIu64 " already\n", name,
                   r->newest, name, r->target);
    } else {
        tool_print(tool, "%s %" PRIu64 " would get the contents of %s %" PRIu64 "\n", name,
                   r->newest + 1, name, r->target);
    }
}

int tool_rollback(struct tool *tool, struct cf_error *err)
{
    struct rollback r = {0};
    char tenant[CF_TENANT_MAX];
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_check_dataset(tool->arguments[1], err);
    rc = rc ? rc : tool_version(tool->arguments[2], &r.target, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    if (rc) {
        return rc;
    }
    cf_dataset_init(&r.dataset, tool->store, tenant, tool->arguments[1]);
    rc = CF_ECONFLICT;
    for (int i = 0; i < ATTEMPTS && rc == CF_ECONFLICT; i++) {
        rc = rollback_once(tool, &r, err);
    }
    if (!rc) {
        print_rollback(tool, &r);
    }
    return rc;
}

struct targets {
    struct cf_dataset *items;
    size_t count;
    size_t capacity;
    struct cf_string_list foreign; /* folders of a tenant that are no dataset */
};

static void add_target(struct targets *targets, struct cf_store *store, const char *tenant,
                       const char *name)
{
    targets->items =
        cf_grow(targets->items, targets->count, &targets->capacity, sizeof(*targets->items));
    cf_dataset_init(&targets->items[targets->count++], store, tenant, name);
}

static void targets_release(struct targets *targets)
{
    free(targets->items);
    cf_string_list_release(&targets->foreign);
}

static int add_folder(void *context, const struct cf_listed *listed)
{
    struct targets *targets = context;
    char name[CF_KEY_MAX];
    (void)snprintf(name, sizeof(name), "%s", listed->key);
    size_t length = strlen(name);
    if (listed->group && length) {
        name[length - 1] = '\0';
    }
    const char *slash = strrchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    if (!listed->group || (!cf_dataset_is_known(last) && strcmp(last, "runs") != 0)) {
        cf_string_list_add(&targets->foreign, listed->key, strlen(listed->key));
    }
    return 0;
}

static int add_shared(void *context, const struct cf_listed *listed)
{
    struct targets *targets = context;
    char name[CF_DATASET_MAX];
    size_t length = strlen(listed->key) - strlen("shared/");
    if (listed->group && length > 1 && length <= sizeof(name)) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)length - 1,
                       listed->key + strlen("shared/"));
        add_target(targets, NULL, "", name);
    }
    return 0;
}

static int add_tenant(struct tool *tool, struct targets *targets, const char *tenant,
                      struct cf_error *err)
{
    char prefix[CF_KEY_MAX];
    if (tool->count > 1) {
        add_target(targets, tool->store, tenant, tool->arguments[1]);
        return 0;
    }
    for (size_t i = 0; tool_datasets[i]; i++) {
        add_target(targets, tool->store, tenant, tool_datasets[i]);
    }
    (void)snprintf(prefix, sizeof(prefix), "tenants/%s/", tenant);
    return cf_store_walk(tool->store, prefix, NULL, true, add_folder, targets, err);
}

static int find_targets(struct tool *tool, struct targets *targets, struct cf_error *err)
{
    struct cf_string_list tenants = {0};
    int rc = tool->count > 1 ? tool_check_dataset(tool->arguments[1], err) : 0;
    rc = rc ? rc : tool_tenants(tool, &tenants, err);
    for (size_t i = 0; i < tenants.count && !rc; i++) {
        rc = add_tenant(tool, targets, tenants.items[i], err);
    }
    if (!rc && !tool->count) {
        rc = cf_store_walk(tool->store, "shared/", NULL, true, add_shared, targets, err);
        for (size_t i = 0; i < targets->count; i++) {
            targets->items[i].store = tool->store;
        }
    }
    cf_string_list_release(&tenants);
    return rc;
}

static void add_finding(void *context, enum cf_finding finding, const char *key, const char *what)
{
    (void)json_array_append_new(
        context,
        json_pack("{s:s,s:s,s:s}", "finding", cf_finding_name(finding), "key", key, "what", what));
}

static void add_counts(struct cf_verified *total, const struct cf_verified *one)
{
    total->versions += one->versions;
    total->blobs += one->blobs;
    total->bytes += one->bytes;
    for (size_t i = 0; i < FINDINGS; i++) {
        total->findings[i] += one->findings[i];
    }
}

static json_t *counts_json(const struct cf_verified *v)
{
    json_t *counts = json_pack("{s:I,s:I,s:I}", "versions", (json_int_t)v->versions, "blobs",
                               (json_int_t)v->blobs, "bytes", (json_int_t)v->bytes);
    for (size_t i = 0; i < FINDINGS; i++) {
        (void)json_object_set_new(counts, cf_finding_name((enum cf_finding)i),
                                  json_integer((json_int_t)v->findings[i]));
    }
    return counts;
}

static void print_verified(struct tool *tool, json_t *findings, const struct cf_verified *total)
{
    static const struct tool_column columns[] = {
        {"FINDING", "finding", TOOL_TEXT},
        {"KEY", "key", TOOL_TEXT},
        {"WHAT", "what", TOOL_TEXT},
        {0},
    };
    bool clean = cf_verified_clean(total);
    if (tool->json) {
        tool_json(tool, json_pack("{s:b,s:o,s:O}", "clean", (int)clean, "totals",
                                  counts_json(total), "findings", findings));
        return;
    }
    if (json_array_size(findings)) {
        tool_table(findings, columns, tool->now_ms, tool->terminal, &tool->out);
        tool_print(tool, "\n");
    }
    tool_print(tool, "%s: %" PRIu64 " versions, %" PRIu64 " blobs, ", clean ? "clean" : "NOT CLEAN",
               total->versions, total->blobs);
    tool_bytes(total->bytes, &tool->out);
    for (size_t i = 0; i < FINDINGS; i++) {
        tool_print(tool, ", %" PRIu64 " %s", total->findings[i],
                   cf_finding_name((enum cf_finding)i));
    }
    tool_print(tool, "\n");
}

int tool_verify(struct tool *tool, struct cf_error *err)
{
    struct targets targets = {0};
    struct cf_verified total = {0};
    json_t *findings = json_array();
    int rc = find_targets(tool, &targets, err);
    for (size_t i = 0; i < targets.count && !rc; i++) {
        struct cf_verified one;
        rc = cf_verify(&targets.items[i], add_finding, findings, &one, err);
        add_counts(&total, &one);
    }
    for (size_t i = 0; i < targets.foreign.count && !rc; i++) {
        add_finding(findings, CF_FOUND_FOREIGN, targets.foreign.items[i],
                    "not a dataset of the contract");
        total.findings[CF_FOUND_FOREIGN]++;
    }
    if (!rc && tool->count && !total.versions && !json_array_size(findings)) {
        rc = cf_error_set(err, CF_ENOTFOUND, "there is no version of anything of \"%s\"%s%s",
                          tool->arguments[0], tool->count > 1 ? " in " : "",
                          tool->count > 1 ? tool->arguments[1] : "");
    }
    if (!rc) {
        print_verified(tool, findings, &total);
        tool->status = cf_verified_clean(&total) ? 0 : cf_exit_status(CF_EDATA);
    }
    json_decref(findings);
    targets_release(&targets);
    return rc;
}

static void collect(struct tool *tool, const struct cf_dataset *dataset, json_t *rows)
{
    struct cf_collected c = {0};
    struct cf_error failure = {0};
    uint64_t keep = tool->keep ? tool->keep : CF_COLLECT_KEEP;
    int rc = cf_collect(dataset, keep, tool->dry_run, &tool->producer, &c, &failure);
    if (rc) {
        tool_failed(tool, "collection_failed", &failure);
    }
    if (c.newest) {
        (void)json_array_append_new(
            rows,
            json_pack("{s:s,s:s,s:I,s:I,s:I,s:I}", "tenant", dataset->tenant, "dataset",
                      dataset->name, "newest", (json_int_t)c.newest, "floor", (json_int_t)c.floor,
                      "markers", (json_int_t)c.markers, "blobs", (json_int_t)c.blobs));
    }
}

/* --keep-runs: the records of days before the last so many. */
static int expire_runs(struct tool *tool, uint64_t *runs, struct cf_error *err)
{
    struct cf_string_list tenants = {0};
    char first_day[CF_TIMESTAMP];
    cf_clock_format(tool->now_ms - (int64_t)tool->keep_runs * 86400000, first_day);
    first_day[sizeof("2026-01-31") - 1] = '\0';
    int rc = tool_tenants(tool, &tenants, err);
    for (size_t i = 0; i < tenants.count && !rc; i++) {
        rc = tool_runs_expire(tool->store, tenants.items[i], first_day, tool->dry_run, runs, err);
    }
    cf_string_list_release(&tenants);
    return rc;
}

static void print_collected(struct tool *tool, json_t *rows, uint64_t runs, uint64_t temporary)
{
    static const struct tool_column columns[] = {
        {"TENANT", "tenant", TOOL_TEXT},
        {"DATASET", "dataset", TOOL_TEXT},
        {"NEWEST", "newest", TOOL_NUMBER},
        {"FLOOR", "floor", TOOL_NUMBER},
        {"MARKERS", "markers", TOOL_NUMBER},
        {"BLOBS", "blobs", TOOL_NUMBER},
        {0},
    };
    if (tool->json) {
        tool_json(tool,
                  json_pack("{s:b,s:O,s:I,s:I}", "dry_run", (int)tool->dry_run, "datasets", rows,
                            "runs", (json_int_t)runs, "temporary", (json_int_t)temporary));
        return;
    }
    json_int_t deleted[2] = {0, 0};
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        deleted[0] += json_integer_value(json_object_get(row, "markers"));
        deleted[1] += json_integer_value(json_object_get(row, "blobs"));
    }
    if (json_array_size(rows)) {
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
        tool_print(tool, "\n");
    }
    tool_print(tool,
               "%s %" JSON_INTEGER_FORMAT " markers, %" JSON_INTEGER_FORMAT " blobs and %" PRIu64
               " temporary files\n",
               tool->dry_run ? "would delete" : "deleted", deleted[0], deleted[1], temporary);
    if (tool->keep_runs) {
        tool_print(tool, "%s %" PRIu64 " run records older than %" PRIu64 " days\n",
                   tool->dry_run ? "would delete" : "deleted", runs, tool->keep_runs);
    }
}

int tool_gc(struct tool *tool, struct cf_error *err)
{
    struct targets targets = {0};
    uint64_t temporary = 0;
    uint64_t runs = 0;
    const volatile int *stop = cf_job_signals();
    json_t *rows = json_array();
    int rc = find_targets(tool, &targets, err);
    for (size_t i = 0; i < targets.count && !rc; i++) {
        if (*stop) {
            rc = cf_error_set(err, CF_EINTERRUPTED, "a signal asked to stop");
        } else {
            collect(tool, &targets.items[i], rows);
        }
    }
    if (!rc && tool->keep_runs && tool->count < 2) {
        rc = expire_runs(tool, &runs, err);
    }
    if (!rc && !tool->dry_run) {
        rc = cf_store_tidy(tool->store, &temporary, err);
    }
    if (!rc) {
        print_collected(tool, rows, runs, temporary);
    }
    json_decref(rows);
    targets_release(&targets);
    return rc;
}
