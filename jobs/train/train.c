#include "jobs/train/train.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/encoder/evaluate.h"
#include "common/encoder/model.h"
#include "common/portfolio/model.h"
#include "common/portfolio/request.h"
#include "jobs/train/card.h"
#include "jobs/train/corpus.h"
#include "jobs/train/figure.h"
#include "jobs/train/tuning.h"

/* What is there before the training. */
struct before {
    struct cf_request request;
    char request_hash[CF_SHA256_HEX];
    const char *dataset; /* of the request; NULL: there is none */
    struct cf_dataset models;
    struct cf_marker model; /* version 0: none yet */
    json_t *model_root;
    struct cf_model_document document;
};

/* What the training made. */
struct made {
    struct train_corpus *corpus;
    struct cf_model_params params;
    struct cf_model *model;
    struct train_tuning *tuning; /* NULL: no base model */
    struct cf_evaluation *evaluation;
    struct cf_gate gate;
    struct cf_artefacts artefacts;
};

static void before_release(struct before *b)
{
    cf_request_release(&b->request);
    cf_marker_release(&b->model);
    json_decref(b->model_root);
    cf_model_document_release(&b->document);
}

static void made_release(struct made *m)
{
    train_corpus_free(m->corpus);
    train_tuning_free(m->tuning);
    cf_model_free(m->model);
    cf_evaluation_free(m->evaluation);
    cf_artefacts_release(&m->artefacts);
}

static int interrupted(const struct cf_run *run, struct cf_error *err)
{
    return *run->stop ? cf_error_set(err, CF_EINTERRUPTED, "a signal asked the training to stop")
                      : 0;
}

/* Looks at the newest request of one of the two datasets. The later one counts, whichever event
 * started the job: an older one is superseded. */
static int consider(struct cf_run *run, const char *name, struct before *b, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_request request = {0};
    json_t *root = NULL;
    cf_dataset_init(&dataset, run->store, run->tenant, name);
    int rc = cf_dataset_newest(&dataset, &marker, err);
    if (rc) {
        return rc == CF_ENOTFOUND ? 0 : rc;
    }
    rc = cf_dataset_root(&dataset, &marker, &root, err);
    rc = rc ? rc : cf_request_read(root, &request, err);
    if (!rc && (!b->dataset || !cf_request_is_later(&b->request, &request))) {
        cf_request_release(&b->request);
        b->request = request;
        request = (struct cf_request){0};
        b->dataset = name;
        cf_request_hash(&b->request, b->request_hash);
        run->record.input_count = 0;
        cf_run_record_input(&run->record, &marker);
    }
    cf_request_release(&request);
    json_decref(root);
    cf_marker_release(&marker);
    return rc;
}

static int read_model(struct cf_run *run, struct before *b, struct cf_error *err)
{
    cf_dataset_init(&b->models, run->store, run->tenant, "model");
    int rc = cf_dataset_newest(&b->models, &b->model, err);
    if (rc) {
        return rc == CF_ENOTFOUND ? 0 : rc;
    }
    rc = cf_dataset_root(&b->models, &b->model, &b->model_root, err);
    return rc ? rc : cf_model_document_read(b->model_root, &b->document, err);
}

/* True when there is nothing to train; the outcome says why. */
static bool is_done(struct cf_run *run, const struct before *b)
{
    const char *undone =
        b->model.summary ? json_string_value(json_object_get(b->model.summary, "undone_request"))
                         : NULL;
    bool answered = b->model.version && strcmp(b->model.request, b->request_hash) == 0;
    const char *reason = NULL;
    if (!b->dataset) {
        reason = "no request";
    } else if (run->event_dataset && strcmp(run->event_dataset, b->dataset) != 0) {
        reason = "a later request in the other dataset supersedes this one";
    } else if (answered && !run->force) {
        cf_run_outcome(run, "unchanged");
        cf_log(CF_INFO, "unchanged", CF_I("model", b->model.version), CF_END);
        return true;
    } else if (undone && strcmp(undone, b->request_hash) == 0 && !run->force) {
        reason = "this training was rolled back; --force repeats it";
    }
    if (!reason) {
        return false;
    }
    cf_run_outcome(run, "skipped");
    cf_log(CF_INFO, "skipped", CF_S("reason", reason), CF_END);
    return true;
}

/* The bundle version that the request pins. */
static int read_corpus(struct cf_run *run, const struct before *b, struct made *m,
                       struct cf_error *err)
{
    struct cf_dataset bundles;
    struct cf_marker marker;
    cf_dataset_init(&bundles, run->store, run->tenant, "bundle");
    int rc = cf_dataset_at(&bundles, b->request.bundle_version, &marker, err);
    if (rc == CF_ENOTFOUND) {
        return cf_error_set(err, CF_EDATA,
                            "bundle version %" PRIu64 ", which the request pins, was collected; "
                            "orchestrate issues the request again",
                            b->request.bundle_version);
    }
    if (!rc && strcmp(marker.sha256, b->request.bundle_sha256) != 0) {
        rc = cf_error_set(err, CF_EDATA,
                          "bundle version %" PRIu64 " is not the one that the request pins",
                          b->request.bundle_version);
    }
    if (!rc) {
        cf_run_record_input(&run->record, &marker);
        rc = train_corpus_read(&bundles, &marker, &m->corpus, err);
    }
    cf_marker_release(&marker);
    return rc;
}

/* The held-out evaluation of the model in use; *out stays NULL when there is none. */
static int read_old_evaluation(const struct before *b, struct cf_evaluation **out,
                               struct cf_error *err)
{
    const struct cf_training *current = &b->document.current;
    struct cf_blob_set blobs;
    if (!b->document.has_current) {
        return 0;
    }
    int rc = cf_blob_set_read(b->model_root, &blobs, err);
    for (size_t i = 0; i < current->file_count && !rc; i++) {
        const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, current->files[i].sha256);
        struct cf_buf text = CF_BUF_INIT;
        json_t *document = NULL;
        if (!ref || strcmp(current->files[i].path, "evaluation.json") != 0) {
            continue;
        }
        rc = cf_dataset_blob(&b->models, ref, &text, err);
        rc = rc ? rc : cf_json_parse(text.data, text.length, "evaluation.json", &document, err);
        rc = rc ? rc : cf_evaluation_from_json(document, out, err);
        json_decref(document);
        cf_buf_release(&text);
    }
    cf_blob_set_release(&blobs);
    return rc;
}

static int decide(const struct before *b, const struct train_options *options, struct made *m,
                  struct cf_error *err)
{
    struct cf_evaluation *old = NULL;
    int rc = read_old_evaluation(b, &old, err);
    if (!rc) {
        cf_gate_decide(m->evaluation, old, &m->gate);
        if (options->gate_off && !m->gate.promote) {
            m->gate.promote = true;
            (void)snprintf(m->gate.reason, sizeof(m->gate.reason), "the promotion gate is off");
        }
    }
    cf_evaluation_free(old);
    return rc;
}

static int open_tuning(struct cf_run *run, const struct before *b,
                       const struct train_options *options, struct made *m, struct cf_error *err)
{
    return *b->request.base_model ? train_tuning_open(run, &b->request, b->request_hash,
                                                      &options->tuning, &m->tuning, err)
                                  : 0;
}

static const struct cf_tuner *tuner_of(const struct made *m)
{
    return m->tuning ? train_tuning_tuner(m->tuning) : NULL;
}

/* The held-out questions, unless a run before this one has been through them. */
static int examine(const struct cf_corpus *corpus, struct made *m, struct cf_error *err)
{
    if (m->tuning && train_tuning_resume(m->tuning, &m->evaluation, &m->params)) {
        return 0;
    }
    int rc = cf_evaluate(corpus, &m->params, tuner_of(m), &m->evaluation, err);
    if (!rc && m->tuning) {
        train_tuning_examined(m->tuning, m->evaluation, &m->params);
    }
    return rc;
}

static int train(struct cf_run *run, const struct before *b, const struct train_options *options,
                 struct made *m, struct cf_error *err)
{
    const struct cf_corpus *corpus = train_corpus_view(m->corpus);
    int rc;
    if ((rc = cf_model_params_from_json(b->request.params, &m->params, err)) ||
        (rc = interrupted(run, err)) || (rc = open_tuning(run, b, options, m, err)) ||
        (rc = examine(corpus, m, err)) || (rc = interrupted(run, err)) ||
        (rc = cf_model_fit(corpus, &m->params, tuner_of(m), &m->model, err)) ||
        (rc = interrupted(run, err))) {
        return rc;
    }
    return decide(b, options, m, err);
}

/* The text is handed over. */
static void add_document(struct cf_artefacts *artefacts, const char *path, const char *type,
                         struct cf_buf text)
{
    cf_artefacts_add(artefacts, path, type)->data = text;
}

static void save_json(struct cf_artefacts *artefacts, const char *path, json_t *document)
{
    struct cf_buf text = CF_BUF_INIT;
    cf_json_dump(document, &text);
    json_decref(document);
    add_document(artefacts, path, "application/json", text);
}

static void save(const struct cf_run *run, const struct before *b, struct made *m)
{
    struct cf_buf markdown = CF_BUF_INIT;
    struct cf_buf svg = CF_BUF_INIT;
    struct cf_buf curve = CF_BUF_INIT;
    struct cf_card_tuning tuning = {0};
    struct cf_card card = {.tenant = run->config.login,
                           .request = b->request_hash,
                           .bundle_version = b->request.bundle_version,
                           .projects = train_corpus_view(m->corpus)->count,
                           .chunks = cf_model_chunks(m->model),
                           .words = cf_model_words(m->model),
                           .params = cf_model_params(m->model),
                           .evaluation = m->evaluation,
                           .tuning = m->tuning ? &tuning : NULL};
    cf_model_save(m->model, &m->artefacts);
    save_json(&m->artefacts, "evaluation.json", cf_evaluation_to_json(m->evaluation));
    if (m->tuning) {
        train_tuning_card(m->tuning, &tuning);
        cf_figure_curve_write(&card, &curve);
        save_json(&m->artefacts, "training.json", train_tuning_json(m->tuning));
        add_document(&m->artefacts, CF_CARD_CURVE, "image/svg+xml", curve);
    }
    cf_card_write(&card, &markdown, &svg);
    add_document(&m->artefacts, "README.md", "text/markdown", markdown);
    add_document(&m->artefacts, CF_CARD_FIGURE, "image/svg+xml", svg);
}

static json_t *score_json(const struct cf_score *s)
{
    return json_pack("{s:f,s:f,s:f}", "mrr10", s->mrr10, "recall1", s->recall1, "ndcg10",
                     s->ndcg10);
}

static json_t *scores_json(const struct cf_evaluation *e)
{
    json_t *json = json_pack("{s:I,s:o,s:o,s:o}", "questions", (json_int_t)e->count, "model",
                             score_json(&e->model), "bm25", score_json(&e->bm25), "bm25_tuned",
                             score_json(&e->bm25_tuned));
    if (e->has_transformer) {
        (void)json_object_set_new(json, "transformer", score_json(&e->transformer));
    }
    return json;
}

static int describe(const struct before *b, const struct made *m, struct cf_training *t,
                    struct cf_error *err)
{
    *t = (struct cf_training){.bundle_version = b->request.bundle_version,
                              .repositories = train_corpus_view(m->corpus)->count,
                              .chunks = cf_model_chunks(m->model)};
    memcpy(t->request, b->request_hash, sizeof(t->request));
    memcpy(t->bundle_sha256, b->request.bundle_sha256, sizeof(t->bundle_sha256));
    if (m->artefacts.count > CF_MODEL_FILES_MAX) {
        return cf_error_set(err, CF_EINTERNAL, "the model has %zu files, the limit is %d",
                            m->artefacts.count, CF_MODEL_FILES_MAX);
    }
    t->scores = scores_json(m->evaluation);
    return 0;
}

/* Adds the new files, and keeps those of the current model when the new one was rejected. */
static int add_files(struct cf_commit *commit, const struct before *b, const struct made *m,
                     struct cf_training *t, struct cf_error *err)
{
    struct cf_blob_ref ref;
    for (size_t i = 0; i < m->artefacts.count; i++) {
        const struct cf_artefact *a = &m->artefacts.items[i];
        struct cf_model_file *file = &t->files[t->file_count++];
        cf_commit_add(commit, cf_buf_str(&a->data), a->data.length, a->type, &ref);
        (void)snprintf(file->path, sizeof(file->path), "%s", a->path);
        (void)snprintf(file->type, sizeof(file->type), "%s", a->type);
        memcpy(file->sha256, ref.sha256, sizeof(file->sha256));
    }
    int rc = 0;
    for (size_t i = 0; !m->gate.promote && i < b->document.current.file_count && !rc; i++) {
        rc = cf_commit_keep(commit, b->document.current.files[i].sha256, &ref, err);
    }
    return rc;
}

static json_t *document_json(const struct before *b, const struct made *m,
                             const struct cf_training *trained)
{
    struct cf_model_document next = {0};
    next.gate = json_pack("{s:b,s:s,s:I,s:f,s:f}", "promoted", (int)m->gate.promote, "reason",
                          m->gate.reason, "shared_questions", (json_int_t)m->gate.shared_questions,
                          "mrr_new", m->gate.mrr_new, "mrr_old", m->gate.mrr_old);
    next.has_current = m->gate.promote || b->document.has_current;
    next.current = m->gate.promote ? *trained : b->document.current;
    next.has_rejected = !m->gate.promote;
    if (next.has_rejected) {
        next.rejected = *trained;
    }
    json_t *root = cf_model_document_write(&next);
    json_decref(next.gate);
    return root;
}

static int commit(struct cf_run *run, const struct before *b, const struct made *m,
                  struct cf_error *err)
{
    struct cf_training trained;
    struct cf_marker marker;
    int rc = describe(b, m, &trained, err);
    if (rc) {
        return rc;
    }
    struct cf_commit *c = cf_commit_new(&b->models, b->model.version ? &b->model : NULL,
                                        b->model_root, &run->producer);
    for (size_t i = 0; i < run->record.input_count; i++) {
        const struct cf_input *input = &run->record.inputs[i];
        cf_commit_input(c, input->dataset, input->version, input->sha256);
    }
    rc = add_files(c, b, m, &trained, err);
    if (!rc) {
        json_t *summary =
            json_pack("{s:b,s:I,s:f}", "promoted", (int)m->gate.promote, "repositories",
                      (json_int_t)trained.repositories, "mrr10", m->evaluation->model.mrr10);
        rc = cf_commit_finish(c, document_json(b, m, &trained), b->request_hash, summary, &marker,
                              err);
    }
    if (!rc) {
        cf_run_record_output(&run->record, &marker);
        cf_run_outcome(run, m->gate.promote ? "committed" : "rejected");
        cf_log(m->gate.promote ? CF_INFO : CF_WARN, "committed", CF_S("dataset", "model"),
               CF_I("version", marker.version), CF_S("gate", m->gate.reason),
               CF_R("mrr10", m->evaluation->model.mrr10), CF_END);
        cf_log_metric("ModelMRR10", "None", m->evaluation->model.mrr10);
        cf_marker_release(&marker);
    }
    json_decref(trained.scores);
    cf_commit_free(c);
    return rc;
}

int train_run(struct cf_run *run, const struct train_options *options, struct cf_error *err)
{
    struct before b = {0};
    struct made m = {0};
    int rc = consider(run, "request", &b, err);
    rc = rc ? rc : consider(run, "request-gpu", &b, err);
    rc = rc ? rc : read_model(run, &b, err);
    if (!rc && !is_done(run, &b)) {
        cf_log(CF_INFO, "training", CF_I("bundle", b.request.bundle_version),
               CF_I("repositories", b.request.repositories), CF_I("words", b.request.words),
               CF_END);
        if (run->dry_run) {
            cf_run_outcome(run, "would_train");
        } else {
            rc = read_corpus(run, &b, &m, err);
            rc = rc ? rc : train(run, &b, options, &m, err);
            if (!rc) {
                save(run, &b, &m);
                rc = commit(run, &b, &m, err);
                rc = rc || !m.tuning ? rc : train_tuning_finish(m.tuning, err);
            }
        }
    }
    made_release(&m);
    before_release(&b);
    return rc;
}
