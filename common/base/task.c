#include "common/base/task.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KNOWS_STACKS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define KNOWS_STACKS 1
#endif

#ifdef KNOWS_STACKS
#include <sanitizer/common_interface_defs.h>
#endif

enum { MOST_SOURCES = 8 };

static const size_t STACK = (size_t)1 << 20;
static const int64_t LOOK_MS = 250; /* at a stop flag */

struct cf_task {
    ucontext_t context;
    char *stack; /* with a page below that mustn't be touched; NULL: not made yet */
    void *fake_stack;
    size_t index; /* of its run */
    bool live;
    /* What it waits for: */
    const struct cf_task_source *source;
    bool (*ended)(void *context);
    void *ended_context;
    int64_t due; /* in monotonic ms */
    const volatile int *stop;
    bool sleeping;
    struct cf_log_scope log;
    double cpu;
};

/* The tasks that exist. One set runs at a time. */
static struct {
    struct cf_task *tasks;
    size_t count;
    const struct cf_task_set *set;
    size_t next; /* run */
    ucontext_t context;
    const void *stack; /* the scheduler's, for the address sanitizer */
    size_t stack_size;
    struct cf_task *running; /* on its own stack */
    struct cf_task *lender;
    double since; /* when the running task was turned to, in processor seconds */
} scheduler;

/* --- switching ----------------------------------------------------------------------------------
 */

static void begin_switch(void **fake_stack, const void *stack, size_t size)
{
#ifdef KNOWS_STACKS
    __sanitizer_start_switch_fiber(fake_stack, stack, size);
#else
    (void)fake_stack;
    (void)stack;
    (void)size;
#endif
}

static void end_switch(void *fake_stack, const void **stack, size_t *size)
{
#ifdef KNOWS_STACKS
    __sanitizer_finish_switch_fiber(fake_stack, stack, size);
#else
    (void)fake_stack;
    (void)stack;
    (void)size;
#endif
}

/* Back to the scheduler; returns when the task is turned to again. */
static void pause_task(struct cf_task *task)
{
    begin_switch(task->live ? &task->fake_stack : NULL, scheduler.stack, scheduler.stack_size);
    (void)swapcontext(&task->context, &scheduler.context);
    end_switch(task->fake_stack, &scheduler.stack, &scheduler.stack_size);
}

static void enter_task(void)
{
    struct cf_task *task = scheduler.running;
    end_switch(NULL, &scheduler.stack, &scheduler.stack_size);
    scheduler.set->run(scheduler.set->context, task->index);
    task->live = false;
    pause_task(task);
}

static void make_stack(struct cf_task *task)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, STACK + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE)) {
        (void)cf_malloc((size_t)-1); /* neither fails for another reason than memory */
    }
    task->stack = memory;
}

static void free_stack(struct cf_task *task)
{
    if (task->stack) {
        (void)munmap(task->stack, STACK + (size_t)sysconf(_SC_PAGESIZE));
    }
}

static void begin(struct cf_task *task, size_t index)
{
    if (!task->stack) {
        make_stack(task);
    }
    (void)getcontext(&task->context);
    task->context.uc_stack.ss_sp = task->stack + (size_t)sysconf(_SC_PAGESIZE);
    task->context.uc_stack.ss_size = STACK;
    task->context.uc_link = NULL;
    task->index = index;
    task->live = true;
    task->source = NULL;
    task->sleeping = false;
    task->cpu = 0;
    cf_log_scope_save(&task->log);
    makecontext(&task->context, enter_task, 0);
}

static void resume(struct cf_task *task)
{
    struct cf_log_scope own;
    void *fake_stack = NULL;
    cf_log_scope_save(&own);
    cf_log_scope_set(&task->log);
    scheduler.running = task;
    scheduler.since = cf_clock_cpu_seconds();
    begin_switch(&fake_stack, task->context.uc_stack.ss_sp, task->context.uc_stack.ss_size);
    (void)swapcontext(&scheduler.context, &task->context);
    end_switch(fake_stack, NULL, NULL);
    task->cpu += cf_clock_cpu_seconds() - scheduler.since;
    scheduler.running = NULL;
    cf_log_scope_save(&task->log);
    cf_log_scope_set(&own);
}

/* --- scheduling ---------------------------------------------------------------------------------
 */

static bool is_ready(const struct cf_task *task, int64_t now)
{
    if (task->source) {
        return task->ended(task->ended_context);
    }
    return !task->sleeping || task->due <= now || (task->stop && *task->stop);
}

/* Turns to every task that can go on; false when there was none. */
static bool resume_ready(void)
{
    bool any = false;
    int64_t now = cf_clock_monotonic_ms();
    for (size_t i = 0; i < scheduler.count; i++) {
        struct cf_task *task = &scheduler.tasks[i];
        if (!task->live && scheduler.next < scheduler.set->count) {
            begin(task, scheduler.next++);
        }
        if (task->live && is_ready(task, now)) {
            resume(task);
            any = true;
        }
    }
    return any;
}

/* The sources that tasks wait for, each once. */
static size_t list_sources(const struct cf_task_source *out[MOST_SOURCES])
{
    size_t count = 0;
    for (size_t i = 0; i < scheduler.count; i++) {
        const struct cf_task *task = &scheduler.tasks[i];
        if (!task->live || !task->source) {
            continue;
        }
        size_t j = 0;
        while (j < count && out[j]->context != task->source->context) {
            j++;
        }
        if (j == count && count < MOST_SOURCES) {
            out[count++] = task->source;
        }
    }
    return count;
}

static int64_t shortest_sleep(int64_t limit)
{
    int64_t now = cf_clock_monotonic_ms();
    for (size_t i = 0; i < scheduler.count; i++) {
        const struct cf_task *task = &scheduler.tasks[i];
        if (task->live && task->sleeping) {
            int64_t left = task->due - now;
            left = task->stop && left > LOOK_MS ? LOOK_MS : left;
            limit = left < limit ? left : limit;
        }
    }
    return limit > 0 ? limit : 0;
}

/* Divides what a turn took between those that wait for it. */
static void charge(const struct cf_task_source *source, double seconds)
{
    size_t waiting = 0;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < scheduler.count; i++) {
            struct cf_task *task = &scheduler.tasks[i];
            if (task->live && task->source && task->source->context == source->context) {
                task->cpu += pass ? seconds / (double)waiting : 0;
                waiting += !pass;
            }
        }
    }
}

static void turn_sources(bool may_wait)
{
    const struct cf_task_source *sources[MOST_SOURCES];
    struct pollfd polled[MOST_SOURCES];
    size_t count = list_sources(sources);
    int64_t limit = may_wait ? shortest_sleep(10000) : 0;
    for (size_t i = 0; i < count; i++) {
        polled[i] = (struct pollfd){.fd = sources[i]->fd, .events = POLLIN};
        limit = limit ? sources[i]->timeout_ms(sources[i]->context, limit) : 0;
    }
    if (limit) {
        (void)poll(polled, (nfds_t)count, (int)limit);
    }
    for (size_t i = 0; i < count; i++) {
        double before = cf_clock_cpu_seconds();
        sources[i]->turn(sources[i]->context);
        charge(sources[i], cf_clock_cpu_seconds() - before);
    }
}

static bool any_live(void)
{
    for (size_t i = 0; i < scheduler.count; i++) {
        if (scheduler.tasks[i].live) {
            return true;
        }
    }
    return scheduler.next < scheduler.set->count;
}

void cf_tasks_run(const struct cf_task_set *set)
{
    if (set->at_once <= 1) {
        for (size_t i = 0; i < set->count; i++) {
            set->run(set->context, i);
        }
        return;
    }
    memset(&scheduler, 0, sizeof(scheduler));
    scheduler.set = set;
    scheduler.count = set->at_once < set->count ? set->at_once : set->count;
    scheduler.tasks = cf_calloc(scheduler.count, sizeof(*scheduler.tasks));
    while (any_live()) {
        turn_sources(!resume_ready());
    }
    for (size_t i = 0; i < scheduler.count; i++) {
        free_stack(&scheduler.tasks[i]);
    }
    free(scheduler.tasks);
    memset(&scheduler, 0, sizeof(scheduler));
}

/* --- what tasks use -----------------------------------------------------------------------------
 */

struct cf_task *cf_task_current(void)
{
    return scheduler.running ? scheduler.running : scheduler.lender;
}

bool cf_task_may_wait(void)
{
    return scheduler.running != NULL;
}

void cf_task_wait(const struct cf_task_source *source, bool (*ended)(void *context), void *context)
{
    struct cf_task *task = scheduler.running;
    task->source = source;
    task->ended = ended;
    task->ended_context = context;
    pause_task(task);
    task->source = NULL;
}

void cf_task_sleep(int64_t ms, const volatile int *stop)
{
    struct cf_task *task = scheduler.running;
    int64_t due = cf_clock_monotonic_ms() + ms;
    if (task) {
        task->due = due;
        task->stop = stop;
        task->sleeping = true;
        pause_task(task);
        task->sleeping = false;
        return;
    }
    for (int64_t left = ms; left > 0 && !(stop && *stop); left = due - cf_clock_monotonic_ms()) {
        cf_clock_sleep_ms(left < LOOK_MS ? left : LOOK_MS);
    }
}

static struct cf_log_scope own_scope; /* the scheduler's, while it works for a task */

void cf_task_lend(struct cf_task *task)
{
    if (task && !scheduler.running) {
        scheduler.lender = task;
        cf_log_scope_save(&own_scope);
        cf_log_scope_set(&task->log);
    }
}

void cf_task_unlend(void)
{
    if (scheduler.lender) {
        scheduler.lender = NULL;
        cf_log_scope_set(&own_scope);
    }
}

double cf_task_cpu_seconds(void)
{
    const struct cf_task *task = scheduler.running;
    double now = cf_clock_cpu_seconds();
    return task ? task->cpu + now - scheduler.since : now;
}
