/* Documents by REST, one by one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "jobs/sync/files.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define README CF_DOCUMENT_README
#define ITEMS 12

static struct fixture_session f;
static struct sync_item items[ITEMS];
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    memset(items, 0, sizeof(items));
    err = (struct cf_error){0};
}

static void teardown(void)
{
    for (size_t i = 0; i < ITEMS; i++) {
        fixture_item_release(&items[i]);
    }
    fixture_close(&f);
}

static void want(struct sync_item *item, enum cf_document_kind kind, const char *bytes,
                 size_t length)
{
    char oid[CF_OID_HEX];
    fixture_blob_oid(bytes, length, oid);
    fixture_want(item, kind, oid, length);
}

static void make_items(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *name = cf_asprintf("r%zu", i);
        fixture_item(&items[i], (unsigned)i + 1, name, '7');
        want(&items[i], README, "hello", 5);
        free(name);
    }
}

static int fetch(const struct net_step *script, size_t count, size_t item_count)
{
    fixture_open(&f, net_server_new_unordered(script, count), NULL);
    return sync_blobs_fetch(f.session, items, item_count, &err);
}

static void expect_hello(size_t index)
{
    ck_assert_ptr_null(items[index].reason);
    ck_assert_pstr_eq(items[index].content.documents[README].text, "hello");
}

START_TEST(every_document_is_a_request_eight_at_once)
{
    const struct net_step script[] = {
        {.path = "/r", .body = fixture_blob("hello", 5), .delay_ms = 30}};
    make_items(ITEMS);
    items[2].action = SYNC_REUSE;
    items[3].reason = "forbidden";
    items[4].content.tree[0] = '\0'; /* its tree didn't come */
    want(&items[5], CF_DOCUMENT_ARCHITECTURE, "hello", 5);
    ck_assert_int_eq(fetch(script, 1, ITEMS), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        bool wanted = i < 2 || i > 4;
        ck_assert_pstr_eq(items[i].content.documents[README].text, wanted ? "hello" : NULL);
    }
    ck_assert_pstr_eq(items[5].content.documents[CF_DOCUMENT_ARCHITECTURE].text, "hello");
    ck_assert_uint_eq(net_server_requests(f.server), ITEMS - 3 + 1);
    ck_assert_int_le(net_server_most_at_once(f.server), SYNC_AT_ONCE);
    ck_assert_int_gt(net_server_most_at_once(f.server), 1);
}
END_TEST

/* What bytes become. */
static const struct {
    const char *bytes;
    size_t length;
    const char *text, *skipped;
} contents[] = {
    {"hello", 5, "hello", NULL},
    {"", 0, "", NULL},
    {"\xff\xfeh\0i\0", 6, "hi", NULL},
    {"\xfe\xff\0h\0i", 6, "hi", NULL},
    {"\x7f"
     "ELF\0\0",
     6, NULL, "binary"},
    {"\xef\xbb\xbfx", 4, "\xef\xbb\xbfx", NULL},
    {"a\xff"
     "b",
     3,
     "a\xef\xbf\xbd"
     "b",
     NULL},
};

START_TEST(bytes_become_texts)
{
    const struct net_step script[] = {
        {.path = "/r0/", .body = fixture_blob(contents[_i].bytes, contents[_i].length)}};
    fixture_item(&items[0], 1, "r0", '7');
    want(&items[0], README, contents[_i].bytes, contents[_i].length);
    ck_assert_int_eq(fetch(script, 1, 1), 0);
    const struct cf_document *readme = &items[0].content.documents[README];
    ck_assert_ptr_null(items[0].reason);
    ck_assert_pstr_eq(readme->text, contents[_i].text);
    ck_assert_pstr_eq(readme->skipped, contents[_i].skipped);
    ck_assert_uint_eq(readme->text_length, contents[_i].text ? strlen(contents[_i].text) : 0);
    ck_assert_uint_eq(net_server_requests(f.server), 1);
}
END_TEST

#define HELLO "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
#define OTHER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    struct net_step step;
    const char *reason;
    size_t requests;
} failures[] = {
    {{.status = 404, .body = "{}"}, "not_found", 1},
    {{.status = 403, .body = "{}"}, "forbidden", 1},
    {{.status = 302, .headers = "Location: /x\r\n", .body = "{}"}, "moved", 1},
    {{.status = 502, .body = "<html>"}, "unavailable", 5},
    {{.body = "<html>"}, "unavailable", 5},
    {{.body = ""}, "unavailable", 5},
    {{.body = "{"}, "bad_answer", 1},
    {{.body = "[]"}, "bad_answer", 1},
    {{.body = "{}"}, "bad_answer", 1},
    {{.body = "{\"sha\":\"" OTHER "\",\"size\":5,\"encoding\":\"base64\","
              "\"content\":\"aGVsbG8=\"}"},
     "bad_answer",
     1},
    {{.body = "{\"sha\":\"" HELLO "\",\"size\":5,\"encoding\":\"base64\","
              "\"content\":\"aGVsbHg=\"}"},
     "bad_answer",
     1}, /* other bytes under this id */
    {{.body = "{\"sha\":\"" HELLO "\",\"size\":6,\"encoding\":\"base64\","
              "\"content\":\"aGVsbG8=\"}"},
     "bad_answer",
     1},
    {{.body = "{\"sha\":\"" HELLO "\",\"size\":5,\"encoding\":\"none\",\"content\":\"\"}"},
     "bad_answer",
     1},
};

START_TEST(a_failure_harms_one_repository)
{
    const char *good = fixture_blob("hello", 5);
    struct net_step script[] = {
        failures[_i].step, {.path = "/r0/", .body = good}, {.path = "/r2/", .body = good}};
    script[0].path = "/r1/";
    make_items(3);
    ck_assert_msg(fetch(script, COUNT(script), 3) == 0, "%s", err.message);
    expect_hello(0);
    ck_assert_pstr_eq(items[1].reason, failures[_i].reason);
    ck_assert_int_eq(items[1].unavailable, failures[_i].requests == 5);
    ck_assert_ptr_null(items[1].content.documents[README].text);
    ck_assert_ptr_null(items[1].content.documents[README].skipped);
    expect_hello(2);
    ck_assert_uint_eq(net_server_requests(f.server), 2 + failures[_i].requests);
}
END_TEST

START_TEST(a_limit_is_waited_for)
{
    const struct net_step script[] = {
        {.path = "/r1/", .status = 403, .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.path = "/r2/", .status = 429, .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.path = "/r", .body = fixture_blob("hello", 5)}};
    make_items(ITEMS);
    ck_assert_msg(fetch(script, COUNT(script), ITEMS) == 0, "%s", err.message);
    for (size_t i = 0; i < ITEMS; i++) {
        expect_hello(i);
    }
    size_t last = net_server_requests(f.server) - 1;
    ck_assert_uint_eq(last, ITEMS + 1);
    ck_assert_int_ge(net_server_seen(f.server, last)->at_ms,
                     net_server_seen(f.server, 0)->at_ms + 990);
}
END_TEST

START_TEST(a_limit_that_is_too_long_leaves_the_rest_as_it_is)
{
    const struct net_step script[] = {
        {.path = "/r0/", .body = fixture_blob("hello", 5)},
        {.path = "/", .status = 403, .headers = "Retry-After: 3600\r\n", .delay_ms = 100}};
    make_items(ITEMS);
    ck_assert_int_eq(fetch(script, COUNT(script), ITEMS), CF_ERETRY);
    ck_assert_int_eq(err.code, CF_ERETRY);
    expect_hello(0);
    for (size_t i = 1; i < ITEMS; i++) {
        ck_assert_ptr_null(items[i].reason);
        ck_assert(sync_is_wanted(&items[i].content.documents[README]));
    }
    ck_assert_uint_le(net_server_requests(f.server), SYNC_AT_ONCE + 1);
}
END_TEST

START_TEST(a_refused_token_ends_the_run)
{
    const struct net_step script[] = {{.path = "/", .status = 401, .body = "{}"}};
    make_items(ITEMS);
    ck_assert_int_eq(fetch(script, COUNT(script), ITEMS), CF_EDENIED);
    ck_assert_uint_le(net_server_requests(f.server), SYNC_AT_ONCE);
    ck_assert_ptr_null(items[0].reason);
}
END_TEST

Suite *sync_blobs_suite(void);

Suite *sync_blobs_suite(void)
{
    Suite *suite = suite_create("sync_blobs");
    TCase *tests = tcase_create("blobs");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_document_is_a_request_eight_at_once);
    tcase_add_loop_test(tests, bytes_become_texts, 0, COUNT(contents));
    tcase_add_loop_test(tests, a_failure_harms_one_repository, 0, COUNT(failures));
    tcase_add_test(tests, a_limit_is_waited_for);
    tcase_add_test(tests, a_limit_that_is_too_long_leaves_the_rest_as_it_is);
    tcase_add_test(tests, a_refused_token_ends_the_run);
    suite_add_tcase(suite, tests);
    return suite;
}
