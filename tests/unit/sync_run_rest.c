/* Runs by REST whose budget is small, and runs that come to REST on their way. */
#include <check.h>
#include <string.h>

#include "tests/unit/sync_run_world.h"

#define MANY 20 /* more than are fetched together, twice */
#define AT_ONCE 8

struct script {
    struct net_step steps[5 * MANY + 8];
    size_t count;
};

static void add(struct script *script, struct net_step step)
{
    script->steps[script->count++] = step;
}

/* The tree of repository number i, one of its own. */
static const char *tree_of(size_t i)
{
    return fixture_text("7%039zu", i);
}

static void add_tree(struct script *script, size_t i)
{
    const char *body = fixture_text(
        "{\"sha\":\"%s\",\"truncated\":false,\"tree\":[{\"path\":\"README.md\","
        "\"mode\":\"100644\",\"type\":\"blob\",\"sha\":\"" WORLD_HELLO "\",\"size\":5}]}",
        tree_of(i));
    add(script,
        (struct net_step){.path = fixture_text("/git/trees/%s?", tree_of(i)), .body = body});
}

/* The account, its page, and what is asked for of repositories first to last; any other branch is
 * past the budget. */
static void make(struct script *script, size_t first, size_t last)
{
    json_t *page = json_array();
    *script = (struct script){0};
    for (size_t i = 1; i <= MANY; i++) {
        (void)json_array_append_new(page, fixture_rest_node((unsigned)i, fixture_text("r%zu", i)));
    }
    add(script, (struct net_step){.path = "GET /users/octocat ",
                                  .body = "{\"login\":\"Octocat\",\"type\":\"User\"}"});
    add(script,
        (struct net_step){.path = "GET /users/octocat/repos?", .body = fixture_body_of(page)});
    for (size_t i = first; i <= last; i++) {
        json_t *branch = fixture_rest_branch(fixture_oid('c'), tree_of(i));
        add(script, (struct net_step){.path = fixture_text("/r%zu/branches/main ", i),
                                      .body = fixture_body_of(branch)});
        add(script, (struct net_step){.path = fixture_text("/r%zu/languages ", i),
                                      .body = fixture_text("{\"C\":%zu}", i)});
        add_tree(script, i);
    }
    add(script, (struct net_step){.path = "/git/blobs/", .body = fixture_blob("hello", 5)});
    add(script,
        (struct net_step){
            .path = "/branches/", .status = 403, .headers = fixture_used_up(3600), .body = "{}"});
}

/* How many repositories are in this state, each with its own languages and a content when current.
 */
static size_t count_of(enum cf_repository_state state)
{
    struct cf_repos repos;
    size_t count = 0;
    (void)world_repos(&repos);
    ck_assert_uint_eq(repos.count, MANY);
    for (size_t i = 0; i < repos.count; i++) {
        const struct cf_repository *r = &repos.items[i];
        count += r->state == state;
        if (r->state == CF_REPOSITORY_CURRENT) {
            ck_assert_str_ne(r->content, "");
            ck_assert_uint_eq(r->language_count, 1);
            ck_assert_uint_eq(r->languages[0].bytes, r->id);
        } else {
            ck_assert_str_eq(r->reason, "rate_limited");
            ck_assert_str_eq(r->content, "");
        }
    }
    cf_repos_release(&repos);
    return count;
}

START_TEST(a_small_budget_leads_somewhere_run_after_run)
{
    struct world_outcome out;
    struct script script;
    world_settings.rest_only = true;
    for (size_t run = 0; run < 3; run++) {
        size_t first = run * AT_ONCE + 1;
        size_t last = run < 2 ? first + AT_ONCE - 1 : MANY;
        make(&script, first, last);
        world_run(script.steps, script.count, false, &out);
        ck_assert_msg(out.rc == (run < 2 ? CF_ERETRY : 0), "%s", out.err.message);
        ck_assert_str_eq(out.record.outcome, "committed");
        ck_assert_uint_eq(world_version(), run + 1);
        ck_assert_uint_eq(count_of(CF_REPOSITORY_CURRENT), last);
        ck_assert_uint_eq(count_of(CF_REPOSITORY_FAILED), MANY - last);
        ck_assert_uint_eq(fixture_count(world_seen(), "/git/trees/"), last - first + 1);
        ck_assert_uint_eq(fixture_count(world_seen(), "/languages "), last - first + 1);
    }
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, 0);
    ck_assert_str_eq(out.record.outcome, "unchanged");
}
END_TEST

/* Nothing came: no version. */
START_TEST(a_budget_for_the_page_only_commits_nothing)
{
    struct world_outcome out;
    struct script script;
    world_settings.rest_only = true;
    make(&script, 1, 0);
    world_run(script.steps, script.count, false, &out);
    ck_assert_int_eq(out.rc, CF_ERETRY);
    ck_assert_uint_eq(world_version(), 0);
    ck_assert_uint_le(fixture_count(world_seen(), "/branches/"), AT_ONCE);
}
END_TEST

/* Queries for files that fail even for one repository, twice in a row: the rest isn't asked for. */
START_TEST(queries_that_fail_alone_lead_to_rest)
{
    enum { REPOSITORIES = 4, ATTEMPTS = 5 };
    struct world_outcome out;
    struct script script = {0};
    json_t *nodes[REPOSITORIES + 1] = {NULL};
    struct cf_repos repos;
    for (size_t i = 0; i < REPOSITORIES; i++) {
        nodes[i] =
            fixture_node((unsigned)i + 1, fixture_text("r%zu", i), fixture_oid('c'), tree_of(i));
        add_tree(&script, i);
    }
    add(&script,
        (struct net_step){.path = "POST ", .body = fixture_body_of(fixture_page_of(nodes))});
    add(&script, (struct net_step){.path = "POST ", .status = 502, .body = "<html>"});
    add(&script, (struct net_step){.path = "/git/blobs/", .body = fixture_blob("hello", 5)});
    world_run(script.steps, script.count, false, &out);
    ck_assert_msg(out.rc == 0, "%s", out.err.message);
    ck_assert_uint_eq(fixture_count(world_seen(), "/git/blobs/"), REPOSITORIES);
    /* The listing, four, two, then one and one. */
    ck_assert_uint_eq(fixture_count(world_seen(), "POST "), 1 + 1 + 1 + 2 * ATTEMPTS);
    (void)world_repos(&repos);
    for (size_t i = 0; i < REPOSITORIES; i++) {
        ck_assert_int_eq(repos.items[i].state, CF_REPOSITORY_CURRENT);
    }
    cf_repos_release(&repos);
}
END_TEST

Suite *sync_run_rest_suite(void);

Suite *sync_run_rest_suite(void)
{
    Suite *suite = suite_create("sync_run_rest");
    TCase *tests = tcase_create("rest");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, world_setup, world_teardown);
    tcase_add_test(tests, a_small_budget_leads_somewhere_run_after_run);
    tcase_add_test(tests, a_budget_for_the_page_only_commits_nothing);
    tcase_add_test(tests, queries_that_fail_alone_lead_to_rest);
    suite_add_tcase(suite, tests);
    return suite;
}
