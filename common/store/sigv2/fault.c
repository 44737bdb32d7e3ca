/* What the names of failures mean: libs3's, and those that services give in LIST's answers. */
#include <stdio.h>
#include <string.h>

#include "common/store/sigv2/sigv2.h"

static const struct meaning {
    const char *name; /* without libs3's "Error" before it */
    int code;
    bool again;
    const char *text;
} meanings[] = {
    {"NoSuchKey", CF_ENOTFOUND, false, "no such object"},
    {"HttpErrorNotFound", CF_ENOTFOUND, false, "no such object"},
    {"NoSuchBucket", CF_ECONFIG, false, "there is no such bucket"},
    {"InvalidBucketName", CF_ECONFIG, false, "the bucket's name is not one"},
    {"PreconditionFailed", CF_ECONFLICT, false, "the condition does not hold"},
    {"HttpErrorConflict", CF_ERETRY, true, "another operation was under way"},
    {"OperationAborted", CF_ERETRY, true, "another operation on this key was under way"},
    {"SlowDown", CF_ERETRY, true, "the store asks for fewer requests"},
    {"InternalError", CF_EUNAVAILABLE, true, "the connection broke, or the store has failed"},
    {"RequestTimeout", CF_EUNAVAILABLE, true, "the store waited too long for the request"},
    {"ConnectionFailed", CF_EUNAVAILABLE, true, "the connection broke"},
    {"FailedToConnect", CF_EUNAVAILABLE, true, "the store can't be reached"},
    {"NameLookupError", CF_EUNAVAILABLE, true, "the store's name can't be found"},
    {"IncompleteBody", CF_EUNAVAILABLE, true, "the store did not get the whole body"},
    {"BadDigest", CF_EUNAVAILABLE, true, "what arrived is not what was sent"},
    {"XmlParseFailure", CF_EUNAVAILABLE, true, "the store answers nonsense"},
    {"HttpErrorUnknown", CF_EUNAVAILABLE, true, "the store answers in a way that isn't known"},
    {"Unknown", CF_EUNAVAILABLE, true, "the store answers in a way that isn't known"},
    {"Interrupted", CF_EINTERRUPTED, false, "interrupted"},
    {"ServerFailedVerification", CF_ECONFIG, false, "the store's certificate isn't trusted"},
    {"NotImplemented", CF_ECONFIG, false, "the store doesn't know this request"},
    {"MethodNotAllowed", CF_ECONFIG, false, "the store doesn't know this request"},
    {"PermanentRedirect", CF_ECONFIG, false, "the bucket is elsewhere"},
    {"TemporaryRedirect", CF_ECONFIG, false, "the bucket is elsewhere"},
    {"HttpErrorMovedTemporarily", CF_ECONFIG, false, "the bucket is elsewhere"},
    {"RequestTimeTooSkewed", CF_ECONFIG, false, "this machine's clock is too far from the store's"},
    {"AccessDenied", CF_EDENIED, false, "not allowed"},
    {"HttpErrorForbidden", CF_EDENIED, false, "not allowed, or the keys aren't accepted"},
    {"InvalidAccessKeyId", CF_EDENIED, false, "the access key is not known there"},
    {"SignatureDoesNotMatch", CF_EDENIED, false,
     "the signature does not match: the secret key is another one, the store wants Signature "
     "Version 4 (s3://), or something on the way changes requests"},
    {"InvalidRequest", CF_EDENIED, false,
     "the store refuses the request; it may want Signature Version 4 (s3://)"},
    {"InvalidRange", CF_EDATA, false, "the range lies outside of the object"},
    {"EntityTooLarge", CF_EDATA, false, "the object is too large for one PUT"},
    {"QuotaExceeded", CF_EDENIED, false, "the bucket's quota is used up"},
};

/* A service's own words may quote the request, signature and all. */
static bool may_be_shown(const char *text)
{
    return text && *text && !strstr(text, "ignature") && !strstr(text, "redential") &&
           !strstr(text, "uthorization") && !strstr(text, "AWSAccessKeyId");
}

bool cf_sigv2_fault(const char *name, const char *detail, const char *request_id,
                    struct cf_error *err)
{
    static const struct meaning other = {"", CF_EDATA, false, "the store refuses the request"};
    const char *plain = strncmp(name, "Error", 5) == 0 ? name + 5 : name;
    const struct meaning *found = &other;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strcmp(meanings[i].name, plain) == 0) {
            found = &meanings[i];
            break;
        }
    }
    bool shown = may_be_shown(detail);
    (void)cf_error_set(err, found->code, "%s%s%.200s%s", found->text, shown ? " (" : "",
                       shown ? detail : "", shown ? ")" : "");
    (void)snprintf(err->service_code, sizeof(err->service_code), "%s", name);
    (void)snprintf(err->request_id, sizeof(err->request_id), "%s", request_id ? request_id : "");
    return found->again;
}
