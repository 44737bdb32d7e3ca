#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct {
    int code;
    int status;
    const char *name;
} codes[] = {
    {CF_OK, EX_OK, "ok"},
    {CF_ENOTFOUND, EX_DATAERR, "not_found"},
    {CF_ECONFLICT, EX_TEMPFAIL, "conflict"},
    {CF_ERETRY, EX_TEMPFAIL, "retry"},
    {CF_EUNAVAILABLE, EX_UNAVAILABLE, "unavailable"},
    {CF_EDENIED, EX_NOPERM, "denied"},
    {CF_EDATA, EX_DATAERR, "bad_data"},
    {CF_ECONFIG, EX_CONFIG, "configuration"},
    {CF_EUSAGE, EX_USAGE, "usage"},
    {CF_EINTERRUPTED, EX_TEMPFAIL, "interrupted"},
    {CF_EINTERNAL, EX_SOFTWARE, "internal"},
};

static void set_message(struct cf_error *err, int code, const char *format, va_list args)
{
    memset(err, 0, sizeof(*err));
    err->code = code;
    (void)vsnprintf(err->message, sizeof(err->message), format, args);
}

int cf_error_set(struct cf_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        set_message(err, code, format, args);
        va_end(args);
    }
    return code;
}

int cf_error_at(struct cf_error *err, int code, const char *operation, const char *key,
                const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        set_message(err, code, format, args);
        va_end(args);
        (void)snprintf(err->operation, sizeof(err->operation), "%s", operation ? operation : "");
        (void)snprintf(err->key, sizeof(err->key), "%s", key ? key : "");
    }
    return code;
}

int cf_error_prefix(struct cf_error *err, const char *format, ...)
{
    if (!err) {
        return CF_EINTERNAL;
    }
    char prefix[sizeof(err->message)];
    char whole[2 * sizeof(err->message) + 4];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(prefix, sizeof(prefix), format, args);
    va_end(args);
    (void)snprintf(whole, sizeof(whole), "%s: %s", prefix, err->message);
    memcpy(err->message, whole, sizeof(err->message) - 1);
    err->message[sizeof(err->message) - 1] = '\0';
    return err->code;
}

int cf_error_errno(struct cf_error *err, int saved_errno, const char *operation, const char *key)
{
    int code;
    switch (saved_errno) {
    case EACCES:
    case EPERM:
    case EROFS:
        code = CF_EDENIED;
        break;
    case ENOSPC:
    case EDQUOT:
        code = CF_ERETRY;
        break;
    case ENOENT:
    case ENOTDIR:
        code = CF_ENOTFOUND;
        break;
    case EINTR:
        code = CF_EINTERRUPTED;
        break;
    default:
        code = CF_EUNAVAILABLE;
        break;
    }
    return cf_error_at(err, code, operation, key, "%s", strerror(saved_errno));
}

int cf_exit_status(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code) {
            return codes[i].status;
        }
    }
    return EX_SOFTWARE;
}

int cf_exit_worst(int a, int b)
{
    static const int order[] = {EX_SOFTWARE,    EX_CONFIG,   EX_NOPERM, EX_DATAERR,
                                EX_UNAVAILABLE, EX_TEMPFAIL, EX_USAGE,  EX_OK};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (a == order[i] || b == order[i]) {
            return order[i];
        }
    }
    return EX_SOFTWARE;
}

const char *cf_code_name(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code) {
            return codes[i].name;
        }
    }
    return "unknown";
}
