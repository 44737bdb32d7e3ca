/* The dataset checkpoint of a tenant: where a fine-tuning stands that was not finished. */
#ifndef TRAIN_CHECKPOINTS_H
#define TRAIN_CHECKPOINTS_H

#include "common/encoder/artefacts.h"
#include "common/job/job.h"
#include "common/portfolio/checkpoint.h"

struct train_checkpoints {
    struct cf_run *run;
    char request[CF_SHA256_HEX];
    struct cf_dataset dataset;
    struct cf_marker newest; /* version 0: none */
    json_t *root;
};

/* Looks for the newest version. */
int train_checkpoints_open(struct cf_run *run, const char request[CF_SHA256_HEX],
                           struct train_checkpoints *out, struct cf_error *err);
void train_checkpoints_release(struct train_checkpoints *checkpoints);

/* The newest version's document, when it is of this request and has files; else stage is "none".
 * CF_EDATA: it is damaged. */
int train_checkpoints_read(const struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document, struct cf_error *err);

/* One of the document's files, while that is of the newest version. CF_EDATA: it has none of that
 * path, or it is damaged. */
int train_checkpoints_fetch(const struct train_checkpoints *checkpoints,
                            const struct cf_checkpoint_document *document, const char *path,
                            struct cf_buf *out, struct cf_error *err);

/* Large files, each of which is written when its turn has come and released when it was added. */
struct train_checkpoints_parts {
    const char *const *paths; /* [count] */
    size_t count;
    void (*write)(const void *context, size_t part, struct cf_buf *out); /* out is empty */
    const void *context;
};

/* Commits a version. document: stage, step and steps are the caller's; its files become files and
 * parts (each may be NULL), at most CF_CHECKPOINT_FILES_MAX. Holds one part and its compressed form
 * at a time. When somebody else committed meanwhile, it is committed on top of that, which writes
 * the parts again. */
int train_checkpoints_save(struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document,
                           const struct cf_artefacts *files,
                           const struct train_checkpoints_parts *parts, struct cf_error *err);

#endif
