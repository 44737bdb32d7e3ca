/* Base models in the shared dataset, and a tenant's choice of one. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/contract/collect.h"
#include "common/contract/verify.h"
#include "common/portfolio/config.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct cf_producer producer = {"test", "build", "01a20df284d8-e6540f257437a6fa"};

struct world {
    struct cf_store *store;
    struct cf_dataset dataset;
};

static void setup(struct world *w)
{
    struct cf_error err;
    ck_assert_int_eq(cf_store_open("memory:", &w->store, &err), 0);
    cf_base_models_dataset(&w->dataset, w->store);
}

/* A model of two files, "v" and its weights, which are the text. */
static void make(struct cf_base_model *m, const char *name, const char *weights)
{
    static const char *const paths[] = {"vocab.txt", "1_Pooling/config.json"};
    *m = (struct cf_base_model){.config = json_pack("{s:i}", "layers", 2), .parameters = 7};
    (void)snprintf(m->name, sizeof(m->name), "%s", name);
    static unsigned calls; /* no two are imported at one time */
    (void)snprintf(m->imported_at, sizeof(m->imported_at), "2026-11-24T14:25:27.%03uZ",
                   calls++ % 1000);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(m->files[i].path, sizeof(m->files[i].path), "%s", paths[i]);
        (void)snprintf(m->files[i].type, sizeof(m->files[i].type), "text/plain");
    }
    m->file_count = 2;
    cf_sha256_hex("v", 1, m->files[0].sha256);
    cf_sha256_hex(weights, strlen(weights), m->files[1].sha256);
}

/* Commits behind the newest version. */
static int put(struct world *w, const char *name, const char *weights, struct cf_marker *out,
               struct cf_error *err)
{
    struct cf_base_model model;
    struct cf_marker parent = {0};
    json_t *root = NULL;
    struct cf_buf texts[2] = {CF_BUF_INIT, CF_BUF_INIT};
    const struct cf_buf *data[2] = {&texts[0], &texts[1]};
    cf_buf_puts(&texts[0], "v");
    cf_buf_puts(&texts[1], weights);
    make(&model, name, weights);
    int rc = cf_base_models_newest(&w->dataset, &parent, &root, err);
    ck_assert(rc == 0 || rc == CF_ENOTFOUND);
    rc = cf_base_models_commit(&w->dataset, rc ? NULL : &parent, root, &model, data, &producer, out,
                               err);
    cf_base_model_release(&model);
    cf_marker_release(&parent);
    json_decref(root);
    cf_buf_release(&texts[0]);
    cf_buf_release(&texts[1]);
    return rc;
}

static void expect(struct world *w, const char *name, const char *weights)
{
    struct cf_marker marker;
    struct cf_base_model model;
    struct cf_base_model want;
    struct cf_buf files[CF_BASE_MODEL_FILES_MAX];
    struct cf_error err;
    json_t *root;
    ck_assert_int_eq(cf_base_models_newest(&w->dataset, &marker, &root, &err), 0);
    ck_assert_int_eq(cf_base_model_read(root, name, &model, &err), 0);
    make(&want, name, weights);
    ck_assert(cf_base_model_same(&model, &want));
    ck_assert_uint_eq(model.parameters, 7);
    ck_assert_int_eq(json_integer_value(json_object_get(model.config, "layers")), 2);
    ck_assert_int_eq(cf_base_model_fetch(&w->dataset, root, &model, files, &err), 0);
    ck_assert_str_eq(cf_buf_str(&files[0]), "v");
    ck_assert_str_eq(cf_buf_str(&files[1]), weights);
    for (size_t i = 0; i < model.file_count; i++) {
        cf_buf_release(&files[i]);
    }
    cf_base_model_release(&want);
    cf_base_model_release(&model);
    json_decref(root);
    cf_marker_release(&marker);
}

START_TEST(importing_another_keeps_the_others)
{
    struct world w;
    struct cf_marker m;
    struct cf_error err;
    char key[CF_KEY_MAX];
    setup(&w);
    ck_assert_int_eq(put(&w, "first", "one", &m, &err), 0);
    ck_assert_str_eq(m.tenant, "");
    ck_assert_str_eq(m.dataset, "base-models");
    cf_dataset_marker_key(&w.dataset, 1, key);
    ck_assert_str_eq(key, "shared/base-models/v/7ffffffffffffffe");
    cf_marker_release(&m);
    ck_assert_int_eq(put(&w, "second", "two", &m, &err), 0);
    ck_assert_uint_eq(m.version, 2);
    ck_assert_int_eq(json_integer_value(json_object_get(m.summary, "models")), 2);
    cf_marker_release(&m);
    expect(&w, "first", "one");
    expect(&w, "second", "two");
    /* replaced: the other one stays, the old weights are no longer listed */
    ck_assert_int_eq(put(&w, "first", "three", &m, &err), 0);
    cf_marker_release(&m);
    expect(&w, "first", "three");
    expect(&w, "second", "two");
    cf_store_free(w.store);
}
END_TEST

/* The request is that of the contents: the same whatever way they came to be, and whenever. */
START_TEST(the_request_hashes_names_and_contents)
{
    struct world a;
    struct world b;
    struct cf_marker m;
    struct cf_error err;
    char first[CF_SHA256_HEX];
    setup(&a);
    setup(&b);
    ck_assert_int_eq(put(&a, "x", "one", &m, &err), 0);
    cf_marker_release(&m);
    ck_assert_int_eq(put(&a, "y", "two", &m, &err), 0);
    memcpy(first, m.request, sizeof(first));
    cf_marker_release(&m);
    ck_assert_int_eq(put(&b, "y", "two", &m, &err), 0);
    ck_assert_str_ne(m.request, first);
    cf_marker_release(&m);
    ck_assert_int_eq(put(&b, "x", "one", &m, &err), 0);
    ck_assert_str_eq(m.request, first);
    cf_marker_release(&m);
    cf_store_free(a.store);
    cf_store_free(b.store);
}
END_TEST

START_TEST(the_shared_dataset_is_verified_and_collected)
{
    struct world w;
    struct cf_marker m;
    struct cf_error err;
    struct cf_verified v;
    struct cf_collected c;
    setup(&w);
    ck_assert_int_eq(put(&w, "kept", "kept", &m, &err), 0);
    cf_marker_release(&m);
    for (int i = 0; i < 60; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "w%d", i);
        ck_assert_int_eq(put(&w, "changing", text, &m, &err), 0);
        cf_marker_release(&m);
    }
    ck_assert_int_eq(cf_collect(&w.dataset, CF_COLLECT_KEEP, false, &producer, &c, &err), 0);
    ck_assert_uint_eq(c.newest, 62);
    ck_assert_uint_ge(c.blobs, 20);
    ck_assert_int_eq(cf_verify(&w.dataset, NULL, NULL, &v, &err), 0);
    ck_assert(cf_verified_clean(&v));
    ck_assert_uint_ge(v.versions, 32);
    expect(&w, "kept", "kept");
    expect(&w, "changing", "w59");
    cf_store_free(w.store);
}
END_TEST

START_TEST(what_is_not_there_is_named)
{
    struct world w;
    struct cf_marker m;
    struct cf_base_model model;
    struct cf_error err;
    json_t *root;
    setup(&w);
    ck_assert_int_eq(cf_base_models_newest(&w.dataset, &m, &root, &err), CF_ENOTFOUND);
    ck_assert_ptr_null(root);
    ck_assert_ptr_nonnull(strstr(err.message, "cloudfolio model import"));
    ck_assert_int_eq(put(&w, "x", "one", &m, &err), 0);
    cf_marker_release(&m);
    ck_assert_int_eq(cf_base_models_newest(&w.dataset, &m, &root, &err), 0);
    ck_assert_int_eq(cf_base_model_read(root, "y", &model, &err), CF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "\"y\""));
    ck_assert_ptr_null(model.config);
    json_decref(root);
    cf_marker_release(&m);
    cf_store_free(w.store);
}
END_TEST

#define MODEL(config, parameters, files)                                                           \
    "{\"models\":{\"x\":{\"config\":" config ",\"parameters\":" parameters                         \
    ",\"imported_at\":\"t\",\"files\":" files "}},\"blobs\":[]}"
#define HASH "\"0000000000000000000000000000000000000000000000000000000000000000\""

static const struct {
    const char *root, *says;
} malformed[] = {
    {"{}", "models"},
    {"{\"models\":[]}", "models"},
    {"{\"models\":{\"x\":1}}", "base model \"x\""},
    {MODEL("1", "1", "[]"), "config"},
    {MODEL("{}", "-1", "[]"), "parameters"},
    {MODEL("{}", "1", "{}"), "files"},
    {MODEL("{}", "1", "[]"), "files: 0"},
    {MODEL("{}", "1", "[{\"path\":\"a\",\"type\":\"b\",\"sha256\":\"c\"}]"), "files[0]"},
    {MODEL("{}", "1",
           "[{\"path\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
           "\"type\":\"b\",\"sha256\":" HASH "}]"),
     "too long"},
};

START_TEST(malformed_documents_are_refused)
{
    struct cf_base_model model;
    struct cf_error err = {0};
    json_t *root = json_loads(malformed[_i].root, 0, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_int_eq(cf_base_model_read(root, "x", &model, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, malformed[_i].says) != NULL, "%s", err.message);
    cf_base_model_release(&model);
    json_decref(root);
}
END_TEST

/* A file that the root's blobs don't have. */
START_TEST(a_file_without_its_blob)
{
    struct world w;
    struct cf_base_model model;
    struct cf_buf files[CF_BASE_MODEL_FILES_MAX];
    struct cf_error err = {0};
    setup(&w);
    json_t *root = json_loads(
        MODEL("{}", "1", "[{\"path\":\"vocab.txt\",\"type\":\"b\",\"sha256\":" HASH "}]"), 0, NULL);
    ck_assert_int_eq(cf_base_model_read(root, "x", &model, &err), 0);
    ck_assert_int_eq(cf_base_model_fetch(&w.dataset, root, &model, files, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "vocab.txt is not among the blobs"));
    ck_assert_ptr_null(files[0].data);
    cf_base_model_release(&model);
    json_decref(root);
    cf_store_free(w.store);
}
END_TEST

START_TEST(names_of_models)
{
    static const char *const good[] = {"a", "all-MiniLM-L6-v2", "0.x_y", "None"};
    static const char *const bad[] = {"",    "none", ".a",       "-a", "_a",
                                      "a/b", "a b",  "\xc3\xa4", "a\n"};
    char longest[80];
    struct cf_error err;
    for (size_t i = 0; i < COUNT(good); i++) {
        ck_assert_int_eq(cf_base_model_check_name(good[i], &err), 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_msg(cf_base_model_check_name(bad[i], &err) == CF_EUSAGE, "\"%s\"", bad[i]);
    }
    memset(longest, 'a', sizeof(longest));
    longest[CF_BASE_MODEL_NAME_MAX] = '\0';
    ck_assert_int_eq(cf_base_model_check_name(longest, &err), CF_EUSAGE);
    longest[CF_BASE_MODEL_NAME_MAX - 1] = '\0';
    ck_assert_int_eq(cf_base_model_check_name(longest, &err), 0);
}
END_TEST

START_TEST(same_compares_paths_and_contents)
{
    struct cf_base_model a;
    struct cf_base_model b;
    make(&a, "a", "one");
    make(&b, "b", "one");
    ck_assert(cf_base_model_same(&a, &b));
    b.files[1].path[0] = 'x';
    ck_assert(!cf_base_model_same(&a, &b));
    b.files[1].path[0] = '1';
    b.files[1].sha256[5] = 'x';
    ck_assert(!cf_base_model_same(&a, &b));
    b.files[1] = a.files[1];
    b.file_count = 1;
    ck_assert(!cf_base_model_same(&a, &b));
    ck_assert(!cf_base_model_same(&b, &a));
    cf_base_model_release(&a);
    cf_base_model_release(&b);
}
END_TEST

/* base_model is in the document only when one is set, and a name that can't be one is refused. */
START_TEST(a_tenants_choice)
{
    struct world w;
    struct cf_config set = {.login = "Octocat", .enabled = true, .base_model = "x-1"};
    struct cf_config got;
    struct cf_marker m[2];
    struct cf_dataset config;
    struct cf_error err;
    json_t *root;
    setup(&w);
    ck_assert_int_eq(cf_config_commit(w.store, "octocat", &set, NULL, &producer, &m[0], &err), 0);
    ck_assert_int_eq(cf_config_read(w.store, "octocat", &got, NULL, &err), 0);
    ck_assert_str_eq(got.base_model, "x-1");
    set.base_model[0] = '\0';
    ck_assert_int_eq(cf_config_commit(w.store, "octocat", &set, &m[0], &producer, &m[1], &err), 0);
    ck_assert_int_eq(cf_config_read(w.store, "octocat", &got, NULL, &err), 0);
    ck_assert_str_eq(got.base_model, "");
    cf_dataset_init(&config, w.store, "octocat", "config");
    ck_assert_int_eq(cf_dataset_root(&config, &m[1], &root, &err), 0);
    ck_assert_ptr_null(json_object_get(root, "base_model"));
    json_decref(root);
    cf_marker_release(&m[0]);
    (void)snprintf(set.base_model, sizeof(set.base_model), "a/b");
    ck_assert_int_eq(cf_config_commit(w.store, "octocat", &set, &m[1], &producer, &m[0], &err), 0);
    ck_assert_int_eq(cf_config_read(w.store, "octocat", &got, NULL, &err), CF_EDATA);
    cf_marker_release(&m[0]);
    cf_marker_release(&m[1]);
    cf_store_free(w.store);
}
END_TEST

Suite *tool_model_suite(void)
{
    Suite *suite = suite_create("tool_model");
    TCase *tc = tcase_create("base models");
    tcase_add_test(tc, importing_another_keeps_the_others);
    tcase_add_test(tc, the_request_hashes_names_and_contents);
    tcase_add_test(tc, the_shared_dataset_is_verified_and_collected);
    tcase_add_test(tc, what_is_not_there_is_named);
    tcase_add_loop_test(tc, malformed_documents_are_refused, 0, (int)COUNT(malformed));
    tcase_add_test(tc, a_file_without_its_blob);
    tcase_add_test(tc, names_of_models);
    tcase_add_test(tc, same_compares_paths_and_contents);
    tcase_add_test(tc, a_tenants_choice);
    suite_add_tcase(suite, tc);
    return suite;
}
