/* Attention of one text, one head. Code, included by compute_avx512.c, compute_avx2.c and
 * compute_plain.c after compute_elements.h.
 *
 * Rows of scores are taken 48 at a time, so that they stay in the cache: scores = q·kᵀ, softmax,
 * context = scores·v. The backward pass computes the scores again from the logarithms of the sums
 * that the forward pass kept (as in Dao et al., "FlashAttention", 2022). Everything is copied into
 * scratch memory whose rows are padded with zeros to whole vectors. */

enum { BAND = 48 }; /* rows of scores: a multiple of 12 */

INLINE size_t up_to(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* c[rows, cols · LANES] = a · b, or += ; a's element (i, p) lies at i · ar + p · ak. rows and cols
 * are constants where this is inlined: the sums stay in registers. */
INLINE void tile(size_t rows, size_t cols, size_t k, const float *a, size_t ar, size_t ak,
                 const float *b, size_t ldb, float *c, size_t ldc, int adds)
{
    vector s[12][4];
    UNROLL(12)
    for (size_t i = 0; i < rows; i++) {
        UNROLL(4)
        for (size_t j = 0; j < cols; j++) {
            s[i][j] = adds ? load(c + i * ldc + j * LANES) : (vector){0};
        }
    }
    for (size_t p = 0; p < k; p++) {
        vector bs[4];
        UNROLL(4)
        for (size_t j = 0; j < cols; j++) {
            bs[j] = load(b + p * ldb + j * LANES);
        }
        UNROLL(12)
        for (size_t i = 0; i < rows; i++) {
            float f = a[i * ar + p * ak];
            UNROLL(4)
            for (size_t j = 0; j < cols; j++) {
                s[i][j] += f * bs[j];
            }
        }
    }
    UNROLL(12)
    for (size_t i = 0; i < rows; i++) {
        UNROLL(4)
        for (size_t j = 0; j < cols; j++) {
            store(c + i * ldc + j * LANES, s[i][j]);
        }
    }
}

/* A matrix product of m rows (a multiple of 12) and n columns (of LANES). */
struct product {
    size_t m, n, k;
    const float *a;
    size_t ar, ak;
    const float *b;
    size_t ldb;
    float *c;
    size_t ldc;
    int adds;
};

#define TILES(ROWS, COLS)                                                                          \
    for (size_t i = 0; i < x->m; i += (ROWS)) {                                                    \
        tile(ROWS, COLS, x->k, x->a + i * x->ar, x->ar, x->ak, x->b + j, x->ldb,                   \
             x->c + i * x->ldc + j, x->ldc, x->adds);                                              \
    }

static void multiply_matrices(const struct product *x)
{
    size_t j = 0;
#ifdef MANY_REGISTERS
    for (; x->n - j >= 4 * LANES; j += 4 * LANES) {
        TILES(6, 4)
    }
    for (; x->n - j >= 2 * LANES; j += 2 * LANES) {
        TILES(12, 2)
    }
    for (; j < x->n; j += LANES) {
        TILES(12, 1)
    }
#else
    for (; x->n - j >= 2 * LANES; j += 2 * LANES) {
        TILES(6, 2)
    }
    for (; j < x->n; j += LANES) {
        TILES(12, 1)
    }
#endif
}

/* The scratch memory of one text. length: tokens up to a multiple of 48; d: up to LANES. */
struct room {
    size_t length, d, columns;             /* columns: tokens up to a multiple of LANES */
    float *q, *k, *v, *dcontext, *dk, *dv; /* [length, d] */
    float *kt, *vt;                        /* [d, length] */
    float *scores, *slopes, *factors;      /* [BAND, length] */
    float *band;                           /* [BAND, d] */
};

static struct room make_room(const struct cf_attend *a)
{
    struct room r = {.length = up_to(a->tokens, BAND),
                     .d = up_to(a->d, LANES),
                     .columns = up_to(a->tokens, LANES)};
    float **parts[] = {&r.q, &r.k, &r.v, &r.dcontext, &r.dk, &r.dv, &r.kt, &r.vt};
    float *at = a->scratch;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i] = at;
        at += r.length * r.d;
    }
    r.scores = at;
    r.slopes = r.scores + BAND * r.length;
    r.factors = r.slopes + BAND * r.length;
    r.band = r.factors + BAND * r.length;
    return r;
}

/* to[length, d padded] = from · factor, zeros behind. */
static void copy_in(const struct cf_attend *a, const struct room *r, const float *from,
                    size_t stride, float factor, float *to)
{
    for (size_t i = 0; i < a->tokens; i++) {
        float *row = to + i * r->d;
        for (size_t j = 0; j < a->d; j++) {
            row[j] = from[i * stride + j] * factor;
        }
        for (size_t j = a->d; j < r->d; j++) {
            row[j] = 0;
        }
    }
    memset(to + a->tokens * r->d, 0, (r->length - a->tokens) * r->d * sizeof(float));
}

static void copy_turned(const struct cf_attend *a, const struct room *r, const float *from,
                        float *to)
{
    for (size_t j = 0; j < a->d; j++) {
        float *row = to + j * r->length;
        for (size_t i = 0; i < a->tokens; i++) {
            row[i] = from[i * a->stride + j];
        }
        memset(row + a->tokens, 0, (r->length - a->tokens) * sizeof(float));
    }
}

static void copy_out(const struct cf_attend *a, const float *from, size_t from_stride, size_t rows,
                     float *to, size_t stride)
{
    for (size_t i = 0; i < rows; i++) {
        memcpy(to + i * stride, from + i * from_stride, a->d * sizeof(float));
    }
}

/* row[j] = e^(row[j] − high) for the text's tokens, zeros behind; returns the sum. */
INLINE float exponentials(const struct room *r, size_t tokens, float *row, float high)
{
    vector total = {0};
    size_t j = 0;
    for (; j + LANES <= tokens; j += LANES) {
        vector e = exponential(load(row + j) - high);
        store(row + j, e);
        total += e;
    }
    if (j < tokens) {
        vector e = exponential(load_some(row + j, tokens - j) - high);
        memset(row + j, 0, LANES * sizeof(float));
        store_some(row + j, e, tokens - j);
        total += load(row + j);
        j += LANES;
    }
    memset(row + j, 0, (r->length - j) * sizeof(float));
    return sum(total);
}

INLINE float highest(size_t tokens, const float *row)
{
    size_t j = 0;
    float most = row[0];
    if (tokens >= LANES) {
        vector m = load(row);
        for (j = LANES; j + LANES <= tokens; j += LANES) {
            m = larger(load(row + j), m);
        }
        most = largest(m);
    }
    for (; j < tokens; j++) {
        most = row[j] > most ? row[j] : most;
    }
    return most;
}

INLINE void factors_of(const struct cf_attend *a, const struct room *r, size_t row, float *factors)
{
    for (size_t j = 0; j < r->length; j += 64) {
        float some[64];
        size_t width = r->length - j < 64 ? r->length - j : 64;
        drop_factors(&a->dropout, (uint32_t)(j / 64), (uint32_t)(a->first_row + row), some);
        memcpy(factors + j, some, width * sizeof(float));
    }
}

static void score(const struct cf_attend *a, const struct room *r, size_t first, size_t rows)
{
    struct product p = {up_to(rows, 12), r->columns, a->d,      r->q + first * r->d, r->d, 1,
                        r->kt,           r->length,  r->scores, r->length,           0};
    multiply_matrices(&p);
}

static void attend_band(const struct cf_attend *a, const struct room *r, size_t first, size_t rows)
{
    float shares[BAND];
    score(a, r, first, rows);
    for (size_t i = 0; i < rows; i++) {
        float *row = r->scores + i * r->length;
        float high = highest(a->tokens, row);
        float total = exponentials(r, a->tokens, row, high);
        shares[i] = 1 / total;
        if (a->log_sums) {
            a->log_sums[first + i] = high + __builtin_logf(total);
        }
        if (a->dropout.rate > 0) {
            factors_of(a, r, first + i, r->factors);
            multiply(r->columns, row, r->factors);
        }
    }
    struct product p = {up_to(rows, 12), r->d, a->tokens, r->scores, r->length, 1, r->v, r->d,
                        r->band,         r->d, 0};
    multiply_matrices(&p);
    for (size_t i = 0; i < rows; i++) {
        scale(r->d, r->band + i * r->d, shares[i]);
    }
    copy_out(a, r->band, r->d, rows, a->context + first * a->context_stride, a->context_stride);
}

static void attention(const struct cf_attend *a)
{
    struct room r = make_room(a);
    copy_in(a, &r, a->q, a->stride, 1 / __builtin_sqrtf((float)a->d), r.q);
    copy_turned(a, &r, a->k, r.kt);
    copy_in(a, &r, a->v, a->stride, 1, r.v);
    for (size_t i = 0; i < a->tokens; i += BAND) {
        attend_band(a, &r, i, a->tokens - i < BAND ? a->tokens - i : BAND);
    }
}

/* For one row, with p = softmax, f = the dropout's factors and g = ∂loss/∂(p·f):
 * slopes = ∂loss/∂score = p · (g·f − Σ p·g·f); then scores = p·f, for ∂v. */
static void row_slopes(const struct cf_attend *a, const struct room *r, size_t i, size_t row_number)
{
    float *p = r->scores + i * r->length;
    float *g = r->slopes + i * r->length;
    float *f = r->factors + i * r->length;
    if (a->dropout.rate > 0) {
        factors_of(a, r, row_number, f);
        multiply(r->columns, g, f);
    }
    vector total = {0};
    for (size_t j = 0; j < r->columns; j += LANES) {
        total += load(p + j) * load(g + j);
    }
    float along = sum(total);
    for (size_t j = 0; j < r->columns; j += LANES) {
        store(g + j, load(p + j) * (load(g + j) - along));
    }
    memset(g + r->columns, 0, (r->length - r->columns) * sizeof(float));
    if (a->dropout.rate > 0) {
        multiply(r->columns, p, f);
    }
}

static void attend_band_backward(const struct cf_attend_backward *b, const struct room *r,
                                 size_t first, size_t rows)
{
    const struct cf_attend *a = &b->forward;
    size_t many = up_to(rows, 12);
    size_t turned = up_to(a->tokens, 12);
    const float *dcontext = r->dcontext + first * r->d;
    score(a, r, first, rows);
    struct product slopes = {many,  r->columns, a->d,      dcontext,  r->d, 1,
                             r->vt, r->length,  r->slopes, r->length, 0};
    multiply_matrices(&slopes);
    for (size_t i = 0; i < rows; i++) {
        exponentials(r, a->tokens, r->scores + i * r->length, a->log_sums[first + i]);
        row_slopes(a, r, i, first + i);
    }
    struct product dv = {turned,   r->d, rows,  r->scores, 1, r->length,
                         dcontext, r->d, r->dv, r->d,      1};
    multiply_matrices(&dv);
    struct product dk = {turned, r->d,  rows, r->slopes, 1, r->length, r->q + first * r->d,
                         r->d,   r->dk, r->d, 1};
    multiply_matrices(&dk);
    struct product dq = {many, r->d, a->tokens, r->slopes, r->length, 1,
                         r->k, r->d, r->band,   r->d,      0};
    multiply_matrices(&dq);
    float factor = 1 / __builtin_sqrtf((float)a->d);
    for (size_t i = 0; i < rows; i++) {
        scale(r->d, r->band + i * r->d, factor);
    }
    copy_out(a, r->band, r->d, rows, b->dq + first * a->stride, a->stride);
}

static void attention_backward(const struct cf_attend_backward *b)
{
    const struct cf_attend *a = &b->forward;
    struct room r = make_room(a);
    copy_in(a, &r, a->q, a->stride, 1 / __builtin_sqrtf((float)a->d), r.q);
    copy_in(a, &r, a->k, a->stride, 1, r.k);
    copy_in(a, &r, b->dcontext, a->context_stride, 1, r.dcontext);
    copy_turned(a, &r, a->k, r.kt);
    copy_turned(a, &r, a->v, r.vt);
    memset(r.dk, 0, r.length * r.d * sizeof(float));
    memset(r.dv, 0, r.length * r.d * sizeof(float));
    for (size_t i = 0; i < a->tokens; i += BAND) {
        attend_band_backward(b, &r, i, a->tokens - i < BAND ? a->tokens - i : BAND);
    }
    copy_out(a, r.dk, r.d, a->tokens, b->dk, a->stride);
    copy_out(a, r.dv, r.d, a->tokens, b->dv, a->stride);
}
