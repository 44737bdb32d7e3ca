#include "jobs/sync/sync.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "jobs/sync/files.h"
#include "jobs/sync/trees.h"

static struct sync_github *client;

int sync_start(const volatile int *stop, struct cf_error *err)
{
    const struct sync_github_settings settings = {.api_url = getenv("GITHUB_API_URL"),
                                                  .graphql_url = getenv("GITHUB_GRAPHQL_URL"),
                                                  .token = getenv("GITHUB_TOKEN"),
                                                  .stop = stop};
    return sync_github_new(&settings, &client, err);
}

void sync_finish(void)
{
    sync_github_free(client);
    client = NULL;
}

int sync_run_job(struct cf_run *run, struct cf_error *err)
{
    return sync_run(run, client, err);
}

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
    struct cf_commit *commit;
    size_t documents;
};

/* Hands an item's content over to the commit, so that its texts needn't be held until the end. */
static int add_content(void *context, struct sync_item *item, struct cf_error *err)
{
    struct work *work = context;
    struct cf_buf bytes = CF_BUF_INIT;
    struct cf_blob_ref ref;
    (void)err;
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
    return 0;
}

static int fetch(struct work *work, struct sync_github *github, struct cf_error *err)
{
    int rc = sync_trees_fetch(github, &work->plan, err);
    return rc ? rc : sync_files_fetch(github, &work->plan, add_content, work, err);
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
    for (size_t i = 0; i < now->count; i++) {
        const char *content = now->items[i].content;
        bool fetched = false;
        for (size_t j = 0; j < work->plan.count && !fetched; j++) {
            const struct sync_item *item = &work->plan.items[j];
            fetched = item->action == SYNC_FETCH && !item->reason &&
                      strcmp(item->repository.content, content) == 0;
        }
        struct cf_blob_ref ref;
        int rc = *content && !fetched ? cf_commit_keep(work->commit, content, &ref, err) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
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
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "repositories",
                     (json_int_t)c->repositories, "empty", (json_int_t)c->empty, "kept",
                     (json_int_t)c->kept, "failed", (json_int_t)c->failed, "added",
                     (json_int_t)c->added, "changed", (json_int_t)c->changed, "removed",
                     (json_int_t)c->removed, "documents", (json_int_t)work->documents);
}

static int commit(struct work *work, struct cf_repos *now, const struct sync_changes *changes,
                  struct cf_error *err)
{
    char request[CF_SHA256_HEX];
    struct cf_marker marker;
    cf_repos_request(now, request);
    int rc = keep_blobs(work, now, err);
    rc = rc ? rc
            : cf_commit_finish(work->commit, cf_repos_write(now), request,
                               summary_of(work, changes), &marker, err);
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

static int conclude(struct work *work, struct cf_error *err)
{
    struct cf_repos now;
    struct sync_changes changes;
    int rc = 0;
    sync_plan_result(&work->plan, &now);
    bool changed = sync_changes_count(&work->last.repos, &now, &changes);
    log_kept(&now);
    if (sync_plan_is_outage(&work->plan, &changes)) {
        rc = cf_error_set(err, CF_EUNAVAILABLE,
                          "GitHub gave none of the %zu trees and files that were needed",
                          sync_plan_count(&work->plan, SYNC_FETCH));
    } else if (changed || work->run->force) {
        rc = commit(work, &now, &changes, err);
    } else {
        cf_run_outcome(work->run, "unchanged");
    }
    cf_repos_release(&now);
    return rc;
}

static int work_on(struct work *work, struct sync_github *github, struct cf_error *err)
{
    struct cf_run *run = work->run;
    int rc = read_last(&work->dataset, run, &work->last, err);
    rc = rc ? rc : sync_listing_fetch(github, run->config.login, &work->listing, err);
    if (rc) {
        return rc;
    }
    size_t listed = work->listing.count;
    sync_plan_make(&work->plan, &work->listing, &work->last.repos, run->force);
    cf_log(work->plan.partial ? CF_WARN : CF_INFO, "listed", CF_I("repositories", listed),
           CF_I("to_fetch", sync_plan_count(&work->plan, SYNC_FETCH)),
           CF_S("listing", work->plan.partial ? "partial" : "whole"), CF_END);
    if (run->dry_run) {
        cf_run_outcome(run, "skipped");
        return 0;
    }
    work->commit = cf_commit_new(&work->dataset, work->last.exists ? &work->last.marker : NULL,
                                 work->last.root, &run->producer);
    cf_commit_input(work->commit, "config", run->config_version, run->config_sha256);
    rc = fetch(work, github, err);
    return rc ? rc : conclude(work, err);
}

static void count_usage(struct cf_run *run, const struct sync_github_totals *before,
                        const struct sync_github_totals *after)
{
    struct cf_run_record *record = &run->record;
    record->github_requests += after->http.requests - before->http.requests;
    record->github_points += after->points - before->points;
    record->bytes_in += after->http.bytes_received - before->http.bytes_received;
    record->bytes_out += after->http.bytes_sent - before->http.bytes_sent;
    cf_log(CF_INFO, "github_usage", CF_I("requests", record->github_requests),
           CF_I("points", record->github_points), CF_I("points_left", after->remaining),
           CF_I("bytes_in", record->bytes_in), CF_END);
}

int sync_run(struct cf_run *run, struct sync_github *github, struct cf_error *err)
{
    struct work work = {.run = run};
    struct sync_github_totals before = sync_github_totals(github);
    cf_dataset_init(&work.dataset, run->store, run->tenant, "repos");
    int rc = work_on(&work, github, err);
    struct sync_github_totals after = sync_github_totals(github);
    count_usage(run, &before, &after);
    cf_commit_free(work.commit);
    sync_plan_release(&work.plan);
    sync_listing_release(&work.listing);
    release_last(&work.last);
    return rc;
}
