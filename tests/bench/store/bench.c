/* One measured transfer through cf_store_run, from files into files, as the programs that it is
 * compared with do it; and a stopwatch for any of them.
 *
 *     store put URL FOLDER      every file of a folder, all in one cf_store_run
 *     store get URL FOLDER      the same objects into a folder, by the names in FOLDER.names
 *     store put-one URL FILE    one object, "large", from a file
 *     store get-one URL FILE
 *     store clear URL
 *     store time FILE COMMAND…  runs a command; appends wall seconds, CPU seconds and peak KiB */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/store/store.h"

struct file {
    char *path;
    char *key;
    int fd;
    uint64_t size;
    uint64_t done;
    struct cf_source source;
    struct cf_sink sink;
};

static void close_file(struct file *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
        f->fd = -1;
    }
}

static bool open_file(struct file *f, int flags)
{
    if (f->fd < 0) {
        f->fd = open(f->path, flags | O_CLOEXEC, 0644);
    }
    return f->fd >= 0;
}

static int read_at(void *context, uint64_t offset, void *data, size_t size, size_t *got)
{
    struct file *f = context;
    ssize_t n = open_file(f, O_RDONLY) ? pread(f->fd, data, size, (off_t)offset) : -1;
    *got = n > 0 ? (size_t)n : 0;
    return n < 0 ? CF_EUNAVAILABLE : 0;
}

static int read_next(void *context, void *data, size_t size, size_t *got)
{
    struct file *f = context;
    int rc = read_at(f, f->done, data, size, got);
    f->done += *got;
    if (f->done == f->size) { /* it is opened again when the bytes are wanted once more */
        close_file(f);
    }
    return rc;
}

static int start_over(void *context)
{
    ((struct file *)context)->done = 0;
    return 0;
}

static int write_next(void *context, const void *data, size_t length)
{
    struct file *f = context;
    const char *p = data;
    bool good = open_file(f, O_WRONLY | O_CREAT | O_TRUNC);
    while (good && length) {
        ssize_t n = write(f->fd, p, length);
        good = n > 0;
        p += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
        f->done += n > 0 ? (uint64_t)n : 0;
    }
    if (f->done == f->size) {
        close_file(f);
    }
    return good ? 0 : CF_EUNAVAILABLE;
}

static int write_over(void *context)
{
    struct file *f = context;
    f->done = 0;
    return f->fd < 0 || (ftruncate(f->fd, 0) == 0 && lseek(f->fd, 0, SEEK_SET) == 0)
               ? 0
               : CF_EUNAVAILABLE;
}

static void init_file(struct file *f, char *path, char *key, uint64_t size)
{
    *f = (struct file){.path = path, .key = key, .fd = -1, .size = size};
    f->source = (struct cf_source){
        .read = read_next, .rewind = start_over, .read_at = read_at, .context = f, .size = size};
    f->sink = (struct cf_sink){.write = write_next, .restart = write_over, .context = f};
}

static int transfer(struct cf_store *store, struct file *files, size_t count, bool put)
{
    struct cf_op *ops = cf_calloc(count, sizeof(*ops));
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct cf_op){.kind = put ? CF_OP_PUT : CF_OP_GET, .key = files[i].key};
        ops[i].source = put ? &files[i].source : NULL;
        ops[i].sink = put ? NULL : &files[i].sink;
    }
    int rc = cf_store_run(store, ops, count);
    for (size_t i = 0; i < count; i++) {
        if (ops[i].rc == rc && rc) {
            (void)fprintf(stderr, "store: %s: %s\n", ops[i].key, ops[i].error.message);
            break;
        }
    }
    for (size_t i = 0; i < count; i++) {
        cf_op_release(&ops[i]);
        close_file(&files[i]);
    }
    free(ops);
    return rc;
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

/* The names are those of FOLDER.names, one a line; sizes come from the files that are sent. */
static int run_folder(struct cf_store *store, const char *folder, bool put)
{
    struct cf_string_list names = {0};
    char *list = cf_asprintf("%s.names", folder);
    char line[256];
    FILE *in = fopen(list, "r");
    free(list);
    while (in && fgets(line, sizeof(line), in)) {
        cf_string_list_add(&names, line, strcspn(line, " \n"));
    }
    if (!in || fclose(in) || !names.count) {
        (void)fprintf(stderr, "store: %s.names can't be read\n", folder);
        return CF_EUSAGE;
    }
    struct file *files = cf_calloc(names.count, sizeof(*files));
    for (size_t i = 0; i < names.count; i++) {
        char *path = cf_asprintf("%s/%s", folder, names.items[i]);
        init_file(&files[i], path, cf_strdup(names.items[i]), put ? size_of(path) : 8192);
    }
    int rc = transfer(store, files, names.count, put);
    for (size_t i = 0; i < names.count; i++) {
        free(files[i].path);
        free(files[i].key);
    }
    free(files);
    cf_string_list_release(&names);
    return rc;
}

static int run_one(struct cf_store *store, const char *path, bool put)
{
    struct file f;
    init_file(&f, (char *)path, (char *)"large", put ? size_of(path) : UINT64_MAX);
    return transfer(store, &f, 1, put);
}

static int note_key(void *context, const struct cf_listed *listed)
{
    cf_string_list_add(context, listed->key, strlen(listed->key));
    return 0;
}

static int clear(struct cf_store *store, struct cf_error *err)
{
    struct cf_string_list keys = {0};
    int rc = cf_store_walk(store, "", NULL, false, note_key, &keys, err);
    struct cf_op *ops = cf_calloc(keys.count, sizeof(*ops));
    for (size_t i = 0; i < keys.count; i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_DELETE, .key = keys.items[i]};
    }
    rc = rc || !keys.count ? rc : cf_store_run(store, ops, keys.count);
    free(ops);
    cf_string_list_release(&keys);
    return rc;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static int measure(const char *file, char **command)
{
    struct timespec start;
    struct timespec end;
    struct rusage usage;
    int status = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    pid_t child = fork();
    if (child == 0) {
        (void)execvp(command[0], command);
        (void)fprintf(stderr, "store: %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        return 70;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    FILE *out = fopen(file, "a");
    if (!out || status) {
        (void)fprintf(stderr, "store: %s: status %d\n", command[0], status);
        return 70;
    }
    double wall = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    (void)fprintf(out, "%.4f %.4f %ld\n", wall,
                  seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss);
    return fclose(out) ? 70 : 0;
}

int main(int argc, char **argv)
{
    struct cf_store *store = NULL;
    struct cf_error err = {0};
    if (argc > 3 && strcmp(argv[1], "time") == 0) {
        return measure(argv[2], argv + 3);
    }
    const char *what = argc > 2 ? argv[1] : "";
    bool put = strncmp(what, "put", 3) == 0;
    int rc = argc > 2 ? cf_store_open(argv[2], &store, &err) : CF_EUSAGE;
    if (!rc && argc == 3 && strcmp(what, "clear") == 0) {
        rc = clear(store, &err);
    } else if (!rc && argc == 4 && (strcmp(what, "put") == 0 || strcmp(what, "get") == 0)) {
        rc = run_folder(store, argv[3], put);
    } else if (!rc && argc == 4 && (strcmp(what, "put-one") == 0 || strcmp(what, "get-one") == 0)) {
        rc = run_one(store, argv[3], put);
    } else if (!rc) {
        rc = cf_error_set(&err, CF_EUSAGE, "see the head of bench.c");
    }
    if (*err.message) {
        (void)fprintf(stderr, "store: %s\n", err.message);
    }
    cf_store_free(store);
    return cf_exit_status(rc);
}
