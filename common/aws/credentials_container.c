/* The credentials service of a container (ECS, Fargate, Batch, EKS Pod Identity). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "common/net/policy.h"

#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

enum { MOST_TOKEN = 16384, MOST_URI = 2048 };

static bool is_configured(void)
{
    return cf_credentials_variable(RELATIVE) || cf_credentials_variable(FULL);
}

static int read_url(char **out, struct cf_error *err)
{
    const char *relative = cf_credentials_variable(RELATIVE);
    const char *full = cf_credentials_variable(FULL);
    const char *given = relative ? relative : full;
    if (!cf_credentials_is_plain(given, MOST_URI) || strchr(given, ' ')) {
        return cf_error_set(err, CF_ECONFIG, "%s is no URI", relative ? RELATIVE : FULL);
    }
    if (relative && *relative != '/') {
        return cf_error_set(err, CF_ECONFIG, RELATIVE " doesn't begin with a slash");
    }
    char *url = relative ? cf_asprintf("http://169.254.170.2%s", relative) : cf_strdup(full);
    if (!cf_net_url_is_allowed(cf_net_url_kind(url), CF_HTTP_PLAIN_CONTAINER)) {
        free(url);
        return cf_error_set(err, CF_ECONFIG,
                            FULL " must be https, or http to a loopback address, 169.254.170.2 or "
                                 "169.254.170.23");
    }
    *out = url;
    return 0;
}

/* The file is read at every fetch, since what it holds is renewed by others. */
static int read_token_file(const char *path, char **out, struct cf_error *err)
{
    char text[MOST_TOKEN + 2];
    FILE *file = fopen(path, "re");
    if (!file) {
        return cf_error_set(err, CF_ECONFIG, TOKEN_FILE ": %s", strerror(errno));
    }
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    length = strcspn(text, "\r\n");
    if (text[length + strspn(text + length, "\r\n")]) {
        return cf_error_set(err, CF_ECONFIG, TOKEN_FILE " names a file of more than one line");
    }
    *out = cf_strndup(text, length);
    explicit_bzero(text, sizeof(text));
    return 0;
}

/* *out is the whole header, NULL when no token is configured. */
static int read_header(char **out, struct cf_error *err)
{
    const char *path = cf_credentials_variable(TOKEN_FILE);
    const char *given = cf_credentials_variable(TOKEN);
    char *token = NULL;
    int rc = 0;
    if (path) {
        rc = read_token_file(path, &token, err);
    } else if (given) {
        token = cf_strdup(given);
    }
    if (token && !cf_credentials_is_plain(token, MOST_TOKEN)) {
        rc = cf_error_set(err, CF_ECONFIG, "%s can't stand in a header", path ? TOKEN_FILE : TOKEN);
    }
    if (token && !rc) {
        *out = cf_asprintf("Authorization: %s", token);
    }
    free(token);
    return rc;
}

static int fetch(struct cf_credentials *out, struct cf_error *err)
{
    char *url = NULL;
    char *header = NULL;
    struct cf_buf answer = CF_BUF_INIT;
    long status = 0;
    int rc = read_url(&url, err);
    rc = rc ? rc : read_header(&header, err);
    if (!rc) {
        struct cf_credentials_request request = {.method = "GET",
                                                 .url = url,
                                                 .header = header,
                                                 .plain = CF_HTTP_PLAIN_CONTAINER,
                                                 .connect_ms = 2000};
        rc = cf_credentials_http(&request, &answer, &status, err);
    }
    rc = rc ? rc : cf_credentials_read(cf_buf_str(&answer), answer.length, out, err);
    if (answer.data) {
        explicit_bzero(answer.data, answer.length);
    }
    cf_buf_release(&answer);
    free(header);
    free(url);
    return rc;
}

const struct cf_credentials_provider cf_credentials_container = {
    .name = "container", .is_configured = is_configured, .fetch = fetch};
