/* Run records: one small JSON object for each run of a job on a tenant, written when it starts and
 * again when it ends (docs/CONTRACT.md). They are for people, quotas and reports; nothing else
 * decides by them. */
#ifndef CF_CONTRACT_RUNS_H
#define CF_CONTRACT_RUNS_H

#include <jansson.h>
#include <stdint.h>

#include "common/contract/marker.h"
#include "common/store/store.h"

#define CF_RUN_ID_MAX 40

struct cf_run_record {
    char job[24];
    char run[CF_RUN_ID_MAX];
    char tenant[CF_TENANT_MAX];
    char build[48];
    int64_t started_ms;
    int64_t ended_ms; /* 0: still running */
    int exit_status;
    struct cf_error error; /* code 0: none */
    char outcome[32];      /* "committed", "unchanged", "skipped", "failed" */
    struct cf_input inputs[CF_INPUTS_MAX];
    size_t input_count;
    struct cf_input outputs[CF_INPUTS_MAX];
    size_t output_count;
    uint64_t github_requests;
    uint64_t github_points;
    uint64_t bytes_in;
    uint64_t bytes_out;
    double cpu_seconds;
    int64_t peak_memory_bytes;
};

/* A run id: the time in hexadecimal milliseconds, then 64 random bits; sorts by time. */
void cf_run_id(char out[CF_RUN_ID_MAX]);

void cf_run_record_input(struct cf_run_record *record, const struct cf_marker *marker);
void cf_run_record_output(struct cf_run_record *record, const struct cf_marker *marker);

/* Writes the record under its own name, whether it is the first or the second time. */
int cf_run_record_put(struct cf_store *store, const struct cf_run_record *record,
                      struct cf_error *err);

/* The key: tenants/<tenant>/runs/<yyyy-mm-dd>/<job>-<run id>.json */
void cf_run_record_key(const struct cf_run_record *record, char out[CF_KEY_MAX]);

#endif
