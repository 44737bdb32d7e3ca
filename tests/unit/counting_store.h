/* A store around another one that counts operations and gets in their way.
 *
 * Faults name operations by kind and number, counted from the last counting_reset. While a fault's
 * callback runs it may use the inner store, which isn't counted. */
#ifndef TESTS_UNIT_COUNTING_STORE_H
#define TESTS_UNIT_COUNTING_STORE_H

#include <stdbool.h>

#include "common/store/store.h"

enum { COUNTING_KINDS = CF_OP_STAT + 1, COUNTING_FAULTS = 8 };

enum fault_mode {
    FAULT_FAIL,   /* not carried out: returns code */
    FAULT_LOSE,   /* carried out, then returns code: a lost answer */
    FAULT_KILL,   /* ends the process before the operation */
    FAULT_BEFORE, /* calls back, then goes on with what the callback left of the operation */
    FAULT_AFTER,  /* carries it out, then calls back, which may change the results */
};

struct fault {
    enum cf_op_kind kind;
    size_t first; /* the number of the first such operation that is concerned, from 1 */
    size_t times; /* and of how many; 0: of all that follow */
    enum fault_mode mode;
    int code;
    void (*call)(void *context, struct cf_op *op);
    void *context;
};

struct counting {
    struct cf_store *inner;
    size_t counts[COUNTING_KINDS];
    struct fault faults[COUNTING_FAULTS];
    size_t fault_count;
    /* Asked before each operation when set: a code makes it fail, and *lose says that it is to be
     * carried out nevertheless. */
    int (*decide)(void *context, const struct cf_op *op, bool *lose);
    void *context;
};

/* The wrapper; counting and inner outlive it. Without conditional_create it says that it has none.
 */
struct cf_store *counting_store(struct counting *counting, struct cf_store *inner,
                                bool conditional_create);

void counting_reset(struct counting *counting); /* counts 0, no faults */
void counting_fault(struct counting *counting, struct fault fault);
size_t counting_total(const struct counting *counting);

#endif
