/* Tuners for tests: a small transformer of random weights, and encoders that know or mistake the
 * answers. */
#ifndef CF_TESTS_ENCODER_TUNER_H
#define CF_TESTS_ENCODER_TUNER_H

#include "common/encoder/tuner.h"
#include "common/transformer/layout.h"
#include "common/transformer/wordpiece.h"

enum { TUNER_HIDDEN = 16, TUNER_TOKENS = 24 };

/* A transformer's parts. Its vocabulary: the special tokens, the letters a to z, also as "##a" …,
 * and the words of tuner_words. */
struct tuner_parts {
    struct cf_bert_layout layout;
    float *weights;
    struct cf_wordpiece *vocabulary;
};
extern const char tuner_words[]; /* each followed by LF */
void tuner_parts_make(struct tuner_parts *parts);
void tuner_parts_release(struct tuner_parts *parts);

/* A transformer of tuner_parts with two threads. */
struct cf_encoder *tuner_transformer(void);

/* An encoder whose embedding of a text is what a function says. */
struct cf_encoder *tuner_fake(size_t dimensions,
                              void (*embed)(const struct cf_view *text, float *out));

/* The context of a test's tuner. */
struct tuner_state {
    void (*fake)(const struct cf_view *text, float *out); /* NULL: tuner_transformer */
    size_t dimensions;                                    /* of the fake */
    int fails;                                            /* what tune returns, when it isn't 0 */
    size_t tunes;                                         /* how often it was called */
    bool descriptions; /* a project of the corpus it last got had one */
    size_t asked;      /* how often stopped was */
    size_t stop_at;    /* the time that says stop, from 1; 0: never */
};
struct cf_tuner tuner_of(struct tuner_state *state);

#endif
