#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/documents.h"
#include "common/encoder/model.h"

#define TEXT(path, s)                                                                              \
    {                                                                                              \
        path, s, sizeof(s) - 1                                                                     \
    }

static const struct cf_text infra_texts[] = {
    TEXT("README.md", "# Cloud infra\n\nProvisions AWS with Terraform modules.\n\n## Use\n\n"
                      "```\nterraform apply\n```\n"),
    TEXT(".repo-context.json", "{\"purpose\": \"Landing zone for new accounts\"}")};
static const struct cf_text player_texts[] = {
    TEXT("README.md", "Music player\n===\n\nPlays audio files in the browser.\n")};
static const struct cf_text scanner_texts[] = {
    TEXT("README.md", "# Port scanner\n\nScans networks for open ports, concurrently.\n")};
static const char *const infra_topics[] = {"aws", "terraform"};
static const char *const go[] = {"Go"};
static const char *const many[] = {"JavaScript", "C++", "Jupyter Notebook"};

static const struct cf_project projects[] = {
    {"infra", "Infrastructure as code for AWS", infra_topics, 2, many, 1, infra_texts, 2},
    {"player", "Audio player for web pages", NULL, 0, many, 3, player_texts, 1},
    {"scanner", "Fast network port scanner", NULL, 0, go, 1, scanner_texts, 1}};
static const struct cf_corpus corpus = {projects, 3};

static struct cf_model *fitted(const struct cf_corpus *c)
{
    struct cf_model_params params;
    struct cf_model *model = NULL;
    struct cf_error err = {0};
    cf_model_params_default(&params);
    ck_assert_msg(cf_model_fit(c, &params, NULL, &model, &err) == 0, "%s", err.message);
    return model;
}

static struct cf_artefacts saved(const struct cf_corpus *c)
{
    struct cf_artefacts artefacts = CF_ARTEFACTS_INIT;
    struct cf_model *model = fitted(c);
    cf_model_save(model, &artefacts);
    cf_model_free(model);
    return artefacts;
}

static void expect_equal(const struct cf_artefacts *a, const struct cf_artefacts *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        ck_assert_str_eq(a->items[i].path, b->items[i].path);
        ck_assert_uint_eq(a->items[i].data.length, b->items[i].data.length);
        ck_assert_mem_eq(a->items[i].data.data, b->items[i].data.data, a->items[i].data.length);
    }
}

static size_t search(struct cf_model *model, const char *question,
                     const struct cf_search_options *options, struct cf_hit *hits)
{
    size_t count = SIZE_MAX;
    ck_assert_int_eq(cf_model_search(model, question, options, hits, &count, NULL), 0);
    return count;
}

START_TEST(finds_the_project_and_the_passage)
{
    struct cf_model *model = fitted(&corpus);
    struct cf_hit hits[3];
    struct cf_search_options options = {3, 0, false};
    ck_assert_uint_eq(search(model, "open ports of a network", &options, hits), 3);
    ck_assert_str_eq(hits[0].project, "scanner");
    ck_assert_uint_eq(hits[0].index, 2);
    ck_assert_str_eq(hits[0].path, "README.md");
    ck_assert_str_eq(hits[0].heading, "Port scanner");
    ck_assert_ptr_nonnull(strstr(hits[0].passage, "open ports"));
    ck_assert(hits[0].score > hits[1].score);
    ck_assert(hits[0].bm25 > 0);
    ck_assert(hits[0].lsa > hits[1].lsa && hits[0].lsa <= 1.0001);
    ck_assert_uint_eq(search(model, "landing zone", &options, hits), 3);
    ck_assert_str_eq(hits[0].project, "infra");
    ck_assert_str_eq(hits[0].path, ".repo-context.json");
    options.limit = 1;
    ck_assert_uint_eq(search(model, "audio", &options, hits), 1);
    ck_assert_str_eq(hits[0].project, "player");
    options.limit = 0;
    ck_assert_uint_eq(search(model, "audio", &options, hits), 0);
    cf_model_free(model);
}
END_TEST

START_TEST(nothing_known_finds_nothing)
{
    static const char *const questions[] = {"", "   ", "zebra xylophone", "\xff\xfe", "?!"};
    struct cf_model *model = fitted(&corpus);
    struct cf_hit hits[3];
    struct cf_search_options options = {3, -1, false};
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        ck_assert_uint_eq(search(model, questions[i], &options, hits), 0);
    }
    cf_model_free(model);
}
END_TEST

START_TEST(languages_add_their_share)
{
    struct cf_model *model = fitted(&corpus);
    struct cf_hit plain[3];
    struct cf_hit with[3];
    struct cf_search_options without = {3, 0, true};
    struct cf_search_options options = {3, 10, false};
    const char *question = "c++ with jupyter notebook and javascript";
    search(model, question, &without, plain);
    search(model, question, &options, with);
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            double share = with[i].index == 0 ? 1.0 / 3 : with[i].index == 1 ? 1 : 0;
            if (plain[j].index == with[i].index) {
                ck_assert(fabs(with[i].score - plain[j].score - 10 * share) < 1e-9);
            }
        }
    }
    cf_model_free(model);
}
END_TEST

START_TEST(scores_are_blended_z_scores)
{
    struct cf_model_params params;
    struct cf_model *model = NULL;
    struct cf_hit hits[3];
    struct cf_search_options options = {3, 0, false};
    cf_model_params_default(&params);
    params.blend = .25;
    ck_assert_int_eq(cf_model_fit(&corpus, &params, NULL, &model, NULL), 0);
    ck_assert_uint_eq(search(model, "port scanner for the web", &options, hits), 3);
    double mean[2] = {0, 0};
    double variance[2] = {0, 0};
    for (size_t i = 0; i < 3; i++) {
        mean[0] += hits[i].bm25 / 3;
        mean[1] += hits[i].lsa / 3;
    }
    for (size_t i = 0; i < 3; i++) {
        variance[0] += pow(hits[i].bm25 - mean[0], 2) / 3;
        variance[1] += pow(hits[i].lsa - mean[1], 2) / 3;
    }
    for (size_t i = 0; i < 3; i++) {
        double want = .25 * (hits[i].bm25 - mean[0]) / sqrt(variance[0]) +
                      .75 * (hits[i].lsa - mean[1]) / sqrt(variance[1]);
        ck_assert(fabs(hits[i].score - want) < 1e-9);
    }
    cf_model_free(model);
}
END_TEST

START_TEST(fields_weigh_as_given)
{
    /* One document, so that its length is the average: f (k1 + 1) / (f + k1) × ln(1 + .5/1.5),
     * k1 2. */
    static const struct cf_text text[] = {TEXT("README.md", "# Apple\nbanana\n")};
    static const char *const topic[] = {"cherry"};
    const struct cf_project p = {"zed", "damson", topic, 1, go, 1, text, 1};
    const struct cf_corpus one = {&p, 1};
    const struct cf_bm25_options options = {2, .75, true, true};
    const struct cf_chunk_options chunking = {1000, 0};
    static const struct {
        const char *word;
        double f;
    } cases[] = {{"zed", 3}, {"apple", 3}, {"cherry", 3}, {"banana", 1}, {"damson", 1}, {"go", 1}};
    struct cf_documents documents;
    cf_documents_read(&one, &chunking, &documents);
    struct cf_bm25 *index = cf_documents_bm25(&documents, &one, &options, 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double score = 0;
        double want = cases[i].f * 3 / (cases[i].f + 2) * log(1 + .5 / 1.5);
        cf_bm25_score(index, cases[i].word, strlen(cases[i].word), &score);
        ck_assert_msg(fabs(score - want) < 1e-6, "%s: %f", cases[i].word, score);
    }
    cf_bm25_free(index);
    cf_documents_release(&documents);
}
END_TEST

START_TEST(of_passages_with_equal_words_the_nearer_is_shown)
{
    static const struct cf_text text[] = {
        TEXT("README.md", "# One\nalpha banana bread baking flour\n# Two\nalpha alpha\n")};
    const struct cf_project three[3] = {
        {"p", NULL, NULL, 0, NULL, 0, text, 1},
        {"q", "banana bread baking flour yeast", NULL, 0, NULL, 0, NULL, 0},
        {"r", "sun moon", NULL, 0, NULL, 0, NULL, 0}};
    const struct cf_corpus c = {three, 3};
    struct cf_model_params params;
    struct cf_model *model = NULL;
    struct cf_hit hit;
    struct cf_search_options options = {1, 0, false};
    cf_model_params_default(&params);
    params.chunk_minimum = 0;
    ck_assert_int_eq(cf_model_fit(&c, &params, NULL, &model, NULL), 0);
    ck_assert_uint_eq(search(model, "alpha", &options, &hit), 1);
    ck_assert_str_eq(hit.heading, "Two");
    cf_model_free(model);
}
END_TEST

START_TEST(saved_and_loaded)
{
    struct cf_artefacts first = saved(&corpus);
    struct cf_artefacts second = CF_ARTEFACTS_INIT;
    struct cf_model *model = fitted(&corpus);
    struct cf_model *back = NULL;
    struct cf_error err = {0};
    struct cf_hit a[3];
    struct cf_hit b[3];
    struct cf_search_options options = {3, -1, false};
    ck_assert_uint_eq(first.count, 4);
    ck_assert_ptr_nonnull(cf_artefacts_find(&first, "config.json"));
    ck_assert_ptr_nonnull(cf_artefacts_find(&first, "encoder.safetensors"));
    ck_assert_ptr_nonnull(cf_artefacts_find(&first, "index.safetensors"));
    ck_assert_ptr_nonnull(cf_artefacts_find(&first, "chunks.json"));
    ck_assert_msg(cf_model_load(&first, &back, &err) == 0, "%s", err.message);
    cf_model_save(back, &second);
    expect_equal(&first, &second);
    ck_assert_uint_eq(cf_model_projects(back), 3);
    ck_assert_uint_eq(cf_model_chunks(back), cf_model_chunks(model));
    ck_assert_uint_eq(cf_model_words(back), cf_model_words(model));
    ck_assert_uint_eq(cf_model_dimensions(back), 3);
    ck_assert_uint_eq(search(model, "web player with Go", &options, a), 3);
    ck_assert_uint_eq(search(back, "web player with Go", &options, b), 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_str_eq(a[i].project, b[i].project);
        ck_assert_str_eq(a[i].passage, b[i].passage);
        ck_assert_mem_eq(&a[i].score, &b[i].score, sizeof(double));
    }
    cf_model_free(model);
    cf_model_free(back);
    cf_artefacts_release(&first);
    cf_artefacts_release(&second);
}
END_TEST

START_TEST(equal_corpora_give_equal_bytes)
{
    /* other memory, other addresses */
    struct cf_project copies[3];
    struct cf_corpus copy = {copies, 3};
    struct cf_text texts[3][2];
    struct cf_artefacts a = saved(&corpus);
    for (size_t i = 0; i < 3; i++) {
        copies[i] = projects[i];
        copies[i].name = cf_strdup(projects[i].name);
        for (size_t t = 0; t < projects[i].text_count; t++) {
            texts[i][t] = projects[i].texts[t];
            texts[i][t].text = cf_strdup(projects[i].texts[t].text);
        }
        copies[i].texts = texts[i];
    }
    struct cf_artefacts b = saved(&copy);
    expect_equal(&a, &b);
    for (size_t i = 0; i < 3; i++) {
        free((char *)(uintptr_t)copies[i].name);
        for (size_t t = 0; t < projects[i].text_count; t++) {
            free((char *)(uintptr_t)texts[i][t].text);
        }
    }
    cf_artefacts_release(&a);
    cf_artefacts_release(&b);
}
END_TEST

/* Fits, saves, loads and asks: whatever the corpus is, nothing fails and numbers stay numbers. */
static void survives(const struct cf_project *items, size_t count)
{
    struct cf_corpus c = {items, count};
    struct cf_artefacts artefacts = saved(&c);
    struct cf_model *model = NULL;
    struct cf_error err = {0};
    struct cf_hit hits[8];
    struct cf_search_options options = {8, -1, false};
    ck_assert_msg(cf_model_load(&artefacts, &model, &err) == 0, "%s", err.message);
    size_t found = search(model, "alpha word \xe6\x97\xa5\xe6\x9c\xac", &options, hits);
    for (size_t i = 0; i < found; i++) {
        ck_assert(isfinite(hits[i].score) && isfinite(hits[i].lsa) && isfinite(hits[i].bm25));
        ck_assert(i == 0 || hits[i].score <= hits[i - 1].score);
        ck_assert(i == 0 || hits[i].score < hits[i - 1].score ||
                  strcmp(hits[i - 1].project, hits[i].project) <= 0);
    }
    cf_model_free(model);
    cf_artefacts_release(&artefacts);
}

START_TEST(no_project_is_an_error)
{
    struct cf_corpus none = {NULL, 0};
    struct cf_model_params params;
    struct cf_model *model = NULL;
    struct cf_error err;
    cf_model_params_default(&params);
    ck_assert_int_eq(cf_model_fit(&none, &params, NULL, &model, &err), CF_EDATA);
    ck_assert_str_eq(err.message, "nothing to index");
    params.b = 2;
    ck_assert_int_eq(cf_model_fit(&corpus, &params, NULL, &model, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "\"b\""));
    params.b = NAN;
    ck_assert_int_eq(cf_model_fit(&corpus, &params, NULL, &model, &err), CF_EDATA);
}
END_TEST

START_TEST(degenerate_corpora)
{
    static const struct cf_text odd[] = {
        TEXT("README.md", ""),
        TEXT("README.md", "\0\0alpha\0\xff\xfe\xc0"),
        TEXT("README.md", "\xf0\x9f\x98\x80\xf0\x9f\x9a\x80 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
        TEXT(".repo-context.json", "[[[[{\"a\":\"word\"}]]]]"),
        {"README.md", NULL, 0}};
    const struct cf_project alone = {"alone", NULL, NULL, 0, NULL, 0, NULL, 0};
    const struct cf_project nameless[2] = {{"", NULL, NULL, 0, NULL, 0, NULL, 0},
                                           {"", "", NULL, 0, NULL, 0, odd, 5}};
    const struct cf_project twins[4] = {{"a", "alpha word", NULL, 0, NULL, 0, odd, 5},
                                        {"b", "alpha word", NULL, 0, NULL, 0, odd, 5},
                                        {"c", "alpha word", NULL, 0, NULL, 0, odd, 5},
                                        {"c", "alpha word", NULL, 0, NULL, 0, odd, 5}};
    survives(&alone, 1);
    survives(nameless, 2);
    survives(twins, 4);
    survives(projects, 1);
}
END_TEST

START_TEST(identical_projects_come_by_name)
{
    const struct cf_project twins[3] = {{"b", "alpha word", NULL, 0, NULL, 0, NULL, 0},
                                        {"a", "alpha word", NULL, 0, NULL, 0, NULL, 0},
                                        {"c", "other thing", NULL, 0, NULL, 0, NULL, 0}};
    struct cf_corpus c = {twins, 3};
    struct cf_model *model = fitted(&c);
    struct cf_hit hits[3];
    struct cf_search_options options = {3, -1, false};
    ck_assert_uint_eq(search(model, "alpha", &options, hits), 3);
    ck_assert_str_eq(hits[2].project, "c");
    ck_assert(fabs(hits[0].bm25 - hits[1].bm25) < 1e-9);
    cf_model_free(model);
}
END_TEST

START_TEST(a_megabyte_on_one_line)
{
    size_t length = 1 << 20;
    char *line = cf_malloc(length);
    for (size_t i = 0; i < length; i++) {
        line[i] = (char)(i % 9 == 8 ? ' ' : 'a' + (i * i / 7) % 26);
    }
    struct cf_text text = {"README.md", line, length};
    struct cf_project p[2] = {{"long", NULL, NULL, 0, NULL, 0, &text, 1}, projects[0]};
    survives(p, 2);
    free(line);
}
END_TEST

Suite *encoder_model_suite(void)
{
    Suite *suite = suite_create("encoder_model");
    TCase *tc = tcase_create("model");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, finds_the_project_and_the_passage);
    tcase_add_test(tc, nothing_known_finds_nothing);
    tcase_add_test(tc, languages_add_their_share);
    tcase_add_test(tc, scores_are_blended_z_scores);
    tcase_add_test(tc, fields_weigh_as_given);
    tcase_add_test(tc, of_passages_with_equal_words_the_nearer_is_shown);
    tcase_add_test(tc, saved_and_loaded);
    tcase_add_test(tc, equal_corpora_give_equal_bytes);
    tcase_add_test(tc, no_project_is_an_error);
    tcase_add_test(tc, degenerate_corpora);
    tcase_add_test(tc, identical_projects_come_by_name);
    tcase_add_test(tc, a_megabyte_on_one_line);
    suite_add_tcase(suite, tc);
    return suite;
}
