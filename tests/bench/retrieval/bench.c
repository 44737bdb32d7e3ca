/* How well the model finds the right project, against two BM25s, on a corpus of packages.
 *
 *     retrieval CORPUS [--half tune|report] [--params JSON] [--model FOLDER]
 *
 * CORPUS is what corpus.mjs writes. Its projects are put in the order of a hash of their names; the
 * first half is for choosing parameters, the second for reporting. FOLDER is a sentence
 * transformer's, as Hugging Face has it: with one there are two rows more. Prints one Markdown
 * table. README.md says how to read it. */
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/cpus.h"
#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/encoder/bert_folder.h"
#include "common/encoder/documents.h"
#include "common/encoder/evaluate.h"
#include "common/encoder/holdout.h"
#include "common/encoder/model.h"
#include "common/encoder/text.h"
#include "common/encoder/transformer.h"

#define SUBSET ((size_t)60)
#define SUBSETS 6
#define LINE_MAX_BYTES (4UL << 20)

/* The last two only with a transformer. */
enum system { PLAIN, TUNED, LSA, BLEND, LANGUAGE, TRANSFORMER, JOINED, SYSTEMS };

static const char *const system_names[] = {"plain BM25",
                                           "tuned BM25",
                                           "LSA, best chunk",
                                           "blend (the product)",
                                           "blend + language match",
                                           "transformer as it is, best chunk",
                                           "blend with a transformer, as it is (not fine-tuned)"};

static const double DEFAULT_WEIGHT = .3; /* of the transformer */

static struct cf_bert_folder base; /* layout.parameters is 0 without one */
static size_t systems = TRANSFORMER;

struct sums {
    struct cf_score score[SYSTEMS];
    size_t questions;
};

struct column {
    struct sums whole, stressed;
};

struct package {
    struct cf_project project;
    struct cf_text text;
    char order[CF_SHA256_HEX];
};

struct packages {
    struct package *items;
    size_t count;
    size_t capacity;
};

static _Noreturn void fail(const char *what, const char *detail)
{
    (void)fprintf(stderr, "retrieval: %s: %s\n", what, detail);
    exit(EX_DATAERR);
}

static const char **string_array(const json_t *array, size_t *count)
{
    *count = json_array_size(array);
    const char **items = cf_calloc(*count, sizeof(*items));
    for (size_t i = 0; i < *count; i++) {
        items[i] = json_string_value(json_array_get(array, i));
        items[i] = items[i] ? items[i] : "";
    }
    return items;
}

/* The line's strings stay borrowed from the JSON, which lives as long as the process. */
static void add_package(struct packages *packages, const char *line, size_t length)
{
    struct cf_error err;
    json_t *json = NULL;
    const char *name = NULL;
    if (cf_json_parse_foreign(line, length, "a line of the corpus", &json, &err) ||
        cf_json_get_string(json, "name", &name, &err)) {
        fail("corpus", err.message);
    }
    packages->items =
        cf_grow(packages->items, packages->count, &packages->capacity, sizeof(*packages->items));
    struct package *p = &packages->items[packages->count++];
    memset(p, 0, sizeof(*p));
    const json_t *readme = json_object_get(json, "readme");
    p->project.name = name;
    p->project.description = json_string_value(json_object_get(json, "description"));
    p->project.topics = string_array(json_object_get(json, "topics"), &p->project.topic_count);
    p->project.languages =
        string_array(json_object_get(json, "languages"), &p->project.language_count);
    p->text = (struct cf_text){"README.md", json_string_value(readme), json_string_length(readme)};
    cf_sha256_hex(name, strlen(name), p->order);
}

static void read_packages(const char *path, struct packages *packages)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    if (!file) {
        fail("can't open", path);
    }
    while ((length = getline(&line, &size, file)) > 0) {
        if ((size_t)length > LINE_MAX_BYTES) {
            fail("a line is too long", path);
        }
        add_package(packages, line, (size_t)length);
    }
    free(line);
    (void)fclose(file);
}

static int by_order(const void *a, const void *b)
{
    return strcmp(((const struct package *)a)->order, ((const struct package *)b)->order);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cf_project *)a)->name, ((const struct cf_project *)b)->name);
}

/* The packages from … from + count − 1 of the hash order as a corpus sorted by name; the caller
 * frees projects. */
static struct cf_corpus slice(const struct packages *packages, size_t from, size_t count)
{
    struct cf_project *projects = cf_calloc(count, sizeof(*projects));
    for (size_t i = 0; i < count; i++) {
        projects[i] = packages->items[from + i].project;
        projects[i].texts = &packages->items[from + i].text;
        projects[i].text_count = 1;
    }
    qsort(projects, count, sizeof(*projects), by_name);
    return (struct cf_corpus){projects, count};
}

/* --- the transformer
 * -------------------------------------------------------------------------------- */

static void read_file(const char *folder, const char *name, struct cf_artefacts *files)
{
    char *path = cf_asprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file) {
        struct cf_buf *data = &cf_artefacts_add(files, name, "")->data;
        char part[65536];
        size_t n;
        while ((n = fread(part, 1, sizeof(part), file)) > 0) {
            cf_buf_append(data, part, n);
        }
        if (ferror(file)) {
            fail("can't read", path);
        }
        (void)fclose(file);
    }
    free(path);
}

static void read_base(const char *folder)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct cf_error err;
    for (size_t i = 0; cf_bert_files[i]; i++) {
        read_file(folder, cf_bert_files[i], &files);
    }
    if (cf_bert_folder_read(&files, &base, &err)) {
        fail(folder, err.message);
    }
    cf_artefacts_release(&files);
    systems = SYSTEMS;
}

/* Tunes nothing: the model as it is. */
static int as_it_is(void *context, const struct cf_corpus *corpus, struct cf_encoder **out,
                    struct cf_error *err)
{
    (void)context;
    (void)corpus;
    size_t threads = cf_cpus() < 16 ? cf_cpus() : 16;
    return cf_transformer_new(&base.layout, base.weights, base.vocabulary, threads, out, err);
}

static const struct cf_tuner tuner = {as_it_is, NULL, NULL};

/* --- asking
 * ---------------------------------------------------------------------------------------- */

struct exam {
    const struct cf_corpus *corpus;
    struct cf_model *model;
    struct cf_model *joined; /* with the transformer; NULL without one */
    struct cf_bm25 *plain;
    struct cf_bm25 *words; /* the tuned index again: says which words a document has */
    struct cf_hit *hits;
    double *scores; /* [SYSTEMS × projects] */
};

static void exam_init(struct exam *exam, const struct cf_corpus *corpus,
                      const struct cf_corpus *held, const struct cf_model_params *params)
{
    static const struct cf_bm25_options plain = {1.2, .75, false, false};
    const struct cf_bm25_options tuned = {params->k1, params->b, true, true};
    struct cf_chunk_options chunking = {params->chunk_limit, params->chunk_minimum};
    struct cf_documents documents;
    struct cf_error err;
    exam->corpus = corpus;
    if (cf_model_fit(held, params, NULL, &exam->model, &err)) {
        fail("fit", err.message);
    }
    exam->joined = NULL;
    if (systems == SYSTEMS) {
        struct cf_model_params with = *params;
        with.transformer = params->transformer > 0 ? params->transformer : DEFAULT_WEIGHT;
        if (cf_model_fit(held, &with, &tuner, &exam->joined, &err)) {
            fail("fit", err.message);
        }
    }
    cf_documents_read(held, &chunking, &documents);
    exam->plain = cf_documents_bm25(&documents, held, &plain, 1);
    exam->words = cf_documents_bm25(&documents, held, &tuned, params->field_weight);
    cf_documents_release(&documents);
    exam->hits = cf_calloc(corpus->count, sizeof(*exam->hits));
    exam->scores = cf_calloc(SYSTEMS * corpus->count, sizeof(*exam->scores));
}

static void exam_release(struct exam *exam)
{
    cf_model_free(exam->model);
    cf_model_free(exam->joined);
    cf_bm25_free(exam->plain);
    cf_bm25_free(exam->words);
    free(exam->hits);
    free(exam->scores);
}

/* Ties by the order of the corpus, which is by name. */
static size_t rank_of(const double *scores, size_t count, size_t right)
{
    size_t rank = 1;
    for (size_t i = 0; i < count; i++) {
        rank += scores[i] > scores[right] || (i < right && scores[i] == scores[right]);
    }
    return rank;
}

static size_t search(struct exam *exam, struct cf_model *model, const char *question,
                     double language_weight)
{
    struct cf_search_options options = {exam->corpus->count, language_weight, true};
    struct cf_error err;
    size_t count;
    if (cf_model_search(model, question, &options, exam->hits, &count, &err)) {
        fail("search", err.message);
    }
    return count;
}

static void ask_joined(struct exam *exam, const char *question, bool found[SYSTEMS])
{
    size_t n = exam->corpus->count;
    size_t count = search(exam, exam->joined, question, 0);
    for (size_t i = 0; i < count; i++) {
        const struct cf_hit *hit = &exam->hits[i];
        exam->scores[TRANSFORMER * n + hit->index] = hit->transformer;
        exam->scores[JOINED * n + hit->index] = hit->score;
    }
    found[TRANSFORMER] = found[JOINED] = count > 0;
}

static void add_question(struct exam *exam, const char *question, size_t right, struct sums *sums)
{
    size_t n = exam->corpus->count;
    double *scores = exam->scores;
    for (size_t i = 0; i < SYSTEMS * n; i++) {
        scores[i] = 0;
    }
    (void)cf_bm25_score(exam->plain, question, strlen(question), scores + PLAIN * n);
    bool found[SYSTEMS] = {scores[PLAIN * n + right] > 0};
    for (int with = 0; with < 2; with++) {
        double weight = with ? cf_model_params(exam->model)->language_weight : 0;
        size_t count = search(exam, exam->model, question, weight);
        for (size_t i = 0; i < count; i++) {
            const struct cf_hit *hit = &exam->hits[i];
            scores[TUNED * n + hit->index] = hit->bm25;
            scores[LSA * n + hit->index] = hit->lsa;
            scores[(with ? LANGUAGE : BLEND) * n + hit->index] = hit->score;
        }
        found[with ? LANGUAGE : BLEND] = count > 0;
        found[LSA] = count > 0;
    }
    if (exam->joined) {
        ask_joined(exam, question, found);
    }
    found[TUNED] = scores[TUNED * n + right] > 0;
    for (size_t s = 0; s < systems; s++) {
        size_t rank = found[s] ? rank_of(scores + s * n, n, right) : 0;
        sums->score[s].mrr10 += cf_reciprocal_rank(rank);
        sums->score[s].recall1 += rank == 1;
        sums->score[s].ndcg10 += rank >= 1 && rank <= 10 ? 1 / log2(1 + (double)rank) : 0;
    }
    sums->questions++;
}

/* The question without the two rarest of its words that the right document has. */
static char *stress(const struct exam *exam, const char *question, size_t right)
{
    struct cf_words words = CF_WORDS_INIT;
    struct cf_buf out = CF_BUF_INIT;
    size_t rarest[2] = {SIZE_MAX, SIZE_MAX};
    size_t frequency[2] = {SIZE_MAX, SIZE_MAX};
    char stems[2][CF_WORD_MAX];
    size_t lengths[2] = {0, 0};
    cf_words_read(&words, question, strlen(question));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < words.count; i++) {
            char stem[CF_WORD_MAX];
            memcpy(stem, cf_word_bytes(&words, i), words.items[i].length);
            size_t length = cf_text_stem_s(stem, words.items[i].length);
            bool taken = round && length == lengths[0] && memcmp(stem, stems[0], length) == 0;
            size_t n = cf_bm25_frequency(exam->words, stem, length);
            if (!words.items[i].part && !taken && n < frequency[round] &&
                cf_bm25_contains(exam->words, right, stem, length)) {
                frequency[round] = n;
                rarest[round] = i;
                lengths[round] = length;
                memcpy(stems[round], stem, length);
            }
        }
    }
    for (size_t i = 0; i < words.count; i++) {
        char stem[CF_WORD_MAX];
        memcpy(stem, cf_word_bytes(&words, i), words.items[i].length);
        size_t length = cf_text_stem_s(stem, words.items[i].length);
        bool drop = words.items[i].part;
        for (size_t k = 0; k < 2; k++) {
            drop = drop || (rarest[k] != SIZE_MAX && length == lengths[k] &&
                            memcmp(stem, stems[k], length) == 0);
        }
        if (!drop) {
            cf_buf_append(&out, cf_word_bytes(&words, i), words.items[i].length);
            cf_buf_putc(&out, ' ');
        }
    }
    cf_words_release(&words);
    return cf_buf_detach(&out);
}

static void run_exam(const struct packages *packages, size_t from, size_t count,
                     const struct cf_model_params *params, struct column *column)
{
    struct cf_corpus corpus = slice(packages, from, count);
    struct cf_holdout held;
    struct exam exam;
    cf_holdout_init(&held, &corpus);
    exam_init(&exam, &corpus, &held.corpus, params);
    for (size_t i = 0; i < count; i++) {
        if (cf_holdout_asks(&corpus.projects[i])) {
            const char *question = corpus.projects[i].description;
            char *harder = stress(&exam, question, i);
            add_question(&exam, question, i, &column->whole);
            add_question(&exam, harder, i, &column->stressed);
            free(harder);
        }
    }
    exam_release(&exam);
    cf_holdout_release(&held);
    free((void *)(uintptr_t)corpus.projects);
}

/* --- cost
 * ------------------------------------------------------------------------------------------ */

struct cost {
    double fit_and_evaluate; /* CPU seconds */
    double load_ms, search_ms;
    double artefact_bytes;
    double peak_mib; /* of the process that did all of it, the corpus included */
};

static double cpu_ms(void)
{
    return cf_clock_cpu_seconds() * 1000;
}

static void work(const struct cf_corpus *corpus, const struct cf_model_params *params,
                 struct cost *cost)
{
    struct cf_evaluation *evaluation = NULL;
    struct cf_model *model = NULL;
    struct cf_model *loaded = NULL;
    struct cf_artefacts artefacts = CF_ARTEFACTS_INIT;
    struct cf_error err;
    struct cf_hit hits[10];
    struct cf_search_options options = {10, -1, false};
    double start = cpu_ms();
    struct cf_model_params own = *params;
    if (cf_evaluate(corpus, &own, NULL, &evaluation, &err) ||
        cf_model_fit(corpus, &own, NULL, &model, &err)) {
        fail("fit", err.message);
    }
    cost->fit_and_evaluate = (cpu_ms() - start) / 1000;
    cf_evaluation_free(evaluation);
    cf_model_save(model, &artefacts);
    cf_model_free(model);
    for (size_t i = 0; i < artefacts.count; i++) {
        cost->artefact_bytes += (double)artefacts.items[i].data.length;
    }
    start = cpu_ms();
    if (cf_model_load(&artefacts, &loaded, &err)) {
        fail("load", err.message);
    }
    cost->load_ms = cpu_ms() - start;
    start = cpu_ms();
    for (size_t i = 0; i < corpus->count; i++) {
        size_t count;
        const char *question = corpus->projects[i].description;
        if (cf_model_search(loaded, question, &options, hits, &count, &err)) {
            fail("search", err.message);
        }
    }
    cost->search_ms = (cpu_ms() - start) / (double)corpus->count;
    cf_model_free(loaded);
    cf_artefacts_release(&artefacts);
    cost->peak_mib = (double)cf_clock_peak_memory_bytes() / (1 << 20);
}

/* In a process of its own, so that its peak memory is its own. */
static void measure(const struct packages *packages, size_t from, size_t count,
                    const struct cf_model_params *params, struct cost *cost)
{
    int ends[2];
    struct cf_corpus corpus = slice(packages, from, count);
    (void)fflush(stdout);
    if (pipe(ends)) {
        fail("measure", "no pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        struct cost mine = {0, 0, 0, 0, 0};
        work(&corpus, params, &mine);
        _exit(write(ends[1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0 : 1);
    }
    (void)close(ends[1]);
    if (child < 0 || read(ends[0], cost, sizeof(*cost)) != (ssize_t)sizeof(*cost)) {
        fail("measure", "the measured process failed");
    }
    (void)waitpid(child, NULL, 0);
    (void)close(ends[0]);
    free((void *)(uintptr_t)corpus.projects);
}

/* --- the table
 * ------------------------------------------------------------------------------------- */

static double mrr(const struct sums *sums, enum system s)
{
    return sums->score[s].mrr10 / (double)sums->questions;
}

static void print_scores(const struct column *columns)
{
    for (size_t s = 0; s < systems; s++) {
        (void)printf("| %s |", system_names[s]);
        for (size_t c = 0; c < 2; c++) {
            const struct sums *w = &columns[c].whole;
            double n = (double)w->questions;
            (void)printf(" %.3f | %.3f | %.3f | %.3f |", mrr(w, (enum system)s),
                         w->score[s].recall1 / n, w->score[s].ndcg10 / n,
                         mrr(&columns[c].stressed, (enum system)s));
        }
        (void)printf("\n");
    }
}

/* "1.034, goal 1.02: met" */
static void format_goal(const struct sums *sums, enum system against, double goal, char out[48])
{
    double ratio = mrr(sums, BLEND) / mrr(sums, against);
    (void)snprintf(out, 48, "%.3f, goal %.2f: %s", ratio, goal, ratio >= goal ? "met" : "not met");
}

static void print_goals(const struct column *columns)
{
    char text[6][48];
    format_goal(&columns[0].whole, PLAIN, 1.02, text[0]);
    format_goal(&columns[0].stressed, TUNED, 1.04, text[1]);
    format_goal(&columns[1].whole, PLAIN, 1.05, text[2]);
    format_goal(&columns[0].whole, TUNED, 1, text[3]);
    format_goal(&columns[1].whole, TUNED, 1.02, text[4]);
    format_goal(&columns[1].stressed, TUNED, 1.04, text[5]);
    (void)printf("| blend ÷ plain BM25 | %s | | | | %s | | | |\n", text[0], text[2]);
    (void)printf("| blend ÷ tuned BM25 | %s | | | %s | %s | | | %s |\n", text[3], text[1], text[4],
                 text[5]);
}

static void print_costs(const struct cost *cost)
{
    (void)printf("| fit and evaluate, CPU s | %.2f | | | | %.2f | | | |\n",
                 cost[0].fit_and_evaluate, cost[1].fit_and_evaluate);
    (void)printf("| load, CPU ms | %.1f | | | | %.1f | | | |\n", cost[0].load_ms, cost[1].load_ms);
    (void)printf("| one search, CPU ms | %.2f | | | | %.2f | | | |\n", cost[0].search_ms,
                 cost[1].search_ms);
    (void)printf("| artefacts, MB | %.1f | | | | %.1f | | | |\n", cost[0].artefact_bytes / 1e6,
                 cost[1].artefact_bytes / 1e6);
    (void)printf("| peak memory, MiB | %.0f | | | | %.0f | | | |\n", cost[0].peak_mib,
                 cost[1].peak_mib);
}

static void report(const struct packages *packages, size_t from, size_t count,
                   const struct cf_model_params *params)
{
    struct column columns[2];
    struct cost costs[2];
    memset(columns, 0, sizeof(columns));
    measure(packages, from, SUBSET < count ? SUBSET : count, params, &costs[0]);
    measure(packages, from, count, params, &costs[1]);
    for (size_t i = 0; i < SUBSETS && (i + 1) * SUBSET <= count; i++) {
        run_exam(packages, from + i * SUBSET, SUBSET, params, &columns[0]);
    }
    run_exam(packages, from, count, params, &columns[1]);
    (void)printf("| %zu packages, %zu questions | %zu: MRR@10 | recall@1 | nDCG@10 | stress MRR@10 "
                 "| %zu: MRR@10 | recall@1 | nDCG@10 | stress MRR@10 |\n",
                 count, columns[1].whole.questions, SUBSET, count);
    (void)printf("|---|---|---|---|---|---|---|---|---|\n");
    print_scores(columns);
    print_goals(columns);
    print_costs(costs);
}

int main(int argc, char **argv)
{
    struct packages packages = {NULL, 0, 0};
    struct cf_model_params params;
    struct cf_error err;
    bool tune = false;
    cf_model_params_default(&params);
    for (int i = 2; i + 1 < argc; i += 2) {
        json_t *json = NULL;
        if (strcmp(argv[i], "--half") == 0) {
            tune = strcmp(argv[i + 1], "tune") == 0;
        } else if (strcmp(argv[i], "--model") == 0) {
            read_base(argv[i + 1]);
        } else if (strcmp(argv[i], "--params") != 0) {
            fail("unknown option", argv[i]);
        } else if (cf_json_parse(argv[i + 1], strlen(argv[i + 1]), "--params", &json, &err) ||
                   cf_model_params_from_json(json, &params, &err)) {
            fail("--params", err.message);
        }
        json_decref(json);
    }
    if (argc < 2 || argc % 2) {
        (void)fprintf(stderr, "usage: retrieval CORPUS [--half tune|report] [--params JSON] "
                              "[--model FOLDER]\n");
        return EX_USAGE;
    }
    read_packages(argv[1], &packages);
    if (packages.count < 2 * SUBSET) {
        fail("too few packages", argv[1]);
    }
    qsort(packages.items, packages.count, sizeof(*packages.items), by_order);
    size_t half = packages.count / 2;
    report(&packages, tune ? 0 : half, tune ? half : packages.count - half, &params);
    cf_bert_folder_release(&base);
    return 0;
}
