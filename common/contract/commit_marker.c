/* The marker: steps 2 and 3 of "Committing" in docs/CONTRACT.md. */
#include "common/contract/commit_marker.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/task.h"

enum { MARKER_ATTEMPTS = 5, BACKOFF_MS = 40 };

enum verdict { COMMITTED, LOST_RACE, ABSENT, UNKNOWN };

/* Whose marker is at the key? */
static enum verdict look_at(const struct cf_dataset *dataset, const char *key,
                            const struct cf_buf *bytes, struct cf_error *err)
{
    struct cf_op get = {.kind = CF_OP_GET, .key = key, .max_body = CF_MARKER_MAX};
    int rc = cf_store_run(dataset->store, &get, 1);
    enum verdict verdict = UNKNOWN;
    if (rc == CF_ENOTFOUND) {
        verdict = ABSENT;
    } else if (rc) {
        *err = get.error;
    } else {
        bool ours = get.body.length == bytes->length &&
                    memcmp(get.body.data, bytes->data, bytes->length) == 0;
        verdict = ours ? COMMITTED : LOST_RACE;
    }
    cf_op_release(&get);
    return verdict;
}

static void wait_before(int attempt)
{
    if (attempt) {
        cf_task_sleep((int64_t)(cf_random_u64() % (uint64_t)(BACKOFF_MS << attempt)), NULL);
    }
}

static int conflict(struct cf_error *err, const char *key)
{
    return cf_error_at(err, CF_ECONFLICT, "commit", key, "somebody else committed this version");
}

static int unknown(struct cf_error *err, const char *key)
{
    char why[300];
    (void)snprintf(why, sizeof(why), "%.299s", err->message);
    return cf_error_at(err, CF_ERETRY, "commit", key, "the outcome of the commit is unknown: %s",
                       why);
}

/* Step 2: the conditional create, the identical bytes again while its outcome is open. */
static int create_marker(const struct cf_dataset *dataset, const char *key,
                         const struct cf_buf *bytes, struct cf_error *err)
{
    for (int i = 0; i < MARKER_ATTEMPTS; i++) {
        wait_before(i);
        struct cf_op put = {.kind = CF_OP_PUT_NEW,
                            .key = key,
                            .data = bytes->data,
                            .length = bytes->length,
                            .content_type = "application/json"};
        int rc = cf_store_run(dataset->store, &put, 1);
        *err = put.error;
        cf_op_release(&put);
        if (rc == 0) {
            return 0;
        }
        /* A store may have sent the bytes several times before it said no, so a refusal isn't taken
         * at its word either. */
        bool refused = rc == CF_EDENIED || rc == CF_EUSAGE || rc == CF_ECONFIG;
        if (rc == CF_ECONFLICT || refused) {
            struct cf_error refusal = *err;
            switch (look_at(dataset, key, bytes, err)) {
            case COMMITTED:
                return 0;
            case LOST_RACE:
                return conflict(err, key);
            default:
                break; /* collected meanwhile, refused, or no answer: the identical bytes again */
            }
            if (refused && i == 0) {
                *err = refusal;
                return rc;
            }
        }
    }
    switch (look_at(dataset, key, bytes, err)) {
    case COMMITTED:
        return 0;
    case LOST_RACE:
        return conflict(err, key);
    default:
        return unknown(err, key);
    }
}

/* Step 3: was the marker created below the floor, by a writer that had stalled? */
static int check_floor(const struct cf_dataset *dataset, const char *key, uint64_t version,
                       struct cf_error *err)
{
    char prefix[CF_KEY_MAX];
    cf_dataset_prefix(dataset, 'v', prefix);
    for (int i = 0; i < MARKER_ATTEMPTS; i++) {
        wait_before(i);
        struct cf_op list = {.kind = CF_OP_LIST, .key = prefix, .max_keys = 1};
        int rc = cf_store_run(dataset->store, &list, 1);
        uint64_t newest =
            rc || !list.listed_count ? 0 : cf_dataset_key_version(dataset, list.listed[0].key);
        *err = list.error;
        cf_op_release(&list);
        if (newest == version) {
            return 0;
        }
        if (newest > version) {
            struct cf_marker marker;
            rc = cf_dataset_newest(dataset, &marker, err);
            if (!rc) {
                bool below = marker.floor > version;
                cf_marker_release(&marker);
                return below ? conflict(err, key) : 0;
            }
        } else if (!rc) {
            (void)cf_error_set(err, CF_ERETRY, "LIST does not show the marker that was created");
        }
    }
    return unknown(err, key);
}

int cf_commit_marker(const struct cf_dataset *dataset, struct cf_marker *marker,
                     struct cf_error *err)
{
    char key[CF_KEY_MAX];
    struct cf_buf bytes = CF_BUF_INIT;
    if (!cf_store_can_commit(dataset->store)) {
        return cf_error_set(err, CF_ECONFIG,
                            "the store %s can't create an object on condition, so nothing can be "
                            "committed to it",
                            cf_store_url(dataset->store));
    }
    if (marker->version > CF_VERSION_MAX) {
        return cf_error_set(err, CF_EDATA, "%s has no version numbers left", dataset->name);
    }
    cf_random_hex(marker->writer);
    cf_clock_format(cf_clock_now_ms(), marker->created_at);
    cf_dataset_marker_key(dataset, marker->version, key);
    int rc = cf_marker_write(marker, &bytes, err);
    rc = rc ? rc : create_marker(dataset, key, &bytes, err);
    rc = rc ? rc : check_floor(dataset, key, marker->version, err);
    cf_buf_release(&bytes);
    return rc;
}
