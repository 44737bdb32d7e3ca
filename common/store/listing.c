#include "common/store/listing.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"

void cf_listing_begin(struct cf_listing *listing, struct cf_op *op)
{
    *listing = (struct cf_listing){.op = op};
    bool later = op->start_after && strcmp(op->start_after, op->key) > 0;
    (void)snprintf(listing->from, sizeof(listing->from), "%s", later ? op->start_after : op->key);
}

const char *cf_listing_from(const struct cf_listing *listing)
{
    return listing->from;
}

bool cf_listing_wants(const struct cf_listing *listing, const char *key)
{
    const struct cf_op *op = listing->op;
    return !op->more && strncmp(key, op->key, strlen(op->key)) == 0;
}

/* The length of the group that a key falls into, 0 when it stands for itself. */
static size_t group_length(const struct cf_op *op, const char *key)
{
    size_t prefix = strlen(op->key);
    const char *slash = op->group_by_slash ? strchr(key + prefix, '/') : NULL;
    return slash ? (size_t)(slash - key) + 1 : 0;
}

void cf_listing_add(struct cf_listing *listing, const char *key, uint64_t size, const char *etag)
{
    struct cf_op *op = listing->op;
    if (op->start_after && strcmp(key, op->start_after) <= 0) {
        return;
    }
    size_t group = group_length(op, key);
    if (group && op->listed_count) {
        const char *last = op->listed[op->listed_count - 1].key;
        if (strlen(last) == group && strncmp(last, key, group) == 0) {
            return;
        }
    }
    if (op->listed_count == op->max_keys) {
        op->more = true;
        return;
    }
    op->listed = cf_grow(op->listed, op->listed_count, &listing->capacity, sizeof(*op->listed));
    struct cf_listed *entry = &op->listed[op->listed_count++];
    *entry = (struct cf_listed){.group = group > 0};
    entry->key = group ? cf_strndup(key, group) : cf_strdup(key);
    if (!group) {
        entry->size = size;
        (void)snprintf(entry->etag, sizeof(entry->etag), "%s", etag);
    }
}
