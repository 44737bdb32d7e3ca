#include "common/portfolio/finetune.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { COUNT, SEED, REAL, FLAG };

struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    uint64_t least, most; /* of COUNT and SEED */
    float highest;        /* of REAL, which begins at 0 */
};

/* A field's value, whatever its kind: the member that the kind calls for. */
struct value {
    uint64_t whole;
    float real;
    bool flag;
};

#define AT(field) offsetof(struct cf_finetune_options, field)

static const struct field fields[] = {
    {"batch", COUNT, AT(batch), 2, 1024, 0},
    {"epochs", COUNT, AT(epochs), 1, 1000, 0},
    {"rate", REAL, AT(rate), 0, 0, 1},
    {"warmup", REAL, AT(warmup), 0, 0, 1},
    {"decay", REAL, AT(decay), 0, 0, 1},
    {"clip", REAL, AT(clip), 0, 0, 1e9F},
    {"dropout", REAL, AT(dropout), 0, 0, 0.99F},
    {"seed", SEED, AT(seed), 0, INT64_MAX, 0},
    {"hard_negatives", FLAG, AT(hard_negatives), 0, 0, 0},
    {"pairs", COUNT, AT(pairs), 2, 100000, 0},
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

const struct cf_finetune_options cf_finetune_defaults = {
    .batch = 8,
    .epochs = 2,
    .rate = 2e-5F,
    .warmup = 0.1F,
    .decay = 0.01F,
    .clip = 1,
    .dropout = 0.1F,
    .seed = 1,
    .pairs = 150,
};

static const struct field *find(const char *name, size_t length)
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (strlen(fields[i].name) == length && memcmp(fields[i].name, name, length) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

static struct value get(const struct cf_finetune_options *options, const struct field *field)
{
    const char *at = (const char *)options + field->offset;
    struct value value = {0};
    size_t count = 0;
    switch (field->kind) {
    case COUNT:
        memcpy(&count, at, sizeof(count));
        value.whole = count;
        break;
    case SEED:
        memcpy(&value.whole, at, sizeof(value.whole));
        break;
    case REAL:
        memcpy(&value.real, at, sizeof(value.real));
        break;
    case FLAG:
        memcpy(&value.flag, at, sizeof(value.flag));
        break;
    }
    return value;
}

/* Of a value in range. */
static void set(struct cf_finetune_options *options, const struct field *field, struct value value)
{
    char *at = (char *)options + field->offset;
    size_t count = (size_t)value.whole;
    float real = value.real + 0.0F; /* -0 is 0 */
    switch (field->kind) {
    case COUNT:
        memcpy(at, &count, sizeof(count));
        break;
    case SEED:
        memcpy(at, &value.whole, sizeof(value.whole));
        break;
    case REAL:
        memcpy(at, &real, sizeof(real));
        break;
    case FLAG:
        memcpy(at, &value.flag, sizeof(value.flag));
        break;
    }
}

static bool in_range(const struct field *field, struct value value)
{
    switch (field->kind) {
    case COUNT:
    case SEED:
        return value.whole >= field->least && value.whole <= field->most;
    case REAL:
        return value.real >= 0 && value.real <= field->highest; /* false for a NaN */
    case FLAG:
        break;
    }
    return true;
}

/* What a field may be; flag says how one is written. */
static int refuse(const struct field *field, const char *flag, int code, struct cf_error *err)
{
    switch (field->kind) {
    case COUNT:
    case SEED:
        return cf_error_set(err, code,
                            "the fine-tuning option \"%s\" must be a whole number from %llu to "
                            "%llu",
                            field->name, (unsigned long long)field->least,
                            (unsigned long long)field->most);
    case REAL:
        return cf_error_set(err, code,
                            "the fine-tuning option \"%s\" must be a number from 0 to %g",
                            field->name, (double)field->highest);
    case FLAG:
        break;
    }
    return cf_error_set(err, code, "the fine-tuning option \"%s\" must be %s", field->name, flag);
}

int cf_finetune_check(const struct cf_finetune_options *options, struct cf_error *err)
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (!in_range(&fields[i], get(options, &fields[i]))) {
            return refuse(&fields[i], "", CF_EUSAGE, err);
        }
    }
    return 0;
}

/* --- JSON ----------------------------------------------------------------------------------------
 */

/* The double of the shortest decimal number that reads back as value: 2e-5F gives 2e-5, where
 * (double)2e-5F is 1.9999999494757503e-5. */
static double shortest(float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        double read = strtod(text, NULL);
        if ((float)read == value) {
            return read;
        }
    }
    return (double)value;
}

json_t *cf_finetune_to_json(const struct cf_finetune_options *options)
{
    json_t *json = json_object();
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *field = &fields[i];
        struct value value = get(options, field);
        (void)json_object_set_new(json, field->name,
                                  field->kind == REAL   ? json_real(shortest(value.real))
                                  : field->kind == FLAG ? json_boolean(value.flag)
                                                        : json_integer((json_int_t)value.whole));
    }
    return json;
}

static bool from_json(const struct field *field, const json_t *json, struct value *out)
{
    switch (field->kind) {
    case COUNT:
    case SEED:
        out->whole = (uint64_t)json_integer_value(json);
        return json_is_integer(json) && json_integer_value(json) >= 0;
    case REAL:
        /* As doubles: what is beyond any float can't become one. */
        if (!json_is_number(json) || !(json_number_value(json) >= 0) ||
            json_number_value(json) > (double)field->highest) {
            return false;
        }
        out->real = (float)json_number_value(json);
        return true;
    case FLAG:
        out->flag = json_is_true(json);
        return json_is_boolean(json);
    }
    return false;
}

int cf_finetune_from_json(const json_t *json, struct cf_finetune_options *out, struct cf_error *err)
{
    struct cf_finetune_options options = cf_finetune_defaults;
    const char *name;
    json_t *member;
    if (!json_is_object(json)) {
        return cf_error_set(err, CF_EDATA, "the fine-tuning options must be an object");
    }
    json_object_foreach((json_t *)json, name, member)
    {
        const struct field *field = find(name, strlen(name));
        struct value value = {0};
        if (!field) {
            return cf_error_set(err, CF_EDATA, "there is no fine-tuning option \"%.100s\"", name);
        }
        if (!from_json(field, member, &value) || !in_range(field, value)) {
            return refuse(field, "true or false", CF_EDATA, err);
        }
        set(&options, field, value);
    }
    *out = options;
    return 0;
}

/* --- lists ---------------------------------------------------------------------------------------
 */

static bool from_text(const struct field *field, const char *text, struct value *out)
{
    char *end = NULL;
    errno = 0;
    switch (field->kind) {
    case COUNT:
    case SEED:
        out->whole = strtoull(text, &end, 10);
        return *text && !errno && strspn(text, "0123456789") == strlen(text);
    case REAL:
        /* What strtof also takes: spaces, signs, hexadecimal, "inf", "nan". */
        out->real = strtof(text, &end);
        return *text && !*end && strchr("0123456789.", *text) &&
               strspn(text, "0123456789.eE+-") == strlen(text);
    case FLAG:
        out->flag = *text == '1';
        return strcmp(text, "0") == 0 || strcmp(text, "1") == 0;
    }
    return false;
}

/* One "name=value"; *given has a bit for each field that was. */
static int parse_part(const char *part, size_t length, struct cf_finetune_options *options,
                      unsigned *given, struct cf_error *err)
{
    char text[64];
    struct value value = {0};
    int shown = length < 100 ? (int)length : 100;
    const char *equals = memchr(part, '=', length);
    if (!equals) {
        return cf_error_set(err, CF_EUSAGE, "\"%.*s\" is not NAME=VALUE", shown, part);
    }
    const struct field *field = find(part, (size_t)(equals - part));
    if (!field) {
        return cf_error_set(err, CF_EUSAGE, "\"%.*s\": there is no fine-tuning option of that name",
                            shown, part);
    }
    size_t size = length - (size_t)(equals + 1 - part);
    bool fits = size < sizeof(text);
    (void)snprintf(text, sizeof(text), "%.*s", fits ? (int)size : 0, equals + 1);
    if (!from_text(field, text, &value) || !in_range(field, value)) {
        (void)refuse(field, "0 or 1", CF_EUSAGE, err);
        return cf_error_prefix(err, "\"%.*s\"", shown, part);
    }
    unsigned bit = 1U << (unsigned)(field - fields);
    if (*given & bit) {
        return cf_error_set(err, CF_EUSAGE, "\"%.*s\": \"%s\" is given twice", shown, part,
                            field->name);
    }
    *given |= bit;
    set(options, field, value);
    return 0;
}

int cf_finetune_parse(const char *list, struct cf_finetune_options *options, struct cf_error *err)
{
    struct cf_finetune_options changed = *options;
    unsigned given = 0;
    int rc = 0;
    for (const char *part = list; *list && !rc;) {
        size_t length = strcspn(part, ",");
        rc = parse_part(part, length, &changed, &given, err);
        if (!part[length]) {
            break;
        }
        part += length + 1;
    }
    if (!rc) {
        *options = changed;
    }
    return rc;
}
