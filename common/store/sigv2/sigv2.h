/* Private to the s3v2: driver, a shared object of its own (cloudfolio-s3v2.so), since libs3 brings
 * libxml2 and ICU along. It takes cf_* functions from the program that loads it.
 *
 * For stores that know nothing newer than Signature Version 2. What libs3 2.0 can't do, and what
 * is done about it (docs/decisions/0009-libs3-in-a-module.md):
 *
 *   no put-if-absent         PUT_NEW is refused, unless CLOUDFOLIO_SINGLE_WRITER=1: then HEAD, and
 *                            PUT when there is nothing. Two processes can both succeed
 *   no session tokens        refused when one is set
 *   doesn't check a server's certificate  https is refused, unless CLOUDFOLIO_UNVERIFIED_TLS=1
 *   a body that was cut off counts as whole  a GET counts its bytes and goes on where they end;
 *                            LIST is only signed by libs3, and read by the program's own engine
 *   a PUT's answer isn't shown  each PUT carries Content-MD5, and HEAD must then show the same
 *                            MD5 as the ETag: so a store whose ETags aren't MD5 can't be written to
 *   the size of a ranged GET isn't shown  HEAD comes first
 *   no multipart uploads     an object is one PUT, at most 5 GiB */
#ifndef CF_STORE_SIGV2_H
#define CF_STORE_SIGV2_H

#include <libs3.h>

#include "common/aws/credentials.h"
#include "common/net/http.h"
#include "common/store/s3_config.h"
#include "common/store/store.h"

#define CF_SIGV2_IN_FLIGHT 16
#define CF_SIGV2_ATTEMPTS 8
#define CF_SIGV2_GRACE_MS 10000
#define CF_SIGV2_MOST_PUT ((uint64_t)5 << 30)

struct cf_sigv2 {
    struct cf_s3_config config;
    struct cf_credentials credentials;
    bool single_writer;
    S3BucketContext bucket;
    S3RequestContext *requests; /* NULL: none yet */
    struct cf_http *http;       /* for LIST */
    int64_t stopped_ms;         /* when the stop was seen; 0: not yet */
};

enum cf_sigv2_step {
    CF_SIGV2_HEAD, /* STAT, and before a ranged GET and a PUT_NEW */
    CF_SIGV2_GET,
    CF_SIGV2_PUT,
    CF_SIGV2_CONFIRM, /* HEAD behind a PUT */
    CF_SIGV2_DELETE,
};

/* One operation on its way. */
struct cf_sigv2_task {
    struct cf_sigv2 *store;
    struct cf_op *op; /* NULL: free */
    enum cf_sigv2_step step;
    bool in_flight;
    int64_t due_ms;      /* when the next attempt starts; monotonic */
    int64_t deadline_ms; /* no attempt starts behind it */
    unsigned attempts;   /* of this step */
    unsigned resent;     /* how often a PUT that couldn't be confirmed was repeated */
    unsigned changes;    /* how often the object was replaced under the reading */
    char *key;           /* with the store's prefix */

    /* What the callbacks of an attempt found. */
    int rc;            /* not 0: the operation ends with it; op->error says why */
    const char *void_; /* not NULL: the answer is none, for this reason */
    char etag[CF_ETAG_MAX];
    uint64_t size;

    bool sized;                /* GET: op->size and etag are known, and what follows */
    uint64_t first, next, end; /* all from the object's first byte */

    bool hashed; /* PUT */
    uint64_t sent;
    char md5_hex[33], md5_base64[25];
};

/* Of each kind of operation, for errors. */
extern const char *const cf_sigv2_names[];

/* Prepares a task for an operation other than LIST, or ends it at once. */
void cf_sigv2_begin(struct cf_sigv2_task *task, struct cf_op *op);
/* Starts the request of the present step. */
void cf_sigv2_send(struct cf_sigv2_task *task);
/* Ends the operation; op->error is kept when it says something already. */
void cf_sigv2_end(struct cf_sigv2_task *task, int rc);

/* One LIST, from its first page to as many as it takes. */
void cf_sigv2_list(struct cf_sigv2 *store, struct cf_op *op);

/* Runs operations; sigv2_run.c. */
void cf_sigv2_run(void *self, struct cf_op *ops, size_t count);

/* Describes a failure that has this name: one of S3_get_status_name, or a code of the service's.
 * True when another attempt may help. */
bool cf_sigv2_fault(const char *name, const char *detail, const char *request_id,
                    struct cf_error *err);

#endif
