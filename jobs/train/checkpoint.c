#include "jobs/train/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/safetensors.h"

enum { FORMAT = 1, POSITION = 6, COLUMNS = 4, PARTS = TRAIN_CHECKPOINT_PARTS, OTHERS = 4 };
enum { STATE = 0, SQUARES = PARTS - 1 }; /* the parts that differ from the others */

const char *const train_checkpoint_files[PARTS] = {"checkpoint.safetensors", "moment1.safetensors",
                                                   "moment2.safetensors"};
static const char *const prefixes[PARTS] = {"weights", "moment1", "moment2"};

static float *numbers_of(const struct train_finetune *run, size_t part)
{
    return part ? cf_bert_moments(run->model, (int)part) : cf_bert_weights(run->model);
}

static void name_tensor(char out[CF_TENSOR_NAME_MAX], size_t part,
                        const struct cf_bert_tensor *tensor)
{
    (void)snprintf(out, CF_TENSOR_NAME_MAX, "%s/%s", prefixes[part], tensor->name);
}

static void fill_position(const struct train_finetune *run, size_t done, int64_t out[POSITION])
{
    size_t epoch = train_plan_epoch(run->plan, (uint32_t)done);
    const int64_t values[POSITION] = {FORMAT,
                                      (int64_t)done,
                                      (int64_t)run->plan->steps,
                                      (int64_t)epoch,
                                      (int64_t)(done - run->plan->epoch_starts[epoch]),
                                      (int64_t)run->plan->options.seed};
    memcpy(out, values, sizeof(values));
}

/* --- writing -------------------------------------------------------------------------------------
 */

static int64_t *curve_numbers(const struct train_finetune *run)
{
    int64_t *out = cf_calloc(run->done * COLUMNS + 1, sizeof(*out));
    for (size_t i = 0; i < run->done; i++) {
        const struct train_point *p = &run->curve[i];
        out[COLUMNS * i] = p->step;
        memcpy(&out[COLUMNS * i + 1], &p->loss, sizeof(p->loss));
        memcpy(&out[COLUMNS * i + 2], &p->norm, sizeof(p->norm));
        memcpy(&out[COLUMNS * i + 3], &p->rate, sizeof(p->rate));
    }
    return out;
}

static void add_state(struct cf_tensors *tensors, const struct train_finetune *run,
                      const int64_t position[POSITION], const int64_t *curve)
{
    cf_tensors_add(tensors, "position", CF_I64, position, POSITION, 0);
    cf_tensors_add_matrix(tensors, "curve", CF_I64, curve, run->done, COLUMNS);
    cf_tensors_add(tensors, "request", CF_U8, run->request, CF_SHA256_HEX - 1, 0);
    cf_tensors_add(tensors, "plan", CF_U8, run->plan->sha256, CF_SHA256_HEX - 1, 0);
}

void train_checkpoint_write(const struct train_finetune *run, size_t part, struct cf_buf *out)
{
    struct cf_tensors tensors = CF_TENSORS_INIT;
    const float *numbers = numbers_of(run, part);
    int64_t position[POSITION];
    int64_t *curve = curve_numbers(run);
    fill_position(run, run->done, position);
    for (size_t i = 0; i < run->layout->tensor_count; i++) {
        const struct cf_bert_tensor *t = &run->layout->tensors[i];
        char name[CF_TENSOR_NAME_MAX];
        name_tensor(name, part, t);
        cf_tensors_add(&tensors, name, CF_F32, numbers + t->offset, t->rows, t->columns);
    }
    if (part == STATE) {
        add_state(&tensors, run, position, curve);
    }
    cf_buf_clear(out);
    cf_safetensors_write(&tensors, out);
    cf_tensors_release(&tensors);
    free(curve);
}

/* --- reading -------------------------------------------------------------------------------------
 */

static int wrong(struct cf_error *err, size_t part, const char *name, const char *what)
{
    const char *file = train_checkpoint_files[part];
    return cf_error_at(err, CF_EDATA, "resume", file, "%s: tensor \"%s\" %s", file, name, what);
}

/* The tensor, of that type and shape, else NULL; columns 0 is one dimension. */
static const struct cf_tensor *find(const struct cf_tensors tensors[PARTS], size_t part,
                                    const char *name, enum cf_dtype dtype, size_t rows,
                                    size_t columns, struct cf_error *err)
{
    const struct cf_tensor *t = cf_tensors_find(&tensors[part], name);
    if (!t) {
        (void)wrong(err, part, name, "is missing");
    } else if (t->dtype != dtype) {
        (void)wrong(err, part, name, "is of another type than expected");
    } else if (t->rank != (columns ? 2 : 1) || t->shape[0] != rows ||
               (columns && t->shape[1] != columns)) {
        (void)wrong(err, part, name, "is of another shape than the training's");
    } else {
        return t;
    }
    return NULL;
}

static int check_sha256(const struct cf_tensors tensors[PARTS], const char *name, const char *want,
                        const char *what, struct cf_error *err)
{
    const struct cf_tensor *t = find(tensors, STATE, name, CF_U8, CF_SHA256_HEX - 1, 0, err);
    if (!t) {
        return CF_EDATA;
    }
    return memcmp(t->data, want, CF_SHA256_HEX - 1) == 0 ? 0 : wrong(err, STATE, name, what);
}

static int read_position(const struct train_finetune *run, const struct cf_tensors tensors[PARTS],
                         size_t *done, struct cf_error *err)
{
    const struct cf_tensor *t = find(tensors, STATE, "position", CF_I64, POSITION, 0, err);
    int64_t found[POSITION];
    int64_t expected[POSITION];
    if (!t) {
        return CF_EDATA;
    }
    memcpy(found, t->data, sizeof(found));
    if (found[0] != FORMAT) {
        return wrong(err, STATE, "position", "is of an unknown format");
    }
    if (found[1] < 0 || found[1] > (int64_t)run->plan->steps) {
        return wrong(err, STATE, "position", "lies outside of the training");
    }
    *done = (size_t)found[1];
    fill_position(run, *done, expected);
    return memcmp(found, expected, sizeof(found)) == 0
               ? 0
               : wrong(err, STATE, "position", "is not of this training");
}

static int read_curve(const struct cf_tensors tensors[PARTS], size_t done, struct train_point *out,
                      struct cf_error *err)
{
    const struct cf_tensor *t = find(tensors, STATE, "curve", CF_I64, done, COLUMNS, err);
    if (!t) {
        return CF_EDATA;
    }
    for (size_t i = 0; i < done; i++) {
        int64_t row[COLUMNS];
        memcpy(row, (const char *)t->data + i * sizeof(row), sizeof(row));
        struct train_point *p = &out[i];
        p->step = (uint32_t)row[0];
        memcpy(&p->loss, &row[1], sizeof(p->loss));
        memcpy(&p->norm, &row[2], sizeof(p->norm));
        memcpy(&p->rate, &row[3], sizeof(p->rate));
        if (row[0] != (int64_t)i + 1 || !isfinite(p->loss) || !isfinite(p->norm) ||
            !isfinite(p->rate)) {
            return wrong(err, STATE, "curve", "holds a point that no step gives");
        }
    }
    return 0;
}

static int check_values(const struct cf_tensor *t, size_t part, struct cf_error *err)
{
    for (size_t i = 0; i < t->bytes / sizeof(float); i++) {
        float value;
        memcpy(&value, (const char *)t->data + i * sizeof(value), sizeof(value));
        if (!isfinite(value)) {
            return wrong(err, part, t->name, "holds a value that isn't finite");
        }
        if (value < 0 && part == SQUARES) {
            return wrong(err, part, t->name, "holds a mean of squares below 0");
        }
    }
    return 0;
}

/* All that must be there is, so what is more is unknown. */
static int check_no_others(const struct cf_tensors *tensors, size_t part, size_t expected,
                           struct cf_error *err)
{
    const char *file = train_checkpoint_files[part];
    return tensors->count == expected
               ? 0
               : cf_error_at(err, CF_EDATA, "resume", file,
                             "%s: %zu tensors, of which the training knows %zu", file,
                             tensors->count, expected);
}

static int check_part(const struct train_finetune *run, const struct cf_tensors tensors[PARTS],
                      size_t part, struct cf_error *err)
{
    for (size_t i = 0; i < run->layout->tensor_count; i++) {
        const struct cf_bert_tensor *want = &run->layout->tensors[i];
        char name[CF_TENSOR_NAME_MAX];
        name_tensor(name, part, want);
        const struct cf_tensor *t =
            find(tensors, part, name, CF_F32, want->rows, want->columns, err);
        int rc = t ? check_values(t, part, err) : CF_EDATA;
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* *curve is freed by the caller, on failure too. */
static int check(const struct train_finetune *run, const struct cf_tensors tensors[PARTS],
                 size_t *done, struct train_point **curve, struct cf_error *err)
{
    int rc = check_sha256(tensors, "request", run->request, "is of another request", err);
    for (size_t part = 0; part < PARTS && !rc; part++) {
        rc = check_part(run, tensors, part, err);
    }
    rc = rc ? rc
            : check_sha256(tensors, "plan", run->plan->sha256,
                           "is of a training with other pairs, tokens or settings", err);
    rc = rc ? rc : read_position(run, tensors, done, err);
    if (!rc) {
        *curve = cf_calloc(*done + 1, sizeof(**curve));
        rc = read_curve(tensors, *done, *curve, err);
    }
    for (size_t part = 0; part < PARTS && !rc; part++) {
        size_t expected = run->layout->tensor_count + (part == STATE ? OTHERS : 0);
        rc = check_no_others(&tensors[part], part, expected, err);
    }
    return rc;
}

/* Everything was checked. */
static void restore(struct train_finetune *run, const struct cf_tensors tensors[PARTS], size_t done)
{
    for (size_t part = 0; part < PARTS; part++) {
        float *numbers = numbers_of(run, part);
        for (size_t i = 0; i < run->layout->tensor_count; i++) {
            char name[CF_TENSOR_NAME_MAX];
            name_tensor(name, part, &run->layout->tensors[i]);
            const struct cf_tensor *t = cf_tensors_find(&tensors[part], name);
            memcpy(numbers + run->layout->tensors[i].offset, t->data, t->bytes);
        }
    }
    cf_bert_changed(run->model);
    cf_bert_set_steps(run->model, (uint32_t)done);
}

static int read_part(const struct cf_buf *bytes, size_t part, struct cf_tensors *out,
                     struct cf_error *err)
{
    const char *file = train_checkpoint_files[part];
    return bytes->length ? cf_safetensors_read(bytes->data, bytes->length, file, out, err)
                         : cf_error_at(err, CF_EDATA, "resume", file, "%s is missing", file);
}

int train_checkpoint_read(struct train_finetune *run, const struct cf_buf parts[PARTS],
                          struct cf_error *err)
{
    struct cf_tensors tensors[PARTS] = {CF_TENSORS_INIT, CF_TENSORS_INIT, CF_TENSORS_INIT};
    struct train_point *curve = NULL;
    size_t done = 0;
    int rc = 0;
    for (size_t part = 0; part < PARTS && !rc; part++) {
        rc = read_part(&parts[part], part, &tensors[part], err);
    }
    rc = rc ? rc : check(run, tensors, &done, &curve, err);
    if (rc) {
        free(curve);
    } else {
        restore(run, tensors, done);
        free(run->curve);
        run->curve = curve;
        run->done = done;
    }
    for (size_t part = 0; part < PARTS; part++) {
        cf_tensors_release(&tensors[part]);
    }
    return rc;
}
