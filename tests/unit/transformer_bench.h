/* Arrays for the tests of single operations. */
#ifndef CF_TESTS_TRANSFORMER_BENCH_H
#define CF_TESTS_TRANSFORMER_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/transformer/compute.h"

struct bench {
    struct cf_compute *c;
    cf_ref room;
    size_t used;
};

/* The CPU backend with two threads and one kind of kernels (reference_kernels). False where this
 * CPU hasn't those. Closing fails the test when an operation failed, and gives all arrays back. */
bool bench_open(struct bench *b, int which, const char *test);
/* The same with the kernels it chooses by itself. */
void bench_open_best(struct bench *b, bool bf16);
void bench_close(struct bench *b);

/* NaN everywhere: what an operation must set, or must not read. */
cf_ref bench_blank(struct bench *b, size_t n);
cf_ref bench_blank_rows(struct bench *b, size_t rows, size_t n);
cf_ref bench_zeros(struct bench *b, size_t n);
/* Random numbers between −1 and 1; rows: with NaN in the rows behind the last one. */
cf_ref bench_vector(struct bench *b, size_t n, uint64_t seed);
cf_ref bench_rows(struct bench *b, size_t rows, size_t n, uint64_t seed);
cf_ref bench_copy(struct bench *b, cf_ref from, size_t n);
/* The sum of rows, for biases, whose gradient another operation computes in the model. */
cf_ref bench_sum(struct bench *b, size_t rows, size_t n, cf_ref x);

#endif
