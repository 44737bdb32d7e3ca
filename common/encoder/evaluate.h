/* Held-out questions made from the portfolio itself, and how well they are answered.
 *
 * Each project's description that has at least three content words is a question whose one right
 * answer is that project. All descriptions, and all passages in a project's texts that repeat its
 * own (leak.h), are left out of what is indexed for this; the model that is published is fitted on
 * everything. Beside the model, plain BM25 (k1 1.2, b .75, every field once, words as they are) and
 * the model's own BM25 answer the same questions from the same texts.
 *
 * With a tuner, a transformer is fine-tuned on the held-out texts, and the questions also choose
 * (choose.h) its weight and whether its embeddings are whitened, to half of their dimensions, but
 * not to more than a quarter of the number of chunks. With fewer than 10 questions nothing is
 * chosen: the weight is 0.3, without whitening. So that the ranks say what is to be expected, the
 * questions are halved by a hash of their projects' names, and each question's rank is that under
 * the choice that the other half makes by itself; what all of them choose is for the model that is
 * published. Beside it the transformer answers alone, by its cosines without whitening. */
#ifndef CF_ENCODER_EVALUATE_H
#define CF_ENCODER_EVALUATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/encoder/corpus.h"
#include "common/encoder/params.h"
#include "common/encoder/tuner.h"

struct cf_question {
    char *project;
    char *text;
    size_t rank, rank_bm25, rank_bm25_tuned; /* of the right project: 1 is first, 0 not found */
    size_t rank_transformer;                 /* likewise; 0 without one */
};

/* Means over the questions, 0 when there are none. With one right answer at rank r: mrr10 is 1/r
 * and ndcg10 1/log2(1 + r), both 0 beyond rank 10; recall1 is 1 at rank 1. */
struct cf_score {
    double mrr10, recall1, ndcg10;
};

struct cf_evaluation {
    struct cf_question *questions;
    size_t count;
    struct cf_score model, bm25, bm25_tuned;
    bool has_transformer;
    struct cf_score transformer; /* 0 without one */
};

/* Errors as cf_model_fit's. A corpus without a usable description gives an evaluation of 0
 * questions. With a tuner, which may be NULL, params->transformer and params->whitening are set to
 * what was chosen, for the cf_model_fit that follows; without one, params stays as it is. */
int cf_evaluate(const struct cf_corpus *corpus, struct cf_model_params *params,
                const struct cf_tuner *tuner, struct cf_evaluation **out, struct cf_error *err);
void cf_evaluation_free(struct cf_evaluation *evaluation);

/* 1/rank down to rank 10, else 0. */
double cf_reciprocal_rank(size_t rank);

/* Sets model, bm25, bm25_tuned and transformer from the questions' ranks. */
void cf_evaluation_score(struct cf_evaluation *evaluation);

/* {"questions": [{"project", "question", "rank", "rank_bm25", "rank_bm25_tuned"}],
 *  "scores": {"model": {"mrr10", "recall1", "ndcg10"}, "bm25": {…}, "bm25_tuned": {…}}}
 * and where there was a transformer, each question's "rank_transformer" and the score
 * "transformer". */
json_t *cf_evaluation_to_json(const struct cf_evaluation *evaluation);

/* Reads the questions, and checks that the scores are those of their ranks. CF_EDATA names the
 * field. */
int cf_evaluation_from_json(const json_t *json, struct cf_evaluation **out, struct cf_error *err);

/* Whether a new model may take the old one's place. */
struct cf_gate {
    bool promote;
    size_t shared_questions;
    double mrr_new, mrr_old; /* mean of 1/rank down to rank 10, over the shared questions */
    char reason[160];        /* one sentence for people */
};

/* Compares both on the questions that they share (same project, same text), by the held-out ranks
 * that each recorded. The new model is refused when its mean reciprocal rank is below the old one's
 * by more than the larger of 0.02 and 0.5/n, n the number of shared questions: one question more
 * that falls from first to second is no reason. Without an old evaluation or a shared question it
 * is promoted. */
void cf_gate_decide(const struct cf_evaluation *new_, const struct cf_evaluation *old_or_null,
                    struct cf_gate *gate);

#endif
