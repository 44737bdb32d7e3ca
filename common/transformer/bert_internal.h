/* What bert.c, forward.c and backward.c share. */
#ifndef CF_TRANSFORMER_BERT_INTERNAL_H
#define CF_TRANSFORMER_BERT_INTERNAL_H

#include "common/transformer/bert.h"
#include "common/transformer/compute.h"
#include "common/transformer/late_words.h"

/* What one layer keeps for its backward pass, for rows rows. */
struct cf_kept {
    cf_ref qkv;      /* [rows, 3 hidden] */
    cf_ref context;  /* [rows, hidden] */
    cf_ref xhat;     /* [rows, hidden], of the LayerNorm behind the attention */
    cf_ref g;        /* [rows, max(ffn, 3 hidden)], GELU; later the gradient of qkv */
    cf_ref slope;    /* [rows, ffn], its derivative; later the gradient of what goes into it */
    cf_ref log_sums; /* [heads, rows] */
};

/* The memory of one batch; how it is divided follows the batch's rows. */
struct cf_activations {
    size_t rows; /* as cf_compute_rows has them */
    /* Whether a backward pass will follow. The arrays marked * are NULL otherwise. */
    bool training;
    cf_ref xhats;  /* * [layers + 1][rows, hidden]: of the embeddings, then of each layer's end */
    cf_ref scales; /* * [2 layers + 1][rows]: of the embeddings, then two a layer */
    cf_ref x, t;   /* [rows, hidden]: the layer's input and output; a place for a while */
    cf_ref d, e;   /* * [rows, hidden]: the gradient; the same behind a dropout */
    cf_ref g;      /* [rows, ffn], NULL in training */
    cf_ref slots;  /* [slot_count] times what cf_kept is, slot_floats each */
    size_t slot_count, slot_floats;
};

struct cf_bert {
    const struct cf_bert_layout *layout;
    struct cf_bert_options options;
    struct cf_compute *compute;
    cf_ref weights, gradients, moments[2];
    cf_ref arena;
    size_t arena_floats;
    cf_ref embeddings, dembeddings; /* [most_texts, hidden] */
    cf_ref lengths;                 /* [most_texts] */
    struct cf_weight *matrices;     /* [4 layers], for prepare */
    uint32_t steps;
    struct cf_late_words words; /* empty without training */
    struct cf_activations a;
};

/* One pass over one batch. */
struct cf_pass {
    struct cf_bert *model;
    struct cf_texts texts;
    const int32_t *ids;
    struct cf_dropout dropout; /* its site is set by cf_pass_dropout */
};

/* Places where dropout happens. */
enum { CF_AT_EMBEDDINGS = 0, CF_IN_ATTENTION, CF_BEHIND_ATTENTION, CF_BEHIND_FFN };
struct cf_dropout cf_pass_dropout(const struct cf_pass *pass, int place, size_t layer);

static inline size_t cf_pass_rows(const struct cf_pass *pass)
{
    return pass->texts.offsets[pass->texts.count];
}

/* How many floats a batch of that many rows needs, with that many layers kept. */
size_t cf_activations_floats(const struct cf_bert_config *config, size_t rows, bool training,
                             size_t slots);
/* Divides the arena for a batch. */
void cf_activations_divide(struct cf_bert *model, size_t rows, bool training);
/* The memory of a layer: layers before the kept ones share the first slot. */
struct cf_kept cf_activations_of(const struct cf_bert *model, size_t layer);
/* The first layer whose activations are kept. */
size_t cf_activations_first(const struct cf_bert *model);

/* Embeddings and all layers, then the mean; model->embeddings gets [texts, hidden]. */
void cf_forward(const struct cf_pass *pass);
/* x: [rows, hidden] input → output, in model->a.x. again: only what the backward pass needs. */
void cf_layer_forward(const struct cf_pass *pass, size_t layer, bool again);
/* Puts the layer's input into model->a.x once more. */
void cf_layer_input(const struct cf_pass *pass, size_t layer);

/* From model->dembeddings to model->gradients. */
void cf_backward(const struct cf_pass *pass);
/* model->a.d: [rows, hidden] the output's gradient → the input's. */
void cf_layer_backward(const struct cf_pass *pass, size_t layer);

#endif
