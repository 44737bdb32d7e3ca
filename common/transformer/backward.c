#include "common/transformer/bert_internal.h"

static cf_ref weight(const struct cf_pass *pass, size_t offset)
{
    return cf_ref_plus(pass->model->weights, offset);
}

static cf_ref gradient(const struct cf_pass *pass, size_t offset)
{
    return cf_ref_plus(pass->model->gradients, offset);
}

/* d, the gradient of a LayerNorm's output → of its input, and that behind the dropout; returns
 * where the latter is: e, or d when nothing drops out. All [rows, hidden]. */
static cf_ref norm_backward(const struct cf_pass *pass, cf_ref xhat, size_t scale, size_t gamma,
                            size_t beta, struct cf_dropout dropout)
{
    struct cf_bert *m = pass->model;
    bool drops = dropout.rate > 0;
    struct cf_norm_backward a = {
        .rows = cf_pass_rows(pass),
        .n = m->layout->config.hidden,
        .dy = m->a.d,
        .xhat = xhat,
        .scale = cf_ref_plus(m->a.scales, scale * m->a.rows),
        .gamma = weight(pass, gamma),
        .dgamma = gradient(pass, gamma),
        .dbeta = gradient(pass, beta),
        .ds = m->a.d,
        .dropout = dropout,
        .dx = drops ? m->a.e : (cf_ref){NULL},
    };
    m->compute->ops->norm_backward(m->compute, &a);
    return drops ? m->a.e : m->a.d;
}

static cf_ref xhat_at(const struct cf_bert *m, size_t end)
{
    return cf_ref_plus(m->a.xhats, end * m->a.rows * m->layout->config.hidden);
}

struct dense {
    size_t weight, bias;
    cf_ref x;
    size_t in;
    cf_ref dy;
    size_t out, dy_stride;
    cf_ref dx;
    bool add;
    cf_ref factor;
};

static void dense_backward(const struct cf_pass *pass, const struct dense *d)
{
    struct cf_bert *m = pass->model;
    struct cf_linear_backward a = {
        .rows = cf_pass_rows(pass),
        .in = d->in,
        .out = d->out,
        .x = d->x,
        .weight = weight(pass, d->weight),
        .dy = d->dy,
        .dy_stride = d->dy_stride,
        .dweight = gradient(pass, d->weight),
        .dbias = gradient(pass, d->bias),
        .dx = d->dx,
        .add = d->add,
        .factor = d->factor,
    };
    m->compute->ops->linear_backward(m->compute, &a);
}

/* From the layer's end to the LayerNorm behind the attention: d → d. */
static void ffn_backward(const struct cf_pass *pass, size_t layer, const struct cf_kept *kept)
{
    struct cf_bert *m = pass->model;
    const struct cf_bert_config *c = &m->layout->config;
    const struct cf_bert_layer *l = &m->layout->layers[layer];
    cf_ref dy = norm_backward(pass, xhat_at(m, layer + 1), 2 * layer + 2, l->norm_weight,
                              l->norm_bias, cf_pass_dropout(pass, CF_BEHIND_FFN, layer));
    struct dense down = {.weight = l->down_weight,
                         .bias = l->down_bias,
                         .x = kept->g,
                         .in = c->ffn,
                         .dy = dy,
                         .out = c->hidden,
                         .dy_stride = c->hidden,
                         .dx = kept->slope,
                         .factor = kept->slope};
    dense_backward(pass, &down);
    struct cf_norm again = {.rows = cf_pass_rows(pass),
                            .n = c->hidden,
                            .gamma = weight(pass, l->attention_norm_weight),
                            .beta = weight(pass, l->attention_norm_bias),
                            .xhat = kept->xhat,
                            .y = m->a.t};
    m->compute->ops->norm_again(m->compute, &again);
    struct dense up = {.weight = l->up_weight,
                       .bias = l->up_bias,
                       .x = m->a.t,
                       .in = c->hidden,
                       .dy = kept->slope,
                       .out = c->ffn,
                       .dy_stride = c->ffn,
                       .dx = m->a.d,
                       .add = true};
    dense_backward(pass, &up);
}

/* d += the gradient of the layer's input, given that of q, k and v */
static void project_backward(const struct cf_pass *pass, size_t layer, cf_ref dqkv)
{
    struct cf_bert *m = pass->model;
    size_t hidden = m->layout->config.hidden;
    const struct cf_bert_layer *l = &m->layout->layers[layer];
    cf_layer_input(pass, layer);
    struct dense a = {.weight = l->query_weight,
                      .bias = l->query_bias,
                      .x = m->a.x,
                      .in = hidden,
                      .dy = dqkv,
                      .out = 3 * hidden,
                      .dy_stride = 3 * hidden,
                      .dx = m->a.d,
                      .add = true};
    dense_backward(pass, &a);
}

/* From the LayerNorm behind the attention to the layer's input: d → d. */
static void attention_backward(const struct cf_pass *pass, size_t layer, const struct cf_kept *kept)
{
    struct cf_bert *m = pass->model;
    const struct cf_bert_config *c = &m->layout->config;
    const struct cf_bert_layer *l = &m->layout->layers[layer];
    cf_ref dy =
        norm_backward(pass, kept->xhat, 2 * layer + 1, l->attention_norm_weight,
                      l->attention_norm_bias, cf_pass_dropout(pass, CF_BEHIND_ATTENTION, layer));
    struct dense output = {.weight = l->output_weight,
                           .bias = l->output_bias,
                           .x = kept->context,
                           .in = c->hidden,
                           .dy = dy,
                           .out = c->hidden,
                           .dy_stride = c->hidden,
                           .dx = m->a.t};
    dense_backward(pass, &output);
    struct cf_attention_backward a = {
        .forward = {.texts = pass->texts,
                    .heads = c->heads,
                    .hidden = c->hidden,
                    .qkv = kept->qkv,
                    .context = kept->context,
                    .log_sums = kept->log_sums,
                    .dropout = cf_pass_dropout(pass, CF_IN_ATTENTION, layer)},
        .dcontext = m->a.t,
        .dqkv = kept->g,
    };
    m->compute->ops->attention_backward(m->compute, &a);
    project_backward(pass, layer, kept->g);
}

void cf_layer_backward(const struct cf_pass *pass, size_t layer)
{
    struct cf_bert *m = pass->model;
    if (layer < cf_activations_first(m)) {
        cf_layer_input(pass, layer);
        cf_layer_forward(pass, layer, true);
    }
    struct cf_kept kept = cf_activations_of(m, layer);
    ffn_backward(pass, layer, &kept);
    attention_backward(pass, layer, &kept);
}

static void embed_backward(const struct cf_pass *pass)
{
    struct cf_bert *m = pass->model;
    const struct cf_bert_layout *y = m->layout;
    struct cf_dropout dropout = cf_pass_dropout(pass, CF_AT_EMBEDDINGS, 0);
    size_t n = y->config.hidden;
    m->compute->ops->drop(m->compute, cf_pass_rows(pass), n, m->a.d, &dropout);
    dropout.rate = 0;
    norm_backward(pass, xhat_at(m, 0), 0, y->embedding_norm_weight, y->embedding_norm_bias,
                  dropout);
    m->compute->ops->zero(m->compute, gradient(pass, y->position_embeddings),
                          y->config.positions * n);
    struct cf_embed_backward a = {
        .texts = pass->texts,
        .ids = pass->ids,
        .n = n,
        .ds = m->a.d,
        .dwords = gradient(pass, y->word_embeddings),
        .dpositions = gradient(pass, y->position_embeddings),
        .dtypes = gradient(pass, y->type_embeddings),
    };
    m->compute->ops->embed_backward(m->compute, &a);
}

void cf_backward(const struct cf_pass *pass)
{
    struct cf_bert *m = pass->model;
    struct cf_pool_backward a = {pass->texts, m->layout->config.hidden, m->embeddings,
                                 m->lengths,  m->dembeddings,           m->a.d};
    m->compute->ops->pool_backward(m->compute, &a);
    for (size_t i = m->layout->config.layers; i > 0; i--) {
        cf_layer_backward(pass, i - 1);
    }
    embed_backward(pass);
}
