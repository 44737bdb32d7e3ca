/* How a base model is fine-tuned. A request pins these beside the base model
 * (docs/decisions/0015-requests-pin-the-fine-tuning.md).
 *
 * As JSON an object with a member for each field of that name: whole numbers, true or false for
 * hard_negatives, and for a float the double of the shortest decimal number that reads back as that
 * float. So equal options give equal bytes, and those give equal options. */
#ifndef CF_PORTFOLIO_FINETUNE_H
#define CF_PORTFOLIO_FINETUNE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

struct cf_finetune_options {
    size_t batch;  /* pairs, 2 to 1,024 */
    size_t epochs; /* 1 to 1,000 */
    float rate;    /* AdamW's, at its peak; 0 to 1 */
    float warmup;  /* the share of the steps until then, 0 to 1 */
    float decay;   /* 0 to 1 */
    float clip;    /* 0 to 1e9; 0: gradients aren't clipped */
    float dropout; /* 0 to 0.99 */
    uint64_t seed; /* at most 2^63 − 1 */
    /* Each question also gets the wrong answer that BM25 takes for the best one, of another project
     * and none that clashes with a pair of the batch. */
    bool hard_negatives;
    size_t pairs; /* the most that are trained on, 2 to 100,000 */
};

/* 8 pairs, 2 epochs, rate 2e-5 after a tenth of the steps, decay 0.01, clip 1, dropout 0.1, seed 1,
 * no hard negatives, 150 pairs. */
extern const struct cf_finetune_options cf_finetune_defaults;

/* CF_EUSAGE names the first option that is out of its range. */
int cf_finetune_check(const struct cf_finetune_options *options, struct cf_error *err);

/* Of options that cf_finetune_check accepts. */
json_t *cf_finetune_to_json(const struct cf_finetune_options *options);

/* Fields that are missing have their defaults; {} is all defaults. An unknown field, a wrong type
 * and a value out of range are CF_EDATA and name the field; then *out is as before. */
int cf_finetune_from_json(const json_t *json, struct cf_finetune_options *out,
                          struct cf_error *err);

/* Changes what a list names, "epochs=3,rate=3e-5,hard_negatives=1"; "" names nothing. CF_EUSAGE
 * names the part that is wrong; then *options are as before. */
int cf_finetune_parse(const char *list, struct cf_finetune_options *options, struct cf_error *err);

#endif
