/* Trees and files: what their answers give, and what hostile ones don't. */
#include "jobs/sync/trees.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "jobs/sync/files.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T "7777777777777777777777777777777777777777"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const char good_tree[] =
    "{'sha': '" T "', 'url': 'https://x', 'truncated': false, 'tree': ["
    "{'path': '.gitignore', 'mode': '100644', 'type': 'blob', 'sha': '" A "', 'size': 9},"
    "{'path': 'README.md', 'mode': '100644', 'type': 'blob', 'sha': '" A "', 'size': 6},"
    "{'path': 'SKILLS-INDEX.md', 'mode': '120000', 'type': 'blob', 'sha': '" B "', 'size': 7},"
    "{'path': 'docs', 'mode': '040000', 'type': 'tree', 'sha': '" B "'},"
    "{'path': 'docs/ARCHITECTURE.md', 'mode': '100644', 'type': 'blob', 'sha': '" B "', 'size': 1},"
    "{'path': 'docs/x.MD', 'mode': '100755', 'type': 'blob', 'sha': '" B "', 'size': 0},"
    "{'path': 'lib', 'mode': '160000', 'type': 'commit', 'sha': '" B "'},"
    "{'path': 'src/main.c', 'mode': '100644', 'type': 'blob', 'sha': '" B "', 'size': 1}]}";

static uint64_t count_of(const struct cf_content *content, const char *extension)
{
    for (size_t i = 0; i < content->file_type_count; i++) {
        if (strcmp(content->file_types[i].extension, extension) == 0) {
            return content->file_types[i].count;
        }
    }
    return 0;
}

START_TEST(counts_the_whole_tree_and_looks_at_its_root)
{
    struct cf_content content = {0};
    struct cf_error err = {0};
    json_t *answer = fixture(good_tree);
    ck_assert_msg(sync_tree_read(answer, T, false, &content, &err) == 0, "%s", err.message);
    ck_assert_str_eq(content.tree, T);
    ck_assert_uint_eq(content.files, 6);
    ck_assert(!content.truncated);
    ck_assert_uint_eq(content.file_type_count, 2);
    ck_assert_uint_eq(count_of(&content, ".md"), 4);
    ck_assert_uint_eq(count_of(&content, ".c"), 1);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].oid, A);
    ck_assert_uint_eq(content.documents[CF_DOCUMENT_README].bytes, 6);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_SKILLS_INDEX].skipped, "link");
    ck_assert_ptr_null(content.documents[CF_DOCUMENT_ARCHITECTURE].path);
    json_decref(answer);
    cf_content_release(&content);
}
END_TEST

START_TEST(a_cut_tree_is_completed_by_its_root)
{
    struct cf_content content = {0};
    struct cf_error err;
    json_t *cut = fixture("{'sha': '" T "', 'truncated': true, 'tree': [{'path': 'a/b.c',"
                          " 'mode': '100644', 'type': 'blob', 'sha': '" A "', 'size': 1}]}");
    json_t *root = fixture(good_tree);
    ck_assert_int_eq(sync_tree_read(cut, T, false, &content, &err), 0);
    ck_assert(content.truncated);
    ck_assert_int_eq(sync_tree_read(root, T, true, &content, &err), 0);
    ck_assert(content.truncated);
    ck_assert_uint_eq(content.files, 1);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].path, "README.md");
    json_decref(cut);
    json_decref(root);
    cf_content_release(&content);
}
END_TEST

static const char *const bad_trees[] = {
    "{}",
    "[]",
    "{'sha': 7, 'truncated': false, 'tree': []}",
    "{'sha': '" A "', 'truncated': false, 'tree': []}",
    "{'sha': '" T "', 'truncated': 'false', 'tree': []}",
    "{'sha': '" T "', 'truncated': false, 'tree': {}}",
    "{'sha': '" T "', 'truncated': false, 'tree': [null]}",
    "{'sha': '" T "', 'truncated': false, 'tree': [{'type': 'blob'}]}",
    "{'sha': '" T "', 'truncated': false, 'tree': [{'path': 7, 'type': 'blob'}]}",
    "{'sha': '" T "', 'truncated': false, 'tree': [{'path': 'a', 'mode': 100644, 'type': 'blob',"
    " 'sha': '" A "', 'size': 1}]}",
    "{'sha': '" T "', 'truncated': false, 'tree': [{'path': 'a', 'mode': '100644', 'type': 'blob',"
    " 'sha': '../../../../etc/passwd', 'size': 1}]}",
    "{'sha': '" T "', 'truncated': false, 'tree': [{'path': 'a', 'mode': '100644', 'type': 'blob',"
    " 'sha': '" A "', 'size': -1}]}",
    "{'sha': '" T "', 'truncated': false, 'tree': [{'path': 'a', 'mode': '100644', 'type': 'blob',"
    " 'sha': '" A "', 'size': null}]}",
};

START_TEST(bad_trees_are_one_clear_error)
{
    struct cf_content content = {0};
    struct cf_error err = {0};
    json_t *answer = fixture(bad_trees[_i]);
    ck_assert_int_eq(sync_tree_read(answer, T, false, &content, &err), CF_EDATA);
    ck_assert(*err.message);
    json_decref(answer);
    cf_content_release(&content);
}
END_TEST

START_TEST(strange_paths_do_no_harm)
{
    struct cf_content content = {0};
    struct cf_error err;
    json_t *entries = json_array();
    for (int i = 0; i < 5000; i++) {
        char *path = cf_asprintf("x.e%d", i);
        (void)json_array_append_new(entries,
                                    json_pack("{s:s,s:s,s:s,s:s,s:i}", "path", path, "mode",
                                              "100644", "type", "blob", "sha", A, "size", 1));
        free(path);
    }
    json_t *nul = fixture("{'path': 'README.md\\u0000.c', 'mode': '100644', 'type': 'blob',"
                          " 'sha': '" A "', 'size': 1}");
    (void)json_array_append_new(entries, nul);
    json_t *answer = json_pack("{s:s,s:b,s:o}", "sha", T, "truncated", 0, "tree", entries);
    ck_assert_int_eq(sync_tree_read(answer, T, false, &content, &err), 0);
    ck_assert_uint_eq(content.files, 5001);
    ck_assert_uint_eq(content.file_type_count, 2000);
    ck_assert_ptr_null(content.documents[CF_DOCUMENT_README].path);
    json_decref(answer);
    cf_content_release(&content);
}
END_TEST

/* --- files --------------------------------------------------------------------------------------
 */

static void want(struct sync_item *item, const char *node_id)
{
    *item = (struct sync_item){.action = SYNC_FETCH};
    item->repository.node_id = cf_strdup(node_id);
    struct cf_document *readme = &item->content.documents[CF_DOCUMENT_README];
    readme->path = cf_strdup("README.md");
    readme->bytes = 5;
    memcpy(readme->oid, A, sizeof(A));
}

static void release_item(struct sync_item *item)
{
    cf_repository_release(&item->repository);
    cf_content_release(&item->content);
}

START_TEST(names_stay_out_of_the_query)
{
    struct sync_item item;
    struct sync_item *items[] = {&item};
    struct cf_buf query = CF_BUF_INIT;
    json_t *variables;
    want(&item, "R_\") { evil }");
    sync_files_query(items, 1, &query, &variables);
    ck_assert_ptr_null(strstr(query.data, "evil"));
    ck_assert_ptr_null(strstr(query.data, A));
    ck_assert_ptr_nonnull(strstr(query.data, "$n0: ID!"));
    ck_assert_ptr_nonnull(strstr(query.data, "$o0_0: GitObjectID!"));
    ck_assert_ptr_nonnull(strstr(query.data, "rateLimit { cost remaining resetAt }"));
    ck_assert_str_eq(json_string_value(json_object_get(variables, "n0")), "R_\") { evil }");
    ck_assert_str_eq(json_string_value(json_object_get(variables, "o0_0")), A);
    ck_assert_uint_eq(json_object_size(variables), 2);
    json_decref(variables);
    cf_buf_release(&query);
    release_item(&item);
}
END_TEST

#define FILE_OF(fields) "{'data': {'r0': {'d0': {'oid': '" A "', 'byteSize': 5, " fields "}}}}"

static const struct {
    const char *answer;
    const char *reason, *text, *skipped;
} files[] = {
    {FILE_OF("'text': 'hello', 'isBinary': false, 'isTruncated': false"), NULL, "hello", NULL},
    {FILE_OF("'text': '', 'isBinary': false, 'isTruncated': false"), NULL, "", NULL},
    {FILE_OF("'text': 'a\\u0000b', 'isBinary': false, 'isTruncated': false"), NULL,
     "a\xef\xbf\xbd"
     "b",
     NULL},
    {FILE_OF("'text': null, 'isBinary': true, 'isTruncated': false"), NULL, NULL, "binary"},
    {FILE_OF("'text': null, 'isBinary': null, 'isTruncated': false"), NULL, NULL, "binary"},
    {FILE_OF("'text': 'hello', 'isBinary': false, 'isTruncated': true"), NULL, NULL, "truncated"},
    {FILE_OF("'text': 7, 'isBinary': false, 'isTruncated': false"), "bad_answer", NULL, NULL},
    {FILE_OF("'text': 'x', 'isBinary': 'no', 'isTruncated': false"), "bad_answer", NULL, NULL},
    {FILE_OF("'text': 'x', 'isBinary': false, 'isTruncated': null"), "bad_answer", NULL, NULL},
    {"{'data': {'r0': {'d0': {'oid': '" B "', 'byteSize': 5, 'text': 'x', 'isBinary': false,"
     " 'isTruncated': false}}}}",
     "bad_answer", NULL, NULL},
    {"{'data': {'r0': {'d0': {'oid': '" A "', 'byteSize': 6, 'text': 'x', 'isBinary': false,"
     " 'isTruncated': false}}}}",
     "bad_answer", NULL, NULL},
    {"{'data': {'r0': {'d0': null}}}", "files_missing", NULL, NULL},
    {"{'data': {'r0': {'d0': []}}}", "files_missing", NULL, NULL},
    {"{'data': {'r0': {}}}", "files_missing", NULL, NULL},
    {"{'data': {'r0': null}}", "incomplete", NULL, NULL},
    {"{'data': {}}", "incomplete", NULL, NULL},
    {"{'data': null}", "incomplete", NULL, NULL},
    {"{'data': {'r0': null}, 'errors': [{'type': 'NOT_FOUND', 'path': ['r0']}]}", "not_found", NULL,
     NULL},
    {"{'data': {'r0': {'d0': null}}, 'errors': [{'type': 'RESOURCE_LIMITS_EXCEEDED',"
     " 'path': ['r0', 'd0']}]}",
     "resource_limits", NULL, NULL},
};

START_TEST(files_come_whole_or_with_a_reason)
{
    struct sync_item item;
    struct sync_item *items[] = {&item};
    want(&item, "R_1");
    json_t *answer = fixture(files[_i].answer);
    sync_files_read(answer, items, 1);
    const struct cf_document *readme = &item.content.documents[CF_DOCUMENT_README];
    ck_assert_pstr_eq(item.reason, files[_i].reason);
    ck_assert_pstr_eq(readme->text, files[_i].text);
    ck_assert_pstr_eq(readme->skipped, files[_i].skipped);
    json_decref(answer);
    release_item(&item);
}
END_TEST

START_TEST(one_missing_alias_harms_no_other)
{
    struct sync_item two[2];
    struct sync_item *items[] = {&two[0], &two[1]};
    want(&two[0], "R_1");
    want(&two[1], "R_2");
    json_t *answer = fixture("{'data': {'r0': null, 'r1': {'d0': {'oid': '" A "', 'byteSize': 5,"
                             " 'text': 'hello', 'isBinary': false, 'isTruncated': false}}},"
                             " 'errors': [{'type': 'FORBIDDEN', 'path': ['r0']}]}");
    sync_files_read(answer, items, 2);
    ck_assert_str_eq(two[0].reason, "forbidden");
    ck_assert_ptr_null(two[1].reason);
    ck_assert_str_eq(two[1].content.documents[CF_DOCUMENT_README].text, "hello");
    json_decref(answer);
    release_item(&two[0]);
    release_item(&two[1]);
}
END_TEST

Suite *sync_trees_suite(void);

Suite *sync_trees_suite(void)
{
    Suite *suite = suite_create("sync_trees");
    TCase *trees = tcase_create("trees");
    tcase_add_checked_fixture(trees, fixture_quiet, NULL);
    TCase *texts = tcase_create("files");
    tcase_add_checked_fixture(texts, fixture_quiet, NULL);
    tcase_add_test(trees, counts_the_whole_tree_and_looks_at_its_root);
    tcase_add_test(trees, a_cut_tree_is_completed_by_its_root);
    tcase_add_loop_test(trees, bad_trees_are_one_clear_error, 0, COUNT(bad_trees));
    tcase_add_test(trees, strange_paths_do_no_harm);
    tcase_add_test(texts, names_stay_out_of_the_query);
    tcase_add_loop_test(texts, files_come_whole_or_with_a_reason, 0, COUNT(files));
    tcase_add_test(texts, one_missing_alias_harms_no_other);
    suite_add_tcase(suite, trees);
    suite_add_tcase(suite, texts);
    return suite;
}
