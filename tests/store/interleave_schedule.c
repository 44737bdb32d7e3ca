/* Exactly one thread runs at any time. An actor that is about to carry out an operation on the
 * store parks, chooses who goes on (or leaves that to the main thread, when the order is directed)
 * and hands over; so a run is a function of its seed alone. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/store/interleave.h"

/* splitmix64 */
uint64_t schedule_random(struct schedule *s, uint64_t below)
{
    uint64_t z = s->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

/* --- handing over -------------------------------------------------------------------------------
 */

static void wait_for(sem_t *turn)
{
    while (sem_wait(turn) != 0 && errno == EINTR) {
    }
}

static bool stands_still(const struct schedule *s, const struct actor *a)
{
    return s->truth.newest < a->stalled || s->truth.floor < a->stalled_floor;
}

/* What matters most is an actor that goes on when the floor has passed what it is about. */
static void stall(struct schedule *s, struct actor *a)
{
    bool marker = a->pending && cf_dataset_key_version(&s->truth.plain, a->pending->key);
    a->stalled = s->truth.newest + 1 + schedule_random(s, 4);
    a->stalled_floor = 0;
    if (!s->lagging || s->lagging->ended || !stands_still(s, s->lagging)) {
        s->lagging = a;
        a->stalled_floor = marker || schedule_random(s, 3) == 0 ? a->resolved + 2 : 0;
    }
    s->stalls++;
}

static struct actor *choose(struct schedule *s)
{
    struct actor *able[ACTORS_MAX];
    size_t count = 0;
    if (s->last && !s->last->ended && !stands_still(s, s->last) &&
        schedule_random(s, 100) < s->burst) {
        return s->last;
    }
    for (int relaxed = 0; relaxed < 3 && !count; relaxed++) {
        for (size_t i = 0; i < s->actor_count; i++) {
            struct actor *a = &s->actors[i];
            bool waits = relaxed ? relaxed < 2 && a == s->lagging : stands_still(s, a);
            if (!a->ended && !waits) {
                able[count++] = a;
            }
        }
    }
    if (!count) {
        return NULL;
    }
    struct actor *chosen = able[schedule_random(s, count)];
    bool commits = chosen->pending && chosen->pending->kind == CF_OP_PUT_NEW;
    if (count > 1 && schedule_random(s, 1000) < (commits ? 4 * s->stall_rate : s->stall_rate)) {
        stall(s, chosen);
        return choose(s);
    }
    return chosen;
}

/* Lets the next one go on; true when that is the caller. */
static bool hand_over(struct schedule *s, const struct actor *from)
{
    struct actor *next = s->directed ? NULL : choose(s);
    s->last = next;
    if (next && next == from) {
        return true;
    }
    (void)sem_post(next ? &next->turn : &s->main);
    return false;
}

static void *run_thread(void *context)
{
    struct actor *a = context;
    wait_for(&a->turn);
    a->body(a);
    a->ended = true;
    (void)hand_over(a->schedule, NULL);
    return NULL;
}

static void start(struct actor *a)
{
    a->started = true;
    if (pthread_create(&a->thread, NULL, run_thread, a)) {
        (void)printf("Bail out! no thread\n");
        exit(1);
    }
}

/* --- one operation ------------------------------------------------------------------------------
 */

static const char *const kinds[] = {"GET", "PUT", "PUT_NEW", "LIST", "DELETE", "STAT"};
static const char *const fates[] = {"",
                                    ", applied, answer lost",
                                    ", not applied, answer lost",
                                    ", denied",
                                    ", to be applied later",
                                    ", crash before",
                                    ", crash after"};

static void trace(const struct schedule *s, const char *who, enum cf_op_kind kind, const char *key,
                  int rc, enum fate fate)
{
    if (s->trace) {
        (void)printf("# %4u %-10s %-7s %s%s%s%s\n", s->steps, who, kinds[kind],
                     key + strlen("tenants/octocat/repos/"), rc ? " " : "",
                     rc ? cf_code_name(rc) : "", fates[fate]);
    }
}

static void apply(struct schedule *s, struct cf_op *op)
{
    truth_before(&s->truth, op);
    (void)cf_store_run(s->memory, op, 1);
    truth_after(&s->truth, op);
}

static void keep_for_later(struct schedule *s, const struct cf_op *op)
{
    if (s->late_count == LATE_MAX) {
        return;
    }
    struct late *late = &s->late[s->late_count++];
    *late = (struct late){.kind = op->kind};
    (void)snprintf(late->key, sizeof(late->key), "%s", op->key);
    cf_buf_append(&late->data, op->data, op->length);
}

static void apply_late(struct schedule *s)
{
    size_t i = schedule_random(s, s->late_count);
    struct late late = s->late[i];
    s->late[i] = s->late[--s->late_count];
    struct cf_op op = {
        .kind = late.kind, .key = late.key, .data = late.data.data, .length = late.data.length};
    apply(s, &op);
    trace(s, "(late)", op.kind, op.key, op.rc, FATE_DONE);
    cf_op_release(&op);
    cf_buf_release(&late.data);
}

void schedule_flush(struct schedule *s)
{
    while (s->late_count) {
        apply_late(s);
    }
}

static enum fate draw_fate(struct schedule *s, const struct cf_op *op)
{
    static const enum fate possible[] = {FATE_LOST, FATE_REFUSED, FATE_LATE, FATE_CRASH_BEFORE,
                                         FATE_CRASH_AFTER};
    if (s->directed) {
        return s->fate;
    }
    unsigned rate = op->kind == CF_OP_PUT_NEW ? 4 * s->fault_rate : s->fault_rate;
    if (schedule_random(s, 1000) >= rate) {
        return FATE_DONE;
    }
    enum fate fate = possible[schedule_random(s, sizeof(possible) / sizeof(possible[0]))];
    bool writes = op->kind == CF_OP_PUT || op->kind == CF_OP_PUT_NEW || op->kind == CF_OP_DELETE;
    return fate == FATE_LATE && !writes ? FATE_REFUSED : fate;
}

static void fail(struct cf_op *op, int code, const char *what)
{
    cf_op_release(op);
    op->rc = cf_error_at(&op->error, code, "step", op->key, "%s", what);
}

/* What an actor relies on must be there while the newest is at most K+1 versions above. */
static void check_found(struct schedule *s, const struct actor *a, const struct cf_op *op)
{
    if (op->kind == CF_OP_GET && op->rc == CF_ENOTFOUND && a->relies && a->resolved &&
        s->truth.newest <= a->resolved + s->truth.keep + 1) {
        truth_break(&s->truth, "%s met a 404 at %s: resolved %" PRIu64 ", newest %" PRIu64, a->name,
                    op->key, a->resolved, s->truth.newest);
    }
}

static void note_listed(struct schedule *s, struct actor *a, const struct cf_op *op)
{
    if (op->kind == CF_OP_LIST && op->max_keys == 1 && !op->rc && op->listed_count) {
        a->resolved = cf_dataset_key_version(&s->truth.plain, op->listed[0].key);
    }
}

static void carry_out(struct schedule *s, struct actor *a, struct cf_op *op)
{
    enum fate fate = draw_fate(s, op);
    if (s->late_count && schedule_random(s, 8) == 0) {
        apply_late(s);
    }
    s->steps++;
    s->fates[fate]++;
    s->fate = FATE_DONE;
    if (fate == FATE_DONE || fate == FATE_LOST || fate == FATE_CRASH_AFTER) {
        apply(s, op);
    } else if (fate == FATE_LATE) {
        keep_for_later(s, op);
    }
    trace(s, a->name, op->kind, op->key, op->rc, fate);
    if (fate == FATE_DONE) {
        check_found(s, a, op);
        note_listed(s, a, op);
    } else if (fate == FATE_CRASH_BEFORE || fate == FATE_CRASH_AFTER) {
        a->crashed = true;
        fail(op, CF_EINTERRUPTED, "crashed");
    } else {
        fail(op, fate == FATE_DENIED ? CF_EDENIED : CF_EUNAVAILABLE, "no answer");
    }
}

static void stepping_run(void *self, struct cf_op *ops, size_t count)
{
    struct actor *a = self;
    struct schedule *s = a->schedule;
    for (size_t i = 0; i < count; i++) {
        if (!a->body) {
            apply(s, &ops[i]);
        } else if (a->crashed) {
            fail(&ops[i], CF_EINTERRUPTED, "crashed");
        } else {
            a->pending = &ops[i];
            if (!hand_over(s, a)) {
                wait_for(&a->turn);
            }
            a->pending = NULL;
            carry_out(s, a, &ops[i]);
        }
    }
}

static void stepping_close(void *self)
{
    (void)self;
}

static const struct cf_store_driver stepping = {
    .scheme = "stepping", .conditional_create = true, .run = stepping_run, .close = stepping_close};

/* --- a run --------------------------------------------------------------------------------------
 */

static void actor_init(struct schedule *s, struct actor *a, const char *name)
{
    *a = (struct actor){.schedule = s, .name = name};
    a->store = cf_store_wrap(&stepping, a, "stepping:");
    cf_dataset_init(&a->dataset, a->store, "octocat", "repos");
    (void)sem_init(&a->turn, 0, 0);
}

void schedule_init(struct schedule *s, uint64_t seed, uint64_t keep, bool traced)
{
    struct cf_error err;
    memset(s, 0, sizeof(*s));
    s->random = seed;
    s->trace = traced;
    (void)cf_store_open("memory:interleave", &s->memory, &err);
    (void)sem_init(&s->main, 0, 0);
    truth_init(&s->truth, s->memory, keep);
    actor_init(s, &s->quiet, "quiet");
}

struct actor *schedule_add(struct schedule *s, const char *name, void (*body)(struct actor *),
                           unsigned rounds, bool relies)
{
    struct actor *a = &s->actors[s->actor_count++];
    actor_init(s, a, name);
    a->body = body;
    a->rounds = rounds;
    a->relies = relies;
    return a;
}

static void actor_release(struct actor *a)
{
    if (a->started) {
        (void)pthread_join(a->thread, NULL);
    }
    cf_store_free(a->store);
    (void)sem_destroy(&a->turn);
}

void schedule_release(struct schedule *s)
{
    for (size_t i = 0; i < s->actor_count; i++) {
        struct actor *a = &s->actors[i];
        if (a->started && !a->ended) {
            schedule_finish(a);
        }
        actor_release(a);
    }
    actor_release(&s->quiet);
    for (size_t i = 0; i < s->late_count; i++) {
        cf_buf_release(&s->late[i].data);
    }
    cf_store_free(s->memory);
    (void)sem_destroy(&s->main);
}

void schedule_run(struct schedule *s)
{
    for (size_t i = 0; i < s->actor_count; i++) {
        start(&s->actors[i]);
    }
    (void)hand_over(s, NULL);
    wait_for(&s->main);
}

void schedule_step(struct actor *a, enum fate fate)
{
    struct schedule *s = a->schedule;
    if (a->ended) {
        truth_break(&s->truth, "%s ended before the step that it was to do", a->name);
        return;
    }
    if (!a->started) {
        start(a);
    }
    s->fate = fate;
    (void)sem_post(&a->turn);
    wait_for(&s->main);
}

void schedule_until(struct actor *a, enum cf_op_kind kind, const char *part_of_key)
{
    if (!a->started) {
        schedule_step(a, FATE_DONE);
    }
    while (!a->ended && (a->pending->kind != kind || !strstr(a->pending->key, part_of_key))) {
        schedule_step(a, FATE_DONE);
    }
    if (a->ended) {
        truth_break(&a->schedule->truth, "%s never came to a %s of …%s…", a->name, kinds[kind],
                    part_of_key);
    }
}

void schedule_finish(struct actor *a)
{
    a->schedule->directed = true;
    while (!a->ended) {
        schedule_step(a, FATE_DONE);
    }
}
