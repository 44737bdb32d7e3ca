/* The exam with a transformer: whose weight it chooses, and whose ranks it records. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/choose.h"
#include "common/encoder/evaluate.h"
#include "common/encoder/model.h"
#include "tests/unit/encoder_tuner.h"
#include "tests/unit/transformer_fixture.h"

enum { PROJECTS = 30, WORD = 11 };

/* A portfolio in which each project's text has a word of its own, its lock, and each description a
 * key: a word that is nowhere else, or the lock, by which any search finds it. */
struct world {
    char names[PROJECTS][24];
    char keys[PROJECTS][WORD + 1], locks[PROJECTS][WORD + 1];
    char descriptions[PROJECTS][80], readmes[PROJECTS][80];
    struct cf_text texts[PROJECTS];
    struct cf_project projects[PROJECTS];
    struct cf_corpus corpus;
};

static void make_word(char word[WORD + 1], uint64_t seed)
{
    for (size_t i = 0; i < WORD; i++) {
        word[i] = (char)('a' + (int)((transformer_random(&seed) + 1) * 12.9F));
    }
    word[WORD] = '\0';
}

static bool no_key(const char *project)
{
    (void)project;
    return false;
}

static bool every_key(const char *project)
{
    (void)project;
    return true;
}

static bool in_the_second_half(const char *project)
{
    return cf_choice_half(project) == 1;
}

/* count projects; has_key says whose descriptions have one. */
static struct world *world_make(size_t count, bool (*has_key)(const char *project))
{
    struct world *w = cf_calloc(1, sizeof(*w));
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(w->names[i], sizeof(w->names[i]), "p%02zu", i);
        make_word(w->locks[i], 1000 + 77 * i);
        make_word(w->keys[i], 9000 + 55 * i);
        if (!has_key(w->names[i])) {
            memcpy(w->keys[i], w->locks[i], sizeof(w->keys[i]));
        }
        (void)snprintf(w->descriptions[i], sizeof(w->descriptions[i]), "A useful tool, %s",
                       w->keys[i]);
        (void)snprintf(w->readmes[i], sizeof(w->readmes[i]),
                       "# Notes\n\n%s is a tool, useful ever\n", w->locks[i]);
        w->texts[i] = (struct cf_text){"README.md", w->readmes[i], strlen(w->readmes[i])};
        w->projects[i] = (struct cf_project){.name = w->names[i],
                                             .description = w->descriptions[i],
                                             .texts = &w->texts[i],
                                             .text_count = 1};
    }
    w->corpus = (struct cf_corpus){w->projects, count};
    return w;
}

static struct world *world; /* of the fakes */

/* Which project a text is of, by lock or key; PROJECTS when of none. */
static size_t project_of(const struct cf_view *text)
{
    char *copy = cf_calloc(text->length + 1, 1);
    size_t i = 0;
    memcpy(copy, text->text, text->length);
    while (i < world->corpus.count && !strstr(copy, world->locks[i]) &&
           !strstr(copy, world->keys[i])) {
        i++;
    }
    free(copy);
    return i < world->corpus.count ? i : PROJECTS;
}

static bool is_question(const struct cf_view *text)
{
    return text->length > 2 && memcmp(text->text, "A ", 2) == 0;
}

static void perfect(const struct cf_view *text, float *out)
{
    size_t i = project_of(text);
    if (i < PROJECTS) {
        out[i] = 1;
    }
}

static void useless(const struct cf_view *text, float *out)
{
    uint64_t state = 7;
    double square = 0;
    for (size_t i = 0; i < text->length; i++) {
        state = state * 31 + (unsigned char)text->text[i];
    }
    for (size_t k = 0; k < PROJECTS; k++) {
        out[k] = transformer_random(&state);
        square += (double)out[k] * (double)out[k];
    }
    for (size_t k = 0; k < PROJECTS; k++) {
        out[k] = (float)((double)out[k] / sqrt(square));
    }
}

/* Perfect for the second half; questions about the first half it takes for ones about others. */
static void half_perfect(const struct cf_view *text, float *out)
{
    size_t i = project_of(text);
    if (i < PROJECTS) {
        bool misled = is_question(text) && !in_the_second_half(world->names[i]);
        out[(i + (misled ? 1 : 0)) % PROJECTS] = 1;
    }
}

/* A point of its own for each project in the last four dimensions, which the first one, whose
 * values have nothing to do with it, drowns. The others hold a little noise. */
static void drowned(const struct cf_view *text, float *out)
{
    size_t i = project_of(text);
    uint64_t state = 5 + i;
    uint64_t noise = 99 + text->length * 41 + i;
    double square = 0;
    if (i == PROJECTS) {
        return;
    }
    out[0] = is_question(text) == (i % 2 == 0) ? 9 : -9;
    for (size_t k = 1; k < 6; k++) {
        out[k] = .2F * transformer_random(&noise);
    }
    for (size_t k = 6; k < 10; k++) {
        out[k] = transformer_random(&state);
    }
    for (size_t k = 0; k < 10; k++) {
        square += (double)out[k] * (double)out[k];
    }
    for (size_t k = 0; k < 10; k++) {
        out[k] = (float)((double)out[k] / sqrt(square));
    }
}

static struct cf_evaluation *evaluated(struct world *w, struct tuner_state *state,
                                       struct cf_model_params *params)
{
    struct cf_tuner tuner;
    struct cf_evaluation *e = NULL;
    struct cf_error err = {0};
    if (state) {
        tuner = tuner_of(state);
    }
    world = w;
    cf_model_params_default(params);
    ck_assert_msg(!cf_evaluate(&w->corpus, params, state ? &tuner : NULL, &e, &err), "%s",
                  err.message);
    return e;
}

START_TEST(who_knows_the_answers_gets_weight)
{
    struct world *w = world_make(PROJECTS, every_key);
    struct tuner_state state = {.fake = perfect, .dimensions = PROJECTS};
    struct cf_model_params params;
    struct cf_evaluation *without = evaluated(w, NULL, &params);
    ck_assert(params.transformer == 0 && params.whitening == 0);
    ck_assert(without->model.mrr10 < .5 && !without->has_transformer);
    struct cf_evaluation *e = evaluated(w, &state, &params);
    ck_assert_uint_eq(state.tunes, 1);
    ck_assert(!state.descriptions); /* it never sees the questions */
    ck_assert_uint_eq(e->count, PROJECTS);
    ck_assert(params.transformer > 0 && params.whitening == 0);
    ck_assert(e->model.mrr10 > .9);
    ck_assert(e->has_transformer && e->transformer.mrr10 > 1 - 1e-9);
    ck_assert(e->bm25.mrr10 == without->bm25.mrr10);
    ck_assert(e->bm25_tuned.mrr10 == without->bm25_tuned.mrr10);
    cf_evaluation_free(e);
    cf_evaluation_free(without);
    free(w);
}
END_TEST

START_TEST(who_knows_nothing_gets_none)
{
    struct world *w = world_make(PROJECTS, no_key);
    struct tuner_state state = {.fake = useless, .dimensions = PROJECTS};
    struct cf_model_params params;
    struct cf_evaluation *without = evaluated(w, NULL, &params);
    struct cf_evaluation *e = evaluated(w, &state, &params);
    ck_assert(params.transformer == 0 && params.whitening == 0);
    ck_assert(without->model.mrr10 > 1 - 1e-9 && e->model.mrr10 > 1 - 1e-9);
    ck_assert(e->transformer.mrr10 > 0 && e->transformer.mrr10 < .5);
    for (size_t i = 0; i < e->count; i++) {
        ck_assert_uint_eq(e->questions[i].rank, without->questions[i].rank);
        ck_assert_uint_eq(e->questions[i].rank_bm25, without->questions[i].rank_bm25);
        ck_assert(e->questions[i].rank_transformer >= 1);
    }
    cf_evaluation_free(e);
    cf_evaluation_free(without);
    free(w);
}
END_TEST

/* The first half needs no transformer, which misleads it; the second half needs it. So questions of
 * the second half are ranked as if there were none, although their own choice would be perfect. */
START_TEST(ranks_are_those_under_the_other_halfs_choice)
{
    struct world *w = world_make(PROJECTS, in_the_second_half);
    struct tuner_state state = {.fake = half_perfect, .dimensions = PROJECTS};
    struct cf_model_params params;
    struct cf_evaluation *without = evaluated(w, NULL, &params);
    struct cf_evaluation *e = evaluated(w, &state, &params);
    size_t second = 0;
    size_t beyond = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (in_the_second_half(e->questions[i].project)) {
            second++;
            beyond += e->questions[i].rank > 1;
            ck_assert_uint_eq(e->questions[i].rank_transformer, 1);
            ck_assert_uint_eq(e->questions[i].rank, without->questions[i].rank);
        } else {
            ck_assert(e->questions[i].rank_transformer != 1);
            ck_assert_uint_eq(without->questions[i].rank, 1);
        }
    }
    ck_assert_uint_ge(second, 5);
    ck_assert_uint_ge(e->count - second, 5);
    ck_assert_uint_gt(beyond, second / 2);
    ck_assert(params.transformer > 0); /* all of them together are served by a small weight */
    cf_evaluation_free(e);
    cf_evaluation_free(without);
    free(w);
}
END_TEST

START_TEST(whitening_is_chosen_where_it_helps)
{
    struct world *w = world_make(PROJECTS, every_key);
    struct tuner_state state = {.fake = drowned, .dimensions = 10};
    struct cf_model_params params;
    struct cf_evaluation *e = evaluated(w, &state, &params);
    ck_assert_uint_eq(params.whitening, 5); /* half of ten; four of the point's, one of the noise */
    ck_assert(params.transformer > 0);
    ck_assert(e->model.mrr10 > .25 && e->transformer.mrr10 < .1); /* by chance: .1 */
    /* and what was chosen is what a model is fitted with */
    struct cf_tuner tuner = tuner_of(&state);
    struct cf_model *model = NULL;
    ck_assert_int_eq(cf_model_fit(&w->corpus, &params, &tuner, &model, NULL), 0);
    ck_assert_uint_eq(cf_model_params(model)->whitening, 5);
    ck_assert(cf_model_params(model)->transformer == params.transformer);
    cf_model_free(model);
    cf_evaluation_free(e);
    free(w);
}
END_TEST

START_TEST(few_questions_choose_nothing)
{
    struct world *w = world_make(9, every_key);
    struct tuner_state state = {.fake = useless, .dimensions = PROJECTS};
    struct cf_model_params params;
    struct cf_evaluation *e = evaluated(w, &state, &params);
    ck_assert_uint_eq(e->count, 9);
    ck_assert(params.transformer == .3 && params.whitening == 0);
    ck_assert(e->has_transformer);
    cf_evaluation_free(e);
    free(w);
    w = world_make(1, no_key);
    w->projects[0].description = NULL;
    e = evaluated(w, &state, &params);
    ck_assert_uint_eq(e->count, 0);
    ck_assert(params.transformer == .3 && e->transformer.mrr10 == 0);
    cf_evaluation_free(e);
    free(w);
}
END_TEST

/* A real one of random weights, whose ranks are those of the model that is fitted alike. */
START_TEST(the_ranks_are_those_of_a_search)
{
    struct world *w = world_make(8, no_key);
    struct tuner_state state = {0};
    struct cf_tuner tuner = tuner_of(&state);
    struct cf_model_params params;
    struct cf_model *model = NULL;
    struct cf_hit hits[8];
    struct cf_search_options options = {8, -1, true};
    struct cf_evaluation *e = evaluated(w, &state, &params);
    struct cf_project held[8];
    for (size_t i = 0; i < 8; i++) {
        held[i] = w->projects[i];
        held[i].description = NULL;
    }
    const struct cf_corpus corpus = {held, 8};
    ck_assert_int_eq(cf_model_fit(&corpus, &params, &tuner, &model, NULL), 0);
    for (size_t i = 0; i < 8; i++) {
        size_t count;
        ck_assert_int_eq(cf_model_search(model, e->questions[i].text, &options, hits, &count, NULL),
                         0);
        ck_assert_uint_eq(count, 8);
        ck_assert_uint_eq(hits[e->questions[i].rank - 1].index, i);
        size_t alone = 1;
        double mark = hits[e->questions[i].rank - 1].transformer;
        for (size_t k = 0; k < 8; k++) {
            alone += hits[k].transformer > mark;
        }
        ck_assert_uint_eq(e->questions[i].rank_transformer, alone);
    }
    cf_model_free(model);
    cf_evaluation_free(e);
    free(w);
}
END_TEST

static void the_same(const struct cf_view *text, float *out)
{
    (void)text;
    out[0] = 1;
}

/* To it all projects are equal, so the last one by name is the last. */
START_TEST(the_transformer_alone_has_no_languages)
{
    static const char *const go[] = {"Go"};
    struct world *w = world_make(12, no_key);
    struct tuner_state state = {.fake = the_same, .dimensions = 3};
    struct cf_model_params params;
    w->projects[11].description = "A useful tool in Go";
    w->projects[11].languages = go;
    w->projects[11].language_count = 1;
    struct cf_evaluation *e = evaluated(w, &state, &params);
    ck_assert_uint_eq(e->questions[11].rank, 1);
    ck_assert_uint_eq(e->questions[11].rank_transformer, 12);
    cf_evaluation_free(e);
    free(w);
}
END_TEST

START_TEST(json_with_a_transformer)
{
    struct world *w = world_make(PROJECTS, no_key);
    struct tuner_state state = {.fake = useless, .dimensions = PROJECTS};
    struct cf_model_params params;
    struct cf_evaluation *e = evaluated(w, &state, &params);
    struct cf_evaluation *back = NULL;
    struct cf_error err = {0};
    json_t *json = cf_evaluation_to_json(e);
    json_t *scores = json_object_get(json, "scores");
    json_t *question = json_array_get(json_object_get(json, "questions"), 3);
    ck_assert_msg(!cf_evaluation_from_json(json, &back, &err), "%s", err.message);
    ck_assert(back->has_transformer && fabs(back->transformer.mrr10 - e->transformer.mrr10) < 1e-9);
    json_t *again = cf_evaluation_to_json(back);
    ck_assert(json_equal(json, again));
    json_decref(again);
    cf_evaluation_free(back);
    json_t *rank = json_incref(json_object_get(question, "rank_transformer"));
    json_object_set_new(question, "rank_transformer",
                        json_integer(json_integer_value(rank) == 1 ? 2 : 1));
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "the scores of \"transformer\""));
    json_object_del(question, "rank_transformer");
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "rank_transformer"));
    json_object_set(question, "rank_transformer", rank);
    json_object_set_new(scores, "transformer", json_integer(3));
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), CF_EDATA);
    json_object_del(scores, "transformer");
    ck_assert_int_eq(cf_evaluation_from_json(json, &back, &err), 0);
    ck_assert(!back->has_transformer && back->transformer.mrr10 == 0);
    cf_evaluation_free(back);
    json_decref(rank);
    json_decref(json);
    cf_evaluation_free(e);
    free(w);
}
END_TEST

START_TEST(it_can_be_stopped_at_any_time)
{
    struct world *w = world_make(PROJECTS, every_key);
    struct tuner_state all = {.fake = perfect, .dimensions = PROJECTS};
    struct cf_model_params params;
    struct cf_model_params before;
    struct cf_error err = {0};
    cf_evaluation_free(evaluated(w, &all, &params));
    ck_assert_uint_eq(all.asked, 1 + PROJECTS); /* one batch of texts, and each question */
    const size_t times[] = {1, 2, 17, all.asked};
    cf_model_params_default(&params);
    before = params;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct tuner_state state = all;
        struct cf_evaluation *e = NULL;
        state.asked = 0;
        state.stop_at = times[i];
        struct cf_tuner tuner = tuner_of(&state);
        ck_assert_int_eq(cf_evaluate(&w->corpus, &params, &tuner, &e, &err), CF_EINTERRUPTED);
        ck_assert_ptr_null(e);
        ck_assert_mem_eq(&params, &before, sizeof(params));
    }
    struct tuner_state state = {.fails = CF_EUNAVAILABLE};
    struct cf_tuner tuner = tuner_of(&state);
    struct cf_evaluation *e = NULL;
    ck_assert_int_eq(cf_evaluate(&w->corpus, &params, &tuner, &e, &err), CF_EUNAVAILABLE);
    ck_assert_str_eq(err.message, "the tuner fails");
    tuner = tuner_of(&all);
    tuner.stopped = NULL;
    ck_assert_int_eq(cf_evaluate(&w->corpus, &params, &tuner, &e, &err), 0);
    cf_evaluation_free(e);
    free(w);
}
END_TEST

static void broken(const struct cf_view *text, float *out)
{
    out[0] = is_question(text) ? NAN : 1;
}

START_TEST(a_transformer_that_gives_no_numbers)
{
    struct world *w = world_make(PROJECTS, no_key);
    struct tuner_state state = {.fake = broken, .dimensions = 2};
    struct cf_tuner tuner = tuner_of(&state);
    struct cf_model_params params;
    struct cf_evaluation *e = NULL;
    struct cf_error err = {0};
    cf_model_params_default(&params);
    ck_assert_int_eq(cf_evaluate(&w->corpus, &params, &tuner, &e, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "isn't finite"));
    free(w);
}
END_TEST

Suite *encoder_exam_suite(void)
{
    Suite *suite = suite_create("encoder_exam");
    TCase *tc = tcase_create("exam");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, who_knows_the_answers_gets_weight);
    tcase_add_test(tc, who_knows_nothing_gets_none);
    tcase_add_test(tc, ranks_are_those_under_the_other_halfs_choice);
    tcase_add_test(tc, whitening_is_chosen_where_it_helps);
    tcase_add_test(tc, few_questions_choose_nothing);
    tcase_add_test(tc, the_ranks_are_those_of_a_search);
    tcase_add_test(tc, the_transformer_alone_has_no_languages);
    tcase_add_test(tc, json_with_a_transformer);
    tcase_add_test(tc, it_can_be_stopped_at_any_time);
    tcase_add_test(tc, a_transformer_that_gives_no_numbers);
    suite_add_tcase(suite, tc);
    return suite;
}
