/* What a model is made of: for model*.c, search.c, passage.c and exam.c only. */
#ifndef CF_ENCODER_MODEL_INTERNAL_H
#define CF_ENCODER_MODEL_INTERNAL_H

#include "common/encoder/bm25.h"
#include "common/encoder/chunk.h"
#include "common/encoder/encoder.h"
#include "common/encoder/language.h"
#include "common/encoder/model.h"
#include "common/encoder/whitening.h"

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

    /* NULL without a transformer; with one of weight 0, all but itself is NULL. */
    struct cf_encoder *transformer;
    struct cf_whitening *whitening; /* NULL: its embeddings aren't whitened */
    size_t transformer_dimensions;  /* after whitening */
    float *transformer_embeddings;  /* [chunks × transformer_dimensions] */
};

/* The encoder of that name, or NULL. */
const struct cf_encoder_type *cf_encoder_find(const char *name);

/* BM25 as the parameters say. */
struct cf_bm25_options cf_model_bm25_options(const struct cf_model_params *params);

/* What encoders read of each chunk: its heading and its text. The views, which the caller frees,
 * point into the buffer. */
struct cf_view *cf_model_texts(const struct cf_model *model, struct cf_buf *buffer);

/* Fine-tunes a transformer on the corpus that the model was fitted to, and gives it the weight and
 * the whitening of the model's parameters (model_transformer.c). */
int cf_model_add_transformer(struct cf_model *model, const struct cf_corpus *corpus,
                             const struct cf_tuner *tuner, struct cf_error *err);

/* The transformer's embeddings of all chunks, not whitened, *out freed by the caller.
 * CF_EINTERRUPTED: the tuner was told to stop. CF_EDATA: a number isn't finite. */
int cf_model_embed(const struct cf_model *model, struct cf_encoder *transformer,
                   const struct cf_tuner *tuner, float **out, struct cf_error *err);

/* The transformer's embedding of a question, not whitened: z [its dimensions]. *knows: whether it
 * knows anything of it. CF_EDATA: a number isn't finite. */
int cf_model_embed_question(struct cf_encoder *transformer, const char *question, float *z,
                            bool *knows, struct cf_error *err);

/* One question's scores without the transformer. */
struct cf_scores {
    size_t known;       /* how many words of the question BM25 knows; with 0 they mean nothing */
    double *bm25, *lsa; /* [projects]; lsa is the cosine of the best chunk */
    double *text;       /* [projects]: the blend of the z-scores of both */
    double *languages;  /* [projects]: what the languages that the question names add */
    double *cosines;    /* [chunks]: LSA's */
};
void cf_scores_init(struct cf_scores *scores, const struct cf_model *model);
void cf_scores_release(struct cf_scores *scores);
int cf_scores_read(struct cf_scores *scores, struct cf_model *model, const char *question,
                   double language_weight, struct cf_error *err);

/* The cosine of z with each chunk's embedding of n dimensions, and of each project's best one. */
void cf_model_cosines(const struct cf_model *model, const float *embeddings, size_t n,
                      const float *z, double *chunks, double *projects);

/* Adds weight × z-score of the values to the scores. Values that are all the same add nothing. */
void cf_add_z_scores(const double *values, double weight, size_t count, double *scores);

#endif
