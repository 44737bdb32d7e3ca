/* How many processors there are to compute on. */
#ifndef CF_BASE_CPUS_H
#define CF_BASE_CPUS_H

#include <stddef.h>

/* The processors that this process may use, at least 1: those of its affinity mask, so that
 * taskset and a container's cpuset count. */
size_t cf_cpus(void);

#endif
