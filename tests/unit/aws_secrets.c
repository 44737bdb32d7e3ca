/* Parameters and secrets from AWS: what is sent, what is read, and what each answer that is none
 * ends with. Nothing of a value may be in an error. */
#include "common/aws/secrets.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/secrets_answer.h"
#include "common/aws/sigv4.h"
#include "common/base/alloc.h"
#include "tests/unit/net_server.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CREDENTIALS(id)                                                                            \
    "{\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"wJalr/K7\",\"Token\":\"tok" id "\","        \
    "\"Expiration\":\"2099-01-01T00:00:00Z\"}"
#define PARAMETER(json) "{\"Parameter\":{\"Name\":\"n\",\"Value\":" json "}}"
#define FAULT(type, message) "{\"__type\":\"" type "\",\"message\":\"" message "\"}"

static struct cf_error err;
static struct cf_buf value;

static void set(const char *name, const char *text)
{
    if (text) {
        ck_assert_int_eq(setenv(name, text, 1), 0);
    } else {
        ck_assert_int_eq(unsetenv(name), 0);
    }
}

static void environment(void)
{
    static const char *const names[] = {"AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_SSM",
                                        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "HTTPS_PROXY",
                                        "https_proxy"};
    for (size_t i = 0; i < COUNT(names); i++) {
        set(names[i], NULL);
    }
    set("AWS_EC2_METADATA_DISABLED", "true");
    set("AWS_ACCESS_KEY_ID", "AKID");
    set("AWS_SECRET_ACCESS_KEY", "wJalr/K7");
    set("AWS_REGION", "eu-west-3");
    value = (struct cf_buf)CF_BUF_INIT;
    err = (struct cf_error){0};
}

static struct cf_aws_secrets *open_at(const struct net_server *server)
{
    struct cf_aws_secrets *secrets = NULL;
    set("AWS_ENDPOINT_URL", net_server_url(server));
    ck_assert_msg(!cf_aws_secrets_new(NULL, &secrets, &err), "%s", err.message);
    return secrets;
}

/* One get against a script; secret: of Secrets Manager. */
static int get(const struct net_step *script, size_t count, bool secret, const char *name,
               size_t *requests)
{
    struct net_server *server = net_server_new(script, count);
    struct cf_aws_secrets *secrets = open_at(server);
    int rc = secret ? cf_aws_secret_get(secrets, name, &value, &err)
                    : cf_aws_parameter_get(secrets, name, &value, &err);
    if (requests) {
        *requests = net_server_requests(server);
    }
    cf_aws_secrets_free(secrets);
    net_server_free(server);
    return rc;
}

static const char *header(const struct net_seen *seen, const char *name, char out[512])
{
    char *line = cf_asprintf("\r\n%s: ", name);
    const char *found = strstr(seen->head, line);
    ck_assert_msg(found, "%s is missing in %s", name, seen->head);
    found += strlen(line);
    (void)snprintf(out, 512, "%.*s", (int)strcspn(found, "\r"), found);
    free(line);
    return out;
}

/* --- requests -----------------------------------------------------------------------------------
 */

/* The signature is that of what arrived: of its path, its headers and its body. */
static void check_signature(const struct net_seen *seen, const char *path, const char *service)
{
    static const char *const names[] = {"content-type", "host", "x-amz-date",
                                        "x-amz-security-token", "x-amz-target"};
    char text[5][512];
    char got[512];
    char sha256[CF_SHA256_HEX];
    struct cf_sigv4_pair headers[5];
    struct cf_sigv4_request request = {
        .method = "POST", .path = path, .query = "", .headers = headers, .payload_sha256 = sha256};
    struct cf_sigv4 signer;
    struct cf_buf want = CF_BUF_INIT;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (i == 3 && !strstr(seen->head, names[i])) {
            continue;
        }
        headers[request.header_count++] =
            (struct cf_sigv4_pair){names[i], header(seen, i == 1 ? "Host" : names[i], text[i])};
    }
    cf_sha256_hex(seen->body, seen->body_length, sha256);
    cf_sigv4_init(&signer, "eu-west-3", service);
    bool first = strstr(header(seen, "Authorization", got), "Credential=AKID/");
    cf_sigv4_sign(&signer, first ? "AKID" : "TWO", "wJalr/K7", text[2], &request, &want);
    ck_assert_str_eq(got, cf_buf_str(&want));
    cf_buf_release(&want);
    cf_sigv4_release(&signer);
}

static void check_request(const struct net_seen *seen, const char *target, const char *scope,
                          const char *body)
{
    char text[512];
    char date[512];
    ck_assert_int_eq(strncmp(seen->head, "POST / HTTP/1.1\r\n", 17), 0);
    ck_assert_str_eq(header(seen, "x-amz-target", text), target);
    ck_assert_str_eq(header(seen, "content-type", text), "application/x-amz-json-1.1");
    ck_assert_str_eq(seen->body, body);
    (void)header(seen, "x-amz-date", date);
    char *start =
        cf_asprintf("AWS4-HMAC-SHA256 Credential=AKID/%.8s/%s/aws4_request,", date, scope);
    (void)header(seen, "Authorization", text);
    ck_assert_msg(strncmp(text, start, strlen(start)) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "SignedHeaders=content-type;host;x-amz-date;x-amz-target,"));
    ck_assert_ptr_null(strstr(seen->head, "x-amz-security-token"));
    check_signature(seen, "/", strchr(scope, '/') + 1);
    free(start);
}

START_TEST(requests_are_what_the_services_want)
{
    static const struct net_step script[] = {
        {.body = PARAMETER("\"one\\n\\u20ac\"")},
        {.body = "{\"ARN\":\"a\",\"SecretString\":\"two\",\"VersionStages\":[\"AWSCURRENT\"]}"}};
    environment();
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_aws_secrets *secrets = open_at(server);
    ck_assert_uint_eq(net_server_requests(server), 0);
    ck_assert_int_eq(cf_aws_parameter_get(secrets, "/app/key:3", &value, &err), 0);
    ck_assert_str_eq(cf_buf_str(&value), "one\n\xe2\x82\xac");
    ck_assert_uint_eq(value.length, 7);
    ck_assert_int_eq(cf_aws_secret_get(secrets, "app+key@1", &value, &err), 0);
    ck_assert_str_eq(cf_buf_str(&value), "two");
    check_request(net_server_seen(server, 0), "AmazonSSM.GetParameter", "eu-west-3/ssm",
                  "{\"Name\":\"/app/key:3\",\"WithDecryption\":true}");
    check_request(net_server_seen(server, 1), "secretsmanager.GetSecretValue",
                  "eu-west-3/secretsmanager", "{\"SecretId\":\"app+key@1\"}");
    cf_aws_value_release(&value);
    ck_assert_ptr_null(value.data);
    cf_aws_secrets_free(secrets);
    net_server_free(server);
}
END_TEST

START_TEST(each_service_has_its_endpoint)
{
    static const struct net_step one[] = {{.body = PARAMETER("\"p\""), .path = "POST /ssm/ "}};
    static const struct net_step two[] = {{.body = "{\"SecretString\":\"s\"}", .path = "POST / "}};
    struct cf_aws_secrets *secrets = NULL;
    environment();
    struct net_server *parameters = net_server_new(one, 1);
    struct net_server *manager = net_server_new(two, 1);
    char *url = cf_asprintf("%s/ssm/", net_server_url(parameters));
    set("AWS_ENDPOINT_URL_SSM", url);
    set("AWS_ENDPOINT_URL_SECRETS_MANAGER", net_server_url(manager));
    set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    ck_assert_int_eq(cf_aws_secrets_new(NULL, &secrets, &err), 0);
    ck_assert_msg(!cf_aws_parameter_get(secrets, "p", &value, &err), "%s", err.message);
    ck_assert_msg(!cf_aws_secret_get(secrets, "s", &value, &err), "%s", err.message);
    ck_assert_uint_eq(net_server_requests(parameters), 1);
    ck_assert_uint_eq(net_server_requests(manager), 1);
    check_signature(net_server_seen(parameters, 0), "/ssm/", "ssm");
    cf_aws_value_release(&value);
    cf_aws_secrets_free(secrets);
    net_server_free(parameters);
    net_server_free(manager);
    free(url);
}
END_TEST

/* Nothing may leave this machine, so a proxy that isn't there shows the host that would be asked.
 */
static const struct {
    const char *region, *default_region, *parameters, *secrets;
} hosts[] = {
    {"eu-west-3", "x", "ssm.eu-west-3.amazonaws.com", "secretsmanager.eu-west-3.amazonaws.com"},
    {NULL, "cn-north-1", "ssm.cn-north-1.amazonaws.com.cn",
     "secretsmanager.cn-north-1.amazonaws.com.cn"},
    {"", "", "ssm.us-east-1.amazonaws.com", "secretsmanager.us-east-1.amazonaws.com"},
};

static void check_host(struct net_server *proxy, bool secret, const char *host)
{
    struct cf_aws_secrets *secrets = NULL;
    char want[128];
    size_t before = net_server_requests(proxy);
    ck_assert_int_eq(cf_aws_secrets_new(NULL, &secrets, &err), 0);
    int rc = secret ? cf_aws_secret_get(secrets, "s", &value, &err)
                    : cf_aws_parameter_get(secrets, "p", &value, &err);
    ck_assert_int_eq(rc, CF_EUNAVAILABLE);
    (void)snprintf(want, sizeof(want), "CONNECT %s:443 ", host);
    ck_assert_int_eq(strncmp(net_server_seen(proxy, before)->head, want, strlen(want)), 0);
    cf_aws_secrets_free(secrets);
}

START_TEST(without_an_endpoint_it_is_amazons)
{
    static const struct net_step script[] = {{.status = 403}};
    environment();
    struct net_server *proxy = net_server_new(script, 1);
    set("AWS_REGION", hosts[_i].region);
    set("AWS_DEFAULT_REGION", hosts[_i].default_region);
    set("HTTPS_PROXY", net_server_url(proxy));
    check_host(proxy, false, hosts[_i].parameters);
    check_host(proxy, true, hosts[_i].secrets);
    net_server_free(proxy);
}
END_TEST

static const struct {
    const char *variable, *text, *named;
} wrong_variables[] = {
    {"AWS_REGION", "eu west", "AWS_REGION"},
    {"AWS_ENDPOINT_URL", "http://example.org", "AWS_ENDPOINT_URL must"},
    {"AWS_ENDPOINT_URL_SSM", "https://u:password@example.org", "AWS_ENDPOINT_URL_SSM"},
    {"AWS_ENDPOINT_URL_SECRETS_MANAGER", "ftp://x", "AWS_ENDPOINT_URL_SECRETS_MANAGER"},
};

START_TEST(a_wrong_variable_is_named)
{
    struct cf_aws_secrets *secrets = NULL;
    environment();
    set(wrong_variables[_i].variable, wrong_variables[_i].text);
    ck_assert_int_eq(cf_aws_secrets_new(NULL, &secrets, &err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, wrong_variables[_i].named));
    ck_assert_ptr_null(strstr(err.message, "password"));
    ck_assert_ptr_null(secrets);
}
END_TEST

/* --- names --------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    bool secret;
    const char *said;
} bad_names[] = {
    {"", false, "0 bytes"},
    {"", true, "0 bytes"},
    {"pass\nword", false, "byte 5 is 0x0a"},
    {"pass\x01word", true, "byte 5 is 0x01"},
    {"password ", false, "byte 9 is 0x20"},
    {"pass+word", false, "byte 5 is 0x2b"},
    {"pass\xc3\xa9word", true, "byte 5 is 0xc3"},
    {"pass\"word", true, "byte 5 is 0x22"},
    {"/aws/reference/secretsmanager/pass?word", false, "byte 35 is 0x3f"},
};

START_TEST(a_name_that_cant_be_one_sends_nothing)
{
    static const struct net_step script[] = {{.body = PARAMETER("\"p\"")}};
    size_t requests = 1;
    environment();
    set("AWS_ACCESS_KEY_ID", NULL); /* nor are credentials asked for */
    ck_assert_int_eq(get(script, 1, bad_names[_i].secret, bad_names[_i].name, &requests),
                     CF_ECONFIG);
    ck_assert_uint_eq(requests, 0);
    ck_assert_msg(strstr(err.message, bad_names[_i].said), "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "word"));
}
END_TEST

START_TEST(names_have_a_longest)
{
    static const struct net_step script[] = {{.body = PARAMETER("\"p\"")}};
    char name[2050];
    size_t requests = 0;
    environment();
    memset(name, 'n', sizeof(name));
    name[2049] = '\0';
    ck_assert_int_eq(get(script, 1, false, name, &requests), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "2049 bytes"));
    ck_assert_uint_eq(requests, 0);
    name[2048] = '\0';
    ck_assert_int_eq(get(script, 1, false, name, NULL), 0);
    cf_aws_value_release(&value);
}
END_TEST

static const struct {
    const char *name;
    bool secret;
} good_names[] = {
    {"arn:aws:ssm:eu-west-3:123456789012:parameter/a/b.c_d-e", false},
    {"/aws/reference/secretsmanager/a+b=c@d", false},
    {"arn:aws:secretsmanager:eu-west-3:123456789012:secret:a/b+c=d.e@f-AbCdEf", true},
};

START_TEST(names_may_be_arns)
{
    static const struct net_step script[] = {
        {.body = "{\"Parameter\":{\"Value\":\"v\"},\"SecretString\":\"v\"}"}};
    environment();
    ck_assert_int_eq(get(script, 1, good_names[_i].secret, good_names[_i].name, NULL), 0);
    ck_assert_str_eq(cf_buf_str(&value), "v");
    cf_aws_value_release(&value);
}
END_TEST

/* --- answers ------------------------------------------------------------------------------------
 */

static const struct {
    bool secret;
    const char *body;
    int code;
    const char *said;
} bad_answers[] = {
    {false, "", CF_EUNAVAILABLE, "is not a JSON object"},
    {false, "hunter2", CF_EUNAVAILABLE, "is not a JSON object"},
    {false, "[\"hunter2\"]", CF_EUNAVAILABLE, "is not a JSON object"},
    {false, "{\"Parameter\":{\"Value\":\"hunter2\"}", CF_EUNAVAILABLE, "is not a JSON object"},
    {false, "{\"Parameter\":\"hunter2\"}", CF_EUNAVAILABLE, "holds no value"},
    {false, "{\"Value\":\"hunter2\"}", CF_EUNAVAILABLE, "holds no value"},
    {false, PARAMETER("null"), CF_EUNAVAILABLE, "holds no value"},
    {false, PARAMETER("\"hunter2\\u0000\""), CF_EDATA, "NUL"},
    {true, "{\"SecretString\":7}", CF_EUNAVAILABLE, "holds no value"},
    {true, PARAMETER("\"hunter2\""), CF_EUNAVAILABLE, "holds no value"},
    {true, "{\"SecretBinary\":\"aHVudGVyMg==\"}", CF_EDATA, "SecretBinary"},
    {true, "{\"SecretBinary\":\"aHVudGVyMg==\",\"SecretString\":null}", CF_EDATA, "SecretBinary"},
};

START_TEST(an_answer_without_a_value_is_an_error)
{
    struct net_step script[] = {
        {.body = bad_answers[_i].body, .headers = "x-amzn-RequestId: r-1\r\n"}};
    size_t requests = 0;
    environment();
    cf_buf_puts(&value, "old");
    ck_assert_int_eq(get(script, 1, bad_answers[_i].secret, "name", &requests),
                     bad_answers[_i].code);
    ck_assert_int_eq(err.code, bad_answers[_i].code);
    ck_assert_msg(strstr(err.message, bad_answers[_i].said), "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "hunter2"));
    ck_assert_ptr_null(strstr(err.message, "aHVud"));
    ck_assert_str_eq(err.operation, bad_answers[_i].secret ? "get_secret" : "get_parameter");
    ck_assert_str_eq(err.key, "name");
    ck_assert_str_eq(err.request_id, "r-1");
    ck_assert_int_eq(err.http_status, 200);
    ck_assert_uint_eq(value.length, 0);
    ck_assert_uint_eq(requests, 1);
}
END_TEST

/* {"Parameter":{"Value":"…"}} with so many times the text. */
static char *long_answer(const char *text, size_t times)
{
    struct cf_buf body = CF_BUF_INIT;
    cf_buf_puts(&body, "{\"Parameter\":{\"Value\":\"");
    for (size_t i = 0; i < times; i++) {
        cf_buf_puts(&body, text);
    }
    cf_buf_puts(&body, "\"}}");
    return cf_buf_detach(&body);
}

static const struct {
    const char *text;
    size_t times;
    int code;
} lengths[] = {
    {"v", 65536, 0},
    {"\\u0076", 65536, 0}, /* the longest way to write the longest value */
    {"v", 65537, CF_EDATA},
    {"v", 500000, CF_EDATA}, /* not even read to its end */
};

START_TEST(a_value_has_a_longest)
{
    char *body = long_answer(lengths[_i].text, lengths[_i].times);
    struct net_step script[] = {{.body = body}};
    environment();
    ck_assert_int_eq(get(script, 1, false, "name", NULL), lengths[_i].code);
    ck_assert_uint_eq(value.length, lengths[_i].code ? 0 : lengths[_i].times);
    ck_assert_uint_eq(strspn(cf_buf_str(&value), "v"), value.length);
    ck_assert_ptr_null(strstr(err.message, "vvv"));
    cf_aws_value_release(&value);
    free(body);
}
END_TEST

START_TEST(half_an_answer_is_forgotten)
{
    static const struct net_step script[] = {
        {.action = NET_CUT, .body = PARAMETER("\"first and longer than the other\"")},
        {.action = NET_CHUNKS, .body = PARAMETER("\"second\"")}};
    size_t requests = 0;
    environment();
    ck_assert_int_eq(get(script, COUNT(script), false, "name", &requests), 0);
    ck_assert_str_eq(cf_buf_str(&value), "second");
    ck_assert_uint_eq(requests, 2);
    cf_aws_value_release(&value);
}
END_TEST

/* Whether the heap holds a text that is given with every bit turned, so that it isn't found here.
 */
static bool heap_holds(const char *turned, size_t length)
{
    char line[512];
    uintptr_t start = 0;
    uintptr_t end = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps)) {
        char *rest = NULL;
        if (strstr(line, "[heap]")) {
            start = (uintptr_t)strtoull(line, &rest, 16);
            end = (uintptr_t)strtoull(rest + 1, NULL, 16);
        }
    }
    (void)fclose(maps);
    for (const char *p = (const char *)start; p && p + length <= (const char *)end; p++) {
        size_t n = 0;
        while (n < length && p[n] == (char)~turned[n]) {
            n++;
        }
        if (n == length) {
            return true;
        }
    }
    return false;
}

/* Under AddressSanitizer the heap is elsewhere, and this finds nothing either way. */
START_TEST(what_was_read_is_wiped)
{
    static char answer[4096];
    char turned[16];
    int bytes = snprintf(answer, sizeof(answer),
                         "{\"SecretString\":\"%0512d\\u000ak3y-0f-th3-t3st%0512d\"}", 0, 0);
    const char *marker = strstr(answer, "k3y");
    for (size_t i = 0; i < 15; i++) {
        turned[i] = (char)~marker[i];
    }
    environment();
    ck_assert(!heap_holds(turned, 15));
    char *kept = cf_strdup(answer);
#ifndef __SANITIZE_ADDRESS__
    ck_assert(heap_holds(turned, 15));
#endif
    memset(kept, 0, strlen(kept));
    ck_assert_int_eq(
        cf_aws_secrets_value(&cf_aws_secrets_manager, answer, (size_t)bytes, &value, &err), 0);
    ck_assert_uint_eq(value.length, 512 + 1 + 15 + 512);
    cf_aws_value_release(&value);
    ck_assert(!heap_holds(turned, 15));
    free(kept);
}
END_TEST

/* --- faults -------------------------------------------------------------------------------------
 */

static const struct fault {
    bool secret;
    int status;
    const char *headers, *body;
    int code;
    const char *said, *service_code;
} faults[] = {
    {false, 400, NULL, FAULT("ParameterNotFound", ""), CF_ENOTFOUND,
     "no parameter \"/a/b\" in the region eu-west-3", "ParameterNotFound"},
    {false, 400, NULL, FAULT("com.amazonaws.ssm#ParameterNotFound", ""), CF_ENOTFOUND,
     "no parameter \"/a/b\"", "ParameterNotFound"},
    {false, 400, NULL, FAULT("ParameterVersionNotFound", ""), CF_ENOTFOUND, "of this version",
     "ParameterVersionNotFound"},
    {true, 400, "X-Amzn-ErrorType: ResourceNotFoundException:http://internal.amazon.com/x/\r\n",
     "{}", CF_ENOTFOUND, "no secret \"/a/b\"", "ResourceNotFoundException"},
    {true, 404, "X-Amzn-ErrorType: ResourceNotFoundException\r\n", FAULT("Other", ""), CF_ENOTFOUND,
     "no secret \"/a/b\"", "ResourceNotFoundException"},
    {false, 400, NULL,
     FAULT("AccessDeniedException",
           "User: u is not authorized to perform: ssm:GetParameter on resource: x/KMS"),
     CF_EDENIED, "permission ssm:GetParameter (User: u", "AccessDeniedException"},
    {true, 400, NULL, FAULT("AccessDeniedException", "no"), CF_EDENIED,
     "permission secretsmanager:GetSecretValue", "AccessDeniedException"},
    {true, 400, NULL, FAULT("AccessDeniedException", "Access to KMS is not allowed"), CF_EDENIED,
     "permission kms:Decrypt for the secret's key", "AccessDeniedException"},
    {false, 400, NULL,
     FAULT("AccessDeniedException", "The ciphertext refers to a customer master key that"),
     CF_EDENIED, "kms:Decrypt", "AccessDeniedException"},
    {false, 400, NULL, FAULT("UnrecognizedClientException", "The security token is invalid"),
     CF_EDENIED, "not known there; it takes the permission ssm:GetParameter",
     "UnrecognizedClientException"},
    {true, 400, NULL, FAULT("DecryptionFailure", ""), CF_EDENIED, "kms:Decrypt",
     "DecryptionFailure"},
    {false, 400, NULL, FAULT("InvalidSignatureException", "The Canonical hunter2 Signature"),
     CF_EDENIED, "the secret key is another one", "InvalidSignatureException"},
    {false, 400, NULL,
     FAULT("InvalidSignatureException", "Signature expired: 2013 is now earlier than 2014"),
     CF_ECONFIG, "clock", "InvalidSignatureException"},
    {false, 400, NULL, FAULT("ExpiredTokenException", "hunter2 Credential"), CF_EDENIED,
     "the session token has expired", "ExpiredTokenException"},
    {false, 400, NULL, FAULT("x#ValidationException", "bad\\nname"), CF_ECONFIG,
     "refuses the request (bad?name)", "ValidationException"},
    {true, 400, NULL, "{\"code\":\"InvalidRequestException\",\"Message\":\"marked for deletion\"}",
     CF_ECONFIG, "marked for deletion", "InvalidRequestException"},
    {false, 403, NULL, "<html>", CF_EDENIED, "ssm:GetParameter", ""},
    {false, 404, NULL, "<html>", CF_EUNAVAILABLE, "isn't known", ""},
    {false, 302, "Location: http://127.0.0.1:1/\r\n", "", CF_EUNAVAILABLE, "isn't known", ""},
    {false, 400, NULL, FAULT("not a code", "hm"), CF_EUNAVAILABLE, "isn't known (hm)", ""},
};

START_TEST(faults_are_told)
{
    const struct fault *f = &faults[_i];
    struct net_step script[] = {{.status = f->status, .headers = f->headers, .body = f->body}};
    size_t requests = 0;
    environment();
    ck_assert_int_eq(get(script, 1, f->secret, "/a/b", &requests), f->code);
    ck_assert_int_eq(err.code, f->code);
    ck_assert_msg(strstr(err.message, f->said), "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "hunter2"));
    ck_assert_str_eq(err.service_code, f->service_code);
    ck_assert_int_eq(err.http_status, f->status);
    ck_assert_str_eq(err.key, "/a/b");
    ck_assert_uint_eq(requests, 1);
}
END_TEST

static const struct fault transient[] = {
    {.status = 400, .body = FAULT("ThrottlingException", "Rate exceeded"), .said = "fewer"},
    {.status = 400, .body = FAULT("TooManyRequestsException", ""), .said = "fewer"},
    {.status = 400, .body = FAULT("InternalServerError", ""), .said = "failed"},
    {.status = 500, .body = FAULT("InternalServiceError", ""), .said = "failed"},
    {.status = 429, .body = "", .said = "not available"},
    {.status = 503, .body = "", .said = "not available"},
};

START_TEST(what_may_pass_is_tried_again)
{
    struct net_step script[] = {{.status = transient[_i].status, .body = transient[_i].body},
                                {.body = PARAMETER("\"late\"")}};
    size_t requests = 0;
    environment();
    ck_assert_int_eq(get(script, 2, false, "name", &requests), 0);
    ck_assert_str_eq(cf_buf_str(&value), "late");
    ck_assert_uint_eq(requests, 2);
    ck_assert_int_eq(get(script, 1, false, "name", &requests), CF_EUNAVAILABLE);
    ck_assert_msg(strstr(err.message, transient[_i].said), "%s", err.message);
    ck_assert_uint_gt(requests, 2);
    ck_assert_uint_eq(value.length, 0);
}
END_TEST

/* --- credentials --------------------------------------------------------------------------------
 */

static void use_container(const struct net_server *server)
{
    char *url = cf_asprintf("%s/", net_server_url(server));
    set("AWS_ACCESS_KEY_ID", NULL);
    set("AWS_SECRET_ACCESS_KEY", NULL);
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    free(url);
}

START_TEST(expired_credentials_are_renewed_once)
{
    static const struct net_step roles[] = {{.body = CREDENTIALS("ONE")},
                                            {.body = CREDENTIALS("TWO")}};
    static const struct net_step script[] = {{.status = 400, .body = FAULT("ExpiredToken", "")},
                                             {.body = PARAMETER("\"v\"")},
                                             {.status = 400, .body = FAULT("ExpiredToken", "")}};
    char text[512];
    environment();
    struct net_server *container = net_server_new(roles, COUNT(roles));
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_aws_secrets *secrets = open_at(server);
    use_container(container);
    ck_assert_uint_eq(net_server_requests(container), 0);
    ck_assert_msg(!cf_aws_parameter_get(secrets, "p", &value, &err), "%s", err.message);
    ck_assert_str_eq(header(net_server_seen(server, 0), "x-amz-security-token", text), "tokONE");
    ck_assert_str_eq(header(net_server_seen(server, 1), "x-amz-security-token", text), "tokTWO");
    ck_assert_ptr_nonnull(strstr(header(net_server_seen(server, 1), "Authorization", text),
                                 "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"));
    check_signature(net_server_seen(server, 1), "/", "ssm");
    ck_assert_uint_eq(net_server_requests(container), 2);
    ck_assert_int_eq(cf_aws_parameter_get(secrets, "p", &value, &err), CF_EDENIED);
    ck_assert_uint_eq(net_server_requests(server), 4);
    ck_assert_uint_eq(net_server_requests(container), 3);
    ck_assert_ptr_null(strstr(err.message, "tokTWO"));
    cf_aws_secrets_free(secrets);
    net_server_free(server);
    net_server_free(container);
}
END_TEST

START_TEST(without_credentials_nothing_is_sent)
{
    static const struct net_step script[] = {{.body = PARAMETER("\"v\"")}};
    size_t requests = 1;
    environment();
    set("AWS_ACCESS_KEY_ID", NULL);
    set("AWS_SECRET_ACCESS_KEY", NULL);
    ck_assert_int_eq(get(script, 1, false, "p", &requests), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "no AWS credentials"));
    ck_assert_uint_eq(requests, 0);
}
END_TEST

START_TEST(a_stop_ends_a_get)
{
    static const struct net_step script[] = {{.action = NET_SILENT}};
    static volatile int stop = 1;
    struct cf_aws_secrets *secrets = NULL;
    environment();
    struct net_server *server = net_server_new(script, 1);
    set("AWS_ENDPOINT_URL", net_server_url(server));
    ck_assert_int_eq(cf_aws_secrets_new(&stop, &secrets, &err), 0);
    ck_assert_int_eq(cf_aws_secret_get(secrets, "s", &value, &err), CF_EINTERRUPTED);
    cf_aws_secrets_free(secrets);
    net_server_free(server);
}
END_TEST

Suite *aws_secrets_suite(void)
{
    Suite *suite = suite_create("aws_secrets");
    TCase *tc = tcase_create("gets");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, requests_are_what_the_services_want);
    tcase_add_test(tc, each_service_has_its_endpoint);
    tcase_add_loop_test(tc, without_an_endpoint_it_is_amazons, 0, (int)COUNT(hosts));
    tcase_add_loop_test(tc, a_wrong_variable_is_named, 0, (int)COUNT(wrong_variables));
    tcase_add_loop_test(tc, a_name_that_cant_be_one_sends_nothing, 0, (int)COUNT(bad_names));
    tcase_add_test(tc, names_have_a_longest);
    tcase_add_loop_test(tc, names_may_be_arns, 0, (int)COUNT(good_names));
    tcase_add_loop_test(tc, an_answer_without_a_value_is_an_error, 0, (int)COUNT(bad_answers));
    tcase_add_loop_test(tc, a_value_has_a_longest, 0, (int)COUNT(lengths));
    tcase_add_test(tc, half_an_answer_is_forgotten);
    tcase_add_test(tc, what_was_read_is_wiped);
    tcase_add_loop_test(tc, faults_are_told, 0, (int)COUNT(faults));
    tcase_add_loop_test(tc, what_may_pass_is_tried_again, 0, (int)COUNT(transient));
    tcase_add_test(tc, expired_credentials_are_renewed_once);
    tcase_add_test(tc, without_credentials_nothing_is_sent);
    tcase_add_test(tc, a_stop_ends_a_get);
    suite_add_tcase(suite, tc);
    return suite;
}
