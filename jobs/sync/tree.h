/* GitHub's answer about a tree, read as it arrives: GET /repos/o/r/git/trees/{sha}[?recursive=1].
 *
 *     {"sha": "<oid>", "url": …, "truncated": false,
 *      "tree": [{"path": "src/main.c", "mode": "100644", "type": "blob", "sha": "<oid>",
 *                "size": 9, "url": …}, …]}
 *
 * Fields may come in any order; unknown ones are skipped, whatever they hold. Memory doesn't grow
 * with the number of entries: it is that of the longest strings, below 130 KiB. */
#ifndef SYNC_TREE_H
#define SYNC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/json_stream.h"
#include "common/portfolio/repos.h"

#define SYNC_TREE_TEXT_MAX 32768 /* bytes of one string; a longer one is CF_EDATA */
#define SYNC_MODE_MAX 8          /* with the NUL */

enum sync_tree_type {
    SYNC_TREE_BLOB,
    SYNC_TREE_TREE,
    SYNC_TREE_COMMIT, /* a submodule */
};

struct sync_tree_entry {
    const char *path; /* below the tree that was asked for. UTF-8 of any content: "", "..", "/" and
                       * control characters may come; ends with a NUL, but may hold others */
    size_t path_length;
    enum sync_tree_type type;
    char mode[SYNC_MODE_MAX]; /* octal digits as they came: "100644", "120000", "040000" */
    char oid[CF_OID_HEX];     /* a valid one */
    uint64_t bytes;           /* a blob's; 0 otherwise */
};

/* Called for each complete entry, in the answer's order; the entry is good until it returns.
 * Returns 0, or what ends the reading: the code that feed then returns, with err as it was set.
 * Whether the answer is one as a whole is known at its end only: what was made of its entries is
 * void when feed or end fail, and after a restart. */
typedef int sync_tree_callback(void *context, const struct sync_tree_entry *entry,
                               struct cf_error *err);

/* To be used through the functions below only. */
struct sync_tree_reader {
    sync_tree_callback *callback;
    void *context;
    struct cf_json_stream stream;
    size_t number;             /* of the entry that is read, from 0 */
    unsigned char seen;        /* the answer's fields that came, a bit each */
    unsigned char field;       /* the answer's field whose value is read */
    unsigned char entry_field; /* the entry's */
    unsigned char came, fits;  /* the entry's fields that came; that are what they must be */
    bool known_type, truncated;
    char sha[CF_OID_HEX];
    struct cf_buf path;
    struct sync_tree_entry entry;
};

/* The reader must stay where it is until it is released. */
void sync_tree_reader_init(struct sync_tree_reader *reader, sync_tree_callback *callback,
                           void *context);

/* The next piece of the answer, cut anywhere. CF_EDATA names the byte that isn't JSON, or the entry
 * (the first is 0) and its field that is missing, wrong or there twice. A blob must have path,
 * mode, type, sha and size, a tree or commit all but size. Entries of other types are skipped.
 * After an error, every call but restart and release returns its code. */
int sync_tree_reader_feed(struct sync_tree_reader *reader, const void *data, size_t length,
                          struct cf_error *err);

/* The answer is complete: gives its sha, a valid one, and whether GitHub cut it. CF_EDATA when it
 * isn't complete, or "sha", "tree" or "truncated" is missing. */
int sync_tree_reader_end(struct sync_tree_reader *reader, char sha[CF_OID_HEX], bool *truncated,
                         struct cf_error *err);

/* From the first byte: what came so far is void. */
void sync_tree_reader_restart(struct sync_tree_reader *reader);

void sync_tree_reader_release(struct sync_tree_reader *reader);

#endif
