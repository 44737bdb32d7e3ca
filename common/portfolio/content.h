/* The content blob of a repository (dataset repos): what of its files is of use.
 *
 *     {"document": "content", "tree": "<oid>", "files": 120, "truncated": false,
 *      "file_types": {".c": 40, …},
 *      "documents": [{"kind": "readme" | "skills_index" | "architecture" | "repo_context",
 *                     "path": "README.md", "oid": "<oid>", "bytes": 1234,
 *                     "text": "…" | null, "skipped": null | "binary" | "too_large" | "link" |
 *                     "truncated"}]}
 *
 * It depends on the tree alone, so a version whose tree is unchanged refers to the same blob. files
 * counts the tree's blobs; file_types counts them by extension, in lower case (ASCII) with its dot;
 * files without one aren't in it. truncated: GitHub cut the tree's listing, and both count only
 * what came. Documents come in the order of the kinds above, those of the tree's root only, each
 * kind at most once; text is null exactly where skipped isn't. bytes is the file's size. */
#ifndef CF_PORTFOLIO_CONTENT_H
#define CF_PORTFOLIO_CONTENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/portfolio/repos.h"

enum cf_document_kind {
    CF_DOCUMENT_README,
    CF_DOCUMENT_SKILLS_INDEX,
    CF_DOCUMENT_ARCHITECTURE,
    CF_DOCUMENT_REPO_CONTEXT,
};

#define CF_DOCUMENT_KINDS 4

struct cf_document {
    char *path; /* NULL: the repository has no document of this kind */
    char oid[CF_OID_HEX];
    uint64_t bytes;
    char *text; /* UTF-8 without NULs; NULL when it was skipped */
    size_t text_length;
    char *skipped; /* why; NULL when text is there */
};

struct cf_file_type {
    char *extension; /* ".c" */
    uint64_t count;
};

struct cf_content {
    char tree[CF_OID_HEX];
    uint64_t files;
    bool truncated;
    struct cf_file_type *file_types; /* by extension */
    size_t file_type_count;
    struct cf_document documents[CF_DOCUMENT_KINDS]; /* by kind */
};

/* Reads a blob. CF_EDATA names the field that is missing, of a wrong type or doesn't fit. out is
 * left empty then. */
int cf_content_read(const json_t *document, struct cf_content *out, struct cf_error *err);
json_t *cf_content_write(const struct cf_content *content);
void cf_content_release(struct cf_content *content);

const char *cf_document_kind_name(enum cf_document_kind kind);

#endif
