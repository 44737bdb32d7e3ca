/* Steps of training: repeatable, by any number of threads, refused without harm. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/compute_kernels.h"
#include "common/transformer/optimizer.h"
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

static const size_t few[] = {3, 2, 4, 1};

/* Steps whose batches have few words each; looked at between them, or not. */
static void few_words(struct transformer_model *m, uint64_t from, uint64_t to, bool look)
{
    for (uint64_t i = from; i < to; i++) {
        struct transformer_texts t = transformer_texts(few, 4, config.vocabulary, i + 1);
        struct cf_bert_batch batch = {t.ids, t.offsets, 2, 2};
        struct cf_bert_outcome out;
        struct cf_error err = {0};
        ck_assert_msg(!cf_bert_train_step(m->bert, &batch, &settings, &out, &err), "%s",
                      err.message);
        transformer_texts_free(&t);
        if (look) {
            (void)cf_bert_weights(m->bert);
        }
    }
}

static void same_everything(struct transformer_model *a, struct transformer_model *b)
{
    size_t bytes = a->layout.parameters * sizeof(float);
    ck_assert(same_weights(a, b));
    ck_assert(!memcmp(cf_bert_moments(a->bert, 1), cf_bert_moments(b->bert, 1), bytes));
    ck_assert(!memcmp(cf_bert_moments(a->bert, 2), cf_bert_moments(b->bert, 2), bytes));
}

/* Words that aren't in a batch take its step later, and all the same. One model is made to take it
 * at once. */
START_TEST(missed_steps_are_made_up_for)
{
    struct transformer_model *late = small(512, 2);
    struct transformer_model *prompt = small(512, 2);
    few_words(late, 0, 5, false);
    few_words(prompt, 0, 5, true);
    same_everything(late, prompt);
    few_words(late, 5, 45, false); /* more than are put off */
    few_words(prompt, 5, 45, true);
    /* by way of encoding, which reads the embeddings of any words */
    struct transformer_texts t = transformer_texts(lengths, 7, config.vocabulary, 99);
    float e[2][7 * 24];
    struct cf_error err = {0};
    ck_assert_int_eq(cf_bert_encode(late->bert, t.ids, t.offsets, 7, e[0], &err), 0);
    ck_assert_int_eq(cf_bert_encode(prompt->bert, t.ids, t.offsets, 7, e[1], &err), 0);
    ck_assert(transformer_difference(e[0], e[1], sizeof(e[0]) / sizeof(float)) == 0);
    same_everything(late, prompt);
    transformer_texts_free(&t);
    transformer_free(late);
    transformer_free(prompt);
}
END_TEST

/* The steps from … to − 1, which few_words did, of words that were in none of their batches: AdamW
 * without a gradient. */
static void dense_steps(const struct transformer_model *m, float *state[3], uint32_t from,
                        uint32_t to)
{
    float none[24] = {0};
    for (size_t word = 0; word < config.vocabulary; word++) {
        size_t at = m->layout.word_embeddings + word * config.hidden;
        for (uint32_t i = from; i < to; i++) {
            struct cf_adamw a = cf_adamw_step(settings.rate, settings.decay, 1, i);
            cf_kernels_best()->adamw(config.hidden, state[0] + at, none, state[1] + at,
                                     state[2] + at, &a, a.decay);
        }
    }
}

START_TEST(missed_steps_are_those_of_adamw)
{
    struct transformer_model *m = small(512, 2);
    size_t bytes = m->layout.parameters * sizeof(float);
    float *state[3];
    few_words(m, 0, 4, false);
    for (int i = 0; i < 3; i++) {
        state[i] = cf_malloc(bytes);
        memcpy(state[i], i ? cf_bert_moments(m->bert, i) : cf_bert_weights(m->bert), bytes);
    }
    bool used[90] = {false};
    for (uint64_t i = 4; i < 10; i++) {
        struct transformer_texts t = transformer_texts(few, 4, config.vocabulary, i + 1);
        for (size_t k = 0; k < t.offsets[4]; k++) {
            used[t.ids[k]] = true;
        }
        transformer_texts_free(&t);
    }
    few_words(m, 4, 10, false);
    dense_steps(m, state, 4, 10);
    size_t moved[2] = {0}; /* words by whether they were in an earlier batch */
    for (size_t word = 0; word < config.vocabulary; word++) {
        size_t at = m->layout.word_embeddings + word * config.hidden;
        for (int i = 0; i < 3 && !used[word]; i++) {
            const float *got = i ? cf_bert_moments(m->bert, i) : cf_bert_weights(m->bert);
            ck_assert(!memcmp(got + at, state[i] + at, config.hidden * sizeof(*got)));
        }
        moved[state[2][at] != 0] += !used[word];
    }
    ck_assert(moved[0] > 5 && moved[1] > 5);
    for (int i = 0; i < 3; i++) {
        free(state[i]);
    }
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
    tcase_add_test(tcase, missed_steps_are_made_up_for);
    tcase_add_test(tcase, missed_steps_are_those_of_adamw);
    tcase_add_test(tcase, nan_changes_nothing);
    tcase_add_test(tcase, a_checkpoint_goes_on);
    tcase_add_test(tcase, gradients_are_slopes);
    tcase_add_test(tcase, bad_batches_are_named);
    suite_add_tcase(suite, tcase);
    return suite;
}
