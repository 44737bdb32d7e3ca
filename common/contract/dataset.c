#include "common/contract/dataset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/compress.h"
#include "common/base/json.h"

static const uint64_t TOP = UINT64_C(0x7fffffffffffffff); /* markers' names count down from here */
enum { RESOLVE_ATTEMPTS = 32, IN_FLIGHT = 64 };

void cf_dataset_init(struct cf_dataset *dataset, struct cf_store *store, const char *tenant,
                     const char *name)
{
    *dataset = (struct cf_dataset){.store = store};
    (void)snprintf(dataset->tenant, sizeof(dataset->tenant), "%s", tenant ? tenant : "");
    (void)snprintf(dataset->name, sizeof(dataset->name), "%s", name);
}

void cf_dataset_prefix(const struct cf_dataset *dataset, char kind, char out[CF_KEY_MAX])
{
    if (*dataset->tenant) {
        (void)snprintf(out, CF_KEY_MAX, "tenants/%s/%s/%c/", dataset->tenant, dataset->name, kind);
    } else {
        (void)snprintf(out, CF_KEY_MAX, "shared/%s/%c/", dataset->name, kind);
    }
}

void cf_dataset_marker_key(const struct cf_dataset *dataset, uint64_t version, char out[CF_KEY_MAX])
{
    cf_dataset_prefix(dataset, 'v', out);
    size_t n = strlen(out);
    (void)snprintf(out + n, CF_KEY_MAX - n, "%016" PRIx64, TOP - version);
}

void cf_dataset_blob_key(const struct cf_dataset *dataset, uint64_t version, const char *sha256,
                         char out[CF_KEY_MAX])
{
    cf_dataset_prefix(dataset, 'b', out);
    size_t n = strlen(out);
    (void)snprintf(out + n, CF_KEY_MAX - n, "%016" PRIx64 "/%s", version, sha256);
}

uint64_t cf_dataset_key_version(const struct cf_dataset *dataset, const char *key)
{
    char prefix[CF_KEY_MAX];
    cf_dataset_prefix(dataset, 'v', prefix);
    size_t n = strlen(prefix);
    if (strncmp(key, prefix, n) != 0 || !cf_is_hex(key + n, 16)) {
        return 0;
    }
    uint64_t name = strtoull(key + n, NULL, 16);
    return name <= TOP ? TOP - name : 0;
}

uint64_t cf_dataset_blob_version(const struct cf_dataset *dataset, const char *key)
{
    char prefix[CF_KEY_MAX];
    cf_dataset_prefix(dataset, 'b', prefix);
    size_t n = strlen(prefix);
    if (strncmp(key, prefix, n) != 0 || strspn(key + n, "0123456789abcdef") != 16 ||
        key[n + 16] != '/' || !cf_is_hex(key + n + 17, 64)) {
        return 0;
    }
    return strtoull(key + n, NULL, 16);
}

/* Parses what was read under a key, and checks that it is that key's own marker. What can't be
 * right is read once more: it may have been altered on the way only. */
static int read_marker(const struct cf_dataset *dataset, const char *key, struct cf_op *get,
                       struct cf_marker *out, struct cf_error *err)
{
    int rc = cf_marker_read(cf_buf_str(&get->body), get->body.length, out, err);
    if (rc == CF_EDATA && cf_store_run(dataset->store, get, 1) == 0) {
        rc = cf_marker_read(cf_buf_str(&get->body), get->body.length, out, err);
    }
    if (!rc &&
        (strcmp(out->tenant, dataset->tenant) != 0 || strcmp(out->dataset, dataset->name) != 0 ||
         out->version != cf_dataset_key_version(dataset, key))) {
        cf_marker_release(out);
        rc = cf_error_set(err, CF_EDATA, "the marker belongs to another key");
    }
    if (rc) {
        (void)cf_error_prefix(err, "%s", key);
        (void)snprintf(err->key, sizeof(err->key), "%s", key);
        return rc;
    }
    (void)snprintf(out->etag, sizeof(out->etag), "%s", get->etag);
    return 0;
}

/* One LIST and one GET. CF_ECONFLICT: the GET didn't meet the object that the LIST saw. */
static int resolve_once(const struct cf_dataset *dataset, struct cf_marker *out,
                        struct cf_error *err)
{
    char prefix[CF_KEY_MAX];
    cf_dataset_prefix(dataset, 'v', prefix);
    struct cf_op list = {.kind = CF_OP_LIST, .key = prefix, .max_keys = 1};
    struct cf_op get = {.kind = CF_OP_GET, .max_body = CF_MARKER_MAX};
    int rc = cf_store_run(dataset->store, &list, 1);
    if (rc) {
        *err = list.error;
    } else if (!list.listed_count) {
        rc = cf_error_at(err, CF_ENOTFOUND, "list", prefix, "%s%shas no version of %s",
                         dataset->tenant, *dataset->tenant ? " " : "the store ", dataset->name);
    } else if (!cf_dataset_key_version(dataset, list.listed[0].key)) {
        rc = cf_error_at(err, CF_EDATA, "list", list.listed[0].key,
                         "%s is not a marker's name and doesn't belong here", list.listed[0].key);
    } else {
        get.key = list.listed[0].key;
        get.if_match = list.listed[0].etag;
        rc = cf_store_run(dataset->store, &get, 1);
        if (rc == CF_ENOTFOUND || rc == CF_ECONFLICT) {
            rc = cf_error_at(err, CF_ECONFLICT, "get", get.key, "the marker changed meanwhile");
        } else if (rc) {
            *err = get.error;
        } else {
            rc = read_marker(dataset, get.key, &get, out, err);
        }
    }
    cf_op_release(&get);
    cf_op_release(&list);
    return rc;
}

int cf_dataset_newest(const struct cf_dataset *dataset, struct cf_marker *out, struct cf_error *err)
{
    int rc = CF_ECONFLICT;
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < RESOLVE_ATTEMPTS && rc == CF_ECONFLICT; i++) {
        rc = resolve_once(dataset, out, err);
    }
    return rc;
}

int cf_dataset_at(const struct cf_dataset *dataset, uint64_t version, struct cf_marker *out,
                  struct cf_error *err)
{
    char key[CF_KEY_MAX];
    memset(out, 0, sizeof(*out));
    if (version < 1 || version > CF_VERSION_MAX) {
        return cf_error_set(err, CF_EUSAGE, "%" PRIu64 " is no version number", version);
    }
    cf_dataset_marker_key(dataset, version, key);
    struct cf_op get = {.kind = CF_OP_GET, .key = key, .max_body = CF_MARKER_MAX};
    int rc = cf_store_run(dataset->store, &get, 1);
    if (rc == CF_ENOTFOUND) {
        rc = cf_error_at(err, rc, "get", key, "%s has no version %" PRIu64 " of %s",
                         dataset->tenant, version, dataset->name);
    } else if (rc) {
        *err = get.error;
    } else {
        rc = read_marker(dataset, key, &get, out, err);
    }
    cf_op_release(&get);
    return rc;
}

/* A blob that isn't there: collected since its marker was read, or lost? Nothing in a folder at or
 * above the floor is ever collected. */
static int explain_missing(const struct cf_dataset *dataset, const struct cf_blob_ref *ref,
                           const char *key, struct cf_error *err)
{
    struct cf_marker newest;
    int rc = cf_dataset_newest(dataset, &newest, err);
    if (rc) {
        return rc;
    }
    bool lost = ref->version >= newest.floor;
    cf_marker_release(&newest);
    if (lost) {
        return cf_error_at(err, CF_EDATA, "get", key, "%s is missing", key);
    }
    return cf_error_at(err, CF_ECONFLICT, "get", key,
                       "%s was collected after its version was read, or is missing", key);
}

static int decode_blob(const struct cf_op *op, const struct cf_blob_ref *ref, struct cf_buf *out,
                       struct cf_error *err)
{
    char sha256[CF_SHA256_HEX];
    size_t before = out->length;
    int rc = cf_zstd_decompress(op->body.data, op->body.length, (size_t)ref->bytes, out, err);
    if (rc) {
        (void)cf_error_prefix(err, "%s", op->key);
    } else {
        cf_sha256_hex(out->data + before, out->length - before, sha256);
        if (strcmp(sha256, ref->sha256) != 0 || out->length - before != ref->bytes) {
            rc = cf_error_set(err, CF_EDATA, "%s does not have the contents that its name says",
                              op->key);
        }
    }
    if (rc) {
        (void)snprintf(err->key, sizeof(err->key), "%s", op->key);
    }
    return rc;
}

/* What one GET of a blob gave. Bytes that don't have their hash are read once more: they may have
 * been altered on the way only. */
static int take_blob(const struct cf_dataset *dataset, const struct cf_blob_ref *ref,
                     struct cf_op *op, struct cf_buf *out, struct cf_error *err)
{
    if (op->rc == CF_ENOTFOUND) {
        return explain_missing(dataset, ref, op->key, err);
    }
    if (op->rc) {
        *err = op->error;
        return op->rc;
    }
    size_t before = out->length;
    int rc = decode_blob(op, ref, out, err);
    if (rc == CF_EDATA && cf_store_run(dataset->store, op, 1) == 0) {
        out->length = before;
        rc = decode_blob(op, ref, out, err);
    }
    return rc;
}

static int fetch(const struct cf_dataset *dataset, const struct cf_blob_ref *refs, size_t count,
                 struct cf_buf *out, struct cf_error *err)
{
    char keys[IN_FLIGHT][CF_KEY_MAX];
    struct cf_op ops[IN_FLIGHT];
    for (size_t i = 0; i < count; i++) {
        cf_dataset_blob_key(dataset, refs[i].version, refs[i].sha256, keys[i]);
        ops[i] = (struct cf_op){.kind = CF_OP_GET, .key = keys[i], .max_body = CF_BLOB_MAX};
    }
    (void)cf_store_run(dataset->store, ops, count);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        /* the first failure is the one that is told */
        rc = rc ? rc : take_blob(dataset, &refs[i], &ops[i], &out[i], err);
        cf_op_release(&ops[i]);
    }
    return rc;
}

int cf_dataset_blobs(const struct cf_dataset *dataset, const struct cf_blob_ref *refs, size_t count,
                     struct cf_buf *out, struct cf_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (refs[i].bytes > CF_BLOB_MAX) {
            return cf_error_set(err, CF_EDATA,
                                "the blob %s has %" PRIu64 " bytes, the limit is %" PRIu64,
                                refs[i].sha256, refs[i].bytes, CF_BLOB_MAX);
        }
    }
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i += IN_FLIGHT) {
        size_t n = count - i < IN_FLIGHT ? count - i : IN_FLIGHT;
        rc = fetch(dataset, refs + i, n, out + i, err);
    }
    return rc;
}

int cf_dataset_blob(const struct cf_dataset *dataset, const struct cf_blob_ref *ref,
                    struct cf_buf *out, struct cf_error *err)
{
    return cf_dataset_blobs(dataset, ref, 1, out, err);
}

int cf_dataset_root(const struct cf_dataset *dataset, const struct cf_marker *marker, json_t **out,
                    struct cf_error *err)
{
    struct cf_buf text = CF_BUF_INIT;
    char key[CF_KEY_MAX];
    *out = NULL;
    cf_dataset_blob_key(dataset, marker->root.version, marker->root.sha256, key);
    int rc = cf_dataset_blob(dataset, &marker->root, &text, err);
    rc = rc ? rc : cf_json_parse(cf_buf_str(&text), text.length, key, out, err);
    cf_buf_release(&text);
    if (!rc) {
        struct cf_blob_set blobs;
        rc = cf_blob_set_read(*out, &blobs, err);
        if (rc) {
            (void)cf_error_prefix(err, "%s", key);
            json_decref(*out);
            *out = NULL;
        } else {
            cf_blob_set_release(&blobs);
        }
    }
    return rc;
}

int cf_blob_set_read(const json_t *root, struct cf_blob_set *out, struct cf_error *err)
{
    json_t *blobs;
    memset(out, 0, sizeof(*out));
    int rc = cf_json_get_array(root, "blobs", &blobs, err);
    if (rc) {
        return rc;
    }
    out->by_hash = json_object();
    out->items = cf_calloc(json_array_size(blobs), sizeof(*out->items));
    for (size_t i = 0; i < json_array_size(blobs) && !rc; i++) {
        rc = cf_blob_ref_read(json_array_get(blobs, i), &out->items[i], err);
        if (rc) {
            (void)cf_error_prefix(err, "blobs[%zu]", i);
        } else {
            (void)json_object_set_new(out->by_hash, out->items[i].sha256,
                                      json_integer((json_int_t)i));
            out->count = i + 1;
        }
    }
    if (rc) {
        cf_blob_set_release(out);
    }
    return rc;
}

const struct cf_blob_ref *cf_blob_set_find(const struct cf_blob_set *set, const char *sha256)
{
    const json_t *index = set->by_hash ? json_object_get(set->by_hash, sha256) : NULL;
    return index ? &set->items[json_integer_value(index)] : NULL;
}

void cf_blob_set_release(struct cf_blob_set *set)
{
    json_decref(set->by_hash);
    free(set->items);
    memset(set, 0, sizeof(*set));
}
