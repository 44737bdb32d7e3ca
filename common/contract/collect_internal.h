/* Collecting with any number of kept versions, for tests: short runs never reach the minimum of
 * cf_collect, which is otherwise the same. */
#ifndef CF_CONTRACT_COLLECT_INTERNAL_H
#define CF_CONTRACT_COLLECT_INTERNAL_H

#include "common/contract/collect.h"

int cf_collect_keeping(const struct cf_dataset *dataset, uint64_t keep, bool dry_run,
                       const struct cf_producer *producer, struct cf_collected *out,
                       struct cf_error *err);

#endif
