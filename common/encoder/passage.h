/* Which chunk of a project to show for a question: for search.c only.
 *
 * The encoder alone can't tell: in a small portfolio all chunks of one project point the same way.
 * So a chunk scores its cosine plus the share of the question's words that it has, each weighing
 * its IDF; function words and words that no project has don't count. With a transformer, its cosine
 * and LSA's are blended with its weight. */
#ifndef CF_ENCODER_PASSAGE_H
#define CF_ENCODER_PASSAGE_H

#include "common/encoder/model_internal.h"

struct cf_passage_words;

/* The question's words; freed by cf_passage_words_free. */
struct cf_passage_words *cf_passage_words_new(const struct cf_model *model, const char *question);
void cf_passage_words_free(struct cf_passage_words *words);

/* The best chunk of the project; the first of equal ones. cosines: of every chunk of the model. */
size_t cf_passage_choose(const struct cf_model *model, const struct cf_passage_words *words,
                         size_t project, const double *cosines);

#endif
