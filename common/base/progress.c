#include "common/base/progress.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { WIDTH = 30, INTERVAL_MS = 100 };

/* " about 2 min 5 s left", from how long it took until now. */
static void print_estimate(int64_t elapsed_ms, size_t done, size_t total)
{
    if (!done || elapsed_ms < INTERVAL_MS) {
        return;
    }
    int64_t left = (int64_t)((double)elapsed_ms * (double)(total - done) / (double)done / 1000) + 1;
    if (left >= 60) {
        (void)fprintf(stderr, " about %lld min", (long long)(left / 60));
    }
    (void)fprintf(stderr, "%s %lld s left", left >= 60 ? "" : " about", (long long)(left % 60));
}

void cf_progress(const char *label, size_t done, size_t total)
{
    static int64_t start;
    static int64_t last;
    static const char *what; /* the label of the bar that is drawn; NULL: none is */
    int64_t now = cf_clock_monotonic_ms();
    if (!what || strcmp(what, label) != 0) {
        what = label;
        start = now;
        last = 0;
    }
    if (!cf_log_is_terminal() || !total || (done < total && now - last < INTERVAL_MS)) {
        return;
    }
    last = now;
    if (done >= total) {
        (void)fputs("\r\033[K", stderr);
        what = NULL;
        return;
    }
    size_t full = done * WIDTH / total;
    (void)fprintf(stderr, "\r\033[K%s [", label);
    for (size_t i = 0; i < WIDTH; i++) {
        (void)fputc(i < full ? '#' : '.', stderr);
    }
    (void)fprintf(stderr, "] %zu/%zu", done, total);
    print_estimate(now - start, done, total);
}
