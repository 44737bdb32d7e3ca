/* runs, and reading the records for usage and status. */
#include "jobs/cloudfolio/runs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "jobs/cloudfolio/names.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { RUNS_LIMIT = 20, BATCH = 32, RUN_LENGTH = 12 + 1 + 16, DAY_LENGTH = 10 };

bool tool_run_name(const char *name, size_t *job_length, const char **run)
{
    static const char suffix[] = ".json";
    size_t length = strlen(name);
    size_t tail = 1 + RUN_LENGTH + strlen(suffix);
    if (length <= tail || strcmp(name + length - strlen(suffix), suffix) != 0) {
        return false;
    }
    *job_length = length - tail;
    *run = name + *job_length + 1;
    for (size_t i = 0; i < RUN_LENGTH; i++) {
        bool digit = isdigit((unsigned char)(*run)[i]) || ((*run)[i] >= 'a' && (*run)[i] <= 'f');
        if (i == 12 ? (*run)[i] != '-' : !digit) {
            return false;
        }
    }
    return name[*job_length] == '-';
}

/* The day that a group "tenants/<tenant>/runs/<day>/" names. */
static int add_day(void *context, const struct cf_listed *listed)
{
    size_t length = strlen(listed->key);
    if (listed->group && length > DAY_LENGTH + 1 && listed->key[length - DAY_LENGTH - 2] == '/') {
        cf_string_list_add(context, listed->key + length - DAY_LENGTH - 1, DAY_LENGTH);
    }
    return 0;
}

struct day {
    const struct tool_run_filter *filter;
    size_t prefix_length;
    struct cf_string_list keys;
};

static int add_key(void *context, const struct cf_listed *listed)
{
    struct day *day = context;
    size_t job_length;
    const char *run;
    const char *name = listed->key + day->prefix_length;
    const char *job = day->filter->job;
    if (tool_run_name(name, &job_length, &run) &&
        (!job || (strlen(job) == job_length && strncmp(job, name, job_length) == 0))) {
        cf_string_list_add(&day->keys, listed->key, strlen(listed->key));
    }
    return 0;
}

static const char *run_of_key(const char *key)
{
    return key + strlen(key) - RUN_LENGTH - strlen(".json");
}

static int later_first(const void *a, const void *b)
{
    return strcmp(run_of_key(*(char *const *)b), run_of_key(*(char *const *)a));
}

static bool wants(const struct tool_run_filter *filter, const json_t *record)
{
    const json_t *status = json_object_get(record, "exit_status");
    return json_is_object(record) &&
           (!filter->failed || (json_is_integer(status) && json_integer_value(status) != 0));
}

static bool is_full(const struct tool_run_filter *filter, const json_t *out)
{
    return filter->limit && json_array_size(out) >= filter->limit;
}

static void add_record(const struct tool_run_filter *filter, const struct cf_op *op, json_t *out)
{
    json_t *record = NULL;
    struct cf_error err = op->error;
    int rc = op->rc;
    rc = rc ? rc : cf_json_parse(op->body.data, op->body.length, op->key, &record, &err);
    if (rc && rc != CF_ENOTFOUND) { /* a record that expired since the LIST is no fault */
        cf_log_error(CF_WARN, "run_unreadable", &err);
    } else if (!rc && wants(filter, record) && !is_full(filter, out)) {
        (void)json_array_append(out, record);
    }
    json_decref(record);
}

static void read_keys(struct cf_store *store, const struct tool_run_filter *filter,
                      const struct cf_string_list *keys, json_t *out)
{
    for (size_t i = 0; i < keys->count && !is_full(filter, out); i += BATCH) {
        struct cf_op ops[BATCH];
        size_t n = keys->count - i < BATCH ? keys->count - i : BATCH;
        for (size_t j = 0; j < n; j++) {
            ops[j] = (struct cf_op){.kind = CF_OP_GET, .key = keys->items[i + j]};
        }
        (void)cf_store_run(store, ops, n);
        for (size_t j = 0; j < n; j++) {
            add_record(filter, &ops[j], out);
            cf_op_release(&ops[j]);
        }
    }
}

static int read_day(struct cf_store *store, const char *prefix,
                    const struct tool_run_filter *filter, json_t *out, struct cf_error *err)
{
    struct day day = {.filter = filter, .prefix_length = strlen(prefix)};
    int rc = cf_store_walk(store, prefix, NULL, false, add_key, &day, err);
    if (!rc && day.keys.count) {
        qsort(day.keys.items, day.keys.count, sizeof(*day.keys.items), later_first);
        read_keys(store, filter, &day.keys, out);
    }
    cf_string_list_release(&day.keys);
    return rc;
}

int tool_runs_read(struct cf_store *store, const char *tenant, const struct tool_run_filter *filter,
                   json_t *out, struct cf_error *err)
{
    char prefix[CF_KEY_MAX];
    struct cf_string_list days = {0};
    (void)snprintf(prefix, sizeof(prefix), "tenants/%s/runs/", tenant);
    int rc = cf_store_walk(store, prefix, NULL, true, add_day, &days, err);
    for (size_t i = days.count; i-- > 0 && !rc && !is_full(filter, out);) {
        if (filter->first_day && strcmp(days.items[i], filter->first_day) < 0) {
            break;
        }
        (void)snprintf(prefix, sizeof(prefix), "tenants/%s/runs/%s/", tenant, days.items[i]);
        rc = read_day(store, prefix, filter, out, err);
    }
    cf_string_list_release(&days);
    return rc;
}

static int delete_keys(struct cf_store *store, const struct cf_string_list *keys,
                       struct cf_error *err)
{
    int rc = 0;
    struct cf_op *ops = cf_calloc(keys->count ? keys->count : 1, sizeof(*ops));
    for (size_t i = 0; i < keys->count; i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_DELETE, .key = keys->items[i]};
    }
    (void)cf_store_run(store, ops, keys->count);
    for (size_t i = 0; i < keys->count; i++) {
        if (!rc && ops[i].rc) {
            *err = ops[i].error;
            rc = ops[i].rc;
        }
        cf_op_release(&ops[i]);
    }
    free(ops);
    return rc;
}

int tool_runs_expire(struct cf_store *store, const char *tenant, const char *first_day,
                     bool dry_run, uint64_t *count, struct cf_error *err)
{
    static const struct tool_run_filter every = {0};
    char prefix[CF_KEY_MAX];
    struct cf_string_list days = {0};
    (void)snprintf(prefix, sizeof(prefix), "tenants/%s/runs/", tenant);
    int rc = cf_store_walk(store, prefix, NULL, true, add_day, &days, err);
    for (size_t i = 0; i < days.count && !rc && strcmp(days.items[i], first_day) < 0; i++) {
        (void)snprintf(prefix, sizeof(prefix), "tenants/%s/runs/%s/", tenant, days.items[i]);
        struct day day = {.filter = &every, .prefix_length = strlen(prefix)};
        rc = cf_store_walk(store, prefix, NULL, false, add_key, &day, err);
        rc = rc || dry_run ? rc : delete_keys(store, &day.keys, err);
        *count += rc ? 0 : day.keys.count;
        cf_string_list_release(&day.keys);
    }
    cf_string_list_release(&days);
    return rc;
}

struct found {
    const char *run;
    json_t *record;
};

static int later_run_first(const void *a, const void *b)
{
    return strcmp(((const struct found *)b)->run, ((const struct found *)a)->run);
}

/* All tenants' records, newest first, cut to the limit. */
static json_t *merge(const json_t *records, size_t limit)
{
    size_t count = json_array_size(records);
    struct found *sorted = cf_calloc(count, sizeof(*sorted));
    json_t *merged = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *record = json_array_get(records, i);
        const char *run = json_string_value(json_object_get(record, "run"));
        sorted[i] = (struct found){run ? run : "", record};
    }
    qsort(sorted, count, sizeof(*sorted), later_run_first);
    for (size_t i = 0; i < count && i < limit; i++) {
        (void)json_array_append(merged, sorted[i].record);
    }
    free(sorted);
    return merged;
}

static void print_runs(struct tool *tool, json_t *records)
{
    static const struct tool_column columns[] = {
        {"STARTED (UTC)", "started", TOOL_TIME},
        {"TENANT", "tenant", TOOL_TEXT},
        {"JOB", "job", TOOL_TEXT},
        {"RUN", "run", TOOL_TEXT},
        {"EXIT", "exit_status", TOOL_NUMBER},
        {"OUTCOME", "outcome", TOOL_TEXT},
        {"CPU", "cpu_seconds", TOOL_SECONDS},
        {"OUTPUTS", "outputs", TOOL_INPUTS},
        {"ERROR", "error.message", TOOL_TEXT},
        {0},
    };
    if (tool->json) {
        tool_json(tool, json_pack("{s:O}", "runs", records));
    } else if (!json_array_size(records)) {
        tool_print(tool, "no such runs\n");
    } else {
        tool_table(records, columns, tool->now_ms, tool->terminal, &tool->out);
    }
}

static int check_job(const char *job, struct cf_error *err)
{
    static const char *const jobs[] = {"sync", "orchestrate", "train"};
    for (size_t i = 0; i < 3; i++) {
        if (!job || strcmp(job, jobs[i]) == 0) {
            return 0;
        }
    }
    const char *nearest = tool_nearest(job, jobs, 3);
    return cf_error_set(err, CF_EUSAGE, "--job: \"%.40s\" is not sync, orchestrate or train%s%s",
                        job, nearest ? "; nearest is " : "", nearest ? nearest : "");
}

int tool_runs(struct tool *tool, struct cf_error *err)
{
    struct cf_string_list tenants = {0};
    size_t limit = tool->limit ? (size_t)tool->limit : RUNS_LIMIT;
    struct tool_run_filter filter = {.job = tool->job, .failed = tool->failed, .limit = limit};
    json_t *all = json_array();
    int rc = check_job(tool->job, err);
    rc = rc ? rc : tool_tenants(tool, &tenants, err);
    for (size_t i = 0; i < tenants.count && !rc; i++) {
        json_t *records = json_array();
        rc = tool_runs_read(tool->store, tenants.items[i], &filter, records, err);
        (void)json_array_extend(all, records);
        json_decref(records);
    }
    if (!rc) {
        json_t *merged = merge(all, limit);
        print_runs(tool, merged);
        json_decref(merged);
    }
    json_decref(all);
    cf_string_list_release(&tenants);
    return rc;
}
