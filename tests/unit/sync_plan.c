/* The listing merged with the last version. */
#include "jobs/sync/plan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/unit/sync_fixture.h"

#define NAMED(repos, name) find_named(repos, name)

static const char content_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char content_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static struct sync_listing listing;
static struct sync_plan plan;
static struct cf_repos previous, now;
static struct sync_changes changes;

static void teardown(void)
{
    sync_plan_release(&plan);
    sync_listing_release(&listing);
    cf_repos_release(&previous);
    cf_repos_release(&now);
}

static const struct cf_repository *find_named(const struct cf_repos *repos, const char *name)
{
    for (size_t i = 0; i < repos->count; i++) {
        if (strcmp(repos->items[i].name, name) == 0) {
            return &repos->items[i];
        }
    }
    return NULL;
}

static json_t *repo(unsigned id, const char *name, char tree)
{
    return fixture_node(id, name, fixture_oid('c'), fixture_oid(tree));
}

static void plan_for(json_t *page, bool force)
{
    sync_plan_release(&plan);
    sync_listing_release(&listing);
    fixture_listing(page, &listing);
    sync_plan_make(&plan, &listing, &previous, force);
}

static bool finish(void)
{
    cf_repos_release(&now);
    sync_plan_result(&plan, &now);
    return sync_changes_count(&previous, &now, &changes);
}

static void give(size_t index, const char *content)
{
    memcpy(plan.items[index].repository.content, content, CF_SHA256_HEX);
}

/* What was made becomes the last version. */
static void turn(void)
{
    struct cf_repos made = now;
    now = (struct cf_repos){0};
    sync_plan_release(&plan);
    cf_repos_release(&previous);
    previous = made;
}

/* A last version of one (tree 1, content a) and two (tree 2, content b). */
static void first_version(void)
{
    plan_for(fixture_page(repo(1, "one", '1'), repo(2, "two", '2'), NULL), false);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_FETCH), 2);
    give(0, content_a);
    give(1, content_b);
    ck_assert(finish());
    ck_assert_uint_eq(changes.added, 2);
    ck_assert_uint_eq(changes.current, 2);
    turn();
}

START_TEST(nothing_changed)
{
    first_version();
    plan_for(fixture_page(repo(2, "two", '2'), repo(1, "one", '1'), NULL), false);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_REUSE), 2);
    ck_assert(!finish());
    ck_assert_str_eq(NAMED(&now, "one")->content, content_a);
}
END_TEST

START_TEST(an_empty_account_is_a_version_once)
{
    plan_for(fixture_page(NULL), false);
    ck_assert(finish());
    turn();
    plan_for(fixture_page(NULL), false);
    ck_assert(!finish());
}
END_TEST

START_TEST(metadata_alone_fetches_nothing)
{
    first_version();
    json_t *one = repo(1, "one", '1');
    (void)json_object_set_new(one, "description", json_string("another"));
    plan_for(fixture_page(one, repo(2, "two", '2'), NULL), false);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_FETCH), 0);
    ck_assert(finish());
    ck_assert_uint_eq(changes.changed, 1);
    ck_assert_str_eq(NAMED(&now, "one")->content, content_a);
    ck_assert_str_eq(NAMED(&now, "one")->metadata.description, "another");
}
END_TEST

START_TEST(renaming_is_no_removal)
{
    first_version();
    plan_for(fixture_page(repo(1, "uno", '1'), repo(2, "two", '2'), NULL), false);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_FETCH), 0);
    ck_assert(finish());
    ck_assert_uint_eq(changes.changed, 1);
    ck_assert_uint_eq(changes.added + changes.removed, 0);
    ck_assert_str_eq(NAMED(&now, "uno")->content, content_a);
    ck_assert_ptr_null(NAMED(&now, "one"));
}
END_TEST

START_TEST(what_is_gone_is_removed)
{
    first_version();
    plan_for(fixture_page(repo(2, "two", '2'), NULL), false);
    ck_assert(finish());
    ck_assert_uint_eq(changes.removed, 1);
    ck_assert_uint_eq(now.count, 1);
}
END_TEST

START_TEST(a_partial_listing_removes_nothing)
{
    first_version();
    plan_for(fixture_page(repo(2, "two", '2'), json_null(), NULL), false);
    ck_assert(finish());
    ck_assert_uint_eq(changes.removed, 0);
    ck_assert_int_eq(NAMED(&now, "one")->state, CF_REPOSITORY_KEPT);
    ck_assert_str_eq(NAMED(&now, "one")->reason, "not_listed");
    ck_assert_str_eq(NAMED(&now, "one")->content, content_a);
    turn();
    plan_for(fixture_page(repo(2, "two", '2'), json_null(), NULL), false);
    ck_assert(!finish()); /* the same again is no new version */
}
END_TEST

START_TEST(a_failure_keeps_the_last_good_entry)
{
    first_version();
    plan_for(fixture_page(repo(1, "one", '9'), repo(2, "two", '2'), NULL), false);
    plan.items[0].reason = "legal";
    ck_assert(finish());
    const struct cf_repository *one = NAMED(&now, "one");
    ck_assert_int_eq(one->state, CF_REPOSITORY_KEPT);
    ck_assert_str_eq(one->reason, "legal");
    ck_assert_str_eq(one->tree, fixture_oid('1'));
    ck_assert_str_eq(one->content, content_a);
    ck_assert_str_eq(one->fingerprint, NAMED(&previous, "one")->fingerprint);
    turn();
    plan_for(fixture_page(repo(1, "one", '9'), repo(2, "two", '2'), NULL), false);
    ck_assert_int_eq(plan.items[0].action, SYNC_FETCH); /* it is tried again */
    give(0, content_b);
    ck_assert(finish());
    ck_assert_int_eq(NAMED(&now, "one")->state, CF_REPOSITORY_CURRENT);
    ck_assert_ptr_null(NAMED(&now, "one")->reason);
}
END_TEST

START_TEST(going_back_needs_no_fetch)
{
    first_version();
    plan_for(fixture_page(repo(1, "one", '9'), repo(2, "two", '2'), NULL), false);
    plan.items[0].reason = "unavailable";
    ck_assert(finish());
    turn();
    plan_for(fixture_page(repo(1, "one", '1'), repo(2, "two", '2'), NULL), false);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_FETCH), 0);
    ck_assert(finish());
    ck_assert_int_eq(NAMED(&now, "one")->state, CF_REPOSITORY_CURRENT);
}
END_TEST

START_TEST(a_new_one_that_fails_has_no_content)
{
    first_version();
    json_t *with_new =
        fixture_page(repo(1, "one", '1'), repo(2, "two", '2'), repo(3, "three", '3'), NULL);
    plan_for(with_new, false);
    plan.items[2].reason = "not_found";
    ck_assert(finish());
    const struct cf_repository *three = NAMED(&now, "three");
    ck_assert_int_eq(three->state, CF_REPOSITORY_FAILED);
    ck_assert_str_eq(three->fingerprint, "");
    ck_assert_str_eq(three->content, "");
    turn();
    plan_for(fixture_page(repo(1, "one", '1'), repo(2, "two", '2'), repo(3, "three", '3'), NULL),
             false);
    ck_assert_int_eq(plan.items[2].action, SYNC_FETCH);
    plan.items[2].reason = "not_found";
    ck_assert(!finish());
}
END_TEST

START_TEST(unreadable_listings_keep_or_drop)
{
    first_version();
    json_t *one = repo(1, "../one", '1');
    json_t *three = repo(3, "../three", '3');
    plan_for(fixture_page(one, repo(2, "two", '2'), three, NULL), false);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_BAD), 2);
    ck_assert(finish());
    ck_assert_uint_eq(now.count, 2);
    ck_assert_int_eq(NAMED(&now, "one")->state, CF_REPOSITORY_KEPT);
    ck_assert_str_eq(NAMED(&now, "one")->reason, "bad_listing");
}
END_TEST

START_TEST(a_tree_that_another_repository_has_is_known)
{
    first_version();
    plan_for(fixture_page(repo(1, "one", '1'), repo(2, "two", '2'), repo(3, "fork", '1'), NULL),
             false);
    ck_assert_int_eq(plan.items[2].action, SYNC_REUSE);
    ck_assert(finish());
    ck_assert_str_eq(NAMED(&now, "fork")->content, content_a);
}
END_TEST

START_TEST(force_fetches_everything)
{
    first_version();
    plan_for(fixture_page(repo(1, "one", '1'), repo(2, "two", '2'), NULL), true);
    ck_assert_uint_eq(sync_plan_count(&plan, SYNC_FETCH), 2);
    plan.items[0].reason = "unavailable"; /* and still keeps what it can't fetch */
    give(1, content_b);
    ck_assert(finish());
    ck_assert_str_eq(NAMED(&now, "one")->content, content_a);
}
END_TEST

START_TEST(emptied_and_filled)
{
    first_version();
    json_t *one = repo(1, "one", '1');
    (void)json_object_set_new(one, "defaultBranchRef", json_null());
    plan_for(fixture_page(one, repo(2, "two", '2'), NULL), false);
    ck_assert_int_eq(plan.items[0].action, SYNC_EMPTY);
    ck_assert(finish());
    ck_assert_int_eq(NAMED(&now, "one")->state, CF_REPOSITORY_EMPTY);
    ck_assert_str_eq(NAMED(&now, "one")->content, "");
    turn();
    plan_for(fixture_page(repo(1, "one", '1'), repo(2, "two", '2'), NULL), false);
    ck_assert_int_eq(plan.items[0].action, SYNC_FETCH);
    plan.items[0].reason = "unavailable";
    ck_assert(finish());
    ck_assert_int_eq(NAMED(&now, "one")->state, CF_REPOSITORY_KEPT); /* as the empty one it was */
    ck_assert_str_eq(NAMED(&now, "one")->content, "");
    json_t *root = cf_repos_write(&now);
    struct cf_repos read;
    struct cf_error err;
    ck_assert_int_eq(cf_repos_read(root, &read, &err), 0);
    cf_repos_release(&read);
    json_decref(root);
}
END_TEST

START_TEST(what_is_fetched_comes_first)
{
    first_version();
    json_t *empty = repo(5, "five", '5');
    (void)json_object_set_new(empty, "defaultBranchRef", json_null());
    plan_for(fixture_page(repo(1, "one", '1'), repo(3, "three", '3'), empty, repo(2, "two", '9'),
                          repo(4, "four", '4'), NULL),
             false);
    ck_assert_uint_eq(sync_plan_fetch_first(&plan), 3);
    static const char *const names[] = {"three", "two", "four", "one", "five"};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(plan.items[i].repository.name, names[i]);
        ck_assert_int_eq(plan.items[i].action == SYNC_FETCH, i < 3);
    }
    for (size_t i = 0; i < 3; i++) {
        give(i, content_b);
    }
    ck_assert(finish());
    ck_assert_uint_eq(changes.added, 3);
    ck_assert_uint_eq(changes.changed, 1);
    ck_assert_str_eq(NAMED(&now, "one")->content, content_a);
}
END_TEST

START_TEST(an_outage_is_no_version)
{
    first_version();
    plan_for(fixture_page(repo(1, "one", '9'), repo(2, "two", '2'), NULL), false);
    plan.items[0].reason = "unavailable";
    plan.items[0].unavailable = true;
    (void)finish();
    ck_assert(sync_plan_is_outage(&plan, &changes));
    plan.items[1].was_asked = true;
    ck_assert(!sync_plan_is_outage(&plan, &changes)); /* GitHub answered for another one */
    plan.items[1].was_asked = false;
    plan.items[0].unavailable = false;
    ck_assert(!sync_plan_is_outage(&plan, &changes));
    json_t *two = repo(2, "two", '2');
    (void)json_object_set_new(two, "description", json_string("another"));
    plan_for(fixture_page(repo(1, "one", '9'), two, NULL), false);
    plan.items[0].reason = "unavailable";
    plan.items[0].unavailable = true;
    (void)finish();
    ck_assert(!sync_plan_is_outage(&plan, &changes)); /* something else is worth one */
    cf_repos_release(&previous);
    json_t *empty = repo(2, "two", '2');
    (void)json_object_set_new(empty, "defaultBranchRef", json_null());
    plan_for(fixture_page(repo(1, "one", '9'), empty, NULL), false);
    plan.items[0].reason = "unavailable";
    plan.items[0].unavailable = true;
    (void)finish();
    ck_assert(sync_plan_is_outage(&plan, &changes)); /* but not a first one */
}
END_TEST

Suite *sync_plan_suite(void);

Suite *sync_plan_suite(void)
{
    Suite *suite = suite_create("sync_plan");
    TCase *tests = tcase_create("plan");
    tcase_add_checked_fixture(tests, fixture_quiet, teardown);
    tcase_add_test(tests, nothing_changed);
    tcase_add_test(tests, an_empty_account_is_a_version_once);
    tcase_add_test(tests, metadata_alone_fetches_nothing);
    tcase_add_test(tests, renaming_is_no_removal);
    tcase_add_test(tests, what_is_gone_is_removed);
    tcase_add_test(tests, a_partial_listing_removes_nothing);
    tcase_add_test(tests, a_failure_keeps_the_last_good_entry);
    tcase_add_test(tests, going_back_needs_no_fetch);
    tcase_add_test(tests, a_new_one_that_fails_has_no_content);
    tcase_add_test(tests, unreadable_listings_keep_or_drop);
    tcase_add_test(tests, a_tree_that_another_repository_has_is_known);
    tcase_add_test(tests, force_fetches_everything);
    tcase_add_test(tests, emptied_and_filled);
    tcase_add_test(tests, what_is_fetched_comes_first);
    tcase_add_test(tests, an_outage_is_no_version);
    suite_add_tcase(suite, tests);
    return suite;
}
