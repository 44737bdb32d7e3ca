/* The gradient of each operation against its slopes, and what it computes against the same in
 * double precision (transformer_reference.h), for every kind of kernels: every element of every
 * input and parameter, at sizes that divide nothing. Float32 rounds by 6e-8 at each of up to a few
 * dozen additions, and was seen to be off by less than 2e-6 of an array's largest number; 1e-5 is
 * allowed, so that any two kinds agree within twice that. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/transformer_bench.h"
#include "tests/unit/transformer_fixture.h"
#include "tests/unit/transformer_reference.h"

#define RELATIVE 1e-5
#define ABSOLUTE 5e-7

enum { HIDDEN = 10, HEADS = 5, WIDE = 13, WORDS = 11 };
static const size_t offsets[] = {0, 1, 3, 10, 23};
static const struct cf_texts texts = {4, offsets};
enum { ROWS = 23 };
static const struct cf_dropout dropout = {0.3F, 0x123456789abcdefU, 5, 9};

static void near(const char *what, cf_ref got, const double *want, size_t n)
{
    double most = reference_difference(got.at, want, n);
    ck_assert_msg(most < RELATIVE, "%s differs by %g", what, most);
}

/* The gradient of reference_weigh. */
enum { WEIGHTS = 77 };

/* --- linear --------------------------------------------------------------------------------------
 */

static double linear_loss(const void *arg, double *const *p)
{
    double y[ROWS * WIDE];
    (void)arg;
    reference_linear(ROWS, HIDDEN, WIDE, p[0], p[1], p[2], y);
    return reference_weigh(y, (size_t)ROWS * WIDE, WEIGHTS);
}

/* Rows of the result lie apart; the gradient of x is added to what was there. */
START_TEST(linear)
{
    enum { STRIDE = WIDE + 4 };
    struct bench b;
    if (!bench_open(&b, _i, "linear")) {
        return;
    }
    cf_ref x = bench_rows(&b, ROWS, HIDDEN, 1);
    cf_ref w = bench_vector(&b, (size_t)WIDE * HIDDEN, 2);
    cf_ref bias = bench_vector(&b, WIDE, 3);
    cf_ref y = bench_blank_rows(&b, ROWS, STRIDE);
    struct cf_linear f = {ROWS, HIDDEN, WIDE, x, w, bias, y, STRIDE, {NULL}};
    b.c->ops->linear(b.c, &f);
    double *doubles[] = {reference_doubles(x.at, (size_t)ROWS * HIDDEN),
                         reference_doubles(w.at, (size_t)WIDE * HIDDEN),
                         reference_doubles(bias.at, WIDE)};
    double want[ROWS * WIDE];
    reference_linear(ROWS, HIDDEN, WIDE, doubles[0], doubles[1], doubles[2], want);
    cf_ref dense = bench_vector(&b, (size_t)ROWS * WIDE, WEIGHTS);
    cf_ref dy = bench_blank_rows(&b, ROWS, STRIDE);
    for (size_t r = 0; r < ROWS; r++) {
        near("a row", cf_ref_plus(y, r * STRIDE), want + r * WIDE, WIDE);
        ck_assert(isnan(y.at[r * STRIDE + WIDE]));
        memcpy(dy.at + r * STRIDE, dense.at + r * WIDE, WIDE * sizeof(float));
    }
    cf_ref dx = bench_rows(&b, ROWS, HIDDEN, 4);
    cf_ref before = bench_copy(&b, dx, (size_t)ROWS * HIDDEN);
    cf_ref dw = bench_blank(&b, (size_t)WIDE * HIDDEN);
    cf_ref db = bench_blank(&b, WIDE);
    struct cf_linear_backward a = {ROWS, HIDDEN, WIDE, x, w, dy, STRIDE, dw, db, dx, true, {NULL}};
    b.c->ops->linear_backward(b.c, &a);
    for (size_t i = 0; i < (size_t)ROWS * HIDDEN; i++) {
        dx.at[i] -= before.at[i];
    }
    const struct reference_part parts[] = {{"x", (size_t)ROWS * HIDDEN, x.at, dx.at},
                                           {"weight", (size_t)WIDE * HIDDEN, w.at, dw.at},
                                           {"bias", WIDE, bias.at, db.at}};
    reference_check(parts, 3, linear_loss, NULL, RELATIVE, ABSOLUTE);
    for (int i = 0; i < 3; i++) {
        free(doubles[i]);
    }
    bench_close(&b);
}
END_TEST

static double gelu_loss(const void *arg, double *const *p)
{
    double z[ROWS * WIDE];
    double y[ROWS * HIDDEN];
    (void)arg;
    reference_linear(ROWS, HIDDEN, WIDE, p[0], p[1], p[2], z);
    for (size_t i = 0; i < (size_t)ROWS * WIDE; i++) {
        z[i] = reference_gelu(z[i]);
    }
    reference_linear(ROWS, WIDE, HIDDEN, z, p[3], NULL, y);
    return reference_weigh(y, (size_t)ROWS * HIDDEN, WEIGHTS);
}

/* Up, bias and GELU, down: GELU's slope, which the forward pass leaves, is the factor of down's
 * gradient. */
START_TEST(gelu_between_two_linear_layers)
{
    struct bench b;
    if (!bench_open(&b, _i, "gelu_between_two_linear_layers")) {
        return;
    }
    size_t weights = (size_t)WIDE * HIDDEN;
    cf_ref x = bench_rows(&b, ROWS, HIDDEN, 1);
    cf_ref up = bench_vector(&b, weights, 2);
    cf_ref bias = bench_vector(&b, WIDE, 3);
    cf_ref down = bench_vector(&b, weights, 4);
    cf_ref z = bench_blank_rows(&b, ROWS, WIDE);
    cf_ref g = bench_blank_rows(&b, ROWS, WIDE);
    cf_ref dy = bench_rows(&b, ROWS, HIDDEN, WEIGHTS);
    cf_ref dx = bench_blank_rows(&b, ROWS, HIDDEN);
    cf_ref dup = bench_blank(&b, weights);
    cf_ref dbias = bench_blank(&b, WIDE);
    cf_ref ddown = bench_blank(&b, weights);
    cf_ref unused = bench_blank(&b, HIDDEN);
    struct cf_linear f = {ROWS, HIDDEN, WIDE, x, up, bias, z, WIDE, g};
    b.c->ops->linear(b.c, &f);
    struct cf_linear_backward first = {ROWS,   WIDE,  HIDDEN, g, down,  dy,
                                       HIDDEN, ddown, unused, g, false, z};
    /* the same where dx takes the place of the factor instead of that of x */
    struct cf_linear_backward other = first;
    other.x = bench_copy(&b, g, cf_compute_rows(ROWS) * WIDE);
    other.factor = bench_copy(&b, z, cf_compute_rows(ROWS) * WIDE);
    other.dx = other.factor;
    b.c->ops->linear_backward(b.c, &other);
    b.c->ops->linear_backward(b.c, &first);
    ck_assert(transformer_difference(g.at, other.dx.at, (size_t)ROWS * WIDE) == 0);
    struct cf_linear_backward second = {ROWS, HIDDEN, WIDE,  x,  up,    g,
                                        WIDE, dup,    dbias, dx, false, {NULL}};
    b.c->ops->linear_backward(b.c, &second);
    const struct reference_part parts[] = {{"x", (size_t)ROWS * HIDDEN, x.at, dx.at},
                                           {"up", weights, up.at, dup.at},
                                           {"bias", WIDE, bias.at, dbias.at},
                                           {"down", weights, down.at, ddown.at}};
    reference_check(parts, 4, gelu_loss, NULL, RELATIVE, ABSOLUTE);
    bench_close(&b);
}
END_TEST

/* --- LayerNorm -----------------------------------------------------------------------------------
 */

enum { NORM_ROWS = 37 }; /* more than one task takes */

static double norm_loss(const void *arg, double *const *p)
{
    double y[NORM_ROWS * HIDDEN];
    struct reference_norm a = {NORM_ROWS, HIDDEN, p[0], p[1], p[2], p[3], p[4], 1e-3, arg};
    reference_norm(&a, y);
    return reference_weigh(y, (size_t)NORM_ROWS * HIDDEN, WEIGHTS);
}

/* Without dropout and with it. The result takes the place of the residual, as in the model. */
START_TEST(norm_with_a_residual)
{
    struct bench b;
    if (!bench_open(&b, _i / 2, "norm_with_a_residual")) {
        return;
    }
    enum { N = NORM_ROWS * HIDDEN };
    cf_ref x = bench_rows(&b, NORM_ROWS, HIDDEN, 1);
    cf_ref bias = bench_vector(&b, HIDDEN, 2);
    cf_ref residual = bench_rows(&b, NORM_ROWS, HIDDEN, 3);
    cf_ref kept = bench_copy(&b, residual, N);
    cf_ref gamma = bench_vector(&b, HIDDEN, 4);
    cf_ref beta = bench_vector(&b, HIDDEN, 5);
    cf_ref xhat = bench_blank_rows(&b, NORM_ROWS, HIDDEN);
    cf_ref scale = bench_blank_rows(&b, NORM_ROWS, 1);
    struct cf_norm f = {.rows = NORM_ROWS,
                        .n = HIDDEN,
                        .x = x,
                        .bias = bias,
                        .residual = residual,
                        .gamma = gamma,
                        .beta = beta,
                        .eps = 1e-3F,
                        .xhat = xhat,
                        .scale = scale,
                        .y = residual};
    if (_i % 2) {
        f.dropout = dropout;
    }
    b.c->ops->norm(b.c, &f);
    f.y = bench_blank_rows(&b, NORM_ROWS, HIDDEN);
    f.dropout.rate = 0;
    b.c->ops->norm_again(b.c, &f);
    ck_assert(transformer_difference(f.y.at, residual.at, N) < 1e-6);
    cf_ref ds = bench_rows(&b, NORM_ROWS, HIDDEN, WEIGHTS);
    cf_ref dx = _i % 2 ? bench_blank_rows(&b, NORM_ROWS, HIDDEN) : ds;
    cf_ref dgamma = bench_blank(&b, HIDDEN);
    cf_ref dbeta = bench_blank(&b, HIDDEN);
    struct cf_norm_backward a = {NORM_ROWS,
                                 HIDDEN,
                                 ds,
                                 xhat,
                                 scale,
                                 gamma,
                                 dgamma,
                                 dbeta,
                                 ds,
                                 dropout,
                                 {_i % 2 ? dx.at : NULL}};
    b.c->ops->norm_backward(b.c, &a);
    const struct reference_part parts[] = {
        {"x", N, x.at, dx.at},
        {"bias", HIDDEN, bias.at, bench_sum(&b, NORM_ROWS, HIDDEN, dx).at},
        {"residual", N, kept.at, ds.at},
        {"gamma", HIDDEN, gamma.at, dgamma.at},
        {"beta", HIDDEN, beta.at, dbeta.at}};
    reference_check(parts, 5, norm_loss, _i % 2 ? &dropout : NULL, RELATIVE, ABSOLUTE);
    bench_close(&b);
}
END_TEST

/* --- attention -----------------------------------------------------------------------------------
 */

struct attention_case {
    struct cf_texts texts;
    size_t heads, hidden;
    struct cf_dropout dropout;
};

static size_t rows_in(const struct cf_texts *t)
{
    return t->offsets[t->count];
}

static double attention_loss(const void *arg, double *const *p)
{
    const struct attention_case *a = arg;
    double context[ROWS * HIDDEN];
    size_t n = rows_in(&a->texts) * a->hidden;
    ck_assert_uint_le(n, (size_t)ROWS * HIDDEN);
    reference_attention(&a->texts, a->heads, a->hidden, p[0], &a->dropout, context);
    return reference_weigh(context, n, WEIGHTS);
}

static void check_attention(struct bench *b, const struct attention_case *x)
{
    size_t rows = rows_in(&x->texts);
    size_t n = rows * x->hidden;
    cf_ref qkv = bench_rows(b, rows, 3 * x->hidden, 1);
    struct cf_attention f = {.texts = x->texts,
                             .heads = x->heads,
                             .hidden = x->hidden,
                             .qkv = qkv,
                             .context = bench_blank_rows(b, rows, x->hidden),
                             .log_sums = bench_blank_rows(b, rows, x->heads),
                             .dropout = x->dropout};
    b->c->ops->attention(b->c, &f);
    double want[ROWS * HIDDEN];
    double *doubles = reference_doubles(qkv.at, 3 * n);
    reference_attention(&x->texts, x->heads, x->hidden, doubles, &x->dropout, want);
    near("the context", f.context, want, n);
    free(doubles);
    struct cf_attention_backward a = {f, bench_rows(b, rows, x->hidden, WEIGHTS),
                                      bench_blank_rows(b, rows, 3 * x->hidden)};
    b->c->ops->attention_backward(b->c, &a);
    const struct reference_part parts[] = {{"qkv", 3 * n, qkv.at, a.dqkv.at}};
    reference_check(parts, 1, attention_loss, x, RELATIVE, ABSOLUTE);
}

/* Texts of 1, 2, 7 and 13 tokens; one of more tokens than are taken at a time. */
START_TEST(attention)
{
    static const size_t far[] = {0, 3, 56};
    struct bench b;
    if (!bench_open(&b, _i / 2, "attention")) {
        return;
    }
    struct attention_case few = {texts, HEADS, HIDDEN, {.rate = 0}};
    struct attention_case many = {{2, far}, 1, 3, {.rate = 0}};
    if (_i % 2) {
        few.dropout = dropout;
        many.dropout = dropout;
    }
    check_attention(&b, &few);
    check_attention(&b, &many);
    bench_close(&b);
}
END_TEST

Suite *transformer_gradients_suite(void)
{
    Suite *suite = suite_create("transformer_gradients");
    TCase *tcase = tcase_create("gradients");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, linear, 0, 3);
    tcase_add_loop_test(tcase, gelu_between_two_linear_layers, 0, 3);
    tcase_add_loop_test(tcase, norm_with_a_residual, 0, 6);
    tcase_add_loop_test(tcase, attention, 0, 6);
    suite_add_tcase(suite, tcase);
    return suite;
}
