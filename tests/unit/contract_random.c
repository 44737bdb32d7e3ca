/* Seeded random sequences of writers, collectors and readers over a store whose operations fail, or
 * succeed without saying so, at random. What must hold at the end of each:
 *
 *   - every version that was acknowledged and is at or above the floor is there, with those bytes;
 *   - no version was acknowledged twice;
 *   - nothing that a readable version refers to is missing, and the chain is intact. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/contract/collect.h"
#include "common/contract/collect_internal.h"
#include "tests/unit/contract_world.h"

enum { SEQUENCES = 200, STEPS = 40, VERSIONS = 256, KEEP = 3 };

struct actors {
    struct world w;
    uint64_t random;
    unsigned failures; /* of 256 operations */
    bool nested;       /* an actor already runs in the middle of another one's operation */
    char acknowledged[VERSIONS][CF_SHA256_HEX];
    struct cf_marker stalled; /* what a slow writer read long ago; version 0: nothing */
    struct cf_error err;
};

static uint64_t next(struct actors *a, uint64_t below)
{
    a->random ^= a->random << 13;
    a->random ^= a->random >> 7;
    a->random ^= a->random << 17;
    return a->random % below;
}

static void acknowledge(struct actors *a, const struct cf_marker *marker)
{
    ck_assert_uint_lt(marker->version, VERSIONS);
    ck_assert_msg(a->acknowledged[marker->version][0] == '\0', "version %u was committed twice",
                  (unsigned)marker->version);
    memcpy(a->acknowledged[marker->version], marker->sha256, CF_SHA256_HEX);
}

/* Some of five payloads, so that blobs are shared, dropped and written again. */
static void choose_texts(struct actors *a, char out[64])
{
    uint64_t bits = next(a, 31) + 1;
    out[0] = '\0';
    for (int i = 0; i < 5; i++) {
        if (bits >> i & 1) {
            char text[8];
            (void)snprintf(text, sizeof(text), "%sp%d", *out ? "," : "", i);
            strcat(out, text);
        }
    }
}

static void write_version(struct actors *a, const struct cf_dataset *dataset,
                          const struct cf_marker *parent)
{
    char texts[64];
    struct cf_marker out;
    struct cf_error err;
    choose_texts(a, texts);
    int rc = parent ? world_commit_after(dataset, parent, texts, &out, &err)
                    : world_try(dataset, texts, &out, &err);
    if (!rc) {
        acknowledge(a, &out);
        cf_marker_release(&out);
    }
}

static void collect(struct actors *a, const struct cf_dataset *dataset)
{
    struct cf_collected collected;
    struct cf_error err;
    (void)cf_collect_keeping(dataset, KEEP, next(a, 8) == 0, &world_producer, &collected, &err);
}

static void roll_back(struct actors *a, const struct cf_dataset *dataset)
{
    struct cf_marker newest;
    struct cf_marker target = {0};
    struct cf_marker out;
    struct cf_error err;
    if (cf_dataset_newest(dataset, &newest, &err)) {
        return;
    }
    uint64_t span = newest.version - newest.floor + 1;
    if (cf_dataset_at(dataset, newest.floor + next(a, span), &target, &err) == 0 &&
        cf_commit_rollback(dataset, &newest, &target, &world_producer, &out, &err) == 0) {
        acknowledge(a, &out);
        cf_marker_release(&out);
    }
    cf_marker_release(&newest);
    cf_marker_release(&target);
}

/* A reader that resolved the newest version finds all of it, unless it was collected meanwhile:
 * then it is told so, and never that data were lost. */
static void read_newest(const struct cf_dataset *dataset)
{
    struct cf_marker marker;
    struct cf_error err = {0};
    json_t *root = NULL;
    int rc = cf_dataset_newest(dataset, &marker, &err);
    if (!rc && (rc = cf_dataset_root(dataset, &marker, &root, &err)) == 0) {
        struct cf_blob_set blobs;
        ck_assert_int_eq(cf_blob_set_read(root, &blobs, &err), 0);
        struct cf_buf *out = calloc(blobs.count + 1, sizeof(*out));
        rc = cf_dataset_blobs(dataset, blobs.items, blobs.count, out, &err);
        for (size_t i = 0; i < blobs.count; i++) {
            cf_buf_release(&out[i]);
        }
        free(out);
        cf_blob_set_release(&blobs);
    }
    json_decref(root);
    cf_marker_release(&marker);
    ck_assert_msg(rc != CF_EDATA, "%s", err.message);
}

static void step(struct actors *a, const struct cf_dataset *dataset)
{
    switch (next(a, 12)) {
    case 0:
    case 1:
        collect(a, dataset);
        break;
    case 2:
        roll_back(a, dataset);
        break;
    case 3:
    case 4:
        read_newest(dataset);
        break;
    case 5: /* a writer that goes on from what it read long ago */
        if (a->stalled.version && !a->nested) {
            write_version(a, dataset, &a->stalled);
            cf_marker_release(&a->stalled);
        } else if (!a->nested) {
            (void)cf_dataset_newest(&a->w.direct, &a->stalled, &a->err);
        }
        break;
    default:
        write_version(a, dataset, NULL);
        break;
    }
}

/* Before each operation of the outer actor: others may act, and the operation may fail. */
static int decide(void *context, const struct cf_op *op, bool *lose)
{
    static const int codes[] = {CF_EUNAVAILABLE, CF_ERETRY, CF_EDENIED};
    struct actors *a = context;
    (void)op;
    while (!a->nested && next(a, 10) == 0) {
        a->nested = true;
        step(a, &a->w.direct);
        a->nested = false;
    }
    if (next(a, 256) >= a->failures) {
        return 0;
    }
    *lose = next(a, 2) == 0;
    return codes[next(a, 3)];
}

static void tell(void *context, enum cf_finding finding, const char *key, const char *what)
{
    cf_buf_printf(context, "%s %s: %s\n", cf_finding_name(finding), key, what);
}

static void check(struct actors *a)
{
    struct cf_marker newest;
    struct cf_verified verified;
    struct cf_buf told = CF_BUF_INIT;
    int rc = cf_dataset_newest(&a->w.direct, &newest, &a->err);
    if (rc == CF_ENOTFOUND) {
        newest = (struct cf_marker){.floor = 1};
    } else {
        ck_assert_msg(rc == 0, "%s", a->err.message);
    }
    for (uint64_t v = 1; v < VERSIONS; v++) {
        struct cf_marker marker;
        if (!a->acknowledged[v][0] || v < newest.floor) {
            continue;
        }
        rc = cf_dataset_at(&a->w.direct, v, &marker, &a->err);
        ck_assert_msg(rc == 0, "version %u was acknowledged: %s", (unsigned)v, a->err.message);
        ck_assert_str_eq(marker.sha256, a->acknowledged[v]);
        cf_marker_release(&marker);
    }
    ck_assert_int_eq(cf_verify(&a->w.direct, tell, &told, &verified, &a->err), 0);
    ck_assert_msg(cf_verified_clean(&verified), "%s", cf_buf_str(&told));
    uint64_t readable = newest.version ? newest.version - newest.floor + 1 : 0;
    ck_assert_uint_eq(verified.versions, readable);
    cf_buf_release(&told);
    cf_marker_release(&newest);
}

static size_t run_sequence(uint64_t seed, unsigned failures)
{
    static struct actors a;
    size_t acknowledged = 0;
    memset(&a, 0, sizeof(a));
    world_open(&a.w);
    a.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    a.failures = failures;
    a.w.counting.decide = decide;
    a.w.counting.context = &a;
    for (int i = 0; i < STEPS; i++) {
        step(&a, &a.w.data);
        if (i % 8 == 7) {
            check(&a);
        }
    }
    cf_marker_release(&a.stalled);
    for (size_t v = 0; v < VERSIONS; v++) {
        acknowledged += a.acknowledged[v][0] != '\0';
    }
    world_close(&a.w);
    return acknowledged;
}

START_TEST(random_sequences_lose_nothing)
{
    static const unsigned failures[] = {0, 4, 12, 40};
    size_t acknowledged = 0;
    world_hurry();
    for (uint64_t i = 0; i < SEQUENCES / 4; i++) {
        acknowledged += run_sequence(i * 4 + (uint64_t)_i + 1, failures[_i]);
    }
    ck_assert_uint_gt(acknowledged, SEQUENCES / 4 * 10); /* it wasn't all for nothing */
}
END_TEST

Suite *contract_random_suite(void)
{
    Suite *suite = suite_create("contract_random");
    TCase *tc = tcase_create("random");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, random_sequences_lose_nothing, 0, 4);
    suite_add_tcase(suite, tc);
    return suite;
}
