/* A sentence transformer: a BERT encoder whose tokens' mean, brought to length 1, is the embedding
 * of a text; and its training.
 *
 * (Devlin et al., "BERT", 2019; Reimers and Gurevych, "Sentence-BERT", 2019. LayerNorm comes behind
 * each residual sum, GELU is the exact one.) Training minimises the ranking loss of loss.h with
 * AdamW; the gradient goes through all parameters. In training, memory for activations is what two
 * layers of the largest batch need: a batch that needs more keeps the activations of its last
 * layers only and computes those of the others again on the way back. Such a batch costs up to a
 * quarter more time and gives the same bits.
 *
 * Equal weights, batches and settings give equal bits on the same kind of CPU, whatever the number
 * of threads. A model is used by one thread at a time. */
#ifndef CF_TRANSFORMER_BERT_H
#define CF_TRANSFORMER_BERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/transformer/layout.h"

struct cf_bert;

struct cf_bert_options {
    size_t most_tokens; /* of one batch, all its texts together; at least the config's max_tokens */
    size_t most_texts;  /* of one batch */
    size_t threads;     /* at least 1 */
    bool training;      /* gradients and moments are wanted */
    bool bf16;          /* matrix products in bfloat16; weights stay float32 */
};

/* True where bf16 is possible and pays. */
bool cf_bert_has_bf16(void);

/* All weights are 0. layout is borrowed and must outlive the model. CF_EUSAGE: an option makes no
 * sense; CF_ECONFIG: no bf16 here; CF_EUNAVAILABLE: threads or oneDNN fail. */
int cf_bert_new(const struct cf_bert_layout *layout, const struct cf_bert_options *options,
                struct cf_bert **out, struct cf_error *err);
void cf_bert_free(struct cf_bert *model);

/* The parameters, layout->parameters floats as the layout says; valid until the next encode or
 * train_step. Whoever writes to them, or to the moments, calls cf_bert_changed afterwards. */
float *cf_bert_weights(struct cf_bert *model);
/* AdamW's moments, 1 or 2, and the gradients of the last step, before clipping; NULL without
 * training. */
float *cf_bert_moments(struct cf_bert *model, int which);
const float *cf_bert_gradients(struct cf_bert *model);
void cf_bert_changed(struct cf_bert *model);
/* How many steps have been done: 0 at first; a checkpoint sets it. */
uint32_t cf_bert_steps(const struct cf_bert *model);
void cf_bert_set_steps(struct cf_bert *model, uint32_t steps);

/* Sets out[texts, hidden]. Text i has the tokens ids[offsets[i] … offsets[i + 1] − 1]. Any number
 * of texts; they are encoded in batches of at most most_tokens and most_texts, in the order given,
 * so neighbours of like length are no faster than others. CF_EDATA names the text that is empty,
 * longer than max_tokens, or has an id outside the vocabulary. */
int cf_bert_encode(struct cf_bert *model, const int32_t *ids, const size_t *offsets, size_t texts,
                   float *out, struct cf_error *err);

/* Queries, then candidates. Candidate i is the right one for query i; those behind the first
 * queries are hard negatives, for all queries. */
struct cf_bert_batch {
    const int32_t *ids;
    const size_t *offsets; /* [queries + candidates + 1], from 0 */
    size_t queries;
    size_t candidates; /* at least queries */
};

struct cf_bert_settings {
    float rate;    /* the learning rate of this step */
    float decay;   /* weight decay, for tensors that decay */
    float clip;    /* gradients of a larger norm are brought to this one; 0: they are not */
    float dropout; /* rate, at least 0, below 1 */
    uint64_t seed; /* of the dropout */
    float scale;   /* of the similarities; 0: the usual 20 */
};

struct cf_bert_outcome {
    double loss;
    double norm; /* of all gradients, before clipping */
};

/* One step of training. CF_EDATA: a text as above, a batch that is too large, or a loss or gradient
 * that isn't finite; then weights, moments and steps are as before. */
int cf_bert_train_step(struct cf_bert *model, const struct cf_bert_batch *batch,
                       const struct cf_bert_settings *settings, struct cf_bert_outcome *out,
                       struct cf_error *err);

#endif
