/* export: the newest version of each dataset as plain files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/portfolio/model.h"
#include "jobs/cloudfolio/files.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { BATCH = 16, NAME_MAX_BYTES = 255 };

struct export
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    json_t *root;
    struct cf_blob_set blobs;
    int folder; /* of the dataset */
    uint64_t bytes;
};

bool tool_file_name_is_safe(const char *name)
{
    size_t length = strlen(name);
    if (!length || length > NAME_MAX_BYTES || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!fine) {
            return false;
        }
    }
    return true;
}

int tool_write_file(int folder, const char *name, const void *data, size_t length,
                    struct cf_error *err)
{
    const char *p = data;
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) {
        return cf_error_errno(err, errno, "export", name);
    }
    int rc = 0;
    while (length && !rc) {
        ssize_t n = write(fd, p, length);
        if (n < 0 && errno != EINTR) {
            rc = cf_error_errno(err, errno, "export", name);
        } else if (n > 0) {
            p += n;
            length -= (size_t)n;
        }
    }
    if (close(fd) != 0 && !rc) {
        rc = cf_error_errno(err, errno, "export", name);
    }
    return rc;
}

/* Makes a folder and opens it. */
static int make_folder(int parent, const char *name, int *out, struct cf_error *err)
{
    if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST) {
        return cf_error_errno(err, errno, "export", name);
    }
    *out = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out < 0 ? cf_error_errno(err, errno, "export", name) : 0;
}

static bool is_empty(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    size_t entries = 0;
    if (!dir) {
        if (copy >= 0) {
            (void)close(copy);
        }
        return false;
    }
    while (readdir(dir)) { /* "." and ".." are two */
        entries++;
    }
    (void)closedir(dir);
    return entries <= 2;
}

static int open_target(const char *path, int *out, struct cf_error *err)
{
    int rc = make_folder(AT_FDCWD, path, out, err);
    if (!rc && !is_empty(*out)) {
        (void)close(*out);
        rc = cf_error_set(err, CF_EUSAGE, "\"%.200s\" is not empty; export needs a new folder",
                          path);
    }
    return rc;
}

static int write_marker(struct export *e, struct cf_error *err)
{
    char key[CF_KEY_MAX];
    struct cf_buf bytes = CF_BUF_INIT;
    cf_dataset_marker_key(&e->dataset, e->marker.version, key);
    int rc = cf_store_get(e->dataset.store, key, &bytes, err);
    rc = rc ? rc : tool_write_file(e->folder, "marker.json", bytes.data, bytes.length, err);
    cf_buf_release(&bytes);
    return rc;
}

static int write_root(struct export *e, struct cf_error *err)
{
    struct cf_buf bytes = CF_BUF_INIT;
    int rc = cf_dataset_blob(&e->dataset, &e->marker.root, &bytes, err);
    rc = rc ? rc : tool_write_file(e->folder, "root.json", bytes.data, bytes.length, err);
    e->bytes += bytes.length;
    cf_buf_release(&bytes);
    return rc;
}

static int write_blobs(struct export *e, struct cf_error *err)
{
    int folder = -1;
    if (!e->blobs.count) {
        return 0;
    }
    int rc = make_folder(e->folder, "blobs", &folder, err);
    for (size_t i = 0; i < e->blobs.count && !rc; i += BATCH) {
        struct cf_buf payloads[BATCH] = {{0}};
        const struct cf_blob_ref *refs = e->blobs.items + i;
        size_t n = e->blobs.count - i < BATCH ? e->blobs.count - i : BATCH;
        rc = cf_dataset_blobs(&e->dataset, refs, n, payloads, err);
        for (size_t j = 0; j < n; j++) {
            rc = rc ? rc
                    : tool_write_file(folder, refs[j].sha256, payloads[j].data, payloads[j].length,
                                      err);
            e->bytes += payloads[j].length;
            cf_buf_release(&payloads[j]);
        }
    }
    if (folder >= 0) {
        (void)close(folder);
    }
    return rc;
}

/* A path of safe names; its folders are made. */
static int write_path(int folder, const char *path, const struct cf_buf *data, struct cf_error *err)
{
    char name[NAME_MAX_BYTES + 1];
    const char *slash = strchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : strlen(path);
    int inner = -1;
    int rc = 0;
    (void)snprintf(name, sizeof(name), "%.*s", (int)(length <= NAME_MAX_BYTES ? length : 0), path);
    if (!tool_file_name_is_safe(name)) {
        return cf_error_set(err, CF_EDATA, "the model's file \"%.60s\" has no safe name", path);
    }
    if (!slash) {
        return tool_write_file(folder, name, data->data, data->length, err);
    }
    rc = make_folder(folder, name, &inner, err);
    rc = rc ? rc : write_path(inner, slash + 1, data, err);
    if (inner >= 0) {
        (void)close(inner);
    }
    return rc;
}

static int write_model_files(struct export *e, struct cf_error *err)
{
    struct cf_model_document model;
    struct cf_buf payloads[CF_MODEL_FILES_MAX] = {{0}};
    int folder = -1;
    int rc = cf_model_document_read(e->root, &model, err);
    if (rc) {
        return rc;
    }
    const struct cf_training *current = &model.current;
    rc = make_folder(e->folder, "files", &folder, err);
    rc = rc ? rc : cf_training_fetch(&e->dataset, current, &e->blobs, payloads, err);
    for (size_t i = 0; i < current->file_count && !rc; i++) {
        rc = write_path(folder, current->files[i].path, &payloads[i], err);
    }
    for (size_t i = 0; i < CF_MODEL_FILES_MAX; i++) {
        cf_buf_release(&payloads[i]);
    }
    if (folder >= 0) {
        (void)close(folder);
    }
    cf_model_document_release(&model);
    return rc;
}

static int write_dataset(struct export *e, int target, struct cf_error *err)
{
    const char *name = e->dataset.name;
    int rc = make_folder(target, name, &e->folder, err);
    rc = rc ? rc : write_marker(e, err);
    rc = rc ? rc : write_root(e, err);
    rc = rc ? rc : cf_dataset_root(&e->dataset, &e->marker, &e->root, err);
    rc = rc ? rc : cf_blob_set_read(e->root, &e->blobs, err);
    rc = rc ? rc : write_blobs(e, err);
    return rc || strcmp(name, "model") != 0 ? rc : write_model_files(e, err);
}

static int export_dataset(struct tool *tool, const char *tenant, const char *name, int target,
                          json_t *rows, struct cf_error *err)
{
    struct export e = {.folder = -1};
    cf_dataset_init(&e.dataset, tool->store, tenant, name);
    int rc = cf_dataset_newest(&e.dataset, &e.marker, err);
    if (rc) {
        return rc == CF_ENOTFOUND ? 0 : rc;
    }
    rc = write_dataset(&e, target, err);
    if (!rc) {
        (void)json_array_append_new(rows, json_pack("{s:s,s:I,s:I,s:I}", "dataset", name, "version",
                                                    (json_int_t)e.marker.version, "blobs",
                                                    (json_int_t)e.blobs.count, "bytes",
                                                    (json_int_t)e.bytes));
    }
    if (e.folder >= 0) {
        (void)close(e.folder);
    }
    cf_blob_set_release(&e.blobs);
    json_decref(e.root);
    cf_marker_release(&e.marker);
    return rc;
}

static void print_exported(struct tool *tool, const char *tenant, json_t *rows)
{
    static const struct tool_column columns[] = {
        {"DATASET", "dataset", TOOL_TEXT},
        {"VERSION", "version", TOOL_NUMBER},
        {"BLOBS", "blobs", TOOL_NUMBER},
        {"BYTES", "bytes", TOOL_BYTES},
        {0},
    };
    if (tool->json) {
        tool_json(tool, json_pack("{s:s,s:O}", "tenant", tenant, "datasets", rows));
    } else {
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
    }
}

int tool_export(struct tool *tool, struct cf_error *err)
{
    char tenant[CF_TENANT_MAX];
    struct cf_dataset config;
    struct cf_marker marker;
    int target = -1;
    json_t *rows = json_array();
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    if (!rc) {
        cf_dataset_init(&config, tool->store, tenant, "config");
        rc = cf_dataset_newest(&config, &marker, err); /* before anything is made on the disk */
    }
    if (!rc) {
        cf_marker_release(&marker);
        rc = open_target(tool->arguments[1], &target, err);
    }
    for (size_t i = 0; tool_datasets[i] && !rc; i++) {
        rc = export_dataset(tool, tenant, tool_datasets[i], target, rows, err);
    }
    if (!rc) {
        print_exported(tool, tenant, rows);
    }
    if (target >= 0) {
        (void)close(target);
    }
    json_decref(rows);
    return rc;
}
