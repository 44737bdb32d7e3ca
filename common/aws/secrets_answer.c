#include "common/aws/secrets_answer.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

enum { MOST_NAME = 2048, MOST_FAULT = 65536 };

const struct cf_aws_secrets_service cf_aws_parameters = {.host = "ssm",
                                                         .variable = "AWS_ENDPOINT_URL_SSM",
                                                         .target = "AmazonSSM.GetParameter",
                                                         .field = "Name",
                                                         .operation = "get_parameter",
                                                         .permission = "ssm:GetParameter",
                                                         .noun = "parameter"};

const struct cf_aws_secrets_service cf_aws_secrets_manager = {
    .host = "secretsmanager",
    .variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    .target = "secretsmanager.GetSecretValue",
    .field = "SecretId",
    .operation = "get_secret",
    .permission = "secretsmanager:GetSecretValue",
    .noun = "secret"};

/* What somebody puts here by mistake may be the secret itself, so the name is not quoted. */
int cf_aws_secrets_name(const struct cf_aws_secrets_service *service, const char *name,
                        struct cf_error *err)
{
    static const char through_ssm[] = "/aws/reference/secretsmanager/";
    bool any = service == &cf_aws_secrets_manager ||
               strncmp(name, through_ssm, sizeof(through_ssm) - 1) == 0;
    const char *allowed = any ? ALPHANUMERIC "/_+=.@:-" : ALPHANUMERIC "/_.:-";
    size_t length = strlen(name);
    size_t good = strspn(name, allowed);
    if (!length || length > MOST_NAME) {
        return cf_error_at(err, CF_ECONFIG, service->operation, NULL,
                           "the %s's name has %zu bytes; 1 to %d are allowed", service->noun,
                           length, MOST_NAME);
    }
    if (good < length) {
        return cf_error_at(err, CF_ECONFIG, service->operation, NULL,
                           "the %s's name may hold ASCII letters, digits and \"%s\"; its byte %zu "
                           "is 0x%02x",
                           service->noun, allowed + sizeof(ALPHANUMERIC) - 1, good + 1,
                           (unsigned)(unsigned char)name[good]);
    }
    return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

/* jansson frees what it read without wiping it. While an answer is parsed it takes memory from
 * here, which remembers its size. Nothing of jansson's outlives that, and no other task runs. */
union block {
    size_t size;
    max_align_t alignment;
};

static void *take(size_t size)
{
    union block *block = size <= SIZE_MAX - sizeof(*block) ? malloc(sizeof(*block) + size) : NULL;
    if (!block) {
        return NULL;
    }
    block->size = size;
    return block + 1;
}

static void give_back(void *p)
{
    if (p) {
        union block *block = (union block *)p - 1;
        explicit_bzero(p, block->size);
        free(block);
    }
}

static int nonsense(struct cf_error *err, const struct cf_aws_secrets_service *service,
                    const char *what)
{
    return cf_error_set(err, CF_EUNAVAILABLE, "the answer about the %s %s", service->noun, what);
}

static int copy_value(const struct cf_aws_secrets_service *service, const json_t *field,
                      struct cf_buf *value, struct cf_error *err)
{
    if (!json_is_string(field)) {
        return nonsense(err, service, "holds no value");
    }
    const char *text = json_string_value(field);
    size_t length = json_string_length(field);
    if (length > CF_AWS_VALUE_MAX) {
        return cf_error_set(err, CF_EDATA, "the %s's value has more than %d bytes", service->noun,
                            CF_AWS_VALUE_MAX);
    }
    if (strlen(text) != length) {
        return cf_error_set(err, CF_EDATA, "the %s's value holds a NUL", service->noun);
    }
    cf_buf_reserve(value, length); /* at once: what grows leaves copies */
    cf_buf_append(value, text, length);
    return 0;
}

static int read_value(const struct cf_aws_secrets_service *service, const char *data, size_t length,
                      struct cf_buf *value, struct cf_error *err)
{
    json_t *answer = NULL;
    struct cf_error parse = {0};
    int rc;
    if (cf_json_parse_foreign(data, length, "the answer", &answer, &parse) ||
        !json_is_object(answer)) {
        rc = nonsense(err, service, "is not a JSON object");
    } else if (service == &cf_aws_parameters) {
        rc = copy_value(service, json_object_get(json_object_get(answer, "Parameter"), "Value"),
                        value, err);
    } else if (json_object_get(answer, "SecretBinary") &&
               !json_is_string(json_object_get(answer, "SecretString"))) {
        rc = cf_error_set(err, CF_EDATA, "the secret is binary (SecretBinary); it must be text");
    } else {
        rc = copy_value(service, json_object_get(answer, "SecretString"), value, err);
    }
    json_decref(answer);
    explicit_bzero(&parse, sizeof(parse)); /* jansson's message quotes what is there */
    return rc;
}

int cf_aws_secrets_value(const struct cf_aws_secrets_service *service, const char *data,
                         size_t length, struct cf_buf *value, struct cf_error *err)
{
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    json_set_alloc_funcs(take, give_back);
    int rc = read_value(service, data, length, value, err);
    json_set_alloc_funcs(allocate, release);
    return rc;
}

/* --- faults ----------------------------------------------------------------------------------- */

/* "prefix#Code:http://…" → "Code", when that is a word that fits. */
static bool read_code(const char *text, char *out, size_t size)
{
    const char *hash = strrchr(text, '#');
    const char *start = hash ? hash + 1 : text;
    size_t length = strcspn(start, ":");
    if (!length || length >= size || strspn(start, ALPHANUMERIC "._-") < length) {
        return false;
    }
    memcpy(out, start, length);
    out[length] = '\0';
    return true;
}

static void copy_printable(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; text[n] && n + 1 < size; n++) {
        out[n] = (char)(text[n] < ' ' || text[n] > '~' ? '?' : text[n]);
    }
    out[n] = '\0';
}

void cf_aws_secrets_fault(const char *type, const char *data, size_t length,
                          struct cf_aws_fault *out)
{
    *out = (struct cf_aws_fault){0};
    bool known = read_code(type, out->code, sizeof(out->code));
    json_t *answer = NULL;
    struct cf_error ignored;
    if (length > MOST_FAULT ||
        cf_json_parse_foreign(data, length, "the answer", &answer, &ignored)) {
        return;
    }
    const char *code = json_string_value(json_object_get(answer, "__type"));
    code = code ? code : json_string_value(json_object_get(answer, "code"));
    if (!known && code) {
        (void)read_code(code, out->code, sizeof(out->code));
    }
    const char *message = json_string_value(json_object_get(answer, "message"));
    message = message ? message : json_string_value(json_object_get(answer, "Message"));
    copy_printable(message ? message : "", out->message, sizeof(out->message));
    json_decref(answer);
}

/* How a fault is told. */
enum tell {
    TELL_TEXT,
    TELL_MISSING,    /* and which one it is */
    TELL_PERMISSION, /* and the permission that it takes */
    TELL_KMS,        /* the same of the key */
};

static const struct meaning {
    const char *service_code;
    int code;
    enum cf_aws_fault_kind kind;
    enum tell tell;
    const char *text;
} meanings[] = {
    {"ParameterNotFound", CF_ENOTFOUND, CF_AWS_FAULT_FINAL, TELL_MISSING, ""},
    {"ParameterVersionNotFound", CF_ENOTFOUND, CF_AWS_FAULT_FINAL, TELL_MISSING,
     " of this version"},
    {"ResourceNotFoundException", CF_ENOTFOUND, CF_AWS_FAULT_FINAL, TELL_MISSING, ""},
    {"AccessDeniedException", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_PERMISSION, "not allowed"},
    {"AccessDenied", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_PERMISSION, "not allowed"},
    {"UnrecognizedClientException", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_PERMISSION,
     "the access key or the session token is not known there"},
    {"InvalidClientTokenId", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_PERMISSION,
     "the access key or the session token is not known there"},
    {"OptInRequired", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_PERMISSION,
     "the account may not use this service or region"},
    {"InvalidSignatureException", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_TEXT,
     "the signature does not match: the secret key is another one, or something on the way changes "
     "requests"},
    {"IncompleteSignatureException", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_TEXT,
     "the signature did not arrive as it was sent: something on the way changes requests"},
    {"MissingAuthenticationTokenException", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_TEXT,
     "the signature did not arrive: something on the way changes requests"},
    {"ExpiredTokenException", CF_EDENIED, CF_AWS_FAULT_EXPIRED, TELL_TEXT,
     "the session token has expired"},
    {"ExpiredToken", CF_EDENIED, CF_AWS_FAULT_EXPIRED, TELL_TEXT, "the session token has expired"},
    {"DecryptionFailure", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_KMS, "it can't be decrypted"},
    {"InvalidKeyId", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_KMS, "its key can't be used"},
    {"KMSAccessDeniedException", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_KMS, "not allowed"},
    {"RequestTimeTooSkewed", CF_ECONFIG, CF_AWS_FAULT_FINAL, TELL_TEXT,
     "this machine's clock is too far from the service's"},
    {"RequestExpired", CF_ECONFIG, CF_AWS_FAULT_FINAL, TELL_TEXT,
     "this machine's clock is too far from the service's"},
    {"ThrottlingException", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service asks for fewer requests"},
    {"Throttling", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service asks for fewer requests"},
    {"TooManyRequestsException", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service asks for fewer requests"},
    {"TooManyRequests", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service asks for fewer requests"},
    {"RequestLimitExceeded", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service asks for fewer requests"},
    {"InternalServerError", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service has failed"},
    {"InternalServiceError", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service has failed"},
    {"InternalFailure", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT, "the service has failed"},
    {"ServiceUnavailable", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service is not available"},
    {"ServiceUnavailableException", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
     "the service is not available"},
};

static struct meaning by_status(const struct cf_aws_fault *fault, long status)
{
    static const struct meaning again = {"", CF_EUNAVAILABLE, CF_AWS_FAULT_AGAIN, TELL_TEXT,
                                         "the service is not available"};
    static const struct meaning denied = {"", CF_EDENIED, CF_AWS_FAULT_FINAL, TELL_PERMISSION,
                                          "not allowed"};
    static const struct meaning refused = {"", CF_ECONFIG, CF_AWS_FAULT_FINAL, TELL_TEXT,
                                           "the service refuses the request"};
    static const struct meaning other = {"", CF_EUNAVAILABLE, CF_AWS_FAULT_FINAL, TELL_TEXT,
                                         "the endpoint answers in a way that isn't known"};
    if (status == 408 || status == 429 || status / 100 == 5) {
        return again;
    }
    if (status == 401 || status == 403) {
        return denied;
    }
    return fault->code[0] && status / 100 == 4 ? refused : other;
}

/* "… is not authorized to perform: kms:Decrypt on …", "Access to KMS is not allowed", "The
 * ciphertext refers to a customer master key that … you are not allowed to access". */
static bool is_about_kms(const struct cf_aws_secrets_service *service, const char *message)
{
    return !strstr(message, service->permission) &&
           (strstr(message, "kms:") || strstr(message, "KMS") || strstr(message, "ciphertext"));
}

static struct meaning meaning_of(const struct cf_aws_secrets_service *service,
                                 const struct cf_aws_fault *fault, long status)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strcmp(meanings[i].service_code, fault->code) != 0) {
            continue;
        }
        struct meaning found = meanings[i];
        /* "Signature expired: 20130524T000000Z is now earlier than …" */
        if (strcmp(fault->code, "InvalidSignatureException") == 0 &&
            (strstr(fault->message, "expired") || strstr(fault->message, "not yet current"))) {
            found.code = CF_ECONFIG;
            found.text = "this machine's clock is too far from the service's";
        } else if (found.tell == TELL_PERMISSION && is_about_kms(service, fault->message)) {
            found.tell = TELL_KMS;
        }
        return found;
    }
    return by_status(fault, status);
}

/* What the service says in its own words may quote the request, signature and all. */
static bool may_be_shown(const char *text)
{
    return *text && !strstr(text, "ignature") && !strstr(text, "redential") &&
           !strstr(text, "uthorization");
}

enum cf_aws_fault_kind cf_aws_secrets_judge(const struct cf_aws_secrets_service *service,
                                            const struct cf_aws_fault *fault, long status,
                                            const char *name, const char *region,
                                            struct cf_error *err)
{
    struct meaning meaning = meaning_of(service, fault, status);
    switch (meaning.tell) {
    case TELL_MISSING:
        (void)cf_error_set(err, meaning.code, "there is no %s \"%.200s\"%s in the region %s",
                           service->noun, name, meaning.text, region);
        break;
    case TELL_PERMISSION:
        (void)cf_error_set(err, meaning.code, "%s; it takes the permission %s", meaning.text,
                           service->permission);
        break;
    case TELL_KMS:
        (void)cf_error_set(err, meaning.code,
                           "%s; it takes the permission kms:Decrypt for the %s's key", meaning.text,
                           service->noun);
        break;
    case TELL_TEXT:
        (void)cf_error_set(err, meaning.code, "%s", meaning.text);
        break;
    }
    size_t used = strlen(err->message);
    if (may_be_shown(fault->message) && meaning.tell != TELL_MISSING) {
        (void)snprintf(err->message + used, sizeof(err->message) - used, " (%s)", fault->message);
    }
    (void)snprintf(err->service_code, sizeof(err->service_code), "%s", fault->code);
    err->http_status = status;
    return meaning.kind;
}
