/* Whitening of embeddings: their mean taken away, turned to their principal axes, and each axis
 * divided by its standard deviation.
 *
 * A transformer's embeddings of one portfolio's texts lie in a narrow cone, so that all cosines are
 * alike. Whitened, what the texts have in common is gone and what tells them apart counts. (Su et
 * al., "Whitening Sentence Representations", 2021.)
 *
 *     y = W (x − m),   divided by its length,
 *
 * where row i of W is the i-th eigenvector of the covariance, best first, divided by
 * sqrt(λ_i + 1e-6 λ_1), its largest component positive. A vector that is all zero, and one that is
 * the mean, gives all zero. */
#ifndef CF_ENCODER_WHITENING_H
#define CF_ENCODER_WHITENING_H

#include <stddef.h>

#include "common/base/error.h"
#include "common/encoder/artefacts.h"

#define CF_WHITENING_FILE "whitening.safetensors"

struct cf_whitening {
    size_t from;       /* dimensions of what is whitened */
    size_t dimensions; /* afterwards */
    float *mean;       /* [from] */
    float *projection; /* [dimensions × from] */
};

/* Fits to n vectors of the given dimension, one after another, each of length 1 or all zero. Keeps
 * min(wanted, from, n − 1) axes, without those whose variance is below 1e-6 of the largest. *out is
 * NULL when that leaves none: there is one vector, or all are the same (no variance of 1e-12).
 * CF_EDATA: the eigenvalues can't be found, as when a value isn't finite. Equal input gives equal
 * bits on one kind of CPU. */
int cf_whitening_fit(const float *vectors, size_t n, size_t from, size_t wanted,
                     struct cf_whitening **out, struct cf_error *err);
void cf_whitening_free(struct cf_whitening *whitening); /* NULL is fine */

/* in: [n × from], out: [n × dimensions], which mustn't overlap. */
void cf_whitening_apply(const struct cf_whitening *whitening, const float *in, size_t n,
                        float *out);

/* Adds the artefact CF_WHITENING_FILE: whitening.mean F32 [from], whitening.projection F32
 * [dimensions, from]. */
void cf_whitening_save(const struct cf_whitening *whitening, struct cf_artefacts *artefacts);

/* Reads it back. CF_EDATA names the file and the tensor that is missing, of another shape than the
 * two sizes make it, or not finite. */
int cf_whitening_load(const struct cf_artefacts *artefacts, size_t from, size_t dimensions,
                      struct cf_whitening **out, struct cf_error *err);

#endif
