/* The CPU backend's own parts, for compute_cpu*.c. */
#ifndef CF_TRANSFORMER_COMPUTE_CPU_H
#define CF_TRANSFORMER_COMPUTE_CPU_H

#include "common/transformer/compute.h"
#include "common/transformer/compute_kernels.h"
#include "common/transformer/compute_pool.h"

struct cf_gemm;

/* Memory that grows, one piece a worker, aligned to 64 bytes. */
struct cf_scratch {
    void **items;
    size_t count, size;
};

struct cf_cpu {
    struct cf_compute base; /* first: a cf_compute is a cf_cpu */
    struct cf_compute_pool *pool;
    const struct cf_kernels *kernels;
    struct cf_gemm *gemm;
    struct cf_scratch scratch; /* of a worker, inside of one operation */
    struct cf_scratch sums;    /* one piece: partial sums of an operation's blocks */
    struct cf_scratch halves;  /* bfloat16 copies of x and dy, for linear_backward */
    bool failed;
    struct cf_error failure;
};

static inline struct cf_cpu *cf_cpu_of(struct cf_compute *c)
{
    return (struct cf_cpu *)c;
}

/* Aligned to 64 bytes; the caller frees it. */
void *cf_cpu_aligned(size_t bytes);

/* Makes every piece at least bytes long; what was in them is lost. */
void cf_scratch_need(struct cf_scratch *scratch, size_t count, size_t bytes);
void cf_scratch_release(struct cf_scratch *scratch);

/* Matrix products (compute_cpu_gemm.c). */
int cf_gemm_new(bool bf16, size_t workers, struct cf_gemm **out, struct cf_error *err);
void cf_gemm_free(struct cf_gemm *gemm);
void cf_gemm_changed(struct cf_gemm *gemm);
bool cf_gemm_bf16(const struct cf_gemm *gemm);
/* So that oneDNN computes on the calling thread alone. */
void cf_gemm_one_thread(void);

/* A product [m, k] · [k, n] of one shape, ready to run on one thread. All matrices are without gaps
 * between their rows: oneDNN multiplies others ten to a thousand times slower. */
enum cf_gemm_kind {
    CF_GEMM_FORWARD, /* a: rows; b: packed weightᵀ */
    CF_GEMM_INPUT,   /* a: rows; b: packed weight */
    CF_GEMM_WEIGHT,  /* a: turned, [k, m]; b: rows */
};
struct cf_gemm_shape {
    enum cf_gemm_kind kind;
    size_t m, n, k;
    bool add; /* c += a · b */
};
struct cf_gemm_product;
/* Made once and kept. NULL: failed, err says why. From one thread at a time. */
struct cf_gemm_product *cf_gemm_product(struct cf_gemm *gemm, const struct cf_gemm_shape *shape,
                                        struct cf_error *err);
/* a and b are floats, or bfloat16 where cf_gemm_bf16; packed b as cf_gemm_packed has it. Returns
 * false when oneDNN fails. Any thread. */
bool cf_gemm_run(struct cf_gemm *gemm, const struct cf_gemm_product *product, const void *a,
                 const void *b, float *c, size_t worker);

/* A matrix in the order the products want. Forward ones are kept until weights change; for
 * backward there is one place, whose owner is the last who asked. */
struct cf_gemm_pack {
    const float *weight;
    size_t out, in;
    bool forward;
    bool fresh;
    void *data;
    size_t bytes;
    void *reorder;         /* dnnl_primitive_t */
    const void *from, *to; /* dnnl_memory_desc_t */
    struct cf_gemm_pack *next;
};
struct cf_gemm_pack *cf_gemm_packed(struct cf_gemm *gemm, const float *weight, size_t out,
                                    size_t in, bool forward, struct cf_error *err);
/* Fills it; any thread, but one at a time each. */
bool cf_gemm_pack_run(struct cf_gemm *gemm, struct cf_gemm_pack *pack, size_t worker);

/* c [rows, n] = a · packed, in blocks of rows for threads to share (compute_cpu_linear.c). Which
 * rows a block has depends on rows only. */
struct cf_rows_product {
    struct cf_cpu *cpu;
    size_t rows, n, k;
    const struct cf_gemm_pack *pack;
    const struct cf_gemm_product *whole, *small; /* set by plan */
};
size_t cf_rows_blocks(size_t rows);
size_t cf_rows_most(void); /* rows of a block */
bool cf_rows_plan(struct cf_rows_product *p, enum cf_gemm_kind kind, bool add,
                  struct cf_error *err);
void cf_rows_block(const struct cf_rows_product *p, size_t block, size_t *first, size_t *rows);
/* a and c: of the block, with room for cf_compute_rows(rows). False when oneDNN fails. */
bool cf_rows_multiply(const struct cf_rows_product *p, size_t block, const void *a, float *c,
                      size_t worker);

/* Bytes of an element of a and b. */
static inline size_t cf_cpu_element(const struct cf_cpu *cpu)
{
    return cf_gemm_bf16(cpu->gemm) ? sizeof(uint16_t) : sizeof(float);
}

/* Keeps the first failure, for status. */
void cf_cpu_fail(struct cf_cpu *cpu, const struct cf_error *failure);

/* Operations (compute.h). */
void cf_cpu_prepare(struct cf_compute *c, const struct cf_weight *weights, size_t count);
void cf_cpu_linear(struct cf_compute *c, const struct cf_linear *a);
void cf_cpu_linear_backward(struct cf_compute *c, const struct cf_linear_backward *a);
void cf_cpu_norm(struct cf_compute *c, const struct cf_norm *a);
void cf_cpu_norm_backward(struct cf_compute *c, const struct cf_norm_backward *a);
void cf_cpu_norm_again(struct cf_compute *c, const struct cf_norm *a);
void cf_cpu_attention(struct cf_compute *c, const struct cf_attention *a);
void cf_cpu_attention_backward(struct cf_compute *c, const struct cf_attention_backward *b);
void cf_cpu_embed(struct cf_compute *c, const struct cf_embed *a);
void cf_cpu_embed_backward(struct cf_compute *c, const struct cf_embed_backward *a);
void cf_cpu_pool(struct cf_compute *c, const struct cf_pool *a);
void cf_cpu_pool_backward(struct cf_compute *c, const struct cf_pool_backward *b);
void cf_cpu_add(struct cf_compute *c, size_t count, cf_ref x, cf_ref y);
void cf_cpu_drop(struct cf_compute *c, size_t rows, size_t n, cf_ref x,
                 const struct cf_dropout *dropout);
double cf_cpu_squares(struct cf_compute *c, cf_ref x, const struct cf_range *ranges, size_t count);
void cf_cpu_adamw(struct cf_compute *c, cf_ref p, cf_ref g, cf_ref m, cf_ref v,
                  const struct cf_range *ranges, size_t count, const struct cf_adamw *a);
void cf_cpu_adamw_late(struct cf_compute *c, const struct cf_late *a);

#endif
