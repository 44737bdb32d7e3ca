#include "common/encoder/porter.h"

#include <stdbool.h>
#include <string.h>

/* The word, and how much of it stands before the suffix that is looked at. */
struct stem {
    char *w;
    size_t length;
    size_t j;
};

static bool is_consonant(const char *w, size_t i)
{
    switch (w[i]) {
    case 'a':
    case 'e':
    case 'i':
    case 'o':
    case 'u':
        return false;
    case 'y': {
        /* y after a consonant is a vowel; a run of y alternates, the first being a consonant at the
         * start */
        size_t first = i;
        while (first > 0 && w[first - 1] == 'y') {
            first--;
        }
        bool y = first == 0 || !is_consonant(w, first - 1);
        return (i - first) % 2 == 0 ? y : !y;
    }
    default:
        return true;
    }
}

/* m of the paper: how often a vowel run is followed by a consonant run in the first j letters. */
static size_t measure(const struct stem *s)
{
    size_t m = 0;
    bool vowel = false;
    for (size_t i = 0; i < s->j; i++) {
        bool consonant = is_consonant(s->w, i);
        m += vowel && consonant;
        vowel = !consonant;
    }
    return m;
}

static bool has_vowel(const struct stem *s)
{
    for (size_t i = 0; i < s->j; i++) {
        if (!is_consonant(s->w, i)) {
            return true;
        }
    }
    return false;
}

static bool double_consonant(const struct stem *s, size_t length)
{
    return length >= 2 && s->w[length - 1] == s->w[length - 2] && is_consonant(s->w, length - 1);
}

/* *o of the paper: consonant, vowel, consonant, the last not w, x or y. */
static bool ends_cvc(const struct stem *s, size_t length)
{
    if (length < 3 || !is_consonant(s->w, length - 1) || is_consonant(s->w, length - 2) ||
        !is_consonant(s->w, length - 3)) {
        return false;
    }
    char last = s->w[length - 1];
    return last != 'w' && last != 'x' && last != 'y';
}

static bool ends(struct stem *s, const char *suffix)
{
    size_t n = strlen(suffix);
    if (n > s->length || memcmp(s->w + s->length - n, suffix, n) != 0) {
        return false;
    }
    s->j = s->length - n;
    return true;
}

/* Every replacement is at most as long as what it replaces, apart from one "e" where two or three
 * letters were removed before. */
static void replace(struct stem *s, const char *with)
{
    size_t n = strlen(with);
    memcpy(s->w + s->j, with, n);
    s->length = s->j + n;
}

struct rule {
    const char *suffix, *with;
};

/* Takes the first rule whose suffix fits, and applies it when m > 0. */
static void apply(struct stem *s, const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ends(s, rules[i].suffix)) {
            if (measure(s) > 0) {
                replace(s, rules[i].with);
            }
            return;
        }
    }
}

static void step_1ab(struct stem *s)
{
    if (ends(s, "sses") || ends(s, "ies")) {
        s->length -= 2;
    } else if (!ends(s, "ss") && ends(s, "s")) {
        s->length--;
    }
    if (ends(s, "eed")) {
        s->length -= measure(s) > 0;
        return;
    }
    if (!((ends(s, "ed") || ends(s, "ing")) && has_vowel(s))) {
        return;
    }
    s->length = s->j;
    if (ends(s, "at") || ends(s, "bl") || ends(s, "iz")) {
        s->w[s->length++] = 'e';
        return;
    }
    char last = s->w[s->length - 1];
    s->j = s->length;
    if (double_consonant(s, s->length)) {
        s->length -= last != 'l' && last != 's' && last != 'z';
    } else if (measure(s) == 1 && ends_cvc(s, s->length)) {
        s->w[s->length++] = 'e';
    }
}

static void step_1c(struct stem *s)
{
    if (ends(s, "y") && has_vowel(s)) {
        s->w[s->length - 1] = 'i';
    }
}

static void step_2(struct stem *s)
{
    static const struct rule rules[] = {
        {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
        {"izer", "ize"},    {"abli", "able"},   {"alli", "al"},     {"entli", "ent"},
        {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
        {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
        {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"}};
    apply(s, rules, sizeof(rules) / sizeof(rules[0]));
}

static void step_3(struct stem *s)
{
    static const struct rule rules[] = {{"icate", "ic"}, {"ative", ""},  {"alize", "al"},
                                        {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""},
                                        {"ness", ""}};
    apply(s, rules, sizeof(rules) / sizeof(rules[0]));
}

static void step_4(struct stem *s)
{
    static const char *const suffixes[] = {"al",  "ance",  "ence", "er",  "ic",  "able", "ible",
                                           "ant", "ement", "ment", "ent", "ion", "ou",   "ism",
                                           "ate", "iti",   "ous",  "ive", "ize"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (!ends(s, suffixes[i])) {
            continue;
        }
        bool ion = strcmp(suffixes[i], "ion") == 0;
        bool fits = !ion || (s->j > 0 && (s->w[s->j - 1] == 's' || s->w[s->j - 1] == 't'));
        if (fits && measure(s) > 1) {
            s->length = s->j;
        }
        return;
    }
}

static void step_5(struct stem *s)
{
    if (ends(s, "e")) {
        size_t m = measure(s);
        if (m > 1 || (m == 1 && !ends_cvc(s, s->j))) {
            s->length--;
        }
    }
    s->j = s->length;
    if (s->length && s->w[s->length - 1] == 'l' && double_consonant(s, s->length)) {
        s->j = s->length - 1;
        if (measure(s) > 1) {
            s->length--;
        }
    }
}

size_t cf_porter_stem(char *word, size_t length)
{
    if (length <= 2) {
        return length;
    }
    for (size_t i = 0; i < length; i++) {
        if (word[i] < 'a' || word[i] > 'z') {
            return length;
        }
    }
    struct stem s = {word, length, length};
    step_1ab(&s);
    step_1c(&s);
    step_2(&s);
    step_3(&s);
    step_4(&s);
    step_5(&s);
    return s.length;
}
