/* Steps of training: repeatable, by any number of threads, refused without harm. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/unit/transformer_fixture.h"

static const struct cf_bert_config config = {3, 24, 3, 40, 90, 64, 1, 1e-12F, 0, 64};
static const size_t lengths[] = {5, 1, 9, 64, 50, 33, 17};
static const struct cf_bert_settings settings = {1e-3F, 0.01F, 1, 0.1F, 7, 0};

static struct transformer_model *small(size_t tokens, size_t threads)
{
    return transformer_make(&config, (struct cf_bert_options){tokens, 8, threads, true, false});
}

static struct cf_bert_outcome step(struct transformer_model *m, const struct cf_bert_settings *s)
{
    struct transformer_texts t = transformer_texts(lengths, 7, config.vocabulary, 5);
    struct cf_bert_batch batch = {t.ids, t.offsets, 3, 4};
    struct cf_bert_outcome out;
    struct cf_error err = {0};
    ck_assert_msg(!cf_bert_train_step(m->bert, &batch, s, &out, &err), "%s", err.message);
    transformer_texts_free(&t);
    return out;
}

static bool same_weights(struct transformer_model *a, struct transformer_model *b)
{
    return !memcmp(cf_bert_weights(a->bert), cf_bert_weights(b->bert),
                   a->layout.parameters * sizeof(float));
}

START_TEST(equal_steps_give_equal_bits)
{
    struct transformer_model *a = small(512, 1);
    struct transformer_model *b = small(512, 3);
    struct transformer_model *tight = small(190, 2); /* keeps fewer layers of 179 tokens */
    for (int i = 0; i < 3; i++) {
        struct cf_bert_outcome x = step(a, &settings);
        struct cf_bert_outcome y = step(b, &settings);
        struct cf_bert_outcome z = step(tight, &settings);
        ck_assert(x.loss == y.loss && x.norm == y.norm);
        ck_assert(x.loss == z.loss && x.norm == z.norm);
        ck_assert(same_weights(a, b));
        ck_assert(same_weights(a, tight));
    }
    transformer_free(a);
    transformer_free(b);
    transformer_free(tight);
}
END_TEST

START_TEST(dropout_follows_seed_and_step)
{
    struct transformer_model *m = small(512, 2);
    struct cf_bert_settings s = settings;
    s.rate = 0; /* weights stay */
    s.decay = 0;
    double first = step(m, &s).loss;
    double second = step(m, &s).loss;
    ck_assert_uint_eq(cf_bert_steps(m->bert), 2);
    cf_bert_set_steps(m->bert, 0);
    double again = step(m, &s).loss;
    cf_bert_set_steps(m->bert, 0);
    s.seed++;
    double other = step(m, &s).loss;
    s.dropout = 0;
    double none = step(m, &s).loss;
    ck_assert(first == again);
    ck_assert(first != second && first != other && first != none && second != none);
    transformer_free(m);
}
END_TEST

static void refused(struct transformer_model *m, const char *message)
{
    size_t bytes = m->layout.parameters * sizeof(float);
    float *before = cf_malloc(bytes);
    float *moment = cf_malloc(bytes);
    memcpy(before, cf_bert_weights(m->bert), bytes);
    memcpy(moment, cf_bert_moments(m->bert, 2), bytes);
    struct transformer_texts t = transformer_texts(lengths, 7, config.vocabulary, 5);
    struct cf_bert_batch batch = {t.ids, t.offsets, 3, 4};
    struct cf_bert_outcome out;
    struct cf_error err = {0};
    uint32_t steps = cf_bert_steps(m->bert);
    ck_assert_int_eq(cf_bert_train_step(m->bert, &batch, &settings, &out, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, message));
    ck_assert(!memcmp(before, cf_bert_weights(m->bert), bytes));
    ck_assert(!memcmp(moment, cf_bert_moments(m->bert, 2), bytes));
    ck_assert_uint_eq(cf_bert_steps(m->bert), steps);
    transformer_texts_free(&t);
    free(before);
    free(moment);
}

START_TEST(nan_changes_nothing)
{
    struct transformer_model *m = small(512, 2);
    step(m, &settings);
    float *w = cf_bert_weights(m->bert) + m->layout.layers[1].up_weight;
    float kept = *w;
    *w = NAN;
    cf_bert_changed(m->bert);
    refused(m, "loss of step 2 is not finite");
    *w = kept;
    cf_bert_changed(m->bert);
    ck_assert(isfinite(step(m, &settings).loss));
    transformer_free(m);
}
END_TEST

/* A step after a checkpoint is the step that would have followed. */
START_TEST(a_checkpoint_goes_on)
{
    struct transformer_model *a = small(512, 2);
    struct transformer_model *b = small(512, 2);
    size_t bytes = a->layout.parameters * sizeof(float);
    step(a, &settings);
    memcpy(cf_bert_weights(b->bert), cf_bert_weights(a->bert), bytes);
    memcpy(cf_bert_moments(b->bert, 1), cf_bert_moments(a->bert, 1), bytes);
    memcpy(cf_bert_moments(b->bert, 2), cf_bert_moments(a->bert, 2), bytes);
    cf_bert_set_steps(b->bert, cf_bert_steps(a->bert));
    cf_bert_changed(b->bert);
    step(a, &settings);
    step(b, &settings);
    ck_assert(same_weights(a, b));
    transformer_free(a);
    transformer_free(b);
}
END_TEST

/* The gradient along a direction is what the loss does when the weights move along it, with
 * dropout: the same elements drop out. */
START_TEST(gradients_are_slopes)
{
    struct transformer_model *m = small(512, 2);
    struct cf_bert_settings s = settings;
    s.rate = 0;
    s.decay = 0;
    size_t n = m->layout.parameters;
    float *w = cf_bert_weights(m->bert);
    float *start = cf_malloc(n * sizeof(float));
    float *way = cf_malloc(n * sizeof(float));
    memcpy(start, w, n * sizeof(float));
    double norm = step(m, &s).norm;
    double along = 0;
    for (size_t i = 0; i < n; i++) {
        way[i] = cf_bert_gradients(m->bert)[i] / (float)norm;
        along += (double)way[i] * (double)cf_bert_gradients(m->bert)[i];
    }
    double losses[2];
    const float size = 2e-3F;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++) {
            w[i] = start[i] + (side ? size : -size) * way[i];
        }
        cf_bert_changed(m->bert);
        cf_bert_set_steps(m->bert, 0);
        losses[side] = step(m, &s).loss;
    }
    double slope = (losses[1] - losses[0]) / (2 * (double)size);
    ck_assert_msg(fabs(slope / along - 1) < 1e-2, "slope %g, gradient %g", slope, along);
    free(start);
    free(way);
    transformer_free(m);
}
END_TEST

START_TEST(bad_batches_are_named)
{
    struct transformer_model *m = small(64, 1);
    const size_t two[] = {3, 4};
    struct transformer_texts t = transformer_texts(two, 2, config.vocabulary, 5);
    struct cf_bert_batch batch = {t.ids, t.offsets, 1, 1};
    struct cf_bert_outcome out;
    struct cf_error err = {0};
    t.ids[5] = (int32_t)config.vocabulary;
    ck_assert_int_eq(cf_bert_train_step(m->bert, &batch, &settings, &out, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "token 2 of text 1 is 90, the vocabulary has 90");
    t.ids[5] = 0;
    t.offsets[1] = 0;
    ck_assert_int_eq(cf_bert_train_step(m->bert, &batch, &settings, &out, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "text 0 must have from 1 to 64"));
    transformer_texts_free(&t);
    t = transformer_texts(lengths + 3, 2, config.vocabulary, 5);
    batch = (struct cf_bert_batch){t.ids, t.offsets, 1, 1};
    ck_assert_int_eq(cf_bert_train_step(m->bert, &batch, &settings, &out, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "larger"));
    /* encoding takes them one after another */
    float e[48];
    ck_assert_int_eq(cf_bert_encode(m->bert, t.ids, t.offsets, 2, e, &err), 0);
    double length = 0;
    for (int i = 24; i < 48; i++) {
        length += (double)e[i] * (double)e[i];
    }
    ck_assert(fabs(length - 1) < 1e-5);
    transformer_texts_free(&t);
    transformer_free(m);
}
END_TEST

Suite *transformer_train_suite(void)
{
    Suite *suite = suite_create("transformer_train");
    TCase *tcase = tcase_create("train");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, equal_steps_give_equal_bits);
    tcase_add_test(tcase, dropout_follows_seed_and_step);
    tcase_add_test(tcase, nan_changes_nothing);
    tcase_add_test(tcase, a_checkpoint_goes_on);
    tcase_add_test(tcase, gradients_are_slopes);
    tcase_add_test(tcase, bad_batches_are_named);
    suite_add_tcase(suite, tcase);
    return suite;
}
