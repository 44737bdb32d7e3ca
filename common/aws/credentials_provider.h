/* Private to the credentials chain: one provider a file, and what two of them share. */
#ifndef CF_AWS_CREDENTIALS_PROVIDER_H
#define CF_AWS_CREDENTIALS_PROVIDER_H

#include "common/aws/credentials.h"
#include "common/base/buf.h"
#include "common/net/http.h"

struct cf_credentials_provider {
    const char *name;
    bool (*is_configured)(void);
    /* Sets the first four fields of out, which is empty. */
    int (*fetch)(struct cf_credentials *out, struct cf_error *err);
};

extern const struct cf_credentials_provider cf_credentials_environment;
extern const struct cf_credentials_provider cf_credentials_container;
extern const struct cf_credentials_provider cf_credentials_instance;

/* The value of a variable, NULL when it is unset or empty. */
const char *cf_credentials_variable(const char *name);

/* Reads {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}, as the container's and the
 * instance's service write it. CF_EUNAVAILABLE names the field that is wrong, never its value. */
int cf_credentials_read(const char *data, size_t length, struct cf_credentials *out,
                        struct cf_error *err);

/* "2024-05-24T00:00:00Z", with a fraction or an offset such as +02:00 as well: in ms since 1970. */
bool cf_credentials_time(const char *text, int64_t *ms);

/* True for text that may stand in a header: 1 to most bytes between space and "~". */
bool cf_credentials_is_plain(const char *text, size_t most);

struct cf_credentials_request {
    const char *method;
    const char *url;
    const char *header; /* "Name: value", or NULL */
    enum cf_http_plain plain;
    int64_t connect_ms;
};

/* One small answer with status 200: else CF_EDENIED (4xx), CF_EUNAVAILABLE, or what the engine
 * says. *status is the answer's. */
int cf_credentials_http(const struct cf_credentials_request *request, struct cf_buf *answer,
                        long *status, struct cf_error *err);

#endif
