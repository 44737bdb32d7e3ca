/* Names that people type: which known one comes nearest. */
#ifndef CLOUDFOLIO_NAMES_H
#define CLOUDFOLIO_NAMES_H

#include <stddef.h>

/* How many letters must be added, removed, changed or swapped with their neighbour to turn a into
 * b. Only the first 63 bytes of each count. */
size_t tool_distance(const char *a, const char *b);

/* The name that comes nearest to word, the first of equals; NULL when none is near enough to be
 * meant. */
const char *tool_nearest(const char *word, const char *const *names, size_t count);

#endif
