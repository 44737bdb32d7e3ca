/* Hashed features of texts: Porter-stemmed words, bigrams of words, and character n-grams of 3
 * to 5.
 *
 * Each feature is hashed (FNV-1a, 64 bits, mixed) to one of 2^bits buckets. A bucket's value is the
 * sum over the three kinds of weight × (1 + ln count), with weight 1 for words and the given ones
 * for the others. No vocabulary is kept, and any text in any language has features. */
#ifndef CF_ENCODER_FEATURES_H
#define CF_ENCODER_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#define CF_FEATURE_BITS_MIN 10
#define CF_FEATURE_BITS_MAX 20

/* A sparse vector; buckets are distinct and in the order in which the text first met them. */
struct cf_sparse {
    uint32_t *buckets;
    float *values;
    size_t count;
    size_t capacity;
};

#define CF_SPARSE_INIT                                                                             \
    {                                                                                              \
        NULL, NULL, 0, 0                                                                           \
    }

void cf_sparse_release(struct cf_sparse *v);

struct cf_features;

struct cf_features *cf_features_new(unsigned bits, double bigram_weight, double ngram_weight);
void cf_features_free(struct cf_features *f);

/* Counts the features of one more text. Bigrams don't reach across texts. */
void cf_features_add(struct cf_features *f, const char *text, size_t length);

/* Replaces what out holds by the vector of everything added since the last call, and starts anew.
 */
void cf_features_take(struct cf_features *f, struct cf_sparse *out);

/* The bucket of one stemmed word: for tests. */
uint32_t cf_features_word_bucket(const struct cf_features *f, const char *word, size_t length);

#endif
