/* Operations over rows and texts: LayerNorm, attention, embeddings, pooling. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/compute_cpu.h"

enum { BLOCK = 32 }; /* rows one task takes */

static size_t blocks(size_t rows)
{
    return (rows + BLOCK - 1) / BLOCK;
}

static size_t block(size_t rows, size_t first)
{
    return rows - first < BLOCK ? rows - first : BLOCK;
}

/* --- LayerNorm -----------------------------------------------------------------------------------
 */

struct norm_job {
    struct cf_cpu *cpu;
    const struct cf_norm *a;
};

static void norm_task(void *arg, size_t task, size_t worker)
{
    const struct norm_job *j = arg;
    j->cpu->kernels->norm(j->a, task * BLOCK, block(j->a->rows, task * BLOCK),
                          j->cpu->scratch.items[worker]);
}

static void again_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct norm_job *j = arg;
    j->cpu->kernels->norm_again(j->a, task * BLOCK, block(j->a->rows, task * BLOCK));
}

static void need_scratch(struct cf_cpu *cpu, size_t floats)
{
    cf_scratch_need(&cpu->scratch, cf_compute_pool_threads(cpu->pool), floats * sizeof(float));
}

void cf_cpu_norm(struct cf_compute *c, const struct cf_norm *a)
{
    struct norm_job job = {cf_cpu_of(c), a};
    need_scratch(job.cpu, a->n);
    cf_compute_pool_run(job.cpu->pool, blocks(a->rows), norm_task, &job);
}

void cf_cpu_norm_again(struct cf_compute *c, const struct cf_norm *a)
{
    struct norm_job job = {cf_cpu_of(c), a};
    cf_compute_pool_run(job.cpu->pool, blocks(a->rows), again_task, &job);
}

struct norm_backward_job {
    struct cf_cpu *cpu;
    const struct cf_norm_backward *a;
    float *sums; /* [blocks, 2 n] */
};

static void norm_backward_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct norm_backward_job *j = arg;
    j->cpu->kernels->norm_backward(j->a, task * BLOCK, block(j->a->rows, task * BLOCK),
                                   j->sums + task * 2 * j->a->n);
}

void cf_cpu_norm_backward(struct cf_compute *c, const struct cf_norm_backward *a)
{
    struct norm_backward_job job = {cf_cpu_of(c), a, NULL};
    size_t count = blocks(a->rows);
    cf_scratch_need(&job.cpu->sums, 1, count * 2 * a->n * sizeof(float));
    job.sums = job.cpu->sums.items[0];
    cf_compute_pool_run(job.cpu->pool, count, norm_backward_task, &job);
    job.cpu->kernels->sum_rows(count, a->n, job.sums, 2 * a->n, a->dgamma.at);
    job.cpu->kernels->sum_rows(count, a->n, job.sums + a->n, 2 * a->n, a->dbeta.at);
}

struct drop_job {
    struct cf_cpu *cpu;
    size_t rows, n;
    float *x;
    const struct cf_dropout *dropout;
};

static void drop_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct drop_job *j = arg;
    size_t first = task * BLOCK;
    float *x = j->x + first * j->n;
    j->cpu->kernels->drop(first, block(j->rows, first), j->n, x, x, j->dropout);
}

void cf_cpu_drop(struct cf_compute *c, size_t rows, size_t n, cf_ref x,
                 const struct cf_dropout *dropout)
{
    struct drop_job job = {cf_cpu_of(c), rows, n, x.at, dropout};
    if (dropout->rate > 0) {
        cf_compute_pool_run(job.cpu->pool, blocks(rows), drop_task, &job);
    }
}

/* --- attention -----------------------------------------------------------------------------------
 */

struct attention_job {
    struct cf_cpu *cpu;
    const struct cf_attention *a;
    const struct cf_attention_backward *b;
};

static struct cf_attend one_head(const struct attention_job *j, size_t task, size_t worker,
                                 size_t *offset)
{
    const struct cf_attention *a = j->a;
    size_t text = task / a->heads;
    size_t head = task % a->heads;
    size_t first = a->texts.offsets[text];
    size_t d = a->hidden / a->heads;
    size_t rows = a->texts.offsets[a->texts.count];
    const float *q = a->qkv.at + first * 3 * a->hidden + head * d;
    struct cf_attend one = {
        .tokens = a->texts.offsets[text + 1] - first,
        .d = d,
        .stride = 3 * a->hidden,
        .q = q,
        .k = q + a->hidden,
        .v = q + 2 * a->hidden,
        .context = a->context.at + first * a->hidden + head * d,
        .context_stride = a->hidden,
        .log_sums = a->log_sums.at ? a->log_sums.at + head * rows + first : NULL,
        .dropout = a->dropout,
        .first_row = first,
        .scratch = j->cpu->scratch.items[worker],
    };
    one.dropout.site += (uint32_t)head;
    *offset = first * 3 * a->hidden + head * d;
    return one;
}

static void attention_task(void *arg, size_t task, size_t worker)
{
    const struct attention_job *j = arg;
    size_t offset;
    struct cf_attend one = one_head(j, task, worker, &offset);
    j->cpu->kernels->attention(&one);
}

static void attention_backward_task(void *arg, size_t task, size_t worker)
{
    const struct attention_job *j = arg;
    size_t offset;
    struct cf_attend_backward one = {.forward = one_head(j, task, worker, &offset)};
    one.dcontext = j->b->dcontext.at + (one.forward.context - j->a->context.at);
    one.dq = j->b->dqkv.at + offset;
    one.dk = one.dq + j->a->hidden;
    one.dv = one.dk + j->a->hidden;
    j->cpu->kernels->attention_backward(&one);
}

static size_t longest(const struct cf_texts *texts)
{
    size_t most = 0;
    for (size_t i = 0; i < texts->count; i++) {
        size_t tokens = texts->offsets[i + 1] - texts->offsets[i];
        most = tokens > most ? tokens : most;
    }
    return most;
}

static void attend(struct attention_job *job, cf_pool_task *task)
{
    const struct cf_attention *a = job->a;
    need_scratch(job->cpu, cf_attend_scratch(longest(&a->texts), a->hidden / a->heads));
    cf_compute_pool_run(job->cpu->pool, a->texts.count * a->heads, task, job);
}

void cf_cpu_attention(struct cf_compute *c, const struct cf_attention *a)
{
    struct attention_job job = {cf_cpu_of(c), a, NULL};
    attend(&job, attention_task);
}

void cf_cpu_attention_backward(struct cf_compute *c, const struct cf_attention_backward *b)
{
    struct attention_job job = {cf_cpu_of(c), &b->forward, b};
    attend(&job, attention_backward_task);
}

/* --- embeddings ----------------------------------------------------------------------------------
 */

struct embed_job {
    struct cf_cpu *cpu;
    const struct cf_embed *a;
    struct cf_norm norm; /* of one text's rows, with x in y */
};

static void embed_task(void *arg, size_t task, size_t worker)
{
    const struct embed_job *j = arg;
    const struct cf_embed *a = j->a;
    size_t first = a->texts.offsets[task];
    size_t rows = a->texts.offsets[task + 1] - first;
    for (size_t i = 0; i < rows; i++) {
        j->cpu->kernels->add_three(a->n, a->words.at + (size_t)a->ids[first + i] * a->n,
                                   a->positions.at + i * a->n, a->types.at,
                                   a->y.at + (first + i) * a->n);
    }
    j->cpu->kernels->norm(&j->norm, first, rows, j->cpu->scratch.items[worker]);
    if (a->dropout.rate > 0) {
        float *y = a->y.at + first * a->n;
        j->cpu->kernels->drop(first, rows, a->n, y, y, &a->dropout);
    }
}

void cf_cpu_embed(struct cf_compute *c, const struct cf_embed *a)
{
    struct embed_job job = {cf_cpu_of(c),
                            a,
                            {.n = a->n,
                             .x = a->y,
                             .gamma = a->gamma,
                             .beta = a->beta,
                             .eps = a->eps,
                             .xhat = a->xhat,
                             .scale = a->scale,
                             .y = a->y}};
    need_scratch(job.cpu, a->n);
    cf_compute_pool_run(job.cpu->pool, a->texts.count, embed_task, &job);
}

enum { COLUMNS = 64 };

struct embed_backward_job {
    struct cf_cpu *cpu;
    const struct cf_embed_backward *a;
};

/* Some columns of all rows, so that no two tasks add to the same number and each adds in order. */
static void embed_backward_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct embed_backward_job *j = arg;
    const struct cf_embed_backward *a = j->a;
    size_t column = task * COLUMNS;
    size_t n = a->n - column < COLUMNS ? a->n - column : COLUMNS;
    for (size_t text = 0; text < a->texts.count; text++) {
        size_t first = a->texts.offsets[text];
        for (size_t row = first; row < a->texts.offsets[text + 1]; row++) {
            const float *ds = a->ds.at + row * a->n + column;
            j->cpu->kernels->add(n, a->dwords.at + (size_t)a->ids[row] * a->n + column, ds);
            j->cpu->kernels->add(n, a->dpositions.at + (row - first) * a->n + column, ds);
        }
    }
    j->cpu->kernels->sum_rows(a->texts.offsets[a->texts.count], n, a->ds.at + column, a->n,
                              a->dtypes.at + column);
}

void cf_cpu_embed_backward(struct cf_compute *c, const struct cf_embed_backward *a)
{
    struct embed_backward_job job = {cf_cpu_of(c), a};
    cf_compute_pool_run(job.cpu->pool, (a->n + COLUMNS - 1) / COLUMNS, embed_backward_task, &job);
}

/* --- pooling -------------------------------------------------------------------------------------
 */

struct pool_job {
    struct cf_cpu *cpu;
    const struct cf_pool *a;
    const struct cf_pool_backward *b;
};

static void pool_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct pool_job *j = arg;
    const struct cf_pool *a = j->a;
    size_t first = a->texts.offsets[task];
    size_t rows = a->texts.offsets[task + 1] - first;
    float *e = a->embeddings.at + task * a->n;
    j->cpu->kernels->sum_rows(rows, a->n, a->y.at + first * a->n, a->n, e);
    j->cpu->kernels->scale(a->n, e, 1 / (float)rows);
    float length = (float)sqrt(j->cpu->kernels->squares(a->n, e));
    length = length < 1e-12F ? 1e-12F : length;
    j->cpu->kernels->scale(a->n, e, 1 / length);
    a->lengths.at[task] = length;
}

void cf_cpu_pool(struct cf_compute *c, const struct cf_pool *a)
{
    struct pool_job job = {cf_cpu_of(c), a, NULL};
    cf_compute_pool_run(job.cpu->pool, a->texts.count, pool_task, &job);
}

/* Every row of a text gets (de − e · (e · de)) / (length · rows). */
static void pool_backward_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const struct pool_job *j = arg;
    const struct cf_pool_backward *b = j->b;
    size_t first = b->texts.offsets[task];
    size_t rows = b->texts.offsets[task + 1] - first;
    const float *e = b->embeddings.at + task * b->n;
    const float *de = b->dembeddings.at + task * b->n;
    double along = 0;
    for (size_t i = 0; i < b->n; i++) {
        along += (double)e[i] * (double)de[i];
    }
    float factor = 1 / (b->lengths.at[task] * (float)rows);
    float *dy = b->dy.at + first * b->n;
    for (size_t i = 0; i < b->n; i++) {
        dy[i] = (de[i] - e[i] * (float)along) * factor;
    }
    for (size_t row = 1; row < rows; row++) {
        memcpy(dy + row * b->n, dy, b->n * sizeof(float));
    }
}

void cf_cpu_pool_backward(struct cf_compute *c, const struct cf_pool_backward *b)
{
    struct pool_job job = {cf_cpu_of(c), NULL, b};
    cf_compute_pool_run(job.cpu->pool, b->texts.count, pool_backward_task, &job);
}
