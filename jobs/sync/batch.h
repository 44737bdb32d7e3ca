/* How much one query asks for: halved when GitHub can't finish it, doubled again when it can. What
 * worked is remembered in the document repos, for the next run. */
#ifndef SYNC_BATCH_H
#define SYNC_BATCH_H

#include <stdbool.h>
#include <stdint.h>

struct sync_batch {
    unsigned most;
    unsigned size;   /* of the next query */
    unsigned start;  /* of this run's first query */
    unsigned passed; /* queries since the size last changed */
    bool shrunk;     /* in this run */
    unsigned alone;  /* queries for a single one that failed, in a row; kept by who sends them */
};

/* remembered: by the last run; 0: the most. */
void sync_batch_init(struct sync_batch *batch, unsigned most, uint64_t remembered);

/* GitHub couldn't. False when it can't be less. */
bool sync_batch_shrink(struct sync_batch *batch);

/* GitHub could. After 4 in a row more is tried. */
void sync_batch_pass(struct sync_batch *batch);

/* What the next run begins with: what worked, or twice this run's start when nothing went wrong. */
unsigned sync_batch_next(const struct sync_batch *batch);

#endif
