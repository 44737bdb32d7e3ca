/* What GitHub lets one token do, and when: its primary limits (an hour's budget of GraphQL points
 * and one of REST requests), its secondary limits (too much in a short time), and a pace that stays
 * below the secondary limits that GitHub publishes. Everything here is arithmetic on what answers
 * say; times are milliseconds since 1970 on our clock, whatever the server's clock says.
 *
 * Source: docs.github.com, "Rate limits for the REST API" and "Rate limits and query limits for the
 * GraphQL API". */
#ifndef SYNC_LIMITS_H
#define SYNC_LIMITS_H

#include "common/net/http.h"

enum sync_resource { SYNC_GRAPHQL, SYNC_REST, SYNC_RESOURCES };

struct sync_limits_settings {
    uint64_t reserve;    /* of an hour's budget, not to be touched; a tenth of the budget at most */
    uint64_t per_minute; /* REST requests; twice as many GraphQL queries. 0: as many as possible */
};

/* Requests of the last 60 seconds. */
struct sync_pace {
    int64_t second; /* of the newest count, since 1970 */
    uint32_t counts[60];
    uint32_t sum;
};

struct sync_limits {
    struct {
        int64_t limit;     /* an hour's budget; 0: unknown */
        int64_t remaining; /* as the answers say, less what was sent since; -1: unknown */
        int64_t under_way; /* requests that the next answer may not count yet */
        int64_t reset_ms;  /* when the budget is whole again */
        struct sync_pace pace;
    } resources[SYNC_RESOURCES];
    int64_t blocked_until_ms; /* by a secondary limit, which is one for both */
    unsigned strikes;         /* secondary limits since the last request that went through, whose
                               * sender sets this to 0 */
};

void sync_limits_init(struct sync_limits *limits);

/* When the next request may be sent; now_ms or earlier: at once. */
int64_t sync_limits_ready_ms(const struct sync_limits *limits,
                             const struct sync_limits_settings *settings,
                             enum sync_resource resource, int64_t now_ms);

/* A request is being sent; and so many attempts of one have ended. */
void sync_limits_sent(struct sync_limits *limits, enum sync_resource resource, int64_t now_ms);
void sync_limits_ended(struct sync_limits *limits, enum sync_resource resource, unsigned attempts);

/* Takes over what an answer's headers say of the budget. */
void sync_limits_note(struct sync_limits *limits, enum sync_resource resource,
                      const struct cf_http_request *answer, int64_t now_ms);

/* An answer says that a limit was passed: which one, and so the time to wait, follows from its
 * headers: the reset, with nothing remaining; else Retry-After; else a minute, doubled each time it
 * happens again, an hour at most. */
void sync_limits_exceeded(struct sync_limits *limits, enum sync_resource resource,
                          const struct cf_http_request *answer, int64_t now_ms);

#endif
