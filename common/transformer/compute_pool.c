#include "common/transformer/compute_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"

/* How often a waiting thread looks before it sleeps: some 30 µs, more than lie between most
 * operations, less than what waking costs on a busy machine. */
enum { LOOKS = 600 };

struct cf_compute_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* there is some, or the end has come */
    pthread_cond_t idle; /* active fell to 0 */
    bool open;           /* the job below may be joined */
    bool ending;
    int looks;                /* LOOKS, or 0 where threads have no CPU each */
    atomic_size_t generation; /* of the job; changed under the lock, as is active */
    atomic_size_t active;     /* threads in the job, without the caller's */
    cf_pool_task *task;
    void *arg;
    size_t tasks;
    atomic_size_t next;
    void (*at_start)(void);
    size_t threads;
    pthread_t *handles; /* [threads − 1] */
    struct seat {
        struct cf_compute_pool *pool;
        size_t worker;
    } * seats;
};

static void take(struct cf_compute_pool *p, size_t worker)
{
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (task >= p->tasks) {
            return;
        }
        p->task(p->arg, task, worker);
    }
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Until the counter is value, or isn't when differs is set; for a short while at most. */
static void look(const struct cf_compute_pool *p, const atomic_size_t *counter, size_t value,
                 bool differs)
{
    for (int i = 0; i < p->looks; i++) {
        if ((atomic_load_explicit(counter, memory_order_relaxed) != value) == differs) {
            return;
        }
        pause_briefly();
    }
}

static void *work(void *arg)
{
    const struct seat *seat = arg;
    struct cf_compute_pool *p = seat->pool;
    size_t seen = 0;
    if (p->at_start) {
        p->at_start();
    }
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->ending && !(p->open && p->generation != seen)) {
            pthread_cond_wait(&p->work, &p->lock);
        }
        if (p->ending) {
            break;
        }
        seen = p->generation;
        p->active++;
        pthread_mutex_unlock(&p->lock);
        take(p, seat->worker);
        pthread_mutex_lock(&p->lock);
        if (!--p->active) {
            pthread_cond_signal(&p->idle);
        }
        pthread_mutex_unlock(&p->lock);
        look(p, &p->generation, seen, true);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

void cf_compute_pool_run(struct cf_compute_pool *p, size_t tasks, cf_pool_task *task, void *arg)
{
    if (p->threads == 1 || tasks < 2) {
        for (size_t i = 0; i < tasks; i++) {
            task(arg, i, 0);
        }
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->arg = arg;
    p->tasks = tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    p->generation++;
    p->open = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    take(p, 0);
    look(p, &p->active, 0, false);
    pthread_mutex_lock(&p->lock);
    p->open = false;
    while (p->active) {
        pthread_cond_wait(&p->idle, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

int cf_compute_pool_new(size_t threads, void (*at_start)(void), struct cf_compute_pool **out,
                        struct cf_error *err)
{
    struct cf_compute_pool *p = cf_calloc(1, sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->at_start = at_start;
    p->looks = sysconf(_SC_NPROCESSORS_ONLN) >= (long)threads ? LOOKS : 0;
    p->handles = cf_calloc(threads, sizeof(*p->handles));
    p->seats = cf_calloc(threads, sizeof(*p->seats));
    for (p->threads = 1; p->threads < threads; p->threads++) {
        struct seat *seat = &p->seats[p->threads - 1];
        *seat = (struct seat){p, p->threads};
        int failed = pthread_create(&p->handles[p->threads - 1], NULL, work, seat);
        if (failed) {
            int rc = cf_error_set(err, CF_EUNAVAILABLE, "thread %zu of %zu can't be started: %s",
                                  p->threads + 1, threads, strerror(failed));
            cf_compute_pool_free(p);
            return rc;
        }
    }
    if (at_start) {
        at_start();
    }
    *out = p;
    return 0;
}

size_t cf_compute_pool_threads(const struct cf_compute_pool *p)
{
    return p->threads;
}

void cf_compute_pool_free(struct cf_compute_pool *p)
{
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i + 1 < p->threads; i++) {
        pthread_join(p->handles[i], NULL);
    }
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->handles);
    free(p->seats);
    free(p);
}
