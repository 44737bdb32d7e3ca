#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/evaluate.h"
#include "common/encoder/holdout.h"
#include "common/encoder/leak.h"

static const struct {
    const char *description, *path, *text, *left;
} leaks[] = {
    {"Fast HTTP client for Node", "README.md",
     "# got\n\nFast HTTP client for Node.\n\nMore text.\n", "# got\n\n\nMore text.\n"},
    {"Fast HTTP client for Node", "README.md", "# got: *fast* [HTTP](x) client for node!\nkept\n",
     "kept\n"},
    {"A fast HTTP client for Node", "README.md",
     "got is the fast HTTP client for Node you want\nkept\n", "kept\n"},
    {"A fast HTTP client for Node", "README.md",
     "Whoever has looked for it long enough knows that got is the fast HTTP client for "
     "Node\nkept\n",
     "kept\n"},
    {"Fast HTTP client for Node. Works in browsers.", "README.md", "Fast HTTP client\nkept\n",
     "kept\n"},
    {"Fast HTTP client for Node", "README.md", "HTTP client\nkept\n", "HTTP client\nkept\n"},
    {"Fast HTTP client for Node", "README.md", "Fast HTTP\nclient for Node\n\nkept\n", "kept\n"},
    {"Fast small HTTP client for Node servers", "README.md",
     "The small, fast HTTP client of Node!\nkept\n", "kept\n"},
    {"Fast HTTP client for Node", "README.md", "Not so fast: it's an FTP client\n",
     "Not so fast: it's an FTP client\n"},
    {"Fast HTTP client for Node", ".repo-context.json",
     "{\"description\":\"fast HTTP client for node\",\"purpose\":\"kept\"}", "kept\n\n"},
    {"", "README.md", "kept as it is\n", "kept as it is\n"},
    {"Fast HTTP client for Node", "README.md", "", ""},
};

START_TEST(what_repeats_the_description_goes)
{
    struct cf_text text = {leaks[_i].path, leaks[_i].text, strlen(leaks[_i].text)};
    size_t length = 0;
    char *left = cf_leak_strip(leaks[_i].description, &text, &length);
    ck_assert_uint_eq(length, strlen(left));
    while (*left == '\n' && leaks[_i].left[0] != '\n') {
        memmove(left, left + 1, strlen(left));
    }
    ck_assert_str_eq(left, leaks[_i].left);
    free(left);
}
END_TEST

START_TEST(content_words)
{
    ck_assert_uint_eq(cf_leak_content_words("The tool for the web", 20), 2);
    ck_assert_uint_eq(cf_leak_content_words("web Web WEB a i", 15), 1);
    ck_assert_uint_eq(cf_leak_content_words("", 0), 0);
}
END_TEST

static const struct cf_text readmes[] = {
    {"README.md", "# Apples\nGrows apple trees in rows of wood.\n", 43},
    {"README.md", "# Pears\nPicks pears, and apples now and then.\n", 46},
    {"README.md", "# Plums\nDries plums in the sun.\n", 32}};

static const struct cf_project orchard[] = {
    {"apples", "Growing apple trees on hills", NULL, 0, NULL, 0, &readmes[0], 1},
    {"pears", "Picks pears, and apples now and then", NULL, 0, NULL, 0, &readmes[1], 1},
    {"plums", "Plums", NULL, 0, NULL, 0, &readmes[2], 1}};

START_TEST(held_out_corpus_has_no_answers)
{
    struct cf_corpus corpus = {orchard, 3};
    struct cf_holdout holdout;
    cf_holdout_init(&holdout, &corpus);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_ptr_null(holdout.corpus.projects[i].description);
        ck_assert_str_eq(holdout.corpus.projects[i].name, orchard[i].name);
    }
    ck_assert_ptr_nonnull(strstr(holdout.corpus.projects[0].texts[0].text, "rows of wood"));
    ck_assert_str_eq(holdout.corpus.projects[1].texts[0].text, "# Pears\n");
    ck_assert(cf_holdout_asks(&orchard[0]));
    ck_assert(cf_holdout_asks(&orchard[1]));
    ck_assert(!cf_holdout_asks(&orchard[2]));
    cf_holdout_release(&holdout);
}
END_TEST

START_TEST(an_evaluation_of_three_projects)
{
    struct cf_corpus corpus = {orchard, 3};
    struct cf_model_params params;
    struct cf_evaluation *e = NULL;
    struct cf_error err;
    cf_model_params_default(&params);
    ck_assert_int_eq(cf_evaluate(&corpus, &params, NULL, &e, &err), 0);
    ck_assert_uint_eq(e->count, 2);
    ck_assert_str_eq(e->questions[0].project, "apples");
    ck_assert_str_eq(e->questions[0].text, "Growing apple trees on hills");
    ck_assert_uint_eq(e->questions[0].rank, 1);
    ck_assert_uint_eq(e->questions[0].rank_bm25, 1);
    ck_assert_uint_eq(e->questions[1].rank_bm25, 1); /* by its name and heading alone */
    cf_evaluation_free(e);
    corpus.count = 0;
    ck_assert_int_eq(cf_evaluate(&corpus, &params, NULL, &e, &err), CF_EDATA);
}
END_TEST

START_TEST(no_usable_description)
{
    struct cf_corpus corpus = {&orchard[2], 1};
    struct cf_model_params params;
    struct cf_evaluation *e = NULL;
    cf_model_params_default(&params);
    ck_assert_int_eq(cf_evaluate(&corpus, &params, NULL, &e, NULL), 0);
    ck_assert_uint_eq(e->count, 0);
    ck_assert(e->model.mrr10 == 0 && e->bm25.ndcg10 == 0);
    cf_evaluation_free(e);
}
END_TEST

/* An evaluation whose questions "q0", "q1", … of project "p" have the given ranks. */
static struct cf_evaluation *ranked(const size_t *ranks, size_t count)
{
    struct cf_evaluation *e = cf_calloc(1, sizeof(*e));
    e->questions = cf_calloc(count, sizeof(*e->questions));
    e->count = count;
    for (size_t i = 0; i < count; i++) {
        e->questions[i].project = cf_strdup("p");
        e->questions[i].text = cf_asprintf("q%zu", i);
        e->questions[i].rank = ranks[i];
        e->questions[i].rank_bm25 = 2;
        e->questions[i].rank_bm25_tuned = 11;
    }
    cf_evaluation_score(e);
    return e;
}

START_TEST(scores_by_hand)
{
    static const size_t ranks[4] = {1, 3, 0, 11};
    struct cf_evaluation *e = ranked(ranks, 4);
    ck_assert(fabs(e->model.mrr10 - (1 + 1.0 / 3) / 4) < 1e-12);
    ck_assert(fabs(e->model.recall1 - .25) < 1e-12);
    ck_assert(fabs(e->model.ndcg10 - (1 + .5) / 4) < 1e-12); /* 1/log2(4) = 1/2 */
    ck_assert(fabs(e->bm25.mrr10 - .5) < 1e-12);
    ck_assert(fabs(e->bm25.ndcg10 - 1 / log2(3)) < 1e-12);
    ck_assert(e->bm25_tuned.mrr10 == 0 && e->bm25_tuned.ndcg10 == 0);
    cf_evaluation_free(e);
    ck_assert(cf_reciprocal_rank(10) == .1);
    ck_assert(cf_reciprocal_rank(11) == 0);
    ck_assert(cf_reciprocal_rank(0) == 0);
}
END_TEST

START_TEST(json_round_trip)
{
    static const size_t ranks[4] = {1, 3, 0, 11};
    struct cf_evaluation *e = ranked(ranks, 4);
    struct cf_evaluation *back = NULL;
    struct cf_error err = {0};
    json_t *json = cf_evaluation_to_json(e);
    ck_assert_msg(cf_evaluation_from_json(json, &back, &err) == 0, "%s", err.message);
    json_t *again = cf_evaluation_to_json(back);
    ck_assert(json_equal(json, again));
    json_decref(again);
    cf_evaluation_free(back);
    json_t *question = json_array_get(json_object_get(json, "questions"), 1);
    json_object_set_new(question, "rank", json_integer(1));
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA); /* not the scores' */
    json_object_set_new(question, "rank", json_string("3"));
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA);
    json_object_set_new(question, "rank", json_integer(-3));
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA);
    json_object_set_new(question, "rank", json_integer(3));
    json_object_del(question, "project");
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "project"));
    json_object_del(json, "scores");
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA);
    json_decref(json);
    cf_evaluation_free(e);
}
END_TEST

static struct cf_gate gate_of(const size_t *new_, size_t new_count, const size_t *old,
                              size_t old_count)
{
    struct cf_evaluation *a = ranked(new_, new_count);
    struct cf_evaluation *b = old ? ranked(old, old_count) : NULL;
    struct cf_gate gate;
    cf_gate_decide(a, b, &gate);
    cf_evaluation_free(a);
    cf_evaluation_free(b);
    return gate;
}

START_TEST(the_gate)
{
    size_t ones[50];
    for (size_t i = 0; i < 50; i++) {
        ones[i] = 1;
    }
    size_t worse[50];
    struct cf_gate gate = gate_of(ones, 3, NULL, 0);
    ck_assert(gate.promote);
    ck_assert_str_ne(gate.reason, "");
    gate = gate_of(ones, 0, ones, 3);
    ck_assert(gate.promote);
    ck_assert_uint_eq(gate.shared_questions, 0);
    /* 50 questions: 0.02 may be lost, which is two that fall to second */
    memcpy(worse, ones, sizeof(worse));
    worse[7] = worse[8] = 2;
    gate = gate_of(worse, 50, ones, 50);
    ck_assert(gate.promote);
    ck_assert_uint_eq(gate.shared_questions, 50);
    ck_assert(fabs(gate.mrr_new - .98) < 1e-9);
    ck_assert(fabs(gate.mrr_old - 1) < 1e-9);
    worse[9] = 2;
    gate = gate_of(worse, 50, ones, 50);
    ck_assert(!gate.promote);
    /* 4 questions: 0.5/4 may be lost, one that falls to second, but not to third */
    size_t four[4] = {1, 2, 1, 1};
    gate = gate_of(four, 4, ones, 4);
    ck_assert(gate.promote);
    four[1] = 3;
    gate = gate_of(four, 4, ones, 4);
    ck_assert(!gate.promote);
    /* only shared questions count: q4 … q9 are new and bad */
    size_t ten[10] = {1, 1, 1, 1, 0, 0, 0, 0, 0, 0};
    gate = gate_of(ten, 10, ones, 4);
    ck_assert(gate.promote);
    ck_assert_uint_eq(gate.shared_questions, 4);
    /* better is always fine */
    gate = gate_of(ones, 4, four, 4);
    ck_assert(gate.promote);
    ck_assert(gate.mrr_new > gate.mrr_old);
}
END_TEST

START_TEST(the_gate_compares_equal_text_and_project)
{
    static const size_t ones[2] = {1, 1};
    static const size_t zeros[2] = {0, 0};
    struct cf_evaluation *a = ranked(zeros, 2);
    struct cf_evaluation *b = ranked(ones, 2);
    struct cf_gate gate;
    free(a->questions[0].project);
    a->questions[0].project = cf_strdup("other");
    free(a->questions[1].text);
    a->questions[1].text = cf_strdup("reworded");
    cf_gate_decide(a, b, &gate);
    ck_assert(gate.promote);
    ck_assert_uint_eq(gate.shared_questions, 0);
    cf_evaluation_free(a);
    cf_evaluation_free(b);
}
END_TEST

Suite *encoder_evaluate_suite(void)
{
    Suite *suite = suite_create("encoder_evaluate");
    TCase *tc = tcase_create("evaluate");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_repeats_the_description_goes, 0,
                        (int)(sizeof(leaks) / sizeof(leaks[0])));
    tcase_add_test(tc, content_words);
    tcase_add_test(tc, held_out_corpus_has_no_answers);
    tcase_add_test(tc, an_evaluation_of_three_projects);
    tcase_add_test(tc, no_usable_description);
    tcase_add_test(tc, scores_by_hand);
    tcase_add_test(tc, json_round_trip);
    tcase_add_test(tc, the_gate);
    tcase_add_test(tc, the_gate_compares_equal_text_and_project);
    suite_add_tcase(suite, tc);
    return suite;
}
