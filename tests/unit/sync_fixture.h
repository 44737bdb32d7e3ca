/* Answers of GitHub for the tests of sync, shaped as the real ones are. */
#ifndef SYNC_FIXTURE_H
#define SYNC_FIXTURE_H

#include <jansson.h>

#include "jobs/sync/listing.h"

#define FIXTURE_API "https://api.github.com"

/* For checked fixtures: only errors are logged. */
void fixture_quiet(void);

/* JSON in which every ' stands for a ". Fails the test when it isn't JSON. */
json_t *fixture(const char *text);

/* One node of a listing: a public repository with every field. */
json_t *fixture_node(unsigned id, const char *name, const char *commit, const char *tree);

/* A page with these nodes (stolen; NULL ends them), the last one, of octocat's. */
json_t *fixture_page_of(json_t *const *nodes);
#define fixture_page(...) fixture_page_of((json_t *[]){__VA_ARGS__})

/* An object id of 40 times this digit. Good until four more were made. */
const char *fixture_oid(char digit);

/* A listing of one page; answer is stolen. Fails the test on an error. */
void fixture_listing(json_t *answer, struct sync_listing *out);

#endif
