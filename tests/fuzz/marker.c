/* A marker that reads is written to a marker that reads equal, in the same bytes each time; one
 * that doesn't leaves nothing behind and says why. */
#include "tests/fuzz/fuzz.h"

#include "common/base/buf.h"
#include "common/contract/marker.h"

static void check_equal(const struct cf_marker *a, const struct cf_marker *b)
{
    MUST(strcmp(a->tenant, b->tenant) == 0 && strcmp(a->dataset, b->dataset) == 0);
    MUST(a->version == b->version && a->floor == b->floor);
    MUST(a->parent_version == b->parent_version);
    MUST(strcmp(a->parent_sha256, b->parent_sha256) == 0);
    MUST(strcmp(a->writer, b->writer) == 0 && strcmp(a->request, b->request) == 0);
    MUST(a->input_count == b->input_count);
    for (size_t i = 0; i < a->input_count; i++) {
        MUST(strcmp(a->inputs[i].dataset, b->inputs[i].dataset) == 0);
        MUST(a->inputs[i].version == b->inputs[i].version);
        MUST(strcmp(a->inputs[i].sha256, b->inputs[i].sha256) == 0);
    }
    MUST(strcmp(a->job, b->job) == 0 && strcmp(a->build, b->build) == 0);
    MUST(strcmp(a->run, b->run) == 0 && strcmp(a->created_at, b->created_at) == 0);
    MUST(json_equal(a->summary, b->summary));
    MUST(a->root.version == b->root.version && a->root.bytes == b->root.bytes);
    MUST(a->root.stored == b->root.stored && strcmp(a->root.type, b->root.type) == 0);
    MUST(strcmp(a->root.sha256, b->root.sha256) == 0);
}

static void check_range(const struct cf_marker *m)
{
    MUST(m->version >= 1 && m->version <= CF_VERSION_MAX);
    MUST(m->version == m->parent_version + 1);
    MUST(m->floor >= 1 && m->floor <= m->version);
    MUST(m->root.version >= 1 && m->root.version <= m->version);
    MUST(m->input_count <= CF_INPUTS_MAX && json_is_object(m->summary));
    MUST(cf_is_hex(m->sha256, 64) && cf_is_hex(m->root.sha256, 64));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const struct cf_marker nothing;
    struct cf_marker first;
    struct cf_marker second;
    struct cf_error err = {0};
    int rc = cf_marker_read((const char *)data, length, &first, &err);
    if (rc) {
        MUST((rc == CF_EDATA || rc == CF_ECONFIG) && err.code == rc && *err.message);
        MUST(memcmp(&first, &nothing, sizeof(first)) == 0);
        return 0;
    }
    check_range(&first);
    struct cf_buf once = CF_BUF_INIT;
    struct cf_buf twice = CF_BUF_INIT;
    MUST(cf_marker_write(&first, &once, &err) == 0);
    MUST(cf_marker_read(once.data, once.length, &second, &err) == 0);
    check_equal(&first, &second);
    MUST(strcmp(first.sha256, second.sha256) == 0);
    MUST(cf_marker_write(&second, &twice, &err) == 0);
    MUST(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
    cf_buf_release(&once);
    cf_buf_release(&twice);
    cf_marker_release(&first);
    cf_marker_release(&second);
    return 0;
}
