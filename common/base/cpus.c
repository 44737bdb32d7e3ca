#define _GNU_SOURCE /* sched_getaffinity */
#include "common/base/cpus.h"

#include <sched.h>

size_t cf_cpus(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (size_t)count : 1;
}
