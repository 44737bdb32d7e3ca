/* status: what is there, what is pending, how the last runs ended. */
#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/portfolio/config.h"
#include "common/portfolio/model.h"
#include "jobs/cloudfolio/runs.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { CONFIG, REPOS, BUNDLE, REQUEST, REQUEST_GPU, CHECKPOINT, MODEL, DATASETS };
enum { JOBS = 3, RUN_DAYS = 30, DAY_MS = 86400000 };

static const char *const jobs[JOBS] = {"sync", "orchestrate", "train"};

struct state {
    struct tool *tool;
    const char *tenant;
    struct cf_marker newest[DATASETS]; /* version 0: none */
    json_t *pending;
};

static void add_pending(struct state *s, const char *job, const char *why)
{
    (void)json_array_append_new(
        s->pending, json_pack("{s:o,s:s}", "job", cf_json_string_or_null(job), "why", why));
}

static const struct cf_input *input_of(const struct cf_marker *marker, const char *dataset)
{
    for (size_t i = 0; i < marker->input_count; i++) {
        if (strcmp(marker->inputs[i].dataset, dataset) == 0) {
            return &marker->inputs[i];
        }
    }
    return NULL;
}

/* A version that only raised the floor has the root of the one before it, and calls for nothing. */
static bool bundle_is_current(const struct state *s)
{
    const struct cf_marker *repos = &s->newest[REPOS];
    const struct cf_input *input = input_of(&s->newest[BUNDLE], "repos");
    struct cf_dataset dataset;
    struct cf_marker read;
    struct cf_error ignored; /* a version that is gone can't be compared */
    if (!s->newest[BUNDLE].version || !input) {
        return false;
    }
    if (input->version == repos->version) {
        return strcmp(input->sha256, repos->sha256) == 0;
    }
    cf_dataset_init(&dataset, s->tool->store, s->tenant, "repos");
    if (cf_dataset_at(&dataset, input->version, &read, &ignored)) {
        return false;
    }
    bool same = strcmp(read.root.sha256, repos->root.sha256) == 0;
    cf_marker_release(&read);
    return same;
}

static json_int_t turn_of(const struct cf_marker *request)
{
    return json_integer_value(json_object_get(request->summary, "turn"));
}

/* Of the two datasets, the request that train would take (cf_request_is_later). */
static const struct cf_marker *latest_request(const struct state *s)
{
    const struct cf_marker *cpu = &s->newest[REQUEST];
    const struct cf_marker *gpu = &s->newest[REQUEST_GPU];
    const struct cf_input *a = input_of(cpu, "bundle");
    const struct cf_input *b = input_of(gpu, "bundle");
    if (!gpu->version || !cpu->version) {
        return cpu->version ? cpu : gpu->version ? gpu : NULL;
    }
    if (a && b && a->version != b->version) {
        return b->version > a->version ? gpu : cpu;
    }
    return turn_of(cpu) > turn_of(gpu) ? cpu : gpu;
}

static bool is_trained(const struct cf_marker *request, const struct cf_marker *model)
{
    const char *undone =
        json_string_value(json_object_get(model->summary, "undone_request")); /* rolled back */
    return model->version && (strcmp(model->request, request->request) == 0 ||
                              (undone && strcmp(undone, request->request) == 0));
}

static void find_pending(struct state *s)
{
    char why[160];
    const struct cf_marker *request = latest_request(s);
    if (!s->newest[REPOS].version) {
        add_pending(s, "sync", "nothing was read from GitHub yet");
    } else if (!s->newest[BUNDLE].version) {
        add_pending(s, "orchestrate", "there is no bundle yet");
    } else if (!bundle_is_current(s)) {
        (void)snprintf(why, sizeof(why),
                       "repos %" PRIu64 " is newer than what bundle %" PRIu64 " was made of",
                       s->newest[REPOS].version, s->newest[BUNDLE].version);
        add_pending(s, "orchestrate", why);
    }
    if (request && !is_trained(request, &s->newest[MODEL])) {
        (void)snprintf(why, sizeof(why), "%s %" PRIu64 " has no model yet", request->dataset,
                       request->version);
        add_pending(s, "train", why);
    }
}

static json_t *read_datasets(struct state *s)
{
    json_t *all = json_object();
    for (size_t i = 0; i < DATASETS; i++) {
        struct cf_dataset dataset;
        struct cf_error err;
        struct cf_marker *m = &s->newest[i];
        cf_dataset_init(&dataset, s->tool->store, s->tenant, tool_datasets[i]);
        int rc = cf_dataset_newest(&dataset, m, &err);
        if (rc) {
            memset(m, 0, sizeof(*m));
        }
        if (rc && rc != CF_ENOTFOUND) {
            tool_failed(s->tool, "dataset_unreadable", &err);
            add_pending(s, NULL, "a dataset can't be read; verify says more");
        }
        json_t *version =
            rc ? json_null()
               : json_pack("{s:I,s:o,s:s}", "version", (json_int_t)m->version, "created_at",
                           cf_json_string_or_null(m->created_at), "sha256", m->sha256);
        (void)json_object_set_new(all, tool_datasets[i], version);
    }
    return all;
}

static json_t *read_config(struct state *s, json_t *document)
{
    struct cf_config config;
    struct cf_error err;
    int rc = cf_config_read(s->tool->store, s->tenant, &config, NULL, &err);
    if (rc == CF_ENOTFOUND) {
        add_pending(s, NULL, "there is no configuration");
    } else if (!rc && !config.enabled) {
        add_pending(s, NULL, "disabled");
    }
    (void)json_object_set_new(document, "login", rc ? json_null() : json_string(config.login));
    (void)json_object_set_new(document, "enabled", rc ? json_null() : json_boolean(config.enabled));
    return document;
}

static json_t *read_last_runs(struct state *s, struct cf_error *err, int *rc)
{
    char day[CF_TIMESTAMP];
    json_t *last = json_object();
    cf_clock_format(s->tool->now_ms - (int64_t)RUN_DAYS * DAY_MS, day);
    day[10] = '\0';
    for (size_t i = 0; i < JOBS && !*rc; i++) {
        struct tool_run_filter filter = {.job = jobs[i], .first_day = day, .limit = 1};
        json_t *records = json_array();
        *rc = tool_runs_read(s->tool->store, s->tenant, &filter, records, err);
        json_t *record = json_array_get(records, 0);
        (void)json_object_set_new(last, jobs[i], record ? json_incref(record) : json_null());
        json_decref(records);
    }
    return last;
}

/* {"scores", "gate", "repositories"} of the newest model; null when there is none. */
static json_t *read_model(struct state *s)
{
    struct cf_dataset dataset;
    struct cf_model_document model;
    struct cf_error err;
    json_t *root = NULL;
    if (!s->newest[MODEL].version) {
        return json_null();
    }
    cf_dataset_init(&dataset, s->tool->store, s->tenant, "model");
    int rc = cf_dataset_root(&dataset, &s->newest[MODEL], &root, &err);
    rc = rc ? rc : cf_model_document_read(root, &model, &err);
    json_decref(root);
    if (rc) {
        tool_failed(s->tool, "model_unreadable", &err);
        return json_null();
    }
    json_t *out = json_pack("{s:O?,s:O,s:I,s:I}", "scores", model.current.scores, "gate",
                            model.gate, "repositories", (json_int_t)model.current.repositories,
                            "chunks", (json_int_t)model.current.chunks);
    cf_model_document_release(&model);
    return out;
}

static int status_of(struct tool *tool, const char *tenant, json_t *rows, struct cf_error *err)
{
    struct state s = {.tool = tool, .tenant = tenant, .pending = json_array()};
    int rc = 0;
    json_t *document = read_config(&s, json_pack("{s:s}", "tenant", tenant));
    (void)json_object_set_new(document, "datasets", read_datasets(&s));
    find_pending(&s);
    (void)json_object_set_new(document, "pending", s.pending);
    (void)json_object_set_new(document, "last_runs", read_last_runs(&s, err, &rc));
    (void)json_object_set_new(document, "model", read_model(&s));
    (void)json_array_append_new(rows, document);
    for (size_t i = 0; i < DATASETS; i++) {
        cf_marker_release(&s.newest[i]);
    }
    return rc;
}

/* "12, 3 h" */
static void put_version(json_t *row, const char *name, const json_t *version, int64_t now_ms)
{
    struct cf_buf text = CF_BUF_INIT;
    if (json_is_object(version)) {
        tool_cell(json_object_get(version, "version"), TOOL_NUMBER, now_ms, &text);
        cf_buf_puts(&text, ", ");
        tool_cell(json_object_get(version, "created_at"), TOOL_AGE, now_ms, &text);
        (void)json_object_set_new(row, name, json_string(cf_buf_str(&text)));
    }
    cf_buf_release(&text);
}

static void put_last_run(json_t *row, const json_t *last, int64_t now_ms)
{
    struct cf_buf text = CF_BUF_INIT;
    const json_t *latest = NULL;
    const char *job;
    json_t *run;
    json_object_foreach((json_t *)last, job, run)
    {
        const char *a = json_string_value(json_object_get(run, "started"));
        const char *b = json_string_value(json_object_get(latest, "started"));
        latest = a && (!b || strcmp(a, b) > 0) ? run : latest;
    }
    if (latest) {
        tool_cell(json_object_get(latest, "job"), TOOL_TEXT, now_ms, &text);
        cf_buf_putc(&text, ' ');
        tool_cell(json_object_get(latest, "outcome"), TOOL_TEXT, now_ms, &text);
        cf_buf_puts(&text, ", ");
        tool_cell(json_object_get(latest, "started"), TOOL_AGE, now_ms, &text);
        (void)json_object_set_new(row, "last_run", json_string(cf_buf_str(&text)));
    }
    cf_buf_release(&text);
}

static void put_pending(json_t *row, const json_t *pending)
{
    struct cf_buf text = CF_BUF_INIT;
    for (size_t i = 0; i < json_array_size(pending); i++) {
        const json_t *item = json_array_get(pending, i);
        const char *job = json_string_value(json_object_get(item, "job"));
        cf_buf_printf(&text, "%s%s%s%s", i ? "; " : "", job ? job : "", job ? ": " : "",
                      json_string_value(json_object_get(item, "why")));
    }
    (void)json_object_set_new(row, "pending", json_string(cf_buf_str(&text)));
    cf_buf_release(&text);
}

static void print_all(struct tool *tool, const json_t *documents)
{
    static const struct tool_column columns[] = {
        {"TENANT", "tenant", TOOL_TEXT},
        {"REPOS", "repos", TOOL_TEXT},
        {"BUNDLE", "bundle", TOOL_TEXT},
        {"REQUEST", "request", TOOL_TEXT},
        {"MODEL", "model", TOOL_TEXT},
        {"MRR", "mrr", TOOL_NUMBER},
        {"LAST RUN", "last_run", TOOL_TEXT},
        {"PENDING", "pending", TOOL_TEXT},
        {0},
    };
    static const char *const shown[] = {"repos", "bundle", "request", "model"};
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *d = json_array_get(documents, i);
        json_t *row = json_pack("{s:O}", "tenant", json_object_get(d, "tenant"));
        for (size_t j = 0; j < 4; j++) {
            put_version(row, shown[j], json_object_get(json_object_get(d, "datasets"), shown[j]),
                        tool->now_ms);
        }
        const json_t *mrr = tool_field(d, "model.scores.model.mrr10");
        (void)json_object_set_new(row, "mrr",
                                  mrr ? json_real(json_number_value(mrr)) : json_null());
        put_last_run(row, json_object_get(d, "last_runs"), tool->now_ms);
        put_pending(row, json_object_get(d, "pending"));
        (void)json_array_append_new(rows, row);
    }
    if (json_array_size(rows)) {
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
    } else {
        tool_print(tool, "no tenants yet; cloudfolio tenant add LOGIN makes one\n");
    }
    json_decref(rows);
}

/* The members of an object as rows, each with its name in the given field. */
static json_t *rows_of(const json_t *object, const char *field)
{
    json_t *rows = json_array();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        if (json_is_object(value)) {
            json_t *row = json_copy(value);
            (void)json_object_set_new(row, field, json_string(name));
            (void)json_array_append_new(rows, row);
        }
    }
    return rows;
}

static void print_rows(struct tool *tool, const json_t *object, const char *field,
                       const struct tool_column *columns)
{
    json_t *rows = rows_of(object, field);
    if (json_array_size(rows)) {
        tool_print(tool, "\n");
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
    }
    json_decref(rows);
}

static void print_one(struct tool *tool, const json_t *d)
{
    static const struct tool_column datasets[] = {
        {"DATASET", "dataset", TOOL_TEXT},
        {"VERSION", "version", TOOL_NUMBER},
        {"AGE", "created_at", TOOL_AGE},
        {"SHA256", "sha256", TOOL_HASH},
        {0},
    };
    static const struct tool_column runs[] = {
        {"LAST RUN", "job", TOOL_TEXT},        {"STARTED (UTC)", "started", TOOL_TIME},
        {"EXIT", "exit_status", TOOL_NUMBER},  {"OUTCOME", "outcome", TOOL_TEXT},
        {"ERROR", "error.message", TOOL_TEXT}, {0},
    };
    static const struct tool_column scores[] = {
        {"SCORES", "scorer", TOOL_TEXT},
        {"MRR@10", "mrr10", TOOL_NUMBER},
        {"RECALL@1", "recall1", TOOL_NUMBER},
        {"NDCG@10", "ndcg10", TOOL_NUMBER},
        {0},
    };
    const json_t *reason = tool_field(d, "model.gate.reason");
    json_t *pending = json_object_get(d, "pending");
    tool_text(tool, json_string_value(json_object_get(d, "tenant")));
    tool_print(tool, " is %s\n",
               json_is_true(json_object_get(d, "enabled")) ? "enabled" : "not enabled");
    print_rows(tool, json_object_get(d, "datasets"), "dataset", datasets);
    print_rows(tool, json_object_get(d, "last_runs"), "job", runs);
    print_rows(tool, tool_field(d, "model.scores"), "scorer", scores);
    if (json_is_string(reason)) {
        tool_print(tool, "%s: ",
                   json_is_true(tool_field(d, "model.gate.promoted")) ? "promoted" : "held back");
        tool_text(tool, json_string_value(reason));
        tool_print(tool, "\n");
    }
    tool_print(tool, "\n%s\n", json_array_size(pending) ? "Pending:" : "Nothing is pending.");
    for (size_t i = 0; i < json_array_size(pending); i++) {
        json_t *one = json_array();
        json_t *row = json_object();
        (void)json_array_append(one, json_array_get(pending, i));
        put_pending(row, one);
        tool_print(tool, "  %s\n", json_string_value(json_object_get(row, "pending")));
        json_decref(row);
        json_decref(one);
    }
}

int tool_status(struct tool *tool, struct cf_error *err)
{
    struct cf_string_list tenants = {0};
    json_t *documents = json_array();
    int rc = tool_tenants(tool, &tenants, err);
    for (size_t i = 0; i < tenants.count && !rc; i++) {
        rc = status_of(tool, tenants.items[i], documents, err);
    }
    if (!rc && tool->json) {
        tool_json(tool, json_pack("{s:O}", "tenants", documents));
    } else if (!rc && tool->count) {
        print_one(tool, json_array_get(documents, 0));
    } else if (!rc) {
        print_all(tool, documents);
    }
    json_decref(documents);
    cf_string_list_release(&tenants);
    return rc;
}
