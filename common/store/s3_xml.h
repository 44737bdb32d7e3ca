/* The XML documents of S3, read strictly: no document type, and so no entities, nesting at most 8
 * deep, texts of at most 8 KiB, UTF-8 whatever the document claims. A document that is malformed,
 * cut off or of another kind gives CF_EUNAVAILABLE: the service answers nonsense. */
#ifndef CF_STORE_S3_XML_H
#define CF_STORE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/store/store.h"

#define CF_S3_UPLOAD_ID_MAX 1024

/* What the service says of a failure. */
struct cf_s3_fault {
    char code[64];
    char message[256]; /* printable */
    char request_id[80];
    char region[64]; /* where the bucket is, when the request went elsewhere */
};

/* A page of names: objects and groups, each in the service's order. */
struct cf_s3_page {
    struct cf_listed *objects;
    size_t object_count, object_capacity;
    struct cf_listed *groups;
    size_t group_count, group_capacity;
    bool truncated;
    bool encoded; /* while reading: names are percent-encoded */
};

/* True when the document is an <Error>; out is empty otherwise. */
bool cf_s3_xml_fault(const char *data, size_t length, struct cf_s3_fault *out);

/* ListBucketResult. Names are decoded; those that no C string can hold are left out. */
int cf_s3_xml_page(const char *data, size_t length, struct cf_s3_page *out, struct cf_error *err);
void cf_s3_page_release(struct cf_s3_page *page);

/* DeleteResult: failed is called for each key that the service did not delete. */
int cf_s3_xml_deleted(const char *data, size_t length,
                      void (*failed)(void *context, const char *key, const char *code),
                      void *context, struct cf_error *err);

/* InitiateMultipartUploadResult. */
int cf_s3_xml_upload(const char *data, size_t length, char id[CF_S3_UPLOAD_ID_MAX],
                     struct cf_error *err);

/* CompleteMultipartUploadResult, by whatever name: not all services agree on it. */
int cf_s3_xml_completed(const char *data, size_t length, char etag[CF_ETAG_MAX],
                        struct cf_error *err);

/* Appends text escaped for XML. */
void cf_s3_xml_escape(struct cf_buf *out, const char *text);

/* Copies an ETag without its quotes and weakness mark; false when it doesn't fit. */
bool cf_s3_etag(const char *text, char out[CF_ETAG_MAX]);

#endif
