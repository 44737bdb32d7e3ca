#include "common/contract/collect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/contract/collect_internal.h"

enum { ATTEMPTS = 8, BATCH = 256 };

struct sweep {
    const struct cf_dataset *dataset;
    json_t *keep; /* the keys of blobs that versions at or above the floor refer to */
    uint64_t floor;
    bool dry_run;
    char *doomed[BATCH];
    size_t doomed_count;
    uint64_t *deleted;
    struct cf_error *err;
};

static void note(struct sweep *sweep, const struct cf_blob_ref *ref)
{
    char key[CF_KEY_MAX];
    cf_dataset_blob_key(sweep->dataset, ref->version, ref->sha256, key);
    (void)json_object_set_new(sweep->keep, key, json_true());
}

/* (i) of one version: its root and every blob that the root lists. */
static int note_version(struct sweep *sweep, const struct cf_marker *marker, struct cf_error *err)
{
    json_t *root = NULL;
    struct cf_blob_set blobs;
    int rc = cf_dataset_root(sweep->dataset, marker, &root, err);
    if (rc) {
        return rc;
    }
    rc = cf_blob_set_read(root, &blobs, err);
    note(sweep, &marker->root);
    for (size_t i = 0; i < blobs.count; i++) {
        note(sweep, &blobs.items[i]);
    }
    cf_blob_set_release(&blobs);
    json_decref(root);
    return rc;
}

static int note_versions(struct sweep *sweep, const struct cf_marker *newest, struct cf_error *err)
{
    int rc = 0;
    for (uint64_t v = sweep->floor; v < newest->version && !rc; v++) {
        struct cf_marker marker;
        rc = cf_dataset_at(sweep->dataset, v, &marker, err);
        if (rc == CF_ENOTFOUND) {
            rc = CF_ECONFLICT; /* collected meanwhile: start again */
        } else if (!rc) {
            rc = note_version(sweep, &marker, err);
            cf_marker_release(&marker);
        }
    }
    return rc ? rc : note_version(sweep, newest, err);
}

static int delete_doomed(struct sweep *sweep)
{
    struct cf_op ops[BATCH];
    size_t n = sweep->doomed_count;
    for (size_t i = 0; i < n; i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_DELETE, .key = sweep->doomed[i]};
    }
    int rc = sweep->dry_run ? 0 : cf_store_run(sweep->dataset->store, ops, n);
    for (size_t i = 0; i < n; i++) {
        if (rc && ops[i].rc) {
            *sweep->err = ops[i].error;
        }
        free(sweep->doomed[i]);
    }
    *sweep->deleted += rc ? 0 : n;
    sweep->doomed_count = 0;
    return rc;
}

static int doom(struct sweep *sweep, const char *key)
{
    sweep->doomed[sweep->doomed_count++] = cf_strdup(key);
    return sweep->doomed_count == BATCH ? delete_doomed(sweep) : 0;
}

static int visit_marker(void *context, const struct cf_listed *listed)
{
    struct sweep *sweep = context;
    uint64_t version = cf_dataset_key_version(sweep->dataset, listed->key);
    return version && version < sweep->floor ? doom(sweep, listed->key) : 0;
}

enum { WALK_DONE = 1 };

static int visit_blob(void *context, const struct cf_listed *listed)
{
    struct sweep *sweep = context;
    uint64_t folder = cf_dataset_blob_version(sweep->dataset, listed->key);
    if (!folder) {
        return 0; /* not ours */
    }
    if (folder >= sweep->floor) {
        return WALK_DONE; /* folders come in the order of their versions */
    }
    return json_object_get(sweep->keep, listed->key) ? 0 : doom(sweep, listed->key);
}

/* (iii) Everything is found by LIST, so markers that a stalled writer created again below the floor
 * go too. */
static int delete_below_floor(struct sweep *sweep, struct cf_collected *out)
{
    char prefix[CF_KEY_MAX];
    char first[CF_KEY_MAX];
    cf_dataset_prefix(sweep->dataset, 'v', prefix);
    cf_dataset_marker_key(sweep->dataset, sweep->floor, first);
    sweep->deleted = &out->markers;
    int rc =
        cf_store_walk(sweep->dataset->store, prefix, first, false, visit_marker, sweep, sweep->err);
    rc = rc ? rc : delete_doomed(sweep);
    if (rc) {
        return rc;
    }
    cf_dataset_prefix(sweep->dataset, 'b', prefix);
    sweep->deleted = &out->blobs;
    rc = cf_store_walk(sweep->dataset->store, prefix, NULL, false, visit_blob, sweep, sweep->err);
    return rc == WALK_DONE || rc == 0 ? delete_doomed(sweep) : rc;
}

/* (ii), or, when the floor stays: was it still the same after the reads of (i)? */
static int fix_floor(struct sweep *sweep, const struct cf_marker *newest,
                     const struct cf_producer *producer, struct cf_collected *out,
                     struct cf_error *err)
{
    struct cf_marker marker;
    int rc;
    if (sweep->floor == newest->floor) {
        rc = cf_dataset_newest(sweep->dataset, &marker, err);
        if (!rc && marker.floor != sweep->floor) {
            rc = CF_ECONFLICT;
        }
    } else if (sweep->dry_run) {
        return 0;
    } else {
        rc = cf_commit_floor(sweep->dataset, newest, sweep->floor, producer, &marker, err);
    }
    if (!rc) {
        out->newest = marker.version;
    }
    cf_marker_release(&marker);
    return rc;
}

static int collect_once(const struct cf_dataset *dataset, uint64_t keep, bool dry_run,
                        const struct cf_producer *producer, struct cf_collected *out,
                        struct cf_error *err)
{
    struct cf_marker newest;
    int rc = cf_dataset_newest(dataset, &newest, err);
    if (rc) {
        return rc == CF_ENOTFOUND ? 0 : rc;
    }
    struct sweep sweep = {.dataset = dataset, .dry_run = dry_run, .err = err};
    /* Collecting makes a version itself. With some slack, a dataset that gets a version now and
     * then isn't half made of those, and one that gets none comes to rest. */
    uint64_t slack = keep / 4 ? keep / 4 : 1;
    bool raise = newest.version > keep && newest.version - keep > newest.floor + slack;
    sweep.floor = raise ? newest.version - keep : newest.floor;
    *out = (struct cf_collected){.newest = newest.version, .floor = sweep.floor};
    if (sweep.floor > 1) {
        sweep.keep = json_object();
        rc = note_versions(&sweep, &newest, err);
        rc = rc ? rc : fix_floor(&sweep, &newest, producer, out, err);
        rc = rc ? rc : delete_below_floor(&sweep, out);
        for (size_t i = 0; i < sweep.doomed_count; i++) {
            free(sweep.doomed[i]);
        }
        json_decref(sweep.keep);
    }
    cf_marker_release(&newest);
    return rc;
}

int cf_collect_keeping(const struct cf_dataset *dataset, uint64_t keep, bool dry_run,
                       const struct cf_producer *producer, struct cf_collected *out,
                       struct cf_error *err)
{
    int rc = CF_ECONFLICT;
    *out = (struct cf_collected){0};
    for (int i = 0; i < ATTEMPTS && rc == CF_ECONFLICT; i++) {
        rc = collect_once(dataset, keep, dry_run, producer, out, err);
    }
    if (rc == CF_ECONFLICT) {
        rc = cf_error_set(err, CF_ERETRY, "%s of %s changed during each of %d attempts to collect",
                          dataset->name, dataset->tenant, ATTEMPTS);
    }
    return rc;
}

int cf_collect(const struct cf_dataset *dataset, uint64_t keep, bool dry_run,
               const struct cf_producer *producer, struct cf_collected *out, struct cf_error *err)
{
    return cf_collect_keeping(dataset, keep < CF_COLLECT_KEEP ? CF_COLLECT_KEEP : keep, dry_run,
                              producer, out, err);
}
