/* Trees that GitHub cuts, walked in a scripted GitHub. */
#include <check.h>
#include <string.h>

#include "jobs/sync/trees.h"
#include "tests/unit/sync_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define T1 "1111111111111111111111111111111111111111"
#define T2 "2222222222222222222222222222222222222222"
#define T3 "3333333333333333333333333333333333333333"
#define T4 "4444444444444444444444444444444444444444"
#define T7 "7777777777777777777777777777777777777777"
#define WHOLE(oid) "/git/trees/" oid "?recursive=1 " /* a tree with what is below it */
#define ALONE(oid) "/git/trees/" oid " "

static struct fixture_session f;
static struct sync_item item;
static struct sync_plan plan;
static struct cf_error err;

static void setup(void)
{
    fixture_quiet();
    fixture_item(&item, 1, "big", '7');
    plan = (struct sync_plan){.items = &item, .count = 1};
    err = (struct cf_error){0};
}

static void teardown(void)
{
    fixture_item_release(&item);
    fixture_close(&f);
}

static int fetch(const struct net_step *script, size_t count)
{
    fixture_open(&f, net_server_new_unordered(script, count), NULL);
    return sync_trees_fetch(f.session, &plan, &item, 1, &err);
}

static const char *cut(char digit)
{
    return fixture_tree(digit, true, FIXTURE_BLOB("x/y.never", B, "1"));
}

/* The root holds README.md, a.c and the trees 1 and 2. */
static const char *root(void)
{
    return fixture_tree(
        '7', false,
        FIXTURE_BLOB("README.md", A, "6") "," FIXTURE_BLOB("a.c", B, "1") "," //
        FIXTURE_SUBTREE("one", T1) "," FIXTURE_SUBTREE(
            "two", T2) "," //
                       "{'path': 'lib', 'mode': '160000', 'type': 'commit', 'sha': '" B "'}");
}

START_TEST(a_cut_tree_is_walked_by_its_subtrees)
{
    const struct net_step script[] = {
        {.path = WHOLE(T7), .body = cut('7')},
        {.path = ALONE(T7), .body = root()},
        {.path = WHOLE(T1),
         .body = fixture_tree('1', false,
                              FIXTURE_BLOB("ARCHITECTURE.md", B, "1") "," //
                              FIXTURE_SUBTREE("deep", T3) "," FIXTURE_BLOB("deep/x.c", B, "1"))},
        {.path = WHOLE(T2), .body = fixture_tree('2', false, FIXTURE_BLOB("b.py", B, "1"))}};
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    const struct cf_content *content = &item.content;
    ck_assert_ptr_null(item.reason);
    ck_assert_str_eq(content->tree, T7);
    ck_assert(!content->truncated);
    ck_assert_uint_eq(content->files, 5);
    ck_assert_uint_eq(fixture_file_type(content, ".md"), 2);
    ck_assert_uint_eq(fixture_file_type(content, ".c"), 2);
    ck_assert_uint_eq(fixture_file_type(content, ".py"), 1);
    ck_assert_uint_eq(fixture_file_type(content, ".never"), 0);
    ck_assert_str_eq(content->documents[CF_DOCUMENT_README].path, "README.md");
    ck_assert_ptr_null(content->documents[CF_DOCUMENT_ARCHITECTURE].path); /* not in the root */
    ck_assert_uint_eq(net_server_requests(f.server), 4);
}
END_TEST

START_TEST(a_subtree_that_is_cut_is_walked_as_well)
{
    const struct net_step script[] = {
        {.path = WHOLE(T7), .body = cut('7')},
        {.path = ALONE(T7), .body = root()},
        {.path = WHOLE(T1), .body = fixture_tree('1', false, FIXTURE_BLOB("x.c", B, "1"))},
        {.path = WHOLE(T2), .body = cut('2')},
        {.path = ALONE(T2),
         .body = fixture_tree(
             '2', false, FIXTURE_BLOB("ARCHITECTURE.md", B, "1") "," FIXTURE_SUBTREE("three", T3))},
        {.path = WHOLE(T3), .body = cut('3')},
        {.path = ALONE(T3), .body = fixture_tree('3', false, FIXTURE_SUBTREE("four", T4))},
        {.path = WHOLE(T4), .body = fixture_tree('4', false, FIXTURE_BLOB("z.go", B, "1"))}};
    ck_assert_msg(fetch(script, COUNT(script)) == 0, "%s", err.message);
    ck_assert_ptr_null(item.reason);
    ck_assert(!item.content.truncated);
    ck_assert_uint_eq(item.content.files, 5);
    ck_assert_uint_eq(fixture_file_type(&item.content, ".go"), 1);
    ck_assert_uint_eq(fixture_file_type(&item.content, ".md"), 2);
    ck_assert_uint_eq(fixture_file_type(&item.content, ".never"), 0);
    ck_assert_str_eq(item.content.documents[CF_DOCUMENT_README].path, "README.md");
    ck_assert_ptr_null(item.content.documents[CF_DOCUMENT_ARCHITECTURE].path);
    ck_assert_uint_eq(net_server_requests(f.server), COUNT(script));
}
END_TEST

START_TEST(a_folder_that_cannot_be_divided_stays_cut)
{
    const struct net_step script[] = {
        {.path = WHOLE(T7), .body = cut('7')},
        {.path = ALONE(T7), .body = root()},
        {.path = WHOLE(T1), .body = fixture_tree('1', false, FIXTURE_BLOB("x.c", B, "1"))},
        {.path = WHOLE(T2), .body = cut('2')},
        {.path = ALONE(T2),
         .body = fixture_tree('2', true,
                              FIXTURE_BLOB("b.py", B, "1") "," FIXTURE_SUBTREE("three", T3))},
        {.path = WHOLE(T3), .body = fixture_tree('3', false, FIXTURE_BLOB("z.go", B, "1"))}};
    ck_assert_int_eq(fetch(script, COUNT(script)), 0);
    ck_assert_ptr_null(item.reason);
    ck_assert(item.content.truncated);
    ck_assert_uint_eq(item.content.files, 5); /* what it gave counts */
    ck_assert_uint_eq(fixture_file_type(&item.content, ".py"), 1);
    ck_assert_uint_eq(fixture_file_type(&item.content, ".go"), 1);
    ck_assert_str_eq(item.content.tree, T7);
}
END_TEST

static const struct {
    struct net_step step;
    const char *reason;
} failures[] = {
    {{.status = 404, .body = "{}"}, "not_found"},
    {{.status = 451, .body = "{}"}, "legal"},
    {{.body = "{\"sha\":\"" T3 "\",\"truncated\":false,\"tree\":[]}"}, "bad_answer"},
    {{.status = 502, .body = "<html>"}, "unavailable"},
};

START_TEST(a_subtree_that_fails_fails_the_repository)
{
    struct net_step script[] = {
        {.path = WHOLE(T7), .body = cut('7')},
        {.path = ALONE(T7), .body = root()},
        {.path = WHOLE(T1), .body = fixture_tree('1', false, FIXTURE_BLOB("x.c", B, "1"))},
        failures[_i].step};
    script[3].path = WHOLE(T2);
    ck_assert_int_eq(fetch(script, COUNT(script)), 0);
    ck_assert_pstr_eq(item.reason, failures[_i].reason);
    ck_assert_str_eq(item.content.tree, "");
    ck_assert_uint_eq(item.content.files, 0);
    ck_assert_int_eq(item.unavailable, strcmp(failures[_i].reason, "unavailable") == 0);
}
END_TEST

/* Eight subtrees, of which some are refused once for a second. */
static void limited_world(struct net_step script[18], size_t refused)
{
    static const char *const types[] = {"b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"};
    static const char digits[] = "12345689";
    struct cf_buf entries = CF_BUF_INIT;
    size_t count = 2;
    for (size_t i = 0; i < 8; i++) {
        cf_buf_printf(&entries, "%s{'path': 's%zu', 'mode': '040000', 'type': 'tree', 'sha': '%s'}",
                      i ? "," : "", i, fixture_oid(digits[i]));
        const char *path = fixture_text("/git/trees/%s?", fixture_oid(digits[i]));
        const char *file = fixture_text("{'path': 'x.%s', 'mode': '100644', 'type': 'blob',"
                                        " 'sha': '" B "', 'size': 1}",
                                        types[i]);
        if (i < refused) {
            script[count++] = (struct net_step){
                .path = path, .status = 403, .headers = "Retry-After: 1\r\n", .body = "{}"};
        }
        script[count++] =
            (struct net_step){.path = path, .body = fixture_tree(digits[i], false, file)};
    }
    script[0] = (struct net_step){.path = WHOLE(T7), .body = cut('7')};
    script[1] = (struct net_step){.path = ALONE(T7),
                                  .body = fixture_tree('7', false, cf_buf_str(&entries))};
    cf_buf_release(&entries);
}

START_TEST(a_limit_in_the_middle_is_waited_for)
{
    static const size_t refused[] = {1, 3, 8};
    struct net_step script[18] = {0};
    limited_world(script, refused[_i]);
    ck_assert_msg(fetch(script, 10 + refused[_i]) == 0, "%s", err.message);
    ck_assert_ptr_null(item.reason);
    ck_assert(!item.content.truncated);
    ck_assert_uint_eq(item.content.files, 8);
    ck_assert_uint_eq(item.content.file_type_count, 8); /* each of them once */
    ck_assert_uint_ge(net_server_requests(f.server), 11);
    ck_assert_uint_le(net_server_requests(f.server), 10 + refused[_i]);
    size_t last = net_server_requests(f.server) - 1;
    ck_assert_int_ge(net_server_seen(f.server, last)->at_ms,
                     net_server_seen(f.server, 2)->at_ms + 990);
}
END_TEST

START_TEST(a_limit_that_is_too_long_ends_the_walk)
{
    const struct net_step script[] = {
        {.path = WHOLE(T7), .body = cut('7')},
        {.path = ALONE(T7), .body = root()},
        {.path = WHOLE(T1), .body = fixture_tree('1', false, FIXTURE_BLOB("x.c", B, "1"))},
        {.path = WHOLE(T2), .status = 429, .headers = "Retry-After: 3600\r\n", .body = "{}"}};
    ck_assert_int_eq(fetch(script, COUNT(script)), CF_ERETRY);
    ck_assert_int_eq(err.code, CF_ERETRY);
    ck_assert_ptr_null(item.reason);
    ck_assert_str_eq(item.content.tree, "");
    ck_assert_uint_eq(item.content.files, 0);
    ck_assert_uint_le(net_server_requests(f.server), 4);
}
END_TEST

START_TEST(a_refused_token_ends_the_walk)
{
    const struct net_step script[] = {{.path = WHOLE(T7), .body = cut('7')},
                                      {.path = ALONE(T7), .status = 401, .body = "{}"}};
    ck_assert_int_eq(fetch(script, COUNT(script)), CF_EDENIED);
    ck_assert_ptr_null(item.reason);
}
END_TEST

START_TEST(a_walk_without_end_is_ended)
{
    struct cf_buf entries = CF_BUF_INIT;
    for (size_t i = 0; i < SYNC_WALK_MAX + 500; i++) {
        cf_buf_printf(&entries,
                      "%s{'path': 's%zu', 'mode': '040000', 'type': 'tree', 'sha': '" T1 "'}",
                      i ? "," : "", i);
    }
    const struct net_step script[] = {
        {.path = WHOLE(T7), .body = cut('7')},
        {.path = ALONE(T7), .body = fixture_tree('7', false, cf_buf_str(&entries))},
        {.path = WHOLE(T1), .body = fixture_tree('1', false, FIXTURE_BLOB("x.c", B, "1"))}};
    cf_buf_release(&entries);
    ck_assert_int_eq(fetch(script, COUNT(script)), 0);
    ck_assert_ptr_null(item.reason);
    ck_assert(item.content.truncated);
    ck_assert_uint_eq(item.content.files, SYNC_WALK_MAX - 1);
    ck_assert_uint_eq(net_server_requests(f.server), 1 + SYNC_WALK_MAX);
    ck_assert_int_le(net_server_most_at_once(f.server), SYNC_AT_ONCE);
}
END_TEST

Suite *sync_walk_suite(void);

Suite *sync_walk_suite(void)
{
    Suite *suite = suite_create("sync_walk");
    TCase *tests = tcase_create("walk");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_cut_tree_is_walked_by_its_subtrees);
    tcase_add_test(tests, a_subtree_that_is_cut_is_walked_as_well);
    tcase_add_test(tests, a_folder_that_cannot_be_divided_stays_cut);
    tcase_add_loop_test(tests, a_subtree_that_fails_fails_the_repository, 0, COUNT(failures));
    tcase_add_loop_test(tests, a_limit_in_the_middle_is_waited_for, 0, 3);
    tcase_add_test(tests, a_limit_that_is_too_long_ends_the_walk);
    tcase_add_test(tests, a_refused_token_ends_the_walk);
    tcase_add_test(tests, a_walk_without_end_is_ended);
    suite_add_tcase(suite, tests);
    return suite;
}
