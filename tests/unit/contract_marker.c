/* Names of tenants and datasets, and the marker as a document. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/contract/marker.h"

#define FORTY "abcdefghijklmnopqrstuvwxyz0123456789abcd"
#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
    const char *login;
    const char *key; /* NULL: refused */
} logins[] = {
    {"octocat", "octocat"},
    {"Octocat", "octocat"},
    {"ABC-xyz-09", "abc-xyz-09"},
    {"a", "a"},
    {"7", "7"},
    {"a-b-c", "a-b-c"},
    {"dev_acme", "dev_acme"},
    {"Dev-Ops_ACME", "dev-ops_acme"},
    {"abcdefghijklmnopqrstuvwxyz0123456789abc", "abcdefghijklmnopqrstuvwxyz0123456789abc"},
    {"", NULL},
    {FORTY, NULL},
    {"a--b", NULL},
    {"-a", NULL},
    {"a-", NULL},
    {"-", NULL},
    {"_", NULL},
    {"_a", NULL},
    {"a_", NULL},
    {"a_b_c", NULL},
    {"a__b", NULL},
    {"a-_b", NULL},
    {"a_-b", NULL},
    {"a_b-c", NULL},
    {"../x", NULL},
    {"..", NULL},
    {"A/b", NULL},
    {"a b", NULL},
    {"a.b", NULL},
    {"a\n", NULL},
    {"\xc3\xa9", NULL},
    {"a@b", NULL},
    {"{a", NULL},
    {"[a", NULL},
    {"`a", NULL},
    {"a:b", NULL},
};

START_TEST(logins_become_keys)
{
    char key[CF_TENANT_MAX];
    struct cf_error err = {0};
    int rc = cf_tenant_normalise(logins[_i].login, key, &err);
    if (logins[_i].key) {
        ck_assert_msg(rc == 0, "%s", err.message);
        ck_assert_str_eq(key, logins[_i].key);
    } else {
        ck_assert_msg(rc == CF_EUSAGE, "\"%s\"", logins[_i].login);
        ck_assert_int_eq(err.code, CF_EUSAGE);
        ck_assert_ptr_nonnull(strstr(err.message, "is not a GitHub login"));
        ck_assert_ptr_null(strchr(err.message, '\n'));
    }
}
END_TEST

START_TEST(datasets_are_known)
{
    static const char *const known[] = {"config",      "repos",      "bundle", "request",
                                        "request-gpu", "checkpoint", "model"};
    static const char *const unknown[] = {"", "runs", "Repos", "repos/", "request-"};
    for (size_t i = 0; i < 7; i++) {
        ck_assert(cf_dataset_is_known(known[i]));
    }
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!cf_dataset_is_known(unknown[i]));
    }
}
END_TEST

/* A marker with something in every field. */
static struct cf_marker sample(void)
{
    struct cf_marker m = {
        .tenant = "octocat",
        .dataset = "bundle",
        .version = 42,
        .parent_version = 41,
        .parent_sha256 = HASH_A,
        .floor = 12,
        .writer = "0123456789abcdef0123456789abcdef",
        .request = HASH_B,
        .inputs = {{.dataset = "repos", .version = 7, .sha256 = HASH_A},
                   {.dataset = "model", .version = 8, .sha256 = HASH_B}},
        .input_count = 2,
        .job = "orchestrate",
        .build = "abc123",
        .run = "run-1",
        .created_at = "2026-01-31T23:59:59.123Z",
        .root = {.version = 42,
                 .sha256 = HASH_A,
                 .bytes = 1000,
                 .stored = 300,
                 .type = "application/json"},
    };
    m.summary = json_pack("{s:i}", "entries", 3);
    return m;
}

static json_t *sample_json(void)
{
    struct cf_marker m = sample();
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err;
    json_t *document = NULL;
    ck_assert_int_eq(cf_marker_write(&m, &text, &err), 0);
    ck_assert_int_eq(cf_json_parse(text.data, text.length, "it", &document, &err), 0);
    cf_buf_release(&text);
    cf_marker_release(&m);
    return document;
}

static int read_json(const json_t *document, struct cf_marker *out, struct cf_error *err)
{
    struct cf_buf text = CF_BUF_INIT;
    cf_json_dump(document, &text);
    int rc = cf_marker_read(text.data, text.length, out, err);
    cf_buf_release(&text);
    return rc;
}

/* A flip that leaves the document well-formed and every field valid. */
START_TEST(a_flip_breaks_the_seal)
{
    struct cf_marker m = sample();
    struct cf_marker read;
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err = {0};
    ck_assert_int_eq(cf_marker_write(&m, &text, &err), 0);
    char *writer = strstr(text.data, "\"writer\":\"") + strlen("\"writer\":\"");
    *writer = *writer == '0' ? '1' : '0';
    ck_assert_int_eq(cf_marker_read(text.data, text.length, &read, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "seal"));
    cf_marker_release(&m);
    cf_buf_release(&text);
}
END_TEST

START_TEST(a_marker_is_read_as_it_was_written)
{
    struct cf_marker m = sample();
    struct cf_marker back;
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err = {0};
    char hash[CF_SHA256_HEX];
    ck_assert_int_eq(cf_marker_write(&m, &text, &err), 0);
    cf_sha256_hex(text.data, text.length, hash);
    ck_assert_str_eq(m.sha256, hash);
    ck_assert_msg(cf_marker_read(text.data, text.length, &back, &err) == 0, "%s", err.message);
    ck_assert_str_eq(back.sha256, hash);
    ck_assert_str_eq(back.tenant, "octocat");
    ck_assert_str_eq(back.dataset, "bundle");
    ck_assert_uint_eq(back.version, 42);
    ck_assert_uint_eq(back.parent_version, 41);
    ck_assert_str_eq(back.parent_sha256, HASH_A);
    ck_assert_uint_eq(back.floor, 12);
    ck_assert_str_eq(back.writer, m.writer);
    ck_assert_str_eq(back.request, HASH_B);
    ck_assert_uint_eq(back.input_count, 2);
    ck_assert_str_eq(back.inputs[1].dataset, "model");
    ck_assert_uint_eq(back.inputs[1].version, 8);
    ck_assert_str_eq(back.inputs[1].sha256, HASH_B);
    ck_assert_str_eq(back.job, "orchestrate");
    ck_assert_str_eq(back.build, "abc123");
    ck_assert_str_eq(back.run, "run-1");
    ck_assert_str_eq(back.created_at, m.created_at);
    ck_assert(json_equal(back.summary, m.summary));
    ck_assert_uint_eq(back.root.version, 42);
    ck_assert_str_eq(back.root.sha256, HASH_A);
    ck_assert_uint_eq(back.root.bytes, 1000);
    ck_assert_uint_eq(back.root.stored, 300);
    ck_assert_str_eq(back.root.type, "application/json");
    cf_marker_release(&m);
    cf_marker_release(&back);
    ck_assert_ptr_null(back.summary);
    cf_buf_release(&text);
}
END_TEST

START_TEST(the_first_marker_of_a_shared_dataset)
{
    struct cf_marker m = sample();
    struct cf_marker back;
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err = {0};
    m.tenant[0] = '\0';
    m.version = 1;
    m.parent_version = 0;
    m.floor = 1;
    m.root.version = 1;
    m.input_count = 0;
    json_decref(m.summary);
    m.summary = NULL;
    ck_assert_int_eq(cf_marker_write(&m, &text, &err), 0);
    ck_assert_ptr_nonnull(strstr(text.data, "\"parent\":null"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"tenant\":null"));
    ck_assert_msg(cf_marker_read(text.data, text.length, &back, &err) == 0, "%s", err.message);
    ck_assert_str_eq(back.tenant, "");
    ck_assert_uint_eq(back.parent_version, 0);
    ck_assert_str_eq(back.parent_sha256, "");
    ck_assert_uint_eq(back.input_count, 0);
    ck_assert_uint_eq(json_object_size(back.summary), 0);
    cf_marker_release(&back);
    cf_buf_release(&text);
}
END_TEST

/* Paths into the document: "a", "a.b" or "a.0.b". */
static json_t *container_of(json_t *document, const char *path, const char **last)
{
    char name[64];
    const char *dot;
    while ((dot = strchr(path, '.'))) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
        document = json_is_array(document)
                       ? json_array_get(document, (size_t)strtoul(name, NULL, 10))
                       : json_object_get(document, name);
        path = dot + 1;
    }
    *last = path;
    return document;
}

static void expect_refused(const json_t *document, int code, const char *named, const char *why)
{
    struct cf_marker out;
    struct cf_error err = {0};
    int rc = read_json(document, &out, &err);
    ck_assert_msg(rc == code, "%s %s: %d %s", named, why, rc, err.message);
    ck_assert_int_eq(err.code, code);
    ck_assert_msg(strstr(err.message, named) != NULL, "%s %s: %s", named, why, err.message);
    ck_assert_ptr_null(out.summary);
}

static const char *const fields[] = {
    "contract",         "tenant",          "dataset",
    "version",          "parent",          "parent.version",
    "parent.sha256",    "floor",           "writer",
    "request",          "inputs",          "inputs.0.dataset",
    "inputs.1.version", "inputs.1.sha256", "producer",
    "producer.job",     "producer.build",  "producer.run",
    "created_at",       "summary",         "root",
    "root.version",     "root.sha256",     "root.bytes",
    "root.stored",      "root.type",       "blobs",
};

START_TEST(a_missing_field_is_named)
{
    json_t *document = sample_json();
    const char *last;
    json_t *container = container_of(document, fields[_i], &last);
    ck_assert_msg(json_object_del(container, last) == 0, "%s is not in the sample", fields[_i]);
    expect_refused(document, CF_EDATA, last, "missing");
    json_decref(document);
}
END_TEST

START_TEST(a_field_of_another_type_is_named)
{
    json_t *document = sample_json();
    const char *last;
    json_t *container = container_of(document, fields[_i], &last);
    const json_t *old = json_object_get(container, last);
    json_t *values[] = {json_true(),  json_real(1.5),   json_integer(-1), json_object(),
                        json_array(), json_string("x"), json_integer(5),  json_null()};
    json_t *kept = json_deep_copy(old);
    for (size_t i = 0; i < 8; i++) {
        bool nullable = strcmp(last, "tenant") == 0 || strcmp(last, "parent") == 0;
        bool same = json_typeof(values[i]) == json_typeof(kept) && i != 2;
        if (!same && !(nullable && json_is_null(values[i]))) {
            (void)json_object_set(container, last, values[i]);
            expect_refused(document, CF_EDATA, last, "of another type");
        }
        json_decref(values[i]);
    }
    json_decref(kept);
    json_decref(document);
}
END_TEST

static const struct {
    const char *path;
    const char *json;
    int code;
    const char *named;
} out_of_range[] = {
    {"contract", "[2]", CF_ECONFIG, "contract"},
    {"contract", "[0]", CF_ECONFIG, "contract"},
    {"tenant", "[\"" FORTY FORTY "\"]", CF_EDATA, "tenant"},
    {"dataset", "[\"abcdefghijklmnopqrstuvwx\"]", CF_EDATA, "dataset"},
    {"version", "[0]", CF_EDATA, "version"},
    {"version", "[9223372036854775807]", CF_EDATA, "version"},
    {"version", "[43]", CF_EDATA, "parent"},
    {"version", "[41]", CF_EDATA, "parent"},
    {"parent", "[null]", CF_EDATA, "parent"},
    {"parent.version", "[40]", CF_EDATA, "parent"},
    {"parent.version", "[0]", CF_EDATA, "parent"},
    {"parent.sha256", "[\"abc\"]", CF_EDATA, "sha256"},
    {"floor", "[0]", CF_EDATA, "floor"},
    {"floor", "[43]", CF_EDATA, "floor"},
    {"writer", "[\"0123456789abcdef0123456789abcdeF\"]", CF_EDATA, "writer"},
    {"writer", "[\"0123456789abcdef0123456789abcde\"]", CF_EDATA, "writer"},
    {"request", "[\"" HASH_A "a\"]", CF_EDATA, "request"},
    {"inputs", "[[1,2,3,4,5,6,7,8,9]]", CF_EDATA, "inputs"},
    {"inputs", "[[1]]", CF_EDATA, "inputs[0]"},
    {"inputs.1.version", "[0]", CF_EDATA, "inputs[1]"},
    {"inputs.1.dataset", "[\"abcdefghijklmnopqrstuvwx\"]", CF_EDATA, "inputs[1]"},
    {"producer.job", "[\"" FORTY "\"]", CF_EDATA, "job"},
    {"producer.build", "[\"" FORTY FORTY "\"]", CF_EDATA, "build"},
    {"producer.run", "[\"" FORTY FORTY "\"]", CF_EDATA, "run"},
    {"created_at", "[\"" FORTY "\"]", CF_EDATA, "created_at"},
    {"root.version", "[43]", CF_EDATA, "root"},
    {"root.version", "[0]", CF_EDATA, "root"},
    {"root.sha256", "[\"" HASH_A "\\n\"]", CF_EDATA, "root"},
    {"root.type", "[\"" FORTY FORTY "\"]", CF_EDATA, "type"},
    {"blobs", "[\"inline\"]", CF_EDATA, "blobs"},
};

START_TEST(a_field_out_of_range_is_named)
{
    json_t *document = sample_json();
    struct cf_error err;
    json_t *value = NULL;
    const char *last;
    json_t *container = container_of(document, out_of_range[_i].path, &last);
    const char *text = out_of_range[_i].json;
    ck_assert_int_eq(cf_json_parse(text, strlen(text), "it", &value, &err), 0);
    (void)json_object_set(container, last, json_array_get(value, 0));
    expect_refused(document, out_of_range[_i].code, out_of_range[_i].named, text);
    json_decref(value);
    json_decref(document);
}
END_TEST

START_TEST(the_contract_is_looked_at_before_anything_else)
{
    static const char text[] = "{\"contract\":2,\"versions\":\"something new\"}";
    struct cf_marker out;
    struct cf_error err = {0};
    ck_assert_int_eq(cf_marker_read(text, strlen(text), &out, &err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "contract 2"));
}
END_TEST

START_TEST(what_is_no_document_is_refused)
{
    static const char *const texts[] = {
        "", "x", "[]", "{}", "null", "{\"contract\":1}", "{\"contract\":1,\"contract\":1}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct cf_marker out;
        struct cf_error err = {0};
        ck_assert_int_eq(cf_marker_read(texts[i], strlen(texts[i]), &out, &err), CF_EDATA);
        ck_assert_int_eq(err.code, CF_EDATA);
    }
}
END_TEST

START_TEST(a_marker_has_at_most_64_kib)
{
    struct cf_marker m = sample();
    struct cf_marker back;
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err = {0};
    char *filler = cf_malloc(CF_MARKER_MAX + 1);
    memset(filler, 'f', CF_MARKER_MAX);
    filler[CF_MARKER_MAX] = '\0';
    ck_assert_int_eq(cf_marker_write(&m, &text, &err), 0);
    /* exactly as long as allowed, then one byte more */
    size_t room = CF_MARKER_MAX - text.length - strlen(",\"filler\":\"\"");
    for (size_t more = 0; more < 2; more++) {
        (void)json_object_set_new(m.summary, "filler", json_stringn(filler, room + more));
        cf_buf_release(&text);
        ck_assert_int_eq(cf_marker_write(&m, &text, &err), more ? CF_EDATA : 0);
        ck_assert_uint_eq(text.length, CF_MARKER_MAX + more);
        ck_assert_int_eq(cf_marker_read(text.data, text.length, &back, &err), more ? CF_EDATA : 0);
        cf_marker_release(&back);
    }
    cf_buf_release(&text);
    cf_marker_release(&m);
    free(filler);
}
END_TEST

Suite *contract_marker_suite(void)
{
    Suite *suite = suite_create("contract_marker");
    TCase *tc = tcase_create("marker");
    const int n = (int)(sizeof(fields) / sizeof(fields[0]));
    tcase_add_loop_test(tc, logins_become_keys, 0, (int)(sizeof(logins) / sizeof(logins[0])));
    tcase_add_test(tc, datasets_are_known);
    tcase_add_test(tc, a_marker_is_read_as_it_was_written);
    tcase_add_test(tc, a_flip_breaks_the_seal);
    tcase_add_test(tc, the_first_marker_of_a_shared_dataset);
    tcase_add_loop_test(tc, a_missing_field_is_named, 0, n);
    tcase_add_loop_test(tc, a_field_of_another_type_is_named, 0, n);
    tcase_add_loop_test(tc, a_field_out_of_range_is_named, 0,
                        (int)(sizeof(out_of_range) / sizeof(out_of_range[0])));
    tcase_add_test(tc, the_contract_is_looked_at_before_anything_else);
    tcase_add_test(tc, what_is_no_document_is_refused);
    tcase_add_test(tc, a_marker_has_at_most_64_kib);
    suite_add_tcase(suite, tc);
    return suite;
}
