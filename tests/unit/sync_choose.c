/* Which files are documents, and what an extension is. */
#include "jobs/sync/choose.h"

#include <check.h>
#include <string.h>

#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The README that is chosen of several, whatever their order. */
static const struct {
    const char *names[4];
    const char *chosen;
} readmes[] = {
    {{"README.md", "readme.md"}, "README.md"},
    {{"readme.md", "README.rst", "README"}, "readme.md"},
    {{"Readme.md", "readme.md"}, "Readme.md"},
    {{"README", "README.txt"}, "README.txt"},
    {{"README.rst", "README.txt", "README.md"}, "README.md"},
    {{"README", "README.pdf"}, "README"},
    {{"README.zh-CN.md", "README.rst"}, "README.rst"},
    {{"README.zh-CN.md", "README.fr.md"}, "README.fr.md"},
    {{"README.markdown", "README.adoc", "README.org"}, "README.markdown"},
    {{"readme.MD", "README.txt"}, "readme.MD"},
    {{"README"}, "README"},
    {{"READMEs.md", "README-old.md", "NOTREADME.md", "README_de.md"}, NULL},
};

static void offer(struct cf_content *content, const char *name)
{
    const struct sync_file file = {.name = name, .oid = fixture_oid('a'), .bytes = 10};
    sync_choose(content, &file);
}

START_TEST(the_readme_is_the_one_that_github_shows)
{
    for (size_t first = 0; first < 4; first++) {
        struct cf_content content = {0};
        for (size_t i = 0; i < 4; i++) {
            const char *name = readmes[_i].names[(first + i) % 4];
            if (name) {
                offer(&content, name);
            }
        }
        ck_assert_pstr_eq(content.documents[CF_DOCUMENT_README].path, readmes[_i].chosen);
        cf_content_release(&content);
    }
}
END_TEST

START_TEST(other_documents_have_one_name)
{
    struct cf_content content = {0};
    offer(&content, "skills-index.md");
    offer(&content, "SKILLS-INDEX.md");
    offer(&content, "Skills-Index.md");
    offer(&content, "Architecture.md");
    offer(&content, ".Repo-Context.json");
    offer(&content, "repo-context.json");
    offer(&content, "ARCHITECTURE.markdown");
    ck_assert_str_eq(content.documents[CF_DOCUMENT_SKILLS_INDEX].path, "SKILLS-INDEX.md");
    ck_assert_str_eq(content.documents[CF_DOCUMENT_ARCHITECTURE].path, "Architecture.md");
    ck_assert_str_eq(content.documents[CF_DOCUMENT_REPO_CONTEXT].path, ".Repo-Context.json");
    ck_assert_ptr_null(content.documents[CF_DOCUMENT_README].path);
    cf_content_release(&content);
}
END_TEST

START_TEST(what_is_not_fetched_has_a_reason)
{
    struct cf_content content = {0};
    struct sync_file file = {.name = "README.md", .oid = fixture_oid('a'), .link = true};
    struct cf_document *readme = &content.documents[CF_DOCUMENT_README];
    sync_choose(&content, &file);
    ck_assert_str_eq(readme->skipped, "link");
    file = (struct sync_file){
        .name = "README.txt", .oid = fixture_oid('b'), .bytes = SYNC_DOCUMENT_MAX + 1};
    sync_choose(&content, &file); /* a file beats a link */
    ck_assert_str_eq(readme->path, "README.txt");
    ck_assert_str_eq(readme->skipped, "too_large");
    file = (struct sync_file){.name = "README.md", .oid = fixture_oid('c'), .link = true};
    sync_choose(&content, &file);
    ck_assert_str_eq(readme->path, "README.txt");
    file = (struct sync_file){
        .name = "README.rst", .oid = fixture_oid('d'), .bytes = SYNC_DOCUMENT_MAX};
    sync_choose(&content, &file);
    ck_assert_str_eq(readme->path, "README.rst");
    ck_assert_str_eq(readme->oid, fixture_oid('d'));
    ck_assert_ptr_null(readme->skipped);
    cf_content_release(&content);
}
END_TEST

static const struct {
    const char *path, *extension;
} extensions[] = {
    {"main.c", ".c"},
    {"src/a.tar.gz", ".gz"},
    {"Dockerfile", NULL},
    {".gitignore", NULL},
    {"src/.eslintrc.json", ".json"},
    {"..x", NULL},
    {"..x.y", ".y"},
    {"a.", NULL},
    {"a.b.", NULL},
    {"dir.d/file", NULL},
    {"UPPER.PY", ".py"},
    {"a.\xc3\x89", ".\xc3\x89"},
    {"a. b", ". b"},
    {"", NULL},
    {".", NULL},
    {"x/", NULL},
    {"a.012345678901234567890123456789012345678901234567890123456789012", NULL},
    {"a.01234567890123456789012345678901234567890123456789012345678901",
     ".01234567890123456789012345678901234567890123456789012345678901"},
};

START_TEST(extensions_are_found)
{
    char out[SYNC_EXTENSION_MAX];
    for (size_t i = 0; i < COUNT(extensions); i++) {
        const char *path = extensions[i].path;
        bool found = sync_extension(path, strlen(path), out);
        ck_assert_msg(found == (extensions[i].extension != NULL), "%s", path);
        if (found) {
            ck_assert_str_eq(out, extensions[i].extension);
        }
    }
    ck_assert(!sync_extension("a.b\0c", 5, out));
}
END_TEST

Suite *sync_choose_suite(void);

Suite *sync_choose_suite(void)
{
    Suite *suite = suite_create("sync_choose");
    TCase *tests = tcase_create("choose");
    tcase_add_loop_test(tests, the_readme_is_the_one_that_github_shows, 0, COUNT(readmes));
    tcase_add_test(tests, other_documents_have_one_name);
    tcase_add_test(tests, what_is_not_fetched_has_a_reason);
    tcase_add_test(tests, extensions_are_found);
    suite_add_tcase(suite, tests);
    return suite;
}
