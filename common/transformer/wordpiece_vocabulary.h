/* Private to wordpiece.c: the vocabulary as a hash table. */
#ifndef CF_TRANSFORMER_WORDPIECE_VOCABULARY_H
#define CF_TRANSFORMER_WORDPIECE_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/transformer/wordpiece.h"

enum { CF_WORDPIECE_SPECIALS = 5 };
extern const char *const cf_wordpiece_specials[CF_WORDPIECE_SPECIALS];

/* Open addressing: at most half of the slots are taken. */
struct cf_wordpiece_slot {
    uint32_t hash;
    int32_t id; /* -1: empty */
};

struct cf_wordpiece {
    char *text;      /* all tokens, each with a NUL behind it */
    size_t *offsets; /* [count + 1] into text */
    size_t count;
    size_t longest; /* bytes of the longest piece, without its "##" */
    struct cf_wordpiece_slot *slots;
    size_t mask; /* how many slots there are, a power of two, less 1 */
    int32_t unknown, begin, end;
    int32_t special[CF_WORDPIECE_SPECIALS]; /* -1: not in the vocabulary */
};

/* The longest piece that text begins with and that ends between two characters; of those written
 * with "##" when inside is set, else of the others. *used is set to its bytes. -1: there is none.
 * text is UTF-8. */
int32_t cf_wordpiece_longest(const struct cf_wordpiece *w, const char *text, size_t length,
                             bool inside, size_t *used);

#endif
