/* How much the transformer counts, and whether its embeddings are whitened: chosen on questions
 * whose right answer is known.
 *
 * A candidate is a weight of 0, 0.1, …, 1, with or without whitening. The one with the highest mean
 * of 1/rank, down to rank 10, is chosen; of equal ones that with the smaller weight, and then that
 * without whitening.
 *
 * What is chosen on a question says too much good of itself on the same question. So the questions
 * are halved, and for each the choice made on the other half says what is to be expected. */
#ifndef CF_ENCODER_CHOOSE_H
#define CF_ENCODER_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>

#define CF_CANDIDATES 21            /* weight 0 is the same with and without whitening */
#define CF_CANDIDATE_DEFAULT 5      /* weight 0.3 without whitening */
#define CF_CHOICE_QUESTIONS_LEAST 5 /* in a half, and twice as many in all */

/* Candidates are numbered from 0 in the order in which equal ones are preferred. */
double cf_candidate_weight(size_t candidate);
bool cf_candidate_whitens(size_t candidate);

/* A project's score: text is the blend of the z-scores of BM25 and LSA, transformer the z-score of
 * the transformer's cosine, languages what the languages that the question names add. */
double cf_blend(double weight, double text, double transformer, double languages);

/* One question's scores of all projects. */
struct cf_choice_scores {
    size_t projects;
    char *const *names;
    const double *text, *languages;
    const double *plain;    /* z-scores of the transformer */
    const double *whitened; /* likewise, after whitening; NULL: there is none */
    bool text_knows;        /* BM25 knows a word of the question */
    bool transformer_knows;
};

/* The rank of the right project under a candidate, ties by name: 1 is first, 0 not found, as by
 * cf_model_search. Without whitening, candidates with it have the ranks of those without. */
size_t cf_choice_rank(const struct cf_choice_scores *scores, size_t right, size_t candidate);
/* Under each candidate. */
void cf_choice_ranks(const struct cf_choice_scores *scores, size_t right,
                     size_t ranks[CF_CANDIDATES]);

struct cf_choice_question {
    size_t ranks[CF_CANDIDATES];
    int half; /* 0 or 1 */
};

/* Which half the questions about a project are in: by the first bit of the SHA-256 of its name. */
int cf_choice_half(const char *project);

struct cf_choice {
    size_t all;       /* the candidate that all questions choose */
    size_t halves[2]; /* those that each half chooses */
};

/* Of fewer than 10 questions, and in a half of fewer than 5, nothing is chosen:
 * CF_CANDIDATE_DEFAULT it is. */
struct cf_choice cf_choose(const struct cf_choice_question *questions, size_t count);

#endif
