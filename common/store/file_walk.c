#include "common/store/file_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/store/store.h"

enum { PATH_LIMIT = 4096 };

void cf_file_etag(const struct stat *st, char out[72])
{
    (void)snprintf(out, 72, "%llx-%llx-%llx.%lx", (unsigned long long)st->st_ino,
                   (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
                   (unsigned long)st->st_mtim.tv_nsec);
}

struct entry {
    char *name; /* a folder's ends with "/", which is how its keys sort */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void free_entries(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(entries[i].name);
    }
    free(entries);
}

static bool is_folder(int fd, const struct dirent *d)
{
    struct stat st;
    if (d->d_type != DT_UNKNOWN) {
        return d->d_type == DT_DIR;
    }
    return fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Could a key that begins with name (in the folder whose key is base) be wanted? */
static bool is_wanted(const struct cf_file_walk *walk, const char *base, const char *name)
{
    char key[CF_KEY_MAX + 256];
    (void)snprintf(key, sizeof(key), "%s%s", base, name);
    size_t length = strlen(key);
    size_t prefix = strlen(walk->prefix);
    if (strncmp(key, walk->prefix, length < prefix ? length : prefix) != 0) {
        return false;
    }
    bool folder = key[length - 1] == '/';
    if (!folder && length < prefix) {
        return false;
    }
    /* A folder is passed over when all of its keys lie before walk->after. */
    return folder ? strncmp(key, walk->after, length) >= 0 : strcmp(key, walk->after) > 0;
}

static int read_folder(const struct cf_file_walk *walk, const char *base, struct entry **out,
                       size_t *count, struct cf_error *err)
{
    char path[PATH_LIMIT];
    (void)snprintf(path, sizeof(path), "%s/%s", walk->root, base);
    DIR *folder = opendir(path);
    *out = NULL;
    *count = 0;
    if (!folder) {
        return errno == ENOENT || errno == ENOTDIR ? 0 : cf_error_errno(err, errno, "list", base);
    }
    size_t capacity = 0;
    const struct dirent *d;
    while ((d = readdir(folder))) {
        if (!cf_key_is_valid(d->d_name, false)) {
            continue; /* "." and "..", temporary files, whatever else isn't ours */
        }
        char name[260];
        (void)snprintf(name, sizeof(name), "%s%s", d->d_name,
                       is_folder(dirfd(folder), d) ? "/" : "");
        if (is_wanted(walk, base, name)) {
            *out = cf_grow(*out, *count, &capacity, sizeof(**out));
            (*out)[(*count)++].name = cf_strdup(name);
        }
    }
    (void)closedir(folder);
    if (*count) {
        qsort(*out, *count, sizeof(**out), by_name);
    }
    return 0;
}

/* Visits what lies in one folder. *go_on turns false when the walk is over, *visited true at a
 * visit. */
static int walk_folder(const struct cf_file_walk *walk, const char *base, bool *go_on,
                       bool *visited, struct cf_error *err)
{
    struct entry *entries;
    size_t count;
    int rc = read_folder(walk, base, &entries, &count, err);
    for (size_t i = 0; i < count && !rc && *go_on; i++) {
        char key[CF_KEY_MAX + 256];
        char path[PATH_LIMIT + CF_KEY_MAX + 256];
        struct stat st;
        int length = snprintf(key, sizeof(key), "%s%s", base, entries[i].name);
        if (length >= CF_KEY_MAX) {
            continue;
        }
        if (key[length - 1] == '/') {
            rc = walk_folder(walk, key, go_on, visited, err);
        } else {
            (void)snprintf(path, sizeof(path), "%s/%s", walk->root, key);
            if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
                *visited = true;
                *go_on = walk->visit(walk->context, key, &st);
            }
        }
        /* Within a group, the first name stands for all. */
        if (*visited && walk->one_per_folder && strlen(base) > strlen(walk->prefix)) {
            break;
        }
        if (walk->one_per_folder) {
            *visited = false;
        }
    }
    free_entries(entries, count);
    return rc;
}

int cf_file_walk(const struct cf_file_walk *walk, struct cf_error *err)
{
    /* The walk starts in the deepest folder that holds the whole prefix. */
    char base[CF_KEY_MAX] = "";
    const char *slash = strrchr(walk->prefix, '/');
    if (slash) {
        (void)snprintf(base, sizeof(base), "%.*s", (int)(slash - walk->prefix) + 1, walk->prefix);
    }
    bool go_on = true;
    bool visited = false;
    return walk_folder(walk, base, &go_on, &visited, err);
}

static void remove_if_abandoned(int folder, const char *name, uint64_t *removed)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(folder, name, 0) == 0) {
        (*removed)++;
    }
    (void)close(fd);
}

int cf_file_walk_temporary(const char *root, uint64_t *removed, struct cf_error *err)
{
    DIR *folder = opendir(root);
    if (!folder) {
        return errno == ENOENT ? 0 : cf_error_errno(err, errno, "tidy", root);
    }
    int rc = 0;
    const struct dirent *d;
    while (!rc && (d = readdir(folder))) {
        if (d->d_name[0] == '~') {
            remove_if_abandoned(dirfd(folder), d->d_name, removed);
        } else if (cf_key_is_valid(d->d_name, false) && is_folder(dirfd(folder), d)) {
            char path[PATH_LIMIT];
            if (snprintf(path, sizeof(path), "%s/%s", root, d->d_name) < PATH_LIMIT) {
                rc = cf_file_walk_temporary(path, removed, err);
            }
        }
    }
    (void)closedir(folder);
    return rc;
}
