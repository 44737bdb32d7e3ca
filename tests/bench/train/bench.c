/* How fast a model of all-MiniLM-L6-v2's shape trains and encodes, with random weights. See
 * README.md.
 *
 *     bench lengths                     tokens of the 150 pairs, one line "query document" each
 *     bench train f32|bf16 THREADS EPOCHS
 *     bench encode f32|bf16 THREADS TOKENS RUNS
 *     bench gemm f32|bf16 THREADS
 *
 * The last three print one line: NAME VALUE ... (median seconds or GFLOP/s, peak memory in MB). */
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/transformer/bert.h"

void omp_set_num_threads(int threads);

enum { PAIRS = 150, BATCH = 8, LONGEST = 256 };

/* Seconds; with CPU_TIME in the environment those that this process computed. */
static double now(void)
{
    struct timespec t;
    clock_gettime(getenv("CPU_TIME") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double peak_megabytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024e-6;
}

static unsigned long random_state = 1;

static size_t between(size_t low, size_t high)
{
    random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
    return low + (random_state >> 33) % (high - low + 1);
}

/* Of ten documents three are short, four middling, three cut at the limit. */
static void lengths_of(size_t pair[2])
{
    size_t kind = between(0, 9);
    pair[0] = between(4, 9);
    pair[1] = kind < 3 ? between(10, 36) : kind < 7 ? between(60, 180) : LONGEST;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

static void die(const struct cf_error *err)
{
    (void)fprintf(stderr, "bench: %s\n", err->message);
    exit(1);
}

static struct cf_bert_layout layout;

static struct cf_bert *model_of(const char *type, size_t threads, bool training, size_t tokens)
{
    struct cf_error err = {0};
    struct cf_bert_config c = {6, 384, 12, 1536, 30522, 512, 2, 1e-12F, 0, LONGEST};
    struct cf_bert_options o = {tokens, 32, threads, training, !strcmp(type, "bf16")};
    struct cf_bert *model = NULL;
    if (cf_bert_layout_make(&c, &layout, &err) || cf_bert_new(&layout, &o, &model, &err)) {
        die(&err);
    }
    float *w = cf_bert_weights(model);
    for (size_t i = 0; i < layout.tensor_count; i++) {
        const struct cf_bert_tensor *t = &layout.tensors[i];
        for (size_t k = 0; k < t->rows * (t->columns ? t->columns : 1); k++) {
            w[t->offset + k] = ((float)between(0, 2000) - 1000) * 5e-5F;
        }
        for (size_t k = 0; k < t->rows && strstr(t->name, "LayerNorm.weight"); k++) {
            w[t->offset + k] = 1;
        }
    }
    cf_bert_changed(model);
    return model;
}

struct pack {
    int32_t ids[2 * BATCH * LONGEST];
    size_t offsets[2 * BATCH + 1];
    size_t pairs;
};

static size_t make_batches(struct pack *packs)
{
    size_t tokens = 0;
    random_state = 1;
    for (size_t first = 0, i = 0; first < PAIRS; first += BATCH, i++) {
        struct pack *p = &packs[i];
        size_t lengths[BATCH][2];
        p->pairs = PAIRS - first < BATCH ? PAIRS - first : BATCH;
        for (size_t k = 0; k < p->pairs; k++) {
            lengths_of(lengths[k]);
        }
        for (size_t k = 0; k < 2 * p->pairs; k++) {
            p->offsets[k + 1] = p->offsets[k] + lengths[k % p->pairs][k / p->pairs];
        }
        tokens += p->offsets[2 * p->pairs];
    }
    for (size_t i = 0; i * BATCH < PAIRS; i++) {
        for (size_t k = 0; k < packs[i].offsets[2 * packs[i].pairs]; k++) {
            packs[i].ids[k] = (int32_t)between(5, 30521);
        }
    }
    return tokens;
}

static void train(const char *type, size_t threads, size_t epochs)
{
    struct pack *packs = cf_calloc(PAIRS / BATCH + 1, sizeof(*packs));
    double *seconds = cf_calloc(epochs, sizeof(*seconds));
    size_t tokens = make_batches(packs);
    struct cf_bert *model = model_of(type, threads, true, (size_t)2 * BATCH * LONGEST);
    struct cf_bert_settings s = {2e-5F, 0.01F, 1, 0, 1, 0};
    const char *dropout = getenv("DROPOUT");
    s.dropout = dropout ? strtof(dropout, NULL) : 0;
    struct cf_bert_outcome out = {0};
    struct cf_error err = {0};
    for (size_t e = 0; e < epochs; e++) {
        double start = now();
        for (size_t i = 0; i * BATCH < PAIRS; i++) {
            struct cf_bert_batch b = {packs[i].ids, packs[i].offsets, packs[i].pairs,
                                      packs[i].pairs};
            if (cf_bert_train_step(model, &b, &s, &out, &err)) {
                die(&err);
            }
        }
        (void)cf_bert_weights(model); /* what the steps left for later is done */
        seconds[e] = now() - start;
    }
    double middle = median(seconds, epochs);
    printf("ours-train-%s s/epoch %.3f tokens/s %.0f tokens %zu MB %.0f loss %.4f\n", type, middle,
           (double)tokens / middle, tokens, peak_megabytes(), out.loss);
    cf_bert_free(model);
    free(packs);
    free(seconds);
}

/* The largest batch that the model was made for: its memory. */
static void largest(const char *type, size_t threads)
{
    struct pack *p = cf_calloc(1, sizeof(*p));
    struct cf_bert *model = model_of(type, threads, true, (size_t)2 * BATCH * LONGEST);
    p->pairs = BATCH;
    for (size_t k = 0; k < 2 * p->pairs; k++) {
        p->offsets[k + 1] = p->offsets[k] + LONGEST;
    }
    for (size_t k = 0; k < p->offsets[2 * BATCH]; k++) {
        p->ids[k] = (int32_t)between(5, 30521);
    }
    struct cf_bert_settings s = {2e-5F, 0.01F, 1, 0.1F, 1, 0};
    struct cf_bert_outcome out = {0};
    struct cf_error err = {0};
    struct cf_bert_batch b = {p->ids, p->offsets, BATCH, BATCH};
    double start = now();
    for (int i = 0; i < 2; i++) {
        start = now();
        if (cf_bert_train_step(model, &b, &s, &out, &err)) {
            die(&err);
        }
    }
    printf("ours-largest-%s s/step %.3f MB %.0f\n", type, now() - start, peak_megabytes());
    cf_bert_free(model);
    free(p);
}

static void encode(const char *type, size_t threads, size_t tokens, size_t runs)
{
    enum { TEXTS = 32 };
    struct cf_bert *model =
        model_of(type, threads, false, TEXTS * tokens > LONGEST ? TEXTS * tokens : LONGEST);
    int32_t *ids = cf_calloc(TEXTS * tokens, sizeof(*ids));
    size_t offsets[TEXTS + 1];
    double *seconds = cf_calloc(runs, sizeof(*seconds));
    float *out = cf_calloc(TEXTS * (size_t)384, sizeof(*out));
    struct cf_error err = {0};
    for (size_t i = 0; i <= TEXTS; i++) {
        offsets[i] = i * tokens;
    }
    for (size_t i = 0; i < TEXTS * tokens; i++) {
        ids[i] = (int32_t)between(5, 30521);
    }
    for (size_t i = 0; i < runs; i++) {
        double start = now();
        if (cf_bert_encode(model, ids, offsets, TEXTS, out, &err)) {
            die(&err);
        }
        seconds[i] = now() - start;
    }
    printf("ours-encode-%s-%zu texts/s %.1f MB %.0f\n", type, tokens, TEXTS / median(seconds, runs),
           peak_megabytes());
    cf_bert_free(model);
    free(ids);
    free(seconds);
    free(out);
}

/* GFLOP/s of x · Wᵀ by oneDNN with packed weights: the best of eight. */
static double product(dnnl_engine_t engine, dnnl_stream_t stream, dnnl_data_type_t type, int m,
                      int n, int k)
{
    dnnl_dims_t sizes[3] = {{m, k}, {k, n}, {m, n}};
    dnnl_memory_desc_t md[3];
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t p;
    dnnl_memory_t memory[3];
    dnnl_memory_desc_init_by_tag(&md[0], 2, sizes[0], type, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&md[1], 2, sizes[1], type, dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&md[2], 2, sizes[2], dnnl_f32, dnnl_ab);
    dnnl_matmul_desc_init(&d, &md[0], &md[1], NULL, &md[2]);
    dnnl_primitive_desc_create(&pd, &d, NULL, engine, NULL);
    dnnl_primitive_create(&p, pd);
    md[1] = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    for (int i = 0; i < 3; i++) {
        void *data;
        dnnl_memory_create(&memory[i], &md[i], engine, DNNL_MEMORY_ALLOCATE);
        dnnl_memory_get_data_handle(memory[i], &data);
        memset(data, 0, dnnl_memory_desc_get_size(&md[i]));
    }
    dnnl_exec_arg_t arguments[3] = {
        {DNNL_ARG_SRC, memory[0]}, {DNNL_ARG_WEIGHTS, memory[1]}, {DNNL_ARG_DST, memory[2]}};
    double best = 0;
    for (int i = 0; i < 8; i++) {
        double start = now();
        for (int times = 0; times < 16; times++) {
            dnnl_primitive_execute(p, stream, 3, arguments);
        }
        double rate = 16 * 2e-9 * m * n * k / (now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

static void gemm(const char *name, int threads)
{
    const int shapes[][3] = {{1024, 384, 384}, {1024, 1536, 384}, {1024, 384, 1536}};
    dnnl_data_type_t type = strcmp(name, "bf16") ? dnnl_f32 : dnnl_bf16;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    double best = 0;
    omp_set_num_threads(threads);
    dnnl_engine_create(&engine, dnnl_cpu, 0);
    dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    for (size_t i = 0; i < 3; i++) {
        double rate = product(engine, stream, type, shapes[i][0], shapes[i][1], shapes[i][2]);
        best = rate > best ? rate : best;
    }
    printf("gemm-%s GFLOP/s %.0f\n", name, best);
}

int main(int argc, char **argv)
{
    size_t numbers[3] = {0};
    for (int i = 3; i < argc && i < 6; i++) {
        numbers[i - 3] = strtoul(argv[i], NULL, 10);
    }
    if (argc == 2 && !strcmp(argv[1], "lengths")) {
        for (size_t i = 0; i < PAIRS; i++) {
            size_t pair[2];
            lengths_of(pair);
            printf("%zu %zu\n", pair[0], pair[1]);
        }
    } else if (argc == 5 && !strcmp(argv[1], "train")) {
        train(argv[2], numbers[0], numbers[1]);
    } else if (argc == 4 && !strcmp(argv[1], "largest")) {
        largest(argv[2], numbers[0]);
    } else if (argc == 6 && !strcmp(argv[1], "encode")) {
        encode(argv[2], numbers[0], numbers[1], numbers[2]);
    } else if (argc == 4 && !strcmp(argv[1], "gemm")) {
        gemm(argv[2], (int)numbers[0]);
    } else {
        (void)fprintf(stderr, "usage: see the head of bench.c\n");
        return 64;
    }
    return 0;
}
