/* A progress bar on stderr, when that is a terminal that shows the log as text; nothing otherwise.
 */
#ifndef CF_BASE_PROGRESS_H
#define CF_BASE_PROGRESS_H

#include <stddef.h>

/* Draws the bar, with an estimate of the time that is left, at most ten times a second. done ==
 * total clears the line. label, which is borrowed for good, tells one piece of work from another.
 */
void cf_progress(const char *label, size_t done, size_t total);

#endif
