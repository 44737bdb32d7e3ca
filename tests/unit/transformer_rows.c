/* The kernels of LayerNorm and attention, of every kind of CPU, against the same in double
 * precision; sizes below, at and above the widths of vectors and of what is taken at a time. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/transformer/compute_cpu.h"
#include "tests/unit/transformer_guarded.h"
#include "tests/unit/transformer_reference.h"

/* --- LayerNorm -----------------------------------------------------------------------------------
 */

static const size_t widths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 48, 100};
enum { WIDTHS = sizeof(widths) / sizeof(widths[0]), ROWS = 5, FIRST = 2, WEIGHTS = 77 };

/* Arrays of ROWS rows of n numbers, vectors, and work. */
struct norm_case {
    size_t n;
    float *x, *bias, *residual, *gamma, *beta, *xhat, *scale, *y, *work;
    struct cf_norm a;
};

static void make_norm(struct norm_case *c, size_t n, const struct cf_dropout *dropout)
{
    *c = (struct norm_case){.n = n};
    c->x = guarded(ROWS * n, 1, 1);
    c->bias = guarded(n, 1, 2);
    c->residual = guarded(ROWS * n, 1, 3);
    c->gamma = guarded(n, 1, 4);
    c->beta = guarded(n, 1, 5);
    c->xhat = guarded(ROWS * n, 9, 6);
    c->scale = guarded(ROWS, 9, 7);
    c->y = guarded(ROWS * n, 9, 8);
    c->work = guarded(n, 9, 9);
    c->a = (struct cf_norm){.rows = ROWS,
                            .n = n,
                            .x = {c->x},
                            .bias = {c->bias},
                            .residual = {c->residual},
                            .gamma = {c->gamma},
                            .beta = {c->beta},
                            .eps = 1e-3F,
                            .xhat = {c->xhat},
                            .scale = {c->scale},
                            .y = {c->y}};
    if (dropout) {
        c->a.dropout = *dropout;
    }
}

static void free_norm(struct norm_case *c)
{
    guarded_free(c->x, ROWS * c->n);
    guarded_free(c->bias, c->n);
    guarded_free(c->residual, ROWS * c->n);
    guarded_free(c->gamma, c->n);
    guarded_free(c->beta, c->n);
    guarded_free(c->xhat, ROWS * c->n);
    guarded_free(c->scale, ROWS);
    guarded_free(c->y, ROWS * c->n);
    guarded_free(c->work, c->n);
}

static double norm_loss(const void *arg, double *const *p)
{
    const struct cf_norm *a = arg;
    struct reference_norm r = {ROWS, a->n, p[0],           p[1],       p[2],
                               p[3], p[4], (double)a->eps, &a->dropout};
    double y[ROWS * 100];
    reference_norm(&r, y);
    /* the kernel computes the rows from FIRST on */
    return reference_weigh(y + FIRST * a->n, (ROWS - FIRST) * a->n, WEIGHTS);
}

static void check_forward(const struct norm_case *c)
{
    double *d[] = {reference_doubles(c->x, ROWS * c->n), reference_doubles(c->bias, c->n),
                   reference_doubles(c->residual, ROWS * c->n), reference_doubles(c->gamma, c->n),
                   reference_doubles(c->beta, c->n)};
    double want[ROWS * 100];
    struct reference_norm r = {ROWS, c->n, d[0], d[1], d[2], d[3], d[4], 1e-3, &c->a.dropout};
    reference_norm(&r, want);
    double most =
        reference_difference(c->y + FIRST * c->n, want + FIRST * c->n, (ROWS - FIRST) * c->n);
    ck_assert_msg(most < 5e-6, "%zu columns differ by %g", c->n, most);
    float *before = guarded(ROWS * c->n, 9, 8);
    ck_assert(transformer_difference(c->y, before, FIRST * c->n) == 0);
    guarded_free(before, ROWS * c->n);
    for (int i = 0; i < 5; i++) {
        free(d[i]);
    }
}

/* What norm_again makes of what norm keeps. */
static void check_again(const struct cf_kernels *k, const struct norm_case *c)
{
    float *y = guarded(ROWS * c->n, 1, 1);
    struct cf_norm again = c->a;
    again.dropout.rate = 0;
    again.y.at = y;
    k->norm_again(&again, FIRST, ROWS - FIRST);
    ck_assert(transformer_difference(y + FIRST * c->n, c->y + FIRST * c->n, (ROWS - FIRST) * c->n) <
              1e-6);
    guarded_free(y, ROWS * c->n);
}

static void check_backward(const struct cf_kernels *k, const struct norm_case *c)
{
    size_t n = c->n;
    float *dy = guarded(ROWS * n, 0, 1);
    transformer_fill(dy + FIRST * n, (ROWS - FIRST) * n, 1, WEIGHTS);
    float *ds = guarded(ROWS * n, 0, 1);
    float *dx = guarded(ROWS * n, 0, 1);
    float *sums = guarded(2 * n, 1, 1);
    float *dbias = guarded(n, 1, 1);
    bool drops = c->a.dropout.rate > 0;
    struct cf_norm_backward b = {ROWS,   n,      {dy}, {c->xhat},    {c->scale},         {c->gamma},
                                 {NULL}, {NULL}, {ds}, c->a.dropout, {drops ? dx : NULL}};
    k->norm_backward(&b, FIRST, ROWS - FIRST, sums);
    const float *through = drops ? dx : ds;
    k->sum_rows(ROWS, n, through, n, dbias);
    const struct reference_part parts[] = {{"x", ROWS * n, c->x, through},
                                           {"bias", n, c->bias, dbias},
                                           {"residual", ROWS * n, c->residual, ds},
                                           {"gamma", n, c->gamma, sums},
                                           {"beta", n, c->beta, sums + n}};
    reference_check(parts, 5, norm_loss, &c->a, 2e-5, 5e-6);
    guarded_free(dy, ROWS * n);
    guarded_free(ds, ROWS * n);
    guarded_free(dx, ROWS * n);
    guarded_free(sums, 2 * n);
    guarded_free(dbias, n);
}

START_TEST(norms)
{
    static const struct cf_dropout dropout = {0.3F, 99, 2, 3};
    const struct cf_kernels *k = reference_kernels(_i / 2, "norms");
    for (size_t i = 0; k && i < WIDTHS; i++) {
        struct norm_case c;
        make_norm(&c, widths[i], _i % 2 ? &dropout : NULL);
        k->norm(&c.a, FIRST, ROWS - FIRST, c.work);
        check_forward(&c);
        check_backward(k, &c);
        check_again(k, &c);
        /* without what the backward pass needs: the same, in place */
        float *y = guarded(ROWS * c.n, 1, 1);
        c.a.xhat.at = NULL;
        c.a.y.at = y;
        k->norm(&c.a, FIRST, ROWS - FIRST, c.work);
        ck_assert(
            transformer_difference(y + FIRST * c.n, c.y + FIRST * c.n, (ROWS - FIRST) * c.n) == 0);
        guarded_free(y, ROWS * c.n);
        free_norm(&c);
    }
}
END_TEST

/* Numbers around 1,000: a variance from the squares' sum would have no digit left. Equal numbers:
 * only eps keeps the result finite. */
START_TEST(norms_of_numbers_that_hardly_differ)
{
    const struct cf_kernels *k = reference_kernels(_i, "norms_of_numbers_that_hardly_differ");
    for (size_t i = 3; k && i < WIDTHS; i++) {
        struct norm_case c;
        make_norm(&c, widths[i], NULL);
        c.a.bias.at = NULL;
        c.a.residual.at = NULL;
        c.a.eps = 1e-12F;
        for (size_t j = 0; j < ROWS * c.n; j++) {
            c.x[j] = j / c.n == ROWS - 1 ? 1 : c.x[j] * 0.05F + 1000;
        }
        k->norm(&c.a, 0, ROWS, c.work);
        double *d[] = {reference_doubles(c.x, ROWS * c.n), reference_doubles(c.gamma, c.n),
                       reference_doubles(c.beta, c.n)};
        double want[ROWS * 100];
        struct reference_norm r = {ROWS, c.n, d[0], NULL, NULL, d[1], d[2], 1e-12, NULL};
        reference_norm(&r, want);
        ck_assert(reference_difference(c.y, want, ROWS * c.n) < 5e-3);
        ck_assert(transformer_difference(c.y + (ROWS - 1) * c.n, c.beta, c.n) == 0);
        ck_assert(fabs((double)c.scale[ROWS - 1] / 1e6 - 1) < 1e-6);
        for (int x = 0; x < 3; x++) {
            free(d[x]);
        }
        free_norm(&c);
    }
}
END_TEST

/* --- attention -----------------------------------------------------------------------------------
 */

/* One text, one head; q, k and v beside one another, with a gap behind. */
struct head_case {
    size_t tokens, d, stride;
    float *qkv, *context, *log_sums, *dcontext, *dqkv, *scratch;
    struct cf_attend a;
};

static void make_head(struct head_case *h, size_t tokens, size_t d, float size,
                      const struct cf_dropout *dropout)
{
    *h = (struct head_case){.tokens = tokens, .d = d, .stride = 3 * d + 1};
    size_t floats = cf_attend_scratch(tokens, d);
    h->qkv = guarded(tokens * h->stride, size, 1);
    h->context = guarded(tokens * d, 9, 2);
    h->log_sums = guarded(tokens, 9, 3);
    h->dcontext = guarded(tokens * d, 1, 4);
    h->dqkv = guarded(tokens * h->stride, 0, 5);
    h->scratch = cf_cpu_aligned(floats * sizeof(float));
    memset(h->scratch, 0xff, floats * sizeof(float)); /* NaN */
    h->a = (struct cf_attend){.tokens = tokens,
                              .d = d,
                              .stride = h->stride,
                              .q = h->qkv,
                              .k = h->qkv + d,
                              .v = h->qkv + 2 * d,
                              .context = h->context,
                              .context_stride = d,
                              .log_sums = h->log_sums,
                              .first_row = 3,
                              .scratch = h->scratch};
    if (dropout) {
        h->a.dropout = *dropout;
    }
}

static void free_head(struct head_case *h)
{
    guarded_free(h->qkv, h->tokens * h->stride);
    guarded_free(h->context, h->tokens * h->d);
    guarded_free(h->log_sums, h->tokens);
    guarded_free(h->dcontext, h->tokens * h->d);
    guarded_free(h->dqkv, h->tokens * h->stride);
    free(h->scratch);
}

static double dot(size_t n, const float *a, const float *b)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        total += (double)a[i] * (double)b[i];
    }
    return total;
}

/* Adds to want what row i has to do with context and the gradients: context [tokens, d], then
 * gradients [tokens, stride]. log_sums[i] is compared at once. */
static void reference_row(const struct head_case *h, size_t i, double *share, double *context,
                          double *d)
{
    const float *q = h->a.q + i * h->stride;
    double root = sqrt((double)h->d);
    double highest = -INFINITY;
    for (size_t j = 0; j < h->tokens; j++) {
        share[j] = dot(h->d, q, h->a.k + j * h->stride) / root;
        highest = share[j] > highest ? share[j] : highest;
    }
    double total = 0;
    for (size_t j = 0; j < h->tokens; j++) {
        total += exp(share[j] - highest);
    }
    double log_sum = highest + log(total);
    ck_assert_msg(fabs((double)h->log_sums[i] - log_sum) < 1e-6 * (4 + fabs(highest)),
                  "ln of the sum: %g, not %g", (double)h->log_sums[i], log_sum);
    const float *dcontext = h->dcontext + i * h->d;
    double along = 0;
    for (size_t j = 0; j < h->tokens; j++) {
        share[j] = exp(share[j] - log_sum);
        along += share[j] * reference_factor(&h->a.dropout, 3 + i, j) *
                 dot(h->d, dcontext, h->a.v + j * h->stride);
    }
    for (size_t j = 0; j < h->tokens; j++) {
        double factor = reference_factor(&h->a.dropout, 3 + i, j);
        double g = factor * dot(h->d, dcontext, h->a.v + j * h->stride);
        double slope = share[j] * (g - along) / root;
        for (size_t n = 0; n < h->d; n++) {
            context[i * h->d + n] += share[j] * factor * (double)h->a.v[j * h->stride + n];
            d[i * h->stride + n] += slope * (double)h->a.k[j * h->stride + n];
            d[j * h->stride + h->d + n] += slope * (double)q[n];
            d[j * h->stride + 2 * h->d + n] += share[j] * factor * (double)dcontext[n];
        }
    }
}

/* The error of float32 grows with the scores, whose rounding the exponential turns into a relative
 * error, and with the sizes of what is multiplied. */
static void check_head(const struct cf_kernels *k, struct head_case *h, double tolerance)
{
    k->attention(&h->a);
    struct cf_attend_backward b = {h->a, h->dcontext, h->dqkv, h->dqkv + h->d, h->dqkv + 2 * h->d};
    k->attention_backward(&b);
    double *context = cf_calloc(h->tokens * h->d, sizeof(*context));
    double *d = cf_calloc(h->tokens * h->stride, sizeof(*d));
    double *share = cf_calloc(h->tokens, sizeof(*share));
    for (size_t i = 0; i < h->tokens; i++) {
        reference_row(h, i, share, context, d);
    }
    double most = reference_difference(h->context, context, h->tokens * h->d);
    ck_assert_msg(most < tolerance, "%zu tokens of %zu: the context differs by %g", h->tokens, h->d,
                  most);
    most = reference_difference(h->dqkv, d, h->tokens * h->stride);
    ck_assert_msg(most < tolerance, "%zu tokens of %zu: gradients differ by %g", h->tokens, h->d,
                  most);
    free(context);
    free(d);
    free(share);
}

static const size_t tokens_of[] = {1, 2, 7, 13, 47, 48, 49, 97};
static const size_t widths_of_heads[] = {1, 2, 5, 8, 16, 17, 33, 64};

START_TEST(attention_heads)
{
    static const struct cf_dropout dropout = {0.2F, 7, 1, 4};
    const struct cf_kernels *k = reference_kernels(_i / 2, "attention_heads");
    for (size_t i = 0; k && i < 64; i++) {
        struct head_case h;
        make_head(&h, tokens_of[i / 8], widths_of_heads[i % 8], 1, _i % 2 ? &dropout : NULL);
        check_head(k, &h, 5e-6);
        free_head(&h);
    }
}
END_TEST

/* Scores of some thousand: their exponentials are beyond float32, the shares are not. */
START_TEST(attention_of_large_scores)
{
    const struct cf_kernels *k = reference_kernels(_i, "attention_of_large_scores");
    for (size_t i = 0; k && i < 8; i++) {
        struct head_case h;
        make_head(&h, 49, widths_of_heads[i], 40, NULL);
        check_head(k, &h, 0.2);
        free_head(&h);
    }
}
END_TEST

/* One NaN in a key is one in every row's context. */
START_TEST(attention_tells_nan)
{
    const struct cf_kernels *k = reference_kernels(_i, "attention_tells_nan");
    for (size_t i = 0; k && i < 8; i++) {
        struct head_case h;
        make_head(&h, tokens_of[i], 5, 1, NULL);
        h.qkv[(h.tokens - 1) * h.stride + h.d] = NAN;
        k->attention(&h.a);
        for (size_t j = 0; j < h.tokens * h.d; j++) {
            ck_assert(isnan(h.context[j]));
        }
        free_head(&h);
    }
}
END_TEST

Suite *transformer_rows_suite(void)
{
    Suite *suite = suite_create("transformer_rows");
    TCase *tcase = tcase_create("rows");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, norms, 0, 6);
    tcase_add_loop_test(tcase, norms_of_numbers_that_hardly_differ, 0, 3);
    tcase_add_loop_test(tcase, attention_heads, 0, 6);
    tcase_add_loop_test(tcase, attention_of_large_scores, 0, 3);
    tcase_add_loop_test(tcase, attention_tells_nan, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite;
}
