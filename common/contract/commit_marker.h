/* Private to the contract: a marker gets onto the chain. */
#ifndef CF_CONTRACT_COMMIT_MARKER_H
#define CF_CONTRACT_COMMIT_MARKER_H

#include "common/contract/dataset.h"

/* Gives the marker its writer and time, creates it and checks it. Results as those of
 * cf_commit_finish. */
int cf_commit_marker(const struct cf_dataset *dataset, struct cf_marker *marker,
                     struct cf_error *err);

#endif
