#include "common/encoder/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

static int compare(const struct cf_question *a, const struct cf_question *b)
{
    int order = strcmp(a->project, b->project);
    return order ? order : strcmp(a->text, b->text);
}

static int by_question(const void *a, const void *b)
{
    return compare(a, b);
}

/* A copy of the list, in order; its strings are the evaluation's. */
static struct cf_question *sorted(const struct cf_evaluation *e)
{
    struct cf_question *list = cf_calloc(e->count, sizeof(*list));
    if (e->count) {
        memcpy(list, e->questions, e->count * sizeof(*list));
        qsort(list, e->count, sizeof(*list), by_question);
    }
    return list;
}

static void compare_shared(const struct cf_evaluation *new_, const struct cf_evaluation *old,
                           struct cf_gate *gate)
{
    struct cf_question *a = sorted(new_);
    struct cf_question *b = sorted(old);
    size_t i = 0;
    size_t j = 0;
    while (i < new_->count && j < old->count) {
        int order = compare(&a[i], &b[j]);
        if (order == 0) {
            gate->shared_questions++;
            gate->mrr_new += cf_reciprocal_rank(a[i].rank);
            gate->mrr_old += cf_reciprocal_rank(b[j].rank);
        }
        i += order <= 0;
        j += order >= 0;
    }
    free(a);
    free(b);
}

void cf_gate_decide(const struct cf_evaluation *new_, const struct cf_evaluation *old_or_null,
                    struct cf_gate *gate)
{
    *gate = (struct cf_gate){.promote = true};
    if (!old_or_null) {
        (void)snprintf(gate->reason, sizeof(gate->reason), "there is no model to compare with");
        return;
    }
    compare_shared(new_, old_or_null, gate);
    if (!gate->shared_questions) {
        (void)snprintf(gate->reason, sizeof(gate->reason),
                       "the two models have no question in common");
        return;
    }
    double n = (double)gate->shared_questions;
    double slack = .5 / n > .02 ? .5 / n : .02;
    gate->mrr_new /= n;
    gate->mrr_old /= n;
    gate->promote = gate->mrr_new >= gate->mrr_old - slack - 1e-12; /* rounding must not refuse */
    (void)snprintf(
        gate->reason, sizeof(gate->reason),
        "on %zu shared questions the mean reciprocal rank is %.3f, the old model's %.3f; "
        "at most %.3f less is accepted",
        gate->shared_questions, gate->mrr_new, gate->mrr_old, slack);
}
