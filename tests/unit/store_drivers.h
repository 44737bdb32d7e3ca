/* The drivers that the conformance tests (store_conformance.c, store_listing.c, store_stream.c) run
 * against: a new driver is one row in store_drivers.c. */
#ifndef TESTS_UNIT_STORE_DRIVERS_H
#define TESTS_UNIT_STORE_DRIVERS_H

#include <stdbool.h>

#include "common/store/store.h"

struct tested_store {
    struct cf_store *store; /* empty at first */
    char *folder;           /* of file: stores, else NULL */
    bool remote;            /* emptied when it is closed */
    bool content_etags;     /* equal bytes have equal ETags, whoever wrote them */
    bool bounded_memory;    /* objects lie elsewhere, so streaming them needs little memory */
};

/* Those that can be run here: a driver that needs a server is left out, with one line saying so,
 * unless its variable is set: CLOUDFOLIO_TEST_S3 is a bucket, such as s3://cloudfolio, and
 * CLOUDFOLIO_TEST_S3V2 one such as s3v2://cloudfolio. */
int store_driver_count(void);

void tested_store_open(int driver, struct tested_store *out);
void tested_store_close(struct tested_store *tested);

/* A file: store in a fresh folder. */
void tested_store_open_file(struct tested_store *out);

#endif
