#include "common/base/progress.h"

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { WIDTH = 30, INTERVAL_MS = 100 };

void cf_progress(const char *label, size_t done, size_t total)
{
    static int64_t last;
    int64_t now = cf_clock_monotonic_ms();
    if (!cf_log_is_terminal() || !total || (done < total && now - last < INTERVAL_MS)) {
        return;
    }
    last = now;
    if (done >= total) {
        (void)fputs("\r\033[K", stderr);
        return;
    }
    size_t full = done * WIDTH / total;
    (void)fprintf(stderr, "\r\033[K%s [", label);
    for (size_t i = 0; i < WIDTH; i++) {
        (void)fputc(i < full ? '#' : '.', stderr);
    }
    (void)fprintf(stderr, "] %zu/%zu", done, total);
}
