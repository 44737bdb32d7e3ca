#include "jobs/sync/sync.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/progress.h"
#include "jobs/sync/files.h"
#include "jobs/sync/list.h"
#include "jobs/sync/rest_details.h"
#include "jobs/sync/trees.h"

/* Repositories whose trees and documents are fetched together: some queries for files, which the
 * next trees wait for, and what is lost at most when a limit ends the run between the two. */
enum { CHUNK = 4 * SYNC_FILES_REPOSITORIES };

/* By REST, where an hour's budget may be 60 requests: so that some become whole. */
enum { REST_CHUNK = SYNC_AT_ONCE };

/* The last version: where a run begins. */
struct last {
    bool exists;
    struct cf_marker marker;
    json_t *root;
    struct cf_repos repos;
};

static int read_last(const struct cf_dataset *dataset, struct cf_run *run, struct last *last,
                     struct cf_error *err)
{
    int rc = cf_dataset_newest(dataset, &last->marker, err);
    if (rc == CF_ENOTFOUND) {
        return 0;
    }
    if (rc) {
        return rc;
    }
    last->exists = true;
    cf_run_record_input(&run->record, &last->marker);
    rc = cf_dataset_root(dataset, &last->marker, &last->root, err);
    rc = rc ? rc : cf_repos_read(last->root, &last->repos, err);
    if (rc == CF_EDATA && run->force) {
        cf_log_error(CF_WARN, "last_version_unusable", err);
        json_decref(last->root);
        last->root = NULL;
        return 0; /* everything is fetched anyway */
    }
    if (!rc) {
        (void)json_object_del(last->root, "repositories"); /* the commit needs its "blobs" only */
    }
    return rc;
}

static void release_last(struct last *last)
{
    if (last->exists) {
        cf_marker_release(&last->marker);
    }
    json_decref(last->root);
    cf_repos_release(&last->repos);
}

struct work {
    struct cf_run *run;
    struct cf_dataset dataset;
    struct last last;
    struct sync_listing listing;
    struct sync_plan plan;
    struct sync_session *session;
    struct sync_batch pages;
    struct sync_batch files;
    struct cf_commit *commit;
    json_t *etags; /* of the listing's pages, or NULL */
    size_t documents;
    size_t wanted;       /* repositories that something is to be fetched of */
    size_t fetched;      /* and those of which everything came */
    struct cf_error cut; /* what ended the reading early; code 0: nothing did */
};

/* Hands an item's content over to the commit, so that its texts needn't be held until the end. */
static void add_content(struct work *work, struct sync_item *item)
{
    struct cf_buf bytes = CF_BUF_INIT;
    struct cf_blob_ref ref;
    for (size_t i = 0; i < CF_DOCUMENT_KINDS; i++) {
        const struct cf_document *document = &item->content.documents[i];
        work->documents += document->text != NULL;
        if (document->skipped) {
            cf_log(CF_INFO, "document_skipped", CF_S("repository", item->repository.name),
                   CF_S("path", document->path), CF_S("reason", document->skipped), CF_END);
        }
    }
    json_t *document = cf_content_write(&item->content);
    cf_content_release(&item->content);
    cf_json_dump(document, &bytes);
    json_decref(document);
    cf_commit_add(work->commit, bytes.data, bytes.length, "application/json", &ref);
    cf_buf_release(&bytes);
    memcpy(item->repository.content, ref.sha256, sizeof(ref.sha256));
    work->fetched++;
}

static bool is_whole(const struct sync_item *item)
{
    bool whole = item->action == SYNC_FETCH && !item->reason && *item->content.tree;
    for (size_t i = 0; i < CF_DOCUMENT_KINDS && whole; i++) {
        whole = !sync_is_wanted(&item->content.documents[i]);
    }
    return whole;
}

/* Items that were asked for and need nothing more are done. */
static void count_decided(struct work *work, const struct sync_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        work->fetched += items[i].action == SYNC_REUSE || items[i].action == SYNC_EMPTY;
    }
}

/* Trees and documents of some items. Those that are whole then are added, whatever happens. */
static int fetch_some(struct work *work, struct sync_item *items, size_t count,
                      struct cf_error *err)
{
    struct sync_session *session = work->session;
    int rc = sync_rest_details_fetch(session, &work->plan, items, count, err);
    count_decided(work, items, count);
    if (!rc && sync_session_uses_graphql(session)) { /* trees are of no use without documents */
        rc = sync_session_ready(session, SYNC_GRAPHQL, err);
    }
    rc = rc ? rc : sync_trees_fetch(session, &work->plan, items, count, err);
    rc = rc ? rc : sync_files_fetch(session, &work->files, items, count, err);
    for (size_t i = 0; i < count; i++) {
        if (is_whole(&items[i])) {
            add_content(work, &items[i]);
        }
    }
    return rc;
}

static const char *reason_of_cut(int code)
{
    return code == CF_ERETRY         ? "rate_limited"
           : code == CF_EINTERRUPTED ? "interrupted"
                                     : "cut_short";
}

/* An error is the store's. GitHub's is remembered in work->cut. */
static int fetch(struct work *work, struct cf_error *err)
{
    struct sync_plan *plan = &work->plan;
    size_t wanted = sync_plan_fetch_first(plan);
    size_t chunk = sync_session_uses_graphql(work->session) ? CHUNK : REST_CHUNK;
    int rc = work->cut.code;
    work->wanted = wanted;
    for (size_t i = 0; i < wanted && !rc; i += chunk) {
        size_t count = wanted - i < chunk ? wanted - i : chunk;
        rc = fetch_some(work, &plan->items[i], count, &work->cut);
        if (cf_commit_flush(work->commit, err)) {
            return err->code;
        }
        if (work->run->alone) {
            cf_progress("repositories", i + count, wanted);
        }
    }
    for (size_t i = 0; i < wanted && rc; i++) {
        struct sync_item *item = &plan->items[i];
        bool open = item->action == SYNC_ASK || item->action == SYNC_FETCH;
        if (open && !item->reason && !*item->repository.content) {
            item->reason = reason_of_cut(rc);
        }
    }
    return 0;
}

static void log_kept(const struct cf_repos *now)
{
    for (size_t i = 0; i < now->count; i++) {
        const struct cf_repository *r = &now->items[i];
        if (r->state == CF_REPOSITORY_KEPT || r->state == CF_REPOSITORY_FAILED) {
            cf_log(
                CF_WARN, r->state == CF_REPOSITORY_KEPT ? "repository_kept" : "repository_failed",
                CF_S("repository", r->name), CF_I("id", r->id), CF_S("reason", r->reason), CF_END);
        }
    }
}

/* Refers to the blobs that the last version has. Those that were fetched are added already. */
static int keep_blobs(struct work *work, const struct cf_repos *now, struct cf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < now->count && !rc; i++) {
        struct cf_blob_ref ref;
        const char *content = now->items[i].content;
        if (*content && !cf_commit_lists(work->commit, content)) {
            rc = cf_commit_keep(work->commit, content, &ref, err);
        }
    }
    return rc;
}

/* Somebody was faster: when they committed the same, the work is done. */
static int after_conflict(struct work *work, const char *request, struct cf_error *err)
{
    struct cf_marker winner;
    struct cf_error other;
    if (cf_dataset_newest(&work->dataset, &winner, &other)) {
        return CF_ECONFLICT;
    }
    bool same = strcmp(winner.request, request) == 0;
    if (same) {
        cf_log(CF_INFO, "done_by_another", CF_I("version", winner.version), CF_END);
        cf_run_outcome(work->run, "unchanged");
        *err = (struct cf_error){0};
    }
    cf_marker_release(&winner);
    return same ? 0 : CF_ECONFLICT;
}

static json_t *summary_of(const struct work *work, const struct sync_changes *c)
{
    json_t *summary = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "repositories",
                                (json_int_t)c->repositories, "empty", (json_int_t)c->empty, "kept",
                                (json_int_t)c->kept, "failed", (json_int_t)c->failed, "added",
                                (json_int_t)c->added, "changed", (json_int_t)c->changed, "removed",
                                (json_int_t)c->removed, "documents", (json_int_t)work->documents);
    if (work->etags && !c->kept && !c->failed) {
        (void)json_object_set(summary, "etags", work->etags);
    }
    return summary;
}

static int commit(struct work *work, struct cf_repos *now, const struct sync_changes *changes,
                  struct cf_error *err)
{
    char request[CF_SHA256_HEX];
    struct cf_marker marker;
    cf_repos_request(now, request);
    int rc = keep_blobs(work, now, err);
    if (!rc) {
        /* Of thousands of repositories, the document takes as much memory as these do. */
        cf_repos_release(&work->last.repos);
        sync_plan_release(&work->plan);
        struct cf_buf items = CF_BUF_INIT;
        cf_repos_write_items(now, &items);
        cf_commit_tail(work->commit, "repositories", &items);
        rc = cf_commit_finish(work->commit, cf_repos_write_head(now), request,
                              summary_of(work, changes), &marker, err);
    }
    if (rc == CF_ECONFLICT) {
        return after_conflict(work, request, err);
    }
    if (!rc) {
        cf_log(CF_INFO, "committed", CF_S("dataset", "repos"), CF_I("version", marker.version),
               CF_I("repositories", changes->repositories), CF_I("added", changes->added),
               CF_I("changed", changes->changed), CF_I("removed", changes->removed),
               CF_I("kept", changes->kept), CF_I("failed", changes->failed), CF_END);
        cf_run_record_output(&work->run->record, &marker);
        cf_run_outcome(work->run, "committed");
        cf_marker_release(&marker);
    }
    return rc;
}

static void remember_batches(const struct work *work, struct cf_repos *now)
{
    unsigned pages = sync_batch_next(&work->pages);
    unsigned files = sync_batch_next(&work->files);
    if (pages < work->pages.most || files < work->files.most) {
        now->batch.listing = pages;
        now->batch.files = files;
    }
}

static int conclude(struct work *work, struct cf_error *err)
{
    struct cf_repos now;
    struct sync_changes changes;
    int rc = 0;
    if (work->cut.code && !work->fetched) {
        *err = work->cut;
        return err->code;
    }
    sync_plan_result(&work->plan, &now);
    remember_batches(work, &now);
    bool changed = sync_changes_count(&work->last.repos, &now, &changes);
    log_kept(&now);
    if (sync_plan_is_outage(&work->plan, &changes)) {
        rc = cf_error_set(err, CF_EUNAVAILABLE,
                          "GitHub gave none of the %zu trees and files that were needed",
                          work->wanted);
    } else if (changed || work->run->force) {
        rc = commit(work, &now, &changes, err);
    } else {
        cf_run_outcome(work->run, "unchanged");
    }
    cf_repos_release(&now);
    if (!rc && work->cut.code) {
        *err = work->cut;
        rc = cf_error_prefix(err, "%zu of %zu repositories were read", work->fetched, work->wanted);
    }
    return rc;
}

/* The listing; one that a limit cut short is gone on with. */
static int list(struct work *work, struct cf_error *err)
{
    const struct last *last = &work->last;
    const struct sync_known known = {.repos = &last->repos,
                                     .read_at = last->exists ? last->marker.created_at : NULL,
                                     .etags = last->exists && !work->run->force
                                                  ? json_object_get(last->marker.summary, "etags")
                                                  : NULL};
    sync_batch_init(&work->pages, SYNC_LISTING_PAGE, last->repos.batch.listing);
    sync_batch_init(&work->files, SYNC_FILES_REPOSITORIES, last->repos.batch.files);
    int rc = sync_list(work->session, work->run->config.login, &known, &work->pages, &work->listing,
                       err);
    if (rc == CF_ERETRY && work->listing.login) {
        work->cut = *err;
        rc = 0;
    }
    return rc;
}

static void make_plan(struct work *work)
{
    size_t listed = work->listing.count;
    sync_plan_make(&work->plan, &work->listing, &work->last.repos, work->run->force);
    work->etags = work->listing.etags;
    cf_log(work->plan.partial ? CF_WARN : CF_INFO, "listed", CF_I("repositories", listed),
           CF_I("to_fetch",
                sync_plan_count(&work->plan, SYNC_FETCH) + sync_plan_count(&work->plan, SYNC_ASK)),
           CF_S("listing", work->plan.partial ? "partial" : "whole"), CF_END);
}

static int work_on(struct work *work, struct cf_error *err)
{
    struct cf_run *run = work->run;
    int rc = read_last(&work->dataset, run, &work->last, err);
    rc = rc ? rc : list(work, err);
    if (rc) {
        return rc;
    }
    make_plan(work);
    if (run->dry_run) {
        cf_run_outcome(run, "skipped");
        return 0;
    }
    work->commit = cf_commit_new(&work->dataset, work->last.exists ? &work->last.marker : NULL,
                                 work->last.root, &run->producer);
    cf_commit_input(work->commit, "config", run->config_version, run->config_sha256);
    rc = fetch(work, err);
    return rc ? rc : conclude(work, err);
}

static void count_usage(struct cf_run *run, const struct sync_usage *usage)
{
    struct cf_run_record *record = &run->record;
    record->github_requests += usage->requests;
    record->github_points += usage->points;
    record->bytes_in += usage->bytes_in;
    record->bytes_out += usage->bytes_out;
    cf_log(CF_INFO, "github_usage", CF_I("requests", record->github_requests),
           CF_I("points", record->github_points), CF_I("points_left", usage->remaining),
           CF_I("bytes_in", record->bytes_in), CF_I("waited_ms", usage->waited_ms), CF_END);
}

int sync_run(struct cf_run *run, struct sync_github *github, struct cf_error *err)
{
    struct work work = {.run = run};
    int rc = sync_session_open(github, run->tenant, run->config.login, &work.session, err);
    if (rc) {
        return rc;
    }
    cf_dataset_init(&work.dataset, run->store, run->tenant, "repos");
    rc = work_on(&work, err);
    struct sync_usage usage = sync_session_usage(work.session);
    count_usage(run, &usage);
    cf_commit_free(work.commit);
    sync_plan_release(&work.plan);
    sync_listing_release(&work.listing);
    release_last(&work.last);
    sync_session_close(work.session);
    return rc;
}
