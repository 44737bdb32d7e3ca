/* A document that comes as bytes: REST's git/blobs, and the text that bytes hold. No I/O. */
#ifndef SYNC_BLOB_H
#define SYNC_BLOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/* Reads the answer of GET /repos/{owner}/{name}/git/blobs/{oid} and appends the blob's bytes. oid
 * and bytes are those of the tree's entry. CF_EDATA, with nothing appended, when bytes exceeds
 * most, when sha, size, encoding ("base64", or "utf-8" for the text as it is) or content is missing
 * or wrong, or when the bytes are not those whose id this is: git's SHA-1, or SHA-256 for 64
 * digits, is computed. */
int sync_blob_read(const json_t *answer, const char *oid, uint64_t bytes, size_t most,
                   struct cf_buf *out, struct cf_error *err);

/* Appends the text that a document's bytes hold, as UTF-8 without NULs. False, with nothing
 * appended, when they are binary.
 *
 *     a UTF-16 byte order mark  UTF-16 of that order, without the mark; lone surrogates and an odd
 *                               last byte become U+FFFD. A NUL character in the first 8,000 bytes
 *                               makes it binary (so UTF-32 is), a later one becomes U+FFFD.
 *     a NUL in the first 8,000  binary, as git and GitHub have it
 *     anything else             UTF-8, as GraphQL gives it: what isn't valid becomes U+FFFD, one
 * for each longest run that could have begun a character (the Unicode Standard's maximal subparts,
 * WHATWG's decoder), and so does a NUL; a byte order mark stays */
bool sync_text(const char *bytes, size_t length, struct cf_buf *out);

#endif
