/* Opens s3v2: stores: what the URL and the environment say, and what is refused. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "common/store/sigv2/sigv2.h"

static bool is_one(const char *name)
{
    const char *value = getenv(name);
    return value && strcmp(value, "1") == 0;
}

static int read_credentials(struct cf_credentials *out, struct cf_error *err)
{
    if (cf_credentials_variable("AWS_SESSION_TOKEN")) {
        return cf_error_set(err, CF_ECONFIG,
                            "AWS_SESSION_TOKEN is set: Signature Version 2 has no session tokens; "
                            "use s3:// or keys that need none");
    }
    if (!cf_credentials_environment.is_configured()) {
        return cf_error_set(err, CF_ECONFIG,
                            "s3v2: stores take their keys from AWS_ACCESS_KEY_ID and "
                            "AWS_SECRET_ACCESS_KEY only, and these are not set");
    }
    return cf_credentials_environment.fetch(out, err);
}

/* libs3 gives no say in proxies: libcurl reads the environment, and would send requests to a
 * loopback address through a proxy. */
static int check_proxy(struct cf_error *err)
{
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
    const char *except = getenv("no_proxy") ? getenv("no_proxy") : getenv("NO_PROXY");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value && *value && !(except && *except)) {
            return cf_error_set(err, CF_ECONFIG,
                                "%s is set and would be used for the store on this machine: "
                                "set no_proxy to its host",
                                names[i]);
        }
    }
    return 0;
}

static int check_endpoint(const struct cf_s3_config *config, struct cf_error *err)
{
    if (!cf_credentials_variable("AWS_ENDPOINT_URL_S3") &&
        !cf_credentials_variable("AWS_ENDPOINT_URL")) {
        return cf_error_set(err, CF_ECONFIG,
                            "s3v2: stores need AWS_ENDPOINT_URL_S3, such as "
                            "http://127.0.0.1:7480: Amazon's own is reached by s3://");
    }
    if (strlen(config->path) != strlen(config->bucket) + 2) {
        return cf_error_set(err, CF_ECONFIG,
                            "AWS_ENDPOINT_URL_S3 has a path, which s3v2: stores can't have");
    }
    if (strncmp(config->origin, "https:", 6) != 0) {
        return check_proxy(err);
    }
    if (!is_one("CLOUDFOLIO_UNVERIFIED_TLS")) {
        return cf_error_set(err, CF_ECONFIG,
                            "libs3 does not check who answers over https: use a tunnel that does "
                            "(such as stunnel, with an endpoint of http://127.0.0.1:port), or set "
                            "CLOUDFOLIO_UNVERIFIED_TLS=1 where nobody can come in between");
    }
    return 0;
}

static int initialize(const struct cf_s3_config *config, struct cf_error *err)
{
    static bool done;
    S3Status status = done ? S3StatusOK : S3_initialize("cloudfolio", S3_INIT_ALL, NULL);
    if (status == S3StatusOK) {
        done = true;
        status = S3_validate_bucket_name(config->bucket, S3UriStylePath);
    }
    return status == S3StatusOK
               ? 0
               : cf_error_set(err, CF_ECONFIG, "libs3: %s", S3_get_status_name(status));
}

static void close_store(void *self)
{
    struct cf_sigv2 *store = self;
    if (store->requests) {
        S3_destroy_request_context(store->requests);
    }
    cf_http_free(store->http);
    cf_credentials_release(&store->credentials);
    cf_s3_config_release(&store->config);
    free(store);
}

static int open_store(const char *rest, void **self, struct cf_error *err)
{
    struct cf_sigv2 *store = cf_calloc(1, sizeof(*store));
    int rc = cf_s3_config_read(rest, &store->config, err);
    rc = rc ? rc : check_endpoint(&store->config, err);
    rc = rc ? rc : read_credentials(&store->credentials, err);
    rc = rc ? rc : initialize(&store->config, err);
    if (rc) {
        close_store(store);
        return rc;
    }
    struct cf_http_options options = {.max_in_flight = CF_SIGV2_IN_FLIGHT,
                                      .max_attempts = CF_SIGV2_ATTEMPTS,
                                      .backoff_ms = 100,
                                      .stop = cf_store_stop(),
                                      .grace_ms = CF_SIGV2_GRACE_MS};
    bool tls = strncmp(store->config.origin, "https:", 6) == 0;
    store->http = cf_http_new(&options);
    store->single_writer = is_one("CLOUDFOLIO_SINGLE_WRITER");
    store->bucket = (S3BucketContext){.hostName = store->config.host,
                                      .bucketName = store->config.bucket,
                                      .protocol = tls ? S3ProtocolHTTPS : S3ProtocolHTTP,
                                      .uriStyle = S3UriStylePath,
                                      .accessKeyId = store->credentials.access_key,
                                      .secretAccessKey = store->credentials.secret_key};
    *self = store;
    return 0;
}

static bool can_commit(void *self)
{
    return ((const struct cf_sigv2 *)self)->single_writer;
}

extern const struct cf_store_driver cf_store_sigv2_driver;
const struct cf_store_driver cf_store_sigv2_driver = {
    .scheme = "s3v2",
    .can_commit = can_commit,
    .open = open_store,
    .run = cf_sigv2_run,
    .close = close_store,
};
