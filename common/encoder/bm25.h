/* BM25 over whole documents, with fields that count more than once.
 *
 *     score(d, q) = Σ over the words t of q:  ln(1 + (N − n_t + .5) / (n_t + .5))
 *                                             × f_td (k1 + 1) / (f_td + k1 (1 − b + b |d| / average
 * |d|))
 *
 * (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, with the IDF that can't
 * fall below zero.) f_td is the sum of the weights with which the word's occurrences were added,
 * |d| the sum over all words of d. A word that a question repeats counts as often. */
#ifndef CF_ENCODER_BM25_H
#define CF_ENCODER_BM25_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/encoder/safetensors.h"

struct cf_bm25_options {
    double k1, b;
    bool stem;  /* S-stemmer */
    bool split; /* the parts of words that change case inside are words too */
};

struct cf_bm25;

/* An index under construction: begin a document, add its texts, and so on; then finish once. */
struct cf_bm25 *cf_bm25_new(const struct cf_bm25_options *options);
void cf_bm25_begin(struct cf_bm25 *index);
void cf_bm25_add(struct cf_bm25 *index, const char *text, size_t length, double weight);
void cf_bm25_finish(struct cf_bm25 *index);
void cf_bm25_free(struct cf_bm25 *index);

size_t cf_bm25_documents(const struct cf_bm25 *index);
size_t cf_bm25_words(const struct cf_bm25 *index); /* distinct */

/* Sets scores[0 … documents − 1] and returns how many words of the question the index knows. */
size_t cf_bm25_score(const struct cf_bm25 *index, const char *question, size_t length,
                     double *scores);

/* In how many documents the word, already folded and stemmed, occurs. */
size_t cf_bm25_frequency(const struct cf_bm25 *index, const char *word, size_t length);

/* True when that document has the word, folded and stemmed. */
bool cf_bm25_contains(const struct cf_bm25 *index, size_t document, const char *word,
                      size_t length);

/* Adds the tensors bm25.… to the list; they borrow the index's memory. */
void cf_bm25_save(const struct cf_bm25 *index, struct cf_tensors *tensors);

/* Reads them back, checking every number. documents is how many there must be. */
int cf_bm25_load(const struct cf_tensors *tensors, const char *file,
                 const struct cf_bm25_options *options, size_t documents, struct cf_bm25 **out,
                 struct cf_error *err);

#endif
