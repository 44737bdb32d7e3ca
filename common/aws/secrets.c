#include "common/aws/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/credentials.h"
#include "common/aws/endpoint.h"
#include "common/aws/secrets_answer.h"
#include "common/aws/sigv4.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/net/http.h"

/* Every byte of a value may be written as \u0000; the rest is names, times and an ARN. */
enum { MOST_ANSWER = 6 * CF_AWS_VALUE_MAX + 32768, MOST_LINES = 6 };

#define CONTENT_TYPE "application/x-amz-json-1.1"

struct place {
    struct cf_aws_endpoint endpoint;
    struct cf_sigv4 signer;
};

struct cf_aws_secrets {
    char region[CF_AWS_REGION];
    struct place parameters;
    struct place secrets;
    struct cf_http *http;
    struct cf_credentials_chain *credentials;
};

/* One get, on the stack of who waits for it. */
struct call {
    struct cf_aws_secrets *secrets;
    const struct cf_aws_secrets_service *service;
    struct place *place;
    const char *name;
    struct cf_buf body;
    char body_sha256[CF_SHA256_HEX];
    char *lines[MOST_LINES]; /* the attempt's headers */
    size_t line_count;
    struct cf_buf answer; /* of a 2xx; it never grows, since that would leave copies */
    unsigned generation;  /* of the credentials that the attempt was signed with */
    bool renewed;         /* credentials were renewed for this call already */
    struct cf_error fault;
    struct cf_http_request http;
};

static int find_place(struct cf_aws_secrets *secrets, const struct cf_aws_secrets_service *service,
                      struct place *out, struct cf_error *err)
{
    int rc = cf_aws_endpoint_read(service->variable, &out->endpoint, err);
    if (!rc && !out->endpoint.origin) {
        out->endpoint.host =
            cf_asprintf("%s.%s.%s", service->host, secrets->region, cf_aws_domain(secrets->region));
        out->endpoint.origin = cf_asprintf("https://%s", out->endpoint.host);
        out->endpoint.path = cf_strdup("");
    }
    cf_sigv4_init(&out->signer, secrets->region, service->host);
    return rc;
}

int cf_aws_secrets_new(const volatile int *stop, struct cf_aws_secrets **out, struct cf_error *err)
{
    struct cf_aws_secrets *secrets = cf_calloc(1, sizeof(*secrets));
    int rc = cf_aws_region(secrets->region, err);
    rc = rc ? rc : find_place(secrets, &cf_aws_parameters, &secrets->parameters, err);
    rc = rc ? rc : find_place(secrets, &cf_aws_secrets_manager, &secrets->secrets, err);
    struct cf_http_options options = {
        .max_in_flight = 8, .silence_ms = 10000, .total_ms = 60000, .stop = stop};
    secrets->http = cf_http_new(&options);
    secrets->credentials = cf_credentials_chain_new(NULL);
    *out = rc ? NULL : secrets;
    if (rc) {
        cf_aws_secrets_free(secrets);
    }
    return rc;
}

void cf_aws_secrets_free(struct cf_aws_secrets *secrets)
{
    if (!secrets) {
        return;
    }
    cf_http_free(secrets->http);
    cf_credentials_chain_free(secrets->credentials);
    cf_sigv4_release(&secrets->parameters.signer);
    cf_sigv4_release(&secrets->secrets.signer);
    cf_aws_endpoint_release(&secrets->parameters.endpoint);
    cf_aws_endpoint_release(&secrets->secrets.endpoint);
    free(secrets);
}

void cf_aws_value_release(struct cf_buf *value)
{
    if (value->data) {
        explicit_bzero(value->data, value->capacity);
    }
    cf_buf_release(value);
}

/* --- one attempt ------------------------------------------------------------------------------ */

static void drop_lines(struct call *call)
{
    for (size_t i = 0; i < call->line_count; i++) {
        explicit_bzero(call->lines[i], strlen(call->lines[i]));
        free(call->lines[i]);
    }
    memset(call->lines, 0, sizeof(call->lines));
    call->line_count = 0;
}

static void sign(struct call *call, const struct cf_credentials *credentials)
{
    char date[CF_SIGV4_DATE];
    struct cf_sigv4_pair headers[5]; /* sorted */
    size_t count = 0;
    cf_sigv4_date(cf_clock_now_ms(), date);
    headers[count++] = (struct cf_sigv4_pair){"content-type", CONTENT_TYPE};
    headers[count++] = (struct cf_sigv4_pair){"host", call->place->endpoint.host};
    headers[count++] = (struct cf_sigv4_pair){"x-amz-date", date};
    if (credentials->session_token) {
        headers[count++] =
            (struct cf_sigv4_pair){"x-amz-security-token", credentials->session_token};
    }
    headers[count++] = (struct cf_sigv4_pair){"x-amz-target", call->service->target};
    char *path = cf_asprintf("%s/", call->place->endpoint.path);
    struct cf_sigv4_request request = {.method = "POST",
                                       .path = path,
                                       .query = "",
                                       .headers = headers,
                                       .header_count = count,
                                       .payload_sha256 = call->body_sha256};
    struct cf_buf authorization = CF_BUF_INIT;
    cf_sigv4_sign(&call->place->signer, credentials->access_key, credentials->secret_key, date,
                  &request, &authorization);
    drop_lines(call);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, "host") != 0) { /* libcurl sends that */
            call->lines[call->line_count++] =
                cf_asprintf("%s: %s", headers[i].name, headers[i].value);
        }
    }
    call->lines[call->line_count++] = cf_asprintf("Authorization: %s", cf_buf_str(&authorization));
    cf_buf_release(&authorization);
    free(path);
    call->http.headers = (const char *const *)call->lines;
    call->generation = credentials->generation;
}

static int prepare(struct cf_http_request *request)
{
    struct call *call = request->context;
    const struct cf_credentials *credentials = NULL;
    call->fault = (struct cf_error){0};
    int rc = cf_credentials_chain_get(call->secrets->credentials, &credentials, &request->error);
    if (!rc) {
        sign(call, credentials);
    }
    return rc;
}

static enum cf_http_verdict judge(struct cf_http_request *request)
{
    struct call *call = request->context;
    if (request->status / 100 == 2) {
        return CF_HTTP_ACCEPT;
    }
    char type[256] = "";
    struct cf_aws_fault fault;
    (void)cf_http_header(request, "x-amzn-errortype", type, sizeof(type));
    cf_aws_secrets_fault(type, request->answer.data, request->answer.length, &fault);
    enum cf_aws_fault_kind kind = cf_aws_secrets_judge(
        call->service, &fault, request->status, call->name, call->secrets->region, &call->fault);
    (void)cf_http_header(request, "x-amzn-requestid", call->fault.request_id,
                         sizeof(call->fault.request_id));
    bool again = kind == CF_AWS_FAULT_AGAIN;
    if (kind == CF_AWS_FAULT_EXPIRED && !call->renewed) {
        call->renewed = true;
        again = cf_credentials_chain_expired(call->secrets->credentials, call->generation);
    }
    request->rc = call->fault.code;
    request->error = call->fault;
    return again ? CF_HTTP_RETRY : CF_HTTP_FAIL;
}

static int keep(void *context, const void *data, size_t length)
{
    struct call *call = context;
    cf_buf_append(&call->answer, data, length); /* max_answer bytes in all, which are reserved */
    return 0;
}

static int forget(void *context)
{
    struct call *call = context;
    if (call->answer.data) {
        explicit_bzero(call->answer.data, call->answer.length);
    }
    cf_buf_clear(&call->answer);
    return 0;
}

/* --- one get ---------------------------------------------------------------------------------- */

static void write_body(struct call *call)
{
    json_t *body = json_pack("{s:s}", call->service->field, call->name);
    if (call->service == &cf_aws_parameters) {
        (void)json_object_set_new(body, "WithDecryption", json_true());
    }
    cf_json_dump(body, &call->body);
    json_decref(body);
    cf_sha256_hex(call->body.data, call->body.length, call->body_sha256);
}

static void run(struct call *call)
{
    const struct cf_aws_endpoint *endpoint = &call->place->endpoint;
    char *url = cf_asprintf("%s%s/", endpoint->origin, endpoint->path);
    struct cf_http_sink sink = {.write = keep, .restart = forget, .context = call};
    cf_buf_reserve(&call->answer, MOST_ANSWER);
    call->http = (struct cf_http_request){.method = "POST",
                                          .url = url,
                                          .body = call->body.data,
                                          .body_length = call->body.length,
                                          .sink = &sink,
                                          .max_answer = MOST_ANSWER,
                                          .prepare = prepare,
                                          .judge = judge,
                                          .context = call};
    cf_http_add(call->secrets->http, &call->http);
    cf_http_wait(call->secrets->http);
    call->http.sink = NULL;
    free(url);
}

static int finish(struct call *call, struct cf_buf *value, struct cf_error *err)
{
    struct cf_error error = call->http.error;
    int rc = call->http.rc;
    if (!rc) {
        rc = cf_aws_secrets_value(call->service, call->answer.data, call->answer.length, value,
                                  &error);
        (void)cf_http_header(&call->http, "x-amzn-requestid", error.request_id,
                             sizeof(error.request_id));
        error.http_status = call->http.status;
    }
    if (rc && err) {
        *err = error;
        (void)snprintf(err->operation, sizeof(err->operation), "%s", call->service->operation);
        (void)snprintf(err->key, sizeof(err->key), "%s", call->name);
    }
    return rc;
}

static int get(struct cf_aws_secrets *secrets, const struct cf_aws_secrets_service *service,
               struct place *place, const char *name, struct cf_buf *value, struct cf_error *err)
{
    cf_aws_value_release(value);
    int rc = cf_aws_secrets_name(service, name, err);
    if (rc) {
        return rc;
    }
    struct call call = {.secrets = secrets, .service = service, .place = place, .name = name};
    write_body(&call);
    run(&call);
    rc = finish(&call, value, err);
    drop_lines(&call);
    cf_aws_value_release(&call.answer);
    cf_aws_value_release(&call.http.answer); /* of an error, should one quote what it mustn't */
    cf_http_request_release(&call.http);
    cf_buf_release(&call.body);
    return rc;
}

int cf_aws_parameter_get(struct cf_aws_secrets *secrets, const char *name, struct cf_buf *value,
                         struct cf_error *err)
{
    return get(secrets, &cf_aws_parameters, &secrets->parameters, name, value, err);
}

int cf_aws_secret_get(struct cf_aws_secrets *secrets, const char *name_or_arn, struct cf_buf *value,
                      struct cf_error *err)
{
    return get(secrets, &cf_aws_secrets_manager, &secrets->secrets, name_or_arn, value, err);
}
