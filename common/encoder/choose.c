#include "common/encoder/choose.h"

#include <string.h>

#include "common/base/hash.h"
#include "common/encoder/evaluate.h"

enum { BOTH_HALVES = -1 };

/* 0 has weight 0; then come each weight without and with whitening. */
double cf_candidate_weight(size_t candidate)
{
    size_t tenths = (candidate + 1) / 2;
    return (double)tenths / 10;
}

bool cf_candidate_whitens(size_t candidate)
{
    return candidate && candidate % 2 == 0;
}

double cf_blend(double weight, double text, double transformer, double languages)
{
    return (1 - weight) * text + weight * transformer + languages;
}

static bool is_before(const struct cf_choice_scores *s, size_t project, size_t right)
{
    int order = strcmp(s->names[project], s->names[right]);
    return order < 0 || (order == 0 && project < right);
}

static size_t rank_of(const struct cf_choice_scores *s, size_t right, double weight,
                      const double *transformer)
{
    double mark = cf_blend(weight, s->text[right], transformer[right], s->languages[right]);
    size_t rank = 1;
    for (size_t p = 0; p < s->projects; p++) {
        double score = cf_blend(weight, s->text[p], transformer[p], s->languages[p]);
        rank += p != right && (score > mark || (score == mark && is_before(s, p, right)));
    }
    return rank;
}

size_t cf_choice_rank(const struct cf_choice_scores *s, size_t right, size_t candidate)
{
    double weight = cf_candidate_weight(candidate);
    bool whitened = cf_candidate_whitens(candidate) && s->whitened;
    if (!s->text_knows && !(weight > 0 && s->transformer_knows)) {
        return 0;
    }
    return rank_of(s, right, weight, whitened ? s->whitened : s->plain);
}

void cf_choice_ranks(const struct cf_choice_scores *s, size_t right, size_t ranks[CF_CANDIDATES])
{
    for (size_t c = 0; c < CF_CANDIDATES; c++) {
        ranks[c] = cf_choice_rank(s, right, c);
    }
}

int cf_choice_half(const char *project)
{
    char hash[CF_SHA256_HEX];
    cf_sha256_hex(project, strlen(project), hash);
    return hash[0] >= '8';
}

static size_t choose_in(const struct cf_choice_question *questions, size_t count, int half)
{
    double sums[CF_CANDIDATES] = {0};
    size_t used = 0;
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        if (half == BOTH_HALVES || questions[i].half == half) {
            used++;
            for (size_t c = 0; c < CF_CANDIDATES; c++) {
                sums[c] += cf_reciprocal_rank(questions[i].ranks[c]);
            }
        }
    }
    for (size_t c = 1; c < CF_CANDIDATES; c++) {
        best = sums[c] > sums[best] + 1e-9 ? c : best; /* rounding must not decide */
    }
    return used < CF_CHOICE_QUESTIONS_LEAST ? CF_CANDIDATE_DEFAULT : best;
}

struct cf_choice cf_choose(const struct cf_choice_question *questions, size_t count)
{
    struct cf_choice choice = {CF_CANDIDATE_DEFAULT, {CF_CANDIDATE_DEFAULT, CF_CANDIDATE_DEFAULT}};
    if (count >= 2UL * CF_CHOICE_QUESTIONS_LEAST) {
        choice.all = choose_in(questions, count, BOTH_HALVES);
        choice.halves[0] = choose_in(questions, count, 0);
        choice.halves[1] = choose_in(questions, count, 1);
    }
    return choice;
}
