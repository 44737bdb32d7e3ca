#include "common/transformer/bert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/bert_internal.h"
#include "common/transformer/loss.h"
#include "common/transformer/optimizer.h"

enum { SLOTS = 2 }; /* layers whose activations the largest batch keeps */

bool cf_bert_has_bf16(void)
{
    return cf_compute_cpu_has_bf16();
}

/* --- making one ----------------------------------------------------------------------------------
 */

static int check_options(const struct cf_bert_layout *layout, const struct cf_bert_options *o,
                         struct cf_error *err)
{
    if (o->most_tokens < layout->config.max_tokens || o->most_tokens > (size_t)1 << 24) {
        return cf_error_set(err, CF_EUSAGE,
                            "a batch must hold from %zu (one text) to %zu tokens, not %zu",
                            layout->config.max_tokens, (size_t)1 << 24, o->most_tokens);
    }
    if (!o->most_texts || o->most_texts > (size_t)1 << 20 || !o->threads || o->threads > 1024) {
        return cf_error_set(err, CF_EUSAGE,
                            "a model needs 1 to %zu texts a batch, 1 to 1024 threads",
                            (size_t)1 << 20);
    }
    return 0;
}

static void list_matrices(struct cf_bert *m)
{
    const struct cf_bert_config *c = &m->layout->config;
    m->matrices = cf_calloc(4 * c->layers, sizeof(*m->matrices));
    for (size_t i = 0; i < c->layers; i++) {
        const struct cf_bert_layer *l = &m->layout->layers[i];
        const size_t parts[4][3] = {{l->query_weight, 3 * c->hidden, c->hidden},
                                    {l->output_weight, c->hidden, c->hidden},
                                    {l->up_weight, c->ffn, c->hidden},
                                    {l->down_weight, c->hidden, c->ffn}};
        for (size_t k = 0; k < 4; k++) {
            m->matrices[4 * i + k] =
                (struct cf_weight){cf_ref_plus(m->weights, parts[k][0]), parts[k][1], parts[k][2]};
        }
    }
}

/* Of the parameters and what goes with them the part behind the word embeddings, of which a
 * training uses some rows only. */
static cf_ref alloc_parameters(struct cf_bert *m)
{
    const struct cf_bert_layout *y = m->layout;
    size_t words = y->word_embeddings + y->config.vocabulary * y->config.hidden;
    cf_ref ref = m->compute->ops->alloc(m->compute, y->parameters);
    m->compute->ops->dense(m->compute, cf_ref_plus(ref, words), y->parameters - words);
    return ref;
}

static void take_memory(struct cf_bert *m)
{
    const struct cf_compute_ops *ops = m->compute->ops;
    const struct cf_bert_config *c = &m->layout->config;
    size_t slots = !m->options.training ? 1 : c->layers < SLOTS ? c->layers : SLOTS;
    m->weights = alloc_parameters(m);
    m->arena_floats = cf_activations_floats(c, m->options.most_tokens, m->options.training, slots);
    m->arena = ops->alloc(m->compute, m->arena_floats);
    ops->dense(m->compute, m->arena, m->arena_floats);
    m->embeddings = ops->alloc(m->compute, m->options.most_texts * c->hidden);
    m->lengths = ops->alloc(m->compute, m->options.most_texts);
    if (m->options.training) {
        m->gradients = alloc_parameters(m);
        m->moments[0] = alloc_parameters(m);
        m->moments[1] = alloc_parameters(m);
        m->dembeddings = ops->alloc(m->compute, m->options.most_texts * c->hidden);
        cf_late_words_make(&m->words, c->vocabulary);
    }
    list_matrices(m);
}

int cf_bert_new(const struct cf_bert_layout *layout, const struct cf_bert_options *options,
                struct cf_bert **out, struct cf_error *err)
{
    int rc = check_options(layout, options, err);
    if (rc) {
        return rc;
    }
    struct cf_bert *m = cf_calloc(1, sizeof(*m));
    m->layout = layout;
    m->options = *options;
    rc = cf_compute_cpu_new(options->threads, options->bf16, &m->compute, err);
    if (rc) {
        free(m);
        return rc;
    }
    take_memory(m);
    *out = m;
    return 0;
}

void cf_bert_free(struct cf_bert *m)
{
    if (!m) {
        return;
    }
    const struct cf_compute_ops *ops = m->compute->ops;
    size_t all = m->layout->parameters;
    size_t texts = m->options.most_texts * m->layout->config.hidden;
    ops->release(m->compute, m->weights, all);
    ops->release(m->compute, m->gradients, all);
    ops->release(m->compute, m->moments[0], all);
    ops->release(m->compute, m->moments[1], all);
    ops->release(m->compute, m->arena, m->arena_floats);
    ops->release(m->compute, m->embeddings, texts);
    ops->release(m->compute, m->dembeddings, texts);
    ops->release(m->compute, m->lengths, m->options.most_texts);
    ops->free(m->compute);
    free(m->matrices);
    cf_late_words_release(&m->words);
    free(m);
}

/* --- its numbers ---------------------------------------------------------------------------------
 */

static float *on_host(struct cf_bert *m, cf_ref ref)
{
    cf_late_words_read_all(m);
    return ref.at ? m->compute->ops->host(m->compute, ref, m->layout->parameters) : NULL;
}

float *cf_bert_weights(struct cf_bert *m)
{
    return on_host(m, m->weights);
}

float *cf_bert_moments(struct cf_bert *m, int which)
{
    return on_host(m, m->moments[which == 2]);
}

const float *cf_bert_gradients(struct cf_bert *m)
{
    return on_host(m, m->gradients);
}

uint32_t cf_bert_steps(const struct cf_bert *m)
{
    return m->steps;
}

void cf_bert_set_steps(struct cf_bert *m, uint32_t steps)
{
    m->steps = steps;
}

void cf_bert_changed(struct cf_bert *m)
{
    m->compute->ops->changed(m->compute);
    if (m->options.training) {
        cf_late_words_read_all(m);
        cf_late_words_look(m);
    }
}

/* --- texts ---------------------------------------------------------------------------------------
 */

static int check_text(const struct cf_bert *m, const int32_t *ids, const size_t *offsets,
                      size_t text, struct cf_error *err)
{
    const struct cf_bert_config *c = &m->layout->config;
    size_t first = offsets[text];
    size_t end = offsets[text + 1];
    if (end <= first || end - first > c->max_tokens) {
        return cf_error_set(err, CF_EDATA, "text %zu must have from 1 to %zu tokens, and has %zu",
                            text, c->max_tokens, end <= first ? 0 : end - first);
    }
    for (size_t i = first; i < end; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= c->vocabulary) {
            return cf_error_set(err, CF_EDATA,
                                "token %zu of text %zu is %ld, the vocabulary has %zu", i - first,
                                text, (long)ids[i], c->vocabulary);
        }
    }
    return 0;
}

static int check_texts(const struct cf_bert *m, const int32_t *ids, const size_t *offsets,
                       size_t texts, struct cf_error *err)
{
    for (size_t i = 0; i < texts; i++) {
        int rc = check_text(m, ids, offsets, i, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* How many of the texts fit into one batch. */
static size_t fitting(const struct cf_bert *m, const size_t *offsets, size_t texts)
{
    size_t count = 0;
    while (count < texts && count < m->options.most_texts &&
           offsets[count + 1] - offsets[0] <= m->options.most_tokens) {
        count++;
    }
    return count;
}

static int encode_batch(struct cf_bert *m, const int32_t *ids, const size_t *offsets, size_t texts,
                        float *out, struct cf_error *err)
{
    size_t *from_zero = cf_calloc(texts + 1, sizeof(*from_zero));
    for (size_t i = 0; i <= texts; i++) {
        from_zero[i] = offsets[i] - offsets[0];
    }
    struct cf_pass pass = {.model = m, .texts = {texts, from_zero}, .ids = ids + offsets[0]};
    cf_activations_divide(m, from_zero[texts], false);
    cf_forward(&pass);
    free(from_zero);
    int rc = m->compute->ops->status(m->compute, err);
    if (!rc) {
        m->compute->ops->download(m->compute, out, m->embeddings, texts * m->layout->config.hidden);
    }
    return rc;
}

int cf_bert_encode(struct cf_bert *m, const int32_t *ids, const size_t *offsets, size_t texts,
                   float *out, struct cf_error *err)
{
    int rc = check_texts(m, ids, offsets, texts, err);
    cf_late_words_read_all(m);
    for (size_t done = 0; !rc && done < texts;) {
        size_t count = fitting(m, offsets + done, texts - done);
        rc =
            encode_batch(m, ids, offsets + done, count, out + done * m->layout->config.hidden, err);
        done += count;
    }
    return rc;
}

/* --- training ------------------------------------------------------------------------------------
 */

static int check_batch(const struct cf_bert *m, const struct cf_bert_batch *b,
                       const struct cf_bert_settings *s, struct cf_error *err)
{
    size_t texts = b->queries + b->candidates;
    if (!m->options.training) {
        return cf_error_set(err, CF_EUSAGE, "the model was not made for training");
    }
    if (!(s->dropout >= 0 && s->dropout < 1) || !(s->rate >= 0) || !isfinite(s->rate) ||
        !(s->decay >= 0) || !isfinite(s->decay) || !(s->clip >= 0) || !(s->scale >= 0)) {
        return cf_error_set(err, CF_EUSAGE, "a setting of the training step makes no sense");
    }
    if (!b->queries || b->candidates < b->queries || b->offsets[0]) {
        return cf_error_set(err, CF_EUSAGE,
                            "a batch needs queries and for each a candidate, not %zu and %zu",
                            b->queries, b->candidates);
    }
    if (texts > m->options.most_texts || b->offsets[texts] > m->options.most_tokens) {
        return cf_error_set(err, CF_EDATA,
                            "a batch of %zu texts, %zu tokens is larger than the %zu and %zu "
                            "that the model was made for",
                            texts, b->offsets[texts], m->options.most_texts,
                            m->options.most_tokens);
    }
    return check_texts(m, b->ids, b->offsets, texts, err);
}

static double loss_of(struct cf_bert *m, const struct cf_bert_batch *b, double scale)
{
    size_t n = m->layout->config.hidden;
    size_t floats = (b->queries + b->candidates) * n;
    float *e = cf_calloc(2 * floats, sizeof(*e));
    m->compute->ops->download(m->compute, e, m->embeddings, floats);
    struct cf_ranking r = {
        b->queries,         b->candidates, n,          e,
        e + b->queries * n, scale,         e + floats, e + floats + b->queries * n};
    double loss = cf_loss_ranking(&r);
    m->compute->ops->upload(m->compute, m->dembeddings, e + floats, floats);
    free(e);
    return loss;
}

/* The gradients are there: norm, then the step. */
static int update(struct cf_bert *m, const struct cf_bert_settings *s, struct cf_bert_outcome *out,
                  struct cf_error *err)
{
    const struct cf_compute_ops *ops = m->compute->ops;
    size_t count;
    struct cf_range *ranges = cf_optimizer_ranges(m->layout, m->words.in_batch, &count);
    out->norm = sqrt(ops->squares(m->compute, m->gradients, ranges, count));
    int rc = ops->status(m->compute, err);
    if (!rc && !isfinite(out->norm)) {
        rc = cf_error_set(err, CF_EDATA, "the gradient of step %lu is not finite",
                          (unsigned long)m->steps + 1);
    }
    if (!rc) {
        struct cf_adamw step =
            cf_adamw_step(s->rate, s->decay, cf_clip_factor(out->norm, s->clip), m->steps);
        ops->adamw(m->compute, m->weights, m->gradients, m->moments[0], m->moments[1], ranges,
                   count, &step);
        ops->changed(m->compute);
        cf_late_words_step(m, &step);
        m->steps++;
    }
    free(ranges);
    return rc;
}

int cf_bert_train_step(struct cf_bert *m, const struct cf_bert_batch *b,
                       const struct cf_bert_settings *s, struct cf_bert_outcome *out,
                       struct cf_error *err)
{
    *out = (struct cf_bert_outcome){NAN, NAN};
    int rc = check_batch(m, b, s, err);
    if (rc) {
        return rc;
    }
    struct cf_pass pass = {
        .model = m,
        .texts = {b->queries + b->candidates, b->offsets},
        .ids = b->ids,
        .dropout = {.rate = s->dropout, .seed = s->seed, .step = m->steps},
    };
    cf_activations_divide(m, cf_pass_rows(&pass), true);
    cf_late_words_read(m, pass.ids, cf_pass_rows(&pass));
    cf_forward(&pass);
    rc = m->compute->ops->status(m->compute, err);
    if (rc) {
        return rc;
    }
    out->loss = loss_of(m, b, s->scale > 0 ? (double)s->scale : (double)CF_LOSS_SCALE);
    if (!isfinite(out->loss)) {
        return cf_error_set(err, CF_EDATA, "the loss of step %lu is not finite",
                            (unsigned long)m->steps + 1);
    }
    cf_late_words_begin(m, pass.ids, cf_pass_rows(&pass));
    cf_backward(&pass);
    return update(m, s, out, err);
}
