/* GitHub's API as sync uses it, for many tenants on one engine.
 *
 * struct sync_github is the process's: addresses, the engine, and what GitHub lets each token do.
 * struct sync_session is one tenant's: its token and what it used. GraphQL queries of a session are
 * made one at a time, REST requests at most SYNC_AT_ONCE at a time; each waits until the token's
 * limits allow it, while other tenants go on. Where that would take longer than the process has,
 * the answer is CF_ERETRY.
 *
 * Errors that concern the whole run (a refused token, a limit, an interruption) are told apart from
 * those that concern one repository. */
#ifndef SYNC_GITHUB_H
#define SYNC_GITHUB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/net/http.h"
#include "jobs/sync/limits.h"

#define SYNC_AT_ONCE 8 /* REST requests of one session */

struct sync_github;
struct sync_session;

struct sync_github_settings {
    const char *api_url;       /* GITHUB_API_URL; NULL: https://api.github.com */
    const char *graphql_url;   /* GITHUB_GRAPHQL_URL; NULL: derived from the former */
    const char *token_sources; /* as in struct sync_tokens_settings, likewise the next two */
    const char *app_id;
    const char *app_key;
    bool rest_only; /* never use GraphQL */
    struct sync_limits_settings limits;
    int64_t time_limit_ms;    /* a wait for a limit must end within so long from now; 0: none */
    const volatile int *stop; /* as in struct cf_http_options */
    int64_t backoff_ms;       /* as there */
    int64_t total_ms;         /* as there; 0: 60,000 */
};

/* CF_ECONFIG names the variable that is missing or wrong. */
int sync_github_new(const struct sync_github_settings *settings, struct sync_github **out,
                    struct cf_error *err);
void sync_github_free(struct sync_github *github); /* no session may be open; NULL is fine */

/* Opens a tenant's session with the token that its sources give. */
int sync_session_open(struct sync_github *github, const char *tenant, const char *login,
                      struct sync_session **out, struct cf_error *err);
void sync_session_close(struct sync_session *session); /* NULL is fine */

/* The REST API's address, without a slash at its end. */
const char *sync_session_api(const struct sync_session *session);

/* False when GraphQL is turned off, there is no token, or sync_session_give_up_graphql was called.
 */
bool sync_session_uses_graphql(const struct sync_session *session);
void sync_session_give_up_graphql(struct sync_session *session);

/* Waits until a request of this kind may be sent. CF_ERETRY says until when it may not, when that
 * is too long; CF_EINTERRUPTED. */
int sync_session_ready(struct sync_session *session, enum sync_resource resource,
                       struct cf_error *err);

/* True once an answer has said how much of the token's budget is left. */
bool sync_session_knows_budget(const struct sync_session *session, enum sync_resource resource);

/* Carries out one query; variables is stolen. *answer is the whole answer, whose "data" is an
 * object and whose "errors", if there are any, are for the caller to judge. A rate limit is waited
 * for, and the query sent again. With can_split, a query that GitHub couldn't finish (502, 504)
 * isn't repeated as it is: sync_is_too_heavy is true of the error. */
int sync_query(struct sync_session *session, const char *query, json_t *variables,
               size_t max_answer, bool can_split, json_t **answer, struct cf_error *err);

/* A wait that grows with the number of failures, before a query that is smaller than the last. */
void sync_session_back_off(struct sync_session *session, unsigned failures);

/* True when a smaller query may succeed where this one didn't. */
bool sync_is_too_heavy(const struct cf_error *err);

/* One REST request. The caller sets what is above the results, or leaves it zero. */
struct sync_get {
    const char *etag; /* of what the caller has: if it is still right, not_modified is set */
    /* Instead of a document: receives the pieces of a 200 answer's body, from the first byte again
     * after restart. Not 0 ends the request with that code and the error in get->error. */
    int (*feed)(struct sync_get *get, const char *data, size_t length);
    void (*restart)(struct sync_get *get);
    size_t max_answer; /* bytes; 0: 24 MiB */
    void (*done)(struct sync_get *get);
    void *context;
    /* Results: rc 0 and a document, or an error. reason isn't NULL when the error is about the
     * thing that was asked for, and says what it is, such as "not_found". */
    int rc;
    struct cf_error error;
    const char *reason;
    bool limited;       /* by a rate limit: to be sent again once sync_session_ready returned 0 */
    bool not_modified;  /* rc is 0, and there is no document */
    json_t *document;   /* owned */
    char new_etag[128]; /* "" when the answer has none */
    /* The client's own: */
    struct sync_session *session;
    struct cf_http_request http;
    struct cf_http_sink sink;
    char *url;
    char *if_none_match;
    const char *headers[6];
    bool not_json;
    bool fed;
};

/* Queues a GET of path (such as "/repos/o/r/git/trees/…"). done may queue further ones. */
void sync_get_start(struct sync_session *session, struct sync_get *get, const char *path);

/* Returns when all that were queued have ended. */
void sync_session_wait(struct sync_session *session);
void sync_get_release(struct sync_get *get);

/* Sends one GET, waits for the limits as sync_query does, and leaves the results in *get. Returns
 * get->rc. */
int sync_get_now(struct sync_session *session, struct sync_get *get, const char *path,
                 struct cf_error *err);

struct sync_usage {
    uint64_t requests;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t points;
    int64_t remaining; /* GraphQL points that were left at the last query; -1: unknown */
    int64_t waited_ms; /* for limits */
};
struct sync_usage sync_session_usage(const struct sync_session *session);

/* True for an error after which the run can't go on with other repositories. */
bool sync_error_is_fatal(int code);

/* What an answer's status and headers mean: 0 for 200 and 304, else a code; *limited is set when it
 * is a rate limit. reason as in struct sync_get. */
int sync_answer_check(const struct cf_http_request *answer, const char **reason, bool *limited,
                      struct cf_error *err);

/* The GraphQL API's address that belongs to a REST address. Freed by the caller. */
char *sync_graphql_url(const char *api_url);

/* The first of a GraphQL answer's errors whose path begins with the given names and indices (NULL
 * ends them; an index is written as digits); NULL when there is none. */
const json_t *sync_error_at(const json_t *errors, const char *const *path);

/* CF_ERETRY when one of the errors says that a rate limit is used up, whatever the status was; the
 * message says until when, as far as the answer's headers do. */
int sync_errors_check(const struct cf_http_request *answer, const json_t *errors,
                      struct cf_error *err);

/* True when one of the errors says that the query wanted too much. */
bool sync_errors_too_heavy(const json_t *errors);

/* The error that the first of a GraphQL answer's errors stands for when it left nothing to use:
 * CF_EDENIED for what the token may not see, CF_EDATA, with its service_code, for a query
 * that this GitHub doesn't understand, else CF_EUNAVAILABLE. what begins the message. */
int sync_errors_fatal(const json_t *errors, const char *what, struct cf_error *err);

/* Why a part of the data is missing, from an error's type: "forbidden", "not_found",
 * "resource_limits" or "incomplete" (also for NULL). */
const char *sync_error_reason(const json_t *error);

#endif
