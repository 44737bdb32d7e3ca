/* bundle, request, model and config: what is written is read back, and each field that is missing
 * or of another type is named. */
#include <check.h>
#include <string.h>

#include "common/portfolio/bundle.h"
#include "common/portfolio/config.h"
#include "common/portfolio/model.h"
#include "common/portfolio/request.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);
    ck_assert_msg(value != NULL, "%s", error.text);
    return value;
}

static const char bundle_text[] =
    "{\"document\":\"bundle\",\"login\":\"Octocat\",\"content_fingerprint\":\"" HASH "\","
    "\"entries\":[{\"name\":\"a\",\"source\":\"" HASH "\",\"entry\":\"" OTHER "\","
    "\"content_fingerprint\":\"" HASH "\",\"has_documentation\":true,\"words\":12,"
    "\"documents\":[{\"kind\":\"readme\",\"path\":\"README.md\",\"bytes\":5}]}]}";

static const char request_text[] =
    "{\"document\":\"request\",\"bundle\":{\"version\":3,\"sha256\":\"" HASH "\"},"
    "\"content_fingerprint\":\"" OTHER "\",\"params\":{\"encoder\":\"lsa-bm25\"},"
    "\"estimate\":{\"repositories\":2,\"words\":30,\"work\":1000.0}}";

#define TRAINING                                                                                   \
    "{\"request\":\"" HASH "\",\"bundle\":{\"version\":3,\"sha256\":\"" OTHER "\"},"               \
    "\"repositories\":2,\"chunks\":9,\"scores\":{\"model\":{\"mrr10\":0.5}},"                      \
    "\"files\":[{\"path\":\"README.md\",\"type\":\"text/markdown\",\"sha256\":\"" HASH "\"}]}"

static const char model_text[] = "{\"document\":\"model\",\"current\":" TRAINING
                                 ",\"rejected\":null,\"gate\":{\"promoted\":true}}";

static int read_bundle(const json_t *root, json_t **again, struct cf_error *err)
{
    struct cf_bundle bundle;
    int rc = cf_bundle_read(root, &bundle, err);
    if (!rc) {
        *again = cf_bundle_write(&bundle);
        cf_bundle_release(&bundle);
    }
    return rc;
}

static int read_request(const json_t *root, json_t **again, struct cf_error *err)
{
    struct cf_request request;
    int rc = cf_request_read(root, &request, err);
    if (!rc) {
        *again = cf_request_write(&request);
        cf_request_release(&request);
    }
    return rc;
}

static int read_model(const json_t *root, json_t **again, struct cf_error *err)
{
    struct cf_model_document document;
    int rc = cf_model_document_read(root, &document, err);
    if (!rc) {
        *again = cf_model_document_write(&document);
        cf_model_document_release(&document);
    }
    return rc;
}

static const struct {
    const char *text;
    int (*read)(const json_t *root, json_t **again, struct cf_error *err);
} documents[] = {
    {bundle_text, read_bundle}, {request_text, read_request}, {model_text, read_model}};

START_TEST(round_trip)
{
    struct cf_error err;
    json_t *root = parse(documents[_i].text);
    json_t *again = NULL;
    ck_assert_int_eq(documents[_i].read(root, &again, &err), 0);
    ck_assert_int_eq(json_equal(root, again), 1);
    json_decref(again);
    json_decref(root);
}
END_TEST

typedef int reader(const json_t *root, json_t **again, struct cf_error *err);

static void expect_refusal(const json_t *root, const char *field, reader *read)
{
    struct cf_error err = {0};
    json_t *again = NULL;
    ck_assert_msg(read(root, &again, &err) == CF_EDATA, "%s was not refused", field);
    ck_assert_msg(strstr(err.message, field) != NULL, "%s not named: %s", field, err.message);
}

/* Breaks every value inside, one at a time: each must be refused with the field's name in the
 * message. */
static int break_each(json_t *root, json_t *value, reader *read)
{
    /* What is free in these documents: the type's name, optional parts, and objects kept as they
     * are. */
    static const char *const free_fields[] = {"document", "params",   "scores",
                                              "gate",     "rejected", "current"};
    json_t *fields = json_copy(value);
    const char *key;
    json_t *child;
    int broken = 0;
    json_object_foreach(fields, key, child)
    {
        bool is_free = false;
        for (size_t i = 0; i < sizeof(free_fields) / sizeof(free_fields[0]); i++) {
            is_free = is_free || strcmp(key, free_fields[i]) == 0;
        }
        if (!is_free) {
            (void)json_object_set_new(value, key,
                                      json_is_boolean(child) ? json_integer(3) : json_true());
            expect_refusal(root, key, read);
            (void)json_object_del(value, key);
            expect_refusal(root, key, read);
            (void)json_object_set(value, key, child);
            broken++;
        }
        json_t *inner = json_is_array(child) ? json_array_get(child, 0) : child;
        if (json_is_object(inner) && (!is_free || strcmp(key, "current") == 0)) {
            broken += break_each(root, inner, read);
        }
    }
    json_decref(fields);
    return broken;
}

START_TEST(every_field_is_checked)
{
    static const int fields[] = {12, 8, 10};
    json_t *root = parse(documents[_i].text);
    ck_assert_int_ge(break_each(root, root, documents[_i].read), fields[_i]);
    json_decref(root);
}
END_TEST

/* Kinds are the four that there are: another, or a longer one that begins like one, is refused and
 * not cut. */
START_TEST(kinds_of_documents_are_known)
{
    static const char *const kinds[] = {"", "README", "readme2",
                                        "skills_index-and-much-more-behind-it"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        json_t *root = parse(bundle_text);
        json_t *entry = json_array_get(json_object_get(root, "entries"), 0);
        json_t *document = json_array_get(json_object_get(entry, "documents"), 0);
        (void)json_object_set_new(document, "kind", json_string(kinds[i]));
        expect_refusal(root, "kind", read_bundle);
        json_decref(root);
    }
}
END_TEST

START_TEST(request_hash)
{
    struct cf_request request;
    struct cf_error err;
    char hash[CF_SHA256_HEX];
    char other[CF_SHA256_HEX];
    json_t *root = parse(request_text);
    ck_assert_int_eq(cf_request_read(root, &request, &err), 0);
    cf_request_hash(&request, hash);
    request.bundle_version = 4;
    cf_request_hash(&request, other);
    ck_assert_str_eq(hash, other); /* the same content in another version is the same training */
    request.content_fingerprint[0] = 'a';
    cf_request_hash(&request, other);
    ck_assert_str_ne(hash, other);
    cf_request_release(&request);
    json_decref(root);
}
END_TEST

START_TEST(config)
{
    struct cf_store *store;
    struct cf_error err;
    struct cf_config set = {.login = "Octocat", .enabled = true};
    struct cf_config got = {0};
    struct cf_marker first;
    struct cf_marker second;
    const struct cf_producer producer = {"test", "build", "run"};
    ck_assert_int_eq(cf_store_open("memory:", &store, &err), 0);
    ck_assert_int_eq(cf_config_read(store, "octocat", &got, NULL, &err), CF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "cloudfolio tenant add octocat"));
    ck_assert_int_eq(cf_config_commit(store, "octocat", &set, NULL, &producer, &first, &err), 0);
    ck_assert_int_eq(cf_config_read(store, "octocat", &got, NULL, &err), 0);
    ck_assert_str_eq(got.login, "Octocat");
    ck_assert(got.enabled);
    set.enabled = false;
    ck_assert_int_eq(cf_config_commit(store, "octocat", &set, &first, &producer, &second, &err), 0);
    ck_assert_int_eq(cf_config_read(store, "octocat", &got, NULL, &err), 0);
    ck_assert(!got.enabled);
    ck_assert_uint_eq(second.version, 2);
    cf_marker_release(&first);
    cf_marker_release(&second);
    cf_store_free(store);
}
END_TEST

Suite *portfolio_documents_suite(void)
{
    Suite *suite = suite_create("portfolio: documents");
    TCase *tc = tcase_create("documents");
    tcase_add_loop_test(tc, round_trip, 0, 3);
    tcase_add_loop_test(tc, every_field_is_checked, 0, 3);
    tcase_add_test(tc, kinds_of_documents_are_known);
    tcase_add_test(tc, request_hash);
    tcase_add_test(tc, config);
    suite_add_tcase(suite, tc);
    return suite;
}
