#include "jobs/sync/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/contract/tenant.h"

enum { MOST_PAGES = 2000 };

static const size_t PAGE_ANSWER = (size_t)8 << 20;

static const char query[] =
    "query Listing($login: String!, $after: String, $first: Int!) {"
    " rateLimit { cost remaining resetAt }"
    " repositoryOwner(login: $login) { __typename login"
    " repositories(first: $first, after: $after, ownerAffiliations: [OWNER], privacy: PUBLIC,"
    " orderBy: {field: CREATED_AT, direction: ASC}) {"
    " totalCount pageInfo { hasNextPage endCursor }"
    " nodes { databaseId id name url description homepageUrl visibility createdAt updatedAt "
    "pushedAt"
    " diskUsage isFork isArchived isDisabled isTemplate forkingAllowed stargazerCount forkCount"
    " licenseInfo { id key name spdxId } primaryLanguage { name }"
    " languages(first: 20, orderBy: {field: SIZE, direction: DESC}) { edges { size node { name } } "
    "}"
    " repositoryTopics(first: 20) { nodes { topic { name } } }"
    " defaultBranchRef { name target { oid ... on Commit { tree { oid } } } } } } } }";

void sync_listing_release(struct sync_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        cf_repository_release(&listing->items[i].repository);
    }
    free(listing->items);
    free(listing->login);
    free(listing->kind);
    free(listing->cursor);
    json_decref(listing->etags);
    *listing = (struct sync_listing){0};
}

void sync_listing_add(struct sync_listing *listing, struct cf_repository *repository,
                      const char *problem, const struct cf_error *why)
{
    struct sync_listed listed = {.repository = *repository, .problem = problem};
    uint64_t id = repository->id;
    if (problem) {
        cf_repository_release(repository);
        listed.repository = (struct cf_repository){.id = id};
        cf_log(CF_WARN, "listing_unreadable", CF_I("id", id), CF_S("reason", problem),
               CF_S("error", why->message), CF_END);
        if (!id) {
            listing->partial = true;
            return;
        }
    }
    for (size_t i = 0; i < listing->count; i++) {
        if (listing->items[i].repository.id == id) {
            cf_log(CF_WARN, "listed_twice", CF_I("id", id), CF_END);
            cf_repository_release(&listed.repository);
            return;
        }
    }
    listing->items =
        cf_grow(listing->items, listing->count, &listing->capacity, sizeof(*listing->items));
    listing->items[listing->count++] = listed;
}

static void add_node(struct sync_listing *listing, const json_t *node, const json_t *errors,
                     size_t index, const char *api_url)
{
    char number[24];
    struct cf_error err = {0};
    struct cf_repository repository = {0};
    (void)snprintf(number, sizeof(number), "%zu", index);
    const char *const path[] = {"repositoryOwner", "repositories", "nodes", number, NULL};
    const json_t *error = sync_error_at(errors, path);
    int rc = sync_listing_read_node(node, listing->login, api_url, &repository, &err);
    if (rc == CF_EDENIED) {
        cf_log(CF_WARN, "not_public", CF_I("id", repository.id), CF_END);
        cf_repository_release(&repository);
        return;
    }
    const char *problem = error ? sync_error_reason(error) : rc ? "bad_listing" : NULL;
    sync_listing_add(listing, &repository, problem, &err);
}

/* Errors that no node explains mean that this isn't the whole listing. */
static int check_errors(const json_t *errors, struct cf_error *err)
{
    static const char *const nodes[] = {"repositoryOwner", "repositories", "nodes", NULL};
    int rc = 0;
    for (size_t i = 0; i < json_array_size(errors) && !rc; i++) {
        json_t *one = json_pack("[O]", json_array_get(errors, i));
        if (!sync_error_at(one, nodes)) {
            rc = sync_errors_fatal(one, "the page is incomplete", err);
        }
        json_decref(one);
    }
    return rc;
}

static bool is_not_found(const json_t *errors)
{
    const char *type = json_string_value(json_object_get(json_array_get(errors, 0), "type"));
    return json_array_size(errors) == 0 || (type && strcmp(type, "NOT_FOUND") == 0);
}

static int read_owner(struct sync_listing *listing, const json_t *owner, const char *tenant,
                      struct cf_error *err)
{
    const char *login;
    const char *kind;
    char asked[CF_TENANT_MAX];
    char given[CF_TENANT_MAX];
    int rc = cf_json_get_string(owner, "login", &login, err);
    rc = rc ? rc : cf_json_get_string(owner, "__typename", &kind, err);
    if (rc) {
        return rc;
    }
    if (cf_tenant_normalise(tenant, asked, err) || cf_tenant_normalise(login, given, NULL) ||
        strcmp(asked, given) != 0) {
        return cf_error_set(err, CF_EDATA, "GitHub answered for another account than \"%s\"",
                            tenant);
    }
    if (strcmp(kind, "User") != 0 && strcmp(kind, "Organization") != 0) {
        return cf_error_set(err, CF_EDATA, "the account is neither a user nor an organization");
    }
    if (!listing->login) {
        listing->login = cf_strdup(login);
        listing->kind = cf_strdup(kind);
    }
    return 0;
}

static int read_page_info(struct sync_listing *listing, const json_t *connection, size_t nodes,
                          struct cf_error *err)
{
    json_t *info;
    uint64_t total = 0;
    int rc = cf_json_get_object(connection, "pageInfo", &info, err);
    rc = rc ? rc : cf_json_get_u64(connection, "totalCount", &total, err);
    rc = rc ? rc : cf_json_get_bool(info, "hasNextPage", &listing->more, err);
    if (rc || !listing->more) {
        /* Nodes that came as null, and those that moved between two pages, are missing. */
        listing->partial = listing->partial || total > listing->count;
        return rc;
    }
    const char *cursor;
    rc = cf_json_get_string(info, "endCursor", &cursor, err);
    if (!rc && ((listing->cursor && strcmp(cursor, listing->cursor) == 0) || !nodes ||
                ++listing->pages > MOST_PAGES)) {
        rc = cf_error_set(err, CF_EDATA, "GitHub's pages of repositories don't come to an end");
    }
    if (!rc) {
        free(listing->cursor);
        listing->cursor = cf_strdup(cursor);
    }
    return rc;
}

int sync_listing_add_page(struct sync_listing *listing, const json_t *answer, const char *tenant,
                          const char *api_url, struct cf_error *err)
{
    json_t *data = NULL;
    json_t *connection = NULL;
    json_t *nodes = NULL;
    const json_t *errors = json_object_get(answer, "errors");
    int rc = cf_json_get_object(answer, "data", &data, err);
    const json_t *owner = json_object_get(data, "repositoryOwner");
    if (!rc && json_is_null(owner) && is_not_found(errors)) {
        return cf_error_set(err, CF_ENOTFOUND, "GitHub has no user or organization named \"%s\"",
                            tenant);
    }
    rc = rc ? rc : check_errors(errors, err);
    rc = rc ? rc : read_owner(listing, owner, tenant, err);
    rc = rc ? rc : cf_json_get_object(owner, "repositories", &connection, err);
    rc = rc ? rc : cf_json_get_array(connection, "nodes", &nodes, err);
    for (size_t i = 0; i < json_array_size(nodes) && !rc; i++) {
        add_node(listing, json_array_get(nodes, i), errors, i, api_url);
    }
    return rc ? rc : read_page_info(listing, connection, json_array_size(nodes), err);
}

static json_t *page_variables(const struct sync_listing *listing, const char *login,
                              const struct sync_batch *batch)
{
    json_t *variables = json_object();
    (void)json_object_set_new(variables, "login", json_string(login));
    (void)json_object_set_new(variables, "after", cf_json_string_or_null(listing->cursor));
    (void)json_object_set_new(variables, "first", json_integer(batch->size));
    return variables;
}

/* One page, made smaller until GitHub can give it. */
static int fetch_page(struct sync_session *session, const char *login, struct sync_batch *batch,
                      struct sync_listing *listing, struct cf_error *err)
{
    for (unsigned failures = 1;; failures++) {
        json_t *answer = NULL;
        int rc = sync_query(session, query, page_variables(listing, login, batch), PAGE_ANSWER,
                            batch->size > 1, &answer, err);
        bool heavy =
            rc ? sync_is_too_heavy(err) : sync_errors_too_heavy(json_object_get(answer, "errors"));
        if (heavy && sync_batch_shrink(batch)) {
            cf_log(CF_WARN, "page_halved", CF_I("repositories", batch->size), CF_END);
            json_decref(answer);
            sync_session_back_off(session, failures);
            continue;
        }
        if (!rc) {
            rc = sync_listing_add_page(listing, answer, login, sync_session_api(session), err);
        }
        if (!rc && !heavy) {
            sync_batch_pass(batch);
        }
        json_decref(answer);
        return rc;
    }
}

int sync_listing_fetch(struct sync_session *session, const char *login, struct sync_batch *batch,
                       struct sync_listing *out, struct cf_error *err)
{
    int rc;
    *out = (struct sync_listing){0};
    do {
        rc = fetch_page(session, login, batch, out, err);
    } while (!rc && out->more);
    if (rc == CF_ERETRY && out->login) {
        out->partial = true;
    } else if (rc) {
        sync_listing_release(out);
    }
    return rc ? cf_error_prefix(err, "listing the repositories of %s", login) : 0;
}

bool sync_listing_needs_rest(const struct cf_error *err)
{
    return sync_is_too_heavy(err) || (err->code == CF_EDATA && *err->service_code);
}
