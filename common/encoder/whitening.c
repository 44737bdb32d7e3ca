#include "common/encoder/whitening.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/encoder/lsa.h"
#include "common/encoder/safetensors.h"

static const double TOLERANCE = 1e-6; /* of an axis's variance, against the largest */
static const double LEAST = 1e-12;    /* variance; what is less is the rounding of equal vectors */

static struct cf_whitening *whitening_new(size_t from, size_t dimensions)
{
    struct cf_whitening *w = cf_calloc(1, sizeof(*w));
    w->from = from;
    w->dimensions = dimensions;
    return w;
}

void cf_whitening_free(struct cf_whitening *whitening)
{
    if (whitening) {
        free(whitening->mean);
        free(whitening->projection);
        free(whitening);
    }
}

static double *mean_of(const float *vectors, size_t n, size_t from)
{
    double *mean = cf_calloc(from, sizeof(*mean));
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 0; d < from; d++) {
            mean[d] += (double)vectors[i * from + d] / (double)n;
        }
    }
    return mean;
}

/* The upper triangle of the covariance, row by row. */
static double *covariance_of(const float *vectors, size_t n, size_t from, const double *mean)
{
    double *covariance = cf_calloc(from * from, sizeof(*covariance));
    double *x = cf_calloc(from, sizeof(*x));
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 0; d < from; d++) {
            x[d] = (double)vectors[i * from + d] - mean[d];
        }
        for (size_t a = 0; a < from; a++) {
            double factor = x[a] / (double)n;
            double *row = covariance + a * from;
            for (size_t b = a; b < from; b++) {
                row[b] += factor * x[b];
            }
        }
    }
    free(x);
    return covariance;
}

static void fill(struct cf_whitening *w, const double *mean, const double *values,
                 const double *axes)
{
    w->mean = cf_calloc(w->from, sizeof(*w->mean));
    w->projection = cf_calloc(w->dimensions * w->from, sizeof(*w->projection));
    for (size_t d = 0; d < w->from; d++) {
        w->mean[d] = (float)mean[d];
    }
    for (size_t k = 0; k < w->dimensions; k++) {
        double scale = 1 / sqrt(values[k] + TOLERANCE * values[0]);
        for (size_t d = 0; d < w->from; d++) {
            w->projection[k * w->from + d] = (float)(axes[k * w->from + d] * scale);
        }
    }
}

int cf_whitening_fit(const float *vectors, size_t n, size_t from, size_t wanted,
                     struct cf_whitening **out, struct cf_error *err)
{
    size_t most = n ? n - 1 : 0;
    wanted = wanted < most ? wanted : most;
    wanted = wanted < from ? wanted : from;
    *out = NULL;
    if (!wanted) {
        return 0;
    }
    double *values = NULL;
    double *axes = NULL;
    double *mean = mean_of(vectors, n, from);
    double *covariance = covariance_of(vectors, n, from, mean);
    long found = cf_lsa_eigen(covariance, from, wanted, TOLERANCE, &values, &axes);
    free(covariance);
    if (found > 0 && values[0] >= LEAST) {
        *out = whitening_new(from, (size_t)found);
        fill(*out, mean, values, axes);
    }
    free(mean);
    free(values);
    free(axes);
    return found < 0
               ? cf_error_set(err, CF_EDATA, "the eigenvalues of the embeddings can't be found")
               : 0;
}

/* Brings x to length 1; what has no length becomes all zero. */
static void normalise(float *x, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        square += (double)x[i] * (double)x[i];
    }
    double scale = square > 0 && isfinite(square) ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = scale > 0 ? (float)((double)x[i] * scale) : 0;
    }
}

static void apply_one(const struct cf_whitening *w, const float *in, float *out)
{
    double any = 0;
    for (size_t d = 0; d < w->from; d++) {
        any += fabs((double)in[d]);
    }
    for (size_t k = 0; k < w->dimensions; k++) {
        const float *row = w->projection + k * w->from;
        double sum = 0;
        for (size_t d = 0; d < w->from && any > 0; d++) {
            sum += (double)row[d] * ((double)in[d] - (double)w->mean[d]);
        }
        out[k] = (float)sum;
    }
    normalise(out, w->dimensions);
}

void cf_whitening_apply(const struct cf_whitening *whitening, const float *in, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        apply_one(whitening, in + i * whitening->from, out + i * whitening->dimensions);
    }
}

void cf_whitening_save(const struct cf_whitening *w, struct cf_artefacts *artefacts)
{
    struct cf_tensors tensors = CF_TENSORS_INIT;
    cf_tensors_add(&tensors, "whitening.mean", CF_F32, w->mean, w->from, 0);
    cf_tensors_add_matrix(&tensors, "whitening.projection", CF_F32, w->projection, w->dimensions,
                          w->from);
    struct cf_artefact *file =
        cf_artefacts_add(artefacts, CF_WHITENING_FILE, "application/octet-stream");
    cf_safetensors_write(&tensors, &file->data);
    cf_tensors_release(&tensors);
}

int cf_whitening_load(const struct cf_artefacts *artefacts, size_t from, size_t dimensions,
                      struct cf_whitening **out, struct cf_error *err)
{
    const char *name = CF_WHITENING_FILE;
    const struct cf_artefact *file = cf_artefacts_find(artefacts, name);
    const size_t shape[2] = {dimensions, from};
    struct cf_tensors tensors = CF_TENSORS_INIT;
    if (!file) {
        return cf_error_at(err, CF_EDATA, "load", name, "%s: is missing", name);
    }
    int code = cf_safetensors_read(cf_buf_str(&file->data), file->data.length, name, &tensors, err);
    if (code) {
        return code;
    }
    struct cf_whitening *w = whitening_new(from, dimensions);
    code = cf_tensors_get_f32(&tensors, name, "whitening.mean", 1, &from, NULL, &w->mean, err);
    code = code ? code
                : cf_tensors_get_f32(&tensors, name, "whitening.projection", 2, shape, NULL,
                                     &w->projection, err);
    cf_tensors_release(&tensors);
    if (code) {
        cf_whitening_free(w);
        return code;
    }
    *out = w;
    return 0;
}
