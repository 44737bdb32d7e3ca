/* The listing: real-looking pages, and hostile ones. */
#include "jobs/sync/listing.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static json_t *hello(void)
{
    return fixture_node(1296269, "Hello-World", fixture_oid('c'), fixture_oid('7'));
}

static json_t *connection_of(json_t *page)
{
    return json_object_get(json_object_get(json_object_get(page, "data"), "repositoryOwner"),
                           "repositories");
}

START_TEST(reads_a_node)
{
    struct sync_listing listing;
    fixture_listing(fixture_page(hello(), NULL), &listing);
    ck_assert_str_eq(listing.login, "Octocat");
    ck_assert_str_eq(listing.kind, "User");
    ck_assert_uint_eq(listing.count, 1);
    ck_assert(!listing.partial && !listing.more);
    const struct cf_repository *r = &listing.items[0].repository;
    const struct cf_metadata *m = &r->metadata;
    ck_assert_ptr_null(listing.items[0].problem);
    ck_assert_uint_eq(r->id, 1296269);
    ck_assert_str_eq(r->name, "Hello-World");
    ck_assert_int_eq(r->state, CF_REPOSITORY_CURRENT);
    ck_assert_str_eq(r->default_branch, "main");
    ck_assert_str_eq(r->commit, fixture_oid('c'));
    ck_assert_str_eq(r->tree, fixture_oid('7'));
    ck_assert_uint_eq(strlen(r->fingerprint), 64);
    ck_assert_str_eq(r->content, "");
    ck_assert_str_eq(m->url, "https://api.github.com/repos/Octocat/Hello-World");
    ck_assert_str_eq(m->html_url, "https://github.com/octocat/Hello-World");
    ck_assert_str_eq(m->owner_url, "https://api.github.com/users/Octocat");
    ck_assert_str_eq(m->homepage, "");
    ck_assert_str_eq(m->visibility, "public");
    ck_assert_str_eq(m->license.key, "mit");
    ck_assert_str_eq(m->license.url, "https://api.github.com/licenses/mit");
    ck_assert_str_eq(m->topics[0], "api"); /* sorted */
    ck_assert_str_eq(r->languages[0].name, "Assembly");
    ck_assert_uint_eq(r->languages[0].bytes, 7769);
    ck_assert_uint_eq(m->size, 108);
    sync_listing_release(&listing);
}
END_TEST

START_TEST(nulls_that_are_allowed)
{
    static const char *const fields[] = {"description", "homepageUrl",     "pushedAt",
                                         "diskUsage",   "licenseInfo",     "primaryLanguage",
                                         "languages",   "defaultBranchRef"};
    struct sync_listing listing;
    json_t *node = hello();
    for (size_t i = 0; i < COUNT(fields); i++) {
        (void)json_object_set_new(node, fields[i], json_null());
    }
    fixture_listing(fixture_page(node, NULL), &listing);
    ck_assert_ptr_null(listing.items[0].problem);
    const struct cf_repository *r = &listing.items[0].repository;
    ck_assert_int_eq(r->state, CF_REPOSITORY_EMPTY);
    ck_assert_ptr_null(r->default_branch);
    ck_assert_ptr_null(r->metadata.license.key);
    ck_assert_uint_eq(r->language_count, 0);
    sync_listing_release(&listing);
}
END_TEST

/* A field replaced by a value of another type, each with one clear error. */
static const struct {
    const char *field, *value;
} wrong_values[] = {
    {"databaseId", "'1'"},
    {"databaseId", "-5"},
    {"databaseId", "0"},
    {"databaseId", "null"},
    {"databaseId", "1.5"},
    {"id", "7"},
    {"name", "null"},
    {"name", "'../x'"},
    {"name", "'..'"},
    {"name", "''"},
    {"name", "'a/b'"},
    {"name", "'a\\u0000b'"},
    {"name", "'a\\u001b[31m'"},
    {"name", "['x']"},
    {"url", "{}"},
    {"description", "7"},
    {"visibility", "7"},
    {"createdAt", "null"},
    {"pushedAt", "false"},
    {"diskUsage", "-1"},
    {"isFork", "'false'"},
    {"isArchived", "null"},
    {"forkingAllowed", "0"},
    {"stargazerCount", "-80"},
    {"forkCount", "'9'"},
    {"licenseInfo", "'MIT'"},
    {"licenseInfo", "{'key': null, 'name': 'x'}"},
    {"primaryLanguage", "'C'"},
    {"languages", "[]"},
    {"languages", "{'edges': [{'size': -1, 'node': {'name': 'C'}}]}"},
    {"languages", "{'edges': [{'size': 1, 'node': null}]}"},
    {"languages", "{'edges': [null]}"},
    {"languages", "{'edges': [{'size': 1, 'node': {'name': 'C'}},"
                  " {'size': 1, 'node': {'name': 'C'}}]}"},
    {"repositoryTopics", "null"},
    {"repositoryTopics", "{'nodes': null}"},
    {"repositoryTopics", "{'nodes': [{'topic': null}]}"},
    {"defaultBranchRef", "'main'"},
    {"defaultBranchRef", "{'name': 'main', 'target': null}"},
    {"defaultBranchRef", "{'name': 'main', 'target': {'oid': '../../x', 'tree': null}}"},
    {"defaultBranchRef", "{'name': null}"},
};

START_TEST(a_wrong_field_spoils_one_repository)
{
    struct sync_listing listing;
    struct cf_repository repository;
    struct cf_error err = {0};
    json_t *node = hello();
    (void)json_object_set_new(node, wrong_values[_i].field, fixture(wrong_values[_i].value));
    ck_assert_int_eq(sync_listing_read_node(node, "Octocat", FIXTURE_API, &repository, &err),
                     CF_EDATA);
    ck_assert(*err.message);
    cf_repository_release(&repository);
    fixture_listing(
        fixture_page(node, fixture_node(2, "good", fixture_oid('1'), fixture_oid('2')), NULL),
        &listing);
    bool id_is_wrong = strcmp(wrong_values[_i].field, "databaseId") == 0;
    ck_assert_uint_eq(listing.count, id_is_wrong ? 1 : 2);
    ck_assert_int_eq(listing.partial, id_is_wrong);
    if (!id_is_wrong) {
        ck_assert_uint_eq(listing.items[0].repository.id, 1296269);
        ck_assert_str_eq(listing.items[0].problem, "bad_listing");
        ck_assert_ptr_null(listing.items[0].repository.name);
    }
    ck_assert_ptr_null(listing.items[listing.count - 1].problem);
    ck_assert_str_eq(listing.items[listing.count - 1].repository.name, "good");
    sync_listing_release(&listing);
}
END_TEST

START_TEST(a_missing_field_is_not_a_null)
{
    struct cf_repository repository;
    struct cf_error err;
    json_t *whole = hello();
    const char *field;
    json_t *value;
    json_object_foreach(whole, field, value)
    {
        json_t *node = hello();
        (void)json_object_del(node, field);
        int rc = sync_listing_read_node(node, "Octocat", FIXTURE_API, &repository, &err);
        ck_assert_msg(rc == CF_EDATA, "%s", field);
        cf_repository_release(&repository);
        json_decref(node);
    }
    json_decref(whole);
}
END_TEST

START_TEST(too_much_of_anything_is_refused)
{
    struct sync_listing listing;
    json_t *topics = json_array();
    for (int i = 0; i < 5000; i++) {
        (void)json_array_append_new(topics, fixture("{'topic': {'name': 'x'}}"));
    }
    json_t *many = hello();
    (void)json_object_set_new(json_object_get(many, "repositoryTopics"), "nodes", topics);
    char *text = calloc(1, 20001);
    memset(text, 'x', 20000);
    json_t *long_text = fixture_node(2, "b", fixture_oid('1'), fixture_oid('2'));
    (void)json_object_set_new(long_text, "description", json_string(text));
    text[101] = '\0';
    json_t *long_name = fixture_node(3, text, fixture_oid('1'), fixture_oid('2'));
    text[100] = '\0';
    json_t *longest_name = fixture_node(4, text, fixture_oid('1'), fixture_oid('2'));
    free(text);
    fixture_listing(fixture_page(many, long_text, long_name, longest_name, NULL), &listing);
    ck_assert_uint_eq(listing.count, 4);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_str_eq(listing.items[i].problem, "bad_listing");
    }
    ck_assert_ptr_null(listing.items[3].problem);
    sync_listing_release(&listing);
}
END_TEST

START_TEST(nuls_in_texts_are_replaced)
{
    struct sync_listing listing;
    json_t *node = hello();
    (void)json_object_set_new(node, "description", fixture("'a\\u0000b'"));
    fixture_listing(fixture_page(node, NULL), &listing);
    ck_assert_str_eq(listing.items[0].repository.metadata.description, "a\xef\xbf\xbd"
                                                                       "b");
    sync_listing_release(&listing);
}
END_TEST

START_TEST(what_is_not_public_is_forgotten)
{
    struct sync_listing listing;
    json_t *node = hello();
    (void)json_object_set_new(node, "visibility", json_string("PRIVATE"));
    fixture_listing(fixture_page(node, NULL), &listing);
    ck_assert_uint_eq(listing.count, 0);
    sync_listing_release(&listing);
}
END_TEST

START_TEST(one_that_is_listed_twice_counts_once)
{
    struct sync_listing listing;
    fixture_listing(fixture_page(hello(),
                                 fixture_node(1296269, "other", fixture_oid('1'), fixture_oid('2')),
                                 NULL),
                    &listing);
    ck_assert_uint_eq(listing.count, 1);
    ck_assert_str_eq(listing.items[0].repository.name, "Hello-World");
    sync_listing_release(&listing);
}
END_TEST

/* Partial data: an error explains a node, whole or in part, and nothing else suffers. */
START_TEST(errors_are_told_apart_by_their_path)
{
    struct sync_listing listing;
    json_t *damaged = fixture_node(2, "b", fixture_oid('1'), fixture_oid('2'));
    (void)json_object_set_new(damaged, "defaultBranchRef", json_null());
    json_t *page = fixture_page(hello(), damaged, json_null(), NULL);
    (void)json_object_set_new(
        page, "errors",
        fixture("[{'type': 'FORBIDDEN', 'message': 'x', 'path':"
                " ['repositoryOwner', 'repositories', 'nodes', 1, 'defaultBranchRef']},"
                " {'type': 'NOT_FOUND', 'message': 'y', 'path':"
                " ['repositoryOwner', 'repositories', 'nodes', 2]}]"));
    fixture_listing(page, &listing);
    ck_assert_uint_eq(listing.count, 2);
    ck_assert_ptr_null(listing.items[0].problem);
    ck_assert_uint_eq(listing.items[1].repository.id, 2);
    ck_assert_str_eq(listing.items[1].problem, "forbidden"); /* not an empty repository */
    ck_assert(listing.partial);
    sync_listing_release(&listing);
}
END_TEST

START_TEST(fewer_than_promised_is_partial)
{
    struct sync_listing listing;
    json_t *page = fixture_page(hello(), NULL);
    (void)json_object_set_new(connection_of(page), "totalCount", json_integer(2));
    fixture_listing(page, &listing);
    ck_assert(listing.partial);
    sync_listing_release(&listing);
}
END_TEST

static const struct {
    const char *answer;
    int code;
} bad_pages[] = {
    {"{'data': {'repositoryOwner': null}}", CF_ENOTFOUND},
    {"{'data': {'repositoryOwner': null}, 'errors': [{'type': 'NOT_FOUND',"
     " 'path': ['repositoryOwner']}]}",
     CF_ENOTFOUND},
    {"{'data': {'repositoryOwner': null}, 'errors': [{'type': 'FORBIDDEN',"
     " 'path': ['repositoryOwner']}]}",
     CF_EDENIED},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': 'octocat',"
     " 'repositories': null}}, 'errors': [{'type': 'RESOURCE_LIMITS_EXCEEDED',"
     " 'path': ['repositoryOwner', 'repositories']}]}",
     CF_EUNAVAILABLE},
    {"{'data': {}}", CF_EDATA},
    {"{}", CF_EDATA},
    {"[]", CF_EDATA},
    {"{'data': []}", CF_EDATA},
    {"{'data': {'repositoryOwner': 'octocat'}}", CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': 'mallory',"
     " 'repositories': {}}}}",
     CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': '../octocat',"
     " 'repositories': {}}}}",
     CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'Bot', 'login': 'octocat'}}}", CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': 'octocat',"
     " 'repositories': {'nodes': {}, 'pageInfo': {}}}}}",
     CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': 'octocat',"
     " 'repositories': {'nodes': [], 'totalCount': 0, 'pageInfo': null}}}}",
     CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': 'octocat',"
     " 'repositories': {'nodes': [], 'totalCount': -1, 'pageInfo': {'hasNextPage': false}}}}}",
     CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': 'octocat',"
     " 'repositories': {'nodes': [], 'totalCount': 9, 'pageInfo': {'hasNextPage': true,"
     " 'endCursor': 'x'}}}}}",
     CF_EDATA},
    {"{'data': {'repositoryOwner': {'__typename': 'User', 'login': 'octocat',"
     " 'repositories': {'nodes': [null], 'totalCount': 9, 'pageInfo': {'hasNextPage': true,"
     " 'endCursor': null}}}}}",
     CF_EDATA},
};

START_TEST(bad_pages_are_one_clear_error)
{
    struct sync_listing listing = {0};
    struct cf_error err = {0};
    json_t *answer = fixture(bad_pages[_i].answer);
    ck_assert_int_eq(sync_listing_add_page(&listing, answer, "octocat", FIXTURE_API, &err),
                     bad_pages[_i].code);
    ck_assert_int_eq(err.code, bad_pages[_i].code);
    ck_assert(*err.message);
    json_decref(answer);
    sync_listing_release(&listing);
}
END_TEST

START_TEST(a_cursor_that_stands_still_is_refused)
{
    struct sync_listing listing = {0};
    struct cf_error err = {0};
    json_t *page = fixture_page(hello(), NULL);
    json_t *info = json_object_get(connection_of(page), "pageInfo");
    (void)json_object_set_new(info, "hasNextPage", json_true());
    ck_assert_int_eq(sync_listing_add_page(&listing, page, "OctoCat", FIXTURE_API, &err), 0);
    ck_assert(listing.more);
    ck_assert_str_eq(listing.cursor, "Y3Vyc29yOjE=");
    ck_assert_int_eq(sync_listing_add_page(&listing, page, "OctoCat", FIXTURE_API, &err), CF_EDATA);
    json_decref(page);
    sync_listing_release(&listing);
}
END_TEST

Suite *sync_listing_suite(void);

Suite *sync_listing_suite(void)
{
    Suite *suite = suite_create("sync_listing");
    TCase *nodes = tcase_create("nodes");
    tcase_add_checked_fixture(nodes, fixture_quiet, NULL);
    TCase *pages = tcase_create("pages");
    tcase_add_checked_fixture(pages, fixture_quiet, NULL);
    tcase_add_test(nodes, reads_a_node);
    tcase_add_test(nodes, nulls_that_are_allowed);
    tcase_add_loop_test(nodes, a_wrong_field_spoils_one_repository, 0, COUNT(wrong_values));
    tcase_add_test(nodes, a_missing_field_is_not_a_null);
    tcase_add_test(nodes, too_much_of_anything_is_refused);
    tcase_add_test(nodes, nuls_in_texts_are_replaced);
    tcase_add_test(nodes, what_is_not_public_is_forgotten);
    tcase_add_test(nodes, one_that_is_listed_twice_counts_once);
    tcase_add_test(pages, errors_are_told_apart_by_their_path);
    tcase_add_test(pages, fewer_than_promised_is_partial);
    tcase_add_loop_test(pages, bad_pages_are_one_clear_error, 0, COUNT(bad_pages));
    tcase_add_test(pages, a_cursor_that_stands_still_is_refused);
    suite_add_tcase(suite, nodes);
    suite_add_tcase(suite, pages);
    return suite;
}
