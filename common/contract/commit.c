/* Committing a version: what it is made of, and step 1 of "Committing" in docs/CONTRACT.md, the
 * blobs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/compress.h"
#include "common/base/json.h"
#include "common/contract/commit_marker.h"

enum { IN_FLIGHT = 64 };

struct upload {
    struct cf_blob_ref ref;
    struct cf_buf frame;
};

struct cf_commit {
    struct cf_dataset dataset;
    struct cf_producer producer;
    uint64_t version;
    uint64_t floor;
    uint64_t parent_version;
    char parent_sha256[CF_SHA256_HEX];
    struct cf_blob_ref parent_root;
    struct cf_blob_set parent_blobs;
    json_t *listed; /* hash → reference, of every blob that this version lists */
    struct upload *uploads;
    size_t upload_count;
    size_t upload_capacity;
    size_t queued_bytes;
    const char *tail_name; /* NULL: none */
    struct cf_buf tail;
    struct cf_input inputs[CF_INPUTS_MAX];
    size_t input_count;
    struct cf_error refused; /* code 0, or what cf_commit_finish must say instead of committing */
};

struct cf_commit *cf_commit_new(const struct cf_dataset *dataset, const struct cf_marker *parent,
                                const json_t *parent_root, const struct cf_producer *producer)
{
    struct cf_commit *commit = cf_calloc(1, sizeof(*commit));
    commit->dataset = *dataset;
    commit->producer = *producer;
    commit->version = 1;
    commit->floor = 1;
    commit->listed = json_object();
    if (parent) {
        commit->version = parent->version + 1;
        commit->floor = parent->floor;
        commit->parent_version = parent->version;
        memcpy(commit->parent_sha256, parent->sha256, sizeof(commit->parent_sha256));
        commit->parent_root = parent->root;
    }
    if (parent && parent_root) {
        (void)cf_blob_set_read(parent_root, &commit->parent_blobs,
                               NULL); /* else: nothing to reuse */
    }
    return commit;
}

static void forget_uploads(struct cf_commit *commit)
{
    for (size_t i = 0; i < commit->upload_count; i++) {
        cf_buf_release(&commit->uploads[i].frame);
    }
    commit->upload_count = 0;
    commit->queued_bytes = 0;
}

void cf_commit_free(struct cf_commit *commit)
{
    if (!commit) {
        return;
    }
    forget_uploads(commit);
    free(commit->uploads);
    cf_buf_release(&commit->tail);
    json_decref(commit->listed);
    cf_blob_set_release(&commit->parent_blobs);
    free(commit);
}

void cf_commit_input(struct cf_commit *commit, const char *dataset, uint64_t version,
                     const char *sha256)
{
    if (commit->input_count == CF_INPUTS_MAX) {
        (void)cf_error_set(&commit->refused, CF_EINTERNAL, "a version has more than %d inputs",
                           CF_INPUTS_MAX);
        return;
    }
    struct cf_input *input = &commit->inputs[commit->input_count++];
    input->version = version;
    (void)snprintf(input->dataset, sizeof(input->dataset), "%s", dataset);
    (void)snprintf(input->sha256, sizeof(input->sha256), "%s", sha256);
}

static void list_blob(struct cf_commit *commit, const struct cf_blob_ref *ref)
{
    (void)json_object_set_new(commit->listed, ref->sha256, cf_blob_ref_json(ref));
}

/* Compresses and queues a payload, unless this commit holds it already. */
static void queue(struct cf_commit *commit, const void *data, size_t length,
                  struct cf_blob_ref *ref)
{
    commit->uploads = cf_grow(commit->uploads, commit->upload_count, &commit->upload_capacity,
                              sizeof(*commit->uploads));
    struct upload *upload = &commit->uploads[commit->upload_count++];
    *upload = (struct upload){.frame = CF_BUF_INIT};
    if (length <= CF_BLOB_MAX) {
        cf_zstd_compress(data, length, &upload->frame);
    }
    if (length > CF_BLOB_MAX || upload->frame.length > CF_BLOB_MAX) {
        (void)cf_error_set(&commit->refused, CF_EDATA,
                           "a blob of %zu bytes is too large, the limit is %" PRIu64, length,
                           CF_BLOB_MAX);
    }
    ref->version = commit->version;
    ref->stored = upload->frame.length;
    upload->ref = *ref;
    commit->queued_bytes += upload->frame.length;
}

void cf_commit_add(struct cf_commit *commit, const void *data, size_t length, const char *type,
                   struct cf_blob_ref *ref)
{
    *ref = (struct cf_blob_ref){.bytes = length};
    (void)snprintf(ref->type, sizeof(ref->type), "%s", type);
    cf_sha256_hex(data, length, ref->sha256);
    const json_t *same = json_object_get(commit->listed, ref->sha256);
    const struct cf_blob_ref *kept = cf_blob_set_find(&commit->parent_blobs, ref->sha256);
    if (same) {
        (void)cf_blob_ref_read(same, ref, NULL);
        return;
    }
    if (kept) {
        *ref = *kept;
    } else {
        queue(commit, data, length, ref);
    }
    list_blob(commit, ref);
}

int cf_commit_keep(struct cf_commit *commit, const char *sha256, struct cf_blob_ref *ref,
                   struct cf_error *err)
{
    const struct cf_blob_ref *kept = cf_blob_set_find(&commit->parent_blobs, sha256);
    if (!kept) {
        return cf_error_set(err, CF_EINTERNAL, "the parent does not list the blob %.64s", sha256);
    }
    *ref = *kept;
    list_blob(commit, ref);
    return 0;
}

bool cf_commit_lists(const struct cf_commit *commit, const char *sha256)
{
    return json_object_get(commit->listed, sha256) != NULL;
}

static int upload_all(struct cf_commit *commit, struct cf_error *err)
{
    for (size_t i = 0; i < commit->upload_count; i += IN_FLIGHT) {
        char keys[IN_FLIGHT][CF_KEY_MAX];
        struct cf_op ops[IN_FLIGHT];
        size_t n = commit->upload_count - i < IN_FLIGHT ? commit->upload_count - i : IN_FLIGHT;
        for (size_t j = 0; j < n; j++) {
            const struct upload *upload = &commit->uploads[i + j];
            cf_dataset_blob_key(&commit->dataset, upload->ref.version, upload->ref.sha256, keys[j]);
            ops[j] = (struct cf_op){.kind = CF_OP_PUT,
                                    .key = keys[j],
                                    .data = upload->frame.data,
                                    .length = upload->frame.length,
                                    .content_type = "application/zstd"};
        }
        int rc = cf_store_run(commit->dataset.store, ops, n);
        for (size_t j = 0; j < n; j++) {
            if (rc && ops[j].rc) {
                *err = ops[j].error;
            }
            cf_op_release(&ops[j]);
        }
        if (rc) {
            return err->code;
        }
    }
    forget_uploads(commit);
    return 0;
}

int cf_commit_flush(struct cf_commit *commit, struct cf_error *err)
{
    bool enough = commit->queued_bytes >= CF_COMMIT_QUEUE && !commit->refused.code &&
                  cf_store_can_commit(commit->dataset.store);
    return enough ? upload_all(commit, err) : 0;
}

static void fill_marker(struct cf_marker *marker, const struct cf_dataset *dataset,
                        const struct cf_producer *producer)
{
    memset(marker, 0, sizeof(*marker));
    memcpy(marker->tenant, dataset->tenant, sizeof(marker->tenant));
    memcpy(marker->dataset, dataset->name, sizeof(marker->dataset));
    (void)snprintf(marker->job, sizeof(marker->job), "%s", producer->job);
    (void)snprintf(marker->build, sizeof(marker->build), "%s", producer->build);
    (void)snprintf(marker->run, sizeof(marker->run), "%s", producer->run);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void cf_commit_tail(struct cf_commit *commit, const char *name, struct cf_buf *items)
{
    cf_buf_release(&commit->tail);
    commit->tail_name = name;
    commit->tail = *items;
    *items = (struct cf_buf)CF_BUF_INIT;
}

/* Members are sorted by name, so the last one can be put behind the text of the others. */
static void append_tail(struct cf_commit *commit, json_t *root, struct cf_buf *text)
{
    const char *name;
    json_t *value;
    if (!commit->tail_name) {
        return;
    }
    json_object_foreach(root, name, value)
    {
        if (strcmp(name, commit->tail_name) >= 0) {
            (void)cf_error_set(&commit->refused, CF_EINTERNAL,
                               "the root's member \"%s\" doesn't sort before \"%s\"", name,
                               commit->tail_name);
        }
    }
    text->length--;
    cf_buf_printf(text, ",\"%s\":[", commit->tail_name);
    cf_buf_append(text, commit->tail.data, commit->tail.length);
    cf_buf_puts(text, "]}");
    cf_buf_release(&commit->tail);
}

static void add_root(struct cf_commit *commit, json_t *root, struct cf_blob_ref *ref)
{
    struct cf_buf text = CF_BUF_INIT;
    json_t *blobs = json_array();
    const char *hash;
    json_t *value;
    /* jansson keeps insertion order; the array's order must depend on the contents alone */
    size_t count = json_object_size(commit->listed);
    const char **hashes = cf_calloc(count, sizeof(*hashes));
    size_t n = 0;
    json_object_foreach(commit->listed, hash, value)
    {
        hashes[n++] = hash;
    }
    qsort(hashes, count, sizeof(*hashes), by_text);
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append(blobs, json_object_get(commit->listed, hashes[i]));
    }
    free(hashes);
    (void)json_object_set_new(root, "blobs", blobs);
    cf_json_dump(root, &text);
    append_tail(commit, root, &text);
    json_decref(root);
    *ref = (struct cf_blob_ref){.bytes = text.length, .type = "application/json"};
    cf_sha256_hex(text.data, text.length, ref->sha256);
    if (strcmp(ref->sha256, commit->parent_root.sha256) == 0) {
        *ref = commit->parent_root;
    } else {
        queue(commit, text.data, text.length, ref);
    }
    cf_buf_release(&text);
}

int cf_commit_finish(struct cf_commit *commit, json_t *root, const char *request, json_t *summary,
                     struct cf_marker *out, struct cf_error *err)
{
    fill_marker(out, &commit->dataset, &commit->producer);
    out->version = commit->version;
    out->parent_version = commit->parent_version;
    memcpy(out->parent_sha256, commit->parent_sha256, sizeof(out->parent_sha256));
    out->floor = commit->floor;
    (void)snprintf(out->request, sizeof(out->request), "%s", request);
    memcpy(out->inputs, commit->inputs, sizeof(out->inputs));
    out->input_count = commit->input_count;
    out->summary = summary ? summary : json_object();
    add_root(commit, root, &out->root);
    int rc = commit->refused.code;
    if (rc) {
        *err = commit->refused;
    }
    rc = rc ? rc : upload_all(commit, err);
    rc = rc ? rc : cf_commit_marker(&commit->dataset, out, err);
    if (rc) {
        cf_marker_release(out);
    }
    return rc;
}

/* A version that follows parent and refers to the contents of another marker, or of the parent
 * itself. */
static int commit_copy(const struct cf_dataset *dataset, const struct cf_marker *parent,
                       const struct cf_marker *contents, uint64_t floor, json_t *summary,
                       const struct cf_producer *producer, struct cf_marker *out,
                       struct cf_error *err)
{
    fill_marker(out, dataset, producer);
    out->version = parent->version + 1;
    out->parent_version = parent->version;
    memcpy(out->parent_sha256, parent->sha256, sizeof(out->parent_sha256));
    out->floor = floor;
    memcpy(out->request, contents->request, sizeof(out->request));
    memcpy(out->inputs, contents->inputs, sizeof(out->inputs));
    out->input_count = contents->input_count;
    out->summary = summary;
    out->root = contents->root;
    int rc = cf_commit_marker(dataset, out, err);
    if (rc) {
        cf_marker_release(out);
    }
    return rc;
}

int cf_commit_rollback(const struct cf_dataset *dataset, const struct cf_marker *parent,
                       const struct cf_marker *target, const struct cf_producer *producer,
                       struct cf_marker *out, struct cf_error *err)
{
    if (target->version < parent->floor || target->version > parent->version) {
        return cf_error_set(err, CF_EDATA,
                            "version %" PRIu64 " of %s can't be restored: %" PRIu64 " to %" PRIu64
                            " can",
                            target->version, dataset->name, parent->floor, parent->version);
    }
    json_t *summary = json_deep_copy(target->summary);
    (void)json_object_set_new(summary, "rollback_to", json_integer((json_int_t)target->version));
    (void)json_object_set_new(summary, "undone_request", json_string(parent->request));
    return commit_copy(dataset, parent, target, parent->floor, summary, producer, out, err);
}

int cf_commit_floor(const struct cf_dataset *dataset, const struct cf_marker *parent,
                    uint64_t floor, const struct cf_producer *producer, struct cf_marker *out,
                    struct cf_error *err)
{
    memset(out, 0, sizeof(*out));
    if (floor < parent->floor || floor > parent->version) {
        return cf_error_set(err, CF_EINTERNAL, "the floor %" PRIu64 " is out of range", floor);
    }
    return commit_copy(dataset, parent, parent, floor, json_incref(parent->summary), producer, out,
                       err);
}
