/* What the bundle's entries share with the old system, to the byte where that compares. */
#ifndef ORCHESTRATE_LEGACY_H
#define ORCHESTRATE_LEGACY_H

#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/hash.h"

/* Appends a value as Python's json.dumps(value, sort_keys=True) writes it: ", " and ": ", and
 * everything beyond ASCII as \uXXXX in lower case. */
void orchestrate_python_json(const json_t *value, struct cf_buf *out);

/* An entry's fingerprint: the MD5 of {id, updated_at, pushed_at, size, default_branch, language} in
 * Python's form, null where a field is absent. */
void orchestrate_legacy_fingerprint(const json_t *fields, char out[CF_MD5_HEX]);

#endif
