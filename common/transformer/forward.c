#include "common/transformer/bert_internal.h"

struct cf_dropout cf_pass_dropout(const struct cf_pass *pass, int place, size_t layer)
{
    struct cf_dropout d = pass->dropout;
    size_t heads = pass->model->layout->config.heads;
    size_t first = 1 + layer * (heads + 2);
    switch (place) {
    case CF_IN_ATTENTION:
        d.site = (uint32_t)first;
        break;
    case CF_BEHIND_ATTENTION:
        d.site = (uint32_t)(first + heads);
        break;
    case CF_BEHIND_FFN:
        d.site = (uint32_t)(first + heads + 1);
        break;
    default:
        d.site = 0;
    }
    return d;
}

/* --- memory --------------------------------------------------------------------------------------
 */

static size_t wide(const struct cf_bert_config *c)
{
    return c->ffn > 3 * c->hidden ? c->ffn : 3 * c->hidden;
}

static size_t slot_floats(const struct cf_bert_config *c, size_t rows, bool training)
{
    size_t a_row = 4 * c->hidden; /* encoding needs q, k, v and context only */
    return rows * (training ? a_row + c->hidden + c->ffn + wide(c) + c->heads : a_row);
}

static size_t fixed_floats(const struct cf_bert_config *c, size_t rows, bool training)
{
    size_t kept = (c->layers + 1) * c->hidden + 2 * c->layers + 1;
    return rows * (2 * c->hidden + (training ? 2 * c->hidden + kept : c->ffn));
}

size_t cf_activations_floats(const struct cf_bert_config *c, size_t rows, bool training,
                             size_t slots)
{
    rows = cf_compute_rows(rows);
    return fixed_floats(c, rows, training) + slots * slot_floats(c, rows, training);
}

static cf_ref take(cf_ref *from, size_t floats)
{
    cf_ref taken = *from;
    *from = cf_ref_plus(taken, floats);
    return taken;
}

void cf_activations_divide(struct cf_bert *model, size_t rows, bool training)
{
    const struct cf_bert_config *c = &model->layout->config;
    struct cf_activations *a = &model->a;
    *a = (struct cf_activations){.rows = cf_compute_rows(rows), .training = training};
    cf_ref rest = model->arena;
    size_t one = a->rows * c->hidden;
    a->x = take(&rest, one);
    a->t = take(&rest, one);
    if (!training) {
        a->g = take(&rest, a->rows * c->ffn);
    } else {
        a->d = take(&rest, one);
        a->e = take(&rest, one);
        a->xhats = take(&rest, (c->layers + 1) * one);
        a->scales = take(&rest, (2 * c->layers + 1) * a->rows);
    }
    a->slots = rest;
    a->slot_floats = slot_floats(c, a->rows, training);
    a->slot_count = (model->arena_floats - fixed_floats(c, a->rows, training)) / a->slot_floats;
    size_t most = training ? c->layers : 1;
    a->slot_count = a->slot_count < most ? a->slot_count : most;
}

size_t cf_activations_first(const struct cf_bert *model)
{
    size_t layers = model->layout->config.layers;
    return layers - model->a.slot_count;
}

struct cf_kept cf_activations_of(const struct cf_bert *model, size_t layer)
{
    const struct cf_bert_config *c = &model->layout->config;
    const struct cf_activations *a = &model->a;
    size_t first = cf_activations_first(model);
    cf_ref at =
        cf_ref_plus(a->slots, layer < first || !a->training ? 0 : (layer - first) * a->slot_floats);
    struct cf_kept kept = {0};
    kept.qkv = take(&at, a->rows * 3 * c->hidden);
    kept.context = take(&at, a->rows * c->hidden);
    if (a->training) {
        kept.xhat = take(&at, a->rows * c->hidden);
        kept.g = take(&at, a->rows * wide(c));
        kept.slope = take(&at, a->rows * c->ffn);
        kept.log_sums = at;
    }
    return kept;
}

/* --- forward -------------------------------------------------------------------------------------
 */

static cf_ref weight(const struct cf_pass *pass, size_t offset)
{
    return cf_ref_plus(pass->model->weights, offset);
}

static cf_ref none(void)
{
    return (cf_ref){NULL};
}

/* Which of xhats and scales a LayerNorm uses; none when encoding. */
static cf_ref xhat_at(const struct cf_bert *m, size_t end)
{
    return m->a.training ? cf_ref_plus(m->a.xhats, end * m->a.rows * m->layout->config.hidden)
                         : none();
}

static cf_ref scale_at(const struct cf_bert *m, size_t which)
{
    return m->a.training ? cf_ref_plus(m->a.scales, which * m->a.rows) : none();
}

/* qkv [rows, 3 hidden] = x [rows, hidden] · [3 hidden, hidden]ᵀ + bias */
static void project(const struct cf_pass *pass, size_t layer, const struct cf_kept *kept)
{
    struct cf_bert *m = pass->model;
    size_t hidden = m->layout->config.hidden;
    const struct cf_bert_layer *l = &m->layout->layers[layer];
    struct cf_linear a = {.rows = cf_pass_rows(pass),
                          .in = hidden,
                          .out = 3 * hidden,
                          .x = m->a.x,
                          .weight = weight(pass, l->query_weight),
                          .bias = weight(pass, l->query_bias),
                          .y = kept->qkv,
                          .y_stride = 3 * hidden};
    m->compute->ops->linear(m->compute, &a);
}

static void attend(const struct cf_pass *pass, size_t layer, const struct cf_kept *kept)
{
    struct cf_bert *m = pass->model;
    struct cf_attention a = {
        .texts = pass->texts,
        .heads = m->layout->config.heads,
        .hidden = m->layout->config.hidden,
        .qkv = kept->qkv,
        .context = kept->context,
        .log_sums = kept->log_sums,
        .dropout = cf_pass_dropout(pass, CF_IN_ATTENTION, layer),
    };
    m->compute->ops->attention(m->compute, &a);
}

/* t [rows, out] = x [rows, in] · weight [out, in]ᵀ; the bias comes with the LayerNorm behind. */
static void close_block(const struct cf_pass *pass, cf_ref x, size_t in, size_t weight_offset)
{
    struct cf_bert *m = pass->model;
    size_t hidden = m->layout->config.hidden;
    struct cf_linear a = {.rows = cf_pass_rows(pass),
                          .in = in,
                          .out = hidden,
                          .x = x,
                          .weight = weight(pass, weight_offset),
                          .y = m->a.t,
                          .y_stride = hidden};
    m->compute->ops->linear(m->compute, &a);
}

/* x = LayerNorm(dropout(t + bias) + x), all [rows, hidden] */
static void normalise(const struct cf_pass *pass, size_t bias, size_t gamma, size_t beta,
                      struct cf_dropout dropout, cf_ref xhat, cf_ref scale)
{
    struct cf_bert *m = pass->model;
    struct cf_norm a = {
        .rows = cf_pass_rows(pass),
        .n = m->layout->config.hidden,
        .x = m->a.t,
        .bias = weight(pass, bias),
        .residual = m->a.x,
        .gamma = weight(pass, gamma),
        .beta = weight(pass, beta),
        .eps = m->layout->config.layernorm_eps,
        .dropout = dropout,
        .xhat = xhat,
        .scale = scale,
        .y = m->a.x,
    };
    m->compute->ops->norm(m->compute, &a);
}

void cf_layer_forward(const struct cf_pass *pass, size_t layer, bool again)
{
    struct cf_bert *m = pass->model;
    const struct cf_bert_config *c = &m->layout->config;
    const struct cf_bert_layer *l = &m->layout->layers[layer];
    struct cf_kept kept = cf_activations_of(m, layer);
    project(pass, layer, &kept);
    attend(pass, layer, &kept);
    close_block(pass, kept.context, c->hidden, l->output_weight);
    normalise(pass, l->output_bias, l->attention_norm_weight, l->attention_norm_bias,
              cf_pass_dropout(pass, CF_BEHIND_ATTENTION, layer), kept.xhat,
              scale_at(m, 2 * layer + 1));
    /* g [rows, ffn] = gelu(x · [ffn, hidden]ᵀ + bias) */
    cf_ref g = m->a.training ? kept.g : m->a.g;
    struct cf_linear up = {
        .rows = cf_pass_rows(pass),
        .in = c->hidden,
        .out = c->ffn,
        .x = m->a.x,
        .weight = weight(pass, l->up_weight),
        .bias = weight(pass, l->up_bias),
        .y = m->a.training ? kept.slope : g,
        .y_stride = c->ffn,
        .gelu = g,
    };
    m->compute->ops->linear(m->compute, &up);
    if (again) {
        return;
    }
    close_block(pass, g, c->ffn, l->down_weight);
    normalise(pass, l->down_bias, l->norm_weight, l->norm_bias,
              cf_pass_dropout(pass, CF_BEHIND_FFN, layer), xhat_at(m, layer + 1),
              scale_at(m, 2 * layer + 2));
}

void cf_layer_input(const struct cf_pass *pass, size_t layer)
{
    struct cf_bert *m = pass->model;
    const struct cf_bert_layout *y = m->layout;
    struct cf_norm a = {
        .rows = cf_pass_rows(pass),
        .n = y->config.hidden,
        .gamma = weight(pass, layer ? y->layers[layer - 1].norm_weight : y->embedding_norm_weight),
        .beta = weight(pass, layer ? y->layers[layer - 1].norm_bias : y->embedding_norm_bias),
        .xhat = xhat_at(m, layer),
        .y = m->a.x,
    };
    if (!layer) {
        a.dropout = cf_pass_dropout(pass, CF_AT_EMBEDDINGS, 0);
    }
    m->compute->ops->norm_again(m->compute, &a);
}

static void embed(const struct cf_pass *pass)
{
    struct cf_bert *m = pass->model;
    const struct cf_bert_layout *y = m->layout;
    struct cf_embed a = {
        .texts = pass->texts,
        .ids = pass->ids,
        .n = y->config.hidden,
        .words = weight(pass, y->word_embeddings),
        .positions = weight(pass, y->position_embeddings),
        .types = weight(pass, y->type_embeddings),
        .gamma = weight(pass, y->embedding_norm_weight),
        .beta = weight(pass, y->embedding_norm_bias),
        .eps = y->config.layernorm_eps,
        .dropout = cf_pass_dropout(pass, CF_AT_EMBEDDINGS, 0),
        .xhat = xhat_at(m, 0),
        .scale = scale_at(m, 0),
        .y = m->a.x,
    };
    m->compute->ops->embed(m->compute, &a);
}

void cf_forward(const struct cf_pass *pass)
{
    struct cf_bert *m = pass->model;
    m->compute->ops->prepare(m->compute, m->matrices, 4 * m->layout->config.layers);
    embed(pass);
    for (size_t i = 0; i < m->layout->config.layers; i++) {
        cf_layer_forward(pass, i, false);
    }
    struct cf_pool a = {pass->texts, m->layout->config.hidden, m->a.x, m->embeddings, m->lengths};
    m->compute->ops->pool(m->compute, &a);
}
