/* A store's URL and the variables that go with it, as three lines: URL, AWS_ENDPOINT_URL_S3,
 * AWS_REGION. What is accepted can be sent to nobody else than it says: curl reads the same host
 * from it, it is safe, has no user, query or fragment, and naming the result as the endpoint
 * gives the same result. */
#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>

#include "common/base/alloc.h"
#include "common/net/http.h"
#include "common/store/s3_config.h"
#include "common/store/store.h"

static char *next_line(const char **p, const char *end)
{
    const char *start = *p;
    const char *stop = start;
    while (stop < end && *stop && *stop != '\n') {
        stop++;
    }
    *p = stop < end ? stop + 1 : stop;
    return cf_strndup(start ? start : "", (size_t)(stop - start));
}

static void must_be_url_text(const char *text)
{
    for (; *text; text++) {
        MUST(*text > ' ' && *text <= '~' && !strchr("?#@\\\"<>", *text));
    }
}

static char *part(CURLU *url, CURLUPart which)
{
    char *text = NULL;
    MUST(curl_url_get(url, which, &text, 0) == CURLUE_OK);
    return text;
}

static void check_as_curl_reads(const struct cf_s3_config *c)
{
    char *address = cf_asprintf("%s%skey", c->origin, c->path);
    CURLU *url = curl_url();
    MUST(curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK);
    char *host = part(url, CURLUPART_HOST);
    char *path = part(url, CURLUPART_PATH);
    MUST(strncmp(c->host, host, strlen(host)) == 0);
    MUST(!c->host[strlen(host)] || c->host[strlen(host)] == ':');
    MUST(strncmp(path, c->path, strlen(c->path)) == 0); /* no dots that curl takes away */
    curl_free(host);
    curl_free(path);
    curl_url_cleanup(url);
    free(address);
}

/* The endpoint is what the path has before the bucket. */
static void check_again(const struct cf_s3_config *c, const char *rest)
{
    struct cf_s3_config again;
    struct cf_error err = {0};
    size_t base = strlen(c->path) - strlen(c->bucket) - 2;
    char *endpoint = cf_asprintf("%s%.*s", c->origin, (int)base, c->path);
    (void)setenv("AWS_ENDPOINT_URL_S3", endpoint, 1);
    MUST(cf_s3_config_read(rest, &again, &err) == 0);
    MUST(strcmp(again.origin, c->origin) == 0 && strcmp(again.host, c->host) == 0);
    MUST(strcmp(again.path, c->path) == 0 && strcmp(again.prefix, c->prefix) == 0);
    MUST(strcmp(again.bucket, c->bucket) == 0 && strcmp(again.region, c->region) == 0);
    cf_s3_config_release(&again);
    free(endpoint);
}

static void check(const struct cf_s3_config *c, const char *rest, bool endpoint)
{
    size_t path = strlen(c->path);
    size_t prefix = strlen(c->prefix);
    MUST(strlen(c->bucket) >= 3 && strlen(c->bucket) <= 63);
    MUST(cf_key_is_valid(c->prefix, true) && (!prefix || c->prefix[prefix - 1] == '/'));
    MUST(strncmp(c->origin, "https://", 8) == 0 || strncmp(c->origin, "http://", 7) == 0);
    MUST(strcmp(strstr(c->origin, "://") + 3, c->host) == 0);
    MUST(c->path[0] == '/' && c->path[path - 1] == '/');
    MUST(*c->region && !c->region[strspn(c->region, "abcdefghijklmnopqrstuvwxyz0123456789-")]);
    must_be_url_text(c->origin);
    must_be_url_text(c->path);
    MUST(cf_http_url_is_safe(c->origin));
    check_as_curl_reads(c);
    if (endpoint) {
        check_again(c, rest);
    } else {
        MUST(strncmp(c->origin, "https://", 8) == 0 && strstr(c->host, ".amazonaws.com"));
    }
}

static void check_s3(const char *rest, const char *endpoint, const char *region)
{
    struct cf_s3_config config;
    struct cf_error err = {0};
    (void)unsetenv("AWS_ENDPOINT_URL");
    (void)unsetenv("AWS_DEFAULT_REGION");
    (void)setenv("AWS_ENDPOINT_URL_S3", endpoint, 1);
    (void)setenv("AWS_REGION", region, 1);
    int rc = cf_s3_config_read(rest, &config, &err);
    if (rc) {
        MUST((rc == CF_EUSAGE || rc == CF_ECONFIG) && *err.message);
        MUST(!config.prefix && !config.origin && !config.host && !config.path);
        return;
    }
    check(&config, rest, *endpoint != '\0');
    cf_s3_config_release(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    const char *p = (const char *)data;
    const char *end = p + length;
    char *url = next_line(&p, end);
    char *endpoint = next_line(&p, end);
    char *region = next_line(&p, end);
    if (strncmp(url, "s3:", 3) == 0) {
        check_s3(url + 3, endpoint, region);
    } else if (strncmp(url, "memory:", 7) != 0) { /* whose names live as long as the process */
        struct cf_store *store = NULL;
        struct cf_error err = {0};
        int rc = cf_store_open(url, &store, &err);
        MUST(rc ? *err.message && !store : strncmp(url, "file:/", 6) == 0);
        MUST(rc || strcmp(cf_store_url(store), url) == 0);
        cf_store_free(store);
    }
    free(url);
    free(endpoint);
    free(region);
    return 0;
}
