#include "jobs/sync/batch.h"

enum { PASSES = 4 };

static unsigned twice(const struct sync_batch *batch, unsigned size)
{
    return size <= batch->most / 2 ? size * 2 : batch->most;
}

void sync_batch_init(struct sync_batch *batch, unsigned most, uint64_t remembered)
{
    unsigned start = remembered && remembered < most ? (unsigned)remembered : most;
    *batch = (struct sync_batch){.most = most, .size = start, .start = start};
}

bool sync_batch_shrink(struct sync_batch *batch)
{
    batch->passed = 0;
    batch->shrunk = true;
    if (batch->size == 1) {
        return false;
    }
    batch->size /= 2;
    return true;
}

void sync_batch_pass(struct sync_batch *batch)
{
    if (batch->size < batch->most && ++batch->passed == PASSES) {
        batch->size = twice(batch, batch->size);
        batch->passed = 0;
    }
}

unsigned sync_batch_next(const struct sync_batch *batch)
{
    return batch->shrunk ? batch->size : twice(batch, batch->start);
}
