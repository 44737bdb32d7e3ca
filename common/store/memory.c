/* The memory driver: a sorted array of objects, for unit tests. memory: stores live as long as
 * their handle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/listing.h"
#include "common/store/store.h"
#include "common/store/stream.h"

struct object {
    char *key;
    char *data;
    size_t length;
    uint64_t generation; /* of the store's counter when it was written: its ETag */
};

struct memory {
    struct object *objects; /* sorted by key */
    size_t count;
    size_t capacity;
    uint64_t generation;
};

static int memory_open(const char *rest, void **self, struct cf_error *err)
{
    (void)rest;
    (void)err;
    *self = cf_calloc(1, sizeof(struct memory));
    return 0;
}

static void memory_close(void *self)
{
    struct memory *m = self;
    for (size_t i = 0; i < m->count; i++) {
        free(m->objects[i].key);
        free(m->objects[i].data);
    }
    free(m->objects);
    free(m);
}

/* The index of the first object whose key isn't below key. */
static size_t lower_bound(const struct memory *m, const char *key)
{
    size_t low = 0;
    size_t high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(m->objects[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct object *find(const struct memory *m, const char *key)
{
    size_t i = lower_bound(m, key);
    return i < m->count && strcmp(m->objects[i].key, key) == 0 ? &m->objects[i] : NULL;
}

static void set_etag(struct cf_op *op, const struct object *object)
{
    (void)snprintf(op->etag, sizeof(op->etag), "g%llu", (unsigned long long)object->generation);
    op->size = object->length;
}

static int missing(struct cf_op *op)
{
    return cf_error_at(&op->error, CF_ENOTFOUND, "get", op->key, "no such object");
}

static int do_get(const struct memory *m, struct cf_op *op)
{
    const struct object *object = find(m, op->key);
    if (!object) {
        return missing(op);
    }
    set_etag(op, object);
    if (op->kind == CF_OP_STAT) {
        return 0;
    }
    if (op->if_match && strcmp(op->if_match, op->etag) != 0) {
        return cf_error_at(&op->error, CF_ECONFLICT, "get", op->key, "the object has changed");
    }
    return cf_stream_deliver(op, object->data, object->length);
}

static int do_put(struct memory *m, struct cf_op *op)
{
    struct object *object = find(m, op->key);
    if (object && op->kind == CF_OP_PUT_NEW) {
        return cf_error_at(&op->error, CF_ECONFLICT, "put_new", op->key, "the key exists");
    }
    struct cf_buf data = CF_BUF_INIT;
    int rc = cf_stream_collect(op, &data);
    if (rc) {
        cf_buf_release(&data);
        return rc;
    }
    if (!object) {
        size_t i = lower_bound(m, op->key);
        m->objects = cf_grow(m->objects, m->count, &m->capacity, sizeof(*m->objects));
        memmove(&m->objects[i + 1], &m->objects[i], (m->count - i) * sizeof(*m->objects));
        m->count++;
        object = &m->objects[i];
        *object = (struct object){.key = cf_strdup(op->key)};
    }
    free(object->data);
    object->length = data.length;
    object->data = cf_buf_detach(&data);
    object->generation = ++m->generation;
    set_etag(op, object);
    return 0;
}

static int do_delete(struct memory *m, const struct cf_op *op)
{
    size_t i = lower_bound(m, op->key);
    if (i < m->count && strcmp(m->objects[i].key, op->key) == 0) {
        free(m->objects[i].key);
        free(m->objects[i].data);
        memmove(&m->objects[i], &m->objects[i + 1], (m->count - i - 1) * sizeof(*m->objects));
        m->count--;
    }
    return 0;
}

static int do_list(const struct memory *m, struct cf_op *op)
{
    struct cf_listing listing;
    cf_listing_begin(&listing, op);
    size_t i = lower_bound(m, cf_listing_from(&listing));
    while (i < m->count && cf_listing_wants(&listing, m->objects[i].key)) {
        char etag[CF_ETAG_MAX];
        (void)snprintf(etag, sizeof(etag), "g%llu", (unsigned long long)m->objects[i].generation);
        cf_listing_add(&listing, m->objects[i].key, m->objects[i].length, etag);
        i++;
    }
    return 0;
}

static void memory_run(void *self, struct cf_op *ops, size_t count)
{
    struct memory *m = self;
    for (size_t i = 0; i < count; i++) {
        struct cf_op *op = &ops[i];
        switch (op->kind) {
        case CF_OP_GET:
        case CF_OP_STAT:
            op->rc = do_get(m, op);
            break;
        case CF_OP_PUT:
        case CF_OP_PUT_NEW:
            op->rc = do_put(m, op);
            break;
        case CF_OP_DELETE:
            op->rc = do_delete(m, op);
            break;
        case CF_OP_LIST:
            op->rc = do_list(m, op);
            break;
        }
    }
}

const struct cf_store_driver cf_store_memory_driver = {
    .scheme = "memory",
    .conditional_create = true,
    .open = memory_open,
    .run = memory_run,
    .close = memory_close,
};
