/* A fine-tuning between two of its steps, as three safetensors files in memory, so that none is
 * larger than the weights and one at a time need be held while they are written:
 *
 *   checkpoint.safetensors
 *     "weights/…"  F32, the tensors of the layout
 *     "position"   I64 [6]: format 1, steps done, steps in all, epoch, steps of it done, seed
 *     "curve"      I64 [steps done, 4]: step; loss and norm as the bits of doubles, rate of a float
 *     "request"    U8 [64]: the SHA-256 of what the training answers
 *     "plan"       U8 [64]: the SHA-256 of its steps (finetune_plan.h)
 *   moment1.safetensors
 *     "moment1/…"  F32, as the weights
 *   moment2.safetensors
 *     "moment2/…"  F32, as the weights
 *
 * Equal states give equal bytes. */
#ifndef CF_TRAIN_CHECKPOINT_H
#define CF_TRAIN_CHECKPOINT_H

#include "common/base/buf.h"
#include "jobs/train/finetune.h"

#define TRAIN_CHECKPOINT_PARTS 3

extern const char *const train_checkpoint_files[TRAIN_CHECKPOINT_PARTS]; /* their names */

/* One part, by its place in train_checkpoint_files; replaces what out holds. */
void train_checkpoint_write(const struct train_finetune *run, size_t part, struct cf_buf *out);

/* Sets the model's weights, moments and steps, and the curve. CF_EDATA names the file that is
 * missing (empty) or no safetensors file, or file and tensor that is missing, unknown, of another
 * type or shape, not finite, or not this training's; then run and model are as before. */
int train_checkpoint_read(struct train_finetune *run,
                          const struct cf_buf parts[TRAIN_CHECKPOINT_PARTS], struct cf_error *err);

#endif
