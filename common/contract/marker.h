/* The marker of a version: the small JSON object whose creation is the commit (docs/CONTRACT.md).
 */
#ifndef CF_CONTRACT_MARKER_H
#define CF_CONTRACT_MARKER_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/hash.h"
#include "common/contract/tenant.h"

#define CF_CONTRACT_VERSION 1
#define CF_MARKER_MAX 65536 /* bytes */
#define CF_DATASET_MAX 24
#define CF_TYPE_MAX 64
#define CF_INPUTS_MAX 8
#define CF_VERSION_MAX UINT64_C(0x7ffffffffffffffe)

/* Where a payload blob lies and what it must contain. stored is advisory. */
struct cf_blob_ref {
    uint64_t version; /* the folder b/<version>/ */
    char sha256[CF_SHA256_HEX];
    uint64_t bytes;  /* uncompressed */
    uint64_t stored; /* compressed */
    char type[CF_TYPE_MAX];
};

/* A version of a dataset that was read. */
struct cf_input {
    char dataset[CF_DATASET_MAX];
    uint64_t version;
    char sha256[CF_SHA256_HEX]; /* of the marker's bytes */
};

struct cf_marker {
    char tenant[CF_TENANT_MAX]; /* "" for shared datasets */
    char dataset[CF_DATASET_MAX];
    uint64_t version;
    uint64_t parent_version; /* 0: the first version */
    char parent_sha256[CF_SHA256_HEX];
    uint64_t floor;
    char writer[CF_RANDOM_HEX];
    char request[CF_SHA256_HEX];
    struct cf_input inputs[CF_INPUTS_MAX];
    size_t input_count;
    char job[24];
    char build[48];
    char run[48];
    char created_at[32];
    json_t *summary; /* owned; an object */
    struct cf_blob_ref root;

    /* Not in the document: */
    char sha256[CF_SHA256_HEX]; /* of its bytes */
    char etag[72];              /* of the object that it was read from */
};

void cf_marker_release(struct cf_marker *marker);

/* Appends the marker's bytes and sets marker->sha256. CF_EDATA when they exceed CF_MARKER_MAX. */
int cf_marker_write(struct cf_marker *marker, struct cf_buf *out, struct cf_error *err);

/* Reads a marker, whose field "seal" is the SHA-256 of the document without it. CF_EDATA names the
 * field that is missing, of a wrong type or out of range; a marker of another contract version is
 * CF_ECONFIG. */
int cf_marker_read(const char *data, size_t length, struct cf_marker *out, struct cf_error *err);

json_t *cf_blob_ref_json(const struct cf_blob_ref *ref);
int cf_blob_ref_read(const json_t *value, struct cf_blob_ref *out, struct cf_error *err);

#endif
