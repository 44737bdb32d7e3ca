/* What a model is fitted with. Written into the model's config.json, so that a search uses the
 * same. */
#ifndef CF_ENCODER_PARAMS_H
#define CF_ENCODER_PARAMS_H

#include <jansson.h>

#include "common/base/error.h"

struct cf_model_params {
    char encoder[32];       /* "lsa-bm25", the only one today */
    double blend;           /* 0 … 1: weight of BM25 against the encoder, both as z-scores */
    double k1, b;           /* of BM25: 0 … 10, 0 … 1 */
    double field_weight;    /* 1 … 10: how often name, topics and top heading count in BM25 */
    unsigned dimensions;    /* 1 … 1024: of the embeddings, at most */
    unsigned feature_bits;  /* 10 … 20: log2 of the buckets that features are hashed to */
    double bigram_weight;   /* 0 … 10: of word bigrams beside words, which weigh 1 */
    double ngram_weight;    /* 0 … 10: of character n-grams */
    unsigned chunk_limit;   /* 64 … 65536 bytes of text a chunk, at most */
    unsigned chunk_minimum; /* 0 … chunk_limit bytes: a shorter section joins the one before it */
    double language_weight; /* 0 … 10: what having all languages that a question names adds to a
                               score */
    double transformer;     /* 0 … 1: weight of the transformer in the blend, 0 by default */
    unsigned whitening; /* 0 … 1024: dimensions of the transformer's embeddings after whitening,
                           0, the default: they aren't whitened */
};

void cf_model_params_default(struct cf_model_params *params);

/* transformer and whitening are written where one of them isn't 0: parameters for a model without a
 * transformer have the form that they had before there were any. */
json_t *cf_model_params_to_json(const struct cf_model_params *params);

/* Fields that are missing keep their defaults; {} is all defaults. An unknown field, a wrong type
 * and a value out of range are CF_EDATA and name the field. */
int cf_model_params_from_json(const json_t *json, struct cf_model_params *params,
                              struct cf_error *err);

/* The ranges given above, for parameters that were not read from JSON. */
int cf_model_params_check(const struct cf_model_params *params, struct cf_error *err);

#endif
