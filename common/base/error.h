/* Errors: what went wrong, where, and what a caller or the scheduler should do about it.
 *
 * Functions that can fail return 0 or one of the negative codes below and describe the failure in a
 * struct cf_error of the caller's. Each code maps to exactly one exit status (sysexits.h), because
 * the scheduler's retry rules read it. Running out of memory is not an error of this kind: see
 * alloc.h. */
#ifndef CF_BASE_ERROR_H
#define CF_BASE_ERROR_H

enum cf_code {
    CF_OK = 0,
    CF_ENOTFOUND = -1,    /* no such object, version, tenant or repository            exit 65 */
    CF_ECONFLICT = -2,    /* a condition did not hold: read again and decide          exit 75 */
    CF_ERETRY = -3,       /* outcome unknown, rate limit, no space: try again later   exit 75 */
    CF_EUNAVAILABLE = -4, /* a service is down or answers nonsense                    exit 69 */
    CF_EDENIED = -5,      /* not allowed, or over quota                               exit 77 */
    CF_EDATA = -6,        /* bad input: retrying can't help                           exit 65 */
    CF_ECONFIG = -7,      /* the configuration is wrong                               exit 78 */
    CF_EUSAGE = -8,       /* the command line is wrong                                exit 64 */
    CF_EINTERRUPTED = -9, /* SIGTERM or SIGINT arrived; what was committed stays      exit 75 */
    CF_EINTERNAL = -10,   /* a bug                                                    exit 70 */
};

/* Every field but code may be empty. Strings are cut, never overrun. */
struct cf_error {
    int code;
    long http_status;      /* 0 when no HTTP answer was involved */
    char operation[32];    /* "get", "put", "list", "graphql", … */
    char key[256];         /* the store key, URL path or file concerned */
    char service_code[64]; /* the service's own code, such as "SlowDown" */
    char request_id[80];   /* the service's request id */
    char message[512];     /* one sentence for people, without a full stop at its end */
};

/* Sets code and message, clears every other field, and returns code. err may be NULL. */
int cf_error_set(struct cf_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As cf_error_set, with the operation and key that failed. Either may be NULL. */
int cf_error_at(struct cf_error *err, int code, const char *operation, const char *key,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Puts "<text>: " before the message that is there. Returns err's code. */
int cf_error_prefix(struct cf_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets the code that fits an errno value: EACCES, EPERM, EROFS → CF_EDENIED; ENOSPC, EDQUOT →
 * CF_ERETRY; ENOENT, ENOTDIR → CF_ENOTFOUND; EINTR → CF_EINTERRUPTED; anything else →
 * CF_EUNAVAILABLE. */
int cf_error_errno(struct cf_error *err, int saved_errno, const char *operation, const char *key);

/* The exit status of a code, 0 for CF_OK. */
int cf_exit_status(int code);

/* Of two exit statuses, the one that should be reported for both: 70 before 78, 77, 65, 69, 75, 64,
 * 0. */
int cf_exit_worst(int a, int b);

/* The name of a code: "not_found", "conflict", …; "unknown" for anything else. */
const char *cf_code_name(int code);

#endif
