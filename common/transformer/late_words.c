#include "common/transformer/late_words.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/bert_internal.h"

void cf_late_words_make(struct cf_late_words *w, size_t vocabulary)
{
    *w = (struct cf_late_words){.seen = cf_calloc(vocabulary, sizeof(*w->seen)),
                                .in_batch = cf_calloc(vocabulary, sizeof(*w->in_batch)),
                                .batch = cf_calloc(vocabulary, sizeof(*w->batch)),
                                .taken = cf_calloc(vocabulary, sizeof(*w->taken)),
                                .late = cf_calloc(vocabulary, sizeof(*w->late))};
}

void cf_late_words_release(struct cf_late_words *w)
{
    free(w->seen);
    free(w->in_batch);
    free(w->batch);
    free(w->taken);
    free(w->late);
}

/* The word is late: it takes the missed steps with the others at [count]. Returns the new count. */
static size_t add_late(struct cf_late_words *w, size_t word, size_t count)
{
    if (w->taken[word] == w->step_count) {
        return count;
    }
    w->late[count] = (struct cf_late_row){word, w->taken[word], !w->seen[word]};
    w->taken[word] = (uint8_t)w->step_count;
    return count + 1;
}

static void take_steps(struct cf_bert *m, size_t count)
{
    size_t at = m->layout->word_embeddings;
    struct cf_late a = {.p = cf_ref_plus(m->weights, at),
                        .m = cf_ref_plus(m->moments[0], at),
                        .v = cf_ref_plus(m->moments[1], at),
                        .n = m->layout->config.hidden,
                        .rows = m->words.late,
                        .row_count = count,
                        .steps = m->words.steps,
                        .step_count = m->words.step_count};
    m->compute->ops->adamw_late(m->compute, &a);
}

void cf_late_words_read(struct cf_bert *m, const int32_t *ids, size_t count)
{
    size_t late = 0;
    for (size_t i = 0; i < count; i++) {
        late = add_late(&m->words, (size_t)ids[i], late);
    }
    take_steps(m, late);
}

void cf_late_words_read_all(struct cf_bert *m)
{
    size_t vocabulary = m->layout->config.vocabulary;
    size_t late = 0;
    if (!m->words.step_count) {
        return;
    }
    for (size_t word = 0; word < vocabulary; word++) {
        late = add_late(&m->words, word, late);
    }
    take_steps(m, late);
    m->words.step_count = 0;
    memset(m->words.taken, 0, vocabulary * sizeof(*m->words.taken));
}

void cf_late_words_begin(struct cf_bert *m, const int32_t *ids, size_t count)
{
    struct cf_late_words *w = &m->words;
    size_t n = m->layout->config.hidden;
    for (size_t i = 0; i < w->in_batch_count; i++) {
        size_t word = (size_t)w->batch[i];
        size_t at = m->layout->word_embeddings + word * n;
        m->compute->ops->zero(m->compute, cf_ref_plus(m->gradients, at), n);
        w->in_batch[word] = false;
    }
    w->in_batch_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!w->in_batch[ids[i]]) {
            w->in_batch[ids[i]] = true;
            w->batch[w->in_batch_count++] = ids[i];
        }
    }
}

void cf_late_words_step(struct cf_bert *m, const struct cf_adamw *step)
{
    struct cf_late_words *w = &m->words;
    w->steps[w->step_count++] = *step;
    for (size_t i = 0; i < w->in_batch_count; i++) {
        w->seen[w->batch[i]] = true;
        w->taken[w->batch[i]] = (uint8_t)w->step_count;
    }
    if (w->step_count == CF_LATE_STEPS) {
        cf_late_words_read_all(m);
    }
}

void cf_late_words_look(struct cf_bert *m)
{
    const struct cf_bert_config *c = &m->layout->config;
    bool *seen = m->words.seen;
    memset(seen, 0, c->vocabulary * sizeof(*seen));
    for (int which = 0; which < 2; which++) {
        const float *row = m->compute->ops->host(
            m->compute, cf_ref_plus(m->moments[which], m->layout->word_embeddings),
            c->vocabulary * c->hidden);
        for (size_t word = 0; word < c->vocabulary; word++, row += c->hidden) {
            for (size_t i = 0; i < c->hidden && !seen[word]; i++) {
                seen[word] = row[i] != 0;
            }
        }
    }
}
