/* What kind of file an extension stands for, by GitHub Linguist's table. */
#ifndef ORCHESTRATE_CATEGORY_H
#define ORCHESTRATE_CATEGORY_H

#include <jansson.h>

/* "programming", "data", "markup", "prose" or "nil" for a lower-case extension with its dot; NULL
 * for one that Linguist doesn't know. */
const char *orchestrate_category(const char *extension);

/* Sums a table of extension → count by category; unknown extensions aren't counted. */
json_t *orchestrate_categorise(const json_t *file_types);

#endif
