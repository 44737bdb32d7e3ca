/* The model of one portfolio: an index that finds the projects a question is about.
 *
 * Each project is scored by BM25 over its whole text and by the encoder's cosine with its best
 * chunk. Per question both lists become z-scores over all projects, and are blended: blend × BM25 +
 * (1 − blend) × encoder. When the question names languages, the share of them that a project has
 * adds language_weight times that share.
 *
 * A model that was fitted with a tuner has a sentence transformer, fine-tuned on the portfolio, as
 * a third opinion: the cosine of a project's best chunk, as z-score t. The score is (1 −
 * transformer) × what the other two say + transformer × t, and languages add to it as before. */
#ifndef CF_ENCODER_MODEL_H
#define CF_ENCODER_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/encoder/artefacts.h"
#include "common/encoder/corpus.h"
#include "common/encoder/params.h"
#include "common/encoder/tuner.h"

struct cf_model;

/* Fits a model to a corpus. CF_EDATA when it has no projects, when a parameter is out of range, or
 * when the texts are too many for the formats (2^31 − 1 postings). The model keeps nothing of the
 * corpus's memory.
 *
 * Without a tuner, which may be NULL, there is no transformer, and the model's weight and whitening
 * are 0 whatever params says. With one, the errors are also the tuner's, CF_EINTERRUPTED when it
 * says stop, and CF_EDATA for a transformer whose embeddings aren't finite. Where params gives it
 * no weight it is tuned nevertheless, to be saved. The model's whitening is the number of
 * dimensions that are left, 0 where nothing can be whitened. */
int cf_model_fit(const struct cf_corpus *corpus, const struct cf_model_params *params,
                 const struct cf_tuner *tuner, struct cf_model **out, struct cf_error *err);
void cf_model_free(struct cf_model *model);

/* Adds four artefacts, and with a transformer some more. Equal corpora and parameters give equal
 * bytes. config.json           {"format": 1, "params": {…}, "projects", "chunks", "words",
 * "dimensions"} encoder.safetensors   the encoder's (lsa.h) index.safetensors     embeddings F32
 * [chunks, dimensions]; chunk_projects I32 [chunks]; bm25.… (bm25.h): lengths F32 [projects], terms
 * U8 (one after another, sorted), term_offsets I32, posting_offsets I32, posting_documents I32,
 * posting_weights F32 chunks.json           {"projects": [{"name", "languages"}], "chunks":
 * [{"project", "path", "heading", "text"}]} transformer/…         a Hugging Face folder
 * (transformer.h) whitening.safetensors where the embeddings are whitened (whitening.h)
 * index.safetensors then also has transformer.embeddings F32 [chunks, dimensions after whitening].
 * Of a transformer of weight 0 only the folder is saved: for use elsewhere, search doesn't need it.
 * A model that was loaded has no such transformer, and saves none. */
void cf_model_save(const struct cf_model *model, struct cf_artefacts *artefacts);

/* Loads what cf_model_save made. Every size, offset and value is checked: CF_EDATA names the file,
 * and the tensor or field. */
int cf_model_load(const struct cf_artefacts *artefacts, struct cf_model **out,
                  struct cf_error *err);

const struct cf_model_params *cf_model_params(const struct cf_model *model);
size_t cf_model_projects(const struct cf_model *model);
size_t cf_model_chunks(const struct cf_model *model);
size_t cf_model_words(const struct cf_model *model); /* distinct, as BM25 counts them */
size_t cf_model_dimensions(const struct cf_model *model);

/* All strings are the model's. */
struct cf_hit {
    const char *project;
    size_t index;                         /* of the project in the corpus */
    double score;                         /* comparable within one question only */
    double bm25;                          /* as BM25 gives it, 0 without a common word */
    double lsa;                           /* cosine of the best chunk, −1 … 1 */
    double transformer;                   /* likewise, by the transformer; 0 without one */
    const char *path, *heading, *passage; /* path is "" for the project's metadata */
};

struct cf_search_options {
    size_t limit;
    double language_weight; /* negative: the model's own */
    bool no_passages; /* leaves path, heading and passage NULL: for rankings of many questions */
};

/* Writes at most limit hits, best first, ties by name, and sets *count: as many as there are
 * projects, up to the limit, or 0 when no project has any word of the question. A transformer of
 * weight above 0 needs no word that a project has, but a token in the question other than [UNK].
 *
 * Fails only where there is such a transformer, and then sets *count to 0: CF_EDATA, the question's
 * embedding isn't finite (the weights make no sense); CF_EUNAVAILABLE, what it computes with fails.
 * A model is searched by one thread at a time. */
int cf_model_search(struct cf_model *model, const char *question,
                    const struct cf_search_options *options, struct cf_hit *hits, size_t *count,
                    struct cf_error *err);

#endif
