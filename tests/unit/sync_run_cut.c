/* Runs that end before everything was read, and what the next ones make of it. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/sync_run_world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MANY 100 /* more than are fetched together */
#define LIMITED                                                                                    \
    "{\"data\":null,\"errors\":[{\"type\":\"RATE_LIMITED\",\"message\":\"API rate limit\"}]}"

/* The tree of repository number i, one of its own, of a digit that stands for the moment. */
static const char *tree_of(size_t i, char moment)
{
    return fixture_text("%c%039zu", moment, i);
}

/* Page 1 or 2 of so many repositories, 50 a page. */
static const char *page(size_t count, size_t number, char moment)
{
    json_t *nodes[51] = {NULL};
    size_t first = 50 * (number - 1);
    for (size_t i = 0; i < 50 && first + i < count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "r%zu", first + i + 1);
        nodes[i] = fixture_node((unsigned)(first + i) + 1, name, fixture_oid('c'),
                                tree_of(first + i, moment));
    }
    json_t *answer = fixture_page_of(nodes);
    json_t *connection = json_object_get(
        json_object_get(json_object_get(answer, "data"), "repositoryOwner"), "repositories");
    json_t *info = json_object_get(connection, "pageInfo");
    (void)json_object_set_new(connection, "totalCount", json_integer((json_int_t)count));
    (void)json_object_set_new(info, "hasNextPage", json_boolean(first + 50 < count));
    (void)json_object_set_new(info, "endCursor", json_string(number == 1 ? "one" : "two"));
    return fixture_body_of(answer);
}

/* A script with the trees of the first count repositories, to which queries are added. */
struct script {
    struct net_step steps[MANY + 16];
    size_t count;
};

static void add_trees(struct script *script, size_t count, char moment)
{
    *script = (struct script){0};
    for (size_t i = 0; i < count; i++) {
        const char *oid = tree_of(i, moment);
        const char *body = fixture_text(
            "{\"sha\":\"%s\",\"truncated\":false,\"tree\":[{\"path\":\"README.md\",\"mode\":"
            "\"100644\",\"type\":\"blob\",\"sha\":\"" WORLD_HELLO "\",\"size\":5}]}",
            oid);
        script->steps[script->count++] =
            (struct net_step){.path = fixture_text("/git/trees/%s?", oid), .body = body};
    }
}

static void add(struct script *script, struct net_step step)
{
    step.path = step.path ? step.path : "POST ";
    script->steps[script->count++] = step;
}

static struct net_step limited(void)
{
    return (struct net_step){.path = "POST ", .headers = fixture_used_up(3600), .body = LIMITED};
}

/* A first run of one page of repositories. */
static void first_run(size_t count)
{
    struct world_outcome out;
    struct script script;
    add_trees(&script, count, '1');
    add(&script, (struct net_step){.body = page(count, 1, '1')});
    add(&script, (struct net_step){.body = world_files(20)});
    world_run(script.steps, script.count, false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(world_version(), 1);
}

/* How many repositories are in this state for this reason (NULL: for none). */
static size_t count_of(enum cf_repository_state state, const char *reason)
{
    struct cf_repos repos;
    size_t count = 0;
    (void)world_repos(&repos);
    for (size_t i = 0; i < repos.count; i++) {
        const char *why = repos.items[i].reason;
        count += repos.items[i].state == state &&
                 (why ? reason && strcmp(why, reason) == 0 : reason == NULL);
    }
    cf_repos_release(&repos);
    return count;
}

START_TEST(what_is_whole_is_committed_and_the_next_run_goes_on)
{
    struct world_outcome out;
    struct script script;
    add_trees(&script, MANY, '1');
    add(&script, (struct net_step){.body = page(MANY, 1, '1')});
    add(&script, (struct net_step){.body = page(MANY, 2, '1')});
    for (int i = 0; i < 4; i++) {
        add(&script, (struct net_step){.body = world_files(20)});
    }
    add(&script, limited());
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, CF_ERETRY);
    ck_assert_int_eq(out.err.code, CF_ERETRY);
    ck_assert_ptr_nonnull(strstr(out.err.message, "80 of 100 repositories"));
    ck_assert_str_eq(out.record.outcome, "committed");
    ck_assert_uint_eq(out.record.outputs[0].version, 1);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), 80);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_FAILED, "rate_limited"), 20);
    ck_assert_uint_eq(fixture_count(world_seen(), "POST "), 7);

    add_trees(&script, MANY, '1');
    add(&script, (struct net_step){.body = page(MANY, 1, '1')});
    add(&script, (struct net_step){.body = page(MANY, 2, '1')});
    add(&script, (struct net_step){.body = world_files(20)});
    world_run(script.steps, script.count, false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(world_version(), 2);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), MANY);
    ck_assert_uint_eq(fixture_count(world_seen(), "/git/trees/"), 20);
    ck_assert_uint_eq(fixture_count(world_seen(), "POST "), 3);
}
END_TEST

START_TEST(what_was_not_reached_is_kept)
{
    struct world_outcome out;
    struct script script;
    struct cf_repos repos;
    first_run(30);
    add_trees(&script, 30, '2');
    add(&script, (struct net_step){.body = page(30, 1, '2')});
    add(&script, (struct net_step){.body = world_files(20)});
    add(&script, limited());
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, CF_ERETRY);
    ck_assert_ptr_nonnull(strstr(out.err.message, "20 of 30 repositories"));
    ck_assert_uint_eq(world_version(), 2);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), 20);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_KEPT, "rate_limited"), 10);
    (void)world_repos(&repos);
    for (size_t i = 0; i < repos.count; i++) {
        bool kept = repos.items[i].state == CF_REPOSITORY_KEPT;
        ck_assert_int_eq(*repos.items[i].tree, kept ? '1' : '2');
        ck_assert_str_ne(repos.items[i].content, "");
    }
    cf_repos_release(&repos);

    add_trees(&script, 30, '2');
    add(&script, (struct net_step){.body = page(30, 1, '2')});
    add(&script, (struct net_step){.body = world_files(20)});
    world_run(script.steps, script.count, false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(fixture_count(world_seen(), "/git/trees/"), 10);
    ck_assert_uint_eq(fixture_count(world_seen(), "POST "), 2);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), 30);
}
END_TEST

/* Trees, documents, the second page. */
START_TEST(cut_before_anything_was_read_commits_nothing)
{
    struct world_outcome out;
    struct script script;
    add_trees(&script, _i == 1 ? 30 : 0, '2');
    add(&script, (struct net_step){.body = page(_i == 2 ? MANY : 30, 1, '2')});
    if (_i == 0) {
        add(&script, (struct net_step){.path = "/git/trees/",
                                       .status = 403,
                                       .headers = fixture_used_up(3600),
                                       .body = "{}"});
    } else {
        add(&script, limited());
    }
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, CF_ERETRY);
    ck_assert_int_eq(out.err.code, CF_ERETRY);
    ck_assert_uint_eq(world_version(), 0);
    ck_assert_uint_eq(out.record.output_count, 0);
    first_run(30);
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, CF_ERETRY);
    ck_assert_uint_eq(world_version(), 1);
}
END_TEST

/* GraphQL's points are used up: no tree is fetched in vain. */
START_TEST(trees_wait_for_the_documents_budget)
{
    struct world_outcome out;
    struct script script;
    add_trees(&script, 30, '1');
    add(&script, (struct net_step){.headers = fixture_used_up(3600), .body = page(30, 1, '1')});
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, CF_ERETRY);
    ck_assert_uint_eq(out.requests, 1);
    ck_assert_uint_eq(world_version(), 0);
}
END_TEST

START_TEST(a_signal_commits_what_is_whole)
{
    struct world_outcome out;
    struct script script;
    add_trees(&script, 30, '1');
    add(&script, (struct net_step){.body = page(30, 1, '1')});
    add(&script, (struct net_step){.body = world_files(20)});
    add(&script, (struct net_step){.action = NET_SILENT});
    world_run_until(script.steps, script.count, "POST ", 3, &out);
    ck_assert_int_eq(out.rc, CF_EINTERRUPTED);
    ck_assert_uint_eq(world_version(), 1);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), 20);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_FAILED, "interrupted"), 10);
}
END_TEST

START_TEST(a_token_that_is_refused_in_the_middle_commits_what_is_whole)
{
    struct world_outcome out;
    struct script script;
    add_trees(&script, 30, '1');
    add(&script, (struct net_step){.body = page(30, 1, '1')});
    add(&script, (struct net_step){.body = world_files(20)});
    add(&script, (struct net_step){.status = 401, .body = "{}"});
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, CF_EDENIED);
    ck_assert_uint_eq(world_version(), 1);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), 20);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_FAILED, "cut_short"), 10);
}
END_TEST

START_TEST(a_short_limit_is_waited_for)
{
    struct world_outcome out;
    const struct net_step script[] = {
        {.path = "POST ", .status = 403, .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.path = "POST ", .body = world_listing(1, "one", '1')},
        {.path = "POST ", .body = world_files(1)},
        {.path = "/git/trees/", .body = world_tree('1')}};
    world_run(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(world_version(), 1);
    ck_assert_uint_eq(out.record.github_requests, 4);
}
END_TEST

START_TEST(a_partial_listing_keeps_the_rest)
{
    struct world_outcome out;
    first_run(2);
    json_t *half = fixture_page(fixture_node(1, "renamed", fixture_oid('c'), tree_of(0, '1')),
                                json_null(), NULL);
    const struct net_step script[] = {{.path = "POST ", .body = fixture_body_of(half)}};
    world_run(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(world_version(), 2);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), 1);
    ck_assert_uint_eq(count_of(CF_REPOSITORY_KEPT, "not_listed"), 1);
}
END_TEST

/* --- other ways ---------------------------------------------------------------------------------
 */

static const struct net_step not_understood = {
    .path = "POST ",
    .body = "{\"errors\":[{\"message\":\"Field 'x' doesn't exist\",\"path\":[\"query\"],"
            "\"extensions\":{\"code\":\"undefinedField\"}}]}"};

START_TEST(a_query_that_is_not_understood_leads_to_rest)
{
    struct world_outcome out;
    struct cf_content content;
    const char *list = fixture_body_of(json_pack("[o]", fixture_rest_node(1, "one")));
    const struct net_step script[] = {
        not_understood,
        {.path = "GET /users/octocat ", .body = "{\"login\":\"Octocat\",\"type\":\"User\"}"},
        {.path = "GET /users/octocat/repos?", .body = list},
        {.path = "/branches/main ",
         .body = fixture_body_of(fixture_rest_branch(fixture_oid('c'), fixture_oid('1')))},
        {.path = "/languages ", .body = "{\"C\":78769,\"Assembly\":7769}"},
        {.path = "/git/trees/", .body = world_tree('1')},
        {.path = "/git/blobs/", .body = fixture_blob("hello", 5)}};
    world_run(script, COUNT(script), false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(out.requests, COUNT(script));
    ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT, NULL), 1);
    world_content(0, &content);
    ck_assert_str_eq(content.documents[CF_DOCUMENT_README].text, "hello");
    cf_content_release(&content);
    /* Both ways give the same: by GraphQL, nothing has changed. */
    const struct net_step graphql[] = {{.path = "POST ", .body = world_listing(1, "one", '1')}};
    world_run(graphql, 1, false, &out);
    ck_assert_int_eq(out.rc, 0);
    ck_assert_str_eq(out.record.outcome, "unchanged");
}
END_TEST

START_TEST(a_renamed_account_is_named)
{
    struct world_outcome out;
    const char *none = "{\"data\":{\"repositoryOwner\":null},\"errors\":[{\"type\":\"NOT_FOUND\","
                       "\"path\":[\"repositoryOwner\"]}]}";
    const struct net_step renamed[] = {
        {.path = "POST ", .body = none},
        {.path = "/repositories/1 ", .status = 404, .body = "{}"},
        {.path = "/repositories/2 ", .body = "{\"owner\":{\"login\":\"Hubot\"}}"}};
    const struct net_step gone[] = {{.path = "POST ", .body = none},
                                    {.path = "/repositories/", .status = 404, .body = "{}"}};
    first_run(2);
    world_run(renamed, COUNT(renamed), false, &out);
    ck_assert_int_eq(out.rc, CF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(out.err.message, "octocat"));
    ck_assert_ptr_nonnull(strstr(out.err.message, "\"Hubot\""));
    ck_assert_uint_eq(out.requests, 3);
    world_run(gone, COUNT(gone), false, &out);
    ck_assert_int_eq(out.rc, CF_ENOTFOUND);
    ck_assert_ptr_null(strstr(out.err.message, "renamed"));
    ck_assert_uint_eq(out.requests, 3);
    ck_assert_uint_eq(world_version(), 1);
}
END_TEST

/* --- batches ------------------------------------------------------------------------------------
 */

static void expect_batch(uint64_t listing, uint64_t files)
{
    struct cf_repos repos;
    (void)world_repos(&repos);
    ck_assert_uint_eq(repos.batch.listing, listing);
    ck_assert_uint_eq(repos.batch.files, files);
    cf_repos_release(&repos);
}

/* The page size that the request of this index asked for. */
static json_int_t first_of(size_t index)
{
    json_t *request = json_loads(fixture_request(world_seen(), index), 0, NULL);
    json_int_t first =
        json_integer_value(json_object_get(json_object_get(request, "variables"), "first"));
    json_decref(request);
    return first;
}

START_TEST(batches_are_remembered_and_grow_again)
{
    static const struct {
        json_int_t first;
        uint64_t listing, files;
    } runs[] = {{12, 24, 2}, {24, 48, 4}};
    struct world_outcome out;
    struct script script;
    add_trees(&script, 2, '1');
    add(&script, (struct net_step){.status = 502, .body = "<html>"});
    add(&script, (struct net_step){.status = 504, .body = "<html>"});
    add(&script, (struct net_step){.body = page(2, 1, '1')});
    add(&script, (struct net_step){.status = 502, .body = "<html>"});
    add(&script, (struct net_step){.body = world_files(1)});
    world_run(script.steps, script.count, false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_int_eq(first_of(0), 50);
    ck_assert_int_eq(first_of(1), 25);
    ck_assert_int_eq(first_of(2), 12);
    expect_batch(12, 1);
    world_force = true;
    add_trees(&script, 2, '1');
    add(&script, (struct net_step){.body = page(2, 1, '1')});
    add(&script, (struct net_step){.body = world_files(2)});
    for (size_t i = 0; i < COUNT(runs); i++) {
        world_run(script.steps, script.count, false, &out);
        ck_assert_msg(out.rc == 0, "%s", out.err.message);
        ck_assert_int_eq(first_of(0), runs[i].first);
        expect_batch(runs[i].listing, runs[i].files);
    }
    for (int i = 0; i < 3; i++) {
        world_run(script.steps, script.count, false, &out);
    }
    ck_assert_int_eq(first_of(0), 50);
    expect_batch(0, 0); /* the most is what is asked for without being remembered */
}
END_TEST

Suite *sync_run_cut_suite(void);

Suite *sync_run_cut_suite(void)
{
    Suite *suite = suite_create("sync_run_cut");
    TCase *tests = tcase_create("cut");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, world_setup, world_teardown);
    tcase_add_test(tests, what_is_whole_is_committed_and_the_next_run_goes_on);
    tcase_add_test(tests, what_was_not_reached_is_kept);
    tcase_add_loop_test(tests, cut_before_anything_was_read_commits_nothing, 0, 3);
    tcase_add_test(tests, trees_wait_for_the_documents_budget);
    tcase_add_test(tests, a_signal_commits_what_is_whole);
    tcase_add_test(tests, a_token_that_is_refused_in_the_middle_commits_what_is_whole);
    tcase_add_test(tests, a_short_limit_is_waited_for);
    tcase_add_test(tests, a_partial_listing_keeps_the_rest);
    tcase_add_test(tests, a_query_that_is_not_understood_leads_to_rest);
    tcase_add_test(tests, a_renamed_account_is_named);
    tcase_add_test(tests, batches_are_remembered_and_grow_again);
    suite_add_tcase(suite, tests);
    return suite;
}
