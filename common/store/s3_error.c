/* What an S3 service's answers mean. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/store/s3_call.h"
#include "common/store/s3_xml.h"

/* The codes that decide by themselves; the others are read off the status. */
static const struct meaning {
    const char *service_code;
    int code;
    bool again; /* another attempt may help */
    const char *text;
} meanings[] = {
    {"NoSuchKey", CF_ENOTFOUND, false, "no such object"},
    {"NoSuchBucket", CF_ECONFIG, false, "there is no such bucket"},
    {"NoSuchUpload", CF_ERETRY, false, "the upload is gone"},
    {"InvalidBucketName", CF_ECONFIG, false, "the bucket's name is not one"},
    {"PreconditionFailed", CF_ECONFLICT, false, "the condition does not hold"},
    {"ConditionalRequestConflict", CF_ERETRY, true, "another writer was at work on this key"},
    {"OperationAborted", CF_ERETRY, true, "another operation on this key was under way"},
    {"NotImplemented", CF_ECONFIG, false, "the store doesn't know this request"},
    {"SlowDown", CF_ERETRY, true, "the store asks for fewer requests"},
    {"Throttling", CF_ERETRY, true, "the store asks for fewer requests"},
    {"ThrottlingException", CF_ERETRY, true, "the store asks for fewer requests"},
    {"RequestLimitExceeded", CF_ERETRY, true, "the store asks for fewer requests"},
    {"TooManyRequests", CF_ERETRY, true, "the store asks for fewer requests"},
    {"InternalError", CF_EUNAVAILABLE, true, "the store has failed"},
    {"ServiceUnavailable", CF_EUNAVAILABLE, true, "the store is not available"},
    {"RequestTimeout", CF_EUNAVAILABLE, true, "the store waited too long for the request"},
    {"IncompleteBody", CF_EUNAVAILABLE, true, "the store did not get the whole body"},
    {"BadDigest", CF_EUNAVAILABLE, true, "what arrived is not what was sent"},
    {"XAmzContentSHA256Mismatch", CF_EUNAVAILABLE, true, "what arrived is not what was signed"},
    {"XAmzContentChecksumMismatch", CF_EUNAVAILABLE, true, "what arrived is not what was sent"},
    {"AccessDenied", CF_EDENIED, false, "not allowed"},
    {"ExpiredToken", CF_EDENIED, false, "the session token has expired"},
    {"ExpiredTokenException", CF_EDENIED, false, "the session token has expired"},
    {"TokenRefreshRequired", CF_EDENIED, false, "the session token has expired"},
    {"InvalidToken", CF_EDENIED, false, "the session token is not valid"},
    {"InvalidAccessKeyId", CF_EDENIED, false, "the access key is not known there"},
    {"SignatureDoesNotMatch", CF_EDENIED, false,
     "the signature does not match: the secret key is another one, or something on the way "
     "changes requests"},
    {"QuotaExceeded", CF_EDENIED, false, "the bucket's quota is used up"},
};

static const struct meaning by_status[] = {
    {"301", CF_ECONFIG, false, "the bucket is elsewhere"},
    {"307", CF_ECONFIG, false, "the bucket is elsewhere"},
    {"400", CF_EDATA, false, "the store refuses the request"},
    {"401", CF_EDENIED, false, "the store does not accept the credentials"},
    {"403", CF_EDENIED, false, "not allowed"},
    {"404", CF_ENOTFOUND, false, "no such object"},
    {"408", CF_EUNAVAILABLE, true, "the store waited too long for the request"},
    {"409", CF_ERETRY, true, "another operation was under way"},
    {"412", CF_ECONFLICT, false, "the condition does not hold"},
    {"416", CF_EDATA, false, "the range lies outside of the object"},
    {"429", CF_ERETRY, true, "the store asks for fewer requests"},
    {"500", CF_EUNAVAILABLE, true, "the store has failed"},
    {"501", CF_ECONFIG, false, "the store doesn't know this request"},
    {"502", CF_EUNAVAILABLE, true, "the store is not available"},
    {"503", CF_EUNAVAILABLE, true, "the store is not available"},
    {"504", CF_EUNAVAILABLE, true, "the store is not available"},
    {"507", CF_ERETRY, false, "the store has no room left"},
};

static const struct meaning *find(const struct meaning *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].service_code, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static struct meaning meaning_of(const char *service_code, long status)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%ld", status);
    const struct meaning *found =
        find(meanings, sizeof(meanings) / sizeof(meanings[0]), service_code);
    if (!found) {
        found = find(by_status, sizeof(by_status) / sizeof(by_status[0]), number);
    }
    static const struct meaning other = {"", CF_EUNAVAILABLE, false,
                                         "the store answers in a way that isn't known"};
    return found ? *found : other;
}

bool cf_s3_clock_skew(const struct cf_http_request *http, long long *seconds)
{
    char date[64];
    if (!cf_http_header(http, "Date", date, sizeof(date))) {
        return false;
    }
    time_t theirs = curl_getdate(date, NULL);
    if (theirs == (time_t)-1) {
        return false;
    }
    *seconds = (long long)(cf_clock_now_ms() / 1000) - (long long)theirs;
    return true;
}

static void describe_skew(struct cf_s3_call *call)
{
    long long seconds = 0;
    if (cf_s3_clock_skew(&call->http, &seconds)) {
        (void)cf_error_set(&call->error, CF_ECONFIG,
                           "this machine's clock is %lld seconds %s the store's", llabs(seconds),
                           seconds > 0 ? "ahead of" : "behind");
    } else {
        (void)cf_error_set(&call->error, CF_ECONFIG,
                           "this machine's clock is too far from the store's");
    }
}

/* What the service says in its own words may quote the request, signature and all. */
static bool may_be_shown(const char *text)
{
    return *text && !strstr(text, "ignature") && !strstr(text, "redential") &&
           !strstr(text, "uthorization");
}

static void describe(struct cf_s3_call *call, const struct meaning *meaning,
                     const struct cf_s3_fault *fault)
{
    struct cf_error *error = &call->error;
    bool denied = meaning->code == CF_EDENIED &&
                  (strcmp(fault->code, "AccessDenied") == 0 || !fault->code[0]);
    if (strcmp(fault->code, "RequestTimeTooSkewed") == 0) {
        describe_skew(call);
    } else if (denied) {
        (void)cf_error_set(error, CF_EDENIED, "not allowed; it takes the permission %s",
                           call->permission);
    } else if (fault->region[0]) {
        (void)cf_error_set(error, CF_ECONFIG, "the bucket is in the region %s: set AWS_REGION",
                           fault->region);
    } else if (meaning->code == CF_ECONFIG &&
               strcmp(meaning->text, "there is no such bucket") == 0) {
        (void)cf_error_set(error, CF_ECONFIG, "there is no bucket %s", call->s3->config.bucket);
    } else {
        (void)cf_error_set(error, meaning->code, "%s", meaning->text);
    }
    if (may_be_shown(fault->message)) {
        size_t used = strlen(error->message);
        (void)snprintf(error->message + used, sizeof(error->message) - used, " (%s)",
                       fault->message);
    }
}

bool cf_s3_call_fault(struct cf_s3_call *call)
{
    const struct cf_http_request *http = &call->http;
    struct cf_s3_fault fault;
    (void)cf_s3_xml_fault(http->answer.data, http->answer.length, &fault);
    if (http->status == 301 || http->status == 307) {
        (void)cf_http_header(http, "x-amz-bucket-region", fault.region, sizeof(fault.region));
    }
    struct meaning meaning = meaning_of(fault.code, http->status);
    describe(call, &meaning, &fault);
    struct cf_error *error = &call->error;
    (void)snprintf(error->service_code, sizeof(error->service_code), "%s", fault.code);
    if (!cf_http_header(http, "x-amz-request-id", error->request_id, sizeof(error->request_id))) {
        (void)snprintf(error->request_id, sizeof(error->request_id), "%s", fault.request_id);
    }
    error->http_status = http->status;
    return meaning.again;
}

bool cf_s3_call_says_expired(const struct cf_s3_call *call)
{
    static const char *const codes[] = {"ExpiredToken", "ExpiredTokenException",
                                        "TokenRefreshRequired"};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(call->error.service_code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}
