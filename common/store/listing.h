/* The rules of LIST, in one place for drivers that walk sorted names: prefix, start_after,
 * grouping, the limit, and whether more names remain. */
#ifndef CF_STORE_LISTING_H
#define CF_STORE_LISTING_H

#include "common/store/store.h"

struct cf_listing {
    struct cf_op *op;
    size_t capacity;
    char from[CF_KEY_MAX];
};

void cf_listing_begin(struct cf_listing *listing, struct cf_op *op);

/* Names below this one needn't be offered. */
const char *cf_listing_from(const struct cf_listing *listing);

/* True when names from this one on are still of interest: it has the prefix and the page isn't
 * full, or it will show that more remain. */
bool cf_listing_wants(const struct cf_listing *listing, const char *key);

/* Offers one name; they must come in byte order. */
void cf_listing_add(struct cf_listing *listing, const char *key, uint64_t size, const char *etag);

#endif
