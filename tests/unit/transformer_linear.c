/* Linear layers, forward and backward, at the sizes around which the CPU backend divides its work:
 * blocks of 96 rows, of 512 rows and 96 or 192 columns for the weights' gradient, rows rounded up
 * to 32; in float32 and in bfloat16, whose products a CPU computes in another order. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/transformer/bert.h"
#include "tests/unit/transformer_bench.h"
#include "tests/unit/transformer_fixture.h"
#include "tests/unit/transformer_reference.h"

static const size_t many[] = {1,   2,   31,  32,  33,  95,   96,   97,   128,  192,
                              193, 511, 512, 513, 544, 1023, 1024, 1025, 1536, 1537};
static const size_t shapes[][2] = {{5, 1}, {64, 7}, {3, 96}, {10, 97}, {33, 193}, {7, 800}};
enum { MANY = sizeof(many) / sizeof(many[0]), SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* a [m, k] turned: [k, m] */
static double *turned(const float *a, size_t m, size_t k)
{
    double *result = cf_calloc(m * k, sizeof(*result));
    for (size_t i = 0; i < m * k; i++) {
        result[i % k * m + i / k] = (double)a[i];
    }
    return result;
}

/* How far sums of n products of numbers below 1 may be off. float32: the error of adding, 6e-8 of a
 * sum that is at most some √n, many times. bfloat16: each factor is off by up to 1/512, which comes
 * to 5e-4 √n on average; ten times that. */
static double tolerance(size_t n, bool bf16)
{
    return (bf16 ? 5e-3 : 2e-6) * sqrt((double)n) + 1e-6;
}

static void near(const char *what, cf_ref got, const double *want, size_t n, double most)
{
    double difference = reference_difference(got.at, want, n);
    ck_assert_msg(difference <= most, "%s differs by %g, more than %g", what, difference, most);
}

struct linear_case {
    size_t rows, in, out;
    cf_ref x, weight, bias, dy;
};

/* y, and gelu(y) in its place. */
static void check_forward(struct bench *b, const struct linear_case *l, bool bf16)
{
    size_t n = l->rows * l->out;
    double *x = reference_doubles(l->x.at, l->rows * l->in);
    double *weight = reference_doubles(l->weight.at, l->out * l->in);
    double *bias = reference_doubles(l->bias.at, l->out);
    double *want = cf_calloc(n, sizeof(*want));
    reference_linear(l->rows, l->in, l->out, x, weight, bias, want);
    cf_ref y = bench_blank_rows(b, l->rows, l->out);
    struct cf_linear a = {l->rows, l->in, l->out, l->x, l->weight, l->bias, y, l->out, {NULL}};
    b->c->ops->linear(b->c, &a);
    near("y", y, want, n, tolerance(l->in, bf16));
    a.gelu = y;
    b->c->ops->linear(b->c, &a);
    for (size_t i = 0; i < n; i++) {
        want[i] = reference_gelu(want[i]);
    }
    near("gelu(y)", y, want, n, 1.2 * tolerance(l->in, bf16));
    free(x);
    free(weight);
    free(bias);
    free(want);
}

/* dx in the place of x, which dweight needs: the same bits. */
static void check_in_place(struct bench *b, const struct cf_linear_backward *a)
{
    struct cf_linear_backward other = *a;
    other.x = bench_copy(b, a->x, cf_compute_rows(a->rows) * a->in);
    other.dx = other.x;
    other.dweight = bench_blank(b, a->out * a->in);
    b->c->ops->linear_backward(b->c, &other);
    ck_assert(transformer_difference(a->dx.at, other.dx.at, a->rows * a->in) == 0);
    ck_assert(transformer_difference(a->dweight.at, other.dweight.at, a->out * a->in) == 0);
}

/* dx as it is computed and once more on top of that. */
static void check_backward(struct bench *b, const struct linear_case *l, bool bf16)
{
    size_t weights = l->out * l->in;
    cf_ref dx = bench_blank_rows(b, l->rows, l->in);
    cf_ref dweight = bench_blank(b, weights);
    cf_ref dbias = bench_blank(b, l->out);
    struct cf_linear_backward a = {l->rows, l->in,   l->out, l->x, l->weight, l->dy,
                                   l->out,  dweight, dbias,  dx,   false,     {NULL}};
    b->c->ops->linear_backward(b->c, &a);
    double *dy = reference_doubles(l->dy.at, l->rows * l->out);
    double *dyt = turned(l->dy.at, l->rows, l->out);
    double *xt = turned(l->x.at, l->rows, l->in);
    double *wt = turned(l->weight.at, l->out, l->in);
    double *want = cf_calloc(l->rows * l->in + weights, sizeof(*want));
    reference_linear(l->out, l->rows, l->in, dyt, xt, NULL, want);
    near("dweight", dweight, want, weights, tolerance(l->rows, bf16));
    reference_linear(l->rows, l->out, l->in, dy, wt, NULL, want);
    near("dx", dx, want, l->rows * l->in, tolerance(l->out, bf16));
    check_in_place(b, &a);
    a.add = true;
    b->c->ops->linear_backward(b->c, &a);
    for (size_t i = 0; i < l->rows * l->in; i++) {
        want[i] *= 2;
    }
    near("twice dx", dx, want, l->rows * l->in, 2 * tolerance(l->out, bf16));
    for (size_t o = 0; o < l->out; o++) {
        want[o] = 0;
        for (size_t r = 0; r < l->rows; r++) {
            want[o] += dyt[o * l->rows + r];
        }
    }
    near("dbias", dbias, want, l->out, tolerance(l->rows, false));
    free(dy);
    free(dyt);
    free(xt);
    free(wt);
    free(want);
}

static void check_shape(size_t rows, size_t in, size_t out, bool bf16)
{
    struct bench b;
    bench_open_best(&b, bf16);
    struct linear_case l = {.rows = rows, .in = in, .out = out};
    l.x = bench_rows(&b, rows, in, 1);
    l.weight = bench_vector(&b, out * in, 2);
    l.bias = bench_vector(&b, out, 3);
    l.dy = bench_rows(&b, rows, out, 4);
    check_forward(&b, &l, bf16);
    check_backward(&b, &l, bf16);
    bench_close(&b);
}

START_TEST(float32_of_many_sizes)
{
    for (size_t i = 0; i < MANY; i++) {
        check_shape(many[i], shapes[_i][0], shapes[_i][1], false);
    }
}
END_TEST

START_TEST(bfloat16_of_many_sizes)
{
    if (!cf_bert_has_bf16()) {
        (void)fprintf(stderr,
                      "# SKIP bfloat16_of_many_sizes: this CPU has no products in bfloat16\n");
        return;
    }
    for (size_t i = 0; i < MANY; i++) {
        check_shape(many[i], shapes[_i][0], shapes[_i][1], true);
    }
}
END_TEST

Suite *transformer_linear_suite(void)
{
    Suite *suite = suite_create("transformer_linear");
    TCase *tcase = tcase_create("linear");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, float32_of_many_sizes, 0, SHAPES);
    tcase_add_loop_test(tcase, bfloat16_of_many_sizes, 0, SHAPES);
    suite_add_tcase(suite, tcase);
    return suite;
}
