/* One request for a tree of a repository, whose answer is tallied as it arrives. */
#ifndef SYNC_TREE_GET_H
#define SYNC_TREE_GET_H

#include "jobs/sync/github.h"
#include "jobs/sync/tally.h"

/* Ids of trees, in the order in which they were found. */
struct sync_oids {
    char (*items)[CF_OID_HEX];
    size_t count;
    size_t capacity;
};

struct sync_tree_get {
    void (*done)(struct sync_tree_get *one); /* set by the caller, as is context */
    void *context;
    /* Results, when get.rc is 0: */
    struct sync_get get;
    struct sync_tally tally;
    struct sync_oids subtrees; /* the trees right below; not of a recursive one */
    bool truncated;
    /* Its own: */
    struct sync_tree_reader reader;
    char oid[CF_OID_HEX];
    bool recursive;
    bool of_root;
};

/* Makes an unused one ready; and the opposite. */
void sync_tree_get_init(struct sync_tree_get *one);
void sync_tree_get_release(struct sync_tree_get *one);

/* Queues the request for a tree of repository owner/name. of_root: it is the root tree, whose files
 * may be documents. */
void sync_tree_get_start(struct sync_session *session, struct sync_tree_get *one, const char *owner,
                         const char *name, const char *oid, bool recursive, bool of_root);

#endif
