#include "common/store/s3_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

static void free_headers(struct cf_s3_call *call)
{
    for (size_t i = 0; i < call->header_count; i++) {
        free((char *)call->headers[i].value);
    }
    call->header_count = 0;
}

void cf_s3_call_begin(struct cf_s3_call *call, const char *method, const char *key,
                      struct cf_sigv4_pair *pairs, size_t count)
{
    const struct cf_s3_config *config = &call->s3->config;
    free_headers(call);
    cf_http_request_release(&call->http);
    call->http = (struct cf_http_request){.method = method, .identity = true};
    (void)snprintf(call->payload, sizeof(call->payload), "%s", CF_SIGV4_EMPTY);
    call->before = NULL;
    call->is_void = NULL;
    cf_buf_clear(&call->url);
    cf_buf_puts(&call->url, config->origin);
    call->path_at = call->url.length;
    cf_buf_puts(&call->url, config->path);
    if (key) {
        cf_buf_puts(&call->url, config->prefix);
        cf_sigv4_encode(&call->url, key, true);
    }
    if (count) {
        cf_buf_putc(&call->url, '?');
    }
    call->query_at = call->url.length;
    cf_sigv4_query(&call->url, pairs, count);
}

void cf_s3_call_drop_header(struct cf_s3_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++) {
        if (strcmp(call->headers[i].name, name) == 0) {
            free((char *)call->headers[i].value);
            call->headers[i] = call->headers[--call->header_count];
            return;
        }
    }
}

void cf_s3_call_header(struct cf_s3_call *call, const char *name, const char *format, ...)
{
    char value[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    cf_s3_call_drop_header(call, name);
    if (call->header_count < CF_S3_HEADERS) {
        call->headers[call->header_count++] =
            (struct cf_sigv4_pair){.name = name, .value = cf_strdup(value)};
    }
}

void cf_s3_call_body(struct cf_s3_call *call, const void *data, size_t length)
{
    call->http.body = data ? data : "";
    call->http.body_length = length;
    cf_sha256_hex(call->http.body, length, call->payload);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cf_sigv4_pair *)a)->name, ((const struct cf_sigv4_pair *)b)->name);
}

/* Writes the attempt's header lines; where each begins is noted as an offset first, since the
 * buffer moves while it grows. */
static void write_lines(struct cf_s3_call *call, const struct cf_sigv4_pair *headers, size_t count,
                        const struct cf_buf *authorization)
{
    size_t at[CF_S3_HEADERS + 6];
    size_t lines = 0;
    cf_buf_clear(&call->lines);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, "host") != 0) { /* libcurl sends that */
            at[lines++] = call->lines.length;
            cf_buf_printf(&call->lines, "%s: %s", headers[i].name, headers[i].value);
            cf_buf_putc(&call->lines, '\0');
        }
    }
    at[lines++] = call->lines.length;
    cf_buf_printf(&call->lines, "Authorization: %s", cf_buf_str(authorization));
    for (size_t i = 0; i < lines; i++) {
        call->line[i] = call->lines.data + at[i];
    }
    call->line[lines] = NULL;
    call->http.headers = call->line;
}

static void sign(struct cf_s3_call *call, const struct cf_credentials *credentials)
{
    char date[CF_SIGV4_DATE];
    struct cf_sigv4_pair all[CF_S3_HEADERS + 4];
    size_t count = call->header_count;
    memcpy(all, call->headers, count * sizeof(*all));
    cf_sigv4_date(cf_clock_now_ms(), date);
    all[count++] = (struct cf_sigv4_pair){"host", call->s3->config.host};
    all[count++] = (struct cf_sigv4_pair){"x-amz-content-sha256", call->payload};
    all[count++] = (struct cf_sigv4_pair){"x-amz-date", date};
    if (credentials->session_token) {
        all[count++] = (struct cf_sigv4_pair){"x-amz-security-token", credentials->session_token};
    }
    qsort(all, count, sizeof(*all), by_name);
    size_t end = call->query_at > call->path_at && call->url.data[call->query_at - 1] == '?'
                     ? call->query_at - 1
                     : call->query_at;
    char *path = cf_strndup(call->url.data + call->path_at, end - call->path_at);
    struct cf_sigv4_request request = {.method = call->http.method,
                                       .path = path,
                                       .query = call->url.data + call->query_at,
                                       .headers = all,
                                       .header_count = count,
                                       .payload_sha256 = call->payload};
    struct cf_buf authorization = CF_BUF_INIT;
    cf_sigv4_sign(&call->s3->signer, credentials->access_key, credentials->secret_key, date,
                  &request, &authorization);
    write_lines(call, all, count, &authorization);
    cf_buf_release(&authorization);
    free(path);
    call->generation = credentials->generation;
}

static int prepare(struct cf_http_request *request)
{
    struct cf_s3_call *call = request->context;
    const struct cf_credentials *credentials = NULL;
    call->error = (struct cf_error){0};
    int rc = call->before ? call->before(call) : 0;
    rc = rc ? rc : cf_credentials_chain_get(call->s3->credentials, &credentials, &request->error);
    if (!rc) {
        sign(call, credentials);
    }
    return rc;
}

static enum cf_http_verdict judge(struct cf_http_request *request)
{
    struct cf_s3_call *call = request->context;
    bool again = false;
    if (!call->s3->skew_known) {
        call->s3->skew_known = cf_s3_clock_skew(request, &call->s3->skew_s);
    }
    if (request->status / 100 != 2) {
        again = cf_s3_call_fault(call);
    } else if (call->is_void) {
        again = call->is_void(call);
    }
    if (cf_s3_call_says_expired(call) && !call->renewed) {
        call->renewed = true;
        again = cf_credentials_chain_expired(call->s3->credentials, call->generation);
    }
    if (!again) {
        return CF_HTTP_ACCEPT; /* of the answer, be it an error */
    }
    request->rc = call->error.code;
    request->error = call->error;
    return CF_HTTP_RETRY;
}

static void done(struct cf_http_request *request)
{
    struct cf_s3_call *call = request->context;
    if (request->rc) {
        call->error = request->error;
    }
    if (call->error.code) {
        (void)snprintf(call->error.operation, sizeof(call->error.operation), "%s", call->operation);
        (void)snprintf(call->error.key, sizeof(call->error.key), "%s", call->key);
        call->error.http_status = request->status;
    }
    if (call->then) {
        call->then(call);
    }
}

void cf_s3_call_start(struct cf_s3_call *call)
{
    call->http.url = call->url.data;
    call->http.context = call;
    call->http.prepare = prepare;
    call->http.judge = judge;
    call->http.done = done;
    call->renewed = false;
    call->error = (struct cf_error){0};
    cf_buf_clear(&call->http.answer);
    cf_buf_clear(&call->http.response_headers);
    cf_http_add(call->s3->http, &call->http);
}

int cf_s3_call_run(struct cf_s3_call *call)
{
    cf_s3_call_start(call);
    cf_http_wait(call->s3->http);
    return call->error.code;
}

void cf_s3_call_release(struct cf_s3_call *call)
{
    free_headers(call);
    cf_http_request_release(&call->http);
    cf_buf_release(&call->url);
    if (call->lines.data) {
        explicit_bzero(call->lines.data, call->lines.length);
    }
    cf_buf_release(&call->lines);
}
