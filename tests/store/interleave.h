/* The parts of tests/store/interleave.c: what must hold (truth), who may do the next operation
 * (schedule), what the actors do, and the orders of events that have a test of their own. */
#ifndef CF_TESTS_STORE_INTERLEAVE_H
#define CF_TESTS_STORE_INTERLEAVE_H

#include <pthread.h>
#include <semaphore.h>

#include "common/contract/dataset.h"

enum {
    VERSIONS_MAX = 160, /* of one run */
    REFS_MAX = 8,       /* of one version: the root and its blobs */
    PAYLOADS = 5,       /* few, so that a payload is dropped and comes back */
    ACTORS_MAX = 12,
    LATE_MAX = 32,
};

/* --- truth: the chain as it really is, unknown to the actors -------------------------------------
 */

struct truth_ref {
    uint64_t folder;
    char sha256[CF_SHA256_HEX];
};

struct truth_version {
    char sha256[CF_SHA256_HEX]; /* of the marker's bytes */
    uint64_t floor;
    struct truth_ref refs[REFS_MAX]; /* the root is the first */
    size_t count;
    bool acknowledged;
};

struct truth {
    struct cf_dataset plain; /* the shared store, without steps */
    struct truth_version chain[VERSIONS_MAX];
    uint64_t newest; /* 0: nothing is committed yet */
    uint64_t floor;
    uint64_t keep; /* K of the collectors */
    unsigned orphans;
    unsigned acknowledged;
    char broken[400]; /* the first rule that was found broken; "" so far */
};

void truth_init(struct truth *t, struct cf_store *memory, uint64_t keep);
void truth_break(struct truth *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An operation is about to be applied, and was applied. */
void truth_before(struct truth *t, const struct cf_op *op);
void truth_after(struct truth *t, const struct cf_op *op);
/* A commit was reported as done; its blobs must be those of the set of payloads (0: any). */
void truth_acknowledge(struct truth *t, const struct cf_marker *made, unsigned payloads);
/* A reader got this as the newest, or as a version above the floor. */
void truth_returned(struct truth *t, const struct cf_marker *marker);
/* Everybody has stopped: a quiet collection, then what lies in the store is what should. */
void truth_at_rest(struct truth *t, const struct cf_dataset *quiet);

/* --- schedule -----------------------------------------------------------------------------------
 */

enum fate {
    FATE_DONE,
    FATE_LOST,         /* applied, but the answer is an error */
    FATE_REFUSED,      /* not applied, and an error that doesn't say so */
    FATE_DENIED,       /* not applied, and an error that says so */
    FATE_LATE,         /* an error, and applied at some later step */
    FATE_CRASH_BEFORE, /* the actor is gone: nothing it does from here on happens */
    FATE_CRASH_AFTER,
    FATES
};

struct schedule;

struct actor {
    struct schedule *schedule;
    const char *name;
    void (*body)(struct actor *actor); /* NULL: never parks */
    unsigned rounds;
    bool relies; /* what it resolved must stay readable while the newest is at most K+1 above */

    struct cf_store *store; /* parks before each operation */
    struct cf_dataset dataset;
    struct cf_op *pending;  /* what it is parked before */
    uint64_t resolved;      /* the version that its last LIST named */
    uint64_t stalled;       /* not scheduled before the chain has reached this version, */
    uint64_t stalled_floor; /* and the floor this one, unless nobody else can go on */
    bool crashed;           /* until the call into the library has come back */
    bool started;
    bool ended;
    pthread_t thread;
    sem_t turn;

    int rc; /* of its last call, for the directed orders */
    struct cf_error err;
    uint64_t version; /* that it made or read */
};

struct late {
    enum cf_op_kind kind;
    char key[CF_KEY_MAX];
    struct cf_buf data;
};

struct schedule {
    struct truth truth;
    struct cf_store *memory;
    struct actor actors[ACTORS_MAX];
    size_t actor_count;
    struct actor quiet; /* of the main thread: its operations are applied at once */
    struct late late[LATE_MAX];
    size_t late_count;
    bool directed; /* the main thread says who is next */
    bool trace;
    enum fate fate;      /* directed: of the next operation */
    uint64_t random;     /* state of the generator */
    unsigned fault_rate; /* of 1000 operations */
    unsigned burst;      /* of 100 operations, how many go to the same actor again */
    unsigned stall_rate; /* of 1000 choices */
    sem_t main;
    struct actor *last;
    struct actor *lagging; /* the one that waits for the floor to pass it */
    unsigned steps;
    unsigned fates[FATES];
    unsigned stalls;
};

void schedule_init(struct schedule *s, uint64_t seed, uint64_t keep, bool trace);
void schedule_release(struct schedule *s);
struct actor *schedule_add(struct schedule *s, const char *name, void (*body)(struct actor *),
                           unsigned rounds, bool relies);
uint64_t schedule_random(struct schedule *s, uint64_t below);
void schedule_run(struct schedule *s);   /* until every actor has ended */
void schedule_flush(struct schedule *s); /* applies what is late */

/* Directed. The first step of an actor runs it to its first operation. */
void schedule_step(struct actor *a, enum fate fate);
void schedule_until(struct actor *a, enum cf_op_kind kind, const char *part_of_key);
void schedule_finish(struct actor *a);

/* --- actors -------------------------------------------------------------------------------------
 */

extern const struct cf_producer producer;
const char *payload_sha256(unsigned index);
int commit_payloads(struct schedule *s, const struct cf_dataset *dataset, unsigned payloads,
                    struct cf_marker *out, struct cf_error *err);
void actor_writer(struct actor *a);
void actor_rollback(struct actor *a);
void actor_collector(struct actor *a);
void actor_reader(struct actor *a);
void actor_pinned_reader(struct actor *a);
void actor_verify(struct actor *a);

/* Somebody else, without steps: commits that many versions, each with payloads that the one before
 * doesn't have; raises the floor; commits the contents of an older version. */
void commit_others(struct schedule *s, unsigned count);
void collect_others(struct schedule *s);
void roll_back_others(struct schedule *s, uint64_t version);

/* --- directed orders: TAP lines; the number of tests, *failed counts those that failed ----------
 */
unsigned orders_run(unsigned first, unsigned *failed);

#endif
