/* A blob as it lies in the store: a zstd frame, and in it a root document with its blobs. A frame
 * that decompresses does so within its limit and behind what was there, and packs to a frame that
 * gives the same bytes; a root is accepted through a store exactly when its parts are, and never
 * under another hash. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#include "common/base/alloc.h"
#include "common/base/compress.h"
#include "common/base/json.h"
#include "common/contract/dataset.h"

enum { LIMIT = 1 << 20 };

/* Mutates what is packed, where that can be had. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t most, unsigned seed)
{
    struct cf_buf plain = CF_BUF_INIT;
    struct cf_buf packed = CF_BUF_INIT;
    if (seed % 8 == 0 || cf_zstd_decompress(data, length, LIMIT, &plain, NULL)) {
        cf_buf_release(&plain);
        return LLVMFuzzerMutate(data, length, most);
    }
    size_t room = plain.length + 256;
    uint8_t *text = cf_calloc(1, room);
    if (plain.length) {
        memcpy(text, plain.data, plain.length);
    }
    size_t n = LLVMFuzzerMutate(text, plain.length, room);
    cf_zstd_compress(text, n, &packed);
    bool fits = packed.length <= most;
    if (fits) {
        memcpy(data, packed.data, packed.length);
        length = packed.length;
    }
    free(text);
    cf_buf_release(&plain);
    cf_buf_release(&packed);
    return fits ? length : LLVMFuzzerMutate(data, length, most);
}

/* Whether text is a root document with blobs; each of them is found and reads back equal. */
static bool check_root(const struct cf_buf *text)
{
    struct cf_error err = {0};
    struct cf_blob_set set;
    json_t *root = NULL;
    if (cf_json_parse(cf_buf_str(text), text->length, "the root", &root, &err)) {
        MUST(err.code == CF_EDATA && *err.message);
        return false;
    }
    int rc = cf_blob_set_read(root, &set, &err);
    if (rc) {
        MUST(rc == CF_EDATA && *err.message && !set.items && !set.count);
    }
    for (size_t i = 0; !rc && i < set.count; i++) {
        struct cf_blob_ref again;
        const struct cf_blob_ref *found = cf_blob_set_find(&set, set.items[i].sha256);
        MUST(found && strcmp(found->sha256, set.items[i].sha256) == 0);
        json_t *written = cf_blob_ref_json(&set.items[i]);
        MUST(written && cf_blob_ref_read(written, &again, &err) == 0);
        MUST(again.version == set.items[i].version && again.bytes == set.items[i].bytes);
        MUST(again.stored == set.items[i].stored && strcmp(again.type, set.items[i].type) == 0);
        json_decref(written);
    }
    if (!rc) {
        cf_blob_set_release(&set);
    }
    json_decref(root);
    return rc == 0;
}

static void check_stored(const uint8_t *data, size_t length, const struct cf_buf *text, bool good)
{
    static struct cf_store *store;
    struct cf_error err = {0};
    struct cf_dataset dataset;
    struct cf_marker marker = {.version = 1, .floor = 1};
    char key[CF_KEY_MAX];
    json_t *root = NULL;
    if (!store) {
        MUST(cf_store_open("memory:fuzz", &store, &err) == 0);
    }
    cf_dataset_init(&dataset, store, "tenant", "repos");
    marker.root = (struct cf_blob_ref){.version = 1, .bytes = text->length, .stored = length};
    cf_sha256_hex(cf_buf_str(text), text->length, marker.root.sha256);
    cf_dataset_blob_key(&dataset, 1, marker.root.sha256, key);
    MUST(cf_store_put(store, key, data, length, &err) == 0);
    int rc = cf_dataset_root(&dataset, &marker, &root, &err);
    MUST(good ? rc == 0 && root : rc == CF_EDATA && !root && *err.message);
    json_decref(root);
    MUST(cf_store_delete(store, key, &err) == 0);

    char *digit = &marker.root.sha256[length % 64];
    *digit = *digit == '0' ? '1' : '0';
    cf_dataset_blob_key(&dataset, 1, marker.root.sha256, key);
    MUST(cf_store_put(store, key, data, length, &err) == 0);
    MUST(cf_dataset_root(&dataset, &marker, &root, &err) == CF_EDATA && !root);
    MUST(cf_store_delete(store, key, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct cf_error err = {0};
    struct cf_buf text = CF_BUF_INIT;
    struct cf_buf packed = CF_BUF_INIT;
    struct cf_buf behind = CF_BUF_INIT;
    int rc = cf_zstd_decompress(data, length, LIMIT, &text, &err);
    if (rc) {
        MUST(rc == CF_EDATA && *err.message && text.length == 0);
        cf_buf_release(&text);
        return 0;
    }
    MUST(text.length <= LIMIT);
    MUST(!text.length || cf_zstd_decompress(data, length, text.length - 1, &behind, &err));
    cf_buf_puts(&behind, "before");
    cf_zstd_compress(text.data, text.length, &packed);
    MUST(cf_zstd_decompress(packed.data, packed.length, text.length, &behind, &err) == 0);
    MUST(behind.length == text.length + 6 && memcmp(behind.data, "before", 6) == 0);
    MUST(!text.length || memcmp(behind.data + 6, text.data, text.length) == 0);
    check_stored(data, length, &text, check_root(&text));
    cf_buf_release(&text);
    cf_buf_release(&packed);
    cf_buf_release(&behind);
    return 0;
}
