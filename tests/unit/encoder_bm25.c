#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/encoder/bm25.h"

static const struct cf_bm25_options plain = {1.2, .75, false, false};
static const struct cf_bm25_options tuned = {2, .75, true, true};

/* Documents "red red blue" (length 3) and "blue" (length 1): the average length is 2. */
static struct cf_bm25 *two_documents(const struct cf_bm25_options *options)
{
    struct cf_bm25 *index = cf_bm25_new(options);
    cf_bm25_begin(index);
    cf_bm25_add(index, "red red", 7, 1);
    cf_bm25_add(index, "blue", 4, 1);
    cf_bm25_begin(index);
    cf_bm25_add(index, "blue", 4, 1);
    cf_bm25_finish(index);
    return index;
}

START_TEST(a_score_by_hand)
{
    struct cf_bm25 *index = two_documents(&plain);
    double scores[2];
    ck_assert_uint_eq(cf_bm25_documents(index), 2);
    ck_assert_uint_eq(cf_bm25_words(index), 2);
    /* red: idf ln(1 + 1.5/1.5) = ln 2; f 2; norm 1.2 (.25 + .75 × 1.5) = 1.65; 2 × 2.2 / 3.65 */
    ck_assert_uint_eq(cf_bm25_score(index, "RED!", 4, scores), 1);
    ck_assert(fabs(scores[0] - log(2) * 4.4 / 3.65) < 1e-9);
    ck_assert(fabs(scores[0] - 0.835574) < 1e-6);
    ck_assert(scores[1] == 0);
    /* blue: idf ln(1 + .5/2.5) = ln 1.2; in the second, norm 1.2 (.25 + .75 × .5) = .75; 2.2 / 1.75
     */
    ck_assert_uint_eq(cf_bm25_score(index, "blue", 4, scores), 1);
    ck_assert(fabs(scores[0] - log(1.2) * 2.2 / 2.65) < 1e-9);
    ck_assert(fabs(scores[1] - log(1.2) * 2.2 / 1.75) < 1e-9);
    /* words add up, repeated ones too; unknown ones count for nothing */
    ck_assert_uint_eq(cf_bm25_score(index, "red blue green red", 18, scores), 3);
    ck_assert(fabs(scores[0] - (2 * log(2) * 4.4 / 3.65 + log(1.2) * 2.2 / 2.65)) < 1e-9);
    cf_bm25_free(index);
}
END_TEST

START_TEST(weights_count_as_occurrences)
{
    struct cf_bm25 *once = cf_bm25_new(&plain);
    struct cf_bm25 *twice = cf_bm25_new(&plain);
    double a[2];
    double b[2];
    for (int i = 0; i < 2; i++) {
        cf_bm25_begin(once);
        cf_bm25_add(once, i ? "other" : "red", i ? 5 : 3, 2);
        cf_bm25_begin(twice);
        cf_bm25_add(twice, i ? "other other" : "red red", i ? 11 : 7, 1);
    }
    cf_bm25_finish(once);
    cf_bm25_finish(twice);
    cf_bm25_score(once, "red", 3, a);
    cf_bm25_score(twice, "red", 3, b);
    ck_assert(a[0] > 0);
    ck_assert(fabs(a[0] - b[0]) < 1e-12);
    cf_bm25_free(once);
    cf_bm25_free(twice);
}
END_TEST

START_TEST(stemming_and_splitting_are_options)
{
    double score = 0;
    for (int i = 0; i < 2; i++) {
        struct cf_bm25 *index = cf_bm25_new(i ? &tuned : &plain);
        cf_bm25_begin(index);
        cf_bm25_add(index, "myServers", 9, 1);
        cf_bm25_finish(index);
        ck_assert_uint_eq(cf_bm25_score(index, "server", 6, &score), i ? 1 : 0);
        ck_assert_uint_eq(cf_bm25_score(index, "my", 2, &score), i ? 1 : 0);
        ck_assert_uint_eq(cf_bm25_score(index, "myserver", 8, &score), i ? 1 : 0);
        ck_assert_uint_eq(cf_bm25_score(index, "myservers", 9, &score), 1);
        cf_bm25_free(index);
    }
}
END_TEST

START_TEST(frequencies_and_membership)
{
    struct cf_bm25 *index = two_documents(&plain);
    ck_assert_uint_eq(cf_bm25_frequency(index, "blue", 4), 2);
    ck_assert_uint_eq(cf_bm25_frequency(index, "red", 3), 1);
    ck_assert_uint_eq(cf_bm25_frequency(index, "re", 2), 0);
    ck_assert_uint_eq(cf_bm25_frequency(index, "reds", 4), 0);
    ck_assert(cf_bm25_contains(index, 0, "red", 3));
    ck_assert(!cf_bm25_contains(index, 1, "red", 3));
    ck_assert(!cf_bm25_contains(index, 1, "green", 5));
    cf_bm25_free(index);
}
END_TEST

START_TEST(nothing_to_index)
{
    struct cf_bm25 *index = cf_bm25_new(&tuned);
    double scores[2] = {7, 7};
    cf_bm25_begin(index);
    cf_bm25_begin(index);
    cf_bm25_finish(index);
    ck_assert_uint_eq(cf_bm25_score(index, "red", 3, scores), 0);
    ck_assert(scores[0] == 0 && scores[1] == 0);
    cf_bm25_free(index);
}
END_TEST

START_TEST(many_words_survive_the_growing_table)
{
    struct cf_bm25 *index = cf_bm25_new(&plain);
    double scores[3];
    char word[32];
    for (int d = 0; d < 3; d++) {
        cf_bm25_begin(index);
        for (int i = d; i < 9000; i += d + 1) {
            int n = snprintf(word, sizeof(word), "w%d", i);
            cf_bm25_add(index, word, (size_t)n, 1);
        }
    }
    cf_bm25_finish(index);
    ck_assert_uint_eq(cf_bm25_words(index), 9000);
    for (int i = 0; i < 9000; i++) {
        size_t n = (size_t)snprintf(word, sizeof(word), "w%d", i);
        ck_assert_uint_eq(cf_bm25_frequency(index, word, n),
                          1U + (i % 2 == 1 ? 1U : 0U) + (i % 3 == 2 ? 1U : 0U));
    }
    ck_assert_uint_eq(cf_bm25_score(index, "w5", 2, scores), 1);
    ck_assert(scores[0] > 0 && scores[1] > 0 && scores[2] > 0);
    cf_bm25_free(index);
}
END_TEST

static void save(const struct cf_bm25 *index, struct cf_buf *file)
{
    struct cf_tensors tensors = CF_TENSORS_INIT;
    cf_bm25_save(index, &tensors);
    cf_safetensors_write(&tensors, file);
    cf_tensors_release(&tensors);
}

static int load(const struct cf_buf *file, size_t documents, struct cf_bm25 **out,
                struct cf_error *err)
{
    struct cf_tensors tensors;
    ck_assert_int_eq(cf_safetensors_read(file->data, file->length, "x", &tensors, err), 0);
    int code = cf_bm25_load(&tensors, "x", &plain, documents, out, err);
    cf_tensors_release(&tensors);
    return code;
}

START_TEST(saved_and_loaded)
{
    struct cf_bm25 *index = two_documents(&plain);
    struct cf_bm25 *back = NULL;
    struct cf_buf first = CF_BUF_INIT;
    struct cf_buf second = CF_BUF_INIT;
    struct cf_error err;
    double a[2];
    double b[2];
    save(index, &first);
    ck_assert_int_eq(load(&first, 2, &back, &err), 0);
    save(back, &second);
    ck_assert_uint_eq(first.length, second.length);
    ck_assert_mem_eq(first.data, second.data, first.length);
    cf_bm25_score(index, "red blue", 8, a);
    cf_bm25_score(back, "red blue", 8, b);
    ck_assert_mem_eq(a, b, sizeof(a));
    cf_bm25_free(back);
    ck_assert_int_eq(load(&first, 3, &back, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "bm25.lengths"));
    cf_bm25_free(index);
    cf_buf_release(&first);
    cf_buf_release(&second);
}
END_TEST

/* Each changes one number of the two documents' index so that it is wrong. */
static const struct {
    const char *tensor;
    size_t element;
    union {
        int32_t whole;
        float real;
    } value;
} damages[] = {
    {"bm25.lengths", 0, {.real = -1}},
    {"bm25.posting_weights", 0, {.real = 0}},
    {"bm25.posting_weights", 1, {.real = -2}},
    {"bm25.posting_documents", 0, {.whole = 2}},
    {"bm25.posting_documents", 0, {.whole = -1}},
    {"bm25.posting_offsets", 0, {.whole = 1}},
    {"bm25.posting_offsets", 1, {.whole = 4}},
    {"bm25.posting_offsets", 1, {.whole = 3}}, /* three postings in two documents */
    {"bm25.posting_offsets", 2, {.whole = 2}},
    {"bm25.term_offsets", 1, {.whole = 8}},
    {"bm25.term_offsets",
     1,
     {.whole = 0}}, /* "" and "bluered" are sorted, the words of another index */
    {"bm25.term_offsets", 2, {.whole = 6}},
    {"bm25.terms", 0, {.whole = 0x7a7a7a7a}}, /* "zzzz", before "red" */
};

START_TEST(damage_is_noticed)
{
    struct cf_bm25 *index = two_documents(&plain);
    struct cf_bm25 *back = NULL;
    struct cf_buf file = CF_BUF_INIT;
    struct cf_tensors tensors;
    struct cf_error err = {0};
    save(index, &file);
    ck_assert_int_eq(cf_safetensors_read(file.data, file.length, "x", &tensors, &err), 0);
    const struct cf_tensor *t = cf_tensors_find(&tensors, damages[_i].tensor);
    size_t at = (size_t)((const char *)t->data - file.data);
    memcpy(file.data + at + 4 * damages[_i].element, &damages[_i].value, 4);
    int code = cf_bm25_load(&tensors, "x", &plain, 2, &back, &err);
    if (code == 0) { /* only the empty first word is a valid index */
        ck_assert_str_eq(damages[_i].tensor, "bm25.term_offsets");
        ck_assert_int_eq(damages[_i].value.whole, 0);
        cf_bm25_free(back);
    } else {
        ck_assert_int_eq(code, CF_EDATA);
        ck_assert_ptr_nonnull(strstr(err.message, damages[_i].tensor));
    }
    cf_tensors_release(&tensors);
    cf_buf_release(&file);
    cf_bm25_free(index);
}
END_TEST

Suite *encoder_bm25_suite(void)
{
    Suite *suite = suite_create("encoder_bm25");
    TCase *tc = tcase_create("bm25");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_score_by_hand);
    tcase_add_test(tc, weights_count_as_occurrences);
    tcase_add_test(tc, stemming_and_splitting_are_options);
    tcase_add_test(tc, frequencies_and_membership);
    tcase_add_test(tc, nothing_to_index);
    tcase_add_test(tc, many_words_survive_the_growing_table);
    tcase_add_test(tc, saved_and_loaded);
    tcase_add_loop_test(tc, damage_is_noticed, 0, (int)(sizeof(damages) / sizeof(damages[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
