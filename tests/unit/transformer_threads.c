/* One, two and three threads give the same bits, in float32 and in bfloat16, with dropout and
 * without; and bfloat16 is near float32. The batch is larger than every block that threads share:
 * more than 512 rows, 96 columns and 32 texts' heads. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/unit/transformer_fixture.h"

static const struct cf_bert_config config = {3, 48, 3, 200, 90, 64, 1, 1e-12F, 0, 64};
static const size_t lengths[] = {5, 1, 9, 3, 2, 64, 50, 64, 64, 33, 64, 64, 17, 64, 63};
enum { TEXTS = sizeof(lengths) / sizeof(lengths[0]), QUERIES = 5, TOKENS = 567 };

static struct transformer_model *make(size_t threads, bool bf16)
{
    return transformer_make(&config, (struct cf_bert_options){TOKENS, TEXTS, threads, true, bf16});
}

static struct cf_bert_outcome step(struct transformer_model *m, float dropout, uint64_t seed)
{
    struct transformer_texts t = transformer_texts(lengths, TEXTS, config.vocabulary, seed);
    struct cf_bert_batch batch = {t.ids, t.offsets, QUERIES, TEXTS - QUERIES};
    struct cf_bert_settings s = {2e-3F, 0.01F, 1, dropout, 7, 0};
    struct cf_bert_outcome out;
    struct cf_error err = {0};
    ck_assert_msg(!cf_bert_train_step(m->bert, &batch, &s, &out, &err), "%s", err.message);
    transformer_texts_free(&t);
    return out;
}

static float *embeddings(struct transformer_model *m)
{
    struct transformer_texts t = transformer_texts(lengths, TEXTS, config.vocabulary, 5);
    float *e = cf_calloc((size_t)TEXTS * config.hidden, sizeof(*e));
    struct cf_error err = {0};
    ck_assert_msg(!cf_bert_encode(m->bert, t.ids, t.offsets, TEXTS, e, &err), "%s", err.message);
    transformer_texts_free(&t);
    return e;
}

static bool can(bool bf16, const char *test)
{
    if (bf16 && !cf_bert_has_bf16()) {
        (void)fprintf(stderr, "# SKIP %s: this CPU has no products in bfloat16\n", test);
        return false;
    }
    return true;
}

static void check_same(const char *what, const float *a, const float *b, size_t n)
{
    ck_assert_msg(transformer_difference(a, b, n) == 0, "%s differ", what);
}

static void check_same_models(struct transformer_model *a, struct transformer_model *b)
{
    size_t n = a->layout.parameters;
    check_same("gradients", cf_bert_gradients(a->bert), cf_bert_gradients(b->bert), n);
    check_same("weights", cf_bert_weights(a->bert), cf_bert_weights(b->bert), n);
    check_same("means", cf_bert_moments(a->bert, 1), cf_bert_moments(b->bert, 1), n);
    check_same("squares", cf_bert_moments(a->bert, 2), cf_bert_moments(b->bert, 2), n);
    float *x = embeddings(a);
    float *y = embeddings(b);
    check_same("embeddings", x, y, (size_t)TEXTS * config.hidden);
    free(x);
    free(y);
}

/* Dropout or none, float32 or bfloat16. */
START_TEST(threads_change_no_bit)
{
    const float dropout = _i % 2 ? 0.1F : 0;
    struct transformer_model *models[3];
    if (!can(_i / 2, "threads_change_no_bit")) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        models[i] = make(i + 1, _i / 2);
        check_same_models(models[0], models[i]);
    }
    for (uint64_t seed = 1; seed < 4; seed++) {
        struct cf_bert_outcome one = step(models[0], dropout, seed);
        for (size_t i = 1; i < 3; i++) {
            struct cf_bert_outcome more = step(models[i], dropout, seed);
            ck_assert(one.loss == more.loss && one.norm == more.norm);
            check_same_models(models[0], models[i]);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        transformer_free(models[i]);
    }
}
END_TEST

static double length_of(const float *x, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        total += (double)x[i] * (double)x[i];
    }
    return sqrt(total);
}

/* bfloat16 has 8 bits: each factor is off by up to 1/512, at random. Over three layers the
 * embeddings differ by a few thousandths, and each tensor's gradient by one to three hundredths of
 * its length; but for a key's bias, whose gradient is rounding. */
START_TEST(bfloat16_is_near_float32)
{
    if (!can(true, "bfloat16_is_near_float32")) {
        return;
    }
    struct transformer_model *full = make(2, false);
    struct transformer_model *half = make(2, true);
    float *x = embeddings(full);
    float *y = embeddings(half);
    double most = transformer_difference(x, y, (size_t)TEXTS * config.hidden);
    ck_assert_msg(most < 1e-2 && most > 0, "embeddings differ by %g", most);
    struct cf_bert_outcome a = step(full, 0.1F, 1);
    struct cf_bert_outcome b = step(half, 0.1F, 1);
    ck_assert_msg(fabs(b.loss / a.loss - 1) < 1e-2, "losses: %g and %g", a.loss, b.loss);
    ck_assert_msg(fabs(b.norm / a.norm - 1) < 1e-2, "norms: %g and %g", a.norm, b.norm);
    for (size_t i = 0; i < full->layout.tensor_count; i++) {
        const struct cf_bert_tensor *t = &full->layout.tensors[i];
        size_t n = t->rows * (t->columns ? t->columns : 1);
        const float *want = cf_bert_gradients(full->bert) + t->offset;
        const float *got = cf_bert_gradients(half->bert) + t->offset;
        float *difference = cf_malloc(n * sizeof(*difference));
        for (size_t k = 0; k < n; k++) {
            difference[k] = got[k] - want[k];
        }
        double share = length_of(difference, n) / length_of(want, n);
        bool rounding = strstr(t->name, "key.bias") != NULL;
        ck_assert_msg(rounding ? length_of(got, n) < 1e-3 : share < 0.05,
                      "the gradient of %s differs by %g", t->name, share);
        free(difference);
    }
    free(x);
    free(y);
    transformer_free(full);
    transformer_free(half);
}
END_TEST

/* The same batch again and again is learnt. */
START_TEST(training_reduces_the_loss)
{
    if (!can(_i, "training_reduces_the_loss")) {
        return;
    }
    struct transformer_model *m = make(2, _i);
    double first = step(m, 0.1F, 1).loss;
    double last = first;
    for (int i = 0; i < 20; i++) {
        last = step(m, 0.1F, 1).loss;
    }
    ck_assert_msg(last < first / 4, "%g, then %g", first, last);
    transformer_free(m);
}
END_TEST

Suite *transformer_threads_suite(void)
{
    Suite *suite = suite_create("transformer_threads");
    TCase *tcase = tcase_create("threads");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, threads_change_no_bit, 0, 4);
    tcase_add_test(tcase, bfloat16_is_near_float32);
    tcase_add_loop_test(tcase, training_reduces_the_loss, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
