/* Documents by GraphQL: what the answers give, what hostile ones don't, and batches that shrink. */
#include "jobs/sync/files.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HELLO "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0" /* git's id of "hello" */
#define README CF_DOCUMENT_README
#define BAD_GATEWAY                                                                                \
    {                                                                                              \
        .path = "POST /graphql ", .status = 502, .body = "<html>bad gateway</html>"                \
    }

static struct fixture_session f;
static struct sync_item items[SYNC_FILES_REPOSITORIES];
static struct sync_batch batch;
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    memset(items, 0, sizeof(items));
    sync_batch_init(&batch, SYNC_FILES_REPOSITORIES, 0);
    f = (struct fixture_session){0};
    err = (struct cf_error){0};
}

/* Items that each want a README of "hello". */
static void make_items(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fixture_item(&items[i], (unsigned)i + 1, "r", '7');
        fixture_want(&items[i], README, HELLO, 5);
    }
}

static void teardown(void)
{
    for (size_t i = 0; i < SYNC_FILES_REPOSITORIES; i++) {
        fixture_item_release(&items[i]);
    }
    if (f.server) {
        fixture_close(&f);
    }
}

START_TEST(names_stay_out_of_the_query)
{
    struct sync_item *chosen[] = {&items[0]};
    struct cf_buf query = CF_BUF_INIT;
    json_t *variables;
    make_items(1);
    free(items[0].repository.node_id);
    items[0].repository.node_id = cf_strdup("R_\") { evil }");
    fixture_want(&items[0], CF_DOCUMENT_ARCHITECTURE, A, SYNC_FILES_TEXT);
    fixture_want(&items[0], CF_DOCUMENT_SKILLS_INDEX, B, SYNC_FILES_TEXT + 1); /* by REST */
    sync_files_query(chosen, 1, &query, &variables);
    ck_assert_ptr_null(strstr(query.data, "evil"));
    ck_assert_ptr_null(strstr(query.data, HELLO));
    ck_assert_ptr_nonnull(strstr(query.data, "$n0: ID!"));
    ck_assert_ptr_nonnull(strstr(query.data, "$o0_0: GitObjectID!"));
    ck_assert_ptr_nonnull(strstr(query.data, "rateLimit { cost remaining resetAt }"));
    ck_assert_str_eq(json_string_value(json_object_get(variables, "n0")), "R_\") { evil }");
    ck_assert_str_eq(json_string_value(json_object_get(variables, "o0_0")), HELLO);
    ck_assert_str_eq(json_string_value(json_object_get(variables, "o0_2")), A);
    ck_assert_uint_eq(json_object_size(variables), 3);
    json_decref(variables);
    cf_buf_release(&query);
}
END_TEST

#define FILE_OF(fields) "{'data': {'r0': {'d0': {'oid': '" HELLO "', 'byteSize': 5, " fields "}}}}"

/* With neither a reason nor a text, it is left to REST. */
static const struct {
    const char *answer;
    const char *reason, *text;
    bool lacks;
} files[] = {
    {FILE_OF("'text': 'hello', 'isBinary': false, 'isTruncated': false"), NULL, "hello", false},
    {FILE_OF("'text': '', 'isBinary': false, 'isTruncated': false"), NULL, "", false},
    {FILE_OF("'text': 'a\\u0000b', 'isBinary': false, 'isTruncated': false"), NULL,
     "a\xef\xbf\xbd"
     "b",
     false},
    {FILE_OF("'text': null, 'isBinary': true, 'isTruncated': false"), NULL, NULL, false},
    {FILE_OF("'text': 'x', 'isBinary': true, 'isTruncated': false"), NULL, NULL, false},
    {FILE_OF("'text': null, 'isBinary': null, 'isTruncated': false"), NULL, NULL, false},
    {FILE_OF("'text': 'hello', 'isBinary': false, 'isTruncated': true"), NULL, NULL, false},
    {FILE_OF("'text': 7, 'isBinary': false, 'isTruncated': false"), "bad_answer", NULL, false},
    {FILE_OF("'text': 'x', 'isBinary': 'no', 'isTruncated': false"), "bad_answer", NULL, false},
    {FILE_OF("'text': 'x', 'isBinary': false, 'isTruncated': null"), "bad_answer", NULL, false},
    {FILE_OF("'isBinary': false, 'isTruncated': false"), "bad_answer", NULL, false},
    {"{'data': {'r0': {'d0': {'oid': '" B "', 'byteSize': 5, 'text': 'x', 'isBinary': false,"
     " 'isTruncated': false}}}}",
     "bad_answer", NULL, false},
    {"{'data': {'r0': {'d0': {'oid': '" HELLO "', 'byteSize': 6, 'text': 'x', 'isBinary': false,"
     " 'isTruncated': false}}}}",
     "bad_answer", NULL, false},
    {"{'data': {'r0': {'d0': null}}}", NULL, NULL, false},
    {"{'data': {'r0': {'d0': []}}}", NULL, NULL, false},
    {"{'data': {'r0': {}}}", NULL, NULL, false},
    {"{'data': {'r0': null}}", NULL, NULL, false},
    {"{'data': {}}", NULL, NULL, false},
    {"{'data': {'r0': null}, 'errors': [{'type': 'NOT_FOUND', 'path': ['r0']}]}", "not_found", NULL,
     false},
    {"{'data': {'r0': null}, 'errors': [{'type': 'FORBIDDEN', 'path': ['r0']}]}", "forbidden", NULL,
     false},
    {"{'data': {'r0': null}, 'errors': [{'message': 'x', 'path': ['r0']}]}", "incomplete", NULL,
     false},
    {"{'data': {'r0': null}, 'errors': [{'type': 'RESOURCE_LIMITS_EXCEEDED', 'path': ['r0']}]}",
     NULL, NULL, true},
    {"{'data': {'r0': {'d0': null}}, 'errors': [{'type': 'RESOURCE_LIMITS_EXCEEDED',"
     " 'path': ['r0', 'd0']}]}",
     NULL, NULL, false},
};

START_TEST(files_come_whole_or_with_a_reason)
{
    struct sync_item *chosen[] = {&items[0]};
    make_items(1);
    json_t *answer = fixture(files[_i].answer);
    ck_assert_uint_eq(sync_files_read(answer, chosen, 1), files[_i].lacks);
    const struct cf_document *readme = &items[0].content.documents[README];
    ck_assert_pstr_eq(items[0].reason, files[_i].reason);
    ck_assert_pstr_eq(readme->text, files[_i].text);
    ck_assert_ptr_null(readme->skipped);
    ck_assert_int_eq(items[0].asked, !files[_i].lacks);
    ck_assert_int_eq(sync_is_wanted(readme), files[_i].text == NULL);
    json_decref(answer);
}
END_TEST

START_TEST(one_missing_alias_harms_no_other)
{
    struct sync_item *chosen[] = {&items[0], &items[1], &items[2]};
    make_items(3);
    json_t *answer =
        fixture("{'data': {'r0': null, 'r1': {'d0': {'oid': '" HELLO "', 'byteSize': 5,"
                " 'text': 'hello', 'isBinary': false, 'isTruncated': false}},"
                " 'r2': null}, 'errors': [{'type': 'FORBIDDEN', 'path': ['r0']},"
                " {'type': 'RESOURCE_LIMITS_EXCEEDED', 'path': ['r2']}]}");
    ck_assert_uint_eq(sync_files_read(answer, chosen, 3), 1);
    ck_assert_str_eq(items[0].reason, "forbidden");
    ck_assert_ptr_null(items[1].reason);
    ck_assert_str_eq(items[1].content.documents[README].text, "hello");
    ck_assert_ptr_null(items[2].reason);
    ck_assert(!items[2].asked);
    json_decref(answer);
}
END_TEST

/* --- fetching -----------------------------------------------------------------------------------
 */

/* An answer for so many repositories, without every step-th of them (0: with all). */
static const char *texts_of(size_t count, size_t step)
{
    json_t *data = json_object();
    json_t *errors = json_array();
    for (size_t i = 0; i < count; i++) {
        char alias[24];
        (void)snprintf(alias, sizeof(alias), "r%zu", i);
        if (step && i % step == 0) {
            (void)json_object_set_new(data, alias, json_null());
            (void)json_array_append_new(
                errors,
                json_pack("{s:s,s:[s]}", "type", "RESOURCE_LIMITS_EXCEEDED", "path", alias));
            continue;
        }
        (void)json_object_set_new(data, alias,
                                  fixture("{'d0': {'oid': '" HELLO "', 'byteSize': 5, 'text':"
                                          " 'hello', 'isBinary': false, 'isTruncated': false}}"));
    }
    return fixture_body_of(json_pack("{s:o,s:o}", "data", data, "errors", errors));
}

static const char *texts(size_t count)
{
    return texts_of(count, 0);
}

static int fetch_with(const struct net_step *script, size_t count, size_t item_count,
                      const struct sync_github_settings *settings)
{
    fixture_open(&f, net_server_new_unordered(script, count), settings);
    return sync_files_fetch(f.session, &batch, items, item_count, &err);
}

static int fetch(const struct net_step *script, size_t count, size_t item_count)
{
    return fetch_with(script, count, item_count, NULL);
}

/* How many repositories the query of this request asked for. */
static size_t asked(size_t index)
{
    json_t *request = json_loads(fixture_request(&f, index), 0, NULL);
    const json_t *variables = json_object_get(request, "variables");
    size_t count = 0;
    char name[24];
    do {
        (void)snprintf(name, sizeof(name), "n%zu", count);
    } while (json_object_get(variables, name) && ++count);
    json_decref(request);
    return count;
}

static void expect_hello(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_ptr_null(items[i].reason);
        ck_assert_pstr_eq(items[i].content.documents[README].text, "hello");
        ck_assert_uint_eq(items[i].content.documents[README].text_length, 5);
    }
}

static void expect_queries(const size_t *sizes, size_t count)
{
    ck_assert_uint_eq(fixture_count(&f, "POST "), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(asked(i), sizes[i]);
    }
}

START_TEST(one_query_for_twenty)
{
    static const size_t sizes[] = {20};
    const struct net_step script[] = {{.path = "POST /graphql ", .body = texts(20)}};
    make_items(20);
    ck_assert_int_eq(fetch(script, 1, 20), 0);
    expect_hello(20);
    expect_queries(sizes, COUNT(sizes));
    ck_assert_uint_eq(net_server_requests(f.server), 1);
    ck_assert(!batch.shrunk);
}
END_TEST

START_TEST(a_query_that_was_too_much_is_halved)
{
    static const size_t sizes[] = {20, 10, 5, 5, 5, 5};
    const struct net_step script[] = {BAD_GATEWAY,
                                      {.path = "POST ", .status = 504, .body = ""},
                                      {.path = "POST ", .body = texts(5)}};
    make_items(20);
    ck_assert_int_eq(fetch(script, COUNT(script), 20), 0);
    expect_hello(20);
    expect_queries(sizes, COUNT(sizes));
    ck_assert(batch.shrunk);
    ck_assert_uint_eq(batch.size, 10); /* four in a row went well */
}
END_TEST

/* Only what one answer lacks is asked for again, in halves. */
START_TEST(what_was_too_much_is_asked_for_again)
{
    static const size_t sizes[] = {20, 10};
    const struct net_step script[] = {{.path = "POST ", .body = texts_of(20, 2)},
                                      {.path = "POST ", .body = texts(10)}};
    make_items(20);
    ck_assert_int_eq(fetch(script, COUNT(script), 20), 0);
    expect_hello(20);
    expect_queries(sizes, COUNT(sizes));
    json_t *second = json_loads(fixture_request(&f, 1), 0, NULL);
    const json_t *variables = json_object_get(second, "variables");
    ck_assert_str_eq(json_string_value(json_object_get(variables, "n0")), "R_1");
    ck_assert_str_eq(json_string_value(json_object_get(variables, "n1")), "R_3");
    ck_assert_str_eq(json_string_value(json_object_get(variables, "n9")), "R_19");
    json_decref(second);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
}
END_TEST

/* As GitHub answers when nothing of a query came out. */
START_TEST(an_answer_without_data_is_halved_too)
{
    static const size_t sizes[] = {20, 10, 10};
    const struct net_step script[] = {
        {.path = "POST ",
         .body = "{\"data\":null,\"errors\":[{\"type\":\"RESOURCE_LIMITS_EXCEEDED\"}]}"},
        {.path = "POST ", .body = texts(10)}};
    make_items(20);
    ck_assert_int_eq(fetch(script, COUNT(script), 20), 0);
    expect_hello(20);
    expect_queries(sizes, COUNT(sizes));
}
END_TEST

START_TEST(one_that_no_query_gives_comes_by_rest)
{
    static const size_t sizes[] = {2, 1, 1, 1, 1, 1, 1};
    const char *blob = fixture_blob("hello", 5);
    const struct net_step script[] = {
        BAD_GATEWAY, /* two */
        BAD_GATEWAY,
        BAD_GATEWAY,
        BAD_GATEWAY,
        BAD_GATEWAY,
        BAD_GATEWAY, /* one, five times */
        {.path = "POST ", .body = texts(1)},
        {.path = "GET /repos/octocat/r/git/blobs/" HELLO " ", .body = blob}};
    make_items(2);
    sync_batch_init(&batch, SYNC_FILES_REPOSITORIES, 4);
    ck_assert_msg(fetch(script, COUNT(script), 2) == 0, "%s", err.message);
    expect_hello(2);
    expect_queries(sizes, COUNT(sizes));
    ck_assert_uint_eq(fixture_count(&f, "GET "), 1);
}
END_TEST

START_TEST(resources_for_not_even_one_lead_to_rest)
{
    const struct net_step script[] = {{.path = "POST ", .body = texts_of(1, 1)},
                                      {.path = "GET ", .body = fixture_blob("hello", 5)}};
    make_items(1);
    ck_assert_int_eq(fetch(script, COUNT(script), 1), 0);
    expect_hello(1);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
}
END_TEST

START_TEST(binary_and_cut_ones_come_by_rest)
{
    char oid[CF_OID_HEX];
    static const char utf16[] = "\xff\xfeh\0i\0";
    static const char binary[] = "\x7f"
                                 "ELF\0\0";
    const struct net_step script[] = {
        {.path = "POST ",
         .body = fixture_body("{'data': {'r0': {'d0': null}, 'r1': {'d0': null}}}")},
        {.path = "/r1/git/blobs/", .body = fixture_blob(utf16, 6)},
        {.path = "/r2/git/blobs/", .body = fixture_blob(binary, 6)}};
    fixture_item(&items[0], 1, "r1", '7');
    fixture_item(&items[1], 2, "r2", '7');
    fixture_blob_oid(utf16, 6, oid);
    fixture_want(&items[0], README, oid, 6);
    fixture_blob_oid(binary, 6, oid);
    fixture_want(&items[1], README, oid, 6);
    ck_assert_int_eq(fetch(script, COUNT(script), 2), 0);
    ck_assert_pstr_eq(items[0].content.documents[README].text, "hi");
    ck_assert_ptr_null(items[0].reason);
    ck_assert_pstr_eq(items[1].content.documents[README].skipped, "binary");
    ck_assert_ptr_null(items[1].content.documents[README].text);
    ck_assert_ptr_null(items[1].reason);
}
END_TEST

START_TEST(long_ones_come_by_rest_alone)
{
    static char text[SYNC_FILES_TEXT + 1];
    char oid[CF_OID_HEX];
    memset(text, 'x', sizeof(text));
    const struct net_step script[] = {
        {.path = "GET /repos/octocat/r/git/blobs/", .body = fixture_blob(text, sizeof(text))}};
    fixture_item(&items[0], 1, "r", '7');
    fixture_blob_oid(text, sizeof(text), oid);
    fixture_want(&items[0], README, oid, sizeof(text));
    ck_assert_int_eq(fetch(script, 1, 1), 0);
    ck_assert_ptr_null(items[0].reason);
    ck_assert_uint_eq(items[0].content.documents[README].text_length, sizeof(text));
    ck_assert_uint_eq(net_server_requests(f.server), 1);
}
END_TEST

START_TEST(a_query_holds_four_mebibytes)
{
    static const size_t sizes[] = {8, 8, 1};
    const struct net_step script[] = {{.path = "POST ", .body = "{\"data\":{}}"},
                                      {.path = "GET ", .status = 404, .body = "{}"}};
    make_items(17);
    for (size_t i = 0; i < 17; i++) {
        items[i].content.documents[README].bytes = SYNC_FILES_TEXT;
    }
    ck_assert_int_eq(fetch(script, COUNT(script), 17), 0);
    expect_queries(sizes, COUNT(sizes));
    ck_assert_str_eq(items[16].reason, "not_found");
}
END_TEST

START_TEST(a_query_that_is_not_understood_leads_to_rest)
{
    const struct net_step script[] = {
        {.path = "POST ",
         .body = fixture_body("{'errors': [{'message': 'x', 'extensions': {'code': 'y'}}]}")},
        {.path = "GET ", .body = fixture_blob("hello", 5)}};
    make_items(2);
    ck_assert_int_eq(fetch(script, COUNT(script), 2), 0);
    expect_hello(2);
    ck_assert_uint_eq(net_server_requests(f.server), 3);
    ck_assert(!batch.shrunk);
}
END_TEST

START_TEST(an_outage_is_a_reason)
{
    const struct net_step script[] = {{.path = "POST ", .status = 503, .body = "{}"}};
    make_items(2);
    ck_assert_int_eq(fetch(script, COUNT(script), 2), 0);
    ck_assert_str_eq(items[0].reason, "unavailable");
    ck_assert(items[0].unavailable && items[1].unavailable);
    ck_assert_uint_eq(net_server_requests(f.server), 5);
    ck_assert(!batch.shrunk);
}
END_TEST

static const struct {
    int status;
    const char *headers;
    int code;
} endings[] = {
    {401, NULL, CF_EDENIED},
    {403, "Retry-After: 3600\r\n", CF_ERETRY},
};

START_TEST(some_answers_end_it)
{
    const struct net_step script[] = {{.path = "POST ",
                                       .status = endings[_i].status,
                                       .headers = endings[_i].headers,
                                       .body = "{}"}};
    make_items(20);
    ck_assert_int_eq(fetch(script, COUNT(script), 20), endings[_i].code);
    ck_assert_int_eq(err.code, endings[_i].code);
    ck_assert_uint_eq(net_server_requests(f.server), 1);
    ck_assert_ptr_null(items[0].reason);
    ck_assert(sync_is_wanted(&items[0].content.documents[README]));
}
END_TEST

START_TEST(without_graphql_everything_comes_by_rest)
{
    const struct sync_github_settings settings = {.rest_only = true};
    const struct net_step script[] = {{.path = "GET ", .body = fixture_blob("hello", 5)}};
    make_items(20);
    items[7].action = SYNC_REUSE;
    ck_assert_int_eq(fetch_with(script, 1, 20, &settings), 0);
    ck_assert_pstr_eq(items[0].content.documents[README].text, "hello");
    ck_assert_ptr_null(items[7].content.documents[README].text);
    ck_assert_uint_eq(net_server_requests(f.server), 19);
    ck_assert_int_le(net_server_most_at_once(f.server), SYNC_AT_ONCE);
}
END_TEST

Suite *sync_files_suite(void);

Suite *sync_files_suite(void)
{
    Suite *suite = suite_create("sync_files");
    TCase *answers = tcase_create("answers");
    TCase *fetching = tcase_create("fetching");
    tcase_add_checked_fixture(answers, setup, teardown);
    tcase_add_checked_fixture(fetching, setup, teardown);
    tcase_set_timeout(fetching, 30);
    tcase_add_test(answers, names_stay_out_of_the_query);
    tcase_add_loop_test(answers, files_come_whole_or_with_a_reason, 0, COUNT(files));
    tcase_add_test(answers, one_missing_alias_harms_no_other);
    tcase_add_test(fetching, one_query_for_twenty);
    tcase_add_test(fetching, a_query_that_was_too_much_is_halved);
    tcase_add_test(fetching, what_was_too_much_is_asked_for_again);
    tcase_add_test(fetching, an_answer_without_data_is_halved_too);
    tcase_add_test(fetching, one_that_no_query_gives_comes_by_rest);
    tcase_add_test(fetching, resources_for_not_even_one_lead_to_rest);
    tcase_add_test(fetching, binary_and_cut_ones_come_by_rest);
    tcase_add_test(fetching, long_ones_come_by_rest_alone);
    tcase_add_test(fetching, a_query_holds_four_mebibytes);
    tcase_add_test(fetching, a_query_that_is_not_understood_leads_to_rest);
    tcase_add_test(fetching, an_outage_is_a_reason);
    tcase_add_loop_test(fetching, some_answers_end_it, 0, COUNT(endings));
    tcase_add_test(fetching, without_graphql_everything_comes_by_rest);
    suite_add_tcase(suite, answers);
    suite_add_tcase(suite, fetching);
    return suite;
}
