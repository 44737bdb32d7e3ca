/* The sizes of a BERT encoder and where each of its parameters lies.
 *
 * All parameters are one array of floats, and so are their gradients and the optimizer's moments:
 * the layout says which part is which tensor. Names are those of Hugging Face's BertModel, without
 * the prefix "bert." that some exports have. Nothing depends on the sizes of one model: they come
 * from its config.json (config.h). */
#ifndef CF_TRANSFORMER_LAYOUT_H
#define CF_TRANSFORMER_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

struct cf_bert_config {
    size_t layers;       /* num_hidden_layers */
    size_t hidden;       /* hidden_size: a multiple of heads */
    size_t heads;        /* num_attention_heads */
    size_t ffn;          /* intermediate_size */
    size_t vocabulary;   /* vocab_size */
    size_t positions;    /* max_position_embeddings */
    size_t types;        /* type_vocab_size, at least 1; every token is of type 0 */
    float layernorm_eps; /* layer_norm_eps */
    float dropout;       /* hidden_dropout_prob and attention_probs_dropout_prob, for training */
    size_t max_tokens;   /* of one text with [CLS] and [SEP]; at most positions */
};

struct cf_bert_tensor {
    char name[96]; /* "encoder.layer.0.attention.self.query.weight" */
    size_t offset; /* of its first float */
    size_t rows; /* of a matrix [rows, columns], row by row, as torch.nn.Linear has it: [out, in] */
    size_t columns; /* 0: a vector of rows floats */
    bool decays;    /* weight decay applies: no bias and no LayerNorm */
};

/* The parts of one layer, by offset into the parameters. Queries, keys and values lie behind one
 * another, weights and biases, so that one product makes all three. */
struct cf_bert_layer {
    size_t query_weight, key_weight, value_weight;     /* [3][hidden, hidden] */
    size_t query_bias, key_bias, value_bias;           /* [3][hidden] */
    size_t output_weight, output_bias;                 /* attention.output.dense: likewise */
    size_t attention_norm_weight, attention_norm_bias; /* attention.output.LayerNorm: [hidden] */
    size_t up_weight, up_bias;     /* intermediate.dense: [ffn, hidden], [ffn] */
    size_t down_weight, down_bias; /* output.dense: [hidden, ffn], [hidden] */
    size_t norm_weight, norm_bias; /* output.LayerNorm: [hidden] */
};

struct cf_bert_layout {
    struct cf_bert_config config;
    struct cf_bert_tensor *tensors; /* by offset, without gaps */
    size_t tensor_count;
    size_t parameters;                                 /* floats in all */
    size_t word_embeddings;                            /* [vocabulary, hidden] */
    size_t position_embeddings;                        /* [positions, hidden] */
    size_t type_embeddings;                            /* [types, hidden] */
    size_t embedding_norm_weight, embedding_norm_bias; /* [hidden] */
    struct cf_bert_layer *layers;                      /* [config.layers] */
};

/* CF_EDATA names the size that is 0, too large or doesn't fit another one; the bounds are 64
 * layers, 4,096 hidden, 16,384 ffn, 1,000,000 words, 8,192 positions, 128,000,000 parameters. */
int cf_bert_layout_make(const struct cf_bert_config *config, struct cf_bert_layout *out,
                        struct cf_error *err);
void cf_bert_layout_release(struct cf_bert_layout *layout);

#endif
