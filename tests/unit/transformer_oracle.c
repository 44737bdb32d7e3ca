/* Embeddings, losses, gradients and weights against PyTorch's (tests/oracle/bert.py). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/safetensors.h"
#include "tests/unit/transformer_fixture.h"

static const char *const files[] = {"tests/fixtures/transformer/even.safetensors",
                                    "tests/fixtures/transformer/odd.safetensors"};

struct oracle {
    const char *file;
    char *data;
    struct cf_tensors tensors;
    int32_t *config;
    struct cf_bert_layout layout;
    struct cf_bert *bert;
};

static char *read_all(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    *length = (size_t)ftell(file);
    rewind(file);
    char *data = cf_malloc(*length);
    ck_assert_uint_eq(fread(data, 1, *length, file), *length);
    ck_assert_int_eq(fclose(file), 0);
    return data;
}

static float *numbers(struct oracle *o, const char *prefix, const char *name, size_t want)
{
    char full[160];
    (void)snprintf(full, sizeof(full), "%s%s", prefix, name);
    const struct cf_tensor *t = cf_tensors_find(&o->tensors, full);
    ck_assert_msg(t && t->dtype == CF_F32 && t->bytes == want * sizeof(float), "%s: %s", o->file,
                  full);
    float *copy = cf_malloc(t->bytes + 1);
    memcpy(copy, t->data, t->bytes);
    return copy;
}

static int32_t *whole_numbers(struct oracle *o, const char *name, size_t *count)
{
    int32_t *values;
    struct cf_error err;
    ck_assert_msg(
        !cf_tensors_get_i32(&o->tensors, o->file, name, CF_ANY, 0, INT32_MAX, count, &values, &err),
        "%s", err.message);
    return values;
}

static size_t floats_of(const struct cf_bert_tensor *t)
{
    return t->rows * (t->columns ? t->columns : 1);
}

static void open_oracle(struct oracle *o, const char *file, size_t threads, bool bf16)
{
    size_t length;
    size_t count;
    struct cf_error err = {0};
    *o = (struct oracle){.file = file};
    o->data = read_all(file, &length);
    ck_assert_msg(!cf_safetensors_read(o->data, length, file, &o->tensors, &err), "%s",
                  err.message);
    o->config = whole_numbers(o, "config", &count);
    ck_assert_uint_eq(count, 9);
    const size_t positions = (size_t)o->config[5];
    struct cf_bert_config c = {.layers = (size_t)o->config[0],
                               .hidden = (size_t)o->config[1],
                               .heads = (size_t)o->config[2],
                               .ffn = (size_t)o->config[3],
                               .vocabulary = (size_t)o->config[4],
                               .positions = positions,
                               .types = (size_t)o->config[6],
                               .layernorm_eps = 1e-12F,
                               .max_tokens = positions};
    ck_assert_msg(!cf_bert_layout_make(&c, &o->layout, &err), "%s", err.message);
    struct cf_bert_options options = {.most_tokens = 10 * positions,
                                      .most_texts = 10,
                                      .threads = threads,
                                      .training = true,
                                      .bf16 = bf16};
    ck_assert_msg(!cf_bert_new(&o->layout, &options, &o->bert, &err), "%s", err.message);
    for (size_t i = 0; i < o->layout.tensor_count; i++) {
        const struct cf_bert_tensor *t = &o->layout.tensors[i];
        float *values = numbers(o, "w0.", t->name, floats_of(t));
        memcpy(cf_bert_weights(o->bert) + t->offset, values, floats_of(t) * sizeof(float));
        free(values);
    }
    cf_bert_changed(o->bert);
}

static void close_oracle(struct oracle *o)
{
    cf_bert_free(o->bert);
    cf_bert_layout_release(&o->layout);
    cf_tensors_release(&o->tensors);
    free(o->config);
    free(o->data);
}

static struct transformer_texts batch_of(struct oracle *o, int step)
{
    char name[32];
    size_t count;
    struct transformer_texts t = {0};
    (void)snprintf(name, sizeof(name), "s%d.ids", step);
    t.ids = whole_numbers(o, name, &count);
    (void)snprintf(name, sizeof(name), "s%d.offsets", step);
    int32_t *offsets = whole_numbers(o, name, &count);
    t.count = count - 1;
    t.offsets = cf_calloc(count, sizeof(*t.offsets));
    for (size_t i = 0; i < count; i++) {
        t.offsets[i] = (size_t)offsets[i];
    }
    free(offsets);
    return t;
}

static void check_embeddings(struct oracle *o, int step, double tolerance)
{
    char name[32];
    struct transformer_texts t = batch_of(o, step);
    size_t n = t.count * o->layout.config.hidden;
    struct cf_error err = {0};
    (void)snprintf(name, sizeof(name), "s%d.embeddings", step);
    float *want = numbers(o, name, "", n);
    float *got = cf_calloc(n, sizeof(*got));
    ck_assert_msg(!cf_bert_encode(o->bert, t.ids, t.offsets, t.count, got, &err), "%s",
                  err.message);
    double most = transformer_difference(got, want, n);
    ck_assert_msg(most < tolerance, "%s: %s differ by %g", o->file, name, most);
    free(got);
    free(want);
    transformer_texts_free(&t);
}

static void check_step(struct oracle *o, int step)
{
    char name[32];
    struct transformer_texts t = batch_of(o, step);
    struct cf_error err = {0};
    struct cf_bert_batch batch = {t.ids, t.offsets, (size_t)o->config[7], (size_t)o->config[8]};
    struct cf_bert_settings settings = {
        .rate = 1e-3F * (float)(step + 1) / 3, .decay = 0.01F, .clip = 1};
    struct cf_bert_outcome out;
    ck_assert_msg(!cf_bert_train_step(o->bert, &batch, &settings, &out, &err), "%s", err.message);
    (void)snprintf(name, sizeof(name), "s%d.loss", step);
    float *loss = numbers(o, name, "", 1);
    (void)snprintf(name, sizeof(name), "s%d.norm", step);
    float *norm = numbers(o, name, "", 1);
    ck_assert_msg(fabs(out.loss - (double)*loss) < 1e-5, "%s: loss %.7f, not %.7f", o->file,
                  out.loss, (double)*loss);
    ck_assert_msg(fabs(out.norm / (double)*norm - 1) < 1e-5, "%s: norm %.6f, not %.6f", o->file,
                  out.norm, (double)*norm);
    free(loss);
    free(norm);
    transformer_texts_free(&t);
}

/* Within 1e-4 of the tensor's largest value. A key's bias moves all scores of a row alike: its true
 * gradient is 0, and what is left is rounding. */
static void check_gradients(struct oracle *o)
{
    for (size_t i = 0; i < o->layout.tensor_count; i++) {
        const struct cf_bert_tensor *t = &o->layout.tensors[i];
        const float *got = cf_bert_gradients(o->bert) + t->offset;
        float *want = numbers(o, "g0.", t->name, floats_of(t));
        double most = transformer_difference(got, want, floats_of(t));
        double largest = transformer_largest(want, floats_of(t));
        bool rounding = strstr(t->name, "key.bias") != NULL;
        ck_assert_msg(most < (rounding ? 1e-5 : 1e-4 * largest),
                      "%s: gradient of %s differs by %g, the largest is %g", o->file, t->name, most,
                      largest);
        free(want);
    }
}

static void check_weights(struct oracle *o)
{
    for (size_t i = 0; i < o->layout.tensor_count; i++) {
        const struct cf_bert_tensor *t = &o->layout.tensors[i];
        float *want = numbers(o, "w3.", t->name, floats_of(t));
        double most =
            transformer_difference(cf_bert_weights(o->bert) + t->offset, want, floats_of(t));
        /* AdamW turns the rounding of a zero gradient into a step of the rate */
        double tolerance = strstr(t->name, "key.bias") ? 2.1e-3 : 5e-5;
        ck_assert_msg(most < tolerance, "%s: %s differs by %g", o->file, t->name, most);
        free(want);
    }
}

START_TEST(embeddings_are_pytorchs)
{
    struct oracle o;
    open_oracle(&o, files[_i], 2, false);
    check_embeddings(&o, 0, 2e-6);
    close_oracle(&o);
}
END_TEST

START_TEST(training_is_pytorchs)
{
    struct oracle o;
    open_oracle(&o, files[_i], 2, false);
    check_step(&o, 0);
    check_gradients(&o);
    check_embeddings(&o, 1, 2e-5);
    check_step(&o, 1);
    check_step(&o, 2);
    check_weights(&o);
    ck_assert_uint_eq(cf_bert_steps(o.bert), 3);
    close_oracle(&o);
}
END_TEST

/* bfloat16 has 8 bits: embeddings of length 1 differ by less than a hundredth. */
START_TEST(bfloat16_is_near)
{
    struct oracle o;
    if (!cf_bert_has_bf16()) {
        (void)fprintf(stderr, "# SKIP bfloat16_is_near: this CPU has no products in bfloat16\n");
        return;
    }
    open_oracle(&o, files[_i], 2, true);
    check_embeddings(&o, 0, 2e-2);
    close_oracle(&o);
}
END_TEST

Suite *transformer_oracle_suite(void)
{
    Suite *suite = suite_create("transformer_oracle");
    TCase *tcase = tcase_create("oracle");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, embeddings_are_pytorchs, 0, 2);
    tcase_add_loop_test(tcase, training_is_pytorchs, 0, 2);
    tcase_add_loop_test(tcase, bfloat16_is_near, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
