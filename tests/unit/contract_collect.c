/* Collection: what is kept, what goes, and who gets in the way. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/contract/collect.h"
#include "tests/unit/contract_world.h"

static struct world w;
static struct cf_collected collected;

static void setup(void)
{
    world_open(&w);
    world_hurry();
}

static void teardown(void)
{
    world_close(&w);
}

static int collect(void)
{
    return cf_collect(&w.data, 0, false, &world_producer, &collected, &w.err);
}

static void collect_directly(void)
{
    struct cf_collected result;
    int rc = cf_collect(&w.direct, 0, false, &world_producer, &result, &w.err);
    ck_assert_msg(rc == 0, "%s", w.err.message);
}

static uint64_t newest_version(void)
{
    struct cf_marker marker;
    ck_assert_int_eq(cf_dataset_newest(&w.direct, &marker, &w.err), 0);
    uint64_t version = marker.version;
    cf_marker_release(&marker);
    return version;
}

/* Each readable version "x<n>,shared" is whole; the collector's own repeat the one before. */
static void expect_readable(uint64_t floor, uint64_t last)
{
    for (uint64_t v = floor; v <= last; v++) {
        char texts[64];
        (void)snprintf(texts, sizeof(texts), "x%u,shared", (unsigned)v);
        world_expect(&w.direct, v, texts);
    }
}

static void expect_at_rest(void)
{
    struct cf_verified verified;
    ck_assert_int_eq(cf_verify(&w.direct, NULL, NULL, &verified, &w.err), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_msg(verified.findings[i] == 0, "%s", cf_finding_name((enum cf_finding)i));
    }
    counting_reset(&w.counting);
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(collected.markers + collected.blobs, 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT], 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_DELETE], 0);
}

START_TEST(little_is_left_alone)
{
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(collected.newest, 0);
    world_commit_many(&w.direct, CF_COLLECT_KEEP + 1, "x");
    counting_reset(&w.counting);
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(counting_total(&w.counting), 2); /* it resolves the newest version */
    ck_assert_uint_eq(collected.newest, CF_COLLECT_KEEP + 1);
    ck_assert_uint_eq(collected.floor, 1);
    world_expect_clean(&w, CF_COLLECT_KEEP + 1);
}
END_TEST

START_TEST(what_lies_below_the_floor_goes_and_the_rest_stays)
{
    struct cf_blob_ref ref;
    uint64_t keep = _i ? 40 : 5; /* less than 32 counts as 32 */
    uint64_t kept = _i ? 40 : 32;
    world_commit_many(&w.direct, 60, "x");
    ck_assert_int_eq(cf_collect(&w.data, keep, false, &world_producer, &collected, &w.err), 0);
    ck_assert_uint_eq(collected.newest, 61);
    ck_assert_uint_eq(collected.floor, 60 - kept);
    ck_assert_uint_eq(collected.markers, 60 - kept - 1);
    ck_assert_uint_eq(collected.blobs, 2 * (60 - kept - 1)); /* a root and "x<n>" each */
    world_expect_clean(&w, kept + 2);
    expect_readable(60 - kept, 60);
    /* Far below the floor, but every version refers to it. */
    world_find_blob(&w.direct, "shared", &ref);
    ck_assert_uint_eq(ref.version, 1);
    struct cf_marker gone;
    ck_assert_int_eq(cf_dataset_at(&w.direct, 60 - kept - 1, &gone, &w.err), CF_ENOTFOUND);
}
END_TEST

START_TEST(an_idle_dataset_comes_to_rest)
{
    world_commit_many(&w.direct, 50, "x");
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_gt(collected.markers, 0);
    expect_at_rest();
    expect_at_rest();
    ck_assert_uint_eq(newest_version(), 51);
}
END_TEST

START_TEST(a_busy_dataset_stays_bounded)
{
    for (int i = 0; i < 12; i++) {
        world_commit_many(&w.direct, 10, "y");
        ck_assert_int_eq(collect(), 0);
        ck_assert_uint_eq(collected.newest, newest_version());
        ck_assert_uint_le(collected.newest - collected.floor, CF_COLLECT_KEEP * 3 / 2 + 10);
        world_expect_clean(&w, collected.newest - collected.floor + 1);
    }
    ck_assert_uint_ge(newest_version(), 120);
    ck_assert_uint_lt(world_count_keys(&w, ""), 200);
}
END_TEST

START_TEST(a_dry_run_tells_and_changes_nothing)
{
    world_commit_many(&w.direct, 60, "x");
    size_t before = world_count_keys(&w, "");
    ck_assert_int_eq(cf_collect(&w.data, 0, true, &world_producer, &collected, &w.err), 0);
    ck_assert_uint_eq(collected.markers, 27);
    ck_assert_uint_eq(collected.blobs, 54);
    ck_assert_uint_eq(collected.floor, 28);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_DELETE], 0);
    ck_assert_uint_eq(world_count_keys(&w, ""), before);
    world_expect_clean(&w, 60);
}
END_TEST

START_TEST(a_collector_that_died_is_finished_by_the_next)
{
    world_commit_many(&w.direct, 60, "x");
    /* at its first deletion, or somewhere among them */
    counting_fault(&w.counting, (struct fault){.kind = CF_OP_DELETE,
                                               .first = _i ? 31 : 1,
                                               .mode = FAULT_FAIL,
                                               .code = CF_EUNAVAILABLE});
    ck_assert_int_eq(collect(), CF_EUNAVAILABLE);
    ck_assert_int_eq(w.err.code, CF_EUNAVAILABLE);
    ck_assert_uint_eq(newest_version(), 61);
    world_expect_clean(&w, 34);
    counting_reset(&w.counting);
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(collected.floor, 28);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 0); /* the floor stays */
    ck_assert_uint_eq(w.counting.counts[CF_OP_DELETE], _i ? 81 - 30 : 81);
    expect_at_rest();
    expect_readable(28, 60);
}
END_TEST

START_TEST(markers_that_were_created_again_below_the_floor_go)
{
    char key[CF_KEY_MAX];
    struct cf_buf third = CF_BUF_INIT;
    world_commit_many(&w.direct, 50, "x");
    cf_dataset_marker_key(&w.data, 3, key);
    ck_assert_int_eq(cf_store_get(w.inner, key, &third, &w.err), 0);
    ck_assert_int_eq(collect(), 0);
    ck_assert_int_eq(cf_store_put(w.inner, key, third.data, third.length, &w.err), 0);
    ck_assert_int_eq(cf_store_put(w.inner,
                                  "tenants/octocat/repos/b/0000000000000003/"
                                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                  "x", 1, &w.err),
                     0);
    counting_reset(&w.counting);
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(collected.markers, 1);
    ck_assert_uint_eq(collected.blobs, 1);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 0);
    expect_at_rest();
    cf_buf_release(&third);
}
END_TEST

START_TEST(foreign_names_neither_go_nor_stop_the_sweep)
{
    static const char *const foreign[] = {"tenants/octocat/repos/b/0000000000000001/readme.txt",
                                          "tenants/octocat/repos/b/0", "tenants/octocat/repos/v/z"};
    world_commit_many(&w.direct, 60, "x");
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(cf_store_put(w.inner, foreign[i], "mine", 4, &w.err), 0);
    }
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(collected.markers, 27);
    ck_assert_uint_eq(collected.blobs, 54);
    for (size_t i = 0; i < 3; i++) {
        struct cf_op stat = {.kind = CF_OP_STAT, .key = foreign[i]};
        ck_assert_int_eq(cf_store_run(w.inner, &stat, 1), 0);
    }
}
END_TEST

/* --- others who get in the way ------------------------------------------------------------------
 */

static void call_back(enum cf_op_kind kind, size_t first, size_t times,
                      void (*call)(void *context, struct cf_op *op))
{
    counting_fault(
        &w.counting,
        (struct fault){
            .kind = kind, .first = first, .times = times, .mode = FAULT_BEFORE, .call = call});
}

static void somebody_commits(void *context, struct cf_op *op)
{
    (void)context;
    (void)op;
    (void)world_commit(&w.direct, "theirs,shared");
}

START_TEST(a_writer_that_is_faster_makes_the_collector_start_again)
{
    world_commit_many(&w.direct, 60, "x");
    call_back(CF_OP_PUT_NEW, 1, _i ? 3 : 1, somebody_commits);
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(collected.newest, _i ? 64 : 62);
    ck_assert_uint_eq(collected.floor, (_i ? 63 : 61) - 32);
    world_expect(&w.direct, 61, "theirs,shared");
    world_expect_clean(&w, collected.newest - collected.floor + 1);
}
END_TEST

START_TEST(writers_that_are_always_faster_make_it_try_again_later)
{
    world_commit_many(&w.direct, 60, "x");
    call_back(CF_OP_PUT_NEW, 1, 0, somebody_commits);
    ck_assert_int_eq(collect(), CF_ERETRY);
    ck_assert_int_eq(w.err.code, CF_ERETRY);
    ck_assert_uint_eq(w.counting.counts[CF_OP_DELETE], 0);
    ck_assert_uint_le(w.counting.counts[CF_OP_PUT_NEW], 20);
    world_expect_clean(&w, newest_version());
}
END_TEST

START_TEST(a_writer_that_commits_during_the_deletions_loses_nothing)
{
    world_commit_many(&w.direct, 60, "x");
    call_back(CF_OP_DELETE, 1, 1, somebody_commits);
    call_back(CF_OP_DELETE, 40, 1, somebody_commits);
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_eq(collected.markers, 27);
    world_expect(&w.direct, 62, "theirs,shared");
    world_expect(&w.direct, 63, "theirs,shared");
    world_expect_clean(&w, 63 - 28 + 1);
}
END_TEST

static void another_collector(void *context, struct cf_op *op)
{
    (void)context;
    (void)op;
    world_commit_many(&w.direct, 40, "more");
    collect_directly();
}

START_TEST(a_collector_that_was_overtaken_starts_again)
{
    /* during its reads, at its commit, or when all that remains are the deletions */
    static const struct {
        enum cf_op_kind kind;
        size_t number;
    } moments[] = {
        {CF_OP_GET, 2}, {CF_OP_GET, 20}, {CF_OP_PUT_NEW, 1}, {CF_OP_DELETE, 1}, {CF_OP_DELETE, 50}};
    world_commit_many(&w.direct, 60, "x");
    call_back(moments[_i].kind, moments[_i].number, 1, another_collector);
    ck_assert_int_eq(collect(), 0);
    uint64_t newest = newest_version();
    struct cf_marker marker;
    ck_assert_int_eq(cf_dataset_newest(&w.direct, &marker, &w.err), 0);
    ck_assert_uint_ge(marker.floor, 100 - 32);
    world_expect_clean(&w, newest - marker.floor + 1);
    cf_marker_release(&marker);
}
END_TEST

START_TEST(a_sweep_below_a_floor_that_rises_meanwhile_starts_again)
{
    world_commit_many(&w.direct, 60, "x");
    counting_fault(&w.counting, (struct fault){.kind = CF_OP_DELETE,
                                               .first = 1,
                                               .mode = FAULT_FAIL,
                                               .code = CF_EUNAVAILABLE});
    ck_assert_int_eq(collect(), CF_EUNAVAILABLE);
    counting_reset(&w.counting);
    call_back(CF_OP_LIST, 2, 1, another_collector); /* just before the floor is looked at again */
    ck_assert_int_eq(collect(), 0);
    ck_assert_uint_ge(collected.floor, 101 - 32);
    ck_assert_uint_gt(w.counting.counts[CF_OP_GET], 68); /* read everything twice */
    world_expect_clean(&w, newest_version() - collected.floor + 1);
}
END_TEST

/* --- damage -------------------------------------------------------------------------------------
 */

START_TEST(a_collector_that_cannot_read_deletes_nothing)
{
    struct cf_marker marker;
    char key[CF_KEY_MAX];
    world_commit_many(&w.direct, 60, "x");
    ck_assert_int_eq(cf_dataset_at(&w.direct, 50, &marker, &w.err), 0);
    cf_dataset_blob_key(&w.direct, 50, marker.root.sha256, key);
    cf_marker_release(&marker);
    switch (_i) {
    case 0:
        world_flip(&w, key, 10); /* the root of a version that is to be kept */
        break;
    case 1:
        ck_assert_int_eq(cf_store_delete(w.inner, key, &w.err), 0);
        break;
    case 2:
        cf_dataset_marker_key(&w.direct, 50, key);
        world_flip(&w, key, 0);
        break;
    case 3:
        cf_dataset_marker_key(&w.direct, 50, key);
        ck_assert_int_eq(cf_store_delete(w.inner, key, &w.err), 0);
        break;
    default:
        counting_fault(
            &w.counting,
            (struct fault){.kind = CF_OP_GET, .first = 30, .mode = FAULT_FAIL, .code = CF_EDENIED});
        break;
    }
    size_t before = world_count_keys(&w, "");
    int rc = collect();
    ck_assert_int_eq(rc, _i < 3 ? CF_EDATA : _i == 3 ? CF_ERETRY : CF_EDENIED);
    ck_assert_int_eq(w.err.code, rc);
    ck_assert_uint_eq(w.counting.counts[CF_OP_DELETE], 0);
    ck_assert_uint_eq(world_count_keys(&w, ""), before);
}
END_TEST

Suite *contract_collect_suite(void)
{
    Suite *suite = suite_create("contract_collect");
    TCase *tc = tcase_create("collect");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, little_is_left_alone);
    tcase_add_loop_test(tc, what_lies_below_the_floor_goes_and_the_rest_stays, 0, 2);
    tcase_add_test(tc, an_idle_dataset_comes_to_rest);
    tcase_add_test(tc, a_busy_dataset_stays_bounded);
    tcase_add_test(tc, a_dry_run_tells_and_changes_nothing);
    tcase_add_loop_test(tc, a_collector_that_died_is_finished_by_the_next, 0, 2);
    tcase_add_test(tc, markers_that_were_created_again_below_the_floor_go);
    tcase_add_test(tc, foreign_names_neither_go_nor_stop_the_sweep);
    tcase_add_loop_test(tc, a_writer_that_is_faster_makes_the_collector_start_again, 0, 2);
    tcase_add_test(tc, writers_that_are_always_faster_make_it_try_again_later);
    tcase_add_test(tc, a_writer_that_commits_during_the_deletions_loses_nothing);
    tcase_add_loop_test(tc, a_collector_that_was_overtaken_starts_again, 0, 5);
    tcase_add_test(tc, a_sweep_below_a_floor_that_rises_meanwhile_starts_again);
    tcase_add_loop_test(tc, a_collector_that_cannot_read_deletes_nothing, 0, 5);
    suite_add_tcase(suite, tc);
    return suite;
}
