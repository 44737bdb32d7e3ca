/* The listing by REST from a scripted GitHub, with the details of what is incomplete. */
#include "jobs/sync/rest_details.h"
#include "jobs/sync/rest_listing.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define LATER "2024-06-01T00:00:00.000Z" /* long after the fixtures' last push */

static struct fixture_session f;
static struct sync_listing listing;
static struct cf_repos last;
static json_t *etags;
static struct cf_error err;
static const struct net_step owner = {.path = "GET /users/octocat ",
                                      .body = "{\"login\":\"Octocat\",\"type\":\"User\"}"};

static void setup(void)
{
    fixture_quiet();
    listing = (struct sync_listing){0};
    last = (struct cf_repos){0};
    etags = NULL;
    err = (struct cf_error){0};
}

static void teardown(void)
{
    sync_listing_release(&listing);
    cf_repos_release(&last);
    json_decref(etags);
    fixture_close(&f);
}

/* Asks for the details as a run does; what comes is entered into the listing. */
static int fetch_details(void)
{
    struct sync_plan plan;
    size_t count = listing.count;
    sync_plan_make(&plan, &listing, &last, false);
    int rc = sync_rest_details_fetch(f.session, &plan, plan.items, plan.count, &err);
    for (size_t i = 0; i < count; i++) {
        struct sync_item *item = &plan.items[i];
        listing.items[i].repository = item->repository;
        listing.items[i].repository.content[0] = '\0';
        listing.items[i].problem = item->reason;
        listing.items[i].incomplete = item->action == SYNC_ASK && !item->reason;
        item->repository = (struct cf_repository){0};
    }
    listing.count = count;
    sync_plan_release(&plan);
    return rc;
}

static int fetch(const struct net_step *script, size_t count)
{
    const struct sync_known known = {.repos = &last, .read_at = LATER, .etags = etags};
    fixture_open(&f, net_server_new_unordered(script, count), NULL);
    int rc = sync_rest_listing_fetch(f.session, "octocat", &known, &listing, &err);
    return rc ? rc : fetch_details();
}

/* Page number of so many repositories, named r1, r2, …, 100 a page. */
static const char *page(size_t count, size_t number)
{
    json_t *list = json_array();
    for (size_t i = 100 * (number - 1); i < count && i < 100 * number; i++) {
        (void)json_array_append_new(
            list, fixture_rest_node((unsigned)i + 1, fixture_text("r%zu", i + 1)));
    }
    return fixture_body_of(list);
}

static const char *branch(char commit, char tree)
{
    return fixture_body_of(fixture_rest_branch(fixture_oid(commit), fixture_oid(tree)));
}

/* What came becomes the last version, and the script's texts are freed. */
static void turn(void)
{
    last.login = listing.login;
    last.kind = listing.kind;
    last.count = listing.count;
    last.items = calloc(listing.count, sizeof(*last.items));
    for (size_t i = 0; i < listing.count; i++) {
        last.items[i] = listing.items[i].repository;
        memset(last.items[i].content, 'a', CF_SHA256_HEX - 1);
    }
    etags = json_incref(listing.etags);
    listing.login = NULL;
    listing.kind = NULL;
    listing.count = 0;
    sync_listing_release(&listing);
    fixture_close(&f);
}

static void first_listing(size_t count)
{
    const struct net_step script[] = {
        owner,
        {.path = "&page=1 ", .headers = "ETag: \"one\"\r\n", .body = page(count, 1)},
        {.path = "&page=2 ", .headers = "ETag: \"two\"\r\n", .body = page(count, 2)},
        {.path = "/branches/main ", .body = branch('c', '7')},
        {.path = "/languages ", .body = "{\"C\":5}"}};
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(listing.count, count);
}

START_TEST(gives_what_graphql_gives)
{
    struct sync_listing other;
    const struct net_step script[] = {
        owner,
        {.path = "GET /users/octocat/repos?type=owner&sort=created&direction=asc&per_page=100"
                 "&page=1 ",
         .headers = "ETag: W/\"abc\"\r\n",
         .body = fixture_body_of(json_pack("[o]", fixture_rest_node(9, "one")))},
        {.path = "GET /repos/Octocat/one/branches/main ", .body = branch('c', '7')},
        {.path = "GET /repos/Octocat/one/languages ", .body = "{\"C\":78769,\"Assembly\":7769}"}};
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f.server), 4);
    ck_assert_uint_eq(listing.count, 1);
    ck_assert(!listing.partial);
    ck_assert_str_eq(listing.login, "Octocat");
    ck_assert_str_eq(listing.kind, "User");
    ck_assert_str_eq(json_string_value(json_array_get(listing.etags, 0)), "W/\"abc\"");
    fixture_listing(fixture_page(fixture_node(9, "one", fixture_oid('c'), fixture_oid('7')), NULL),
                    &other);
    ck_assert_str_eq(listing.items[0].repository.fingerprint,
                     other.items[0].repository.fingerprint);
    ck_assert_str_eq(listing.items[0].repository.tree, fixture_oid('7'));
    sync_listing_release(&other);
}
END_TEST

START_TEST(pages_come_until_one_is_not_full)
{
    first_listing(101);
    ck_assert_uint_eq(net_server_requests(f.server), 1 + 2 + 2 * 101);
    ck_assert_uint_eq(json_array_size(listing.etags), 2);
    ck_assert_int_le(net_server_most_at_once(f.server), SYNC_AT_ONCE);
}
END_TEST

START_TEST(pages_that_have_not_changed_are_all_that_is_asked)
{
    const struct net_step script[] = {{.path = "&page=", .status = 304}};
    first_listing(101);
    turn();
    ck_assert_int_eq(fetch(script, COUNT(script)), 0);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    ck_assert_ptr_nonnull(
        strstr(net_server_seen(f.server, 1)->head, "\r\nIf-None-Match: \"two\"\r\n"));
    ck_assert_uint_eq(listing.count, 101);
    ck_assert_str_eq(listing.login, "Octocat");
    ck_assert_str_eq(listing.items[100].repository.name, "r101");
    ck_assert_str_eq(listing.items[100].repository.fingerprint, last.items[100].fingerprint);
    ck_assert_str_eq(listing.items[0].repository.content, "");
    ck_assert_uint_eq(json_array_size(listing.etags), 2);
}
END_TEST

START_TEST(what_was_not_pushed_to_is_known)
{
    first_listing(3);
    turn();
    json_t *pushed = fixture_rest_node(2, "r2");
    (void)json_object_set_new(pushed, "pushed_at", json_string("2024-05-02T09:00:00Z"));
    const struct net_step script[] = {
        owner,
        {.path = "&page=1 ",
         .headers = "ETag: \"new\"\r\n",
         .body = fixture_body_of(
             json_pack("[o,o,o]", fixture_rest_node(1, "r1"), pushed, fixture_rest_node(3, "r3")))},
        {.path = "/r2/branches/main ", .body = branch('d', '8')},
        {.path = "/r2/languages ", .body = "{\"C\":6}"}};
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(fixture_count(&f, "GET /repos/"), 2);
    ck_assert_uint_eq(fixture_count(&f, "&page=1 "), 2); /* whether it changed, and what it is */
    ck_assert_str_eq(listing.items[1].repository.tree, fixture_oid('8'));
    ck_assert_str_eq(listing.items[0].repository.tree, fixture_oid('7'));
    ck_assert_str_eq(listing.items[2].repository.fingerprint, last.items[2].fingerprint);
    ck_assert_str_eq(json_string_value(json_array_get(listing.etags, 0)), "\"new\"");
}
END_TEST

START_TEST(etags_of_anybodys_making_do_no_harm)
{
    static const char *const bad[] = {"[]", "{}", "7", "[7]", "['']", "['a\\r\\nX-Evil: 1']"};
    first_listing(1);
    turn();
    const struct net_step script[] = {owner, {.path = "&page=1 ", .body = page(1, 1)}};
    json_decref(etags);
    etags = fixture(bad[_i]);
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ptr_null(strstr(net_server_seen(f.server, i)->head, "If-None-Match"));
        ck_assert_ptr_null(strstr(net_server_seen(f.server, i)->head, "X-Evil"));
    }
}
END_TEST

static const struct {
    struct net_step step;
    int code;
} endings[] = {
    {{.path = "GET /users/octocat ", .status = 404, .body = "{}"}, CF_ENOTFOUND},
    {{.path = "GET /users/octocat ", .body = "{\"login\":\"other\",\"type\":\"User\"}"}, CF_EDATA},
    {{.path = "&page=1 ", .status = 404, .body = "{}"}, CF_ENOTFOUND},
    {{.path = "&page=1 ", .body = "{}"}, CF_EDATA},
    {{.path = "&page=1 ", .status = 401, .body = "{}"}, CF_EDENIED},
};

START_TEST(other_errors_leave_nothing)
{
    const struct net_step script[] = {endings[_i].step,
                                      owner,
                                      {.path = "&page=1 ", .body = page(3, 1)},
                                      {.path = "/branches/", .body = branch('c', '7')},
                                      {.path = "/languages ", .body = "{}"}};
    struct net_step once[COUNT(script)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(script); i++) { /* without the good answer of the same path */
        if (i == 0 || strcmp(script[i].path, script[0].path) != 0) {
            once[count++] = script[i];
        }
    }
    ck_assert_int_eq(fetch(once, count), endings[_i].code);
    ck_assert_int_eq(err.code, endings[_i].code);
    ck_assert_ptr_nonnull(strstr(err.message, "octocat"));
    ck_assert_ptr_null(listing.login);
    ck_assert_uint_eq(listing.count, 0);
    ck_assert_ptr_null(listing.etags);
}
END_TEST

START_TEST(a_long_limit_at_a_page_is_partial)
{
    const struct net_step script[] = {
        owner,
        {.path = "&page=1 ", .body = page(150, 1)},
        {.path = "&page=2 ", .status = 429, .headers = "Retry-After: 3600\r\n", .body = "{}"}};
    ck_assert_int_eq(fetch(script, COUNT(script)), CF_ERETRY);
    ck_assert(listing.partial);
    ck_assert_uint_eq(listing.count, 100);
    ck_assert(listing.items[0].incomplete);
    ck_assert_ptr_null(listing.etags);
}
END_TEST

Suite *sync_rest_listing_suite(void);

Suite *sync_rest_listing_suite(void)
{
    Suite *suite = suite_create("sync_rest_listing");
    TCase *tests = tcase_create("rest_listing");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, gives_what_graphql_gives);
    tcase_add_test(tests, pages_come_until_one_is_not_full);
    tcase_add_test(tests, pages_that_have_not_changed_are_all_that_is_asked);
    tcase_add_test(tests, what_was_not_pushed_to_is_known);
    tcase_add_loop_test(tests, etags_of_anybodys_making_do_no_harm, 0, 6);
    tcase_add_loop_test(tests, other_errors_leave_nothing, 0, COUNT(endings));
    tcase_add_test(tests, a_long_limit_at_a_page_is_partial);
    suite_add_tcase(suite, tests);
    return suite;
}
