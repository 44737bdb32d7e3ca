/* Steps that are refused, because of numbers that aren't finite or of a bad batch, leave nothing
 * behind: weights, moments and steps are the same bits, and so is the step that follows. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/unit/transformer_fixture.h"

static const struct cf_bert_config config = {2, 15, 3, 22, 40, 20, 2, 1e-12F, 0, 20};
static const size_t lengths[] = {4, 9, 6, 20, 1};
static const struct cf_bert_settings settings = {1e-2F, 0.01F, 1, 0.1F, 7, 0};
enum { TEXTS = 5, QUERIES = 2 };

static struct transformer_model *make(void)
{
    return transformer_make(&config, (struct cf_bert_options){40, TEXTS, 2, true, false});
}

static int try_step(struct transformer_model *m, const struct transformer_texts *t,
                    const struct cf_bert_settings *s, struct cf_bert_outcome *out,
                    struct cf_error *err)
{
    struct cf_bert_batch batch = {t->ids, t->offsets, QUERIES, t->count - QUERIES};
    *err = (struct cf_error){0};
    return cf_bert_train_step(m->bert, &batch, s, out, err);
}

static void good_step(struct transformer_model *m, uint64_t seed)
{
    struct transformer_texts t = transformer_texts(lengths, TEXTS, config.vocabulary / 2, seed);
    struct cf_bert_outcome out;
    struct cf_error err;
    ck_assert_msg(!try_step(m, &t, &settings, &out, &err), "%s", err.message);
    ck_assert(isfinite(out.loss) && isfinite(out.norm));
    transformer_texts_free(&t);
}

/* Weights and both moments. */
static float *state_of(struct transformer_model *m)
{
    size_t n = m->layout.parameters;
    float *state = cf_malloc(3 * n * sizeof(*state));
    memcpy(state, cf_bert_weights(m->bert), n * sizeof(*state));
    memcpy(state + n, cf_bert_moments(m->bert, 1), n * sizeof(*state));
    memcpy(state + 2 * n, cf_bert_moments(m->bert, 2), n * sizeof(*state));
    return state;
}

/* Bits, because a weight may be NaN. */
static bool same(const float *a, const float *b, size_t n)
{
    return !memcmp((const void *)a, (const void *)b, n * sizeof(*a));
}

/* The words of these texts are others than those of good steps: what a refused step does to their
 * gradients must not come back. */
static struct transformer_texts other_words(void)
{
    struct transformer_texts t = transformer_texts(lengths, TEXTS, config.vocabulary / 2, 3);
    for (size_t i = 0; i < t.offsets[TEXTS]; i++) {
        t.ids[i] += (int32_t)config.vocabulary / 2;
    }
    return t;
}

static void refused(struct transformer_model *m, const struct transformer_texts *t,
                    const struct cf_bert_settings *s, int code, const char *message)
{
    struct cf_bert_outcome out;
    struct cf_error err;
    size_t n = 3 * m->layout.parameters;
    float *before = state_of(m);
    uint32_t steps = cf_bert_steps(m->bert);
    int rc = try_step(m, t, s, &out, &err);
    ck_assert_msg(rc == code && err.code == code, "%d: %s, not: %s", rc, err.message, message);
    ck_assert_msg(!strcmp(err.message, message), "%s, not: %s", err.message, message);
    float *after = state_of(m);
    ck_assert(same(before, after, n));
    ck_assert_uint_eq(cf_bert_steps(m->bert), steps);
    free(before);
    free(after);
}

/* The step after is that of a model to which nothing happened. */
static void goes_on(struct transformer_model *m)
{
    struct transformer_model *calm = make();
    good_step(calm, 1);
    for (uint64_t seed = 1; seed < 4; seed++) {
        good_step(m, seed);
        good_step(calm, seed);
        float *a = state_of(m);
        float *b = state_of(calm);
        ck_assert(same(a, b, 3 * m->layout.parameters));
        free(a);
        free(b);
    }
    transformer_free(calm);
}

/* What makes the loss infinite or NaN. */
static const struct {
    const char *tensor; /* of its weights, the third is … */
    float value;
} spoilt[] = {
    {"embeddings.word_embeddings.weight", NAN},
    {"embeddings.position_embeddings.weight", INFINITY},
    {"embeddings.LayerNorm.weight", 3e38F},
    {"encoder.layer.0.attention.self.query.weight", INFINITY},
    {"encoder.layer.0.attention.self.key.bias", -INFINITY},
    {"encoder.layer.1.attention.self.value.weight", NAN},
    {"encoder.layer.1.attention.output.dense.bias", 3.4e38F},
    {"encoder.layer.1.intermediate.dense.weight", NAN},
    {"encoder.layer.1.output.dense.weight", INFINITY},
    {"encoder.layer.1.output.LayerNorm.bias", NAN},
    {"encoder.layer.1.output.LayerNorm.bias", INFINITY},
};
enum { SPOILT = sizeof(spoilt) / sizeof(spoilt[0]) };

static float *third_weight(struct transformer_model *m, const char *tensor)
{
    for (size_t i = 0; i < m->layout.tensor_count; i++) {
        if (!strcmp(m->layout.tensors[i].name, tensor)) {
            /* of word embeddings: the first word that refused batches have */
            size_t at = strstr(tensor, "word_") ? config.vocabulary / 2 * config.hidden : 2;
            return cf_bert_weights(m->bert) + m->layout.tensors[i].offset + at;
        }
    }
    ck_abort_msg("no tensor %s", tensor);
    return NULL;
}

START_TEST(losses_that_are_not_finite)
{
    struct transformer_model *m = make();
    struct transformer_texts t = other_words();
    good_step(m, 1);
    float *weight = third_weight(m, spoilt[_i].tensor);
    float kept = *weight;
    *weight = spoilt[_i].value;
    t.ids[0] = (int32_t)config.vocabulary / 2;
    cf_bert_changed(m->bert);
    refused(m, &t, &settings, CF_EDATA, "the loss of step 2 is not finite");
    *weight = kept;
    cf_bert_changed(m->bert);
    goes_on(m);
    transformer_texts_free(&t);
    transformer_free(m);
}
END_TEST

/* --- gradients that aren't finite where the loss is ----------------------------------------------
 */

/* Each query is the other one's candidate: the loss is large, but less so than its slope, which
 * small numbers at the end make steeper. All gradients are infinite or NaN. */
START_TEST(a_loss_that_is_too_steep)
{
    struct transformer_model *m = make();
    const size_t equal[] = {4, 4, 4, 4};
    struct transformer_texts t = transformer_texts(equal, 4, config.vocabulary, 3);
    memcpy(t.ids + 8, t.ids + 4, 4 * sizeof(*t.ids));
    memcpy(t.ids + 12, t.ids, 4 * sizeof(*t.ids));
    good_step(m, 1);
    float *before = state_of(m);
    float *w = cf_bert_weights(m->bert);
    for (size_t i = 0; i < config.hidden; i++) {
        w[m->layout.layers[1].norm_weight + i] *= 1e-6F;
        w[m->layout.layers[1].norm_bias + i] *= 1e-6F;
    }
    cf_bert_changed(m->bert);
    struct cf_bert_settings s = settings;
    s.dropout = 0;
    s.scale = 3e38F;
    refused(m, &t, &s, CF_EDATA, "the gradient of step 2 is not finite");
    memcpy(w, before, m->layout.parameters * sizeof(*w));
    cf_bert_changed(m->bert);
    goes_on(m);
    free(before);
    transformer_texts_free(&t);
    transformer_free(m);
}
END_TEST

/* Words whose embeddings are tiny, below √eps, get gradients of up to 1 / √eps times the others';
 * the weights of the norm behind them are so large that it matters. */
static void make_words_steep(struct transformer_model *m)
{
    size_t n = config.hidden;
    float *w = cf_bert_weights(m->bert);
    memset(w + m->layout.position_embeddings, 0, config.positions * n * sizeof(*w));
    memset(w + m->layout.type_embeddings, 0, config.types * n * sizeof(*w));
    transformer_fill(w + m->layout.word_embeddings, config.vocabulary * n, 1e-36F, 1);
    for (size_t i = 0; i < n; i++) {
        w[m->layout.embedding_norm_weight + i] = 1e30F; /* · √(1 / eps) · 1e-36 = 1 */
    }
    cf_bert_changed(m->bert);
}

/* The least scale of the loss at which a gradient is infinite: at that, hardly more than one number
 * is, and none is NaN. The norm must say so. */
static float least_scale(const struct transformer_texts *t)
{
    struct transformer_model *scout = make();
    struct cf_bert_settings s = {.clip = 1};
    struct cf_bert_outcome out;
    struct cf_error err;
    float low = 1;
    float high = 1e8F;
    make_words_steep(scout);
    while (high / low > 1.00001F) {
        s.scale = sqrtf(low) * sqrtf(high);
        *(try_step(scout, t, &s, &out, &err) ? &high : &low) = s.scale;
    }
    s.scale = high;
    ck_assert_int_eq(try_step(scout, t, &s, &out, &err), CF_EDATA);
    ck_assert_msg(isinf(out.norm), "the norm is %g", out.norm);
    transformer_free(scout);
    return high;
}

/* One infinite number; then many that are NaN. */
START_TEST(words_that_are_too_steep)
{
    struct transformer_model *m = make();
    struct transformer_texts t = other_words();
    struct cf_bert_settings s = settings;
    s.dropout = 0;
    s.scale = _i ? 1e6F : least_scale(&t);
    good_step(m, 1);
    float *before = state_of(m);
    make_words_steep(m);
    refused(m, &t, &s, CF_EDATA, "the gradient of step 2 is not finite");
    memcpy(cf_bert_weights(m->bert), before, m->layout.parameters * sizeof(*before));
    cf_bert_changed(m->bert);
    goes_on(m);
    free(before);
    transformer_texts_free(&t);
    transformer_free(m);
}
END_TEST

/* --- bad batches ---------------------------------------------------------------------------------
 */

static void with_lengths(struct transformer_model *m, const size_t *sizes, size_t count, int code,
                         const char *message)
{
    struct transformer_texts t = transformer_texts(sizes, count, config.vocabulary, 3);
    refused(m, &t, &settings, code, message);
    transformer_texts_free(&t);
}

START_TEST(batches_of_bad_texts)
{
    struct transformer_model *m = make();
    struct transformer_texts t = other_words();
    good_step(m, 1);
    with_lengths(m, (const size_t[]){3, 0, 2, 2, 1}, 5, CF_EDATA,
                 "text 1 must have from 1 to 20 tokens, and has 0");
    with_lengths(m, (const size_t[]){3, 1, 2, 2, 0}, 5, CF_EDATA,
                 "text 4 must have from 1 to 20 tokens, and has 0");
    with_lengths(m, (const size_t[]){3, 1, 2, 21, 4}, 5, CF_EDATA,
                 "text 3 must have from 1 to 20 tokens, and has 21");
    with_lengths(m, (const size_t[]){20, 10, 5, 4, 2}, 5, CF_EDATA,
                 "a batch of 5 texts, 41 tokens is larger than the 5 and 40 that the model was "
                 "made for");
    with_lengths(m, (const size_t[]){2, 1, 1, 1, 1, 1}, 6, CF_EDATA,
                 "a batch of 6 texts, 7 tokens is larger than the 5 and 40 that the model was "
                 "made for");
    with_lengths(m, (const size_t[]){2, 1, 1}, 3, CF_EUSAGE,
                 "a batch needs queries and for each a candidate, not 2 and 1");
    t.ids[4 + 8] = 40;
    refused(m, &t, &settings, CF_EDATA, "token 8 of text 1 is 40, the vocabulary has 40");
    t.ids[4 + 8] = -1;
    refused(m, &t, &settings, CF_EDATA, "token 8 of text 1 is -1, the vocabulary has 40");
    t.ids[4 + 8] = 39;
    t.offsets[2] = 3; /* text 1 ends before it begins */
    refused(m, &t, &settings, CF_EDATA, "text 1 must have from 1 to 20 tokens, and has 0");
    goes_on(m);
    transformer_texts_free(&t);
    transformer_free(m);
}
END_TEST

START_TEST(settings_that_make_no_sense)
{
    struct transformer_model *m = make();
    struct transformer_texts t = other_words();
    good_step(m, 1);
    struct cf_bert_settings bad[] = {settings, settings, settings, settings,
                                     settings, settings, settings, settings};
    bad[0].rate = -1;
    bad[1].rate = NAN;
    bad[2].decay = INFINITY;
    bad[3].clip = NAN;
    bad[4].dropout = 1;
    bad[5].dropout = -0.1F;
    bad[6].dropout = NAN;
    bad[7].scale = NAN;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused(m, &t, &bad[i], CF_EUSAGE, "a setting of the training step makes no sense");
    }
    goes_on(m);
    transformer_texts_free(&t);
    transformer_free(m);
}
END_TEST

/* Encoding names the text among all, not among those of its batch, and writes nothing. */
START_TEST(encoding_of_bad_texts)
{
    struct transformer_model *m = make();
    size_t sizes[12];
    float out[12 * 15];
    struct cf_error err = {0};
    for (size_t i = 0; i < 12; i++) {
        sizes[i] = i == 10 ? 21 : 7;
        out[i] = 8;
    }
    struct transformer_texts t = transformer_texts(sizes, 12, config.vocabulary, 3);
    ck_assert_int_eq(cf_bert_encode(m->bert, t.ids, t.offsets, 12, out, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "text 10 must have from 1 to 20 tokens, and has 21");
    t.ids[9 * 7 + 3] = 1000000;
    ck_assert_int_eq(cf_bert_encode(m->bert, t.ids, t.offsets, 12, out, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "token 3 of text 9 is 1000000, the vocabulary has 40");
    ck_assert(out[0] == 8);
    ck_assert_int_eq(cf_bert_encode(m->bert, t.ids, t.offsets, 0, out, &err), 0);
    ck_assert(out[0] == 8);
    ck_assert_int_eq(cf_bert_encode(m->bert, t.ids, t.offsets, 9, out, &err), 0);
    transformer_texts_free(&t);
    transformer_free(m);
}
END_TEST

Suite *transformer_refused_suite(void)
{
    Suite *suite = suite_create("transformer_refused");
    TCase *tcase = tcase_create("refused");
    tcase_add_loop_test(tcase, losses_that_are_not_finite, 0, SPOILT);
    tcase_add_test(tcase, a_loss_that_is_too_steep);
    tcase_add_loop_test(tcase, words_that_are_too_steep, 0, 2);
    tcase_add_test(tcase, batches_of_bad_texts);
    tcase_add_test(tcase, settings_that_make_no_sense);
    tcase_add_test(tcase, encoding_of_bad_texts);
    suite_add_tcase(suite, tcase);
    return suite;
}
