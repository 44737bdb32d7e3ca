/* The fine-tuning of a request's base model: what the encoder calls as its tuner, with the tenant's
 * checkpoints.
 *
 * It happens twice, in two stages: "exam" on what is left when the held-out questions are taken
 * out, and "model" on everything. A checkpoint (dataset checkpoint) is written when the run is
 * asked to stop and from time to time; a later run with the same request goes on from there and
 * ends with the same bytes as one that wasn't stopped, on the same kind of CPU. */
#ifndef TRAIN_TUNING_H
#define TRAIN_TUNING_H

#include "common/encoder/evaluate.h"
#include "common/encoder/tuner.h"
#include "common/job/job.h"
#include "common/portfolio/request.h"
#include "jobs/train/card.h"

struct train_tuning_options {
    size_t threads;              /* 0: as many as there are CPUs, at most 16 */
    bool bf16;                   /* where the CPU has it */
    uint64_t checkpoint_seconds; /* between checkpoints; 0: one after each step */
};

struct train_tuning;

/* Reads the base model that the request pins, and the checkpoint if there is one of this request.
 * CF_EDATA: the base model is damaged, or isn't the one that the request pins. run and request must
 * outlive it. */
int train_tuning_open(struct cf_run *run, const struct cf_request *request,
                      const char request_hash[CF_SHA256_HEX],
                      const struct train_tuning_options *options, struct train_tuning **out,
                      struct cf_error *err);
void train_tuning_free(struct train_tuning *tuning); /* NULL is fine */

const struct cf_tuner *train_tuning_tuner(struct train_tuning *tuning);

/* From the exam to the model: the evaluation and the parameters that were chosen by it are part of
 * every checkpoint from now on. Both are copied. */
void train_tuning_examined(struct train_tuning *tuning, const struct cf_evaluation *evaluation,
                           const struct cf_model_params *params);

/* True when the checkpoint says that the exam is over: sets both as train_tuning_examined was given
 * them, and no exam need be held. */
bool train_tuning_resume(struct train_tuning *tuning, struct cf_evaluation **evaluation,
                         struct cf_model_params *params);

/* The last fine-tuning: base model, settings, pairs, and the curve, one point a step. */
json_t *train_tuning_json(const struct train_tuning *tuning);
/* The same for the card, which borrows it. */
void train_tuning_card(const struct train_tuning *tuning, struct cf_card_tuning *out);

/* After the model's commit: a version without files, so that the checkpoints can be collected. */
int train_tuning_finish(struct train_tuning *tuning, struct cf_error *err);

#endif
