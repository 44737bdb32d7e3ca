#include "tests/unit/counting_store.h"

#include <check.h>
#include <signal.h>
#include <string.h>

static int inject(struct cf_op *op, int code)
{
    cf_op_release(op);
    op->etag[0] = '\0';
    return cf_error_at(&op->error, code, "injected", op->key, "an injected failure");
}

static struct fault *due(struct counting *counting, enum cf_op_kind kind)
{
    size_t number = counting->counts[kind];
    for (size_t i = 0; i < counting->fault_count; i++) {
        struct fault *fault = &counting->faults[i];
        if (fault->kind == kind && number >= fault->first &&
            (!fault->times || number < fault->first + fault->times)) {
            return fault;
        }
    }
    return NULL;
}

static void run_one(struct counting *counting, struct cf_op *op)
{
    bool lose = false;
    counting->counts[op->kind]++;
    struct fault *fault = due(counting, op->kind);
    int code = counting->decide ? counting->decide(counting->context, op, &lose) : 0;
    if (fault && fault->mode == FAULT_FAIL) {
        code = fault->code;
    }
    if (code && !lose) {
        op->rc = inject(op, code);
        return;
    }
    if (fault && fault->mode == FAULT_KILL) {
        (void)raise(SIGKILL);
    }
    if (fault && fault->mode == FAULT_BEFORE) {
        fault->call(fault->context, op);
    }
    (void)cf_store_run(counting->inner, op, 1);
    if (fault && fault->mode == FAULT_AFTER) {
        fault->call(fault->context, op);
    }
    if (lose || (fault && fault->mode == FAULT_LOSE)) {
        op->rc = inject(op, lose ? code : fault->code);
    }
}

static void counting_run(void *self, struct cf_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run_one(self, &ops[i]);
    }
}

static void counting_close(void *self)
{
    (void)self;
}

struct cf_store *counting_store(struct counting *counting, struct cf_store *inner,
                                bool conditional_create)
{
    static const struct cf_store_driver with = {.scheme = "counting",
                                                .conditional_create = true,
                                                .run = counting_run,
                                                .close = counting_close};
    static const struct cf_store_driver without = {
        .scheme = "counting", .run = counting_run, .close = counting_close};
    *counting = (struct counting){.inner = inner};
    return cf_store_wrap(conditional_create ? &with : &without, counting, "counting:test");
}

void counting_reset(struct counting *counting)
{
    struct cf_store *inner = counting->inner;
    *counting = (struct counting){.inner = inner};
}

void counting_fault(struct counting *counting, struct fault fault)
{
    ck_assert_uint_lt(counting->fault_count, COUNTING_FAULTS);
    counting->faults[counting->fault_count++] = fault;
}

size_t counting_total(const struct counting *counting)
{
    size_t total = 0;
    for (size_t i = 0; i < COUNTING_KINDS; i++) {
        total += counting->counts[i];
    }
    return total;
}
