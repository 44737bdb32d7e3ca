#include "common/encoder/bm25.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/text.h"

struct posting {
    int32_t term;
    int32_t document;
    float weight;
};

/* What is needed until the index is finished. */
struct builder {
    struct cf_buf bytes; /* the terms, one after another */
    size_t *offsets;     /* of each term; one more for the end */
    size_t offset_capacity;
    float *weights; /* of each term in the present document */
    size_t weight_capacity;
    int32_t *touched; /* terms of the present document */
    size_t touched_count;
    size_t touched_capacity;
    struct posting *postings;
    size_t posting_count;
    size_t posting_capacity;
    size_t length_capacity;
    int32_t *slots; /* hash table of term numbers + 1, 0 is free; a power of two */
    size_t slot_count;
};

struct cf_bm25 {
    struct cf_bm25_options options;
    size_t documents;
    size_t terms;
    float *lengths; /* [documents] */
    double average_length;
    char *bytes;              /* the terms in order of their bytes */
    int32_t *term_offsets;    /* [terms + 1], into bytes */
    int32_t *posting_offsets; /* [terms + 1], into the two below */
    int32_t *posting_documents;
    float *posting_weights;
    struct builder *builder; /* NULL once finished */
};

struct cf_bm25 *cf_bm25_new(const struct cf_bm25_options *options)
{
    struct cf_bm25 *index = cf_calloc(1, sizeof(*index));
    index->options = *options;
    struct builder *b = cf_calloc(1, sizeof(*b));
    b->slot_count = 4096;
    b->slots = cf_calloc(b->slot_count, sizeof(*b->slots));
    b->offsets = cf_grow(NULL, 0, &b->offset_capacity, sizeof(*b->offsets));
    b->offsets[0] = 0;
    index->builder = b;
    return index;
}

static void free_builder(struct builder *b)
{
    if (!b) {
        return;
    }
    cf_buf_release(&b->bytes);
    free(b->offsets);
    free(b->weights);
    free(b->touched);
    free(b->postings);
    free(b->slots);
    free(b);
}

void cf_bm25_free(struct cf_bm25 *index)
{
    if (!index) {
        return;
    }
    free_builder(index->builder);
    free(index->lengths);
    free(index->bytes);
    free(index->term_offsets);
    free(index->posting_offsets);
    free(index->posting_documents);
    free(index->posting_weights);
    free(index);
}

size_t cf_bm25_documents(const struct cf_bm25 *index)
{
    return index->documents;
}

size_t cf_bm25_words(const struct cf_bm25 *index)
{
    return index->terms;
}

static uint64_t hash(const char *word, size_t length)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++) {
        h = (h ^ (unsigned char)word[i]) * 0x100000001b3;
    }
    return h ^ h >> 29;
}

static void rehash(struct cf_bm25 *index)
{
    struct builder *b = index->builder;
    free(b->slots);
    b->slot_count *= 2;
    b->slots = cf_calloc(b->slot_count, sizeof(*b->slots));
    for (size_t t = 0; t < index->terms; t++) {
        size_t length = b->offsets[t + 1] - b->offsets[t];
        size_t at = hash(b->bytes.data + b->offsets[t], length) & (b->slot_count - 1);
        while (b->slots[at]) {
            at = (at + 1) & (b->slot_count - 1);
        }
        b->slots[at] = (int32_t)t + 1;
    }
}

/* The number of a term, a new one when it is met for the first time. */
static size_t intern(struct cf_bm25 *index, const char *word, size_t length)
{
    struct builder *b = index->builder;
    size_t at = hash(word, length) & (b->slot_count - 1);
    for (; b->slots[at]; at = (at + 1) & (b->slot_count - 1)) {
        size_t t = (size_t)b->slots[at] - 1;
        if (b->offsets[t + 1] - b->offsets[t] == length &&
            memcmp(b->bytes.data + b->offsets[t], word, length) == 0) {
            return t;
        }
    }
    size_t t = index->terms++;
    b->slots[at] = (int32_t)t + 1;
    cf_buf_append(&b->bytes, word, length);
    b->offsets = cf_grow(b->offsets, t + 1, &b->offset_capacity, sizeof(*b->offsets));
    b->offsets[t + 1] = b->bytes.length;
    b->weights = cf_grow(b->weights, t, &b->weight_capacity, sizeof(*b->weights));
    b->weights[t] = 0;
    if (index->terms * 2 > b->slot_count) {
        rehash(index);
    }
    return t;
}

/* Closes the document that is open. */
static void end_document(struct cf_bm25 *index)
{
    struct builder *b = index->builder;
    for (size_t i = 0; i < b->touched_count; i++) {
        int32_t t = b->touched[i];
        b->postings =
            cf_grow(b->postings, b->posting_count, &b->posting_capacity, sizeof(*b->postings));
        b->postings[b->posting_count++] =
            (struct posting){t, (int32_t)index->documents - 1, b->weights[t]};
        b->weights[t] = 0;
    }
    b->touched_count = 0;
}

void cf_bm25_begin(struct cf_bm25 *index)
{
    struct builder *b = index->builder;
    end_document(index);
    index->lengths =
        cf_grow(index->lengths, index->documents, &b->length_capacity, sizeof(*index->lengths));
    index->lengths[index->documents++] = 0;
}

/* The word as the index knows it, in buffer. False when it isn't one of the index's words. */
static bool analyse(const struct cf_bm25 *index, const struct cf_words *words, size_t i,
                    char buffer[CF_WORD_MAX], size_t *length)
{
    const struct cf_word *word = &words->items[i];
    if (word->part && !index->options.split) {
        return false;
    }
    memcpy(buffer, cf_word_bytes(words, i), word->length);
    *length = index->options.stem ? cf_text_stem_s(buffer, word->length) : word->length;
    return true;
}

void cf_bm25_add(struct cf_bm25 *index, const char *text, size_t length, double weight)
{
    struct builder *b = index->builder;
    struct cf_words words = CF_WORDS_INIT;
    double total = 0;
    cf_words_read(&words, text, length);
    for (size_t i = 0; i < words.count; i++) {
        char word[CF_WORD_MAX];
        size_t word_length = 0;
        if (!analyse(index, &words, i, word, &word_length)) {
            continue;
        }
        size_t t = intern(index, word, word_length);
        if (b->weights[t] == 0) {
            b->touched =
                cf_grow(b->touched, b->touched_count, &b->touched_capacity, sizeof(*b->touched));
            b->touched[b->touched_count++] = (int32_t)t;
        }
        b->weights[t] += (float)weight;
        total += weight;
    }
    index->lengths[index->documents - 1] += (float)total;
    cf_words_release(&words);
}

struct named {
    const char *bytes;
    size_t length;
    size_t term;
};

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int by_bytes(const void *a, const void *b)
{
    const struct named *x = a;
    const struct named *y = b;
    return compare_bytes(x->bytes, x->length, y->bytes, y->length);
}

/* Lays the terms out in order of their bytes; place[t] becomes the new number of term t. */
static void sort_terms(struct cf_bm25 *index, size_t *place)
{
    struct builder *b = index->builder;
    struct named *named = cf_calloc(index->terms, sizeof(*named));
    for (size_t t = 0; t < index->terms; t++) {
        named[t] =
            (struct named){b->bytes.data + b->offsets[t], b->offsets[t + 1] - b->offsets[t], t};
    }
    if (index->terms) {
        qsort(named, index->terms, sizeof(*named), by_bytes);
    }
    index->bytes = cf_malloc(b->bytes.length);
    index->term_offsets = cf_calloc(index->terms + 1, sizeof(*index->term_offsets));
    size_t end = 0;
    for (size_t i = 0; i < index->terms; i++) {
        place[named[i].term] = i;
        memcpy(index->bytes + end, named[i].bytes, named[i].length);
        end += named[i].length;
        index->term_offsets[i + 1] = (int32_t)end;
    }
    free(named);
}

static void average(struct cf_bm25 *index)
{
    double total = 0;
    for (size_t d = 0; d < index->documents; d++) {
        total += (double)index->lengths[d];
    }
    index->average_length = index->documents && total > 0 ? total / (double)index->documents : 1;
}

void cf_bm25_finish(struct cf_bm25 *index)
{
    struct builder *b = index->builder;
    end_document(index);
    size_t *place = cf_calloc(index->terms, sizeof(*place));
    sort_terms(index, place);
    index->posting_offsets = cf_calloc(index->terms + 1, sizeof(*index->posting_offsets));
    index->posting_documents = cf_calloc(b->posting_count, sizeof(*index->posting_documents));
    index->posting_weights = cf_calloc(b->posting_count, sizeof(*index->posting_weights));
    size_t *next = cf_calloc(index->terms + 1, sizeof(*next));
    for (size_t i = 0; i < b->posting_count; i++) {
        next[place[b->postings[i].term] + 1]++;
    }
    for (size_t t = 0; t < index->terms; t++) {
        next[t + 1] += next[t];
        index->posting_offsets[t + 1] = (int32_t)next[t + 1];
    }
    for (size_t i = 0; i < b->posting_count; i++) {
        size_t at = next[place[b->postings[i].term]]++;
        index->posting_documents[at] = b->postings[i].document;
        index->posting_weights[at] = b->postings[i].weight;
    }
    free(next);
    free(place);
    free_builder(b);
    index->builder = NULL;
    average(index);
}

/* The number of a term, or index->terms. */
static size_t find(const struct cf_bm25 *index, const char *word, size_t length)
{
    size_t low = 0;
    size_t high = index->terms;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const int32_t *offset = index->term_offsets + middle;
        int order =
            compare_bytes(word, length, index->bytes + offset[0], (size_t)(offset[1] - offset[0]));
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return index->terms;
}

static void score_term(const struct cf_bm25 *index, size_t term, double *scores)
{
    size_t from = (size_t)index->posting_offsets[term];
    size_t to = (size_t)index->posting_offsets[term + 1];
    double n = (double)(to - from);
    double idf = log(1 + ((double)index->documents - n + .5) / (n + .5));
    double k1 = index->options.k1;
    double b = index->options.b;
    for (size_t i = from; i < to; i++) {
        size_t d = (size_t)index->posting_documents[i];
        double f = (double)index->posting_weights[i];
        double norm = k1 * (1 - b + b * (double)index->lengths[d] / index->average_length);
        scores[d] += idf * f * (k1 + 1) / (f + norm);
    }
}

size_t cf_bm25_score(const struct cf_bm25 *index, const char *question, size_t length,
                     double *scores)
{
    struct cf_words words = CF_WORDS_INIT;
    size_t known = 0;
    for (size_t d = 0; d < index->documents; d++) {
        scores[d] = 0;
    }
    cf_words_read(&words, question, length);
    for (size_t i = 0; i < words.count; i++) {
        char word[CF_WORD_MAX];
        size_t word_length = 0;
        if (!analyse(index, &words, i, word, &word_length)) {
            continue;
        }
        size_t term = find(index, word, word_length);
        if (term < index->terms) {
            known++;
            score_term(index, term, scores);
        }
    }
    cf_words_release(&words);
    return known;
}

size_t cf_bm25_frequency(const struct cf_bm25 *index, const char *word, size_t length)
{
    size_t term = find(index, word, length);
    return term == index->terms
               ? 0
               : (size_t)(index->posting_offsets[term + 1] - index->posting_offsets[term]);
}

bool cf_bm25_contains(const struct cf_bm25 *index, size_t document, const char *word, size_t length)
{
    size_t term = find(index, word, length);
    if (term == index->terms) {
        return false;
    }
    for (int32_t i = index->posting_offsets[term]; i < index->posting_offsets[term + 1]; i++) {
        if ((size_t)index->posting_documents[i] == document) {
            return true;
        }
    }
    return false;
}

void cf_bm25_save(const struct cf_bm25 *index, struct cf_tensors *tensors)
{
    size_t postings = (size_t)index->posting_offsets[index->terms];
    cf_tensors_add(tensors, "bm25.lengths", CF_F32, index->lengths, index->documents, 0);
    cf_tensors_add(tensors, "bm25.terms", CF_U8, index->bytes,
                   (size_t)index->term_offsets[index->terms], 0);
    cf_tensors_add(tensors, "bm25.term_offsets", CF_I32, index->term_offsets, index->terms + 1, 0);
    cf_tensors_add(tensors, "bm25.posting_offsets", CF_I32, index->posting_offsets,
                   index->terms + 1, 0);
    cf_tensors_add(tensors, "bm25.posting_documents", CF_I32, index->posting_documents, postings,
                   0);
    cf_tensors_add(tensors, "bm25.posting_weights", CF_F32, index->posting_weights, postings, 0);
}

static int load_terms(const struct cf_tensors *tensors, const char *file, struct cf_bm25 *index,
                      struct cf_error *err)
{
    size_t bytes = 0;
    size_t count = 0;
    int code = cf_tensors_get_u8(tensors, file, "bm25.terms", &bytes, &index->bytes, err);
    code = code ? code
                : cf_tensors_get_i32(tensors, file, "bm25.term_offsets", CF_ANY, 0, INT32_MAX,
                                     &count, &index->term_offsets, err);
    code = code ? code
                : cf_tensors_check_offsets(index->term_offsets, count, bytes, file,
                                           "bm25.term_offsets", err);
    index->terms = count ? count - 1 : 0;
    for (size_t t = 1; !code && t < index->terms; t++) {
        const int32_t *o = index->term_offsets + t;
        if (compare_bytes(index->bytes + o[-1], (size_t)(o[0] - o[-1]), index->bytes + o[0],
                          (size_t)(o[1] - o[0])) >= 0) {
            code = cf_error_at(err, CF_EDATA, "load", file,
                               "%s: tensor \"bm25.terms\" isn't sorted", file);
        }
    }
    return code;
}

static int load_postings(const struct cf_tensors *tensors, const char *file, struct cf_bm25 *index,
                         struct cf_error *err)
{
    size_t count = 0;
    int code =
        cf_tensors_get_i32(tensors, file, "bm25.posting_documents", CF_ANY, 0,
                           (int32_t)index->documents - 1, &count, &index->posting_documents, err);
    code = code ? code
                : cf_tensors_get_i32(tensors, file, "bm25.posting_offsets", index->terms + 1, 0,
                                     INT32_MAX, NULL, &index->posting_offsets, err);
    code = code ? code
                : cf_tensors_check_offsets(index->posting_offsets, index->terms + 1, count, file,
                                           "bm25.posting_offsets", err);
    code = code ? code
                : cf_tensors_get_f32(tensors, file, "bm25.posting_weights", 1, &count, NULL,
                                     &index->posting_weights, err);
    for (size_t i = 0; !code && i < count; i++) {
        if (!(index->posting_weights[i] > 0)) {
            code =
                cf_error_at(err, CF_EDATA, "load", file,
                            "%s: tensor \"bm25.posting_weights\" holds a value out of range", file);
        }
    }
    for (size_t t = 0; !code && t < index->terms; t++) {
        size_t n = (size_t)(index->posting_offsets[t + 1] - index->posting_offsets[t]);
        if (n > index->documents) { /* else the IDF's logarithm could be undefined */
            code = cf_error_at(
                err, CF_EDATA, "load", file,
                "%s: tensor \"bm25.posting_offsets\" has more postings than documents", file);
        }
    }
    return code;
}

int cf_bm25_load(const struct cf_tensors *tensors, const char *file,
                 const struct cf_bm25_options *options, size_t documents, struct cf_bm25 **out,
                 struct cf_error *err)
{
    struct cf_bm25 *index = cf_calloc(1, sizeof(*index));
    index->options = *options;
    index->documents = documents;
    int code = cf_tensors_get_f32(tensors, file, "bm25.lengths", 1, &documents, NULL,
                                  &index->lengths, err);
    for (size_t d = 0; !code && d < documents; d++) {
        if (!(index->lengths[d] >= 0)) {
            code = cf_error_at(err, CF_EDATA, "load", file,
                               "%s: tensor \"bm25.lengths\" holds a value out of range", file);
        }
    }
    code = code ? code : load_terms(tensors, file, index, err);
    code = code ? code : load_postings(tensors, file, index, err);
    if (code) {
        cf_bm25_free(index);
        return code;
    }
    average(index);
    *out = index;
    return 0;
}
