#include "common/store/s3_config.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/net/http.h"
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

static const char *variable(const char *first, const char *second)
{
    const char *value = getenv(first);
    value = value && *value ? value : getenv(second);
    return value && *value ? value : NULL;
}

static int read_region(struct cf_s3_config *out, struct cf_error *err)
{
    const char *region = variable("AWS_REGION", "AWS_DEFAULT_REGION");
    region = region ? region : "us-east-1";
    if (!consists_of(region, LOWER DIGITS "-") || strlen(region) >= sizeof(out->region)) {
        return cf_error_set(err, CF_ECONFIG, "AWS_REGION: \"%.40s\" is no region's name", region);
    }
    (void)snprintf(out->region, sizeof(out->region), "%s", region);
    return 0;
}

static void use_amazon(struct cf_s3_config *out)
{
    const char *domain = strncmp(out->region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
    if (fits_host_name(out->bucket)) {
        out->host = cf_asprintf("%s.s3.%s.%s", out->bucket, out->region, domain);
        out->path = cf_strdup("/");
    } else {
        out->host = cf_asprintf("s3.%s.%s", out->region, domain);
        out->path = cf_asprintf("/%s/", out->bucket);
    }
    out->origin = cf_asprintf("https://%s", out->host);
}

static bool is_default_port(const char *scheme, const char *port)
{
    return strcmp(port, strcmp(scheme, "https") == 0 ? "443" : "80") == 0;
}

/* Takes the endpoint apart with the parser that the request's URL will go through. */
/* A name or address as it may be signed: ASCII, no empty label but a last one; in brackets, an IPv6
 * address. */
static bool is_host(const char *host)
{
    return consists_of(host, LOWER DIGITS ".-_[]:") && host[0] != '.' && !strstr(host, "..");
}

static bool split_endpoint(CURLU *url, const char *endpoint, struct cf_s3_config *out)
{
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    char *path = NULL;
    char *other = NULL;
    bool good = !curl_url_set(url, CURLUPART_URL, endpoint, CURLU_NON_SUPPORT_SCHEME) &&
                !curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) &&
                !curl_url_get(url, CURLUPART_HOST, &host, 0) &&
                !curl_url_get(url, CURLUPART_PATH, &path, 0) &&
                curl_url_get(url, CURLUPART_QUERY, &other, 0) == CURLUE_NO_QUERY &&
                curl_url_get(url, CURLUPART_FRAGMENT, &other, 0) == CURLUE_NO_FRAGMENT;
    for (char *c = good ? host : NULL; c && *c; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c); /* as it will be signed */
    }
    good = good && host && is_host(host);
    bool has_port = good && !curl_url_get(url, CURLUPART_PORT, &port, 0);
    size_t length = good ? strlen(path) : 0;
    while (length && path[length - 1] == '/') {
        path[--length] = '\0';
    }
    if (good && (!length || consists_of(path, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "/._-"))) {
        bool shown = has_port && !is_default_port(scheme, port);
        out->host = cf_asprintf("%s%s%s", host, shown ? ":" : "", shown ? port : "");
        out->origin = cf_asprintf("%s://%s", scheme, out->host);
        out->path = cf_asprintf("%s/%s/", path, out->bucket);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(other);
    return out->path != NULL;
}

static int use_endpoint(const char *endpoint, struct cf_s3_config *out, struct cf_error *err)
{
    CURLU *url = curl_url();
    bool good = url && cf_http_url_is_safe(endpoint) && split_endpoint(url, endpoint, out);
    curl_url_cleanup(url);
    if (!good) {
        return cf_error_set(err, CF_ECONFIG,
                            "AWS_ENDPOINT_URL_S3 must be an https URL, or http to a loopback "
                            "address, without user, query or fragment");
    }
    return 0;
}

int cf_s3_config_read(const char *rest, struct cf_s3_config *out, struct cf_error *err)
{
    *out = (struct cf_s3_config){0};
    int rc = read_url(rest, out, err);
    rc = rc ? rc : read_region(out, err);
    const char *endpoint = variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
    if (!rc && endpoint) {
        rc = use_endpoint(endpoint, out, err);
    } else if (!rc) {
        use_amazon(out);
    }
    if (rc) {
        cf_s3_config_release(out);
    }
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
