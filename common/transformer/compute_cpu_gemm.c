/* Matrix products by oneDNN's matmul, one thread each, and weights packed for them. */
#include <dnnl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/transformer/compute_cpu.h"

/* oneDNN asks OpenMP how many threads it may use; the answer is the calling thread's own. This is
 * all that is needed of OpenMP, so its header isn't. */
void omp_set_num_threads(int threads);

struct cf_gemm_product {
    struct cf_gemm_shape shape;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    const dnnl_memory_desc_t *a, *b, *c, *scratch;
    struct cf_gemm_product *next;
};

struct cf_gemm {
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* one a worker */
    size_t workers;
    bool bf16;
    struct cf_scratch scratch; /* oneDNN's own, one a worker */
    struct cf_gemm_product *products;
    struct cf_gemm_pack *packs;
    struct cf_gemm_pack *backward; /* the pack whose bytes lie in backward_data, or NULL */
    void *backward_data;
    size_t backward_bytes;
};

void cf_gemm_one_thread(void)
{
    omp_set_num_threads(1);
}

static int failed(struct cf_error *err, const char *what, dnnl_status_t status)
{
    return cf_error_set(err, CF_EUNAVAILABLE, "oneDNN can't %s: status %d", what, (int)status);
}

int cf_gemm_new(bool bf16, size_t workers, struct cf_gemm **out, struct cf_error *err)
{
    struct cf_gemm *g = cf_calloc(1, sizeof(*g));
    g->bf16 = bf16;
    g->streams = cf_calloc(workers, sizeof(dnnl_stream_t));
    dnnl_status_t status = dnnl_engine_create(&g->engine, dnnl_cpu, 0);
    for (; status == dnnl_success && g->workers < workers; g->workers++) {
        status = dnnl_stream_create(&g->streams[g->workers], g->engine, dnnl_stream_default_flags);
        if (status != dnnl_success) {
            break;
        }
    }
    if (status != dnnl_success) {
        cf_gemm_free(g);
        return failed(err, "be started", status);
    }
    *out = g;
    return 0;
}

static void free_pack(struct cf_gemm_pack *pack)
{
    dnnl_primitive_destroy(pack->reorder);
    if (pack->forward) {
        free(pack->data);
    }
    free((void *)pack->from);
    free(pack);
}

void cf_gemm_free(struct cf_gemm *g)
{
    if (!g) {
        return;
    }
    for (struct cf_gemm_product *p = g->products, *next; p; p = next) {
        next = p->next;
        dnnl_primitive_destroy(p->primitive);
        dnnl_primitive_desc_destroy(p->description);
        free(p);
    }
    for (struct cf_gemm_pack *p = g->packs, *next; p; p = next) {
        next = p->next;
        free_pack(p);
    }
    for (size_t i = 0; i < g->workers; i++) {
        dnnl_stream_destroy(g->streams[i]);
    }
    if (g->engine) {
        dnnl_engine_destroy(g->engine);
    }
    cf_scratch_release(&g->scratch);
    free(g->backward_data);
    free(g->streams);
    free(g);
}

void cf_gemm_changed(struct cf_gemm *g)
{
    for (struct cf_gemm_pack *p = g->packs; p; p = p->next) {
        p->fresh = false;
    }
}

bool cf_gemm_bf16(const struct cf_gemm *g)
{
    return g->bf16;
}

/* --- products ------------------------------------------------------------------------------------
 */

/* Element (i, j) at i · row + j · column. */
static dnnl_status_t matrix(dnnl_memory_desc_t *out, size_t rows, size_t columns,
                            dnnl_data_type_t type, size_t row, size_t column)
{
    dnnl_dims_t sizes = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    dnnl_dims_t strides = {(dnnl_dim_t)row, (dnnl_dim_t)column};
    return dnnl_memory_desc_init_by_strides(out, 2, sizes, type, strides);
}

/* Packed weights serve products of any number of rows: the first product of a kind, n and k is free
 * to choose their order, later ones take it over. */
static dnnl_status_t order_of(const struct cf_gemm *g, const struct cf_gemm_shape *s,
                              dnnl_data_type_t type, dnnl_memory_desc_t *b)
{
    dnnl_dims_t sizes = {(dnnl_dim_t)s->k, (dnnl_dim_t)s->n};
    for (const struct cf_gemm_product *p = g->products; p; p = p->next) {
        if (p->shape.kind == s->kind && p->shape.n == s->n && p->shape.k == s->k) {
            *b = *p->b;
            return dnnl_success;
        }
    }
    return dnnl_memory_desc_init_by_tag(b, 2, sizes, type, dnnl_format_tag_any);
}

static dnnl_status_t describe(const struct cf_gemm *g, const struct cf_gemm_shape *s,
                              dnnl_memory_desc_t *a, dnnl_memory_desc_t *b, dnnl_memory_desc_t *c)
{
    dnnl_data_type_t type = g->bf16 ? dnnl_bf16 : dnnl_f32;
    bool turned = s->kind == CF_GEMM_WEIGHT;
    dnnl_status_t status = matrix(a, s->m, s->k, type, turned ? 1 : s->k, turned ? s->m : 1);
    if (status == dnnl_success) {
        status = turned ? matrix(b, s->k, s->n, type, s->n, 1) : order_of(g, s, type, b);
    }
    return status == dnnl_success ? matrix(c, s->m, s->n, dnnl_f32, s->n, 1) : status;
}

static dnnl_status_t attributes(bool add, dnnl_primitive_attr_t *out)
{
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status != dnnl_success) {
        return status;
    }
    status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (add && status == dnnl_success) {
        dnnl_post_ops_t after;
        status = dnnl_post_ops_create(&after);
        if (status == dnnl_success) {
            (void)dnnl_post_ops_append_sum(after, 1);
            status = dnnl_primitive_attr_set_post_ops(*out, after);
            dnnl_post_ops_destroy(after);
        }
    }
    return status;
}

static dnnl_status_t make(const struct cf_gemm *g, struct cf_gemm_product *p)
{
    dnnl_memory_desc_t a;
    dnnl_memory_desc_t b;
    dnnl_memory_desc_t c;
    dnnl_matmul_desc_t d;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status = describe(g, &p->shape, &a, &b, &c);
    if (status == dnnl_success) {
        status = dnnl_matmul_desc_init(&d, &a, &b, NULL, &c);
    }
    if (status == dnnl_success) {
        status = attributes(p->shape.add, &attr);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_desc_create(&p->description, &d, attr, g->engine, NULL);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_create(&p->primitive, p->description);
    }
    if (attr) {
        dnnl_primitive_attr_destroy(attr);
    }
    return status;
}

static bool same_shape(const struct cf_gemm_shape *x, const struct cf_gemm_shape *y)
{
    return x->kind == y->kind && x->m == y->m && x->n == y->n && x->k == y->k && x->add == y->add;
}

struct cf_gemm_product *cf_gemm_product(struct cf_gemm *g, const struct cf_gemm_shape *shape,
                                        struct cf_error *err)
{
    for (struct cf_gemm_product *p = g->products; p; p = p->next) {
        if (same_shape(&p->shape, shape)) {
            return p;
        }
    }
    struct cf_gemm_product *p = cf_calloc(1, sizeof(*p));
    p->shape = *shape;
    dnnl_status_t status = make(g, p);
    if (status != dnnl_success) {
        dnnl_primitive_desc_destroy(p->description);
        free(p);
        (void)failed(err, "multiply matrices", status);
        return NULL;
    }
    p->a = dnnl_primitive_desc_query_md(p->description, dnnl_query_src_md, 0);
    p->b = dnnl_primitive_desc_query_md(p->description, dnnl_query_weights_md, 0);
    p->c = dnnl_primitive_desc_query_md(p->description, dnnl_query_dst_md, 0);
    p->scratch = dnnl_primitive_desc_query_md(p->description, dnnl_query_scratchpad_md, 0);
    cf_scratch_need(&g->scratch, g->workers, dnnl_memory_desc_get_size(p->scratch));
    p->next = g->products;
    g->products = p;
    return p;
}

bool cf_gemm_run(struct cf_gemm *g, const struct cf_gemm_product *p, const void *a, const void *b,
                 float *c, size_t worker)
{
    const struct {
        int argument;
        const dnnl_memory_desc_t *description;
        void *data;
    } parts[4] = {{DNNL_ARG_SRC, p->a, (void *)a},
                  {DNNL_ARG_WEIGHTS, p->b, (void *)b},
                  {DNNL_ARG_DST, p->c, c},
                  {DNNL_ARG_SCRATCHPAD, p->scratch, g->scratch.items[worker]}};
    dnnl_exec_arg_t arguments[4];
    dnnl_status_t status = dnnl_success;
    int made = 0;
    for (; made < 4; made++) {
        arguments[made].arg = parts[made].argument;
        status = dnnl_memory_create(&arguments[made].memory, parts[made].description, g->engine,
                                    parts[made].data);
        if (status != dnnl_success) {
            break;
        }
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_execute(p->primitive, g->streams[worker], 4, arguments);
    }
    while (made > 0) {
        dnnl_memory_destroy(arguments[--made].memory);
    }
    return status == dnnl_success;
}

/* --- packed weights ------------------------------------------------------------------------------
 */

enum { PLANNED_ROWS = 64 };

/* The product asked for here decides in which order b is: see order_of. */
static int plan_pack(struct cf_gemm *g, struct cf_gemm_pack *pack, struct cf_error *err)
{
    size_t n = pack->forward ? pack->out : pack->in;
    size_t k = pack->forward ? pack->in : pack->out;
    struct cf_gemm_shape shape = {pack->forward ? CF_GEMM_FORWARD : CF_GEMM_INPUT, PLANNED_ROWS, n,
                                  k, false};
    struct cf_gemm_product *p = cf_gemm_product(g, &shape, err);
    if (!p) {
        return err->code;
    }
    dnnl_memory_desc_t *from = cf_calloc(1, sizeof(*from));
    pack->from = from;
    pack->to = p->b;
    pack->bytes = dnnl_memory_desc_get_size(p->b);
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status =
        matrix(from, k, n, dnnl_f32, pack->forward ? 1 : n, pack->forward ? k : 1);
    if (status == dnnl_success) {
        status = dnnl_reorder_primitive_desc_create(&description, from, g->engine, p->b, g->engine,
                                                    NULL);
    }
    dnnl_primitive_t reorder = NULL;
    if (status == dnnl_success) {
        status = dnnl_primitive_create(&reorder, description);
        dnnl_primitive_desc_destroy(description);
    }
    pack->reorder = reorder;
    return status == dnnl_success ? 0 : failed(err, "pack weights", status);
}

/* The one place for backward. */
static void take_backward(struct cf_gemm *g, struct cf_gemm_pack *pack)
{
    if (g->backward_bytes < pack->bytes) {
        free(g->backward_data);
        g->backward_data = cf_cpu_aligned(pack->bytes);
        g->backward_bytes = pack->bytes;
    }
    if (g->backward != pack) {
        pack->fresh = false;
        g->backward = pack;
    }
    pack->data = g->backward_data;
}

struct cf_gemm_pack *cf_gemm_packed(struct cf_gemm *g, const float *weight, size_t out, size_t in,
                                    bool forward, struct cf_error *err)
{
    struct cf_gemm_pack *p = g->packs;
    while (p && !(p->weight == weight && p->forward == forward && p->out == out && p->in == in)) {
        p = p->next;
    }
    if (!p) {
        p = cf_calloc(1, sizeof(*p));
        p->weight = weight;
        p->out = out;
        p->in = in;
        p->forward = forward;
        if (plan_pack(g, p, err)) {
            free_pack(p);
            return NULL;
        }
        p->data = forward ? cf_cpu_aligned(p->bytes) : NULL;
        p->next = g->packs;
        g->packs = p;
    }
    if (!forward) {
        take_backward(g, p);
    }
    return p;
}

bool cf_gemm_pack_run(struct cf_gemm *g, struct cf_gemm_pack *pack, size_t worker)
{
    dnnl_memory_t from = NULL;
    dnnl_memory_t to = NULL;
    dnnl_status_t status = dnnl_memory_create(&from, pack->from, g->engine, (void *)pack->weight);
    if (status == dnnl_success) {
        status = dnnl_memory_create(&to, pack->to, g->engine, pack->data);
    }
    if (status == dnnl_success) {
        dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        status = dnnl_primitive_execute(pack->reorder, g->streams[worker], 2, arguments);
    }
    if (from) {
        dnnl_memory_destroy(from);
    }
    if (to) {
        dnnl_memory_destroy(to);
    }
    pack->fresh = status == dnnl_success;
    return pack->fresh;
}
