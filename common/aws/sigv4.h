/* AWS Signature Version 4, in the form that S3 wants: the Authorization header of one request
 * (docs/decisions/0001-own-signer.md says why it isn't libcurl's). Other services want paths
 * encoded twice and without "//" and "..", which is the same for a path that needs neither.
 *
 * Everything here works on text that is already canonical: the path percent-encoded as it goes over
 * the wire, the query sorted and encoded, header names in lower case and sorted, values trimmed.
 * cf_sigv4_encode and cf_sigv4_query make such text. */
#ifndef CF_AWS_SIGV4_H
#define CF_AWS_SIGV4_H

#include <nettle/hmac.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/hash.h"

#define CF_SIGV4_DATE 17 /* "20130524T000000Z" and the NUL */
#define CF_SIGV4_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* A signer for one region and service. The key of a day is derived once and kept. */
struct cf_sigv4 {
    char region[64];
    char service[16];
    char day[9];                /* that key was derived for; "" for none yet */
    char secret_sha256[65];     /* of the secret that key was derived from */
    struct hmac_sha256_ctx key; /* with the day's key set */
};

struct cf_sigv4_pair {
    const char *name;
    const char *value;
};

struct cf_sigv4_request {
    const char *method;
    const char *path;                    /* "/bucket/key" */
    const char *query;                   /* "" for none */
    const struct cf_sigv4_pair *headers; /* to be signed; host and x-amz-date among them */
    size_t header_count;
    const char *payload_sha256;
};

void cf_sigv4_init(struct cf_sigv4 *signer, const char *region, const char *service);
void cf_sigv4_release(struct cf_sigv4 *signer); /* wipes the key */

/* Appends the value of the Authorization header. date is the value of x-amz-date. */
void cf_sigv4_sign(struct cf_sigv4 *signer, const char *access_key, const char *secret_key,
                   const char *date, const struct cf_sigv4_request *request, struct cf_buf *out);

/* Milliseconds since 1970 as the value of x-amz-date. */
void cf_sigv4_date(int64_t ms, char out[CF_SIGV4_DATE]);

/* Appends text percent-encoded: all but letters, digits, "-", ".", "_" and "~", and but "/" when
 * keep_slash. */
void cf_sigv4_encode(struct cf_buf *out, const char *text, bool keep_slash);

/* Appends the canonical query of parameters in any order, which are sorted in place. A value of
 * NULL is written as an empty one. */
void cf_sigv4_query(struct cf_buf *out, struct cf_sigv4_pair *pairs, size_t count);

#endif
