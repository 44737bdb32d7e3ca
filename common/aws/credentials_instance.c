/* The metadata service of a virtual machine, version 2: a session token first, then the name of the
 * role, then its credentials. AWS_EC2_METADATA_SERVICE_ENDPOINT names another address. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "common/net/policy.h"

#define ROLES "/latest/meta-data/iam/security-credentials/"

static bool is_configured(void)
{
    const char *disabled = cf_credentials_variable("AWS_EC2_METADATA_DISABLED");
    return !disabled || strcasecmp(disabled, "true") != 0;
}

static int ask(const char *method, const char *path, const char *header, struct cf_buf *answer,
               long *status, struct cf_error *err)
{
    const char *base = cf_credentials_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    base = base ? base : "http://169.254.169.254";
    size_t length = strlen(base);
    char *url = cf_asprintf("%.*s%s", (int)(length - (base[length - 1] == '/')), base, path);
    struct cf_credentials_request request = {.method = method,
                                             .url = url,
                                             .header = header,
                                             .plain = CF_HTTP_PLAIN_INSTANCE,
                                             .connect_ms = 1000};
    int rc = cf_credentials_http(&request, answer, status, err);
    free(url);
    return rc;
}

/* *out is the header that shows the session's token. */
static int open_session(char **out, struct cf_error *err)
{
    struct cf_buf token = CF_BUF_INIT;
    long status = 0;
    int rc = ask("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600", &token,
                 &status, err);
    if (rc == CF_EUNAVAILABLE && !status) {
        rc = cf_error_set(err, CF_ECONFIG,
                          "no metadata service answers; set AWS_ACCESS_KEY_ID and "
                          "AWS_SECRET_ACCESS_KEY, or run where a container or an instance has a "
                          "role");
    } else if (!rc && !cf_credentials_is_plain(cf_buf_str(&token), 4096)) {
        rc = cf_error_set(err, CF_EUNAVAILABLE, "the metadata service's token is malformed");
    }
    if (!rc) {
        *out = cf_asprintf("X-aws-ec2-metadata-token: %s", cf_buf_str(&token));
    }
    cf_buf_release(&token);
    return rc;
}

/* The first line of the list of roles. */
static int read_role(const char *header, char **out, struct cf_error *err)
{
    struct cf_buf answer = CF_BUF_INIT;
    long status = 0;
    int rc = ask("GET", ROLES, header, &answer, &status, err);
    if (status == 404) {
        rc = cf_error_set(err, CF_ECONFIG, "this instance has no role");
    }
    if (!rc) {
        char *role = cf_strndup(cf_buf_str(&answer), strcspn(cf_buf_str(&answer), "\r\n"));
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789+=,.@_-";
        if (!*role || role[strspn(role, allowed)] || strlen(role) > 128) {
            free(role);
            rc = cf_error_set(err, CF_EUNAVAILABLE, "the metadata service names no role");
        } else {
            *out = role;
        }
    }
    cf_buf_release(&answer);
    return rc;
}

static int fetch(struct cf_credentials *out, struct cf_error *err)
{
    struct cf_buf answer = CF_BUF_INIT;
    char *header = NULL;
    char *role = NULL;
    long status = 0;
    int rc = open_session(&header, err);
    rc = rc ? rc : read_role(header, &role, err);
    if (!rc) {
        char *path = cf_asprintf(ROLES "%s", role);
        rc = ask("GET", path, header, &answer, &status, err);
        free(path);
    }
    rc = rc ? rc : cf_credentials_read(cf_buf_str(&answer), answer.length, out, err);
    if (answer.data) {
        explicit_bzero(answer.data, answer.length);
    }
    cf_buf_release(&answer);
    free(header);
    free(role);
    return rc;
}

const struct cf_credentials_provider cf_credentials_instance = {
    .name = "instance", .is_configured = is_configured, .fetch = fetch};
