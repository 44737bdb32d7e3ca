#include "common/contract/runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"

void cf_run_id(char out[CF_RUN_ID_MAX])
{
    (void)snprintf(out, CF_RUN_ID_MAX, "%012" PRIx64 "-%016" PRIx64, (uint64_t)cf_clock_now_ms(),
                   cf_random_u64());
}

static void add(struct cf_input *list, size_t *count, const struct cf_marker *marker)
{
    if (*count == CF_INPUTS_MAX) {
        return;
    }
    struct cf_input *input = &list[(*count)++];
    memcpy(input->dataset, marker->dataset, sizeof(input->dataset));
    input->version = marker->version;
    memcpy(input->sha256, marker->sha256, sizeof(input->sha256));
}

void cf_run_record_input(struct cf_run_record *record, const struct cf_marker *marker)
{
    add(record->inputs, &record->input_count, marker);
}

void cf_run_record_output(struct cf_run_record *record, const struct cf_marker *marker)
{
    add(record->outputs, &record->output_count, marker);
}

void cf_run_record_key(const struct cf_run_record *record, char out[CF_KEY_MAX])
{
    char day[CF_TIMESTAMP];
    cf_clock_format(record->started_ms, day);
    (void)snprintf(out, CF_KEY_MAX, "tenants/%s/runs/%.10s/%s-%s.json", record->tenant, day,
                   record->job, record->run);
}

static json_t *versions(const struct cf_input *list, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, json_pack("{s:s,s:I,s:s}", "dataset", list[i].dataset,
                                                     "version", (json_int_t)list[i].version,
                                                     "sha256", list[i].sha256));
    }
    return array;
}

static json_t *error_json(const struct cf_error *error)
{
    if (!error->code) {
        return json_null();
    }
    return json_pack("{s:s,s:o,s:o,s:o,s:I,s:o,s:o}", "code", cf_code_name(error->code), "message",
                     cf_json_string_or_null(error->message), "operation",
                     cf_json_string_or_null(error->operation), "key",
                     cf_json_string_or_null(error->key), "http_status",
                     (json_int_t)error->http_status, "service_code",
                     cf_json_string_or_null(error->service_code), "request_id",
                     cf_json_string_or_null(error->request_id));
}

static json_t *time_json(int64_t ms)
{
    char text[CF_TIMESTAMP];
    if (!ms) {
        return json_null();
    }
    cf_clock_format(ms, text);
    return json_string(text);
}

int cf_run_record_put(struct cf_store *store, const struct cf_run_record *r, struct cf_error *err)
{
    char key[CF_KEY_MAX];
    struct cf_buf text = CF_BUF_INIT;
    json_t *document = json_pack(
        "{s:i,s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:f,s:I}", "contract",
        CF_CONTRACT_VERSION, "job", r->job, "run", r->run, "tenant", r->tenant, "build", r->build,
        "started", time_json(r->started_ms), "ended", time_json(r->ended_ms), "exit_status",
        r->ended_ms ? json_integer(r->exit_status) : json_null(), "outcome",
        r->ended_ms ? json_string(r->outcome) : json_null(), "error", error_json(&r->error),
        "inputs", versions(r->inputs, r->input_count), "outputs",
        versions(r->outputs, r->output_count), "github_requests", (json_int_t)r->github_requests,
        "github_points", (json_int_t)r->github_points, "bytes_in", (json_int_t)r->bytes_in,
        "bytes_out", (json_int_t)r->bytes_out, "cpu_seconds", r->cpu_seconds, "peak_memory_bytes",
        (json_int_t)r->peak_memory_bytes);
    cf_json_dump(document, &text);
    json_decref(document);
    cf_run_record_key(r, key);
    int rc = cf_store_put(store, key, text.data, text.length, err);
    cf_buf_release(&text);
    return rc;
}
