/* Linear layers: blocks of rows that threads share, each multiplied by oneDNN on one thread and
 * finished (bias, GELU) while it is in the cache. Their gradients: compute_cpu_backward.c. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/compute_cpu.h"

/* --- blocks of rows ------------------------------------------------------------------------------
 */

enum {
    BLOCK = 96,             /* rows multiplied at once */
    SMALL = CF_COMPUTE_ROWS /* of the last ones, so that no thread waits long for another */
};

/* How many blocks have BLOCK rows. */
static size_t whole_blocks(size_t rows)
{
    const size_t tail = (size_t)2 * BLOCK;
    return rows > tail ? (rows - tail + BLOCK - 1) / BLOCK : 0;
}

size_t cf_rows_blocks(size_t rows)
{
    size_t whole = whole_blocks(rows);
    return whole + (rows - whole * BLOCK + SMALL - 1) / SMALL;
}

size_t cf_rows_most(void)
{
    return BLOCK;
}

bool cf_rows_plan(struct cf_rows_product *p, enum cf_gemm_kind kind, bool add, struct cf_error *err)
{
    struct cf_gemm *gemm = p->cpu->gemm;
    struct cf_gemm_shape whole = {kind, BLOCK, p->n, p->k, add};
    struct cf_gemm_shape small = {kind, SMALL, p->n, p->k, add};
    p->small = cf_gemm_product(gemm, &small, err);
    if (p->small && whole_blocks(p->rows)) {
        p->whole = cf_gemm_product(gemm, &whole, err);
    }
    return p->small && (p->whole || !whole_blocks(p->rows));
}

void cf_rows_block(const struct cf_rows_product *p, size_t block, size_t *first, size_t *rows)
{
    size_t whole = whole_blocks(p->rows);
    size_t size = block < whole ? BLOCK : SMALL;
    *first = block < whole ? block * BLOCK : whole * BLOCK + (block - whole) * SMALL;
    *rows = p->rows - *first < size ? p->rows - *first : size;
}

bool cf_rows_multiply(const struct cf_rows_product *p, size_t block, const void *a, float *c,
                      size_t worker)
{
    return cf_gemm_run(p->cpu->gemm, block < whole_blocks(p->rows) ? p->whole : p->small, a,
                       p->pack->data, c, worker);
}

/* --- packing -------------------------------------------------------------------------------------
 */

struct pack_job {
    struct cf_cpu *cpu;
    struct cf_gemm_pack **packs;
    atomic_bool failed;
};

static void pack_task(void *arg, size_t task, size_t worker)
{
    struct pack_job *j = arg;
    if (!cf_gemm_pack_run(j->cpu->gemm, j->packs[task], worker)) {
        atomic_store(&j->failed, true);
    }
}

void cf_cpu_prepare(struct cf_compute *c, const struct cf_weight *weights, size_t count)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct cf_error err = {0};
    struct pack_job job = {cpu, cf_calloc(count + 1, sizeof(struct cf_gemm_pack *)), false};
    size_t stale = 0;
    for (size_t i = 0; i < count && !cpu->failed; i++) {
        struct cf_gemm_pack *pack = cf_gemm_packed(cpu->gemm, weights[i].weight.at, weights[i].out,
                                                   weights[i].in, true, &err);
        if (!pack) {
            cf_cpu_fail(cpu, &err);
        } else if (!pack->fresh) {
            job.packs[stale++] = pack;
        }
    }
    cf_compute_pool_run(cpu->pool, stale, pack_task, &job);
    if (atomic_load(&job.failed)) {
        (void)cf_error_set(&err, CF_EUNAVAILABLE, "oneDNN failed to pack weights");
        cf_cpu_fail(cpu, &err);
    }
    free(job.packs);
}

/* --- forward -------------------------------------------------------------------------------------
 */

struct linear_job {
    struct cf_rows_product product;
    const struct cf_linear *a;
    atomic_bool failed;
};

/* Bias and GELU of rows first …, which lie in y, or without gaps in block. */
static void finish(const struct linear_job *j, size_t first, size_t rows, const float *block)
{
    const struct cf_linear *a = j->a;
    const struct cf_kernels *kernels = j->product.cpu->kernels;
    float *y = a->y.at + first * a->y_stride;
    for (size_t i = 0; block != y && i < rows; i++) {
        memcpy(y + i * a->y_stride, block + i * a->out, a->out * sizeof(float));
    }
    if (a->gelu.at && a->gelu.at == a->y.at) {
        kernels->bias_gelu(rows, a->out, y, a->bias.at, y);
        return;
    }
    for (size_t i = 0; i < rows; i++, y += a->y_stride) {
        if (a->bias.at) {
            kernels->add(a->out, y, a->bias.at);
        }
        if (a->gelu.at) {
            kernels->gelu_backward(a->out, y, a->gelu.at + (first + i) * a->out);
        }
    }
}

static void linear_task(void *arg, size_t task, size_t worker)
{
    struct linear_job *j = arg;
    const struct cf_linear *a = j->a;
    struct cf_cpu *cpu = j->product.cpu;
    float *scratch = cpu->scratch.items[worker];
    size_t first;
    size_t rows;
    cf_rows_block(&j->product, task, &first, &rows);
    const void *x = a->x.at + first * a->in;
    if (cf_gemm_bf16(cpu->gemm)) {
        cpu->kernels->to_bf16(rows * a->in, x, (uint16_t *)(void *)scratch);
        x = scratch;
    }
    float *y = a->y_stride == a->out ? a->y.at + first * a->out : scratch + BLOCK * a->in;
    if (!cf_rows_multiply(&j->product, task, x, y, worker)) {
        atomic_store(&j->failed, true);
    }
    finish(j, first, rows, y);
}

void cf_cpu_linear(struct cf_compute *c, const struct cf_linear *a)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct cf_error err = {0};
    struct cf_weight weight = {a->weight, a->out, a->in};
    cf_cpu_prepare(c, &weight, 1);
    if (cpu->failed) {
        return;
    }
    struct linear_job job = {
        .product = {.cpu = cpu,
                    .rows = a->rows,
                    .n = a->out,
                    .k = a->in,
                    .pack = cf_gemm_packed(cpu->gemm, a->weight.at, a->out, a->in, true, &err)},
        .a = a};
    if (!cf_rows_plan(&job.product, CF_GEMM_FORWARD, false, &err)) {
        cf_cpu_fail(cpu, &err);
        return;
    }
    cf_scratch_need(&cpu->scratch, cf_compute_pool_threads(cpu->pool),
                    BLOCK * (a->in + a->out) * sizeof(float));
    cf_compute_pool_run(cpu->pool, cf_rows_blocks(a->rows), linear_task, &job);
    if (atomic_load(&job.failed)) {
        (void)cf_error_set(&err, CF_EUNAVAILABLE, "oneDNN failed at a matrix product");
        cf_cpu_fail(cpu, &err);
    }
}
