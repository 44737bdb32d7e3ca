#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "jobs/train/checkpoint.h"
#include "tests/unit/train_fixture.h"

enum { ASKED = 12 };

/* --- the plan ------------------------------------------------------------------------------------
 */

static const struct {
    size_t keys, asked, batch;
    bool hard_negatives;
} shapes[] = {{24, 8, 8, false}, {24, 8, 8, true}, {3, 8, 8, false},    {9, 1, 8, false},
              {17, 1, 8, true},  {2, 4, 2, false}, {24, 3, 1024, false}};

static void check_step(const struct train_plan *plan, uint32_t step, size_t *uses)
{
    int32_t *ids = cf_calloc(plan->most_tokens, sizeof(*ids));
    size_t *offsets = cf_calloc(plan->most_texts + 1, sizeof(*offsets));
    const size_t *members = plan->members + plan->starts[step];
    struct cf_bert_batch batch = train_plan_batch(plan, step, ids, offsets);
    ck_assert_uint_ge(batch.candidates, 2);
    ck_assert_uint_le(batch.queries, plan->options.batch);
    for (size_t i = 0; i < batch.queries; i++) {
        uses[members[i]]++;
        for (size_t k = 0; k < i; k++) {
            ck_assert(!cf_pairs_clash(plan->pairs[members[i]], plan->pairs[members[k]]));
        }
    }
    for (size_t i = batch.queries; i < batch.queries + batch.candidates; i++) {
        for (size_t k = batch.queries; k < i; k++) { /* no answer twice, hard ones neither */
            size_t n = offsets[i + 1] - offsets[i];
            ck_assert(n != offsets[k + 1] - offsets[k] ||
                      memcmp(ids + offsets[i], ids + offsets[k], n * sizeof(*ids)) != 0);
        }
    }
    free(ids);
    free(offsets);
}

START_TEST(no_answer_twice_in_a_batch)
{
    struct cf_error err = {0};
    struct cf_wordpiece *vocabulary = train_vocabulary();
    struct cf_pairs pairs = train_rule_pairs(shapes[_i].keys, shapes[_i].asked);
    struct cf_finetune_options options = train_quick();
    struct train_plan *plan = NULL;
    options.batch = shapes[_i].batch;
    options.hard_negatives = shapes[_i].hard_negatives;
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TRAIN_TOKENS, &options, &plan, &err), 0);
    size_t *uses = cf_calloc(plan->pair_count, sizeof(*uses));
    for (uint32_t step = 0; step < plan->steps; step++) {
        check_step(plan, step, uses);
    }
    for (size_t i = 0; i < plan->pair_count; i++) { /* each pair once an epoch */
        ck_assert(!plan->pairs[i]->held_out);
        ck_assert_uint_eq(uses[i], 3);
    }
    free(uses);
    train_plan_free(plan);
    cf_pairs_release(&pairs);
    cf_wordpiece_free(vocabulary);
}
END_TEST

/* Texts of one batch are of like length, and epochs differ. */
START_TEST(batches_of_like_length)
{
    struct train_world w;
    struct cf_finetune_options options = train_quick();
    options.batch = 4;
    train_world_begin(&w, options, TRAIN_KEYS, ASKED, 32, 1);
    size_t epoch = w.plan->epoch_starts[1];
    size_t mixed = 0;
    bool differs = false;
    for (size_t step = 0; step < epoch; step++) {
        size_t least = SIZE_MAX;
        size_t most = 0;
        for (size_t i = w.plan->starts[step]; i < w.plan->starts[step + 1]; i++) {
            size_t p = w.plan->members[i];
            size_t n = (w.plan->offsets[2 * p + 2] - w.plan->offsets[2 * p]) / 32;
            least = n < least ? n : least;
            most = n > most ? n : most;
            differs = differs || p != w.plan->members[i + w.plan->starts[epoch]];
        }
        mixed += most != least;
    }
    ck_assert_uint_le(mixed, 1);
    ck_assert(differs);
    ck_assert_uint_eq(train_plan_epoch(w.plan, 0), 0);
    ck_assert_uint_eq(train_plan_epoch(w.plan, (uint32_t)epoch), 1);
    ck_assert_uint_eq(train_plan_epoch(w.plan, w.plan->steps), 2);
    train_world_end(&w);
}
END_TEST

static const struct {
    size_t keys, asked;
    const char *message;
} poor[] = {{0, 0, "no pairs"}, {1, 1, "1 pairs"}, {1, 3, "3 pairs"}};

START_TEST(too_few_pairs)
{
    struct cf_error err = {0};
    struct cf_wordpiece *vocabulary = train_vocabulary();
    struct cf_pairs pairs = train_rule_pairs(poor[_i].keys, poor[_i].asked);
    struct cf_finetune_options options = train_quick();
    struct train_plan *plan = NULL;
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TRAIN_TOKENS, &options, &plan, &err),
                     CF_EDATA);
    ck_assert_msg(strstr(err.message, poor[_i].message) != NULL, "%s", err.message);
    for (size_t i = 0; i < pairs.count; i++) {
        pairs.items[i].held_out = true;
    }
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TRAIN_TOKENS, &options, &plan, &err),
                     CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "no pairs"));
    options.dropout = NAN;
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TRAIN_TOKENS, &options, &plan, &err),
                     CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "dropout"));
    cf_pairs_release(&pairs);
    cf_wordpiece_free(vocabulary);
}
END_TEST

/* --- runs ----------------------------------------------------------------------------------------
 */

START_TEST(a_seed_gives_the_same_bytes_on_any_number_of_threads)
{
    struct train_world worlds[3];
    for (size_t i = 0; i < 3; i++) {
        train_world_begin(&worlds[i], train_quick(), TRAIN_KEYS, 4, 32, i == 1 ? 3 : 1);
        train_world_run(&worlds[i]);
    }
    train_world_same_end(&worlds[0], &worlds[1]);
    train_world_same_end(&worlds[0], &worlds[2]);
    struct train_world other;
    struct cf_finetune_options options = train_quick();
    options.seed = 2;
    train_world_begin(&other, options, TRAIN_KEYS, 4, 32, 1);
    train_world_run(&other);
    ck_assert(memcmp(cf_bert_weights(other.model->bert), cf_bert_weights(worlds[0].model->bert),
                     other.model->layout.parameters * sizeof(float)) != 0);
    train_world_end(&other);
    for (size_t i = 0; i < 3; i++) {
        train_world_end(&worlds[i]);
    }
}
END_TEST

START_TEST(the_curve_tells_of_every_step)
{
    struct train_world w;
    train_world_begin(&w, train_quick(), TRAIN_KEYS, 4, 32, 1);
    w.every = 10;
    train_world_run(&w);
    ck_assert_uint_eq(w.plan->steps, 28);
    ck_assert_uint_eq(w.saves, 2);
    for (size_t i = 0; i < w.run.done; i++) {
        const struct train_point *p = &w.run.curve[i];
        ck_assert_uint_eq(p->step, i + 1);
        ck_assert(p->loss > 0 && isfinite(p->norm) && p->norm > 0);
    }
    ck_assert(w.run.curve[0].rate <= 0 && w.run.curve[1].rate > 0); /* two steps of warm-up */
    ck_assert(fabsf(w.run.curve[2].rate - 1e-3F) < 1e-9F);
    ck_assert(w.run.curve[27].rate > 0 && w.run.curve[27].rate < 1e-4F);
    train_world_end(&w);
}
END_TEST

/* Stopped before step stop_at (from 1), and resumed in a new process's stead. */
static const size_t stops[] = {2, 9, 10, 11, 20, 28};

START_TEST(resumed_is_uninterrupted)
{
    struct train_world whole;
    struct train_world cut;
    struct train_world resumed;
    struct cf_error err = {0};
    struct cf_finetune_options options = train_quick();
    options.hard_negatives = true;
    train_world_begin(&whole, options, TRAIN_KEYS, 4, 32, 1);
    train_world_run(&whole);
    train_world_begin(&cut, options, TRAIN_KEYS, 4, 32, 1);
    cut.stop_at = stops[_i];
    ck_assert_int_eq(train_finetune_run(&cut.run, &err), CF_EINTERRUPTED);
    ck_assert_uint_eq(cut.run.done, stops[_i] - 1);
    ck_assert_uint_eq(cut.saves, 1);
    train_world_begin(&resumed, options, TRAIN_KEYS, 4, 32, 2);
    memset(cf_bert_weights(resumed.model->bert), 0, 64);
    ck_assert_msg(!train_checkpoint_read(&resumed.run, cut.checkpoint, &err), "%s", err.message);
    train_world_same_end(&cut, &resumed);
    train_world_run(&resumed);
    train_world_same_end(&whole, &resumed);
    train_world_run(&cut); /* a run may also simply go on */
    train_world_same_end(&whole, &cut);
    train_world_end(&whole);
    train_world_end(&cut);
    train_world_end(&resumed);
}
END_TEST

START_TEST(a_stop_saves_what_is_new)
{
    struct train_world w;
    struct cf_error err = {0};
    train_world_begin(&w, train_quick(), TRAIN_KEYS, 4, 32, 1);
    w.every = 5;
    w.stop_at = 1; /* before anything was done */
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EINTERRUPTED);
    ck_assert_uint_eq(w.saves, 0);
    w.stop_at = 7; /* right behind a checkpoint */
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EINTERRUPTED);
    ck_assert_uint_eq(w.run.done, 5);
    ck_assert_uint_eq(w.saves, 1);
    w.fail_at = 2;
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_ERETRY);
    ck_assert_uint_eq(w.run.done, 10);
    ck_assert_str_eq(err.message, "no space");
    train_world_run(&w);
    cf_bert_set_steps(w.model->bert, 3);
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EUSAGE);
    train_world_end(&w);
}
END_TEST

/* Weights turn to NaN behind step 6: the run ends, and the checkpoint of step 5 is still good. */
static bool poison(void *context)
{
    struct train_world *w = context;
    if (++w->asked == 7) {
        float *weights = cf_bert_weights(w->model->bert);
        weights[w->model->layout.embedding_norm_weight] = NAN;
        cf_bert_changed(w->model->bert);
    }
    return false;
}

START_TEST(what_is_not_finite_ends_the_run)
{
    struct train_world w;
    struct cf_error err = {0};
    train_world_begin(&w, train_quick(), TRAIN_KEYS, 4, 32, 1);
    w.every = 5;
    w.run.stopped = poison;
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, "step 7 of 28") && strstr(err.message, "not finite"), "%s",
                  err.message);
    ck_assert_uint_eq(w.run.done, 6);
    ck_assert_uint_eq(w.saves, 1);
    struct cf_buf bad[TRAIN_CHECKPOINT_PARTS] = {{0}}; /* and one of now is none */
    train_checkpoint_of(&w.run, bad);
    ck_assert_int_eq(train_checkpoint_read(&w.run, bad, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "weights/embeddings.LayerNorm.weight"));
    train_checkpoint_free(bad);
    ck_assert_int_eq(train_checkpoint_read(&w.run, w.checkpoint, &err), 0);
    ck_assert_uint_eq(w.run.done, 5);
    w.run.stopped = NULL;
    train_world_run(&w);
    struct train_world whole;
    train_world_begin(&whole, train_quick(), TRAIN_KEYS, 4, 32, 1);
    train_world_run(&whole);
    train_world_same_end(&whole, &w);
    train_world_end(&whole);
    train_world_end(&w);
}
END_TEST

/* --- it learns -----------------------------------------------------------------------------------
 */

static void embed(struct train_world *w, const char *text, float *out)
{
    int32_t ids[TRAIN_TOKENS];
    struct cf_error err = {0};
    size_t offsets[2] = {0,
                         cf_wordpiece_encode(w->vocabulary, text, strlen(text), TRAIN_TOKENS, ids)};
    ck_assert_int_eq(cf_bert_encode(w->model->bert, ids, offsets, 1, out, &err), 0);
}

/* The share of held-out questions whose answer is nearer than the other keys'. */
static double recall(struct train_world *w)
{
    float answers[TRAIN_KEYS][32];
    size_t asked = 0;
    size_t right = 0;
    for (size_t k = 0; k < TRAIN_KEYS; k++) {
        embed(w, w->pairs.items[k * ASKED].answer, answers[k]);
    }
    for (size_t i = 0; i < w->pairs.count; i++) {
        const struct cf_pair *pair = &w->pairs.items[i];
        float question[32];
        size_t best = 0;
        float most = -2;
        embed(w, pair->question, question);
        for (size_t k = 0; k < TRAIN_KEYS && pair->held_out; k++) {
            float cosine = 0;
            for (size_t n = 0; n < 32; n++) {
                cosine += question[n] * answers[k][n];
            }
            best = cosine > most ? k : best;
            most = cosine > most ? cosine : most;
        }
        asked += pair->held_out;
        right += pair->held_out && best == pair->project;
    }
    return (double)right / (double)asked;
}

START_TEST(a_rule_is_learned)
{
    struct train_world w;
    struct cf_finetune_options options = train_quick();
    options.epochs = 40;
    options.rate = 5e-3F;
    options.hard_negatives = _i == 1;
    train_world_begin(&w, options, TRAIN_KEYS, ASKED, 32, 1);
    ck_assert_double_lt(recall(&w), 0.25); /* chance is 1 in 24 */
    train_world_run(&w);
    ck_assert_double_ge(recall(&w), 0.95);
    ck_assert_double_lt(w.run.curve[w.run.done - 1].loss, w.run.curve[0].loss / 4);
    train_world_end(&w);
}
END_TEST

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

Suite *train_finetune_suite(void)
{
    Suite *s = suite_create("train_finetune");
    TCase *t = tcase_create("train_finetune");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, no_answer_twice_in_a_batch, 0, COUNT(shapes));
    tcase_add_test(t, batches_of_like_length);
    tcase_add_loop_test(t, too_few_pairs, 0, COUNT(poor));
    tcase_add_test(t, a_seed_gives_the_same_bytes_on_any_number_of_threads);
    tcase_add_test(t, the_curve_tells_of_every_step);
    tcase_add_loop_test(t, resumed_is_uninterrupted, 0, COUNT(stops));
    tcase_add_test(t, a_stop_saves_what_is_new);
    tcase_add_test(t, what_is_not_finite_ends_the_run);
    tcase_add_loop_test(t, a_rule_is_learned, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
