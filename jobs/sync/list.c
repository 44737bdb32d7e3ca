#include "jobs/sync/list.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/contract/tenant.h"

enum { REPOSITORIES_ASKED = 3 };

/* The login of whoever owns a repository now; false when nobody says. */
static bool owner_now(struct sync_session *session, uint64_t id, char out[CF_TENANT_MAX])
{
    struct cf_error err;
    struct sync_get get = {0};
    char name[CF_TENANT_MAX];
    char *path = cf_asprintf("/repositories/%llu", (unsigned long long)id);
    int rc = sync_get_now(session, &get, path, &err);
    free(path);
    const char *login =
        json_string_value(json_object_get(json_object_get(get.document, "owner"), "login"));
    bool known = !rc && login && !cf_tenant_normalise(login, name, NULL);
    if (known) {
        (void)snprintf(out, CF_TENANT_MAX, "%s", login);
    }
    sync_get_release(&get);
    return known;
}

static void say_where_it_went(struct sync_session *session, const struct sync_known *known,
                              struct cf_error *err)
{
    char login[CF_TENANT_MAX];
    const struct cf_repos *repos = known->repos;
    for (size_t i = 0; i < repos->count && i < REPOSITORIES_ASKED; i++) {
        if (owner_now(session, repos->items[i].id, login)) {
            char before[sizeof(err->message)];
            memcpy(before, err->message, sizeof(before));
            (void)snprintf(err->message, sizeof(err->message),
                           "%.300s; its repositories belong to \"%s\" now: if the account was "
                           "renamed, add that one as a tenant",
                           before, login);
            return;
        }
    }
}

int sync_list(struct sync_session *session, const char *login, const struct sync_known *known,
              struct sync_batch *batch, struct sync_listing *out, struct cf_error *err)
{
    int rc = 0;
    *out = (struct sync_listing){0};
    if (sync_session_uses_graphql(session)) {
        rc = sync_listing_fetch(session, login, batch, out, err);
        if (rc && sync_listing_needs_rest(err)) {
            cf_log_error(CF_WARN, "graphql_given_up", err);
            sync_session_give_up_graphql(session);
        }
    }
    if (!sync_session_uses_graphql(session)) {
        rc = sync_rest_listing_fetch(session, login, known, out, err);
    }
    if (rc == CF_ENOTFOUND) {
        say_where_it_went(session, known, err);
    }
    return rc;
}
