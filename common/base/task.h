/* Cooperative tasks: straight-line functions that take turns on one thread, each on a stack of its
 * own. Where one waits (cf_task_wait, cf_task_sleep), the others run; nowhere else, so what is done
 * between two waits is done in one piece, as seen by the others, and needs no locks.
 *
 * Functions that wait for something outside, such as cf_http_wait, use this by themselves: the same
 * function works in a task, where it lets the others run, and outside of all tasks, where it
 * blocks.
 *
 * Every task has its own log context and its own count of processor time. Stacks have 1 MiB, of
 * which only what was touched takes memory; running over the end is a segmentation fault. */
#ifndef CF_BASE_TASK_H
#define CF_BASE_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_task;

struct cf_task_set {
    size_t count;   /* runs, numbered from 0, started in this order */
    size_t at_once; /* 1 at least. With 1, and when there is one run only, no task is made */
    void (*run)(void *context, size_t index);
    void *context;
};

/* Returns when every run has ended. Not to be called from a task. */
void cf_tasks_run(const struct cf_task_set *set);

/* The task that runs, or that cf_task_lend named; NULL outside of tasks. */
struct cf_task *cf_task_current(void);

/* True where cf_task_wait may be called: in a task, and not between cf_task_lend and
 * cf_task_unlend. */
bool cf_task_may_wait(void);

/* Something outside that tasks wait for. */
struct cf_task_source {
    int fd; /* readable when turn has something to do */
    /* How long, at most limit_ms, until turn has something to do although fd isn't readable. */
    int64_t (*timeout_ms)(void *context, int64_t limit_ms);
    void (*turn)(void *context); /* does what can be done without waiting */
    void *context;
};

/* Lets others run until ended(context), which is asked after each of the source's turns. */
void cf_task_wait(const struct cf_task_source *source, bool (*ended)(void *context), void *context);

/* Waits so long, or until *stop isn't 0 (NULL: never), which is looked at four times a second. Also
 * outside of tasks. */
void cf_task_sleep(int64_t ms, const volatile int *stop);

/* Until cf_task_unlend, which gets what this returns, the caller works on behalf of that task,
 * wherever it is called: it is the current one, and what is logged has its context. NULL: on behalf
 * of whoever isn't a task. May be nested. Nobody else runs meanwhile: cf_task_sleep blocks. */
struct cf_task *cf_task_lend(struct cf_task *task);
void cf_task_unlend(struct cf_task *before);

/* Processor time of the current task until now, with its share of what the sources' turns took
 * while it waited for them; outside of tasks, that of the process. */
double cf_task_cpu_seconds(void);

#endif
