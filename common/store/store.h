/* An object store: named runs of bytes, written whole and never changed in place.
 *
 * One call, cf_store_run, carries out any number of operations; a driver keeps several of them in
 * flight when that pays. Every operation ends with its own result, so one failure doesn't hide
 * another's success. Drivers stand behind struct cf_store_driver, which wrappers (counting, faults,
 * stepping in tests) implement as well.
 *
 * Keys consist of [a-z0-9_/.-], without an empty, "." or ".." segment, and have fewer than
 * CF_KEY_MAX bytes; anything else is CF_EUSAGE before any request is made. */
#ifndef CF_STORE_STORE_H
#define CF_STORE_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

#define CF_KEY_MAX 512
#define CF_ETAG_MAX 72
#define CF_LIST_MAX 1000 /* most names one LIST returns */

enum cf_op_kind {
    CF_OP_GET,
    CF_OP_PUT,
    CF_OP_PUT_NEW, /* put if absent: CF_ECONFLICT when the key exists */
    CF_OP_LIST,
    CF_OP_DELETE, /* a key that isn't there is no error */
    CF_OP_STAT,
};

struct cf_listed {
    char *key;     /* whole key; for a group, the prefix with its final "/" */
    uint64_t size; /* 0 for a group */
    char etag[CF_ETAG_MAX];
    bool group; /* a common prefix, when group_by_slash was asked */
};

/* Where a streamed PUT comes from. read copies up to size bytes and sets *got (0: the end); rewind
 * goes back to the first byte, since an attempt may have to be repeated. Both return 0 or a CF_E…
 * code. */
struct cf_source {
    int (*read)(void *context, void *data, size_t size, size_t *got);
    int (*rewind)(void *context);
    void *context;
    uint64_t size;
    /* As read, but from any place, leaving read's alone: parts of a large object can then go up
     * side by side. NULL: they go up one after the other. */
    int (*read_at)(void *context, uint64_t offset, void *data, size_t size, size_t *got);
};

/* Where a streamed GET goes. write takes the next bytes; restart says that an attempt is repeated
 * from the first byte of the wanted range, and what came so far is void. */
struct cf_sink {
    int (*write)(void *context, const void *data, size_t length);
    int (*restart)(void *context);
    void *context;
};

struct cf_op {
    enum cf_op_kind kind;
    const char *key; /* for a LIST, the prefix, which may end anywhere or be "" */

    /* PUT, PUT_NEW: data and length, or a source. Borrowed until the call returns. */
    const void *data;
    size_t length;
    const struct cf_source *source;
    const char *content_type; /* NULL: application/octet-stream */

    /* GET: the wanted bytes, the object's version, and where they go (sink, or else body). */
    uint64_t offset;
    uint64_t
        limit; /* most bytes; 0: to the end. A range that starts behind the end gives no bytes */
    const char *if_match; /* ETag the object must have: else CF_ECONFLICT */
    const struct cf_sink *sink;
    size_t max_body; /* of body: a larger object is CF_EDATA; 0: 64 MiB */

    /* LIST */
    const char *start_after; /* only keys after this one; NULL: from the first */
    size_t max_keys;         /* 1 to CF_LIST_MAX; 0: CF_LIST_MAX */
    bool group_by_slash;     /* keys that share the part up to the next "/" come as one group */

    /* Results */
    int rc;
    struct cf_error error;
    struct cf_buf body;       /* GET without a sink */
    uint64_t size;            /* GET, STAT: of the whole object */
    char etag[CF_ETAG_MAX];   /* GET, STAT, PUT, PUT_NEW */
    struct cf_listed *listed; /* LIST: in byte order of the keys */
    size_t listed_count;
    bool more; /* LIST: names remain behind the last one */
};

/* Frees the results of an operation; the rest of it stays as it is. */
void cf_op_release(struct cf_op *op);

struct cf_store;

/* Opens what a URL names: file:/absolute/path, s3://bucket/prefix, s3v2://bucket/prefix
 * (for which a module is loaded: module.h), memory:NAME. CF_EUSAGE for another kind. Nothing is
 * created and no request is made before the first operation. */
int cf_store_open(const char *url, struct cf_store **out, struct cf_error *err);
void cf_store_free(struct cf_store *store); /* NULL is fine */

/* The URL without anything secret. */
const char *cf_store_url(const struct cf_store *store);

/* What its driver says of where the store lies and who asks, for cloudfolio doctor; NULL when it
 * has nothing to say. No operation is run; credentials may be fetched, and are never part of it.
 * For s3: endpoint, bucket, prefix, region, addressing ("path" or "virtual-hosted"), clock_skew_s
 * (how far this machine is ahead of the service, null before its first answer), and credentials:
 * source and expires_ms (null: never), or error and code. */
json_t *cf_store_describe(struct cf_store *store);

/* Once *stop isn't 0, stores that are opened from now on have 10 s left for what is under way and
 * for what still has to be written down; then every operation ends with CF_EINTERRUPTED. NULL:
 * never. */
void cf_store_stop_on(const volatile int *stop);

/* Carries out ops[0…count-1], in no fixed order. Returns 0 when all of them succeeded, else the rc
 * of the first that failed. */
int cf_store_run(struct cf_store *store, struct cf_op *ops, size_t count);

/* Single operations. The error is copied to err; results are as in struct cf_op. */
int cf_store_get(struct cf_store *store, const char *key, struct cf_buf *body,
                 struct cf_error *err);
int cf_store_put(struct cf_store *store, const char *key, const void *data, size_t length,
                 struct cf_error *err);
int cf_store_put_new(struct cf_store *store, const char *key, const void *data, size_t length,
                     struct cf_error *err);
int cf_store_delete(struct cf_store *store, const char *key, struct cf_error *err);

/* Walks every name below a prefix in order, page by page: visit returns 0 to go on, else that code
 * ends the walk and is returned. group_by_slash as in struct cf_op. */
int cf_store_walk(struct cf_store *store, const char *prefix, const char *start_after,
                  bool group_by_slash, int (*visit)(void *context, const struct cf_listed *listed),
                  void *context, struct cf_error *err);

/* Removes what writers that died left outside the key space, such as temporary files; *removed
 * counts them. Safe while others write. */
int cf_store_tidy(struct cf_store *store, uint64_t *removed, struct cf_error *err);

struct cf_store_driver {
    const char *scheme;             /* "file", as in its URLs */
    bool conditional_create;        /* PUT_NEW is atomic: needed to commit */
    bool (*can_commit)(void *self); /* asked instead, when it depends on the store; or NULL */
    int (*open)(const char *rest, void **self,
                struct cf_error *err); /* rest: what follows "scheme:" */
    void (*run)(void *self, struct cf_op *ops,
                size_t count); /* keys are checked, results are cleared */
    int (*tidy)(void *self, uint64_t *removed, struct cf_error *err); /* or NULL */
    json_t *(*describe)(void *self);                                  /* or NULL */
    void (*close)(void *self);
};

extern const struct cf_store_driver cf_store_file_driver;
extern const struct cf_store_driver cf_store_memory_driver;
extern const struct cf_store_driver cf_store_s3_driver;

/* A store over a driver's object that exists already: self is closed by cf_store_free. */
struct cf_store *cf_store_wrap(const struct cf_store_driver *driver, void *self, const char *url);

/* What cf_store_stop_on was given. */
const volatile int *cf_store_stop(void);

bool cf_store_can_commit(const struct cf_store *store);

/* True for a key that the contract allows; a prefix may be empty or end with "/". */
bool cf_key_is_valid(const char *key, bool is_prefix);

#endif
