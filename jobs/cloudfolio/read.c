/* log and cat: versions and what they hold. */
#include <inttypes.h>
#include <string.h>

#include "common/base/json.h"
#include "common/portfolio/model.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"
#include "jobs/cloudfolio/versions.h"

enum { LOG_LIMIT = 20, PREFIX_MIN = 8, WALK_DONE = 1 };

static int open_dataset(struct tool *tool, struct cf_dataset *dataset, struct cf_error *err)
{
    char tenant[CF_TENANT_MAX];
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_check_dataset(tool->arguments[1], err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    if (!rc) {
        cf_dataset_init(dataset, tool->store, tenant, tool->arguments[1]);
    }
    return rc;
}

struct log {
    struct tool *tool;
    const struct cf_dataset *dataset;
    uint64_t floor; /* of the newest version that can be read; 0: none yet */
    uint64_t limit;
    json_t *rows;
    struct cf_error *err;
};

static int add_size(void *context, const struct cf_listed *listed)
{
    *(uint64_t *)context += listed->size;
    return 0;
}

/* What a version uploaded, by LIST. */
static int stored_by(const struct cf_dataset *dataset, uint64_t version, uint64_t *out,
                     struct cf_error *err)
{
    char prefix[CF_KEY_MAX];
    cf_dataset_blob_key(dataset, version, "", prefix);
    *out = 0;
    return cf_store_walk(dataset->store, prefix, NULL, false, add_size, out, err);
}

/* "floor", "rollback to 7", "collection": what the other columns don't say. */
static json_t *note_of(const struct cf_marker *m, uint64_t floor)
{
    struct cf_buf note = CF_BUF_INIT;
    const json_t *target = json_object_get(m->summary, "rollback_to");
    if (json_is_integer(target)) {
        cf_buf_printf(&note, "rollback to %" JSON_INTEGER_FORMAT, json_integer_value(target));
    }
    if (m->version == floor) {
        cf_buf_puts(&note, note.length ? ", floor" : "floor");
    }
    json_t *text = note.length ? json_string(cf_buf_str(&note)) : json_null();
    cf_buf_release(&note);
    return text;
}

static int visit_marker(void *context, const struct cf_listed *listed)
{
    struct log *log = context;
    struct cf_marker m;
    struct cf_error failure;
    uint64_t stored = 0;
    uint64_t version = cf_dataset_key_version(log->dataset, listed->key);
    if (!version) {
        return 0; /* verify reports it */
    }
    if (version < log->floor || json_array_size(log->rows) == log->limit) {
        return WALK_DONE;
    }
    int rc = cf_dataset_at(log->dataset, version, &m, &failure);
    if (rc == CF_ENOTFOUND) {
        return 0; /* collected since the LIST */
    }
    if (rc) {
        tool_failed(log->tool, "version_unreadable", &failure);
        (void)json_array_append_new(log->rows,
                                    json_pack("{s:I,s:o}", "version", (json_int_t)version, "note",
                                              json_string("unreadable")));
        return 0;
    }
    rc = stored_by(log->dataset, version, &stored, log->err);
    log->floor = log->floor ? log->floor : m.floor;
    json_t *row = tool_version_json(&m);
    (void)json_object_set_new(row, "stored", json_integer((json_int_t)stored));
    (void)json_object_set_new(row, "is_floor", json_boolean(version == log->floor));
    (void)json_object_set_new(row, "note", note_of(&m, log->floor));
    (void)json_array_append_new(log->rows, row);
    cf_marker_release(&m);
    return rc;
}

static void print_log(struct tool *tool, const struct cf_dataset *dataset, json_t *rows)
{
    static const struct tool_column columns[] = {
        {"VERSION", "version", TOOL_NUMBER}, {"TIME (UTC)", "created_at", TOOL_TIME},
        {"JOB", "producer.job", TOOL_TEXT},  {"RUN", "producer.run", TOOL_TEXT},
        {"INPUTS", "inputs", TOOL_INPUTS},   {"ROOT", "root.bytes", TOOL_BYTES},
        {"STORED", "stored", TOOL_BYTES},    {"NOTE", "note", TOOL_TEXT},
        {"SUMMARY", "summary", TOOL_PAIRS},  {0},
    };
    if (tool->json) {
        tool_json(tool, json_pack("{s:s,s:s,s:O}", "tenant", dataset->tenant, "dataset",
                                  dataset->name, "versions", rows));
    } else {
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
    }
}

int tool_log(struct tool *tool, struct cf_error *err)
{
    struct cf_dataset dataset;
    char prefix[CF_KEY_MAX];
    int rc = open_dataset(tool, &dataset, err);
    if (rc) {
        return rc;
    }
    struct log log = {.tool = tool,
                      .dataset = &dataset,
                      .limit = tool->limit ? tool->limit : LOG_LIMIT,
                      .rows = json_array(),
                      .err = err};
    cf_dataset_prefix(&dataset, 'v', prefix);
    rc = cf_store_walk(tool->store, prefix, NULL, false, visit_marker, &log, err);
    rc = rc == WALK_DONE ? 0 : rc;
    if (!rc && !json_array_size(log.rows)) {
        rc = cf_error_set(err, CF_ENOTFOUND, "%s has no version of %s", dataset.tenant,
                          dataset.name);
    }
    if (!rc) {
        print_log(tool, &dataset, log.rows);
    }
    json_decref(log.rows);
    return rc;
}

static int cat_marker(struct tool *tool, const struct cf_dataset *dataset,
                      const struct cf_marker *marker, struct cf_error *err)
{
    char key[CF_KEY_MAX];
    char sha256[CF_SHA256_HEX];
    struct cf_buf bytes = CF_BUF_INIT;
    cf_dataset_marker_key(dataset, marker->version, key);
    int rc = cf_store_get(tool->store, key, &bytes, err);
    if (!rc) {
        cf_sha256_hex(bytes.data, bytes.length, sha256);
        if (strcmp(sha256, marker->sha256) != 0) {
            rc = cf_error_at(err, CF_ECONFLICT, "get", key, "the marker changed meanwhile");
        }
    }
    if (!rc) {
        cf_buf_append(&tool->out, bytes.data, bytes.length);
    }
    cf_buf_release(&bytes);
    return rc;
}

static int read_blobs(const struct cf_dataset *dataset, const struct cf_marker *marker,
                      struct cf_blob_set *blobs, struct cf_error *err)
{
    json_t *root = NULL;
    int rc = cf_dataset_root(dataset, marker, &root, err);
    rc = rc ? rc : cf_blob_set_read(root, blobs, err);
    json_decref(root);
    return rc;
}

/* The one blob of a version, its root included, whose hash begins with the prefix. */
static int find_blob(const struct cf_marker *marker, const struct cf_blob_set *blobs,
                     const char *prefix, struct cf_blob_ref *out, struct cf_error *err)
{
    size_t length = strlen(prefix);
    size_t found = strncmp(marker->root.sha256, prefix, length) == 0;
    *out = marker->root;
    for (size_t i = 0; i < blobs->count; i++) {
        const struct cf_blob_ref *ref = &blobs->items[i];
        if (strncmp(ref->sha256, prefix, length) == 0 && strcmp(ref->sha256, out->sha256) != 0) {
            *out = *ref;
            found++;
        }
    }
    if (found == 1) {
        return 0;
    }
    return found ? cf_error_set(err, CF_EUSAGE, "%zu blobs of the version begin with %s", found,
                                prefix)
                 : cf_error_set(err, CF_ENOTFOUND, "version %" PRIu64 " of %s lists no blob %s",
                                marker->version, marker->dataset, prefix);
}

static int check_prefix(const char *prefix, struct cf_error *err)
{
    size_t length = strlen(prefix);
    if (length >= PREFIX_MIN && length < CF_SHA256_HEX && cf_is_hex(prefix, length)) {
        return 0;
    }
    return cf_error_set(err, CF_EUSAGE,
                        "--blob: \"%.70s\" is not 8 to 64 digits of lower-case hexadecimal",
                        prefix);
}

static int find_file(const struct cf_model_document *model, const struct cf_blob_set *blobs,
                     const char *path, struct cf_blob_ref *out, struct cf_error *err)
{
    struct cf_buf known = CF_BUF_INIT;
    for (size_t i = 0; i < model->current.file_count; i++) {
        const struct cf_model_file *file = &model->current.files[i];
        const struct cf_blob_ref *ref = cf_blob_set_find(blobs, file->sha256);
        if (ref && strcmp(file->path, path) == 0) {
            *out = *ref;
            cf_buf_release(&known);
            return 0;
        }
        cf_buf_printf(&known, "%s%s", i ? ", " : "", file->path);
    }
    int rc = cf_error_set(err, CF_ENOTFOUND, "the model has no file \"%.60s\"; it has: %s", path,
                          cf_buf_str(&known));
    cf_buf_release(&known);
    return rc;
}

static int file_ref(const struct cf_dataset *dataset, const struct cf_marker *marker,
                    const char *path, struct cf_blob_ref *out, struct cf_error *err)
{
    struct cf_model_document model = {0};
    struct cf_blob_set blobs = {0};
    json_t *root = NULL;
    int rc = cf_dataset_root(dataset, marker, &root, err);
    rc = rc ? rc : cf_model_document_read(root, &model, err);
    rc = rc ? rc : cf_blob_set_read(root, &blobs, err);
    rc = rc ? rc : find_file(&model, &blobs, path, out, err);
    cf_blob_set_release(&blobs);
    cf_model_document_release(&model);
    json_decref(root);
    return rc;
}

static int cat_payload(struct tool *tool, const struct cf_dataset *dataset,
                       const struct cf_marker *marker, struct cf_error *err)
{
    struct cf_blob_ref ref = marker->root;
    struct cf_blob_set blobs = {0};
    int rc = 0;
    if (tool->blob) {
        rc = read_blobs(dataset, marker, &blobs, err);
        rc = rc ? rc : find_blob(marker, &blobs, tool->blob, &ref, err);
        cf_blob_set_release(&blobs);
    } else if (tool->file) {
        rc = file_ref(dataset, marker, tool->file, &ref, err);
    }
    return rc ? rc : cf_dataset_blob(dataset, &ref, &tool->out, err);
}

static int check_cat(const struct tool *tool, uint64_t *version, struct cf_error *err)
{
    if (tool->marker + (tool->blob != NULL) + (tool->file != NULL) > 1) {
        return cf_error_set(err, CF_EUSAGE, "--marker, --blob and --file exclude one another");
    }
    if (tool->file && strcmp(tool->arguments[1], "model") != 0) {
        return cf_error_set(err, CF_EUSAGE, "--file is for the dataset model; others have --blob");
    }
    int rc = tool->blob ? check_prefix(tool->blob, err) : 0;
    return rc || tool->count < 3 ? rc : tool_version(tool->arguments[2], version, err);
}

int tool_cat(struct tool *tool, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    uint64_t version = 0;
    int rc = check_cat(tool, &version, err);
    rc = rc ? rc : open_dataset(tool, &dataset, err);
    if (rc) {
        return rc;
    }
    rc = version ? cf_dataset_at(&dataset, version, &marker, err)
                 : cf_dataset_newest(&dataset, &marker, err);
    if (!rc) {
        rc = tool->marker ? cat_marker(tool, &dataset, &marker, err)
                          : cat_payload(tool, &dataset, &marker, err);
        cf_marker_release(&marker);
    }
    return rc;
}
