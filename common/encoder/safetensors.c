#include "common/encoder/safetensors.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "arrays are written as they lie in memory");

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {[CF_F32] = {"F32", 4}, [CF_I32] = {"I32", 4}, [CF_I64] = {"I64", 8},
              [CF_U8] = {"U8", 1},   [CF_F16] = {"F16", 2}, [CF_BF16] = {"BF16", 2}};

const char *cf_dtype_name(enum cf_dtype dtype)
{
    return dtypes[dtype].name;
}

static struct cf_tensor *add(struct cf_tensors *tensors)
{
    tensors->items =
        cf_grow(tensors->items, tensors->count, &tensors->capacity, sizeof(*tensors->items));
    struct cf_tensor *t = &tensors->items[tensors->count++];
    memset(t, 0, sizeof(*t));
    return t;
}

static void add_shaped(struct cf_tensors *tensors, const char *name, enum cf_dtype dtype,
                       const void *data, size_t rank, size_t rows, size_t columns)
{
    struct cf_tensor *t = add(tensors);
    memcpy(t->name, name, strnlen(name, CF_TENSOR_NAME_MAX - 1));
    t->dtype = dtype;
    t->rank = rank;
    t->shape[0] = rows;
    t->shape[1] = columns;
    t->data = data;
    t->bytes = rows * (rank == 2 ? columns : 1) * dtypes[dtype].size;
}

void cf_tensors_add(struct cf_tensors *tensors, const char *name, enum cf_dtype dtype,
                    const void *data, size_t rows, size_t columns)
{
    add_shaped(tensors, name, dtype, data, columns ? 2 : 1, rows, columns);
}

void cf_tensors_add_matrix(struct cf_tensors *tensors, const char *name, enum cf_dtype dtype,
                           const void *data, size_t rows, size_t columns)
{
    add_shaped(tensors, name, dtype, data, 2, rows, columns);
}

void cf_tensors_release(struct cf_tensors *tensors)
{
    free(tensors->items);
    *tensors = (struct cf_tensors)CF_TENSORS_INIT;
}

static int by_layout(const void *a, const void *b)
{
    const struct cf_tensor *x = a;
    const struct cf_tensor *y = b;
    size_t size_x = dtypes[x->dtype].size;
    size_t size_y = dtypes[y->dtype].size;
    return size_x != size_y ? (size_x < size_y) - (size_x > size_y) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cf_tensor *)a)->name, ((const struct cf_tensor *)b)->name);
}

static void sort(struct cf_tensors *tensors, int (*compare)(const void *, const void *))
{
    if (tensors->count) {
        qsort(tensors->items, tensors->count, sizeof(*tensors->items), compare);
    }
}

static void write(struct cf_tensors *tensors, json_t *header, struct cf_buf *out)
{
    sort(tensors, by_layout);
    size_t offset = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct cf_tensor *t = &tensors->items[i];
        json_t *shape = json_array();
        for (size_t d = 0; d < t->rank; d++) {
            json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
        }
        size_t end = offset + t->bytes;
        json_object_set_new(header, t->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtypes[t->dtype].name,
                                      "shape", shape, "data_offsets", (json_int_t)offset,
                                      (json_int_t)end));
        offset = end;
    }
    struct cf_buf text = CF_BUF_INIT;
    cf_json_dump(header, &text);
    json_decref(header);
    while (text.length % 8) {
        cf_buf_putc(&text, ' ');
    }
    uint64_t length = text.length;
    cf_buf_reserve(out, sizeof(length) + text.length + offset);
    cf_buf_append(out, &length, sizeof(length));
    cf_buf_append(out, text.data, text.length);
    for (size_t i = 0; i < tensors->count; i++) {
        cf_buf_append(out, tensors->items[i].data, tensors->items[i].bytes);
    }
    cf_buf_release(&text);
}

void cf_safetensors_write(struct cf_tensors *tensors, struct cf_buf *out)
{
    write(tensors, json_object(), out);
}

void cf_safetensors_write_pt(struct cf_tensors *tensors, struct cf_buf *out)
{
    write(tensors, json_pack("{s:{s:s}}", "__metadata__", "format", "pt"), out);
}

static int wrong(struct cf_error *err, const char *file, const char *name, const char *what)
{
    return cf_error_at(err, CF_EDATA, "load", file, "%s: tensor \"%.100s\" %s", file, name, what);
}

static int read_shape(const json_t *shape, struct cf_tensor *t)
{
    if (!json_is_array(shape) || json_array_size(shape) > CF_TENSOR_RANK_MAX) {
        return -1;
    }
    t->rank = json_array_size(shape);
    size_t elements = 1;
    for (size_t d = 0; d < t->rank; d++) {
        const json_t *size = json_array_get(shape, d);
        if (!json_is_integer(size) || json_integer_value(size) < 0) {
            return -1;
        }
        t->shape[d] = (size_t)json_integer_value(size);
        if (t->shape[d] && elements > SIZE_MAX / 16 / t->shape[d]) {
            return -1;
        }
        elements *= t->shape[d];
    }
    t->bytes = elements * dtypes[t->dtype].size;
    return 0;
}

static int read_dtype(const json_t *value, enum cf_dtype *out)
{
    const char *name = json_string_value(value);
    for (size_t i = 0; name && i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (enum cf_dtype)i;
            return 0;
        }
    }
    return -1;
}

static int read_tensor(const char *name, const json_t *entry, const char *body, size_t size,
                       const char *file, struct cf_tensors *out, struct cf_error *err)
{
    if (strlen(name) >= CF_TENSOR_NAME_MAX) {
        return wrong(err, file, name, "has a name that is too long");
    }
    struct cf_tensor *t = add(out);
    memcpy(t->name, name, strlen(name));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *from = json_array_get(offsets, 0);
    const json_t *to = json_array_get(offsets, 1);
    if (json_object_size(entry) != 3 || json_array_size(offsets) != 2 || !json_is_integer(from) ||
        !json_is_integer(to)) {
        return wrong(err, file, name, "must have exactly dtype, shape and two data_offsets");
    }
    if (read_dtype(json_object_get(entry, "dtype"), &t->dtype)) {
        return wrong(err, file, name, "has a type other than F32, F16, BF16, I32, I64 and U8");
    }
    if (read_shape(json_object_get(entry, "shape"), t)) {
        return wrong(err, file, name, "has an invalid shape");
    }
    json_int_t first = json_integer_value(from);
    json_int_t last = json_integer_value(to);
    if (first < 0 || last < first || (uint64_t)last > size) {
        return wrong(err, file, name, "lies outside the file");
    }
    if ((size_t)(last - first) != t->bytes) {
        return wrong(err, file, name, "has a size that doesn't fit its shape");
    }
    t->data = body + first;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct cf_tensor *x = a;
    const struct cf_tensor *y = b;
    const char *p = x->data;
    const char *q = y->data;
    if (p != q) {
        return (p > q) - (p < q);
    }
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

/* The tensors must follow one another from the first byte to the last. */
static int check_cover(struct cf_tensors *tensors, const char *body, size_t size, const char *file,
                       struct cf_error *err)
{
    sort(tensors, by_place);
    const char *next = body;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct cf_tensor *t = &tensors->items[i];
        if (t->data != next) {
            return wrong(err, file, t->name, "leaves a gap or overlaps another");
        }
        next += t->bytes;
    }
    if (next != body + size) {
        return cf_error_at(err, CF_EDATA, "load", file, "%s: bytes that belong to no tensor", file);
    }
    sort(tensors, by_name);
    return 0;
}

static int check_metadata(const json_t *metadata, const char *file, struct cf_error *err)
{
    const char *key;
    json_t *value;
    bool good = json_is_object(metadata);
    json_object_foreach((json_t *)metadata, key, value)
    {
        good = good && json_is_string(value);
    }
    return good ? 0
                : cf_error_at(err, CF_EDATA, "load", file,
                              "%s: __metadata__ must be an object of strings", file);
}

int cf_safetensors_read(const void *data, size_t length, const char *file, struct cf_tensors *out,
                        struct cf_error *err)
{
    *out = (struct cf_tensors)CF_TENSORS_INIT;
    uint64_t header_length = 0;
    if (length < sizeof(header_length)) {
        return cf_error_at(err, CF_EDATA, "load", file, "%s: shorter than a header", file);
    }
    memcpy(&header_length, data, sizeof(header_length));
    if (header_length > CF_SAFETENSORS_HEADER_MAX ||
        header_length > length - sizeof(header_length)) {
        return cf_error_at(err, CF_EDATA, "load", file, "%s: the header is longer than allowed",
                           file);
    }
    const char *text = (const char *)data + sizeof(header_length);
    const char *body = text + header_length;
    size_t size = length - sizeof(header_length) - (size_t)header_length;
    json_t *header = NULL;
    char what[160];
    (void)snprintf(what, sizeof(what), "the header of %s", file);
    int code = header_length && *text == '{'
                   ? cf_json_parse(text, (size_t)header_length, what, &header, err)
                   : cf_error_at(err, CF_EDATA, "load", file, "%s: the header is no object", file);
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (!code) {
            code = strcmp(name, "__metadata__") == 0
                       ? check_metadata(entry, file, err)
                       : read_tensor(name, entry, body, size, file, out, err);
        }
    }
    json_decref(header);
    code = code ? code : check_cover(out, body, size, file, err);
    if (code) {
        cf_tensors_release(out);
    }
    return code;
}

const struct cf_tensor *cf_tensors_find(const struct cf_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++) {
        if (strcmp(tensors->items[i].name, name) == 0) {
            return &tensors->items[i];
        }
    }
    return NULL;
}

/* The tensor of that name, NULL and an error when it isn't of the given type and shape. */
static const struct cf_tensor *get(const struct cf_tensors *tensors, const char *file,
                                   const char *name, enum cf_dtype dtype, size_t rank,
                                   const size_t want[], struct cf_error *err)
{
    const struct cf_tensor *t = cf_tensors_find(tensors, name);
    if (!t) {
        (void)wrong(err, file, name, "is missing");
        return NULL;
    }
    if (t->dtype != dtype || t->rank != rank) {
        (void)wrong(err, file, name, "is of another type or rank than expected");
        return NULL;
    }
    for (size_t d = 0; d < rank; d++) {
        if (want[d] != CF_ANY && want[d] != t->shape[d]) {
            (void)wrong(err, file, name, "is of another shape than expected");
            return NULL;
        }
    }
    return t;
}

static void *copy(const struct cf_tensor *t)
{
    void *data = cf_malloc(t->bytes);
    if (t->bytes) {
        memcpy(data, t->data, t->bytes);
    }
    return data;
}

/* IEEE's half: a sign, 5 bits of exponent, 10 of fraction. */
static float from_half(uint16_t half)
{
    int exponent = half >> 10 & 0x1f;
    float fraction = (float)(half & 0x3ff);
    float value;
    if (exponent == 0x1f) {
        value = half & 0x3ff ? NAN : INFINITY;
    } else if (exponent) {
        value = ldexpf(1024.0F + fraction, exponent - 25);
    } else {
        value = ldexpf(fraction, -24);
    }
    return half & 0x8000 ? -value : value;
}

static float from_bfloat(uint16_t upper)
{
    uint32_t bits = (uint32_t)upper << 16;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

int cf_tensor_floats(const struct cf_tensor *tensor, const char *file, float *out,
                     struct cf_error *err)
{
    const char *data = tensor->data;
    size_t count = tensor->bytes / dtypes[tensor->dtype].size;
    bool finite = true;
    if (tensor->dtype == CF_F32 && count) {
        memcpy(out, data, tensor->bytes);
    }
    for (size_t i = 0; i < count; i++) {
        if (tensor->dtype != CF_F32) {
            uint16_t bits;
            memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
            out[i] = tensor->dtype == CF_F16 ? from_half(bits) : from_bfloat(bits);
        }
        finite = finite && isfinite(out[i]);
    }
    return finite ? 0 : wrong(err, file, tensor->name, "holds a value that isn't finite");
}

int cf_tensors_get_f32(const struct cf_tensors *tensors, const char *file, const char *name,
                       size_t rank, const size_t want[], size_t shape[], float **out,
                       struct cf_error *err)
{
    const struct cf_tensor *t = get(tensors, file, name, CF_F32, rank, want, err);
    *out = NULL;
    if (!t) {
        return CF_EDATA;
    }
    float *values = copy(t);
    for (size_t i = 0; i < t->bytes / sizeof(*values); i++) {
        if (!isfinite(values[i])) {
            free(values);
            return wrong(err, file, name, "holds a value that isn't finite");
        }
    }
    for (size_t d = 0; shape && d < rank; d++) {
        shape[d] = t->shape[d];
    }
    *out = values;
    return 0;
}

int cf_tensors_get_i32(const struct cf_tensors *tensors, const char *file, const char *name,
                       size_t want, int32_t minimum, int32_t maximum, size_t *count, int32_t **out,
                       struct cf_error *err)
{
    const struct cf_tensor *t = get(tensors, file, name, CF_I32, 1, &want, err);
    *out = NULL;
    if (!t) {
        return CF_EDATA;
    }
    int32_t *values = copy(t);
    for (size_t i = 0; i < t->shape[0]; i++) {
        if (values[i] < minimum || values[i] > maximum) {
            free(values);
            return wrong(err, file, name, "holds a value out of range");
        }
    }
    if (count) {
        *count = t->shape[0];
    }
    *out = values;
    return 0;
}

int cf_tensors_get_u8(const struct cf_tensors *tensors, const char *file, const char *name,
                      size_t *count, char **out, struct cf_error *err)
{
    size_t any = CF_ANY;
    const struct cf_tensor *t = get(tensors, file, name, CF_U8, 1, &any, err);
    *out = NULL;
    if (!t) {
        return CF_EDATA;
    }
    *count = t->shape[0];
    *out = copy(t);
    return 0;
}

int cf_tensors_check_offsets(const int32_t *values, size_t count, size_t size, const char *file,
                             const char *name, struct cf_error *err)
{
    bool good = count > 0 && values[0] == 0 && (size_t)values[count - 1] == size;
    for (size_t i = 1; good && i < count; i++) {
        good = values[i] >= values[i - 1];
    }
    return good ? 0 : wrong(err, file, name, "holds offsets that don't fit");
}
