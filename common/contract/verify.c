#include "common/contract/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

struct walk {
    const struct cf_dataset *dataset;
    void (*found)(void *context, enum cf_finding finding, const char *key, const char *what);
    void *context;
    struct cf_verified *out;
    json_t *seen; /* keys of the blobs that were checked */
    uint64_t newest;
    uint64_t floor;
    uint64_t at;                         /* the version that is being checked */
    uint64_t expected;                   /* the version that the next marker must have */
    char expected_sha256[CF_SHA256_HEX]; /* and its hash, when a child named it */
    struct cf_error *err;
};

bool cf_verified_clean(const struct cf_verified *result)
{
    return !result->findings[CF_FOUND_MISSING] && !result->findings[CF_FOUND_ALTERED] &&
           !result->findings[CF_FOUND_FOREIGN];
}

const char *cf_finding_name(enum cf_finding finding)
{
    static const char *const names[] = {"missing", "altered", "orphan", "below_floor", "foreign"};
    return names[finding];
}

/* Has a collection raised the floor above this version since the walk began? Then nothing of it is
 * missed. */
static int was_collected(struct walk *walk, uint64_t version, bool *out)
{
    struct cf_marker newest;
    int rc = cf_dataset_newest(walk->dataset, &newest, walk->err);
    if (!rc) {
        walk->floor = newest.floor > walk->floor ? newest.floor : walk->floor;
        cf_marker_release(&newest);
        *out = version < walk->floor;
    }
    return rc;
}

static void report(struct walk *walk, enum cf_finding finding, const char *key, const char *what)
{
    walk->out->findings[finding]++;
    if (walk->found) {
        walk->found(walk->context, finding, key, what);
    }
}

/* Errors of the data become findings; anything else ends the walk. */
static int judge(struct walk *walk, const char *key, int rc)
{
    if (rc == CF_ENOTFOUND || rc == CF_ECONFLICT) {
        struct cf_error found = *walk->err;
        bool collected = false;
        rc = was_collected(walk, walk->at, &collected);
        if (!rc && !collected) {
            report(walk, CF_FOUND_MISSING, key, found.message);
        }
        return rc;
    }
    if (rc == CF_EDATA || rc == CF_ECONFIG) {
        bool missing = strstr(walk->err->message, " is missing") != NULL;
        report(walk, missing ? CF_FOUND_MISSING : CF_FOUND_ALTERED, key, walk->err->message);
        return 0;
    }
    return rc;
}

static int check_blob(struct walk *walk, const struct cf_blob_ref *ref)
{
    char key[CF_KEY_MAX];
    struct cf_buf payload = CF_BUF_INIT;
    cf_dataset_blob_key(walk->dataset, ref->version, ref->sha256, key);
    if (json_object_get(walk->seen, key)) {
        return 0;
    }
    (void)json_object_set_new(walk->seen, key, json_true());
    int rc = cf_dataset_blob(walk->dataset, ref, &payload, walk->err);
    cf_buf_release(&payload);
    if (!rc) {
        walk->out->blobs++;
        walk->out->bytes += ref->stored;
    }
    return judge(walk, key, rc);
}

static int check_contents(struct walk *walk, const struct cf_marker *marker)
{
    json_t *root = NULL;
    struct cf_blob_set blobs;
    int rc = check_blob(walk, &marker->root);
    if (rc || cf_dataset_root(walk->dataset, marker, &root, walk->err)) {
        return rc; /* a root that can't be read was reported by check_blob */
    }
    if (cf_blob_set_read(root, &blobs, walk->err) == 0) {
        for (size_t i = 0; i < blobs.count && !rc; i++) {
            rc = check_blob(walk, &blobs.items[i]);
        }
        cf_blob_set_release(&blobs);
    }
    json_decref(root);
    return rc;
}

static int check_marker(struct walk *walk, uint64_t version)
{
    char key[CF_KEY_MAX];
    struct cf_marker marker;
    cf_dataset_marker_key(walk->dataset, version, key);
    walk->at = version;
    int rc = cf_dataset_at(walk->dataset, version, &marker, walk->err);
    if (rc) {
        walk->expected_sha256[0] = '\0';
        return judge(walk, key, rc);
    }
    bool collected =
        false; /* and then created again below the floor, by a writer that had stalled */
    if (*walk->expected_sha256 && strcmp(walk->expected_sha256, marker.sha256) != 0) {
        rc = was_collected(walk, version, &collected);
        if (rc || collected) {
            cf_marker_release(&marker);
            return rc;
        }
        report(walk, CF_FOUND_ALTERED, key, "the next version names another hash for this marker");
    }
    memcpy(walk->expected_sha256, marker.parent_sha256, sizeof(walk->expected_sha256));
    walk->out->versions++;
    rc = check_contents(walk, &marker);
    cf_marker_release(&marker);
    return rc;
}

/* Versions from the expected one down to the one after found have no marker. */
static int report_gap(struct walk *walk, uint64_t found)
{
    for (; walk->expected > found; walk->expected--) {
        char key[CF_KEY_MAX];
        cf_dataset_marker_key(walk->dataset, walk->expected, key);
        bool collected = false;
        int rc = was_collected(walk, walk->expected, &collected);
        if (rc) {
            return rc;
        }
        if (!collected) {
            report(walk, CF_FOUND_MISSING, key, "the chain has a gap: this marker is missing");
        }
        walk->expected_sha256[0] = '\0';
    }
    return 0;
}

static int visit_marker(void *context, const struct cf_listed *listed)
{
    struct walk *walk = context;
    uint64_t version = cf_dataset_key_version(walk->dataset, listed->key);
    if (!version) {
        report(walk, CF_FOUND_FOREIGN, listed->key, "not a marker's name");
        return 0;
    }
    if (version > walk->newest) {
        return 0; /* committed since the walk began */
    }
    if (version < walk->floor) {
        report(walk, CF_FOUND_BELOW, listed->key, "a marker below the floor");
        return 0;
    }
    int rc = report_gap(walk, version);
    walk->expected = version - 1;
    return rc ? rc : check_marker(walk, version);
}

static int visit_blob(void *context, const struct cf_listed *listed)
{
    struct walk *walk = context;
    uint64_t folder = cf_dataset_blob_version(walk->dataset, listed->key);
    if (!folder) {
        report(walk, CF_FOUND_FOREIGN, listed->key, "not a blob's name");
    } else if (!json_object_get(walk->seen, listed->key) && folder <= walk->newest) {
        bool below = folder < walk->floor;
        report(walk, below ? CF_FOUND_BELOW : CF_FOUND_ORPHAN, listed->key,
               "no readable version refers to it");
    } else if (folder > walk->newest) {
        report(walk, CF_FOUND_ORPHAN, listed->key, "uploaded for a version that is not committed");
    }
    return 0;
}

static int walk_all(struct walk *walk)
{
    struct cf_store *store = walk->dataset->store;
    char prefix[CF_KEY_MAX];
    cf_dataset_prefix(walk->dataset, 'v', prefix);
    int rc = cf_store_walk(store, prefix, NULL, false, visit_marker, walk, walk->err);
    if (!rc && walk->newest) {
        rc = report_gap(walk, walk->floor - 1);
    }
    cf_dataset_prefix(walk->dataset, 'b', prefix);
    return rc ? rc : cf_store_walk(store, prefix, NULL, false, visit_blob, walk, walk->err);
}

int cf_verify(const struct cf_dataset *dataset,
              void (*found)(void *context, enum cf_finding finding, const char *key,
                            const char *what),
              void *context, struct cf_verified *out, struct cf_error *err)
{
    struct cf_marker newest;
    struct walk walk = {
        .dataset = dataset, .found = found, .context = context, .out = out, .err = err};
    memset(out, 0, sizeof(*out));
    int rc = cf_dataset_newest(dataset, &newest, err);
    if (rc && rc != CF_ENOTFOUND) {
        return judge(&walk, err->key, rc);
    }
    if (!rc) { /* without any marker, blobs are still looked at */
        walk.newest = newest.version;
        walk.floor = newest.floor;
        walk.expected = newest.version;
        cf_marker_release(&newest);
    }
    walk.seen = json_object();
    rc = walk_all(&walk);
    json_decref(walk.seen);
    return rc;
}
