/* The kernels (compute_kernels.h) for CPUs with AVX512: 16 floats a vector. Only cf_kernels_avx512
 * is called before it is known that the CPU has it. */
#include "common/transformer/compute_kernels.h"

#if defined(__x86_64__)

#define LANES ((size_t)16)
#define MANY_REGISTERS
#ifdef __clang__
#define UNROLL(n)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))),    \
                             apply_to = function)
#pragma clang fp contract(fast)
#else
#define PRAGMA(x) _Pragma(#x)
#define UNROLL(n) PRAGMA(GCC unroll n)
#pragma GCC push_options
#pragma GCC optimize("O3", "fp-contract=fast")
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512")
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

const struct cf_kernels *cf_kernels_avx512(void)
{
    static const struct cf_kernels kernels = KERNELS("avx512");
    bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
    return has ? &kernels : NULL;
}

#else

const struct cf_kernels *cf_kernels_avx512(void)
{
    return NULL;
}

#endif
