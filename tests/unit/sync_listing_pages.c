/* The listing's pages from a scripted GitHub: made smaller, cut short, given up. */
#include <check.h>
#include <string.h>

#include "jobs/sync/listing.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TOO_MUCH "[{'type': 'RESOURCE_LIMITS_EXCEEDED', 'message': 'x'}]"

static struct fixture_session f;
static struct sync_batch batch;
static struct sync_listing listing;
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    sync_batch_init(&batch, SYNC_LISTING_PAGE, 0);
    listing = (struct sync_listing){0};
    err = (struct cf_error){0};
}

static void teardown(void)
{
    sync_listing_release(&listing);
    fixture_close(&f);
}

static int fetch(const struct net_step *script, size_t count)
{
    fixture_open(&f, net_server_new(script, count), NULL);
    return sync_listing_fetch(f.session, "octocat", &batch, &listing, &err);
}

/* A page of one repository, of so many pages. */
static const char *page(unsigned number, unsigned of)
{
    json_t *answer =
        fixture_page(fixture_node(number, "r", fixture_oid('c'), fixture_oid('7')), NULL);
    json_t *connection = json_object_get(
        json_object_get(json_object_get(answer, "data"), "repositoryOwner"), "repositories");
    json_t *info = json_object_get(connection, "pageInfo");
    (void)json_object_set_new(connection, "totalCount", json_integer(of));
    (void)json_object_set_new(info, "hasNextPage", json_boolean(number < of));
    (void)json_object_set_new(info, "endCursor", json_string(fixture_text("after-%u", number)));
    return fixture_body_of(answer);
}

static void expect_query(size_t index, json_int_t first, const char *after)
{
    json_t *request = json_loads(fixture_request(&f, index), 0, NULL);
    const json_t *variables = json_object_get(request, "variables");
    ck_assert_int_eq(json_integer_value(json_object_get(variables, "first")), first);
    ck_assert_pstr_eq(json_string_value(json_object_get(variables, "after")), after);
    ck_assert_str_eq(json_string_value(json_object_get(variables, "login")), "octocat");
    json_decref(request);
}

START_TEST(pages_follow_each_other)
{
    const struct net_step script[] = {
        {.body = page(1, 3)}, {.body = page(2, 3)}, {.body = page(3, 3)}};
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(listing.count, 3);
    ck_assert(!listing.partial);
    ck_assert_str_eq(listing.login, "Octocat");
    expect_query(0, 50, NULL);
    expect_query(1, 50, "after-1");
    expect_query(2, 50, "after-2");
    ck_assert_uint_eq(net_server_requests(f.server), 3);
}
END_TEST

START_TEST(a_page_that_is_too_much_is_halved)
{
    json_t *half = fixture("{'data': {'repositoryOwner': null}, 'errors': " TOO_MUCH "}");
    const struct net_step script[] = {
        {.status = 502, .body = "<html>"},
        {.body = page(1, 3)},
        {.body = fixture_body_of(half)},
        {.body = fixture_body("{'data': null, 'errors': " TOO_MUCH "}")},
        {.status = 504, .body = ""},
        {.body = page(2, 3)},
        {.body = page(3, 3)}};
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_uint_eq(listing.count, 3);
    ck_assert(!listing.partial);
    expect_query(0, 50, NULL);
    expect_query(1, 25, NULL);
    expect_query(2, 25, "after-1");
    expect_query(3, 12, "after-1");
    expect_query(4, 6, "after-1");
    expect_query(5, 3, "after-1");
    expect_query(6, 3, "after-2");
    ck_assert(batch.shrunk);
    ck_assert_uint_eq(batch.size, 3);
}
END_TEST

/* What can't be given even alone: REST may. */
static const struct net_step hopeless[] = {
    {.status = 502, .body = "<html>"},
    {.status = 504, .body = "<html>"},
    {.body = "{\"data\":null,\"errors\":[{\"type\":\"RESOURCE_LIMITS_EXCEEDED\"}]}"},
    {.body = "{\"data\":{\"repositoryOwner\":null},\"errors\":[{\"type\":"
             "\"RESOURCE_LIMITS_EXCEEDED\",\"path\":[\"repositoryOwner\"]}]}"},
    {.body = "{\"errors\":[{\"message\":\"x\",\"extensions\":{\"code\":\"undefinedField\"}}]}"},
};

START_TEST(what_no_query_gives_needs_rest)
{
    ck_assert_int_ne(fetch(&hopeless[_i], 1), 0);
    ck_assert(sync_listing_needs_rest(&err));
    ck_assert_ptr_null(listing.login);
    ck_assert_uint_eq(listing.count, 0);
    ck_assert_uint_le(net_server_requests(f.server), 10);
}
END_TEST

static const struct {
    struct net_step step;
    int code;
} endings[] = {
    {{.status = 503, .body = "{}"}, CF_EUNAVAILABLE},
    {{.body = "<html>"}, CF_EUNAVAILABLE},
    {{.body = "{\"data\":{}}"}, CF_EDATA},
    {{.status = 401, .body = "{}"}, CF_EDENIED},
    {{.body = "{\"data\":{\"repositoryOwner\":null}}"}, CF_ENOTFOUND},
};

START_TEST(other_errors_leave_nothing)
{
    const struct net_step script[] = {{.body = page(1, 2)}, endings[_i].step};
    ck_assert_int_eq(fetch(script, COUNT(script)), endings[_i].code);
    ck_assert(!sync_listing_needs_rest(&err));
    ck_assert_ptr_nonnull(strstr(err.message, "octocat"));
    ck_assert_ptr_null(listing.login);
    ck_assert_uint_eq(listing.count, 0);
    ck_assert(!batch.shrunk);
}
END_TEST

START_TEST(a_limit_leaves_what_came)
{
    const struct net_step script[] = {
        {.body = page(1, 3)}, {.status = 429, .headers = "Retry-After: 3600\r\n", .body = "{}"}};
    ck_assert_int_eq(fetch(script, COUNT(script)), CF_ERETRY);
    ck_assert_uint_eq(listing.count, 1);
    ck_assert_str_eq(listing.login, "Octocat");
    ck_assert(listing.partial);
    ck_assert_uint_eq(net_server_requests(f.server), 2);
}
END_TEST

START_TEST(a_limit_at_once_leaves_nothing)
{
    const struct net_step script[] = {
        {.status = 429, .headers = "Retry-After: 3600\r\n", .body = "{}"}};
    ck_assert_int_eq(fetch(script, COUNT(script)), CF_ERETRY);
    ck_assert_ptr_null(listing.login);
    ck_assert_uint_eq(listing.count, 0);
}
END_TEST

Suite *sync_listing_pages_suite(void);

Suite *sync_listing_pages_suite(void)
{
    Suite *suite = suite_create("sync_listing_pages");
    TCase *tests = tcase_create("pages");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, pages_follow_each_other);
    tcase_add_test(tests, a_page_that_is_too_much_is_halved);
    tcase_add_loop_test(tests, what_no_query_gives_needs_rest, 0, COUNT(hopeless));
    tcase_add_loop_test(tests, other_errors_leave_nothing, 0, COUNT(endings));
    tcase_add_test(tests, a_limit_leaves_what_came);
    tcase_add_test(tests, a_limit_at_once_leaves_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
