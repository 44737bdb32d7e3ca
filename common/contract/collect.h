/* Collection: deletes what no version at or above the floor refers to (docs/CONTRACT.md,
 * "Collection"). No clock takes part, and a collector that was stopped for any length of time does
 * no harm. */
#ifndef CF_CONTRACT_COLLECT_H
#define CF_CONTRACT_COLLECT_H

#include "common/contract/dataset.h"

#define CF_COLLECT_KEEP 32 /* the least number of versions behind the newest that stay readable */

struct cf_collected {
    uint64_t newest; /* after collecting */
    uint64_t floor;
    uint64_t markers; /* deleted */
    uint64_t blobs;
};

/* Keeps the newest version and at least keep (at least CF_COLLECT_KEEP) before it, and up to a
 * quarter more: the floor rises by that much or not at all. An empty dataset, and one where nothing
 * lies below the floor and the floor needn't rise, is left alone. With dry_run nothing is committed
 * or deleted and out tells what would be. CF_ERETRY when other writers got in the way each of
 * several times. */
int cf_collect(const struct cf_dataset *dataset, uint64_t keep, bool dry_run,
               const struct cf_producer *producer, struct cf_collected *out, struct cf_error *err);

#endif
