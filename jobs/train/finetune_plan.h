/* What a fine-tuning does, before it begins: the pairs' tokens, and every step's batch.
 *
 * A batch holds pairs of like length: in each epoch pairs are ordered by their count of tokens in
 * steps of 32, and by chance within a step, and are put one after another into the first batch that
 * has room and no pair that clashes with it (cf_pairs_clash). A batch of one pair teaches nothing:
 * it gets a second one from another batch, and where that can't be and it has no hard negative, the
 * pair is left out of that epoch. Then the batches are shuffled. Chance is the seed's and the
 * epoch's alone. */
#ifndef CF_TRAIN_FINETUNE_PLAN_H
#define CF_TRAIN_FINETUNE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/hash.h"
#include "common/encoder/pairs.h"
#include "common/portfolio/finetune.h"
#include "common/transformer/bert.h"
#include "common/transformer/wordpiece.h"

struct train_plan {
    struct cf_finetune_options options;
    size_t pair_count;            /* those that are trained on */
    const struct cf_pair **pairs; /* borrowed */
    int32_t *ids;                 /* of question 0, answer 0, question 1, … */
    size_t *offsets;              /* [2 × pair_count + 1] */
    size_t *hard;    /* [pair_count]: the pair whose answer is the hard negative, or SIZE_MAX */
    size_t *members; /* the steps' pairs, one step after another */
    size_t *starts;  /* [steps + 1], into members */
    size_t *epoch_starts; /* [epochs + 1], into steps */
    uint32_t steps;
    size_t most_texts;          /* what the largest batch needs of a model */
    size_t most_tokens;         /* likewise; at least max_tokens */
    char sha256[CF_SHA256_HEX]; /* of all that the steps depend on but the model */
};

/* Pairs that are held out are passed over. pairs must outlive the plan. CF_EUSAGE: an option makes
 * no sense. CF_EDATA: there are no pairs, or no two that teach anything together. */
int train_plan_make(const struct cf_pairs *pairs, const struct cf_wordpiece *vocabulary,
                    size_t max_tokens, const struct cf_finetune_options *options,
                    struct train_plan **out, struct cf_error *err);
void train_plan_free(struct train_plan *plan); /* NULL is fine */

/* In which epoch a step is. */
size_t train_plan_epoch(const struct train_plan *plan, uint32_t step);

/* The batch of a step: writes to ids[most_tokens] and offsets[most_texts + 1]. */
struct cf_bert_batch train_plan_batch(const struct train_plan *plan, uint32_t step, int32_t *ids,
                                      size_t *offsets);

#endif
