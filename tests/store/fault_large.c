/* Writes or reads one large object of a store, for tests of transfers that break off: bytes that
 * depend on their place alone, made and checked while they pass.
 *
 *   fault_large put URL KEY MIB   with a source that is read in any order
 *   fault_large get URL KEY MIB   complains of the first byte that is another one
 *
 * The exit status is that of the store's code, as with the jobs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/job/job.h"
#include "common/store/store.h"

struct place {
    uint64_t at;
    uint64_t size;
};

static unsigned char byte_at(uint64_t i)
{
    return (unsigned char)((i * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static int read_at(void *context, uint64_t offset, void *data, size_t size, size_t *got)
{
    const struct place *place = context;
    unsigned char *out = data;
    uint64_t left = offset < place->size ? place->size - offset : 0;
    *got = left < size ? (size_t)left : size;
    for (size_t i = 0; i < *got; i++) {
        out[i] = byte_at(offset + i);
    }
    return 0;
}

static int read_next(void *context, void *data, size_t size, size_t *got)
{
    struct place *place = context;
    int rc = read_at(context, place->at, data, size, got);
    place->at += *got;
    return rc;
}

static int go_back(void *context)
{
    ((struct place *)context)->at = 0;
    return 0;
}

static int compare(void *context, const void *data, size_t length)
{
    struct place *place = context;
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != byte_at(place->at++)) {
            (void)fprintf(stderr, "byte %" PRIu64 " is another one\n", place->at - 1);
            return CF_EDATA;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct cf_error err = {0};
    struct cf_store *store = NULL;
    if (argc != 5) {
        (void)fprintf(stderr, "fault_large put|get URL KEY MIB\n");
        return cf_exit_status(CF_EUSAGE);
    }
    struct place place = {.size = strtoull(argv[4], NULL, 10) << 20};
    struct cf_source source = {.read = read_next,
                               .rewind = go_back,
                               .context = &place,
                               .size = place.size,
                               .read_at = read_at};
    struct cf_sink sink = {.write = compare, .restart = go_back, .context = &place};
    struct cf_op op = {.key = argv[3], .kind = CF_OP_GET, .sink = &sink};
    if (strcmp(argv[1], "put") == 0) {
        op = (struct cf_op){.key = argv[3], .kind = CF_OP_PUT, .source = &source};
    }
    int rc = cf_job_configure_log(&err);
    rc = rc ? rc : cf_store_open(argv[2], &store, &err);
    if (!rc && (rc = cf_store_run(store, &op, 1))) {
        err = op.error;
    }
    if (!rc && op.kind == CF_OP_GET && place.at != place.size) {
        rc = cf_error_set(&err, CF_EDATA, "there are %" PRIu64 " bytes", place.at);
    }
    if (rc) {
        cf_log_error(CF_ERROR, "failed", &err);
    }
    cf_op_release(&op);
    cf_store_free(store);
    return cf_exit_status(rc);
}
