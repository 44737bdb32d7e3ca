/* Gradients of linear layers: in one go of the threads the weight is packed, the weight's gradient
 * computed in panels and the input's in blocks of rows. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "common/transformer/compute_cpu.h"

enum {
    PANEL = 192, /* rows of dweight that one task computes */
    DEPTH = 512, /* rows of x and dy multiplied at once for dweight */
    PART = 32,   /* rows whose sum is added to dbias at once; DEPTH is a multiple */
};

struct backward_job {
    struct cf_cpu *cpu;
    const struct cf_linear_backward *a;
    struct cf_gemm_pack *pack;
    struct cf_rows_product dx;
    void *x, *dy; /* a's; in bfloat16 copies, without gaps */
    size_t dy_stride;
    size_t panel, panels; /* rows of one; how many */
    /* by [the last panel?][the last depth?][not the first depth?] */
    const struct cf_gemm_product *products[2][2][2];
    float *sums;        /* [rows / PART, out]: of PART of dy's rows each */
    atomic_size_t left; /* tasks that must end before dx is written */
    atomic_bool failed;
};

static size_t up_to(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void failed(struct backward_job *j)
{
    atomic_store(&j->failed, true);
}

/* --- the weight's gradient -----------------------------------------------------------------------
 */

/* PART rows of a panel's columns without gaps, and in float32 their sum: in bfloat16 it is there.
 */
static void copy_part(const struct backward_job *j, size_t first, size_t rows, size_t row,
                      size_t width, char *to)
{
    size_t size = cf_cpu_element(j->cpu);
    const char *from = (const char *)j->dy + (first * j->dy_stride + row) * size;
    for (size_t i = 0; i < rows; i++) {
        memcpy(to + i * width * size, from + i * j->dy_stride * size, width * size);
    }
    if (!cf_gemm_bf16(j->cpu->gemm)) {
        j->cpu->kernels->sum_rows(rows, width, (const float *)(const void *)to, width,
                                  j->sums + first / PART * j->a->out + row);
    }
}

/* The panel's rows first … first + depth − 1, and zeros up to a multiple of what products take. */
static void copy_panel(const struct backward_job *j, size_t first, size_t depth, size_t row,
                       size_t width, char *to)
{
    size_t size = cf_cpu_element(j->cpu);
    for (size_t i = 0; i < depth; i += PART) {
        copy_part(j, first + i, smaller(depth - i, PART), row, width, to + i * width * size);
    }
    memset(to + depth * width * size, 0, (cf_compute_rows(depth) - depth) * width * size);
}

static void weight_panel(struct backward_job *j, size_t panel, size_t worker)
{
    const struct cf_linear_backward *a = j->a;
    size_t row = panel * j->panel;
    size_t width = smaller(j->panel, a->out - row);
    size_t size = cf_cpu_element(j->cpu);
    char *dy = j->cpu->scratch.items[worker];
    for (size_t first = 0; first < a->rows; first += DEPTH) {
        size_t depth = smaller(a->rows - first, DEPTH);
        copy_panel(j, first, depth, row, width, dy);
        const struct cf_gemm_product *p =
            j->products[panel + 1 == j->panels][first + DEPTH >= a->rows][first > 0];
        if (!cf_gemm_run(j->cpu->gemm, p, dy, (const char *)j->x + first * a->in * size,
                         a->dweight.at + row * a->in, worker)) {
            failed(j);
        }
    }
    j->cpu->kernels->sum_rows((a->rows + PART - 1) / PART, width, j->sums + row, a->out,
                              a->dbias.at + row);
}

static bool plan_panels(struct backward_job *j, struct cf_error *err)
{
    const struct cf_linear_backward *a = j->a;
    size_t depth_rest = up_to((a->rows - 1) % DEPTH + 1, CF_COMPUTE_ROWS);
    j->panel = a->out >= (size_t)4 * PANEL ? PANEL : PANEL / 2;
    j->panels = (a->out + j->panel - 1) / j->panel;
    for (int which = 0; which < 8; which++) {
        bool last_panel = which & 4;
        bool last_depth = which & 2;
        bool add = which & 1;
        struct cf_gemm_shape shape = {CF_GEMM_WEIGHT,
                                      last_panel ? a->out - (j->panels - 1) * j->panel : j->panel,
                                      a->in, last_depth ? depth_rest : DEPTH, add};
        if ((!last_panel && j->panels == 1) || (a->rows <= DEPTH && (!last_depth || add)) ||
            (last_depth && !add && a->rows > DEPTH) ||
            (!last_depth && add && a->rows <= (size_t)2 * DEPTH)) {
            continue; /* not needed */
        }
        j->products[last_panel][last_depth][add] = cf_gemm_product(j->cpu->gemm, &shape, err);
        if (err->code) {
            return false;
        }
    }
    return true;
}

/* --- the input's gradient ------------------------------------------------------------------------
 */

static void input_block(struct backward_job *j, size_t block, size_t worker)
{
    const struct cf_linear_backward *a = j->a;
    size_t first;
    size_t rows;
    cf_rows_block(&j->dx, block, &first, &rows);
    size_t size = cf_cpu_element(j->cpu);
    char *scratch = j->cpu->scratch.items[worker];
    const char *dy = (const char *)j->dy + first * j->dy_stride * size;
    if (j->dy_stride != a->out) {
        for (size_t i = 0; i < rows; i++) {
            memcpy(scratch + i * a->out * size, dy + i * j->dy_stride * size, a->out * size);
        }
        dy = scratch;
    }
    float *dx = a->dx.at + first * a->in;
    float *c = a->factor.at ? (float *)(void *)scratch + cf_rows_most() * a->out : dx;
    if (!cf_rows_multiply(&j->dx, block, dy, c, worker)) {
        failed(j);
    }
    if (a->factor.at) {
        j->cpu->kernels->multiply(rows * a->in, c, a->factor.at + first * a->in);
        memcpy(dx, c, rows * a->in * sizeof(float));
    }
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static bool in_place(const struct backward_job *j)
{
    return j->a->dx.at == j->x;
}

/* Blocks come behind the tasks that they wait for, so each of those has its thread already. */
static void backward_task(void *arg, size_t task, size_t worker)
{
    struct backward_job *j = arg;
    if (!task) {
        if (!j->pack->fresh && !cf_gemm_pack_run(j->cpu->gemm, j->pack, worker)) {
            failed(j);
        }
        atomic_fetch_sub(&j->left, 1);
    } else if (task <= j->panels) {
        weight_panel(j, task - 1, worker);
        atomic_fetch_sub(&j->left, in_place(j));
    } else {
        while (atomic_load(&j->left)) {
            (void)sched_yield();
        }
        input_block(j, task - 1 - j->panels, worker);
    }
}

/* A part of x and dy in bfloat16. */
static void halves_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct backward_job *j = arg;
    const struct cf_linear_backward *a = j->a;
    const struct cf_kernels *kernels = j->cpu->kernels;
    size_t first = task * PART;
    size_t rows = smaller(a->rows - first, PART);
    const float *dy = a->dy.at + first * a->dy_stride;
    kernels->to_bf16(PART * a->in, a->x.at + first * a->in, (uint16_t *)j->x + first * a->in);
    for (size_t i = 0; i < rows; i++) {
        kernels->to_bf16(a->out, dy + i * a->dy_stride, (uint16_t *)j->dy + (first + i) * a->out);
    }
    kernels->sum_rows(rows, a->out, dy, a->dy_stride, j->sums + task * a->out);
}

/* x and dy as the products want them. The rows behind x's last one are multiplied too, with zeros:
 * they must not be NaN. */
static void take_input(struct backward_job *j)
{
    const struct cf_linear_backward *a = j->a;
    size_t rows = cf_compute_rows(a->rows);
    memset(a->x.at + a->rows * a->in, 0, (rows - a->rows) * a->in * sizeof(float));
    j->x = a->x.at;
    j->dy = a->dy.at;
    j->dy_stride = a->dy_stride;
    if (cf_gemm_bf16(j->cpu->gemm)) {
        cf_scratch_need(&j->cpu->halves, 2, rows * (a->in > a->out ? a->in : a->out) * 2);
        j->x = j->cpu->halves.items[0];
        j->dy = j->cpu->halves.items[1];
        j->dy_stride = a->out;
        cf_compute_pool_run(j->cpu->pool, rows / PART, halves_task, j);
    }
}

static bool plan(struct backward_job *j, struct cf_error *err)
{
    const struct cf_linear_backward *a = j->a;
    struct cf_cpu *cpu = j->cpu;
    j->dx = (struct cf_rows_product){.cpu = cpu, .rows = a->rows, .n = a->in, .k = a->out};
    j->dx.pack = j->pack = cf_gemm_packed(cpu->gemm, a->weight.at, a->out, a->in, false, err);
    if (!j->pack || !plan_panels(j, err) || !cf_rows_plan(&j->dx, CF_GEMM_INPUT, a->add, err)) {
        return false;
    }
    size_t parts = (a->rows + PART - 1) / PART;
    cf_scratch_need(&cpu->sums, 1, parts * a->out * sizeof(float));
    j->sums = cpu->sums.items[0];
    cf_scratch_need(&cpu->scratch, cf_compute_pool_threads(cpu->pool),
                    (DEPTH * j->panel + cf_rows_most() * (a->out + a->in)) * sizeof(float));
    return true;
}

void cf_cpu_linear_backward(struct cf_compute *c, const struct cf_linear_backward *a)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct cf_error err = {0};
    struct backward_job job = {.cpu = cpu, .a = a};
    if (!plan(&job, &err)) {
        cf_cpu_fail(cpu, &err);
        return;
    }
    take_input(&job);
    atomic_store(&job.left, 1 + (in_place(&job) ? job.panels : 0));
    cf_compute_pool_run(cpu->pool, 1 + job.panels + cf_rows_blocks(a->rows), backward_task, &job);
    if (atomic_load(&job.failed)) {
        (void)cf_error_set(&err, CF_EUNAVAILABLE,
                           "oneDNN failed at the gradient of a linear layer");
        cf_cpu_fail(cpu, &err);
    }
}
