/* What a model is made of: for model.c, model_file.c and search.c only. */
#ifndef CF_ENCODER_MODEL_INTERNAL_H
#define CF_ENCODER_MODEL_INTERNAL_H

#include "common/encoder/bm25.h"
#include "common/encoder/chunk.h"
#include "common/encoder/encoder.h"
#include "common/encoder/language.h"
#include "common/encoder/model.h"

struct cf_model {
    struct cf_model_params params;
    size_t projects;
    char **names;                   /* [projects] */
    struct cf_languages *languages; /* [projects] */
    struct cf_chunks chunks;        /* in order of their projects, each of which has at least one */
    size_t *first;                  /* [projects + 1], into chunks */
    struct cf_encoder *encoder;
    size_t dimensions;
    float *embeddings; /* [chunks × dimensions] */
    struct cf_bm25 *bm25;
};

/* The encoder of that name, or NULL. */
const struct cf_encoder_type *cf_encoder_find(const char *name);

/* BM25 as the parameters say. */
struct cf_bm25_options cf_model_bm25_options(const struct cf_model_params *params);

#endif
