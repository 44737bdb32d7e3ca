/* GitHub's API as sync uses it: GraphQL queries one at a time, REST requests at most 8 at a time.
 *
 * Errors that concern the whole run (a refused token, a rate limit, an interruption) are told apart
 * from those that concern one repository. */
#ifndef SYNC_GITHUB_H
#define SYNC_GITHUB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/net/http.h"

struct sync_github;

struct sync_github_settings {
    const char *api_url;      /* GITHUB_API_URL; NULL: https://api.github.com */
    const char *graphql_url;  /* GITHUB_GRAPHQL_URL; NULL: derived from the former */
    const char *token;        /* GITHUB_TOKEN */
    const volatile int *stop; /* as in struct cf_http_options */
    int64_t backoff_ms;       /* as there */
    int64_t total_ms;         /* as there; 0: 60,000 */
};

/* CF_ECONFIG names the variable that is missing or wrong. */
int sync_github_new(const struct sync_github_settings *settings, struct sync_github **out,
                    struct cf_error *err);
void sync_github_free(struct sync_github *github); /* NULL is fine */

/* The REST API's address, without a slash at its end. */
const char *sync_github_api(const struct sync_github *github);

/* Carries out one query; variables is stolen. *answer is the whole answer, whose "data" is an
 * object and whose "errors", if there are any, are for the caller to judge; rate limits aren't
 * among them: CF_ERETRY. */
int sync_github_query(struct sync_github *github, const char *query, json_t *variables,
                      size_t max_answer, json_t **answer, struct cf_error *err);

/* One REST request. */
struct sync_get {
    struct cf_http_request http;
    char *url; /* made by sync_github_get */
    void (*done)(struct sync_get *get);
    void *context;
    /* Results: rc 0 and a document, or an error. reason isn't NULL when the error is about the
     * thing that was asked for, and says what it is, such as "not_found". */
    int rc;
    struct cf_error error;
    const char *reason;
    json_t *document; /* owned */
};

/* Queues a GET of path (such as "/repos/o/r/git/trees/…"). done may queue further ones. */
void sync_github_get(struct sync_github *github, struct sync_get *get, const char *path);
void sync_github_wait(struct sync_github *github);
void sync_get_release(struct sync_get *get);

struct sync_github_totals {
    struct cf_http_totals http;
    uint64_t points;
    int64_t remaining; /* GraphQL points that were left at the last query; -1: unknown */
};
struct sync_github_totals sync_github_totals(const struct sync_github *github);

/* True for an error after which the run can't go on with other repositories. */
bool sync_error_is_fatal(int code);

/* What an answer's status and headers mean: 0 for 200, else a code. reason as in struct sync_get.
 */
int sync_answer_check(const struct cf_http_request *answer, const char **reason,
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

/* The error that the first of a GraphQL answer's errors stands for when it left nothing to use:
 * CF_EDENIED for what the token may not see, CF_EDATA for a query that this GitHub doesn't
 * understand, else CF_EUNAVAILABLE. what begins the message. */
int sync_errors_fatal(const json_t *errors, const char *what, struct cf_error *err);

/* Why a part of the data is missing, from an error's type: "forbidden", "not_found",
 * "resource_limits" or "incomplete" (also for NULL). */
const char *sync_error_reason(const json_t *error);

#endif
