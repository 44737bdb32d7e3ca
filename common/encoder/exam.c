/* The exam: every question is asked of the model, and of what it is compared with. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/utf8.h"
#include "common/encoder/choose.h"
#include "common/encoder/documents.h"
#include "common/encoder/evaluate.h"
#include "common/encoder/holdout.h"
#include "common/encoder/model_internal.h"

enum { DIMENSIONS_MOST = 1024, CANDIDATE_ALONE = CF_CANDIDATES - 2 }; /* weight 1, not whitened */

static const struct cf_bm25_options plain_bm25 = {1.2, .75, false, false};

/* The transformer, without and with whitening. */
struct opinions {
    struct cf_encoder *encoder; /* NULL: there is none */
    size_t dimensions;
    float *embeddings;              /* [chunks × dimensions] */
    struct cf_whitening *whitening; /* NULL: no candidate is whitened */
    float *white;                   /* [chunks × whitening->dimensions] */
    float *question[2];             /* its embedding, not whitened and whitened */
    double *cosines, *chunks;       /* [projects], [chunks] */
    double *z[2];                   /* [projects]: z-scores, not whitened and whitened */
    bool knows;
};

struct exam {
    const struct cf_corpus *corpus;
    const struct cf_tuner *tuner; /* may be NULL */
    struct cf_model *model;       /* of the held-out texts, without a transformer */
    struct cf_bm25 *plain;
    struct cf_scores scores;
    double *plain_scores; /* [projects] */
    double *zeros;        /* [projects] */
    struct opinions opinions;
    struct cf_choice_question *choices; /* [questions] */
};

/* --- setting it up -------------------------------------------------------------------------------
 */

static int add_whitening(struct opinions *o, size_t chunks, size_t wanted, struct cf_error *err)
{
    int rc = cf_whitening_fit(o->embeddings, chunks, o->dimensions, wanted, &o->whitening, err);
    if (!rc && o->whitening) {
        size_t n = o->whitening->dimensions;
        o->white = cf_calloc(chunks * n, sizeof(*o->white));
        cf_whitening_apply(o->whitening, o->embeddings, chunks, o->white);
        o->question[1] = cf_calloc(n, sizeof(float));
    }
    return rc;
}

/* Half of the dimensions, and four texts for each. */
static size_t whitened_dimensions(size_t dimensions, size_t chunks)
{
    size_t wanted = dimensions / 2 < chunks / 4 ? dimensions / 2 : chunks / 4;
    return wanted < DIMENSIONS_MOST ? wanted : DIMENSIONS_MOST;
}

static int opinions_init(struct exam *exam, const struct cf_corpus *held, struct cf_error *err)
{
    struct opinions *o = &exam->opinions;
    size_t chunks = exam->model->chunks.count;
    int rc = exam->tuner->tune(exam->tuner->context, held, &o->encoder, err);
    if (rc) {
        return rc;
    }
    o->dimensions = o->encoder->type->dimensions(o->encoder);
    o->question[0] = cf_calloc(o->dimensions, sizeof(float));
    o->cosines = cf_calloc(held->count, sizeof(double));
    o->chunks = cf_calloc(chunks, sizeof(double));
    o->z[0] = cf_calloc(held->count, sizeof(double));
    o->z[1] = cf_calloc(held->count, sizeof(double));
    rc = cf_model_embed(exam->model, o->encoder, exam->tuner, &o->embeddings, err);
    return rc ? rc : add_whitening(o, chunks, whitened_dimensions(o->dimensions, chunks), err);
}

static void opinions_release(struct opinions *o)
{
    if (o->encoder) {
        o->encoder->type->free(o->encoder);
    }
    cf_whitening_free(o->whitening);
    free(o->embeddings);
    free(o->white);
    free(o->cosines);
    free(o->chunks);
    for (int i = 0; i < 2; i++) {
        free(o->question[i]);
        free(o->z[i]);
    }
}

static int exam_init(struct exam *exam, const struct cf_corpus *corpus,
                     const struct cf_model_params *params, struct cf_error *err)
{
    struct cf_holdout held;
    cf_holdout_init(&held, corpus);
    int rc = cf_model_fit(&held.corpus, params, NULL, &exam->model, err);
    if (!rc) {
        struct cf_documents documents;
        struct cf_chunk_options chunking = {params->chunk_limit, params->chunk_minimum};
        cf_documents_read(&held.corpus, &chunking, &documents);
        exam->corpus = corpus;
        exam->plain = cf_documents_bm25(&documents, &held.corpus, &plain_bm25, 1);
        cf_documents_release(&documents);
        cf_scores_init(&exam->scores, exam->model);
        exam->plain_scores = cf_calloc(corpus->count, sizeof(double));
        exam->zeros = cf_calloc(corpus->count, sizeof(double));
        exam->choices = cf_calloc(corpus->count, sizeof(*exam->choices));
    }
    if (!rc && exam->tuner) {
        rc = opinions_init(exam, &held.corpus, err);
    }
    cf_holdout_release(&held);
    return rc;
}

static void exam_release(struct exam *exam)
{
    opinions_release(&exam->opinions);
    cf_scores_release(&exam->scores);
    cf_bm25_free(exam->plain);
    cf_model_free(exam->model);
    free(exam->plain_scores);
    free(exam->zeros);
    free(exam->choices);
}

/* --- asking --------------------------------------------------------------------------------------
 */

/* The rank of the right project by score, ties by name; 0 when its score is 0. */
static size_t rank_of(const struct cf_corpus *corpus, const double *scores, size_t right)
{
    size_t rank = 1;
    if (!(scores[right] > 0)) {
        return 0;
    }
    for (size_t i = 0; i < corpus->count; i++) {
        int order = strcmp(corpus->projects[i].name, corpus->projects[right].name);
        bool before = order < 0 || (order == 0 && i < right);
        rank += i != right && (scores[i] > scores[right] || (scores[i] == scores[right] && before));
    }
    return rank;
}

static void set_z(const struct cf_model *model, struct opinions *o, const float *embeddings,
                  size_t dimensions, int which)
{
    memset(o->z[which], 0, model->projects * sizeof(double));
    cf_model_cosines(model, embeddings, dimensions, o->question[which], o->chunks, o->cosines);
    cf_add_z_scores(o->cosines, 1, model->projects, o->z[which]);
}

static int ask_transformer(struct exam *exam, const char *question, struct cf_error *err)
{
    struct opinions *o = &exam->opinions;
    const struct cf_tuner *tuner = exam->tuner;
    if (tuner->stopped && tuner->stopped(tuner->context)) {
        return cf_error_set(err, CF_EINTERRUPTED, "stopped while questions were asked");
    }
    int rc = cf_model_embed_question(o->encoder, question, o->question[0], &o->knows, err);
    if (rc) {
        return rc;
    }
    set_z(exam->model, o, o->embeddings, o->dimensions, 0);
    if (o->whitening) {
        cf_whitening_apply(o->whitening, o->question[0], 1, o->question[1]);
        set_z(exam->model, o, o->white, o->whitening->dimensions, 1);
    }
    return 0;
}

/* rank is that without a transformer; with one it is set when all have been asked. */
static int ask(struct exam *exam, size_t right, struct cf_question *q,
               struct cf_choice_question *choice, struct cf_error *err)
{
    struct cf_scores *s = &exam->scores;
    const struct opinions *o = &exam->opinions;
    int rc = cf_scores_read(s, exam->model, q->text, exam->model->params.language_weight, err);
    if (!rc && o->encoder) {
        rc = ask_transformer(exam, q->text, err);
    }
    if (rc) {
        return rc;
    }
    struct cf_choice_scores scores = {.projects = exam->model->projects,
                                      .names = exam->model->names,
                                      .text = s->text,
                                      .languages = s->languages,
                                      .plain = o->encoder ? o->z[0] : exam->zeros,
                                      .whitened = o->whitening ? o->z[1] : NULL,
                                      .text_knows = s->known > 0,
                                      .transformer_knows = o->knows};
    q->rank = cf_choice_rank(&scores, right, 0);
    q->rank_bm25_tuned = rank_of(exam->corpus, s->bm25, right);
    cf_bm25_score(exam->plain, q->text, strlen(q->text), exam->plain_scores);
    q->rank_bm25 = rank_of(exam->corpus, exam->plain_scores, right);
    if (o->encoder) {
        choice->half = cf_choice_half(q->project);
        cf_choice_ranks(&scores, right, choice->ranks);
        scores.text_knows = false;
        scores.languages = exam->zeros;
        q->rank_transformer = cf_choice_rank(&scores, right, CANDIDATE_ALONE);
    }
    return 0;
}

static char *clean(const char *s)
{
    struct cf_buf buf = CF_BUF_INIT;
    cf_utf8_clean(s, strlen(s), &buf);
    return cf_buf_detach(&buf);
}

static int ask_all(struct exam *exam, struct cf_evaluation *e, struct cf_error *err)
{
    const struct cf_corpus *corpus = exam->corpus;
    int rc = 0;
    e->questions = cf_calloc(corpus->count, sizeof(*e->questions));
    for (size_t i = 0; i < corpus->count && !rc; i++) {
        const struct cf_project *p = &corpus->projects[i];
        if (cf_holdout_asks(p)) {
            struct cf_question *q = &e->questions[e->count++];
            q->project = clean(p->name);
            q->text = clean(p->description);
            rc = ask(exam, i, q, &exam->choices[e->count - 1], err);
        }
    }
    return rc;
}

/* Sets the parameters to what all questions choose, and each rank to that under the other half's
 * choice. */
static void choose(const struct exam *exam, struct cf_evaluation *e, struct cf_model_params *params)
{
    const struct opinions *o = &exam->opinions;
    struct cf_choice choice = cf_choose(exam->choices, e->count);
    bool whitens = cf_candidate_whitens(choice.all) && o->whitening;
    params->transformer = cf_candidate_weight(choice.all);
    params->whitening = whitens ? (unsigned)o->whitening->dimensions : 0;
    for (size_t i = 0; i < e->count; i++) {
        const struct cf_choice_question *q = &exam->choices[i];
        e->questions[i].rank = q->ranks[choice.halves[!q->half]];
    }
    e->has_transformer = true;
}

int cf_evaluate(const struct cf_corpus *corpus, struct cf_model_params *params,
                const struct cf_tuner *tuner, struct cf_evaluation **out, struct cf_error *err)
{
    struct exam exam = {.tuner = tuner};
    struct cf_evaluation *e = cf_calloc(1, sizeof(*e));
    int rc = exam_init(&exam, corpus, params, err);
    rc = rc ? rc : ask_all(&exam, e, err);
    if (rc) {
        cf_evaluation_free(e);
    } else {
        if (tuner) {
            choose(&exam, e, params);
        }
        cf_evaluation_score(e);
        *out = e;
    }
    exam_release(&exam);
    return rc;
}
