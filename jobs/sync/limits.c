#include "jobs/sync/limits.h"

#include <stdlib.h>
#include <string.h>

static const int64_t SECOND_MS = 1000;
static const int64_t MINUTE_MS = 60000;
static const int64_t HOUR_MS = 3600000;
static const int64_t LONGEST_MS = 86400000; /* no answer is believed that wants a longer wait */

void sync_limits_init(struct sync_limits *limits)
{
    *limits = (struct sync_limits){0};
    for (size_t i = 0; i < SYNC_RESOURCES; i++) {
        limits->resources[i].remaining = -1;
    }
}

/* --- the pace -----------------------------------------------------------------------------------
 */

/* Forgets what is older than a minute. */
static void pace_move(struct sync_pace *pace, int64_t second)
{
    int64_t steps = second - pace->second;
    for (int64_t i = 0; i < steps && i < 60; i++) {
        uint32_t *count = &pace->counts[(size_t)(second - i) % 60];
        pace->sum -= *count;
        *count = 0;
    }
    if (steps > 0) {
        pace->second = second;
    }
}

/* When there is room for one more: the end of the oldest second that must go first. */
static int64_t pace_ready_ms(const struct sync_pace *given, uint64_t most, int64_t now_ms)
{
    struct sync_pace pace = *given;
    pace_move(&pace, now_ms / SECOND_MS);
    if (!most || pace.sum < most) {
        return now_ms;
    }
    uint64_t left = pace.sum;
    for (int64_t age = 59; age >= 0; age--) {
        left -= pace.counts[(size_t)(pace.second - age) % 60];
        if (left < most) {
            return (pace.second - age + 60) * SECOND_MS;
        }
    }
    return now_ms + MINUTE_MS;
}

void sync_limits_sent(struct sync_limits *limits, enum sync_resource resource, int64_t now_ms)
{
    struct sync_pace *pace = &limits->resources[resource].pace;
    pace_move(pace, now_ms / SECOND_MS);
    pace->counts[(size_t)pace->second % 60]++;
    pace->sum++;
    limits->resources[resource].under_way++;
    if (limits->resources[resource].remaining > 0) {
        limits->resources[resource].remaining--; /* until its answer says it exactly */
    }
}

void sync_limits_ended(struct sync_limits *limits, enum sync_resource resource, unsigned attempts)
{
    int64_t *under_way = &limits->resources[resource].under_way;
    *under_way -= (int64_t)attempts < *under_way ? (int64_t)attempts : *under_way;
}

/* --- what is allowed ----------------------------------------------------------------------------
 */

static int64_t budget_ready_ms(const struct sync_limits *limits, uint64_t reserve,
                               enum sync_resource resource, int64_t now_ms)
{
    int64_t limit = limits->resources[resource].limit;
    int64_t remaining = limits->resources[resource].remaining;
    int64_t reset_ms = limits->resources[resource].reset_ms + SECOND_MS;
    int64_t kept = limit / 10;
    if (reserve < (uint64_t)kept) {
        kept = (int64_t)reserve;
    }
    return remaining >= 0 && remaining <= kept && reset_ms > now_ms ? reset_ms : now_ms;
}

int64_t sync_limits_ready_ms(const struct sync_limits *limits,
                             const struct sync_limits_settings *settings,
                             enum sync_resource resource, int64_t now_ms)
{
    uint64_t per_minute = settings->per_minute * (resource == SYNC_GRAPHQL ? 2 : 1);
    int64_t ready = budget_ready_ms(limits, settings->reserve, resource, now_ms);
    int64_t pace = pace_ready_ms(&limits->resources[resource].pace, per_minute, now_ms);
    ready = pace > ready ? pace : ready;
    return limits->blocked_until_ms > ready ? limits->blocked_until_ms : ready;
}

/* --- what answers say ---------------------------------------------------------------------------
 */

/* A header that is a whole number from 0 to 10^12; -1 otherwise. */
static int64_t number(const struct cf_http_request *answer, const char *name)
{
    char value[32];
    if (!cf_http_header(answer, name, value, sizeof(value)) || !*value || strlen(value) > 12 ||
        strspn(value, "0123456789") != strlen(value)) {
        return -1;
    }
    return strtoll(value, NULL, 10);
}

/* The reset is a time of the server's clock, which its Date tells; without one, clocks are trusted
 * to agree. */
static int64_t reset_ms(const struct cf_http_request *answer, int64_t now_ms)
{
    int64_t reset = number(answer, "X-RateLimit-Reset");
    int64_t date_ms = cf_http_date_ms(answer);
    if (reset < 0) {
        return -1;
    }
    int64_t ms = reset * SECOND_MS + (date_ms ? now_ms - date_ms : 0);
    return ms - now_ms < LONGEST_MS ? ms : now_ms + LONGEST_MS;
}

void sync_limits_note(struct sync_limits *limits, enum sync_resource resource,
                      const struct cf_http_request *answer, int64_t now_ms)
{
    int64_t limit = number(answer, "X-RateLimit-Limit");
    int64_t remaining = number(answer, "X-RateLimit-Remaining");
    int64_t reset = reset_ms(answer, now_ms);
    if (limit < 0 || remaining < 0 || reset < 0) {
        return;
    }
    /* Answers overtake each other: within an hour's window the lowest is the newest. */
    int64_t known = limits->resources[resource].remaining;
    int64_t under_way = limits->resources[resource].under_way;
    remaining = remaining > under_way ? remaining - under_way : 0;
    bool same_window = llabs(reset - limits->resources[resource].reset_ms) < MINUTE_MS;
    limits->resources[resource].limit = limit;
    limits->resources[resource].reset_ms = reset;
    limits->resources[resource].remaining =
        same_window && known >= 0 && known < remaining ? known : remaining;
}

void sync_limits_exceeded(struct sync_limits *limits, enum sync_resource resource,
                          const struct cf_http_request *answer, int64_t now_ms)
{
    int64_t until = 0;
    if (number(answer, "X-RateLimit-Remaining") == 0) {
        int64_t reset = reset_ms(answer, now_ms);
        limits->resources[resource].remaining = 0;
        limits->resources[resource].reset_ms = reset >= 0 ? reset : now_ms + MINUTE_MS;
        if (!answer->retry_after_ms) {
            return;
        }
    }
    if (answer->retry_after_ms) {
        until =
            now_ms + (answer->retry_after_ms < LONGEST_MS ? answer->retry_after_ms : LONGEST_MS);
    } else if (limits->blocked_until_ms <= now_ms) { /* else it was sent before: the same limit */
        int64_t wait = MINUTE_MS << (limits->strikes < 6 ? limits->strikes : 6);
        until = now_ms + (wait < HOUR_MS ? wait : HOUR_MS);
        limits->strikes++;
    }
    if (until > limits->blocked_until_ms) {
        limits->blocked_until_ms = until;
    }
}
