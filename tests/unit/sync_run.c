/* Whole runs against a scripted GitHub and a store in memory. */
#include "jobs/sync/sync.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/portfolio/content.h"
#include "common/portfolio/repos.h"
#include "tests/unit/net_server.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct cf_store *store;
static char *texts[8]; /* bodies of the script, freed at the end */
static size_t text_count;

static void setup(void)
{
    struct cf_error err;
    cf_log_configure(CF_LOG_JSON, CF_ERROR);
    ck_assert_int_eq(cf_store_open("memory:", &store, &err), 0);
    text_count = 0;
}

static void teardown(void)
{
    cf_store_free(store);
    while (text_count) {
        free(texts[--text_count]);
    }
}

static const char *body(json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    texts[text_count++] = text;
    return text;
}

static const char *listing_body(unsigned id, const char *name, char tree)
{
    return body(fixture_page(fixture_node(id, name, fixture_oid('c'), fixture_oid(tree)), NULL));
}

static const char *tree_body(char tree)
{
    return body(json_pack("{s:s,s:b,s:[{s:s,s:s,s:s,s:s,s:i}]}", "sha", fixture_oid(tree),
                          "truncated", 0, "tree", "path", "README.md", "mode", "100644", "type",
                          "blob", "sha", A, "size", 5));
}

static const char *files_body(void)
{
    return body(fixture("{'data': {'rateLimit': {'cost': 1, 'remaining': 4998}, 'r0': {'d0':"
                        " {'oid': '" A "', 'byteSize': 5, 'text': 'hello', 'isBinary': false,"
                        " 'isTruncated': false}}}}"));
}

struct outcome {
    int rc;
    struct cf_error err;
    struct cf_run_record record;
    size_t requests;
    struct net_server *server;
};

static void run_with(const struct net_step *script, size_t count, bool force, struct outcome *out)
{
    static volatile int stop;
    struct sync_github *github = NULL;
    memset(out, 0, sizeof(*out));
    out->server = net_server_new(script, count);
    const struct sync_github_settings settings = {.api_url = net_server_url(out->server),
                                                  .token = "s3cret",
                                                  .backoff_ms = 5,
                                                  .total_ms = 5000,
                                                  .stop = &stop};
    struct cf_run run = {.store = store,
                         .tenant = "octocat",
                         .config = {.login = "octocat", .enabled = true},
                         .config_version = 1,
                         .config_sha256 = A "aaaaaaaaaaaaaaaaaaaaaaaa",
                         .producer = {"sync", "build", "run"},
                         .force = force,
                         .stop = &stop};
    ck_assert_int_eq(sync_github_new(&settings, &github, &out->err), 0);
    out->rc = sync_run(&run, github, &out->err);
    sync_github_free(github);
    out->record = run.record;
    out->requests = net_server_requests(out->server);
    net_server_free(out->server);
}

static void read_newest(struct cf_repos *repos, struct cf_content *content)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_blob_set blobs;
    struct cf_error err;
    struct cf_buf bytes = CF_BUF_INIT;
    json_t *root = NULL;
    json_t *document = NULL;
    cf_dataset_init(&dataset, store, "octocat", "repos");
    ck_assert_int_eq(cf_dataset_newest(&dataset, &marker, &err), 0);
    ck_assert_int_eq(cf_dataset_root(&dataset, &marker, &root, &err), 0);
    ck_assert_msg(cf_repos_read(root, repos, &err) == 0, "%s", err.message);
    ck_assert_int_eq(cf_blob_set_read(root, &blobs, &err), 0);
    const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, repos->items[0].content);
    ck_assert_ptr_nonnull(ref);
    ck_assert_int_eq(cf_dataset_blob(&dataset, ref, &bytes, &err), 0);
    ck_assert_int_eq(cf_json_parse(bytes.data, bytes.length, "content", &document, &err), 0);
    ck_assert_msg(cf_content_read(document, content, &err) == 0, "%s", err.message);
    json_decref(document);
    json_decref(root);
    cf_buf_release(&bytes);
    cf_blob_set_release(&blobs);
    cf_marker_release(&marker);
}

/* Version 1: one repository whose README is "hello". */
static void first_run(void)
{
    struct outcome out;
    const struct net_step script[] = {
        {.path = "POST /graphql ", .body = listing_body(1, "one", '1')},
        {.path = "GET /repos/Octocat/one/git/trees/1111111111111111111111111111111111111111"
                 "?recursive=1 ",
         .body = tree_body('1')},
        {.path = "POST /graphql ", .body = files_body()}};
    run_with(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_str_eq(out.record.outcome, "committed");
    ck_assert_uint_eq(out.record.github_requests, 3);
    ck_assert_uint_eq(out.record.github_points, 2);
    ck_assert_uint_eq(out.record.output_count, 1);
    ck_assert_uint_eq(out.record.outputs[0].version, 1);
    ck_assert(out.record.bytes_in > 0 && out.record.bytes_out > 0);
}

START_TEST(a_first_run_commits)
{
    struct cf_repos repos;
    struct cf_content content;
    first_run();
    read_newest(&repos, &content);
    ck_assert_str_eq(repos.login, "Octocat");
    ck_assert_uint_eq(repos.count, 1);
    ck_assert_int_eq(repos.items[0].state, CF_REPOSITORY_CURRENT);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].text, "hello");
    ck_assert_str_eq(content.file_types[0].extension, ".md");
    cf_repos_release(&repos);
    cf_content_release(&content);
}
END_TEST

START_TEST(an_unchanged_portfolio_costs_one_request)
{
    struct outcome out;
    first_run();
    const struct net_step script[] = {{.body = listing_body(1, "one", '1')}};
    run_with(script, COUNT(script), false, &out);
    ck_assert_int_eq(out.rc, 0);
    ck_assert_str_eq(out.record.outcome, "unchanged");
    ck_assert_uint_eq(out.requests, 1);
    ck_assert_uint_eq(out.record.input_count, 1);
    ck_assert_uint_eq(out.record.output_count, 0);
}
END_TEST

START_TEST(renaming_refers_to_the_old_content)
{
    struct outcome out;
    struct cf_repos repos;
    struct cf_content content;
    first_run();
    const struct net_step script[] = {{.body = listing_body(1, "renamed", '1')}};
    run_with(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_str_eq(out.record.outcome, "committed");
    ck_assert_uint_eq(out.requests, 1);
    read_newest(&repos, &content);
    ck_assert_str_eq(repos.items[0].name, "renamed");
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].text, "hello");
    cf_repos_release(&repos);
    cf_content_release(&content);
}
END_TEST

static const struct {
    int status;
    const char *reason;
} refusals[] = {{404, "not_found"}, {409, "conflict"}, {451, "legal"},
                {403, "forbidden"}, {422, "refused"},  {301, "moved"}};

START_TEST(a_refused_tree_keeps_the_last_good_entry)
{
    struct outcome out;
    struct cf_repos repos;
    struct cf_content content;
    first_run();
    const struct net_step script[] = {{.body = listing_body(1, "one", '9')},
                                      {.status = refusals[_i].status, .body = "{}"}};
    run_with(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(out.requests, 2);
    read_newest(&repos, &content);
    ck_assert_int_eq(repos.items[0].state, CF_REPOSITORY_KEPT);
    ck_assert_str_eq(repos.items[0].reason, refusals[_i].reason);
    ck_assert_str_eq(repos.items[0].tree, fixture_oid('1'));
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].text, "hello");
    cf_repos_release(&repos);
    cf_content_release(&content);
    run_with(script, COUNT(script), false, &out);
    ck_assert_str_eq(out.record.outcome, "unchanged"); /* the same failure is no new version */
}
END_TEST

/* What ends a run, at its first request or at a tree: nothing is committed. */
static const struct {
    int status;
    const char *headers, *body;
    int code;
    size_t attempts;
} endings[] = {
    {401, NULL, "{}", CF_EDENIED, 1},
    {403, "Retry-After: 60\r\n", "{}", CF_ERETRY, 1},
    {403, "X-RateLimit-Remaining: 0\r\n", "{}", CF_ERETRY, 1},
    {429, NULL, "", CF_ERETRY, 1},
    {502, NULL, "<html>bad gateway</html>", CF_EUNAVAILABLE, 5},
    {200, "Content-Type: text/html\r\n", "<html>maintenance</html>", CF_EUNAVAILABLE, 5},
    {200, NULL, "", CF_EUNAVAILABLE, 5},
};

START_TEST(some_answers_end_a_run)
{
    struct outcome out;
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_error err;
    const struct net_step bad = {
        .status = endings[_i].status, .headers = endings[_i].headers, .body = endings[_i].body};
    const struct net_step at_listing[] = {bad};
    const struct net_step at_tree[] = {{.body = listing_body(1, "one", '1')}, bad};
    run_with(at_listing, 1, false, &out);
    ck_assert_int_eq(out.rc, endings[_i].code);
    ck_assert_uint_eq(out.requests, endings[_i].attempts);
    ck_assert_ptr_null(strstr(out.err.message, "s3cret"));
    run_with(at_tree, 2, false, &out);
    ck_assert_int_eq(out.rc, endings[_i].code);
    ck_assert_uint_eq(out.requests, 1 + endings[_i].attempts);
    cf_dataset_init(&dataset, store, "octocat", "repos");
    ck_assert_int_eq(cf_dataset_newest(&dataset, &marker, &err), CF_ENOTFOUND);
}
END_TEST

static const char *const nonsense[] = {
    "{", "{}", "[]", "{\"data\":7}", "{\"data\":{}}", "{\"data\":{\"repositoryOwner\":[[[[]]]]}}"};

START_TEST(nonsense_is_bad_data)
{
    struct outcome out;
    const struct net_step script[] = {{.body = nonsense[_i]}};
    run_with(script, 1, false, &out);
    ck_assert_int_eq(out.rc, CF_EDATA);
    ck_assert_uint_eq(out.requests, 1);
}
END_TEST

START_TEST(deep_nesting_is_bad_data)
{
    struct outcome out;
    struct cf_buf deep = CF_BUF_INIT;
    for (int i = 0; i < 100000; i++) {
        cf_buf_putc(&deep, '[');
    }
    const struct net_step script[] = {{.body = deep.data}};
    run_with(script, 1, false, &out);
    ck_assert_int_eq(out.rc, CF_EDATA);
    cf_buf_release(&deep);
}
END_TEST

START_TEST(an_endless_answer_is_bad_data)
{
    struct outcome out;
    static char block[65536];
    memset(block, ' ', sizeof(block));
    const struct net_step script[] = {
        {.action = NET_STREAM, .body = block, .body_length = sizeof(block), .repeat = UINT64_MAX}};
    run_with(script, 1, false, &out);
    ck_assert_int_eq(out.rc, CF_EDATA);
    ck_assert_ptr_nonnull(strstr(out.err.message, "limit"));
}
END_TEST

START_TEST(force_makes_a_version_of_the_same)
{
    struct outcome out;
    first_run();
    const struct net_step script[] = {
        {.body = listing_body(1, "one", '1')}, {.body = tree_body('1')}, {.body = files_body()}};
    run_with(script, COUNT(script), true, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_str_eq(out.record.outcome, "committed");
    ck_assert_uint_eq(out.record.outputs[0].version, 2);
    ck_assert_uint_eq(out.requests, 3);
}
END_TEST

START_TEST(files_that_are_missing_make_a_failed_entry)
{
    struct outcome out;
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_repos repos;
    json_t *root = NULL;
    const struct net_step script[] = {
        {.body = listing_body(1, "one", '1')},
        {.body = tree_body('1')},
        {.body =
             "{\"data\":{\"r0\":null},\"errors\":[{\"type\":\"FORBIDDEN\",\"path\":[\"r0\"]}]}"}};
    run_with(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    cf_dataset_init(&dataset, store, "octocat", "repos");
    ck_assert_int_eq(cf_dataset_newest(&dataset, &marker, &out.err), 0);
    ck_assert_int_eq(cf_dataset_root(&dataset, &marker, &root, &out.err), 0);
    ck_assert_int_eq(cf_repos_read(root, &repos, &out.err), 0);
    ck_assert_int_eq(repos.items[0].state, CF_REPOSITORY_FAILED);
    ck_assert_str_eq(repos.items[0].reason, "forbidden");
    cf_repos_release(&repos);
    json_decref(root);
    cf_marker_release(&marker);
    const struct net_step good[] = {
        {.body = listing_body(1, "one", '1')}, {.body = tree_body('1')}, {.body = files_body()}};
    run_with(good, COUNT(good), false, &out);
    ck_assert_str_eq(out.record.outcome, "committed");
    ck_assert_uint_eq(out.requests, 3); /* it was fetched again */
}
END_TEST

Suite *sync_run_suite(void);

Suite *sync_run_suite(void)
{
    Suite *suite = suite_create("sync_run");
    TCase *tests = tcase_create("run");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_first_run_commits);
    tcase_add_test(tests, an_unchanged_portfolio_costs_one_request);
    tcase_add_test(tests, renaming_refers_to_the_old_content);
    tcase_add_loop_test(tests, a_refused_tree_keeps_the_last_good_entry, 0, COUNT(refusals));
    tcase_add_loop_test(tests, some_answers_end_a_run, 0, COUNT(endings));
    tcase_add_loop_test(tests, nonsense_is_bad_data, 0, COUNT(nonsense));
    tcase_add_test(tests, deep_nesting_is_bad_data);
    tcase_add_test(tests, an_endless_answer_is_bad_data);
    tcase_add_test(tests, force_makes_a_version_of_the_same);
    tcase_add_test(tests, files_that_are_missing_make_a_failed_entry);
    suite_add_tcase(suite, tests);
    return suite;
}
