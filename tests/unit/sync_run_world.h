/* Whole runs of sync against a scripted GitHub and a store in memory. */
#ifndef SYNC_RUN_WORLD_H
#define SYNC_RUN_WORLD_H

#include "common/portfolio/content.h"
#include "jobs/sync/sync.h"
#include "tests/unit/sync_fixture.h"

/* For checked fixtures. */
void world_setup(void);
void world_teardown(void);

struct world_outcome {
    int rc;
    struct cf_error err;
    struct cf_run_record record;
    size_t requests;
};

/* What the next runs do; after world_setup: no force, GraphQL, limits waited for within 3 s. */
extern struct sync_github_settings world_settings;
extern bool world_force;
extern volatile int world_stop; /* the signal's flag; 0 at each run's beginning */

/* One run of octocat's. ordered: the requests come in the script's order. */
void world_run(const struct net_step *script, size_t count, bool ordered,
               struct world_outcome *out);

/* The same, with the flag set once so many requests have this in their request line. */
void world_run_until(const struct net_step *script, size_t count, const char *path, size_t seen,
                     struct world_outcome *out);

/* Of the last run. */
const struct fixture_session *world_seen(void);

/* The newest version's document; fails the test when there is none. Returns its version. */
uint64_t world_repos(struct cf_repos *repos);
/* The content of its repository of this index. */
void world_content(size_t index, struct cf_content *content);
/* The newest version; 0: there is none. */
uint64_t world_version(void);

/* Bodies: a page with one repository, its tree with a README of "hello", and that README. */
const char *world_listing(unsigned id, const char *name, char tree);
const char *world_tree(char tree);
const char *world_files(size_t count);
#define WORLD_HELLO "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0" /* git's id of "hello" */

#endif
