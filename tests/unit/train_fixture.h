/* A fine-tuning of a small model, for the tests of train. The rule to learn: a question with the
 * word "q<k>" is answered by the text with "a<k>". Other words are noise. */
#ifndef CF_TESTS_TRAIN_FIXTURE_H
#define CF_TESTS_TRAIN_FIXTURE_H

#include "jobs/train/checkpoint.h"
#include "tests/unit/transformer_fixture.h"

enum { TRAIN_KEYS = 24, TRAIN_TOKENS = 24 };

struct cf_wordpiece *train_vocabulary(void);

/* asked questions a key, each fourth held out; lengths from 3 to some 20 words. */
struct cf_pairs train_rule_pairs(size_t keys, size_t asked);

/* Three epochs at a high rate. */
struct cf_finetune_options train_quick(void);

struct train_world {
    struct cf_wordpiece *vocabulary;
    struct cf_pairs pairs;
    struct train_plan *plan;
    struct transformer_model *model;
    struct train_finetune run;
    struct cf_buf checkpoint[TRAIN_CHECKPOINT_PARTS]; /* the last one */
    size_t saves;
    size_t every;   /* steps between checkpoints; 0: only at a stop */
    size_t asked;   /* how often stopped was */
    size_t stop_at; /* the time that says stop, from 1; 0: never */
    size_t fail_at; /* the save that fails */
};

/* A training that hasn't begun, of train_rule_pairs. */
void train_world_begin(struct train_world *w, struct cf_finetune_options options, size_t keys,
                       size_t asked, size_t hidden, size_t threads);
void train_world_end(struct train_world *w);

/* To the end, without a failure. */
void train_world_run(struct train_world *w);

/* Fails unless everything that a training ends with is the same: weights, moments, steps, curve. */
void train_world_same_end(const struct train_world *a, const struct train_world *b);

/* All parts of a checkpoint of now. */
void train_checkpoint_of(const struct train_finetune *run,
                         struct cf_buf out[TRAIN_CHECKPOINT_PARTS]);
void train_checkpoint_free(struct cf_buf parts[TRAIN_CHECKPOINT_PARTS]);
/* Fails unless both hold the same bytes. */
void train_checkpoint_same(const struct cf_buf a[TRAIN_CHECKPOINT_PARTS],
                           const struct cf_buf b[TRAIN_CHECKPOINT_PARTS]);

#endif
