/* Committing when something goes wrong: every outcome of steps 2 and 3. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/contract_world.h"

static struct world w;

static void setup(void)
{
    world_open(&w);
    world_hurry();
    world_commit_many(&w.direct, 2, "x");
}

static void teardown(void)
{
    world_close(&w);
}

static void inject(enum cf_op_kind kind, size_t first, size_t times, enum fault_mode mode, int code)
{
    counting_fault(
        &w.counting,
        (struct fault){.kind = kind, .first = first, .times = times, .mode = mode, .code = code});
}

static void call_back(enum cf_op_kind kind, size_t first, size_t times, enum fault_mode mode,
                      void (*call)(void *context, struct cf_op *op))
{
    counting_fault(
        &w.counting,
        (struct fault){.kind = kind, .first = first, .times = times, .mode = mode, .call = call});
}

/* Commits version 3; its parent is read behind the counting store's back. */
static int commit_to(const struct cf_dataset *dataset, const char *texts)
{
    struct cf_marker parent;
    struct cf_marker out;
    ck_assert_int_eq(cf_dataset_at(&w.direct, 2, &parent, &w.err), 0);
    struct cf_commit *c = cf_commit_new(dataset, &parent, NULL, &world_producer);
    struct cf_blob_ref ref;
    cf_commit_add(c, texts, strlen(texts), "text/plain", &ref);
    int rc =
        cf_commit_finish(c, json_pack("{s:s}", "texts", texts), ref.sha256, NULL, &out, &w.err);
    if (rc) {
        ck_assert_int_eq(w.err.code, rc);
        ck_assert_ptr_null(out.summary);
    } else {
        ck_assert_uint_eq(out.version, 3);
        cf_marker_release(&out);
    }
    cf_marker_release(&parent);
    cf_commit_free(c);
    return rc;
}

static int commit(const char *texts)
{
    return commit_to(&w.data, texts);
}

static void expect_unknown(int rc)
{
    ck_assert_int_eq(rc, CF_ERETRY);
    ck_assert_msg(strstr(w.err.message, "unknown") != NULL, "%s", w.err.message);
    ck_assert_ptr_nonnull(strstr(w.err.key, "/v/"));
}

static void somebody_commits(void *context, struct cf_op *op)
{
    (void)context;
    (void)op;
    (void)world_commit(&w.direct, "theirs");
}

START_TEST(a_lost_answer_is_found_to_be_ours)
{
    static const int codes[] = {CF_EUNAVAILABLE, CF_ERETRY, CF_EDATA, CF_EINTERRUPTED,
                                CF_EINTERNAL};
    inject(CF_OP_PUT_NEW, 1, 1, FAULT_LOSE, codes[_i]);
    ck_assert_int_eq(commit("mine"), 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 2);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 1);
    ck_assert_uint_eq(w.counting.counts[CF_OP_LIST], 1); /* step 3 isn't left out */
    world_expect(&w.direct, 3, "mine");
    world_expect_clean(&w, 3);
}
END_TEST

START_TEST(a_failure_is_tried_again_with_the_same_bytes)
{
    inject(CF_OP_PUT_NEW, 1, 3, FAULT_FAIL, CF_EUNAVAILABLE);
    ck_assert_int_eq(commit("mine"), 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 4);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 0);
    world_expect_clean(&w, 3);
}
END_TEST

START_TEST(somebody_who_was_faster_is_a_conflict)
{
    if (_i) { /* also when our own answers were lost meanwhile */
        inject(CF_OP_PUT_NEW, 1, 1, FAULT_FAIL, CF_EUNAVAILABLE);
    }
    call_back(CF_OP_PUT_NEW, _i ? 2 : 1, 1, FAULT_BEFORE, somebody_commits);
    ck_assert_int_eq(commit("mine"), CF_ECONFLICT);
    ck_assert_ptr_nonnull(strstr(w.err.message, "somebody else"));
    world_expect(&w.direct, 3, "theirs");
    world_expect_clean(&w, 3);
    ck_assert_uint_gt(world_count_keys(&w, "tenants/octocat/repos/b/0000000000000003/"), 2);
}
END_TEST

/* The same contents by another writer: a marker of the same length, different in its writer alone.
 */
static void twin_commits(void *context, struct cf_op *op)
{
    (void)context;
    (void)op;
    ck_assert_int_eq(commit_to(&w.direct, "mine"), 0);
}

START_TEST(a_twin_that_was_faster_is_a_conflict_too)
{
    call_back(CF_OP_PUT_NEW, 1, 1, FAULT_BEFORE, twin_commits);
    ck_assert_int_eq(commit("mine"), CF_ECONFLICT);
    world_expect_clean(&w, 3);
}
END_TEST

START_TEST(an_outcome_that_is_not_known_is_said_to_be_unknown)
{
    inject(CF_OP_PUT_NEW, 1, 0, FAULT_FAIL, CF_EUNAVAILABLE);
    expect_unknown(commit("mine"));
    ck_assert_uint_ge(w.counting.counts[CF_OP_PUT_NEW], 3);
    ck_assert_uint_le(w.counting.counts[CF_OP_PUT_NEW], 10);
    ck_assert_uint_eq(w.counting.counts[CF_OP_DELETE], 0);
    /* Uploads stay where they are, since one of the requests may still arrive. */
    ck_assert_uint_eq(world_count_keys(&w, "tenants/octocat/repos/b/0000000000000003/"), 2);
    world_expect_clean(&w, 2);
}
END_TEST

START_TEST(a_get_decides_when_every_answer_was_lost)
{
    inject(CF_OP_PUT_NEW, 1, 0, FAULT_LOSE, CF_EUNAVAILABLE);
    ck_assert_int_eq(commit("mine"), 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 1);
    world_expect(&w.direct, 3, "mine");
}
END_TEST

START_TEST(without_a_get_it_stays_unknown_though_it_is_committed)
{
    inject(CF_OP_PUT_NEW, 1, 1, FAULT_LOSE, CF_EUNAVAILABLE);
    inject(CF_OP_GET, 1, 0, FAULT_FAIL, CF_EUNAVAILABLE);
    expect_unknown(commit("mine"));
    world_expect(&w.direct, 3, "mine");
    world_expect_clean(&w, 3);
}
END_TEST

START_TEST(a_refusal_changes_nothing)
{
    static const int codes[] = {CF_EDENIED, CF_ECONFIG, CF_EUSAGE};
    inject(CF_OP_PUT_NEW, 1, 0, FAULT_FAIL, codes[_i]);
    ck_assert_int_eq(commit("mine"), codes[_i]);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 1);
    ck_assert_ptr_null(strstr(w.err.message, "unknown"));
    world_expect_clean(&w, 2);
}
END_TEST

/* A store that sends a request several times by itself may have applied it before the refusal. */
START_TEST(a_refusal_of_what_was_applied_is_success)
{
    inject(CF_OP_PUT_NEW, 1, 1, FAULT_LOSE, CF_EDENIED);
    ck_assert_int_eq(commit("mine"), 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 1);
    world_expect(&w.direct, 3, "mine");
}
END_TEST

START_TEST(a_refusal_after_a_lost_answer_is_looked_into)
{
    inject(CF_OP_PUT_NEW, 1, 1, FAULT_LOSE, CF_EUNAVAILABLE);
    inject(CF_OP_PUT_NEW, 2, 0, FAULT_FAIL, CF_EDENIED);
    if (_i == 0) {
        ck_assert_int_eq(commit("mine"), 0); /* credentials that ran out in between */
    } else {
        inject(CF_OP_GET, 1, 0, FAULT_FAIL, CF_EDENIED);
        expect_unknown(commit("mine"));
    }
    world_expect(&w.direct, 3, "mine");
}
END_TEST

START_TEST(a_list_that_fails_is_tried_again)
{
    inject(CF_OP_LIST, 1, 2, FAULT_FAIL, CF_EUNAVAILABLE);
    ck_assert_int_eq(commit("mine"), 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_LIST], 3);
}
END_TEST

START_TEST(without_the_last_check_the_outcome_is_unknown)
{
    inject(CF_OP_LIST, 1, 0, FAULT_FAIL, CF_EUNAVAILABLE);
    expect_unknown(commit("mine"));
    ck_assert_uint_ge(w.counting.counts[CF_OP_LIST], 3);
    world_expect(&w.direct, 3, "mine");
}
END_TEST

/* A LIST from before the marker was created. */
static void forget_newest(void *context, struct cf_op *op)
{
    (void)context;
    ck_assert_uint_eq(op->listed_count, 1);
    char *last = strrchr(op->listed[0].key, '/');
    ck_assert_ptr_nonnull(last);
    last[strlen(last) - 1]++; /* the name of the version before */
}

static void forget_all(void *context, struct cf_op *op)
{
    (void)context;
    cf_op_release(op);
}

START_TEST(a_stale_list_is_tried_again_and_never_taken_for_success)
{
    void (*const forget)(void *, struct cf_op *) = _i % 2 ? forget_all : forget_newest;
    call_back(CF_OP_LIST, 1, _i < 2 ? 1 : 0, FAULT_AFTER, forget);
    if (_i < 2) {
        ck_assert_int_eq(commit("mine"), 0);
        ck_assert_uint_eq(w.counting.counts[CF_OP_LIST], 2);
    } else {
        expect_unknown(commit("mine"));
    }
}
END_TEST

START_TEST(a_failed_upload_ends_the_attempt_before_the_marker)
{
    static const int codes[] = {CF_EUNAVAILABLE, CF_EDENIED, CF_ERETRY};
    inject(CF_OP_PUT, 2, 1, FAULT_FAIL, codes[_i]);
    ck_assert_int_eq(commit("mine"), codes[_i]);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 0);
    ck_assert_ptr_nonnull(strstr(w.err.key, "/b/0000000000000003/"));
    world_expect_clean(&w, 2);
}
END_TEST

/* --- writers that stall -------------------------------------------------------------------------
 */

START_TEST(a_version_that_was_built_upon_is_a_success)
{
    call_back(CF_OP_LIST, 1, 1, FAULT_BEFORE, somebody_commits);
    ck_assert_int_eq(commit("mine"), 0);
    world_expect(&w.direct, 3, "mine");
    world_expect(&w.direct, 4, "theirs");
    world_expect_clean(&w, 4);
}
END_TEST

static void collector_goes_past(void *context, struct cf_op *op)
{
    struct cf_collected collected;
    (void)context;
    (void)op;
    world_commit_many(&w.direct, 40, "later");
    ck_assert_int_eq(cf_collect(&w.direct, 0, false, &world_producer, &collected, &w.err), 0);
    ck_assert_uint_gt(collected.floor, 3);
    ck_assert_uint_gt(collected.markers, 2);
}

START_TEST(a_marker_that_was_created_below_the_floor_is_no_success)
{
    struct cf_marker newest;
    struct cf_verified verified;
    struct cf_collected collected;
    call_back(CF_OP_PUT_NEW, 1, 1, FAULT_BEFORE, collector_goes_past);
    ck_assert_int_eq(commit("mine"), CF_ECONFLICT);
    /* The marker is there; nobody takes it for the newest, and the next collection removes it. */
    ck_assert_int_eq(cf_dataset_newest(&w.direct, &newest, &w.err), 0);
    ck_assert_uint_eq(newest.version, 43);
    cf_marker_release(&newest);
    ck_assert_int_eq(cf_verify(&w.direct, NULL, NULL, &verified, &w.err), 0);
    ck_assert(cf_verified_clean(&verified));
    ck_assert_uint_gt(verified.findings[CF_FOUND_BELOW], 0);
    ck_assert_int_eq(cf_collect(&w.direct, 0, false, &world_producer, &collected, &w.err), 0);
    ck_assert_uint_ge(collected.markers, 1);
    ck_assert_int_eq(cf_verify(&w.direct, NULL, NULL, &verified, &w.err), 0);
    ck_assert_uint_eq(verified.findings[CF_FOUND_BELOW], 0);
}
END_TEST

START_TEST(a_marker_that_was_swept_before_the_last_check_is_no_success)
{
    call_back(CF_OP_LIST, 1, 1, FAULT_BEFORE, collector_goes_past);
    ck_assert_int_eq(commit("mine"), CF_ECONFLICT);
}
END_TEST

START_TEST(a_lost_answer_whose_marker_was_swept_is_no_success)
{
    /* Created, the answer lost; before the same bytes are sent again a collector sweeps it: the
     * second attempt creates it anew, below the floor. */
    inject(CF_OP_PUT_NEW, 1, 1, FAULT_LOSE, CF_EUNAVAILABLE);
    call_back(CF_OP_PUT_NEW, 2, 1, FAULT_BEFORE, collector_goes_past);
    ck_assert_int_eq(commit("mine"), CF_ECONFLICT);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 2);
}
END_TEST

Suite *contract_outcome_suite(void)
{
    Suite *suite = suite_create("contract_outcome");
    TCase *tc = tcase_create("outcome");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_lost_answer_is_found_to_be_ours, 0, 5);
    tcase_add_test(tc, a_failure_is_tried_again_with_the_same_bytes);
    tcase_add_loop_test(tc, somebody_who_was_faster_is_a_conflict, 0, 2);
    tcase_add_test(tc, a_twin_that_was_faster_is_a_conflict_too);
    tcase_add_test(tc, an_outcome_that_is_not_known_is_said_to_be_unknown);
    tcase_add_test(tc, a_get_decides_when_every_answer_was_lost);
    tcase_add_test(tc, without_a_get_it_stays_unknown_though_it_is_committed);
    tcase_add_loop_test(tc, a_refusal_changes_nothing, 0, 3);
    tcase_add_test(tc, a_refusal_of_what_was_applied_is_success);
    tcase_add_loop_test(tc, a_refusal_after_a_lost_answer_is_looked_into, 0, 2);
    tcase_add_test(tc, a_list_that_fails_is_tried_again);
    tcase_add_test(tc, without_the_last_check_the_outcome_is_unknown);
    tcase_add_loop_test(tc, a_stale_list_is_tried_again_and_never_taken_for_success, 0, 4);
    tcase_add_loop_test(tc, a_failed_upload_ends_the_attempt_before_the_marker, 0, 3);
    tcase_add_test(tc, a_version_that_was_built_upon_is_a_success);
    tcase_add_test(tc, a_marker_that_was_created_below_the_floor_is_no_success);
    tcase_add_test(tc, a_marker_that_was_swept_before_the_last_check_is_no_success);
    tcase_add_test(tc, a_lost_answer_whose_marker_was_swept_is_no_success);
    suite_add_tcase(suite, tc);
    return suite;
}
