/* Trees of many repositories, from a scripted GitHub. */
#include "jobs/sync/trees.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ITEMS 20

static struct fixture_session f;
static struct sync_item items[ITEMS];
static struct sync_plan plan;
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    memset(items, 0, sizeof(items));
    plan = (struct sync_plan){.items = items};
    err = (struct cf_error){0};
}

/* Items whose trees are 0, 1, … 9, a, … and again. */
static void make_items(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *name = cf_asprintf("r%zu", i);
        fixture_item(&items[i], (unsigned)i + 1, name, "0123456789abcdef"[i % 16]);
        free(name);
    }
    plan.count = count;
}

static void teardown(void)
{
    for (size_t i = 0; i < ITEMS; i++) {
        fixture_item_release(&items[i]);
    }
    fixture_close(&f);
}

static int fetch(const struct net_step *script, size_t count,
                 const struct sync_github_settings *settings)
{
    fixture_open(&f, net_server_new_unordered(script, count), settings);
    return sync_trees_fetch(f.session, &plan, items, plan.count, &err);
}

static const char *good(char digit)
{
    return fixture_tree(digit, false, FIXTURE_BLOB("README.md", A, "5"));
}

static const char one_tree[] = FIXTURE_BLOB(".gitignore", A, "9") "," FIXTURE_BLOB(
    "README.md", A, "6") ",{'path': 'SKILLS-INDEX.md', 'mode': '120000', 'type': 'blob', 'sha': '" B
                         "', 'size': 7}," FIXTURE_SUBTREE("docs", B) "," FIXTURE_BLOB(
                             "docs/ARCHITECTURE.md", B,
                             "1") "," FIXTURE_BLOB("docs/x.MD", B,
                                                   "0") ","
                                                        "{'path': 'lib', 'mode': '160000', 'type': "
                                                        "'commit', 'sha': '" B
                                                        "'}," FIXTURE_BLOB("src/main.c", B, "1");

START_TEST(counts_the_whole_tree_and_looks_at_its_root)
{
    const struct net_step script[] = {{.path = "GET /repos/octocat/r0/git/trees/"
                                               "0000000000000000000000000000000000000000"
                                               "?recursive=1 ",
                                       .body = fixture_tree('0', false, one_tree)}};
    make_items(1);
    ck_assert_int_eq(fetch(script, COUNT(script), NULL), 0);
    const struct cf_content *content = &items[0].content;
    ck_assert_ptr_null(items[0].reason);
    ck_assert_str_eq(content->tree, fixture_oid('0'));
    ck_assert_uint_eq(content->files, 6);
    ck_assert(!content->truncated);
    ck_assert_uint_eq(content->file_type_count, 2);
    ck_assert_uint_eq(fixture_file_type(content, ".md"), 4);
    ck_assert_uint_eq(fixture_file_type(content, ".c"), 1);
    ck_assert_str_eq(content->documents[CF_DOCUMENT_README].oid, A);
    ck_assert_uint_eq(content->documents[CF_DOCUMENT_README].bytes, 6);
    ck_assert_str_eq(content->documents[CF_DOCUMENT_SKILLS_INDEX].skipped, "link");
    ck_assert_ptr_null(content->documents[CF_DOCUMENT_ARCHITECTURE].path);
    ck_assert_uint_eq(plan.answered, 1);
    ck_assert_uint_eq(net_server_requests(f.server), 1);
}
END_TEST

START_TEST(only_what_is_wanted_is_fetched_eight_at_once)
{
    struct net_step script[16] = {0};
    for (size_t i = 0; i < 16; i++) {
        char digit = "0123456789abcdef"[i];
        script[i] = (struct net_step){.path = fixture_text("/git/trees/%s?", fixture_oid(digit)),
                                      .body = good(digit),
                                      .delay_ms = 30};
    }
    make_items(16);
    items[3].action = SYNC_REUSE;
    items[4].action = SYNC_EMPTY;
    items[5].action = SYNC_BAD;
    items[6].reason = "forbidden";
    memcpy(items[7].content.tree, items[7].repository.tree, CF_OID_HEX); /* it came already */
    ck_assert_int_eq(fetch(script, COUNT(script), NULL), 0);
    for (size_t i = 0; i < 16; i++) {
        bool wanted = i < 3 || i > 7;
        ck_assert_uint_eq(items[i].content.files, wanted);
        ck_assert_pstr_eq(items[i].content.documents[0].path, wanted ? "README.md" : NULL);
    }
    ck_assert_uint_eq(net_server_requests(f.server), 11);
    ck_assert_int_le(net_server_most_at_once(f.server), SYNC_AT_ONCE);
    ck_assert_int_gt(net_server_most_at_once(f.server), 1);
}
END_TEST

/* Each of these harms the one repository only. */
static const struct {
    struct net_step step;
    const char *reason;
    size_t requests;
} failures[] = {
    {{.status = 404, .body = "{}"}, "not_found", 1},
    {{.status = 409, .body = "{}"}, "conflict", 1},
    {{.status = 451, .body = "{}"}, "legal", 1},
    {{.status = 403, .body = "{}"}, "forbidden", 1},
    {{.status = 422, .body = "{}"}, "refused", 1},
    {{.status = 301, .headers = "Location: /x\r\n", .body = "{}"}, "moved", 1},
    {{.body = "{}"}, "bad_answer", 1},
    {{.body = "[]"}, "bad_answer", 1},
    {{.body = "{\"sha\":\"" A "\",\"truncated\":false,\"tree\":[]}"}, "bad_answer", 1},
    {{.body = "{\"sha\":\"0000000000000000000000000000000000000000\",\"tree\":[]}"},
     "bad_answer",
     1},
    {{.body = "{\"sha\":\"0000000000000000000000000000000000000000\",\"truncated\":false,"
              "\"tree\":[{\"type\":\"blob\"}]}"},
     "bad_answer",
     1},
    {{.body = "<html>maintenance</html>"}, "unavailable", 5},
    {{.action = NET_CHUNKS, .body = " \r\n"}, "unavailable", 5},
    {{.body = NULL}, "unavailable", 5},
    {{.status = 502, .body = "<html>bad gateway</html>"}, "unavailable", 5},
    {{.action = NET_CUT, .body = "{\"sha\":\"x\"}"}, "unavailable", 5},
};

START_TEST(a_failure_harms_one_repository)
{
    struct net_step script[2] = {failures[_i].step, {.path = "/r1/", .body = good('1')}};
    script[0].path = "/r0/";
    make_items(2);
    ck_assert_msg(fetch(script, 2, NULL) == 0, "%s", err.message);
    ck_assert_pstr_eq(items[0].reason, failures[_i].reason);
    ck_assert_int_eq(items[0].unavailable, failures[_i].requests == 5);
    ck_assert_str_eq(items[0].content.tree, "");
    ck_assert_ptr_null(items[1].reason);
    ck_assert_uint_eq(items[1].content.files, 1);
    ck_assert_uint_eq(fixture_count(&f, "/r0/"), failures[_i].requests);
    ck_assert_uint_eq(plan.unanswered, items[0].unavailable);
    ck_assert_uint_eq(plan.answered, items[0].unavailable ? 1 : 2);
}
END_TEST

/* An attempt that ends in the middle leaves nothing of what it gave. */
START_TEST(a_repeated_answer_counts_once)
{
    const char *whole = fixture_tree('0', false, one_tree);
    const struct net_step script[] = {{.path = "/r0/", .action = NET_CUT, .body = whole},
                                      {.path = "/r0/", .body = "<html>"},
                                      {.path = "/r0/", .action = NET_CUT, .body = whole},
                                      {.path = "/r0/", .action = NET_CHUNKS, .body = whole}};
    make_items(1);
    ck_assert_int_eq(fetch(script, COUNT(script), NULL), 0);
    ck_assert_ptr_null(items[0].reason);
    ck_assert_uint_eq(items[0].content.files, 6);
    ck_assert_uint_eq(fixture_file_type(&items[0].content, ".md"), 4);
    ck_assert_uint_eq(net_server_requests(f.server), 4);
}
END_TEST

START_TEST(an_outage_is_not_found_out_for_each)
{
    const struct net_step script[] = {{.status = 503, .body = "{}"}};
    make_items(20);
    ck_assert_int_eq(fetch(script, 1, NULL), 0);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_str_eq(items[i].reason, "unavailable");
        ck_assert(items[i].unavailable);
    }
    ck_assert_uint_ge(plan.unanswered, SYNC_OUTAGE);
    ck_assert_uint_lt(plan.unanswered, (size_t)2 * SYNC_OUTAGE);
    ck_assert_uint_eq(net_server_requests(f.server), 5 * plan.unanswered);
}
END_TEST

START_TEST(the_first_goes_alone_and_leaves_the_reserve)
{
    const struct sync_github_settings settings = {.time_limit_ms = 1000, .limits.reserve = 500};
    struct net_step script[16] = {0};
    for (size_t i = 0; i < 16; i++) {
        char digit = "0123456789abcdef"[i];
        script[i] = (struct net_step){
            .path = fixture_text("/git/trees/%s?", fixture_oid(digit)),
            .headers = fixture_text("X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 503\r\n"
                                    "X-RateLimit-Reset: %lld\r\n",
                                    (long long)cf_clock_now_ms() / 1000 + 3600),
            .body = good(digit)};
    }
    make_items(16);
    ck_assert_int_eq(fetch(script, COUNT(script), &settings), CF_ERETRY);
    ck_assert_uint_eq(net_server_requests(f.server), 4);
}
END_TEST

START_TEST(a_limit_is_waited_for)
{
    struct net_step script[14] = {
        {.path = "/r4/", .status = 429, .headers = "Retry-After: 1\r\n", .body = "{}"},
        {.path = "/r5/", .status = 403, .headers = "Retry-After: 1\r\n", .body = "{}"}};
    for (size_t i = 0; i < 12; i++) {
        script[i + 2] = (struct net_step){.path = fixture_text("/r%zu/", i),
                                          .body = good("0123456789abcdef"[i])};
    }
    make_items(12);
    ck_assert_msg(fetch(script, COUNT(script), NULL) == 0, "%s", err.message);
    for (size_t i = 0; i < 12; i++) {
        ck_assert_ptr_null(items[i].reason);
        ck_assert_uint_eq(items[i].content.files, 1);
    }
    ck_assert_uint_eq(net_server_requests(f.server), 14);
    ck_assert_int_ge(net_server_seen(f.server, 13)->at_ms,
                     net_server_seen(f.server, 0)->at_ms + 990);
    ck_assert_int_ge(sync_session_usage(f.session).waited_ms, 900);
}
END_TEST

START_TEST(a_limit_that_is_too_long_leaves_the_rest_as_it_is)
{
    const struct net_step script[] = {
        {.path = "/r0/", .body = good('0')},
        {.path = "/r1/", .status = 404, .body = "{}"},
        {.path = "/", .status = 403, .headers = "Retry-After: 3600\r\n", .delay_ms = 100}};
    make_items(20);
    ck_assert_int_eq(fetch(script, COUNT(script), NULL), CF_ERETRY);
    ck_assert_int_eq(err.code, CF_ERETRY);
    ck_assert_str_eq(items[0].content.tree, items[0].repository.tree);
    ck_assert_str_eq(items[1].reason, "not_found");
    for (size_t i = 2; i < 20; i++) {
        ck_assert_ptr_null(items[i].reason);
        ck_assert_str_eq(items[i].content.tree, "");
    }
    ck_assert_uint_le(net_server_requests(f.server), SYNC_AT_ONCE + 2);
}
END_TEST

START_TEST(a_refused_token_ends_the_run)
{
    const struct net_step script[] = {{.path = "/", .status = 401, .body = "{}"}};
    make_items(20);
    ck_assert_int_eq(fetch(script, COUNT(script), NULL), CF_EDENIED);
    ck_assert_uint_le(net_server_requests(f.server), SYNC_AT_ONCE);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_ptr_null(items[i].reason);
    }
}
END_TEST

START_TEST(a_signal_ends_the_run)
{
    static volatile int stop = 1;
    const struct sync_github_settings settings = {.stop = &stop};
    const struct net_step script[] = {{.path = "/", .action = NET_SILENT}};
    make_items(3);
    ck_assert_int_eq(fetch(script, COUNT(script), &settings), CF_EINTERRUPTED);
    ck_assert_ptr_null(items[0].reason);
}
END_TEST

Suite *sync_trees_suite(void);

Suite *sync_trees_suite(void)
{
    Suite *suite = suite_create("sync_trees");
    TCase *tests = tcase_create("trees");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, counts_the_whole_tree_and_looks_at_its_root);
    tcase_add_test(tests, only_what_is_wanted_is_fetched_eight_at_once);
    tcase_add_loop_test(tests, a_failure_harms_one_repository, 0, COUNT(failures));
    tcase_add_test(tests, a_repeated_answer_counts_once);
    tcase_add_test(tests, an_outage_is_not_found_out_for_each);
    tcase_add_test(tests, the_first_goes_alone_and_leaves_the_reserve);
    tcase_add_test(tests, a_limit_is_waited_for);
    tcase_add_test(tests, a_limit_that_is_too_long_leaves_the_rest_as_it_is);
    tcase_add_test(tests, a_refused_token_ends_the_run);
    tcase_add_test(tests, a_signal_ends_the_run);
    suite_add_tcase(suite, tests);
    return suite;
}
