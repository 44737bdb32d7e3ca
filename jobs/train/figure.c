#include "jobs/train/figure.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

/* Text for XML content and attributes. */
static void xml_text(struct cf_buf *out, const char *s)
{
    size_t length = strlen(s);
    for (size_t i = 0; i < length;) {
        uint32_t c = 0;
        size_t used = cf_utf8_decode(s + i, length - i, &c);
        if (!used || c < 0x20 || c == 0x7f || c == 0xfffe || c == 0xffff) {
            cf_buf_putc(out, ' ');
        } else if (c < 0x80 && strchr("<>&\"'", (int)c)) {
            cf_buf_printf(out, "&#%u;", (unsigned)c);
        } else {
            cf_buf_append(out, s + i, used);
        }
        i += used ? used : 1;
    }
}

#define BAR_HEIGHT 160.0
#define BAR_BASE 220.0
#define HISTOGRAM_LEFT 410.0

static void label(struct cf_buf *out, double x, double y, const char *anchor, const char *text)
{
    cf_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    xml_text(out, text);
    cf_buf_puts(out, "</text>\n");
}

static void bar(struct cf_buf *out, const char *class, double x, double width, double share,
                const char *title)
{
    double height = share * BAR_HEIGHT;
    cf_buf_printf(out,
                  "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
                  class, x, BAR_BASE - height, width, height);
    xml_text(out, title);
    cf_buf_puts(out, "</title></rect>\n");
}

static void value_bar(struct cf_buf *out, const char *class, double x, double value,
                      const char *name)
{
    char text[96];
    (void)snprintf(text, sizeof(text), "%s: %.3f", name, value);
    bar(out, class, x, 30, value, text);
    (void)snprintf(text, sizeof(text), "%.2f", value);
    cf_buf_puts(out, "<g class=\"small\">");
    label(out, x + 15, BAR_BASE - value * BAR_HEIGHT - 4, "middle", text);
    cf_buf_puts(out, "</g>\n");
}

static void draw_scores(const struct cf_evaluation *e, struct cf_buf *out)
{
    static const char *const measures[] = {"MRR@10", "recall@1", "nDCG@10"};
    static const char *const names[] = {"this model", "plain BM25", "tuned BM25"};
    static const char *const classes[] = {"model", "plain", "tuned"};
    const struct cf_score *scores[] = {&e->model, &e->bm25, &e->bm25_tuned};
    for (size_t m = 0; m < 3; m++) {
        double x = 40 + (double)m * 115;
        for (size_t s = 0; s < 3; s++) {
            double value = m == 0   ? scores[s]->mrr10
                           : m == 1 ? scores[s]->recall1
                                    : scores[s]->ndcg10;
            value_bar(out, classes[s], x + (double)s * 33, value, names[s]);
        }
        label(out, x + 48, BAR_BASE + 18, "middle", measures[m]);
    }
    for (size_t s = 0; s < 3; s++) {
        double x = 40 + (double)s * 115;
        cf_buf_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"254\" width=\"11\" height=\"11\"/>\n",
                      classes[s], x);
        label(out, x + 17, 264, "start", names[s]);
    }
}

/* Where the right answers came: ranks 1 to 5, 6 to 10, later, not found. */
static void draw_ranks(const struct cf_evaluation *e, struct cf_buf *out)
{
    static const char *const names[] = {"1", "2", "3", "4", "5", "6\u201310", "11+", "none"};
    size_t counts[8] = {0};
    size_t largest = 1;
    for (size_t i = 0; i < e->count; i++) {
        size_t rank = e->questions[i].rank;
        counts[rank == 0 ? 7 : rank <= 5 ? rank - 1 : rank <= 10 ? 5 : 6]++;
    }
    for (size_t k = 0; k < 8; k++) {
        largest = counts[k] > largest ? counts[k] : largest;
    }
    for (size_t k = 0; k < 8; k++) {
        char text[64];
        double x = HISTOGRAM_LEFT + (double)k * 44;
        double share = (double)counts[k] / (double)largest;
        (void)snprintf(text, sizeof(text), "rank %s: %zu", names[k], counts[k]);
        bar(out, "model", x, 34, share, text);
        (void)snprintf(text, sizeof(text), "%zu", counts[k]);
        cf_buf_puts(out, "<g class=\"small\">");
        label(out, x + 17, BAR_BASE - share * BAR_HEIGHT - 4, "middle", text);
        cf_buf_puts(out, "</g>\n");
        label(out, x + 17, BAR_BASE + 18, "middle", names[k]);
    }
}

/* The colours of both figures. */
static void begin(const struct cf_card *card, const char *about, double height, struct cf_buf *out)
{
    cf_buf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 780 %.0f\" "
                  "role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">Portfolio search "
                  "for ",
                  height);
    xml_text(out, card->tenant);
    cf_buf_printf(
        out,
        ": %s</title>\n"
        "<style>\n"
        "svg{--back:#fff;--ink:#1f2328;--line:#8c959f;--model:#0550ae;--plain:#afb8c1;--tuned:"
        "#6e7781}\n"
        "@media (prefers-color-scheme:dark){svg{--back:#0d1117;--ink:#e6edf3;--line:#6e7681;"
        "--model:#79c0ff;--plain:#484f58;--tuned:#8b949e}}\n"
        "text{font:13px system-ui,sans-serif;fill:var(--ink)}.small text{font-size:10px}"
        ".head{font-weight:600}\n"
        ".back{fill:var(--back)}.axis{stroke:var(--line)}.model{fill:var(--model)}"
        ".plain{fill:var(--plain)}.tuned{fill:var(--tuned)}\n"
        "</style>\n<rect class=\"back\" width=\"780\" height=\"%.0f\"/>\n",
        about, height);
}

void cf_figure_write(const struct cf_card *card, struct cf_buf *out)
{
    const struct cf_evaluation *e = card->evaluation;
    char text[128];
    begin(card, "scores beside two BM25s, and the ranks of the right answers", 285, out);
    (void)snprintf(text, sizeof(text), "Scores, %zu questions", e->count);
    cf_buf_puts(out, "<g class=\"head\">");
    label(out, 40, 28, "start", text);
    label(out, HISTOGRAM_LEFT, 28, "start", "Rank of the right repository, questions");
    cf_buf_puts(out, "</g>\n");
    draw_scores(e, out);
    draw_ranks(e, out);
    cf_buf_printf(out, "<path class=\"axis\" d=\"M36 %.1fH376M%.1f %.1fH760\"/>\n</svg>\n",
                  BAR_BASE, HISTOGRAM_LEFT - 4, BAR_BASE);
}

/* From 0 to the largest loss. */
void cf_figure_curve_write(const struct cf_card *card, struct cf_buf *out)
{
    const struct cf_card_tuning *t = card->tuning;
    double largest = 0;
    char text[96];
    for (size_t i = 0; i < t->steps; i++) {
        largest = t->curve[i].loss > largest ? t->curve[i].loss : largest;
    }
    begin(card, "loss of every step of the fine-tuning", 265, out);
    (void)snprintf(text, sizeof(text), "Loss, %zu steps on %zu pairs", t->steps, t->pairs);
    cf_buf_puts(out, "<g class=\"head\">");
    label(out, 40, 28, "start", text);
    cf_buf_puts(out, "</g>\n<polyline fill=\"none\" stroke=\"var(--model)\" stroke-width=\"2\" "
                     "points=\"");
    for (size_t i = 0; i < t->steps; i++) {
        double along = t->steps > 1 ? (double)i / (double)(t->steps - 1) : 0;
        double share = largest > 0 ? t->curve[i].loss / largest : 0;
        cf_buf_printf(out, "%s%.1f,%.1f", i ? " " : "", 60 + along * 690,
                      BAR_BASE - share * BAR_HEIGHT);
    }
    cf_buf_puts(out, "\"/>\n<g class=\"small\">\n");
    (void)snprintf(text, sizeof(text), "%.3f", largest);
    label(out, 54, BAR_BASE - BAR_HEIGHT + 4, "end", text);
    label(out, 54, BAR_BASE + 4, "end", "0");
    label(out, 60, BAR_BASE + 18, "middle", "1");
    (void)snprintf(text, sizeof(text), "%zu", t->steps);
    label(out, 750, BAR_BASE + 18, "middle", text);
    cf_buf_printf(out,
                  "</g>\n<path class=\"axis\" d=\"M60 %.1fV%.1fH750\" fill=\"none\"/>\n</svg>\n",
                  BAR_BASE - BAR_HEIGHT, BAR_BASE);
}
