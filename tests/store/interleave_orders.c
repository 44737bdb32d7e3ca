/* Orders of events that have a name: each is driven step by step through the real code. K is 1, so
 * a collector that read version n commits the floor n-1. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/store/interleave.h"

static void expect(struct actor *a, int rc)
{
    if (!a->ended || a->rc != rc) {
        truth_break(&a->schedule->truth, "%s: expected %s, got %s%s%s", a->name, cf_code_name(rc),
                    a->ended ? cf_code_name(a->rc) : "no end", a->rc ? ": " : "",
                    a->rc ? a->err.message : "");
    }
}

static void expect_version(struct actor *a, uint64_t version)
{
    expect(a, 0);
    if (a->version != version) {
        truth_break(&a->schedule->truth, "%s: expected version %" PRIu64 ", got %" PRIu64, a->name,
                    version, a->version);
    }
}

static void expect_orphans(struct schedule *s, unsigned orphans)
{
    if (s->truth.orphans != orphans) {
        truth_break(&s->truth, "%u markers were created below the floor, not %u", s->truth.orphans,
                    orphans);
    }
}

static struct actor *add_writer(struct schedule *s, const char *name)
{
    return schedule_add(s, name, actor_writer, 1, true);
}

static struct actor *add_collector(struct schedule *s)
{
    return schedule_add(s, "collector", actor_collector, 1, false);
}

/* --- a writer that stalls -----------------------------------------------------------------------
 */

static void writer_loses_race(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/"); /* of version 3, whose blobs are there */
    commit_others(s, 1);
    schedule_finish(w);
    expect(w, CF_ECONFLICT);
    expect_orphans(s, 0);
}

/* Without step 3 of the commit this is acknowledged, and lost. */
static void writer_below_floor(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    struct actor *again = add_writer(s, "again");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    commit_others(s, 4);
    collect_others(s); /* commits 7 with the floor 5: marker 3 and the writer's blobs are gone */
    schedule_step(w, FATE_DONE);
    expect_orphans(s, 1);
    schedule_finish(w);
    expect(w, CF_ECONFLICT);
    schedule_finish(again);
    expect_version(again, 8);
}

/* "412, the same bytes" says that the marker is ours, not that it is on the chain. */
static void writer_below_floor_answer_lost(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    commit_others(s, 4);
    collect_others(s);
    schedule_step(w, FATE_LOST);
    schedule_finish(w);
    expect_orphans(s, 1);
    expect(w, CF_ECONFLICT);
}

/* The marker was on the chain when it was created; what came later doesn't take that back. */
static void writer_before_check(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_DONE);
    commit_others(s, 1);
    schedule_finish(w);
    expect_version(w, 3);
}

static void writer_between_list_and_get(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_GET, "/v/");
    commit_others(s, 4);
    collect_others(s);
    schedule_finish(w); /* the GET meets nothing; it resolves again */
    expect_version(w, 8);
}

/* A LIST named version 2; then it is collected, and a writer that had stalled creates it again. */
static void resurrect_2(struct schedule *s, struct actor *stalled, struct actor *between)
{
    commit_others(s, 1);
    schedule_until(stalled, CF_OP_PUT_NEW, "/v/");
    commit_others(s, 1);
    schedule_until(between, CF_OP_GET, "/v/");
    commit_others(s, 4);
    collect_others(s);
    schedule_step(stalled, FATE_DONE);
    expect_orphans(s, 1);
}

static void reader_meets_resurrected(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    struct actor *r = schedule_add(s, "reader", actor_reader, 1, true);
    resurrect_2(s, w, r);
    schedule_finish(r);
    expect_version(r, 7);
    schedule_finish(w);
    expect(w, CF_ECONFLICT);
}

static void writer_meets_resurrected(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    struct actor *other = add_writer(s, "other");
    resurrect_2(s, w, other);
    schedule_finish(other);
    expect_version(other, 8);
    schedule_finish(w);
    expect(w, CF_ECONFLICT);
}

/* Within K+1 versions nothing that was resolved goes away; after that it is CONFLICT. */
static void reader_stalls(struct schedule *s)
{
    struct actor *within = schedule_add(s, "within", actor_reader, 1, true);
    struct actor *beyond = schedule_add(s, "beyond", actor_reader, 1, true);
    commit_others(s, 3);
    schedule_until(within, CF_OP_GET, "/b/");
    schedule_until(beyond, CF_OP_GET, "/b/");
    commit_others(s, 1);
    collect_others(s); /* read 4, commits 5: the floor is 3, which both have resolved */
    schedule_finish(within);
    expect_version(within, 3);
    commit_others(s, 2);
    collect_others(s);
    schedule_finish(beyond);
    expect(beyond, CF_ECONFLICT);
}

/* --- answers that are lost ----------------------------------------------------------------------
 */

static void answer_lost(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_LOST);
    schedule_finish(w); /* again: 412; the same bytes */
    expect_version(w, 3);
}

static void request_lost(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_REFUSED);
    schedule_finish(w);
    expect_version(w, 3);
}

static void request_lost_then_race(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_REFUSED);
    commit_others(s, 1);
    schedule_finish(w);
    expect(w, CF_ECONFLICT);
}

static void answer_lost_and_collected(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_LOST);
    commit_others(s, 3);
    collect_others(s);  /* the floor is 5 */
    schedule_finish(w); /* the same bytes again, below the floor */
    expect_orphans(s, 1);
    expect(w, CF_ECONFLICT);
}

static void every_answer_lost(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    while (!w->ended) {
        schedule_step(w, FATE_LOST);
    }
    expect(w, CF_ERETRY);
    if (!strstr(w->err.message, "outcome of the commit is unknown") || s->truth.newest != 3) {
        truth_break(&s->truth, "got: %s", w->err.message);
    }
}

/* What LIST shows of that version afterwards is somebody else's. */
static void every_request_lost(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    while (!w->ended && w->pending->kind == CF_OP_PUT_NEW) {
        schedule_step(w, FATE_REFUSED);
    }
    commit_others(s, 1);
    schedule_step(w, FATE_REFUSED); /* the GET that was to decide */
    schedule_finish(w);
    expect(w, CF_ERETRY);
}

static void answers_of_check_lost(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_DONE);
    while (!w->ended) {
        schedule_step(w, FATE_REFUSED);
    }
    expect(w, CF_ERETRY);
}

/* A refusal says nothing of the attempt before it, which may have been applied. */
static void denied_after_lost_answer(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_LOST);
    schedule_step(w, FATE_DENIED);
    schedule_finish(w);
    if (w->rc && !strstr(w->err.message, "outcome of the commit is unknown")) {
        truth_break(&s->truth, "version 3 is on the chain, its writer was told \"%s\"",
                    w->err.message);
    }
}

static void late_below_floor(struct schedule *s)
{
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 2);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_step(w, FATE_LATE);
    schedule_step(w, FATE_CRASH_BEFORE);
    schedule_finish(w);
    commit_others(s, 4);
    collect_others(s);
    schedule_flush(s);
    expect_orphans(s, 1); /* which the collection at rest finds */
}

/* --- a collector that stalls --------------------------------------------------------------------
 */

static void collector_between_reads_and_commit(struct schedule *s)
{
    struct actor *c = add_collector(s);
    commit_others(s, 5);
    schedule_until(c, CF_OP_PUT_NEW, "/v/");
    commit_others(s, 1); /* takes 6, which it wanted; it starts again */
    schedule_finish(c);
    expect(c, 0);
    if (s->truth.newest != 7 || s->truth.floor != 5) {
        truth_break(&s->truth, "newest %" PRIu64 ", floor %" PRIu64, s->truth.newest,
                    s->truth.floor);
    }
}

static void collector_between_its_reads(struct schedule *s)
{
    struct actor *c = add_collector(s);
    commit_others(s, 5);
    schedule_until(c, CF_OP_GET, "/b/"); /* reads version 4, then 5 */
    commit_others(s, 3);
    collect_others(s); /* the floor is 7 */
    schedule_finish(c);
    expect(c, 0);
}

/* Its own marker comes to lie below the floor that another one has raised meanwhile; and what it
 * noted is old, since a rollback refers to blobs below its floor again. */
static void collector_below_floor(struct schedule *s)
{
    struct actor *c = add_collector(s);
    commit_others(s, 5);
    schedule_until(c, CF_OP_PUT_NEW, "/v/"); /* of version 6, with the floor 4 */
    for (int i = 0; i < 4; i++) {
        roll_back_others(s, s->truth.newest == 5 ? 1 : s->truth.newest);
    }
    collect_others(s); /* commits 10 with the floor 8 */
    schedule_finish(c);
    expect_orphans(s, 1);
    expect(c, 0);
}

static void collector_between_commit_and_deletes(struct schedule *s)
{
    struct actor *c = add_collector(s);
    struct actor *back = schedule_add(s, "rollback", actor_rollback, 1, true);
    commit_others(s, 5);
    schedule_until(c, CF_OP_DELETE, "/v/");
    schedule_finish(back);
    commit_others(s, 3);
    collect_others(s);
    commit_others(s, 2);
    schedule_finish(c);
    expect(c, 0);
    expect(back, 0);
}

static void collector_between_its_deletes(struct schedule *s)
{
    struct actor *c = add_collector(s);
    struct actor *w = add_writer(s, "writer");
    commit_others(s, 5);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    schedule_until(c, CF_OP_DELETE, "/b/");
    commit_others(s, 4);
    collect_others(s);
    schedule_step(w, FATE_DONE); /* a marker below the floor again */
    schedule_finish(c);
    schedule_finish(w);
    expect(c, 0);
    expect(w, CF_ECONFLICT);
}

static void collector_dies_before_deletes(struct schedule *s)
{
    struct actor *c = add_collector(s);
    commit_others(s, 5);
    schedule_until(c, CF_OP_DELETE, "/v/");
    schedule_step(c, FATE_CRASH_BEFORE);
    expect(c, CF_EINTERRUPTED); /* the collection at rest deletes what it left */
}

static void idle_dataset_rests(struct schedule *s)
{
    commit_others(s, 5);
    collect_others(s);
    uint64_t newest = s->truth.newest;
    for (int i = 0; i < 3; i++) {
        struct actor other = s->quiet;
        other.rounds = 1;
        actor_collector(&other);
    }
    if (s->truth.newest != newest) {
        truth_break(&s->truth, "three collections of an idle dataset made %" PRIu64 " versions",
                    s->truth.newest - newest);
    }
}

static void verify_during_collection(struct schedule *s)
{
    struct actor *a = schedule_add(s, "verify", actor_verify, 1, false);
    commit_others(s, 5);
    schedule_until(a, CF_OP_GET, "/b/");
    commit_others(s, 4);
    collect_others(s);
    schedule_finish(a);
    expect(a, 0);
}

/* It can't know whether what it misses was collected: that is no finding. */
static void verify_without_answer(struct schedule *s)
{
    struct actor *a = schedule_add(s, "verify", actor_verify, 1, false);
    char key[CF_KEY_MAX];
    commit_others(s, 5);
    cf_dataset_marker_key(&s->truth.plain, 4, key);
    schedule_until(a, CF_OP_GET, key);
    commit_others(s, 4);
    collect_others(s);
    while (!a->ended) {
        schedule_step(a, a->pending->max_keys == 1 ? FATE_REFUSED : FATE_DONE);
    }
    expect(a, CF_EUNAVAILABLE);
}

/* Version 4 was listed; then it was collected, and created again with other bytes. */
static void verify_meets_resurrected(struct schedule *s)
{
    struct actor *a = schedule_add(s, "verify", actor_verify, 1, false);
    struct actor *w = add_writer(s, "writer");
    char key[CF_KEY_MAX];
    commit_others(s, 3);
    schedule_until(w, CF_OP_PUT_NEW, "/v/");
    commit_others(s, 2);
    cf_dataset_marker_key(&s->truth.plain, 4, key);
    schedule_until(a, CF_OP_GET, key);
    commit_others(s, 3);
    collect_others(s);
    schedule_step(w, FATE_DONE);
    expect_orphans(s, 1);
    schedule_finish(a);
    expect(a, 0);
    schedule_finish(w);
    expect(w, CF_ECONFLICT);
}

/* --- all of them --------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    void (*run)(struct schedule *s);
} orders[] = {
    {"a writer stalled before its marker loses the race", writer_loses_race},
    {"a writer stalled until the floor has passed it is told so", writer_below_floor},
    {"also when the answer to its marker is lost", writer_below_floor_answer_lost},
    {"a writer stalled after its marker keeps its version", writer_before_check},
    {"a writer between LIST and GET resolves again", writer_between_list_and_get},
    {"a reader doesn't take a marker that was created again", reader_meets_resurrected},
    {"nor does a writer", writer_meets_resurrected},
    {"a reader that stalls is told to read again, and not too early", reader_stalls},
    {"the answer to the marker is lost", answer_lost},
    {"the marker's request is lost", request_lost},
    {"the marker's request is lost, then the race", request_lost_then_race},
    {"the answer is lost, and then the marker is collected", answer_lost_and_collected},
    {"every answer is lost: the outcome is unknown", every_answer_lost},
    {"every request is lost, and somebody else commits", every_request_lost},
    {"the answers of step 3 are lost: the outcome is unknown", answers_of_check_lost},
    {"an answer is lost, then access is denied: the outcome is unknown", denied_after_lost_answer},
    {"a dead writer's request arrives below the floor", late_below_floor},
    {"a collector stalled between reads and commit", collector_between_reads_and_commit},
    {"a collector stalled between its reads", collector_between_its_reads},
    {"a collector's own marker comes below the floor", collector_below_floor},
    {"a collector stalled between commit and deletes", collector_between_commit_and_deletes},
    {"a collector stalled between its deletes", collector_between_its_deletes},
    {"a collector dies before its deletes", collector_dies_before_deletes},
    {"an idle dataset comes to rest", idle_dataset_rests},
    {"verify during a collection reports no loss", verify_during_collection},
    {"verify without answers reports no loss", verify_without_answer},
    {"verify meets a marker that was created again", verify_meets_resurrected},
};

unsigned orders_run(unsigned first, unsigned *failed)
{
    unsigned count = sizeof(orders) / sizeof(orders[0]);
    *failed = 0;
    for (unsigned i = 0; i < count; i++) {
        struct schedule s;
        schedule_init(&s, 1, 1, false);
        s.directed = true;
        orders[i].run(&s);
        truth_at_rest(&s.truth, &s.quiet.dataset);
        (void)printf("%sok %u - %s\n", *s.truth.broken ? "not " : "", first + i, orders[i].name);
        if (*s.truth.broken) {
            (void)printf("# %s\n", s.truth.broken);
            *failed += 1;
        }
        schedule_release(&s);
    }
    return count;
}
