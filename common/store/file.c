/* The file driver: an object is a file below a root folder, its key the path.
 *
 * An object appears whole or not at all: it is written to a temporary file in the folder where it
 * will lie, flushed to the disk, and then gets its name by link(2), which fails when the name
 * exists (that is put-if-absent), or by rename(2), which replaces. The folder is flushed before
 * success is reported. Temporary names begin with "~", which no key may contain. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "common/store/file_walk.h"
#include "common/store/listing.h"
#include "common/store/store.h"
#include "common/store/stream.h"

enum { ATTEMPTS = 16, LIST_ATTEMPTS = 100, PATH_LIMIT = 4096, PIECE = 256 * 1024 };

struct files {
    char *root;
};

static int file_open(const char *rest, void **self, struct cf_error *err)
{
    while (rest[0] == '/' && rest[1] == '/') {
        rest++;
    }
    if (rest[0] != '/' || strlen(rest) + CF_KEY_MAX + 64 > PATH_LIMIT) {
        return cf_error_set(err, CF_EUSAGE,
                            "\"file:%.100s\" must name an absolute path of at most %d bytes", rest,
                            PATH_LIMIT - CF_KEY_MAX - 64);
    }
    struct files *files = cf_malloc(sizeof(*files));
    files->root = cf_strdup(rest);
    size_t length = strlen(rest);
    while (length > 1 && files->root[length - 1] == '/') {
        files->root[--length] = '\0';
    }
    *self = files;
    return 0;
}

static void file_close(void *self)
{
    struct files *files = self;
    free(files->root);
    free(files);
}

static void path_of(const struct files *files, const char *key, char out[PATH_LIMIT])
{
    (void)snprintf(out, PATH_LIMIT, "%s/%s", files->root, key);
}

static int failed(struct cf_op *op, const char *operation)
{
    return cf_error_errno(&op->error, errno, operation, op->key);
}

static int read_range(struct cf_op *op, int fd, uint64_t first, uint64_t length)
{
    char *piece = cf_malloc(PIECE);
    int rc = 0;
    if (!op->sink) {
        cf_buf_reserve(&op->body, (size_t)length);
    }
    while (length && !rc) {
        size_t want = length < PIECE ? (size_t)length : PIECE;
        ssize_t got = pread(fd, piece, want, (off_t)first);
        if (got < 0) {
            rc = failed(op, "get");
        } else if (got == 0) {
            rc = cf_error_at(&op->error, CF_EDATA, "get", op->key, "the file became shorter");
        } else {
            rc = cf_stream_write(op, piece, (size_t)got);
            first += (uint64_t)got;
            length -= (uint64_t)got;
        }
    }
    free(piece);
    return rc;
}

static int do_get(const struct files *files, struct cf_op *op)
{
    char path[PATH_LIMIT];
    struct stat st;
    uint64_t first = 0;
    uint64_t length = 0;
    path_of(files, op->key, path);
    /* What LIST doesn't show isn't there: links, and pipes, on which open must not wait. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno != ELOOP && errno != ENXIO) {
        return failed(op, "get");
    }
    if (fd < 0) {
        return cf_error_at(&op->error, CF_ENOTFOUND, "get", op->key, "no such object");
    }
    int rc = 0;
    if (fstat(fd, &st) != 0) {
        rc = failed(op, "get");
    } else if (!S_ISREG(st.st_mode)) {
        rc = cf_error_at(&op->error, CF_ENOTFOUND, "get", op->key, "no such object");
    } else {
        op->size = (uint64_t)st.st_size;
        cf_file_etag(&st, op->etag);
        if (op->if_match && strcmp(op->if_match, op->etag) != 0) {
            rc = cf_error_at(&op->error, CF_ECONFLICT, "get", op->key, "the object has changed");
        }
    }
    if (!rc && op->kind == CF_OP_GET) {
        rc = cf_stream_range(op, op->size, &first, &length);
        rc = rc ? rc : read_range(op, fd, first, length);
    }
    (void)close(fd);
    return rc;
}

/* Flushes the folder in which path lies. -1 with errno on failure. */
static int flush_folder_of(const char *path)
{
    char folder[PATH_LIMIT];
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, sizeof(folder), "%.*s", slash > path ? (int)(slash - path) : 1, path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return rc;
}

/* A folder that is new is named on the disk before anything in it can be reported as safe. One in
 * a folder that may be written but not read can't be flushed. */
static int make_folder(const char *path)
{
    if (mkdir(path, 0777) != 0) {
        return errno == EEXIST ? 0 : -1;
    }
    return flush_folder_of(path) == 0 || errno == EACCES || errno == ENOENT ? 0 : -1;
}

static int make_folders(const struct files *files, char *path)
{
    for (char *slash = path + strlen(files->root); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = make_folder(path);
        *slash = '/';
        if (rc != 0 && errno != ENOENT) {
            return -1;
        }
    }
    return 0;
}

/* The root itself may be missing along with the folders above it. */
static int make_root(const struct files *files)
{
    char path[PATH_LIMIT];
    (void)snprintf(path, sizeof(path), "%s/", files->root);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = make_folder(path);
        *slash = '/';
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}

/* Opens a fresh temporary file beside path and takes a lock that tells tidy that its writer lives.
 */
static int open_temporary(const struct files *files, char *path, char temporary[PATH_LIMIT])
{
    const char *slash = strrchr(path, '/');
    for (int i = 0; i < ATTEMPTS; i++) {
        char random[CF_RANDOM_HEX];
        cf_random_hex(random);
        (void)snprintf(temporary, PATH_LIMIT, "%.*s/~%.16s", (int)(slash - path), path, random);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            (void)flock(fd, LOCK_SH | LOCK_NB);
            return fd;
        }
        /* A folder may be missing, or a collector may have removed it while it was empty. */
        if (errno != ENOENT || (i == 0 ? make_folders(files, path) : make_root(files)) != 0) {
            return -1;
        }
        if (i > 0 && make_folders(files, path) != 0) {
            return -1;
        }
    }
    return -1;
}

struct writing {
    int fd;
    int failure; /* errno of a write that failed */
};

static int write_all(void *context, const void *data, size_t length)
{
    struct writing *writing = context;
    const char *p = data;
    while (length) {
        ssize_t n = write(writing->fd, p, length);
        if (n < 0) {
            writing->failure = errno;
            return CF_EUNAVAILABLE;
        }
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

static int write_temporary(struct cf_op *op, int fd)
{
    struct stat st;
    struct writing writing = {.fd = fd};
    int rc = cf_stream_pump(op, write_all, &writing);
    if (writing.failure) {
        errno = writing.failure;
        return failed(op, "put");
    }
    if (rc) {
        return rc;
    }
    if (fsync(fd) != 0 || fstat(fd, &st) != 0) {
        return failed(op, "put");
    }
    op->size = (uint64_t)st.st_size;
    return 0;
}

static int name_object(struct cf_op *op, const char *temporary, const char *path)
{
    int rc = 0;
    if (op->kind == CF_OP_PUT) {
        if (rename(temporary, path) != 0) {
            rc = failed(op, "put");
            (void)unlink(temporary);
        }
        return rc;
    }
    if (link(temporary, path) != 0) {
        rc = errno == EEXIST
                 ? cf_error_at(&op->error, CF_ECONFLICT, "put_new", op->key, "the key exists")
                 : failed(op, "put_new");
    }
    (void)unlink(temporary);
    return rc;
}

static int put_once(const struct files *files, struct cf_op *op, bool *again)
{
    char path[PATH_LIMIT];
    char temporary[PATH_LIMIT];
    struct stat st;
    path_of(files, op->key, path);
    int fd = open_temporary(files, path, temporary);
    if (fd < 0) {
        return failed(op, "put");
    }
    int rc = write_temporary(op, fd);
    if (rc) {
        (void)unlink(temporary);
    } else {
        rc = name_object(op, temporary, path);
        *again = rc == CF_ENOTFOUND; /* tidy took the temporary file before it was locked */
    }
    if (!rc && fstat(fd, &st) == 0) {
        cf_file_etag(&st, op->etag);
    }
    (void)close(fd);
    /* An object that exists is a conflict for its second writer, who may be the first one trying
     * again after a failed flush. Then, too, the folder must be on the disk. */
    bool named = !rc || rc == CF_ECONFLICT;
    /* A folder that has gone meanwhile went with the object: somebody deleted it. Whatever else
     * fails here, the object has its name, so the outcome is open and never a refusal. */
    if (named && flush_folder_of(path) != 0 && errno != ENOENT) {
        (void)failed(op, "put");
        op->error.code = CF_EUNAVAILABLE;
        rc = CF_EUNAVAILABLE;
    }
    return rc;
}

static int do_put(const struct files *files, struct cf_op *op)
{
    int rc = 0;
    bool again = true;
    for (int i = 0; i < ATTEMPTS && again; i++) {
        again = false;
        rc = put_once(files, op, &again);
    }
    return rc;
}

static int do_delete(const struct files *files, struct cf_op *op)
{
    char path[PATH_LIMIT];
    path_of(files, op->key, path);
    if (unlink(path) != 0) {
        return errno == ENOENT || errno == ENOTDIR || errno == EISDIR ? 0 : failed(op, "delete");
    }
    /* Folders that became empty go too; rmdir fails at the first that isn't. */
    size_t root = strlen(files->root);
    for (char *slash = strrchr(path, '/'); slash && (size_t)(slash - path) > root;
         slash = strrchr(path, '/')) {
        *slash = '\0';
        if (rmdir(path) != 0) {
            break;
        }
    }
    return 0;
}

static bool offer(void *context, const char *key, const struct stat *st)
{
    struct cf_listing *listing = context;
    char etag[CF_ETAG_MAX];
    cf_file_etag(st, etag);
    cf_listing_add(listing, key, (uint64_t)st->st_size, etag);
    return cf_listing_wants(listing, key);
}

static int list_once(const struct files *files, struct cf_op *op)
{
    struct cf_listing listing;
    cf_listing_begin(&listing, op);
    struct cf_file_walk walk = {.root = files->root,
                                .prefix = op->key,
                                .after = op->start_after ? op->start_after : "",
                                .one_per_folder = op->group_by_slash,
                                .visit = offer,
                                .context = &listing};
    return cf_file_walk(&walk, &op->error);
}

static bool same_first(const struct cf_op *a, const struct cf_op *b)
{
    return a->listed_count == b->listed_count &&
           (!a->listed_count || (strcmp(a->listed[0].key, b->listed[0].key) == 0 &&
                                 strcmp(a->listed[0].etag, b->listed[0].etag) == 0));
}

/* The first name below a prefix is what commits rest on, and reading a folder's names and then
 * looking at a file is not one step: names may go and come between. It is believed when a second
 * look gives the same object. */
static int do_list(const struct files *files, struct cf_op *op)
{
    int rc = list_once(files, op);
    for (int i = 0; i < LIST_ATTEMPTS && !rc && op->max_keys == 1; i++) {
        struct cf_op again = {.kind = CF_OP_LIST,
                              .key = op->key,
                              .start_after = op->start_after,
                              .max_keys = op->max_keys,
                              .group_by_slash = op->group_by_slash};
        rc = list_once(files, &again);
        bool agree = same_first(op, &again);
        cf_op_release(op);
        op->listed = again.listed;
        op->listed_count = again.listed_count;
        op->more = again.more;
        op->error = again.error;
        if (agree || rc) {
            return rc;
        }
    }
    return rc || op->max_keys != 1 ? rc
                                   : cf_error_at(&op->error, CF_ERETRY, "list", op->key,
                                                 "the folder never stood still");
}

static int file_tidy(void *self, uint64_t *removed, struct cf_error *err)
{
    const struct files *files = self;
    return cf_file_walk_temporary(files->root, removed, err);
}

static void file_run(void *self, struct cf_op *ops, size_t count)
{
    const struct files *files = self;
    for (size_t i = 0; i < count; i++) {
        struct cf_op *op = &ops[i];
        switch (op->kind) {
        case CF_OP_GET:
        case CF_OP_STAT:
            op->rc = do_get(files, op);
            break;
        case CF_OP_PUT:
        case CF_OP_PUT_NEW:
            op->rc = do_put(files, op);
            break;
        case CF_OP_DELETE:
            op->rc = do_delete(files, op);
            break;
        case CF_OP_LIST:
            op->rc = do_list(files, op);
            break;
        }
    }
}

const struct cf_store_driver cf_store_file_driver = {
    .scheme = "file",
    .conditional_create = true,
    .open = file_open,
    .run = file_run,
    .tidy = file_tidy,
    .close = file_close,
};
