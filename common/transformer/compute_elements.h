/* Kernels over single elements, sums, random numbers and the optimizer. Code, included by
 * compute_avx512.c, compute_avx2.c and compute_plain.c after compute_vector.h; what it computes is
 * said in compute_kernels.h. */

static void add_bias(size_t rows, size_t n, float *y, size_t stride, const float *bias)
{
    for (size_t i = 0; i < rows; i++, y += stride) {
        size_t j = 0;
        for (; j + LANES <= n; j += LANES) {
            store(y + j, load(y + j) + load(bias + j));
        }
        for (; j < n; j++) {
            y[j] += bias[j];
        }
    }
}

INLINE vector gelu(vector z)
{
    vector bell;
    return z * normal(z, &bell);
}

static void bias_gelu(size_t rows, size_t n, float *z, const float *bias, float *g)
{
    for (size_t i = 0; i < rows; i++, z += n, g += n) {
        size_t j = 0;
        for (; j + LANES <= n; j += LANES) {
            vector v = load(z + j) + (bias ? load(bias + j) : all(0));
            store(z + j, v);
            store(g + j, gelu(v));
        }
        if (j < n) {
            size_t rest = n - j;
            vector v = load_some(z + j, rest) + (bias ? load_some(bias + j, rest) : all(0));
            store_some(z + j, v, rest);
            store_some(g + j, gelu(v), rest);
        }
    }
}

/* gelu'(z) = Φ(z) + z φ(z), φ(z) = e^(−z²/2) / √(2π) */
INLINE vector gelu_slope(vector z, vector *g)
{
    vector bell;
    vector phi = normal(z, &bell);
    *g = z * phi;
    return phi + z * bell * 0.398942280F;
}

static void gelu_backward(size_t n, float *z, float *g)
{
    size_t j = 0;
    vector value;
    for (; j + LANES <= n; j += LANES) {
        store(z + j, gelu_slope(load(z + j), &value));
        store(g + j, value);
    }
    if (j < n) {
        store_some(z + j, gelu_slope(load_some(z + j, n - j), &value), n - j);
        store_some(g + j, value, n - j);
    }
}

static void multiply(size_t n, float *x, const float *y)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        store(x + j, load(x + j) * load(y + j));
    }
    for (; j < n; j++) {
        x[j] *= y[j];
    }
}

static void add(size_t n, float *x, const float *y)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        store(x + j, load(x + j) + load(y + j));
    }
    for (; j < n; j++) {
        x[j] += y[j];
    }
}

static void add_three(size_t n, const float *a, const float *b, const float *c, float *out)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        store(out + j, load(a + j) + load(b + j) + load(c + j));
    }
    for (; j < n; j++) {
        out[j] = a[j] + b[j] + c[j];
    }
}

static void scale(size_t n, float *x, float factor)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        store(x + j, load(x + j) * factor);
    }
    for (; j < n; j++) {
        x[j] *= factor;
    }
}

/* Sums of 32 rows are added to the total one after another: errors don't grow with the number of
 * rows as they would in one long sum. width: floats, at most LANES; count: vectors, 1 where width
 * isn't LANES. */
INLINE void sum_columns(size_t rows, size_t count, size_t width, const float *x, size_t stride,
                        float *out)
{
    vector total[4] = {{0}};
    for (size_t i = 0; i < rows;) {
        vector part[4] = {{0}};
        size_t end = i + 32 < rows ? i + 32 : rows;
        for (; i < end; i++) {
            UNROLL(4)
            for (size_t j = 0; j < count; j++) {
                const float *at = x + i * stride + j * LANES;
                part[j] += width == LANES ? load(at) : load_some(at, width);
            }
        }
        UNROLL(4)
        for (size_t j = 0; j < count; j++) {
            total[j] += part[j];
        }
    }
    UNROLL(4)
    for (size_t j = 0; j < count; j++) {
        store_some(out + j * LANES, total[j], width);
    }
}

static void sum_rows(size_t rows, size_t n, const float *x, size_t stride, float *out)
{
    size_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES) {
        sum_columns(rows, 4, LANES, x + j, stride, out + j);
    }
    for (; j + LANES <= n; j += LANES) {
        sum_columns(rows, 1, LANES, x + j, stride, out + j);
    }
    if (j < n) {
        sum_columns(rows, 1, n - j, x + j, stride, out + j);
    }
}

/* 64 random numbers: those of 16 counters beside one another; number 16 w + l is word w of counter
 * 16 block + l. */
INLINE void philox(const struct cf_dropout *d, uint32_t block, uint32_t row, uint32_t out[4][16])
{
    uint32_t c[4][16];
    uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
    for (uint32_t l = 0; l < 16; l++) {
        c[0][l] = 16 * block + l;
        c[1][l] = row;
        c[2][l] = d->site;
        c[3][l] = d->step;
    }
    for (int round = 0; round < 10; round++) {
        for (size_t l = 0; l < 16; l++) {
            uint64_t a = (uint64_t)c[0][l] * 0xD2511F53U;
            uint64_t b = (uint64_t)c[2][l] * 0xCD9E8D57U;
            c[0][l] = (uint32_t)(b >> 32) ^ c[1][l] ^ key[0];
            c[2][l] = (uint32_t)(a >> 32) ^ c[3][l] ^ key[1];
            c[1][l] = (uint32_t)b;
            c[3][l] = (uint32_t)a;
        }
        key[0] += 0x9E3779B9U;
        key[1] += 0xBB67AE85U;
    }
    memcpy(out, c, sizeof(c));
}

/* factors[64]: 0 for what drops out, else 1 / (1 − rate). */
INLINE void drop_factors(const struct cf_dropout *d, uint32_t block, uint32_t row, float *factors)
{
    uint32_t random[4][16];
    uint32_t limit = (uint32_t)(d->rate * 4294967296.);
    float kept = 1 / (1 - d->rate);
    philox(d, block, row, random);
    const uint32_t *r = random[0];
    for (size_t i = 0; i < 64; i++) {
        factors[i] = r[i] < limit ? 0 : kept;
    }
}

static void drop_row(size_t row, size_t n, const float *x, float *y, const struct cf_dropout *d)
{
    float factors[64];
    for (size_t j = 0; j < n; j += 64) {
        size_t width = n - j < 64 ? n - j : 64;
        drop_factors(d, (uint32_t)(j / 64), (uint32_t)row, factors);
        for (size_t k = 0; k < width; k++) {
            y[j + k] = x[j + k] * factors[k];
        }
    }
}

static void drop(size_t first_row, size_t rows, size_t n, float *x, float *y,
                 const struct cf_dropout *d)
{
    for (size_t i = 0; i < rows; i++) {
        drop_row(first_row + i, n, x + i * n, y + i * n, d);
    }
}

static double squares(size_t n, const float *x)
{
    double part[8] = {0};
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        for (size_t k = 0; k < 8; k++) {
            part[k] += (double)x[j + k] * (double)x[j + k];
        }
    }
    for (; j < n; j++) {
        part[0] += (double)x[j] * (double)x[j];
    }
    return ((part[0] + part[4]) + (part[1] + part[5])) +
           ((part[2] + part[6]) + (part[3] + part[7]));
}

static void adamw(size_t n, float *p, const float *g, float *m, float *v, const struct cf_adamw *a,
                  float decay)
{
    float keep = 1 - a->rate * decay;
    float step = a->rate / a->correction1;
    float root = 1 / __builtin_sqrtf(a->correction2);
    float new1 = 1 - a->beta1;
    float new2 = 1 - a->beta2;
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * a->clip;
        float first = a->beta1 * m[i] + new1 * gradient;
        float second = a->beta2 * v[i] + new2 * (gradient * gradient);
        m[i] = first;
        v[i] = second;
        p[i] = p[i] * keep - step * first / (__builtin_sqrtf(second) * root + a->eps);
    }
}

static void to_bf16(size_t n, const float *x, uint16_t *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof(bits));
        uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1)) >> 16;
        uint32_t quiet = (bits >> 16) | 0x40; /* of NaN */
        out[i] = (uint16_t)((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
    }
}
