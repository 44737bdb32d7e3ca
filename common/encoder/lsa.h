/* Latent semantic analysis of hashed features (Deerwester et al., JASIS 41(6), 1990), by the dual
 * route.
 *
 * A project's vector is that of all its chunks together: value of each bucket (features.h) × its
 * IDF over the projects, ln(1 + (N − n + .5) / (n + .5)), divided by its length. X is the matrix of
 * these, projects × buckets, and sparse. With XXᵀ = UΛUᵀ a chunk or question x, weighted by the
 * same IDF, embeds as
 *
 *     z = Λ^(−1/2) Uᵀ (X x),   divided by its length,
 *
 * so that only X and the projects × dimensions matrix UΛ^(−1/2) are kept, never a table of buckets
 * × dimensions. There are min(dimensions, N) of them, less those whose eigenvalue is below 1e-6 of
 * the largest (identical projects make the matrix singular). The largest component of
 * each eigenvector is made positive.
 *
 * Above CF_LSA_ROWS projects, X holds that many of them, evenly spaced (project ⌊i N /
 * CF_LSA_ROWS⌋), and the others are folded in: their chunks embed like any text's. The IDF is of
 * all of them. */
#ifndef CF_ENCODER_LSA_H
#define CF_ENCODER_LSA_H

#include "common/encoder/encoder.h"

#define CF_LSA_ROWS 2000
#define CF_LSA_FILE "encoder.safetensors"

/* Fails with CF_EDATA when the eigenvalues can't be found. Its artefact, CF_LSA_FILE:
 * lsa.buckets I32 [F], ascending; lsa.idf F32 [F]; lsa.offsets I32 [F + 1], lsa.rows I32 [nnz] and
 * lsa.values F32 [nnz]: X by columns; lsa.projection F32 [rows, dimensions]. */
extern const struct cf_encoder_type cf_lsa_type;

/* The largest eigenpairs of the symmetric n × n matrix a (row-major; destroyed), best first:
 * *values [found] and *vectors [found × n], one a row, to be freed by the caller. At most wanted,
 * without those below tolerance × the largest, and with signs fixed as above. Returns how many were
 * found, or −1. */
long cf_lsa_eigen(double *a, size_t n, size_t wanted, double tolerance, double **values,
                  double **vectors);

#endif
