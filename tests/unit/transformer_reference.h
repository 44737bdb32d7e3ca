/* The operations of common/transformer once more, in double precision, one number after the other:
 * what the fast ones are compared with. Slopes of these functions by central differences are exact
 * to nine digits or so, so that a gradient in float32 can be held to float32's own rounding. */
#ifndef CF_TESTS_TRANSFORMER_REFERENCE_H
#define CF_TESTS_TRANSFORMER_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "common/transformer/bert.h"
#include "common/transformer/compute_kernels.h"

/* Philox4x32-10. */
void reference_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* What the dropout multiplies an element with. dropout may be NULL. */
double reference_factor(const struct cf_dropout *dropout, size_t row, size_t column);

double reference_gelu(double z);
/* y[rows, out] = x[rows, in] · weightᵀ + bias; bias may be NULL */
void reference_linear(size_t rows, size_t in, size_t out, const double *x, const double *weight,
                      const double *bias, double *y);
/* y = LayerNorm(dropout(x + bias) + residual); bias and residual may be NULL */
struct reference_norm {
    size_t rows, n;
    const double *x, *bias, *residual, *gamma, *beta;
    double eps;
    const struct cf_dropout *dropout;
};
void reference_norm(const struct reference_norm *a, double *y);
/* qkv: [rows, 3 hidden], context: [rows, hidden] */
void reference_attention(const struct cf_texts *texts, size_t heads, size_t hidden,
                         const double *qkv, const struct cf_dropout *dropout, double *context);
/* s = word + position + type, [rows, n] */
void reference_embed(const struct cf_texts *texts, const int32_t *ids, size_t n,
                     const double *words, const double *positions, const double *types, double *s);
void reference_pool(const struct cf_texts *texts, size_t n, const double *y, double *embeddings);
double reference_ranking(size_t queries, size_t candidates, size_t n, const double *q,
                         const double *c, double scale);

/* The embeddings of a batch, [texts, hidden], and its loss. dropout's site is set here. */
struct reference_batch {
    const struct cf_bert_layout *layout;
    struct cf_texts texts;
    const int32_t *ids;
    size_t queries, candidates;
    double scale;
    struct cf_dropout dropout;
};
void reference_encode(const struct reference_batch *b, const double *weights, double *embeddings);
double reference_loss(const struct reference_batch *b, const double *weights);

/* An array of an operation and the gradient that it gave. */
struct reference_part {
    const char *name;
    size_t n;
    const float *x, *gradient;
};
/* f's parts are the same arrays in double precision. */
typedef double reference_function(const void *arg, double *const *parts);
/* Sets slopes[count], an array for each part, to what f does when one element moves. The caller
 * frees them. */
void reference_slopes(const struct reference_part *parts, size_t count, reference_function *f,
                      const void *arg, double **slopes);
/* Compares the gradients with the slopes: every element must be within relative · (the largest
 * slope of its array) + absolute. NaN is never within. Says what of where differs. */
void reference_check(const struct reference_part *parts, size_t count, reference_function *f,
                     const void *arg, double relative, double absolute);
/* The largest |got − want|; infinite when a number is NaN. */
double reference_difference(const float *got, const double *want, size_t n);

/* The caller frees the result. */
double *reference_doubles(const float *x, size_t n);
/* Σ xᵢ rᵢ with random numbers r between −1 and 1, and r itself. */
double reference_weigh(const double *x, size_t n, uint64_t seed);

/* The plain, AVX2 and AVX-512 kernels: 0, 1, 2. NULL where this CPU hasn't them; then it is said
 * that the test is left out. */
const struct cf_kernels *reference_kernels(int which, const char *test);

#endif
