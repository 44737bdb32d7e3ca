#include "common/transformer/layout.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/alloc.h"

/* As floats they fit in one blob of the contract, with a file's header and more. */
static const size_t MOST_PARAMETERS = 128000000;

static int check(const struct cf_bert_config *c, struct cf_error *err)
{
    const struct {
        const char *name;
        size_t value, most;
    } sizes[] = {
        {"num_hidden_layers", c->layers, 64},    {"hidden_size", c->hidden, 4096},
        {"num_attention_heads", c->heads, 4096}, {"intermediate_size", c->ffn, 16384},
        {"vocab_size", c->vocabulary, 1000000},  {"max_position_embeddings", c->positions, 8192},
        {"type_vocab_size", c->types, 16},       {"max_seq_length", c->max_tokens, c->positions},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (!sizes[i].value || sizes[i].value > sizes[i].most) {
            return cf_error_set(err, CF_EDATA, "\"%s\" must be from 1 to %zu, and is %zu",
                                sizes[i].name, sizes[i].most, sizes[i].value);
        }
    }
    if (c->hidden % c->heads) {
        return cf_error_set(err, CF_EDATA,
                            "\"hidden_size\" (%zu) is not a multiple of \"num_attention_heads\" "
                            "(%zu)",
                            c->hidden, c->heads);
    }
    if (!(c->layernorm_eps > 0 && c->layernorm_eps < 1)) {
        return cf_error_set(err, CF_EDATA, "\"layer_norm_eps\" must lie between 0 and 1");
    }
    if (!(c->dropout >= 0 && c->dropout < 1)) {
        return cf_error_set(err, CF_EDATA, "the dropout must be at least 0 and below 1");
    }
    return 0;
}

static size_t add(struct cf_bert_layout *l, const char *prefix, const char *name, size_t rows,
                  size_t columns, bool decays)
{
    struct cf_bert_tensor *tensor = &l->tensors[l->tensor_count++];
    size_t offset = l->parameters;
    (void)snprintf(tensor->name, sizeof(tensor->name), "%s%s", prefix, name);
    tensor->offset = offset;
    tensor->rows = rows;
    tensor->columns = columns;
    tensor->decays = decays;
    l->parameters += rows * (columns ? columns : 1);
    return offset;
}

static void add_linear(struct cf_bert_layout *l, const char *prefix, const char *name, size_t out,
                       size_t in, size_t *weight, size_t *bias)
{
    char part[64];
    (void)snprintf(part, sizeof(part), "%s.weight", name);
    *weight = add(l, prefix, part, out, in, true);
    (void)snprintf(part, sizeof(part), "%s.bias", name);
    *bias = add(l, prefix, part, out, 0, false);
}

static void add_norm(struct cf_bert_layout *l, const char *prefix, const char *name, size_t *weight,
                     size_t *bias)
{
    char part[64];
    (void)snprintf(part, sizeof(part), "%s.weight", name);
    *weight = add(l, prefix, part, l->config.hidden, 0, false);
    (void)snprintf(part, sizeof(part), "%s.bias", name);
    *bias = add(l, prefix, part, l->config.hidden, 0, false);
}

/* Weights of queries, keys and values, then their biases: see cf_bert_layer. */
static void add_attention(struct cf_bert_layout *l, const char *prefix, struct cf_bert_layer *y)
{
    static const char *const names[] = {"query", "key", "value"};
    size_t *const weights[] = {&y->query_weight, &y->key_weight, &y->value_weight};
    size_t *const biases[] = {&y->query_bias, &y->key_bias, &y->value_bias};
    size_t hidden = l->config.hidden;
    char name[48];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "attention.self.%s.weight", names[i]);
        *weights[i] = add(l, prefix, name, hidden, hidden, true);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "attention.self.%s.bias", names[i]);
        *biases[i] = add(l, prefix, name, hidden, 0, false);
    }
}

static void add_layer(struct cf_bert_layout *l, size_t index)
{
    const struct cf_bert_config *c = &l->config;
    struct cf_bert_layer *y = &l->layers[index];
    char p[48];
    (void)snprintf(p, sizeof(p), "encoder.layer.%zu.", index);
    add_attention(l, p, y);
    add_linear(l, p, "attention.output.dense", c->hidden, c->hidden, &y->output_weight,
               &y->output_bias);
    add_norm(l, p, "attention.output.LayerNorm", &y->attention_norm_weight,
             &y->attention_norm_bias);
    add_linear(l, p, "intermediate.dense", c->ffn, c->hidden, &y->up_weight, &y->up_bias);
    add_linear(l, p, "output.dense", c->hidden, c->ffn, &y->down_weight, &y->down_bias);
    add_norm(l, p, "output.LayerNorm", &y->norm_weight, &y->norm_bias);
}

int cf_bert_layout_make(const struct cf_bert_config *config, struct cf_bert_layout *out,
                        struct cf_error *err)
{
    enum { OF_EMBEDDINGS = 5, OF_A_LAYER = 16 };
    *out = (struct cf_bert_layout){.config = *config};
    int rc = check(config, err);
    if (rc) {
        return rc;
    }
    const struct cf_bert_config *c = &out->config;
    out->tensors = cf_calloc(OF_EMBEDDINGS + OF_A_LAYER * c->layers, sizeof(*out->tensors));
    out->layers = cf_calloc(c->layers, sizeof(*out->layers));
    out->word_embeddings =
        add(out, "embeddings.", "word_embeddings.weight", c->vocabulary, c->hidden, true);
    out->position_embeddings =
        add(out, "embeddings.", "position_embeddings.weight", c->positions, c->hidden, true);
    out->type_embeddings =
        add(out, "embeddings.", "token_type_embeddings.weight", c->types, c->hidden, true);
    add_norm(out, "embeddings.", "LayerNorm", &out->embedding_norm_weight,
             &out->embedding_norm_bias);
    for (size_t i = 0; i < c->layers; i++) {
        add_layer(out, i);
    }
    if (out->parameters > MOST_PARAMETERS) {
        size_t parameters = out->parameters;
        cf_bert_layout_release(out);
        return cf_error_set(err, CF_EDATA, "the model has %zu parameters, the limit is %zu",
                            parameters, MOST_PARAMETERS);
    }
    return 0;
}

void cf_bert_layout_release(struct cf_bert_layout *layout)
{
    free(layout->tensors);
    free(layout->layers);
    *layout = (struct cf_bert_layout){0};
}
