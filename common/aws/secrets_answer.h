/* Private to secrets.h: the two services, and what their answers mean. */
#ifndef CF_AWS_SECRETS_ANSWER_H
#define CF_AWS_SECRETS_ANSWER_H

#include <stdbool.h>

#include "common/aws/secrets.h"

struct cf_aws_secrets_service {
    const char *host;      /* the first label of Amazon's host, and the name that is signed */
    const char *variable;  /* names another endpoint */
    const char *target;    /* X-Amz-Target */
    const char *field;     /* of the request: holds the name */
    const char *operation; /* of errors: "get_parameter" */
    const char *permission;
    const char *noun; /* "parameter" */
};

extern const struct cf_aws_secrets_service cf_aws_parameters;
extern const struct cf_aws_secrets_service cf_aws_secrets_manager;

/* CF_ECONFIG when a name or ARN can't be one of this service. The message doesn't quote it. */
int cf_aws_secrets_name(const struct cf_aws_secrets_service *service, const char *name,
                        struct cf_error *err);

/* Reads the value out of a 2xx answer into an empty buffer, which stays empty after an error:
 * CF_EDATA or CF_EUNAVAILABLE, which quotes nothing of the answer. */
int cf_aws_secrets_value(const struct cf_aws_secrets_service *service, const char *data,
                         size_t length, struct cf_buf *value, struct cf_error *err);

/* An answer that isn't 2xx. */
struct cf_aws_fault {
    char code[64];     /* "ParameterNotFound"; "" when the answer names none */
    char message[384]; /* the service's own, printable ASCII; "" for none */
};

/* Reads {"__type": "prefix#Code", "message": …}; type is the header X-Amzn-ErrorType
 * ("Code:http://…"), which goes before, or "". */
void cf_aws_secrets_fault(const char *type, const char *data, size_t length,
                          struct cf_aws_fault *out);

enum cf_aws_fault_kind {
    CF_AWS_FAULT_FINAL,
    CF_AWS_FAULT_AGAIN,   /* another attempt may help */
    CF_AWS_FAULT_EXPIRED, /* other credentials may */
};

/* Describes a fault in err, whose code, message and service_code it sets. */
enum cf_aws_fault_kind cf_aws_secrets_judge(const struct cf_aws_secrets_service *service,
                                            const struct cf_aws_fault *fault, long status,
                                            const char *name, const char *region,
                                            struct cf_error *err);

#endif
