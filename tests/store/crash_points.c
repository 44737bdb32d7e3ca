/* Linked into the programs of build/crash in place of cf_store_open and of some
 * system calls (-Wl,--wrap=cf_store_open,--wrap=fsync, …): the
 * store that a program opens counts its operations, applied one at a time, and ends or stops the
 * process at the one that the environment names. tests/store/crash_matrix.sh goes through them all.
 *
 *   CRASH_AT=K              the K-th operation of the process, from 1
 *   CRASH_WHEN=before|after the operation was applied (after unless given)
 *   CRASH_SIGNAL=KILL|STOP  what happens then (KILL unless given); a stopped process goes on when
 *                           it gets SIGCONT
 *   CRASH_INSIDE=K          ends before the K-th system call that makes an object of a file: store
 *                           lasting, named or gone (fsync, link, rename, unlink, rmdir)
 *   CRASH_COUNT_FILE=PATH   gets the numbers of operations and of such calls when the process ends
 *                           by itself
 *   CRASH_TRACE_FILE=PATH   gets a line for each operation: its number, kind, key */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/store/store.h"

int __real_cf_store_open(const char *url, struct cf_store **out, struct cf_error *err);
int __wrap_cf_store_open(const char *url, struct cf_store **out, struct cf_error *err);

static struct {
    unsigned long operations;
    unsigned long at;
    unsigned long calls;
    unsigned long inside;
    bool before;
    int signal;
    FILE *trace;
} crash;

static void write_count(void)
{
    const char *path = getenv("CRASH_COUNT_FILE");
    FILE *file = path && *path ? fopen(path, "w") : NULL;
    if (file) {
        (void)fprintf(file, "%lu %lu\n", crash.operations, crash.calls);
        (void)fclose(file);
    }
    if (crash.trace) {
        (void)fclose(crash.trace);
        crash.trace = NULL;
    }
}

static void configure(void)
{
    static bool done;
    const char *at = getenv("CRASH_AT");
    const char *inside = getenv("CRASH_INSIDE");
    const char *when = getenv("CRASH_WHEN");
    const char *which = getenv("CRASH_SIGNAL");
    const char *trace = getenv("CRASH_TRACE_FILE");
    if (done) {
        return;
    }
    done = true;
    crash.at = at ? strtoul(at, NULL, 10) : 0;
    crash.inside = inside ? strtoul(inside, NULL, 10) : 0;
    crash.before = when && strcmp(when, "before") == 0;
    crash.signal = which && strcmp(which, "STOP") == 0 ? SIGSTOP : SIGKILL;
    crash.trace = trace && *trace ? fopen(trace, "w") : NULL;
    (void)atexit(write_count);
}

static void end_here(bool before)
{
    if (crash.operations == crash.at && crash.before == before) {
        (void)kill(getpid(), crash.signal);
    }
}

static void count(const char *kind, const char *key)
{
    crash.operations++;
    if (crash.trace) {
        (void)fprintf(crash.trace, "%lu %s %s\n", crash.operations, kind, key);
        (void)fflush(crash.trace);
    }
    end_here(true);
}

static void counted_run(void *self, struct cf_op *ops, size_t n)
{
    static const char *const kinds[] = {"get", "put", "put_new", "list", "delete", "stat"};
    for (size_t i = 0; i < n; i++) {
        count(kinds[ops[i].kind], ops[i].key);
        (void)cf_store_run(self, &ops[i], 1);
        end_here(false);
    }
}

static int counted_tidy(void *self, uint64_t *removed, struct cf_error *err)
{
    count("tidy", "");
    int rc = cf_store_tidy(self, removed, err);
    end_here(false);
    return rc;
}

static void counted_close(void *self)
{
    cf_store_free(self);
}

static const struct cf_store_driver committing = {.scheme = "counted",
                                                  .conditional_create = true,
                                                  .run = counted_run,
                                                  .tidy = counted_tidy,
                                                  .close = counted_close};
static const struct cf_store_driver reading = {
    .scheme = "counted", .run = counted_run, .tidy = counted_tidy, .close = counted_close};

int __wrap_cf_store_open(const char *url, struct cf_store **out, struct cf_error *err)
{
    struct cf_store *inner = NULL;
    int rc = __real_cf_store_open(url, &inner, err);
    if (!rc) {
        configure();
        *out = cf_store_wrap(cf_store_can_commit(inner) ? &committing : &reading, inner,
                             cf_store_url(inner));
    }
    return rc;
}

/* --- inside an operation ------------------------------------------------------------------------
 */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);

static void before_call(void)
{
    if (++crash.calls == crash.inside) {
        (void)kill(getpid(), SIGKILL);
    }
}

int __wrap_fsync(int fd)
{
    before_call();
    return __real_fsync(fd);
}

int __wrap_link(const char *from, const char *to)
{
    before_call();
    return __real_link(from, to);
}

int __wrap_rename(const char *from, const char *to)
{
    before_call();
    return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    before_call();
    return __real_unlink(path);
}

int __wrap_rmdir(const char *path)
{
    before_call();
    return __real_rmdir(path);
}
