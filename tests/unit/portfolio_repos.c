/* The documents that sync writes: read back as written, and refused when they are wrong. */
#include "common/portfolio/repos.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/portfolio/content.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define OID_1 "1111111111111111111111111111111111111111"
#define OID_2 "2222222222222222222222222222222222222222"
#define HASH_A OID_1 "aaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B OID_1 "bbbbbbbbbbbbbbbbbbbbbbbb"

static const char repository_text[] =
    "{\"id\":5,\"node_id\":\"R_5\",\"name\":\"Hello-World\",\"state\":\"current\",\"reason\":null,"
    "\"fingerprint\":\"" HASH_A "\",\"default_branch\":\"main\",\"commit\":\"" OID_1
    "\",\"tree\":\"" OID_2 "\",\"content\":\"" HASH_B "\",\"languages\":{\"C\":10,\"Go\":7},"
    "\"metadata\":{\"url\":\"https://api/x\",\"html_url\":\"https://x\",\"description\":null,"
    "\"homepage\":\"\",\"language\":\"C\",\"visibility\":\"public\",\"created_at\":\"a\","
    "\"updated_at\":\"b\",\"pushed_at\":null,\"fork\":false,\"archived\":true,\"disabled\":false,"
    "\"is_template\":false,\"allow_forking\":true,\"size\":108,\"stars\":80,\"forks\":9,"
    "\"license\":{\"key\":\"mit\",\"name\":\"MIT License\",\"spdx_id\":\"MIT\",\"url\":null,"
    "\"node_id\":null},\"topics\":[\"a\",\"b\"],\"owner\":{\"login\":\"Octocat\",\"url\":\"u\"}}}";

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct cf_error err;
    ck_assert_msg(cf_json_parse(text, strlen(text), "test", &value, &err) == 0, "%s", err.message);
    return value;
}

static json_t *document_of(json_t *repository)
{
    return json_pack("{s:s,s:s,s:s,s:[o],s:[]}", "document", "repos", "login", "Octocat", "kind",
                     "User", "repositories", repository, "blobs");
}

static void read_one(struct cf_repos *out)
{
    struct cf_error err = {0};
    json_t *root = document_of(parse(repository_text));
    ck_assert_msg(cf_repos_read(root, out, &err) == 0, "%s", err.message);
    json_decref(root);
}

START_TEST(is_read_as_written)
{
    struct cf_repos repos;
    read_one(&repos);
    const struct cf_repository *r = cf_repos_find(&repos, 5);
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_null(cf_repos_find(&repos, 6));
    ck_assert_str_eq(r->metadata.topics[1], "b");
    ck_assert_str_eq(r->languages[1].name, "Go");
    ck_assert_ptr_null(r->metadata.description);
    ck_assert_str_eq(r->metadata.homepage, "");
    json_t *written = cf_repos_write(&repos);
    json_t *expected = document_of(parse(repository_text));
    (void)json_object_del(expected, "blobs");
    ck_assert(json_equal(written, expected));
    json_decref(written);
    json_decref(expected);
    cf_repos_release(&repos);
}
END_TEST

START_TEST(a_copy_shares_nothing)
{
    struct cf_repos repos;
    struct cf_repos copy = {0};
    read_one(&repos);
    copy.login = strdup("Octocat");
    copy.kind = strdup("User");
    copy.items = calloc(1, sizeof(*copy.items));
    copy.count = 1;
    cf_repository_copy(&repos.items[0], &copy.items[0]);
    json_t *a = cf_repos_write(&repos);
    cf_repos_release(&repos);
    json_t *b = cf_repos_write(&copy);
    ck_assert(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    cf_repos_release(&copy);
}
END_TEST

static const struct {
    const char *field, *value; /* value NULL: the field is taken out */
} wrong[] = {
    {"id", "\"5\""},
    {"id", "-5"},
    {"id", NULL},
    {"node_id", "null"},
    {"name", "\"../x\""},
    {"name", "null"},
    {"state", "\"new\""},
    {"state", "null"},
    {"reason", "7"},
    {"reason", NULL},
    {"reason", "\"why\""}, /* a current one has none */
    {"fingerprint", "\"xyz\""},
    {"fingerprint", "null"},
    {"commit", "\"../../etc\""},
    {"commit", "null"},
    {"tree", "7"},
    {"content", "null"},
    {"content", "\"" OID_1 "\""},
    {"default_branch", "[]"},
    {"languages", "[]"},
    {"languages", "{\"C\":-1}"},
    {"languages", "{\"C\":\"1\"}"},
    {"metadata", "null"},
    {"metadata", "{}"},
    {"state", "\"failed\""},
    {"state", "\"empty\""},
    {"state", "\"kept\""}, /* without a reason */
};

START_TEST(wrong_fields_are_named)
{
    struct cf_repos repos;
    struct cf_error err = {0};
    json_t *repository = parse(repository_text);
    if (wrong[_i].value) {
        json_t *value = json_loads(wrong[_i].value, JSON_DECODE_ANY, NULL);
        (void)json_object_set_new(repository, wrong[_i].field, value);
    } else {
        (void)json_object_del(repository, wrong[_i].field);
    }
    json_t *root = document_of(repository);
    ck_assert_int_eq(cf_repos_read(root, &repos, &err), CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "repository 0"));
    ck_assert_uint_eq(repos.count, 0);
    json_decref(root);
}
END_TEST

START_TEST(every_metadata_field_is_needed)
{
    const char *field;
    json_t *value;
    json_t *whole = parse(repository_text);
    json_object_foreach(json_object_get(whole, "metadata"), field, value)
    {
        struct cf_repos repos;
        struct cf_error err;
        json_t *missing = parse(repository_text);
        json_t *nested = parse(repository_text);
        (void)json_object_del(json_object_get(missing, "metadata"), field);
        (void)json_object_set_new(json_object_get(nested, "metadata"), field,
                                  json_pack("[[i]]", 1));
        json_t *root = document_of(missing);
        ck_assert_msg(cf_repos_read(root, &repos, &err) == CF_EDATA, "%s", field);
        json_decref(root);
        root = document_of(nested);
        ck_assert_msg(cf_repos_read(root, &repos, &err) == CF_EDATA, "%s", field);
        json_decref(root);
    }
    json_decref(whole);
}
END_TEST

static const char *const not_documents[] = {
    "{}", "[]", "{\"document\":\"bundle\"}", "{\"document\":\"repos\",\"login\":7}",
    "{\"document\":\"repos\",\"login\":\"x\",\"kind\":\"User\",\"repositories\":{}}"};

START_TEST(other_documents_are_refused)
{
    struct cf_repos repos;
    struct cf_content content;
    struct cf_error err;
    json_t *root = parse(not_documents[_i]);
    ck_assert_int_eq(cf_repos_read(root, &repos, &err), CF_EDATA);
    ck_assert_int_eq(cf_content_read(root, &content, &err), CF_EDATA);
    json_decref(root);
}
END_TEST

/* --- the fingerprint changes exactly when it should ---------------------------------------------
 */

static void set(char **field, const char *text)
{
    free(*field);
    *field = text ? strdup(text) : NULL;
}

static bool changes_fingerprint(void (*change)(struct cf_repository *r))
{
    struct cf_repos repos;
    char before[CF_SHA256_HEX];
    char after[CF_SHA256_HEX];
    read_one(&repos);
    cf_repository_fingerprint(&repos.items[0], before);
    change(&repos.items[0]);
    cf_repository_fingerprint(&repos.items[0], after);
    cf_repos_release(&repos);
    return strcmp(before, after) != 0;
}

#define CHANGE(name, ...)                                                                          \
    static void name(struct cf_repository *r)                                                      \
    {                                                                                              \
        struct cf_metadata *m = &r->metadata;                                                      \
        (void)m;                                                                                   \
        __VA_ARGS__;                                                                               \
    }

CHANGE(change_commit, r->commit[0] = '2')
CHANGE(change_tree, r->tree[0] = '1')
CHANGE(change_name, set(&r->name, "hello-world"))
CHANGE(change_branch, set(&r->default_branch, "master"))
CHANGE(change_description, set(&m->description, ""))
CHANGE(change_homepage, set(&m->homepage, NULL))
CHANGE(change_topic, set(&m->topics[0], "c"))
CHANGE(change_language, set(&m->language, "Go"))
CHANGE(change_languages, r->languages[0].bytes++)
CHANGE(change_fork, m->fork = true)
CHANGE(change_archived, m->archived = false)
CHANGE(change_visibility, set(&m->visibility, "internal"))
CHANGE(change_license, set(&m->license.key, "apache-2.0"))
CHANGE(keep_stars, m->stars++)
CHANGE(keep_forks, m->forks++)
CHANGE(keep_size, m->size++)
CHANGE(keep_updated, set(&m->updated_at, "later"))
CHANGE(keep_pushed, set(&m->pushed_at, "later"))
CHANGE(keep_created, set(&m->created_at, "later"))
CHANGE(keep_url, set(&m->url, "https://elsewhere"))
CHANGE(keep_owner, set(&m->owner_url, "https://elsewhere"))
CHANGE(keep_id, r->id++)
CHANGE(keep_node_id, set(&r->node_id, "R_new"))
CHANGE(keep_state, r->state = CF_REPOSITORY_KEPT)
CHANGE(keep_content, r->content[0] = '9')
CHANGE(keep_license_name, set(&m->license.name, "MIT"))

START_TEST(fingerprints)
{
    static void (*const changing[])(struct cf_repository *) = {
        change_commit,   change_tree,       change_name,     change_branch,    change_description,
        change_homepage, change_topic,      change_language, change_languages, change_fork,
        change_archived, change_visibility, change_license};
    static void (*const keeping[])(struct cf_repository *) = {
        keep_stars,   keep_forks,   keep_size,        keep_updated, keep_pushed,
        keep_created, keep_url,     keep_owner,       keep_id,      keep_node_id,
        keep_state,   keep_content, keep_license_name};
    for (size_t i = 0; i < COUNT(changing); i++) {
        ck_assert_msg(changes_fingerprint(changing[i]), "change %zu", i);
    }
    for (size_t i = 0; i < COUNT(keeping); i++) {
        ck_assert_msg(!changes_fingerprint(keeping[i]), "keep %zu", i);
    }
}
END_TEST

START_TEST(the_request_is_of_ids_fingerprints_and_states)
{
    struct cf_repos repos;
    char first[CF_SHA256_HEX];
    char second[CF_SHA256_HEX];
    read_one(&repos);
    cf_repos_request(&repos, first);
    repos.items[0].metadata.stars++;
    set(&repos.items[0].reason, "x");
    cf_repos_request(&repos, second);
    ck_assert_str_eq(first, second);
    repos.items[0].state = CF_REPOSITORY_KEPT;
    cf_repos_request(&repos, second);
    ck_assert_str_ne(first, second);
    repos.items[0].state = CF_REPOSITORY_CURRENT;
    repos.items[0].id++;
    cf_repos_request(&repos, second);
    ck_assert_str_ne(first, second);
    cf_repos_release(&repos);
}
END_TEST

START_TEST(the_order_is_by_name)
{
    static const char *const names[] = {"beta", "Alpha", "alpha", "Beta", "_x", "zeta", "a-b"};
    static const char *const sorted[] = {"_x", "a-b", "Alpha", "alpha", "Beta", "beta", "zeta"};
    struct cf_repos repos = {.login = strdup("o"), .kind = strdup("User")};
    repos.items = calloc(COUNT(names), sizeof(*repos.items));
    for (size_t i = 0; i < COUNT(names); i++) {
        repos.items[i].name = strdup(names[i]);
        repos.items[i].id = i + 1;
    }
    repos.count = COUNT(names);
    json_t *root = cf_repos_write(&repos);
    for (size_t i = 0; i < COUNT(names); i++) {
        ck_assert_str_eq(repos.items[i].name, sorted[i]);
    }
    json_decref(root);
    cf_repos_release(&repos);
}
END_TEST

START_TEST(names_of_repositories)
{
    ck_assert(cf_repository_name_is_valid("a"));
    ck_assert(cf_repository_name_is_valid(".github"));
    ck_assert(cf_repository_name_is_valid("..."));
    ck_assert(cf_repository_name_is_valid("A_b-c.d9"));
    ck_assert(!cf_repository_name_is_valid(""));
    ck_assert(!cf_repository_name_is_valid("."));
    ck_assert(!cf_repository_name_is_valid(".."));
    ck_assert(!cf_repository_name_is_valid("a/b"));
    ck_assert(!cf_repository_name_is_valid("a b"));
    ck_assert(!cf_repository_name_is_valid("a\nb"));
    ck_assert(!cf_repository_name_is_valid("caf\xc3\xa9"));
}
END_TEST

/* --- content ------------------------------------------------------------------------------------
 */

static const char content_text[] =
    "{\"document\":\"content\",\"tree\":\"" OID_1 "\",\"files\":3,\"truncated\":false,"
    "\"file_types\":{\".c\":2,\".md\":1},\"documents\":["
    "{\"kind\":\"readme\",\"path\":\"README.md\",\"oid\":\"" OID_2
    "\",\"bytes\":5,\"text\":\"hello\",\"skipped\":null},"
    "{\"kind\":\"repo_context\",\"path\":\".repo-context.json\",\"oid\":\"" OID_2
    "\",\"bytes\":9,\"text\":null,\"skipped\":\"binary\"}]}";

START_TEST(content_is_read_as_written)
{
    struct cf_content content;
    struct cf_error err = {0};
    json_t *document = parse(content_text);
    ck_assert_msg(cf_content_read(document, &content, &err) == 0, "%s", err.message);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].text, "hello");
    ck_assert_uint_eq(content.documents[CF_DOCUMENT_README].text_length, 5);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_REPO_CONTEXT].skipped, "binary");
    ck_assert_ptr_null(content.documents[CF_DOCUMENT_ARCHITECTURE].path);
    ck_assert_str_eq(cf_document_kind_name(CF_DOCUMENT_SKILLS_INDEX), "skills_index");
    json_t *written = cf_content_write(&content);
    ck_assert(json_equal(written, document));
    json_decref(written);
    json_decref(document);
    cf_content_release(&content);
}
END_TEST

static const struct {
    const char *field, *value;
} wrong_content[] = {
    {"tree", "null"},
    {"files", "-3"},
    {"truncated", "null"},
    {"file_types", "[]"},
    {"file_types", "{\".c\":\"2\"}"},
    {"documents", "{}"},
    {"documents", "[null]"},
    {"documents", "[{\"kind\":\"novel\"}]"},
    {"documents", "[{\"kind\":\"readme\",\"path\":\"R\",\"oid\":\"" OID_1
                  "\",\"bytes\":1,\"text\":null,\"skipped\":null}]"},
    {"documents", "[{\"kind\":\"readme\",\"path\":\"R\",\"oid\":\"" OID_1
                  "\",\"bytes\":1,\"text\":\"x\",\"skipped\":\"link\"}]"},
    {"documents", "[{\"kind\":\"readme\",\"path\":\"R\",\"oid\":\"x\",\"bytes\":1,"
                  "\"text\":\"x\",\"skipped\":null}]"},
    {"documents", "[{\"kind\":\"readme\",\"path\":\"R\",\"oid\":\"" OID_1
                  "\",\"bytes\":1,\"text\":\"x\",\"skipped\":null},{\"kind\":\"readme\","
                  "\"path\":\"S\",\"oid\":\"" OID_1 "\",\"bytes\":1,\"text\":\"x\","
                  "\"skipped\":null}]"},
};

START_TEST(wrong_content_is_refused)
{
    struct cf_content content;
    struct cf_error err;
    json_t *document = parse(content_text);
    (void)json_object_set_new(document, wrong_content[_i].field,
                              json_loads(wrong_content[_i].value, JSON_DECODE_ANY, NULL));
    ck_assert_int_eq(cf_content_read(document, &content, &err), CF_EDATA);
    ck_assert_ptr_null(content.documents[0].path);
    json_decref(document);
}
END_TEST

Suite *portfolio_repos_suite(void);

Suite *portfolio_repos_suite(void)
{
    Suite *suite = suite_create("portfolio_repos");
    TCase *repos = tcase_create("repos");
    TCase *content = tcase_create("content");
    tcase_add_test(repos, is_read_as_written);
    tcase_add_test(repos, a_copy_shares_nothing);
    tcase_add_loop_test(repos, wrong_fields_are_named, 0, COUNT(wrong));
    tcase_add_test(repos, every_metadata_field_is_needed);
    tcase_add_loop_test(repos, other_documents_are_refused, 0, COUNT(not_documents));
    tcase_add_test(repos, fingerprints);
    tcase_add_test(repos, the_request_is_of_ids_fingerprints_and_states);
    tcase_add_test(repos, the_order_is_by_name);
    tcase_add_test(repos, names_of_repositories);
    tcase_add_test(content, content_is_read_as_written);
    tcase_add_loop_test(content, wrong_content_is_refused, 0, COUNT(wrong_content));
    suite_add_tcase(suite, repos);
    suite_add_tcase(suite, content);
    return suite;
}
