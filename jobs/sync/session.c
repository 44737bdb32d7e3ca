#include "jobs/sync/session.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/task.h"
#include "common/net/policy.h"

static const int64_t RENEW_MS = 300000; /* a token is asked for anew so long before it expires */
static const int64_t LOG_WAIT_MS = 5000;

static const char *const resource_names[SYNC_RESOURCES] = {"graphql", "rest"};

/* --- the token ----------------------------------------------------------------------------------
 */

static struct sync_budget *budget_of(struct sync_github *github, const char *token)
{
    struct sync_budget *budget = github->budgets;
    while (budget && strcmp(budget->token, token) != 0) {
        budget = budget->next;
    }
    if (!budget) {
        budget = cf_calloc(1, sizeof(*budget));
        memcpy(budget->token, token, strlen(token) + 1);
        sync_limits_init(&budget->limits);
        budget->next = github->budgets;
        github->budgets = budget;
    }
    return budget;
}

static void forget_token(struct sync_session *session)
{
    if (session->authorization) {
        explicit_bzero(session->authorization, strlen(session->authorization));
    }
    free(session->authorization);
    session->authorization = NULL;
    sync_token_release(&session->token);
}

static int get_token(struct sync_session *session, struct cf_error *err)
{
    struct sync_token token;
    int rc = sync_tokens_get(session->github->tokens, session->tenant, session->login, &token, err);
    if (rc) {
        return rc;
    }
    forget_token(session);
    session->token = token;
    if (token.value) {
        session->authorization = cf_asprintf("Authorization: bearer %s", token.value);
    }
    session->budget = budget_of(session->github, token.sha256);
    return 0;
}

static int renew_token(struct sync_session *session, struct cf_error *err)
{
    int64_t expires = session->token.expires_ms;
    return expires && expires - cf_clock_now_ms() < RENEW_MS ? get_token(session, err) : 0;
}

int sync_session_open(struct sync_github *github, const char *tenant, const char *login,
                      struct sync_session **out, struct cf_error *err)
{
    struct sync_session *session = cf_calloc(1, sizeof(*session));
    session->github = github;
    session->tenant = cf_strdup(tenant);
    session->login = cf_strdup(login);
    session->usage.remaining = -1;
    *out = NULL;
    int rc = get_token(session, err);
    if (rc) {
        sync_session_close(session);
        return rc;
    }
    session->graphql = session->token.value && !github->rest_only;
    if (!session->token.value) {
        cf_log(CF_WARN, "no_token", CF_S("consequence", "REST only, 60 requests an hour"), CF_END);
    }
    *out = session;
    return 0;
}

void sync_session_close(struct sync_session *session)
{
    if (session) {
        forget_token(session);
        free(session->tenant);
        free(session->login);
        free(session);
    }
}

const char *sync_session_api(const struct sync_session *session)
{
    return session->github->api_url;
}

bool sync_session_uses_graphql(const struct sync_session *session)
{
    return session->graphql;
}

void sync_session_give_up_graphql(struct sync_session *session)
{
    session->graphql = false;
}

/* --- its limits ---------------------------------------------------------------------------------
 */

static int64_t ready_ms(const struct sync_session *session, enum sync_resource resource,
                        int64_t now_ms)
{
    return sync_limits_ready_ms(&session->budget->limits, &session->github->limits, resource,
                                now_ms);
}

static int not_before(enum sync_resource resource, int64_t until_ms, struct cf_error *err)
{
    char when[CF_TIMESTAMP];
    cf_clock_format(until_ms, when);
    return cf_error_set(err, CF_ERETRY, "GitHub's rate limit (%s) allows no request before %s",
                        resource_names[resource], when);
}

static int wait_until(struct sync_session *session, enum sync_resource resource, int64_t until_ms,
                      struct cf_error *err)
{
    const struct sync_github *github = session->github;
    int64_t wait = until_ms - cf_clock_now_ms();
    int64_t before = cf_clock_monotonic_ms();
    if (github->deadline_ms && before + wait > github->deadline_ms) {
        return not_before(resource, until_ms, err);
    }
    cf_log(wait < LOG_WAIT_MS ? CF_DEBUG : CF_INFO, "waiting", CF_S("for", "rate_limit"),
           CF_S("resource", resource_names[resource]), CF_R("seconds", (double)wait / 1000),
           CF_END);
    cf_task_sleep(wait, github->stop);
    session->usage.waited_ms += cf_clock_monotonic_ms() - before;
    if (github->stop && *github->stop) {
        return cf_error_set(err, CF_EINTERRUPTED, "interrupted while waiting for a rate limit");
    }
    return 0;
}

int sync_session_ready(struct sync_session *session, enum sync_resource resource,
                       struct cf_error *err)
{
    int rc = renew_token(session, err);
    int64_t now = cf_clock_now_ms();
    int64_t until = ready_ms(session, resource, now);
    while (!rc && until > now) {
        rc = wait_until(session, resource, until, err);
        rc = rc ? rc : renew_token(session, err);
        now = cf_clock_now_ms();
        until = ready_ms(session, resource, now);
    }
    return rc;
}

bool sync_session_knows_budget(const struct sync_session *session, enum sync_resource resource)
{
    return session->budget->limits.resources[resource].remaining >= 0;
}

int sync_session_admit(struct sync_session *session, enum sync_resource resource,
                       struct cf_error *err)
{
    int64_t now = cf_clock_now_ms();
    int64_t until = ready_ms(session, resource, now);
    if (until > now) {
        return not_before(resource, until, err);
    }
    sync_limits_sent(&session->budget->limits, resource, now);
    return 0;
}

void sync_session_count(struct sync_session *session, enum sync_resource resource,
                        const struct cf_http_request *request)
{
    session->usage.requests += request->attempts;
    session->usage.bytes_in += request->bytes_received;
    session->usage.bytes_out += request->bytes_sent;
    sync_limits_ended(&session->budget->limits, resource, request->attempts);
    if (request->status) {
        sync_limits_note(&session->budget->limits, resource, request, cf_clock_now_ms());
    }
}

void sync_session_back_off(struct sync_session *session, unsigned failures)
{
    int64_t wait = cf_net_backoff_ms(failures, session->github->backoff_ms, 0, cf_random_u64());
    cf_task_sleep(wait, session->github->stop);
}

struct sync_usage sync_session_usage(const struct sync_session *session)
{
    struct sync_usage usage = session->usage;
    usage.remaining = session->budget->limits.resources[SYNC_GRAPHQL].remaining;
    return usage;
}
