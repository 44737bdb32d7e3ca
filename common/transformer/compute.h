/* The operations a BERT encoder is computed with, and the place where its numbers lie.
 *
 * This is a seam: nothing above it knows where numbers are. A cf_ref is an address that only the
 * backend follows; numbers go in and out by upload and download, or by host, which gives an address
 * the caller may follow. The one backend today computes on the CPU (cf_compute_cpu_new); one for
 * another device would fill the same table of operations.
 *
 * Matrices are row by row. Texts of a batch are packed: the tokens of text i are the rows
 * offsets[i] … offsets[i + 1] − 1 of every array of rows, without padding between texts. An array
 * of rows must have room for cf_compute_rows(rows) rows: operations may read and write the rows
 * behind the last one, which belong to nobody.
 *
 * Operations can't fail one by one: what goes wrong inside (a library that refuses) is kept and
 * told by status. They are called from one thread at a time. The order of every sum depends on
 * sizes only, not on the number of threads: equal input gives equal bits on the same kind of CPU.
 */
#ifndef CF_TRANSFORMER_COMPUTE_H
#define CF_TRANSFORMER_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

typedef struct cf_ref {
    float *at; /* NULL: there is no such array */
} cf_ref;

static inline cf_ref cf_ref_plus(cf_ref ref, size_t floats)
{
    return (cf_ref){ref.at + floats};
}

/* How many rows an array for that many rows must have room for. */
#define CF_COMPUTE_ROWS 32
static inline size_t cf_compute_rows(size_t rows)
{
    return (rows + CF_COMPUTE_ROWS - 1) / CF_COMPUTE_ROWS * CF_COMPUTE_ROWS;
}

struct cf_compute;

/* Where texts begin. offsets is the host's; offsets[0] is 0, offsets[count] the number of rows. No
 * text is empty. */
struct cf_texts {
    size_t count;
    const size_t *offsets;
};

/* Which elements drop out: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
 * 3", 2011) of the seed (key) and the element's column, row, site and step (counter). The same five
 * numbers give the same answer, forward and backward and on every CPU. Kept elements are scaled by
 * 1 / (1 − rate). */
struct cf_dropout {
    float rate; /* 0: nothing drops out */
    uint64_t seed;
    uint32_t step;
    uint32_t site; /* the place in the model */
};

/* y = x · weightᵀ, then what is named below. */
struct cf_linear {
    size_t rows, in, out;
    cf_ref x;      /* [rows, in] */
    cf_ref weight; /* [out, in] */
    cf_ref bias;   /* [out], added to y; none: NULL */
    cf_ref y;      /* [rows, out], a row every y_stride floats */
    size_t y_stride;
    /* [rows, out] = gelu(y), then y = gelu'(y); may be y itself, which then is gelu(y); none: NULL.
     * Where it is there, y_stride is out. */
    cf_ref gelu;
};

/* The gradients of y = x · weightᵀ + bias, given dy. */
struct cf_linear_backward {
    size_t rows, in, out;
    cf_ref x;      /* [rows, in] */
    cf_ref weight; /* [out, in] */
    cf_ref dy;     /* [rows, out], a row every dy_stride floats */
    size_t dy_stride;
    cf_ref dweight; /* [out, in] = dyᵀ · x */
    cf_ref dbias;   /* [out] = the sum of dy's rows */
    cf_ref dx;      /* [rows, in] = dy · weight; may be x */
    bool add;       /* dx += instead */
    /* [rows, in]: dx is multiplied with it, element by element; may be dx; none: NULL. Not with
     * add. */
    cf_ref factor;
};

/* s = dropout(x + bias) + residual;  xhat = (s − mean) / √(variance + eps);
 * y = xhat · gamma + beta, for each row. */
struct cf_norm {
    size_t rows, n;
    cf_ref x;        /* [rows, n] */
    cf_ref bias;     /* [n] or NULL */
    cf_ref residual; /* [rows, n] or NULL */
    cf_ref gamma, beta;
    float eps;
    struct cf_dropout dropout; /* of x + bias */
    cf_ref xhat;               /* [rows, n] or NULL: not wanted */
    cf_ref scale;              /* [rows]: 1 / √(variance + eps); with xhat */
    cf_ref y;                  /* [rows, n]; may be x or residual */
};

struct cf_norm_backward {
    size_t rows, n;
    cf_ref dy, xhat, scale, gamma;
    cf_ref dgamma, dbeta; /* [n], set */
    cf_ref ds;            /* [rows, n] = ∂loss/∂s, the residual's gradient; may be dy */
    struct cf_dropout dropout;
    cf_ref dx; /* [rows, n] = ds through the dropout; NULL where it isn't wanted, or rate is 0 */
};

/* Attention of each text on itself: for each head, context = dropout(softmax(q·kᵀ/√d)) · v. */
struct cf_attention {
    struct cf_texts texts;
    size_t heads, hidden; /* d = hidden / heads */
    cf_ref qkv;           /* [rows, 3 × hidden]: q, k and v beside one another */
    cf_ref context;       /* [rows, hidden] */
    cf_ref log_sums;      /* [heads, rows] ln Σ exp of a row's scores, for backward; or NULL */
    struct cf_dropout dropout; /* head h has the site site + h */
};

struct cf_attention_backward {
    struct cf_attention forward; /* as it was; all arrays there */
    cf_ref dcontext;             /* [rows, hidden] */
    cf_ref dqkv;                 /* [rows, 3 × hidden], set */
};

/* s = word[id] + position[place in its text] + type[0], then as cf_norm without residual, then
 * dropout of y. */
struct cf_embed {
    struct cf_texts texts;
    const int32_t *ids; /* [rows], the host's, each inside the table */
    size_t n;
    cf_ref words, positions, types;
    cf_ref gamma, beta;
    float eps;
    struct cf_dropout dropout;
    cf_ref xhat, scale; /* as in cf_norm */
    cf_ref y;
};

/* Adds the gradient of s to the rows of the tables; those rows are zero before. */
struct cf_embed_backward {
    struct cf_texts texts;
    const int32_t *ids;
    size_t n;
    cf_ref ds;
    cf_ref dwords, dpositions, dtypes;
};

/* The mean of each text's rows, brought to length 1. */
struct cf_pool {
    struct cf_texts texts;
    size_t n;
    cf_ref y;          /* [rows, n] */
    cf_ref embeddings; /* [texts, n] */
    cf_ref lengths;    /* [texts]: of the means, before; at least 1e-12 */
};

struct cf_pool_backward {
    struct cf_texts texts;
    size_t n;
    cf_ref embeddings, lengths, dembeddings;
    cf_ref dy; /* [rows, n], set */
};

/* AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019), one step:
 *     p −= rate·decay·p;  g' = clip·g;  m = β₁m + (1−β₁)g';  v = β₂v + (1−β₂)g'²;
 *     p −= rate / correction1 · m / (√(v / correction2) + eps) */
struct cf_adamw {
    float rate, beta1, beta2, eps, decay, clip;
    float correction1, correction2; /* 1 − β₁ᵗ, 1 − β₂ᵗ */
};

/* A part of the parameters. */
struct cf_range {
    size_t first, count; /* floats */
    bool decays;         /* weight decay applies */
};

/* Steps of AdamW with decay that rows take without a gradient, one after another. */
struct cf_late_row {
    size_t row;
    size_t from; /* the first of the steps; up to the last */
    bool still;  /* the moments are 0: only the decay does something */
};
struct cf_late {
    cf_ref p, m, v; /* a row every n floats */
    size_t n;
    const struct cf_late_row *rows;
    size_t row_count;
    const struct cf_adamw *steps;
    size_t step_count;
};

/* A matrix of weights, for prepare. */
struct cf_weight {
    cf_ref weight;
    size_t out, in;
};

struct cf_compute_ops {
    /* floats of memory, zeroed; it may be taken from the machine only as it is used */
    cf_ref (*alloc)(struct cf_compute *c, size_t floats);
    void (*release)(struct cf_compute *c, cf_ref ref, size_t floats);
    /* A part of such memory that is used from its beginning, without gaps: it may be taken in large
     * pieces. Says so before it is used. */
    void (*dense)(struct cf_compute *c, cf_ref ref, size_t floats);
    void (*upload)(struct cf_compute *c, cf_ref to, const float *from, size_t floats);
    void (*download)(struct cf_compute *c, float *to, cf_ref from, size_t floats);
    void (*zero)(struct cf_compute *c, cf_ref ref, size_t floats);
    /* The array where the caller may read and write it, until the next operation. */
    float *(*host)(struct cf_compute *c, cf_ref ref, size_t floats);
    /* Weights changed: what was derived from them is stale. */
    void (*changed)(struct cf_compute *c);
    /* Derives, all at once, what linear needs of these weights and hasn't yet. It would do so by
     * itself, one by one. */
    void (*prepare)(struct cf_compute *c, const struct cf_weight *weights, size_t count);

    void (*linear)(struct cf_compute *c, const struct cf_linear *a);
    void (*linear_backward)(struct cf_compute *c, const struct cf_linear_backward *a);
    void (*norm)(struct cf_compute *c, const struct cf_norm *a);
    void (*norm_backward)(struct cf_compute *c, const struct cf_norm_backward *a);
    /* y = dropout(xhat · gamma + beta) once more, from what norm and embed keep; y may be xhat */
    void (*norm_again)(struct cf_compute *c, const struct cf_norm *a);
    void (*attention)(struct cf_compute *c, const struct cf_attention *a);
    void (*attention_backward)(struct cf_compute *c, const struct cf_attention_backward *a);
    void (*embed)(struct cf_compute *c, const struct cf_embed *a);
    void (*embed_backward)(struct cf_compute *c, const struct cf_embed_backward *a);
    void (*pool)(struct cf_compute *c, const struct cf_pool *a);
    void (*pool_backward)(struct cf_compute *c, const struct cf_pool_backward *a);
    /* x += y */
    void (*add)(struct cf_compute *c, size_t count, cf_ref x, cf_ref y);
    /* x = dropout(x) */
    void (*drop)(struct cf_compute *c, size_t rows, size_t n, cf_ref x,
                 const struct cf_dropout *dropout);
    /* Σ x² over the ranges; NaN or infinite exactly when an element is. */
    double (*squares)(struct cf_compute *c, cf_ref x, const struct cf_range *ranges, size_t count);
    void (*adamw)(struct cf_compute *c, cf_ref p, cf_ref g, cf_ref m, cf_ref v,
                  const struct cf_range *ranges, size_t count, const struct cf_adamw *a);
    void (*adamw_late)(struct cf_compute *c, const struct cf_late *a);

    /* 0, or what went wrong since the last call. */
    int (*status)(struct cf_compute *c, struct cf_error *err);
    void (*free)(struct cf_compute *c);
};

struct cf_compute {
    const struct cf_compute_ops *ops;
};

/* The CPU: matrix products by oneDNN, one thread each, over blocks of rows that threads share; the
 * rest by kernels of our own for AVX-512, AVX2 or any CPU, whichever it has (compute_kernels.h).
 * threads includes the caller's. bf16: products take bfloat16 and add up in float32.
 * CF_ECONFIG: bf16 where cf_compute_cpu_has_bf16 says no; CF_EUNAVAILABLE: no thread could be
 * started, or oneDNN can't be used. */
int cf_compute_cpu_new(size_t threads, bool bf16, struct cf_compute **out, struct cf_error *err);
/* True where bfloat16 is faster than float32: the CPU has AVX512-BF16 or AMX. */
bool cf_compute_cpu_has_bf16(void);

#endif
