/* The kernels (compute_kernels.h) for CPUs with AVX2: 8 floats a vector. Only cf_kernels_avx2
 * is called before it is known that the CPU has it. */
#include "common/transformer/compute_kernels.h"

#if defined(__x86_64__)

#define LANES ((size_t)8)
#ifdef __clang__
#define UNROLL(n)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#pragma clang fp contract(fast)
#else
#define PRAGMA(x) _Pragma(#x)
#define UNROLL(n) PRAGMA(GCC unroll n)
#pragma GCC push_options
#pragma GCC optimize("O3", "fp-contract=fast")
#pragma GCC target("avx2,fma")
#endif

#include "common/transformer/compute_vector.h"

#include "common/transformer/compute_elements.h"

#include "common/transformer/compute_norms.h"

#include "common/transformer/compute_attend.h"

#include "common/transformer/compute_table.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const struct cf_kernels *cf_kernels_avx2(void)
{
    static const struct cf_kernels kernels = KERNELS("avx2");
    bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return has ? &kernels : NULL;
}

#else

const struct cf_kernels *cf_kernels_avx2(void)
{
    return NULL;
}

#endif
