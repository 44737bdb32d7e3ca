#include "jobs/orchestrate/ask.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/encoder/params.h"

/* The newest request of either dataset. */
struct asked {
    struct cf_marker markers[2]; /* of request and request-gpu; version 0: none */
    int newest;                  /* which of them pins the later bundle; -1: there is none */
    uint64_t bundle_version;
};

static const char *const datasets[] = {"request", "request-gpu"};

void orchestrate_request(const struct orchestrate_bundle *b, struct cf_request *out)
{
    struct cf_model_params params;
    memset(out, 0, sizeof(*out));
    cf_model_params_default(&params);
    out->params = cf_model_params_to_json(&params);
    out->bundle_version = b->marker.version;
    memcpy(out->bundle_sha256, b->marker.sha256, sizeof(out->bundle_sha256));
    memcpy(out->content_fingerprint, b->bundle.content_fingerprint,
           sizeof(out->content_fingerprint));
    for (size_t i = 0; i < b->bundle.count; i++) {
        out->words += b->bundle.entries[i].words;
        out->repositories += b->bundle.entries[i].words > 0;
    }
    /* One pass; each word meets each bucket's weight about once. */
    out->work = (double)out->words * (double)(1U << params.feature_bits);
}

static void release(struct asked *a)
{
    cf_marker_release(&a->markers[0]);
    cf_marker_release(&a->markers[1]);
}

static int read_asked(struct cf_run *run, struct asked *a, struct cf_error *err)
{
    *a = (struct asked){.newest = -1};
    for (int i = 0; i < 2; i++) {
        struct cf_dataset dataset;
        struct cf_request request = {0};
        json_t *root = NULL;
        cf_dataset_init(&dataset, run->store, run->tenant, datasets[i]);
        int rc = cf_dataset_newest(&dataset, &a->markers[i], err);
        if (rc == CF_ENOTFOUND) {
            continue;
        }
        rc = rc ? rc : cf_dataset_root(&dataset, &a->markers[i], &root, err);
        rc = rc ? rc : cf_request_read(root, &request, err);
        if (!rc && request.bundle_version >= a->bundle_version) {
            a->newest = i;
            a->bundle_version = request.bundle_version;
        }
        cf_request_release(&request);
        json_decref(root);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* Is a model of this training there? */
static int is_trained(struct cf_run *run, const char *hash, bool *trained, struct cf_error *err)
{
    struct cf_dataset models;
    struct cf_marker marker;
    cf_dataset_init(&models, run->store, run->tenant, "model");
    int rc = cf_dataset_newest(&models, &marker, err);
    *trained = !rc && strcmp(marker.request, hash) == 0;
    cf_marker_release(&marker);
    return rc == CF_ENOTFOUND ? 0 : rc;
}

/* Must the same request be issued again, because its bundle is about to be, or was, collected? */
static int is_stale(struct cf_run *run, const struct asked *a, const struct orchestrate_bundle *b,
                    const char *hash, bool *stale, struct cf_error *err)
{
    bool trained = false;
    *stale = a->bundle_version < b->marker.floor;
    int rc = *stale ? is_trained(run, hash, &trained, err) : 0;
    *stale = *stale && !trained;
    return rc;
}

static int commit(struct cf_run *run, const char *dataset_name, const struct cf_marker *parent,
                  const struct cf_request *request, const char *hash,
                  const struct orchestrate_bundle *b, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    cf_dataset_init(&dataset, run->store, run->tenant, dataset_name);
    struct cf_commit *c =
        cf_commit_new(&dataset, parent->version ? parent : NULL, NULL, &run->producer);
    cf_commit_input(c, "bundle", b->marker.version, b->marker.sha256);
    json_t *summary = json_pack("{s:I,s:I,s:f}", "repositories", (json_int_t)request->repositories,
                                "words", (json_int_t)request->words, "work", request->work);
    int rc = cf_commit_finish(c, cf_request_write(request), hash, summary, &marker, err);
    if (!rc) {
        cf_run_record_output(&run->record, &marker);
        cf_log(CF_INFO, "committed", CF_S("dataset", dataset_name), CF_I("version", marker.version),
               CF_I("bundle", b->marker.version), CF_R("work", request->work), CF_END);
        cf_marker_release(&marker);
    }
    cf_commit_free(c);
    return rc;
}

int orchestrate_ask(struct cf_run *run, const struct orchestrate_bundle *b, double gpu_work,
                    bool *asked, struct cf_error *err)
{
    struct asked a = {.newest = -1};
    struct cf_request request;
    char hash[CF_SHA256_HEX];
    bool stale = false;
    orchestrate_request(b, &request);
    cf_request_hash(&request, hash);
    *asked = false;
    int rc = read_asked(run, &a, err);
    bool same = !rc && a.newest >= 0 && strcmp(a.markers[a.newest].request, hash) == 0;
    if (same && !run->force) {
        rc = is_stale(run, &a, b, hash, &stale, err);
    }
    if (!request.repositories) {
        cf_log(CF_INFO, "no_request", CF_S("reason", "the portfolio is empty"), CF_END);
    } else if (!rc && (!same || stale || run->force)) {
        int which = request.work > gpu_work;
        *asked = true;
        if (run->dry_run) {
            cf_log(CF_INFO, "would_commit", CF_S("dataset", datasets[which]), CF_END);
        } else {
            rc = commit(run, datasets[which], &a.markers[which], &request, hash, b, err);
        }
    }
    cf_request_release(&request);
    release(&a);
    return rc;
}
