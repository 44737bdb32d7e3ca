#include "tests/unit/transformer_bench.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "common/transformer/compute_cpu.h"
#include "tests/unit/transformer_fixture.h"
#include "tests/unit/transformer_reference.h"

enum { ROOM = 1 << 23 }; /* taken from the machine as it is used */

void bench_open_best(struct bench *b, bool bf16)
{
    struct cf_error err = {0};
    *b = (struct bench){0};
    ck_assert_msg(!cf_compute_cpu_new(2, bf16, &b->c, &err), "%s", err.message);
    b->room = b->c->ops->alloc(b->c, ROOM);
}

bool bench_open(struct bench *b, int which, const char *test)
{
    const struct cf_kernels *kernels = reference_kernels(which, test);
    if (kernels) {
        bench_open_best(b, false);
        cf_cpu_of(b->c)->kernels = kernels;
    }
    return kernels != NULL;
}

void bench_close(struct bench *b)
{
    struct cf_error err = {0};
    ck_assert_int_eq(b->c->ops->status(b->c, &err), 0);
    b->c->ops->release(b->c, b->room, ROOM);
    b->c->ops->free(b->c);
}

cf_ref bench_blank(struct bench *b, size_t n)
{
    cf_ref ref = cf_ref_plus(b->room, b->used);
    b->used += n;
    ck_assert_uint_le(b->used, ROOM);
    for (size_t i = 0; i < n; i++) {
        ref.at[i] = NAN;
    }
    return ref;
}

cf_ref bench_blank_rows(struct bench *b, size_t rows, size_t n)
{
    return bench_blank(b, cf_compute_rows(rows) * n);
}

cf_ref bench_rows(struct bench *b, size_t rows, size_t n, uint64_t seed)
{
    cf_ref ref = bench_blank_rows(b, rows, n);
    transformer_fill(ref.at, rows * n, 1, seed);
    return ref;
}

cf_ref bench_vector(struct bench *b, size_t n, uint64_t seed)
{
    cf_ref ref = bench_blank(b, n);
    transformer_fill(ref.at, n, 1, seed);
    return ref;
}

cf_ref bench_copy(struct bench *b, cf_ref from, size_t n)
{
    cf_ref ref = bench_blank(b, n);
    memcpy(ref.at, from.at, n * sizeof(float));
    return ref;
}

cf_ref bench_sum(struct bench *b, size_t rows, size_t n, cf_ref x)
{
    cf_ref ref = bench_blank(b, n);
    for (size_t j = 0; j < n; j++) {
        double total = 0;
        for (size_t i = 0; i < rows; i++) {
            total += (double)x.at[i * n + j];
        }
        ref.at[j] = (float)total;
    }
    return ref;
}

cf_ref bench_zeros(struct bench *b, size_t n)
{
    cf_ref ref = bench_blank(b, n);
    b->c->ops->zero(b->c, ref, n);
    return ref;
}
