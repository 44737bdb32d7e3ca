/* What the CPU backend computes by itself, one block of rows at a time, on the calling thread.
 *
 * The code is written once, for vectors of a width, in compute_elements.h, compute_norms.h and
 * compute_attend.h, and compiled for three kinds of CPU in compute_avx512.c, compute_avx2.c and
 * compute_plain.c. The order of sums follows the width of vectors, and only the first two multiply
 * and add in one rounding: results of different kinds differ by rounding, results of one kind
 * don't.
 *
 * exp: by powers of 2 and a polynomial of degree 5, relative error below 2e-7 between −87 and 88;
 * below, 1.6e-38; above, 1.6e38. erf: formula 7.1.26 of Abramowitz and Stegun, absolute error below
 * 2e-7 with float's rounding. NaN stays NaN in both. */
#ifndef CF_TRANSFORMER_COMPUTE_KERNELS_H
#define CF_TRANSFORMER_COMPUTE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "common/transformer/compute.h"

/* Memory one thread needs for a text of that many tokens: floats. */
size_t cf_attend_scratch(size_t tokens, size_t d);

/* One head of one text. Pointers are to its first row and column. */
struct cf_attend {
    size_t tokens, d, stride; /* stride: of q, k, v and their gradients, in floats */
    const float *q, *k, *v;
    float *context;
    size_t context_stride;
    float *log_sums; /* [tokens] or NULL */
    struct cf_dropout dropout;
    size_t first_row; /* of the text, in the batch: the dropout's row */
    float *scratch;   /* aligned to 64 bytes */
};

struct cf_attend_backward {
    struct cf_attend forward;
    const float *dcontext; /* a row every context_stride floats */
    float *dq, *dk, *dv;
};

struct cf_kernels {
    const char *name;
    /* y[rows, n] += bias[n], a row every stride floats */
    void (*add_bias)(size_t rows, size_t n, float *y, size_t stride, const float *bias);
    /* z += bias, g = gelu(z); g may be z. bias may be NULL. */
    void (*bias_gelu)(size_t rows, size_t n, float *z, const float *bias, float *g);
    void (*gelu_backward)(size_t n, float *z, float *g);
    void (*multiply)(size_t n, float *x, const float *y);
    void (*add)(size_t n, float *x, const float *y);
    void (*drop)(size_t first_row, size_t rows, size_t n, float *x, float *y,
                 const struct cf_dropout *dropout); /* y = dropout(x) */
    /* out[n] = the sum of rows, a row every stride floats */
    void (*sum_rows)(size_t rows, size_t n, const float *x, size_t stride, float *out);
    /* Rows first … first + rows − 1 of the operations in compute.h; work has room for n floats, for
     * norm_backward's sums 2 n: ∂gamma, ∂beta of these rows. */
    void (*norm)(const struct cf_norm *a, size_t first, size_t rows, float *work);
    void (*norm_backward)(const struct cf_norm_backward *a, size_t first, size_t rows, float *sums);
    void (*norm_again)(const struct cf_norm *a, size_t first, size_t rows);
    /* out = a + b + c */
    void (*add_three)(size_t n, const float *a, const float *b, const float *c, float *out);
    void (*attention)(const struct cf_attend *a);
    void (*attention_backward)(const struct cf_attend_backward *a);
    double (*squares)(size_t n, const float *x);
    void (*adamw)(size_t n, float *p, const float *g, float *m, float *v, const struct cf_adamw *a,
                  float decay);
    void (*scale)(size_t n, float *x, float factor);
    /* to bfloat16, to nearest, ties to even; NaN stays NaN */
    void (*to_bf16)(size_t n, const float *x, uint16_t *out);
};

/* NULL where the compiler can't make them for this machine, or the CPU hasn't the instructions. */
const struct cf_kernels *cf_kernels_avx512(void);
const struct cf_kernels *cf_kernels_avx2(void);
const struct cf_kernels *cf_kernels_plain(void); /* never NULL */
/* The best of them. */
const struct cf_kernels *cf_kernels_best(void);

#endif
