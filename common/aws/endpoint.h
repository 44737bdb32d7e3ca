/* Where an AWS service, or one that speaks like it, is: what the environment says of region and
 * endpoint. */
#ifndef CF_AWS_ENDPOINT_H
#define CF_AWS_ENDPOINT_H

#include "common/base/error.h"

#define CF_AWS_REGION 64 /* bytes of a region's name with its NUL */

/* AWS_REGION, else AWS_DEFAULT_REGION, else us-east-1. CF_ECONFIG: what is set is no region's name.
 */
int cf_aws_region(char out[CF_AWS_REGION], struct cf_error *err);

/* "amazonaws.com", or "amazonaws.com.cn" for the regions in China. */
const char *cf_aws_domain(const char *region);

struct cf_aws_endpoint {
    char *origin; /* "https://host[:port]"; NULL: none is set */
    char *host;   /* "host[:port]", in lower case, as the Host header has it and as it is signed */
    char *path;   /* "" or "/some/path" of letters, digits, "/", ".", "_" and "-" */
};

/* The endpoint that a variable names (such as AWS_ENDPOINT_URL_S3), else AWS_ENDPOINT_URL, taken
 * apart by the parser that the request's URL will go through. CF_ECONFIG: it isn't an https URL, or
 * http to a loopback address, or it has a user, query or fragment. */
int cf_aws_endpoint_read(const char *variable, struct cf_aws_endpoint *out, struct cf_error *err);
void cf_aws_endpoint_release(struct cf_aws_endpoint *endpoint);

#endif
