#include "common/aws/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"

static const int64_t REFRESH_BEFORE_MS = 300000;
static const int64_t REFRESH_AGAIN_MS = 10000; /* after a refresh that failed */

struct cf_credentials_chain {
    int64_t (*now_ms)(void);
    struct cf_credentials current; /* generation 0: none yet */
    bool rejected;                 /* by a service */
    int64_t next_try_ms;           /* no refresh before this while current is valid */
};

static const struct cf_credentials_provider *const providers[] = {
    &cf_credentials_environment,
    &cf_credentials_container,
    &cf_credentials_instance,
};

static void wipe(char *text)
{
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void cf_credentials_release(struct cf_credentials *credentials)
{
    wipe(credentials->access_key);
    wipe(credentials->secret_key);
    wipe(credentials->session_token);
    *credentials = (struct cf_credentials){0};
}

struct cf_credentials_chain *cf_credentials_chain_new(int64_t (*now_ms)(void))
{
    struct cf_credentials_chain *chain = cf_calloc(1, sizeof(*chain));
    chain->now_ms = now_ms ? now_ms : cf_clock_now_ms;
    return chain;
}

void cf_credentials_chain_free(struct cf_credentials_chain *chain)
{
    if (chain) {
        cf_credentials_release(&chain->current);
        free(chain);
    }
}

static int fetch(struct cf_credentials *out, struct cf_error *err)
{
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        if (!providers[i]->is_configured()) {
            continue;
        }
        int rc = providers[i]->fetch(out, err);
        if (rc) {
            cf_credentials_release(out);
            return cf_error_prefix(err, "credentials from the %s", providers[i]->name);
        }
        out->source = providers[i]->name;
        return 0;
    }
    return cf_error_set(err, CF_ECONFIG,
                        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                        "run where a container or an instance has a role");
}

static int refresh(struct cf_credentials_chain *chain, struct cf_error *err)
{
    struct cf_credentials fresh = {0};
    int rc = fetch(&fresh, err);
    if (rc) {
        chain->next_try_ms = chain->now_ms() + REFRESH_AGAIN_MS;
        return rc;
    }
    fresh.generation = chain->current.generation + 1;
    cf_credentials_release(&chain->current);
    chain->current = fresh;
    chain->rejected = false;
    chain->next_try_ms = 0;
    return 0;
}

int cf_credentials_chain_get(struct cf_credentials_chain *chain, const struct cf_credentials **out,
                             struct cf_error *err)
{
    const struct cf_credentials *current = &chain->current;
    int64_t now = chain->now_ms();
    bool none = !current->generation || chain->rejected ||
                (current->expires_ms && now >= current->expires_ms);
    bool soon = current->expires_ms && now >= current->expires_ms - REFRESH_BEFORE_MS;
    *out = current;
    if (none) {
        return refresh(chain, err);
    }
    struct cf_error why = {0};
    if (soon && now >= chain->next_try_ms && refresh(chain, &why)) {
        cf_log_error(CF_WARN, "credentials_not_refreshed", &why);
    }
    return 0;
}

bool cf_credentials_chain_expired(struct cf_credentials_chain *chain, unsigned generation)
{
    const struct cf_credentials *current = &chain->current;
    if (generation != current->generation) {
        return true;
    }
    chain->rejected = current->source && strcmp(current->source, "environment") != 0;
    return chain->rejected;
}
