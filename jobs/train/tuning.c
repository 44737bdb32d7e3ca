#include "jobs/train/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/cpus.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/encoder/bert_folder.h"
#include "common/encoder/pairs.h"
#include "common/encoder/transformer.h"
#include "jobs/train/checkpoint.h"
#include "jobs/train/checkpoints.h"

enum { THREADS_MAX = 16 };
static const char evaluation_file[] = "evaluation.json";
static const char params_file[] = "params.json";

struct train_tuning {
    struct cf_run *run;
    const struct cf_request *request;
    struct train_tuning_options options;
    struct cf_tuner tuner;
    struct cf_bert_folder base;
    struct train_checkpoints checkpoints;
    bool examined;                       /* the stage is "model" */
    struct cf_checkpoint_document found; /* to go on from; without files: none */
    struct cf_buf evaluation, params;    /* of the exam, as JSON */
    int64_t saved_at;                    /* monotonic ms */
    size_t pairs;                        /* of the last fine-tuning */
    uint32_t steps;
    struct train_point *curve; /* [steps] */
};

static const char *stage(const struct train_tuning *t)
{
    return t->examined ? "model" : "exam";
}

/* --- the base model ------------------------------------------------------------------------------
 */

static int read_folder(struct train_tuning *t, const struct cf_dataset *dataset, const json_t *root,
                       const struct cf_base_model *model, struct cf_error *err)
{
    struct cf_buf data[CF_BASE_MODEL_FILES_MAX] = {{0}};
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    int rc = cf_base_model_fetch(dataset, root, model, data, err);
    for (size_t i = 0; i < model->file_count && !rc; i++) {
        cf_artefacts_add(&files, model->files[i].path, "")->data = data[i];
    }
    rc = rc ? rc : cf_bert_folder_read(&files, &t->base, err);
    cf_artefacts_release(&files);
    return rc ? cf_error_prefix(err, "base model %s", model->name) : 0;
}

static int read_base_model(struct train_tuning *t, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_base_model model = {0};
    char hash[CF_SHA256_HEX];
    json_t *root = NULL;
    cf_base_models_dataset(&dataset, t->run->store);
    int rc = cf_base_models_newest(&dataset, &marker, &root, err);
    if (rc) {
        return rc;
    }
    cf_run_record_input(&t->run->record, &marker);
    rc = cf_base_model_read(root, t->request->base_model, &model, err);
    if (!rc) {
        cf_base_model_hash(&model, hash);
        rc = strcmp(hash, t->request->base_model_sha256) == 0
                 ? read_folder(t, &dataset, root, &model, err)
                 : cf_error_set(err, CF_EDATA,
                                "base model %s was imported anew since the request; orchestrate "
                                "issues another one",
                                model.name);
    }
    cf_base_model_release(&model);
    cf_marker_release(&marker);
    json_decref(root);
    return rc;
}

/* --- checkpoints ---------------------------------------------------------------------------------
 */

static void forget_found(struct train_tuning *t)
{
    t->found = (struct cf_checkpoint_document){.stage = "none"};
}

/* What can't be used is left alone: the training begins anew. 0 when that is why. */
static int leave_alone(struct train_tuning *t, int rc, const struct cf_error *err)
{
    if (rc == CF_EDATA || rc == CF_ENOTFOUND) {
        cf_log(CF_WARN, "checkpoint_unusable", CF_S("reason", err->message), CF_END);
        forget_found(t);
        return 0;
    }
    return rc;
}

static int find_checkpoint(struct train_tuning *t, const char *request, struct cf_error *err)
{
    int rc = train_checkpoints_open(t->run, request, &t->checkpoints, err);
    rc = rc ? rc : train_checkpoints_read(&t->checkpoints, &t->found, err);
    if (!rc && strcmp(t->found.stage, "model") == 0) {
        rc = train_checkpoints_fetch(&t->checkpoints, &t->found, evaluation_file, &t->evaluation,
                                     err);
        rc = rc ? rc
                : train_checkpoints_fetch(&t->checkpoints, &t->found, params_file, &t->params, err);
    }
    return leave_alone(t, rc, err);
}

static void add_copy(struct cf_artefacts *files, const char *path, const struct cf_buf *text)
{
    struct cf_artefact *a = cf_artefacts_add(files, path, "application/json");
    cf_buf_append(&a->data, cf_buf_str(text), text->length);
}

static void write_part(const void *context, size_t part, struct cf_buf *out)
{
    train_checkpoint_write(context, part, out);
}

static int save_checkpoint(void *context, const struct train_finetune *run, struct cf_error *err)
{
    struct train_tuning *t = context;
    struct cf_checkpoint_document document = {.step = run->done, .steps = run->plan->steps};
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct train_checkpoints_parts parts = {train_checkpoint_files, TRAIN_CHECKPOINT_PARTS,
                                            write_part, run};
    (void)snprintf(document.stage, sizeof(document.stage), "%s", stage(t));
    if (t->examined) {
        add_copy(&files, evaluation_file, &t->evaluation);
        add_copy(&files, params_file, &t->params);
    }
    int rc = train_checkpoints_save(&t->checkpoints, &document, &files, &parts, err);
    cf_artefacts_release(&files);
    t->saved_at = cf_clock_monotonic_ms();
    return rc ? cf_error_prefix(err, "writing the checkpoint") : 0;
}

static bool is_due(void *context)
{
    const struct train_tuning *t = context;
    return cf_clock_monotonic_ms() - t->saved_at >= (int64_t)t->options.checkpoint_seconds * 1000;
}

/* --- one fine-tuning -----------------------------------------------------------------------------
 */

static bool is_stopped(void *context)
{
    const struct train_tuning *t = context;
    return *t->run->stop;
}

static void on_step(void *context, const struct train_point *point)
{
    const struct train_tuning *t = context;
    cf_log(CF_DEBUG, "step", CF_S("stage", stage(t)), CF_I("step", point->step),
           CF_R("loss", point->loss), CF_R("norm", point->norm), CF_R("rate", (double)point->rate),
           CF_END);
}

/* The parts are checked together, so all are held; the model has its memory already. */
static int read_checkpoint(struct train_tuning *t, struct train_finetune *run, struct cf_error *err)
{
    struct cf_buf parts[TRAIN_CHECKPOINT_PARTS] = {CF_BUF_INIT, CF_BUF_INIT, CF_BUF_INIT};
    int rc = 0;
    for (size_t i = 0; i < TRAIN_CHECKPOINT_PARTS && !rc; i++) {
        rc = train_checkpoints_fetch(&t->checkpoints, &t->found, train_checkpoint_files[i],
                                     &parts[i], err);
    }
    rc = rc ? rc : train_checkpoint_read(run, parts, err);
    for (size_t i = 0; i < TRAIN_CHECKPOINT_PARTS; i++) {
        cf_buf_release(&parts[i]);
    }
    return rc;
}

/* The checkpoint serves one stage; after that it is done with. */
static int go_on(struct train_tuning *t, struct train_finetune *run, struct cf_error *err)
{
    if (!t->found.file_count || strcmp(t->found.stage, stage(t)) != 0) {
        return 0;
    }
    int rc = read_checkpoint(t, run, err);
    if (rc) {
        return leave_alone(t, rc, err);
    }
    cf_log(CF_INFO, "resumed", CF_S("stage", stage(t)), CF_I("step", run->done),
           CF_I("steps", run->plan->steps), CF_END);
    forget_found(t);
    return 0;
}

static void keep_curve(struct train_tuning *t, const struct train_finetune *run)
{
    free(t->curve);
    t->curve = cf_calloc(run->done + 1, sizeof(*t->curve));
    memcpy(t->curve, run->curve, run->done * sizeof(*t->curve));
    t->steps = (uint32_t)run->done;
    t->pairs = run->plan->pair_count;
}

static int do_steps(struct train_tuning *t, const struct train_plan *plan, struct cf_bert *model,
                    struct cf_error *err)
{
    struct train_finetune run = {.plan = plan,
                                 .layout = &t->base.layout,
                                 .model = model,
                                 .stopped = is_stopped,
                                 .due = is_due,
                                 .save = save_checkpoint,
                                 .stepped = on_step,
                                 .context = t};
    memcpy(run.request, t->checkpoints.request, sizeof(run.request));
    memcpy(cf_bert_weights(model), t->base.weights,
           t->base.layout.parameters * sizeof(*t->base.weights));
    cf_bert_changed(model);
    t->saved_at = cf_clock_monotonic_ms();
    int rc = go_on(t, &run, err);
    if (rc) {
        return rc;
    }
    cf_log(CF_INFO, "fine_tuning", CF_S("stage", stage(t)),
           CF_S("base_model", t->request->base_model), CF_I("pairs", plan->pair_count),
           CF_I("steps", plan->steps), CF_I("done", run.done), CF_END);
    rc = train_finetune_run(&run, err);
    if (!rc) {
        keep_curve(t, &run);
        cf_log(CF_INFO, "fine_tuned", CF_S("stage", stage(t)), CF_I("steps", run.done),
               CF_R("first_loss", run.done ? run.curve[0].loss : 0),
               CF_R("last_loss", run.done ? run.curve[run.done - 1].loss : 0), CF_END);
    }
    train_finetune_release(&run);
    return rc;
}

static int tune_plan(struct train_tuning *t, const struct train_plan *plan, struct cf_encoder **out,
                     struct cf_error *err)
{
    struct cf_bert *model = NULL;
    struct cf_bert_options options = {.most_tokens = plan->most_tokens,
                                      .most_texts = plan->most_texts,
                                      .threads = t->options.threads,
                                      .training = true,
                                      .bf16 = t->options.bf16};
    int rc = cf_bert_new(&t->base.layout, &options, &model, err);
    rc = rc ? rc : do_steps(t, plan, model, err);
    rc = rc ? rc
            : cf_transformer_new(&t->base.layout, cf_bert_weights(model), t->base.vocabulary,
                                 t->options.threads, out, err);
    cf_bert_free(model);
    return rc;
}

static int tune(void *context, const struct cf_corpus *corpus, struct cf_encoder **out,
                struct cf_error *err)
{
    struct train_tuning *t = context;
    struct cf_pairs pairs;
    struct cf_pairs_options options = cf_pairs_defaults;
    struct train_plan *plan = NULL;
    options.most = t->request->finetune.pairs;
    options.seed = t->request->finetune.seed;
    cf_pairs_make(corpus, &options, &pairs);
    int rc = train_plan_make(&pairs, t->base.vocabulary, t->base.layout.config.max_tokens,
                             &t->request->finetune, &plan, err);
    rc = rc ? rc : tune_plan(t, plan, out, err);
    train_plan_free(plan);
    cf_pairs_release(&pairs);
    return rc;
}

/* --- the whole -----------------------------------------------------------------------------------
 */

static void settle_options(struct train_tuning *t)
{
    if (!t->options.threads) {
        t->options.threads = cf_cpus() < THREADS_MAX ? cf_cpus() : THREADS_MAX;
    }
    if (t->options.bf16 && !cf_bert_has_bf16()) {
        cf_log(CF_WARN, "bf16_unavailable", CF_END);
        t->options.bf16 = false;
    }
}

int train_tuning_open(struct cf_run *run, const struct cf_request *request,
                      const char request_hash[CF_SHA256_HEX],
                      const struct train_tuning_options *options, struct train_tuning **out,
                      struct cf_error *err)
{
    struct train_tuning *t = cf_calloc(1, sizeof(*t));
    t->run = run;
    t->request = request;
    t->options = *options;
    t->tuner = (struct cf_tuner){tune, is_stopped, t};
    settle_options(t);
    int rc = read_base_model(t, err);
    rc = rc ? rc : find_checkpoint(t, request_hash, err);
    if (rc) {
        train_tuning_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void train_tuning_free(struct train_tuning *t)
{
    if (!t) {
        return;
    }
    cf_bert_folder_release(&t->base);
    train_checkpoints_release(&t->checkpoints);
    cf_buf_release(&t->evaluation);
    cf_buf_release(&t->params);
    free(t->curve);
    free(t);
}

const struct cf_tuner *train_tuning_tuner(struct train_tuning *tuning)
{
    return &tuning->tuner;
}

static void write_json(json_t *json, struct cf_buf *out)
{
    cf_buf_clear(out);
    cf_json_dump(json, out);
    json_decref(json);
}

void train_tuning_examined(struct train_tuning *tuning, const struct cf_evaluation *evaluation,
                           const struct cf_model_params *params)
{
    tuning->examined = true;
    write_json(cf_evaluation_to_json(evaluation), &tuning->evaluation);
    write_json(cf_model_params_to_json(params), &tuning->params);
}

static int read_exam(const struct train_tuning *t, struct cf_evaluation **evaluation,
                     struct cf_model_params *params, struct cf_error *err)
{
    json_t *json = NULL;
    int rc = cf_json_parse(cf_buf_str(&t->params), t->params.length, params_file, &json, err);
    rc = rc ? rc : cf_model_params_from_json(json, params, err);
    json_decref(json);
    json = NULL;
    rc = rc ? rc
            : cf_json_parse(cf_buf_str(&t->evaluation), t->evaluation.length, evaluation_file,
                            &json, err);
    rc = rc ? rc : cf_evaluation_from_json(json, evaluation, err);
    json_decref(json);
    return rc;
}

bool train_tuning_resume(struct train_tuning *tuning, struct cf_evaluation **evaluation,
                         struct cf_model_params *params)
{
    struct cf_error err = {0};
    struct cf_model_params chosen;
    if (strcmp(tuning->found.stage, "model") != 0) {
        return false;
    }
    if (read_exam(tuning, evaluation, &chosen, &err)) {
        cf_log(CF_WARN, "checkpoint_unusable", CF_S("reason", err.message), CF_END);
        forget_found(tuning);
        return false;
    }
    *params = chosen;
    train_tuning_examined(tuning, *evaluation, params);
    return true;
}

void train_tuning_card(const struct train_tuning *tuning, struct cf_card_tuning *out)
{
    *out = (struct cf_card_tuning){.base_model = tuning->request->base_model,
                                   .base_model_sha256 = tuning->request->base_model_sha256,
                                   .options = &tuning->request->finetune,
                                   .pairs = tuning->pairs,
                                   .bf16 = tuning->options.bf16,
                                   .curve = tuning->curve,
                                   .steps = tuning->steps};
}

json_t *train_tuning_json(const struct train_tuning *tuning)
{
    json_t *curve = json_array();
    for (uint32_t i = 0; i < tuning->steps; i++) {
        const struct train_point *p = &tuning->curve[i];
        (void)json_array_append_new(curve, json_pack("{s:I,s:f,s:f,s:f}", "step",
                                                     (json_int_t)p->step, "loss", p->loss, "norm",
                                                     p->norm, "rate", (double)p->rate));
    }
    return json_pack("{s:{s:s,s:s},s:o,s:b,s:I,s:I,s:o}", "base_model", "name",
                     tuning->request->base_model, "sha256", tuning->request->base_model_sha256,
                     "finetune", cf_finetune_to_json(&tuning->request->finetune), "bf16",
                     (int)tuning->options.bf16, "pairs", (json_int_t)tuning->pairs, "steps",
                     (json_int_t)tuning->steps, "curve", curve);
}

int train_tuning_finish(struct train_tuning *tuning, struct cf_error *err)
{
    struct cf_checkpoint_document document = {.stage = "none"};
    struct cf_checkpoint_document before;
    const struct train_checkpoints *c = &tuning->checkpoints;
    if (!c->newest.version || cf_checkpoint_document_read(c->root, &before, err) ||
        !before.file_count) {
        return 0;
    }
    return train_checkpoints_save(&tuning->checkpoints, &document, NULL, NULL, err);
}
