/* Versions as --json prints them. */
#ifndef CLOUDFOLIO_VERSIONS_H
#define CLOUDFOLIO_VERSIONS_H

#include "common/contract/dataset.h"

/* {"dataset", "version", "sha256", "created_at", "floor", "request", "inputs", "producer",
 * "summary", "root": {"sha256", "bytes"}}, field names as in the marker. */
json_t *tool_version_json(const struct cf_marker *marker);

#endif
