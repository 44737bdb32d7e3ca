#include <check.h>
#include <math.h>
#include <string.h>

#include "common/encoder/features.h"

static float value_of(const struct cf_sparse *v, uint32_t bucket)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->buckets[i] == bucket) {
            return v->values[i];
        }
    }
    return 0;
}

static void vector_of(const char *text, double bigrams, double ngrams, struct cf_sparse *out)
{
    struct cf_features *f = cf_features_new(20, bigrams, ngrams);
    cf_features_add(f, text, strlen(text));
    cf_features_take(f, out);
    cf_features_free(f);
}

START_TEST(words_are_stemmed_and_counted_by_logarithm)
{
    struct cf_features *f = cf_features_new(20, 0, 0);
    struct cf_sparse v = CF_SPARSE_INIT;
    cf_features_add(f, "connect connected CONNECTION other", 34);
    cf_features_take(f, &v);
    ck_assert_uint_eq(v.count, 2);
    float three = value_of(&v, cf_features_word_bucket(f, "connect", 7));
    ck_assert(fabs((double)three - (1 + log(3))) < 1e-6);
    float one = value_of(&v, cf_features_word_bucket(f, "other", 5));
    ck_assert(fabs((double)one - 1) < 1e-6);
    cf_sparse_release(&v);
    cf_features_free(f);
}
END_TEST

START_TEST(bigrams_and_ngrams_are_as_many_as_there_are)
{
    struct cf_sparse v = CF_SPARSE_INIT;
    vector_of("red blue", .5, 0, &v);
    ck_assert_uint_eq(v.count, 3); /* red, blue, red blue */
    ck_assert(fabs((double)v.values[2] - .5) < 1e-6);
    vector_of("abc", 0, .3, &v);
    /* the word; <ab abc bc> <abc abc> <abc> */
    ck_assert_uint_eq(v.count, 7);
    ck_assert(fabs((double)v.values[6] - .3) < 1e-6);
    vector_of("\xc3\x9f", 0, .3, &v); /* one character of two bytes: only <ß> */
    ck_assert_uint_eq(v.count, 2);
    vector_of("", .5, .3, &v);
    ck_assert_uint_eq(v.count, 0);
    cf_sparse_release(&v);
}
END_TEST

START_TEST(parts_are_words_but_no_bigrams)
{
    struct cf_sparse v = CF_SPARSE_INIT;
    struct cf_sparse whole = CF_SPARSE_INIT;
    vector_of("gitHub tool", .5, 0, &v);
    ck_assert_uint_eq(v.count, 5); /* github, git, hub, tool, github tool */
    vector_of("github tool", .5, 0, &whole);
    for (size_t i = 0; i < whole.count; i++) {
        ck_assert(value_of(&v, whole.buckets[i]) > 0);
    }
    cf_sparse_release(&v);
    cf_sparse_release(&whole);
}
END_TEST

START_TEST(bigrams_dont_reach_across_texts_and_counts_start_anew)
{
    struct cf_features *f = cf_features_new(20, .5, 0);
    struct cf_sparse v = CF_SPARSE_INIT;
    cf_features_add(f, "red", 3);
    cf_features_add(f, "blue", 4);
    cf_features_take(f, &v);
    ck_assert_uint_eq(v.count, 2);
    cf_features_add(f, "red", 3);
    cf_features_take(f, &v);
    ck_assert_uint_eq(v.count, 1);
    ck_assert(fabs((double)v.values[0] - 1) < 1e-6);
    cf_sparse_release(&v);
    cf_features_free(f);
}
END_TEST

START_TEST(buckets_stay_within_their_bits)
{
    for (unsigned bits = CF_FEATURE_BITS_MIN; bits <= CF_FEATURE_BITS_MAX; bits++) {
        struct cf_features *f = cf_features_new(bits, .5, .3);
        struct cf_sparse v = CF_SPARSE_INIT;
        char text[4000];
        for (size_t i = 0; i < sizeof(text); i++) {
            text[i] = (char)(i % 7 == 6 ? ' ' : 'a' + (i * i) % 26);
        }
        cf_features_add(f, text, sizeof(text));
        cf_features_take(f, &v);
        ck_assert_uint_gt(v.count, 100);
        for (size_t i = 0; i < v.count; i++) {
            ck_assert_uint_lt(v.buckets[i], 1U << bits);
            ck_assert(v.values[i] > 0);
        }
        cf_sparse_release(&v);
        cf_features_free(f);
    }
}
END_TEST

Suite *encoder_features_suite(void)
{
    Suite *suite = suite_create("encoder_features");
    TCase *tc = tcase_create("features");
    tcase_add_test(tc, words_are_stemmed_and_counted_by_logarithm);
    tcase_add_test(tc, bigrams_and_ngrams_are_as_many_as_there_are);
    tcase_add_test(tc, parts_are_words_but_no_bigrams);
    tcase_add_test(tc, bigrams_dont_reach_across_texts_and_counts_start_anew);
    tcase_add_test(tc, buckets_stay_within_their_bits);
    suite_add_tcase(suite, tc);
    return suite;
}
