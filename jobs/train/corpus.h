/* From a version of the bundle to what the encoder indexes. */
#ifndef TRAIN_CORPUS_H
#define TRAIN_CORPUS_H

#include "common/contract/dataset.h"
#include "common/encoder/corpus.h"
#include "common/portfolio/bundle.h"

struct train_corpus;

/* Fetches every entry of a version of the dataset bundle. The corpus is sorted by name;
 * repositories without any word are left out. CF_EDATA names the entry that can't be read. */
int train_corpus_read(const struct cf_dataset *dataset, const struct cf_marker *marker,
                      struct train_corpus **out, struct cf_error *err);
const struct cf_corpus *train_corpus_view(const struct train_corpus *corpus);
void train_corpus_free(struct train_corpus *corpus);

#endif
