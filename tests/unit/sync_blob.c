/* Blobs as REST gives them, and the texts that bytes hold. */
#include "jobs/sync/blob.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* By git hash-object, in a repository of either format. */
#define HELLO "8ab686eafeb1f44702738c8b0f24f2567c36da6d"
#define HELLO_256 "dabc789f60c22621c92df8736ff8cb60e35185584772b93b9315a3e2aab55653"
#define BLANK "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
#define BLANK_256 "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"
#define BYTES "c86626638e0bc8cf47ca49bb1525b40e9737ee64" /* 0 to 255 */

/* Such as {"sha": …, "size": 14, "encoding": "base64", "content": …}. */
static json_t *answer_of(const char *sha, json_int_t size, const char *encoding,
                         const char *content)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "sha", sha, "node_id", "B_kwDOABPHjdoAKD",
                     "size", size, "url", "https://api.github.com/x", "content", content,
                     "encoding", encoding);
}

static const struct {
    const char *oid;
    size_t bytes;
    const char *encoding, *content, *text;
} good[] = {
    {HELLO, 14, "base64", "SGVsbG8sIFdvcmxkIQo=\n", "Hello, World!\n"},
    {HELLO, 14, "base64", "SGVsbG8sIFdvcmxkIQo=", "Hello, World!\n"},
    {HELLO, 14, "base64", "SGVsbG8s\nIFdvcmxk\nIQo=\n", "Hello, World!\n"},
    {HELLO, 14, "base64", "\nSG\nVsbG8sIFdvcmxkIQo\n=\n\n", "Hello, World!\n"},
    {HELLO, 14, "utf-8", "Hello, World!\n", "Hello, World!\n"},
    {HELLO_256, 14, "base64", "SGVsbG8sIFdvcmxkIQo=\n", "Hello, World!\n"},
    {BLANK, 0, "base64", "", ""},
    {BLANK, 0, "base64", "\n", ""},
    {BLANK, 0, "utf-8", "", ""},
    {BLANK_256, 0, "base64", "", ""},
};

START_TEST(reads_what_the_id_stands_for)
{
    struct cf_error err = {0};
    struct cf_buf out = CF_BUF_INIT;
    json_t *answer =
        answer_of(good[_i].oid, (json_int_t)good[_i].bytes, good[_i].encoding, good[_i].content);
    cf_buf_puts(&out, "before");
    int rc = sync_blob_read(answer, good[_i].oid, good[_i].bytes, good[_i].bytes, &out, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_uint_eq(out.length, 6 + good[_i].bytes);
    ck_assert_str_eq(out.data + 6, good[_i].text);
    cf_buf_release(&out);
    json_decref(answer);
}
END_TEST

START_TEST(reads_every_byte)
{
    static const char content[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKiss\n"
                                  "LS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZ\n"
                                  "WltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWG\n"
                                  "h4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKz\n"
                                  "tLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g\n"
                                  "4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w==\n";
    struct cf_error err = {0};
    struct cf_buf out = CF_BUF_INIT;
    json_t *answer = answer_of(BYTES, 256, "base64", content);
    ck_assert_int_eq(sync_blob_read(answer, BYTES, 256, 512000, &out, &err), 0);
    ck_assert_uint_eq(out.length, 256);
    for (size_t i = 0; i < 256; i++) {
        ck_assert_uint_eq((unsigned char)out.data[i], i);
    }
    cf_buf_release(&out);
    json_decref(answer);
}
END_TEST

/* Each differs in one way from the answer for HELLO. */
static const struct {
    const char *field, *value; /* NULL: it is missing */
} bad[] = {
    {"sha", "'8ab686eafeb1f44702738c8b0f24f2567c36da6e'"},
    {"sha", "'8AB686EAFEB1F44702738C8B0F24F2567C36DA6D'"},
    {"sha", "''"},
    {"sha", "7"},
    {"sha", NULL},
    {"size", "13"},
    {"size", "'14'"},
    {"size", "-14"},
    {"size", "14.0"},
    {"size", NULL},
    {"encoding", "'none'"},
    {"encoding", "'utf-8'"}, /* the letters themselves aren't the blob */
    {"encoding", "null"},
    {"encoding", NULL},
    {"content", "'SGVsbG8sIFdvcmxkIQo'"},      /* no padding */
    {"content", "'SGVsbG8sIFdvcmxkIQo=='"},    /* too much of it */
    {"content", "'SGVsbG8sIFdvcmxkIQo=SGVs'"}, /* more behind it */
    {"content", "'SGVsbG8sIFdvcmxkIQp='"},     /* bits that are left over */
    {"content", "'SGVsbG8sIFdvcmxkIQ=='"},     /* a byte less */
    {"content", "'SGVsbG8sIFdvcmxkIQoK'"},     /* a byte more */
    {"content", "'SGVsbG8sIFdvcmxkIAo='"},     /* another byte */
    {"content", "'SGVsbG8sIFdvcmxkIQo=!'"},
    {"content", "'SGVsbG8s-FdvcmxkIQo='"},
    {"content", "'SGVsbG8s\\u0000IFdvcmxkIQo='"},
    {"content", "''"},
    {"content", "null"},
    {"content", "['SGVsbG8sIFdvcmxkIQo=']"},
    {"content", "[[[[{}]]]]"},
    {"content", NULL},
};

START_TEST(a_damaged_answer_leaves_nothing)
{
    struct cf_error err = {0};
    struct cf_buf out = CF_BUF_INIT;
    json_t *answer = answer_of(HELLO, 14, "base64", "SGVsbG8sIFdvcmxkIQo=");
    if (bad[_i].value) {
        (void)json_object_set_new(answer, bad[_i].field, fixture(bad[_i].value));
    } else {
        (void)json_object_del(answer, bad[_i].field);
    }
    for (size_t i = 0; i < 2; i++) {
        size_t before = out.length;
        ck_assert_int_eq(sync_blob_read(answer, HELLO, 14, 512000, &out, &err), CF_EDATA);
        ck_assert_int_eq(err.code, CF_EDATA);
        ck_assert(*err.message);
        ck_assert_uint_eq(out.length, before);
        ck_assert_str_eq(cf_buf_str(&out), i ? "before" : "");
        cf_buf_puts(&out, i ? "" : "before");
    }
    cf_buf_release(&out);
    json_decref(answer);
}
END_TEST

START_TEST(other_values_are_no_blobs)
{
    static const char *const values[] = {"null", "7",  "'x'",
                                         "[]",   "{}", "{'message': 'Not Found', 'status': '404'}"};
    for (size_t i = 0; i < COUNT(values); i++) {
        struct cf_error err = {0};
        struct cf_buf out = CF_BUF_INIT;
        json_t *value = fixture(values[i]);
        ck_assert_int_eq(sync_blob_read(value, HELLO, 14, 512000, &out, &err), CF_EDATA);
        ck_assert_uint_eq(out.length, 0);
        cf_buf_release(&out);
        json_decref(value);
    }
}
END_TEST

START_TEST(size_and_bytes_are_one_and_within_the_limit)
{
    struct cf_error err = {0};
    struct cf_buf out = CF_BUF_INIT;
    json_t *answer = answer_of(HELLO, 14, "base64", "SGVsbG8sIFdvcmxkIQo=");
    ck_assert_int_eq(sync_blob_read(answer, HELLO, 14, 13, &out, &err), CF_EDATA);
    ck_assert_int_eq(sync_blob_read(answer, HELLO, 13, 14, &out, &err), CF_EDATA);
    ck_assert_int_eq(sync_blob_read(answer, HELLO_256, 14, 14, &out, &err), CF_EDATA);
    ck_assert_uint_eq(out.length, 0);
    (void)json_object_set_new(answer, "size", json_integer(13));
    ck_assert_int_eq(sync_blob_read(answer, HELLO, 13, 14, &out, &err), CF_EDATA);
    ck_assert_uint_eq(out.length, 0);
    cf_buf_release(&out);
    json_decref(answer);
}
END_TEST

#define FFFD "\xef\xbf\xbd"
#define BYTES_OF(s) s, sizeof(s) - 1

static const struct {
    const char *bytes;
    size_t length;
    const char *text; /* NULL: binary */
} texts[] = {
    {BYTES_OF(""), ""},
    {BYTES_OF("# Hello\r\n"), "# Hello\r\n"},
    {BYTES_OF("Gr\xc3\xb6\xc3\x9f"
              "e \xf0\x9f\x8e\x89"),
     "Gr\xc3\xb6\xc3\x9f"
     "e \xf0\x9f\x8e\x89"},
    /* Latin-1, as in the stand-in's latin1-readme */
    {BYTES_OF("# Caf\xe9\n\nGr\xf6\xdf"
              "e, na\xefve.\n"),
     "# Caf" FFFD "\n\nGr" FFFD FFFD "e, na" FFFD "ve.\n"},
    /* cut in a character: one for the longest part */
    {BYTES_OF("x\xf0\x9f\x8e"), "x" FFFD},
    {BYTES_OF("x\xf0\x9f\x8ey\xe2\x82"), "x" FFFD "y" FFFD},
    /* surrogates and overlong forms in UTF-8: one for each byte */
    {BYTES_OF("\xed\xa0\x80"), FFFD FFFD FFFD},
    {BYTES_OF("\xc0\xaf"), FFFD FFFD},
    /* UTF-8's mark stays */
    {BYTES_OF("\xef\xbb\xbf# Hello\n"), "\xef\xbb\xbf# Hello\n"},
    /* binary */
    {BYTES_OF("\0"), NULL},
    {BYTES_OF("a\0b"), NULL},
    {BYTES_OF("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), NULL},
    /* UTF-16, either order */
    {BYTES_OF("\xff\xfe"), ""},
    {BYTES_OF("\xfe\xff"), ""},
    {BYTES_OF("\xff\xfeH\0i\0\r\0\n\0"), "Hi\r\n"},
    {BYTES_OF("\xfe\xff\0H\0i\0\r\0\n"), "Hi\r\n"},
    {BYTES_OF("\xff\xfe\xf6\0\xac\x20"), "\xc3\xb6\xe2\x82\xac"},
    {BYTES_OF("\xff\xfe\x3c\xd8\x89\xdf"), "\xf0\x9f\x8e\x89"},
    {BYTES_OF("\xfe\xff\xd8\x3c\xdf\x89"), "\xf0\x9f\x8e\x89"},
    {BYTES_OF("\xfe\xff\xdb\xff\xdf\xff\xd8\0\xdc\0"), "\xf4\x8f\xbf\xbf\xf0\x90\x80\x80"},
    /* no ASCII at all, so no NUL either */
    {BYTES_OF("\xff\xfe\x60\x4f\x7d\x59"), "\xe4\xbd\xa0\xe5\xa5\xbd"},
    /* lone surrogates, also at the end and two high ones before a low one */
    {BYTES_OF("\xfe\xff\xd8\x3c\0x"), FFFD "x"},
    {BYTES_OF("\xfe\xff\xdf\x89\0x"), FFFD "x"},
    {BYTES_OF("\xfe\xff\0x\xd8\x3c"), "x" FFFD},
    {BYTES_OF("\xfe\xff\xd8\x3c\xd8\x3c\xdf\x89"), FFFD "\xf0\x9f\x8e\x89"},
    /* an odd byte, alone and behind half a pair */
    {BYTES_OF("\xff\xfeH\0i"), "H" FFFD},
    {BYTES_OF("\xff\xfe\x3c\xd8\x89"), FFFD FFFD},
    {BYTES_OF("\xff\xfeH"), FFFD},
    /* the other order's mark inside is U+FFFE, a noncharacter but a scalar value */
    {BYTES_OF("\xff\xfe\xfe\xff"), "\xef\xbf\xbe"},
    /* UTF-32, both orders, and UTF-16 with a NUL character */
    {BYTES_OF("\xff\xfe\0\0H\0\0\0"), NULL},
    {BYTES_OF("\0\0\xfe\xff\0\0\0H"), NULL},
    {BYTES_OF("\xfe\xff\0H\0\0"), NULL},
    /* half a mark */
    {BYTES_OF("\xff"), FFFD},
    {BYTES_OF("\xfe"), FFFD},
};

START_TEST(texts_of_bytes)
{
    struct cf_buf out = CF_BUF_INIT;
    char *copy = malloc(texts[_i].length + 1); /* of exactly these bytes, for the sanitizer */
    memcpy(copy, texts[_i].bytes, texts[_i].length);
    copy = realloc(copy, texts[_i].length ? texts[_i].length : 1);
    cf_buf_puts(&out, ">");
    ck_assert_int_eq(sync_text(copy, texts[_i].length, &out), texts[_i].text != NULL);
    ck_assert_str_eq(out.data + 1, texts[_i].text ? texts[_i].text : "");
    ck_assert_uint_eq(out.length, 1 + strlen(out.data + 1));
    cf_buf_release(&out);
    free(copy);
}
END_TEST

/* A NUL counts at byte 7,999 but not behind it, where it is replaced. */
START_TEST(only_the_beginning_makes_it_binary)
{
    struct cf_buf out = CF_BUF_INIT;
    char bytes[8100];
    memset(bytes, 'x', sizeof(bytes));
    bytes[7999] = '\0';
    ck_assert(!sync_text(bytes, sizeof(bytes), &out));
    ck_assert_uint_eq(out.length, 0);
    bytes[7999] = 'x';
    bytes[8000] = '\0';
    ck_assert(sync_text(bytes, sizeof(bytes), &out));
    ck_assert_uint_eq(out.length, sizeof(bytes) + 2);
    ck_assert_int_eq(memcmp(out.data + 8000, FFFD "x", 4), 0);

    cf_buf_clear(&out);
    memcpy(bytes, "\xff\xfe", 2);
    bytes[7998] = '\0';
    bytes[7999] = '\0';
    ck_assert(!sync_text(bytes, sizeof(bytes), &out));
    bytes[7998] = 'x';
    bytes[8001] = '\0';
    ck_assert(sync_text(bytes, sizeof(bytes), &out));
    ck_assert_uint_eq(out.length, 3 * 4048 + 1);
    cf_buf_release(&out);
}
END_TEST

/* The same bytes by GraphQL, whose text has passed through JSON, and by REST. */
START_TEST(graphql_and_rest_give_the_same_text)
{
    /* what the stand-in's GraphQL has for latin1-readme */
    json_t *text = fixture("'# Caf\\ufffd\\n\\nWritten in Latin-1: Gr\\ufffd\\ufffde,"
                           " na\\ufffdve.\\n'");
    json_t *clean = cf_json_text(json_string_value(text), json_string_length(text));
    struct cf_buf out = CF_BUF_INIT;
    static const char bytes[] = "# Caf\xe9\n\nWritten in Latin-1: Gr\xf6\xdf"
                                "e, na\xefve.\n";
    ck_assert(sync_text(bytes, sizeof(bytes) - 1, &out));
    ck_assert_str_eq(out.data, json_string_value(clean));
    cf_buf_release(&out);
    json_decref(clean);
    json_decref(text);
}
END_TEST

Suite *sync_blob_suite(void);

Suite *sync_blob_suite(void)
{
    Suite *suite = suite_create("sync_blob");
    TCase *tcase = tcase_create("blob");
    tcase_add_loop_test(tcase, reads_what_the_id_stands_for, 0, COUNT(good));
    tcase_add_test(tcase, reads_every_byte);
    tcase_add_loop_test(tcase, a_damaged_answer_leaves_nothing, 0, COUNT(bad));
    tcase_add_test(tcase, other_values_are_no_blobs);
    tcase_add_test(tcase, size_and_bytes_are_one_and_within_the_limit);
    tcase_add_loop_test(tcase, texts_of_bytes, 0, COUNT(texts));
    tcase_add_test(tcase, only_the_beginning_makes_it_binary);
    tcase_add_test(tcase, graphql_and_rest_give_the_same_text);
    suite_add_tcase(suite, tcase);
    return suite;
}
