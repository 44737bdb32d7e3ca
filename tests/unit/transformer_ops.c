/* Linear layers and GELU against plain loops in double precision; rates of learning. */
#include <check.h>
#include <math.h>

#include "common/transformer/optimizer.h"
#include "tests/unit/transformer_fixture.h"
#include "tests/unit/transformer_reference.h"

/* More rows than are multiplied at once, sizes that divide nothing, a row stride. */
START_TEST(linear_backward_by_hand)
{
    enum { ROWS = 1100, IN = 37, OUT = 101, STRIDE = 120 };
    struct cf_error err = {0};
    struct cf_compute *c;
    ck_assert_msg(!cf_compute_cpu_new(2, false, &c, &err), "%s", err.message);
    size_t room = cf_compute_rows(ROWS);
    cf_ref x = c->ops->alloc(c, room * IN);
    cf_ref dy = c->ops->alloc(c, room * STRIDE);
    cf_ref w = c->ops->alloc(c, (size_t)3 * OUT * IN);
    cf_ref dx = c->ops->alloc(c, room * IN);
    cf_ref db = c->ops->alloc(c, OUT);
    transformer_fill(x.at, room * IN, 1, 1);
    transformer_fill(dy.at, room * STRIDE, 1, 2);
    transformer_fill(w.at, (size_t)OUT * IN, 1, 3);
    x.at[(size_t)ROWS * IN] = NAN; /* behind the last row: nobody's */
    cf_ref dw = cf_ref_plus(w, (size_t)OUT * IN);
    struct cf_linear_backward a = {.rows = ROWS,
                                   .in = IN,
                                   .out = OUT,
                                   .x = x,
                                   .weight = w,
                                   .dy = dy,
                                   .dy_stride = STRIDE,
                                   .dweight = dw,
                                   .dbias = db,
                                   .dx = dx};
    c->ops->linear_backward(c, &a);
    ck_assert_int_eq(c->ops->status(c, &err), 0);
    for (size_t o = 0; o < OUT; o++) {
        double bias = 0;
        for (size_t r = 0; r < ROWS; r++) {
            bias += (double)dy.at[r * STRIDE + o];
        }
        ck_assert(fabs(bias - (double)db.at[o]) < 1e-3);
        for (size_t i = 0; i < IN; i++) {
            double want = 0;
            for (size_t r = 0; r < ROWS; r++) {
                want += (double)dy.at[r * STRIDE + o] * (double)x.at[r * IN + i];
            }
            ck_assert(fabs(want - (double)dw.at[o * IN + i]) < 1e-3);
        }
    }
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < IN; i++) {
            double want = 0;
            for (size_t o = 0; o < OUT; o++) {
                want += (double)dy.at[r * STRIDE + o] * (double)w.at[o * IN + i];
            }
            ck_assert(fabs(want - (double)dx.at[r * IN + i]) < 1e-4);
        }
    }
    c->ops->release(c, x, room * IN);
    c->ops->release(c, dy, room * STRIDE);
    c->ops->release(c, w, (size_t)3 * OUT * IN);
    c->ops->release(c, dx, room * IN);
    c->ops->release(c, db, OUT);
    c->ops->free(c);
}
END_TEST

START_TEST(gelu_is_near_the_true_one)
{
    enum { N = 4003 };
    const struct cf_kernels *k = reference_kernels(_i, "gelu_is_near_the_true_one");
    float z[N];
    float g[N];
    if (!k) {
        return;
    }
    for (size_t i = 0; i < N; i++) {
        z[i] = ((float)i - 2001) * 0.005F;
    }
    z[0] = NAN;
    k->gelu_backward(N, z, g);
    ck_assert(isnan(g[0]) && isnan(z[0]));
    for (size_t i = 1; i < N; i++) {
        double x = (double)(((float)i - 2001) * 0.005F);
        double phi = 0.5 * erfc(-x / sqrt(2));
        ck_assert(fabs((double)g[i] - x * phi) < 1e-6);
        ck_assert(fabs((double)z[i] - (phi + x * exp(-x * x / 2) / sqrt(2 * acos(-1)))) < 1e-6);
    }
}
END_TEST

START_TEST(rates_rise_and_fall)
{
    ck_assert(cf_schedule_rate(1, 0, 4, 10) == 0);
    ck_assert(cf_schedule_rate(1, 2, 4, 10) == 0.5F);
    ck_assert(cf_schedule_rate(1, 4, 4, 10) == 1);
    ck_assert(cf_schedule_rate(1, 7, 4, 10) == 0.5F);
    ck_assert(cf_schedule_rate(1, 10, 4, 10) == 0);
    ck_assert(cf_schedule_rate(1, 0, 0, 10) == 1);
    ck_assert(cf_clip_factor(0.5, 1) == 1 && cf_clip_factor(5, 0) == 1);
    ck_assert(fabs((double)cf_clip_factor(4, 1) - 0.25) < 1e-6);
}
END_TEST

Suite *transformer_ops_suite(void)
{
    Suite *suite = suite_create("transformer_ops");
    TCase *tcase = tcase_create("ops");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, linear_backward_by_hand);
    tcase_add_loop_test(tcase, gelu_is_near_the_true_one, 0, 3);
    tcase_add_test(tcase, rates_rise_and_fall);
    suite_add_tcase(suite, tcase);
    return suite;
}
