/* A fine-tuning between two of its steps, as one safetensors file in memory:
 *
 *   "weights/…", "moment1/…", "moment2/…"   F32, the tensors of the layout
 *   "position"  I64 [6]: format 1, steps done, steps in all, epoch, steps of it done, seed
 *   "curve"     I64 [steps done, 4]: step; loss and norm as the bits of doubles, rate of a float
 *   "request"   U8 [64]: the SHA-256 of what the training answers
 *   "plan"      U8 [64]: the SHA-256 of its steps (finetune_plan.h)
 *
 * Equal states give equal bytes. */
#ifndef CF_TRAIN_CHECKPOINT_H
#define CF_TRAIN_CHECKPOINT_H

#include "common/base/buf.h"
#include "jobs/train/finetune.h"

/* Replaces what out holds. */
void train_checkpoint_write(const struct train_finetune *run, struct cf_buf *out);

/* Sets the model's weights, moments and steps, and the curve. CF_EDATA names the tensor that is
 * missing, unknown, of another type or shape, not finite, or not this training's; then run and
 * model are as before. */
int train_checkpoint_read(struct train_finetune *run, const void *data, size_t length,
                          struct cf_error *err);

#endif
