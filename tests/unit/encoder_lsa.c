#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/encoder/lsa.h"

START_TEST(eigenpairs_of_two_by_two)
{
    /* 2 1 / 1 2: 3 with (1, 1)/√2, 1 with (1, −1)/√2 */
    double a[4] = {2, 1, 0, 2}; /* only the upper triangle is read */
    double *values = NULL;
    double *vectors = NULL;
    ck_assert_int_eq(cf_lsa_eigen(a, 2, 2, 1e-6, &values, &vectors), 2);
    ck_assert(fabs(values[0] - 3) < 1e-12);
    ck_assert(fabs(values[1] - 1) < 1e-12);
    ck_assert(fabs(vectors[0] - sqrt(.5)) < 1e-12);
    ck_assert(fabs(vectors[1] - sqrt(.5)) < 1e-12);
    ck_assert(fabs(vectors[2] - sqrt(.5)) < 1e-12);
    ck_assert(fabs(vectors[3] + sqrt(.5)) < 1e-12);
    free(values);
    free(vectors);
}
END_TEST

START_TEST(eigenpairs_of_three_by_three)
{
    /* 2 −1 0 / −1 2 −1 / 0 −1 2: 2 + √2 with (−1, √2, −1)/2 after the sign rule, 2 with (1, 0,
     * −1)/√2 */
    double a[9] = {2, -1, 0, -1, 2, -1, 0, -1, 2};
    double *values = NULL;
    double *vectors = NULL;
    ck_assert_int_eq(cf_lsa_eigen(a, 3, 2, 1e-6, &values, &vectors), 2);
    ck_assert(fabs(values[0] - (2 + sqrt(2))) < 1e-12);
    ck_assert(fabs(values[1] - 2) < 1e-12);
    ck_assert(fabs(vectors[0] + .5) < 1e-12);
    ck_assert(fabs(vectors[1] - sqrt(.5)) < 1e-12);
    ck_assert(fabs(vectors[2] + .5) < 1e-12);
    ck_assert(fabs(vectors[3] - sqrt(.5)) < 1e-12);
    ck_assert(fabs(vectors[4]) < 1e-12);
    ck_assert(fabs(vectors[5] + sqrt(.5)) < 1e-12);
    free(values);
    free(vectors);
}
END_TEST

START_TEST(what_is_singular_loses_dimensions)
{
    double ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    double zeros[4] = {0, 0, 0, 0};
    double *values = NULL;
    double *vectors = NULL;
    ck_assert_int_eq(cf_lsa_eigen(ones, 3, 3, 1e-6, &values, &vectors), 1);
    ck_assert(fabs(values[0] - 3) < 1e-9);
    free(values);
    free(vectors);
    ck_assert_int_eq(cf_lsa_eigen(zeros, 2, 2, 1e-6, &values, &vectors), 0);
    free(values);
    free(vectors);
}
END_TEST

/* Fits to words only, hashed to 2^20 buckets, so that the matrix is known. */
static struct cf_encoder *fit_words(const struct cf_view *chunks, const size_t *first,
                                    size_t projects)
{
    struct cf_encoder_input input = {chunks, first, projects};
    struct cf_model_params params;
    struct cf_encoder *encoder = NULL;
    struct cf_error err;
    cf_model_params_default(&params);
    params.feature_bits = 20;
    params.bigram_weight = 0;
    params.ngram_weight = 0;
    ck_assert_int_eq(cf_lsa_type.fit(&input, &params, &encoder, &err), 0);
    return encoder;
}

/* Projects "red", "blue" and "red blue". */
static struct cf_encoder *three_projects(void)
{
    static const struct cf_view chunks[4] = {{"red", 3}, {"blue", 4}, {"red", 3}, {"blue", 4}};
    static const size_t first[4] = {0, 1, 2, 4};
    return fit_words(chunks, first, 3);
}

START_TEST(rare_words_weigh_more)
{
    /* Projects "red" and "red blue": IDF ln(1 + .5/2.5) and ln(1 + 1.5/1.5). X spans both words, so
     * that the cosine of red with red blue is that of their weighted vectors, ln 1.2 / √(ln² 1.2 +
     * ln² 2). */
    static const struct cf_view chunks[2] = {{"red", 3}, {"red blue", 8}};
    static const size_t first[3] = {0, 1, 2};
    struct cf_encoder *encoder = fit_words(chunks, first, 2);
    float z[2][2];
    ck_assert_uint_eq(cf_lsa_type.dimensions(encoder), 2);
    ck_assert_int_eq(cf_lsa_type.embed(encoder, chunks, 2, &z[0][0], NULL), 0);
    double cosine = (double)(z[0][0] * z[1][0] + z[0][1] * z[1][1]);
    ck_assert(fabs(cosine - log(1.2) / sqrt(log(1.2) * log(1.2) + log(2) * log(2))) < 1e-4);
    cf_lsa_type.free(encoder);
}
END_TEST

START_TEST(three_projects_by_hand)
{
    /* Both words are in two projects, so the rows of X are r, b and (r + b)/√2 for unit r, b. X has
     * rank 2, and a text x in the span of r and b embeds isometrically: z = Λ^(−1/2) Uᵀ X x = Vᵀ x.
     * Cosines of embeddings are those of the texts themselves. */
    static const struct cf_view texts[4] = {{"red", 3}, {"blue", 4}, {"blue red", 8}, {"green", 5}};
    struct cf_encoder *encoder = three_projects();
    float z[4][2];
    ck_assert_uint_eq(cf_lsa_type.dimensions(encoder), 2);
    ck_assert_int_eq(cf_lsa_type.embed(encoder, texts, 4, &z[0][0], NULL), 0);
    double red_blue = (double)(z[0][0] * z[1][0] + z[0][1] * z[1][1]);
    double red_both = (double)(z[0][0] * z[2][0] + z[0][1] * z[2][1]);
    double red_red = (double)(z[0][0] * z[0][0] + z[0][1] * z[0][1]);
    ck_assert(fabs(red_blue) < 1e-5);
    ck_assert(fabs(red_both - sqrt(.5)) < 1e-5);
    ck_assert(fabs(red_red - 1) < 1e-5);
    /* XXᵀ = 1 0 s / 0 1 s / s s 1 with s = 1/√2: 2 with u = (1, 1, √2)/2, and 1 with (1, −1, 0)/√2.
     * Red: Xr = (1, 0, s); the first component is (1 + 1)/2/√2 = 1/√2, the second ±1/√2. */
    ck_assert(fabs((double)z[0][0] - sqrt(.5)) < 1e-5);
    ck_assert(fabs((double)z[0][1] - sqrt(.5)) < 1e-5);
    ck_assert(fabs((double)z[1][1] + sqrt(.5)) < 1e-5);
    ck_assert(z[3][0] == 0 && z[3][1] == 0); /* nothing is known about green */
    cf_lsa_type.free(encoder);
}
END_TEST

START_TEST(saved_and_loaded)
{
    static const struct cf_view text = {"blue red red", 12};
    struct cf_encoder *encoder = three_projects();
    struct cf_encoder *back = NULL;
    struct cf_artefacts first = CF_ARTEFACTS_INIT;
    struct cf_artefacts second = CF_ARTEFACTS_INIT;
    struct cf_model_params params;
    struct cf_error err;
    float a[2];
    float b[2];
    cf_model_params_default(&params);
    params.feature_bits = 20;
    params.bigram_weight = 0;
    params.ngram_weight = 0;
    cf_lsa_type.save(encoder, &first);
    ck_assert_int_eq(cf_lsa_type.load(&first, &params, &back, &err), 0);
    cf_lsa_type.save(back, &second);
    ck_assert_uint_eq(first.items[0].data.length, second.items[0].data.length);
    ck_assert_mem_eq(first.items[0].data.data, second.items[0].data.data,
                     first.items[0].data.length);
    ck_assert_int_eq(cf_lsa_type.embed(encoder, &text, 1, a, NULL), 0);
    ck_assert_int_eq(cf_lsa_type.embed(back, &text, 1, b, NULL), 0);
    ck_assert_mem_eq(a, b, sizeof(a));
    cf_lsa_type.free(back);
    params.feature_bits = 10; /* buckets of 20 bits don't fit */
    ck_assert_int_eq(cf_lsa_type.load(&first, &params, &back, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "lsa.buckets"));
    cf_lsa_type.free(encoder);
    cf_artefacts_release(&first);
    cf_artefacts_release(&second);
}
END_TEST

START_TEST(more_projects_than_rows_are_folded_in)
{
    size_t count = CF_LSA_ROWS + 500;
    struct cf_view *chunks = calloc(count, sizeof(*chunks));
    size_t *first = calloc(count + 1, sizeof(*first));
    char(*texts)[32] = calloc(count, sizeof(*texts));
    struct cf_encoder *encoder = NULL;
    struct cf_model_params params;
    struct cf_error err;
    ck_assert(chunks && first && texts);
    for (size_t i = 0; i < count; i++) {
        int n = snprintf(texts[i], sizeof(texts[i]), "topic%zu common", i % 7);
        chunks[i] = (struct cf_view){texts[i], (size_t)n};
        first[i + 1] = i + 1;
    }
    struct cf_encoder_input input = {chunks, first, count};
    cf_model_params_default(&params);
    params.dimensions = 16;
    params.ngram_weight = 0;
    ck_assert_int_eq(cf_lsa_type.fit(&input, &params, &encoder, &err), 0);
    ck_assert_uint_eq(cf_lsa_type.dimensions(encoder), 7);
    float z[3][7];
    ck_assert_int_eq(cf_lsa_type.embed(encoder, &chunks[count - 9], 3, &z[0][0], NULL), 0);
    double same = 0;
    double other = 0;
    struct cf_view again = {texts[(count - 9) % 7], chunks[(count - 9) % 7].length};
    float w[7];
    ck_assert_int_eq(cf_lsa_type.embed(encoder, &again, 1, w, NULL), 0);
    for (size_t d = 0; d < 7; d++) {
        same += (double)(z[0][d] * w[d]);
        other += (double)(z[1][d] * w[d]);
    }
    ck_assert(fabs(same - 1) < 1e-4);
    ck_assert(other < .5);
    cf_lsa_type.free(encoder);
    free(chunks);
    free(first);
    free(texts);
}
END_TEST

Suite *encoder_lsa_suite(void)
{
    Suite *suite = suite_create("encoder_lsa");
    TCase *tc = tcase_create("lsa");
    tcase_set_timeout(tc, 240); /* the reference LAPACK takes seconds for 2,000 rows */
    tcase_add_test(tc, eigenpairs_of_two_by_two);
    tcase_add_test(tc, eigenpairs_of_three_by_three);
    tcase_add_test(tc, what_is_singular_loses_dimensions);
    tcase_add_test(tc, rare_words_weigh_more);
    tcase_add_test(tc, three_projects_by_hand);
    tcase_add_test(tc, saved_and_loaded);
    tcase_add_test(tc, more_projects_than_rows_are_folded_in);
    suite_add_tcase(suite, tc);
    return suite;
}
