/* A job that does as it is told, run by cf_job_main in a child over a file: store that has one
 * tenant, octocat. */
#ifndef TESTS_UNIT_JOB_DUMMY_H
#define TESTS_UNIT_JOB_DUMMY_H

#include <jansson.h>

#include "common/job/job.h"
#include "tests/unit/capture.h"

/* What it does; it says on stdout what it was asked: a line "run <tenant> [force] [dry] <login>
 * <event's dataset or -> <event's version> <--number>", between "start <stop>" and "finish". */
struct dummy_plan {
    const char *failing; /* the tenant for which it returns code; NULL: none */
    int code;
    int conflicts;         /* it says CONFLICT so many times first */
    int signals;           /* it sends itself so many SIGTERM */
    bool heeds;            /* the signal */
    uint64_t parallel;     /* tenants at once, in the job's description */
    bool pauses;           /* once a run, so that others run; it says "end <tenant>" behind that */
    const char *signaller; /* signals are for this tenant's run alone; NULL: for all */
    const char *busy;      /* this tenant's run takes 0.2 s of processor time */
    int start_code;
    uint64_t number; /* of its own option */
};

extern struct dummy_plan dummy_plan;
extern char *dummy_url;
extern struct captured dummy_captured; /* of the last run */

void dummy_setup(void);
void dummy_teardown(void);
void dummy_add_tenant(const char *login, bool enabled);

/* Runs the job with these arguments; STORE among them stands for the store's URL. Returns the exit
 * status. */
int dummy_main(const char *arguments);
void dummy_expect_out(const char *text);    /* exactly this on stdout */
void dummy_expect_logged(const char *text); /* this somewhere on stderr */

struct dummy_found {
    size_t count;
    char key[CF_KEY_MAX]; /* the last */
};
struct dummy_found dummy_find(const char *prefix);

/* The one run record of a tenant. */
json_t *dummy_record(const char *tenant);
const char *dummy_text(const json_t *object, const char *key);

#endif
