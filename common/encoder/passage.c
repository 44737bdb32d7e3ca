#include "common/encoder/passage.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/text.h"

#define WORDS_MAX 64 /* of a question that count */

struct word {
    char bytes[CF_WORD_MAX];
    size_t length;
    double weight; /* its IDF, as a share of all words' */
};

struct cf_passage_words {
    struct word items[WORDS_MAX];
    size_t count;
};

static size_t find(const struct cf_passage_words *words, const char *bytes, size_t length)
{
    for (size_t i = 0; i < words->count; i++) {
        if (words->items[i].length == length && memcmp(words->items[i].bytes, bytes, length) == 0) {
            return i;
        }
    }
    return words->count;
}

struct cf_passage_words *cf_passage_words_new(const struct cf_model *model, const char *question)
{
    struct cf_passage_words *out = cf_calloc(1, sizeof(*out));
    struct cf_words words = CF_WORDS_INIT;
    double total = 0;
    cf_words_read(&words, question, strlen(question));
    for (size_t i = 0; i < words.count && out->count < WORDS_MAX; i++) {
        struct word word = {.length = words.items[i].length};
        memcpy(word.bytes, cf_word_bytes(&words, i), word.length);
        bool content = !cf_text_is_stopword(word.bytes, word.length);
        word.length = cf_text_stem_s(word.bytes, word.length);
        double n = (double)cf_bm25_frequency(model->bm25, word.bytes, word.length);
        if (content && n > 0 && find(out, word.bytes, word.length) == out->count) {
            word.weight = log(1 + ((double)model->projects - n + .5) / (n + .5));
            total += word.weight;
            out->items[out->count++] = word;
        }
    }
    for (size_t i = 0; i < out->count; i++) {
        out->items[i].weight /= total;
    }
    cf_words_release(&words);
    return out;
}

void cf_passage_words_free(struct cf_passage_words *words)
{
    free(words);
}

/* Adds to *share the weights of the question's words in s that weren't seen before. */
static void add_share(const struct cf_passage_words *words, const char *s, struct cf_words *scratch,
                      bool seen[WORDS_MAX], double *share)
{
    cf_words_read(scratch, s, strlen(s));
    for (size_t i = 0; i < scratch->count; i++) {
        char word[CF_WORD_MAX];
        memcpy(word, cf_word_bytes(scratch, i), scratch->items[i].length);
        size_t k = find(words, word, cf_text_stem_s(word, scratch->items[i].length));
        if (k < words->count && !seen[k]) {
            seen[k] = true;
            *share += words->items[k].weight;
        }
    }
}

size_t cf_passage_choose(const struct cf_model *model, const struct cf_passage_words *words,
                         size_t project, const double *cosines)
{
    struct cf_words scratch = CF_WORDS_INIT;
    size_t best = model->first[project];
    double best_score = -INFINITY;
    for (size_t c = model->first[project]; c < model->first[project + 1]; c++) {
        bool seen[WORDS_MAX] = {false};
        double score = cosines[c];
        add_share(words, model->chunks.items[c].heading, &scratch, seen, &score);
        add_share(words, model->chunks.items[c].text, &scratch, seen, &score);
        if (score > best_score + 1e-9) {
            best_score = score;
            best = c;
        }
    }
    cf_words_release(&scratch);
    return best;
}
