#include "common/encoder/evaluate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

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
    e->model = e->bm25 = e->bm25_tuned = e->transformer = (struct cf_score){0, 0, 0};
    for (size_t i = 0; i < e->count; i++) {
        const struct cf_question *q = &e->questions[i];
        double share = 1 / (double)e->count;
        add_rank(&e->model, q->rank, share);
        add_rank(&e->bm25, q->rank_bm25, share);
        add_rank(&e->bm25_tuned, q->rank_bm25_tuned, share);
        add_rank(&e->transformer, q->rank_transformer, share);
    }
}

static json_t *score_to_json(const struct cf_score *score)
{
    return json_pack("{s:f, s:f, s:f}", "mrr10", score->mrr10, "recall1", score->recall1, "ndcg10",
                     score->ndcg10);
}

static json_t *question_to_json(const struct cf_question *q, bool transformer)
{
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:I, s:I}", "project", q->project, "question", q->text, "rank",
                  (json_int_t)q->rank, "rank_bm25", (json_int_t)q->rank_bm25, "rank_bm25_tuned",
                  (json_int_t)q->rank_bm25_tuned);
    if (transformer) {
        (void)json_object_set_new(json, "rank_transformer",
                                  json_integer((json_int_t)q->rank_transformer));
    }
    return json;
}

json_t *cf_evaluation_to_json(const struct cf_evaluation *e)
{
    json_t *questions = json_array();
    for (size_t i = 0; i < e->count; i++) {
        json_array_append_new(questions, question_to_json(&e->questions[i], e->has_transformer));
    }
    json_t *scores =
        json_pack("{s:o, s:o, s:o}", "model", score_to_json(&e->model), "bm25",
                  score_to_json(&e->bm25), "bm25_tuned", score_to_json(&e->bm25_tuned));
    if (e->has_transformer) {
        (void)json_object_set_new(scores, "transformer", score_to_json(&e->transformer));
    }
    return json_pack("{s:o, s:o}", "questions", questions, "scores", scores);
}

static int read_rank(const json_t *json, const char *key, size_t *out, struct cf_error *err)
{
    uint64_t rank = 0;
    int code = cf_json_get_u64(json, key, &rank, err);
    *out = (size_t)rank;
    return code;
}

static int read_question(const json_t *json, bool transformer, struct cf_question *q,
                         struct cf_error *err)
{
    const char *project = NULL;
    const char *text = NULL;
    int code = cf_json_get_string(json, "project", &project, err);
    code = code ? code : cf_json_get_string(json, "question", &text, err);
    code = code ? code : read_rank(json, "rank", &q->rank, err);
    code = code ? code : read_rank(json, "rank_bm25", &q->rank_bm25, err);
    code = code ? code : read_rank(json, "rank_bm25_tuned", &q->rank_bm25_tuned, err);
    if (!code && transformer) {
        code = read_rank(json, "rank_transformer", &q->rank_transformer, err);
    }
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
    e->has_transformer = json_object_get(scores, "transformer") != NULL;
    for (size_t i = 0; !code && i < json_array_size(questions); i++) {
        code =
            read_question(json_array_get(questions, i), e->has_transformer, &e->questions[i], err);
        e->count += code == 0;
    }
    cf_evaluation_score(e);
    code = code ? code : check_score(scores, "model", &e->model, err);
    code = code ? code : check_score(scores, "bm25", &e->bm25, err);
    code = code ? code : check_score(scores, "bm25_tuned", &e->bm25_tuned, err);
    if (!code && e->has_transformer) {
        code = check_score(scores, "transformer", &e->transformer, err);
    }
    if (code) {
        cf_evaluation_free(e);
        return code;
    }
    *out = e;
    return 0;
}
