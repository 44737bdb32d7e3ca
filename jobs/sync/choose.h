/* Which files of a repository's root are its documents, and what counts as an extension. */
#ifndef SYNC_CHOOSE_H
#define SYNC_CHOOSE_H

#include <stddef.h>
#include <stdint.h>

#include "common/portfolio/content.h"

#define SYNC_DOCUMENT_MAX ((uint64_t)4 << 20) /* bytes; a longer one is listed without a text */
#define SYNC_EXTENSION_MAX 64                 /* with the NUL; a longer one isn't counted */

/* A file's claim to be the document of a kind: 0: none; of several, the highest wins, then the name
 * that sorts first. For the README the order is GitHub's: README.md before README with another
 * extension of markup, plain text, no extension, anything else. The case doesn't matter, but an
 * exact spelling wins. */
unsigned sync_document_rank(enum cf_document_kind kind, const char *name);

/* One blob of the tree's root. */
struct sync_file {
    const char *name;
    const char *oid;
    uint64_t bytes;
    bool link; /* a symbolic link: its content is a path */
};

/* Enters a file into content as the document of every kind for which it is better than what is
 * there. What can't be read is entered with its reason; a regular file beats a link. */
void sync_choose(struct cf_content *content, const struct sync_file *file);

/* The extension of a path's last part, in lower case with its dot; false when it has none: leading
 * dots don't make one, and neither does a dot at the end. */
bool sync_extension(const char *path, size_t length, char out[SYNC_EXTENSION_MAX]);

#endif
