#include "common/encoder/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/porter.h"
#include "common/encoder/text.h"

enum kind { WORD, BIGRAM, NGRAM, KINDS };

#define SHORTEST 3 /* characters of an n-gram, the marks at a word's ends counted */
#define LONGEST 5
#define LOG_TABLE 256

struct cf_features {
    unsigned bits;
    double weights[KINDS];
    uint32_t *counts[KINDS]; /* [2^bits] each, all 0 between texts */
    uint32_t *touched;       /* buckets with a count, in order */
    size_t touched_count;
    size_t touched_capacity;
    struct cf_words words;
    float log_table[LOG_TABLE]; /* 1 + ln i */
};

static const uint64_t FNV_PRIME = 0x100000001b3;
static const uint64_t seeds[KINDS] = {0xcbf29ce484222325, 0x9ae16a3b2f90404f, 0xc3a5c85c97cb3127};

void cf_sparse_release(struct cf_sparse *v)
{
    free(v->buckets);
    free(v->values);
    *v = (struct cf_sparse)CF_SPARSE_INIT;
}

struct cf_features *cf_features_new(unsigned bits, double bigram_weight, double ngram_weight)
{
    struct cf_features *f = cf_calloc(1, sizeof(*f));
    f->bits = bits;
    f->weights[WORD] = 1;
    f->weights[BIGRAM] = bigram_weight;
    f->weights[NGRAM] = ngram_weight;
    for (size_t k = 0; k < KINDS; k++) {
        f->counts[k] = cf_calloc((size_t)1 << bits, sizeof(*f->counts[k]));
    }
    for (size_t i = 1; i < LOG_TABLE; i++) {
        f->log_table[i] = (float)(1 + log((double)i));
    }
    return f;
}

void cf_features_free(struct cf_features *f)
{
    if (!f) {
        return;
    }
    for (size_t k = 0; k < KINDS; k++) {
        free(f->counts[k]);
    }
    free(f->touched);
    cf_words_release(&f->words);
    free(f);
}

static uint64_t hash(uint64_t h, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        h = (h ^ (unsigned char)bytes[i]) * FNV_PRIME;
    }
    return h;
}

static uint32_t bucket_of(const struct cf_features *f, uint64_t h)
{
    return (uint32_t)(((h ^ h >> 32) * 0x9e3779b97f4a7c15) >> (64 - f->bits));
}

static void count(struct cf_features *f, enum kind kind, uint64_t h)
{
    uint32_t b = bucket_of(f, h);
    if (!(f->counts[WORD][b] | f->counts[BIGRAM][b] | f->counts[NGRAM][b])) {
        f->touched =
            cf_grow(f->touched, f->touched_count, &f->touched_capacity, sizeof(*f->touched));
        f->touched[f->touched_count++] = b;
    }
    f->counts[kind][b]++;
}

/* The n-grams of "<word>", by characters, not bytes. */
static void count_ngrams(struct cf_features *f, const char *word, size_t length)
{
    char marked[CF_WORD_MAX + 2];
    size_t starts[CF_WORD_MAX + 3]; /* where character i begins */
    size_t characters = 0;
    marked[0] = '<';
    memcpy(marked + 1, word, length);
    marked[length + 1] = '>';
    for (size_t i = 0; i < length + 2; i++) {
        if (((unsigned char)marked[i] & 0xc0) != 0x80) {
            starts[characters++] = i;
        }
    }
    starts[characters] = length + 2;
    for (size_t i = 0; i + SHORTEST <= characters; i++) {
        uint64_t h = hash(seeds[NGRAM], marked + starts[i], starts[i + SHORTEST - 1] - starts[i]);
        for (size_t n = SHORTEST; n <= LONGEST && i + n <= characters; n++) {
            h = hash(h, marked + starts[i + n - 1], starts[i + n] - starts[i + n - 1]);
            count(f, NGRAM, h);
        }
    }
}

void cf_features_add(struct cf_features *f, const char *text, size_t length)
{
    uint64_t previous =
        0; /* hash state behind the last whole word and a space; 0 when there is none */
    cf_words_read(&f->words, text, length);
    for (size_t i = 0; i < f->words.count; i++) {
        const struct cf_word *word = &f->words.items[i];
        char stem[CF_WORD_MAX];
        memcpy(stem, cf_word_bytes(&f->words, i), word->length);
        size_t stem_length = cf_porter_stem(stem, word->length);
        count(f, WORD, hash(seeds[WORD], stem, stem_length));
        if (word->part) {
            continue;
        }
        if (previous && f->weights[BIGRAM] > 0) {
            count(f, BIGRAM, hash(previous, stem, stem_length));
        }
        previous = hash(hash(seeds[BIGRAM], stem, stem_length), " ", 1);
        if (f->weights[NGRAM] > 0) {
            count_ngrams(f, cf_word_bytes(&f->words, i), word->length);
        }
    }
}

void cf_features_take(struct cf_features *f, struct cf_sparse *out)
{
    if (f->touched_count > out->capacity) {
        out->capacity = f->touched_count;
        out->buckets = cf_realloc(out->buckets, out->capacity, sizeof(*out->buckets));
        out->values = cf_realloc(out->values, out->capacity, sizeof(*out->values));
    }
    out->count = f->touched_count;
    for (size_t i = 0; i < f->touched_count; i++) {
        uint32_t b = f->touched[i];
        double value = 0;
        for (size_t k = 0; k < KINDS; k++) {
            uint32_t n = f->counts[k][b];
            if (n) {
                value += f->weights[k] * (n < LOG_TABLE ? (double)f->log_table[n] : 1 + log(n));
            }
            f->counts[k][b] = 0;
        }
        out->buckets[i] = b;
        out->values[i] = (float)value;
    }
    f->touched_count = 0;
}

uint32_t cf_features_word_bucket(const struct cf_features *f, const char *word, size_t length)
{
    return bucket_of(f, hash(seeds[WORD], word, length));
}
