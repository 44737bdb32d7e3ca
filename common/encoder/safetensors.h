/* The safetensors file format (https://github.com/huggingface/safetensors): eight bytes of header
 * length, a JSON header that gives every tensor's type, shape and place, then the tensors' bytes,
 * little-endian.
 *
 * Writing is deterministic: tensors are laid out by the size of their elements, largest first, then
 * by name, so that each is aligned. Reading is strict: the tensors must cover the bytes behind the
 * header exactly, without gap or overlap, sizes must equal shape × element, and nothing is read
 * before it was checked. Arrays that come from a file are copied out by cf_tensors_get_…, which
 * checks shape and values. */
#ifndef CF_ENCODER_SAFETENSORS_H
#define CF_ENCODER_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

#define CF_TENSOR_RANK_MAX 4
#define CF_TENSOR_NAME_MAX 128
#define CF_SAFETENSORS_HEADER_MAX (16UL << 20) /* bytes */

/* F16 and BF16 are IEEE's half and the upper half of F32: models from elsewhere have them. */
enum cf_dtype { CF_F32, CF_I32, CF_I64, CF_U8, CF_F16, CF_BF16 };

struct cf_tensor {
    char name[CF_TENSOR_NAME_MAX];
    enum cf_dtype dtype;
    size_t rank; /* 0 is a single number */
    size_t shape[CF_TENSOR_RANK_MAX];
    const void *data; /* borrowed */
    size_t bytes;
};

struct cf_tensors {
    struct cf_tensor *items;
    size_t count;
    size_t capacity;
};

#define CF_TENSORS_INIT                                                                            \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

/* Adds a one- or two-dimensional tensor; columns 0 means one-dimensional. data is borrowed until
 * the list is written. Names are unique; that is the caller's duty. */
void cf_tensors_add(struct cf_tensors *tensors, const char *name, enum cf_dtype dtype,
                    const void *data, size_t rows, size_t columns);
/* As above, two-dimensional even where columns is 0. */
void cf_tensors_add_matrix(struct cf_tensors *tensors, const char *name, enum cf_dtype dtype,
                           const void *data, size_t rows, size_t columns);
/* Frees the list, not the arrays. */
void cf_tensors_release(struct cf_tensors *tensors);

/* Appends the file. Sorts the list. */
void cf_safetensors_write(struct cf_tensors *tensors, struct cf_buf *out);
/* As above, with "__metadata__": {"format": "pt"}, without which Hugging Face's transformers refuse
 * a file. */
void cf_safetensors_write_pt(struct cf_tensors *tensors, struct cf_buf *out);

/* Reads a file of length bytes, which must outlive the list. The list is sorted by name. CF_EDATA
 * says what is wrong and in which tensor; file is the name that messages use. */
int cf_safetensors_read(const void *data, size_t length, const char *file, struct cf_tensors *out,
                        struct cf_error *err);

/* The tensor of that name, or NULL. */
const struct cf_tensor *cf_tensors_find(const struct cf_tensors *tensors, const char *name);

/* "F32", "I32", … */
const char *cf_dtype_name(enum cf_dtype dtype);

/* Writes a tensor of the type F32, F16 or BF16, which must be it, to out, which has room for all of
 * its elements. CF_EDATA when one isn't finite. */
int cf_tensor_floats(const struct cf_tensor *tensor, const char *file, float *out,
                     struct cf_error *err);

/* Copies a tensor out. CF_EDATA when it is missing, of another type, not of the given rank, or when
 * a dimension of want that isn't CF_ANY differs. F32 refuses NaN and infinity; I32 values outside
 * minimum … maximum. shape may be NULL, else it gets the rank dimensions. The caller frees *out. */
#define CF_ANY SIZE_MAX
int cf_tensors_get_f32(const struct cf_tensors *tensors, const char *file, const char *name,
                       size_t rank, const size_t want[], size_t shape[], float **out,
                       struct cf_error *err);
int cf_tensors_get_i32(const struct cf_tensors *tensors, const char *file, const char *name,
                       size_t want, int32_t minimum, int32_t maximum, size_t *count, int32_t **out,
                       struct cf_error *err);
int cf_tensors_get_u8(const struct cf_tensors *tensors, const char *file, const char *name,
                      size_t *count, char **out, struct cf_error *err);

/* Checks that values are offsets into something of the given size: they begin with 0, never fall,
 * and end with size. CF_EDATA names file and tensor. */
int cf_tensors_check_offsets(const int32_t *values, size_t count, size_t size, const char *file,
                             const char *name, struct cf_error *err);

#endif
