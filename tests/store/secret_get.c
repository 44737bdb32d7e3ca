/* Prints a parameter or secret of AWS, for tests of that; the exit status is its error's.
 *
 *   secret_get parameter NAME
 *   secret_get secret NAME */
#include <stdio.h>
#include <string.h>

#include "common/aws/secrets.h"

int main(int argc, char **argv)
{
    struct cf_aws_secrets *secrets = NULL;
    struct cf_buf value = CF_BUF_INIT;
    struct cf_error err = {0};
    if (argc != 3 || (strcmp(argv[1], "parameter") != 0 && strcmp(argv[1], "secret") != 0)) {
        (void)fprintf(stderr, "usage: secret_get parameter|secret NAME\n");
        return cf_exit_status(CF_EUSAGE);
    }
    int rc = cf_aws_secrets_new(NULL, &secrets, &err);
    if (!rc && strcmp(argv[1], "parameter") == 0) {
        rc = cf_aws_parameter_get(secrets, argv[2], &value, &err);
    } else if (!rc) {
        rc = cf_aws_secret_get(secrets, argv[2], &value, &err);
    }
    if (rc) {
        (void)fprintf(stderr, "%s %s: %s [%s %ld]\n", err.operation, err.key, err.message,
                      err.service_code, err.http_status);
    } else {
        (void)fwrite(cf_buf_str(&value), 1, value.length, stdout);
    }
    cf_aws_value_release(&value);
    cf_aws_secrets_free(secrets);
    return cf_exit_status(rc);
}
