/* GraphQL queries. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "jobs/sync/session.h"

enum { MOST_LIMITS = 20 }; /* times that one query is stopped by a limit */

/* A query in flight. */
struct query {
    struct sync_session *session;
    bool can_split;
    bool limited;
    unsigned refusals; /* by GitHub's limits */
    struct cf_http_request http;
};

static bool is_json(const struct cf_buf *body)
{
    const char *text = cf_buf_str(body);
    text += strspn(text, " \t\r\n");
    return *text == '{' || *text == '[';
}

static enum cf_http_verdict judge(struct cf_http_request *request)
{
    const struct query *query = request->context;
    bool too_heavy = request->status == 502 || request->status == 504;
    if (too_heavy && query->can_split) {
        request->rc = cf_error_at(&request->error, CF_EUNAVAILABLE, request->method, "",
                                  "GitHub couldn't finish the query: status %ld", request->status);
        return CF_HTTP_FAIL;
    }
    /* A page of a proxy or load balancer in a 200 is an outage, and must not reach the parser. */
    if (request->status == 200 && !is_json(&request->answer)) {
        request->rc = cf_error_at(&request->error, CF_EUNAVAILABLE, request->method, "",
                                  "GitHub answered with something that isn't JSON");
        return CF_HTTP_RETRY;
    }
    return CF_HTTP_DEFAULT;
}

static int prepare(struct cf_http_request *request)
{
    struct query *query = request->context;
    int rc = sync_session_admit(query->session, SYNC_GRAPHQL, &request->error);
    query->limited = rc == CF_ERETRY;
    return rc;
}

static void count_points(struct sync_session *session, const json_t *data)
{
    const json_t *limit = json_object_get(data, "rateLimit");
    json_int_t cost = json_integer_value(json_object_get(limit, "cost"));
    session->usage.points += cost > 0 ? (uint64_t)cost : 0;
}

static int read_answer(struct query *query, json_t **answer, struct cf_error *err)
{
    const struct cf_http_request *request = &query->http;
    struct sync_limits *limits = &query->session->budget->limits;
    const char *reason;
    json_t *errors = NULL;
    int rc = sync_answer_check(request, &reason, &query->limited, err);
    rc = rc ? rc
            : cf_json_parse_foreign(request->answer.data, request->answer.length, "GitHub's answer",
                                    answer, err);
    if (!rc) {
        errors = json_object_get(*answer, "errors");
        rc = sync_errors_check(request, errors, err);
        query->limited = rc == CF_ERETRY;
    }
    if (query->limited) {
        query->refusals++;
        sync_limits_exceeded(limits, SYNC_GRAPHQL, request, cf_clock_now_ms());
    }
    if (rc) {
        return rc;
    }
    const json_t *data = json_object_get(*answer, "data");
    count_points(query->session, data);
    limits->strikes = 0;
    if (!json_is_object(data)) {
        rc = errors ? sync_errors_fatal(errors, "the query failed", err)
                    : cf_error_set(err, CF_EDATA, "GitHub's answer has no \"data\"");
    }
    return rc;
}

static int send_once(struct query *query, const struct cf_buf *body, size_t max_answer,
                     json_t **answer, struct cf_error *err)
{
    struct sync_session *session = query->session;
    const char *const headers[] = {session->authorization, "Accept: application/vnd.github+json",
                                   "X-GitHub-Api-Version: 2022-11-28",
                                   "Content-Type: application/json", NULL};
    query->limited = false;
    query->http = (struct cf_http_request){.method = "POST",
                                           .url = session->github->graphql_url,
                                           .headers = headers,
                                           .body = body->data,
                                           .body_length = body->length,
                                           .max_answer = max_answer,
                                           .prepare = prepare,
                                           .judge = judge,
                                           .context = query};
    cf_http_add(session->github->http, &query->http);
    cf_http_wait(session->github->http);
    sync_session_count(session, SYNC_GRAPHQL, &query->http);
    int rc = query->http.rc;
    if (rc) {
        *err = query->http.error;
    } else {
        rc = read_answer(query, answer, err);
    }
    cf_http_request_release(&query->http);
    if (rc) {
        json_decref(*answer);
        *answer = NULL;
    }
    return rc;
}

int sync_query(struct sync_session *session, const char *query, json_t *variables,
               size_t max_answer, bool can_split, json_t **answer, struct cf_error *err)
{
    struct query state = {.session = session, .can_split = can_split};
    struct cf_buf body = CF_BUF_INIT;
    json_t *document = json_object();
    (void)json_object_set_new(document, "query", json_string(query));
    (void)json_object_set_new(document, "variables", variables);
    cf_json_dump(document, &body);
    json_decref(document);
    *answer = NULL;
    int rc = 0;
    do {
        rc = sync_session_ready(session, SYNC_GRAPHQL, err);
        state.limited = false;
        rc = rc ? rc : send_once(&state, &body, max_answer, answer, err);
    } while (rc == CF_ERETRY && state.limited && state.refusals < MOST_LIMITS);
    cf_buf_release(&body);
    return rc;
}

bool sync_is_too_heavy(const struct cf_error *err)
{
    return err->code == CF_EUNAVAILABLE &&
           (err->http_status == 502 || err->http_status == 504 ||
            strcmp(err->service_code, "RESOURCE_LIMITS_EXCEEDED") == 0);
}
