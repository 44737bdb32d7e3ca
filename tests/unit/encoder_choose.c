/* The choice of the transformer's weight, on scores and ranks made by hand. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "common/encoder/choose.h"

static char *names[] = {(char[]){"a"}, (char[]){"b"}, (char[]){"c"}};
static const double none[3] = {0, 0, 0};

START_TEST(candidates_by_number)
{
    bool seen[11][2] = {{false}};
    ck_assert(cf_candidate_weight(0) == 0 && !cf_candidate_whitens(0));
    ck_assert(cf_candidate_weight(1) == .1 && !cf_candidate_whitens(1));
    ck_assert(cf_candidate_weight(2) == .1 && cf_candidate_whitens(2));
    ck_assert(cf_candidate_weight(20) == 1 && cf_candidate_whitens(20));
    ck_assert(cf_candidate_weight(CF_CANDIDATE_DEFAULT) == .3);
    ck_assert(!cf_candidate_whitens(CF_CANDIDATE_DEFAULT));
    for (size_t c = 0; c < CF_CANDIDATES; c++) {
        bool *here = &seen[lround(10 * cf_candidate_weight(c))][cf_candidate_whitens(c)];
        ck_assert(!*here);
        *here = true;
        ck_assert(!c || cf_candidate_weight(c) >= cf_candidate_weight(c - 1));
    }
}
END_TEST

START_TEST(a_blend_by_hand)
{
    ck_assert(fabs(cf_blend(.25, 2, 4, 1) - 3.5) < 1e-12);
    ck_assert(cf_blend(0, .1, 5, 0) == .1); /* no rounding where there is no transformer */
    ck_assert(cf_blend(1, 7, .3, 0) == .3);
}
END_TEST

/* Text and transformer contradict one another: at weight 1/2 all are equal, and come by name. */
START_TEST(ranks_by_hand)
{
    const double text[3] = {1, 0, -1};
    const double plain[3] = {-1, 0, 1};
    const double whitened[3] = {0, 0, 5};
    struct cf_choice_scores s = {3, names, text, none, plain, NULL, true, true};
    size_t ranks[CF_CANDIDATES];
    cf_choice_ranks(&s, 2, ranks);
    for (size_t c = 0; c < CF_CANDIDATES; c++) {
        ck_assert_uint_eq(ranks[c], cf_candidate_weight(c) < .55 ? 3 : 1);
    }
    s.whitened = whitened;
    cf_choice_ranks(&s, 2, ranks);
    ck_assert_uint_eq(ranks[0], 3);
    ck_assert_uint_eq(ranks[1], 3);
    ck_assert_uint_eq(ranks[2], 3); /* −.9 + .5 against 0 */
    ck_assert_uint_eq(ranks[3], 3);
    ck_assert_uint_eq(ranks[4], 2); /* −.8 + 1 against .8 and 0 */
    ck_assert_uint_eq(ranks[6], 1); /* −.7 + 1.5 against .7 */
    ck_assert_uint_eq(ranks[5], 3);
    cf_choice_ranks(&s, 0, ranks);
    ck_assert_uint_eq(ranks[9], 1); /* equal to the others: by name */
    cf_choice_ranks(&s, 1, ranks);
    ck_assert_uint_eq(ranks[9], 2);
}
END_TEST

START_TEST(languages_count_beside_the_blend)
{
    const double text[3] = {1, 0, -1};
    const double languages[3] = {0, 0, 2.5};
    struct cf_choice_scores s = {3, names, text, languages, none, NULL, true, true};
    ck_assert_uint_eq(cf_choice_rank(&s, 2, 0), 1);
    ck_assert_uint_eq(cf_choice_rank(&s, 2, 19), 1);
    s.languages = none;
    ck_assert_uint_eq(cf_choice_rank(&s, 2, 0), 3);
}
END_TEST

START_TEST(who_knows_nothing_finds_nothing)
{
    const double text[3] = {1, 0, -1};
    const double plain[3] = {-1, 0, 1};
    struct cf_choice_scores s = {3, names, text, none, plain, NULL, false, true};
    ck_assert_uint_eq(cf_choice_rank(&s, 2, 0), 0);
    ck_assert_uint_eq(cf_choice_rank(&s, 2, 1), 3);
    s.text_knows = true;
    s.transformer_knows = false;
    ck_assert_uint_eq(cf_choice_rank(&s, 2, 0), 3);
    ck_assert_uint_eq(cf_choice_rank(&s, 2, 20), 1);
    s.text_knows = false;
    for (size_t c = 0; c < CF_CANDIDATES; c++) {
        ck_assert_uint_eq(cf_choice_rank(&s, 2, c), 0);
    }
}
END_TEST

START_TEST(equal_names_come_by_index)
{
    char *twins[] = {names[0], names[0], names[0]};
    struct cf_choice_scores s = {3, twins, none, none, none, NULL, true, true};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(cf_choice_rank(&s, i, 0), i + 1);
    }
}
END_TEST

/* count questions, alternately of both halves, where the candidates in good have rank 1, others
 * 3. */
static void set(struct cf_choice_question *q, size_t count, bool (*good)(size_t candidate))
{
    for (size_t i = 0; i < count; i++) {
        q[i].half = (int)(i % 2);
        for (size_t c = 0; c < CF_CANDIDATES; c++) {
            q[i].ranks[c] = good(c) ? 1 : 3;
        }
    }
}

static bool from_half_on(size_t c)
{
    return cf_candidate_weight(c) > .45;
}

static bool in_the_middle(size_t c)
{
    return cf_candidate_weight(c) > .35 && cf_candidate_weight(c) < .65;
}

static bool whitened_only(size_t c)
{
    return cf_candidate_whitens(c) && cf_candidate_weight(c) > .55;
}

static bool none_at_all(size_t c)
{
    (void)c;
    return false;
}

static bool without(size_t c)
{
    return c == 0;
}

static const struct {
    bool (*good)(size_t);
    double weight;
    bool whitens;
} cases[] = {{from_half_on, .5, false},
             {in_the_middle, .4, false},
             {whitened_only, .6, true},
             {none_at_all, 0, false},
             {without, 0, false}};

START_TEST(the_best_is_chosen_and_of_equals_the_smallest)
{
    struct cf_choice_question q[10];
    set(q, 10, cases[_i].good);
    struct cf_choice choice = cf_choose(q, 10);
    ck_assert(cf_candidate_weight(choice.all) == cases[_i].weight);
    ck_assert(cf_candidate_whitens(choice.all) == cases[_i].whitens);
    ck_assert_uint_eq(choice.halves[0], choice.all);
    ck_assert_uint_eq(choice.halves[1], choice.all);
}
END_TEST

START_TEST(each_half_chooses_by_itself)
{
    struct cf_choice_question q[14];
    struct cf_choice_question other[14];
    set(q, 14, whitened_only);
    set(other, 14, in_the_middle);
    for (size_t i = 0; i < 14; i += 2) {
        q[i] = other[i];
    }
    struct cf_choice choice = cf_choose(q, 14);
    ck_assert(cf_candidate_weight(choice.halves[0]) == .4);
    ck_assert(!cf_candidate_whitens(choice.halves[0]));
    ck_assert(cf_candidate_weight(choice.halves[1]) == .6);
    ck_assert(cf_candidate_whitens(choice.halves[1]));
    ck_assert(cf_candidate_whitens(choice.all)); /* weight .6 serves both */
}
END_TEST

START_TEST(few_questions_choose_nothing)
{
    struct cf_choice_question q[12];
    set(q, 12, without);
    struct cf_choice choice = cf_choose(q, 9);
    ck_assert_uint_eq(choice.all, CF_CANDIDATE_DEFAULT);
    ck_assert_uint_eq(choice.halves[0], CF_CANDIDATE_DEFAULT);
    ck_assert_uint_eq(choice.halves[1], CF_CANDIDATE_DEFAULT);
    for (size_t i = 0; i < 12; i++) {
        q[i].half = i >= 4; /* four and eight */
    }
    choice = cf_choose(q, 12);
    ck_assert_uint_eq(choice.all, 0);
    ck_assert_uint_eq(choice.halves[0], CF_CANDIDATE_DEFAULT);
    ck_assert_uint_eq(choice.halves[1], 0);
    choice = cf_choose(NULL, 0);
    ck_assert_uint_eq(choice.all, CF_CANDIDATE_DEFAULT);
}
END_TEST

/* By rank, not by how often first: 1/2 + 1/2 is more than 1 + 0, and beyond 10 nothing counts. */
START_TEST(the_mean_reciprocal_rank_decides)
{
    struct cf_choice_question q[10];
    set(q, 10, none_at_all);
    for (size_t i = 0; i < 10; i++) {
        q[i].ranks[0] = i % 5 == 0 ? 1 : 11; /* 2 in all */
        q[i].ranks[6] = 5;                   /* 2 in all: equal, whatever rounding does */
        q[i].ranks[7] = i ? 3 : 2;           /* 3.5 */
        q[i].ranks[8] = 3;                   /* 3.33 */
        for (size_t c = 0; c < CF_CANDIDATES; c++) {
            q[i].ranks[c] = c == 0 || (c >= 6 && c <= 8) ? q[i].ranks[c] : 0;
        }
    }
    ck_assert_uint_eq(cf_choose(q, 10).all, 7);
    for (size_t i = 0; i < 10; i++) {
        q[i].ranks[7] = q[i].ranks[8] = 0;
    }
    ck_assert_uint_eq(cf_choose(q, 10).all, 0);
}
END_TEST

/* SHA-256 of "hello" begins with 2c, of "abc" with ba, of "" with e3. */
START_TEST(halves_by_hash)
{
    ck_assert_int_eq(cf_choice_half("hello"), 0);
    ck_assert_int_eq(cf_choice_half("abc"), 1);
    ck_assert_int_eq(cf_choice_half(""), 1);
}
END_TEST

Suite *encoder_choose_suite(void)
{
    Suite *suite = suite_create("encoder_choose");
    TCase *tc = tcase_create("choose");
    tcase_add_test(tc, candidates_by_number);
    tcase_add_test(tc, a_blend_by_hand);
    tcase_add_test(tc, ranks_by_hand);
    tcase_add_test(tc, languages_count_beside_the_blend);
    tcase_add_test(tc, who_knows_nothing_finds_nothing);
    tcase_add_test(tc, equal_names_come_by_index);
    tcase_add_loop_test(tc, the_best_is_chosen_and_of_equals_the_smallest, 0,
                        (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(tc, each_half_chooses_by_itself);
    tcase_add_test(tc, few_questions_choose_nothing);
    tcase_add_test(tc, the_mean_reciprocal_rank_decides);
    tcase_add_test(tc, halves_by_hash);
    suite_add_tcase(suite, tc);
    return suite;
}
