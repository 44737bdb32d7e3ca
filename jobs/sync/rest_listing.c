#include "jobs/sync/rest_listing.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
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

/* --- what the pages don't say -------------------------------------------------------------------
 */

struct details {
    struct listing *listing;
    size_t next;
    bool limited;
    int rc;
};

/* Asks for a repository's branch, then for its languages. */
struct asker {
    struct sync_get get;
    struct details *details;
    struct sync_listed *listed; /* NULL: idle */
    bool for_languages;
};

static void ask_branch(struct asker *asker)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    const struct cf_repository *r = &asker->listed->repository;
    struct cf_buf path = CF_BUF_INIT;
    cf_buf_printf(&path, "/repos/%s/%s/branches/", r->metadata.owner_login, r->name);
    for (const char *c = r->default_branch ? r->default_branch : ""; *c; c++) {
        cf_buf_printf(&path, strchr(plain, *c) ? "%c" : "%%%02X", (unsigned char)*c);
    }
    asker->for_languages = false;
    sync_get_start(asker->details->listing->session, &asker->get, cf_buf_str(&path));
    cf_buf_release(&path);
}

static void ask_languages(struct asker *asker)
{
    const struct cf_repository *r = &asker->listed->repository;
    char *path = cf_asprintf("/repos/%s/%s/languages", r->metadata.owner_login, r->name);
    asker->for_languages = true;
    sync_get_start(asker->details->listing->session, &asker->get, path);
    free(path);
}

static void set_problem(struct sync_listed *listed, const char *problem)
{
    uint64_t id = listed->repository.id;
    cf_repository_release(&listed->repository);
    *listed = (struct sync_listed){.repository.id = id, .problem = problem};
}

/* True when the last version says the rest of it. */
static bool is_known(const struct details *details, struct sync_listed *listed)
{
    const struct sync_known *known = details->listing->known;
    const struct cf_repository *last = cf_repos_find(known->repos, listed->repository.id);
    if (!sync_rest_same(&listed->repository, last, known->read_at)) {
        return false;
    }
    sync_rest_reuse(last, &listed->repository);
    sync_rest_finish(&listed->repository);
    return true;
}

static void start_next(struct asker *asker)
{
    struct details *details = asker->details;
    struct sync_listing *out = details->listing->out;
    asker->listed = NULL;
    while (details->next < out->count && !details->rc && !details->limited) {
        struct sync_listed *listed = &out->items[details->next++];
        if (!listed->problem && !is_known(details, listed)) {
            asker->listed = listed;
            ask_branch(asker);
            return;
        }
    }
}

/* Enters what came. */
static int take(struct asker *asker)
{
    struct cf_repository *r = &asker->listed->repository;
    struct sync_get *get = &asker->get;
    if (asker->for_languages) {
        return get->rc ? get->rc : sync_rest_read_languages(get->document, r, &get->error);
    }
    if (get->reason && strcmp(get->reason, "not_found") == 0 && !r->metadata.size) {
        get->reason = NULL;
        return 0; /* it has no commit yet */
    }
    return get->rc ? get->rc : sync_rest_read_branch(get->document, r, &get->error);
}

static void fail(struct asker *asker)
{
    struct details *details = asker->details;
    const struct sync_get *get = &asker->get;
    if (!get->reason && (sync_error_is_fatal(get->rc) || get->rc == CF_EUNAVAILABLE)) {
        if (!details->rc) {
            details->rc = get->rc;
            *details->listing->err = get->error;
        }
        return;
    }
    cf_log_error(CF_WARN, "listing_unreadable", &get->error);
    set_problem(asker->listed, get->reason ? get->reason : "bad_listing");
}

static void answered(struct sync_get *get)
{
    struct asker *asker = get->context;
    struct details *details = asker->details;
    if (get->limited) {
        details->limited = true; /* the same request goes out again after the wait */
        return;
    }
    int rc = take(asker);
    get->rc = rc;
    bool failed = rc != 0;
    if (failed) {
        fail(asker);
    }
    sync_get_release(get);
    if (!failed && !asker->for_languages && *asker->listed->repository.tree) {
        ask_languages(asker);
        return;
    }
    if (!failed) {
        sync_rest_finish(&asker->listed->repository);
    }
    start_next(asker);
}

static void resume(struct asker *asker)
{
    if (!asker->listed) {
        start_next(asker);
    } else if (asker->for_languages) {
        ask_languages(asker);
    } else {
        ask_branch(asker);
    }
}

/* After a limit that can't be waited for, or an error. */
static void drop_unfinished(struct sync_listing *out)
{
    for (size_t i = 0; i < out->count; i++) {
        if (!out->items[i].problem && !*out->items[i].repository.fingerprint) {
            set_problem(&out->items[i], "rate_limited");
        }
    }
}

static int fetch_details(struct listing *l)
{
    struct details details = {.listing = l};
    struct asker *askers = cf_calloc(SYNC_AT_ONCE, sizeof(*askers));
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        askers[i].details = &details;
        askers[i].get.done = answered;
        askers[i].get.context = &askers[i];
    }
    do {
        details.limited = false;
        details.rc = sync_session_ready(l->session, SYNC_REST, l->err);
        for (size_t i = 0; i < SYNC_AT_ONCE && !details.rc; i++) {
            resume(&askers[i]);
        }
        sync_session_wait(l->session);
    } while (!details.rc && details.limited);
    for (size_t i = 0; i < SYNC_AT_ONCE; i++) {
        sync_get_release(&askers[i].get);
    }
    free(askers);
    return details.rc;
}

/* ETags are good for what is as its page says, all of it. */
static void check_etags(struct sync_listing *out)
{
    bool whole = !out->partial;
    for (size_t i = 0; i < out->count; i++) {
        whole = whole && !out->items[i].problem;
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
    if (rc == CF_ERETRY && out->login) {
        out->partial = true;
        drop_unfinished(out);
    } else if (!rc && (rc = fetch_details(&l)) == CF_ERETRY) {
        drop_unfinished(out);
    }
    check_etags(out);
    if (rc && (rc != CF_ERETRY || !out->login)) {
        sync_listing_release(out);
    }
    return rc ? cf_error_prefix(err, "listing the repositories of %s", login) : 0;
}
