#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/choose.h"
#include "common/encoder/model_internal.h"
#include "common/encoder/passage.h"

struct scored {
    const struct cf_model *model;
    size_t project;
    double score, bm25, lsa, transformer;
};

void cf_add_z_scores(const double *values, double weight, size_t count, double *scores)
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

void cf_model_cosines(const struct cf_model *model, const float *embeddings, size_t n,
                      const float *z, double *chunks, double *projects)
{
    for (size_t p = 0; p < model->projects; p++) {
        projects[p] = -INFINITY;
        for (size_t c = model->first[p]; c < model->first[p + 1]; c++) {
            chunks[c] = scalar_product(z, embeddings + c * n, n);
            projects[p] = chunks[c] > projects[p] ? chunks[c] : projects[p];
        }
    }
}

/* --- without the transformer ---------------------------------------------------------------------
 */

void cf_scores_init(struct cf_scores *s, const struct cf_model *model)
{
    size_t n = model->projects;
    *s = (struct cf_scores){.bm25 = cf_calloc(n, sizeof(double)),
                            .lsa = cf_calloc(n, sizeof(double)),
                            .text = cf_calloc(n, sizeof(double)),
                            .languages = cf_calloc(n, sizeof(double)),
                            .cosines = cf_calloc(model->chunks.count, sizeof(double))};
}

void cf_scores_release(struct cf_scores *s)
{
    free(s->bm25);
    free(s->lsa);
    free(s->text);
    free(s->languages);
    free(s->cosines);
}

int cf_scores_read(struct cf_scores *s, struct cf_model *model, const char *question,
                   double language_weight, struct cf_error *err)
{
    size_t n = model->projects;
    struct cf_view view = {question, strlen(question)};
    float *z = cf_calloc(model->dimensions, sizeof(*z));
    int rc = model->encoder->type->embed(model->encoder, &view, 1, z, err);
    if (!rc) {
        cf_model_cosines(model, model->embeddings, model->dimensions, z, s->cosines, s->lsa);
    }
    free(z);
    s->known = cf_bm25_score(model->bm25, question, view.length, s->bm25);
    memset(s->text, 0, n * sizeof(*s->text));
    memset(s->languages, 0, n * sizeof(*s->languages));
    cf_add_z_scores(s->bm25, model->params.blend, n, s->text);
    cf_add_z_scores(s->lsa, 1 - model->params.blend, n, s->text);
    if (language_weight > 0) {
        cf_languages_match(model->languages, n, question, s->languages);
    }
    for (size_t p = 0; p < n; p++) {
        s->languages[p] *= language_weight;
    }
    return rc;
}

/* --- the transformer -----------------------------------------------------------------------------
 */

/* What the transformer says of one question; all 0 without one. */
struct opinion {
    double *cosines; /* [projects], of the best chunk */
    double *z;       /* [projects]: their z-scores */
    double *chunks;  /* [chunks]: the cosines */
    bool knows;
};

static void opinion_init(struct opinion *o, const struct cf_model *model)
{
    *o = (struct opinion){.cosines = cf_calloc(model->projects, sizeof(double)),
                          .z = cf_calloc(model->projects, sizeof(double)),
                          .chunks = cf_calloc(model->chunks.count, sizeof(double))};
}

static void opinion_release(struct opinion *o)
{
    free(o->cosines);
    free(o->z);
    free(o->chunks);
}

static int opinion_read(struct opinion *o, struct cf_model *model, const char *question,
                        struct cf_error *err)
{
    if (!model->transformer_embeddings) {
        return 0;
    }
    size_t from = model->transformer->type->dimensions(model->transformer);
    size_t n = model->transformer_dimensions;
    float *raw = cf_calloc(from, sizeof(*raw));
    float *white = cf_calloc(n, sizeof(*white));
    int rc = cf_model_embed_question(model->transformer, question, raw, &o->knows, err);
    if (!rc) {
        if (model->whitening) {
            cf_whitening_apply(model->whitening, raw, 1, white);
        }
        cf_model_cosines(model, model->transformer_embeddings, n, model->whitening ? white : raw,
                         o->chunks, o->cosines);
        cf_add_z_scores(o->cosines, 1, model->projects, o->z);
    }
    free(raw);
    free(white);
    return rc;
}

/* --- hits ----------------------------------------------------------------------------------------
 */

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    int order = strcmp(x->model->names[x->project], y->model->names[y->project]);
    return order ? order : (x->project > y->project) - (x->project < y->project);
}

/* The best projects, at most limit. */
static size_t set_hits(const struct cf_model *model, const struct cf_scores *s,
                       const struct opinion *o, size_t limit, struct cf_hit *hits)
{
    struct scored *all = cf_calloc(model->projects, sizeof(*all));
    size_t count = limit < model->projects ? limit : model->projects;
    for (size_t p = 0; p < model->projects; p++) {
        double score = cf_blend(model->params.transformer, s->text[p], o->z[p], s->languages[p]);
        all[p] = (struct scored){model, p, score, s->bm25[p], s->lsa[p], o->cosines[p]};
    }
    qsort(all, model->projects, sizeof(*all), by_score);
    for (size_t i = 0; i < count; i++) {
        hits[i] = (struct cf_hit){.project = model->names[all[i].project],
                                  .index = all[i].project,
                                  .score = all[i].score,
                                  .bm25 = all[i].bm25,
                                  .lsa = all[i].lsa,
                                  .transformer = all[i].transformer};
    }
    free(all);
    return count;
}

static void set_passages(const struct cf_model *model, const char *question,
                         const struct cf_scores *s, const struct opinion *o, struct cf_hit *hits,
                         size_t count)
{
    struct cf_passage_words *words = cf_passage_words_new(model, question);
    double *cosines = cf_calloc(model->chunks.count, sizeof(*cosines));
    for (size_t c = 0; c < model->chunks.count; c++) {
        cosines[c] = cf_blend(model->params.transformer, s->cosines[c], o->chunks[c], 0);
    }
    for (size_t i = 0; i < count; i++) {
        size_t c = cf_passage_choose(model, words, hits[i].index, cosines);
        hits[i].path = model->chunks.items[c].path;
        hits[i].heading = model->chunks.items[c].heading;
        hits[i].passage = model->chunks.items[c].text;
    }
    free(cosines);
    cf_passage_words_free(words);
}

int cf_model_search(struct cf_model *model, const char *question,
                    const struct cf_search_options *options, struct cf_hit *hits, size_t *count,
                    struct cf_error *err)
{
    double language_weight =
        options->language_weight < 0 ? model->params.language_weight : options->language_weight;
    struct cf_scores scores;
    struct opinion opinion;
    cf_scores_init(&scores, model);
    opinion_init(&opinion, model);
    *count = 0;
    int rc = cf_scores_read(&scores, model, question, language_weight, err);
    rc = rc ? rc : opinion_read(&opinion, model, question, err);
    if (!rc && (scores.known || opinion.knows)) {
        *count = set_hits(model, &scores, &opinion, options->limit, hits);
        if (!options->no_passages) {
            set_passages(model, question, &scores, &opinion, hits, *count);
        }
    }
    opinion_release(&opinion);
    cf_scores_release(&scores);
    return rc;
}
