#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/model_internal.h"
#include "common/encoder/passage.h"

struct scored {
    const struct cf_model *model;
    size_t project;
    double score, bm25, lsa;
};

/* Adds weight × z-score of the values to the scores. Values that are all the same add nothing. */
static void add_z_scores(const double *values, double weight, size_t count, double *scores)
{
    double mean = 0;
    double variance = 0;
    for (size_t i = 0; i < count; i++) {
        mean += values[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        variance += (values[i] - mean) * (values[i] - mean) / (double)count;
    }
    double deviation = sqrt(variance);
    for (size_t i = 0; i < count && deviation > 1e-9; i++) {
        scores[i] += weight * (values[i] - mean) / deviation;
    }
}

/* In eight sums, which the compiler keeps in one register. */
static double scalar_product(const float *a, const float *b, size_t n)
{
    float sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            sums[lane] += a[i + lane] * b[i + lane];
        }
    }
    double product = 0;
    for (size_t lane = 0; lane < 8; lane++) {
        product += (double)sums[lane];
    }
    for (; i < n; i++) {
        product += (double)(a[i] * b[i]);
    }
    return product;
}

/* The cosine of each chunk, and of each project's best one. */
static void set_cosines(const struct cf_model *model, const char *question, double *chunks,
                        double *projects)
{
    size_t n = model->dimensions;
    struct cf_view view = {question, strlen(question)};
    float *z = cf_calloc(n, sizeof(*z));
    model->encoder->type->embed(model->encoder, &view, 1, z);
    for (size_t p = 0; p < model->projects; p++) {
        projects[p] = -INFINITY;
        for (size_t c = model->first[p]; c < model->first[p + 1]; c++) {
            chunks[c] = scalar_product(z, model->embeddings + c * n, n);
            projects[p] = chunks[c] > projects[p] ? chunks[c] : projects[p];
        }
    }
    free(z);
}

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    int order = strcmp(x->model->names[x->project], x->model->names[y->project]);
    return order ? order : (x->project > y->project) - (x->project < y->project);
}

/* Returns how many words of the question are known; with 0, the scores mean nothing. */
static size_t score_all(const struct cf_model *model, const char *question, double language_weight,
                        double *chunk_cosines, struct scored *all)
{
    size_t n = model->projects;
    double *bm25 = cf_calloc(n, sizeof(*bm25));
    double *cosines = cf_calloc(n, sizeof(*cosines));
    double *shares = cf_calloc(n, sizeof(*shares));
    double *scores = cf_calloc(n, sizeof(*scores));
    size_t known = cf_bm25_score(model->bm25, question, strlen(question), bm25);
    set_cosines(model, question, chunk_cosines, cosines);
    add_z_scores(bm25, model->params.blend, n, scores);
    add_z_scores(cosines, 1 - model->params.blend, n, scores);
    if (language_weight > 0) {
        cf_languages_match(model->languages, n, question, shares);
    }
    for (size_t p = 0; p < n; p++) {
        all[p] =
            (struct scored){model, p, scores[p] + language_weight * shares[p], bm25[p], cosines[p]};
    }
    free(bm25);
    free(cosines);
    free(shares);
    free(scores);
    return known;
}

static void set_passages(const struct cf_model *model, const char *question, const double *cosines,
                         struct cf_hit *hits, size_t count)
{
    struct cf_passage_words *words = cf_passage_words_new(model, question);
    for (size_t i = 0; i < count; i++) {
        size_t c = cf_passage_choose(model, words, hits[i].index, cosines);
        hits[i].path = model->chunks.items[c].path;
        hits[i].heading = model->chunks.items[c].heading;
        hits[i].passage = model->chunks.items[c].text;
    }
    cf_passage_words_free(words);
}

size_t cf_model_search(const struct cf_model *model, const char *question,
                       const struct cf_search_options *options, struct cf_hit *hits)
{
    double language_weight =
        options->language_weight < 0 ? model->params.language_weight : options->language_weight;
    struct scored *all = cf_calloc(model->projects, sizeof(*all));
    double *cosines = cf_calloc(model->chunks.count, sizeof(*cosines));
    size_t count = 0;
    if (score_all(model, question, language_weight, cosines, all)) {
        qsort(all, model->projects, sizeof(*all), by_score);
        count = options->limit < model->projects ? options->limit : model->projects;
    }
    for (size_t i = 0; i < count; i++) {
        hits[i] = (struct cf_hit){.project = model->names[all[i].project],
                                  .index = all[i].project,
                                  .score = all[i].score,
                                  .bm25 = all[i].bm25,
                                  .lsa = all[i].lsa};
    }
    if (!options->no_passages) {
        set_passages(model, question, cosines, hits, count);
    }
    free(cosines);
    free(all);
    return count;
}
