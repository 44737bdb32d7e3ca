/* How a model comes by a fine-tuned sentence transformer: cf_model_fit and cf_evaluate call this
 * with the corpus that they fit, the job that trains answers. */
#ifndef CF_ENCODER_TUNER_H
#define CF_ENCODER_TUNER_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/encoder/corpus.h"
#include "common/encoder/encoder.h"

struct cf_tuner {
    /* Fine-tunes on the corpus. *out: an encoder of cf_transformer_type, the caller's. */
    int (*tune)(void *context, const struct cf_corpus *corpus, struct cf_encoder **out,
                struct cf_error *err);
    /* Asked between batches of texts: true ends the work with CF_EINTERRUPTED. May be NULL. */
    bool (*stopped)(void *context);
    void *context;
};

#endif
