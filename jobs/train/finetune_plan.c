#include "jobs/train/finetune_plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/bm25.h"

#define BUCKET 32 /* tokens */
#define NONE SIZE_MAX

enum { BATCHES = 0x62617463 }; /* what tells the order of batches from that of pairs */

/* --- texts ---------------------------------------------------------------------------------------
 */

static void tokenize(struct train_plan *plan, const struct cf_wordpiece *vocabulary,
                     size_t max_tokens)
{
    size_t capacity = 0;
    plan->offsets = cf_calloc(2 * plan->pair_count + 1, sizeof(*plan->offsets));
    for (size_t t = 0; t < 2 * plan->pair_count; t++) {
        const struct cf_pair *pair = plan->pairs[t / 2];
        const char *text = t % 2 ? pair->answer : pair->question;
        size_t used = plan->offsets[t];
        if (capacity - used < max_tokens) {
            capacity = 2 * capacity + max_tokens;
            plan->ids = cf_realloc(plan->ids, capacity, sizeof(*plan->ids));
        }
        plan->offsets[t + 1] = used + cf_wordpiece_encode(vocabulary, text, strlen(text),
                                                          max_tokens, plan->ids + used);
    }
}

static size_t pair_tokens(const struct train_plan *plan, size_t pair)
{
    return plan->offsets[2 * pair + 2] - plan->offsets[2 * pair];
}

static size_t answer_tokens(const struct train_plan *plan, size_t pair)
{
    return plan->offsets[2 * pair + 2] - plan->offsets[2 * pair + 1];
}

/* For each question the best wrong answer of another project. */
static void find_hard_negatives(struct train_plan *plan)
{
    struct cf_bm25 *index = cf_bm25_new(&(struct cf_bm25_options){1.2, 0.75, true, true});
    double *scores = cf_calloc(plan->pair_count, sizeof(*scores));
    for (size_t i = 0; i < plan->pair_count; i++) {
        cf_bm25_begin(index);
        cf_bm25_add(index, plan->pairs[i]->answer, strlen(plan->pairs[i]->answer), 1);
    }
    cf_bm25_finish(index);
    for (size_t i = 0; i < plan->pair_count; i++) {
        const struct cf_pair *pair = plan->pairs[i];
        double best = 0;
        (void)cf_bm25_score(index, pair->question, strlen(pair->question), scores);
        for (size_t k = 0; k < plan->pair_count; k++) {
            const struct cf_pair *other = plan->pairs[k];
            if (scores[k] > best && other->project != pair->project &&
                !cf_pairs_clash(pair, other)) {
                best = scores[k];
                plan->hard[i] = k;
            }
        }
    }
    free(scores);
    cf_bm25_free(index);
}

/* The hard negative of member i of a step, NONE when it would be right for a question there, or is
 * there already. */
static size_t hard_of(const struct train_plan *plan, const size_t *members, size_t count, size_t i)
{
    size_t hard = plan->hard[members[i]];
    for (size_t k = 0; hard != NONE && k < count; k++) {
        size_t earlier = k < i ? plan->hard[members[k]] : NONE;
        if (cf_pairs_clash(plan->pairs[hard], plan->pairs[members[k]]) ||
            (earlier != NONE && plan->pairs[earlier]->answer_id == plan->pairs[hard]->answer_id)) {
            hard = NONE;
        }
    }
    return hard;
}

/* --- batches -------------------------------------------------------------------------------------
 */

struct keyed {
    size_t bucket;
    uint64_t chance;
    size_t index;
};

struct batches {
    const struct train_plan *plan;
    size_t size;     /* of a full one */
    size_t *members; /* [count, size] */
    size_t *counts;
    size_t count;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a;
    const struct keyed *y = b;
    if (x->bucket != y->bucket) {
        return x->bucket < y->bucket ? -1 : 1;
    }
    if (x->chance != y->chance) {
        return x->chance < y->chance ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

static bool fits(const struct batches *b, size_t batch, size_t pair)
{
    for (size_t i = 0; i < b->counts[batch]; i++) {
        if (cf_pairs_clash(b->plan->pairs[b->members[batch * b->size + i]], b->plan->pairs[pair])) {
            return false;
        }
    }
    return b->counts[batch] < b->size;
}

static void put(struct batches *b, size_t batch, size_t pair)
{
    b->members[batch * b->size + b->counts[batch]++] = pair;
}

static void fill(struct batches *b, size_t epoch)
{
    size_t n = b->plan->pair_count;
    size_t open = 0; /* those before are full */
    struct keyed *order = cf_calloc(n, sizeof(*order));
    for (size_t i = 0; i < n; i++) {
        order[i] = (struct keyed){pair_tokens(b->plan, i) / BUCKET,
                                  cf_pairs_random(b->plan->options.seed, epoch, i), i};
    }
    qsort(order, n, sizeof(*order), by_key);
    for (size_t i = 0; i < n; i++) {
        size_t batch = open;
        while (batch < b->count && !fits(b, batch, order[i].index)) {
            batch++;
        }
        b->count += batch == b->count;
        put(b, batch, order[i].index);
        while (open < b->count && b->counts[open] == b->size) {
            open++;
        }
    }
    free(order);
}

/* Moves a pair from the nearest batch that can spare one to a batch that has only one. */
static void join_single(struct batches *b, size_t single)
{
    for (size_t batch = b->count; batch-- > 0;) {
        size_t *members = b->members + batch * b->size;
        for (size_t i = b->counts[batch]; batch != single && b->counts[batch] > 2 && i-- > 0;) {
            size_t pair = members[i];
            if (fits(b, single, pair)) {
                b->counts[batch]--;
                memmove(members + i, members + i + 1, (b->counts[batch] - i) * sizeof(*members));
                put(b, single, pair);
                return;
            }
        }
    }
}

static void add_step(struct train_plan *plan, const size_t *members, size_t count)
{
    size_t texts = 2 * count;
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++) {
        size_t hard = hard_of(plan, members, count, i);
        texts += hard != NONE;
        tokens += pair_tokens(plan, members[i]) + (hard != NONE ? answer_tokens(plan, hard) : 0);
    }
    if (texts < 3) {
        return; /* one answer to choose from */
    }
    plan->most_texts = texts > plan->most_texts ? texts : plan->most_texts;
    plan->most_tokens = tokens > plan->most_tokens ? tokens : plan->most_tokens;
    size_t start = plan->starts[plan->steps];
    memcpy(plan->members + start, members, count * sizeof(*members));
    plan->starts[++plan->steps] = start + count;
}

static void plan_epoch(struct train_plan *plan, size_t epoch)
{
    size_t n = plan->pair_count;
    struct batches b = {.plan = plan, .size = plan->options.batch < n ? plan->options.batch : n};
    b.members = cf_calloc(n, b.size * sizeof(*b.members));
    b.counts = cf_calloc(n, sizeof(*b.counts));
    struct keyed *order = cf_calloc(n, sizeof(*order));
    fill(&b, epoch);
    for (size_t i = 0; i < b.count; i++) {
        if (b.counts[i] == 1) {
            join_single(&b, i);
        }
        order[i] = (struct keyed){0, cf_pairs_random(plan->options.seed ^ BATCHES, epoch, i), i};
    }
    qsort(order, b.count, sizeof(*order), by_key);
    for (size_t i = 0; i < b.count; i++) {
        add_step(plan, b.members + order[i].index * b.size, b.counts[order[i].index]);
    }
    plan->epoch_starts[epoch + 1] = plan->steps;
    free(order);
    free(b.members);
    free(b.counts);
}

/* --- the whole -----------------------------------------------------------------------------------
 */

static void hash_plan(struct train_plan *plan)
{
    const struct cf_finetune_options *o = &plan->options;
    const uint64_t counts[] = {o->batch,          o->epochs,        o->seed,
                               o->hard_negatives, plan->pair_count, plan->steps};
    const float numbers[] = {o->rate, o->warmup, o->decay, o->clip, o->dropout};
    struct cf_sha256 *h = cf_sha256_new();
    cf_sha256_update(h, counts, sizeof(counts));
    cf_sha256_update(h, numbers, sizeof(numbers));
    cf_sha256_update(h, plan->offsets, (2 * plan->pair_count + 1) * sizeof(*plan->offsets));
    cf_sha256_update(h, plan->ids, plan->offsets[2 * plan->pair_count] * sizeof(*plan->ids));
    cf_sha256_update(h, plan->hard, plan->pair_count * sizeof(*plan->hard));
    cf_sha256_update(h, plan->starts, (plan->steps + (size_t)1) * sizeof(*plan->starts));
    cf_sha256_update(h, plan->members, plan->starts[plan->steps] * sizeof(*plan->members));
    cf_sha256_final(h, plan->sha256);
}

static void plan_steps(struct train_plan *plan)
{
    size_t most = plan->pair_count * plan->options.epochs;
    plan->members = cf_calloc(most, sizeof(*plan->members));
    plan->starts = cf_calloc(most + 1, sizeof(*plan->starts));
    plan->epoch_starts = cf_calloc(plan->options.epochs + 1, sizeof(*plan->epoch_starts));
    for (size_t epoch = 0; epoch < plan->options.epochs; epoch++) {
        plan_epoch(plan, epoch);
    }
}

int train_plan_make(const struct cf_pairs *pairs, const struct cf_wordpiece *vocabulary,
                    size_t max_tokens, const struct cf_finetune_options *options,
                    struct train_plan **out, struct cf_error *err)
{
    int rc = cf_finetune_check(options, err);
    if (rc) {
        return rc;
    }
    struct train_plan *plan = cf_calloc(1, sizeof(*plan));
    plan->options = *options;
    plan->most_tokens = max_tokens;
    plan->pairs = cf_calloc(pairs->count, sizeof(const struct cf_pair *));
    for (size_t i = 0; i < pairs->count; i++) {
        if (!pairs->items[i].held_out) {
            plan->pairs[plan->pair_count++] = &pairs->items[i];
        }
    }
    if (!plan->pair_count) {
        train_plan_free(plan);
        return cf_error_set(err, CF_EDATA,
                            "there are no pairs to train on: no project has a description, a "
                            "section or a field that answers a question");
    }
    plan->hard = cf_calloc(plan->pair_count, sizeof(*plan->hard));
    memset(plan->hard, 0xff, plan->pair_count * sizeof(*plan->hard));
    tokenize(plan, vocabulary, max_tokens);
    if (options->hard_negatives) {
        find_hard_negatives(plan);
    }
    plan_steps(plan);
    if (!plan->steps) {
        rc = cf_error_set(err, CF_EDATA,
                          "%zu pairs to train on, of which no two go together in a batch: training "
                          "needs at least one wrong answer beside the right one",
                          plan->pair_count);
        train_plan_free(plan);
        return rc;
    }
    hash_plan(plan);
    *out = plan;
    return 0;
}

void train_plan_free(struct train_plan *plan)
{
    if (!plan) {
        return;
    }
    free(plan->pairs);
    free(plan->ids);
    free(plan->offsets);
    free(plan->hard);
    free(plan->members);
    free(plan->starts);
    free(plan->epoch_starts);
    free(plan);
}

size_t train_plan_epoch(const struct train_plan *plan, uint32_t step)
{
    size_t epoch = 0;
    while (epoch + 1 < plan->options.epochs && plan->epoch_starts[epoch + 1] <= step) {
        epoch++;
    }
    return epoch;
}

struct writer {
    const struct train_plan *plan;
    int32_t *ids;
    size_t *offsets;
    size_t texts;
};

static void write_text(struct writer *w, size_t text)
{
    size_t first = w->plan->offsets[text];
    size_t count = w->plan->offsets[text + 1] - first;
    size_t used = w->offsets[w->texts];
    memcpy(w->ids + used, w->plan->ids + first, count * sizeof(*w->ids));
    w->offsets[++w->texts] = used + count;
}

struct cf_bert_batch train_plan_batch(const struct train_plan *plan, uint32_t step, int32_t *ids,
                                      size_t *offsets)
{
    const size_t *members = plan->members + plan->starts[step];
    size_t count = plan->starts[step + 1] - plan->starts[step];
    struct writer w = {plan, ids, offsets, 0};
    offsets[0] = 0;
    for (size_t i = 0; i < count; i++) {
        write_text(&w, 2 * members[i]);
    }
    for (size_t i = 0; i < count; i++) {
        write_text(&w, 2 * members[i] + 1);
    }
    for (size_t i = 0; i < count; i++) {
        size_t hard = hard_of(plan, members, count, i);
        if (hard != NONE) {
            write_text(&w, 2 * hard + 1);
        }
    }
    return (struct cf_bert_batch){ids, offsets, count, w.texts - count};
}
