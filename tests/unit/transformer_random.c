/* Dropout: Philox4x32-10 with the vectors that its authors publish, each kind of kernels against
 * it, and what the numbers must be like. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/transformer/compute_kernels.h"
#include "tests/unit/transformer_guarded.h"
#include "tests/unit/transformer_reference.h"

/* Random123's kat_vectors. */
static const struct {
    uint32_t counter[4], key[2], want[4];
} vectors[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(published_vectors)
{
    uint32_t got[4];
    reference_philox(vectors[_i].counter, vectors[_i].key, got);
    ck_assert(!memcmp(got, vectors[_i].want, sizeof(got)));
}
END_TEST

/* What dropout makes of a one in that column. */
static float dropped_one(const struct cf_kernels *k, const struct cf_dropout *d, size_t row,
                         size_t column)
{
    float ones[64];
    for (size_t i = 0; i < 64; i++) {
        ones[i] = 1;
    }
    k->drop(row, 1, column + 1, ones, ones, d);
    return ones[column];
}

/* The number itself, its first 24 bits, from the rate at which its element starts to drop out. */
START_TEST(kernels_have_the_first_vector)
{
    const struct cf_kernels *k = reference_kernels(_i, "kernels_have_the_first_vector");
    for (size_t word = 0; k && word < 4; word++) {
        uint32_t got = 0;
        for (uint32_t bit = 1U << 23; bit; bit >>= 1) {
            struct cf_dropout d = {.rate = (float)(got | bit) / 16777216};
            got |= dropped_one(k, &d, 0, 16 * word) != 0 ? bit : 0;
        }
        ck_assert_uint_eq(got, vectors[0].want[word] >> 8);
    }
}
END_TEST

/* Every element, with all five numbers far from 0 and more columns than one block has. */
START_TEST(kernels_follow_the_generator)
{
    static const struct {
        struct cf_dropout d;
        size_t row, n;
    } cases[] = {{{0.5F, 0, 0, 0}, 0, 64},
                 {{0.5F, 0xffffffffffffffffU, 0xffffffff, 0xffffffff}, 0xfffffffd, 200},
                 {{0.1F, 0x299f31d0a4093822U, 0x03707344, 0x13198a2e}, 0x05a308d3, 130},
                 {{0.9F, 0x100000000U, 1, 0}, 1, 63},
                 {{0.01F, 1, 0, 1}, 17, 1}};
    enum { ROWS = 3 };
    const struct cf_kernels *k = reference_kernels(_i, "kernels_follow_the_generator");
    for (size_t i = 0; k && i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = cases[i].n;
        const struct cf_dropout *d = &cases[i].d;
        float *x = guarded(ROWS * n, 1, i + 1);
        float *y = guarded(ROWS * n, 1, 9);
        k->drop(cases[i].row, ROWS, n, x, y, d);
        for (size_t j = 0; j < ROWS * n; j++) {
            double want = (double)x[j] * reference_factor(d, cases[i].row + j / n, j % n);
            ck_assert_msg(fabs((double)y[j] - want) <= 2e-7 * fabs(want), "case %zu, %zu: %g", i, j,
                          (double)y[j]);
        }
        k->drop(cases[i].row, ROWS, n, x, x, d);
        ck_assert(transformer_difference(x, y, ROWS * n) == 0);
        guarded_free(x, ROWS * n);
        guarded_free(y, ROWS * n);
    }
}
END_TEST

enum { ROWS_OF_MASK = 250, COLUMNS = 400, ELEMENTS = ROWS_OF_MASK * COLUMNS };

/* What dropout makes of ones. */
static float *mask_of(struct cf_dropout d)
{
    float *x = cf_malloc(ELEMENTS * sizeof(*x));
    for (size_t i = 0; i < ELEMENTS; i++) {
        x[i] = 1;
    }
    cf_kernels_best()->drop(0, ROWS_OF_MASK, COLUMNS, x, x, &d);
    return x;
}

/* Whether a number that is drawn `trials` times, true with that probability, is within five
 * standard deviations of what is expected. Seeds are fixed: it always is, or never. */
static bool expected(size_t hits, size_t trials, double probability)
{
    double mean = (double)trials * probability;
    return fabs((double)hits - mean) < 5 * sqrt(mean * (1 - probability));
}

/* The share that drops out: of all, of each column and row; and what is expected of an element
 * stays what it was, because kept ones are scaled. */
START_TEST(shares_and_expectation)
{
    static const float rates[] = {0.1F, 0.5F, 0.03F};
    struct cf_dropout d = {rates[_i], 42, 7, 3};
    double rate = (double)d.rate;
    float *mask = mask_of(d);
    size_t columns[COLUMNS] = {0};
    size_t all = 0;
    double total = 0;
    for (size_t i = 0; i < ROWS_OF_MASK; i++) {
        size_t row = 0;
        for (size_t j = 0; j < COLUMNS; j++) {
            row += mask[i * COLUMNS + j] == 0;
            columns[j] += mask[i * COLUMNS + j] == 0;
            total += (double)mask[i * COLUMNS + j];
        }
        all += row;
        ck_assert(expected(row, COLUMNS, rate));
    }
    for (size_t j = 0; j < COLUMNS; j++) {
        ck_assert(expected(columns[j], ROWS_OF_MASK, rate));
    }
    ck_assert(expected(all, ELEMENTS, rate));
    double deviation = sqrt(rate / (1 - rate) / ELEMENTS);
    ck_assert(fabs(total / ELEMENTS - 1) < 5 * deviation);
    free(mask);
}
END_TEST

/* Masks repeat; those of another seed, step, site, or place beside drop out together as often as
 * chance has it. */
START_TEST(masks_are_independent)
{
    const struct cf_dropout d = {0.5F, 42, 7, 3};
    struct cf_dropout others[] = {d, d, d, d, d};
    others[1].seed++;
    others[2].seed += (uint64_t)1 << 32;
    others[3].step++;
    others[4].site++;
    float *mask = mask_of(d);
    for (size_t i = 0; i < 5; i++) {
        float *other = mask_of(others[i]);
        size_t both = 0;
        for (size_t k = 0; k < ELEMENTS; k++) {
            both += mask[k] == 0 && other[k] == 0;
        }
        ck_assert(i ? expected(both, ELEMENTS, 0.25)
                    : transformer_difference(mask, other, ELEMENTS) == 0);
        free(other);
    }
    /* one column on, one counter's word on, one block on, one row on */
    static const size_t shifts[] = {1, 16, 64, COLUMNS};
    for (size_t i = 0; i < 4; i++) {
        size_t both = 0;
        for (size_t k = shifts[i]; k < ELEMENTS; k++) {
            both += mask[k] == 0 && mask[k - shifts[i]] == 0;
        }
        ck_assert(expected(both, ELEMENTS - shifts[i], 0.25));
    }
    free(mask);
}
END_TEST

Suite *transformer_random_suite(void)
{
    Suite *suite = suite_create("transformer_random");
    TCase *tcase = tcase_create("random");
    tcase_add_loop_test(tcase, published_vectors, 0, 3);
    tcase_add_loop_test(tcase, kernels_have_the_first_vector, 0, 3);
    tcase_add_loop_test(tcase, kernels_follow_the_generator, 0, 3);
    tcase_add_loop_test(tcase, shares_and_expectation, 0, 3);
    tcase_add_test(tcase, masks_are_independent);
    suite_add_tcase(suite, tcase);
    return suite;
}
