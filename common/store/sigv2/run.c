/* Several operations side by side through one request context of libs3, with their retries. */
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/store/sigv2/sigv2.h"

struct run {
    struct cf_sigv2 *store;
    struct cf_op *ops;
    size_t count, next;
    struct cf_sigv2_task tasks[CF_SIGV2_IN_FLIGHT];
};

static bool is_new(const struct cf_op *op)
{
    return op && op->kind == CF_OP_PUT_NEW;
}

/* HEAD and PUT of one PUT_NEW must not mix with another's, so there is one at a time. */
static bool may_begin(const struct run *run, const struct cf_op *op)
{
    for (size_t i = 0; is_new(op) && i < CF_SIGV2_IN_FLIGHT; i++) {
        if (is_new(run->tasks[i].op)) {
            return false;
        }
    }
    return true;
}

/* 0 while operations may go on, else the code that they end with. */
static int stopped(struct cf_sigv2 *store)
{
    const volatile int *stop = cf_store_stop();
    if (!stop || !*stop) {
        return 0;
    }
    if (!store->stopped_ms) {
        store->stopped_ms = cf_clock_monotonic_ms();
    }
    return cf_clock_monotonic_ms() - store->stopped_ms > CF_SIGV2_GRACE_MS ? CF_EINTERRUPTED : 0;
}

/* Drops the context with all that is in flight: its late callbacks find no operation. */
static void abandon(struct run *run, int code, const char *text)
{
    for (size_t i = 0; i < CF_SIGV2_IN_FLIGHT; i++) {
        struct cf_sigv2_task *task = &run->tasks[i];
        if (task->op) {
            (void)cf_error_set(&task->op->error, code, "%s", text);
            cf_sigv2_end(task, code);
        }
    }
    if (run->store->requests) {
        S3_destroy_request_context(run->store->requests);
        run->store->requests = NULL;
    }
    for (size_t i = 0; i < CF_SIGV2_IN_FLIGHT; i++) {
        run->tasks[i].in_flight = false;
    }
}

static void begin_next(struct run *run, struct cf_sigv2_task *task)
{
    while (!task->op && !task->in_flight && run->next < run->count) {
        struct cf_op *op = &run->ops[run->next];
        if (op->kind != CF_OP_LIST && !may_begin(run, op)) {
            return;
        }
        run->next++;
        if (op->kind != CF_OP_LIST) { /* they come afterwards */
            cf_sigv2_begin(task, op);
        }
    }
}

/* Fills free places and starts what is due. Returns how many operations are under way; *wait_ms is
 * the time until the next is due. */
static size_t start_due(struct run *run, int64_t *wait_ms)
{
    size_t busy = 0;
    *wait_ms = 500;
    for (size_t i = 0; i < CF_SIGV2_IN_FLIGHT; i++) {
        struct cf_sigv2_task *task = &run->tasks[i];
        begin_next(run, task);
        int64_t left = task->due_ms - cf_clock_monotonic_ms();
        if (task->op && !task->in_flight && left <= 0) {
            cf_sigv2_send(task);
        } else if (task->op && !task->in_flight) {
            *wait_ms = left < *wait_ms ? left : *wait_ms;
        }
        busy += task->op != NULL;
    }
    return busy;
}

static void wait_for(S3RequestContext *requests, int64_t wait_ms)
{
    fd_set readable;
    fd_set writable;
    fd_set failed;
    int most = -1;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&failed);
    int64_t timeout = S3_get_request_context_timeout(requests);
    (void)S3_get_request_context_fdsets(requests, &readable, &writable, &failed, &most);
    wait_ms = timeout >= 0 && timeout < wait_ms ? timeout : wait_ms;
    wait_ms = most < 0 && wait_ms > 20 ? 20 : wait_ms; /* it is looking up a name */
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    (void)select(most + 1, &readable, &writable, &failed, &tv);
}

static bool any_ready(const struct run *run)
{
    int64_t now = cf_clock_monotonic_ms();
    for (size_t i = 0; i < CF_SIGV2_IN_FLIGHT; i++) {
        const struct cf_sigv2_task *task = &run->tasks[i];
        bool free_place = !task->op && run->next < run->count;
        if (!task->in_flight && ((task->op && task->due_ms <= now) ||
                                 (free_place && may_begin(run, &run->ops[run->next])))) {
            return true;
        }
    }
    return false;
}

static void run_objects(struct run *run)
{
    int64_t wait_ms = 0;
    int remaining = 0;
    for (;;) {
        if (stopped(run->store)) {
            abandon(run, CF_EINTERRUPTED, "stopped by a signal");
            for (; run->next < run->count; run->next++) {
                if (run->ops[run->next].kind != CF_OP_LIST) {
                    run->ops[run->next].rc =
                        cf_error_at(&run->ops[run->next].error, CF_EINTERRUPTED,
                                    cf_sigv2_names[run->ops[run->next].kind],
                                    run->ops[run->next].key, "stopped by a signal");
                }
            }
            return;
        }
        if (!run->store->requests &&
            S3_create_request_context(&run->store->requests) != S3StatusOK) {
            abort(); /* out of memory: docs/decisions/0003 */
        }
        if (!start_due(run, &wait_ms) && run->next == run->count) {
            return;
        }
        if (S3_runonce_request_context(run->store->requests, &remaining) != S3StatusOK) {
            abandon(run, CF_EUNAVAILABLE, "libs3's request engine has failed");
        } else if (!any_ready(run)) {
            wait_for(run->store->requests, wait_ms);
        }
    }
}

void cf_sigv2_run(void *self, struct cf_op *ops, size_t count)
{
    struct run *run = cf_calloc(1, sizeof(*run));
    *run = (struct run){.store = self, .ops = ops, .count = count};
    for (size_t i = 0; i < CF_SIGV2_IN_FLIGHT; i++) {
        run->tasks[i].store = self;
    }
    run_objects(run);
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind == CF_OP_LIST) {
            cf_sigv2_list(self, &ops[i]);
        }
    }
    free(run);
}
