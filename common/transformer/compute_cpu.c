#include "common/transformer/compute_cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/alloc.h"

void *cf_cpu_aligned(size_t bytes)
{
    void *data = NULL;
    /* alignment is for speed only; cf_malloc ends the process when there is no memory */
    return posix_memalign(&data, 64, bytes ? bytes : 64) ? cf_malloc(bytes) : data;
}

void cf_scratch_need(struct cf_scratch *s, size_t count, size_t bytes)
{
    if (s->count >= count && s->size >= bytes) {
        return;
    }
    size_t size = bytes > s->size ? bytes : s->size;
    count = count > s->count ? count : s->count;
    cf_scratch_release(s);
    s->items = cf_calloc(count, sizeof(*s->items));
    for (; s->count < count; s->count++) {
        s->items[s->count] = cf_cpu_aligned(size);
    }
    s->size = size;
}

void cf_scratch_release(struct cf_scratch *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i]);
    }
    free(s->items);
    *s = (struct cf_scratch){0};
}

void cf_cpu_fail(struct cf_cpu *cpu, const struct cf_error *failure)
{
    if (!cpu->failed) {
        cpu->failed = true;
        cpu->failure = *failure;
    }
}

static int status(struct cf_compute *c, struct cf_error *err)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    if (!cpu->failed) {
        return 0;
    }
    cpu->failed = false;
    if (err) {
        *err = cpu->failure;
    }
    return cpu->failure.code;
}

/* --- memory --------------------------------------------------------------------------------------
 */

/* Mapped, so that pages that are never used cost nothing. */
static cf_ref alloc(struct cf_compute *c, size_t floats)
{
    (void)c;
    size_t bytes = floats * sizeof(float);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        (void)cf_calloc(SIZE_MAX, sizeof(float)); /* ends the process */
    }
    return (cf_ref){p};
}

static void release(struct cf_compute *c, cf_ref ref, size_t floats)
{
    (void)c;
    if (ref.at) {
        (void)munmap(ref.at, floats * sizeof(float));
    }
}

enum { LARGE_PAGE = 1 << 21 };

/* Large pages save the CPU look-ups, and the first use of each small page. */
static void dense(struct cf_compute *c, cf_ref ref, size_t floats)
{
    (void)c;
    size_t before = (size_t)(-(uintptr_t)ref.at % LARGE_PAGE);
    size_t bytes = floats * sizeof(float);
    if (before < bytes) {
        (void)madvise((char *)ref.at + before, bytes - before, MADV_HUGEPAGE);
    }
}

static void upload(struct cf_compute *c, cf_ref to, const float *from, size_t floats)
{
    (void)c;
    memcpy(to.at, from, floats * sizeof(float));
}

static void download(struct cf_compute *c, float *to, cf_ref from, size_t floats)
{
    (void)c;
    memcpy(to, from.at, floats * sizeof(float));
}

static void zero(struct cf_compute *c, cf_ref ref, size_t floats)
{
    (void)c;
    memset(ref.at, 0, floats * sizeof(float));
}

static float *host(struct cf_compute *c, cf_ref ref, size_t floats)
{
    (void)c;
    (void)floats;
    return ref.at;
}

static void changed(struct cf_compute *c)
{
    cf_gemm_changed(cf_cpu_of(c)->gemm);
}

/* --- elements ------------------------------------------------------------------------------------
 */

enum { CHUNK = 16384 }; /* floats one task takes */

struct elements_job {
    const struct cf_kernels *kernels;
    size_t count;
    float *x, *y;
};

static size_t chunk(size_t count, size_t first)
{
    return count - first < CHUNK ? count - first : CHUNK;
}

static void add_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct elements_job *j = arg;
    size_t first = task * CHUNK;
    j->kernels->add(chunk(j->count, first), j->x + first, j->y + first);
}

void cf_cpu_add(struct cf_compute *c, size_t count, cf_ref x, cf_ref y)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct elements_job job = {cpu->kernels, count, x.at, y.at};
    cf_compute_pool_run(cpu->pool, (count + CHUNK - 1) / CHUNK, add_task, &job);
}

/* --- parameters ----------------------------------------------------------------------------------
 */

/* Ranges cut into pieces of at most CHUNK floats. */
struct piece {
    const struct cf_range *range;
    size_t first, count;
};

struct parameters_job {
    const struct cf_kernels *kernels;
    struct piece *pieces;
    size_t count, capacity;
    const float *g;
    float *p, *m, *v;
    const struct cf_adamw *adamw;
    double *sums; /* [count] */
};

static void cut(struct parameters_job *j, const struct cf_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < ranges[i].count; at += CHUNK) {
            j->pieces = cf_grow(j->pieces, j->count, &j->capacity, sizeof(*j->pieces));
            j->pieces[j->count++] =
                (struct piece){&ranges[i], ranges[i].first + at, chunk(ranges[i].count, at)};
        }
    }
}

static void squares_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct parameters_job *j = arg;
    const struct piece *p = &j->pieces[task];
    j->sums[task] = j->kernels->squares(p->count, j->g + p->first);
}

double cf_cpu_squares(struct cf_compute *c, cf_ref x, const struct cf_range *ranges, size_t count)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct parameters_job job = {.kernels = cpu->kernels, .g = x.at};
    cut(&job, ranges, count);
    job.sums = cf_calloc(job.count + 1, sizeof(*job.sums));
    cf_compute_pool_run(cpu->pool, job.count, squares_task, &job);
    double total = 0;
    for (size_t i = 0; i < job.count; i++) {
        total += job.sums[i];
    }
    free(job.sums);
    free(job.pieces);
    return total;
}

static void adamw_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct parameters_job *j = arg;
    const struct piece *p = &j->pieces[task];
    float decay = p->range->decays ? j->adamw->decay : 0;
    j->kernels->adamw(p->count, j->p + p->first, j->g + p->first, j->m + p->first, j->v + p->first,
                      j->adamw, decay);
}

void cf_cpu_adamw(struct cf_compute *c, cf_ref p, cf_ref g, cf_ref m, cf_ref v,
                  const struct cf_range *ranges, size_t count, const struct cf_adamw *a)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    struct parameters_job job = {
        .kernels = cpu->kernels, .g = g.at, .p = p.at, .m = m.at, .v = v.at, .adamw = a};
    cut(&job, ranges, count);
    cf_compute_pool_run(cpu->pool, job.count, adamw_task, &job);
    free(job.pieces);
}

enum { LATE = 16 }; /* rows one task takes */

struct late_job {
    const struct cf_kernels *kernels;
    const struct cf_late *a;
    const float *zeros; /* [n] */
};

static void late_row(const struct late_job *j, const struct cf_late_row *row)
{
    const struct cf_late *a = j->a;
    size_t at = row->row * a->n;
    for (size_t i = row->from; i < a->step_count; i++) {
        const struct cf_adamw *step = &a->steps[i];
        if (!row->still) {
            j->kernels->adamw(a->n, a->p.at + at, j->zeros, a->m.at + at, a->v.at + at, step,
                              step->decay);
        } else if (step->decay > 0) {
            j->kernels->scale(a->n, a->p.at + at, 1 - step->rate * step->decay);
        }
    }
}

static void late_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct late_job *j = arg;
    size_t end = (task + 1) * LATE;
    for (size_t i = task * LATE; i < end && i < j->a->row_count; i++) {
        late_row(j, &j->a->rows[i]);
    }
}

void cf_cpu_adamw_late(struct cf_compute *c, const struct cf_late *a)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    cf_scratch_need(&cpu->sums, 1, a->n * sizeof(float));
    memset(cpu->sums.items[0], 0, a->n * sizeof(float));
    struct late_job job = {cpu->kernels, a, cpu->sums.items[0]};
    cf_compute_pool_run(cpu->pool, (a->row_count + LATE - 1) / LATE, late_task, &job);
}

/* --- the backend ---------------------------------------------------------------------------------
 */

static void free_cpu(struct cf_compute *c)
{
    struct cf_cpu *cpu = cf_cpu_of(c);
    cf_compute_pool_free(cpu->pool);
    cf_gemm_free(cpu->gemm);
    cf_scratch_release(&cpu->scratch);
    cf_scratch_release(&cpu->sums);
    cf_scratch_release(&cpu->halves);
    free(cpu);
}

static const struct cf_compute_ops cpu_ops = {
    .alloc = alloc,
    .release = release,
    .dense = dense,
    .upload = upload,
    .download = download,
    .zero = zero,
    .host = host,
    .changed = changed,
    .prepare = cf_cpu_prepare,
    .linear = cf_cpu_linear,
    .linear_backward = cf_cpu_linear_backward,
    .norm = cf_cpu_norm,
    .norm_backward = cf_cpu_norm_backward,
    .norm_again = cf_cpu_norm_again,
    .attention = cf_cpu_attention,
    .attention_backward = cf_cpu_attention_backward,
    .embed = cf_cpu_embed,
    .embed_backward = cf_cpu_embed_backward,
    .pool = cf_cpu_pool,
    .pool_backward = cf_cpu_pool_backward,
    .add = cf_cpu_add,
    .drop = cf_cpu_drop,
    .squares = cf_cpu_squares,
    .adamw = cf_cpu_adamw,
    .adamw_late = cf_cpu_adamw_late,
    .status = status,
    .free = free_cpu,
};

bool cf_compute_cpu_has_bf16(void)
{
#if defined(__x86_64__)
    return cf_kernels_avx512() && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

int cf_compute_cpu_new(size_t threads, bool bf16, struct cf_compute **out, struct cf_error *err)
{
    if (bf16 && !cf_compute_cpu_has_bf16()) {
        return cf_error_set(err, CF_ECONFIG, "this CPU doesn't multiply in bfloat16");
    }
    struct cf_cpu *cpu = cf_calloc(1, sizeof(*cpu));
    cpu->base.ops = &cpu_ops;
    cpu->kernels = cf_kernels_best();
    int rc = cf_compute_pool_new(threads, cf_gemm_one_thread, &cpu->pool, err);
    if (!rc) {
        rc = cf_gemm_new(bf16, threads, &cpu->gemm, err);
    }
    if (rc) {
        free_cpu(&cpu->base);
        return rc;
    }
    *out = &cpu->base;
    return 0;
}
