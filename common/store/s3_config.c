#include "common/store/s3_config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/store.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

enum { MOST_PREFIX = 256 };

static bool consists_of(const char *text, const char *allowed)
{
    return *text && !text[strspn(text, allowed)];
}

static bool is_bucket(const char *name)
{
    static const char inner[] = LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "._-";
    size_t length = strlen(name);
    return length >= 3 && length <= 63 && consists_of(name, inner) &&
           !strpbrk((const char[]){name[0], name[length - 1], '\0'}, "._-") && !strstr(name, "..");
}

/* A dot would make it two labels, which a wildcard certificate doesn't cover. */
static bool fits_host_name(const char *bucket)
{
    return consists_of(bucket, LOWER DIGITS "-");
}

static int read_url(const char *rest, struct cf_s3_config *out, struct cf_error *err)
{
    const char *name = strncmp(rest, "//", 2) == 0 ? rest + 2 : "";
    size_t length = strcspn(name, "/");
    (void)snprintf(out->bucket, sizeof(out->bucket), "%.*s", (int)length, name);
    if (length >= sizeof(out->bucket) || !is_bucket(out->bucket)) {
        return cf_error_set(err, CF_EUSAGE,
                            "\"s3:%.80s\" must be s3://bucket or s3://bucket/prefix", rest);
    }
    const char *prefix = name + length;
    prefix += strspn(prefix, "/");
    size_t prefix_length = strlen(prefix);
    while (prefix_length && prefix[prefix_length - 1] == '/') {
        prefix_length--;
    }
    char *clean = cf_strndup(prefix, prefix_length);
    if (prefix_length && (prefix_length > MOST_PREFIX || !cf_key_is_valid(clean, false))) {
        free(clean);
        return cf_error_set(err, CF_EUSAGE,
                            "the prefix of \"s3:%.80s\" may hold a-z, 0-9, \"_\", \".\", \"-\" "
                            "and single slashes, and at most %d bytes",
                            rest, MOST_PREFIX);
    }
    out->prefix = cf_asprintf("%s%s", clean, prefix_length ? "/" : "");
    free(clean);
    return 0;
}

static void use_amazon(struct cf_s3_config *out)
{
    const char *domain = cf_aws_domain(out->region);
    if (fits_host_name(out->bucket)) {
        out->host = cf_asprintf("%s.s3.%s.%s", out->bucket, out->region, domain);
        out->path = cf_strdup("/");
    } else {
        out->host = cf_asprintf("s3.%s.%s", out->region, domain);
        out->path = cf_asprintf("/%s/", out->bucket);
    }
    out->origin = cf_asprintf("https://%s", out->host);
}

/* The bucket goes into the path. */
static void use_endpoint(const struct cf_aws_endpoint *endpoint, struct cf_s3_config *out)
{
    out->host = cf_strdup(endpoint->host);
    out->origin = cf_strdup(endpoint->origin);
    out->path = cf_asprintf("%s/%s/", endpoint->path, out->bucket);
}

int cf_s3_config_read(const char *rest, struct cf_s3_config *out, struct cf_error *err)
{
    *out = (struct cf_s3_config){0};
    struct cf_aws_endpoint endpoint = {0};
    int rc = read_url(rest, out, err);
    rc = rc ? rc : cf_aws_region(out->region, err);
    rc = rc ? rc : cf_aws_endpoint_read("AWS_ENDPOINT_URL_S3", &endpoint, err);
    if (rc) {
        cf_s3_config_release(out);
    } else if (endpoint.origin) {
        use_endpoint(&endpoint, out);
    } else {
        use_amazon(out);
    }
    cf_aws_endpoint_release(&endpoint);
    return rc;
}

void cf_s3_config_release(struct cf_s3_config *config)
{
    free(config->prefix);
    free(config->origin);
    free(config->host);
    free(config->path);
    *config = (struct cf_s3_config){0};
}
