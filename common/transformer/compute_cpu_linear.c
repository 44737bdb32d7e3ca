/* Linear layers: blocks of rows that threads share, each multiplied by oneDNN on one thread and
 * finished (bias, GELU) while it is in the cache. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/compute_cpu.h"

enum {
    BLOCK = 96,  /* rows of a forward or input product */
    PANEL = 192, /* rows of a block of dweight */
    PANEL_WIDTH = 384,
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
    const uint16_t *a_half; /* a as bfloat16 [rows, k]; NULL: none yet */
    const struct cf_gemm_pack *pack;
    float *c;
    size_t c_stride;
    const struct cf_gemm_product *whole, *rest; /* of BLOCK rows, of the last block */
    const struct cf_linear *forward;
    const struct cf_linear_backward *backward;
    atomic_bool failed;
};

static void to_halves(const struct cf_cpu *cpu, size_t rows, size_t n, const float *x,
                      size_t stride, uint16_t *out)
{
    for (size_t i = 0; i < rows; i++) {
        cpu->kernels->to_bf16(n, x + i * stride, out + i * n);
    }
}

static void finish_forward(const struct rows_job *j, size_t first, size_t rows)
{
    const struct cf_linear *f = j->forward;
    const struct cf_kernels *kernels = j->cpu->kernels;
    float *y = j->c + first * j->c_stride;
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

static void rows_task(void *arg, size_t task, size_t worker)
{
    struct rows_job *j = arg;
    size_t first = task * BLOCK;
    size_t rows = smaller(j->rows - first, BLOCK);
    bool half = cf_gemm_bf16(j->cpu->gemm);
    const void *a = j->a + first * j->a_stride;
    if (half && j->a_half) {
        a = j->a_half + first * j->k;
    } else if (half) {
        uint16_t *copy = j->cpu->scratch.items[worker];
        to_halves(j->cpu, rows, j->k, a, j->a_stride, copy);
        a = copy;
    }
    if (!cf_gemm_run(j->cpu->gemm, rows == BLOCK ? j->whole : j->rest, a, j->pack->data,
                     j->c + first * j->c_stride, worker)) {
        atomic_store(&j->failed, true);
    }
    if (j->forward) {
        finish_forward(j, first, rows);
    } else {
        finish_backward(j, first, rows);
    }
}

static void run_rows(struct rows_job *j, enum cf_gemm_kind kind, bool add)
{
    struct cf_error err = {0};
    struct cf_gemm *gemm = j->cpu->gemm;
    bool half = cf_gemm_bf16(gemm);
    struct cf_gemm_shape shape = {kind, BLOCK,       j->n, j->k, half ? j->k : j->a_stride,
                                  0,    j->c_stride, add};
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
    if (half && !j->a_half) {
        cf_scratch_need(&j->cpu->scratch, cf_compute_pool_threads(j->cpu->pool),
                        BLOCK * j->k * sizeof(uint16_t));
    }
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

/* dweight in blocks of PANEL × PANEL_WIDTH; the first task packs the weight for dx meanwhile. */
struct weight_job {
    struct cf_cpu *cpu;
    const struct cf_linear_backward *a;
    struct cf_gemm_pack *pack;
    const void *x, *dy; /* floats or bfloat16 */
    size_t dy_stride;
    size_t panel, down, across; /* rows of a block; how many blocks */
    /* by [the last panel down?][the last across?][the last depth?][not the first depth?] */
    const struct cf_gemm_product *products[2][2][2][2];
    atomic_bool failed;
};

static const void *at(const struct weight_job *j, const void *p, size_t elements)
{
    return (const char *)p + elements * (cf_gemm_bf16(j->cpu->gemm) ? 2 : 4);
}

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
    size_t i = (task - 1) / j->across;
    size_t k = (task - 1) % j->across;
    size_t row = i * j->panel;
    size_t column = k * PANEL_WIDTH;
    if (!k) {
        j->cpu->kernels->sum_rows(a->rows, smaller(j->panel, a->out - row), a->dy.at + row,
                                  a->dy_stride, a->dbias.at + row);
    }
    for (size_t first = 0; first < a->rows; first += DEPTH) {
        const struct cf_gemm_product *p =
            j->products[i + 1 == j->down][k + 1 == j->across][first + DEPTH >= a->rows][first > 0];
        if (!cf_gemm_run(j->cpu->gemm, p, at(j, j->dy, first * j->dy_stride + row),
                         at(j, j->x, first * a->in + column), a->dweight.at + row * a->in + column,
                         worker)) {
            atomic_store(&j->failed, true);
        }
    }
}

static bool plan_weight(struct weight_job *j)
{
    const struct cf_linear_backward *a = j->a;
    size_t depth_rest = up_to((a->rows - 1) % DEPTH + 1, CF_COMPUTE_ROWS);
    j->panel = a->out * a->in >= (size_t)4 * PANEL * PANEL_WIDTH ? PANEL : PANEL / 2;
    j->down = (a->out + j->panel - 1) / j->panel;
    j->across = (a->in + PANEL_WIDTH - 1) / PANEL_WIDTH;
    for (int which = 0; which < 16; which++) {
        bool last_down = which & 8;
        bool last_across = which & 4;
        bool last_depth = which & 2;
        bool add = which & 1;
        struct cf_error err = {0};
        struct cf_gemm_shape shape = {
            CF_GEMM_WEIGHT,
            last_down ? a->out - (j->down - 1) * j->panel : j->panel,
            last_across ? a->in - (j->across - 1) * PANEL_WIDTH : PANEL_WIDTH,
            last_depth ? depth_rest : DEPTH,
            j->dy_stride,
            a->in,
            a->in,
            add,
        };
        if ((!last_down && j->down == 1) || (!last_across && j->across == 1) ||
            (a->rows <= DEPTH && (!last_depth || add)) || (last_depth && !add && a->rows > DEPTH) ||
            (!last_depth && add && a->rows <= (size_t)2 * DEPTH)) {
            continue; /* not needed */
        }
        j->products[last_down][last_across][last_depth][add] =
            cf_gemm_product(j->cpu->gemm, &shape, &err);
        if (err.code) {
            cf_cpu_fail(j->cpu, &err);
            return false;
        }
    }
    return true;
}

/* bfloat16 copies of x and dy, by blocks of 32 rows; the rows behind are 0. */
struct halves {
    const float *from;
    size_t n, stride;
    uint16_t *to;
};

struct halves_job {
    const struct cf_cpu *cpu;
    size_t rows;
    struct halves parts[2];
};

static void halves_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct halves_job *j = arg;
    size_t first = task * CF_COMPUTE_ROWS;
    size_t rows = smaller(j->rows - first, CF_COMPUTE_ROWS);
    for (size_t i = 0; i < 2; i++) {
        const struct halves *p = &j->parts[i];
        to_halves(j->cpu, rows, p->n, p->from + first * p->stride, p->stride, p->to + first * p->n);
        memset(p->to + (first + rows) * p->n, 0, (CF_COMPUTE_ROWS - rows) * p->n * sizeof(*p->to));
    }
}

static void need_halves(struct cf_cpu *cpu, size_t which, size_t elements)
{
    if (cpu->halves_size[which] < elements) {
        free(cpu->halves[which]);
        cpu->halves[which] = cf_cpu_aligned(elements * sizeof(uint16_t));
        cpu->halves_size[which] = elements;
    }
}

static void make_halves(struct weight_job *j)
{
    struct cf_cpu *cpu = j->cpu;
    const struct cf_linear_backward *a = j->a;
    size_t rows = cf_compute_rows(a->rows);
    need_halves(cpu, 0, rows * a->in);
    need_halves(cpu, 1, rows * a->out);
    struct halves_job halves = {cpu,
                                a->rows,
                                {{a->x.at, a->in, a->in, cpu->halves[0]},
                                 {a->dy.at, a->out, a->dy_stride, cpu->halves[1]}}};
    cf_compute_pool_run(cpu->pool, rows / CF_COMPUTE_ROWS, halves_task, &halves);
    j->x = cpu->halves[0];
    j->dy = cpu->halves[1];
    j->dy_stride = a->out;
}

/* The rows behind the last one are multiplied too. */
static void zero_rows_behind(const struct cf_linear_backward *a)
{
    for (size_t i = a->rows; i < cf_compute_rows(a->rows); i++) {
        memset(a->x.at + i * a->in, 0, a->in * sizeof(float));
        memset(a->dy.at + i * a->dy_stride, 0, a->out * sizeof(float));
    }
}

void cf_cpu_linear_backward(struct cf_compute *c, const struct cf_linear_backward *a)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct cf_error err = {0};
    bool half = cf_gemm_bf16(cpu->gemm);
    struct weight_job job = {
        .cpu = cpu, .a = a, .x = a->x.at, .dy = a->dy.at, .dy_stride = a->dy_stride};
    job.pack = cf_gemm_packed(cpu->gemm, a->weight.at, a->out, a->in, false, &err);
    if (!job.pack) {
        cf_cpu_fail(cpu, &err);
        return;
    }
    if (half) {
        make_halves(&job);
    } else {
        zero_rows_behind(a);
    }
    if (!plan_weight(&job)) {
        return;
    }
    cf_compute_pool_run(cpu->pool, 1 + job.down * job.across, weight_task, &job);
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
        .a_half = half ? job.dy : NULL,
        .pack = job.pack,
        .c = a->dx.at,
        .c_stride = a->in,
        .backward = a,
    };
    run_rows(&rows, CF_GEMM_INPUT, a->add);
}
