/* Joining a version of repos into a version of bundle. */
#ifndef ORCHESTRATE_JOIN_H
#define ORCHESTRATE_JOIN_H

#include "common/job/job.h"
#include "common/portfolio/bundle.h"

/* The newest bundle, committed now or before. */
struct orchestrate_bundle {
    struct cf_marker marker; /* version 0: there is none */
    json_t *root;
    struct cf_bundle bundle;
    bool committed; /* by this run */
};

/* Makes sure that the newest bundle is what the newest repos say, and reads it. An entry whose
 * source is unchanged is referred to, its content isn't fetched. Without any repos,
 * out->marker.version is 0. With run->dry_run nothing is committed: out is the bundle that would
 * be. */
int orchestrate_join(struct cf_run *run, struct orchestrate_bundle *out, struct cf_error *err);
void orchestrate_bundle_release(struct orchestrate_bundle *bundle);

#endif
