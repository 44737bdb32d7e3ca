#include "common/transformer/loss.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/alloc.h"

static double dot(size_t n, const float *a, const float *b)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        total += (double)a[i] * (double)b[i];
    }
    return total;
}

/* slopes[j] = softmax of query i's scores; returns its loss. */
static double query_loss(const struct cf_ranking *r, size_t i, double *slopes)
{
    double high = -INFINITY;
    for (size_t j = 0; j < r->candidates; j++) {
        slopes[j] = r->scale * dot(r->n, r->q + i * r->n, r->c + j * r->n);
        high = slopes[j] > high ? slopes[j] : high;
    }
    double right = slopes[i];
    double total = 0;
    for (size_t j = 0; j < r->candidates; j++) {
        slopes[j] = exp(slopes[j] - high);
        total += slopes[j];
    }
    for (size_t j = 0; j < r->candidates; j++) {
        slopes[j] /= total;
    }
    /* There is a candidate, so total is 1 at least. */
    /* cppcheck-suppress invalidFunctionArg */
    return log(total) + high - right;
}

/* out[n] = factor · Σᵢ slopes[i · stride] · rows[i] */
static void combine(size_t count, size_t n, const double *slopes, size_t stride, const float *rows,
                    double factor, float *out)
{
    for (size_t k = 0; k < n; k++) {
        double total = 0;
        for (size_t i = 0; i < count; i++) {
            total += slopes[i * stride] * (double)rows[i * n + k];
        }
        out[k] = (float)(factor * total);
    }
}

double cf_loss_ranking(const struct cf_ranking *r)
{
    double *slopes = cf_calloc(r->queries * r->candidates, sizeof(*slopes));
    double total = 0;
    for (size_t i = 0; i < r->queries; i++) {
        total += query_loss(r, i, slopes + i * r->candidates);
        slopes[i * r->candidates + i] -= 1;
    }
    double factor = r->scale / (double)r->queries;
    if (r->dq && r->dc) {
        for (size_t i = 0; i < r->queries; i++) {
            combine(r->candidates, r->n, slopes + i * r->candidates, 1, r->c, factor,
                    r->dq + i * r->n);
        }
        for (size_t j = 0; j < r->candidates; j++) {
            combine(r->queries, r->n, slopes + j, r->candidates, r->q, factor, r->dc + j * r->n);
        }
    }
    free(slopes);
    return total / (double)r->queries;
}
