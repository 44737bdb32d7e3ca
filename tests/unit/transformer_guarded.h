/* Arrays of an odd address with NaN around them: what a kernel reads there spoils its result, what
 * it writes there is found when the array is freed. */
#ifndef CF_TESTS_TRANSFORMER_GUARDED_H
#define CF_TESTS_TRANSFORMER_GUARDED_H

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "tests/unit/transformer_fixture.h"

enum { GUARD = 17 };

/* n random numbers between −size and size. */
static inline float *guarded(size_t n, float size, uint64_t seed)
{
    float *base = cf_malloc((n + 2 * (size_t)GUARD) * sizeof(*base));
    for (size_t i = 0; i < n + 2 * (size_t)GUARD; i++) {
        base[i] = NAN;
    }
    transformer_fill(base + GUARD, n, size, seed);
    return base + GUARD;
}

static inline void guarded_free(float *x, size_t n)
{
    for (size_t i = 0; i < GUARD; i++) {
        if (!isnan(x[n + i]) || !isnan((x - GUARD)[i])) {
            ck_abort_msg("something was written %zu behind the end, or %zu before the start", i,
                         GUARD - i);
        }
    }
    free(x - GUARD);
}

#endif
