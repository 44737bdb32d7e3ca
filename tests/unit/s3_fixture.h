/* An S3 store whose service is a scripted server, for tests of the driver. */
#ifndef TESTS_UNIT_S3_FIXTURE_H
#define TESTS_UNIT_S3_FIXTURE_H

#include "common/store/store.h"
#include "tests/unit/net_server.h"

#define S3_FAULT(code)                                                                             \
    "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>In the service's words</Message>" \
    "<RequestId>REQ1</RequestId></Error>"
#define S3_ETAG "ETag: \"abc\"\r\n"
#define S3_LIST(inner) "<ListBucketResult>" inner "</ListBucketResult>"
#define S3_NAME(key) "<Contents><Key>" key "</Key><ETag>\"e\"</ETag><Size>3</Size></Contents>"
#define S3_MORE "<IsTruncated>true</IsTruncated>"
#define S3_LAST "<IsTruncated>false</IsTruncated>"

struct s3_fixture {
    struct net_server *server;
    struct cf_store *store;
};

/* s3://bucket/base with fixed keys in the environment, at a server that follows the script. */
void s3_fixture_open(struct s3_fixture *f, const struct net_step *script, size_t count);
void s3_fixture_close(struct s3_fixture *f);

/* Runs one operation; its result is rc, which must be the expected one. */
void s3_expect(struct s3_fixture *f, struct cf_op *op, int rc);

/* The head of a request; it must have come. */
const char *s3_head(const struct s3_fixture *f, size_t index);

/* Fails when the error tells any of the keys, or a signature. */
void s3_check_secrecy(const struct cf_error *error);

#endif
