/* Plain files that export writes. */
#ifndef CLOUDFOLIO_FILES_H
#define CLOUDFOLIO_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

/* True for a name of [A-Za-z0-9._-] that doesn't begin with a full stop: it can't lead out of its
 * folder or hide. */
bool tool_file_name_is_safe(const char *name);

/* Writes a new file into an open folder; one that exists is never touched. */
int tool_write_file(int folder, const char *name, const void *data, size_t length,
                    struct cf_error *err);

#endif
