/* A mutator for targets whose input is JSON: most of the time it changes the document as such, so
 * that the readers behind the parser are reached. Include it in one file of a target. */
#ifndef CF_TESTS_FUZZ_JSON_MUTATOR_H
#define CF_TESTS_FUZZ_JSON_MUTATOR_H

#include "tests/fuzz/fuzz.h"

#include "common/base/json.h"

static unsigned mutator_state;

static unsigned mutator_number(unsigned below)
{
    mutator_state = mutator_state * 1664525U + 1013904223U;
    return (mutator_state >> 8) % below;
}

/* A value of another type, at a border, or hostile. */
static json_t *mutator_value(void)
{
    static const char *const texts[] = {"",
                                        "a/b",
                                        "..",
                                        "\x1b[31m",
                                        "main",
                                        "\xc3\xa4",
                                        "0123456789abcdef0123456789abcdef01234567"};
    static const json_int_t numbers[] = {0, 1, -1, 20, 512000, INT64_MAX, INT64_MIN};
    switch (mutator_number(8)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(mutator_number(2));
    case 2:
        return json_integer(numbers[mutator_number(7)]);
    case 3:
        return json_real(0.5);
    case 4:
        return json_array();
    case 5:
        return json_object();
    case 6:
        return json_stringn("a\0b", 3);
    default:
        return json_string(texts[mutator_number(7)]);
    }
}

static json_t *mutator_text(const json_t *value)
{
    char bytes[512];
    size_t length = json_string_length(value);
    if (length > sizeof(bytes) / 2) {
        return mutator_value();
    }
    memcpy(bytes, json_string_value(value), length);
    length = LLVMFuzzerMutate((uint8_t *)bytes, length, sizeof(bytes));
    json_t *text = json_stringn(bytes, length); /* NULL when it isn't UTF-8 */
    return text ? text : mutator_value();
}

static json_t *mutator_instead_of(json_t *value)
{
    if (json_is_string(value) && mutator_number(2)) {
        return mutator_text(value);
    }
    if (json_is_integer(value) && mutator_number(2)) {
        return json_integer(json_integer_value(value) ^ (json_int_t)mutator_number(8));
    }
    return mutator_value();
}

/* Walks to a random place and changes it there. */
static void mutator_change(json_t *at, unsigned depth)
{
    size_t size = json_is_array(at) ? json_array_size(at) : json_object_size(at);
    size_t chosen = size ? mutator_number((unsigned)size) : 0;
    const char *key = NULL;
    json_t *value = json_array_get(at, chosen);
    if (json_is_object(at)) {
        void *entry = json_object_iter(at);
        for (; chosen && entry; chosen--) {
            entry = json_object_iter_next(at, entry);
        }
        key = entry ? json_object_iter_key(entry) : NULL;
        value = entry ? json_object_iter_value(entry) : NULL;
    }
    bool container = json_is_array(value) || json_is_object(value);
    if (container && depth < 12 && mutator_number(8)) {
        mutator_change(value, depth + 1);
    } else if (json_is_array(at)) {
        switch (value ? mutator_number(3) : 0) {
        case 0:
            (void)json_array_append_new(at, value ? json_deep_copy(value) : mutator_value());
            break;
        case 1:
            (void)json_array_remove(at, chosen);
            break;
        default:
            (void)json_array_set_new(at, chosen, mutator_instead_of(value));
        }
    } else if (key && mutator_number(4) == 0) {
        (void)json_object_del(at, key);
    } else if (key && mutator_number(8) == 0) {
        char other[24];
        (void)snprintf(other, sizeof(other), "k%u", mutator_number(100));
        (void)json_object_set(at, other, value);
    } else if (key) {
        (void)json_object_set_new(at, key, mutator_instead_of(value));
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t most, unsigned seed)
{
    struct cf_buf text = CF_BUF_INIT;
    json_t *root = NULL;
    mutator_state = seed;
    if (mutator_number(8) == 0 ||
        cf_json_parse_foreign((const char *)data, length, "the input", &root, NULL)) {
        return LLVMFuzzerMutate(data, length, most);
    }
    for (unsigned i = mutator_number(3) + 1; i; i--) {
        mutator_change(root, 0);
    }
    cf_json_dump(root, &text);
    json_decref(root);
    bool fits = text.length && text.length <= most;
    if (fits) {
        memcpy(data, text.data, text.length);
        length = text.length;
    }
    cf_buf_release(&text);
    return fits ? length : LLVMFuzzerMutate(data, length, most);
}

#endif
