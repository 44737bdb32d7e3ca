/* Credentials for signed requests, from the first source that is configured:
 *
 *   environment  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   container    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI
 *   instance     the virtual machine's metadata service, unless AWS_EC2_METADATA_DISABLED=true
 *
 * The first one that is configured is the only one asked: when a container's service fails, the
 * machine's own role must not be used in its place. Profiles in ~/.aws are not read: jobs run in
 * containers, and a person's shell can export what the profile holds. */
#ifndef CF_AWS_CREDENTIALS_H
#define CF_AWS_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

struct cf_credentials {
    char *access_key;
    char *secret_key;
    char *session_token; /* NULL: none */
    int64_t expires_ms;  /* since 1970; 0: never */
    const char *source;  /* "environment", "container", "instance" */
    unsigned generation; /* 1 for the first, one more after each refresh */
};

void cf_credentials_release(struct cf_credentials *credentials); /* wipes what is secret */

struct cf_credentials_chain;

/* now_ms: the clock, for tests; NULL: the real one. Nothing is read before the first get. */
struct cf_credentials_chain *cf_credentials_chain_new(int64_t (*now_ms)(void));
void cf_credentials_chain_free(struct cf_credentials_chain *chain); /* NULL is fine */

/* The credentials to sign with now, borrowed until the next call. They are fetched when there are
 * none, and again 5 minutes before they expire; while they are still valid, a refresh that fails is
 * only logged. Blocks for at most some seconds. CF_ECONFIG: none are configured, or what
 * is configured can't be used; CF_EDENIED: their service refuses; CF_EUNAVAILABLE: it is down or
 * answers nonsense. */
int cf_credentials_chain_get(struct cf_credentials_chain *chain, const struct cf_credentials **out,
                             struct cf_error *err);

/* A service said that the credentials of this generation have expired. True when the next get may
 * give others. */
bool cf_credentials_chain_expired(struct cf_credentials_chain *chain, unsigned generation);

#endif
