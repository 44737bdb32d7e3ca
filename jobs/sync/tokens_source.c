#include "jobs/sync/tokens_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/aws/secrets.h"
#include "common/base/alloc.h"

#define TENANT "{tenant}"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum {
    MOST_VALUE = 65536,
    MOST_WHERE = 2048, /* AWS's names are shorter, and so is a path with every {tenant} filled in */
};

static const char *const names[] = {"env", "file", "ssm", "secretsmanager", "app"};

const char *sync_source_name(const struct sync_source *source)
{
    return names[source->kind];
}

bool sync_source_has_tenant(const struct sync_source *source)
{
    return strstr(source->where, TENANT) != NULL;
}

void sync_secret_release(struct cf_buf *buf)
{
    if (buf->data) {
        explicit_bzero(buf->data, buf->capacity);
    }
    cf_buf_release(buf);
}

void sync_source_release(struct sync_source *source)
{
    if (source->value) {
        explicit_bzero(source->value, strlen(source->value));
    }
    free(source->value);
    free(source->where);
    *source = (struct sync_source){0};
}

/* --- the list -----------------------------------------------------------------------------------
 */

/* True when the text consists of these characters and "{tenant}", and isn't empty. */
static bool consists_of(const char *text, const char *allowed)
{
    const char *p = text;
    while (*p) {
        size_t n = strncmp(p, TENANT, strlen(TENANT)) == 0 ? strlen(TENANT) : strspn(p, allowed);
        if (n == 0) {
            return false;
        }
        p += n;
    }
    return p > text;
}

static bool has_component(const char *path, const char *component)
{
    size_t length = strlen(component);
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strcspn(p, "/") == length && strncmp(p, component, length) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_other_braces(const char *text)
{
    const char *p = text;
    while ((p = strpbrk(p, "{}"))) {
        if (strncmp(p, TENANT, strlen(TENANT)) != 0) {
            return true;
        }
        p += strlen(TENANT);
    }
    return false;
}

/* What is wrong with a source's place; NULL: nothing. */
static const char *fault(enum sync_source_kind kind, const char *where)
{
    switch (kind) {
    case SYNC_SOURCE_ENV:
        return strspn(where, LETTERS DIGITS "_") == strlen(where) && *where &&
                       !strchr(DIGITS, *where)
                   ? NULL
                   : "the name of a variable";
    case SYNC_SOURCE_FILE:
        /* A tenant's name has neither dots nor slashes, so it can't lead out of its place. */
        return *where == '/' && !has_component(where, "..") && !has_other_braces(where) &&
                       where[strlen(where) - 1] != '/'
                   ? NULL
                   : "an absolute path of a file without \"..\", in which only {tenant} may stand "
                     "in braces";
    case SYNC_SOURCE_SSM:
        return consists_of(where, LETTERS DIGITS "_.-/:")
                   ? NULL
                   : "the name of a parameter, in which only {tenant} may stand in braces";
    case SYNC_SOURCE_SECRETSMANAGER:
        return consists_of(where, LETTERS DIGITS "/_+=.@-:!")
                   ? NULL
                   : "the name or ARN of a secret, in which only {tenant} may stand in braces";
    default:
        return NULL;
    }
}

/* The kind that the text begins with, and what follows; false: none. */
static bool split(const char *text, enum sync_source_kind *kind, const char **where)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        bool is_app = i == SYNC_SOURCE_APP;
        if (strncmp(text, names[i], length) == 0 && text[length] == (is_app ? '\0' : ':')) {
            *kind = (enum sync_source_kind)i;
            *where = text + length + !is_app;
            return true;
        }
    }
    return false;
}

int sync_source_parse(const char *text, const char *what, struct sync_source *out,
                      struct cf_error *err)
{
    enum sync_source_kind kind;
    const char *where;
    *out = (struct sync_source){0};
    if (!split(text, &kind, &where)) {
        return cf_error_set(err, CF_ECONFIG,
                            "%s must be one of env:NAME, file:/PATH, ssm:NAME, secretsmanager:NAME "
                            "and app; it says where a secret is, never the secret itself",
                            what);
    }
    const char *expected = strlen(where) > MOST_WHERE ? "shorter" : fault(kind, where);
    if (expected) {
        return cf_error_set(err, CF_ECONFIG, "%s: what follows \"%s:\" must be %s", what,
                            names[kind], expected);
    }
    out->kind = kind;
    out->where = cf_strdup(where);
    const char *value = kind == SYNC_SOURCE_ENV ? getenv(where) : NULL;
    out->value = value && *value ? cf_strdup(value) : NULL;
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------
 */

static char *fill_in(const char *where, const char *tenant)
{
    struct cf_buf out = CF_BUF_INIT;
    const char *found;
    while ((found = strstr(where, TENANT))) {
        cf_buf_append(&out, where, (size_t)(found - where));
        cf_buf_puts(&out, tenant ? tenant : "");
        where = found + strlen(TENANT);
    }
    cf_buf_puts(&out, where);
    return cf_buf_detach(&out);
}

static int read_all(int fd, const char *path, struct cf_buf *out, struct cf_error *err)
{
    struct stat st;
    if (fstat(fd, &st)) {
        return cf_error_errno(err, errno, "read", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return cf_error_at(err, CF_ECONFIG, "read", path, "it is not a regular file");
    }
    cf_buf_reserve(out, MOST_VALUE + 1); /* nothing is moved and left behind */
    while (out->length <= MOST_VALUE) {
        ssize_t n = read(fd, out->data + out->length, MOST_VALUE + 1 - out->length);
        if (n < 0) {
            return cf_error_errno(err, errno, "read", path);
        }
        if (n == 0) {
            out->data[out->length] = '\0';
            return 0;
        }
        out->length += (size_t)n;
    }
    return cf_error_at(err, CF_ECONFIG, "read", path, "it is longer than 64 KiB");
}

/* Where tenants' files are to be: a folder that is missing as a whole, such as one that wasn't
 * mounted, doesn't mean that a tenant has no token. */
static int check_folder(const char *where, struct cf_error *err)
{
    const char *tenant = strstr(where, TENANT);
    struct stat st;
    if (!tenant) {
        return 0;
    }
    while (*tenant != '/') {
        tenant--;
    }
    char *folder = cf_strndup(where, tenant == where ? 1 : (size_t)(tenant - where));
    int rc = 0;
    if (stat(folder, &st)) {
        rc = errno == ENOENT || errno == ENOTDIR
                 ? cf_error_at(err, CF_ECONFIG, "read", folder, "there is no such folder")
                 : cf_error_errno(err, errno, "read", folder);
    } else if (!S_ISDIR(st.st_mode)) {
        rc = cf_error_at(err, CF_ECONFIG, "read", folder, "it is not a folder");
    }
    free(folder);
    return rc;
}

static int read_file(const char *where, const char *path, struct cf_buf *out, struct cf_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int rc = fd < 0 ? cf_error_errno(err, errno, "read", path) : read_all(fd, path, out, err);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (rc == CF_ENOTFOUND) {
        struct cf_error missing;
        int folder = check_folder(where, &missing);
        if (folder && err) {
            *err = missing;
        }
        rc = folder ? folder : rc;
    }
    return rc;
}

static int read_aws(const struct sync_source *source, struct sync_secrets *secrets,
                    const char *name, struct cf_buf *out, struct cf_error *err)
{
    int rc = secrets->aws ? 0 : cf_aws_secrets_new(secrets->stop, &secrets->aws, err);
    if (rc) {
        return rc;
    }
    return source->kind == SYNC_SOURCE_SSM ? cf_aws_parameter_get(secrets->aws, name, out, err)
                                           : cf_aws_secret_get(secrets->aws, name, out, err);
}

static void drop_line_break(struct cf_buf *buf)
{
    if (buf->length && buf->data[buf->length - 1] == '\n') {
        buf->length--;
        buf->length -= buf->length && buf->data[buf->length - 1] == '\r';
        buf->data[buf->length] = '\0';
    }
}

int sync_source_read(const struct sync_source *source, struct sync_secrets *secrets,
                     const char *tenant, struct cf_buf *out, struct cf_error *err)
{
    if (source->kind == SYNC_SOURCE_ENV) {
        if (!source->value) {
            return cf_error_set(err, CF_ENOTFOUND, "%s is not set", source->where);
        }
        cf_buf_puts(out, source->value);
        return 0;
    }
    char *place = fill_in(source->where, tenant);
    int rc = source->kind == SYNC_SOURCE_FILE ? read_file(source->where, place, out, err)
                                              : read_aws(source, secrets, place, out, err);
    free(place);
    if (!rc) {
        drop_line_break(out);
    }
    return rc;
}
