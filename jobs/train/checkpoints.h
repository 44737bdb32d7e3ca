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

/* The newest version's files, when it is of this request and has some; else stage is "none" and no
 * file is added. CF_EDATA: it is damaged. */
int train_checkpoints_read(const struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document, struct cf_artefacts *files,
                           struct cf_error *err);

/* Commits a version. document: stage, step and steps are the caller's; the files become those. When
 * somebody else committed meanwhile, it is committed on top of that. */
int train_checkpoints_save(struct train_checkpoints *checkpoints,
                           struct cf_checkpoint_document *document,
                           const struct cf_artefacts *files, struct cf_error *err);

#endif
