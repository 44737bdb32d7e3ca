/* The kernels over elements and rows, of every kind of CPU, against the same in double precision;
 * sizes below, at and above the widths of vectors. LayerNorm and attention: transformer_rows.c. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/transformer/optimizer.h"
#include "tests/unit/transformer_guarded.h"
#include "tests/unit/transformer_reference.h"

static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* One addition or product has one result. */
START_TEST(simple_ones_are_exact)
{
    const struct cf_kernels *k = reference_kernels(_i, "simple_ones_are_exact");
    for (size_t i = 0; k && i < SIZES; i++) {
        size_t n = sizes[i];
        float *x[5];
        for (size_t a = 0; a < 5; a++) {
            x[a] = guarded(n, 1, a + 1);
        }
        k->multiply(n, x[0], x[4]);
        k->add(n, x[1], x[4]);
        k->scale(n, x[2], 0.3F);
        k->add_three(n, x[0], x[1], x[2], x[3]);
        uint64_t seeds[] = {1, 2, 3, 5};
        for (size_t j = 0; j < n; j++) {
            float was[4];
            for (size_t a = 0; a < 4; a++) {
                was[a] = transformer_random(&seeds[a]);
            }
            ck_assert(x[0][j] == was[0] * was[3]);
            ck_assert(x[1][j] == was[1] + was[3]);
            ck_assert(x[2][j] == was[2] * 0.3F);
            ck_assert(x[3][j] == x[0][j] + x[1][j] + x[2][j]);
        }
        for (size_t a = 0; a < 5; a++) {
            guarded_free(x[a], n);
        }
    }
}
END_TEST

/* Rows lie apart where the kernel knows a stride. */
START_TEST(biases_and_gelu)
{
    enum { ROWS = 3, GAP = 2 };
    const struct cf_kernels *k = reference_kernels(_i, "biases_and_gelu");
    for (size_t i = 0; k && i < SIZES; i++) {
        size_t n = sizes[i];
        size_t stride = n + GAP;
        float *bias = guarded(n, 3, 1);
        float *y = guarded(ROWS * stride - GAP, 3, 2);
        float *was = guarded(ROWS * stride - GAP, 3, 2);
        float *z = guarded(ROWS * n, 3, 3);
        float *first = guarded(ROWS * n, 3, 3);
        float *g = guarded(ROWS * n, 1, 4);
        k->add_bias(ROWS, n, y, stride, bias);
        k->bias_gelu(ROWS, n, z, bias, g);
        for (size_t j = 0; j < ROWS * stride - GAP; j++) {
            size_t column = j % stride;
            ck_assert(y[j] == (column < n ? was[j] + bias[column] : was[j]));
        }
        for (size_t j = 0; j < ROWS * n; j++) {
            ck_assert(z[j] == first[j] + bias[j % n]);
            ck_assert(fabs((double)g[j] - reference_gelu((double)z[j])) < 1e-6);
        }
        /* in place, without a bias */
        memcpy(first, z, ROWS * n * sizeof(*z));
        k->bias_gelu(ROWS, n, first, NULL, first);
        ck_assert(transformer_difference(first, g, ROWS * n) == 0);
        guarded_free(bias, n);
        guarded_free(y, ROWS * stride - GAP);
        guarded_free(was, ROWS * stride - GAP);
        guarded_free(z, ROWS * n);
        guarded_free(first, ROWS * n);
        guarded_free(g, ROWS * n);
    }
}
END_TEST

/* Far from 0 GELU is 0 or its argument and its slope 0 or 1, within float32's rounding. */
START_TEST(gelu_far_out)
{
    static const float at[] = {-1e30F, -1e5F,  -100, -20, -14, -13, -9,  -1e-30F, -0.F,
                               0,      1e-30F, 9,    13,  14,  20,  100, 1e5F,    1e30F};
    enum { N = sizeof(at) / sizeof(at[0]) };
    const struct cf_kernels *k = reference_kernels(_i, "gelu_far_out");
    if (!k) {
        return;
    }
    float z[N + 1];
    float g[N + 1];
    memcpy(z, at, sizeof(at));
    z[N] = INFINITY;
    k->gelu_backward(N + 1, z, g);
    for (size_t i = 0; i < N; i++) {
        double x = (double)at[i];
        double slope = 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * acos(-1));
        ck_assert_msg(fabs((double)g[i] - reference_gelu(x)) < 1e-7 * fabs(x) + 1e-6,
                      "gelu(%g) = %g", x, (double)g[i]);
        ck_assert_msg(fabs((double)z[i] - slope) < 1e-6, "gelu'(%g) = %g", x, (double)z[i]);
    }
    ck_assert(isinf(g[N]));
}
END_TEST

/* Every addition rounds, by 6e-8 of the sum so far; parts of 32 rows keep the sum of 200,000 equal
 * numbers within 1e-5, where one long sum is off by more than 1e-4. */
START_TEST(sums_of_rows)
{
    static const size_t rows[] = {1, 2, 31, 32, 33, 100};
    const struct cf_kernels *k = reference_kernels(_i, "sums_of_rows");
    for (size_t i = 0; k && i < (size_t)SIZES * 6; i++) {
        size_t n = sizes[i / 6];
        size_t count = rows[i % 6];
        size_t stride = n + 3;
        float *x = guarded(count * stride - 3, 1, i);
        float *out = guarded(n, 1, 1);
        k->sum_rows(count, n, x, stride, out);
        for (size_t j = 0; j < n; j++) {
            double want = 0;
            for (size_t r = 0; r < count; r++) {
                want += (double)x[r * stride + j];
            }
            ck_assert(fabs((double)out[j] - want) < 5e-6);
        }
        guarded_free(x, count * stride - 3);
        guarded_free(out, n);
    }
    if (k) {
        enum { MANY = 200000 };
        float *x = guarded(MANY, 0, 1);
        float out;
        for (size_t j = 0; j < MANY; j++) {
            x[j] = 0.1F;
        }
        k->sum_rows(MANY, 1, x, 1, &out);
        ck_assert_msg(fabs((double)out / (MANY * (double)0.1F) - 1) < 1e-5, "%.9g", (double)out);
        guarded_free(x, MANY);
    }
}
END_TEST

START_TEST(sums_of_squares)
{
    const struct cf_kernels *k = reference_kernels(_i, "sums_of_squares");
    for (size_t i = 0; k && i < SIZES; i++) {
        size_t n = sizes[i];
        float *x = guarded(n, 1e30F, i + 1); /* whose squares are beyond float32 */
        double want = 0;
        for (size_t j = 0; j < n; j++) {
            want += (double)x[j] * (double)x[j];
        }
        ck_assert(fabs(k->squares(n, x) / want - 1) < 1e-13);
        for (size_t j = 0; j < n; j++) {
            float was = x[j];
            x[j] = NAN;
            ck_assert(isnan(k->squares(n, x)));
            x[j] = -INFINITY;
            ck_assert(isinf(k->squares(n, x)));
            x[j] = was;
        }
        guarded_free(x, n);
    }
}
END_TEST

/* Ten steps from other moments than 0, with clipping and decay; then none of a gradient. */
START_TEST(adamw_steps)
{
    const struct cf_kernels *k = reference_kernels(_i, "adamw_steps");
    for (size_t i = 0; k && i < SIZES; i++) {
        size_t n = sizes[i];
        float *x[4];
        double *y[4];
        for (size_t a = 0; a < 4; a++) {
            x[a] = guarded(n, a < 2 ? 1 : 0.1F, a + 1);
            for (size_t j = 0; a == 3 && j < n; j++) {
                x[3][j] = j ? fabsf(x[3][j]) : 0;
            }
            y[a] = reference_doubles(x[a], n);
        }
        for (uint32_t step = 0; step < 10; step++) {
            struct cf_adamw a = cf_adamw_step(0.01F, 0.1F, 0.5F, step);
            k->adamw(n, x[0], x[1], x[2], x[3], &a, i % 2 ? a.decay : 0);
            double t = (double)step + 1;
            for (size_t j = 0; j < n; j++) {
                double g = y[1][j] * 0.5;
                y[0][j] *= i % 2 ? 1 - 0.01 * 0.1 : 1;
                y[2][j] = 0.9 * y[2][j] + 0.1 * g;
                y[3][j] = 0.999 * y[3][j] + 0.001 * g * g;
                y[0][j] -= 0.01 * (y[2][j] / (1 - pow(0.9, t))) /
                           (sqrt(y[3][j] / (1 - pow(0.999, t))) + 1e-6);
            }
        }
        for (size_t a = 0; a < 4; a++) {
            double most = reference_difference(x[a], y[a], n);
            ck_assert_msg(most < (a ? 1e-7 : 2e-6), "array %zu of %zu: %g", a, n, most);
            guarded_free(x[a], n);
            free(y[a]);
        }
        float zero[4] = {1, 0, 0, 0};
        struct cf_adamw a = cf_adamw_step(0.01F, 0, 1, 0);
        k->adamw(1, zero, zero + 1, zero + 2, zero + 3, &a, 0);
        ck_assert(zero[0] == 1 && zero[2] == 0 && zero[3] == 0);
    }
}
END_TEST

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* The bfloat16 below and the one above: the nearer one, of two equally near the even one. The one
 * above the largest would be 2¹²⁸, and is infinite. */
START_TEST(bfloat16_rounds_to_nearest)
{
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    const struct cf_kernels *k = reference_kernels(_i, "bfloat16_rounds_to_nearest");
    size_t wrong = 0;
    for (uint32_t i = 0; k && i < 6U << 16; i++) {
        uint32_t high = i / 6;
        float x = from_bits(high << 16 | low[i % 6]);
        uint16_t got;
        k->to_bf16(1, &x, &got);
        bool up = low[i % 6] > 0x8000 || (low[i % 6] == 0x8000 && high % 2);
        wrong += (isnan(x) ? !isnan(from_bits((uint32_t)got << 16)) : got != high + up) ? 1 : 0;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

Suite *transformer_kernels_suite(void)
{
    Suite *suite = suite_create("transformer_kernels");
    TCase *tcase = tcase_create("kernels");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, simple_ones_are_exact, 0, 3);
    tcase_add_loop_test(tcase, biases_and_gelu, 0, 3);
    tcase_add_loop_test(tcase, gelu_far_out, 0, 3);
    tcase_add_loop_test(tcase, sums_of_rows, 0, 3);
    tcase_add_loop_test(tcase, sums_of_squares, 0, 3);
    tcase_add_loop_test(tcase, adamw_steps, 0, 3);
    tcase_add_loop_test(tcase, bfloat16_rounds_to_nearest, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite;
}
