#include "common/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/module.h"

struct cf_store {
    const struct cf_store_driver *driver;
    void *self;
    char *url;
};

static const struct cf_store_driver *const drivers[] = {
    &cf_store_file_driver,
    &cf_store_memory_driver,
    &cf_store_s3_driver,
};

static const volatile int *stop_flag;

static const size_t DEFAULT_MAX_BODY = (size_t)64 << 20;

void cf_store_stop_on(const volatile int *stop)
{
    stop_flag = stop;
}

const volatile int *cf_store_stop(void)
{
    return stop_flag;
}

void cf_op_release(struct cf_op *op)
{
    cf_buf_release(&op->body);
    for (size_t i = 0; i < op->listed_count; i++) {
        free(op->listed[i].key);
    }
    free(op->listed);
    op->listed = NULL;
    op->listed_count = 0;
}

static int open_with(const struct cf_store_driver *driver, const char *url, struct cf_store **out,
                     struct cf_error *err)
{
    void *self = NULL;
    int rc = driver->open(strchr(url, ':') + 1, &self, err);
    if (!rc) {
        *out = cf_store_wrap(driver, self, url);
    }
    return rc;
}

int cf_store_open(const char *url, struct cf_store **out, struct cf_error *err)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        size_t length = strlen(drivers[i]->scheme);
        if (strncmp(url, drivers[i]->scheme, length) == 0 && url[length] == ':') {
            return open_with(drivers[i], url, out, err);
        }
    }
    if (strncmp(url, "s3v2:", 5) == 0) {
        const struct cf_store_driver *driver = NULL;
        int rc = cf_store_sigv2_load(&driver, err);
        return rc ? rc : open_with(driver, url, out, err);
    }
    return cf_error_set(err, CF_EUSAGE,
                        "\"%.60s\" is not a store: a URL such as file:/absolute/path or "
                        "s3://bucket/prefix is expected",
                        url);
}

struct cf_store *cf_store_wrap(const struct cf_store_driver *driver, void *self, const char *url)
{
    struct cf_store *store = cf_malloc(sizeof(*store));
    *store = (struct cf_store){.driver = driver, .self = self, .url = cf_strdup(url)};
    return store;
}

void cf_store_free(struct cf_store *store)
{
    if (store) {
        store->driver->close(store->self);
        free(store->url);
        free(store);
    }
}

const char *cf_store_url(const struct cf_store *store)
{
    return store->url;
}

bool cf_store_can_commit(const struct cf_store *store)
{
    const struct cf_store_driver *driver = store->driver;
    return driver->can_commit ? driver->can_commit(store->self) : driver->conditional_create;
}

bool cf_key_is_valid(const char *key, bool is_prefix)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t length = strlen(key);
    if (length >= CF_KEY_MAX || (length == 0 && !is_prefix)) {
        return false;
    }
    const char *segment = key;
    while (*segment) {
        size_t n = strspn(segment, allowed);
        bool last = segment[n] == '\0';
        bool dots = (n == 1 && segment[0] == '.') || (n == 2 && strncmp(segment, "..", 2) == 0);
        if (n == 0 || (dots && !(last && is_prefix)) || (!last && segment[n] != '/')) {
            return false;
        }
        if (last) {
            return true;
        }
        segment += n + 1;
    }
    return is_prefix; /* it was empty, or ended with a slash */
}

static const char *const op_names[] = {"get", "put", "put_new", "list", "delete", "stat"};

/* Clears the results and refuses bad keys; those operations never reach the driver. */
static void prepare(struct cf_op *op)
{
    cf_op_release(op);
    op->rc = 0;
    memset(&op->error, 0, sizeof(op->error));
    op->size = 0;
    op->etag[0] = '\0';
    op->more = false;
    if (!op->max_body) {
        op->max_body = DEFAULT_MAX_BODY;
    }
    if (!op->max_keys || op->max_keys > CF_LIST_MAX) {
        op->max_keys = CF_LIST_MAX;
    }
    bool is_list = op->kind == CF_OP_LIST;
    if (!op->key || !cf_key_is_valid(op->key, is_list)) {
        op->rc = cf_error_at(&op->error, CF_EUSAGE, op_names[op->kind], op->key,
                             "not a key that the contract allows");
    }
}

int cf_store_run(struct cf_store *store, struct cf_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        prepare(&ops[i]);
    }
    /* The driver gets the runs of operations between those that were refused. */
    size_t end = 0;
    for (size_t start = 0; start < count; start = end + 1) {
        for (end = start; end < count && !ops[end].rc; end++) {
        }
        if (end > start) {
            store->driver->run(store->self, ops + start, end - start);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (ops[i].rc) {
            return ops[i].rc;
        }
    }
    return 0;
}

static int run_one(struct cf_store *store, struct cf_op *op, struct cf_error *err)
{
    int rc = cf_store_run(store, op, 1);
    if (rc && err) {
        *err = op->error;
    }
    return rc;
}

int cf_store_get(struct cf_store *store, const char *key, struct cf_buf *body, struct cf_error *err)
{
    struct cf_op op = {.kind = CF_OP_GET, .key = key};
    int rc = run_one(store, &op, err);
    if (!rc) {
        cf_buf_release(body);
        *body = op.body;
        op.body = (struct cf_buf)CF_BUF_INIT;
    }
    cf_op_release(&op);
    return rc;
}

int cf_store_tidy(struct cf_store *store, uint64_t *removed, struct cf_error *err)
{
    *removed = 0;
    return store->driver->tidy ? store->driver->tidy(store->self, removed, err) : 0;
}

json_t *cf_store_describe(struct cf_store *store)
{
    return store->driver->describe ? store->driver->describe(store->self) : NULL;
}

static int put(struct cf_store *store, enum cf_op_kind kind, const char *key, const void *data,
               size_t length, struct cf_error *err)
{
    struct cf_op op = {.kind = kind, .key = key, .data = data, .length = length};
    int rc = run_one(store, &op, err);
    cf_op_release(&op);
    return rc;
}

int cf_store_put(struct cf_store *store, const char *key, const void *data, size_t length,
                 struct cf_error *err)
{
    return put(store, CF_OP_PUT, key, data, length, err);
}

int cf_store_put_new(struct cf_store *store, const char *key, const void *data, size_t length,
                     struct cf_error *err)
{
    return put(store, CF_OP_PUT_NEW, key, data, length, err);
}

int cf_store_delete(struct cf_store *store, const char *key, struct cf_error *err)
{
    struct cf_op op = {.kind = CF_OP_DELETE, .key = key};
    int rc = run_one(store, &op, err);
    cf_op_release(&op);
    return rc;
}

int cf_store_walk(struct cf_store *store, const char *prefix, const char *start_after,
                  bool group_by_slash, int (*visit)(void *context, const struct cf_listed *listed),
                  void *context, struct cf_error *err)
{
    char *after = start_after ? cf_strdup(start_after) : NULL;
    int rc = 0;
    bool more = true;
    while (more && !rc) {
        struct cf_op op = {.kind = CF_OP_LIST,
                           .key = prefix,
                           .start_after = after,
                           .group_by_slash = group_by_slash};
        rc = run_one(store, &op, err);
        for (size_t i = 0; i < op.listed_count && !rc; i++) {
            rc = visit(context, &op.listed[i]);
        }
        more = op.more && op.listed_count > 0;
        if (more) {
            /* After a group, the next page begins behind everything in it: "~" sorts after every
             * character of a key. */
            const struct cf_listed *last = &op.listed[op.listed_count - 1];
            free(after);
            after = cf_asprintf("%s%s", last->key, last->group ? "~" : "");
        }
        cf_op_release(&op);
    }
    free(after);
    return rc;
}
