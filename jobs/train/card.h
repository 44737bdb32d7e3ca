/* The model card: what a model is and how good it is, for people; Markdown and a figure in SVG.
 *
 * Everything in it follows from the fields below: equal trainings give equal bytes. What the
 * promotion gate said depends on the model before, so it stands in the version's root document and
 * not here. Text from outside (the tenant, questions, project names) is escaped for Markdown, HTML
 * and XML. */
#ifndef TRAIN_CARD_H
#define TRAIN_CARD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/encoder/evaluate.h"
#include "common/encoder/params.h"
#include "jobs/train/finetune.h"

/* The names by which the Markdown refers to the figures. */
#define CF_CARD_FIGURE "figure.svg"
#define CF_CARD_CURVE "curve.svg"

/* What was fine-tuned, and how. All borrowed. */
struct cf_card_tuning {
    const char *base_model;
    const char *base_model_sha256;
    const struct cf_finetune_options *options;
    size_t pairs;
    bool bf16;
    const struct train_point *curve; /* [steps] */
    size_t steps;
};

/* All borrowed. */
struct cf_card {
    const char *tenant;
    const char *request; /* SHA-256 of the request that was trained */
    uint64_t bundle_version;
    size_t projects, chunks, words; /* words: distinct ones in the index */
    const struct cf_model_params *params;
    const struct cf_evaluation *evaluation;
    const struct cf_card_tuning *tuning; /* NULL: there was no base model */
};

/* Appends the card and its figure. */
void cf_card_write(const struct cf_card *card, struct cf_buf *markdown, struct cf_buf *svg);

#endif
