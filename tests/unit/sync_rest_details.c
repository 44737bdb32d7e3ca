/* Branches and languages by REST from a scripted GitHub, for the items of a plan. */
#include "jobs/sync/rest_details.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "jobs/sync/rest_node.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fixture_session f;
static struct sync_listing listing;
static struct sync_plan plan;
static struct cf_repos last;
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    listing = (struct sync_listing){0};
    plan = (struct sync_plan){0};
    last = (struct cf_repos){0};
    err = (struct cf_error){0};
}

static void teardown(void)
{
    sync_plan_release(&plan);
    sync_listing_release(&listing);
    cf_repos_release(&last);
    fixture_close(&f);
}

/* Enters a repository of a page, which is stolen, into the listing. */
static void list(json_t *node)
{
    struct cf_repository repository;
    int rc = sync_rest_read_node(node, "octocat", FIXTURE_API, &repository, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    sync_listing_add(&listing, &repository, NULL, NULL);
    listing.items[listing.count - 1].incomplete = true;
    json_decref(node);
}

/* Repositories of the numbers 1, 2, …, named r1, r2, … */
static void list_some(size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        list(fixture_rest_node((unsigned)i, fixture_text("r%zu", i)));
    }
}

static int fetch_with(const struct net_step *script, size_t count, bool force,
                      const struct sync_github_settings *settings)
{
    fixture_open(&f, net_server_new_unordered(script, count), settings);
    sync_plan_make(&plan, &listing, &last, force);
    ck_assert_uint_eq(sync_plan_fetch_first(&plan), sync_plan_count(&plan, SYNC_ASK));
    return sync_rest_details_fetch(f.session, &plan, plan.items, plan.count, &err);
}

static int fetch(const struct net_step *script, size_t count)
{
    return fetch_with(script, count, false, NULL);
}

static const char *branch(char commit, char tree)
{
    return fixture_body_of(fixture_rest_branch(fixture_oid(commit), fixture_oid(tree)));
}

/* A last version with one repository of this tree. */
static void know(unsigned id, const char *name, char tree)
{
    struct sync_listing other;
    json_t *page = fixture_page(fixture_node(id, name, fixture_oid('c'), fixture_oid(tree)), NULL);
    fixture_listing(page, &other);
    last.items = cf_calloc(1, sizeof(*last.items));
    last.count = 1;
    cf_repository_copy(&other.items[0].repository, &last.items[0]);
    memset(last.items[0].content, 'a', CF_SHA256_HEX - 1);
    sync_listing_release(&other);
}

START_TEST(two_requests_make_it_complete)
{
    struct sync_listing other;
    const struct net_step script[] = {
        {.path = "GET /repos/octocat/r1/branches/main ", .body = branch('c', '7')},
        {.path = "GET /repos/octocat/r1/languages ", .body = "{\"C\":78769,\"Assembly\":7769}"}};
    list_some(1);
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_int_eq(plan.items[0].action, SYNC_FETCH);
    ck_assert_ptr_null(plan.items[0].reason);
    ck_assert_str_eq(plan.items[0].repository.commit, fixture_oid('c'));
    ck_assert_str_eq(plan.items[0].repository.tree, fixture_oid('7'));
    fixture_listing(fixture_page(fixture_node(1, "r1", fixture_oid('c'), fixture_oid('7')), NULL),
                    &other);
    ck_assert_str_eq(plan.items[0].repository.fingerprint, other.items[0].repository.fingerprint);
    sync_listing_release(&other);
}
END_TEST

START_TEST(eight_are_asked_at_once)
{
    const struct net_step script[] = {
        {.path = "/branches/", .body = branch('c', '7'), .delay_ms = 50},
        {.path = "/languages ", .body = "{\"C\":5}"}};
    list_some(40);
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_FETCH), 40);
    ck_assert_uint_eq(net_server_requests(f.server), 80);
    ck_assert_int_eq(net_server_most_at_once(f.server), SYNC_AT_ONCE);
}
END_TEST

START_TEST(only_what_is_incomplete_is_asked_for)
{
    const struct net_step script[] = {{.path = "/r2/branches/", .body = branch('c', '7')},
                                      {.path = "/r2/languages ", .body = "{}"}};
    list_some(4);
    listing.items[0].incomplete = false; /* it has no commit, as far as the listing says */
    listing.items[2].problem = "bad_listing";
    fixture_open(&f, net_server_new_unordered(script, COUNT(script)), NULL);
    sync_plan_make(&plan, &listing, &last, false);
    plan.items[3].reason = "forbidden";
    ck_assert_int_eq(sync_rest_details_fetch(f.session, &plan, plan.items, plan.count, &err), 0);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_int_eq(plan.items[0].action, SYNC_EMPTY);
    ck_assert_int_eq(plan.items[1].action, SYNC_FETCH);
    ck_assert_int_eq(plan.items[2].action, SYNC_BAD);
    ck_assert_str_eq(plan.items[3].reason, "forbidden");
}
END_TEST

START_TEST(branches_of_any_name_are_asked_for)
{
    json_t *node = fixture_rest_node(1, "one");
    (void)json_object_set_new(node, "default_branch", json_string("a/b c#%?\xc3\xa9"));
    json_t *answer = fixture_rest_branch(fixture_oid('c'), fixture_oid('7'));
    (void)json_object_set_new(answer, "name", json_string("a/b c#%?\xc3\xa9"));
    const struct net_step script[] = {
        {.path = "/branches/a/b%20c%23%25%3F%C3%A9 ", .body = fixture_body_of(answer)},
        {.path = "/languages ", .body = "{}"}};
    list(node);
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_ptr_null(plan.items[0].reason);
    ck_assert_str_eq(plan.items[0].repository.tree, fixture_oid('7'));
}
END_TEST

/* One of size 0 has no commit; one that has a size must have a branch. */
START_TEST(an_empty_repository_has_no_branch)
{
    const struct net_step script[] = {{.path = "/branches/", .status = 404, .body = "{}"}};
    json_t *empty = fixture_rest_node(1, "empty");
    (void)json_object_set_new(empty, "size", json_integer(0));
    list(empty);
    list(fixture_rest_node(2, "gone"));
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_ptr_null(plan.items[0].reason);
    ck_assert_int_eq(plan.items[0].action, SYNC_EMPTY);
    ck_assert_int_eq(plan.items[0].repository.state, CF_REPOSITORY_EMPTY);
    ck_assert_ptr_null(plan.items[0].repository.default_branch);
    ck_assert_str_eq(plan.items[1].reason, "not_found");
}
END_TEST

/* --- what is known ------------------------------------------------------------------------------
 */

static const struct {
    bool force;
    char tree;
    enum sync_action action;
} known[] = {{false, '7', SYNC_REUSE}, {false, '8', SYNC_FETCH}, {true, '7', SYNC_FETCH}};

START_TEST(a_known_tree_is_not_fetched)
{
    list_some(1);
    const struct net_step script[] = {{.path = "/branches/", .body = branch('c', known[_i].tree)},
                                      {.path = "/languages ", .body = "{\"C\":5}"}};
    know(1, "r1", '7');
    ck_assert_msg(fetch_with(script, COUNT(script), known[_i].force, NULL) == 0, "%s", err.message);
    ck_assert_int_eq(plan.items[0].action, known[_i].action);
    ck_assert_str_eq(plan.items[0].repository.content,
                     known[_i].action == SYNC_REUSE ? last.items[0].content : "");
    ck_assert_uint_eq(plan.items[0].repository.languages[0].bytes, 5);
}
END_TEST

START_TEST(a_tree_that_another_repository_has_is_known)
{
    const struct net_step script[] = {{.path = "/branches/", .body = branch('c', '7')},
                                      {.path = "/languages ", .body = "{}"}};
    list_some(1);
    know(9, "other", '7');
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_int_eq(plan.items[0].action, SYNC_REUSE);
    ck_assert_str_eq(plan.items[0].repository.content, last.items[0].content);
}
END_TEST

/* --- failures -----------------------------------------------------------------------------------
 */

static const struct {
    struct net_step step;
    const char *reason;
} failures[] = {
    {{.path = "/r2/branches/", .status = 404, .body = "{}"}, "not_found"},
    {{.path = "/r2/branches/", .status = 451, .body = "{}"}, "legal"},
    {{.path = "/r2/branches/", .status = 403, .body = "{}"}, "forbidden"},
    {{.path = "/r2/branches/", .body = "{}"}, "bad_answer"},
    {{.path = "/r2/branches/", .body = "[]"}, "bad_answer"},
    {{.path = "/r2/branches/", .body = "{\"name\":\"main\",\"commit\":7}"}, "bad_answer"},
    {{.path = "/r2/branches/", .status = 502, .body = "<html>"}, "unavailable"},
    {{.path = "/r2/branches/", .body = "<html>"}, "unavailable"},
    {{.path = "/r2/languages ", .status = 404, .body = "{}"}, "not_found"},
    {{.path = "/r2/languages ", .status = 451, .body = "{}"}, "legal"},
    {{.path = "/r2/languages ", .status = 403, .body = "{}"}, "forbidden"},
    {{.path = "/r2/languages ", .body = "[]"}, "bad_answer"},
    {{.path = "/r2/languages ", .body = "{\"C\":-1}"}, "bad_answer"},
    {{.path = "/r2/languages ", .status = 502, .body = "<html>"}, "unavailable"},
};

START_TEST(a_failure_harms_one_repository)
{
    const struct net_step script[] = {failures[_i].step,
                                      {.path = "/r1/branches/", .body = branch('c', '7')},
                                      {.path = "/r2/branches/", .body = branch('c', '7')},
                                      {.path = "/r3/branches/", .body = branch('c', '7')},
                                      {.path = "/r1/languages ", .body = "{}"},
                                      {.path = "/r3/languages ", .body = "{}"}};
    struct net_step steps[COUNT(script) + 4]; /* the failure is repeated at each attempt */
    for (size_t i = 0; i < COUNT(steps); i++) {
        steps[i] = script[i < 5 ? 0 : i - 4];
    }
    list_some(3);
    ck_assert_msg(fetch(steps, COUNT(steps)) == 0, "%s", err.message);
    ck_assert_pstr_eq(plan.items[1].reason, failures[_i].reason);
    ck_assert_int_eq(plan.items[1].unavailable, strcmp(failures[_i].reason, "unavailable") == 0);
    ck_assert_uint_eq(plan.items[1].repository.id, 2);
    ck_assert_str_eq(plan.items[1].repository.name, "r2");
    for (size_t i = 0; i < 3; i += 2) {
        ck_assert_ptr_null(plan.items[i].reason);
        ck_assert_int_eq(plan.items[i].action, SYNC_FETCH);
    }
}
END_TEST

START_TEST(an_outage_is_not_found_out_for_each)
{
    const struct net_step script[] = {{.path = "/branches/", .status = 503, .body = "{}"}};
    list_some(40);
    ck_assert_int_eq(fetch(script, COUNT(script)), 0);
    for (size_t i = 0; i < 40; i++) {
        ck_assert_str_eq(plan.items[i].reason, "unavailable");
        ck_assert(plan.items[i].unavailable);
    }
    ck_assert_uint_ge(plan.unanswered, SYNC_OUTAGE);
    ck_assert_uint_lt(plan.unanswered, (size_t)2 * SYNC_OUTAGE);
    ck_assert_uint_eq(net_server_requests(f.server), 5 * plan.unanswered);
}
END_TEST

START_TEST(a_refused_token_ends_it)
{
    const struct net_step at_branch[] = {{.path = "/branches/", .status = 401, .body = "{}"}};
    const struct net_step at_languages[] = {{.path = "/branches/", .body = branch('c', '7')},
                                            {.path = "/languages ", .status = 401, .body = "{}"}};
    list_some(20);
    ck_assert_int_eq(_i ? fetch(at_languages, 2) : fetch(at_branch, 1), CF_EDENIED);
    ck_assert_int_eq(err.code, CF_EDENIED);
    ck_assert_ptr_null(strstr(err.message, FIXTURE_TOKEN));
    ck_assert_uint_le(net_server_requests(f.server), (size_t)2 * SYNC_AT_ONCE);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_ptr_null(plan.items[i].reason);
        ck_assert_int_eq(plan.items[i].action, SYNC_ASK);
    }
}
END_TEST

START_TEST(a_signal_ends_it)
{
    static volatile int stop = 1;
    const struct sync_github_settings settings = {.stop = &stop};
    const struct net_step script[] = {{.path = "/", .action = NET_SILENT}};
    list_some(3);
    ck_assert_int_eq(fetch_with(script, COUNT(script), false, &settings), CF_EINTERRUPTED);
    ck_assert_ptr_null(plan.items[0].reason);
    ck_assert_int_eq(plan.items[0].action, SYNC_ASK);
}
END_TEST

/* --- limits -------------------------------------------------------------------------------------
 */

START_TEST(a_short_limit_is_waited_for)
{
    const struct net_step script[] = {
        {.path = "/r2/branches/", .status = 403, .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.path = "/r3/languages ", .status = 429, .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.path = "/branches/", .body = branch('c', '7')},
        {.path = "/languages ", .body = "{\"C\":5}"}};
    list_some(12);
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    for (size_t i = 0; i < 12; i++) {
        ck_assert_ptr_null(plan.items[i].reason);
        ck_assert_int_eq(plan.items[i].action, SYNC_FETCH);
        ck_assert_str_eq(plan.items[i].repository.tree, fixture_oid('7'));
        ck_assert_uint_eq(plan.items[i].repository.language_count, 1);
    }
    ck_assert_uint_eq(net_server_requests(f.server), 2 * 12 + 2);
}
END_TEST

START_TEST(a_long_limit_leaves_what_came)
{
    const struct net_step script[] = {{.path = "/r1/branches/", .body = branch('c', '7')},
                                      {.path = "/r1/languages ", .body = "{\"C\":5}"},
                                      {.path = "/r2/branches/", .status = 404, .body = "{}"},
                                      {.path = "/branches/",
                                       .status = 403,
                                       .headers = "Retry-After: 3600\r\n",
                                       .body = "{}",
                                       .delay_ms = 200}};
    list_some(12);
    ck_assert_int_eq(fetch(script, COUNT(script)), CF_ERETRY);
    ck_assert_int_eq(err.code, CF_ERETRY);
    ck_assert_ptr_null(plan.items[0].reason);
    ck_assert_int_eq(plan.items[0].action, SYNC_FETCH);
    ck_assert_str_eq(plan.items[1].reason, "not_found");
    for (size_t i = 2; i < 12; i++) {
        ck_assert_ptr_null(plan.items[i].reason);
        ck_assert_int_eq(plan.items[i].action, SYNC_ASK);
        ck_assert_uint_eq(plan.items[i].repository.id, i + 1);
        ck_assert_str_eq(plan.items[i].repository.fingerprint, "");
    }
}
END_TEST

/* Between its two requests: half of it is nothing. */
START_TEST(a_long_limit_at_languages_leaves_it_to_be_asked_for)
{
    const struct net_step script[] = {
        {.path = "/branches/", .body = branch('c', '7')},
        {.path = "/languages ", .status = 429, .headers = "Retry-After: 3600\r\n", .body = "{}"}};
    list_some(1);
    ck_assert_int_eq(fetch(script, COUNT(script)), CF_ERETRY);
    ck_assert_ptr_null(plan.items[0].reason);
    ck_assert_int_eq(plan.items[0].action, SYNC_ASK);
}
END_TEST

Suite *sync_rest_details_suite(void);

Suite *sync_rest_details_suite(void)
{
    Suite *suite = suite_create("sync_rest_details");
    TCase *tests = tcase_create("rest_details");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, two_requests_make_it_complete);
    tcase_add_test(tests, eight_are_asked_at_once);
    tcase_add_test(tests, only_what_is_incomplete_is_asked_for);
    tcase_add_test(tests, branches_of_any_name_are_asked_for);
    tcase_add_test(tests, an_empty_repository_has_no_branch);
    tcase_add_loop_test(tests, a_known_tree_is_not_fetched, 0, COUNT(known));
    tcase_add_test(tests, a_tree_that_another_repository_has_is_known);
    tcase_add_loop_test(tests, a_failure_harms_one_repository, 0, COUNT(failures));
    tcase_add_test(tests, an_outage_is_not_found_out_for_each);
    tcase_add_loop_test(tests, a_refused_token_ends_it, 0, 2);
    tcase_add_test(tests, a_signal_ends_it);
    tcase_add_test(tests, a_short_limit_is_waited_for);
    tcase_add_test(tests, a_long_limit_leaves_what_came);
    tcase_add_test(tests, a_long_limit_at_languages_leaves_it_to_be_asked_for);
    suite_add_tcase(suite, tests);
    return suite;
}
