/* HTTP requests, many at once on one thread, with the retries that a client of a real service needs.
 *
 * Retries happen here and nowhere else: transport errors (curl 6, 7, 16, 28, 52, 55, 56, 92, and 18, a body cut
 * off) and the statuses 500, 502, 503 and 504 are tried again with full jitter, a server's Retry-After as the floor,
 * and a bound on the total time. Everything else is the caller's to judge. Redirects are not followed. TLS
 * is required except to loopback addresses. */
#ifndef CF_NET_HTTP_H
#define CF_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

struct cf_http;

struct cf_http_options {
    size_t max_in_flight;     /* 0: 32 */
    int64_t connect_ms;       /* 0: 5,000 */
    int64_t silence_ms;       /* without a byte for so long a transfer is given up; 0: 20,000 */
    int64_t total_ms;         /* for a request with all its retries; 0: 120,000 */
    unsigned max_attempts;    /* 0: 5 */
    int64_t backoff_ms;       /* the first wait is random below this, doubled each time; 0: 200 */
    const char *user_agent;   /* NULL: "cloudfolio/<build>" */
    const volatile int *stop; /* when *stop is not 0, waiting requests end with CF_EINTERRUPTED */
};

/* What a caller's judge says of an answer. */
enum cf_http_verdict {
    CF_HTTP_DEFAULT, /* as described above */
    CF_HTTP_ACCEPT,  /* done, whatever the status */
    CF_HTTP_RETRY,   /* once more, as for a 503 */
    CF_HTTP_FAIL,    /* done, with rc and error as the judge set them */
};

struct cf_http_request {
    const char *method; /* "GET", "POST", … */
    char *url;          /* owned by the caller, as are headers and body */
    const char *const *headers; /* "Name: value", NULL-terminated; NULL: none. Values may be secret. */
    const void *body;
    size_t body_length;
    size_t max_answer;  /* bytes of a decoded answer; a longer one is CF_EDATA; 0: 16 MiB */
    enum cf_http_verdict (*judge)(struct cf_http_request *request); /* or NULL */
    void (*done)(struct cf_http_request *request); /* may add further requests; or NULL */
    void *context;

    /* Results. rc is 0 when an answer came, whatever its status. */
    int rc;
    struct cf_error error;
    long status;
    struct cf_buf answer;
    struct cf_buf response_headers; /* the final answer's, "Name: value\r\n" lines */
    unsigned attempts;
    void *engine; /* the engine's own */
};

struct cf_http *cf_http_new(const struct cf_http_options *options);
void cf_http_free(struct cf_http *http);

/* Queues a request, which must stay where it is until it is done. */
void cf_http_add(struct cf_http *http, struct cf_http_request *request);

/* Runs until every queued request, and every one that a done function adds, has ended. */
void cf_http_wait(struct cf_http *http);

/* The value of an answer's header, copied; false when it isn't there. */
bool cf_http_header(const struct cf_http_request *request, const char *name, char *out,
                    size_t size);

void cf_http_request_release(struct cf_http_request *request); /* frees the results */

/* Totals since cf_http_new. */
struct cf_http_totals {
    uint64_t requests; /* with repeated attempts */
    uint64_t bytes_sent;
    uint64_t bytes_received;
};
struct cf_http_totals cf_http_totals(const struct cf_http *http);

/* True when a URL is https, or http to a loopback address. */
bool cf_http_url_is_safe(const char *url);

#endif
