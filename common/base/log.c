#include "common/base/log.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/utf8.h"

static struct {
    enum cf_log_format format;
    enum cf_level level;
    struct cf_log_scope scope;
} state = {.level = CF_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void cf_log_configure(enum cf_log_format format, enum cf_level level)
{
    state.format = format;
    state.level = level;
}

static bool writes_text(void)
{
    return state.format == CF_LOG_TEXT || (state.format == CF_LOG_AUTO && isatty(STDERR_FILENO));
}

int cf_log_is_terminal(void)
{
    return writes_text() && isatty(STDERR_FILENO);
}

static void copy(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text ? text : "");
}

void cf_log_context(const char *job, const char *run, const char *tenant)
{
    copy(state.scope.job, sizeof(state.scope.job), job);
    copy(state.scope.run, sizeof(state.scope.run), run);
    copy(state.scope.tenant, sizeof(state.scope.tenant), tenant);
}

void cf_log_scope_save(struct cf_log_scope *out)
{
    *out = state.scope;
}

void cf_log_scope_set(const struct cf_log_scope *scope)
{
    state.scope = *scope;
}

/* One write for the whole line, so that lines of several processes don't mix. */
static void write_line(struct cf_buf *line)
{
    cf_buf_putc(line, '\n');
    size_t done = 0;
    while (done < line->length) {
        ssize_t n = write(STDERR_FILENO, line->data + done, line->length - done);
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
}

static json_t *field_json(const struct cf_field *field)
{
    switch (field->kind) {
    case CF_FIELD_STRING:
        return cf_json_string_or_null(field->value.string);
    case CF_FIELD_INTEGER:
        return json_integer(field->value.integer);
    default:
        return json_real(field->value.real);
    }
}

static json_t *new_object(const char *level)
{
    char now[CF_TIMESTAMP];
    cf_clock_format(cf_clock_now_ms(), now);
    json_t *object = json_pack("{s:s}", "time", now);
    if (level) {
        (void)json_object_set_new(object, "level", json_string(level));
    }
    if (state.scope.job[0]) {
        (void)json_object_set_new(object, "job", json_string(state.scope.job));
    }
    if (state.scope.run[0]) {
        (void)json_object_set_new(object, "run", json_string(state.scope.run));
    }
    if (state.scope.tenant[0]) {
        (void)json_object_set_new(object, "tenant", json_string(state.scope.tenant));
    }
    return object;
}

static void write_json(json_t *object)
{
    /* ASCII alone, since C1 and bidirectional controls would reach a terminal raw. */
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    struct cf_buf line = CF_BUF_INIT;
    cf_buf_puts(&line, text ? text : "{}");
    free(text);
    json_decref(object);
    write_line(&line);
    cf_buf_release(&line);
}

static void write_text(const char *level, const char *event, const struct cf_field *fields)
{
    struct cf_buf line = CF_BUF_INIT;
    if (cf_log_is_terminal()) {
        cf_buf_puts(&line, "\r\033[K"); /* over a progress bar that may stand there */
    }
    cf_buf_printf(&line, "%-5s ", level);
    if (state.scope.job[0]) {
        cf_buf_printf(&line, "%s ", state.scope.job);
    }
    if (state.scope.tenant[0]) {
        cf_buf_printf(&line, "[%s] ", state.scope.tenant);
    }
    cf_buf_puts(&line, event);
    for (; fields->name; fields++) {
        cf_buf_printf(&line, " %s=", fields->name);
        if (fields->kind == CF_FIELD_STRING) {
            const char *s = fields->value.string ? fields->value.string : "-";
            bool quote = strpbrk(s, " \"") != NULL || !*s;
            cf_buf_puts(&line, quote ? "\"" : "");
            cf_utf8_printable(s, strlen(s), &line);
            cf_buf_puts(&line, quote ? "\"" : "");
        } else if (fields->kind == CF_FIELD_INTEGER) {
            cf_buf_printf(&line, "%lld", (long long)fields->value.integer);
        } else {
            cf_buf_printf(&line, "%.4g", fields->value.real);
        }
    }
    write_line(&line);
    cf_buf_release(&line);
}

void cf_log_fields(enum cf_level level, const char *event, const struct cf_field *fields)
{
    if (level < state.level) {
        return;
    }
    if (writes_text()) {
        write_text(level_names[level], event, fields);
        return;
    }
    json_t *object = new_object(level_names[level]);
    (void)json_object_set_new(object, "event", json_string(event));
    for (; fields->name; fields++) {
        (void)json_object_set_new(object, fields->name, field_json(fields));
    }
    write_json(object);
}

void cf_log_error(enum cf_level level, const char *event, const struct cf_error *err)
{
    struct cf_field fields[8];
    size_t n = 0;
    fields[n++] = CF_S("error", err->message);
    fields[n++] = CF_S("code", cf_code_name(err->code));
    if (err->operation[0]) {
        fields[n++] = CF_S("operation", err->operation);
    }
    if (err->key[0]) {
        fields[n++] = CF_S("key", err->key);
    }
    if (err->http_status) {
        fields[n++] = CF_I("http_status", err->http_status);
    }
    if (err->service_code[0]) {
        fields[n++] = CF_S("service_code", err->service_code);
    }
    if (err->request_id[0]) {
        fields[n++] = CF_S("request_id", err->request_id);
    }
    fields[n] = CF_END;
    cf_log_fields(level, event, fields);
}

void cf_log_metric(const char *name, const char *unit, double value)
{
    if (writes_text()) {
        return;
    }
    json_t *object = new_object(NULL);
    json_t *dimensions = json_pack("[[s]]", "job");
    if (state.scope.tenant[0]) {
        (void)json_array_append_new(dimensions, json_pack("[s,s]", "job", "tenant"));
    }
    json_t *metric = json_pack("{s:s,s:o,s:[{s:s,s:s}]}", "Namespace", "CloudFolio", "Dimensions",
                               dimensions, "Metrics", "Name", name, "Unit", unit);
    (void)json_object_set_new(object, "_aws",
                              json_pack("{s:I,s:[o]}", "Timestamp", (json_int_t)cf_clock_now_ms(),
                                        "CloudWatchMetrics", metric));
    (void)json_object_set_new(object, name, json_real(value));
    write_json(object);
}
