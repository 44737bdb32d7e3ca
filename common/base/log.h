/* The log: one event a line on stderr, as a JSON object or, on a terminal, as text.
 *
 *     cf_log(CF_INFO, "committed", CF_S("dataset", "repos"), CF_I("version", 42), CF_END);
 *
 * Every line carries time, level and event, and the context (job, run, tenant) once it is set. Text
 * from outside is escaped in both forms, so that nothing can forge a line or reach the terminal
 * raw. Secrets are never passed to the log. */
#ifndef CF_BASE_LOG_H
#define CF_BASE_LOG_H

#include <stdint.h>

#include "common/base/error.h"

enum cf_level { CF_DEBUG, CF_INFO, CF_WARN, CF_ERROR };
enum cf_log_format { CF_LOG_AUTO, CF_LOG_JSON, CF_LOG_TEXT };

struct cf_field {
    const char *name; /* NULL ends a list */
    enum { CF_FIELD_STRING, CF_FIELD_INTEGER, CF_FIELD_REAL } kind;
    union {
        const char *string; /* NULL is written as null */
        int64_t integer;
        double real;
    } value;
};

#define CF_S(n, v)                                                                                 \
    (struct cf_field)                                                                              \
    {                                                                                              \
        .name = (n), .kind = CF_FIELD_STRING, .value.string = (v)                                  \
    }
#define CF_I(n, v)                                                                                 \
    (struct cf_field)                                                                              \
    {                                                                                              \
        .name = (n), .kind = CF_FIELD_INTEGER, .value.integer = (int64_t)(v)                       \
    }
#define CF_R(n, v)                                                                                 \
    (struct cf_field)                                                                              \
    {                                                                                              \
        .name = (n), .kind = CF_FIELD_REAL, .value.real = (v)                                      \
    }
#define CF_END                                                                                     \
    (struct cf_field)                                                                              \
    {                                                                                              \
        .name = NULL                                                                               \
    }

#define cf_log(level, event, ...)                                                                  \
    cf_log_fields((level), (event), (const struct cf_field[]){__VA_ARGS__})

void cf_log_fields(enum cf_level level, const char *event, const struct cf_field *fields);

/* Logs an error with every field of err that is set. */
void cf_log_error(enum cf_level level, const char *event, const struct cf_error *err);

/* CF_LOG_AUTO: text when stderr is a terminal. Lines below the level are dropped. */
void cf_log_configure(enum cf_log_format format, enum cf_level level);
/* True when lines are written as text to a terminal: where a progress bar may be drawn. */
int cf_log_is_terminal(void);

/* The context of all following lines. NULL clears one. The strings are copied. */
void cf_log_context(const char *job, const char *run, const char *tenant);

/* The context as a value, for whoever works on several things by turns. */
struct cf_log_scope {
    char job[32];
    char run[48];
    char tenant[64];
};
void cf_log_scope_save(struct cf_log_scope *out);
void cf_log_scope_set(const struct cf_log_scope *scope);

/* One line in CloudWatch's Embedded Metric Format, in JSON mode only and whatever the level: a
 * metric named name with the given unit ("Seconds", "Count", "Bytes"), under the namespace
 * CloudFolio, with the dimensions job and tenant. */
void cf_log_metric(const char *name, const char *unit, double value);

#endif
