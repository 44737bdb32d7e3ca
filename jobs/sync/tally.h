/* What a repository's content says of its files: how many there are, of which types, and which of
 * the root are its documents. A tree that comes in several answers, whole or in parts, is added up:
 * one tally for each answer, which can be cleared when the answer must be read again, and one that
 * they are merged into. */
#ifndef SYNC_TALLY_H
#define SYNC_TALLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/portfolio/content.h"
#include "jobs/sync/tree.h"

#define SYNC_FILE_TYPES_MAX 2000 /* extensions that are told apart; files of others only count */

struct sync_tally {
    uint64_t files;
    json_t *counts;           /* a count for each extension */
    struct cf_content chosen; /* its documents only */
};

void sync_tally_init(struct sync_tally *tally);

/* Adds an entry of the repository's root tree, or of another one: of the former, blobs without a
 * "/" in their path may be documents. Entries other than blobs don't matter. */
void sync_tally_add(struct sync_tally *tally, const struct sync_tree_entry *entry, bool of_root);

/* Adds what other has, and clears it. Of more than SYNC_FILE_TYPES_MAX extensions, those that came
 * first are counted: for equal trees to give equal counts, merge in the tree's order. */
void sync_tally_merge(struct sync_tally *tally, struct sync_tally *other);

/* As after init. */
void sync_tally_clear(struct sync_tally *tally);

/* Hands over files, file_types and documents (as chosen: without texts); content must have none of
 * them. The tally is cleared. */
void sync_tally_finish(struct sync_tally *tally, struct cf_content *content);

void sync_tally_release(struct sync_tally *tally);

#endif
