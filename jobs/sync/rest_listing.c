#include "jobs/sync/rest_listing.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "jobs/sync/rest_node.h"

enum { PAGE = 100, MOST_PAGES = 1000 };

struct listing {
    struct sync_session *session;
    const char *login;
    const struct sync_known *known;
    struct sync_listing *out;
    struct cf_error *err;
};

/* --- pages --------------------------------------------------------------------------------------
 */

static int get_page(struct listing *l, size_t number, const char *etag, struct sync_get *get)
{
    char *path = cf_asprintf("/users/%s/repos?type=owner&sort=created&direction=asc&per_page=%d"
                             "&page=%zu",
                             l->login, PAGE, number);
    *get = (struct sync_get){.etag = etag};
    int rc = sync_get_now(l->session, get, path, l->err);
    free(path);
    if (rc == CF_EDATA && get->reason && strcmp(get->reason, "not_found") == 0) {
        rc = cf_error_set(l->err, CF_ENOTFOUND, "GitHub has no user or organization named \"%s\"",
                          l->login);
    }
    return rc;
}

static int get_owner(struct listing *l)
{
    struct sync_get get = {0};
    char *path = cf_asprintf("/users/%s", l->login);
    int rc = sync_get_now(l->session, &get, path, l->err);
    free(path);
    if (rc == CF_EDATA && get.reason && strcmp(get.reason, "not_found") == 0) {
        rc = cf_error_set(l->err, CF_ENOTFOUND, "GitHub has no user or organization named \"%s\"",
                          l->login);
    }
    if (!rc) {
        rc = sync_rest_read_owner(get.document, l->login, &l->out->login, &l->out->kind, l->err);
    }
    sync_get_release(&get);
    return rc;
}

static int add_page(struct listing *l, const json_t *page)
{
    if (!json_is_array(page) || json_array_size(page) > PAGE) {
        return cf_error_set(l->err, CF_EDATA, "GitHub's page of repositories isn't one");
    }
    for (size_t i = 0; i < json_array_size(page); i++) {
        struct cf_repository repository;
        struct cf_error err = {0};
        int rc = sync_rest_read_node(json_array_get(page, i), l->out->login,
                                     sync_session_api(l->session), &repository, &err);
        if (rc == CF_EDENIED) {
            cf_log(CF_WARN, "not_public", CF_I("id", repository.id), CF_END);
            cf_repository_release(&repository);
            continue;
        }
        sync_listing_add(l->out, &repository, rc ? "bad_listing" : NULL, &err);
    }
    return 0;
}

/* Every page, whole; their ETags are remembered. */
static int fetch_pages(struct listing *l)
{
    json_t *etags = json_array();
    size_t count = PAGE;
    int rc = get_owner(l);
    for (size_t number = 1; !rc && count == PAGE; number++) {
        struct sync_get get;
        rc = number > MOST_PAGES ? cf_error_set(l->err, CF_EDATA,
                                                "GitHub's pages of repositories don't come to an "
                                                "end")
                                 : get_page(l, number, NULL, &get);
        if (rc) {
            break;
        }
        count = json_array_size(get.document);
        (void)json_array_append_new(etags, json_string(get.new_etag));
        rc = add_page(l, get.document);
        sync_get_release(&get);
    }
    l->out->etags = etags;
    return rc;
}

/* True when every page is as it was when the last version was made. */
static int ask_for_changes(struct listing *l, bool *unchanged)
{
    const json_t *etags = l->known->etags;
    *unchanged = l->known->repos->login && json_array_size(etags) > 0;
    for (size_t i = 0; i < json_array_size(etags) && *unchanged; i++) {
        struct sync_get get;
        const char *etag = json_string_value(json_array_get(etags, i));
        if (!etag || !*etag || strlen(etag) >= sizeof(get.new_etag) || strpbrk(etag, "\r\n")) {
            *unchanged = false;
            return 0;
        }
        int rc = get_page(l, i + 1, etag, &get);
        *unchanged = !rc && get.not_modified;
        sync_get_release(&get);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static void take_known(struct listing *l)
{
    const struct cf_repos *repos = l->known->repos;
    l->out->login = cf_strdup(repos->login);
    l->out->kind = cf_strdup(repos->kind);
    for (size_t i = 0; i < repos->count; i++) {
        struct cf_repository copy;
        cf_repository_copy(&repos->items[i], &copy);
        copy.content[0] = '\0';
        sync_listing_add(l->out, &copy, NULL, NULL);
    }
    l->out->etags = json_deep_copy(l->known->etags);
}

/* Completes what the last version says the rest of; the others are for sync_rest_details_fetch. */
static void reuse_known(struct listing *l)
{
    for (size_t i = 0; i < l->out->count; i++) {
        struct sync_listed *listed = &l->out->items[i];
        const struct cf_repository *last = cf_repos_find(l->known->repos, listed->repository.id);
        if (listed->problem) {
            continue;
        }
        listed->incomplete = !sync_rest_same(&listed->repository, last, l->known->read_at);
        if (!listed->incomplete) {
            sync_rest_reuse(last, &listed->repository);
            sync_rest_finish(&listed->repository);
        }
    }
}

/* ETags are good for what is as its page says, all of it, and won't change unseen: a push within
 * the same second, or languages that are counted later, leave the page as it is. */
static void check_etags(struct sync_listing *out)
{
    char now[CF_TIMESTAMP];
    bool whole = !out->partial;
    cf_clock_format(cf_clock_now_ms(), now);
    for (size_t i = 0; i < out->count; i++) {
        const struct cf_repository *r = &out->items[i].repository;
        whole = whole && !out->items[i].problem && sync_rest_same(r, r, now);
    }
    if (!whole) {
        json_decref(out->etags);
        out->etags = NULL;
    }
}

int sync_rest_listing_fetch(struct sync_session *session, const char *login,
                            const struct sync_known *known, struct sync_listing *out,
                            struct cf_error *err)
{
    struct listing l = {.session = session, .login = login, .known = known, .out = out, .err = err};
    bool unchanged;
    *out = (struct sync_listing){0};
    int rc = ask_for_changes(&l, &unchanged);
    if (!rc && unchanged) {
        take_known(&l);
        return 0;
    }
    rc = rc ? rc : fetch_pages(&l);
    out->partial = out->partial || (rc == CF_ERETRY && out->login);
    reuse_known(&l);
    check_etags(out);
    if (rc && (rc != CF_ERETRY || !out->login)) {
        sync_listing_release(out);
    }
    return rc ? cf_error_prefix(err, "listing the repositories of %s", login) : 0;
}
