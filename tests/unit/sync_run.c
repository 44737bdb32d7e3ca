/* Whole runs against a scripted GitHub and a store in memory. */
#include <check.h>
#include <string.h>

#include "tests/unit/sync_run_world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void run_with(const struct net_step *script, size_t count, bool force,
                     struct world_outcome *out)
{
    world_force = force;
    world_run(script, count, true, out);
}

static void read_newest(struct cf_repos *repos, struct cf_content *content)
{
    (void)world_repos(repos);
    world_content(0, content);
}

/* Version 1: one repository whose README is "hello". */
static void first_run(void)
{
    struct world_outcome out;
    const struct net_step script[] = {
        {.path = "POST /graphql ", .body = world_listing(1, "one", '1')},
        {.path = "GET /repos/Octocat/one/git/trees/1111111111111111111111111111111111111111"
                 "?recursive=1 ",
         .body = world_tree('1')},
        {.path = "POST /graphql ", .body = world_files(1)}};
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
    struct world_outcome out;
    first_run();
    const struct net_step script[] = {{.body = world_listing(1, "one", '1')}};
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
    struct world_outcome out;
    struct cf_repos repos;
    struct cf_content content;
    first_run();
    const struct net_step script[] = {{.body = world_listing(1, "renamed", '1')}};
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
    struct world_outcome out;
    struct cf_repos repos;
    struct cf_content content;
    first_run();
    const struct net_step script[] = {{.body = world_listing(1, "one", '9')},
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

/* What ends a run, at its first request or at a tree: nothing is committed. The listing's page is
 * made smaller, five times, when that may help, and then REST is tried. */
static const struct {
    int status;
    const char *headers, *body;
    int code;
    size_t attempts;
    size_t at_listing;
} endings[] = {
    {401, NULL, "{}", CF_EDENIED, 1, 1},
    {403, "Retry-After: 60\r\n", "{}", CF_ERETRY, 1, 1},
    {403, "X-RateLimit-Remaining: 0\r\n", "{}", CF_ERETRY, 1, 1},
    {429, NULL, "", CF_ERETRY, 1, 1},
    {502, NULL, "<html>bad gateway</html>", CF_EUNAVAILABLE, 5, 15},
    {503, NULL, "{}", CF_EUNAVAILABLE, 5, 5},
    {200, "Content-Type: text/html\r\n", "<html>maintenance</html>", CF_EUNAVAILABLE, 5, 5},
    {200, NULL, "", CF_EUNAVAILABLE, 5, 5},
};

START_TEST(some_answers_end_a_run)
{
    struct world_outcome out;
    const struct net_step bad = {
        .status = endings[_i].status, .headers = endings[_i].headers, .body = endings[_i].body};
    const struct net_step at_listing[] = {bad};
    const struct net_step at_tree[] = {{.body = world_listing(1, "one", '1')}, bad};
    run_with(at_listing, 1, false, &out);
    ck_assert_int_eq(out.rc, endings[_i].code);
    ck_assert_int_eq(out.err.code, endings[_i].code);
    ck_assert_uint_eq(out.requests, endings[_i].at_listing);
    ck_assert_uint_eq(out.record.github_requests, endings[_i].at_listing);
    ck_assert_ptr_null(strstr(out.err.message, FIXTURE_TOKEN));
    run_with(at_tree, 2, false, &out);
    ck_assert_int_eq(out.rc, endings[_i].code);
    ck_assert_uint_eq(out.requests, 1 + endings[_i].attempts);
    ck_assert_uint_eq(world_version(), 0);
}
END_TEST

static const char *const nonsense[] = {
    "{", "{}", "[]", "{\"data\":7}", "{\"data\":{}}", "{\"data\":{\"repositoryOwner\":[[[[]]]]}}"};

START_TEST(nonsense_is_bad_data)
{
    struct world_outcome out;
    const struct net_step script[] = {{.body = nonsense[_i]}};
    run_with(script, 1, false, &out);
    ck_assert_int_eq(out.rc, CF_EDATA);
    ck_assert_uint_eq(out.requests, 1);
}
END_TEST

START_TEST(deep_nesting_is_bad_data)
{
    struct world_outcome out;
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
    struct world_outcome out;
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
    struct world_outcome out;
    first_run();
    const struct net_step script[] = {{.body = world_listing(1, "one", '1')},
                                      {.body = world_tree('1')},
                                      {.body = world_files(1)}};
    run_with(script, COUNT(script), true, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_str_eq(out.record.outcome, "committed");
    ck_assert_uint_eq(out.record.outputs[0].version, 2);
    ck_assert_uint_eq(out.requests, 3);
}
END_TEST

START_TEST(files_that_are_missing_make_a_failed_entry)
{
    struct world_outcome out;
    struct cf_repos repos;
    const struct net_step script[] = {
        {.body = world_listing(1, "one", '1')},
        {.body = world_tree('1')},
        {.body =
             "{\"data\":{\"r0\":null},\"errors\":[{\"type\":\"FORBIDDEN\",\"path\":[\"r0\"]}]}"}};
    run_with(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    (void)world_repos(&repos);
    ck_assert_int_eq(repos.items[0].state, CF_REPOSITORY_FAILED);
    ck_assert_str_eq(repos.items[0].reason, "forbidden");
    cf_repos_release(&repos);
    const struct net_step good[] = {{.body = world_listing(1, "one", '1')},
                                    {.body = world_tree('1')},
                                    {.body = world_files(1)}};
    run_with(good, COUNT(good), false, &out);
    ck_assert_str_eq(out.record.outcome, "committed");
    ck_assert_uint_eq(out.requests, 3); /* it was fetched again */
}
END_TEST

START_TEST(what_queries_do_not_give_comes_by_rest)
{
    struct world_outcome out;
    struct cf_repos repos;
    struct cf_content content;
    const struct net_step script[] = {
        {.path = "POST ", .body = world_listing(1, "one", '1')},
        {.path = "/git/trees/", .body = world_tree('1')},
        {.path = "POST ", .body = "{\"data\":{\"r0\":{\"d0\":null}}}"},
        {.path = "GET /repos/Octocat/one/git/blobs/" WORLD_HELLO " ",
         .body = fixture_blob("hello", 5)}};
    run_with(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    read_newest(&repos, &content);
    ck_assert_int_eq(repos.items[0].state, CF_REPOSITORY_CURRENT);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].text, "hello");
    ck_assert_uint_eq(out.requests, 4);
    cf_repos_release(&repos);
    cf_content_release(&content);
}
END_TEST

Suite *sync_run_suite(void);

Suite *sync_run_suite(void)
{
    Suite *suite = suite_create("sync_run");
    TCase *tests = tcase_create("run");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, world_setup, world_teardown);
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
    tcase_add_test(tests, what_queries_do_not_give_comes_by_rest);
    suite_add_tcase(suite, tests);
    return suite;
}
