/* Settings and secrets that are kept at AWS: parameters of Systems Manager's Parameter Store and
 * secrets of Secrets Manager, read one at a time.
 *
 * Requests are signed with the credentials of credentials.h and retried as common/net/http.h says,
 * throttling as well. Several tasks may read with one client. A value appears in no error and in no
 * log; memory that held it and that is ours is wiped. What TLS and libcurl held of it is not.
 *
 * Environment: AWS_REGION, else AWS_DEFAULT_REGION, else us-east-1; AWS_ENDPOINT_URL_SSM and
 * AWS_ENDPOINT_URL_SECRETS_MANAGER, else AWS_ENDPOINT_URL, else Amazon's endpoints of the region.
 */
#ifndef CF_AWS_SECRETS_H
#define CF_AWS_SECRETS_H

#include "common/base/buf.h"
#include "common/base/error.h"

#define CF_AWS_VALUE_MAX 65536 /* bytes of a value */

struct cf_aws_secrets;

/* Reads the environment; nothing is sent, and no credentials are read, before the first get. stop:
 * as in struct cf_http_options; NULL: never. CF_ECONFIG: a variable is wrong. */
int cf_aws_secrets_new(const volatile int *stop, struct cf_aws_secrets **out, struct cf_error *err);
void cf_aws_secrets_free(struct cf_aws_secrets *secrets); /* no get may wait; NULL is fine */

/* The value of a parameter, decrypted. name is its name or ARN, with ":version" or ":label" behind
 * it if need be. It takes the permission ssm:GetParameter, and kms:Decrypt for a SecureString under
 * a key of one's own.
 *
 * *value is replaced; it holds no NUL but the one that every buffer ends with, and is empty after
 * an error. The caller wipes it: cf_aws_value_release. Errors, whose key is the name:
 *
 *   CF_ENOTFOUND     there is no such parameter
 *   CF_EDENIED       the service refuses; the message names the permission
 *   CF_ECONFIG       name can't be one (nothing was sent), the service refuses the request as such,
 *                    the clock is wrong, there are no credentials
 *   CF_EUNAVAILABLE  the service is down, asks for fewer requests, or answers nonsense
 *   CF_EDATA         the value is longer than CF_AWS_VALUE_MAX, holds a NUL, or is binary
 *   CF_EINTERRUPTED  *stop was set */
int cf_aws_parameter_get(struct cf_aws_secrets *secrets, const char *name, struct cf_buf *value,
                         struct cf_error *err);

/* The same for the current version of a secret, by its name or ARN: its SecretString. It takes the
 * permission secretsmanager:GetSecretValue, and kms:Decrypt as above. */
int cf_aws_secret_get(struct cf_aws_secrets *secrets, const char *name_or_arn, struct cf_buf *value,
                      struct cf_error *err);

/* Wipes and frees a value; leaves an empty buffer. */
void cf_aws_value_release(struct cf_buf *value);

#endif
