/* The optimizer's steps on word embeddings, made up for when somebody looks.
 *
 * A batch has gradients for few words. For the others a step of AdamW lets the moments decay and
 * moves the weight by what they still say; for words that never had a gradient it only decays the
 * weight. Such steps are written down. A word takes those it missed, one after another as it would
 * have, when it comes into a batch, when the host wants to see the parameters, or when
 * CF_LATE_STEPS have gathered: the same bits for a fraction of the memory traffic. */
#ifndef CF_TRANSFORMER_LATE_WORDS_H
#define CF_TRANSFORMER_LATE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/transformer/compute.h"

struct cf_bert;

enum { CF_LATE_STEPS = 16 };

struct cf_late_words {
    bool *seen;     /* [vocabulary]: the word's gradient was not always 0 */
    bool *in_batch; /* [vocabulary]: its gradient may not be 0 now */
    int32_t *batch; /* those words, each once */
    size_t in_batch_count;
    uint8_t *taken; /* [vocabulary]: how many of the steps below the word has taken */
    struct cf_adamw steps[CF_LATE_STEPS];
    size_t step_count;
    struct cf_late_row *late; /* [vocabulary], for a while */
};

void cf_late_words_make(struct cf_late_words *words, size_t vocabulary);
void cf_late_words_release(struct cf_late_words *words);

/* The batch's words take the steps they missed: before their embeddings are read. */
void cf_late_words_read(struct cf_bert *model, const int32_t *ids, size_t count);
/* All words do: before the host sees the parameters. Nothing without training. */
void cf_late_words_read_all(struct cf_bert *model);
/* The gradients of this batch's words are about to be added up: they are 0, as all others. */
void cf_late_words_begin(struct cf_bert *model, const int32_t *ids, size_t count);
/* The words of the batch have taken this step. */
void cf_late_words_step(struct cf_bert *model, const struct cf_adamw *step);
/* Looks at the moments, which the host has set, for words that were seen. */
void cf_late_words_look(struct cf_bert *model);

#endif
