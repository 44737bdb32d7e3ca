/* The ranking loss over in-batch candidates (Henderson et al., "Efficient natural language response
 * suggestion", 2017; sentence-transformers calls it MultipleNegativesRankingLoss):
 *
 *     loss = mean over the queries i of  −ln( e^(s·qᵢ·cᵢ) / Σⱼ e^(s·qᵢ·cⱼ) )
 *
 * Candidate i is query i's right one; all others, and the candidates behind the first queries (hard
 * negatives), are wrong ones. Embeddings have length 1, so the products are cosines. */
#ifndef CF_TRANSFORMER_LOSS_H
#define CF_TRANSFORMER_LOSS_H

#include <stddef.h>

#define CF_LOSS_SCALE 20.0F

struct cf_ranking {
    size_t queries, candidates, n; /* candidates ≥ queries ≥ 1 */
    const float *q;                /* [queries, n] */
    const float *c;                /* [candidates, n] */
    double scale;
    float *dq, *dc; /* the gradients, of the same shapes; both may be NULL */
};

/* The loss, in double precision; NaN when an embedding is. */
double cf_loss_ranking(const struct cf_ranking *r);

#endif
