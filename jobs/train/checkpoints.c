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

static int fetch(const struct train_checkpoints *c, const struct cf_checkpoint_document *document,
                 struct cf_artefacts *files, struct cf_error *err)
{
    struct cf_blob_set blobs;
    int rc = cf_blob_set_read(c->root, &blobs, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < document->file_count && !rc; i++) {
        const struct cf_model_file *file = &document->files[i];
        const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, file->sha256);
        rc = ref ? cf_dataset_blob(&c->dataset, ref, &cf_artefacts_add(files, file->path, "")->data,
                                   err)
                 : cf_error_set(err, CF_EDATA, "the checkpoint doesn't list the blob of %s",
                                file->path);
    }
    cf_blob_set_release(&blobs);
    return rc;
}

int train_checkpoints_read(const struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document, struct cf_artefacts *files,
                           struct cf_error *err)
{
    *document = (struct cf_checkpoint_document){.stage = "none"};
    if (!checkpoints->newest.version) {
        return 0;
    }
    int rc = cf_checkpoint_document_read(checkpoints->root, document, err);
    if (rc || strcmp(document->request, checkpoints->request) != 0 || !document->file_count) {
        *document = (struct cf_checkpoint_document){.stage = "none"};
        return rc;
    }
    return fetch(checkpoints, document, files, err);
}

static int commit(struct train_checkpoints *c, struct cf_checkpoint_document *document,
                  const struct cf_artefacts *files, struct cf_error *err)
{
    struct cf_marker marker;
    struct cf_commit *commit = cf_commit_new(&c->dataset, c->newest.version ? &c->newest : NULL,
                                             c->root, &c->run->producer);
    for (size_t i = 0; i < c->run->record.input_count; i++) {
        const struct cf_input *input = &c->run->record.inputs[i];
        cf_commit_input(commit, input->dataset, input->version, input->sha256);
    }
    memcpy(document->request, c->request, sizeof(document->request));
    document->file_count = files ? files->count : 0;
    for (size_t i = 0; i < document->file_count; i++) {
        const struct cf_artefact *a = &files->items[i];
        struct cf_model_file *file = &document->files[i];
        struct cf_blob_ref ref;
        cf_commit_add(commit, cf_buf_str(&a->data), a->data.length, a->type, &ref);
        (void)snprintf(file->path, sizeof(file->path), "%s", a->path);
        (void)snprintf(file->type, sizeof(file->type), "%s", a->type);
        memcpy(file->sha256, ref.sha256, sizeof(file->sha256));
    }
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
    cf_commit_free(commit);
    return rc;
}

int train_checkpoints_save(struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document,
                           const struct cf_artefacts *files, struct cf_error *err)
{
    int rc = CF_ECONFLICT;
    for (int i = 0; i < ATTEMPTS && rc == CF_ECONFLICT; i++) {
        rc = commit(checkpoints, document, files, err);
        int looked = rc && rc != CF_ECONFLICT ? 0 : look(checkpoints, err);
        rc = looked ? looked : rc;
    }
    return rc;
}
