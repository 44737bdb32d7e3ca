#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "jobs/train/figure.h"

static void add(struct cf_evaluation *e, const char *project, const char *text, size_t rank)
{
    struct cf_question *q = &e->questions[e->count++];
    q->project = cf_strdup(project);
    q->text = cf_strdup(text);
    q->rank = rank;
    q->rank_bm25 = 2;
    q->rank_bm25_tuned = 1;
}

static void write_card_of(size_t questions, const struct cf_card_tuning *tuning,
                          struct cf_buf *markdown, struct cf_buf *svg, struct cf_buf *curve)
{
    static const size_t ranks[8] = {1, 1, 2, 0, 7, 12, 3, 1};
    struct cf_model_params params;
    struct cf_evaluation *e = cf_calloc(1, sizeof(*e));
    e->questions = cf_calloc(8, sizeof(*e->questions));
    for (size_t i = 0; i < questions; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "question %zu <b>|`*[x](y)\n\xff", i);
        add(e, i == 3 ? "<script>alert(1)</script>" : "plain", text, ranks[i]);
    }
    cf_evaluation_score(e);
    cf_model_params_default(&params);
    struct cf_card card = {"octo\"<&cat", "0123abcd", 42, 3, 17, 999, &params, e, tuning};
    cf_card_write(&card, markdown, svg);
    if (tuning) {
        cf_figure_curve_write(&card, curve);
    }
    cf_evaluation_free(e);
}

static void write_card(size_t questions, struct cf_buf *markdown, struct cf_buf *svg)
{
    write_card_of(questions, NULL, markdown, svg, NULL);
}

START_TEST(a_card_says_what_there_is)
{
    struct cf_buf markdown = CF_BUF_INIT;
    struct cf_buf svg = CF_BUF_INIT;
    write_card(8, &markdown, &svg);
    ck_assert_ptr_nonnull(strstr(markdown.data, "| input | bundle version 42 |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "| distinct words | 999 |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "| k1 | 2 |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "| **this model** | 0.497 | 0.375 | 0.558 |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "| plain BM25 | 0.500 | 0.000 | 0.631 |"));
    /* the hardest comes first: the one that was not found, then rank 12, 7, 3, 2 */
    const char *hardest = strstr(markdown.data, "| question | about");
    ck_assert_ptr_nonnull(hardest);
    const char *third = strstr(hardest, "question 3 ");
    const char *fifth = strstr(hardest, "question 5 ");
    const char *fourth = strstr(hardest, "question 4 ");
    ck_assert(third && fifth && fourth && third < fifth && fifth < fourth);
    ck_assert_ptr_nonnull(strstr(hardest, "| not found | 2 | 1 |"));
    ck_assert_ptr_null(strstr(hardest, "question 0 "));
    cf_buf_release(&markdown);
    cf_buf_release(&svg);
}
END_TEST

START_TEST(text_from_outside_is_escaped)
{
    struct cf_buf markdown = CF_BUF_INIT;
    struct cf_buf svg = CF_BUF_INIT;
    write_card(8, &markdown, &svg);
    ck_assert_ptr_null(strstr(markdown.data, "<script>"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "&#60;script&#62;"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "&#60;b&#62;\\|\\`\\*\\[x\\](y)   |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "# Portfolio search for octo&#34;&#60;&#38;cat\n"));
    ck_assert_ptr_null(strstr(svg.data, "octo\""));
    ck_assert_ptr_nonnull(strstr(svg.data, "octo&#34;&#60;&#38;cat"));
    cf_buf_release(&markdown);
    cf_buf_release(&svg);
}
END_TEST

START_TEST(the_figure_is_whole)
{
    struct cf_buf markdown = CF_BUF_INIT;
    struct cf_buf svg = CF_BUF_INIT;
    write_card(8, &markdown, &svg);
    ck_assert_int_eq(strncmp(svg.data, "<svg ", 5), 0);
    ck_assert_str_eq(svg.data + svg.length - 7, "</svg>\n");
    ck_assert_ptr_nonnull(strstr(svg.data, "prefers-color-scheme:dark"));
    ck_assert_ptr_nonnull(strstr(svg.data, "<title>rank 1: 3</title>"));
    ck_assert_ptr_nonnull(strstr(svg.data, "<title>rank none: 1</title>"));
    ck_assert_ptr_nonnull(strstr(svg.data, "<title>this model: 0.497</title>"));
    ck_assert_ptr_null(strstr(svg.data, "href"));
    cf_buf_release(&markdown);
    cf_buf_release(&svg);
}
END_TEST

START_TEST(a_fine_tuning_has_its_section_and_its_curve)
{
    static const struct train_point points[] = {{1, 2, 1, 0}, {2, 1, 1, 1e-5F}, {3, .5, 1, 1e-6F}};
    struct cf_card_tuning tuning = {"mini<LM>", "feed", &cf_finetune_defaults, 150, false,
                                    points,     3};
    struct cf_buf markdown = CF_BUF_INIT;
    struct cf_buf svg = CF_BUF_INIT;
    struct cf_buf curve = CF_BUF_INIT;
    write_card_of(8, &tuning, &markdown, &svg, &curve);
    ck_assert_ptr_nonnull(strstr(markdown.data, "| base model | mini&#60;LM&#62; |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "| pairs | 150 |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "| loss, first and last step | 2.0000, 0.5000 |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "](curve.svg)"));
    /* from the top left corner down to a quarter of the height at the right */
    ck_assert_ptr_nonnull(strstr(curve.data, "points=\"60.0,60.0 405.0,140.0 750.0,180.0\""));
    ck_assert_str_eq(curve.data + curve.length - 7, "</svg>\n");
    tuning.steps = 0;
    cf_buf_clear(&markdown);
    cf_buf_clear(&curve);
    write_card_of(0, &tuning, &markdown, &svg, &curve);
    ck_assert_ptr_null(strstr(markdown.data, "curve.svg"));
    ck_assert_ptr_null(strstr(curve.data, "nan"));
    cf_buf_release(&markdown);
    cf_buf_release(&svg);
    cf_buf_release(&curve);
}
END_TEST

START_TEST(equal_trainings_give_equal_bytes_and_no_question_is_fine)
{
    struct cf_buf a[2] = {CF_BUF_INIT, CF_BUF_INIT};
    struct cf_buf b[2] = {CF_BUF_INIT, CF_BUF_INIT};
    write_card(8, &a[0], &a[1]);
    write_card(8, &b[0], &b[1]);
    ck_assert_str_eq(a[0].data, b[0].data);
    ck_assert_str_eq(a[1].data, b[1].data);
    cf_buf_clear(&a[0]);
    cf_buf_clear(&a[1]);
    write_card(0, &a[0], &a[1]);
    ck_assert_ptr_nonnull(strstr(a[0].data, "Not known"));
    ck_assert_ptr_null(strstr(a[0].data, "hardest"));
    ck_assert_ptr_null(strstr(a[1].data, "nan"));
    for (size_t i = 0; i < 2; i++) {
        cf_buf_release(&a[i]);
        cf_buf_release(&b[i]);
    }
}
END_TEST

Suite *encoder_card_suite(void)
{
    Suite *suite = suite_create("encoder_card");
    TCase *tc = tcase_create("card");
    tcase_add_test(tc, a_card_says_what_there_is);
    tcase_add_test(tc, text_from_outside_is_escaped);
    tcase_add_test(tc, the_figure_is_whole);
    tcase_add_test(tc, a_fine_tuning_has_its_section_and_its_curve);
    tcase_add_test(tc, equal_trainings_give_equal_bytes_and_no_question_is_fine);
    suite_add_tcase(suite, tc);
    return suite;
}
