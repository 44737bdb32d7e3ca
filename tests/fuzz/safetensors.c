/* A file of tensors. Those of one that reads lie inside it and cover it; they are written to a file
 * that reads equal; what is copied out keeps its promises. */
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdbool.h>

#include "common/base/alloc.h"
#include "common/encoder/safetensors.h"

/* Mutates the header and sets its length, or else the file as it is. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t most, unsigned seed)
{
    uint64_t header = 0;
    if (length >= sizeof(header)) {
        memcpy(&header, data, sizeof(header));
    }
    if (seed % 4 == 0 || length < sizeof(header) || header > length - sizeof(header)) {
        return LLVMFuzzerMutate(data, length, most);
    }
    size_t body = length - sizeof(header) - header;
    size_t room = most - sizeof(header) - body;
    uint8_t *copy = cf_malloc(most);
    memcpy(copy, data + sizeof(header), header);
    uint64_t changed = LLVMFuzzerMutate(copy, header, room);
    memcpy(copy + changed, data + sizeof(header) + header, body);
    memcpy(data, &changed, sizeof(changed));
    memcpy(data + sizeof(changed), copy, changed + body);
    free(copy);
    return sizeof(changed) + changed + body;
}

static void check_get(const struct cf_tensors *tensors, const struct cf_tensor *t)
{
    static const size_t any[CF_TENSOR_RANK_MAX] = {CF_ANY, CF_ANY, CF_ANY, CF_ANY};
    struct cf_error err = {0};
    size_t shape[CF_TENSOR_RANK_MAX];
    size_t count = 0;
    float *floats = NULL;
    int32_t *integers = NULL;
    char *text = NULL;
    if (!cf_tensors_get_f32(tensors, "f", t->name, t->rank, any, shape, &floats, &err)) {
        MUST(t->dtype == CF_F32 && memcmp(shape, t->shape, t->rank * sizeof(*shape)) == 0);
        for (size_t i = 0; i < t->bytes / sizeof(float); i++) {
            MUST(isfinite(floats[i]));
        }
    }
    if (!cf_tensors_get_i32(tensors, "f", t->name, CF_ANY, -9, 9999, &count, &integers, &err)) {
        MUST(t->dtype == CF_I32 && count * sizeof(int32_t) == t->bytes);
        bool offsets = !cf_tensors_check_offsets(integers, count, 4096, "f", t->name, &err);
        for (size_t i = 0; i < count; i++) {
            MUST(integers[i] >= -9 && integers[i] <= 9999);
            MUST(!offsets || (integers[i] >= 0 && integers[i] <= 4096));
        }
    }
    if (!cf_tensors_get_u8(tensors, "f", t->name, &count, &text, &err)) {
        MUST(t->dtype == CF_U8 && count == t->bytes);
        MUST(!count || memcmp(text, t->data, count) == 0);
    }
    free(floats);
    free(integers);
    free(text);
}

static void check_equal(const struct cf_tensor *a, const struct cf_tensor *b)
{
    MUST(b && a->dtype == b->dtype && a->rank == b->rank && a->bytes == b->bytes);
    MUST(memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0);
    MUST(!a->bytes || memcmp(a->data, b->data, a->bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct cf_error err = {0};
    struct cf_tensors tensors;
    struct cf_tensors again;
    struct cf_buf out = CF_BUF_INIT;
    struct cf_buf twice = CF_BUF_INIT;
    int rc = cf_safetensors_read(data, length, "fuzz", &tensors, &err);
    if (rc) {
        MUST(rc == CF_EDATA && *err.message && !tensors.items && !tensors.count);
        return 0;
    }
    uint64_t header;
    memcpy(&header, data, sizeof(header));
    const char *body = (const char *)data + sizeof(header) + header;
    size_t covered = 0;
    for (size_t i = 0; i < tensors.count; i++) {
        const struct cf_tensor *t = &tensors.items[i];
        const char *start = t->data;
        MUST(start >= body && t->bytes <= (size_t)((const char *)data + length - start));
        MUST(cf_tensors_find(&tensors, t->name) == t);
        covered += t->bytes;
        check_get(&tensors, t);
    }
    MUST(covered == length - sizeof(header) - header);
    cf_safetensors_write(&tensors, &out);
    MUST(cf_safetensors_read(out.data, out.length, "again", &again, &err) == 0);
    MUST(again.count == tensors.count);
    for (size_t i = 0; i < tensors.count; i++) {
        check_equal(&tensors.items[i], cf_tensors_find(&again, tensors.items[i].name));
    }
    cf_safetensors_write(&again, &twice);
    MUST(out.length == twice.length && memcmp(out.data, twice.data, out.length) == 0);
    cf_tensors_release(&again);
    cf_tensors_release(&tensors);
    cf_buf_release(&out);
    cf_buf_release(&twice);
    return 0;
}
