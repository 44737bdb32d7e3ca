/* usage: what each tenant's data and runs take. */
#include <string.h>

#include "common/base/clock.h"
#include "jobs/cloudfolio/runs.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { DAY_MS = 86400000, WEEK_DAYS = 7 };

static int add_size(void *context, const struct cf_listed *listed)
{
    *(uint64_t *)context += listed->size;
    return 0;
}

static int stored_below(struct tool *tool, const char *tenant, const char *folder, json_t *stored,
                        uint64_t *total, struct cf_error *err)
{
    char prefix[CF_KEY_MAX];
    uint64_t bytes = 0;
    (void)snprintf(prefix, sizeof(prefix), "tenants/%s/%s/", tenant, folder);
    int rc = cf_store_walk(tool->store, prefix, NULL, false, add_size, &bytes, err);
    (void)json_object_set_new(stored, folder, json_integer((json_int_t)bytes));
    *total += bytes;
    return rc;
}

/* {"config", …, "runs", "total"}: bytes, by LIST. */
static int stored_of(struct tool *tool, const char *tenant, json_t **out, struct cf_error *err)
{
    uint64_t total = 0;
    int rc = 0;
    *out = json_object();
    for (size_t i = 0; tool_datasets[i] && !rc; i++) {
        rc = stored_below(tool, tenant, tool_datasets[i], *out, &total, err);
    }
    rc = rc ? rc : stored_below(tool, tenant, "runs", *out, &total, err);
    (void)json_object_set_new(*out, "total", json_integer((json_int_t)total));
    return rc;
}

static json_t *sum_of(const json_t *records, const char *first_day)
{
    static const char *const counters[] = {"github_requests", "github_points", "bytes_in",
                                           "bytes_out"};
    json_int_t sums[4] = {0};
    json_int_t runs = 0;
    json_int_t failed = 0;
    double cpu = 0;
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        const char *started = json_string_value(json_object_get(record, "started"));
        if (!started || strncmp(started, first_day, 10) < 0) {
            continue;
        }
        runs++;
        failed += json_integer_value(json_object_get(record, "exit_status")) != 0;
        cpu += json_number_value(json_object_get(record, "cpu_seconds"));
        for (size_t j = 0; j < 4; j++) {
            sums[j] += json_integer_value(json_object_get(record, counters[j]));
        }
    }
    return json_pack("{s:I,s:I,s:f,s:I,s:I,s:I,s:I}", "runs", runs, "failed", failed, "cpu_seconds",
                     cpu, counters[0], sums[0], counters[1], sums[1], counters[2], sums[2],
                     counters[3], sums[3]);
}

static int usage_of(struct tool *tool, const char *tenant, json_t *rows, struct cf_error *err)
{
    char today[CF_TIMESTAMP];
    char week[CF_TIMESTAMP];
    json_t *stored;
    json_t *records = json_array();
    cf_clock_format(tool->now_ms, today);
    cf_clock_format(tool->now_ms - (int64_t)(WEEK_DAYS - 1) * DAY_MS, week);
    today[10] = '\0';
    week[10] = '\0';
    struct tool_run_filter filter = {.first_day = week};
    int rc = stored_of(tool, tenant, &stored, err);
    rc = rc ? rc : tool_runs_read(tool->store, tenant, &filter, records, err);
    if (!rc) {
        (void)json_array_append_new(rows, json_pack("{s:s,s:O,s:o,s:o}", "tenant", tenant, "stored",
                                                    stored, "today", sum_of(records, today),
                                                    "last_7_days", sum_of(records, week)));
    }
    json_decref(stored);
    json_decref(records);
    return rc;
}

static void print_usage(struct tool *tool, const json_t *rows)
{
    static const struct tool_column bytes[] = {
        {"TENANT", "tenant", TOOL_TEXT},
        {"STORED", "stored.total", TOOL_BYTES},
        {"CONFIG", "stored.config", TOOL_BYTES},
        {"REPOS", "stored.repos", TOOL_BYTES},
        {"BUNDLE", "stored.bundle", TOOL_BYTES},
        {"REQUEST", "stored.request", TOOL_BYTES},
        {"REQUEST-GPU", "stored.request-gpu", TOOL_BYTES},
        {"CHECKPOINT", "stored.checkpoint", TOOL_BYTES},
        {"MODEL", "stored.model", TOOL_BYTES},
        {"RUN RECORDS", "stored.runs", TOOL_BYTES},
        {0},
    };
    static const struct tool_column work[] = {
        {"TENANT", "tenant", TOOL_TEXT},
        {"RUNS TODAY", "today.runs", TOOL_NUMBER},
        {"FAILED", "today.failed", TOOL_NUMBER},
        {"CPU", "today.cpu_seconds", TOOL_SECONDS},
        {"RUNS 7 DAYS", "last_7_days.runs", TOOL_NUMBER},
        {"FAILED", "last_7_days.failed", TOOL_NUMBER},
        {"CPU", "last_7_days.cpu_seconds", TOOL_SECONDS},
        {"GITHUB REQUESTS", "last_7_days.github_requests", TOOL_NUMBER},
        {"POINTS", "last_7_days.github_points", TOOL_NUMBER},
        {0},
    };
    tool_table(rows, bytes, tool->now_ms, tool->terminal, &tool->out);
    tool_print(tool, "\n");
    tool_table(rows, work, tool->now_ms, tool->terminal, &tool->out);
}

int tool_usage(struct tool *tool, struct cf_error *err)
{
    struct cf_string_list tenants = {0};
    json_t *rows = json_array();
    int rc = tool_tenants(tool, &tenants, err);
    for (size_t i = 0; i < tenants.count && !rc; i++) {
        rc = usage_of(tool, tenants.items[i], rows, err);
    }
    if (!rc && tool->json) {
        tool_json(tool, json_pack("{s:O}", "tenants", rows));
    } else if (!rc) {
        print_usage(tool, rows);
    }
    json_decref(rows);
    cf_string_list_release(&tenants);
    return rc;
}
