/* The kernels (compute_kernels.h) for any CPU: 4 floats a vector, which the compiler maps to what
 * there is. */
#include "common/transformer/compute_kernels.h"

#define LANES ((size_t)4)
#ifdef __clang__
#define UNROLL(n)
#else
#define PRAGMA(x) _Pragma(#x)
#define UNROLL(n) PRAGMA(GCC unroll n)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif

#include "common/transformer/compute_vector.h"

#include "common/transformer/compute_elements.h"

#include "common/transformer/compute_norms.h"

#include "common/transformer/compute_attend.h"

#include "common/transformer/compute_table.h"

#ifndef __clang__
#pragma GCC pop_options
#endif

const struct cf_kernels *cf_kernels_plain(void)
{
    static const struct cf_kernels kernels = KERNELS("plain");
    return &kernels;
}

const struct cf_kernels *cf_kernels_best(void)
{
    const struct cf_kernels *best = cf_kernels_avx512();
    best = best ? best : cf_kernels_avx2();
    return best ? best : cf_kernels_plain();
}

/* Of any width of vectors: see make_room. */
size_t cf_attend_scratch(size_t tokens, size_t d)
{
    size_t length = up_to(tokens, BAND);
    d = up_to(d, 16);
    return 8 * length * d + 3 * (size_t)BAND * length + (size_t)BAND * d;
}
