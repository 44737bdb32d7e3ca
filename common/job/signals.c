#include <signal.h>
#include <stddef.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/job/job.h"

static volatile int stop_requested;

static void on_signal(int number)
{
    (void)number;
    if (stop_requested) {
        _exit(EX_TEMPFAIL);
    }
    stop_requested = 1;
}

const volatile int *cf_job_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
    cf_store_stop_on(&stop_requested);
    return &stop_requested;
}
