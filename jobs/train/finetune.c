#include "jobs/train/finetune.h"

#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/transformer/optimizer.h"

struct work {
    struct train_finetune *run;
    int32_t *ids;
    size_t *offsets;
    size_t saved; /* steps done at the last checkpoint */
};

static int save(struct work *w, struct cf_error *err)
{
    struct train_finetune *run = w->run;
    if (!run->save || w->saved == run->done) {
        return 0;
    }
    int rc = run->save(run->context, run, err);
    w->saved = rc ? w->saved : run->done;
    return rc;
}

static int do_step(struct work *w, struct cf_error *err)
{
    struct train_finetune *run = w->run;
    const struct cf_finetune_options *o = &run->plan->options;
    uint32_t done = (uint32_t)run->done;
    uint32_t warmup = (uint32_t)((double)o->warmup * run->plan->steps);
    struct cf_bert_batch batch = train_plan_batch(run->plan, done, w->ids, w->offsets);
    struct cf_bert_settings settings = {
        .rate = cf_schedule_rate(o->rate, done, warmup, run->plan->steps),
        .decay = o->decay,
        .clip = o->clip,
        .dropout = o->dropout,
        .seed = o->seed,
    };
    struct cf_bert_outcome outcome;
    int rc = cf_bert_train_step(run->model, &batch, &settings, &outcome, err);
    if (rc) {
        return cf_error_prefix(err, "fine-tuning, step %lu of %lu", (unsigned long)done + 1,
                               (unsigned long)run->plan->steps);
    }
    run->curve[run->done++] =
        (struct train_point){done + 1, outcome.loss, outcome.norm, settings.rate};
    if (run->stepped) {
        run->stepped(run->context, &run->curve[done]);
    }
    return 0;
}

static int do_steps(struct work *w, struct cf_error *err)
{
    struct train_finetune *run = w->run;
    int rc = 0;
    while (!rc && run->done < run->plan->steps) {
        if (run->stopped && run->stopped(run->context)) {
            rc = save(w, err);
            return rc ? rc
                      : cf_error_set(err, CF_EINTERRUPTED,
                                     "fine-tuning stopped after step %zu of %lu", run->done,
                                     (unsigned long)run->plan->steps);
        }
        rc = do_step(w, err);
        if (!rc && run->due && run->done < run->plan->steps && run->due(run->context)) {
            rc = save(w, err);
        }
    }
    return rc;
}

int train_finetune_run(struct train_finetune *run, struct cf_error *err)
{
    if (cf_bert_steps(run->model) != run->done) {
        return cf_error_set(err, CF_EUSAGE, "the model has done %lu steps, the training %zu",
                            (unsigned long)cf_bert_steps(run->model), run->done);
    }
    struct work w = {.run = run, .saved = run->done};
    w.ids = cf_calloc(run->plan->most_tokens, sizeof(*w.ids));
    w.offsets = cf_calloc(run->plan->most_texts + 1, sizeof(*w.offsets));
    run->curve = cf_realloc(run->curve, run->plan->steps, sizeof(*run->curve));
    int rc = do_steps(&w, err);
    free(w.ids);
    free(w.offsets);
    return rc;
}

void train_finetune_release(struct train_finetune *run)
{
    free(run->curve);
    run->curve = NULL;
    run->done = 0;
}
