/* A corpus for an exam whose questions are the descriptions: without any description, and without
 * what repeats a project's own description in its texts (leak.h). */
#ifndef CF_ENCODER_HOLDOUT_H
#define CF_ENCODER_HOLDOUT_H

#include <stdbool.h>

#include "common/encoder/corpus.h"

struct cf_holdout {
    struct cf_corpus
        corpus; /* to be indexed; names, topics and languages are still the original's */
    struct cf_project *projects;
};

/* The original must outlive the holdout. */
void cf_holdout_init(struct cf_holdout *holdout, const struct cf_corpus *original);
void cf_holdout_release(struct cf_holdout *holdout);

/* True when the project's description makes a question: it has at least three distinct content
 * words. */
bool cf_holdout_asks(const struct cf_project *project);

#endif
