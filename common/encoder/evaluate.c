#include "common/encoder/evaluate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/utf8.h"
#include "common/encoder/documents.h"
#include "common/encoder/holdout.h"
#include "common/encoder/model.h"

static const struct cf_bm25_options plain_bm25 = {1.2, .75, false, false};

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

struct exam {
    const struct cf_corpus *corpus;
    const struct cf_model *model;
    const struct cf_bm25 *plain;
    struct cf_hit *hits; /* [projects] */
    double *scores;      /* [projects] */
};

static void ask(struct exam *exam, size_t right, struct cf_question *q)
{
    struct cf_search_options options = {exam->corpus->count, -1, true};
    size_t count = cf_model_search(exam->model, q->text, &options, exam->hits);
    for (size_t i = 0; i < exam->corpus->count; i++) {
        exam->scores[i] = 0;
    }
    for (size_t i = 0; i < count; i++) {
        exam->scores[exam->hits[i].index] = exam->hits[i].bm25;
        q->rank = exam->hits[i].index == right ? i + 1 : q->rank;
    }
    q->rank_bm25_tuned = rank_of(exam->corpus, exam->scores, right);
    cf_bm25_score(exam->plain, q->text, strlen(q->text), exam->scores);
    q->rank_bm25 = rank_of(exam->corpus, exam->scores, right);
}

static char *clean(const char *s)
{
    struct cf_buf buf = CF_BUF_INIT;
    cf_utf8_clean(s, strlen(s), &buf);
    return cf_buf_detach(&buf);
}

static void ask_all(const struct cf_corpus *corpus, struct exam *exam, struct cf_evaluation *e)
{
    e->questions = cf_calloc(corpus->count, sizeof(*e->questions));
    for (size_t i = 0; i < corpus->count; i++) {
        const struct cf_project *p = &corpus->projects[i];
        if (cf_holdout_asks(p)) {
            struct cf_question *q = &e->questions[e->count++];
            q->project = clean(p->name);
            q->text = clean(p->description);
            ask(exam, i, q);
        }
    }
}

int cf_evaluate(const struct cf_corpus *corpus, const struct cf_model_params *params,
                struct cf_evaluation **out, struct cf_error *err)
{
    struct cf_holdout held;
    struct cf_model *model = NULL;
    cf_holdout_init(&held, corpus);
    int code = cf_model_fit(&held.corpus, params, &model, err);
    if (!code) {
        struct cf_documents documents;
        struct cf_chunk_options chunking = {params->chunk_limit, params->chunk_minimum};
        struct cf_evaluation *e = cf_calloc(1, sizeof(*e));
        cf_documents_read(&held.corpus, &chunking, &documents);
        struct cf_bm25 *plain = cf_documents_bm25(&documents, &held.corpus, &plain_bm25, 1);
        cf_documents_release(&documents);
        struct exam exam = {corpus, model, plain, cf_calloc(corpus->count, sizeof(struct cf_hit)),
                            cf_calloc(corpus->count, sizeof(double))};
        ask_all(corpus, &exam, e);
        cf_evaluation_score(e);
        free(exam.hits);
        free(exam.scores);
        cf_bm25_free(plain);
        *out = e;
    }
    cf_model_free(model);
    cf_holdout_release(&held);
    return code;
}

void cf_evaluation_free(struct cf_evaluation *e)
{
    if (!e) {
        return;
    }
    for (size_t i = 0; i < e->count; i++) {
        free(e->questions[i].project);
        free(e->questions[i].text);
    }
    free(e->questions);
    free(e);
}

double cf_reciprocal_rank(size_t rank)
{
    return rank >= 1 && rank <= 10 ? 1 / (double)rank : 0;
}

static void add_rank(struct cf_score *score, size_t rank, double share)
{
    score->mrr10 += share * cf_reciprocal_rank(rank);
    score->recall1 += rank == 1 ? share : 0;
    score->ndcg10 += rank >= 1 && rank <= 10 ? share / log2(1 + (double)rank) : 0;
}

void cf_evaluation_score(struct cf_evaluation *e)
{
    e->model = e->bm25 = e->bm25_tuned = (struct cf_score){0, 0, 0};
    for (size_t i = 0; i < e->count; i++) {
        const struct cf_question *q = &e->questions[i];
        double share = 1 / (double)e->count;
        add_rank(&e->model, q->rank, share);
        add_rank(&e->bm25, q->rank_bm25, share);
        add_rank(&e->bm25_tuned, q->rank_bm25_tuned, share);
    }
}

static json_t *score_to_json(const struct cf_score *score)
{
    return json_pack("{s:f, s:f, s:f}", "mrr10", score->mrr10, "recall1", score->recall1, "ndcg10",
                     score->ndcg10);
}

json_t *cf_evaluation_to_json(const struct cf_evaluation *e)
{
    json_t *questions = json_array();
    for (size_t i = 0; i < e->count; i++) {
        const struct cf_question *q = &e->questions[i];
        json_array_append_new(questions,
                              json_pack("{s:s, s:s, s:I, s:I, s:I}", "project", q->project,
                                        "question", q->text, "rank", (json_int_t)q->rank,
                                        "rank_bm25", (json_int_t)q->rank_bm25, "rank_bm25_tuned",
                                        (json_int_t)q->rank_bm25_tuned));
    }
    return json_pack("{s:o, s:{s:o, s:o, s:o}}", "questions", questions, "scores", "model",
                     score_to_json(&e->model), "bm25", score_to_json(&e->bm25), "bm25_tuned",
                     score_to_json(&e->bm25_tuned));
}

static int read_rank(const json_t *json, const char *key, size_t *out, struct cf_error *err)
{
    uint64_t rank = 0;
    int code = cf_json_get_u64(json, key, &rank, err);
    *out = (size_t)rank;
    return code;
}

static int read_question(const json_t *json, struct cf_question *q, struct cf_error *err)
{
    const char *project = NULL;
    const char *text = NULL;
    int code = cf_json_get_string(json, "project", &project, err);
    code = code ? code : cf_json_get_string(json, "question", &text, err);
    code = code ? code : read_rank(json, "rank", &q->rank, err);
    code = code ? code : read_rank(json, "rank_bm25", &q->rank_bm25, err);
    code = code ? code : read_rank(json, "rank_bm25_tuned", &q->rank_bm25_tuned, err);
    if (!code) {
        q->project = cf_strdup(project);
        q->text = cf_strdup(text);
    }
    return code;
}

static int check_score(const json_t *scores, const char *name, const struct cf_score *want,
                       struct cf_error *err)
{
    json_t *object = NULL;
    struct cf_score got = {0, 0, 0};
    int code = cf_json_get_object(scores, name, &object, err);
    code = code ? code : cf_json_get_number(object, "mrr10", &got.mrr10, err);
    code = code ? code : cf_json_get_number(object, "recall1", &got.recall1, err);
    code = code ? code : cf_json_get_number(object, "ndcg10", &got.ndcg10, err);
    if (!code &&
        !(fabs(got.mrr10 - want->mrr10) < 1e-6 && fabs(got.recall1 - want->recall1) < 1e-6 &&
          fabs(got.ndcg10 - want->ndcg10) < 1e-6)) {
        code = cf_error_set(err, CF_EDATA, "the scores of \"%s\" aren't those of the ranks", name);
    }
    return code;
}

int cf_evaluation_from_json(const json_t *json, struct cf_evaluation **out, struct cf_error *err)
{
    json_t *questions = NULL;
    json_t *scores = NULL;
    int code = cf_json_get_array(json, "questions", &questions, err);
    code = code ? code : cf_json_get_object(json, "scores", &scores, err);
    if (code) {
        return code;
    }
    struct cf_evaluation *e = cf_calloc(1, sizeof(*e));
    e->questions = cf_calloc(json_array_size(questions), sizeof(*e->questions));
    for (size_t i = 0; !code && i < json_array_size(questions); i++) {
        code = read_question(json_array_get(questions, i), &e->questions[i], err);
        e->count += code == 0;
    }
    cf_evaluation_score(e);
    code = code ? code : check_score(scores, "model", &e->model, err);
    code = code ? code : check_score(scores, "bm25", &e->bm25, err);
    code = code ? code : check_score(scores, "bm25_tuned", &e->bm25_tuned, err);
    if (code) {
        cf_evaluation_free(e);
        return code;
    }
    *out = e;
    return 0;
}
