/* Where the programs of the jobs are. */
#ifndef CLOUDFOLIO_PROGRAMS_H
#define CLOUDFOLIO_PROGRAMS_H

#include "common/base/error.h"

#define TOOL_PROGRAM_MAX 4096

/* The program of that name beside this one, else in PATH. CF_ECONFIG when it is nowhere. */
int tool_find_program(const char *name, char out[TOOL_PROGRAM_MAX], struct cf_error *err);

#endif
