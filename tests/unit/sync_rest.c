/* The listing by REST: answers as GitHub has them, hostile ones, and what GraphQL makes of the same
 * repository. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "jobs/sync/node_fields.h"
#include "jobs/sync/rest_node.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The repository of fixture_node as an element of /users/octocat/repos has it. */
static json_t *hello(void)
{
    return fixture(
        "{'id': 1296269, 'node_id': 'R_kgDOABPHjQ', 'name': 'Hello-World',"
        " 'full_name': 'octocat/Hello-World', 'private': false, 'owner': {'login': 'octocat',"
        " 'id': 583231, 'node_id': 'MDQ6VXNlcjU4MzIzMQ==',"
        " 'avatar_url': 'https://avatars.githubusercontent.com/u/583231?v=4', 'gravatar_id': '',"
        " 'url': 'https://api.github.com/users/octocat', 'html_url': 'https://github.com/octocat',"
        " 'type': 'User', 'user_view_type': 'public', 'site_admin': false},"
        " 'html_url': 'https://github.com/octocat/Hello-World',"
        " 'description': 'My first repository on GitHub!', 'fork': false,"
        " 'url': 'https://api.github.com/repos/octocat/Hello-World',"
        " 'branches_url': 'https://api.github.com/repos/octocat/Hello-World/branches{/branch}',"
        " 'languages_url': 'https://api.github.com/repos/octocat/Hello-World/languages',"
        " 'created_at': '2011-01-26T19:01:12Z', 'updated_at': '2024-05-01T10:00:00Z',"
        " 'pushed_at': '2024-04-30T09:00:00Z',"
        " 'git_url': 'git://github.com/octocat/Hello-World.git', 'homepage': '', 'size': 108,"
        " 'stargazers_count': 80, 'watchers_count': 80, 'language': 'C', 'has_issues': true,"
        " 'has_projects': true, 'has_downloads': true, 'has_wiki': true, 'has_pages': false,"
        " 'has_discussions': false, 'forks_count': 9, 'mirror_url': null, 'archived': false,"
        " 'disabled': false, 'open_issues_count': 0, 'license': {'key': 'mit',"
        " 'name': 'MIT License', 'spdx_id': 'MIT', 'url': 'https://api.github.com/licenses/mit',"
        " 'node_id': 'MDc6TGljZW5zZTEz'}, 'allow_forking': true, 'is_template': false,"
        " 'web_commit_signoff_required': false, 'topics': ['octocat', 'api'],"
        " 'visibility': 'public', 'forks': 9, 'open_issues': 0, 'watchers': 80,"
        " 'default_branch': 'main', 'permissions': {'admin': false, 'maintain': false,"
        " 'push': false, 'triage': false, 'pull': true}}");
}

static json_t *branch(const char *name, const char *commit, const char *tree)
{
    return json_pack("{s:s, s:{s:s, s:s, s:{s:{s:s}, s:s, s:{s:s, s:s}, s:i}, s:[]}, s:b, s:{s:b}}",
                     "name", name, "commit", "sha", commit, "node_id", "C_kwDOABPHjdoAKDdmZDFhNjA",
                     "commit", "author", "name", "The Octocat", "message", "Merge", "tree", "sha",
                     tree, "url", "https://api.github.com/x", "comment_count", 77, "parents",
                     "protected", 0, "protection", "enabled", 0);
}

static void must(int rc, const struct cf_error *err)
{
    ck_assert_msg(rc == 0, "%s", err->message);
}

static void read_node(json_t *node, struct cf_repository *out)
{
    struct cf_error err = {0};
    must(sync_rest_read_node(node, "Octocat", FIXTURE_API, out, &err), &err);
    json_decref(node);
}

static void read_branch(struct cf_repository *r, char commit, char tree)
{
    struct cf_error err = {0};
    json_t *answer = branch("main", fixture_oid(commit), fixture_oid(tree));
    must(sync_rest_read_branch(answer, r, &err), &err);
    json_decref(answer);
}

static void read_languages(struct cf_repository *r, const char *text)
{
    struct cf_error err = {0};
    json_t *answer = fixture(text);
    must(sync_rest_read_languages(answer, r, &err), &err);
    json_decref(answer);
}

/* The document with this repository alone. The repository is released. */
static void dump(struct cf_repository *r, struct cf_buf *out)
{
    struct cf_repos repos = {.login = strdup("Octocat"), .kind = strdup("User"), .count = 1};
    repos.items = malloc(sizeof(*r));
    *repos.items = *r;
    json_t *document = cf_repos_write(&repos);
    cf_json_dump(document, out);
    json_decref(document);
    cf_repos_release(&repos);
}

static void ck_same_document(struct cf_repository *a, struct cf_repository *b)
{
    struct cf_buf x = CF_BUF_INIT;
    struct cf_buf y = CF_BUF_INIT;
    dump(a, &x);
    dump(b, &y);
    ck_assert_str_eq(cf_buf_str(&x), cf_buf_str(&y));
    cf_buf_release(&x);
    cf_buf_release(&y);
}

static void by_graphql(json_t *node, struct cf_repository *out)
{
    struct cf_error err = {0};
    must(sync_listing_read_node(node, "Octocat", FIXTURE_API, out, &err), &err);
    json_decref(node);
}

START_TEST(both_ways_give_the_same_document)
{
    struct cf_repository rest;
    struct cf_repository graphql;
    read_node(hello(), &rest);
    ck_assert_str_eq(rest.default_branch, "main");
    ck_assert_str_eq(rest.fingerprint, "");
    read_branch(&rest, 'c', '7');
    read_languages(&rest, "{'C': 78769, 'Assembly': 7769}");
    sync_rest_finish(&rest);
    ck_assert_int_eq(rest.state, CF_REPOSITORY_CURRENT);
    ck_assert_uint_eq(strlen(rest.fingerprint), 64);
    by_graphql(fixture_node(1296269, "Hello-World", fixture_oid('c'), fixture_oid('7')), &graphql);
    ck_same_document(&rest, &graphql);
}
END_TEST

/* Values that the two ways may give, each under its two names. */
static const struct {
    const char *rest, *rest_value, *graphql, *graphql_value;
} forms[] = {
    {"description", "null", "description", "null"},
    {"description", "''", "description", "''"},
    {"description", "'a\\u0000b'", "description", "'a\\u0000b'"},
    {"homepage", "null", "homepageUrl", "null"},
    {"homepage", "''", "homepageUrl", "''"},
    {"homepage", "'https://x.org/\xc3\xa4'", "homepageUrl", "'https://x.org/\xc3\xa4'"},
    {"pushed_at", "null", "pushedAt", "null"},
    {"license", "null", "licenseInfo", "null"},
    {"license",
     "{'key': 'other', 'name': 'Other', 'spdx_id': 'NOASSERTION', 'url': null,"
     " 'node_id': 'MDc6TGljZW5zZTA='}",
     "licenseInfo",
     "{'key': 'other', 'name': 'Other', 'spdxId': 'NOASSERTION', 'id': 'MDc6TGljZW5zZTA='}"},
    {"license", "{'key': 'x', 'name': 'X', 'spdx_id': null, 'url': null, 'node_id': null}",
     "licenseInfo", "{'key': 'x', 'name': 'X', 'spdxId': null, 'id': null}"},
    {"topics", "[]", "repositoryTopics", "{'nodes': []}"},
    {"archived", "true", "isArchived", "true"},
    {"disabled", "true", "isDisabled", "true"},
    {"fork", "true", "isFork", "true"},
    {"is_template", "true", "isTemplate", "true"},
    {"allow_forking", "false", "forkingAllowed", "false"},
    {"stargazers_count", "0", "stargazerCount", "0"},
    {"forks_count", "123456789012", "forkCount", "123456789012"},
    {"size", "0", "diskUsage", "null"},
};

START_TEST(each_form_is_that_of_graphql)
{
    struct cf_repository rest;
    struct cf_repository graphql;
    json_t *node = hello();
    json_t *other = fixture_node(1296269, "Hello-World", fixture_oid('c'), fixture_oid('7'));
    (void)json_object_set_new(node, forms[_i].rest, fixture(forms[_i].rest_value));
    (void)json_object_set_new(other, forms[_i].graphql, fixture(forms[_i].graphql_value));
    read_node(node, &rest);
    read_branch(&rest, 'c', '7');
    read_languages(&rest, "{'C': 78769, 'Assembly': 7769}");
    sync_rest_finish(&rest);
    by_graphql(other, &graphql);
    ck_same_document(&rest, &graphql);
}
END_TEST

START_TEST(an_empty_repository_has_no_default_branch)
{
    struct cf_repository rest;
    struct cf_repository graphql;
    json_t *node = hello();
    json_t *other = fixture_node(1296269, "Hello-World", fixture_oid('c'), fixture_oid('7'));
    (void)json_object_set_new(node, "language", json_null());
    (void)json_object_set_new(other, "primaryLanguage", json_null());
    (void)json_object_set_new(other, "languages", fixture("{'edges': []}"));
    (void)json_object_set_new(other, "defaultBranchRef", json_null());
    read_node(node, &rest);
    read_languages(&rest, "{}");
    sync_rest_finish(&rest);
    ck_assert_int_eq(rest.state, CF_REPOSITORY_EMPTY);
    ck_assert_ptr_null(rest.default_branch);
    by_graphql(other, &graphql);
    ck_same_document(&rest, &graphql);
}
END_TEST

START_TEST(what_is_missing_has_its_usual_value)
{
    struct cf_repository r;
    json_t *node = hello();
    (void)json_object_del(node, "allow_forking");
    (void)json_object_del(node, "is_template");
    (void)json_object_del(node, "disabled");
    read_node(node, &r);
    ck_assert(r.metadata.allow_forking && !r.metadata.is_template && !r.metadata.disabled);
    cf_repository_release(&r);
}
END_TEST

static const struct {
    const char *field, *value;
} wrong_values[] = {
    {"id", "'1'"},
    {"id", "0"},
    {"id", "-5"},
    {"id", "1.5"},
    {"id", "18446744073709551615.0"},
    {"node_id", "7"},
    {"node_id", "null"},
    {"name", "null"},
    {"name", "'../x'"},
    {"name", "'a/b'"},
    {"name", "'a\\u0000b'"},
    {"name", "'a\\u001b[31m'"},
    {"name", "['x']"},
    {"private", "'false'"},
    {"private", "null"},
    {"visibility", "7"},
    {"owner", "null"},
    {"owner", "{'login': 'mallory'}"},
    {"owner", "{'login': 7}"},
    {"owner", "'octocat'"},
    {"html_url", "{}"},
    {"description", "7"},
    {"homepage", "false"},
    {"language", "{'name': 'C'}"},
    {"created_at", "null"},
    {"updated_at", "1700000000"},
    {"pushed_at", "false"},
    {"size", "-1"},
    {"size", "null"},
    {"fork", "'false'"},
    {"archived", "null"},
    {"disabled", "0"},
    {"is_template", "null"},
    {"allow_forking", "0"},
    {"stargazers_count", "-80"},
    {"stargazers_count", "1e3"},
    {"forks_count", "'9'"},
    {"license", "'MIT'"},
    {"license", "{'key': null, 'name': 'x', 'spdx_id': null, 'node_id': null}"},
    {"license", "{'key': 'mit', 'name': 'MIT License', 'spdx_id': 'MIT'}"},
    {"topics", "{'names': []}"},
    {"topics", "['a', 7]"},
    {"topics", "[null]"},
    {"topics", "[[[[]]]]"},
    {"default_branch", "null"},
    {"default_branch", "{'name': 'main'}"},
};

START_TEST(a_wrong_field_is_named)
{
    struct cf_repository r;
    struct cf_error err = {0};
    json_t *node = hello();
    (void)json_object_set_new(node, wrong_values[_i].field, fixture(wrong_values[_i].value));
    ck_assert_int_eq(sync_rest_read_node(node, "Octocat", FIXTURE_API, &r, &err), CF_EDATA);
    bool in_license = strcmp(wrong_values[_i].field, "license") == 0;
    bool in_owner = strcmp(wrong_values[_i].field, "owner") == 0;
    ck_assert_msg(in_license || in_owner || strstr(err.message, wrong_values[_i].field), "%s",
                  err.message);
    ck_assert_uint_eq(r.id, strcmp(wrong_values[_i].field, "id") == 0 ? 0 : 1296269);
    cf_repository_release(&r);
    json_decref(node);
}
END_TEST

START_TEST(a_missing_field_is_not_a_null)
{
    static const char *const needed[] = {"id",
                                         "node_id",
                                         "name",
                                         "private",
                                         "owner",
                                         "html_url",
                                         "fork",
                                         "created_at",
                                         "pushed_at",
                                         "updated_at",
                                         "description",
                                         "homepage",
                                         "size",
                                         "language",
                                         "license",
                                         "archived",
                                         "topics",
                                         "visibility",
                                         "forks_count",
                                         "stargazers_count",
                                         "default_branch"};
    for (size_t i = 0; i < COUNT(needed); i++) {
        struct cf_repository r;
        struct cf_error err = {0};
        json_t *node = hello();
        (void)json_object_del(node, needed[i]);
        int rc = sync_rest_read_node(node, "Octocat", FIXTURE_API, &r, &err);
        ck_assert_msg(rc == CF_EDATA && *err.message, "%s", needed[i]);
        cf_repository_release(&r);
        json_decref(node);
    }
}
END_TEST

static const struct {
    const char *field;
    size_t most;
} bounded[] = {
    {"node_id", SYNC_MOST_NAME},          {"html_url", SYNC_MOST_URL},
    {"description", SYNC_MOST_TEXT},      {"homepage", SYNC_MOST_URL},
    {"language", SYNC_MOST_NAME},         {"created_at", SYNC_MOST_NAME},
    {"updated_at", SYNC_MOST_NAME},       {"pushed_at", SYNC_MOST_NAME},
    {"default_branch", SYNC_MOST_BRANCH}, {"name", 100},
};

START_TEST(texts_have_bounds)
{
    for (size_t over = 0; over < 2; over++) {
        struct cf_repository r;
        struct cf_error err = {0};
        size_t length = bounded[_i].most + over;
        char *text = malloc(length + 1);
        memset(text, 'x', length);
        text[length] = '\0';
        json_t *node = hello();
        (void)json_object_set_new(node, bounded[_i].field, json_string(text));
        int rc = sync_rest_read_node(node, "Octocat", FIXTURE_API, &r, &err);
        ck_assert_int_eq(rc, over ? CF_EDATA : 0);
        cf_repository_release(&r);
        json_decref(node);
        free(text);
    }
}
END_TEST

START_TEST(of_many_topics_twenty_are_taken)
{
    static const size_t counts[] = {20, 21, 100, 101};
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct cf_repository r;
        struct cf_error err = {0};
        json_t *node = hello();
        json_t *topics = json_array();
        for (size_t j = 0; j < counts[i]; j++) {
            (void)json_array_append_new(topics, json_sprintf("t%03zu", j));
        }
        (void)json_object_set_new(node, "topics", topics);
        int rc = sync_rest_read_node(node, "Octocat", FIXTURE_API, &r, &err);
        ck_assert_int_eq(rc, counts[i] > 100 ? CF_EDATA : 0);
        if (!rc) {
            ck_assert_uint_eq(r.metadata.topic_count, 20);
            ck_assert_str_eq(r.metadata.topics[19], "t019");
        }
        cf_repository_release(&r);
        json_decref(node);
    }
}
END_TEST

START_TEST(what_is_not_public_is_forgotten)
{
    static const char *const fields[][2] = {
        {"visibility", "'private'"}, {"visibility", "'internal'"}, {"private", "true"}};
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct cf_repository r;
        struct cf_error err = {0};
        json_t *node = hello();
        (void)json_object_set_new(node, fields[i][0], fixture(fields[i][1]));
        ck_assert_int_eq(sync_rest_read_node(node, "Octocat", FIXTURE_API, &r, &err), CF_EDENIED);
        ck_assert_uint_eq(r.id, 1296269);
        cf_repository_release(&r);
        json_decref(node);
    }
}
END_TEST

START_TEST(other_values_are_no_repositories)
{
    static const char *const values[] = {"null", "7", "'x'", "[]", "{}", "[[[[]]]]"};
    for (size_t i = 0; i < COUNT(values); i++) {
        struct cf_repository r;
        struct cf_error err = {0};
        char *login = NULL;
        char *kind = NULL;
        json_t *value = fixture(values[i]);
        ck_assert_int_eq(sync_rest_read_node(value, "Octocat", FIXTURE_API, &r, &err), CF_EDATA);
        ck_assert_int_eq(sync_rest_read_branch(value, &r, &err), CF_EDATA);
        ck_assert_int_eq(sync_rest_read_owner(value, "octocat", &login, &kind, &err), CF_EDATA);
        ck_assert_ptr_null(login);
        if (strcmp(values[i], "{}") != 0) {
            ck_assert_int_eq(sync_rest_read_languages(value, &r, &err), CF_EDATA);
        }
        ck_assert(*err.message);
        cf_repository_release(&r);
        json_decref(value);
    }
}
END_TEST

static const struct {
    const char *asked, *answer;
    int code;
    const char *login, *kind;
} owners[] = {
    {"octocat", "{'login': 'Octocat', 'id': 583231, 'type': 'User', 'site_admin': false}", 0,
     "Octocat", "User"},
    {"GITHUB", "{'login': 'github', 'id': 9919, 'type': 'Organization'}", 0, "github",
     "Organization"},
    {"octocat", "{'login': 'mallory', 'type': 'User'}", CF_EDATA, NULL, NULL},
    {"octocat", "{'login': '../octocat', 'type': 'User'}", CF_EDATA, NULL, NULL},
    {"dependabot", "{'login': 'dependabot', 'type': 'Bot'}", CF_EDATA, NULL, NULL},
    {"octocat", "{'login': 'octocat', 'type': 'user'}", CF_EDATA, NULL, NULL},
    {"octocat", "{'login': 'octocat', 'type': null}", CF_EDATA, NULL, NULL},
    {"octocat", "{'login': 'octocat'}", CF_EDATA, NULL, NULL},
    {"octocat", "{'login': 7, 'type': 'User'}", CF_EDATA, NULL, NULL},
    {"octocat", "{'login': 'octocat\\u0000', 'type': 'User'}", CF_EDATA, NULL, NULL},
    {"octocat", "{'message': 'Not Found', 'status': '404'}", CF_EDATA, NULL, NULL},
};

START_TEST(accounts)
{
    struct cf_error err = {0};
    char *login = NULL;
    char *kind = NULL;
    json_t *user = fixture(owners[_i].answer);
    ck_assert_int_eq(sync_rest_read_owner(user, owners[_i].asked, &login, &kind, &err),
                     owners[_i].code);
    ck_assert_int_eq(err.code, owners[_i].code);
    ck_assert_pstr_eq(login, owners[_i].login);
    ck_assert_pstr_eq(kind, owners[_i].kind);
    free(login);
    free(kind);
    json_decref(user);
}
END_TEST

#define OID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
static const char *const bad_branches[] = {
    "{'name': 'other', 'commit': {'sha': '" OID "', 'commit': {'tree': {'sha': '" OID "'}}}}",
    "{'commit': {'sha': '" OID "', 'commit': {'tree': {'sha': '" OID "'}}}}",
    "{'name': 'main', 'commit': null}",
    "{'name': 'main', 'commit': {'sha': '" OID "'}}",
    "{'name': 'main', 'commit': {'sha': '" OID "', 'commit': {'tree': null}}}",
    "{'name': 'main', 'commit': {'sha': '" OID "', 'commit': {'tree': {'sha': '../x'}}}}",
    "{'name': 'main', 'commit': {'sha': '" OID "', 'commit': {'tree': {'sha': '" OID "a'}}}}",
    "{'name': 'main', 'commit': {'sha': 'AAAA', 'commit': {'tree': {'sha': '" OID "'}}}}",
    "{'name': 'main', 'commit': {'sha': 7, 'commit': {'tree': {'sha': '" OID "'}}}}",
    "{'name': 'main', 'commit': [{'sha': '" OID "'}]}",
    "{'message': 'Branch not found', 'status': '404'}",
};

START_TEST(a_bad_branch_changes_nothing)
{
    struct cf_repository r;
    struct cf_error err = {0};
    read_node(hello(), &r);
    json_t *answer = fixture(bad_branches[_i]);
    ck_assert_int_eq(sync_rest_read_branch(answer, &r, &err), CF_EDATA);
    ck_assert(*err.message);
    ck_assert_str_eq(r.commit, "");
    ck_assert_str_eq(r.tree, "");
    json_decref(answer);
    cf_repository_release(&r);
}
END_TEST

START_TEST(a_branch_of_64_digits)
{
    struct cf_repository r;
    struct cf_error err = {0};
    char oid[65];
    memset(oid, 'b', 64);
    oid[64] = '\0';
    read_node(hello(), &r);
    json_t *answer = branch("main", oid, oid);
    must(sync_rest_read_branch(answer, &r, &err), &err);
    ck_assert_str_eq(r.commit, oid);
    ck_assert_str_eq(r.tree, oid);
    json_decref(answer);
    cf_repository_release(&r);
}
END_TEST

START_TEST(the_largest_languages_stay)
{
    struct cf_repository r = {0};
    struct cf_error err = {0};
    json_t *answer = json_object();
    /* 30 languages; those of 5 bytes, L00 to L09, stand at the cut: three of them stay */
    for (int i = 0; i < 30; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "L%02d", i);
        (void)json_object_set_new(answer, name, json_integer(i < 10 ? 5 : i < 13 ? 1 : 100 - i));
    }
    must(sync_rest_read_languages(answer, &r, &err), &err);
    json_decref(answer);
    ck_assert_uint_eq(r.language_count, 20);
    cf_repository_sort(&r);
    ck_assert_str_eq(r.languages[0].name, "L07");
    ck_assert_str_eq(r.languages[1].name, "L08");
    ck_assert_str_eq(r.languages[2].name, "L09");
    ck_assert_str_eq(r.languages[3].name, "L13");
    ck_assert_uint_eq(r.languages[3].bytes, 87);
    ck_assert_str_eq(r.languages[19].name, "L29");
    read_languages(&r, "{'C': 1}"); /* replaces */
    ck_assert_uint_eq(r.language_count, 1);
    ck_assert_str_eq(r.languages[0].name, "C");
    cf_repository_release(&r);
}
END_TEST

static const char *const bad_languages[] = {
    "{'C': -1}",    "{'C': '1'}",        "{'C': 1.5}", "{'C': null}",
    "{'C': [[1]]}", "{'A': 1, 'B': {}}", "['C']",
};

START_TEST(bad_languages_change_nothing)
{
    struct cf_repository r = {0};
    struct cf_error err = {0};
    read_languages(&r, "{'D': 4}");
    json_t *answer = fixture(bad_languages[_i]);
    ck_assert_int_eq(sync_rest_read_languages(answer, &r, &err), CF_EDATA);
    ck_assert(*err.message);
    ck_assert_uint_eq(r.language_count, 1);
    ck_assert_str_eq(r.languages[0].name, "D");
    json_decref(answer);
    cf_repository_release(&r);
}
END_TEST

START_TEST(too_many_or_too_long_languages_are_refused)
{
    struct cf_repository r = {0};
    struct cf_error err = {0};
    char name[SYNC_MOST_NAME + 2];
    memset(name, 'x', sizeof(name));
    name[SYNC_MOST_NAME + 1] = '\0';
    json_t *answer = json_pack("{s:i}", name, 1);
    ck_assert_int_eq(sync_rest_read_languages(answer, &r, &err), CF_EDATA);
    json_decref(answer);
    name[SYNC_MOST_NAME] = '\0';
    answer = json_pack("{s:i}", name, 1);
    ck_assert_int_eq(sync_rest_read_languages(answer, &r, &err), 0);
    (void)json_object_clear(answer);
    for (int i = 0; i <= 2000; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        ck_assert_int_eq(sync_rest_read_languages(answer, &r, &err), 0);
        (void)json_object_set_new(answer, name, json_integer(i));
    }
    ck_assert_int_eq(sync_rest_read_languages(answer, &r, &err), CF_EDATA);
    json_decref(answer);
    cf_repository_release(&r);
}
END_TEST

/* REST has null for some forks whose languages it knows. */
START_TEST(the_largest_language_is_the_primary_one)
{
    static const struct {
        const char *listed, *languages, *primary;
    } cases[] = {
        {"null", "{'CSS': 27748, 'TypeScript': 2340094, 'HTML': 18910}", "TypeScript"},
        {"null", "{'B': 5, 'A': 5}", "A"},
        {"null", "{}", NULL},
        {"'HTML'", "{'CSS': 27748, 'TypeScript': 2340094, 'HTML': 18910}", "HTML"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cf_repository r;
        json_t *node = hello();
        (void)json_object_set_new(node, "language", fixture(cases[i].listed));
        read_node(node, &r);
        read_languages(&r, cases[i].languages);
        sync_rest_finish(&r);
        ck_assert_pstr_eq(r.metadata.language, cases[i].primary);
        cf_repository_release(&r);
    }
}
END_TEST

/* As the last version has it. */
static void read_last(struct cf_repository *out)
{
    read_node(hello(), out);
    read_branch(out, 'c', '7');
    read_languages(out, "{'C': 78769, 'Assembly': 7769}");
    sync_rest_finish(out);
}

static const struct {
    const char *field, *value, *read_at;
    bool same;
} changes[] = {
    {"stargazers_count", "81", NULL, true},
    {"size", "109", NULL, true},
    {"name", "'hello-world'", NULL, false},
    {"pushed_at", "'2024-04-30T09:00:01Z'", NULL, false},
    {"pushed_at", "null", NULL, false},
    {"updated_at", "'2024-05-01T10:00:01Z'", NULL, false},
    {"default_branch", "'master'", NULL, false},
    {"id", "5", NULL, false},
    /* pushed at 09:00:00 */
    {"size", "109", "2024-04-30T10:00:01.000Z", true},
    {"size", "109", "2024-04-30T10:00:00.999Z", false},
    {"size", "109", "2024-04-30T08:59:59Z", false},
    {"size", "109", "2026-01-31T23:59:59Z", true},
    {"size", "109", "", false},
    {"size", "109", "2026-01-31T23:59:59", false},
    {"size", "109", "2026-01-31T23:59:59.123", false},
    {"size", "109", "2026-01-31T23:59:59.Z", true},
    {"size", "109", "2026-01-31T23:59:59Z ", false},
    {"size", "109", "2026-01-31T23:59:59+01:00", false},
    {"size", "109", "2026-01-31", false},
    {"pushed_at", "null", "2026-01-31T23:59:59Z", false},
    {"size", "109", "yesterday", false},
};

START_TEST(only_equal_times_and_names_spare_requests)
{
    struct cf_repository last;
    struct cf_repository listed;
    json_t *node = hello();
    (void)json_object_set_new(node, changes[_i].field, fixture(changes[_i].value));
    read_last(&last);
    read_node(node, &listed);
    ck_assert_int_eq(sync_rest_same(&listed, &last, changes[_i].read_at), changes[_i].same);
    cf_repository_release(&listed);
    cf_repository_release(&last);
}
END_TEST

START_TEST(only_what_is_current_or_empty_is_known)
{
    struct cf_repository last;
    struct cf_repository listed;
    read_last(&last);
    read_node(hello(), &listed);
    ck_assert(!sync_rest_same(&listed, NULL, NULL));
    last.state = CF_REPOSITORY_KEPT;
    ck_assert(!sync_rest_same(&listed, &last, NULL));
    last.state = CF_REPOSITORY_FAILED;
    ck_assert(!sync_rest_same(&listed, &last, NULL));
    /* one without a commit has no default branch to compare */
    last.state = CF_REPOSITORY_EMPTY;
    free(last.default_branch);
    last.default_branch = NULL;
    ck_assert(sync_rest_same(&listed, &last, NULL));
    last.state = CF_REPOSITORY_CURRENT;
    ck_assert(!sync_rest_same(&listed, &last, NULL));
    cf_repository_release(&listed);
    cf_repository_release(&last);
}
END_TEST

START_TEST(what_is_reused_is_what_was_read)
{
    struct cf_repository last;
    struct cf_repository listed;
    read_last(&last);
    read_node(hello(), &listed);
    sync_rest_reuse(&last, &listed);
    sync_rest_finish(&listed);
    ck_assert_ptr_ne(listed.languages, last.languages);
    ck_same_document(&listed, &last);
}
END_TEST

Suite *sync_rest_suite(void);

Suite *sync_rest_suite(void)
{
    Suite *suite = suite_create("sync_rest");
    TCase *nodes = tcase_create("nodes");
    TCase *rest = tcase_create("rest");
    tcase_add_test(nodes, both_ways_give_the_same_document);
    tcase_add_loop_test(nodes, each_form_is_that_of_graphql, 0, COUNT(forms));
    tcase_add_test(nodes, an_empty_repository_has_no_default_branch);
    tcase_add_test(nodes, what_is_missing_has_its_usual_value);
    tcase_add_loop_test(nodes, a_wrong_field_is_named, 0, COUNT(wrong_values));
    tcase_add_test(nodes, a_missing_field_is_not_a_null);
    tcase_add_loop_test(nodes, texts_have_bounds, 0, COUNT(bounded));
    tcase_add_test(nodes, of_many_topics_twenty_are_taken);
    tcase_add_test(nodes, what_is_not_public_is_forgotten);
    tcase_add_test(nodes, other_values_are_no_repositories);
    tcase_add_loop_test(rest, accounts, 0, COUNT(owners));
    tcase_add_loop_test(rest, a_bad_branch_changes_nothing, 0, COUNT(bad_branches));
    tcase_add_test(rest, a_branch_of_64_digits);
    tcase_add_test(rest, the_largest_languages_stay);
    tcase_add_loop_test(rest, bad_languages_change_nothing, 0, COUNT(bad_languages));
    tcase_add_test(rest, too_many_or_too_long_languages_are_refused);
    tcase_add_test(rest, the_largest_language_is_the_primary_one);
    tcase_add_loop_test(rest, only_equal_times_and_names_spare_requests, 0, COUNT(changes));
    tcase_add_test(rest, only_what_is_current_or_empty_is_known);
    tcase_add_test(rest, what_is_reused_is_what_was_read);
    suite_add_tcase(suite, nodes);
    suite_add_tcase(suite, rest);
    return suite;
}
