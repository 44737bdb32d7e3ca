/* Training pairs from a portfolio: a question, and the text of the project that answers it.
 *
 *   What is {name}?                 the description, or without one the first section
 *   {description}                   the first section of the first document that has one
 *   {name}: {heading}               the section
 *   {name}: {field › field}         that field's texts, of a document in JSON
 *   Which project is about {topic}? the description, for topics of this project alone
 *   {heading}                       the section, where the heading has two content words beyond
 *                                   "Installation" and its like, and no other project has it
 *
 * So each question names what tells its project apart, and no two are equal. Words are compared
 * without case and punctuation. Sections are those of chunk.h; of one that was cut, the first part.
 *
 * Held out. A pair is held out by the hash of its project's name and of what it asks about (the
 * heading, the field, or the project as a whole, so that all wordings of one question go together);
 * a pair whose answer is that of a held-out pair is held out too. The texts don't matter, so a
 * question stays held out when its answer is edited. This is for questions made here. The exam of
 * holdout.h asks with descriptions: a model for it is trained on the pairs of cf_holdout.corpus,
 * which has no description and thus no pair with one. */
#ifndef CF_ENCODER_PAIRS_H
#define CF_ENCODER_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/encoder/chunk.h"
#include "common/encoder/corpus.h"

#define CF_PAIRS_MOST 150 /* by default */

struct cf_pair {
    char *question;
    char *answer;
    size_t project;       /* its index in the corpus */
    uint64_t question_id; /* equal for texts of equal words */
    uint64_t answer_id;
    bool overview; /* asks what the project is: others of this project that do are no wrong answers
                    */
    bool held_out; /* not to be trained on */
};

struct cf_pairs {
    struct cf_pair *items;
    size_t count;
    size_t capacity;
};

#define CF_PAIRS_INIT                                                                              \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

struct cf_pairs_options {
    size_t most;     /* pairs to train on, and as many held out */
    double held_out; /* the share of questions that are, 0 to 1 */
    uint64_t seed;   /* of the order, and of the choice among too many; not of what is held out */
    struct cf_chunk_options chunks;
};

/* 150 pairs, none held out, seed 1, sections of 100 to 1,000 bytes. */
extern const struct cf_pairs_options cf_pairs_defaults;

/* Initializes out, to be released. Projects take turns, each with its pairs in the order above, so
 * that none has two more than another that still has some. Equal input gives equal pairs in equal
 * order. */
void cf_pairs_make(const struct cf_corpus *corpus, const struct cf_pairs_options *options,
                   struct cf_pairs *out);
void cf_pairs_release(struct cf_pairs *pairs);

/* Appends one pair; the strings are copied, cleaned to valid UTF-8. Returns the pair, or NULL when
 * one of the texts has no word, or the answer is the question. */
struct cf_pair *cf_pairs_add(struct cf_pairs *pairs, size_t project, const char *question,
                             const char *answer);

/* True when b's answer mustn't stand as a wrong one beside a's question: the answers or the
 * questions are equal, or both ask what the same project is. Symmetric. */
bool cf_pairs_clash(const struct cf_pair *a, const struct cf_pair *b);

/* A number that depends on the arguments alone and looks random: a counter's, not a sequence's. */
uint64_t cf_pairs_random(uint64_t seed, uint64_t a, uint64_t b);

#endif
