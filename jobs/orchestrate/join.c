#include "jobs/orchestrate/join.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/progress.h"
#include "common/portfolio/content.h"
#include "common/portfolio/repos.h"
#include "jobs/orchestrate/entry.h"

struct join {
    struct cf_run *run;
    struct cf_dataset repos_dataset;
    struct cf_dataset bundle_dataset;
    struct cf_marker repos_marker;
    struct cf_repos repos;
    struct cf_blob_set contents;
    struct cf_commit *commit;
    size_t kept;
    size_t made;
};

void orchestrate_bundle_release(struct orchestrate_bundle *b)
{
    cf_marker_release(&b->marker);
    json_decref(b->root);
    b->root = NULL;
    cf_bundle_release(&b->bundle);
}

static void join_release(struct join *j)
{
    cf_marker_release(&j->repos_marker);
    cf_repos_release(&j->repos);
    cf_blob_set_release(&j->contents);
    cf_commit_free(j->commit);
}

static int read_repos(struct join *j, struct cf_error *err)
{
    json_t *root = NULL;
    int rc = cf_dataset_newest(&j->repos_dataset, &j->repos_marker, err);
    if (rc) {
        return rc == CF_ENOTFOUND ? 0 : rc;
    }
    cf_run_record_input(&j->run->record, &j->repos_marker);
    rc = cf_dataset_root(&j->repos_dataset, &j->repos_marker, &root, err);
    rc = rc ? rc : cf_repos_read(root, &j->repos, err);
    rc = rc ? rc : cf_blob_set_read(root, &j->contents, err);
    json_decref(root);
    return rc;
}

static int read_bundle(const struct join *j, struct orchestrate_bundle *b, struct cf_error *err)
{
    int rc = cf_dataset_newest(&j->bundle_dataset, &b->marker, err);
    if (rc) {
        return rc == CF_ENOTFOUND ? 0 : rc;
    }
    rc = cf_dataset_root(&j->bundle_dataset, &b->marker, &b->root, err);
    return rc ? rc : cf_bundle_read(b->root, &b->bundle, err);
}

/* The identity of a join: the contents of repos, whatever version carries them, and the rules. */
static void request_of(const struct join *j, char out[CF_SHA256_HEX])
{
    json_t *identity =
        json_pack("{s:s,s:i}", "repos", j->repos_marker.root.sha256, "rules", ORCHESTRATE_RULES);
    cf_json_sha256(identity, out);
    json_decref(identity);
}

static int read_content(const struct join *j, const struct cf_repository *repository,
                        struct cf_content *out, struct cf_error *err)
{
    const struct cf_blob_ref *ref = cf_blob_set_find(&j->contents, repository->content);
    struct cf_buf text = CF_BUF_INIT;
    json_t *document = NULL;
    if (!ref) {
        return cf_error_set(err, CF_EDATA, "repos: the content of \"%s\" is not listed",
                            repository->name);
    }
    int rc = cf_dataset_blob(&j->repos_dataset, ref, &text, err);
    rc = rc ? rc : cf_json_parse(text.data, text.length, repository->name, &document, err);
    rc = rc ? rc : cf_content_read(document, out, err);
    json_decref(document);
    cf_buf_release(&text);
    return rc;
}

static int make_entry(struct join *j, const struct cf_repository *repository,
                      struct cf_bundle_entry *listed, struct cf_error *err)
{
    struct cf_content content = {0};
    struct cf_blob_ref ref;
    struct cf_buf text = CF_BUF_INIT;
    bool bad_context = false;
    bool has_content = *repository->content != '\0';
    int rc = has_content ? read_content(j, repository, &content, err) : 0;
    if (rc) {
        return rc;
    }
    json_t *entry =
        orchestrate_entry(repository, has_content ? &content : NULL, listed, &bad_context);
    if (bad_context) {
        cf_log(CF_WARN, "bad_repo_context", CF_S("repository", repository->name),
               CF_S("reason", ".repo-context.json is not a JSON object and counts as absent"),
               CF_END);
    }
    cf_json_dump(entry, &text);
    cf_commit_add(j->commit, text.data, text.length, "application/json", &ref);
    memcpy(listed->entry, ref.sha256, sizeof(listed->entry));
    cf_buf_release(&text);
    json_decref(entry);
    cf_content_release(&content);
    j->made++;
    return 0;
}

/* Refers to the parent's entry when that was made from the same source. */
static bool keep_entry(struct join *j, const struct cf_repository *repository,
                       const struct cf_bundle *parent, struct cf_bundle_entry *listed)
{
    char source[CF_SHA256_HEX];
    struct cf_blob_ref ref;
    const struct cf_bundle_entry *old = cf_bundle_find(parent, repository->name);
    orchestrate_entry_source(repository, source);
    if (!old || strcmp(old->source, source) != 0 ||
        cf_commit_keep(j->commit, old->entry, &ref, NULL)) {
        return false;
    }
    cf_bundle_entry_copy(old, listed);
    j->kept++;
    return true;
}

static void fingerprint(struct cf_bundle *bundle)
{
    json_t *list = json_array();
    for (size_t i = 0; i < bundle->count; i++) {
        (void)json_array_append_new(list, json_string(bundle->entries[i].content_fingerprint));
    }
    cf_json_sha256(list, bundle->content_fingerprint);
    json_decref(list);
}

static int build(struct join *j, const struct cf_bundle *parent, struct cf_bundle *out,
                 struct cf_error *err)
{
    int rc = 0;
    out->login = cf_strdup(j->repos.login);
    out->entries = cf_calloc(j->repos.count, sizeof(*out->entries));
    for (size_t i = 0; i < j->repos.count && !rc; i++) {
        const struct cf_repository *repository = &j->repos.items[i];
        struct cf_bundle_entry *listed = &out->entries[out->count];
        if (*j->run->stop) {
            return cf_error_set(err, CF_EINTERRUPTED, "a signal asked the job to stop");
        }
        if (j->run->force || !keep_entry(j, repository, parent, listed)) {
            rc = make_entry(j, repository, listed, err);
        }
        out->count += !rc;
        cf_progress("joining", i + 1, j->repos.count);
    }
    fingerprint(out);
    return rc;
}

static int commit(struct join *j, const char *request, struct orchestrate_bundle *b,
                  struct cf_bundle *next, struct cf_error *err)
{
    struct cf_marker marker;
    json_t *root = cf_bundle_write(next);
    json_t *summary = json_pack("{s:I,s:I,s:I,s:s}", "entries", (json_int_t)next->count, "made",
                                (json_int_t)j->made, "kept", (json_int_t)j->kept,
                                "content_fingerprint", next->content_fingerprint);
    cf_commit_input(j->commit, "repos", j->repos_marker.version, j->repos_marker.sha256);
    json_t *kept_root = json_incref(root);
    int rc = cf_commit_finish(j->commit, root, request, summary, &marker, err);
    if (rc) {
        json_decref(kept_root);
        return rc;
    }
    cf_run_record_output(&j->run->record, &marker);
    cf_log(CF_INFO, "committed", CF_S("dataset", "bundle"), CF_I("version", marker.version),
           CF_I("entries", next->count), CF_I("made", j->made), CF_I("kept", j->kept), CF_END);
    orchestrate_bundle_release(b);
    *b = (struct orchestrate_bundle){
        .marker = marker, .root = kept_root, .bundle = *next, .committed = true};
    *next = (struct cf_bundle){0};
    return 0;
}

static int join_changed(struct join *j, const char *request, struct orchestrate_bundle *b,
                        struct cf_error *err)
{
    struct cf_bundle next = {0};
    j->commit = cf_commit_new(&j->bundle_dataset, b->marker.version ? &b->marker : NULL, b->root,
                              &j->run->producer);
    int rc = build(j, &b->bundle, &next, err);
    if (!rc && j->run->dry_run) {
        cf_log(CF_INFO, "would_commit", CF_S("dataset", "bundle"), CF_I("entries", next.count),
               CF_I("made", j->made), CF_I("kept", j->kept), CF_END);
        cf_bundle_release(&b->bundle);
        b->bundle = next;
        next = (struct cf_bundle){0};
    } else if (!rc) {
        rc = commit(j, request, b, &next, err);
    }
    cf_bundle_release(&next);
    return rc;
}

int orchestrate_join(struct cf_run *run, struct orchestrate_bundle *out, struct cf_error *err)
{
    struct join j = {.run = run};
    char request[CF_SHA256_HEX];
    memset(out, 0, sizeof(*out));
    cf_dataset_init(&j.repos_dataset, run->store, run->tenant, "repos");
    cf_dataset_init(&j.bundle_dataset, run->store, run->tenant, "bundle");
    int rc = read_repos(&j, err);
    if (!rc && j.repos_marker.version) {
        rc = read_bundle(&j, out, err);
        request_of(&j, request);
        bool same = out->marker.version && strcmp(out->marker.request, request) == 0;
        if (!rc && (!same || run->force)) {
            rc = join_changed(&j, request, out, err);
        }
    }
    join_release(&j);
    if (rc) {
        orchestrate_bundle_release(out);
    }
    return rc;
}
