/* LayerNorm. Code, included by compute_avx512.c, compute_avx2.c and compute_plain.c after
 * compute_elements.h; what it computes is said in compute.h. */

/* s = dropout(x + bias) + residual, one row */
INLINE void norm_input(const struct cf_norm *a, size_t row, float *s)
{
    size_t n = a->n;
    const float *x = a->x.at + row * n;
    if (a->bias.at) {
        for (size_t j = 0; j < n; j++) {
            s[j] = x[j] + a->bias.at[j];
        }
    } else if (s != x) {
        memcpy(s, x, n * sizeof(float));
    }
    if (a->dropout.rate > 0) {
        drop_row(row, n, s, s, &a->dropout);
    }
    if (a->residual.at) {
        add(n, s, a->residual.at + row * n);
    }
}

/* Mean and variance by two passes: no difference of large numbers. */
INLINE float mean_of(size_t n, const float *s)
{
    vector total = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        total += load(s + j);
    }
    if (j < n) {
        total += load_some(s + j, n - j);
    }
    return sum(total) / (float)n;
}

INLINE float variance_of(size_t n, const float *s, float mean)
{
    vector total = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        vector d = load(s + j) - mean;
        total += d * d;
    }
    float rest = 0;
    for (; j < n; j++) {
        rest += (s[j] - mean) * (s[j] - mean);
    }
    return (sum(total) + rest) / (float)n;
}

static void norm(const struct cf_norm *a, size_t first, size_t rows, float *work)
{
    size_t n = a->n;
    for (size_t row = first; row < first + rows; row++) {
        norm_input(a, row, work);
        float mean = mean_of(n, work);
        float scale_of = 1 / __builtin_sqrtf(variance_of(n, work, mean) + a->eps);
        float *xhat = a->xhat.at ? a->xhat.at + row * n : work;
        float *y = a->y.at + row * n;
        for (size_t j = 0; j < n; j++) {
            float h = (work[j] - mean) * scale_of;
            xhat[j] = h;
            y[j] = h * a->gamma.at[j] + a->beta.at[j];
        }
        if (a->xhat.at) {
            a->scale.at[row] = scale_of;
        }
    }
}

static void norm_again(const struct cf_norm *a, size_t first, size_t rows)
{
    size_t n = a->n;
    for (size_t row = first; row < first + rows; row++) {
        const float *xhat = a->xhat.at + row * n;
        float *y = a->y.at + row * n;
        for (size_t j = 0; j < n; j++) {
            y[j] = xhat[j] * a->gamma.at[j] + a->beta.at[j];
        }
        if (a->dropout.rate > 0) {
            drop_row(row, n, y, y, &a->dropout);
        }
    }
}

/* With h = dy · gamma: ds = scale · (h − mean(h) − xhat · mean(h · xhat)). */
INLINE void norm_row_backward(size_t n, const float *dy, const float *xhat, const float *gamma,
                              float scale_of, float *ds, float *sums)
{
    vector mean = {0};
    vector along = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        vector d = load(dy + j);
        vector x = load(xhat + j);
        vector h = d * load(gamma + j);
        mean += h;
        along += h * x;
        store(sums + j, load(sums + j) + d * x);
        store(sums + n + j, load(sums + n + j) + d);
    }
    float rest[2] = {0, 0};
    for (; j < n; j++) {
        float h = dy[j] * gamma[j];
        rest[0] += h;
        rest[1] += h * xhat[j];
        sums[j] += dy[j] * xhat[j];
        sums[n + j] += dy[j];
    }
    float m = (sum(mean) + rest[0]) / (float)n;
    float c = (sum(along) + rest[1]) / (float)n;
    for (j = 0; j < n; j++) {
        ds[j] = scale_of * (dy[j] * gamma[j] - m - xhat[j] * c);
    }
}

static void norm_backward(const struct cf_norm_backward *a, size_t first, size_t rows, float *sums)
{
    size_t n = a->n;
    memset(sums, 0, 2 * n * sizeof(float));
    for (size_t row = first; row < first + rows; row++) {
        size_t at = row * n;
        norm_row_backward(n, a->dy.at + at, a->xhat.at + at, a->gamma.at, a->scale.at[row],
                          a->ds.at + at, sums);
        if (a->dx.at) {
            drop_row(row, n, a->ds.at + at, a->dx.at + at, &a->dropout);
        }
    }
}
