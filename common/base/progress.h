/* A progress bar on stderr, when that is a terminal that shows the log as text; nothing otherwise.
 */
#ifndef CF_BASE_PROGRESS_H
#define CF_BASE_PROGRESS_H

#include <stddef.h>

/* Draws the bar, at most ten times a second. done == total draws the last state and clears the
 * line. */
void cf_progress(const char *label, size_t done, size_t total);

#endif
