/* Whole encoders, every weight: the gradients of a training step against the slopes of the loss in
 * double precision (transformer_reference.h), with dropout and without, with the activations of all
 * layers kept and with some computed again, for every kind of kernels. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/transformer/bert_internal.h"
#include "common/transformer/compute_cpu.h"
#include "tests/unit/transformer_fixture.h"
#include "tests/unit/transformer_reference.h"

enum { QUERIES = 2, TEXTS = 5, TOKENS = 27, HIDDEN = 10 }; /* the last text: a hard negative */
static const size_t lengths[TEXTS] = {1, 2, 7, 13, 4};
static const struct cf_bert_config configs[] = {{3, HIDDEN, 5, 7, 11, 13, 2, 1e-5F, 0, 13},
                                                {1, HIDDEN, 2, 31, 11, 13, 1, 1e-5F, 0, 13}};

/* The weights stay. */
static struct cf_bert_settings settings(float dropout)
{
    return (struct cf_bert_settings){.dropout = dropout, .seed = 0x9876543210U, .scale = 5};
}

static struct reference_batch batch_of(const struct transformer_model *m,
                                       const struct transformer_texts *t, float dropout)
{
    struct cf_bert_settings s = settings(dropout);
    return (struct reference_batch){
        .layout = &m->layout,
        .texts = {t->count, t->offsets},
        .ids = t->ids,
        .queries = QUERIES,
        .candidates = TEXTS - QUERIES,
        .scale = (double)s.scale,
        .dropout = {.rate = dropout, .seed = s.seed, .step = cf_bert_steps(m->bert)},
    };
}

static double loss_of(const void *arg, double *const *parts)
{
    return reference_loss(arg, parts[0]);
}

/* A tensor's gradient is held to its own largest slope: float32 carries some 1e-6 of that through
 * three layers. A key's bias moves all scores of a row alike: its slopes are 0, and what is left is
 * rounding. */
static void check_tensor(const struct cf_bert_tensor *t, const float *gradient, const double *slope)
{
    double largest = 0;
    size_t n = t->rows * (t->columns ? t->columns : 1);
    for (size_t i = 0; i < n; i++) {
        largest = fabs(slope[t->offset + i]) > largest ? fabs(slope[t->offset + i]) : largest;
    }
    bool still = strstr(t->name, "key.bias") != NULL;
    double most = reference_difference(gradient + t->offset, slope + t->offset, n);
    ck_assert_msg(still ? largest < 1e-8 : largest > 1e-3, "%s: slope %g", t->name, largest);
    ck_assert_msg(most < (still ? 1e-6 : 1e-5 * largest),
                  "the gradient of %s differs by %g, the largest slope is %g", t->name, most,
                  largest);
}

static void check_step(struct transformer_model *m, const struct transformer_texts *t,
                       float dropout, double loss, const double *slopes)
{
    struct cf_bert_batch batch = {t->ids, t->offsets, QUERIES, TEXTS - QUERIES};
    struct cf_bert_settings s = settings(dropout);
    struct cf_bert_outcome out;
    struct cf_error err = {0};
    ck_assert_msg(!cf_bert_train_step(m->bert, &batch, &s, &out, &err), "%s", err.message);
    ck_assert_msg(fabs(out.loss - loss) < 5e-6, "the loss is %.8f, not %.8f", out.loss, loss);
    double squares = 0;
    for (size_t i = 0; i < m->layout.parameters; i++) {
        squares += slopes[i] * slopes[i];
    }
    ck_assert_msg(fabs(out.norm / sqrt(squares) - 1) < 1e-5, "the norm is %g", out.norm);
    for (size_t i = 0; i < m->layout.tensor_count; i++) {
        check_tensor(&m->layout.tensors[i], cf_bert_gradients(m->bert), slopes);
    }
}

/* One model with room for all layers' activations, one for two layers'. */
static void check_all(const struct cf_bert_config *config, float dropout)
{
    struct transformer_texts t = transformer_texts(lengths, TEXTS, config->vocabulary, 5);
    double *slopes = NULL;
    double loss = 0;
    for (int i = 0; i < 6; i++) {
        const struct cf_kernels *kernels[] = {cf_kernels_plain(), cf_kernels_avx2(),
                                              cf_kernels_avx512()};
        if (!kernels[i / 2]) {
            continue;
        }
        size_t room = i % 2 ? TOKENS : (size_t)4 * TOKENS;
        struct transformer_model *m =
            transformer_make(config, (struct cf_bert_options){room, TEXTS, 2, true, false});
        cf_cpu_of(m->bert->compute)->kernels = kernels[i / 2];
        cf_bert_set_steps(m->bert, 3);
        if (!slopes) {
            struct reference_batch b = batch_of(m, &t, dropout);
            struct reference_part all = {"weights", m->layout.parameters, cf_bert_weights(m->bert),
                                         NULL};
            reference_slopes(&all, 1, loss_of, &b, &slopes);
            double *weights = reference_doubles(all.x, all.n);
            loss = reference_loss(&b, weights);
            free(weights);
        }
        check_step(m, &t, dropout, loss, slopes);
        ck_assert_uint_eq(cf_activations_first(m->bert), i % 2 && config->layers > 2 ? 1 : 0);
        transformer_free(m);
    }
    free(slopes);
    transformer_texts_free(&t);
}

START_TEST(gradients_of_all_weights)
{
    check_all(&configs[_i / 2], _i % 2 ? 0.2F : 0);
}
END_TEST

/* Encoding keeps nothing: it goes its own way through the same layers, in batches of at most 13
 * tokens. */
START_TEST(embeddings_of_ragged_texts)
{
    const struct cf_kernels *kernels = reference_kernels(_i, "embeddings_of_ragged_texts");
    if (!kernels) {
        return;
    }
    struct transformer_texts t = transformer_texts(lengths, TEXTS, configs[0].vocabulary, 5);
    struct transformer_model *m =
        transformer_make(&configs[0], (struct cf_bert_options){13, 2, 2, false, false});
    cf_cpu_of(m->bert->compute)->kernels = kernels;
    float got[TEXTS * HIDDEN];
    double want[TEXTS * HIDDEN];
    struct cf_error err = {0};
    ck_assert_msg(!cf_bert_encode(m->bert, t.ids, t.offsets, TEXTS, got, &err), "%s", err.message);
    struct reference_batch b = batch_of(m, &t, 0);
    double *weights = reference_doubles(cf_bert_weights(m->bert), m->layout.parameters);
    reference_encode(&b, weights, want);
    double most = reference_difference(got, want, (size_t)TEXTS * HIDDEN);
    ck_assert_msg(most < 2e-6, "embeddings differ by %g", most);
    free(weights);
    transformer_free(m);
    transformer_texts_free(&t);
}
END_TEST

Suite *transformer_layers_suite(void)
{
    Suite *suite = suite_create("transformer_layers");
    TCase *tcase = tcase_create("layers");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, gradients_of_all_weights, 0, 4);
    tcase_add_loop_test(tcase, embeddings_of_ragged_texts, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite;
}
