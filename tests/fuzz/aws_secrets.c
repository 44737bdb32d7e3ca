/* Answers of Parameter Store and Secrets Manager: the first byte says of which, and whether it is
 * a value or a fault; a line of a fault is its X-Amzn-ErrorType. A value is text within its limit
 * that reads back equal when it is written again, and is in no error; a fault is printable. */
#include "tests/fuzz/fuzz.h"

#include "common/aws/secrets_answer.h"
#include "common/base/alloc.h"
#include "common/base/json.h"

static void must_be_printable(const char *text)
{
    for (; *text; text++) {
        MUST(*text >= ' ' && *text <= '~');
    }
}

static json_t *answer_of(const struct cf_aws_secrets_service *service, const struct cf_buf *value)
{
    json_t *text = json_stringn(value->length ? value->data : "", value->length);
    return service == &cf_aws_parameters ? json_pack("{s:{s:o}}", "Parameter", "Value", text)
                                         : json_pack("{s:o}", "SecretString", text);
}

static void check_round(const struct cf_aws_secrets_service *service, const struct cf_buf *value)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_buf again = CF_BUF_INIT;
    struct cf_error err = {0};
    json_t *answer = answer_of(service, value);
    cf_json_dump(answer, &text);
    MUST(cf_aws_secrets_value(service, text.data, text.length, &again, &err) == 0);
    MUST(strcmp(cf_buf_str(&again), cf_buf_str(value)) == 0 && again.length == value->length);
    cf_aws_value_release(&again);
    cf_buf_release(&text);
    json_decref(answer);
}

/* No message of ours has a digit but the limit, so a longer text with one can't be there by
 * chance. */
static void check_no_secret(const json_t *value, const struct cf_error *err)
{
    const char *key;
    json_t *field;
    const char *text = json_string_value(value);
    MUST(!text || strlen(text) < 6 || !strpbrk(text, "0123456789") || !strstr(err->message, text));
    json_object_foreach((json_t *)value, key, field)
    {
        check_no_secret(field, err);
    }
}

static void check_value(const struct cf_aws_secrets_service *service, const char *data,
                        size_t length)
{
    struct cf_buf value = CF_BUF_INIT;
    struct cf_error err = {0};
    int rc = cf_aws_secrets_value(service, data, length, &value, &err);
    if (rc) {
        MUST((rc == CF_EUNAVAILABLE || rc == CF_EDATA) && err.code == rc && *err.message);
        MUST(!value.length);
        json_t *answer = json_loadb(data, length, JSON_ALLOW_NUL, NULL);
        check_no_secret(answer, &err);
        json_decref(answer);
    } else {
        MUST(value.length <= CF_AWS_VALUE_MAX && strlen(cf_buf_str(&value)) == value.length);
        check_round(service, &value);
    }
    cf_aws_value_release(&value);
}

static void check_fault(const struct cf_aws_secrets_service *service, const char *data,
                        size_t length)
{
    struct cf_aws_fault fault;
    struct cf_error err = {0};
    const char *end = memchr(data, '\n', length);
    size_t line = end ? (size_t)(end - data) : 0;
    char *type = cf_strndup(data, line);
    cf_aws_secrets_fault(type, data + line, length - line, &fault);
    must_be_printable(fault.code);
    must_be_printable(fault.message);
    MUST(!strpbrk(fault.code, " :#"));
    for (long status = 300; status <= 500; status += 100) {
        enum cf_aws_fault_kind kind =
            cf_aws_secrets_judge(service, &fault, status, "name", "region", &err);
        MUST(err.code < 0 && *err.message && err.http_status == status);
        MUST(kind != CF_AWS_FAULT_AGAIN || err.code == CF_EUNAVAILABLE);
        must_be_printable(err.message);
        MUST(strcmp(err.service_code, fault.code) == 0);
    }
    free(type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (!length) {
        return 0;
    }
    const struct cf_aws_secrets_service *service =
        data[0] & 1 ? &cf_aws_parameters : &cf_aws_secrets_manager;
    const char *rest = (const char *)data + 1;
    if (data[0] & 2) {
        check_value(service, rest, length - 1);
    } else {
        check_fault(service, rest, length - 1);
    }
    /* As a name, only what is plain is one. */
    char *name = cf_strndup(rest, length - 1);
    struct cf_error err = {0};
    if (cf_aws_secrets_name(service, name, &err)) {
        MUST(err.code == CF_ECONFIG);
        must_be_printable(err.message);
    } else {
        must_be_printable(name);
        MUST(*name && !strpbrk(name, " \"\\"));
    }
    free(name);
    return 0;
}
