#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/safetensors.h"
#include "jobs/train/checkpoint.h"
#include "tests/unit/transformer_fixture.h"

/* A rule to learn: a question with the word "q<k>" is answered by the text with "a<k>". Other words
 * are noise. */
enum { KEYS = 24, NOISE = 60, ASKED = 12, TOKENS = 24 };
static const char request[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct cf_wordpiece *vocabulary_make(void)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_wordpiece *out = NULL;
    struct cf_error err = {0};
    cf_buf_puts(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    for (int i = 0; i < KEYS; i++) {
        cf_buf_printf(&text, "q%d\na%d\n", i, i);
    }
    for (int i = 0; i < NOISE; i++) {
        cf_buf_printf(&text, "n%d\n", i);
    }
    ck_assert_msg(!cf_wordpiece_new(text.data, text.length, "vocab.txt", &out, &err), "%s",
                  err.message);
    cf_buf_release(&text);
    return out;
}

static void add_noise(struct cf_buf *text, uint64_t *state, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *state = cf_pairs_random(5, *state, i);
        cf_buf_printf(text, "n%u ", (unsigned)(*state % NOISE));
    }
}

/* asked questions a key, each fourth held out; lengths from 3 to some 20 words. */
static struct cf_pairs rule_pairs(size_t keys, size_t asked)
{
    struct cf_pairs pairs = CF_PAIRS_INIT;
    for (size_t k = 0; k < keys; k++) {
        struct cf_buf answer = CF_BUF_INIT;
        uint64_t state = k;
        cf_buf_printf(&answer, "a%zu ", k);
        add_noise(&answer, &state, 2 + k % 9);
        for (size_t i = 0; i < asked; i++) {
            struct cf_buf question = CF_BUF_INIT;
            add_noise(&question, &state, 1 + (k + i) % 4);
            cf_buf_printf(&question, "q%zu ", k);
            struct cf_pair *pair = cf_pairs_add(&pairs, k, question.data, answer.data);
            ck_assert_ptr_nonnull(pair);
            pair->held_out = i % 4 == 3;
            cf_buf_release(&question);
        }
        cf_buf_release(&answer);
    }
    return pairs;
}

struct world {
    struct cf_wordpiece *vocabulary;
    struct cf_pairs pairs;
    struct train_plan *plan;
    struct transformer_model *model;
    struct train_finetune run;
    struct cf_buf checkpoint; /* the last one */
    size_t saves;
    size_t every;   /* steps between checkpoints; 0: only at a stop */
    size_t asked;   /* how often stopped was */
    size_t stop_at; /* the time that says stop, from 1; 0: never */
    size_t fail_at; /* the save that fails */
};

static bool stopped(void *context)
{
    struct world *w = context;
    return ++w->asked == w->stop_at;
}

static bool due(void *context)
{
    const struct world *w = context;
    return w->every && w->run.done % w->every == 0;
}

static int keep(void *context, const struct train_finetune *run, struct cf_buf *checkpoint,
                struct cf_error *err)
{
    (void)run;
    struct world *w = context;
    if (++w->saves == w->fail_at) {
        return cf_error_set(err, CF_ERETRY, "no space");
    }
    cf_buf_clear(&w->checkpoint);
    cf_buf_append(&w->checkpoint, checkpoint->data, checkpoint->length);
    return 0;
}

static struct cf_finetune_options quick(void)
{
    struct cf_finetune_options o = cf_finetune_defaults;
    o.rate = 1e-3F;
    o.epochs = 3;
    return o;
}

static void begin(struct world *w, struct cf_finetune_options options, size_t keys, size_t asked,
                  size_t hidden, size_t threads)
{
    struct cf_error err = {0};
    *w = (struct world){.vocabulary = vocabulary_make(), .pairs = rule_pairs(keys, asked)};
    ck_assert_msg(!train_plan_make(&w->pairs, w->vocabulary, TOKENS, &options, &w->plan, &err),
                  "%s", err.message);
    struct cf_bert_config config = {.layers = 2,
                                    .hidden = hidden,
                                    .heads = 4,
                                    .ffn = 64,
                                    .vocabulary = cf_wordpiece_count(w->vocabulary),
                                    .positions = 32,
                                    .types = 2,
                                    .layernorm_eps = 1e-12F,
                                    .max_tokens = TOKENS};
    w->model =
        transformer_make(&config, (struct cf_bert_options){.most_tokens = w->plan->most_tokens,
                                                           .most_texts = w->plan->most_texts,
                                                           .threads = threads,
                                                           .training = true});
    w->run = (struct train_finetune){.plan = w->plan,
                                     .layout = &w->model->layout,
                                     .model = w->model->bert,
                                     .stopped = stopped,
                                     .save = keep,
                                     .due = due,
                                     .context = w};
    memcpy(w->run.request, request, sizeof(request));
}

static void end(struct world *w)
{
    train_finetune_release(&w->run);
    transformer_free(w->model);
    train_plan_free(w->plan);
    cf_pairs_release(&w->pairs);
    cf_wordpiece_free(w->vocabulary);
    cf_buf_release(&w->checkpoint);
}

static void run(struct world *w)
{
    struct cf_error err = {0};
    ck_assert_msg(!train_finetune_run(&w->run, &err), "%s", err.message);
    ck_assert_uint_eq(w->run.done, w->plan->steps);
}

/* Everything that a training ends with: weights, moments, steps and curve. */
static void ck_assert_same_end(const struct world *a, const struct world *b)
{
    struct cf_buf bytes[2] = {CF_BUF_INIT, CF_BUF_INIT};
    train_checkpoint_write(&a->run, &bytes[0]);
    train_checkpoint_write(&b->run, &bytes[1]);
    ck_assert_uint_eq(bytes[0].length, bytes[1].length);
    ck_assert_mem_eq(bytes[0].data, bytes[1].data, bytes[0].length);
    cf_buf_release(&bytes[0]);
    cf_buf_release(&bytes[1]);
}

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
    struct cf_wordpiece *vocabulary = vocabulary_make();
    struct cf_pairs pairs = rule_pairs(shapes[_i].keys, shapes[_i].asked);
    struct cf_finetune_options options = quick();
    struct train_plan *plan = NULL;
    options.batch = shapes[_i].batch;
    options.hard_negatives = shapes[_i].hard_negatives;
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TOKENS, &options, &plan, &err), 0);
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
    struct world w;
    struct cf_finetune_options options = quick();
    options.batch = 4;
    begin(&w, options, KEYS, ASKED, 32, 1);
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
    end(&w);
}
END_TEST

static const struct {
    size_t keys, asked;
    const char *message;
} poor[] = {{0, 0, "no pairs"}, {1, 1, "1 pairs"}, {1, 3, "3 pairs"}};

START_TEST(too_few_pairs)
{
    struct cf_error err = {0};
    struct cf_wordpiece *vocabulary = vocabulary_make();
    struct cf_pairs pairs = rule_pairs(poor[_i].keys, poor[_i].asked);
    struct cf_finetune_options options = quick();
    struct train_plan *plan = NULL;
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TOKENS, &options, &plan, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, poor[_i].message) != NULL, "%s", err.message);
    for (size_t i = 0; i < pairs.count; i++) {
        pairs.items[i].held_out = true;
    }
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TOKENS, &options, &plan, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "no pairs"));
    options.dropout = NAN;
    ck_assert_int_eq(train_plan_make(&pairs, vocabulary, TOKENS, &options, &plan, &err), CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "dropout"));
    cf_pairs_release(&pairs);
    cf_wordpiece_free(vocabulary);
}
END_TEST

/* --- runs ----------------------------------------------------------------------------------------
 */

START_TEST(a_seed_gives_the_same_bytes_on_any_number_of_threads)
{
    struct world worlds[3];
    for (size_t i = 0; i < 3; i++) {
        begin(&worlds[i], quick(), KEYS, 4, 32, i == 1 ? 3 : 1);
        run(&worlds[i]);
    }
    ck_assert_same_end(&worlds[0], &worlds[1]);
    ck_assert_same_end(&worlds[0], &worlds[2]);
    struct world other;
    struct cf_finetune_options options = quick();
    options.seed = 2;
    begin(&other, options, KEYS, 4, 32, 1);
    run(&other);
    ck_assert(memcmp(cf_bert_weights(other.model->bert), cf_bert_weights(worlds[0].model->bert),
                     other.model->layout.parameters * sizeof(float)) != 0);
    end(&other);
    for (size_t i = 0; i < 3; i++) {
        end(&worlds[i]);
    }
}
END_TEST

START_TEST(the_curve_tells_of_every_step)
{
    struct world w;
    begin(&w, quick(), KEYS, 4, 32, 1);
    w.every = 10;
    run(&w);
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
    end(&w);
}
END_TEST

/* Stopped before step stop_at (from 1), and resumed in a new process's stead. */
static const size_t stops[] = {2, 9, 10, 11, 20, 28};

START_TEST(resumed_is_uninterrupted)
{
    struct world whole;
    struct world cut;
    struct world resumed;
    struct cf_error err = {0};
    struct cf_finetune_options options = quick();
    options.hard_negatives = true;
    begin(&whole, options, KEYS, 4, 32, 1);
    run(&whole);
    begin(&cut, options, KEYS, 4, 32, 1);
    cut.stop_at = stops[_i];
    ck_assert_int_eq(train_finetune_run(&cut.run, &err), CF_EINTERRUPTED);
    ck_assert_uint_eq(cut.run.done, stops[_i] - 1);
    ck_assert_uint_eq(cut.saves, 1);
    begin(&resumed, options, KEYS, 4, 32, 2);
    memset(cf_bert_weights(resumed.model->bert), 0, 64);
    ck_assert_msg(
        !train_checkpoint_read(&resumed.run, cut.checkpoint.data, cut.checkpoint.length, &err),
        "%s", err.message);
    ck_assert_same_end(&cut, &resumed);
    run(&resumed);
    ck_assert_same_end(&whole, &resumed);
    run(&cut); /* a run may also simply go on */
    ck_assert_same_end(&whole, &cut);
    end(&whole);
    end(&cut);
    end(&resumed);
}
END_TEST

START_TEST(a_stop_saves_what_is_new)
{
    struct world w;
    struct cf_error err = {0};
    begin(&w, quick(), KEYS, 4, 32, 1);
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
    run(&w);
    cf_bert_set_steps(w.model->bert, 3);
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EUSAGE);
    end(&w);
}
END_TEST

/* Weights turn to NaN behind step 6: the run ends, and the checkpoint of step 5 is still good. */
static bool poison(void *context)
{
    struct world *w = context;
    if (++w->asked == 7) {
        float *weights = cf_bert_weights(w->model->bert);
        weights[w->model->layout.embedding_norm_weight] = NAN;
        cf_bert_changed(w->model->bert);
    }
    return false;
}

START_TEST(what_is_not_finite_ends_the_run)
{
    struct world w;
    struct cf_error err = {0};
    begin(&w, quick(), KEYS, 4, 32, 1);
    w.every = 5;
    w.run.stopped = poison;
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, "step 7 of 28") && strstr(err.message, "not finite"), "%s",
                  err.message);
    ck_assert_uint_eq(w.run.done, 6);
    ck_assert_uint_eq(w.saves, 1);
    struct cf_buf bad = CF_BUF_INIT; /* and one of now is none */
    train_checkpoint_write(&w.run, &bad);
    ck_assert_int_eq(train_checkpoint_read(&w.run, bad.data, bad.length, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "weights/embeddings.LayerNorm.weight"));
    cf_buf_release(&bad);
    ck_assert_int_eq(train_checkpoint_read(&w.run, w.checkpoint.data, w.checkpoint.length, &err),
                     0);
    ck_assert_uint_eq(w.run.done, 5);
    w.run.stopped = NULL;
    run(&w);
    struct world whole;
    begin(&whole, quick(), KEYS, 4, 32, 1);
    run(&whole);
    ck_assert_same_end(&whole, &w);
    end(&whole);
    end(&w);
}
END_TEST

/* --- checkpoints that aren't this training's -----------------------------------------------------
 */

static struct cf_buf some_checkpoint(void)
{
    struct world w;
    struct cf_error err = {0};
    begin(&w, quick(), KEYS, 4, 32, 1);
    w.stop_at = 4;
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EINTERRUPTED);
    struct cf_buf out = w.checkpoint;
    w.checkpoint = (struct cf_buf)CF_BUF_INIT;
    end(&w);
    return out;
}

/* Refused with that text, and nothing has changed. */
static void ck_assert_refused(struct world *w, const struct cf_buf *checkpoint, const char *text)
{
    struct cf_error err = {0};
    struct cf_buf before = CF_BUF_INIT;
    struct cf_buf after = CF_BUF_INIT;
    train_checkpoint_write(&w->run, &before);
    ck_assert_int_eq(train_checkpoint_read(&w->run, checkpoint->data, checkpoint->length, &err),
                     CF_EDATA);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    train_checkpoint_write(&w->run, &after);
    ck_assert_uint_eq(before.length, after.length);
    ck_assert_mem_eq(before.data, after.data, before.length);
    cf_buf_release(&before);
    cf_buf_release(&after);
}

START_TEST(a_checkpoint_of_something_else)
{
    struct cf_buf checkpoint = some_checkpoint();
    struct cf_finetune_options options = quick();
    struct world w;
    begin(&w, quick(), KEYS, 4, 32, 1);
    w.run.request[5] = 'f';
    ck_assert_refused(&w, &checkpoint, "\"request\" is of another request");
    end(&w);
    begin(&w, quick(), KEYS, 4, 16, 1);
    ck_assert_refused(&w, &checkpoint,
                      "\"weights/embeddings.word_embeddings.weight\" is of another shape");
    end(&w);
    begin(&w, quick(), KEYS - 1, 4, 32, 1);
    ck_assert_refused(&w, &checkpoint, "\"plan\" is of a training with other pairs");
    end(&w);
    options.rate = 2e-3F;
    begin(&w, options, KEYS, 4, 32, 1);
    ck_assert_refused(&w, &checkpoint, "\"plan\"");
    checkpoint.length--;
    ck_assert_refused(&w, &checkpoint, "the checkpoint");
    end(&w);
    cf_buf_release(&checkpoint);
}
END_TEST

/* Each changes one tensor of a good checkpoint. */
static void lose(struct cf_tensors *t, struct cf_tensor *found)
{
    *found = t->items[--t->count];
}
static void rename_it(struct cf_tensors *t, struct cf_tensor *found)
{
    (void)t;
    memcpy(found->name, "moment3", 7);
}
static void retype(struct cf_tensors *t, struct cf_tensor *found)
{
    (void)t;
    found->dtype = CF_I32;
}
static void put_numbers(struct cf_tensors *t, struct cf_tensor *found)
{
    static const float below[2] = {-1, -1};
    static float numbers[64];
    (void)t;
    memcpy(numbers, found->data, sizeof(float) * 32);
    memcpy(numbers, below, sizeof(below));
    found->data = numbers;
}
static void put_position(struct cf_tensors *t, struct cf_tensor *found)
{
    static const int64_t far_off[] = {1, 1000, 28, 0, 3, 1};
    (void)t;
    found->data = far_off;
}
static void shift_position(struct cf_tensors *t, struct cf_tensor *found)
{
    static const int64_t shifted[] = {1, 3, 28, 1, 3, 1};
    (void)t;
    found->data = shifted;
}
static void add_one(struct cf_tensors *t, struct cf_tensor *found)
{
    cf_tensors_add(t, "more", CF_U8, found->data, 1, 0);
}

static const struct {
    const char *name;
    void (*change)(struct cf_tensors *tensors, struct cf_tensor *found);
    const char *message;
} damages[] = {
    {"moment1/embeddings.LayerNorm.bias", lose, "LayerNorm.bias\" is missing"},
    {"moment2/embeddings.LayerNorm.bias", rename_it, "LayerNorm.bias\" is missing"},
    {"weights/embeddings.LayerNorm.bias", retype, "LayerNorm.bias\" is of another type"},
    {"moment2/embeddings.LayerNorm.bias", put_numbers, "holds a mean of squares below 0"},
    {"position", put_position, "\"position\" lies outside"},
    {"position", shift_position, "\"position\" is not of this training"},
    {"curve", lose, "\"curve\" is missing"},
    {"request", add_one, "tensors, of which the training knows"},
};

START_TEST(a_damaged_checkpoint)
{
    struct cf_buf checkpoint = some_checkpoint();
    struct cf_buf damaged = CF_BUF_INIT;
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_error err = {0};
    struct world w;
    ck_assert_int_eq(cf_safetensors_read(checkpoint.data, checkpoint.length, "x", &tensors, &err),
                     0);
    size_t i = 0;
    while (strcmp(tensors.items[i].name, damages[_i].name) != 0) {
        ck_assert_uint_lt(++i, tensors.count);
    }
    damages[_i].change(&tensors, &tensors.items[i]);
    cf_safetensors_write(&tensors, &damaged);
    begin(&w, quick(), KEYS, 4, 32, 1);
    ck_assert_refused(&w, &damaged, damages[_i].message);
    end(&w);
    cf_tensors_release(&tensors);
    cf_buf_release(&checkpoint);
    cf_buf_release(&damaged);
}
END_TEST

/* --- it learns -----------------------------------------------------------------------------------
 */

static void embed(struct world *w, const char *text, float *out)
{
    int32_t ids[TOKENS];
    struct cf_error err = {0};
    size_t offsets[2] = {0, cf_wordpiece_encode(w->vocabulary, text, strlen(text), TOKENS, ids)};
    ck_assert_int_eq(cf_bert_encode(w->model->bert, ids, offsets, 1, out, &err), 0);
}

/* The share of held-out questions whose answer is nearer than the other keys'. */
static double recall(struct world *w)
{
    float answers[KEYS][32];
    size_t asked = 0;
    size_t right = 0;
    for (size_t k = 0; k < KEYS; k++) {
        embed(w, w->pairs.items[k * ASKED].answer, answers[k]);
    }
    for (size_t i = 0; i < w->pairs.count; i++) {
        const struct cf_pair *pair = &w->pairs.items[i];
        float question[32];
        size_t best = 0;
        float most = -2;
        embed(w, pair->question, question);
        for (size_t k = 0; k < KEYS && pair->held_out; k++) {
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
    struct world w;
    struct cf_finetune_options options = quick();
    options.epochs = 40;
    options.rate = 5e-3F;
    options.hard_negatives = _i == 1;
    begin(&w, options, KEYS, ASKED, 32, 1);
    ck_assert_double_lt(recall(&w), 0.25); /* chance is 1 in 24 */
    run(&w);
    ck_assert_double_ge(recall(&w), 0.95);
    ck_assert_double_lt(w.run.curve[w.run.done - 1].loss, w.run.curve[0].loss / 4);
    end(&w);
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
    tcase_add_test(t, a_checkpoint_of_something_else);
    tcase_add_loop_test(t, a_damaged_checkpoint, 0, COUNT(damages));
    tcase_add_loop_test(t, a_rule_is_learned, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
