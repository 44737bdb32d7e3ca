/* What is counted of a tree's entries, and which are chosen, in one answer or several. */
#include "jobs/sync/tally.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/sync/choose.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* The oid is 40 times its digit. */
static void add(struct sync_tally *tally, const char *path, size_t length, const char *mode,
                char oid, uint64_t bytes, bool of_root)
{
    struct sync_tree_entry entry = {.path = path, .path_length = length, .bytes = bytes};
    entry.type = mode[0] == '0'   ? SYNC_TREE_TREE
                 : mode[1] == '6' ? SYNC_TREE_COMMIT
                                  : SYNC_TREE_BLOB;
    (void)snprintf(entry.mode, sizeof(entry.mode), "%s", mode);
    memset(entry.oid, oid, 40);
    sync_tally_add(tally, &entry, of_root);
}

static void add_file(struct sync_tally *tally, const char *path, bool of_root)
{
    add(tally, path, strlen(path), "100644", 'a', 1, of_root);
}

static uint64_t count_of(const struct cf_content *content, const char *extension)
{
    for (size_t i = 0; i < content->file_type_count; i++) {
        if (strcmp(content->file_types[i].extension, extension) == 0) {
            return content->file_types[i].count;
        }
    }
    return 0;
}

START_TEST(counts_blobs_by_extension)
{
    struct sync_tally tally;
    struct cf_content content = {.truncated = true};
    sync_tally_init(&tally);
    add_file(&tally, "z.md", true);
    add_file(&tally, "src/x.C", false);
    add_file(&tally, "src/x.c", true);
    add_file(&tally, "Makefile", true);
    add_file(&tally, ".gitignore", true);
    add_file(&tally, "", true);
    add(&tally, "dir.c", 5, "040000", 'a', 0, true);
    add(&tally, "module.c", 8, "160000", 'a', 0, true);
    sync_tally_finish(&tally, &content);
    ck_assert_uint_eq(content.files, 6);
    ck_assert_uint_eq(content.file_type_count, 2);
    ck_assert_str_eq(content.file_types[0].extension, ".c");
    ck_assert_uint_eq(content.file_types[0].count, 2);
    ck_assert_str_eq(content.file_types[1].extension, ".md");
    ck_assert(content.truncated);
    ck_assert_str_eq(content.tree, "");
    ck_assert_uint_eq(tally.files, 0);
    ck_assert_uint_eq(json_object_size(tally.counts), 0);
    sync_tally_release(&tally);
    cf_content_release(&content);
}
END_TEST

START_TEST(kinds_are_bounded)
{
    struct sync_tally tally;
    struct cf_content content = {0};
    char path[32];
    sync_tally_init(&tally);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2 * SYNC_FILE_TYPES_MAX; i++) {
            (void)snprintf(path, sizeof(path), "x.e%d", i);
            add_file(&tally, path, false);
        }
    }
    sync_tally_finish(&tally, &content);
    ck_assert_uint_eq(content.files, (uint64_t)4 * SYNC_FILE_TYPES_MAX);
    ck_assert_uint_eq(content.file_type_count, 2000);
    ck_assert_uint_eq(count_of(&content, ".e0"), 2);
    ck_assert_uint_eq(count_of(&content, ".e1999"), 2);
    ck_assert_uint_eq(count_of(&content, ".e2000"), 0);
    sync_tally_release(&tally);
    cf_content_release(&content);
}
END_TEST

START_TEST(chooses_among_the_root_s_files)
{
    struct sync_tally tally;
    struct cf_content content = {0};
    sync_tally_init(&tally);
    add(&tally, "README.md", 9, "100644", 'b', 77, false);
    add(&tally, "docs/README.md", 14, "100644", 'b', 77, true);
    add(&tally, "README.txt", 10, "100644", 'c', 78, true);
    add(&tally, "readme.md", 9, "100755", 'a', 79, true);
    add(&tally, "README.md", 9, "040000", 'd', 0, true);
    add(&tally, "SKILLS-INDEX.md", 15, "120000", 'b', 7, true);
    add(&tally, "ARCHITECTURE.md", 15, "100644", 'b', (uint64_t)SYNC_DOCUMENT_MAX + 1, true);
    sync_tally_finish(&tally, &content);
    const struct cf_document *readme = &content.documents[CF_DOCUMENT_README];
    ck_assert_str_eq(readme->path, "readme.md");
    ck_assert_str_eq(readme->oid, A);
    ck_assert_uint_eq(readme->bytes, 79);
    ck_assert_ptr_null(readme->skipped);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_SKILLS_INDEX].skipped, "link");
    ck_assert_str_eq(content.documents[CF_DOCUMENT_ARCHITECTURE].skipped, "too_large");
    ck_assert_ptr_null(content.documents[CF_DOCUMENT_REPO_CONTEXT].path);
    ck_assert_uint_eq(content.files, 6);
    sync_tally_release(&tally);
    cf_content_release(&content);
}
END_TEST

START_TEST(hostile_names_are_no_documents)
{
    static char longest[257] = "README.";
    struct sync_tally tally;
    struct cf_content content = {0};
    memset(longest + 7, 'x', 249);
    sync_tally_init(&tally);
    add(&tally, "README.md\0.c", 12, "100644", 'a', 1, true);
    add(&tally, "README\0", 7, "100644", 'a', 1, true);
    add_file(&tally, "/README", true);
    add_file(&tally, "README/", true);
    add_file(&tally, longest, true);
    ck_assert_ptr_null(tally.chosen.documents[CF_DOCUMENT_README].path);
    longest[255] = '\0';
    add_file(&tally, longest, true);
    sync_tally_finish(&tally, &content);
    ck_assert_uint_eq(content.files, 6);
    ck_assert_uint_eq(content.file_type_count, 1);
    ck_assert_str_eq(content.file_types[0].extension, ".c");
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].path, longest);
    sync_tally_release(&tally);
    cf_content_release(&content);
}
END_TEST

START_TEST(several_answers_add_up)
{
    struct sync_tally sum;
    struct sync_tally part;
    struct cf_content content = {0};
    sync_tally_init(&sum);
    sync_tally_init(&part);
    add(&part, "README.rst", 10, "120000", 'c', 3, true); /* a link: any file beats it */
    add(&part, "ARCHITECTURE.md", 15, "120000", 'c', 4, true);
    add_file(&part, "a.c", true);
    sync_tally_merge(&sum, &part);
    ck_assert_uint_eq(part.files, 0);
    add_file(&part, "void.c", false);
    add_file(&part, "README.md", true);
    sync_tally_clear(&part); /* the answer was broken off, and comes again */
    add(&part, "README", 6, "100644", 'b', 9, true);
    add_file(&part, "b.c", false);
    add_file(&part, "c.c", false);
    add_file(&part, "b.h", false);
    sync_tally_merge(&sum, &part);
    sync_tally_merge(&sum, &part);
    sync_tally_finish(&sum, &content);
    ck_assert_uint_eq(content.files, 7);
    ck_assert_uint_eq(content.file_type_count, 4);
    ck_assert_uint_eq(count_of(&content, ".c"), 3);
    ck_assert_uint_eq(count_of(&content, ".h"), 1);
    ck_assert_uint_eq(count_of(&content, ".md"), 1);
    ck_assert_uint_eq(count_of(&content, ".rst"), 1);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].path, "README");
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].oid, B);
    ck_assert_uint_eq(content.documents[CF_DOCUMENT_README].bytes, 9);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_ARCHITECTURE].skipped, "link");
    ck_assert_uint_eq(content.documents[CF_DOCUMENT_ARCHITECTURE].bytes, 4);
    sync_tally_release(&sum);
    sync_tally_release(&part);
    cf_content_release(&content);
}
END_TEST

START_TEST(merging_is_bounded_as_well)
{
    struct sync_tally sum;
    struct sync_tally part;
    char path[32];
    sync_tally_init(&sum);
    sync_tally_init(&part);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(path, sizeof(path), "x.e%d", i);
        add_file(&part, path, false);
        if (i % 500 == 499) {
            sync_tally_merge(&sum, &part);
        }
    }
    ck_assert_uint_eq(sum.files, 3000);
    ck_assert_uint_eq(json_object_size(sum.counts), 2000);
    ck_assert_ptr_nonnull(json_object_get(sum.counts, ".e1999"));
    sync_tally_release(&sum);
    sync_tally_release(&part);
}
END_TEST

Suite *sync_tally_suite(void);
Suite *sync_tally_suite(void)
{
    Suite *suite = suite_create("sync_tally");
    TCase *tc = tcase_create("sync_tally");
    tcase_add_test(tc, counts_blobs_by_extension);
    tcase_add_test(tc, kinds_are_bounded);
    tcase_add_test(tc, chooses_among_the_root_s_files);
    tcase_add_test(tc, hostile_names_are_no_documents);
    tcase_add_test(tc, several_answers_add_up);
    tcase_add_test(tc, merging_is_bounded_as_well);
    suite_add_tcase(suite, tc);
    return suite;
}
