/* Memory that is there: these functions don't return on failure.
 *
 * Running out of memory ends the process with exit status 70 and one line on stderr. That is safe,
 * since the contract makes death at any moment safe, and it leaves no untested error path in every
 * caller (docs/decisions/0003-allocation-failure-ends-the-process.md). Sizes that come from outside
 * are bounded before they get here. */
#ifndef CF_BASE_ALLOC_H
#define CF_BASE_ALLOC_H

#include <stddef.h>

void *cf_malloc(size_t size);
void *cf_calloc(size_t count, size_t size);           /* zeroed; count × size is checked */
void *cf_realloc(void *p, size_t count, size_t size); /* to count × size bytes, checked */
char *cf_strdup(const char *s);
char *cf_strndup(const char *s, size_t length);
char *cf_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Grows *items (elements of the given size) so that one more fits behind count. */
void *cf_grow(void *items, size_t count, size_t *capacity, size_t size);

#endif
