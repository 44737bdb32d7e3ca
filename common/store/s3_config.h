/* Where an s3: store lies: its URL, and what the environment says of endpoint and region. */
#ifndef CF_STORE_S3_CONFIG_H
#define CF_STORE_S3_CONFIG_H

#include "common/aws/endpoint.h"
#include "common/base/error.h"

struct cf_s3_config {
    char bucket[64];
    char region[CF_AWS_REGION];
    char *prefix; /* "" or "some/prefix/": stands before every key */
    char *origin; /* "https://host[:port]" */
    char *host;   /* "host[:port]", as the Host header has it */
    char *path;   /* the bucket's, with a final slash: "/bucket/", or "/" of a host of its own */
};

/* Reads "//bucket" or "//bucket/some/prefix" and the environment: AWS_ENDPOINT_URL_S3, else
 * AWS_ENDPOINT_URL (both: the bucket goes into the path), AWS_REGION, else AWS_DEFAULT_REGION, else
 * us-east-1. Without an endpoint it is Amazon's, with the bucket in the host name when that can be.
 * CF_EUSAGE: the URL is wrong; CF_ECONFIG: a variable is. */
int cf_s3_config_read(const char *rest, struct cf_s3_config *out, struct cf_error *err);
void cf_s3_config_release(struct cf_s3_config *config);

#endif
