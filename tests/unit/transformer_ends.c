/* Embeddings, pooling and the ranking loss: gradients against slopes as in transformer_gradients.c.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "common/transformer/loss.h"
#include "tests/unit/transformer_bench.h"
#include "tests/unit/transformer_fixture.h"
#include "tests/unit/transformer_reference.h"

#define RELATIVE 1e-5
#define ABSOLUTE 5e-7

enum { HIDDEN = 10, WORDS = 11 };
static const size_t offsets[] = {0, 1, 3, 10, 23};
static const struct cf_texts texts = {4, offsets};
enum { ROWS = 23 };
static const struct cf_dropout dropout = {0.3F, 0x123456789abcdefU, 5, 9};

static void near(const char *what, cf_ref got, const double *want, size_t n)
{
    double most = reference_difference(got.at, want, n);
    ck_assert_msg(most < RELATIVE, "%s differs by %g", what, most);
}

/* The gradient of reference_weigh. */
enum { WEIGHTS = 77 };

static const int32_t ids[ROWS] = {3, 0, 0, 10, 3, 3, 7, 1, 2, 0, 9, 9,
                                  8, 7, 6, 5,  3, 2, 1, 0, 1, 2, 3};

static double embed_loss(const void *arg, double *const *p)
{
    double s[ROWS * HIDDEN];
    double y[ROWS * HIDDEN];
    (void)arg;
    reference_embed(&texts, ids, HIDDEN, p[0], p[1], p[2], s);
    struct reference_norm a = {ROWS, HIDDEN, s, NULL, NULL, p[3], p[4], 1e-3, NULL};
    reference_norm(&a, y);
    for (size_t i = 0; i < (size_t)ROWS * HIDDEN; i++) {
        y[i] *= reference_factor(&dropout, i / HIDDEN, i % HIDDEN);
    }
    return reference_weigh(y, (size_t)ROWS * HIDDEN, WEIGHTS);
}

START_TEST(embeddings)
{
    enum { POSITIONS = 13, TYPES = 2 };
    struct bench b;
    if (!bench_open(&b, _i, "embeddings")) {
        return;
    }
    struct cf_embed f = {.texts = texts,
                         .ids = ids,
                         .n = HIDDEN,
                         .words = bench_vector(&b, (size_t)WORDS * HIDDEN, 1),
                         .positions = bench_vector(&b, (size_t)POSITIONS * HIDDEN, 2),
                         .types = bench_vector(&b, (size_t)TYPES * HIDDEN, 3),
                         .gamma = bench_vector(&b, HIDDEN, 4),
                         .beta = bench_vector(&b, HIDDEN, 5),
                         .eps = 1e-3F,
                         .dropout = dropout,
                         .xhat = bench_blank_rows(&b, ROWS, HIDDEN),
                         .scale = bench_blank_rows(&b, ROWS, 1),
                         .y = bench_blank_rows(&b, ROWS, HIDDEN)};
    b.c->ops->embed(b.c, &f);
    /* the same once more */
    struct cf_norm again = {.rows = ROWS,
                            .n = HIDDEN,
                            .gamma = f.gamma,
                            .beta = f.beta,
                            .dropout = dropout,
                            .xhat = f.xhat,
                            .y = bench_blank_rows(&b, ROWS, HIDDEN)};
    b.c->ops->norm_again(b.c, &again);
    ck_assert(transformer_difference(again.y.at, f.y.at, (size_t)ROWS * HIDDEN) < 1e-6);
    cf_ref d = bench_rows(&b, ROWS, HIDDEN, WEIGHTS);
    cf_ref dgamma = bench_blank(&b, HIDDEN);
    cf_ref dbeta = bench_blank(&b, HIDDEN);
    b.c->ops->drop(b.c, ROWS, HIDDEN, d, &dropout);
    struct cf_norm_backward n = {ROWS,    HIDDEN, d,     f.xhat, f.scale,
                                 f.gamma, dgamma, dbeta, d,      (struct cf_dropout){.rate = 0},
                                 {NULL}};
    b.c->ops->norm_backward(b.c, &n);
    struct cf_embed_backward a = {texts,
                                  ids,
                                  HIDDEN,
                                  d,
                                  bench_zeros(&b, (size_t)WORDS * HIDDEN),
                                  bench_zeros(&b, (size_t)POSITIONS * HIDDEN),
                                  bench_zeros(&b, (size_t)TYPES * HIDDEN)};
    b.c->ops->embed_backward(b.c, &a);
    const struct reference_part parts[] = {
        {"words", (size_t)WORDS * HIDDEN, f.words.at, a.dwords.at},
        {"positions", (size_t)POSITIONS * HIDDEN, f.positions.at, a.dpositions.at},
        {"types", (size_t)TYPES * HIDDEN, f.types.at, a.dtypes.at},
        {"gamma", HIDDEN, f.gamma.at, dgamma.at},
        {"beta", HIDDEN, f.beta.at, dbeta.at}};
    reference_check(parts, 5, embed_loss, NULL, RELATIVE, ABSOLUTE);
    bench_close(&b);
}
END_TEST

static double pool_loss(const void *arg, double *const *p)
{
    double e[4 * HIDDEN];
    (void)arg;
    reference_pool(&texts, HIDDEN, p[0], e);
    return reference_weigh(e, (size_t)4 * HIDDEN, WEIGHTS);
}

START_TEST(pooling)
{
    struct bench b;
    if (!bench_open(&b, _i, "pooling")) {
        return;
    }
    cf_ref y = bench_rows(&b, ROWS, HIDDEN, 1);
    struct cf_pool f = {texts, HIDDEN, y, bench_blank(&b, (size_t)4 * HIDDEN), bench_blank(&b, 4)};
    b.c->ops->pool(b.c, &f);
    double want[4 * HIDDEN];
    double *doubles = reference_doubles(y.at, (size_t)ROWS * HIDDEN);
    reference_pool(&texts, HIDDEN, doubles, want);
    near("an embedding", f.embeddings, want, (size_t)4 * HIDDEN);
    free(doubles);
    struct cf_pool_backward a = {texts,
                                 HIDDEN,
                                 f.embeddings,
                                 f.lengths,
                                 bench_vector(&b, (size_t)4 * HIDDEN, WEIGHTS),
                                 bench_blank_rows(&b, ROWS, HIDDEN)};
    b.c->ops->pool_backward(b.c, &a);
    const struct reference_part parts[] = {{"y", (size_t)ROWS * HIDDEN, y.at, a.dy.at}};
    reference_check(parts, 1, pool_loss, NULL, RELATIVE, ABSOLUTE);
    bench_close(&b);
}
END_TEST

enum { QUERIES = 3, CANDIDATES = 5 }; /* the last two are hard negatives */

static double ranking_loss(const void *arg, double *const *p)
{
    return reference_ranking(QUERIES, CANDIDATES, HIDDEN, p[0], p[1], *(const double *)arg);
}

START_TEST(ranking_with_hard_negatives)
{
    const double scale = _i ? 20 : 1;
    float q[QUERIES * HIDDEN];
    float c[CANDIDATES * HIDDEN];
    float dq[QUERIES * HIDDEN];
    float dc[CANDIDATES * HIDDEN];
    transformer_fill(q, (size_t)QUERIES * HIDDEN, 0.3F, 1);
    transformer_fill(c, (size_t)CANDIDATES * HIDDEN, 0.3F, 2);
    struct cf_ranking r = {QUERIES, CANDIDATES, HIDDEN, q, c, scale, dq, dc};
    double loss = cf_loss_ranking(&r);
    const struct reference_part parts[] = {{"q", (size_t)QUERIES * HIDDEN, q, dq},
                                           {"c", (size_t)CANDIDATES * HIDDEN, c, dc}};
    reference_check(parts, 2, ranking_loss, &scale, 1e-6, 1e-7);
    double *doubles[] = {reference_doubles(q, (size_t)QUERIES * HIDDEN),
                         reference_doubles(c, (size_t)CANDIDATES * HIDDEN)};
    ck_assert(fabs(loss - ranking_loss(&scale, doubles)) < 1e-12);
    free(doubles[0]);
    free(doubles[1]);
}
END_TEST

Suite *transformer_ends_suite(void)
{
    Suite *suite = suite_create("transformer_ends");
    TCase *tcase = tcase_create("ends");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, embeddings, 0, 3);
    tcase_add_loop_test(tcase, pooling, 0, 3);
    tcase_add_loop_test(tcase, ranking_with_hard_negatives, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
