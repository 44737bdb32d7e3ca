#include "common/base/task.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

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

static const size_t STACK = (size_t)1 << 20;
static const size_t GUARD = (size_t)1 << 16; /* below it: more than a function's own variables */
static const int64_t LOOK_MS = 250;          /* at a stop flag */

struct cf_task {
    ucontext_t context;
    char *stack; /* begins with the guard, which mustn't be touched; NULL: not made yet */
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
    struct cf_task *current; /* on whose behalf something is done: this one or a lender */
    size_t loans;
    struct cf_log_scope log; /* of whoever isn't a task */
    double since;            /* when the running task was turned to, in processor seconds */
    const struct cf_task_source **sources; /* scratch, as is polled; count entries */
    struct pollfd *polled;
} scheduler;

/* --- on whose behalf ----------------------------------------------------------------------------
 */

static struct cf_log_scope *log_of(struct cf_task *task)
{
    return task ? &task->log : &scheduler.log;
}

static void set_current(struct cf_task *task)
{
    if (task != scheduler.current) {
        cf_log_scope_save(log_of(scheduler.current));
        cf_log_scope_set(log_of(task));
        scheduler.current = task;
    }
}

struct cf_task *cf_task_lend(struct cf_task *task)
{
    struct cf_task *before = scheduler.current;
    scheduler.loans++;
    set_current(task);
    return before;
}

void cf_task_unlend(struct cf_task *before)
{
    scheduler.loans--;
    set_current(before);
}

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
    void *memory = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE)) {
        (void)cf_malloc((size_t)-1); /* neither fails for another reason than memory */
    }
    task->stack = memory;
}

static void free_stack(struct cf_task *task)
{
    if (task->stack) {
        (void)munmap(task->stack, GUARD + STACK);
    }
}

static void begin(struct cf_task *task, size_t index)
{
    if (!task->stack) {
        make_stack(task);
    }
    (void)getcontext(&task->context);
    task->context.uc_stack.ss_sp = task->stack + GUARD;
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
    void *fake_stack = NULL;
    set_current(task);
    scheduler.running = task;
    scheduler.since = cf_clock_cpu_seconds();
    begin_switch(&fake_stack, task->context.uc_stack.ss_sp, task->context.uc_stack.ss_size);
    (void)swapcontext(&scheduler.context, &task->context);
    end_switch(fake_stack, NULL, NULL);
    task->cpu += cf_clock_cpu_seconds() - scheduler.since;
    scheduler.running = NULL;
    set_current(NULL);
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
static size_t list_sources(void)
{
    const struct cf_task_source **out = scheduler.sources;
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
        if (j == count) {
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
    const struct cf_task_source **sources = scheduler.sources;
    struct pollfd *polled = scheduler.polled;
    size_t count = list_sources();
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
    if (set->at_once <= 1 || set->count <= 1) {
        for (size_t i = 0; i < set->count; i++) {
            set->run(set->context, i);
        }
        return;
    }
    memset(&scheduler, 0, sizeof(scheduler));
    scheduler.set = set;
    scheduler.count = set->at_once < set->count ? set->at_once : set->count;
    scheduler.tasks = cf_calloc(scheduler.count, sizeof(*scheduler.tasks));
    scheduler.sources = cf_calloc(scheduler.count, sizeof(void *));
    scheduler.polled = cf_calloc(scheduler.count, sizeof(*scheduler.polled));
    while (any_live()) {
        turn_sources(!resume_ready());
    }
    for (size_t i = 0; i < scheduler.count; i++) {
        free_stack(&scheduler.tasks[i]);
    }
    free(scheduler.polled);
    free(scheduler.sources);
    free(scheduler.tasks);
    memset(&scheduler, 0, sizeof(scheduler));
}

/* --- what tasks use -----------------------------------------------------------------------------
 */

struct cf_task *cf_task_current(void)
{
    return scheduler.current;
}

bool cf_task_may_wait(void)
{
    return scheduler.running && !scheduler.loans;
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
    if (cf_task_may_wait()) {
        task->due = due;
        task->stop = stop;
        task->sleeping = true;
        pause_task(task);
        task->sleeping = false;
        return;
    }
    if (!stop) {
        cf_clock_sleep_ms(ms);
        return;
    }
    for (int64_t left = ms; left > 0 && !*stop; left = due - cf_clock_monotonic_ms()) {
        cf_clock_sleep_ms(left < LOOK_MS ? left : LOOK_MS);
    }
}

double cf_task_cpu_seconds(void)
{
    const struct cf_task *task = scheduler.running;
    double now = cf_clock_cpu_seconds();
    return task ? task->cpu + now - scheduler.since : now;
}
