/* HTTP requests, many at once on one thread, with the retries that a client of a real service
 * needs.
 *
 * Retries happen here and nowhere else: transport errors (curl 6, 7, 16, 18, 28, 35, 52, 55, 56,
 * 92) and the statuses 500, 502, 503 and 504 are tried again. The wait is full jitter, on top of
 * what the server's Retry-After asks for; a wait that doesn't fit into the time that is left ends
 * the request with the error it has. So every request must be one that may be repeated. Everything
 * else is the caller's to judge.
 *
 * Redirects are not followed. TLS is required except to loopback addresses. HTTPS_PROXY and
 * NO_PROXY are honoured, but never for plain HTTP; CURL_CA_BUNDLE or SSL_CERT_FILE name the
 * certificates to trust. Headers' values, bodies and the queries of URLs never appear in errors or
 * in the log. */
#ifndef CF_NET_HTTP_H
#define CF_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

struct cf_http;

struct cf_http_options {
    size_t max_in_flight;     /* 0: 32. A request that waits for its next attempt keeps its place */
    int64_t connect_ms;       /* 0: 5,000 */
    int64_t silence_ms;       /* under 64 bytes a second for so long: given up; 0: 20,000 */
    int64_t total_ms;         /* from a request's first attempt to its end; 0: 120,000 */
    unsigned max_attempts;    /* 0: 5 */
    int64_t backoff_ms;       /* the first wait is random below this, doubled each time; 0: 200 */
    const char *user_agent;   /* NULL: "cloudfolio" */
    const volatile int *stop; /* once *stop isn't 0, every request ends with CF_EINTERRUPTED, those
                               * in flight as well, within half a second; NULL: never */
    int64_t grace_ms;         /* … or so much later: what is under way may come to its end */
};

/* What a caller's judge says of an answer. */
enum cf_http_verdict {
    CF_HTTP_DEFAULT, /* as described above */
    CF_HTTP_ACCEPT,  /* done, whatever the status */
    CF_HTTP_RETRY, /* once more, as for a 503; when that can't be, it ends with rc and error as the
                    * judge set them, or CF_EUNAVAILABLE if it didn't */
    CF_HTTP_FAIL,  /* done, with rc and error as the judge set them */
};

/* Where a body comes from that is produced while it is sent. Both return 0 or a CF_E… code, which
 * ends the request. *got 0 is the end, which must be reached after exactly size bytes. */
struct cf_http_source {
    int (*read)(void *context, void *data, size_t size, size_t *got);
    int (*rewind)(void *context); /* back to the first byte: an attempt is repeated */
    void *context;
    uint64_t size;
};

/* Where the body of a 2xx answer goes, piece by piece and decoded; the request's status and
 * response_headers are there already. Both return 0 or a CF_E… code, which ends the request.
 * restart is called before an attempt is repeated: what came so far is void. */
struct cf_http_sink {
    int (*write)(void *context, const void *data, size_t length);
    int (*restart)(void *context);
    void *context;
};

/* Cloud platforms give credentials to their own machines over plain HTTP on fixed addresses, which
 * never leave the host. A request that names one of these may use it; no proxy is asked. */
enum cf_http_plain {
    CF_HTTP_PLAIN_LOOPBACK,  /* only the addresses that every request may use */
    CF_HTTP_PLAIN_CONTAINER, /* 169.254.170.2, 169.254.170.23, fd00:ec2::23 as well */
    CF_HTTP_PLAIN_INSTANCE,  /* 169.254.169.254, fd00:ec2::254 as well */
};

struct cf_http_request {
    const char *method; /* "GET", "HEAD", "POST", "PUT", "DELETE" */
    const char *url;    /* borrowed until the request is done, as are headers and body */
    const char *const
        *headers; /* "Name: value", NULL-terminated; NULL: none. Values may be secret. */
    const void *body;
    size_t body_length;
    const struct cf_http_source *source; /* instead of body; or NULL */
    const struct cf_http_sink *sink;     /* instead of answer; or NULL */
    size_t max_answer; /* bytes of a decoded answer; a longer one is CF_EDATA; 0: 16 MiB, no limit
                        * with a sink */
    bool
        identity; /* ask for no compression and decode none: an object's bytes as they are stored */
    enum cf_http_plain plain;
    int64_t total_ms;   /* instead of the options'; 0: theirs */
    int64_t silence_ms; /* likewise */
    /* Called before every attempt, after source and sink went back to their beginnings: may set
     * headers anew (a signature that carries the time). Not 0 ends the request with that code and
     * the error that it set. NULL: none. */
    int (*prepare)(struct cf_http_request *request);
    enum cf_http_verdict (*judge)(struct cf_http_request *request); /* or NULL */
    void (*done)(struct cf_http_request *request); /* may add requests and free this one; or NULL */
    void *context;

    /* Results. rc is 0 when an answer came, whatever its status, unless that was one of those that
     * are retried: CF_EUNAVAILABLE. Other codes: CF_EUNAVAILABLE (no answer), CF_EDATA (too long),
     * CF_ECONFIG (a URL or header that mustn't be sent, a certificate that isn't trusted),
     * CF_EINTERRUPTED, and those of judge, source and sink. */
    int rc;
    struct cf_error error; /* key: the URL without its query */
    long status;           /* of the last answer; 0: none came */
    struct cf_buf answer;
    struct cf_buf
        response_headers; /* the final answer's, "Name: value\r\n" lines, at most 64 KiB */
    int64_t
        retry_after_ms; /* what the last answer's Retry-After asks for, in whatever form; 0: none */
    unsigned attempts;
    uint64_t bytes_sent; /* by all attempts, as in struct cf_http_totals */
    uint64_t bytes_received;
    struct {
        struct cf_http_request *next;
        struct cf_http_group *group;
    } engine; /* the engine's own */
};

struct cf_http *cf_http_new(const struct cf_http_options *options); /* NULL: all defaults */
void cf_http_free(struct cf_http *http); /* no request may be queued; NULL is fine */

/* Queues a request, which must stay where it is until it is done. The requests of one task
 * (common/base/task.h) start in this order; those of several tasks take turns. */
void cf_http_add(struct cf_http *http, struct cf_http_request *request);

/* Returns when every request that this task queued, and every one that their done functions added,
 * has ended. Whoever isn't a task is one as well, here. Must follow every add, and not be called
 * from judge, done, source or sink. The callbacks of a task's requests may be called while another
 * task waits. */
void cf_http_wait(struct cf_http *http);

/* The same, but no other task runs meanwhile: for what must not be begun twice. */
void cf_http_wait_alone(struct cf_http *http);

/* The value of an answer's header, copied; false when it isn't there or doesn't fit. */
bool cf_http_header(const struct cf_http_request *request, const char *name, char *out,
                    size_t size);

/* The time that an answer's Date header gives, in milliseconds since 1970; 0 without one. */
int64_t cf_http_date_ms(const struct cf_http_request *request);

void cf_http_request_release(struct cf_http_request *request); /* frees the results */

/* Totals since cf_http_new. */
struct cf_http_totals {
    uint64_t requests;       /* attempts */
    uint64_t bytes_sent;     /* headers and bodies, without TLS */
    uint64_t bytes_received; /* the same, as they came: before decoding */
};
struct cf_http_totals cf_http_totals(const struct cf_http *http);

/* True when a URL is https, or http to a loopback address (127.0.0.0/8, ::1) or to the name
 * localhost, which libcurl never asks a resolver for. A URL that holds a user name or password is
 * not safe. */
bool cf_http_url_is_safe(const char *url);

#endif
