#include "jobs/train/checkpoints.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

enum { ATTEMPTS = 3 };

static void forget(struct train_checkpoints *c)
{
    cf_marker_release(&c->newest);
    json_decref(c->root);
    c->newest = (struct cf_marker){0};
    c->root = NULL;
}

static int look(struct train_checkpoints *c, struct cf_error *err)
{
    forget(c);
    int rc = cf_dataset_newest(&c->dataset, &c->newest, err);
    if (rc) {
        c->newest = (struct cf_marker){0};
        return rc == CF_ENOTFOUND ? 0 : rc;
    }
    return cf_dataset_root(&c->dataset, &c->newest, &c->root, err);
}

int train_checkpoints_open(struct cf_run *run, const char request[CF_SHA256_HEX],
                           struct train_checkpoints *out, struct cf_error *err)
{
    *out = (struct train_checkpoints){.run = run};
    memcpy(out->request, request, CF_SHA256_HEX);
    cf_dataset_init(&out->dataset, run->store, run->tenant, "checkpoint");
    return look(out, err);
}

void train_checkpoints_release(struct train_checkpoints *checkpoints)
{
    forget(checkpoints);
}

int train_checkpoints_read(const struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document, struct cf_error *err)
{
    int rc = checkpoints->newest.version
                 ? cf_checkpoint_document_read(checkpoints->root, document, err)
                 : 0;
    if (rc || !checkpoints->newest.version || !document->file_count ||
        strcmp(document->request, checkpoints->request) != 0) {
        *document = (struct cf_checkpoint_document){.stage = "none"};
    }
    return rc;
}

static const struct cf_model_file *find_file(const struct cf_checkpoint_document *document,
                                             const char *path)
{
    for (size_t i = 0; i < document->file_count; i++) {
        if (strcmp(document->files[i].path, path) == 0) {
            return &document->files[i];
        }
    }
    return NULL;
}

int train_checkpoints_fetch(const struct train_checkpoints *checkpoints,
                            const struct cf_checkpoint_document *document, const char *path,
                            struct cf_buf *out, struct cf_error *err)
{
    struct cf_blob_set blobs;
    const struct cf_model_file *file = find_file(document, path);
    if (!file) {
        return cf_error_set(err, CF_EDATA, "the checkpoint has no %s", path);
    }
    int rc = cf_blob_set_read(checkpoints->root, &blobs, err);
    if (rc) {
        return rc;
    }
    const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, file->sha256);
    rc = ref ? cf_dataset_blob(&checkpoints->dataset, ref, out, err)
             : cf_error_set(err, CF_EDATA, "the checkpoint doesn't list the blob of %s", path);
    cf_blob_set_release(&blobs);
    return rc;
}

static void add_file(struct cf_commit *commit, struct cf_checkpoint_document *document,
                     const char *path, const char *type, const struct cf_buf *data)
{
    struct cf_model_file *file = &document->files[document->file_count++];
    struct cf_blob_ref ref;
    cf_commit_add(commit, cf_buf_str(data), data->length, type, &ref);
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    (void)snprintf(file->type, sizeof(file->type), "%s", type);
    memcpy(file->sha256, ref.sha256, sizeof(file->sha256));
}

static int add_files(struct cf_commit *commit, struct cf_checkpoint_document *document,
                     const struct cf_artefacts *files, const struct train_checkpoints_parts *parts,
                     struct cf_error *err)
{
    int rc = 0;
    document->file_count = 0;
    for (size_t i = 0; files && i < files->count; i++) {
        const struct cf_artefact *a = &files->items[i];
        add_file(commit, document, a->path, a->type, &a->data);
    }
    for (size_t i = 0; parts && i < parts->count && !rc; i++) {
        struct cf_buf data = CF_BUF_INIT;
        parts->write(parts->context, i, &data);
        add_file(commit, document, parts->paths[i], "application/octet-stream", &data);
        cf_buf_release(&data);
        rc = cf_commit_flush(commit, err);
    }
    return rc;
}

static int finish(struct train_checkpoints *c, struct cf_commit *commit,
                  const struct cf_checkpoint_document *document, struct cf_error *err)
{
    struct cf_marker marker;
    json_t *summary = json_pack("{s:s,s:I,s:I}", "stage", document->stage, "step",
                                (json_int_t)document->step, "steps", (json_int_t)document->steps);
    int rc = cf_commit_finish(commit, cf_checkpoint_document_write(document), c->request, summary,
                              &marker, err);
    if (!rc) {
        cf_log(CF_INFO, "committed", CF_S("dataset", "checkpoint"), CF_I("version", marker.version),
               CF_S("stage", document->stage), CF_I("step", document->step),
               CF_I("steps", document->steps), CF_END);
        cf_marker_release(&marker);
    }
    return rc;
}

static int commit_once(struct train_checkpoints *c, struct cf_checkpoint_document *document,
                       const struct cf_artefacts *files,
                       const struct train_checkpoints_parts *parts, struct cf_error *err)
{
    struct cf_commit *commit = cf_commit_new(&c->dataset, c->newest.version ? &c->newest : NULL,
                                             c->root, &c->run->producer);
    for (size_t i = 0; i < c->run->record.input_count; i++) {
        const struct cf_input *input = &c->run->record.inputs[i];
        cf_commit_input(commit, input->dataset, input->version, input->sha256);
    }
    memcpy(document->request, c->request, sizeof(document->request));
    int rc = add_files(commit, document, files, parts, err);
    rc = rc ? rc : finish(c, commit, document, err);
    cf_commit_free(commit);
    return rc;
}

int train_checkpoints_save(struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document,
                           const struct cf_artefacts *files,
                           const struct train_checkpoints_parts *parts, struct cf_error *err)
{
    int rc = CF_ECONFLICT;
    for (int i = 0; i < ATTEMPTS && rc == CF_ECONFLICT; i++) {
        rc = commit_once(checkpoints, document, files, parts, err);
        int looked = rc && rc != CF_ECONFLICT ? 0 : look(checkpoints, err);
        rc = looked ? looked : rc;
    }
    return rc;
}
