/* Threads that share the blocks of one operation.
 *
 * A thread that waits looks for some 30 µs, then sleeps, so that a busy machine stays usable. One
 * that wakes late finds nothing left to do and isn't waited for. Which thread takes which block is
 * left to chance, so blocks must not depend on one another. */
#ifndef CF_TRANSFORMER_COMPUTE_POOL_H
#define CF_TRANSFORMER_COMPUTE_POOL_H

#include <stddef.h>

#include "common/base/error.h"

struct cf_compute_pool;

/* worker: 0 … threads − 1, one at a time each; 0 is the caller's thread. */
typedef void cf_pool_task(void *arg, size_t task, size_t worker);

/* threads is at least 1 and counts the caller's. Each thread calls at_start once, if it isn't NULL.
 * CF_EUNAVAILABLE: a thread could not be started. */
int cf_compute_pool_new(size_t threads, void (*at_start)(void), struct cf_compute_pool **out,
                        struct cf_error *err);
/* Calls task(arg, 0 … tasks − 1, worker) and returns when all have returned. */
void cf_compute_pool_run(struct cf_compute_pool *pool, size_t tasks, cf_pool_task *task, void *arg);
size_t cf_compute_pool_threads(const struct cf_compute_pool *pool);
void cf_compute_pool_free(struct cf_compute_pool *pool);

#endif
