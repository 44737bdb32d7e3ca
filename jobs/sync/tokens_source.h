/* Private to tokens.h: one source of secrets, which is one part of a list. */
#ifndef SYNC_TOKENS_SOURCE_H
#define SYNC_TOKENS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/error.h"

struct cf_aws_secrets;

enum sync_source_kind {
    SYNC_SOURCE_ENV,
    SYNC_SOURCE_FILE,
    SYNC_SOURCE_SSM,
    SYNC_SOURCE_SECRETSMANAGER,
    SYNC_SOURCE_APP,
};

struct sync_source {
    enum sync_source_kind kind;
    char *where; /* what follows the colon; "" for an app */
    char *value; /* of a variable; NULL: it is unset or empty */
};

/* The client for AWS, made when a source first needs it. */
struct sync_secrets {
    const volatile int *stop;
    struct cf_aws_secrets *aws;
};

/* "env", "file", … */
const char *sync_source_name(const struct sync_source *source);

/* Reads one part; of a variable also its value. CF_ECONFIG says what is wrong with "what", such as
 * "part 2 of CLOUDFOLIO_GITHUB_TOKENS". Text that may be a secret by mistake is not quoted. */
int sync_source_parse(const char *text, const char *what, struct sync_source *out,
                      struct cf_error *err);
void sync_source_release(struct sync_source *source); /* wipes */

/* True when its place holds "{tenant}". */
bool sync_source_has_tenant(const struct sync_source *source);

/* Appends what the source, which is not an app, has for the tenant (lower case, checked; NULL where
 * the source has no "{tenant}"), without one line break at its end. CF_ENOTFOUND: it has none;
 * other codes: it is wrong, refuses or doesn't answer. */
int sync_source_read(const struct sync_source *source, struct sync_secrets *secrets,
                     const char *tenant, struct cf_buf *out, struct cf_error *err);

/* Wipes all that the buffer ever held, and releases it. */
void sync_secret_release(struct cf_buf *buf);

#endif
