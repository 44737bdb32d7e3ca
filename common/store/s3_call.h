/* Private to the S3 driver: an open store, and one signed request to it.
 *
 * A call is built (cf_s3_call_begin, …_header, …), started, and ends in its then function, once,
 * with the outcome in error; then may build it anew and start it again. Each attempt is signed with
 * the time and the credentials of that moment. */
#ifndef CF_STORE_S3_CALL_H
#define CF_STORE_S3_CALL_H

#include "common/aws/credentials.h"
#include "common/aws/sigv4.h"
#include "common/net/http.h"
#include "common/store/s3_config.h"

struct cf_s3 {
    struct cf_s3_config config;
    struct cf_http *http;
    struct cf_credentials_chain *credentials;
    struct cf_sigv4 signer;
    bool skew_known;  /* since the first answer */
    long long skew_s; /* how far this machine's clock is ahead of the service's */
};

#define CF_S3_HEADERS 8 /* of a call's own */

struct cf_s3_call {
    struct cf_s3 *s3;
    const char *operation;  /* "get", …: for errors */
    const char *key;        /* the store's key, without its prefix; borrowed */
    const char *permission; /* what the operation takes: "s3:GetObject" */
    void *context;          /* the owner's */
    void (*then)(struct cf_s3_call *call);
    /* Before every attempt, when headers depend on what came so far; or NULL. */
    int (*before)(struct cf_s3_call *call);
    /* Looks at a 2xx answer: sets error when it is none after all, and returns whether another
     * attempt may help; or NULL. */
    bool (*is_void)(struct cf_s3_call *call);

    struct cf_http_request http; /* body, source, sink and results are used as they are */
    char payload[CF_SHA256_HEX]; /* of the body */

    struct cf_error error; /* the outcome; code 0: a 2xx answer came */

    /* Its own */
    struct cf_buf url;
    size_t path_at, query_at; /* in url; query_at is behind the "?", or at its end */
    struct cf_sigv4_pair headers[CF_S3_HEADERS];
    size_t header_count;
    struct cf_buf lines; /* the last attempt's headers */
    const char *line[CF_S3_HEADERS + 6];
    unsigned generation; /* of the credentials that it was signed with */
    bool renewed;        /* credentials were renewed for this call already */
};

/* Prepares a call of an empty body. key is NULL for the bucket itself. pairs (may be NULL) is the
 * query, sorted in place. operation, permission, then and context are kept as they are, everything
 * else of an earlier use is dropped. */
void cf_s3_call_begin(struct cf_s3_call *call, const char *method, const char *key,
                      struct cf_sigv4_pair *pairs, size_t count);

/* Sets one header, name in lower case; replaces one of that name. */
void cf_s3_call_header(struct cf_s3_call *call, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cf_s3_call_drop_header(struct cf_s3_call *call, const char *name);

/* The body, borrowed, and its hash. */
void cf_s3_call_body(struct cf_s3_call *call, const void *data, size_t length);

void cf_s3_call_start(struct cf_s3_call *call);
/* Starts it and waits for its end; then may be NULL. Not from a callback. Returns error's code. */
int cf_s3_call_run(struct cf_s3_call *call);
void cf_s3_call_release(struct cf_s3_call *call);

/* Describes an answer that isn't 2xx, or a 2xx one whose body is an <Error>, in call->error. True
 * when another attempt may help. */
bool cf_s3_call_fault(struct cf_s3_call *call);

/* How far this machine's clock is ahead of the service's, by the answer's Date. */
bool cf_s3_clock_skew(const struct cf_http_request *http, long long *seconds);

/* True when the fault in call->error says that the credentials have expired. */
bool cf_s3_call_says_expired(const struct cf_s3_call *call);

#endif
