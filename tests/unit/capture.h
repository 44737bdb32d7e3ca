/* What a function writes and how its process ends, found out in a child. */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include "common/base/buf.h"

struct captured {
    int exit_status; /* -1 when a signal ended the child */
    int signal;      /* that signal, or 0 */
    struct cf_buf out;
    struct cf_buf err;
};

/* Runs function in a child whose stdout and stderr are caught; its result is the exit status. */
void capture_run(int (*function)(void *context), void *context, struct captured *captured);
void captured_release(struct captured *captured);

#endif
