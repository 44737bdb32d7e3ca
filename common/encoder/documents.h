/* A corpus as it is indexed: every project's chunks, and BM25 over them.
 *
 * The first chunk of each project stands for its metadata: path "", its name as heading, and
 * description, topics and languages as text. The chunks of its texts follow. */
#ifndef CF_ENCODER_DOCUMENTS_H
#define CF_ENCODER_DOCUMENTS_H

#include <stddef.h>

#include "common/encoder/bm25.h"
#include "common/encoder/chunk.h"
#include "common/encoder/corpus.h"

struct cf_documents {
    struct cf_chunks chunks;
    size_t projects;
    size_t *first; /* [projects + 1], into chunks */
    char **titles; /* [projects]: the first heading of each project's first text; "" for none */
};

/* Initializes out, to be released. */
void cf_documents_read(const struct cf_corpus *corpus, const struct cf_chunk_options *options,
                       struct cf_documents *out);
void cf_documents_release(struct cf_documents *documents);

/* BM25 over whole projects: name, topics and title with the given weight, all else once. */
struct cf_bm25 *cf_documents_bm25(const struct cf_documents *documents,
                                  const struct cf_corpus *corpus,
                                  const struct cf_bm25_options *options, double field_weight);

#endif
