/* Fine-tuning a sentence transformer on a portfolio's pairs, with checkpoints.
 *
 * A run that was stopped and resumed from its checkpoint ends with the bits of one that wasn't, on
 * the same kind of CPU, whatever the number of threads. */
#ifndef CF_TRAIN_FINETUNE_H
#define CF_TRAIN_FINETUNE_H

#include "jobs/train/finetune_plan.h"

struct train_point {
    uint32_t step; /* from 1 */
    double loss;
    double norm; /* of the gradients, before clipping */
    float rate;
};

struct train_finetune {
    const struct train_plan *plan;
    const struct cf_bert_layout *layout; /* of the model */
    struct cf_bert *model;               /* with training, most_tokens and most_texts of the plan */
    char request[CF_SHA256_HEX];         /* what the training answers */

    /* Asked before each step: true ends the run. May be NULL. */
    bool (*stopped)(void *context);
    /* Keeps a checkpoint of the run (checkpoint.h writes its parts); an error ends the run. NULL:
     * none are made. */
    int (*save)(void *context, const struct train_finetune *run, struct cf_error *err);
    bool (*due)(void *context); /* asked after each step: save now? NULL: only at a stop */
    void (*stepped)(void *context, const struct train_point *point); /* may be NULL */
    void *context;

    struct train_point *curve; /* one point a step that was done; freed by release */
    size_t done;               /* steps */
};

/* Does the steps that are left, all of them in a run that begins. CF_EINTERRUPTED: stopped, after
 * saving a checkpoint if a step was done since the last one. CF_EDATA: a loss or gradient isn't
 * finite, with the step's number; the model is as before that step, and the last checkpoint stays
 * the last. CF_EUSAGE: the model has done other steps than this run. Or what save returned. */
int train_finetune_run(struct train_finetune *run, struct cf_error *err);

/* Frees the curve. */
void train_finetune_release(struct train_finetune *run);

#endif
