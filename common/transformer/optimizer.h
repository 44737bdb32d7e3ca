/* Rates, clipping, and which parameters an AdamW step has to touch. The step itself is
 * cf_compute_ops.adamw (compute.h). */
#ifndef CF_TRANSFORMER_OPTIMIZER_H
#define CF_TRANSFORMER_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/transformer/compute.h"
#include "common/transformer/layout.h"

#define CF_ADAMW_BETA1 0.9
#define CF_ADAMW_BETA2 0.999
#define CF_ADAMW_EPS 1e-6F

/* The learning rate of the step that follows on done steps: from 0 to peak over the warm-up, then
 * down to 0 at total, both linearly. */
float cf_schedule_rate(float peak, uint32_t done, uint32_t warmup, uint32_t total);

/* By what gradients of that norm are multiplied so that their norm is at most clip; 1 where clip is
 * 0. As torch.nn.utils.clip_grad_norm_: clip / (norm + 1e-6). */
float cf_clip_factor(double norm, float clip);

/* The step that follows on done steps. */
struct cf_adamw cf_adamw_step(float rate, float decay, float clip_factor, uint32_t done);

/* The parameters as ranges, in order; of the word embeddings only those with words[word] set.
 * words: [vocabulary]. The caller frees the result. */
struct cf_range *cf_optimizer_ranges(const struct cf_bert_layout *layout, const bool *words,
                                     size_t *count);

#endif
