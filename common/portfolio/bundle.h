/* The documents of the dataset bundle, which orchestrate writes: the whole portfolio in one
 * version.
 *
 * Root:
 *     {"document": "bundle", "login": "Octocat", "content_fingerprint": "<sha256>",
 *      "entries": [{"name", "source", "entry", "content_fingerprint", "has_documentation", "words",
 *                   "documents": [{"kind", "path", "bytes"}]}], "blobs": […]}
 * The content fingerprint of an entry covers what training reads of it: name, description, topics,
 * the names of the languages, and the documents; that of the bundle covers the entries'. Nothing
 * else retrains a model. entry is the hash of the entry's blob; source is a hash of everything that
 * the entry was made from, so an entry whose source is unchanged is referred to and not made again.
 * Sorted as in the repos document.
 *
 * An entry's blob holds the fields that the old system's bundle entries had: name, metadata,
 * repoContext, readme, skills_index, architecture, file_types, categorized_types, fingerprint,
 * languages, has_documentation. */
#ifndef CF_PORTFOLIO_BUNDLE_H
#define CF_PORTFOLIO_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/hash.h"

struct cf_bundle_document {
    char kind[24]; /* "readme", "skills_index", "architecture", "repo_context" */
    char *path;
    uint64_t bytes;
};

struct cf_bundle_entry {
    char *name;
    char source[CF_SHA256_HEX];
    char entry[CF_SHA256_HEX];
    char content_fingerprint[CF_SHA256_HEX]; /* of what training reads */
    bool has_documentation;
    uint64_t words; /* in all documents, the name, the description and the topics */
    struct cf_bundle_document *documents;
    size_t document_count;
};

struct cf_bundle {
    char *login;
    char content_fingerprint[CF_SHA256_HEX];
    struct cf_bundle_entry *entries;
    size_t count;
};

/* CF_EDATA names the entry and field that is wrong. */
int cf_bundle_read(const json_t *root, struct cf_bundle *out, struct cf_error *err);
json_t *cf_bundle_write(const struct cf_bundle *bundle);
const struct cf_bundle_entry *cf_bundle_find(const struct cf_bundle *bundle, const char *name);
/* A copy that shares nothing with the original. */
void cf_bundle_entry_copy(const struct cf_bundle_entry *from, struct cf_bundle_entry *to);
void cf_bundle_release(struct cf_bundle *bundle);

/* The text of one document of an entry's blob by its kind; NULL when the entry has none. The
 * repository's context is given as JSON text. Freed by the caller. */
char *cf_entry_text(const json_t *entry, const char *kind);

#endif
