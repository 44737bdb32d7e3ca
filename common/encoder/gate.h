/* Whether a new model may take the old one's place. */
#ifndef CF_ENCODER_GATE_H
#define CF_ENCODER_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/encoder/evaluate.h"

struct cf_gate {
    bool promote;
    size_t shared_questions;
    double mrr_new, mrr_old; /* mean of 1/rank down to rank 10, over the shared questions */
    char reason[160];        /* one sentence for people */
};

/* Compares both on the questions that they share (same project, same text), by the held-out ranks
 * that each recorded. The new model is refused when its mean reciprocal rank is below the old one's
 * by more than the larger of 0.02 and 0.5/n, n the number of shared questions: one question more
 * that falls from first to second is no reason. Without an old evaluation or a shared question it
 * is promoted. */
void cf_gate_decide(const struct cf_evaluation *new_, const struct cf_evaluation *old_or_null,
                    struct cf_gate *gate);

#endif
