/* A fine-tuned sentence transformer as an encoder.
 *
 * Embeddings are those that SentenceTransformer gives for its folder: the mean of the last layer's
 * tokens, brought to length 1. A text is cut after max_tokens; one without a token is still [CLS]
 * [SEP]. Nothing is padded, and nothing is computed in bfloat16, so that equal texts have equal
 * embeddings on the machine that trains and on the one that searches, up to the rounding of
 * different kinds of CPUs. */
#ifndef CF_ENCODER_TRANSFORMER_H
#define CF_ENCODER_TRANSFORMER_H

#include "common/encoder/encoder.h"
#include "common/transformer/layout.h"
#include "common/transformer/wordpiece.h"

#define CF_TRANSFORMER_FOLDER "transformer/"
#define CF_TRANSFORMER_BATCH 64 /* texts that are encoded together */

/* "transformer". It is made by cf_transformer_new, so fit is NULL. Its artefacts are a Hugging Face
 * folder (bert_folder.h) below CF_TRANSFORMER_FOLDER: SentenceTransformer(path + "/transformer")
 * loads it. load takes as many threads as the process may use, 16 at most. It knows a text that has
 * a token other than [UNK]. */
extern const struct cf_encoder_type cf_transformer_type;

/* layout, weights and vocabulary are copied: the caller keeps its own. CF_EUSAGE: threads is 0 or
 * more than 1024. CF_EUNAVAILABLE as cf_bert_new. */
int cf_transformer_new(const struct cf_bert_layout *layout, const float *weights,
                       const struct cf_wordpiece *vocabulary, size_t threads,
                       struct cf_encoder **out, struct cf_error *err);

#endif
