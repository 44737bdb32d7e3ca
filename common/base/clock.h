/* Time: for people (ISO 8601, UTC) and for measuring. Nothing in the contract decides by it. */
#ifndef CF_BASE_CLOCK_H
#define CF_BASE_CLOCK_H

#include <stdint.h>

#define CF_TIMESTAMP 25 /* "2026-01-31T23:59:59.123Z" and the NUL */

int64_t cf_clock_now_ms(void);       /* since 1970 */
int64_t cf_clock_monotonic_ms(void); /* from some fixed moment, never going back */
void cf_clock_format(int64_t ms, char out[CF_TIMESTAMP]);
void cf_clock_sleep_ms(int64_t ms); /* returns early when a signal arrives */

/* Used by this process until now. */
double cf_clock_cpu_seconds(void);
int64_t cf_clock_peak_memory_bytes(void);

#endif
