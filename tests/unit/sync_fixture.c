#include "tests/unit/sync_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

void fixture_quiet(void)
{
    cf_log_configure(CF_LOG_JSON, CF_ERROR);
}

json_t *fixture(const char *text)
{
    char *copy = cf_strdup(text);
    json_error_t error;
    for (char *p = copy; *p; p++) {
        *p = (char)(*p == '\'' ? '"' : *p);
    }
    json_t *value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    ck_assert_msg(value != NULL, "%s near %.40s", error.text, copy + error.position);
    free(copy);
    return value;
}

const char *fixture_oid(char digit)
{
    static char ids[4][41];
    static int next;
    char *id = ids[next++ % 4];
    memset(id, digit, 40);
    return id;
}

json_t *fixture_node(unsigned id, const char *name, const char *commit, const char *tree)
{
    json_t *node = fixture(
        "{'databaseId': 1, 'id': 'R_kgDOABPHjQ', 'name': 'x',"
        " 'url': 'https://github.com/octocat/Hello-World',"
        " 'description': 'My first repository on GitHub!', 'homepageUrl': '',"
        " 'visibility': 'PUBLIC', 'createdAt': '2011-01-26T19:01:12Z',"
        " 'updatedAt': '2024-05-01T10:00:00Z', 'pushedAt': '2024-04-30T09:00:00Z',"
        " 'diskUsage': 108, 'isFork': false, 'isArchived': false, 'isDisabled': false,"
        " 'isTemplate': false, 'forkingAllowed': true, 'stargazerCount': 80, 'forkCount': 9,"
        " 'licenseInfo': {'id': 'MDc6TGljZW5zZTEz', 'key': 'mit', 'name': 'MIT License',"
        " 'spdxId': 'MIT'}, 'primaryLanguage': {'name': 'C'},"
        " 'languages': {'edges': [{'size': 78769, 'node': {'name': 'C'}},"
        " {'size': 7769, 'node': {'name': 'Assembly'}}]},"
        " 'repositoryTopics': {'nodes': [{'topic': {'name': 'octocat'}},"
        " {'topic': {'name': 'api'}}]},"
        " 'defaultBranchRef': {'name': 'main', 'target': {'oid': 'x', 'tree': {'oid': 'x'}}}}");
    json_t *target = json_object_get(json_object_get(node, "defaultBranchRef"), "target");
    (void)json_object_set_new(node, "databaseId", json_integer(id));
    (void)json_object_set_new(node, "name", json_string(name));
    (void)json_object_set_new(target, "oid", json_string(commit));
    (void)json_object_set_new(json_object_get(target, "tree"), "oid", json_string(tree));
    return node;
}

json_t *fixture_page_of(json_t *const *list)
{
    json_t *nodes = json_array();
    for (; *list; list++) {
        (void)json_array_append_new(nodes, *list);
    }
    json_t *page = fixture("{'data': {'rateLimit': {'cost': 1, 'remaining': 4999,"
                           " 'resetAt': '2024-05-01T11:00:00Z'}, 'repositoryOwner':"
                           " {'__typename': 'User', 'login': 'Octocat', 'repositories':"
                           " {'totalCount': 0, 'pageInfo': {'hasNextPage': false,"
                           " 'endCursor': 'Y3Vyc29yOjE='}}}}}");
    json_t *connection = json_object_get(
        json_object_get(json_object_get(page, "data"), "repositoryOwner"), "repositories");
    (void)json_object_set_new(connection, "totalCount",
                              json_integer((json_int_t)json_array_size(nodes)));
    (void)json_object_set_new(connection, "nodes", nodes);
    return page;
}

void fixture_listing(json_t *answer, struct sync_listing *out)
{
    struct cf_error err = {0};
    *out = (struct sync_listing){0};
    int rc = sync_listing_add_page(out, answer, "octocat", FIXTURE_API, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    json_decref(answer);
}
