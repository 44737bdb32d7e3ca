#include "tests/unit/train_fixture.h"

#include <check.h>
#include <string.h>

enum { NOISE = 60 };
static const char request[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct cf_wordpiece *train_vocabulary(void)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_wordpiece *out = NULL;
    struct cf_error err = {0};
    cf_buf_puts(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    for (int i = 0; i < TRAIN_KEYS; i++) {
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

struct cf_pairs train_rule_pairs(size_t keys, size_t asked)
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

static bool stopped(void *context)
{
    struct train_world *w = context;
    return ++w->asked == w->stop_at;
}

static bool due(void *context)
{
    const struct train_world *w = context;
    return w->every && w->run.done % w->every == 0;
}

static int keep(void *context, const struct train_finetune *run, struct cf_error *err)
{
    struct train_world *w = context;
    if (++w->saves == w->fail_at) {
        return cf_error_set(err, CF_ERETRY, "no space");
    }
    train_checkpoint_of(run, w->checkpoint);
    return 0;
}

struct cf_finetune_options train_quick(void)
{
    struct cf_finetune_options o = cf_finetune_defaults;
    o.rate = 1e-3F;
    o.epochs = 3;
    return o;
}

void train_world_begin(struct train_world *w, struct cf_finetune_options options, size_t keys,
                       size_t asked, size_t hidden, size_t threads)
{
    struct cf_error err = {0};
    *w = (struct train_world){.vocabulary = train_vocabulary(),
                              .pairs = train_rule_pairs(keys, asked)};
    ck_assert_msg(
        !train_plan_make(&w->pairs, w->vocabulary, TRAIN_TOKENS, &options, &w->plan, &err), "%s",
        err.message);
    struct cf_bert_config config = {.layers = 2,
                                    .hidden = hidden,
                                    .heads = 4,
                                    .ffn = 64,
                                    .vocabulary = cf_wordpiece_count(w->vocabulary),
                                    .positions = 32,
                                    .types = 2,
                                    .layernorm_eps = 1e-12F,
                                    .max_tokens = TRAIN_TOKENS};
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

void train_world_end(struct train_world *w)
{
    train_finetune_release(&w->run);
    transformer_free(w->model);
    train_plan_free(w->plan);
    cf_pairs_release(&w->pairs);
    cf_wordpiece_free(w->vocabulary);
    train_checkpoint_free(w->checkpoint);
}

void train_world_run(struct train_world *w)
{
    struct cf_error err = {0};
    ck_assert_msg(!train_finetune_run(&w->run, &err), "%s", err.message);
    ck_assert_uint_eq(w->run.done, w->plan->steps);
}

void train_checkpoint_of(const struct train_finetune *run,
                         struct cf_buf out[TRAIN_CHECKPOINT_PARTS])
{
    for (size_t part = 0; part < TRAIN_CHECKPOINT_PARTS; part++) {
        train_checkpoint_write(run, part, &out[part]);
    }
}

void train_checkpoint_free(struct cf_buf parts[TRAIN_CHECKPOINT_PARTS])
{
    for (size_t part = 0; part < TRAIN_CHECKPOINT_PARTS; part++) {
        cf_buf_release(&parts[part]);
    }
}

void train_checkpoint_same(const struct cf_buf a[TRAIN_CHECKPOINT_PARTS],
                           const struct cf_buf b[TRAIN_CHECKPOINT_PARTS])
{
    for (size_t part = 0; part < TRAIN_CHECKPOINT_PARTS; part++) {
        ck_assert_uint_eq(a[part].length, b[part].length);
        ck_assert_mem_eq(a[part].data, b[part].data, a[part].length);
    }
}

void train_world_same_end(const struct train_world *a, const struct train_world *b)
{
    struct cf_buf of_a[TRAIN_CHECKPOINT_PARTS] = {{0}};
    struct cf_buf of_b[TRAIN_CHECKPOINT_PARTS] = {{0}};
    train_checkpoint_of(&a->run, of_a);
    train_checkpoint_of(&b->run, of_b);
    train_checkpoint_same(of_a, of_b);
    train_checkpoint_free(of_a);
    train_checkpoint_free(of_b);
}
