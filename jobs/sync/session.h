/* Private to the client of GitHub: what github.c, session.c, query.c and get.c share. */
#ifndef SYNC_SESSION_H
#define SYNC_SESSION_H

#include "jobs/sync/github.h"
#include "jobs/sync/tokens.h"

/* What GitHub lets a token do, shared by the sessions that use it. */
struct sync_budget {
    char token[CF_SHA256_HEX]; /* "" for requests without one */
    struct sync_limits limits;
    struct sync_budget *next;
};

struct sync_github {
    struct cf_http *http;
    struct sync_tokens *tokens;
    char *api_url;
    char *graphql_url;
    bool rest_only;
    struct sync_limits_settings limits;
    int64_t deadline_ms; /* monotonic; 0: none */
    int64_t backoff_ms;
    const volatile int *stop;
    struct sync_budget *budgets;
};

struct sync_session {
    struct sync_github *github;
    char *tenant;
    char *login;
    struct sync_token token;
    struct sync_budget *budget;
    char *authorization; /* the header; NULL without a token */
    bool graphql;
    struct sync_usage usage;
};

/* Called before each attempt of a request: CF_ERETRY when it mustn't be sent now, else 0, and it is
 * counted as sent. */
int sync_session_admit(struct sync_session *session, enum sync_resource resource,
                       struct cf_error *err);

/* Counts what a finished request took, and takes over what its answer says of the limits. */
void sync_session_count(struct sync_session *session, enum sync_resource resource,
                        const struct cf_http_request *request);

#endif
