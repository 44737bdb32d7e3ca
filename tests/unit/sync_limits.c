/* What GitHub allows, and when, on explicit clocks. */
#include "jobs/sync/limits.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Our clock: 2024-05-01T10:00:00Z. */
static const int64_t NOW = 1714557600000;
static const int64_t MINUTE = 60000;
static const int64_t HOUR = 3600000;

static const struct sync_limits_settings unbounded;
static struct sync_limits limits;
static struct cf_http_request answer;

static void setup(void)
{
    sync_limits_init(&limits);
    answer = (struct cf_http_request){0};
}

static void teardown(void)
{
    cf_http_request_release(&answer);
}

__attribute__((format(printf, 1, 2))) static void set_headers(const char *format, ...)
{
    char lines[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(lines, sizeof(lines), format, args);
    va_end(args);
    cf_http_request_release(&answer);
    answer = (struct cf_http_request){0};
    cf_buf_puts(&answer.response_headers, lines);
}

/* Headers with a budget; the reset is so far behind our clock. */
static void set_budget(int64_t limit, int64_t remaining, int64_t reset_in_ms)
{
    set_headers("X-RateLimit-Limit: %lld\r\nX-RateLimit-Remaining: %lld\r\n"
                "X-RateLimit-Reset: %lld\r\n",
                (long long)limit, (long long)remaining, (long long)((NOW + reset_in_ms) / 1000));
}

/* In how many milliseconds a request may be sent; 0: at once. */
static int64_t ready_in(const struct sync_limits_settings *settings, enum sync_resource resource,
                        int64_t now)
{
    int64_t ready = sync_limits_ready_ms(&limits, settings, resource, now);
    return ready > now ? ready - now : 0;
}

static void send_many(enum sync_resource resource, int count, int64_t now)
{
    for (int i = 0; i < count; i++) {
        sync_limits_sent(&limits, resource, now);
    }
}

START_TEST(nothing_is_known_at_first)
{
    static const struct sync_limits_settings settings = {.reserve = 500, .per_minute = 850};
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), 0);
    ck_assert_int_eq(ready_in(&settings, SYNC_GRAPHQL, NOW), 0);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, -1);
    ck_assert_int_eq(limits.resources[SYNC_GRAPHQL].remaining, -1);
}
END_TEST

/* --- the pace -----------------------------------------------------------------------------------
 */

START_TEST(the_pace_is_that_of_the_last_minute)
{
    static const struct sync_limits_settings settings = {.per_minute = 10};
    send_many(SYNC_REST, 4, NOW);
    send_many(SYNC_REST, 5, NOW + 20000);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + 20500), 0);
    send_many(SYNC_REST, 1, NOW + 20500);
    /* The first four must be a minute old. */
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + 20500), MINUTE - 20500);
    ck_assert_int_gt(ready_in(&settings, SYNC_REST, NOW + MINUTE - 1), 0);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + MINUTE), 0);
    send_many(SYNC_REST, 4, NOW + MINUTE);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + MINUTE), 20000);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + MINUTE + 20000), 0);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + HOUR), 0);
}
END_TEST

START_TEST(what_is_older_than_a_minute_is_forgotten)
{
    static const struct sync_limits_settings settings = {.per_minute = 10};
    for (int64_t later = MINUTE; later <= 3 * MINUTE; later += 1000) {
        sync_limits_init(&limits);
        send_many(SYNC_REST, 10, NOW);
        ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + later), 0);
        send_many(SYNC_REST, 1, NOW + later);
        ck_assert_uint_eq(limits.resources[SYNC_REST].pace.sum, 1);
    }
}
END_TEST

START_TEST(the_pace_is_kept_whatever_is_tried)
{
    static const struct sync_limits_settings settings = {.per_minute = 7};
    int64_t sent[600];
    size_t count = 0;
    for (int64_t now = NOW; now < NOW + 3 * MINUTE; now += 300) {
        if (ready_in(&settings, SYNC_REST, now) == 0) {
            sync_limits_sent(&limits, SYNC_REST, now);
            sent[count++] = now;
        }
    }
    ck_assert_uint_ge(count, 21);
    for (size_t i = 7; i < count; i++) { /* any eight of them took more than 59 seconds */
        ck_assert_int_gt(sent[i] - sent[i - 7], MINUTE - 1000);
    }
}
END_TEST

START_TEST(queries_may_be_twice_as_many_and_count_apart)
{
    static const struct sync_limits_settings settings = {.per_minute = 10};
    send_many(SYNC_GRAPHQL, 19, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_GRAPHQL, NOW), 0);
    send_many(SYNC_GRAPHQL, 1, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_GRAPHQL, NOW), MINUTE);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), 0);
}
END_TEST

START_TEST(a_clock_that_goes_back_is_borne)
{
    static const struct sync_limits_settings settings = {.per_minute = 10};
    send_many(SYNC_REST, 10, NOW);
    send_many(SYNC_REST, 1, NOW - HOUR);
    ck_assert_uint_eq(limits.resources[SYNC_REST].pace.sum, 11);
    ck_assert_int_gt(ready_in(&settings, SYNC_REST, NOW), 0);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + MINUTE), 0);
}
END_TEST

START_TEST(no_pace_is_no_bound)
{
    send_many(SYNC_REST, 100000, NOW);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 0);
}
END_TEST

/* --- the budget ---------------------------------------------------------------------------------
 */

START_TEST(the_reserve_is_left_but_a_tenth_at_most)
{
    static const struct {
        uint64_t reserve;
        int64_t limit, remaining;
        bool ready;
    } cases[] = {
        {500, 5000, 501, true},    {500, 5000, 500, false}, {500, 5000, 0, false},
        {100, 5000, 101, true},    {100, 5000, 100, false}, {1000000, 5000, 501, true},
        {500, 60, 7, true},        {500, 60, 6, false},     {0, 5000, 1, true},
        {0, 5000, 0, false},       {500, 9, 1, true},       {500, 9, 0, false},
        {UINT64_MAX, 50, 6, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct sync_limits_settings settings = {.reserve = cases[i].reserve};
        sync_limits_init(&limits);
        set_budget(cases[i].limit, cases[i].remaining, 600000);
        sync_limits_note(&limits, SYNC_REST, &answer, NOW);
        /* … until a second after the reset, since clocks count whole seconds */
        ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), cases[i].ready ? 0 : 601000);
        ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW + 601000), 0);
        ck_assert_int_eq(ready_in(&settings, SYNC_GRAPHQL, NOW), 0);
    }
}
END_TEST

START_TEST(what_is_under_way_counts_before_its_answer)
{
    static const struct sync_limits_settings settings = {.reserve = 10};
    set_budget(100, 13, 600000);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    send_many(SYNC_REST, 2, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), 0);
    send_many(SYNC_REST, 1, NOW);
    ck_assert_int_gt(ready_in(&settings, SYNC_REST, NOW), 0);
    send_many(SYNC_REST, 100, NOW);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, 0);
}
END_TEST

START_TEST(answers_do_not_count_what_is_still_under_way)
{
    send_many(SYNC_REST, 3, NOW);
    sync_limits_ended(&limits, SYNC_REST, 1);
    set_budget(100, 50, 600000);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, 48);
    sync_limits_ended(&limits, SYNC_REST, 5); /* more than there were */
    set_budget(100, 48, 600000);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, 48);
}
END_TEST

START_TEST(no_wait_is_longer_than_a_day)
{
    static const struct sync_limits_settings settings = {0};
    const int64_t day = 86400000;
    set_budget(100, 0, 40 * day);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), day + 1000);
    set_headers("%s", "");
    answer.retry_after_ms = INT64_MAX / 2;
    sync_limits_exceeded(&limits, SYNC_GRAPHQL, &answer, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_GRAPHQL, NOW), day);
}
END_TEST

START_TEST(answers_overtake_each_other)
{
    set_budget(5000, 100, 600000);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    set_budget(5000, 103, 601000); /* an older one; the reset wobbles by a second */
    sync_limits_note(&limits, SYNC_REST, &answer, NOW + 10);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, 100);
    set_budget(5000, 99, 600000);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW + 20);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, 99);
    set_budget(5000, 4999, 600000 + HOUR); /* the next hour */
    sync_limits_note(&limits, SYNC_REST, &answer, NOW + 30);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, 4999);
    ck_assert_int_eq(limits.resources[SYNC_REST].reset_ms, NOW + 600000 + HOUR);
}
END_TEST

START_TEST(the_reset_is_a_time_of_the_servers_clock)
{
    static const int64_t skews[] = {-HOUR, -5000, 0, 5000, HOUR};
    for (size_t i = 0; i < COUNT(skews); i++) {
        int64_t theirs = NOW + skews[i];
        char date[64];
        time_t seconds = (time_t)(theirs / 1000);
        struct tm tm;
        (void)gmtime_r(&seconds, &tm);
        (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        sync_limits_init(&limits);
        set_headers("X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\nDate: %s\r\n"
                    "X-RateLimit-Reset: %lld\r\n",
                    date, (long long)theirs / 1000 + 90);
        sync_limits_note(&limits, SYNC_REST, &answer, NOW);
        ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 91000);
        sync_limits_init(&limits);
        sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW);
        ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 91000);
    }
}
END_TEST

static const char *const malformed[] = {
    "",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\n",
    "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: -1\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: none\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0x0\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0.5\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining:\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 6e1\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1714561200\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: tomorrow\r\n",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1714561200000\r\n",
    ("X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\n"
     "X-RateLimit-Reset: 99999999999999999999999999\r\n"),
};

START_TEST(malformed_headers_say_nothing)
{
    set_headers("%s", malformed[_i]);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(limits.resources[SYNC_REST].remaining, -1);
    ck_assert_int_eq(limits.resources[SYNC_REST].limit, 0);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 0);
    sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW); /* and that is a minute */
    ck_assert_int_ge(ready_in(&unbounded, SYNC_REST, NOW), MINUTE);
    ck_assert_int_le(ready_in(&unbounded, SYNC_REST, NOW), HOUR + 1000);
}
END_TEST

START_TEST(malformed_headers_leave_what_is_known)
{
    set_budget(60, 0, 90000);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    set_headers("%s", malformed[_i]);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 91000);
}
END_TEST

/* --- limits that were passed --------------------------------------------------------------------
 */

START_TEST(a_used_up_budget_stops_one_resource)
{
    set_budget(5000, 0, 90000);
    sync_limits_exceeded(&limits, SYNC_GRAPHQL, &answer, NOW);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_GRAPHQL, NOW), 91000);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 0);
    ck_assert_uint_eq(limits.strikes, 0);
}
END_TEST

START_TEST(a_used_up_budget_without_a_reset_is_a_minute)
{
    set_headers("X-RateLimit-Remaining: 0\r\n");
    sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), MINUTE + 1000);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_GRAPHQL, NOW), 0);
}
END_TEST

START_TEST(retry_after_stops_both)
{
    set_budget(5000, 4000, HOUR);
    answer.retry_after_ms = 7000;
    sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 7000);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_GRAPHQL, NOW), 7000);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_GRAPHQL, NOW + 7000), 0);
    ck_assert_uint_eq(limits.strikes, 0);
}
END_TEST

START_TEST(the_longer_of_two_counts)
{
    answer.retry_after_ms = 7000;
    sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW);
    answer.retry_after_ms = 2000;
    sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW + 100);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 7000);
    set_budget(60, 0, 90000);
    answer.retry_after_ms = 200000;
    sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW), 200000);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_GRAPHQL, NOW), 200000);
}
END_TEST

START_TEST(without_a_time_it_is_a_minute_then_twice_as_long)
{
    static const int64_t minutes[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    int64_t now = NOW;
    set_headers("X-RateLimit-Remaining: 4000\r\n");
    for (size_t i = 0; i < COUNT(minutes); i++) {
        sync_limits_exceeded(&limits, SYNC_GRAPHQL, &answer, now);
        ck_assert_int_eq(ready_in(&unbounded, SYNC_GRAPHQL, now), minutes[i] * MINUTE);
        ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, now), minutes[i] * MINUTE);
        now += minutes[i] * MINUTE;
        ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, now), 0);
    }
    limits.strikes = 0; /* a request went through */
    sync_limits_exceeded(&limits, SYNC_REST, &answer, now);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, now), MINUTE);
}
END_TEST

/* Eight requests are under way when GitHub begins to refuse: that is one limit, not eight. */
START_TEST(refusals_at_one_time_are_one)
{
    for (int i = 0; i < 8; i++) {
        sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW + i);
    }
    ck_assert_int_le(ready_in(&unbounded, SYNC_REST, NOW), MINUTE + 8);
    sync_limits_exceeded(&limits, SYNC_REST, &answer, NOW + MINUTE + 8);
    ck_assert_int_eq(ready_in(&unbounded, SYNC_REST, NOW + MINUTE + 8), 2 * MINUTE);
}
END_TEST

START_TEST(the_latest_of_all_bounds_counts)
{
    static const struct sync_limits_settings settings = {.per_minute = 1};
    send_many(SYNC_REST, 1, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), MINUTE);
    set_budget(60, 0, 30000);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), MINUTE);
    set_budget(60, 0, 90000 + HOUR);
    sync_limits_note(&limits, SYNC_REST, &answer, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), 91000 + HOUR);
    answer.retry_after_ms = 2 * HOUR;
    sync_limits_exceeded(&limits, SYNC_GRAPHQL, &answer, NOW);
    ck_assert_int_eq(ready_in(&settings, SYNC_REST, NOW), 2 * HOUR);
}
END_TEST

Suite *sync_limits_suite(void);

Suite *sync_limits_suite(void)
{
    Suite *suite = suite_create("sync_limits");
    TCase *tests = tcase_create("limits");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nothing_is_known_at_first);
    tcase_add_test(tests, the_pace_is_that_of_the_last_minute);
    tcase_add_test(tests, what_is_older_than_a_minute_is_forgotten);
    tcase_add_test(tests, the_pace_is_kept_whatever_is_tried);
    tcase_add_test(tests, queries_may_be_twice_as_many_and_count_apart);
    tcase_add_test(tests, a_clock_that_goes_back_is_borne);
    tcase_add_test(tests, no_pace_is_no_bound);
    tcase_add_test(tests, the_reserve_is_left_but_a_tenth_at_most);
    tcase_add_test(tests, what_is_under_way_counts_before_its_answer);
    tcase_add_test(tests, answers_do_not_count_what_is_still_under_way);
    tcase_add_test(tests, no_wait_is_longer_than_a_day);
    tcase_add_test(tests, answers_overtake_each_other);
    tcase_add_test(tests, the_reset_is_a_time_of_the_servers_clock);
    tcase_add_loop_test(tests, malformed_headers_say_nothing, 0, COUNT(malformed));
    tcase_add_loop_test(tests, malformed_headers_leave_what_is_known, 0, COUNT(malformed));
    tcase_add_test(tests, a_used_up_budget_stops_one_resource);
    tcase_add_test(tests, a_used_up_budget_without_a_reset_is_a_minute);
    tcase_add_test(tests, retry_after_stops_both);
    tcase_add_test(tests, the_longer_of_two_counts);
    tcase_add_test(tests, without_a_time_it_is_a_minute_then_twice_as_long);
    tcase_add_test(tests, refusals_at_one_time_are_one);
    tcase_add_test(tests, the_latest_of_all_bounds_counts);
    suite_add_tcase(suite, tests);
    return suite;
}
