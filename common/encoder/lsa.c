#include "common/encoder/lsa.h"

#include <lapacke.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/features.h"
#include "common/encoder/safetensors.h"

#define LANES                                                                                      \
    8 /* dimensions are padded to a multiple, so that the inner loop is of fixed length            \
       */

struct lsa {
    struct cf_encoder base;
    unsigned bits;
    double bigram_weight, ngram_weight;
    size_t columns; /* buckets that any project has */
    size_t rows;
    size_t dimensions, stride;
    int32_t *buckets;    /* [columns] */
    float *idf;          /* [columns] */
    int32_t *offsets;    /* [columns + 1] */
    int32_t *entry_rows; /* [nnz] */
    float *values;       /* [nnz] */
    float *projection;   /* [rows × stride], 0 behind dimensions */
    int32_t *column_of;  /* [2^bits]: column of a bucket, −1 for none */
    /* Columns that a quarter of the rows or more have are kept once more with their zeros: adding
     * one to a vector then takes no scattered writes, which are most of the time of an embedding.
     */
    float *dense;      /* [dense columns × row_stride] */
    int32_t *dense_of; /* [columns]: number of a dense column, −1 for none */
    size_t row_stride; /* rows, rounded up to LANES */
};

static void lsa_free(struct cf_encoder *encoder)
{
    struct lsa *l = (struct lsa *)encoder;
    if (!l) {
        return;
    }
    free(l->buckets);
    free(l->idf);
    free(l->offsets);
    free(l->entry_rows);
    free(l->values);
    free(l->projection);
    free(l->column_of);
    free(l->dense);
    free(l->dense_of);
    free(l);
}

static struct lsa *lsa_new(const struct cf_model_params *params)
{
    struct lsa *l = cf_calloc(1, sizeof(*l));
    l->base.type = &cf_lsa_type;
    l->bits = params->feature_bits;
    l->bigram_weight = params->bigram_weight;
    l->ngram_weight = params->ngram_weight;
    return l;
}

static void index_buckets(struct lsa *l)
{
    size_t buckets = (size_t)1 << l->bits;
    l->column_of = cf_malloc(buckets * sizeof(*l->column_of));
    memset(l->column_of, 0xff, buckets * sizeof(*l->column_of)); /* −1 */
    for (size_t c = 0; c < l->columns; c++) {
        l->column_of[l->buckets[c]] = (int32_t)c;
    }
}

static size_t rounded(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

static void make_dense(struct lsa *l)
{
    size_t count = 0;
    l->row_stride = rounded(l->rows);
    l->dense_of = cf_malloc(l->columns * sizeof(*l->dense_of));
    for (size_t c = 0; c < l->columns; c++) {
        bool dense = (size_t)(l->offsets[c + 1] - l->offsets[c]) * 4 >= l->rows;
        l->dense_of[c] = dense ? (int32_t)count++ : -1;
    }
    l->dense = cf_calloc(count * l->row_stride, sizeof(*l->dense));
    for (size_t c = 0; c < l->columns; c++) {
        float *column =
            l->dense + (l->dense_of[c] < 0 ? 0 : (size_t)l->dense_of[c]) * l->row_stride;
        for (int32_t e = l->offsets[c]; l->dense_of[c] >= 0 && e < l->offsets[c + 1]; e++) {
            column[l->entry_rows[e]] = l->values[e];
        }
    }
}

static double inverse_frequency(double projects, double n)
{
    return log(1 + (projects - n + .5) / (n + .5));
}

/* The vector of each project, not yet weighted, and the columns with their IDF. */
static struct cf_sparse *read_projects(struct lsa *l, const struct cf_encoder_input *input)
{
    size_t buckets = (size_t)1 << l->bits;
    struct cf_features *features = cf_features_new(l->bits, l->bigram_weight, l->ngram_weight);
    struct cf_sparse *projects = cf_calloc(input->projects, sizeof(*projects));
    uint32_t *frequency = cf_calloc(buckets, sizeof(*frequency));
    for (size_t p = 0; p < input->projects; p++) {
        for (size_t i = input->first[p]; i < input->first[p + 1]; i++) {
            cf_features_add(features, input->chunks[i].text, input->chunks[i].length);
        }
        cf_features_take(features, &projects[p]);
        for (size_t i = 0; i < projects[p].count; i++) {
            l->columns += frequency[projects[p].buckets[i]]++ == 0;
        }
    }
    l->buckets = cf_calloc(l->columns, sizeof(*l->buckets));
    l->idf = cf_calloc(l->columns, sizeof(*l->idf));
    size_t c = 0;
    for (size_t b = 0; b < buckets; b++) {
        if (frequency[b]) {
            l->buckets[c] = (int32_t)b;
            l->idf[c++] = (float)inverse_frequency((double)input->projects, frequency[b]);
        }
    }
    free(frequency);
    cf_features_free(features);
    index_buckets(l);
    return projects;
}

/* The project that row r of X holds. */
static size_t row_project(const struct lsa *l, size_t projects, size_t r)
{
    return l->rows == projects ? r : r * projects / l->rows;
}

/* Weights the chosen projects' vectors, makes them length 1, and lays them out by columns. */
static void build_matrix(struct lsa *l, struct cf_sparse *projects, size_t count)
{
    l->rows = count < CF_LSA_ROWS ? count : CF_LSA_ROWS;
    l->offsets = cf_calloc(l->columns + 1, sizeof(*l->offsets));
    size_t entries = 0;
    for (size_t r = 0; r < l->rows; r++) {
        struct cf_sparse *v = &projects[row_project(l, count, r)];
        double square = 0;
        for (size_t i = 0; i < v->count; i++) {
            size_t column = (size_t)l->column_of[v->buckets[i]];
            l->offsets[column + 1]++;
            v->values[i] *= l->idf[column];
            square += (double)v->values[i] * (double)v->values[i];
        }
        for (size_t i = 0; i < v->count && square > 0; i++) {
            v->values[i] = (float)((double)v->values[i] / sqrt(square));
        }
        entries += v->count;
    }
    for (size_t c = 0; c < l->columns; c++) {
        l->offsets[c + 1] += l->offsets[c];
    }
    l->entry_rows = cf_calloc(entries, sizeof(*l->entry_rows));
    l->values = cf_calloc(entries, sizeof(*l->values));
    int32_t *next = cf_calloc(l->columns, sizeof(*next));
    memcpy(next, l->offsets, l->columns * sizeof(*next));
    for (size_t r = 0; r < l->rows; r++) {
        const struct cf_sparse *v = &projects[row_project(l, count, r)];
        for (size_t i = 0; i < v->count; i++) {
            int32_t at = next[l->column_of[v->buckets[i]]]++;
            l->entry_rows[at] = (int32_t)r;
            l->values[at] = v->values[i];
        }
    }
    free(next);
}

/* The upper triangle of XXᵀ, row by row, each from the columns' lists behind the row. */
static double *gram(const struct lsa *l, const struct cf_sparse *projects, size_t count)
{
    double *g = cf_calloc(l->rows * l->rows, sizeof(*g));
    int32_t *next = cf_calloc(l->columns, sizeof(*next)); /* first entry of a row that isn't done */
    memcpy(next, l->offsets, l->columns * sizeof(*next));
    for (size_t r = 0; r < l->rows; r++) {
        const struct cf_sparse *v = &projects[row_project(l, count, r)];
        double *row = g + r * l->rows;
        for (size_t i = 0; i < v->count; i++) {
            int32_t column = l->column_of[v->buckets[i]];
            double value = (double)v->values[i];
            for (int32_t e = next[column]; e < l->offsets[column + 1]; e++) {
                row[l->entry_rows[e]] += value * (double)l->values[e];
            }
            next[column]++;
        }
    }
    free(next);
    return g;
}

/* Makes the first of the largest components positive; those within 1e-9 of it count as largest. */
static void fix_sign(double *v, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fabs(v[i]) > largest ? fabs(v[i]) : largest;
    }
    size_t first = 0;
    while (first < n && fabs(v[first]) < largest * (1 - 1e-9)) {
        first++;
    }
    for (size_t i = 0; first < n && v[first] < 0 && i < n; i++) {
        if (i != first) {
            v[i] = -v[i];
        }
    }
    if (first < n) {
        v[first] = fabs(v[first]);
    }
}

long cf_lsa_eigen(double *a, size_t n, size_t wanted, double tolerance, double **values,
                  double **vectors)
{
    lapack_int size = (lapack_int)n;
    lapack_int first = (lapack_int)(wanted < n ? n - wanted + 1 : 1);
    lapack_int found = 0;
    lapack_int *support = cf_calloc(2 * n, sizeof(*support));
    double *w = cf_calloc(n, sizeof(*w));
    double *z = cf_calloc(n * n, sizeof(*z));
    /* the upper triangle by rows is the lower one by columns */
    lapack_int info = LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'I', 'L', size, a, size, 0, 0, first,
                                     size, 0, &found, w, z, size, support);
    free(support);
    size_t kept = 0;
    size_t all = info == 0 ? (size_t)found : 0;
    *values = cf_calloc(n, sizeof(**values));
    *vectors = cf_calloc(all * n, sizeof(**vectors));
    for (size_t i = 0; i < all; i++) { /* they come in ascending order */
        double value = w[all - 1 - i];
        if (value > 0 && value >= tolerance * w[all - 1]) {
            double *v = *vectors + kept * n;
            memcpy(v, z + (all - 1 - i) * n, n * sizeof(*v));
            fix_sign(v, n);
            (*values)[kept++] = value;
        }
    }
    free(w);
    free(z);
    return info == 0 ? (long)kept : -1;
}

static void set_projection(struct lsa *l, const double *values, const double *vectors)
{
    l->stride = rounded(l->dimensions);
    l->projection = cf_calloc(l->rows * l->stride, sizeof(*l->projection));
    for (size_t d = 0; d < l->dimensions; d++) {
        double scale = 1 / sqrt(values[d]);
        for (size_t r = 0; r < l->rows; r++) {
            l->projection[r * l->stride + d] = (float)(vectors[d * l->rows + r] * scale);
        }
    }
}

static int lsa_fit(const struct cf_encoder_input *input, const struct cf_model_params *params,
                   struct cf_encoder **out, struct cf_error *err)
{
    struct lsa *l = lsa_new(params);
    double *values = NULL;
    double *vectors = NULL;
    struct cf_sparse *projects = read_projects(l, input);
    build_matrix(l, projects, input->projects);
    make_dense(l);
    double *g = gram(l, projects, input->projects);
    for (size_t p = 0; p < input->projects; p++) {
        cf_sparse_release(&projects[p]);
    }
    free(projects);
    size_t wanted = l->rows < params->dimensions ? l->rows : params->dimensions;
    long found = cf_lsa_eigen(g, l->rows, wanted, 1e-6, &values, &vectors);
    free(g);
    if (found < 0) {
        lsa_free(&l->base);
    } else {
        l->dimensions = (size_t)found;
        set_projection(l, values, vectors);
        *out = &l->base;
    }
    free(values);
    free(vectors);
    return found < 0 ? cf_error_set(err, CF_EDATA, "the eigenvalues of the corpus can't be found")
                     : 0;
}

static size_t lsa_dimensions(const struct cf_encoder *encoder)
{
    return ((const struct lsa *)encoder)->dimensions;
}

/* y += factor × x, for n values, a multiple of LANES. */
static void add_scaled(float *restrict y, const float *restrict x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            y[i + lane] += factor * x[i + lane];
        }
    }
}

/* y = X x, x given by its buckets. y: [row_stride]. */
static void multiply(const struct lsa *l, const struct cf_sparse *x, float *restrict y)
{
    memset(y, 0, l->row_stride * sizeof(*y));
    for (size_t i = 0; i < x->count; i++) {
        int32_t column = l->column_of[x->buckets[i]];
        if (column < 0) {
            continue;
        }
        float value = x->values[i] * l->idf[column];
        if (l->dense_of[column] >= 0) {
            add_scaled(y, l->dense + (size_t)l->dense_of[column] * l->row_stride, value,
                       l->row_stride);
            continue;
        }
        for (int32_t e = l->offsets[column]; e < l->offsets[column + 1]; e++) {
            y[l->entry_rows[e]] += value * l->values[e];
        }
    }
}

/* z = Pᵀ y, divided by its length. */
static void project(const struct lsa *l, const float *y, float *restrict z, float *out)
{
    memset(z, 0, l->stride * sizeof(*z));
    for (size_t r = 0; r < l->rows; r++) {
        if (y[r] != 0) {
            add_scaled(z, l->projection + r * l->stride, y[r], l->stride);
        }
    }
    double square = 0;
    for (size_t d = 0; d < l->dimensions; d++) {
        square += (double)z[d] * (double)z[d];
    }
    double scale = square > 0 && isfinite(square) ? 1 / sqrt(square) : 0;
    for (size_t d = 0; d < l->dimensions; d++) {
        out[d] = scale > 0 ? (float)((double)z[d] * scale) : 0;
    }
}

static int lsa_embed(struct cf_encoder *encoder, const struct cf_view *texts, size_t count,
                     float *out, struct cf_error *err)
{
    (void)err;
    const struct lsa *l = (const struct lsa *)encoder;
    struct cf_features *features = cf_features_new(l->bits, l->bigram_weight, l->ngram_weight);
    struct cf_sparse x = CF_SPARSE_INIT;
    float *y = cf_calloc(l->row_stride, sizeof(*y));
    float *z = cf_calloc(l->stride, sizeof(*z));
    for (size_t i = 0; i < count; i++) {
        cf_features_add(features, texts[i].text, texts[i].length);
        cf_features_take(features, &x);
        multiply(l, &x, y);
        project(l, y, z, out + i * l->dimensions);
    }
    free(y);
    free(z);
    cf_sparse_release(&x);
    cf_features_free(features);
    return 0;
}

static void lsa_save(const struct cf_encoder *encoder, struct cf_artefacts *artefacts)
{
    const struct lsa *l = (const struct lsa *)encoder;
    struct cf_tensors tensors = CF_TENSORS_INIT;
    size_t entries = (size_t)l->offsets[l->columns];
    float *projection = cf_calloc(l->rows * l->dimensions, sizeof(*projection));
    for (size_t r = 0; r < l->rows && l->dimensions; r++) {
        memcpy(projection + r * l->dimensions, l->projection + r * l->stride,
               l->dimensions * sizeof(*projection));
    }
    cf_tensors_add(&tensors, "lsa.buckets", CF_I32, l->buckets, l->columns, 0);
    cf_tensors_add(&tensors, "lsa.idf", CF_F32, l->idf, l->columns, 0);
    cf_tensors_add(&tensors, "lsa.offsets", CF_I32, l->offsets, l->columns + 1, 0);
    cf_tensors_add(&tensors, "lsa.rows", CF_I32, l->entry_rows, entries, 0);
    cf_tensors_add(&tensors, "lsa.values", CF_F32, l->values, entries, 0);
    cf_tensors_add_matrix(&tensors, "lsa.projection", CF_F32, projection, l->rows, l->dimensions);
    struct cf_artefact *file = cf_artefacts_add(artefacts, CF_LSA_FILE, "application/octet-stream");
    cf_safetensors_write(&tensors, &file->data);
    cf_tensors_release(&tensors);
    free(projection);
}

static int load_columns(struct lsa *l, const struct cf_tensors *tensors, struct cf_error *err)
{
    int32_t last = (int32_t)(1U << l->bits) - 1;
    int code = cf_tensors_get_i32(tensors, CF_LSA_FILE, "lsa.buckets", CF_ANY, 0, last, &l->columns,
                                  &l->buckets, err);
    for (size_t c = 1; !code && c < l->columns; c++) {
        if (l->buckets[c] <= l->buckets[c - 1]) {
            code = cf_error_at(err, CF_EDATA, "load", CF_LSA_FILE,
                               "%s: tensor \"lsa.buckets\" isn't in ascending order", CF_LSA_FILE);
        }
    }
    return code ? code
                : cf_tensors_get_f32(tensors, CF_LSA_FILE, "lsa.idf", 1, &l->columns, NULL, &l->idf,
                                     err);
}

static int load_matrix(struct lsa *l, const struct cf_tensors *tensors, struct cf_error *err)
{
    const char *file = CF_LSA_FILE;
    const size_t any[2] = {CF_ANY, CF_ANY};
    size_t shape[2] = {0, 0};
    size_t entries = 0;
    float *projection = NULL;
    int code = cf_tensors_get_f32(tensors, file, "lsa.projection", 2, any, shape, &projection, err);
    if (code) {
        return code;
    }
    l->rows = shape[0];
    l->dimensions = shape[1];
    if (l->rows < 1 || l->rows > CF_LSA_ROWS || l->dimensions > 1024) {
        free(projection);
        return cf_error_at(err, CF_EDATA, "load", file,
                           "%s: tensor \"lsa.projection\" is of another shape than expected", file);
    }
    l->stride = rounded(l->dimensions);
    l->projection = cf_calloc(l->rows * l->stride, sizeof(*l->projection));
    for (size_t r = 0; r < l->rows && l->dimensions; r++) {
        memcpy(l->projection + r * l->stride, projection + r * l->dimensions,
               l->dimensions * sizeof(*projection));
    }
    free(projection);
    code = cf_tensors_get_i32(tensors, file, "lsa.rows", CF_ANY, 0, (int32_t)l->rows - 1, &entries,
                              &l->entry_rows, err);
    code =
        code ? code
             : cf_tensors_get_f32(tensors, file, "lsa.values", 1, &entries, NULL, &l->values, err);
    code = code ? code
                : cf_tensors_get_i32(tensors, file, "lsa.offsets", l->columns + 1, 0, INT32_MAX,
                                     NULL, &l->offsets, err);
    return code ? code
                : cf_tensors_check_offsets(l->offsets, l->columns + 1, entries, file, "lsa.offsets",
                                           err);
}

static int lsa_load(const struct cf_artefacts *artefacts, const struct cf_model_params *params,
                    struct cf_encoder **out, struct cf_error *err)
{
    const struct cf_artefact *file = cf_artefacts_find(artefacts, CF_LSA_FILE);
    if (!file) {
        return cf_error_at(err, CF_EDATA, "load", CF_LSA_FILE, "%s is missing", CF_LSA_FILE);
    }
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct lsa *l = lsa_new(params);
    int code = cf_safetensors_read(file->data.data, file->data.length, CF_LSA_FILE, &tensors, err);
    code = code ? code : load_columns(l, &tensors, err);
    code = code ? code : load_matrix(l, &tensors, err);
    cf_tensors_release(&tensors);
    if (code) {
        lsa_free(&l->base);
        return code;
    }
    index_buckets(l);
    make_dense(l);
    *out = &l->base;
    return 0;
}

const struct cf_encoder_type cf_lsa_type = {
    .name = "lsa-bm25",
    .fit = lsa_fit,
    .load = lsa_load,
    .save = lsa_save,
    .dimensions = lsa_dimensions,
    .embed = lsa_embed,
    .free = lsa_free,
};
