#include "jobs/train/card.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/utf8.h"
#include "jobs/train/figure.h"

#define HARDEST 5
#define QUESTION_MAX 300 /* characters of a question in the card */

/* Text for Markdown inside a table: no markup, no HTML, one line, at most limit characters. */
static void markdown_text(struct cf_buf *out, const char *s, size_t limit)
{
    size_t length = strlen(s);
    size_t characters = 0;
    for (size_t i = 0; i < length; characters++) {
        uint32_t c = 0;
        size_t used = cf_utf8_decode(s + i, length - i, &c);
        if (characters == limit) {
            cf_buf_puts(out, "\u2026");
            return;
        }
        if (!used || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
            (c >= 0x2066 && c <= 0x2069)) {
            cf_buf_putc(out, ' ');
        } else if (c < 0x80 && strchr("<>&\"", (int)c)) {
            cf_buf_printf(out, "&#%u;", (unsigned)c);
        } else if (c < 0x80 && strchr("\\`*_[]#|~$@:", (int)c)) {
            cf_buf_putc(out, '\\');
            cf_buf_putc(out, (char)c);
        } else {
            cf_buf_append(out, s + i, used);
        }
        i += used ? used : 1;
    }
}

static void write_front(const struct cf_card *card, struct cf_buf *out)
{
    cf_buf_puts(out, "---\n"
                     "library_name: cloudfolio\n"
                     "pipeline_tag: sentence-similarity\n"
                     "tags: [retrieval, bm25, latent-semantic-analysis]\n"
                     "---\n\n"
                     "# Portfolio search for ");
    markdown_text(out, card->tenant, QUESTION_MAX);
    cf_buf_printf(out,
                  "\n\nFinds the repositories of one portfolio that a question in plain words is "
                  "about, and the\npassage that says so. It was fitted to version %" PRIu64
                  " of the portfolio's bundle.\n\n"
                  "| | |\n|---|---|\n"
                  "| repositories | %zu |\n| passages | %zu |\n| distinct words | %zu |\n"
                  "| input | bundle version %" PRIu64 " |\n| request | `",
                  card->bundle_version, card->projects, card->chunks, card->words,
                  card->bundle_version);
    markdown_text(out, card->request, 80);
    cf_buf_puts(out, "` |\n");
}

static void write_method(const struct cf_card *card, struct cf_buf *out)
{
    const char *name;
    json_t *value;
    cf_buf_puts(out,
                "\n## How it works\n\n"
                "Two scores a repository: BM25 over its whole text, in which name, topics and top "
                "heading count more,\nand the cosine of the question with its best passage after "
                "latent semantic analysis of hashed features\n(stemmed words, pairs of words, "
                "groups of 3 to 5 letters). For each question both become z-scores and are\n"
                "blended. Nothing was downloaded or learnt from other people's data.\n\n"
                "| parameter | value |\n|---|---|\n");
    json_t *params = cf_model_params_to_json(card->params);
    json_object_foreach(params, name, value)
    {
        cf_buf_printf(out, "| %s | ", name);
        if (json_is_string(value)) {
            markdown_text(out, json_string_value(value), QUESTION_MAX);
        } else {
            cf_buf_printf(out, "%g", json_number_value(value));
        }
        cf_buf_puts(out, " |\n");
    }
    json_decref(params);
}

static void write_tuning(const struct cf_card_tuning *t, struct cf_buf *out)
{
    cf_buf_puts(out, "\n## Fine-tuning\n\n"
                     "A third score is the cosine of the question with the best passage in the "
                     "space of a sentence transformer, which\nwas fine-tuned on questions made "
                     "from this portfolio: its names, topics, headings and fields, each with the\n"
                     "text that answers it (multiple negatives ranking loss, AdamW). The folder "
                     "`transformer/` loads with\n`SentenceTransformer(path)`.\n\n"
                     "| | |\n|---|---|\n| base model | ");
    markdown_text(out, t->base_model, QUESTION_MAX);
    cf_buf_puts(out, " |\n| its SHA-256 | `");
    markdown_text(out, t->base_model_sha256, 80);
    cf_buf_printf(out,
                  "` |\n| pairs | %zu |\n| epochs | %zu |\n| steps | %zu |\n| pairs a step | %zu "
                  "|\n| learning rate | %g |\n| seed | %" PRIu64 " |\n| matrix products | %s |\n",
                  t->pairs, t->options->epochs, t->steps, t->options->batch,
                  (double)t->options->rate, t->options->seed, t->bf16 ? "bfloat16" : "float32");
    if (t->steps) {
        cf_buf_printf(out, "| loss, first and last step | %.4f, %.4f |\n", t->curve[0].loss,
                      t->curve[t->steps - 1].loss);
        cf_buf_puts(out, "\n![Loss of every step](" CF_CARD_CURVE ")\n");
    }
}

static void write_row(struct cf_buf *out, const char *name, const struct cf_score *s)
{
    cf_buf_printf(out, "| %s | %.3f | %.3f | %.3f |\n", name, s->mrr10, s->recall1, s->ndcg10);
}

static void write_evaluation(const struct cf_card *card, struct cf_buf *out)
{
    const struct cf_evaluation *e = card->evaluation;
    cf_buf_puts(out, "\n## How good it is\n\n");
    if (!e->count) {
        cf_buf_puts(out, "Not known: no repository has a description of at least three content "
                         "words to ask for.\n");
    } else {
        cf_buf_printf(out,
                      "%zu questions: each is a repository's own description, and the right answer "
                      "is that repository.\nFor the measurement all descriptions, and the passages "
                      "that repeat them, were left out of the index.\n\n"
                      "| | MRR@10 | recall@1 | nDCG@10 |\n|---|---|---|---|\n",
                      e->count);
        write_row(out, "**this model**", &e->model);
        write_row(out, "plain BM25", &e->bm25);
        write_row(out, "tuned BM25, a part of this model", &e->bm25_tuned);
        cf_buf_puts(
            out, "\n![Scores beside two BM25s, and the ranks of the right answers](" CF_CARD_FIGURE
                 ")\n");
    }
}

/* Worst first: those not found, then by rank; ties by project. */
static int by_difficulty(const void *a, const void *b)
{
    const struct cf_question *x = a;
    const struct cf_question *y = b;
    size_t p = x->rank ? x->rank : SIZE_MAX;
    size_t q = y->rank ? y->rank : SIZE_MAX;
    int order = strcmp(x->project, y->project);
    order = order ? order : strcmp(x->text, y->text);
    return p != q ? (p < q) - (p > q) : order;
}

static void write_rank(struct cf_buf *out, size_t rank)
{
    if (rank) {
        cf_buf_printf(out, "%zu", rank);
    } else {
        cf_buf_puts(out, "not found");
    }
}

static void write_hardest(const struct cf_evaluation *e, struct cf_buf *out)
{
    struct cf_question *list = cf_calloc(e->count, sizeof(*list));
    if (e->count) {
        memcpy(list, e->questions, e->count * sizeof(*list));
        qsort(list, e->count, sizeof(*list), by_difficulty);
        cf_buf_puts(out, "\n### The hardest questions\n\n"
                         "| question | about | rank | plain BM25 | tuned BM25 |\n"
                         "|---|---|---|---|---|\n");
    }
    for (size_t i = 0; i < e->count && i < HARDEST; i++) {
        cf_buf_puts(out, "| ");
        markdown_text(out, list[i].text, QUESTION_MAX);
        cf_buf_puts(out, " | ");
        markdown_text(out, list[i].project, QUESTION_MAX);
        cf_buf_puts(out, " | ");
        write_rank(out, list[i].rank);
        cf_buf_puts(out, " | ");
        write_rank(out, list[i].rank_bm25);
        cf_buf_puts(out, " | ");
        write_rank(out, list[i].rank_bm25_tuned);
        cf_buf_puts(out, " |\n");
    }
    free(list);
}

static void write_rest(struct cf_buf *out)
{
    cf_buf_puts(
        out,
        "\n## Limits\n\n"
        "- It knows what the repositories' documents say, not what their code does. A repository "
        "without documents is\n  found by its name, description, topics and languages only.\n"
        "- It relates words that occur together in this portfolio. A synonym that no document "
        "uses is not known, and a\n  question without any known word has no answer.\n"
        "- The questions above are descriptions by the same authors. Questions that other people "
        "ask are harder.\n"
        "- Scores compare repositories within one question. They are no probabilities.\n"
        "- With few questions, the figures are rough: one question is 1/n of each.\n"
        "\n## The files\n\n"
        "| file | content |\n|---|---|\n"
        "| `config.json` | the parameters, and the numbers of repositories, passages, words and "
        "dimensions |\n"
        "| `encoder.safetensors` | `lsa.buckets`, `lsa.idf`: the feature buckets and their "
        "weights; `lsa.offsets`, `lsa.rows`, `lsa.values`: the repositories' vectors X by columns; "
        "`lsa.projection`: P. A text x embeds as Pᵀ X x, divided by its length |\n"
        "| `index.safetensors` | `embeddings`, one row a passage; `chunk_projects`, the repository "
        "of each; `bm25.…`: words, postings and lengths |\n"
        "| `chunks.json` | the repositories with their languages, and each passage's repository, "
        "path, heading and text |\n"
        "| `evaluation.json` | every question with the ranks of its right answer |\n"
        "\n`.safetensors` files open with the `safetensors` package of any language; all else is "
        "JSON.\n");
}

void cf_card_write(const struct cf_card *card, struct cf_buf *markdown, struct cf_buf *svg)
{
    write_front(card, markdown);
    write_method(card, markdown);
    if (card->tuning) {
        write_tuning(card->tuning, markdown);
    }
    write_evaluation(card, markdown);
    write_hardest(card->evaluation, markdown);
    write_rest(markdown);
    cf_figure_write(card, svg);
}
