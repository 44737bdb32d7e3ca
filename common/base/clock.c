#include "common/base/clock.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static int64_t read_ms(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t cf_clock_now_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t cf_clock_monotonic_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

void cf_clock_format(int64_t ms, char out[CF_TIMESTAMP])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char day[20] = "";
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out, CF_TIMESTAMP, "%.19s.%03uZ", day, (unsigned)(ms % 1000) % 1000U);
}

void cf_clock_sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

double cf_clock_cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int64_t cf_clock_peak_memory_bytes(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}
