#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/encoder/safetensors.h"
#include "tests/unit/train_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { PARTS = TRAIN_CHECKPOINT_PARTS };

/* That of a run that was stopped after three steps. */
static void some_checkpoint(struct cf_buf out[PARTS])
{
    struct train_world w;
    struct cf_error err = {0};
    train_world_begin(&w, train_quick(), TRAIN_KEYS, 4, 32, 1);
    w.stop_at = 4;
    ck_assert_int_eq(train_finetune_run(&w.run, &err), CF_EINTERRUPTED);
    memcpy(out, w.checkpoint, sizeof(w.checkpoint));
    memset(w.checkpoint, 0, sizeof(w.checkpoint));
    train_world_end(&w);
}

/* Refused with that text, and nothing has changed. */
static void ck_assert_refused(struct train_world *w, const struct cf_buf checkpoint[PARTS],
                              const char *text)
{
    struct cf_error err = {0};
    struct cf_buf before[PARTS] = {{0}};
    struct cf_buf after[PARTS] = {{0}};
    uint32_t steps = cf_bert_steps(w->model->bert);
    train_checkpoint_of(&w->run, before);
    ck_assert_int_eq(train_checkpoint_read(&w->run, checkpoint, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    train_checkpoint_of(&w->run, after);
    train_checkpoint_same(before, after);
    ck_assert_uint_eq(cf_bert_steps(w->model->bert), steps);
    train_checkpoint_free(before);
    train_checkpoint_free(after);
}

/* A run that has done two steps: what a refused checkpoint would spoil. */
static void begun(struct train_world *w)
{
    struct cf_error err = {0};
    train_world_begin(w, train_quick(), TRAIN_KEYS, 4, 32, 1);
    w->stop_at = 3;
    ck_assert_int_eq(train_finetune_run(&w->run, &err), CF_EINTERRUPTED);
}

/* Each is a file of its own with its own tensors, none larger than the weights and the state. */
START_TEST(parts)
{
    static const char *const first[PARTS] = {"curve", "moment1/", "moment2/"};
    static const size_t others[PARTS] = {4, 0, 0};
    struct cf_buf checkpoint[PARTS];
    struct cf_error err = {0};
    struct train_world w;
    some_checkpoint(checkpoint);
    begun(&w);
    for (size_t part = 0; part < PARTS; part++) {
        struct cf_tensors t = CF_TENSORS_INIT;
        ck_assert_int_eq(
            cf_safetensors_read(checkpoint[part].data, checkpoint[part].length, "x", &t, &err), 0);
        ck_assert_uint_eq(t.count, w.model->layout.tensor_count + others[part]);
        ck_assert_ptr_eq(strstr(t.items[0].name, first[part]), t.items[0].name);
        cf_tensors_release(&t);
    }
    ck_assert_int_eq(train_checkpoint_read(&w.run, checkpoint, &err), 0);
    ck_assert_uint_eq(w.run.done, 3);
    ck_assert_uint_eq(cf_bert_steps(w.model->bert), 3);
    train_checkpoint_of(&w.run, w.checkpoint);
    train_checkpoint_same(w.checkpoint, checkpoint);
    train_world_end(&w);
    train_checkpoint_free(checkpoint);
}
END_TEST

START_TEST(a_checkpoint_of_something_else)
{
    struct cf_buf checkpoint[PARTS];
    struct cf_finetune_options options = train_quick();
    struct train_world w;
    some_checkpoint(checkpoint);
    train_world_begin(&w, train_quick(), TRAIN_KEYS, 4, 32, 1);
    w.run.request[5] = 'f';
    ck_assert_refused(&w, checkpoint, "\"request\" is of another request");
    train_world_end(&w);
    train_world_begin(&w, train_quick(), TRAIN_KEYS, 4, 16, 1);
    ck_assert_refused(&w, checkpoint,
                      "\"weights/embeddings.word_embeddings.weight\" is of another shape");
    train_world_end(&w);
    train_world_begin(&w, train_quick(), TRAIN_KEYS - 1, 4, 32, 1);
    ck_assert_refused(&w, checkpoint, "\"plan\" is of a training with other pairs");
    train_world_end(&w);
    options.rate = 2e-3F;
    train_world_begin(&w, options, TRAIN_KEYS, 4, 32, 1);
    ck_assert_refused(&w, checkpoint, "\"plan\"");
    train_world_end(&w);
    train_checkpoint_free(checkpoint);
}
END_TEST

START_TEST(a_part_that_is_missing_cut_or_anothers)
{
    size_t part = (size_t)_i;
    size_t next = (part + 1) % PARTS;
    struct cf_buf checkpoint[PARTS];
    struct cf_buf changed[PARTS];
    char text[64];
    struct train_world w;
    some_checkpoint(checkpoint);
    begun(&w);
    memcpy(changed, checkpoint, sizeof(changed));
    changed[part] = (struct cf_buf)CF_BUF_INIT;
    (void)snprintf(text, sizeof(text), "%s is missing", train_checkpoint_files[part]);
    ck_assert_refused(&w, changed, text);
    changed[part] = checkpoint[part];
    changed[part].length--;
    (void)snprintf(text, sizeof(text), "%s: ", train_checkpoint_files[part]);
    ck_assert_refused(&w, changed, text);
    changed[part] = checkpoint[next];
    changed[next] = checkpoint[part];
    ck_assert_refused(&w, changed, "is missing");
    changed[next] = checkpoint[next];
    ck_assert_refused(&w, changed, text);
    train_world_end(&w);
    train_checkpoint_free(checkpoint);
}
END_TEST

/* Each changes one tensor of a good checkpoint. */
static void lose(struct cf_tensors *t, struct cf_tensor *found)
{
    *found = t->items[--t->count];
}
static void rename_it(struct cf_tensors *t, struct cf_tensor *found)
{
    (void)t;
    memcpy(found->name, "moment3", 7);
}
static void retype(struct cf_tensors *t, struct cf_tensor *found)
{
    (void)t;
    found->dtype = CF_I32;
}
static void put_numbers(struct cf_tensors *t, struct cf_tensor *found)
{
    static const float below[2] = {-1, -1};
    static float numbers[64];
    (void)t;
    memcpy(numbers, found->data, sizeof(float) * 32);
    memcpy(numbers, below, sizeof(below));
    found->data = numbers;
}
static void put_nan(struct cf_tensors *t, struct cf_tensor *found)
{
    static float numbers[64];
    (void)t;
    memcpy(numbers, found->data, sizeof(float) * 32);
    numbers[31] = NAN;
    found->data = numbers;
}
static void put_position(struct cf_tensors *t, struct cf_tensor *found)
{
    static const int64_t far_off[] = {1, 1000, 28, 0, 3, 1};
    (void)t;
    found->data = far_off;
}
static void shift_position(struct cf_tensors *t, struct cf_tensor *found)
{
    static const int64_t shifted[] = {1, 3, 28, 1, 3, 1};
    (void)t;
    found->data = shifted;
}
static void add_one(struct cf_tensors *t, struct cf_tensor *found)
{
    cf_tensors_add(t, "more", CF_U8, found->data, 1, 0);
}

static const struct {
    size_t part;
    const char *name;
    void (*change)(struct cf_tensors *tensors, struct cf_tensor *found);
    const char *message;
} damages[] = {
    {0, "weights/embeddings.LayerNorm.bias", lose,
     "checkpoint.safetensors: tensor \"weights/embeddings.LayerNorm.bias\" is missing"},
    {1, "moment1/embeddings.LayerNorm.bias", lose,
     "moment1.safetensors: tensor \"moment1/embeddings.LayerNorm.bias\" is missing"},
    {2, "moment2/embeddings.LayerNorm.bias", lose,
     "moment2.safetensors: tensor \"moment2/embeddings.LayerNorm.bias\" is missing"},
    {2, "moment2/embeddings.LayerNorm.bias", rename_it, "LayerNorm.bias\" is missing"},
    {0, "weights/embeddings.LayerNorm.bias", retype, "LayerNorm.bias\" is of another type"},
    {1, "moment1/embeddings.LayerNorm.bias", retype, "LayerNorm.bias\" is of another type"},
    {0, "weights/embeddings.LayerNorm.bias", put_nan,
     "checkpoint.safetensors: tensor \"weights/embeddings.LayerNorm.bias\" holds a value that"},
    {1, "moment1/embeddings.LayerNorm.bias", put_nan,
     "moment1.safetensors: tensor \"moment1/embeddings.LayerNorm.bias\" holds a value that"},
    {2, "moment2/embeddings.LayerNorm.bias", put_nan,
     "moment2.safetensors: tensor \"moment2/embeddings.LayerNorm.bias\" holds a value that"},
    {2, "moment2/embeddings.LayerNorm.bias", put_numbers,
     "moment2.safetensors: tensor \"moment2/embeddings.LayerNorm.bias\" holds a mean of squares"},
    {0, "position", put_position, "\"position\" lies outside"},
    {0, "position", shift_position, "\"position\" is not of this training"},
    {0, "curve", lose, "\"curve\" is missing"},
    {0, "request", add_one, "checkpoint.safetensors: "},
    {1, "moment1/embeddings.LayerNorm.bias", add_one, "moment1.safetensors: "},
    {2, "moment2/embeddings.LayerNorm.bias", add_one, "tensors, of which the training knows"},
};

START_TEST(a_damaged_part)
{
    size_t part = damages[_i].part;
    struct cf_buf checkpoint[PARTS];
    struct cf_buf changed[PARTS];
    struct cf_buf damaged = CF_BUF_INIT;
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_error err = {0};
    struct train_world w;
    some_checkpoint(checkpoint);
    ck_assert_int_eq(
        cf_safetensors_read(checkpoint[part].data, checkpoint[part].length, "x", &tensors, &err),
        0);
    size_t i = 0;
    while (strcmp(tensors.items[i].name, damages[_i].name) != 0) {
        ck_assert_uint_lt(++i, tensors.count);
    }
    damages[_i].change(&tensors, &tensors.items[i]);
    cf_safetensors_write(&tensors, &damaged);
    memcpy(changed, checkpoint, sizeof(changed));
    changed[part] = damaged;
    begun(&w);
    ck_assert_refused(&w, changed, damages[_i].message);
    train_world_end(&w);
    cf_tensors_release(&tensors);
    train_checkpoint_free(checkpoint);
    cf_buf_release(&damaged);
}
END_TEST

Suite *train_checkpoint_suite(void)
{
    Suite *s = suite_create("train_checkpoint");
    TCase *t = tcase_create("train_checkpoint");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, parts);
    tcase_add_test(t, a_checkpoint_of_something_else);
    tcase_add_loop_test(t, a_part_that_is_missing_cut_or_anothers, 0, PARTS);
    tcase_add_loop_test(t, a_damaged_part, 0, COUNT(damages));
    suite_add_tcase(s, t);
    return s;
}
