/* Small models for the tests of common/transformer. */
#ifndef CF_TESTS_TRANSFORMER_FIXTURE_H
#define CF_TESTS_TRANSFORMER_FIXTURE_H

#include <stdint.h>

#include "common/transformer/bert.h"

/* Numbers between −1 and 1 that depend on the state alone. */
float transformer_random(uint64_t *state);
void transformer_fill(float *x, size_t n, float size, uint64_t seed);

/* A model of random weights. */
struct transformer_model {
    struct cf_bert_layout layout;
    struct cf_bert *bert;
};
struct transformer_model *transformer_make(const struct cf_bert_config *config,
                                           struct cf_bert_options options);
void transformer_free(struct transformer_model *m);

/* Texts of the given lengths, packed; ids inside the vocabulary. */
struct transformer_texts {
    int32_t *ids;
    size_t *offsets;
    size_t count;
};
struct transformer_texts transformer_texts(const size_t *lengths, size_t count, size_t vocabulary,
                                           uint64_t seed);
void transformer_texts_free(struct transformer_texts *t);

/* The largest |a − b|; infinite when a number is NaN. */
double transformer_difference(const float *a, const float *b, size_t n);
double transformer_largest(const float *a, size_t n);

#endif
