/* Versioned datasets: reading, committing, and what a writer must do to lose nothing
 * (docs/CONTRACT.md).
 *
 * A version is a marker, a root document and the blobs that the root's "blobs" array lists. The
 * other parts of a root name its blobs by their SHA-256. */
#ifndef CF_CONTRACT_DATASET_H
#define CF_CONTRACT_DATASET_H

#include <jansson.h>
#include <stdint.h>

#include "common/contract/marker.h"
#include "common/store/store.h"

#define CF_BLOB_MAX ((uint64_t)512 << 20) /* bytes of a payload, and of its frame */

/* One dataset of one tenant in one store. The store is borrowed. */
struct cf_dataset {
    struct cf_store *store;
    char tenant[CF_TENANT_MAX]; /* lower case; "" for a shared dataset */
    char name[CF_DATASET_MAX];
};

void cf_dataset_init(struct cf_dataset *dataset, struct cf_store *store, const char *tenant,
                     const char *name);

/* The keys of the contract. */
void cf_dataset_marker_key(const struct cf_dataset *dataset, uint64_t version,
                           char out[CF_KEY_MAX]);
void cf_dataset_blob_key(const struct cf_dataset *dataset, uint64_t version, const char *sha256,
                         char out[CF_KEY_MAX]);
void cf_dataset_prefix(const struct cf_dataset *dataset, char kind /* 'v' or 'b' */,
                       char out[CF_KEY_MAX]);
/* The version that a marker's key names; 0 when it isn't one. */
uint64_t cf_dataset_key_version(const struct cf_dataset *dataset, const char *key);

/* The version in whose folder a blob's key lies; 0 when it isn't a blob's key. */
uint64_t cf_dataset_blob_version(const struct cf_dataset *dataset, const char *key);

/* The newest version: one LIST and one GET. CF_ENOTFOUND when there is none. */
int cf_dataset_newest(const struct cf_dataset *dataset, struct cf_marker *out,
                      struct cf_error *err);
/* A given version: CF_ENOTFOUND when it isn't there, or was collected. */
int cf_dataset_at(const struct cf_dataset *dataset, uint64_t version, struct cf_marker *out,
                  struct cf_error *err);

/* A blob's payload, decompressed and checked against its hash. CF_EDATA names the key when it is
 * missing from a version that should have it, damaged or altered. */
int cf_dataset_blob(const struct cf_dataset *dataset, const struct cf_blob_ref *ref,
                    struct cf_buf *out, struct cf_error *err);

/* Many blobs with many requests in flight; out[i] is the payload of refs[i]. */
int cf_dataset_blobs(const struct cf_dataset *dataset, const struct cf_blob_ref *refs, size_t count,
                     struct cf_buf *out, struct cf_error *err);

/* The root document of a version, whose "blobs" array is checked. Freed by the caller. */
int cf_dataset_root(const struct cf_dataset *dataset, const struct cf_marker *marker, json_t **out,
                    struct cf_error *err);

/* The blobs that a root lists, found by hash. */
struct cf_blob_set {
    struct cf_blob_ref *items;
    size_t count;
    json_t *by_hash; /* hash → index */
};

int cf_blob_set_read(const json_t *root, struct cf_blob_set *out, struct cf_error *err);
const struct cf_blob_ref *cf_blob_set_find(const struct cf_blob_set *set, const char *sha256);
void cf_blob_set_release(struct cf_blob_set *set);

struct cf_producer {
    const char *job;
    const char *build;
    const char *run;
};

struct cf_commit;

/* Prepares the version after parent (NULL: the first). parent_root is the parent's root document,
 * whose blobs may be referred to; NULL when nothing is to be reused. Both are copied from. */
struct cf_commit *cf_commit_new(const struct cf_dataset *dataset, const struct cf_marker *parent,
                                const json_t *parent_root, const struct cf_producer *producer);
void cf_commit_free(struct cf_commit *commit);

/* Adds a payload of at most CF_BLOB_MAX bytes (cf_commit_finish refuses more): refers to the
 * parent's blob when that lists the same bytes, else compresses it, to be uploaded. ref is set to
 * where it will lie. */
void cf_commit_add(struct cf_commit *commit, const void *data, size_t length, const char *type,
                   struct cf_blob_ref *ref);

/* Uploads what was added, once that is CF_COMMIT_QUEUE compressed bytes or more: called from time
 * to time, it bounds the memory of a large version. What a version uploaded that never came to be
 * is collected like that of any lost race. */
#define CF_COMMIT_QUEUE ((size_t)4 << 20)
int cf_commit_flush(struct cf_commit *commit, struct cf_error *err);

/* Refers to a blob that the parent lists, without having its bytes. CF_EINTERNAL when it doesn't.
 */
int cf_commit_keep(struct cf_commit *commit, const char *sha256, struct cf_blob_ref *ref,
                   struct cf_error *err);

/* True when the version will list a blob of this hash: it was added or kept. */
bool cf_commit_lists(const struct cf_commit *commit, const char *sha256);

/* What was read to make this version, at most CF_INPUTS_MAX. */
void cf_commit_input(struct cf_commit *commit, const char *dataset, uint64_t version,
                     const char *sha256);

/* Gives the root document a member besides those of cf_commit_finish's root: an array, of whose
 * elements items is the canonical text, with commas between them (taken over). name must sort
 * behind every other member's name, "blobs" among them; else cf_commit_finish says CF_EINTERNAL. */
void cf_commit_tail(struct cf_commit *commit, const char *name, struct cf_buf *items);

/* Uploads and creates the marker. root gets its "blobs" array here (in order of hash) and is
 * stolen; request is the SHA-256 of the pinned inputs and parameters; summary is stolen and may be
 * NULL.
 *
 *   0            this version is on the chain: *out (released by the caller) is its marker
 *   CF_ECONFLICT somebody else committed: read again and decide
 *   CF_ERETRY, CF_EUNAVAILABLE, … before the marker was sent: nothing changed. After it: "the
 * outcome is unknown" is said in the message; uploads stay where they are. */
int cf_commit_finish(struct cf_commit *commit, json_t *root, const char *request, json_t *summary,
                     struct cf_marker *out, struct cf_error *err);

/* Commits a version that refers to the root of an older one, at or above the parent's floor:
 * rollback. Its summary is the older one's with "rollback_to", that version, and "undone_request",
 * the parent's request. */
int cf_commit_rollback(const struct cf_dataset *dataset, const struct cf_marker *parent,
                       const struct cf_marker *target, const struct cf_producer *producer,
                       struct cf_marker *out, struct cf_error *err);

/* Commits a version with the parent's root and the given floor: the collector's (collect.h). */
int cf_commit_floor(const struct cf_dataset *dataset, const struct cf_marker *parent,
                    uint64_t floor, const struct cf_producer *producer, struct cf_marker *out,
                    struct cf_error *err);

#endif
