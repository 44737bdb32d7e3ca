#include "tests/unit/transformer_fixture.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

float transformer_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (float)((double)(*state >> 33) / (double)(1U << 30) - 1);
}

void transformer_fill(float *x, size_t n, float size, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = size * transformer_random(&seed);
    }
}

struct transformer_model *transformer_make(const struct cf_bert_config *config,
                                           struct cf_bert_options options)
{
    struct transformer_model *m = cf_calloc(1, sizeof(*m));
    struct cf_error err = {0};
    ck_assert_msg(!cf_bert_layout_make(config, &m->layout, &err), "%s", err.message);
    ck_assert_msg(!cf_bert_new(&m->layout, &options, &m->bert, &err), "%s", err.message);
    float *weights = cf_bert_weights(m->bert);
    for (size_t i = 0; i < m->layout.tensor_count; i++) {
        const struct cf_bert_tensor *t = &m->layout.tensors[i];
        size_t n = t->rows * (t->columns ? t->columns : 1);
        transformer_fill(weights + t->offset, n, t->columns ? 0.3F : 0.1F, i + 1);
        if (strstr(t->name, "LayerNorm.weight")) {
            for (size_t k = 0; k < n; k++) {
                weights[t->offset + k] += 1;
            }
        }
    }
    cf_bert_changed(m->bert);
    return m;
}

void transformer_free(struct transformer_model *m)
{
    cf_bert_free(m->bert);
    cf_bert_layout_release(&m->layout);
    free(m);
}

struct transformer_texts transformer_texts(const size_t *lengths, size_t count, size_t vocabulary,
                                           uint64_t seed)
{
    struct transformer_texts t = {.count = count};
    t.offsets = cf_calloc(count + 1, sizeof(*t.offsets));
    for (size_t i = 0; i < count; i++) {
        t.offsets[i + 1] = t.offsets[i] + lengths[i];
    }
    t.ids = cf_calloc(t.offsets[count] + 1, sizeof(*t.ids));
    for (size_t i = 0; i < t.offsets[count]; i++) {
        double share = ((double)transformer_random(&seed) + 1) / 2;
        t.ids[i] = (int32_t)(share * (double)vocabulary * 0.999);
    }
    return t;
}

void transformer_texts_free(struct transformer_texts *t)
{
    free(t->ids);
    free(t->offsets);
}

double transformer_difference(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most)) {
            most = isnan(d) ? INFINITY : d;
        }
    }
    return most;
}

double transformer_largest(const float *a, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fabs((double)a[i]) > most ? fabs((double)a[i]) : most;
    }
    return most;
}
