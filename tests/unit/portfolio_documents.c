/* bundle, request, model, checkpoint and config: what is written is read back, and each field that
 * is missing or of another type is named. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/portfolio/bundle.h"
#include "common/portfolio/checkpoint.h"
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

static const char base_model_text[] =
    "{\"document\":\"request\",\"bundle\":{\"version\":3,\"sha256\":\"" HASH "\"},"
    "\"content_fingerprint\":\"" OTHER "\",\"params\":{\"encoder\":\"lsa-bm25\"},"
    "\"base_model\":{\"name\":\"mini\",\"sha256\":\"" HASH "\",\"parameters\":22713216},"
    "\"finetune\":{\"batch\":16,\"epochs\":3,\"rate\":3e-5,\"warmup\":0.2,\"decay\":0.02,"
    "\"clip\":0.5,\"dropout\":0.3,\"seed\":9,\"hard_negatives\":true,\"pairs\":400},"
    "\"estimate\":{\"repositories\":2,\"words\":30,\"work\":1000.0},\"turn\":2}";

static const char checkpoint_text[] =
    "{\"document\":\"checkpoint\",\"request\":\"" HASH "\",\"stage\":\"model\","
    "\"step\":4,\"steps\":38,\"files\":["
    "{\"path\":\"checkpoint.safetensors\",\"type\":\"application/octet-stream\",\"sha256\":\"" OTHER
    "\"},{\"path\":\"evaluation.json\",\"type\":\"application/json\",\"sha256\":\"" HASH "\"}]}";

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

static int read_checkpoint(const json_t *root, json_t **again, struct cf_error *err)
{
    struct cf_checkpoint_document document;
    int rc = cf_checkpoint_document_read(root, &document, err);
    if (!rc) {
        *again = cf_checkpoint_document_write(&document);
    }
    return rc;
}

static const struct {
    const char *text;
    int (*read)(const json_t *root, json_t **again, struct cf_error *err);
    int fields;
} documents[] = {{bundle_text, read_bundle, 12},
                 {request_text, read_request, 8},
                 {model_text, read_model, 10},
                 {base_model_text, read_request, 13},
                 {checkpoint_text, read_checkpoint, 8}};

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
    static const char *const free_fields[] = {"document", "params",  "scores", "gate",
                                              "rejected", "current", "turn"};
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
        bool has_defaults = strcmp(key, "finetune") == 0; /* of what is missing inside */
        if (json_is_object(inner) && !has_defaults && (!is_free || strcmp(key, "current") == 0)) {
            broken += break_each(root, inner, read);
        }
    }
    json_decref(fields);
    return broken;
}

START_TEST(every_field_is_checked)
{
    json_t *root = parse(documents[_i].text);
    ck_assert_int_ge(break_each(root, root, documents[_i].read), documents[_i].fields);
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

static void hash_text(const char *text, char out[CF_SHA256_HEX])
{
    struct cf_request request;
    struct cf_error err;
    json_t *root = parse(text);
    ck_assert_int_eq(cf_request_read(root, &request, &err), 0);
    cf_request_hash(&request, out);
    cf_request_release(&request);
    json_decref(root);
}

/* Computed by hand from the canonical form: requests from before there were base models keep their
 * hash, so nothing is trained anew because of them. */
START_TEST(request_hashes_are_known)
{
    char hash[CF_SHA256_HEX];
    hash_text(request_text, hash);
    ck_assert_str_eq(hash, "fd779d480141638941792ea661867fbe89b730c26b1bfa99490ed6ac17e1c438");
    struct cf_request request;
    struct cf_error err;
    json_t *root = parse(base_model_text);
    ck_assert_int_eq(cf_request_read(root, &request, &err), 0);
    request.finetune = cf_finetune_defaults;
    cf_request_hash(&request, hash);
    ck_assert_str_eq(hash, "46f7a06a916875e8d830d4f15ee39b7658d38898047265db1649d6c4772230f9");
    cf_request_release(&request);
    json_decref(root);
}
END_TEST

/* Another value in any field of the base model and of the fine-tuning is another training; what
 * says only which request came later is not. */
START_TEST(request_hash_covers_the_fine_tuning)
{
    static const struct {
        const char *object, *field, *value;
    } changes[] = {{"base_model", "name", "\"other\""}, {"base_model", "sha256", "\"" OTHER "\""},
                   {"base_model", "parameters", "7"},   {"finetune", "batch", "17"},
                   {"finetune", "epochs", "4"},         {"finetune", "rate", "3.1e-5"},
                   {"finetune", "warmup", "0.3"},       {"finetune", "decay", "0.03"},
                   {"finetune", "clip", "0.6"},         {"finetune", "dropout", "0.4"},
                   {"finetune", "seed", "10"},          {"finetune", "hard_negatives", "false"},
                   {"finetune", "pairs", "401"}};
    char before[CF_SHA256_HEX];
    char hash[CF_SHA256_HEX];
    json_t *fields = parse(base_model_text);
    size_t count = 1 + json_object_size(json_object_get(fields, "base_model")) +
                   json_object_size(json_object_get(fields, "finetune"));
    ck_assert_uint_eq(count, 1 + sizeof(changes) / sizeof(changes[0]));
    hash_text(base_model_text, before);
    for (size_t i = 0; i < count; i++) {
        json_t *root = json_deep_copy(fields);
        if (i + 1 < count) {
            json_t *value = json_loads(changes[i].value, JSON_DECODE_ANY, NULL);
            json_t *object = json_object_get(root, changes[i].object);
            ck_assert_ptr_nonnull(value);
            (void)json_object_set_new(object, changes[i].field, value);
        } else {
            (void)json_object_del(root, "turn");
        }
        char *text = json_dumps(root, 0);
        hash_text(text, hash);
        ck_assert_msg((strcmp(hash, before) != 0) == (i + 1 < count), "%s", text);
        free(text);
        json_decref(root);
    }
    json_decref(fields);
}
END_TEST

START_TEST(request_refusals)
{
    static const struct {
        const char *object, *field, *value, *text;
    } wrong[] = {{"base_model", "name", "\"none\"", "name"},
                 {"base_model", "name", "\"\"", "name"},
                 {"finetune", "epochs", "0", "epochs"},
                 {"finetune", "speed", "1", "speed"},
                 {NULL, "turn", "-1", "turn"},
                 {NULL, "turn", "1.5", "turn"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        json_t *root = parse(base_model_text);
        json_t *object = wrong[i].object ? json_object_get(root, wrong[i].object) : root;
        (void)json_object_set_new(object, wrong[i].field,
                                  json_loads(wrong[i].value, JSON_DECODE_ANY, NULL));
        expect_refusal(root, wrong[i].text, read_request);
        json_decref(root);
    }
}
END_TEST

START_TEST(later_requests)
{
    static const struct {
        uint64_t bundle_a, turn_a, bundle_b, turn_b;
        bool later;
    } pairs[] = {{5, 0, 4, 0, true}, {4, 0, 5, 0, false}, {5, 0, 5, 0, false},
                 {5, 1, 5, 0, true}, {5, 1, 5, 1, false}, {5, 1, 5, 2, false},
                 {5, 0, 4, 7, true}, {4, 7, 5, 0, false}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct cf_request a = {.bundle_version = pairs[i].bundle_a, .turn = pairs[i].turn_a};
        struct cf_request b = {.bundle_version = pairs[i].bundle_b, .turn = pairs[i].turn_b};
        ck_assert_int_eq(cf_request_is_later(&a, &b), pairs[i].later);
    }
}
END_TEST

/* By path, whatever the order of the files, and whatever the model is called. */
START_TEST(base_model_hash)
{
    struct cf_base_model model = {
        .name = "mini",
        .files = {{"model.safetensors", "a/b", OTHER}, {"config.json", "application/json", HASH}},
        .file_count = 2};
    struct cf_base_model other = {
        .name = "other", .files = {model.files[1], model.files[0]}, .file_count = 2};
    char hash[CF_SHA256_HEX];
    char again[CF_SHA256_HEX];
    cf_base_model_hash(&model, hash);
    ck_assert_str_eq(hash, "f3730a10d3f9797f0aad3427fcb588593a5d7854e3b319cbc511bac74a7b1c0c");
    cf_base_model_hash(&other, again);
    ck_assert_str_eq(hash, again);
    other.files[0].sha256[5] = 'f';
    cf_base_model_hash(&other, again);
    ck_assert_str_ne(hash, again);
    other.files[0].sha256[5] = model.files[1].sha256[5];
    other.files[0].path[0] = 'k';
    cf_base_model_hash(&other, again);
    ck_assert_str_ne(hash, again);
    other.file_count = 1;
    cf_base_model_hash(&other, again);
    ck_assert_str_ne(hash, again);
}
END_TEST

START_TEST(checkpoint_stages)
{
    static const struct {
        const char *field, *value, *text; /* NULL: accepted */
    } changes[] = {{"stage", "\"exam\"", NULL},
                   {"stage", "\"model\"", NULL},
                   {"stage", "\"models\"", "stage"},
                   {"stage", "\"\"", "stage"},
                   {"stage", "\"none\"", "has no files"},
                   {"files", "[]", "needs files"},
                   {"step", "38", NULL},
                   {"step", "39", "step"},
                   {"step", "-1", "step"}};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        json_t *root = parse(checkpoint_text);
        json_t *again = NULL;
        struct cf_error err;
        (void)json_object_set_new(root, changes[i].field,
                                  json_loads(changes[i].value, JSON_DECODE_ANY, NULL));
        if (changes[i].text) {
            expect_refusal(root, changes[i].text, read_checkpoint);
        } else {
            ck_assert_int_eq(read_checkpoint(root, &again, &err), 0);
            ck_assert_int_eq(json_equal(root, again), 1);
        }
        json_decref(again);
        json_decref(root);
    }
}
END_TEST

/* The end: without files, which stage "none" alone has not. More than there is room for is refused.
 */
START_TEST(checkpoint_files)
{
    json_t *root = parse(checkpoint_text);
    json_t *again = NULL;
    struct cf_error err;
    json_t *files = json_object_get(root, "files");
    json_t *file = json_array_get(files, 0);
    while (json_array_size(files) < CF_CHECKPOINT_FILES_MAX) {
        (void)json_array_append(files, file);
    }
    ck_assert_int_eq(read_checkpoint(root, &again, &err), 0);
    json_decref(again);
    (void)json_array_append(files, file);
    expect_refusal(root, "files: more than 8", read_checkpoint);
    (void)json_array_clear(files);
    (void)json_object_set_new(root, "stage", json_string("none"));
    ck_assert_int_eq(read_checkpoint(root, &again, &err), 0);
    ck_assert_int_eq(json_equal(root, again), 1);
    json_decref(again);
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
    tcase_add_loop_test(tc, round_trip, 0, 5);
    tcase_add_loop_test(tc, every_field_is_checked, 0, 5);
    tcase_add_test(tc, kinds_of_documents_are_known);
    tcase_add_test(tc, request_hash);
    tcase_add_test(tc, request_hashes_are_known);
    tcase_add_test(tc, request_hash_covers_the_fine_tuning);
    tcase_add_test(tc, request_refusals);
    tcase_add_test(tc, later_requests);
    tcase_add_test(tc, base_model_hash);
    tcase_add_test(tc, checkpoint_stages);
    tcase_add_test(tc, checkpoint_files);
    tcase_add_test(tc, config);
    suite_add_tcase(suite, tc);
    return suite;
}
