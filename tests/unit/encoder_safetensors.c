#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/encoder/safetensors.h"

static void file_of(const char *header, const void *body, size_t length, struct cf_buf *out)
{
    uint64_t n = strlen(header);
    cf_buf_append(out, &n, sizeof(n));
    cf_buf_puts(out, header);
    cf_buf_append(out, body, length);
}

START_TEST(bytes_as_specified)
{
    static const float f[2] = {1, -2};
    static const uint8_t u[3] = {7, 8, 9};
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_buf got = CF_BUF_INIT;
    struct cf_buf want = CF_BUF_INIT;
    cf_tensors_add(&tensors, "u", CF_U8, u, 3, 0);
    cf_tensors_add(&tensors, "f", CF_F32, f, 1, 2);
    cf_safetensors_write(&tensors, &got);
    unsigned char body[11] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 7, 8, 9};
    file_of("{\"f\":{\"data_offsets\":[0,8],\"dtype\":\"F32\",\"shape\":[1,2]},"
            "\"u\":{\"data_offsets\":[8,11],\"dtype\":\"U8\",\"shape\":[3]}}",
            "", 0, &want);
    size_t pad = (8 - want.length % 8) % 8;
    ck_assert_uint_eq(got.length, want.length + pad + sizeof(body));
    ck_assert_uint_eq((unsigned char)got.data[0], (unsigned char)(want.data[0] + (char)pad));
    ck_assert_mem_eq(got.data + 8, want.data + 8, want.length - 8);
    ck_assert_mem_eq(got.data + want.length, "        ", pad);
    ck_assert_mem_eq(got.data + want.length + pad, body, sizeof(body));
    cf_tensors_release(&tensors);
    cf_buf_release(&got);
    cf_buf_release(&want);
}
END_TEST

START_TEST(round_trip_of_every_type)
{
    static const float f[6] = {1, 2, 3, 4, 5, 6.5F};
    static const int32_t i[2] = {-5, 2147483647};
    static const int64_t l[1] = {INT64_MIN};
    static const uint8_t u[1] = {255};
    size_t want[2] = {2, CF_ANY};
    size_t shape[2] = {0, 0};
    size_t count = 0;
    float *floats = NULL;
    int32_t *ints = NULL;
    char *bytes = NULL;
    struct cf_error err;
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_tensors back;
    struct cf_buf file = CF_BUF_INIT;
    cf_tensors_add(&tensors, "matrix", CF_F32, f, 2, 3);
    cf_tensors_add(&tensors, "ints", CF_I32, i, 2, 0);
    cf_tensors_add(&tensors, "long", CF_I64, l, 1, 0);
    cf_tensors_add(&tensors, "bytes", CF_U8, u, 1, 0);
    cf_tensors_add_matrix(&tensors, "empty", CF_F32, f, 4, 0);
    cf_safetensors_write(&tensors, &file);
    ck_assert_int_eq(cf_safetensors_read(file.data, file.length, "x", &back, &err), 0);
    ck_assert_uint_eq(back.count, 5);
    ck_assert_int_eq(cf_tensors_get_f32(&back, "x", "matrix", 2, want, shape, &floats, &err), 0);
    ck_assert_uint_eq(shape[1], 3);
    ck_assert_mem_eq(floats, f, sizeof(f));
    free(floats);
    ck_assert_int_eq(cf_tensors_get_i32(&back, "x", "ints", 2, -5, INT32_MAX, &count, &ints, &err),
                     0);
    ck_assert_mem_eq(ints, i, sizeof(i));
    free(ints);
    ck_assert_mem_eq(cf_tensors_find(&back, "long")->data, l, sizeof(l));
    ck_assert_int_eq(cf_tensors_get_u8(&back, "x", "bytes", &count, &bytes, &err), 0);
    ck_assert_uint_eq((unsigned char)bytes[0], 255);
    free(bytes);
    want[0] = 4;
    want[1] = 0;
    ck_assert_int_eq(cf_tensors_get_f32(&back, "x", "empty", 2, want, shape, &floats, &err), 0);
    free(floats);
    cf_tensors_release(&tensors);
    cf_tensors_release(&back);
    cf_buf_release(&file);
}
END_TEST

#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

/* Headers before eight bytes of body, all wrong. */
static const char *const malformed[] = {
    "",
    "{",
    "[]",
    " {}",
    "null",
    "{}", /* eight bytes belong to nothing */
    "{\"t\":1}",
    "{\"t\":{}}",
    ENTRY("\"F32\"", "[2]", "[0,8],\"more\":1"),
    ENTRY("\"F32\"", "[2]", "[0,8]") "x",
    ENTRY("\"F64\"", "[1]", "[0,8]"),
    ENTRY("\"f32\"", "[2]", "[0,8]"),
    ENTRY("32", "[2]", "[0,8]"),
    ENTRY("\"F32\"", "2", "[0,8]"),
    ENTRY("\"F32\"", "[-2]", "[0,8]"),
    ENTRY("\"F32\"", "[2.0]", "[0,8]"),
    ENTRY("\"F32\"", "[\"2\"]", "[0,8]"),
    ENTRY("\"F32\"", "[1,1,1,1,2]", "[0,8]"),
    ENTRY("\"F32\"", "[4611686018427387904,4]", "[0,8]"), /* the product overflows */
    ENTRY("\"F32\"", "[9223372036854775807,9223372036854775807]", "[0,8]"),
    ENTRY("\"F32\"", "[3]", "[0,8]"),
    ENTRY("\"F32\"", "[1]", "[0,8]"),
    ENTRY("\"F32\"", "[1]", "[0,4]"), /* four bytes belong to nothing */
    ENTRY("\"F32\"", "[1]", "[4,8]"), /* a gap */
    ENTRY("\"F32\"", "[2]", "[-8,0]"),
    ENTRY("\"F32\"", "[2]", "[8,16]"),
    ENTRY("\"F32\"", "[4]", "[0,16]"),
    ENTRY("\"F32\"", "[2]", "[8,0]"),
    ENTRY("\"F32\"", "[2]", "[0]"),
    ENTRY("\"F32\"", "[2]", "[0,8,8]"),
    ENTRY("\"F32\"", "[2]", "[0.0,8]"),
    ENTRY("\"F32\"", "[2]", "{}"),
    ENTRY("\"F32\"", "[2]", "[0,9223372036854775808]"),
    "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]},"
    "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
    /* together as long as the body, but one covers the other */
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
    "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
    /* 2^62 + 2 elements of 4 bytes: 8 bytes, if the product wraps round */
    ENTRY("\"F32\"", "[2,2305843009213693953]", "[0,8]"),
    "{\"__metadata__\":1,\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
    "{\"__metadata__\":{\"a\":1},\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
};

START_TEST(malformed_files_are_refused)
{
    struct cf_buf file = CF_BUF_INIT;
    struct cf_tensors tensors;
    struct cf_error err = {0};
    file_of(malformed[_i], "\0\0\0\0\0\0\0", 8, &file);
    ck_assert_int_eq(cf_safetensors_read(file.data, file.length, "x.st", &tensors, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "x.st"));
    ck_assert_ptr_null(tensors.items);
    cf_buf_release(&file);
}
END_TEST

START_TEST(good_files_are_read)
{
    static const char *const good[] = {
        ENTRY("\"F32\"", "[2]", "[0,8]"),
        ENTRY("\"I64\"", "[]", "[0,8]"),
        ENTRY("\"U8\"", "[2,2,2]", "[0,8]") "    ",
        "{\"__metadata__\":{\"by\":\"me\"},\"t\":{\"dtype\":\"F32\",\"shape\":[2],"
        "\"data_offsets\":[0,8]},\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}",
        "{\"z\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[4,8]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cf_buf file = CF_BUF_INIT;
        struct cf_tensors tensors;
        struct cf_error err = {0};
        file_of(good[i], "\0\0\0\0\0\0\0", 8, &file);
        ck_assert_msg(cf_safetensors_read(file.data, file.length, "x", &tensors, &err) == 0,
                      "%s: %s", good[i], err.message);
        cf_tensors_release(&tensors);
        cf_buf_release(&file);
    }
}
END_TEST

START_TEST(header_lengths_that_lie)
{
    struct cf_tensors tensors;
    struct cf_error err;
    static const uint64_t lengths[] = {1, 3, 1 << 30, UINT64_MAX, UINT64_MAX - 7, 1ULL << 63};
    ck_assert_int_eq(cf_safetensors_read(NULL, 0, "x", &tensors, &err), CF_EDATA);
    ck_assert_int_eq(cf_safetensors_read("\0\0\0\0\0\0", 7, "x", &tensors, &err), CF_EDATA);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char file[10] = "        {}";
        char *exact = malloc(sizeof(file)); /* so that a read beyond it is noticed */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, file, sizeof(file));
        memcpy(exact, &lengths[i], 8);
        ck_assert_int_eq(cf_safetensors_read(exact, sizeof(file), "x", &tensors, &err), CF_EDATA);
        free(exact);
    }
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    static const float f[3] = {1, 2, 3};
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_tensors back;
    struct cf_buf file = CF_BUF_INIT;
    struct cf_error err;
    cf_tensors_add(&tensors, "f", CF_F32, f, 3, 0);
    cf_safetensors_write(&tensors, &file);
    for (size_t n = 0; n < file.length; n++) {
        ck_assert_int_eq(cf_safetensors_read(file.data, n, "x", &back, &err), CF_EDATA);
    }
    cf_tensors_release(&tensors);
    cf_buf_release(&file);
}
END_TEST

START_TEST(values_and_shapes_are_checked)
{
    static const uint32_t bits[4] = {0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000};
    static const int32_t ints[3] = {0, 5, 3};
    struct cf_tensors t = CF_TENSORS_INIT;
    struct cf_error err;
    float *f = NULL;
    int32_t *i = NULL;
    char *u = NULL;
    size_t n = 0;
    size_t one = 1;
    size_t two = 2;
    cf_tensors_add(&t, "inf", CF_F32, &bits[0], 1, 0);
    cf_tensors_add(&t, "-inf", CF_F32, &bits[1], 1, 0);
    cf_tensors_add(&t, "nan", CF_F32, &bits[2], 1, 0);
    cf_tensors_add(&t, "one", CF_F32, &bits[3], 1, 0);
    cf_tensors_add(&t, "ints", CF_I32, ints, 3, 0);
    ck_assert_int_eq(cf_tensors_get_f32(&t, "x", "inf", 1, &one, NULL, &f, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_f32(&t, "x", "-inf", 1, &one, NULL, &f, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_f32(&t, "x", "nan", 1, &one, NULL, &f, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "nan"));
    ck_assert_int_eq(cf_tensors_get_f32(&t, "x", "one", 1, &two, NULL, &f, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_f32(&t, "x", "none", 1, &one, NULL, &f, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_f32(&t, "x", "ints", 1, &one, NULL, &f, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_i32(&t, "x", "ints", 3, 0, 4, &n, &i, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_i32(&t, "x", "ints", 3, 1, 5, &n, &i, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_i32(&t, "x", "ints", 4, 0, 5, &n, &i, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_get_u8(&t, "x", "ints", &n, &u, &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_check_offsets(ints, 3, 3, "x", "ints", &err), CF_EDATA); /* falls */
    ck_assert_int_eq(cf_tensors_check_offsets(ints, 2, 5, "x", "ints", &err), 0);
    ck_assert_int_eq(cf_tensors_check_offsets(ints, 2, 6, "x", "ints", &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_check_offsets(ints + 1, 1, 5, "x", "ints", &err), CF_EDATA);
    ck_assert_int_eq(cf_tensors_check_offsets(ints, 0, 0, "x", "ints", &err), CF_EDATA);
    cf_tensors_release(&t);
}
END_TEST

/* By hand, from IEEE 754: half has 5 bits of exponent (bias 15) and 10 of fraction; bfloat16 is the
 * upper half of a float. */
START_TEST(halves_become_floats)
{
    static const uint16_t half[] = {0x3c00, 0xc000, 0x3555, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x0000};
    static const float half_is[] = {1, -2, 0x1.554p-2F, 0x1p-24F, 0x1.ff8p-15F, 0x1p-14F, 65504, 0};
    static const uint16_t bfloat[] = {0x3f80, 0xc049, 0x0001, 0x7f7f};
    static const float bfloat_is[] = {1, -3.140625F, 0x1p-133F, 0x1.fep127F};
    static const uint16_t bad[] = {0x7c00, 0xfc00, 0x7e00, 0x7c01};
    static const uint16_t bad_b[] = {0x7f80, 0xff80, 0x7fc0, 0x7f81};
    struct cf_tensor t = {.name = "t", .dtype = CF_F16, .rank = 1, .data = half};
    struct cf_error err;
    float out[8];
    t.bytes = sizeof(half);
    ck_assert_int_eq(cf_tensor_floats(&t, "f", out, &err), 0);
    ck_assert_mem_eq(out, half_is, sizeof(half_is));
    t.dtype = CF_BF16;
    t.data = bfloat;
    t.bytes = sizeof(bfloat);
    ck_assert_int_eq(cf_tensor_floats(&t, "f", out, &err), 0);
    ck_assert_mem_eq(out, bfloat_is, sizeof(bfloat_is));
    t.bytes = 2;
    for (size_t i = 0; i < 4; i++) {
        t.dtype = CF_F16;
        t.data = &bad[i];
        ck_assert_int_eq(cf_tensor_floats(&t, "f", out, &err), CF_EDATA);
        t.dtype = CF_BF16;
        t.data = &bad_b[i];
        ck_assert_int_eq(cf_tensor_floats(&t, "f", out, &err), CF_EDATA);
        ck_assert_ptr_nonnull(strstr(err.message, "f: tensor \"t\" holds"));
    }
}
END_TEST

/* The two types have two bytes an element and lie behind those of four. */
START_TEST(halves_are_written_and_read)
{
    static const uint16_t half[3] = {0x3c00, 0xc000, 0x3555};
    static const float f[1] = {1};
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_tensors back;
    struct cf_buf file = CF_BUF_INIT;
    struct cf_error err;
    cf_tensors_add(&tensors, "a", CF_BF16, half, 3, 0);
    cf_tensors_add(&tensors, "b", CF_F16, half, 3, 1);
    cf_tensors_add(&tensors, "c", CF_F32, f, 1, 0);
    cf_safetensors_write_pt(&tensors, &file);
    ck_assert_ptr_nonnull(strstr(file.data + 8, "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{"
                                                "\"data_offsets\":[4,10],\"dtype\":\"BF16\""));
    ck_assert_int_eq(cf_safetensors_read(file.data, file.length, "x", &back, &err), 0);
    ck_assert_uint_eq(back.count, 3);
    ck_assert_int_eq(cf_tensors_find(&back, "b")->dtype, CF_F16);
    ck_assert_mem_eq(cf_tensors_find(&back, "b")->data, half, sizeof(half));
    ck_assert_str_eq(cf_dtype_name(cf_tensors_find(&back, "a")->dtype), "BF16");
    cf_tensors_release(&tensors);
    cf_tensors_release(&back);
    cf_buf_release(&file);
}
END_TEST

Suite *encoder_safetensors_suite(void)
{
    Suite *suite = suite_create("encoder_safetensors");
    TCase *tc = tcase_create("safetensors");
    tcase_add_test(tc, bytes_as_specified);
    tcase_add_test(tc, round_trip_of_every_type);
    tcase_add_loop_test(tc, malformed_files_are_refused, 0,
                        (int)(sizeof(malformed) / sizeof(malformed[0])));
    tcase_add_test(tc, good_files_are_read);
    tcase_add_test(tc, header_lengths_that_lie);
    tcase_add_test(tc, every_truncation_is_refused);
    tcase_add_test(tc, values_and_shapes_are_checked);
    tcase_add_test(tc, halves_become_floats);
    tcase_add_test(tc, halves_are_written_and_read);
    suite_add_tcase(suite, tc);
    return suite;
}
