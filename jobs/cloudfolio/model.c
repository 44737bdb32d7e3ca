/* model import, list, show: the shared dataset base-models. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/encoder/bert_folder.h"
#include "common/portfolio/base_models.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { ATTEMPTS = 5 };
static const uint64_t SMALL_FILE_MAX = (uint64_t)64 << 20; /* of all but the weights */

struct import {
    struct cf_artefacts files;
    struct cf_base_model model;
    json_t *skipped;    /* names of tensors */
    const char *action; /* "imported", "replaced", "unchanged" */
    uint64_t version;
};

static const char *type_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (strcmp(dot, ".json") == 0) {
        return "application/json";
    }
    return strcmp(dot, ".txt") == 0 ? "text/plain" : "application/octet-stream";
}

static int read_all(int fd, const char *path, struct cf_buf *out, struct cf_error *err)
{
    struct stat st;
    uint64_t most = strcmp(path, "model.safetensors") == 0 ? CF_BLOB_MAX : SMALL_FILE_MAX;
    if (fstat(fd, &st) != 0) {
        return cf_error_errno(err, errno, "read", path);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > most) {
        return cf_error_at(err, CF_EDATA, "read", path, "%s: not a file of at most %llu bytes",
                           path, (unsigned long long)most);
    }
    cf_buf_reserve(out, (size_t)st.st_size + 1);
    while (out->length < (size_t)st.st_size) {
        ssize_t n = read(fd, out->data + out->length, (size_t)st.st_size - out->length);
        if (n == 0) {
            return cf_error_at(err, CF_EDATA, "read", path, "%s: became shorter while it was read",
                               path);
        }
        if (n < 0 && errno != EINTR) {
            return cf_error_errno(err, errno, "read", path);
        }
        out->length += n > 0 ? (size_t)n : 0;
    }
    out->data[out->length] = '\0';
    return 0;
}

/* The files of cf_bert_files that are there. */
static int read_folder(const char *path, struct cf_artefacts *files, struct cf_error *err)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return cf_error_errno(err, errno, "import", path);
    }
    int rc = 0;
    for (size_t i = 0; cf_bert_files[i] && !rc; i++) {
        int fd = openat(folder, cf_bert_files[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            struct cf_artefact *file =
                cf_artefacts_add(files, cf_bert_files[i], type_of(cf_bert_files[i]));
            rc = read_all(fd, cf_bert_files[i], &file->data, err);
            (void)close(fd);
        } else if (errno != ENOENT && errno != ENOTDIR) {
            rc = cf_error_errno(err, errno, "import", cf_bert_files[i]);
        } else if (i < CF_BERT_FILES_NEEDED) {
            rc = cf_error_at(err, CF_EDATA, "import", cf_bert_files[i], "%s is missing in %.200s",
                             cf_bert_files[i], path);
        }
    }
    (void)close(folder);
    return rc;
}

static json_t *config_json(const struct cf_bert_config *c)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "layers", (json_int_t)c->layers, "hidden",
                     (json_int_t)c->hidden, "heads", (json_int_t)c->heads, "ffn",
                     (json_int_t)c->ffn, "vocabulary", (json_int_t)c->vocabulary, "positions",
                     (json_int_t)c->positions, "types", (json_int_t)c->types, "max_tokens",
                     (json_int_t)c->max_tokens);
}

/* Reads the folder and checks all of it; afterwards only the files' bytes are held. */
static int read_model(struct tool *tool, struct import *m, struct cf_error *err)
{
    struct cf_bert_folder folder;
    int rc = read_folder(tool->arguments[0], &m->files, err);
    rc = rc ? rc : cf_bert_folder_read(&m->files, &folder, err);
    if (rc) {
        return rc;
    }
    (void)snprintf(m->model.name, sizeof(m->model.name), "%s", tool->name);
    m->model.config = config_json(&folder.layout.config);
    m->model.parameters = folder.layout.parameters;
    cf_clock_format(tool->now_ms, m->model.imported_at);
    m->skipped = json_array();
    for (size_t i = 0; i < folder.skipped.count; i++) {
        (void)json_array_append_new(m->skipped, json_string(folder.skipped.items[i]));
    }
    cf_bert_folder_release(&folder);
    for (size_t i = 0; i < m->files.count; i++) {
        const struct cf_artefact *file = &m->files.items[i];
        struct cf_model_file *out = &m->model.files[m->model.file_count++];
        (void)snprintf(out->path, sizeof(out->path), "%s", file->path);
        (void)snprintf(out->type, sizeof(out->type), "%s", file->type);
        cf_sha256_hex(cf_buf_str(&file->data), file->data.length, out->sha256);
    }
    return 0;
}

static int import_once(struct tool *tool, struct import *m, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker parent = {0};
    struct cf_marker made;
    struct cf_base_model old = {.config = NULL};
    json_t *root = NULL;
    const struct cf_buf *data[CF_BASE_MODEL_FILES_MAX];
    cf_base_models_dataset(&dataset, tool->store);
    int rc = cf_base_models_newest(&dataset, &parent, &root, err);
    bool first = rc == CF_ENOTFOUND;
    rc = first ? 0 : rc;
    if (!rc && !first) {
        rc = cf_base_model_read(root, m->model.name, &old, err);
        m->action = rc ? "imported" : "replaced";
        rc = rc == CF_ENOTFOUND ? 0 : rc;
    }
    m->version = parent.version;
    if (!rc && old.config && cf_base_model_same(&old, &m->model)) {
        m->action = "unchanged";
    } else if (!rc) {
        for (size_t i = 0; i < m->files.count; i++) {
            data[i] = &m->files.items[i].data;
        }
        rc = cf_base_models_commit(&dataset, first ? NULL : &parent, root, &m->model, data,
                                   &tool->producer, &made, err);
        if (!rc) {
            m->version = made.version;
            cf_marker_release(&made);
        }
    }
    cf_base_model_release(&old);
    json_decref(root);
    cf_marker_release(&parent);
    return rc;
}

static void report(struct tool *tool, const struct import *m)
{
    if (tool->json) {
        tool_json(tool, json_pack("{s:s,s:s,s:I,s:I,s:O}", "name", m->model.name, "action",
                                  m->action, "version", (json_int_t)m->version, "parameters",
                                  (json_int_t)m->model.parameters, "skipped", m->skipped));
        return;
    }
    if (strcmp(m->action, "unchanged") == 0) {
        tool_print(tool, "%s is there already (base-models version %llu)\n", m->model.name,
                   (unsigned long long)m->version);
    } else {
        tool_print(tool, "%s %s (base-models version %llu): %llu parameters\n", m->model.name,
                   m->action, (unsigned long long)m->version,
                   (unsigned long long)m->model.parameters);
    }
    for (size_t i = 0; i < json_array_size(m->skipped); i++) {
        tool_print(tool, "not needed: ");
        tool_text(tool, json_string_value(json_array_get(m->skipped, i)));
        tool_print(tool, "\n");
    }
}

int tool_model_import(struct tool *tool, struct cf_error *err)
{
    struct import m = {.files = CF_ARTEFACTS_INIT, .action = "imported"};
    if (!tool->name) {
        return cf_error_set(err, CF_EUSAGE, "--name NAME is needed");
    }
    int rc = cf_base_model_check_name(tool->name, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    rc = rc ? rc : read_model(tool, &m, err);
    if (!rc) {
        rc = CF_ECONFLICT;
        for (int i = 0; i < ATTEMPTS && rc == CF_ECONFLICT; i++) {
            rc = import_once(tool, &m, err);
        }
    }
    if (!rc) {
        report(tool, &m);
    }
    cf_base_model_release(&m.model);
    cf_artefacts_release(&m.files);
    json_decref(m.skipped);
    return rc;
}

/* The model as --json prints it, files with their sizes. */
static json_t *describe(const struct cf_base_model *model, const struct cf_blob_set *blobs)
{
    json_t *files = json_array();
    uint64_t bytes = 0;
    for (size_t i = 0; i < model->file_count; i++) {
        const struct cf_model_file *f = &model->files[i];
        const struct cf_blob_ref *ref = cf_blob_set_find(blobs, f->sha256);
        bytes += ref ? ref->bytes : 0;
        (void)json_array_append_new(files, json_pack("{s:s,s:s,s:s,s:I}", "path", f->path, "type",
                                                     f->type, "sha256", f->sha256, "bytes",
                                                     (json_int_t)(ref ? ref->bytes : 0)));
    }
    return json_pack("{s:s,s:O,s:I,s:I,s:s,s:o}", "name", model->name, "config", model->config,
                     "parameters", (json_int_t)model->parameters, "bytes", (json_int_t)bytes,
                     "imported_at", model->imported_at, "files", files);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All models of a root, sorted by name, or the one that is named. */
static int describe_models(const json_t *root, const char *only, json_t *rows, struct cf_error *err)
{
    struct cf_blob_set blobs;
    const char *names[CF_BASE_MODELS_MAX];
    const char *name;
    json_t *value;
    size_t count = 0;
    int rc = cf_blob_set_read(root, &blobs, err);
    json_object_foreach(json_object_get(root, "models"), name, value)
    {
        if (!only && count < CF_BASE_MODELS_MAX) {
            names[count++] = name;
        }
    }
    if (only) {
        names[count++] = only;
    }
    if (count) {
        qsort(names, count, sizeof(*names), by_name);
    }
    for (size_t i = 0; i < count && !rc; i++) {
        struct cf_base_model model;
        rc = cf_base_model_read(root, names[i], &model, err);
        if (!rc) {
            (void)json_array_append_new(rows, describe(&model, &blobs));
        }
        cf_base_model_release(&model);
    }
    cf_blob_set_release(&blobs);
    return rc;
}

/* Opens the store and describes its newest models; a store that has none is fine unless one is
 * named. */
static int read_models(struct tool *tool, const char *only, json_t *rows, uint64_t *version,
                       struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    json_t *root;
    int rc = tool_open(tool, TOOL_EXISTING, err);
    if (rc) {
        return rc;
    }
    cf_base_models_dataset(&dataset, tool->store);
    rc = cf_base_models_newest(&dataset, &marker, &root, err);
    if (rc) {
        return rc == CF_ENOTFOUND && !only ? 0 : rc;
    }
    *version = marker.version;
    rc = describe_models(root, only, rows, err);
    json_decref(root);
    cf_marker_release(&marker);
    return rc;
}

int tool_model_list(struct tool *tool, struct cf_error *err)
{
    static const struct tool_column columns[] = {
        {"NAME", "name", TOOL_TEXT},
        {"PARAMETERS", "parameters", TOOL_NUMBER},
        {"LAYERS", "config.layers", TOOL_NUMBER},
        {"HIDDEN", "config.hidden", TOOL_NUMBER},
        {"TOKENS", "config.max_tokens", TOOL_NUMBER},
        {"BYTES", "bytes", TOOL_BYTES},
        {"IMPORTED", "imported_at", TOOL_AGE},
        {0},
    };
    uint64_t version = 0;
    json_t *rows = json_array();
    int rc = read_models(tool, NULL, rows, &version, err);
    if (!rc && tool->json) {
        tool_json(tool, json_pack("{s:O,s:o}", "models", rows, "version",
                                  version ? json_integer((json_int_t)version) : json_null()));
    } else if (!rc && !json_array_size(rows)) {
        tool_print(tool,
                   "no base models yet; cloudfolio model import DIR --name NAME brings one\n");
    } else if (!rc) {
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
    }
    json_decref(rows);
    return rc;
}

static void print_model(struct tool *tool, json_t *model)
{
    static const struct tool_column sizes[] = {
        {"LAYERS", "config.layers", TOOL_NUMBER},
        {"HIDDEN", "config.hidden", TOOL_NUMBER},
        {"HEADS", "config.heads", TOOL_NUMBER},
        {"FFN", "config.ffn", TOOL_NUMBER},
        {"VOCABULARY", "config.vocabulary", TOOL_NUMBER},
        {"POSITIONS", "config.positions", TOOL_NUMBER},
        {"TOKENS", "config.max_tokens", TOOL_NUMBER},
        {"PARAMETERS", "parameters", TOOL_NUMBER},
        {"IMPORTED (UTC)", "imported_at", TOOL_TIME},
        {0},
    };
    static const struct tool_column files[] = {
        {"FILE", "path", TOOL_TEXT},
        {"BYTES", "bytes", TOOL_BYTES},
        {"SHA256", "sha256", TOOL_HASH},
        {0},
    };
    json_t *rows = json_pack("[O]", model);
    tool_table(rows, sizes, tool->now_ms, tool->terminal, &tool->out);
    json_decref(rows);
    tool_print(tool, "\n");
    tool_table(json_object_get(model, "files"), files, tool->now_ms, tool->terminal, &tool->out);
}

int tool_model_show(struct tool *tool, struct cf_error *err)
{
    uint64_t version = 0;
    json_t *rows = json_array();
    int rc = cf_base_model_check_name(tool->arguments[0], err);
    rc = rc ? rc : read_models(tool, tool->arguments[0], rows, &version, err);
    json_t *model = json_array_get(rows, 0);
    if (!rc && tool->json) {
        (void)json_object_set_new(model, "version", json_integer((json_int_t)version));
        tool_json(tool, json_incref(model));
    } else if (!rc) {
        print_model(tool, model);
    }
    json_decref(rows);
    return rc;
}
