/* Tasks: their order, their stacks, what they wait for, and what each has of its own. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/task.h"
#include "tests/unit/capture.h"

enum { HOUR_MS = 3600000, MOST = 64 };

static const double ROUNDING = 1e-9;

static void run_set(size_t count, size_t at_once, void (*run)(void *context, size_t index),
                    void *context)
{
    const struct cf_task_set set = {
        .count = count, .at_once = at_once, .run = run, .context = context};
    cf_tasks_run(&set);
    ck_assert_ptr_null(cf_task_current());
    ck_assert(!cf_task_may_wait());
}

/* --- order and stacks ---------------------------------------------------------------------------
 */

struct seen {
    size_t starts, ends, live, most_live;
    size_t order[MOST];
    const void *frames[MOST]; /* different ones */
    size_t frame_count;
    size_t pauses; /* that each run makes */
};

static void note_frame(struct seen *seen, const void *frame)
{
    size_t i = 0;
    while (i < seen->frame_count && seen->frames[i] != frame) {
        i++;
    }
    if (i == seen->frame_count && i < MOST) {
        seen->frames[seen->frame_count++] = frame;
    }
}

static void note_run(void *context, size_t index)
{
    struct seen *seen = context;
    ck_assert_uint_eq(index, seen->starts); /* in order, each once */
    seen->starts++;
    seen->live++;
    seen->most_live = seen->live > seen->most_live ? seen->live : seen->most_live;
    note_frame(seen, __builtin_frame_address(0));
    for (size_t i = 0; i < seen->pauses; i++) {
        cf_task_sleep(0, NULL);
    }
    seen->live--;
    seen->ends++;
}

START_TEST(runs_start_in_order_and_are_bounded)
{
    struct seen seen = {.pauses = 3};
    run_set(50, 4, note_run, &seen);
    ck_assert_uint_eq(seen.ends, 50);
    ck_assert_uint_eq(seen.most_live, 4);
    ck_assert_uint_eq(seen.frame_count, 4); /* stacks are used again */
}
END_TEST

START_TEST(runs_that_end_at_once_need_one_stack_each_place)
{
    struct seen seen = {0};
    run_set(10000, 64, note_run, &seen);
    ck_assert_uint_eq(seen.ends, 10000);
    ck_assert_uint_eq(seen.most_live, 1);
    ck_assert_uint_eq(seen.frame_count, 64);
}
END_TEST

START_TEST(many_short_runs)
{
    struct seen seen = {.pauses = 1};
    run_set(10000, 64, note_run, &seen);
    ck_assert_uint_eq(seen.ends, 10000);
    ck_assert_uint_eq(seen.most_live, 64);
    ck_assert_uint_eq(seen.frame_count, 64);
}
END_TEST

START_TEST(fewer_runs_than_places)
{
    struct seen none = {0};
    struct seen two = {.pauses = 1};
    run_set(0, 8, note_run, &none);
    run_set(0, 1, note_run, &none);
    ck_assert_uint_eq(none.starts, 0);
    run_set(2, 8, note_run, &two);
    ck_assert_uint_eq(two.ends, 2);
    ck_assert_uint_eq(two.most_live, 2);
}
END_TEST

static void expect_task(void *context, size_t index)
{
    (void)index;
    ck_assert(cf_task_may_wait() == *(bool *)context);
    ck_assert((cf_task_current() != NULL) == *(bool *)context);
}

START_TEST(one_place_needs_no_task)
{
    bool tasks = false;
    struct seen seen = {.pauses = 2};
    run_set(3, 1, expect_task, &tasks);
    run_set(3, 0, expect_task, &tasks);
    run_set(5, 1, note_run, &seen);
    ck_assert_uint_eq(seen.most_live, 1);
    ck_assert_uint_eq(seen.frame_count, 1);
    run_set(1, 2, expect_task, &tasks); /* nor does one run */
    tasks = true;
    run_set(2, 2, expect_task, &tasks);
}
END_TEST

/* --- deep stacks --------------------------------------------------------------------------------
 */

enum { DEPTH = 2047 };

static void parse_deep(void *context, size_t index)
{
    char text[2 * DEPTH];
    struct cf_buf again = CF_BUF_INIT;
    struct cf_error err = {0};
    json_t *value = NULL;
    (void)index;
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    int rc = cf_json_parse(text, sizeof(text), "it", &value, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    cf_task_sleep(0, NULL);
    cf_json_dump(value, &again);
    ck_assert_uint_eq(again.length, sizeof(text));
    ck_assert(memcmp(again.data, text, sizeof(text)) == 0);
    cf_buf_release(&again);
    json_decref(value);
    ++*(size_t *)context;
}

/* Takes about a kilobyte a level; the pause at the bottom lets another run in between. The
 * sanitizer would keep the variables elsewhere. */
__attribute__((no_sanitize("address"))) static unsigned descend(unsigned depth)
{
    volatile unsigned char room[1024];
    for (size_t i = 0; i < sizeof(room); i++) {
        room[i] = (unsigned char)(depth + i);
    }
    if (depth) {
        ck_assert_uint_eq(descend(depth - 1), (unsigned char)(depth - 1));
    } else {
        cf_task_sleep(0, NULL);
    }
    for (size_t i = 0; i < sizeof(room); i++) {
        ck_assert_uint_eq(room[i], (unsigned char)(depth + i));
    }
    return room[0];
}

static void go_deep(void *context, size_t index)
{
    (void)index;
    (void)descend(400);
    ++*(size_t *)context;
}

START_TEST(stacks_are_deep)
{
    size_t ended = 0;
    run_set(6, 3, parse_deep, &ended);
    run_set(6, 3, go_deep, &ended);
    ck_assert_uint_eq(ended, 12);
}
END_TEST

static void fall(void *context, size_t index)
{
    cf_task_sleep(0, NULL); /* until all stacks are there, one beside the other */
    if (index == 0) {
        (void)descend(*(unsigned *)context);
    }
}

static int overrun(void *context)
{
    (void)context;
    unsigned depth = 1100;
    run_set(2, 2, fall, &depth);
    return 0;
}

START_TEST(running_over_the_end_is_noticed)
{
    struct captured captured;
    capture_run(overrun, NULL, &captured);
    ck_assert_int_ne(captured.exit_status, 0); /* -1: a signal; else the sanitizer's */
    captured_release(&captured);
}
END_TEST

/* --- sleeping -----------------------------------------------------------------------------------
 */

struct sleepers {
    volatile int stop[3];
    size_t order[3];
    size_t ended;
    int64_t ms;
};

static void sleep_until_the_next_says_so(void *context, size_t index)
{
    struct sleepers *sleepers = context;
    if (index < 2) {
        cf_task_sleep(HOUR_MS, &sleepers->stop[index]);
    } else {
        cf_task_sleep(sleepers->ms, NULL);
    }
    sleepers->order[sleepers->ended++] = index;
    if (index) {
        sleepers->stop[index - 1] = 1;
    }
}

START_TEST(a_stop_ends_a_sleep)
{
    struct sleepers sleepers = {.ms = 1};
    run_set(3, 3, sleep_until_the_next_says_so, &sleepers);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(sleepers.order[i], 2 - i);
    }
    cf_task_sleep(HOUR_MS, &sleepers.stop[0]); /* outside of tasks as well */
}
END_TEST

static void sleep_so_long(void *context, size_t index)
{
    static const int64_t ms[] = {80, 0, 40};
    const struct sleepers *sleepers = context;
    int64_t before = cf_clock_monotonic_ms();
    cf_task_sleep(ms[index], index ? &sleepers->stop[0] : NULL);
    ck_assert_int_ge(cf_clock_monotonic_ms() - before, ms[index]);
}

START_TEST(a_sleep_is_not_too_short)
{
    struct sleepers sleepers = {0};
    run_set(3, 3, sleep_so_long, &sleepers);
    run_set(3, 1, sleep_so_long, &sleepers);
}
END_TEST

/* --- sources ------------------------------------------------------------------------------------
 */

/* A pipe with a byte in it, or one that stays empty. Each turn is counted. */
struct tap {
    int ends[2];
    size_t turns;
    size_t wanted; /* turns; the wait ends then */
    bool by_time;  /* has something to do although nothing can be read */
    const struct tap *after;
    double busy; /* processor seconds that a turn takes */
};

static bool is_full(void *context)
{
    const struct tap *tap = context;
    return tap->turns >= tap->wanted;
}

static int64_t tap_timeout(void *context, int64_t limit_ms)
{
    const struct tap *tap = context;
    return tap->by_time ? 0 : limit_ms;
}

static void use_processor(double seconds)
{
    double end = cf_clock_cpu_seconds() + seconds;
    while (cf_clock_cpu_seconds() < end) {
    }
}

static void tap_turn(void *context)
{
    struct tap *tap = context;
    use_processor(tap->busy);
    tap->turns += !tap->after || is_full((void *)(uintptr_t)tap->after);
}

static void open_tap(struct tap *tap, bool readable)
{
    *tap = (struct tap){.wanted = 1};
    ck_assert_int_eq(pipe(tap->ends), 0);
    ck_assert(!readable || write(tap->ends[1], "x", 1) == 1);
}

static void close_tap(const struct tap *tap)
{
    (void)close(tap->ends[0]);
    (void)close(tap->ends[1]);
}

static void wait_for_tap(struct tap *tap)
{
    const struct cf_task_source source = {
        .fd = tap->ends[0], .timeout_ms = tap_timeout, .turn = tap_turn, .context = tap};
    cf_task_wait(&source, is_full, tap);
    ck_assert(is_full(tap));
}

static void wait_for_own_tap(void *context, size_t index)
{
    wait_for_tap((struct tap *)context + index);
}

START_TEST(every_source_gets_its_turns)
{
    struct tap taps[40];
    for (size_t i = 0; i < 40; i++) {
        open_tap(&taps[i], true);
        taps[i].after = i + 1 < 40 ? &taps[i + 1] : NULL; /* so that the last one ends first */
    }
    run_set(40, 40, wait_for_own_tap, taps);
    for (size_t i = 0; i < 40; i++) {
        close_tap(&taps[i]);
    }
}
END_TEST

static void wait_for_first_tap(void *context, size_t index)
{
    (void)index;
    wait_for_tap(context);
}

START_TEST(a_source_may_be_due_by_time)
{
    struct tap tap;
    open_tap(&tap, false);
    tap.by_time = true;
    tap.wanted = 3;
    run_set(5, 5, wait_for_first_tap, &tap);
    ck_assert_uint_eq(tap.turns, 3); /* one turn a round, however many wait */
    close_tap(&tap);
}
END_TEST

static void wait_or_be_busy(void *context, size_t index)
{
    struct tap *tap = context;
    if (index) {
        wait_for_tap(tap);
        return;
    }
    for (size_t i = 0; i < 1000 && !is_full(tap); i++) {
        cf_task_sleep(0, NULL);
    }
    ck_assert(is_full(tap));
}

START_TEST(a_source_is_not_starved_by_those_who_never_wait)
{
    struct tap tap;
    open_tap(&tap, true);
    tap.wanted = 10;
    run_set(2, 2, wait_or_be_busy, &tap);
    close_tap(&tap);
}
END_TEST

/* --- processor time -----------------------------------------------------------------------------
 */

struct times {
    double used[3];
    struct tap *tap;
};

static void be_busy(void *context, size_t index)
{
    struct times *times = context;
    for (size_t i = 0; i < 3; i++) {
        double before = cf_task_cpu_seconds();
        use_processor(index == 1 ? 0.02 : 0);
        ck_assert_double_ge(cf_task_cpu_seconds() - before, index == 1 ? 0.02 - ROUNDING : 0);
        cf_task_sleep(1, NULL);
    }
    times->used[index] = cf_task_cpu_seconds();
}

START_TEST(processor_time_is_each_tasks_own)
{
    struct times times = {.tap = NULL};
    double before = cf_task_cpu_seconds();
    run_set(3, 3, be_busy, &times);
    double all = cf_task_cpu_seconds() - before;
    ck_assert_double_ge(times.used[1], 0.06 - ROUNDING);
    ck_assert_double_lt(times.used[0], 0.02);
    ck_assert_double_lt(times.used[2], 0.02);
    ck_assert_double_le(times.used[0] + times.used[1] + times.used[2], all + ROUNDING);
    run_set(3, 1, be_busy, &times); /* the process's, outside of tasks */
    ck_assert_double_ge(times.used[0], all);
}
END_TEST

static void begin_at_nothing(void *context, size_t index)
{
    (void)context;
    (void)index;
    ck_assert_double_lt(cf_task_cpu_seconds(), 0.02);
    use_processor(0.02);
}

START_TEST(a_place_is_handed_on_without_its_processor_time)
{
    run_set(4, 2, begin_at_nothing, NULL);
}
END_TEST

static void share_a_turn(void *context, size_t index)
{
    struct times *times = context;
    if (index) {
        wait_for_tap(times->tap);
    }
    times->used[index] = cf_task_cpu_seconds();
}

START_TEST(those_who_wait_share_what_a_turn_took)
{
    struct tap tap;
    struct times times = {.tap = &tap};
    open_tap(&tap, true);
    tap.busy = 0.06;
    double before = cf_task_cpu_seconds();
    run_set(3, 3, share_a_turn, &times);
    double all = cf_task_cpu_seconds() - before;
    ck_assert_double_lt(times.used[0], 0.02);
    ck_assert_double_ge(times.used[1], 0.03 - ROUNDING);
    ck_assert_double_ge(times.used[2], 0.03 - ROUNDING);
    ck_assert_double_le(times.used[0] + times.used[1] + times.used[2], all + ROUNDING);
    close_tap(&tap);
}
END_TEST

static void wait_idly(void *context, size_t index)
{
    static const volatile int never = 0;
    struct tap *tap = context;
    if (index < 4) {
        cf_task_sleep(1000, index % 2 ? &never : NULL);
        tap->by_time = true;
    } else {
        wait_for_tap(tap);
    }
}

START_TEST(waiting_takes_no_processor_time)
{
    struct tap tap;
    open_tap(&tap, false);
    double before = cf_clock_cpu_seconds();
    run_set(8, 8, wait_idly, &tap);
    ck_assert_double_lt(cf_clock_cpu_seconds() - before, 0.1);
    close_tap(&tap);
}
END_TEST

/* --- on whose behalf ----------------------------------------------------------------------------
 */

static struct cf_task *tasks[3];

static void say(const char *event, int64_t n)
{
    cf_log(CF_INFO, event, CF_I("n", n), CF_END);
}

static void log_by_turns(void *context, size_t index)
{
    static const char *const names[] = {"a", "b", "c"};
    (void)context;
    tasks[index] = cf_task_current();
    say("began", (int64_t)index);
    cf_log_context("job", NULL, names[index]);
    for (int64_t i = 0; i < 2; i++) {
        cf_task_sleep(0, NULL);
        say(names[index], i);
    }
    if (index == 0) {
        struct cf_task *before = cf_task_lend(tasks[1]);
        say("b", 2);
        ck_assert_ptr_eq(cf_task_current(), tasks[1]);
        ck_assert(!cf_task_may_wait());
        struct cf_task *inner = cf_task_lend(NULL);
        say("outside", 0);
        ck_assert_ptr_null(cf_task_current());
        cf_task_unlend(inner);
        inner = cf_task_lend(tasks[1]);
        cf_task_sleep(1, NULL); /* blocks: nobody else runs */
        cf_task_unlend(inner);
        say("b", 3);
        cf_task_unlend(before);
        say("a", 2);
        ck_assert_ptr_eq(cf_task_current(), tasks[0]);
        ck_assert(cf_task_may_wait());
    }
}

static int log_all(void *context)
{
    (void)context;
    cf_log_configure(CF_LOG_JSON, CF_INFO);
    cf_log_context("job", NULL, "outside");
    run_set(3, 3, log_by_turns, NULL);
    say("outside", 1);
    return 0;
}

/* "event tenant n" of every line. */
static void shorten(char *log, struct cf_buf *out)
{
    for (const char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        const char *event = json_string_value(json_object_get(object, "event"));
        const char *tenant = json_string_value(json_object_get(object, "tenant"));
        if (object) { /* gcc's sanitizer says once that it knows no more of swapcontext */
            cf_buf_printf(out, "%s %s %d\n", event ? event : "-", tenant ? tenant : "-",
                          (int)json_integer_value(json_object_get(object, "n")));
        }
        json_decref(object);
    }
}

START_TEST(each_task_has_its_own_log_context)
{
    struct captured captured;
    struct cf_buf lines = CF_BUF_INIT;
    capture_run(log_all, NULL, &captured);
    ck_assert_msg(captured.exit_status == 0, "%s", cf_buf_str(&captured.err));
    shorten(captured.err.data, &lines);
    ck_assert_str_eq(cf_buf_str(&lines), "began outside 0\nbegan outside 1\nbegan outside 2\n"
                                         "a a 0\nb b 0\nc c 0\n"
                                         "a a 1\nb b 2\noutside outside 0\nb b 3\na a 2\n"
                                         "b b 1\nc c 1\n"
                                         "outside outside 1\n");
    cf_buf_release(&lines);
    captured_release(&captured);
}
END_TEST

static void swap_contexts(void *context, size_t index)
{
    struct cf_log_scope scope;
    (void)context;
    (void)index;
    for (size_t i = 0; i < 3; i++) {
        cf_log_context(index ? "one" : "zero", NULL, NULL);
        cf_task_sleep(0, NULL);
        cf_log_scope_save(&scope);
        ck_assert_str_eq(scope.job, index ? "one" : "zero");
    }
}

START_TEST(the_callers_log_context_is_there_again)
{
    struct cf_log_scope scope;
    cf_log_context("caller", NULL, "its own");
    run_set(2, 2, swap_contexts, NULL);
    struct cf_task *before = cf_task_lend(NULL); /* nothing changes outside of tasks */
    cf_log_context("caller", NULL, "another");
    cf_task_unlend(before);
    cf_log_scope_save(&scope);
    ck_assert_str_eq(scope.job, "caller");
    ck_assert_str_eq(scope.tenant, "another");
    cf_log_context(NULL, NULL, NULL);
}
END_TEST

Suite *base_task_suite(void)
{
    Suite *suite = suite_create("base_task");
    TCase *tc = tcase_create("task");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, runs_start_in_order_and_are_bounded);
    tcase_add_test(tc, runs_that_end_at_once_need_one_stack_each_place);
    tcase_add_test(tc, many_short_runs);
    tcase_add_test(tc, fewer_runs_than_places);
    tcase_add_test(tc, one_place_needs_no_task);
    tcase_add_test(tc, stacks_are_deep);
    tcase_add_test(tc, running_over_the_end_is_noticed);
    tcase_add_test(tc, a_stop_ends_a_sleep);
    tcase_add_test(tc, a_sleep_is_not_too_short);
    tcase_add_test(tc, every_source_gets_its_turns);
    tcase_add_test(tc, a_source_may_be_due_by_time);
    tcase_add_test(tc, a_source_is_not_starved_by_those_who_never_wait);
    tcase_add_test(tc, processor_time_is_each_tasks_own);
    tcase_add_test(tc, a_place_is_handed_on_without_its_processor_time);
    tcase_add_test(tc, those_who_wait_share_what_a_turn_took);
    tcase_add_test(tc, waiting_takes_no_processor_time);
    tcase_add_test(tc, each_task_has_its_own_log_context);
    tcase_add_test(tc, the_callers_log_context_is_there_again);
    suite_add_tcase(suite, tc);
    return suite;
}
