/* REST requests. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "jobs/sync/session.h"

enum { MOST_LIMITS = 20 }; /* times that one request is stopped by a limit */

static const size_t MOST_ANSWER = (size_t)24 << 20;

static const char not_json[] = "GitHub answered with something that isn't JSON";

/* A page of a proxy or load balancer in a 200 is an outage, and must not reach a parser. */
static bool begins_json(const char *data, size_t length, bool *decided)
{
    size_t i = 0;
    while (i < length && data[i] && strchr(" \t\r\n", data[i])) {
        i++;
    }
    *decided = i < length;
    return i < length && (data[i] == '{' || data[i] == '[');
}

static enum cf_http_verdict judge(struct cf_http_request *request)
{
    struct sync_get *get = request->context;
    bool decided;
    if (request->status == 200) { /* an answer without a byte isn't JSON either */
        get->not_json = get->feed
                            ? !get->fed
                            : !begins_json(request->answer.data, request->answer.length, &decided);
    }
    if (request->status == 200 && get->not_json) {
        request->rc =
            cf_error_at(&request->error, CF_EUNAVAILABLE, request->method, "", "%s", not_json);
        return CF_HTTP_RETRY;
    }
    return CF_HTTP_DEFAULT;
}

static int prepare(struct cf_http_request *request)
{
    struct sync_get *get = request->context;
    get->not_json = false;
    get->fed = false;
    int rc = sync_session_admit(get->session, SYNC_REST, &request->error);
    get->limited = rc == CF_ERETRY;
    return rc;
}

static int receive(void *context, const void *data, size_t length)
{
    struct sync_get *get = context;
    bool decided = true;
    if (!get->fed && !get->not_json) {
        bool json = begins_json(data, length, &decided);
        get->not_json = decided && !json;
        get->fed = decided && json;
    }
    if (!get->fed || !get->feed) {
        return 0; /* what isn't JSON is thrown away */
    }
    get->rc = get->feed(get, data, length);
    return get->rc;
}

static int restart(void *context)
{
    struct sync_get *get = context;
    if (get->feed) {
        get->restart(get);
    }
    return 0;
}

static int read_answer(struct sync_get *get, const struct cf_http_request *request)
{
    struct sync_limits *limits = &get->session->budget->limits;
    get->rc = sync_answer_check(request, &get->reason, &get->limited, &get->error);
    if (get->limited) {
        sync_limits_exceeded(limits, SYNC_REST, request, cf_clock_now_ms());
    }
    if (get->rc) {
        return get->rc;
    }
    limits->strikes = 0;
    get->not_modified = request->status == 304;
    if (!cf_http_header(request, "ETag", get->new_etag, sizeof(get->new_etag))) {
        get->new_etag[0] = '\0';
    }
    if (!get->not_modified && !get->feed) {
        get->rc = cf_json_parse_foreign(request->answer.data, request->answer.length,
                                        "GitHub's answer", &get->document, &get->error);
    }
    return get->rc;
}

static void finish(struct cf_http_request *request)
{
    struct sync_get *get = request->context;
    sync_session_count(get->session, SYNC_REST, request);
    if (request->rc && !(get->rc && get->error.code == get->rc)) { /* not what feed said */
        get->rc = request->rc;
        get->error = request->error;
    } else if (!request->rc) {
        (void)read_answer(get, request);
    }
    cf_http_request_release(request);
    free(get->url);
    free(get->if_none_match);
    get->url = NULL;
    get->if_none_match = NULL;
    get->done(get);
}

static void set_headers(struct sync_get *get)
{
    size_t count = 0;
    get->headers[count++] = "Accept: application/vnd.github+json";
    get->headers[count++] = "X-GitHub-Api-Version: 2022-11-28";
    if (get->session->authorization) {
        get->headers[count++] = get->session->authorization;
    }
    if (get->etag && *get->etag) {
        get->if_none_match = cf_asprintf("If-None-Match: %s", get->etag);
        get->headers[count++] = get->if_none_match;
    }
    get->headers[count] = NULL;
}

void sync_get_start(struct sync_session *session, struct sync_get *get, const char *path)
{
    sync_get_release(get);
    get->session = session;
    get->rc = 0;
    get->error = (struct cf_error){0};
    get->reason = NULL;
    get->limited = false;
    get->not_modified = false;
    get->new_etag[0] = '\0';
    get->url = cf_asprintf("%s%s", session->github->api_url, path);
    get->sink = (struct cf_http_sink){.write = receive, .restart = restart, .context = get};
    set_headers(get);
    get->http =
        (struct cf_http_request){.method = "GET",
                                 .url = get->url,
                                 .headers = get->headers,
                                 .max_answer = get->max_answer ? get->max_answer : MOST_ANSWER,
                                 .sink = get->feed ? &get->sink : NULL,
                                 .prepare = prepare,
                                 .judge = judge,
                                 .done = finish,
                                 .context = get};
    cf_http_add(session->github->http, &get->http);
}

void sync_session_wait(struct sync_session *session)
{
    cf_http_wait(session->github->http);
}

void sync_get_release(struct sync_get *get)
{
    json_decref(get->document);
    get->document = NULL;
    free(get->url);
    free(get->if_none_match);
    get->url = NULL;
    get->if_none_match = NULL;
}

static void do_nothing(struct sync_get *get)
{
    (void)get;
}

int sync_get_now(struct sync_session *session, struct sync_get *get, const char *path,
                 struct cf_error *err)
{
    unsigned limits = 0;
    get->done = do_nothing;
    do {
        int rc = sync_session_ready(session, SYNC_REST, err);
        if (rc) {
            get->rc = rc;
            return rc;
        }
        sync_get_start(session, get, path);
        sync_session_wait(session);
        limits += get->limited && get->http.status;
    } while (get->limited && limits < MOST_LIMITS);
    if (get->rc) {
        *err = get->error;
    }
    return get->rc;
}
