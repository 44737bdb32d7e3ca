#include "jobs/orchestrate/ask.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/encoder/params.h"

static const char *const datasets[] = {"request", "request-gpu"};

/* The newest requests of both datasets. */
struct asked {
    struct cf_marker markers[2]; /* version 0: none */
    struct cf_request requests[2];
    int newest; /* the one that counts; -1: there is none */
};

int orchestrate_base_read(struct cf_run *run, struct orchestrate_base *out, struct cf_error *err)
{
    struct cf_dataset dataset;
    json_t *root = NULL;
    const char *name = run->config.base_model;
    *out = (struct orchestrate_base){.model = {.config = NULL}};
    if (!*name) {
        return 0;
    }
    cf_base_models_dataset(&dataset, run->store);
    int rc = cf_base_models_newest(&dataset, &out->marker, &root, err);
    bool found = !rc;
    rc = rc ? rc : cf_base_model_read(root, name, &out->model, err);
    json_decref(root);
    if (rc == CF_ENOTFOUND) {
        rc = cf_error_set(err, CF_EDATA,
                          "the config of %s names the base model \"%s\", which the store doesn't "
                          "have: cloudfolio model list shows what it has, cloudfolio tenant set "
                          "%s --base-model NAME chooses one of them, or none",
                          run->tenant, name, run->tenant);
    }
    if (!rc) {
        cf_run_record_input(&run->record, &out->marker);
    } else if (found) {
        cf_marker_release(&out->marker);
    }
    return rc;
}

void orchestrate_base_release(struct orchestrate_base *base)
{
    cf_base_model_release(&base->model);
    cf_marker_release(&base->marker);
}

void orchestrate_request(const struct orchestrate_bundle *b, const struct orchestrate_base *base,
                         const struct orchestrate_options *options, struct cf_request *out)
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
    if (*base->model.name) {
        memcpy(out->base_model, base->model.name, sizeof(out->base_model));
        cf_base_model_hash(&base->model, out->base_model_sha256);
        out->base_model_parameters = base->model.parameters;
        out->finetune = options->finetune;
        out->work =
            (double)out->words * (double)options->finetune.epochs * (double)base->model.parameters;
    }
}

static void release(struct asked *a)
{
    for (int i = 0; i < 2; i++) {
        cf_marker_release(&a->markers[i]);
        cf_request_release(&a->requests[i]);
    }
}

static int read_asked(struct cf_run *run, struct asked *a, struct cf_error *err)
{
    *a = (struct asked){.newest = -1};
    for (int i = 0; i < 2; i++) {
        struct cf_dataset dataset;
        json_t *root = NULL;
        cf_dataset_init(&dataset, run->store, run->tenant, datasets[i]);
        int rc = cf_dataset_newest(&dataset, &a->markers[i], err);
        if (rc == CF_ENOTFOUND) {
            continue;
        }
        rc = rc ? rc : cf_dataset_root(&dataset, &a->markers[i], &root, err);
        rc = rc ? rc : cf_request_read(root, &a->requests[i], err);
        json_decref(root);
        if (rc) {
            return rc;
        }
        if (a->newest < 0 || !cf_request_is_later(&a->requests[0], &a->requests[1])) {
            a->newest = i;
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
    *stale = a->requests[a->newest].bundle_version < b->marker.floor;
    int rc = *stale ? is_trained(run, hash, &trained, err) : 0;
    *stale = *stale && !trained;
    return rc;
}

static int commit(struct cf_run *run, const char *dataset_name, const struct cf_marker *parent,
                  const struct cf_request *request, const struct orchestrate_bundle *b,
                  const struct orchestrate_base *base, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    char hash[CF_SHA256_HEX];
    cf_request_hash(request, hash);
    cf_dataset_init(&dataset, run->store, run->tenant, dataset_name);
    struct cf_commit *c =
        cf_commit_new(&dataset, parent->version ? parent : NULL, NULL, &run->producer);
    cf_commit_input(c, "bundle", b->marker.version, b->marker.sha256);
    if (base->marker.version) {
        cf_commit_input(c, base->marker.dataset, base->marker.version, base->marker.sha256);
    }
    json_t *summary = json_pack("{s:I,s:I,s:f}", "repositories", (json_int_t)request->repositories,
                                "words", (json_int_t)request->words, "work", request->work);
    if (request->turn) {
        (void)json_object_set_new(summary, "turn", json_integer((json_int_t)request->turn));
    }
    int rc = cf_commit_finish(c, cf_request_write(request), hash, summary, &marker, err);
    if (!rc) {
        cf_run_record_output(&run->record, &marker);
        cf_log(CF_INFO, "committed", CF_S("dataset", dataset_name), CF_I("version", marker.version),
               CF_I("bundle", b->marker.version), CF_S("base_model", request->base_model),
               CF_R("work", request->work), CF_END);
        cf_marker_release(&marker);
    }
    cf_commit_free(c);
    return rc;
}

/* Does the newest request ask for something else, or must it be issued again? */
static int is_due(struct cf_run *run, const struct asked *a, const struct orchestrate_bundle *b,
                  const struct cf_request *request, bool *due, struct cf_error *err)
{
    char hash[CF_SHA256_HEX];
    cf_request_hash(request, hash);
    *due = run->force || a->newest < 0 || strcmp(a->markers[a->newest].request, hash) != 0;
    return *due ? 0 : is_stale(run, a, b, hash, due, err);
}

static int ask(struct cf_run *run, const struct asked *a, const struct orchestrate_bundle *b,
               const struct orchestrate_base *base, double gpu_work, struct cf_request *request,
               struct cf_error *err)
{
    int which = request->work > gpu_work;
    const struct cf_request *other = &a->requests[!which];
    if (a->markers[!which].version && other->bundle_version == request->bundle_version) {
        request->turn = other->turn + 1;
    }
    if (run->dry_run) {
        cf_log(CF_INFO, "would_commit", CF_S("dataset", datasets[which]), CF_END);
        return 0;
    }
    return commit(run, datasets[which], &a->markers[which], request, b, base, err);
}

int orchestrate_ask(struct cf_run *run, const struct orchestrate_bundle *b,
                    const struct orchestrate_options *options, bool *asked, struct cf_error *err)
{
    struct asked a = {.newest = -1};
    struct orchestrate_base base;
    struct cf_request request;
    bool due = false;
    *asked = false;
    int rc = orchestrate_base_read(run, &base, err);
    if (rc) {
        return rc;
    }
    orchestrate_request(b, &base, options, &request);
    if (!request.repositories) {
        cf_log(CF_INFO, "no_request", CF_S("reason", "the portfolio is empty"), CF_END);
    } else {
        rc = read_asked(run, &a, err);
        rc = rc ? rc : is_due(run, &a, b, &request, &due, err);
    }
    if (!rc && due) {
        *asked = true;
        rc = ask(run, &a, b, &base, options->gpu_work, &request, err);
    }
    cf_request_release(&request);
    orchestrate_base_release(&base);
    release(&a);
    return rc;
}
