/* An entry of the bundle: its fields, its source, and the fingerprint that decides about training.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/orchestrate/entry.h"

static char *topics[] = {"http", "client"};
static struct cf_language languages[] = {{"C", 1200}, {"Shell", 10}};

static struct cf_repository sample(void)
{
    return (struct cf_repository){
        .id = 7,
        .node_id = "R_7",
        .name = "ky",
        .default_branch = "main",
        .content = "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0",
        .metadata = {.url = "https://api.github.com/repos/o/ky",
                     .html_url = "https://github.com/o/ky",
                     .description = "A tiny client",
                     .language = "C",
                     .visibility = "public",
                     .created_at = "2020-01-01T00:00:00Z",
                     .updated_at = "2020-01-02T00:00:00Z",
                     .size = 12,
                     .stars = 5,
                     .topics = topics,
                     .topic_count = 2,
                     .owner_login = "o",
                     .owner_url = "https://api.github.com/users/o"},
        .languages = languages,
        .language_count = 2};
}

static struct cf_file_type types[] = {{".c", 3}, {".rst", 1}};

static struct cf_content sample_content(void)
{
    struct cf_content content = {.files = 5, .file_types = types, .file_type_count = 2};
    content.documents[CF_DOCUMENT_README] =
        (struct cf_document){.path = "readme.md", .text = "# ky\nHello there", .bytes = 16};
    content.documents[CF_DOCUMENT_REPO_CONTEXT] =
        (struct cf_document){.path = ".repo-context.json", .text = "{\"a\":\"b c\"}", .bytes = 11};
    return content;
}

static void content_fingerprint(const struct cf_repository *r, const struct cf_content *content,
                                char out[CF_SHA256_HEX])
{
    struct cf_bundle bundle = {.count = 1, .entries = calloc(1, sizeof(struct cf_bundle_entry))};
    bool bad;
    json_decref(orchestrate_entry(r, content, &bundle.entries[0], &bad));
    memcpy(out, bundle.entries[0].content_fingerprint, CF_SHA256_HEX);
    cf_bundle_release(&bundle);
}

START_TEST(fields)
{
    struct cf_repository r = sample();
    struct cf_content content = sample_content();
    struct cf_bundle bundle = {.count = 1, .entries = calloc(1, sizeof(struct cf_bundle_entry))};
    struct cf_bundle_entry *listed = &bundle.entries[0];
    bool bad = true;
    json_t *entry = orchestrate_entry(&r, &content, listed, &bad);
    static const char *const names[] = {
        "name",         "metadata",          "repoContext",      "readme",
        "skills_index", "architecture",      "file_types",       "languages",
        "fingerprint",  "categorized_types", "has_documentation"};
    ck_assert_uint_eq(json_object_size(entry), sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_msg(json_object_get(entry, names[i]) != NULL, "%s is missing", names[i]);
    }
    ck_assert(!bad);
    ck_assert(json_is_true(json_object_get(entry, "has_documentation")));
    ck_assert_str_eq(json_string_value(json_object_get(entry, "skills_index")), "");
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(entry, "file_types"), ".c")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(entry, "categorized_types"),
                                                        "programming")),
                     3);
    /* name 1, description 3, topics 2, README 3, context "a", "b", "c" 3 */
    ck_assert_uint_eq(listed->words, 12);
    ck_assert_uint_eq(listed->document_count, 2);
    ck_assert_str_eq(listed->documents[0].path, "readme.md");
    ck_assert_str_eq(listed->documents[1].kind, "repo_context");
    json_decref(entry);
    cf_bundle_release(&bundle);
}
END_TEST

START_TEST(bad_context_counts_as_none)
{
    static const char *const bad_texts[] = {"{not json", "[1]", "\"text\"", "{\"a\":1}{"};
    for (size_t i = 0; i < 4; i++) {
        struct cf_repository r = sample();
        struct cf_content content = sample_content();
        struct cf_bundle bundle = {.count = 1,
                                   .entries = calloc(1, sizeof(struct cf_bundle_entry))};
        bool bad = false;
        content.documents[CF_DOCUMENT_REPO_CONTEXT].text = (char *)bad_texts[i];
        json_t *entry = orchestrate_entry(&r, &content, &bundle.entries[0], &bad);
        ck_assert(bad);
        ck_assert_uint_eq(json_object_size(json_object_get(entry, "repoContext")), 0);
        ck_assert(json_is_false(json_object_get(entry, "has_documentation")));
        json_decref(entry);
        cf_bundle_release(&bundle);
    }
}
END_TEST

START_TEST(without_content)
{
    struct cf_repository r = sample();
    struct cf_bundle bundle = {.count = 1, .entries = calloc(1, sizeof(struct cf_bundle_entry))};
    bool bad = true;
    json_t *entry = orchestrate_entry(&r, NULL, &bundle.entries[0], &bad);
    ck_assert(!bad);
    ck_assert_str_eq(json_string_value(json_object_get(entry, "readme")), "");
    ck_assert_uint_eq(bundle.entries[0].document_count, 0);
    json_decref(entry);
    cf_bundle_release(&bundle);
}
END_TEST

/* Stars, dates and code don't retrain a model; descriptions, topics and documents do. */
START_TEST(fingerprint_covers_what_training_reads)
{
    struct cf_repository r = sample();
    struct cf_content content = sample_content();
    char base[CF_SHA256_HEX];
    char other[CF_SHA256_HEX];
    content_fingerprint(&r, &content, base);

    r.metadata.stars = 999;
    r.metadata.updated_at = "2026-01-01T00:00:00Z";
    r.metadata.size = 4000;
    content.files = 77;
    languages[0].bytes = 5;
    content_fingerprint(&r, &content, other);
    languages[0].bytes = 1200;
    ck_assert_str_eq(base, other);

    r.metadata.description = "Another description";
    content_fingerprint(&r, &content, other);
    ck_assert_str_ne(base, other);
    r = sample();
    r.metadata.topic_count = 1;
    content_fingerprint(&r, &content, other);
    ck_assert_str_ne(base, other);
    r = sample();
    content.documents[CF_DOCUMENT_README].text = "# ky\nHello there!";
    content_fingerprint(&r, &content, other);
    ck_assert_str_ne(base, other);
}
END_TEST

START_TEST(source_covers_everything_shown)
{
    struct cf_repository r = sample();
    char base[CF_SHA256_HEX];
    char other[CF_SHA256_HEX];
    orchestrate_entry_source(&r, base);
    r.metadata.size = 13;
    orchestrate_entry_source(&r, other);
    ck_assert_str_ne(base, other);
    r = sample();
    r.content[0] = 'd';
    orchestrate_entry_source(&r, other);
    ck_assert_str_ne(base, other);
    r = sample();
    orchestrate_entry_source(&r, other);
    ck_assert_str_eq(base, other);
}
END_TEST

Suite *orchestrate_entry_suite(void)
{
    Suite *suite = suite_create("orchestrate: entries");
    TCase *tc = tcase_create("entry");
    tcase_add_test(tc, fields);
    tcase_add_test(tc, bad_context_counts_as_none);
    tcase_add_test(tc, without_content);
    tcase_add_test(tc, fingerprint_covers_what_training_reads);
    tcase_add_test(tc, source_covers_everything_shown);
    suite_add_tcase(suite, tc);
    return suite;
}
