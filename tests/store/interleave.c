/* Writers, collectors, readers and rollbacks run the real code of common/contract on one memory
 * store, one operation at a time, in an order that a seed decides. Lost answers, crashes, stalls
 * and requests that arrive late are part of the order; what must hold is checked at every step.
 *
 *   interleave [--seeds N] [--first S]   N seeds from S on, after the orders of interleave_orders.c
 *   interleave --seed S [--trace]        one seed again, with the order of its operations
 *
 * Does it bite? Each of these was done to a copy of the code, and found by the orders (o) or by the
 * seed given, the first of 2000 from seed 1 on that showed it ("-": by none of them):
 *
 *   step 3 of a commit left out                         o, 2
 *   step 3 left out after "412, the same bytes"         o, 532
 *   a LIST of step 3 that fails taken for success       o, -
 *   step 3 left out by collectors                       o, 1018
 *   the GET of the newest takes any object              o, -
 *   a blob that lies in some folder is referred to      14
 *   deletes before the commit of the floor              o, 1
 *   a writer starts from floor 1                        o, 1
 *   one version less kept                               o, 25
 *   roots not noted; the newest version not noted       o, 2; 41
 *   only the newest version noted                       o, 2
 *   markers swept from the former floor up only         o, 1
 *   412 taken for success; for a lost race              o, 2; o, -
 *   one writer value for all markers                    7
 *   the marker put without a condition                  o, 1
 *   the marker before its blobs                         o, 1
 *   a missing blob always called lost                   o, 11
 *   a refusal after a lost answer taken as final        o, -
 *   an unknown outcome taken for success                o, -
 *   every collection raises the floor                   o, -
 *
 * Not found: a collector that passes over a 404 among its reads (its own commit then fails anyway),
 * one that doesn't look at the floor again before it sweeps below the present one (that takes
 * several stalled writers at once; the model in tests/model has it), one that sweeps unused blobs
 * of the floor's own folder (nobody can be about to refer to them).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/contract/collect_internal.h"
#include "common/contract/verify.h"
#include "tests/store/interleave.h"

/* The Makefile links these in place of the library's, so that a seed decides every byte and waiting
 * costs no time. */
void __wrap_cf_clock_sleep_ms(int64_t ms);
int64_t __wrap_cf_clock_now_ms(void);
void __wrap_cf_random_hex(char out[CF_RANDOM_HEX]);

static uint64_t random_count;

void __wrap_cf_clock_sleep_ms(int64_t ms)
{
    (void)ms;
}

int64_t __wrap_cf_clock_now_ms(void)
{
    return 0;
}

void __wrap_cf_random_hex(char out[CF_RANDOM_HEX])
{
    (void)snprintf(out, CF_RANDOM_HEX, "%032" PRIx64, ++random_count);
}

const struct cf_producer producer = {.job = "sync", .build = "test", .run = "interleave"};

/* --- commits ------------------------------------------------------------------------------------
 */

static size_t payload(unsigned index, char out[64])
{
    return (size_t)snprintf(out, 64, "payload %u of the interleaving test", index);
}

const char *payload_sha256(unsigned index)
{
    static char hashes[PAYLOADS][CF_SHA256_HEX];
    if (!*hashes[index]) {
        char text[64];
        size_t length = payload(index, text);
        cf_sha256_hex(text, length, hashes[index]);
    }
    return hashes[index];
}

/* Reads the newest version and commits one that lists the given payloads. */
int commit_payloads(struct schedule *s, const struct cf_dataset *dataset, unsigned payloads,
                    struct cf_marker *out, struct cf_error *err)
{
    struct cf_marker parent;
    json_t *parent_root = NULL;
    memset(out, 0, sizeof(*out));
    int rc = cf_dataset_newest(dataset, &parent, err);
    bool first = rc == CF_ENOTFOUND;
    rc = first ? 0 : rc;
    if (!rc && !first && schedule_random(s, 4)) {
        rc = cf_dataset_root(dataset, &parent, &parent_root, err);
    }
    if (!rc) {
        struct cf_commit *commit =
            cf_commit_new(dataset, first ? NULL : &parent, parent_root, &producer);
        json_t *root = json_object();
        for (unsigned i = 0; i < PAYLOADS; i++) {
            struct cf_blob_ref ref;
            char text[64];
            size_t length = payload(i, text);
            if (payloads >> i & 1 && cf_commit_keep(commit, payload_sha256(i), &ref, err)) {
                cf_commit_add(commit, text, length, "text/plain", &ref);
            }
        }
        rc = cf_commit_finish(commit, root, payload_sha256(0), NULL, out, err);
        cf_commit_free(commit);
    }
    json_decref(parent_root);
    cf_marker_release(&parent);
    return rc;
}

/* --- actors -------------------------------------------------------------------------------------
 */

/* None of these is an answer that an intact store may give, whatever else goes on. */
static void check_code(struct actor *a, const char *what)
{
    if (a->rc == CF_EDATA || a->rc == CF_ECONFIG || a->rc == CF_EUSAGE || a->rc == CF_EINTERNAL) {
        truth_break(&a->schedule->truth, "%s: %s: %s", a->name, what, a->err.message);
    }
    if (a->crashed) {
        a->rc = CF_EINTERRUPTED;
        a->crashed = false; /* started afresh: nothing of the call is remembered */
    }
    a->resolved = 0;
}

void actor_writer(struct actor *a)
{
    struct schedule *s = a->schedule;
    for (unsigned i = 0; i < a->rounds; i++) {
        struct cf_marker made;
        unsigned payloads = 1 + (unsigned)schedule_random(s, (1U << PAYLOADS) - 1);
        a->rc = commit_payloads(s, &a->dataset, payloads, &made, &a->err);
        if (!a->rc && !a->crashed) {
            a->version = made.version;
            truth_acknowledge(&s->truth, &made, payloads);
        }
        cf_marker_release(&made);
        check_code(a, "commit");
    }
}

void actor_rollback(struct actor *a)
{
    struct schedule *s = a->schedule;
    for (unsigned i = 0; i < a->rounds; i++) {
        struct cf_marker parent;
        struct cf_marker target = {0};
        struct cf_marker made = {0};
        a->rc = cf_dataset_newest(&a->dataset, &parent, &a->err);
        if (!a->rc) {
            a->resolved = parent.floor + schedule_random(s, parent.version - parent.floor + 1);
            a->rc = cf_dataset_at(&a->dataset, a->resolved, &target, &a->err);
        }
        if (!a->rc) {
            a->rc = cf_commit_rollback(&a->dataset, &parent, &target, &producer, &made, &a->err);
        }
        if (!a->rc && !a->crashed) {
            a->version = made.version;
            truth_acknowledge(&s->truth, &made, 0);
        }
        cf_marker_release(&made);
        cf_marker_release(&target);
        cf_marker_release(&parent);
        check_code(a, "rollback");
    }
}

void actor_collector(struct actor *a)
{
    struct schedule *s = a->schedule;
    for (unsigned i = 0; i < a->rounds; i++) {
        struct cf_collected collected;
        a->rc =
            cf_collect_keeping(&a->dataset, s->truth.keep, false, &producer, &collected, &a->err);
        check_code(a, "collect");
    }
}

static void read_contents(struct actor *a, const struct cf_marker *marker)
{
    json_t *root = NULL;
    struct cf_blob_set blobs = {0};
    struct cf_buf payloads[REFS_MAX] = {CF_BUF_INIT};
    a->version = marker->version;
    truth_returned(&a->schedule->truth, marker);
    a->rc = cf_dataset_root(&a->dataset, marker, &root, &a->err);
    a->rc = a->rc ? a->rc : cf_blob_set_read(root, &blobs, &a->err);
    if (!a->rc) {
        a->rc = cf_dataset_blobs(&a->dataset, blobs.items, blobs.count, payloads, &a->err);
    }
    for (size_t i = 0; i < blobs.count; i++) {
        cf_buf_release(&payloads[i]);
    }
    cf_blob_set_release(&blobs);
    json_decref(root);
}

void actor_reader(struct actor *a)
{
    for (unsigned i = 0; i < a->rounds; i++) {
        struct cf_marker marker;
        a->rc = cf_dataset_newest(&a->dataset, &marker, &a->err);
        if (!a->rc) {
            read_contents(a, &marker);
            cf_marker_release(&marker);
        }
        check_code(a, "read");
    }
}

/* Reads a version that it knows to have been at or above the floor, as train reads its bundle. */
void actor_pinned_reader(struct actor *a)
{
    const struct truth *t = &a->schedule->truth;
    for (unsigned i = 0; i < a->rounds; i++) {
        struct cf_marker marker;
        uint64_t pinned =
            t->newest ? t->floor + schedule_random(a->schedule, t->newest - t->floor + 1) : 1;
        a->resolved = t->newest ? pinned : 0;
        a->rc = cf_dataset_at(&a->dataset, pinned, &marker, &a->err);
        if (!a->rc && strcmp(marker.sha256, t->chain[pinned].sha256) != 0) {
            a->rc = CF_ECONFLICT; /* the pin names the hash: a marker made again below the floor */
        } else if (!a->rc) {
            read_contents(a, &marker);
        }
        cf_marker_release(&marker);
        check_code(a, "read a pinned version");
    }
}

void actor_verify(struct actor *a)
{
    for (unsigned i = 0; i < a->rounds; i++) {
        struct cf_verified v;
        a->rc = cf_verify(&a->dataset, NULL, NULL, &v, &a->err);
        if (!a->rc && !cf_verified_clean(&v)) {
            truth_break(&a->schedule->truth,
                        "verify says: %" PRIu64 " missing, %" PRIu64 " altered",
                        v.findings[CF_FOUND_MISSING], v.findings[CF_FOUND_ALTERED]);
        }
        check_code(a, "verify");
    }
}

/* --- others, for the directed orders -----------------------------------------------------------
 */

/* Versions committed by somebody else, without steps; each has payloads that the one before it
 * doesn't have. */
void commit_others(struct schedule *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct cf_marker made;
        struct cf_error err;
        unsigned payloads = s->truth.newest % 2 ? 0x3 : 0xc;
        if (commit_payloads(s, &s->quiet.dataset, payloads, &made, &err)) {
            truth_break(&s->truth, "another writer: %s", err.message);
        } else {
            truth_acknowledge(&s->truth, &made, payloads);
        }
        cf_marker_release(&made);
    }
}

void collect_others(struct schedule *s)
{
    uint64_t before = s->truth.floor;
    struct actor other = s->quiet;
    other.rounds = 1;
    actor_collector(&other);
    if (other.rc || s->truth.floor <= before) {
        truth_break(&s->truth, "another collector did not raise the floor");
    }
}

void roll_back_others(struct schedule *s, uint64_t version)
{
    struct cf_marker parent = {0};
    struct cf_marker target = {0};
    struct cf_marker made = {0};
    struct cf_error err = {0};
    if (cf_dataset_newest(&s->quiet.dataset, &parent, &err) ||
        cf_dataset_at(&s->quiet.dataset, version, &target, &err) ||
        cf_commit_rollback(&s->quiet.dataset, &parent, &target, &producer, &made, &err)) {
        truth_break(&s->truth, "another rollback: %s", err.message);
    }
    cf_marker_release(&parent);
    cf_marker_release(&target);
    cf_marker_release(&made);
}

/* --- seeds --------------------------------------------------------------------------------------
 */

struct totals {
    uint64_t steps, acknowledged, versions, collected, orphans, stalls;
    uint64_t fates[FATES];
};

static void add_actors(struct schedule *s)
{
    static const char *const writers[] = {"writer1", "writer2", "writer3"};
    static const char *const collectors[] = {"collector1", "collector2"};
    for (uint64_t i = 1 + schedule_random(s, 3); i > 0; i--) {
        (void)schedule_add(s, writers[i - 1], actor_writer, 4 + (unsigned)schedule_random(s, 6),
                           true);
    }
    for (uint64_t i = 1 + schedule_random(s, 2); i > 0; i--) {
        (void)schedule_add(s, collectors[i - 1], actor_collector,
                           6 + (unsigned)schedule_random(s, 8), false);
    }
    if (schedule_random(s, 2)) {
        (void)schedule_add(s, "rollback", actor_rollback, 2, true);
    }
    if (schedule_random(s, 2)) {
        (void)schedule_add(s, "reader", actor_reader, 4, true);
    }
    if (schedule_random(s, 3) == 0) {
        (void)schedule_add(s, "pinned", actor_pinned_reader, 3, true);
    }
    if (schedule_random(s, 3) == 0) {
        (void)schedule_add(s, "verify", actor_verify, 2, false);
    }
}

static bool run_seed(uint64_t seed, bool trace, struct totals *totals)
{
    static const unsigned bursts[] = {0, 50, 80, 95};
    static const uint64_t keeps[] = {1, 1, 2, 3};
    struct schedule s;
    struct cf_marker made;
    struct cf_error err;
    random_count = 0;
    schedule_init(&s, seed, 1, trace);
    s.truth.keep = keeps[schedule_random(&s, 4)];
    s.fault_rate = schedule_random(&s, 4) ? (unsigned)schedule_random(&s, 80) : 0;
    s.burst = bursts[schedule_random(&s, 4)];
    s.stall_rate = (unsigned)schedule_random(&s, 150);
    for (uint64_t i = schedule_random(&s, 5); i > 0; i--) {
        (void)commit_payloads(&s, &s.quiet.dataset, (unsigned)i, &made, &err);
        cf_marker_release(&made);
    }
    add_actors(&s);
    schedule_run(&s);
    schedule_flush(&s);
    truth_at_rest(&s.truth, &s.quiet.dataset);
    totals->steps += s.steps;
    totals->acknowledged += s.truth.acknowledged;
    totals->versions += s.truth.newest;
    totals->collected += s.truth.newest ? s.truth.floor - 1 : 0;
    totals->orphans += s.truth.orphans;
    totals->stalls += s.stalls;
    for (size_t i = 0; i < FATES; i++) {
        totals->fates[i] += s.fates[i];
    }
    if (*s.truth.broken) {
        (void)printf("# seed %" PRIu64 ": %s\n", seed, s.truth.broken);
    }
    bool good = !*s.truth.broken;
    schedule_release(&s);
    return good;
}

static void print_totals(const struct totals *t)
{
    (void)printf("# %" PRIu64 " operations, %" PRIu64 " versions, %" PRIu64
                 " acknowledged, %" PRIu64 " collected, %" PRIu64 " created below the floor\n",
                 t->steps, t->versions, t->acknowledged, t->collected, t->orphans);
    (void)printf("# %" PRIu64 " answers lost, %" PRIu64 " requests lost, %" PRIu64 " late, %" PRIu64
                 " crashes, %" PRIu64 " stalls\n",
                 t->fates[FATE_LOST], t->fates[FATE_REFUSED], t->fates[FATE_LATE],
                 t->fates[FATE_CRASH_BEFORE] + t->fates[FATE_CRASH_AFTER], t->stalls);
}

static bool run_seeds(uint64_t first, uint64_t seeds, bool trace)
{
    struct totals totals = {0};
    unsigned bad = 0;
    for (uint64_t i = 0; i < seeds && bad < 3; i++) {
        bad += !run_seed(first + i, trace, &totals);
    }
    print_totals(&totals);
    return !bad;
}

int main(int argc, char **argv)
{
    uint64_t first = 1;
    uint64_t seeds = 1500;
    bool one = false;
    bool trace = false;
    for (int i = 1; i < argc; i++) {
        uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
            continue;
        }
        if (strcmp(argv[i], "--seeds") == 0 && value) {
            seeds = value;
        } else if (strcmp(argv[i], "--first") == 0) {
            first = value;
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = value;
            seeds = 1;
            one = true;
        } else {
            (void)fprintf(stderr, "interleave [--seeds N] [--first S] | --seed S [--trace]\n");
            return 64;
        }
        i++;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)alarm(600); /* a run that hangs is a failure too */
    unsigned failed = 0;
    unsigned tests = one ? 0 : orders_run(1, &failed);
    bool good = run_seeds(first, seeds, trace);
    (void)printf("%sok %u - %" PRIu64 " interleavings from seed %" PRIu64 "\n1..%u\n",
                 good ? "" : "not ", tests + 1, seeds, first, tests + 1);
    return failed || !good;
}
