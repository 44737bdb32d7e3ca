#include "tests/unit/transformer_reference.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/unit/transformer_fixture.h"

/* --- dropout -------------------------------------------------------------------------------------
 */

void reference_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k[2] = {key[0], key[1]};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53 * c[0];
        uint64_t b = (uint64_t)0xCD9E8D57 * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a};
        memcpy(c, next, sizeof(c));
        k[0] += 0x9E3779B9; /* the golden ratio */
        k[1] += 0xBB67AE85; /* √3 − 1 */
    }
    memcpy(out, c, sizeof(c));
}

/* Columns come in blocks of 64: 16 counters of 4 words, word by word. */
double reference_factor(const struct cf_dropout *d, size_t row, size_t column)
{
    if (!d || !(d->rate > 0)) {
        return 1;
    }
    size_t in_block = column % 64;
    size_t word = in_block / 16;
    uint32_t counter[4] = {(uint32_t)(column / 64 * 16 + in_block % 16), (uint32_t)row, d->site,
                           d->step};
    uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
    uint32_t words[4];
    reference_philox(counter, key, words);
    double share = (double)words[word] / 4294967296.;
    return share < (double)d->rate ? 0 : 1 / (1 - (double)d->rate);
}

/* --- operations ----------------------------------------------------------------------------------
 */

double reference_gelu(double z)
{
    return z * 0.5 * erfc(-z / sqrt(2));
}

void reference_linear(size_t rows, size_t in, size_t out, const double *x, const double *weight,
                      const double *bias, double *y)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < out; o++) {
            double total = bias ? bias[o] : 0;
            for (size_t i = 0; i < in; i++) {
                total += x[r * in + i] * weight[o * in + i];
            }
            y[r * out + o] = total;
        }
    }
}

void reference_norm(const struct reference_norm *a, double *y)
{
    double *s = cf_calloc(a->n, sizeof(*s));
    for (size_t r = 0; r < a->rows; r++) {
        double mean = 0;
        double variance = 0;
        for (size_t j = 0; j < a->n; j++) {
            s[j] = (a->x[r * a->n + j] + (a->bias ? a->bias[j] : 0)) *
                       reference_factor(a->dropout, r, j) +
                   (a->residual ? a->residual[r * a->n + j] : 0);
            mean += s[j] / (double)a->n;
        }
        for (size_t j = 0; j < a->n; j++) {
            variance += (s[j] - mean) * (s[j] - mean) / (double)a->n;
        }
        for (size_t j = 0; j < a->n; j++) {
            y[r * a->n + j] = (s[j] - mean) / sqrt(variance + a->eps) * a->gamma[j] + a->beta[j];
        }
    }
    free(s);
}

/* One head of one text; q is its first number, row the batch's first row of the text. */
static void attend(size_t tokens, size_t row, size_t d, size_t hidden, const double *q,
                   const struct cf_dropout *dropout, double *context)
{
    double *share = cf_calloc(tokens, sizeof(*share));
    for (size_t i = 0; i < tokens; i++) {
        double total = 0;
        for (size_t j = 0; j < tokens; j++) {
            double score = 0;
            for (size_t k = 0; k < d; k++) {
                score += q[i * 3 * hidden + k] * q[j * 3 * hidden + hidden + k];
            }
            share[j] = exp(score / sqrt((double)d));
            total += share[j];
        }
        for (size_t k = 0; k < d; k++) {
            context[i * hidden + k] = 0;
        }
        for (size_t j = 0; j < tokens; j++) {
            double factor = reference_factor(dropout, row + i, j) * share[j] / total;
            for (size_t k = 0; k < d; k++) {
                context[i * hidden + k] += factor * q[j * 3 * hidden + 2 * hidden + k];
            }
        }
    }
    free(share);
}

void reference_attention(const struct cf_texts *texts, size_t heads, size_t hidden,
                         const double *qkv, const struct cf_dropout *dropout, double *context)
{
    size_t d = hidden / heads;
    for (size_t text = 0; text < texts->count; text++) {
        size_t first = texts->offsets[text];
        for (size_t head = 0; head < heads; head++) {
            struct cf_dropout own = dropout ? *dropout : (struct cf_dropout){0};
            own.site += (uint32_t)head;
            attend(texts->offsets[text + 1] - first, first, d, hidden,
                   qkv + first * 3 * hidden + head * d, &own, context + first * hidden + head * d);
        }
    }
}

void reference_embed(const struct cf_texts *texts, const int32_t *ids, size_t n,
                     const double *words, const double *positions, const double *types, double *s)
{
    for (size_t text = 0; text < texts->count; text++) {
        size_t first = texts->offsets[text];
        for (size_t row = first; row < texts->offsets[text + 1]; row++) {
            for (size_t j = 0; j < n; j++) {
                s[row * n + j] =
                    words[(size_t)ids[row] * n + j] + positions[(row - first) * n + j] + types[j];
            }
        }
    }
}

void reference_pool(const struct cf_texts *texts, size_t n, const double *y, double *embeddings)
{
    for (size_t text = 0; text < texts->count; text++) {
        double *e = embeddings + text * n;
        double squares = 0;
        size_t first = texts->offsets[text];
        size_t end = texts->offsets[text + 1];
        for (size_t j = 0; j < n; j++) {
            e[j] = 0;
            for (size_t row = first; row < end; row++) {
                e[j] += y[row * n + j] / (double)(end - first);
            }
            squares += e[j] * e[j];
        }
        for (size_t j = 0; j < n; j++) {
            e[j] /= sqrt(squares);
        }
    }
}

double reference_ranking(size_t queries, size_t candidates, size_t n, const double *q,
                         const double *c, double scale)
{
    double loss = 0;
    for (size_t i = 0; i < queries; i++) {
        double total = 0;
        double right = 0;
        for (size_t j = 0; j < candidates; j++) {
            double score = 0;
            for (size_t k = 0; k < n; k++) {
                score += scale * q[i * n + k] * c[j * n + k];
            }
            total += exp(score);
            right = j == i ? score : right;
        }
        loss += (log(total) - right) / (double)queries;
    }
    return loss;
}

/* --- the whole model -----------------------------------------------------------------------------
 */

static struct cf_dropout at_site(const struct reference_batch *b, size_t site)
{
    struct cf_dropout d = b->dropout;
    d.site = (uint32_t)site;
    return d;
}

/* x [rows, hidden] → the layer's output, in x. room: [rows, 5 hidden + ffn] */
static void layer(const struct reference_batch *b, const double *w, size_t index, double *x,
                  double *room)
{
    const struct cf_bert_config *c = &b->layout->config;
    const struct cf_bert_layer *l = &b->layout->layers[index];
    size_t rows = b->texts.offsets[b->texts.count];
    size_t h = c->hidden;
    size_t site = 1 + index * (c->heads + 2);
    double *qkv = room;
    double *context = room + rows * 3 * h;
    double *t = context + rows * h;
    double *z = t + rows * h;
    const size_t parts[3][2] = {{l->query_weight, l->query_bias},
                                {l->key_weight, l->key_bias},
                                {l->value_weight, l->value_bias}};
    for (size_t i = 0; i < 3; i++) {
        reference_linear(rows, h, h, x, w + parts[i][0], w + parts[i][1], t);
        for (size_t r = 0; r < rows; r++) {
            memcpy(qkv + r * 3 * h + i * h, t + r * h, h * sizeof(*t));
        }
    }
    struct cf_dropout d = at_site(b, site);
    reference_attention(&b->texts, c->heads, h, qkv, &d, context);
    reference_linear(rows, h, h, context, w + l->output_weight, NULL, t);
    struct cf_dropout behind = at_site(b, site + c->heads);
    struct reference_norm norm = {rows,
                                  h,
                                  t,
                                  w + l->output_bias,
                                  x,
                                  w + l->attention_norm_weight,
                                  w + l->attention_norm_bias,
                                  (double)c->layernorm_eps,
                                  &behind};
    reference_norm(&norm, x);
    reference_linear(rows, h, c->ffn, x, w + l->up_weight, w + l->up_bias, z);
    for (size_t i = 0; i < rows * c->ffn; i++) {
        z[i] = reference_gelu(z[i]);
    }
    reference_linear(rows, c->ffn, h, z, w + l->down_weight, NULL, t);
    behind.site++;
    norm.bias = w + l->down_bias;
    norm.gamma = w + l->norm_weight;
    norm.beta = w + l->norm_bias;
    reference_norm(&norm, x);
}

void reference_encode(const struct reference_batch *b, const double *w, double *embeddings)
{
    const struct cf_bert_layout *y = b->layout;
    size_t rows = b->texts.offsets[b->texts.count];
    size_t h = y->config.hidden;
    double *x = cf_calloc(rows * (6 * h + y->config.ffn), sizeof(*x));
    reference_embed(&b->texts, b->ids, h, w + y->word_embeddings, w + y->position_embeddings,
                    w + y->type_embeddings, x);
    struct reference_norm norm = {.rows = rows,
                                  .n = h,
                                  .x = x,
                                  .gamma = w + y->embedding_norm_weight,
                                  .beta = w + y->embedding_norm_bias,
                                  .eps = (double)y->config.layernorm_eps};
    reference_norm(&norm, x);
    struct cf_dropout d = at_site(b, 0);
    for (size_t i = 0; i < rows * h; i++) {
        x[i] *= reference_factor(&d, i / h, i % h);
    }
    for (size_t i = 0; i < y->config.layers; i++) {
        layer(b, w, i, x, x + rows * h);
    }
    reference_pool(&b->texts, h, x, embeddings);
    free(x);
}

double reference_loss(const struct reference_batch *b, const double *weights)
{
    size_t h = b->layout->config.hidden;
    double *e = cf_calloc(b->texts.count * h, sizeof(*e));
    reference_encode(b, weights, e);
    double loss = reference_ranking(b->queries, b->candidates, h, e, e + b->queries * h, b->scale);
    free(e);
    return loss;
}

/* --- comparing -----------------------------------------------------------------------------------
 */

double *reference_doubles(const float *x, size_t n)
{
    double *result = cf_calloc(n + 1, sizeof(*result));
    for (size_t i = 0; i < n; i++) {
        result[i] = (double)x[i];
    }
    return result;
}

double reference_weigh(const double *x, size_t n, uint64_t seed)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        total += x[i] * (double)transformer_random(&seed);
    }
    return total;
}

double reference_difference(const float *got, const double *want, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d <= most)) {
            most = isnan(d) ? INFINITY : d;
        }
    }
    return most;
}

/* The error of a central difference is h²/6 times the third derivative, about 1e-9, and the loss's
 * own rounding over h, about 1e-11: far below what float32 does to a gradient. */
static const double STEP = 1e-4;

static double slope(reference_function *f, const void *arg, double *const *parts, double *x)
{
    double at = *x;
    *x = at + STEP;
    double above = f(arg, parts);
    *x = at - STEP;
    double below = f(arg, parts);
    *x = at;
    return (above - below) / (2 * STEP);
}

static void check_part(const struct reference_part *p, const double *want, double relative,
                       double absolute)
{
    double largest = 0;
    for (size_t i = 0; i < p->n; i++) {
        largest = fabs(want[i]) > largest ? fabs(want[i]) : largest;
    }
    for (size_t i = 0; i < p->n; i++) {
        double error = fabs((double)p->gradient[i] - want[i]);
        if (!(error <= relative * largest + absolute)) {
            ck_abort_msg("the gradient of %s[%zu] is %.9g, the slope %.9g; the largest is %g",
                         p->name, i, (double)p->gradient[i], want[i], largest);
        }
    }
}

void reference_slopes(const struct reference_part *parts, size_t count, reference_function *f,
                      const void *arg, double **slopes)
{
    double **x = cf_calloc(count, sizeof(*x));
    for (size_t i = 0; i < count; i++) {
        x[i] = reference_doubles(parts[i].x, parts[i].n);
    }
    for (size_t i = 0; i < count; i++) {
        slopes[i] = cf_calloc(parts[i].n + 1, sizeof(**slopes));
        for (size_t k = 0; k < parts[i].n; k++) {
            slopes[i][k] = slope(f, arg, x, x[i] + k);
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(x[i]);
    }
    free(x);
}

void reference_check(const struct reference_part *parts, size_t count, reference_function *f,
                     const void *arg, double relative, double absolute)
{
    double **slopes = cf_calloc(count, sizeof(*slopes));
    reference_slopes(parts, count, f, arg, slopes);
    for (size_t i = 0; i < count; i++) {
        check_part(&parts[i], slopes[i], relative, absolute);
        free(slopes[i]);
    }
    free(slopes);
}

const struct cf_kernels *reference_kernels(int which, const char *test)
{
    static const char *const names[] = {"plain", "AVX2", "AVX-512"};
    const struct cf_kernels *kernels = which == 0   ? cf_kernels_plain()
                                       : which == 1 ? cf_kernels_avx2()
                                                    : cf_kernels_avx512();
    if (!kernels) {
        (void)fprintf(stderr, "# SKIP %s: this CPU has no %s\n", test, names[which]);
    }
    return kernels;
}
