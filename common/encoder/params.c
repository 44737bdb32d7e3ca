#include "common/encoder/params.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct field {
    const char *name;
    enum { REAL, WHOLE } kind;
    size_t offset;
    double fallback, minimum, maximum;
};

#define AT(field) offsetof(struct cf_model_params, field)

static const struct field fields[] = {
    {"blend", REAL, AT(blend), .5, 0, 1},
    {"k1", REAL, AT(k1), 2, 0, 10},
    {"b", REAL, AT(b), .75, 0, 1},
    {"field_weight", REAL, AT(field_weight), 2, 1, 10},
    {"dimensions", WHOLE, AT(dimensions), 256, 1, 1024},
    {"feature_bits", WHOLE, AT(feature_bits), 16, 10, 20},
    {"bigram_weight", REAL, AT(bigram_weight), .5, 0, 10},
    {"ngram_weight", REAL, AT(ngram_weight), .3, 0, 10},
    {"chunk_limit", WHOLE, AT(chunk_limit), 1200, 64, 65536},
    {"chunk_minimum", WHOLE, AT(chunk_minimum), 200, 0, 65536},
    {"language_weight", REAL, AT(language_weight), .3, 0, 10},
    {"transformer", REAL, AT(transformer), 0, 0, 1},
    {"whitening", WHOLE, AT(whitening), 0, 0, 1024},
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))
#define OF_TRANSFORMER 2 /* the last ones: written only where one of them isn't 0 */

static const char encoder_name[] = "lsa-bm25";

static double get(const struct cf_model_params *params, const struct field *field)
{
    const char *at = (const char *)params + field->offset;
    double real = 0;
    unsigned whole = 0;
    if (field->kind == REAL) {
        memcpy(&real, at, sizeof(real));
        return real;
    }
    memcpy(&whole, at, sizeof(whole));
    return whole;
}

static void set(struct cf_model_params *params, const struct field *field, double value)
{
    char *at = (char *)params + field->offset;
    unsigned whole = (unsigned)value;
    if (field->kind == REAL) {
        memcpy(at, &value, sizeof(value));
    } else {
        memcpy(at, &whole, sizeof(whole));
    }
}

void cf_model_params_default(struct cf_model_params *params)
{
    memset(params, 0, sizeof(*params));
    memcpy(params->encoder, encoder_name, sizeof(encoder_name));
    for (size_t i = 0; i < FIELDS; i++) {
        set(params, &fields[i], fields[i].fallback);
    }
}

json_t *cf_model_params_to_json(const struct cf_model_params *params)
{
    json_t *json = json_pack("{s:s}", "encoder", params->encoder);
    bool all = params->transformer > 0 || params->whitening > 0;
    for (size_t i = 0; i < FIELDS - (all ? 0 : OF_TRANSFORMER); i++) {
        double value = get(params, &fields[i]);
        json_object_set_new(json, fields[i].name,
                            fields[i].kind == WHOLE ? json_integer((json_int_t)value)
                                                    : json_real(value));
    }
    return json;
}

static int out_of_range(const struct field *field, struct cf_error *err)
{
    return cf_error_set(err, CF_EDATA, "the parameter \"%s\" must be from %g to %g", field->name,
                        field->minimum, field->maximum);
}

static int read_field(const char *name, const json_t *value, struct cf_model_params *params,
                      struct cf_error *err)
{
    if (strcmp(name, "encoder") == 0) {
        if (!json_is_string(value) || strcmp(json_string_value(value), encoder_name) != 0) {
            return cf_error_set(err, CF_EDATA, "the parameter \"encoder\" must be \"%s\"",
                                encoder_name);
        }
        return 0;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *field = &fields[i];
        if (strcmp(name, field->name) != 0) {
            continue;
        }
        if (!json_is_number(value) || (field->kind == WHOLE && !json_is_integer(value))) {
            return cf_error_set(err, CF_EDATA, "the parameter \"%s\" must be a %snumber", name,
                                field->kind == WHOLE ? "whole " : "");
        }
        double number = json_number_value(value);
        if (!(number >= field->minimum && number <= field->maximum)) {
            return out_of_range(field, err);
        }
        set(params, field, number);
        return 0;
    }
    return cf_error_set(err, CF_EDATA, "there is no parameter \"%.100s\"", name);
}

int cf_model_params_from_json(const json_t *json, struct cf_model_params *params,
                              struct cf_error *err)
{
    const char *name;
    json_t *value;
    cf_model_params_default(params);
    if (!json_is_object(json)) {
        return cf_error_set(err, CF_EDATA, "the parameters must be an object");
    }
    json_object_foreach((json_t *)json, name, value)
    {
        int code = read_field(name, value, params, err);
        if (code) {
            return code;
        }
    }
    return cf_model_params_check(params, err);
}

int cf_model_params_check(const struct cf_model_params *params, struct cf_error *err)
{
    if (strcmp(params->encoder, encoder_name) != 0) {
        return cf_error_set(err, CF_EDATA, "the parameter \"encoder\" must be \"%s\"",
                            encoder_name);
    }
    for (size_t i = 0; i < FIELDS; i++) {
        double value = get(params, &fields[i]);
        if (!(value >= fields[i].minimum && value <= fields[i].maximum)) {
            return out_of_range(&fields[i], err);
        }
    }
    if (params->chunk_minimum > params->chunk_limit) {
        return cf_error_set(err, CF_EDATA,
                            "the parameter \"chunk_minimum\" must not exceed \"chunk_limit\"");
    }
    return 0;
}
