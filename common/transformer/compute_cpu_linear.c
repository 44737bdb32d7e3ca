/* Linear layers: blocks of rows that threads share, each multiplied by oneDNN on one thread and
 * finished (bias, GELU) while it is in the cache. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/compute_cpu.h"

enum {
    BLOCK = 96,  /* rows of a forward or input product */
    PANEL = 192, /* rows of dweight that one task computes */
    DEPTH = 512, /* rows of x and dy multiplied at once for dweight */
};

static size_t up_to(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- blocks of rows ------------------------------------------------------------------------------
 */

/* c = a · packed, for blocks of rows; finish is called for each block. */
struct rows_job {
    struct cf_cpu *cpu;
    size_t rows, k, n;
    const float *a;
    size_t a_stride;
    const struct cf_gemm_pack *pack;
    float *c;
    size_t c_stride;
    const struct cf_gemm_product *whole, *rest; /* of BLOCK rows, of the last block */
    const struct cf_linear *forward;
    const struct cf_linear_backward *backward;
    atomic_bool failed;
};

/* Copies rows so that there are no gaps between them, as the products want them: in bfloat16 where
 * that is what is multiplied. */
static void copy_rows(const struct cf_cpu *cpu, size_t rows, size_t n, const float *x,
                      size_t stride, void *out)
{
    bool half = cf_gemm_bf16(cpu->gemm);
    for (size_t i = 0; i < rows; i++) {
        if (half) {
            cpu->kernels->to_bf16(n, x + i * stride, (uint16_t *)out + i * n);
        } else {
            memcpy((float *)out + i * n, x + i * stride, n * sizeof(float));
        }
    }
}

static size_t element(const struct cf_cpu *cpu)
{
    return cf_gemm_bf16(cpu->gemm) ? sizeof(uint16_t) : sizeof(float);
}

static void finish_forward(const struct rows_job *j, size_t first, size_t rows, const float *block)
{
    const struct cf_linear *f = j->forward;
    const struct cf_kernels *kernels = j->cpu->kernels;
    float *y = j->c + first * j->c_stride;
    for (size_t i = 0; block != y && i < rows; i++) {
        memcpy(y + i * j->c_stride, block + i * j->n, j->n * sizeof(float));
    }
    if (f->gelu.at) {
        kernels->bias_gelu(rows, j->n, y, f->bias.at, f->gelu.at + first * j->n);
    } else if (f->bias.at) {
        kernels->add_bias(rows, j->n, y, j->c_stride, f->bias.at);
    }
}

static void finish_backward(const struct rows_job *j, size_t first, size_t rows)
{
    const float *factor = j->backward->factor.at;
    if (factor) {
        j->cpu->kernels->multiply(rows * j->n, j->c + first * j->n, factor + first * j->n);
    }
}

static bool copies_a(const struct rows_job *j)
{
    return cf_gemm_bf16(j->cpu->gemm) || j->a_stride != j->k;
}

static void rows_task(void *arg, size_t task, size_t worker)
{
    struct rows_job *j = arg;
    size_t first = task * BLOCK;
    size_t rows = smaller(j->rows - first, BLOCK);
    float *scratch = j->cpu->scratch.items[worker];
    const void *a = j->a + first * j->a_stride;
    if (copies_a(j)) {
        copy_rows(j->cpu, rows, j->k, a, j->a_stride, scratch);
        a = scratch;
    }
    float *c = j->c + first * j->c_stride;
    if (j->c_stride != j->n) {
        c = scratch + BLOCK * j->k;
    }
    if (!cf_gemm_run(j->cpu->gemm, rows == BLOCK ? j->whole : j->rest, a, j->pack->data, c,
                     worker)) {
        atomic_store(&j->failed, true);
    }
    if (j->forward) {
        finish_forward(j, first, rows, c);
    } else {
        finish_backward(j, first, rows);
    }
}

static void run_rows(struct rows_job *j, enum cf_gemm_kind kind, bool add)
{
    struct cf_error err = {0};
    struct cf_gemm *gemm = j->cpu->gemm;
    struct cf_gemm_shape shape = {kind, BLOCK, j->n, j->k, add};
    size_t rest = j->rows % BLOCK;
    if (j->rows >= BLOCK && !(j->whole = cf_gemm_product(gemm, &shape, &err))) {
        cf_cpu_fail(j->cpu, &err);
        return;
    }
    shape.m = up_to(rest, CF_COMPUTE_ROWS);
    if (rest && !(j->rest = cf_gemm_product(gemm, &shape, &err))) {
        cf_cpu_fail(j->cpu, &err);
        return;
    }
    cf_scratch_need(&j->cpu->scratch, cf_compute_pool_threads(j->cpu->pool),
                    BLOCK * (j->k + j->n) * sizeof(float));
    cf_compute_pool_run(j->cpu->pool, (j->rows + BLOCK - 1) / BLOCK, rows_task, j);
    if (atomic_load(&j->failed)) {
        (void)cf_error_set(&err, CF_EUNAVAILABLE, "oneDNN failed at a matrix product");
        cf_cpu_fail(j->cpu, &err);
    }
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

void cf_cpu_linear(struct cf_compute *c, const struct cf_linear *a)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct cf_error err = {0};
    struct cf_weight weight = {a->weight, a->out, a->in};
    cf_cpu_prepare(c, &weight, 1);
    if (cpu->failed) {
        return;
    }
    struct rows_job job = {
        .cpu = cpu,
        .rows = a->rows,
        .k = a->in,
        .n = a->out,
        .a = a->x.at,
        .a_stride = a->in,
        .pack = cf_gemm_packed(cpu->gemm, a->weight.at, a->out, a->in, true, &err),
        .c = a->y.at,
        .c_stride = a->y_stride,
        .forward = a,
    };
    run_rows(&job, CF_GEMM_FORWARD, false);
}

/* --- backward ------------------------------------------------------------------------------------
 */

/* dweight in panels of rows; the first task packs the weight for dx meanwhile. */
struct weight_job {
    struct cf_cpu *cpu;
    const struct cf_linear_backward *a;
    struct cf_gemm_pack *pack;
    const char *x;        /* [rows, in], of floats or bfloat16 */
    size_t panel, panels; /* rows of one; how many */
    /* by [the last panel?][the last depth?][not the first depth?] */
    const struct cf_gemm_product *products[2][2][2];
    atomic_bool failed;
};

static void weight_task(void *arg, size_t task, size_t worker)
{
    struct weight_job *j = arg;
    const struct cf_linear_backward *a = j->a;
    if (!task) {
        if (!j->pack->fresh && !cf_gemm_pack_run(j->cpu->gemm, j->pack, worker)) {
            atomic_store(&j->failed, true);
        }
        return;
    }
    size_t row = (task - 1) * j->panel;
    size_t width = smaller(j->panel, a->out - row);
    size_t size = element(j->cpu);
    char *dy = j->cpu->scratch.items[worker];
    for (size_t first = 0; first < a->rows; first += DEPTH) {
        size_t depth = smaller(a->rows - first, DEPTH);
        copy_rows(j->cpu, depth, width, a->dy.at + first * a->dy_stride + row, a->dy_stride, dy);
        memset(dy + depth * width * size, 0, (cf_compute_rows(depth) - depth) * width * size);
        const struct cf_gemm_product *p =
            j->products[task == j->panels][first + DEPTH >= a->rows][first > 0];
        if (!cf_gemm_run(j->cpu->gemm, p, dy, j->x + first * a->in * size,
                         a->dweight.at + row * a->in, worker)) {
            atomic_store(&j->failed, true);
        }
    }
    j->cpu->kernels->sum_rows(a->rows, width, a->dy.at + row, a->dy_stride, a->dbias.at + row);
}

static bool plan_weight(struct weight_job *j)
{
    const struct cf_linear_backward *a = j->a;
    size_t depth_rest = up_to((a->rows - 1) % DEPTH + 1, CF_COMPUTE_ROWS);
    j->panel = a->out >= (size_t)4 * PANEL ? PANEL : PANEL / 2;
    j->panels = (a->out + j->panel - 1) / j->panel;
    for (int which = 0; which < 8; which++) {
        bool last_panel = which & 4;
        bool last_depth = which & 2;
        bool add = which & 1;
        struct cf_error err = {0};
        struct cf_gemm_shape shape = {CF_GEMM_WEIGHT,
                                      last_panel ? a->out - (j->panels - 1) * j->panel : j->panel,
                                      a->in, last_depth ? depth_rest : DEPTH, add};
        if ((!last_panel && j->panels == 1) || (a->rows <= DEPTH && (!last_depth || add)) ||
            (last_depth && !add && a->rows > DEPTH) ||
            (!last_depth && add && a->rows <= (size_t)2 * DEPTH)) {
            continue; /* not needed */
        }
        j->products[last_panel][last_depth][add] = cf_gemm_product(j->cpu->gemm, &shape, &err);
        if (err.code) {
            cf_cpu_fail(j->cpu, &err);
            return false;
        }
    }
    cf_scratch_need(&j->cpu->scratch, cf_compute_pool_threads(j->cpu->pool),
                    DEPTH * j->panel * sizeof(float));
    return true;
}

static void halves_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct weight_job *j = arg;
    const struct cf_linear_backward *a = j->a;
    size_t first = task * CF_COMPUTE_ROWS;
    copy_rows(j->cpu, CF_COMPUTE_ROWS, a->in, a->x.at + first * a->in, a->in,
              (uint16_t *)j->cpu->halves.items[0] + first * a->in);
}

/* x as the products want it. The rows behind the last one are multiplied too, with zeros: they must
 * not be NaN. */
static const void *prepare_x(struct weight_job *j)
{
    const struct cf_linear_backward *a = j->a;
    size_t rows = cf_compute_rows(a->rows);
    memset(a->x.at + a->rows * a->in, 0, (rows - a->rows) * a->in * sizeof(float));
    if (!cf_gemm_bf16(j->cpu->gemm)) {
        return a->x.at;
    }
    cf_scratch_need(&j->cpu->halves, 1, rows * a->in * sizeof(uint16_t));
    cf_compute_pool_run(j->cpu->pool, rows / CF_COMPUTE_ROWS, halves_task, j);
    return j->cpu->halves.items[0];
}

void cf_cpu_linear_backward(struct cf_compute *c, const struct cf_linear_backward *a)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct cf_error err = {0};
    struct weight_job job = {.cpu = cpu, .a = a};
    job.pack = cf_gemm_packed(cpu->gemm, a->weight.at, a->out, a->in, false, &err);
    if (!job.pack) {
        cf_cpu_fail(cpu, &err);
        return;
    }
    job.x = prepare_x(&job);
    if (!plan_weight(&job)) {
        return;
    }
    cf_compute_pool_run(cpu->pool, 1 + job.panels, weight_task, &job);
    if (atomic_load(&job.failed)) {
        (void)cf_error_set(&err, CF_EUNAVAILABLE, "oneDNN failed at the gradient of weights");
        cf_cpu_fail(cpu, &err);
        return;
    }
    struct rows_job rows = {
        .cpu = cpu,
        .rows = a->rows,
        .k = a->out,
        .n = a->in,
        .a = a->dy.at,
        .a_stride = a->dy_stride,
        .pack = job.pack,
        .c = a->dx.at,
        .c_stride = a->in,
        .backward = a,
    };
    run_rows(&rows, CF_GEMM_INPUT, a->add);
}
