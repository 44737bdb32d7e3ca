#include "common/aws/endpoint.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/net/http.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static bool consists_of(const char *text, const char *allowed)
{
    return *text && !text[strspn(text, allowed)];
}

struct variable {
    const char *name;
    const char *value; /* NULL: unset or empty */
};

/* The first of two that is set. */
static struct variable read_variable(const char *first, const char *second)
{
    struct variable found = {first, getenv(first)};
    if (!found.value || !*found.value) {
        found = (struct variable){second, getenv(second)};
    }
    if (found.value && !*found.value) {
        found.value = NULL;
    }
    return found;
}

int cf_aws_region(char out[CF_AWS_REGION], struct cf_error *err)
{
    struct variable set = read_variable("AWS_REGION", "AWS_DEFAULT_REGION");
    const char *region = set.value ? set.value : "us-east-1";
    if (!consists_of(region, LOWER DIGITS "-") || strlen(region) >= CF_AWS_REGION) {
        return cf_error_set(err, CF_ECONFIG, "%s: \"%.40s\" is no region's name", set.name, region);
    }
    (void)snprintf(out, CF_AWS_REGION, "%s", region);
    return 0;
}

const char *cf_aws_domain(const char *region)
{
    return strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
}

static bool is_default_port(const char *scheme, const char *port)
{
    return strcmp(port, strcmp(scheme, "https") == 0 ? "443" : "80") == 0;
}

/* A name or address as it may be signed: ASCII, no empty label but a last one; in brackets, an IPv6
 * address. */
static bool is_host(const char *host)
{
    return consists_of(host, LOWER DIGITS ".-_[]:") && host[0] != '.' && !strstr(host, "..");
}

static bool split(CURLU *url, const char *text, struct cf_aws_endpoint *out)
{
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    char *path = NULL;
    char *other = NULL;
    bool good = !curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) &&
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
    good = good && (!length || consists_of(path, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "/._-"));
    if (good) {
        bool shown = has_port && !is_default_port(scheme, port);
        out->host = cf_asprintf("%s%s%s", host, shown ? ":" : "", shown ? port : "");
        out->origin = cf_asprintf("%s://%s", scheme, out->host);
        out->path = cf_strdup(path);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(other);
    return good;
}

int cf_aws_endpoint_read(const char *variable, struct cf_aws_endpoint *out, struct cf_error *err)
{
    *out = (struct cf_aws_endpoint){0};
    struct variable set = read_variable(variable, "AWS_ENDPOINT_URL");
    if (!set.value) {
        return 0;
    }
    CURLU *url = curl_url();
    bool good = url && cf_http_url_is_safe(set.value) && split(url, set.value, out);
    curl_url_cleanup(url);
    if (!good) {
        return cf_error_set(err, CF_ECONFIG,
                            "%s must be an https URL, or http to a loopback address, without user, "
                            "query or fragment",
                            set.name);
    }
    return 0;
}

void cf_aws_endpoint_release(struct cf_aws_endpoint *endpoint)
{
    free(endpoint->origin);
    free(endpoint->host);
    free(endpoint->path);
    *endpoint = (struct cf_aws_endpoint){0};
}
