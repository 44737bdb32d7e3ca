/* Whitening of embeddings. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/safetensors.h"
#include "common/encoder/whitening.h"
#include "tests/unit/transformer_fixture.h"

static struct cf_whitening *fitted(const float *vectors, size_t n, size_t from, size_t wanted)
{
    struct cf_whitening *w = NULL;
    struct cf_error err = {0};
    ck_assert_msg(!cf_whitening_fit(vectors, n, from, wanted, &w, &err), "%s", err.message);
    return w;
}

static void expect_near(const float *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(fabs((double)got[i] - want[i]) < 1e-5, "%zu: %g, not %g", i, (double)got[i],
                      want[i]);
    }
}

/* Mean (1, 1), covariance diag(2, 1/2). */
static const float cross[4][2] = {{3, 1}, {-1, 1}, {1, 2}, {1, 0}};

START_TEST(two_dimensions_by_hand)
{
    struct cf_whitening *w = fitted(cross[0], 4, 2, 2);
    const float in[3][2] = {{3, 2}, {2, 0}, {0, 0}};
    float out[3][2];
    ck_assert_uint_eq(w->from, 2);
    ck_assert_uint_eq(w->dimensions, 2);
    expect_near(w->mean, (const double[]){1, 1}, 2);
    expect_near(w->projection, (const double[]){sqrt(.5), 0, 0, sqrt(2)}, 4);
    cf_whitening_apply(w, in[0], 3, out[0]);
    /* (2, 1) becomes (√2, √2); (1, −1) becomes (√½, −√2); all zero stays so */
    expect_near(out[0], (const double[]){sqrt(.5), sqrt(.5)}, 2);
    expect_near(out[1], (const double[]){sqrt(.2), -sqrt(.8)}, 2);
    expect_near(out[2], (const double[]){0, 0}, 2);
    cf_whitening_apply(w, (const float[]){1, 1}, 1, out[0]); /* the mean has no direction */
    ck_assert(out[0][0] == 0 && out[0][1] == 0);
    cf_whitening_free(w);
}
END_TEST

START_TEST(the_leading_axes_are_kept)
{
    struct cf_whitening *w = fitted(cross[0], 4, 2, 1);
    float out;
    ck_assert_uint_eq(w->dimensions, 1);
    expect_near(w->projection, (const double[]){sqrt(.5), 0}, 2);
    cf_whitening_apply(w, (const float[]){-7, 5}, 1, &out);
    ck_assert(out == -1);
    cf_whitening_free(w);
}
END_TEST

/* Along the diagonal from the top left, so that an eigenvector of either sign would do. */
START_TEST(the_largest_component_is_positive)
{
    static const float line[3][2] = {{0, 3}, {2, 1}, {1, 2}};
    struct cf_whitening *w = fitted(line[0], 3, 2, 2);
    double scale = sqrt(.5) / sqrt(4.0 / 3);
    ck_assert_uint_eq(w->dimensions, 1); /* the other axis has no variance */
    expect_near(w->projection, (const double[]){scale, -scale}, 2);
    cf_whitening_free(w);
}
END_TEST

START_TEST(whitened_vectors_have_the_identity_as_covariance)
{
    enum { N = 60, FROM = 9, KEPT = 5 };
    float *x = cf_calloc(N * FROM, sizeof(*x));
    transformer_fill(x, (size_t)N * FROM, 1, 3);
    for (size_t i = 0; i < N; i++) {
        for (size_t d = 0; d < FROM; d++) {
            x[i * FROM + d] = x[i * FROM + d] * (float)(d + 1) + x[i * FROM] + 4;
        }
    }
    struct cf_whitening *w = fitted(x, N, FROM, KEPT);
    struct cf_whitening *again = fitted(x, N, FROM, KEPT);
    double sums[KEPT][KEPT] = {{0}};
    ck_assert_uint_eq(w->dimensions, KEPT);
    ck_assert_mem_eq(w->projection, again->projection, KEPT * FROM * sizeof(float));
    ck_assert_mem_eq(w->mean, again->mean, FROM * sizeof(float));
    for (size_t i = 0; i < N; i++) {
        double y[KEPT] = {0};
        for (size_t k = 0; k < (size_t)KEPT * FROM; k++) {
            y[k / FROM] += (double)w->projection[k] *
                           ((double)x[i * FROM + k % FROM] - (double)w->mean[k % FROM]);
        }
        for (size_t k = 0; k < (size_t)KEPT * KEPT; k++) {
            sums[k / KEPT][k % KEPT] += y[k / KEPT] * y[k % KEPT] / N;
        }
    }
    for (size_t k = 0; k < (size_t)KEPT * KEPT; k++) {
        double want = k / KEPT == k % KEPT ? 1 : 0;
        ck_assert(fabs(sums[k / KEPT][k % KEPT] - want) < 1e-3);
    }
    cf_whitening_free(w);
    cf_whitening_free(again);
    free(x);
}
END_TEST

START_TEST(results_have_length_one)
{
    float in[5][3];
    float out[5][2];
    transformer_fill(in[0], 15, 2, 9);
    struct cf_whitening *w = fitted(in[0], 5, 3, 2);
    ck_assert_uint_eq(w->dimensions, 2);
    cf_whitening_apply(w, in[0], 5, out[0]);
    for (size_t i = 0; i < 5; i++) {
        ck_assert(fabs(hypot((double)out[i][0], (double)out[i][1]) - 1) < 1e-6);
    }
    cf_whitening_free(w);
}
END_TEST

START_TEST(few_vectors_have_few_axes)
{
    float x[3 * 4];
    const float same[3][2] = {{.6F, .8F}, {.6F, .8F}, {.6F, .8F}};
    transformer_fill(x, 12, 1, 5);
    struct cf_whitening *w = fitted(x, 3, 4, 4);
    ck_assert_uint_eq(w->dimensions, 2);
    cf_whitening_free(w);
    ck_assert_ptr_null(fitted(x, 1, 4, 4));
    ck_assert_ptr_null(fitted(x, 0, 4, 4));
    ck_assert_ptr_null(fitted(x, 3, 4, 0));
    ck_assert_ptr_null(fitted(same[0], 3, 2, 2));
}
END_TEST

START_TEST(numbers_that_are_none_are_refused)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    float x[4][2];
    struct cf_whitening *w = NULL;
    struct cf_error err = {0};
    memcpy(x, cross, sizeof(x));
    x[2][1] = bad[_i];
    ck_assert_int_eq(cf_whitening_fit(x[0], 4, 2, 2, &w, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "eigenvalues of the embeddings"));
    ck_assert_ptr_null(w);
}
END_TEST

START_TEST(saved_and_loaded)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct cf_artefacts again = CF_ARTEFACTS_INIT;
    struct cf_whitening *w = fitted(cross[0], 4, 2, 1);
    struct cf_whitening *back = NULL;
    struct cf_error err = {0};
    cf_whitening_save(w, &files);
    ck_assert_uint_eq(files.count, 1);
    ck_assert_str_eq(files.items[0].path, "whitening.safetensors");
    ck_assert_msg(!cf_whitening_load(&files, 2, 1, &back, &err), "%s", err.message);
    ck_assert_mem_eq(back->mean, w->mean, 2 * sizeof(float));
    ck_assert_mem_eq(back->projection, w->projection, 2 * sizeof(float));
    cf_whitening_save(back, &again);
    ck_assert_uint_eq(again.items[0].data.length, files.items[0].data.length);
    ck_assert_mem_eq(again.items[0].data.data, files.items[0].data.data,
                     files.items[0].data.length);
    cf_whitening_free(w);
    cf_whitening_free(back);
    cf_artefacts_release(&files);
    cf_artefacts_release(&again);
}
END_TEST

static const struct {
    size_t from, dimensions; /* that load expects */
    const char *mean, *projection;
    float value; /* of the projection */
    bool vector; /* the projection is no matrix */
    const char *says;
} damages[] = {
    {2, 1, "whitening.mean", "whitening.projection", 1, false, NULL},
    {3, 1, "whitening.mean", "whitening.projection", 1, false,
     "tensor \"whitening.mean\" is of another shape"},
    {2, 2, "whitening.mean", "whitening.projection", 1, false,
     "tensor \"whitening.projection\" is of another shape"},
    {2, 1, "whitening.mean", "whitening.projection", 1, true,
     "tensor \"whitening.projection\" is of another type or rank"},
    {2, 1, "mean", "whitening.projection", 1, false, "tensor \"whitening.mean\" is missing"},
    {2, 1, "whitening.mean", "projection", 1, false, "tensor \"whitening.projection\" is missing"},
    {2, 1, "whitening.mean", "whitening.projection", NAN, false,
     "tensor \"whitening.projection\" holds a value that isn't finite"},
    {2, 1, "whitening.mean", "whitening.projection", INFINITY, false,
     "tensor \"whitening.projection\" holds a value that isn't finite"},
};

START_TEST(damaged_files_are_refused)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_whitening *w = NULL;
    struct cf_error err = {0};
    const float mean[2] = {1, 1};
    const float projection[2] = {0, damages[_i].value};
    cf_tensors_add(&tensors, damages[_i].mean, CF_F32, mean, 2, 0);
    if (damages[_i].vector) {
        cf_tensors_add(&tensors, damages[_i].projection, CF_F32, projection, 2, 0);
    } else {
        cf_tensors_add_matrix(&tensors, damages[_i].projection, CF_F32, projection, 1, 2);
    }
    cf_safetensors_write(&tensors, &cf_artefacts_add(&files, CF_WHITENING_FILE, "x/x")->data);
    int rc = cf_whitening_load(&files, damages[_i].from, damages[_i].dimensions, &w, &err);
    if (damages[_i].says) {
        ck_assert_int_eq(rc, CF_EDATA);
        ck_assert_ptr_nonnull(strstr(err.message, "whitening.safetensors: "));
        ck_assert_msg(strstr(err.message, damages[_i].says) != NULL, "%s", err.message);
        ck_assert_ptr_null(w);
    } else {
        ck_assert_int_eq(rc, 0);
    }
    cf_whitening_free(w);
    files.items[0].path[0] = 'X';
    ck_assert_int_eq(cf_whitening_load(&files, 2, 1, &w, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "whitening.safetensors: is missing");
    cf_tensors_release(&tensors);
    cf_artefacts_release(&files);
}
END_TEST

Suite *encoder_whitening_suite(void)
{
    Suite *suite = suite_create("encoder_whitening");
    TCase *tc = tcase_create("whitening");
    tcase_add_test(tc, two_dimensions_by_hand);
    tcase_add_test(tc, the_leading_axes_are_kept);
    tcase_add_test(tc, the_largest_component_is_positive);
    tcase_add_test(tc, whitened_vectors_have_the_identity_as_covariance);
    tcase_add_test(tc, results_have_length_one);
    tcase_add_test(tc, few_vectors_have_few_axes);
    tcase_add_loop_test(tc, numbers_that_are_none_are_refused, 0, 3);
    tcase_add_test(tc, saved_and_loaded);
    tcase_add_loop_test(tc, damaged_files_are_refused, 0,
                        (int)(sizeof(damages) / sizeof(damages[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
