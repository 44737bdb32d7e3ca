/* What must hold at every step. It sees each operation that reaches the shared store, so it knows
 * the chain, the floor, and what every version refers to, whatever the actors believe. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/compress.h"
#include "common/contract/collect_internal.h"
#include "common/contract/verify.h"
#include "tests/store/interleave.h"

void truth_init(struct truth *t, struct cf_store *memory, uint64_t keep)
{
    memset(t, 0, sizeof(*t));
    cf_dataset_init(&t->plain, memory, "octocat", "repos");
    t->keep = keep;
}

void truth_break(struct truth *t, const char *format, ...)
{
    va_list list;
    if (*t->broken) {
        return;
    }
    va_start(list, format);
    (void)vsnprintf(t->broken, sizeof(t->broken), format, list);
    va_end(list);
}

static bool parse_blob_key(const struct truth *t, const char *key, struct truth_ref *out)
{
    char prefix[CF_KEY_MAX];
    cf_dataset_prefix(&t->plain, 'b', prefix);
    size_t n = strlen(prefix);
    if (strncmp(key, prefix, n) != 0 || strlen(key + n) != 16 + 1 + 64) {
        return false;
    }
    out->folder = strtoull(key + n, NULL, 16);
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", key + n + 17);
    return true;
}

static bool exists(const struct truth *t, const struct truth_ref *ref)
{
    char key[CF_KEY_MAX];
    cf_dataset_blob_key(&t->plain, ref->folder, ref->sha256, key);
    struct cf_op op = {.kind = CF_OP_STAT, .key = key};
    return cf_store_run(t->plain.store, &op, 1) == 0;
}

/* The version at or above the floor that refers to a blob; 0: none. */
static uint64_t referrer(const struct truth *t, const struct truth_ref *ref)
{
    for (uint64_t v = t->floor; v <= t->newest && v; v++) {
        const struct truth_version *version = &t->chain[v];
        for (size_t i = 0; i < version->count; i++) {
            if (version->refs[i].folder == ref->folder &&
                strcmp(version->refs[i].sha256, ref->sha256) == 0) {
                return v;
            }
        }
    }
    return 0;
}

static void add_ref(struct truth *t, struct truth_version *version, const struct cf_blob_ref *ref)
{
    struct truth_ref *out = &version->refs[version->count++];
    out->folder = ref->version;
    memcpy(out->sha256, ref->sha256, sizeof(out->sha256));
    if (!exists(t, out)) {
        truth_break(t, "version %" PRIu64 " was committed without the blob %016" PRIx64 "/%.8s",
                    t->newest + 1, out->folder, out->sha256);
    }
}

static void append(struct truth *t, const struct cf_marker *m)
{
    struct cf_error err = {0};
    json_t *root = NULL;
    struct cf_blob_set blobs = {0};
    struct truth_version *version = &t->chain[m->version];
    const char *parent = m->version > 1 ? t->chain[m->version - 1].sha256 : "";
    if (m->version + 1 >= VERSIONS_MAX) {
        truth_break(t, "the run is longer than the test allows");
        return;
    }
    if (m->parent_version + 1 != m->version || strcmp(m->parent_sha256, parent) != 0) {
        truth_break(t, "version %" PRIu64 " doesn't name its parent", m->version);
    }
    if (m->floor < t->floor || m->floor < 1 || m->floor > m->version) {
        truth_break(t, "version %" PRIu64 " has the floor %" PRIu64 " after %" PRIu64, m->version,
                    m->floor, t->floor);
    }
    memcpy(version->sha256, m->sha256, sizeof(version->sha256));
    version->floor = m->floor;
    add_ref(t, version, &m->root);
    if (cf_dataset_root(&t->plain, m, &root, &err) == 0 &&
        cf_blob_set_read(root, &blobs, &err) == 0) {
        for (size_t i = 0; i < blobs.count && version->count < REFS_MAX; i++) {
            add_ref(t, version, &blobs.items[i]);
        }
    } else {
        truth_break(t, "version %" PRIu64 ": %s", m->version, err.message);
    }
    cf_blob_set_release(&blobs);
    json_decref(root);
    t->newest = m->version;
    t->floor = m->floor;
}

static void created(struct truth *t, const struct cf_op *op)
{
    struct cf_marker m;
    struct cf_error err = {0};
    if (cf_marker_read(op->data, op->length, &m, &err)) {
        truth_break(t, "%s: %s", op->key, err.message);
        return;
    }
    if (m.version != cf_dataset_key_version(&t->plain, op->key)) {
        truth_break(t, "the marker of version %" PRIu64 " lies at %s", m.version, op->key);
    } else if (m.version > t->newest + 1) {
        truth_break(t, "version %" PRIu64 " was created after %" PRIu64, m.version, t->newest);
    } else if (m.version == t->newest + 1) {
        append(t, &m);
    } else if (m.version >= t->floor) {
        truth_break(t, "version %" PRIu64 " was created twice", m.version);
    } else {
        t->orphans++;
    }
    cf_marker_release(&m);
}

/* Payloads are deterministic, so a blob that is put again must hold the same. */
static void uploaded(struct truth *t, const struct cf_op *op, const struct truth_ref *ref)
{
    struct cf_buf payload = CF_BUF_INIT;
    struct cf_error err = {0};
    char sha256[CF_SHA256_HEX] = "";
    if (cf_zstd_decompress(op->data, op->length, 1 << 20, &payload, &err) == 0) {
        cf_sha256_hex(payload.data, payload.length, sha256);
    }
    if (strcmp(sha256, ref->sha256) != 0) {
        truth_break(t, "%s was put with other contents", op->key);
    }
    cf_buf_release(&payload);
}

void truth_before(struct truth *t, const struct cf_op *op)
{
    struct truth_ref ref;
    uint64_t version = cf_dataset_key_version(&t->plain, op->key);
    if (op->kind == CF_OP_DELETE) {
        if (version >= t->floor) {
            truth_break(t, "the marker of version %" PRIu64 " was deleted, the floor is %" PRIu64,
                        version, t->floor);
        } else if (parse_blob_key(t, op->key, &ref) && (version = referrer(t, &ref))) {
            truth_break(t, "%s was deleted, version %" PRIu64 " refers to it", op->key, version);
        }
    } else if (op->kind == CF_OP_PUT && version) {
        truth_break(t, "the marker of version %" PRIu64 " was put without a condition", version);
    }
}

void truth_after(struct truth *t, const struct cf_op *op)
{
    struct truth_ref ref;
    if (op->rc) {
        return;
    }
    if (op->kind == CF_OP_PUT_NEW && cf_dataset_key_version(&t->plain, op->key)) {
        created(t, op);
    } else if (op->kind == CF_OP_PUT && parse_blob_key(t, op->key, &ref)) {
        uploaded(t, op, &ref);
    }
}

static bool on_chain(const struct truth *t, const struct cf_marker *m)
{
    return m->version >= 1 && m->version <= t->newest &&
           strcmp(m->sha256, t->chain[m->version].sha256) == 0;
}

void truth_acknowledge(struct truth *t, const struct cf_marker *made, unsigned payloads)
{
    if (!on_chain(t, made)) {
        truth_break(t, "version %" PRIu64 " was acknowledged and isn't on the chain",
                    made->version);
        return;
    }
    struct truth_version *version = &t->chain[made->version];
    if (version->acknowledged) {
        truth_break(t, "version %" PRIu64 " was acknowledged twice", made->version);
    }
    version->acknowledged = true;
    t->acknowledged++;
    size_t found = 0;
    for (unsigned i = 0; i < PAYLOADS; i++) {
        for (size_t j = 1; j < version->count; j++) {
            if (payloads >> i & 1 && strcmp(version->refs[j].sha256, payload_sha256(i)) == 0) {
                found++;
            }
        }
    }
    if (payloads && found != version->count - 1) {
        truth_break(t, "version %" PRIu64 " holds other payloads than were committed",
                    made->version);
    }
}

void truth_returned(struct truth *t, const struct cf_marker *marker)
{
    if (!on_chain(t, marker)) {
        truth_break(t, "a reader got a marker of version %" PRIu64 " that was never on the chain",
                    marker->version);
    }
}

/* --- at rest ------------------------------------------------------------------------------------
 */

struct rest {
    struct truth *t;
    uint64_t markers;
};

static int rest_marker(void *context, const struct cf_listed *listed)
{
    struct rest *rest = context;
    struct cf_marker m;
    struct cf_error err = {0};
    uint64_t version = cf_dataset_key_version(&rest->t->plain, listed->key);
    rest->markers++;
    if (version < rest->t->floor) {
        truth_break(rest->t, "a quiet collection left the marker of version %" PRIu64, version);
    } else if (cf_dataset_at(&rest->t->plain, version, &m, &err)) {
        truth_break(rest->t, "at rest: %s", err.message);
    } else {
        if (!on_chain(rest->t, &m)) {
            truth_break(rest->t, "the marker of version %" PRIu64 " was altered", version);
        }
        cf_marker_release(&m);
    }
    return 0;
}

static int rest_blob(void *context, const struct cf_listed *listed)
{
    struct rest *rest = context;
    struct truth_ref ref;
    if (!parse_blob_key(rest->t, listed->key, &ref)) {
        truth_break(rest->t, "%s is no blob", listed->key);
    } else if (ref.folder < rest->t->floor && !referrer(rest->t, &ref)) {
        truth_break(rest->t, "a quiet collection left %s", listed->key);
    }
    return 0;
}

static void check_verify(struct truth *t)
{
    struct cf_verified v;
    struct cf_error err = {0};
    if (cf_verify(&t->plain, NULL, NULL, &v, &err)) {
        truth_break(t, "verify: %s", err.message);
    } else if (!cf_verified_clean(&v) || v.findings[CF_FOUND_BELOW] ||
               v.versions != t->newest - t->floor + (t->newest != 0)) {
        truth_break(t,
                    "verify: %" PRIu64 " versions, %" PRIu64 " missing, %" PRIu64 " altered, "
                    "%" PRIu64 " below the floor",
                    v.versions, v.findings[CF_FOUND_MISSING], v.findings[CF_FOUND_ALTERED],
                    v.findings[CF_FOUND_BELOW]);
    }
}

void truth_at_rest(struct truth *t, const struct cf_dataset *quiet)
{
    struct cf_error err = {0};
    struct cf_collected collected;
    struct rest rest = {.t = t};
    char prefix[CF_KEY_MAX];
    if (cf_collect_keeping(quiet, t->keep, false, &producer, &collected, &err)) {
        truth_break(t, "a quiet collection failed: %s", err.message);
        return;
    }
    cf_dataset_prefix(&t->plain, 'v', prefix);
    (void)cf_store_walk(t->plain.store, prefix, NULL, false, rest_marker, &rest, &err);
    cf_dataset_prefix(&t->plain, 'b', prefix);
    (void)cf_store_walk(t->plain.store, prefix, NULL, false, rest_blob, &rest, &err);
    if (rest.markers != t->newest - t->floor + (t->newest != 0)) {
        truth_break(t, "%" PRIu64 " markers from %" PRIu64 " to %" PRIu64, rest.markers, t->floor,
                    t->newest);
    }
    check_verify(t);
}
