#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/holdout.h"
#include "common/encoder/pairs.h"

static const char otter_readme[] =
    "# Otter\n\nSwims through log files and finds the slow requests of a web server, however "
    "large these files have become over the years.\n\n"
    "## Installation\n\nDownload the archive, unpack it and put the program on your search path, "
    "as with any other tool of this kind.\n\n"
    "## Percentile sketches\n\nLatencies are kept in mergeable sketches, whose error is bounded "
    "by one percent of the value itself.\n\n"
    "## Shared history\n\nBoth tools came out of one research group, which also wrote the first "
    "parser for these files.\n";
static const char heron_readme[] =
    "# heron\n\nA compiler for board games: rules in, referee out, with proofs that games end and "
    "that no position is a dead one.\n\n"
    "## Installation\n\nBuild it from source with a C compiler, then copy the library to where "
    "your linker looks for such things.\n\n"
    "## Shared history\n\nThe referee was once a part of another program and was cut out of it "
    "when boards became graphs.\n";
static const char heron_context[] =
    "{\"tech_stack\": {\"primary\": [\"C\", \"Graph theory\", \"Proof search\"]},"
    " \"domain\": \"rules of board games as state machines\", \"year\": 2021, \"note\": \"x\"}";

static const char *const otter_topics[] = {"latency", "tools"};
static const char *const heron_topics[] = {"board-games", "tools"};

#define TEXT(path, text)                                                                           \
    {                                                                                              \
        path, text, sizeof(text) - 1                                                               \
    }

static const struct cf_text otter_texts[] = {TEXT("README.md", otter_readme)};
static const struct cf_text heron_texts[] = {TEXT("README.md", heron_readme),
                                             TEXT(".repo-context.json", heron_context)};
static const struct cf_project projects[] = {
    {"heron", NULL, heron_topics, 2, NULL, 0, heron_texts, 2},
    {"otter", "Finds slow requests in log files", otter_topics, 2, NULL, 0, otter_texts, 1},
};
static const struct cf_corpus corpus = {projects, 2};

static struct cf_pairs make(const struct cf_corpus *from, size_t most, double held_out,
                            uint64_t seed)
{
    struct cf_pairs_options options = cf_pairs_defaults;
    struct cf_pairs pairs;
    options.most = most;
    options.held_out = held_out;
    options.seed = seed;
    cf_pairs_make(from, &options, &pairs);
    return pairs;
}

static const struct cf_pair *find(const struct cf_pairs *pairs, const char *question)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].question, question) == 0) {
            return &pairs->items[i];
        }
    }
    return NULL;
}

static const struct {
    const char *question;
    size_t project;
    const char *answer; /* how it begins; NULL: there is no such question */
    bool overview;
} questions[] = {
    {"What is otter?", 1, "Finds slow requests in log files", true},
    {"Finds slow requests in log files", 1, "Swims through", true},
    {"Which project is about latency?", 1, "Finds slow requests", true},
    {"otter: Installation", 1, "Download the archive", false},
    {"otter: Percentile sketches", 1, "Latencies are kept", false},
    {"Percentile sketches", 1, "Latencies are kept", false},
    {"What is heron?", 0, "A compiler for board games", true},
    {"heron: Installation", 0, "Build it from source", false},
    {"heron: tech stack \u203a primary", 0, "C, Graph theory, Proof search", false},
    {"heron: domain", 0, "rules of board games as state machines", false},
    {"Which project is about board-games?", 0, NULL, false}, /* without a description */
    {"Which project is about tools?", 0, NULL, false},       /* of two projects */
    {"Shared history", 0, NULL, false},                      /* likewise */
    {"Installation", 0, NULL, false},
    {"otter: Otter", 0, NULL, false},
    {"heron: note", 0, NULL, false},
    {"heron: year", 0, NULL, false},
};

START_TEST(questions_and_their_answers)
{
    struct cf_pairs pairs = make(&corpus, 1000, 0, 1);
    const struct cf_pair *pair = find(&pairs, questions[_i].question);
    ck_assert_int_eq(pair != NULL, questions[_i].answer != NULL);
    if (pair) {
        const char *answer = questions[_i].answer;
        ck_assert_msg(strncmp(pair->answer, answer, strlen(answer)) == 0, "%s", pair->answer);
        ck_assert_uint_eq(pair->project, questions[_i].project);
        ck_assert_int_eq(pair->overview, questions[_i].overview);
        ck_assert(!pair->held_out);
    }
    ck_assert_uint_eq(pairs.count, 12);
    cf_pairs_release(&pairs);
}
END_TEST

/* Many projects of five sections each, with the descriptions of the first two equal. */
struct world {
    struct cf_project projects[12];
    struct cf_text texts[12];
    struct cf_corpus corpus;
};

static struct world *world_make(void)
{
    struct world *w = cf_calloc(1, sizeof(*w));
    w->corpus = (struct cf_corpus){w->projects, 12};
    for (int i = 0; i < 12; i++) {
        struct cf_buf text = CF_BUF_INIT;
        for (int s = 0; s < (i == 0 ? 40 : 5); s++) {
            cf_buf_printf(&text,
                          "# Section s%dx%d\n\nThe words w%dx%d of this section are its own, and "
                          "there are enough of them to make it one that stands by itself.\n\n",
                          i, s, i, s);
        }
        w->projects[i].name = cf_asprintf("p%02d", i);
        w->projects[i].description = cf_asprintf("Project d%d measures rivers", i < 2 ? 0 : i);
        w->texts[i] = (struct cf_text){"README.md", cf_buf_str(&text), text.length};
        w->projects[i].texts = &w->texts[i];
        w->projects[i].text_count = 1;
    }
    return w;
}

static void world_free(struct world *w)
{
    for (int i = 0; i < 12; i++) {
        free((char *)(uintptr_t)w->projects[i].name);
        free((char *)(uintptr_t)w->projects[i].description);
        free((char *)(uintptr_t)w->texts[i].text);
    }
    free(w);
}

START_TEST(no_two_questions_are_equal)
{
    struct world *w = world_make();
    struct cf_pairs pairs = make(&w->corpus, 1000, 0.3, 1);
    for (size_t i = 0; i < pairs.count; i++) {
        ck_assert_str_ne(pairs.items[i].question, "Project d0 measures rivers");
        for (size_t k = 0; k < i; k++) {
            ck_assert_uint_ne(pairs.items[i].question_id, pairs.items[k].question_id);
            ck_assert_str_ne(pairs.items[i].question, pairs.items[k].question);
        }
    }
    ck_assert_ptr_nonnull(find(&pairs, "Project d2 measures rivers"));
    cf_pairs_release(&pairs);
    world_free(w);
}
END_TEST

START_TEST(projects_share_fairly)
{
    struct world *w = world_make();
    struct cf_pairs pairs = make(&w->corpus, 50, 0, 1);
    size_t counts[12] = {0};
    for (size_t i = 0; i < pairs.count; i++) {
        counts[pairs.items[i].project]++;
    }
    ck_assert_uint_eq(pairs.count, 50);
    for (size_t i = 0; i < 12; i++) {
        ck_assert(counts[i] == 4 || counts[i] == 5);
        char question[32];
        (void)snprintf(question, sizeof(question), "What is p%02zu?", i);
        ck_assert_ptr_nonnull(find(&pairs, question));
    }
    cf_pairs_release(&pairs);
    world_free(w);
}
END_TEST

static bool same(const struct cf_pairs *a, const struct cf_pairs *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = strcmp(a->items[i].question, b->items[i].question) == 0 &&
                strcmp(a->items[i].answer, b->items[i].answer) == 0 &&
                a->items[i].held_out == b->items[i].held_out;
    }
    return equal;
}

START_TEST(the_order_is_the_seeds)
{
    struct world *w = world_make();
    struct cf_pairs pairs[] = {make(&w->corpus, 50, 0.2, 7), make(&w->corpus, 50, 0.2, 7),
                               make(&w->corpus, 50, 0.2, 8)};
    ck_assert(same(&pairs[0], &pairs[1]));
    ck_assert(!same(&pairs[0], &pairs[2]));
    for (size_t i = 0; i < 3; i++) {
        cf_pairs_release(&pairs[i]);
    }
    world_free(w);
}
END_TEST

START_TEST(held_out_answers_are_never_trained_on)
{
    struct world *w = world_make();
    struct cf_pairs pairs = make(&w->corpus, 1000, 0.25, 1);
    struct cf_pairs other_seed = make(&w->corpus, 1000, 0.25, 2);
    size_t held = 0;
    for (size_t i = 0; i < pairs.count; i++) {
        const struct cf_pair *a = &pairs.items[i];
        held += a->held_out;
        ck_assert_int_eq(find(&other_seed, a->question)->held_out, a->held_out);
        for (size_t k = 0; k < i; k++) {
            ck_assert(a->answer_id != pairs.items[k].answer_id ||
                      a->held_out == pairs.items[k].held_out);
        }
    }
    ck_assert_uint_gt(held, pairs.count / 8);
    ck_assert_uint_lt(held, pairs.count / 2);
    cf_pairs_release(&pairs);
    cf_pairs_release(&other_seed);
    world_free(w);
}
END_TEST

/* An edit of a section moves no question between training and what is held out. */
START_TEST(held_out_questions_stay_so)
{
    struct world *w = world_make();
    struct cf_pairs before = make(&w->corpus, 1000, 0.25, 1);
    for (char *c = strstr((char *)(uintptr_t)w->texts[3].text, "enough"); c; c = NULL) {
        memcpy(c, "plenty", 6);
    }
    struct cf_pairs after = make(&w->corpus, 1000, 0.25, 1);
    ck_assert_uint_eq(before.count, after.count);
    for (size_t i = 0; i < before.count; i++) {
        ck_assert_int_eq(find(&after, before.items[i].question)->held_out,
                         before.items[i].held_out);
    }
    cf_pairs_release(&before);
    cf_pairs_release(&after);
    world_free(w);
}
END_TEST

START_TEST(all_or_none_held_out)
{
    struct cf_pairs none = make(&corpus, 1000, 0, 1);
    struct cf_pairs all = make(&corpus, 3, 1, 1);
    ck_assert_uint_eq(all.count, 3);
    for (size_t i = 0; i < none.count; i++) {
        ck_assert(!none.items[i].held_out);
    }
    for (size_t i = 0; i < all.count; i++) {
        ck_assert(all.items[i].held_out);
    }
    cf_pairs_release(&none);
    cf_pairs_release(&all);
}
END_TEST

START_TEST(an_exam_by_descriptions_has_none_in_its_pairs)
{
    struct cf_holdout holdout;
    cf_holdout_init(&holdout, &corpus);
    struct cf_pairs pairs = make(&holdout.corpus, 1000, 0, 1);
    ck_assert_uint_gt(pairs.count, 0);
    for (size_t i = 0; i < pairs.count; i++) {
        ck_assert_ptr_null(strstr(pairs.items[i].question, "slow requests in log"));
        ck_assert_ptr_null(strstr(pairs.items[i].answer, "slow requests in log"));
    }
    cf_pairs_release(&pairs);
    cf_holdout_release(&holdout);
}
END_TEST

START_TEST(clashes)
{
    struct cf_pairs p = CF_PAIRS_INIT;
    ck_assert_ptr_null(cf_pairs_add(&p, 0, "...", "words"));
    ck_assert_ptr_null(cf_pairs_add(&p, 0, "words", ""));
    ck_assert_ptr_null(cf_pairs_add(&p, 0, "Same words.", "same *words*"));
    ck_assert_ptr_nonnull(cf_pairs_add(&p, 0, "one", "first answer"));
    ck_assert_ptr_nonnull(cf_pairs_add(&p, 1, "two", "First, answer!"));
    ck_assert_ptr_nonnull(cf_pairs_add(&p, 1, "One?", "another \xff answer"));
    ck_assert_ptr_nonnull(cf_pairs_add(&p, 0, "three", "a third one"));
    ck_assert_str_eq(p.items[2].answer, "another \ufffd answer");
    ck_assert(cf_pairs_clash(&p.items[0], &p.items[1]));
    ck_assert(cf_pairs_clash(&p.items[0], &p.items[2]));
    ck_assert(!cf_pairs_clash(&p.items[1], &p.items[2]));
    p.items[0].overview = p.items[3].overview = true;
    ck_assert(cf_pairs_clash(&p.items[0], &p.items[3]));
    p.items[3].project = 1;
    ck_assert(!cf_pairs_clash(&p.items[0], &p.items[3]));
    cf_pairs_release(&p);
}
END_TEST

START_TEST(texts_that_say_nothing)
{
    static const struct cf_text odd[] = {TEXT("README.md", "# A\n## B\n\n\xff\xfe\n"),
                                         TEXT(".repo-context.json", "{\"a\": [1, {\"b\": "),
                                         TEXT("c.json", "\"just one string of words\""),
                                         {"ARCHITECTURE.md", NULL, 0}};
    static const struct cf_project one = {"a", "!", NULL, 0, NULL, 0, odd, 4};
    struct cf_pairs pairs = make(&(struct cf_corpus){&one, 1}, 150, 0.5, 1);
    ck_assert_uint_eq(pairs.count, 0);
    cf_pairs_release(&pairs);
    pairs = make(&(struct cf_corpus){NULL, 0}, 150, 0.5, 1);
    ck_assert_uint_eq(pairs.count, 0);
    cf_pairs_release(&pairs);
}
END_TEST

Suite *encoder_pairs_suite(void)
{
    Suite *s = suite_create("encoder_pairs");
    TCase *t = tcase_create("encoder_pairs");
    tcase_add_loop_test(t, questions_and_their_answers, 0,
                        sizeof(questions) / sizeof(questions[0]));
    tcase_add_test(t, no_two_questions_are_equal);
    tcase_add_test(t, projects_share_fairly);
    tcase_add_test(t, the_order_is_the_seeds);
    tcase_add_test(t, held_out_answers_are_never_trained_on);
    tcase_add_test(t, held_out_questions_stay_so);
    tcase_add_test(t, all_or_none_held_out);
    tcase_add_test(t, an_exam_by_descriptions_has_none_in_its_pairs);
    tcase_add_test(t, clashes);
    tcase_add_test(t, texts_that_say_nothing);
    suite_add_tcase(s, t);
    return s;
}
