/* Vectors of LANES floats, for the kernels' code; included by each file that compiles it, after
 * LANES was set. Arrays need no alignment. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vector load(const float *p)
{
    return *(const vector *)p;
}

INLINE void store(float *p, vector v)
{
    *(vector *)p = v;
}

/* Fewer than LANES floats; the others are 0. */
INLINE vector load_some(const float *p, size_t n)
{
    vector v = {0};
    memcpy(&v, p, n * sizeof(float));
    return v;
}

INLINE void store_some(float *p, vector v, size_t n)
{
    memcpy(p, &v, n * sizeof(float));
}

INLINE vector all(float x)
{
    return x - (vector){0};
}

/* a where the mask's bits are set, b elsewhere */
INLINE vector choose(integers mask, vector a, vector b)
{
    return (vector)((mask & (integers)a) | (~mask & (integers)b));
}

INLINE vector larger(vector a, vector b)
{
    return choose((integers)(a > b), a, b);
}

/* The sum of the lanes, by halves. */
INLINE float sum(vector v)
{
    float x[LANES];
    memcpy(x, &v, sizeof(x));
    for (size_t width = LANES / 2; width; width /= 2) {
        for (size_t i = 0; i < width; i++) {
            x[i] += x[i + width];
        }
    }
    return x[0];
}

INLINE float largest(vector v)
{
    float most = v[0];
    for (size_t i = 1; i < LANES; i++) {
        most = v[i] > most ? v[i] : most;
    }
    return most;
}

/* eˣ = 2ⁿ eʳ with |r| ≤ ln 2 / 2; n is rounded by adding a number so large that its last bit is
 * worth 1, which also leaves n in the low bits. ln 2 comes in two parts, the first exact. */
INLINE vector exponential(vector x)
{
    const float big = 12582912.F; /* 1.5 · 2²³ */
    x = choose((integers)(x > all(88)), all(88), x);
    x = choose((integers)(x < all(-87)), all(-87), x);
    vector shifted = x * 1.44269504F + big;
    vector n = shifted - big;
    vector r = x - n * 0.693359375F;
    r = r + n * 2.12194440e-4F;
    vector p = r * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1;
    integers power = ((integers)shifted << 23) + (127 << 23);
    return p * (vector)power;
}

/* Φ(x), the normal distribution, and e^(−x²/2), which its derivative needs. */
INLINE vector normal(vector x, vector *bell)
{
    vector u = (vector)((integers)x & 0x7fffffff) * 0.707106781F;
    vector e = exponential(-u * u);
    vector t = 1 / (1 + 0.3275911F * u);
    vector p = t * 1.061405429F - 1.453152027F;
    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = p * t + 0.254829592F;
    vector tail = p * t * e * 0.5F; /* Φ(−|x|) */
    *bell = e;
    return choose((integers)(x > all(0)), 1 - tail, tail);
}
