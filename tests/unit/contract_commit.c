/* Committing when nothing goes wrong, and rollback. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "tests/unit/contract_world.h"

static struct world w;

static void setup(void)
{
    world_open(&w);
}

static void teardown(void)
{
    world_close(&w);
}

static void expect_counts(size_t puts, size_t gets)
{
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT], puts);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 1);
    ck_assert_uint_eq(w.counting.counts[CF_OP_LIST], 1);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], gets);
    ck_assert_uint_eq(counting_total(&w.counting), puts + gets + 2);
}

START_TEST(the_first_version_uploads_its_blobs_and_its_root)
{
    struct cf_marker marker;
    ck_assert_int_eq(world_commit_after(&w.data, NULL, "a,b,c", &marker, &w.err), 0);
    expect_counts(4, 0);
    ck_assert_uint_eq(marker.version, 1);
    ck_assert_uint_eq(marker.floor, 1);
    ck_assert_uint_eq(marker.parent_version, 0);
    ck_assert_uint_eq(marker.root.version, 1);
    ck_assert_str_eq(marker.tenant, "octocat");
    ck_assert_str_eq(marker.dataset, "repos");
    ck_assert_str_eq(marker.job, "test");
    ck_assert_str_eq(marker.build, "b1");
    ck_assert_str_eq(marker.run, "r1");
    cf_marker_release(&marker);
    world_expect(&w.direct, 1, "a,b,c");
    ck_assert_uint_eq(world_count_keys(&w, ""), 5);
    ck_assert_uint_eq(world_count_keys(&w, "tenants/octocat/repos/b/0000000000000001/"), 4);
    world_expect_clean(&w, 1);
}
END_TEST

START_TEST(blobs_of_the_parent_are_referred_to)
{
    struct cf_marker first;
    struct cf_marker second;
    struct cf_blob_ref ref;
    ck_assert_int_eq(world_commit_after(&w.direct, NULL, "a,b,c", &first, &w.err), 0);
    ck_assert_int_eq(world_commit_after(&w.data, &first, "c,d,a", &second, &w.err), 0);
    expect_counts(2, 1); /* "d" and the root; the GET is of the parent's root */
    ck_assert_uint_eq(second.version, 2);
    ck_assert_uint_eq(second.parent_version, 1);
    ck_assert_str_eq(second.parent_sha256, first.sha256);
    ck_assert_str_ne(second.writer, first.writer);
    world_find_blob(&w.direct, "a", &ref);
    ck_assert_uint_eq(ref.version, 1);
    world_find_blob(&w.direct, "d", &ref);
    ck_assert_uint_eq(ref.version, 2);
    world_expect(&w.direct, 2, "c,d,a");
    /* "b" isn't listed by version 2, so version 3 uploads it again though it lies in b/1. */
    counting_reset(&w.counting);
    ck_assert_int_eq(world_commit_after(&w.data, &second, "b", NULL, &w.err), 0);
    expect_counts(2, 1);
    world_find_blob(&w.direct, "b", &ref);
    ck_assert_uint_eq(ref.version, 3);
    cf_marker_release(&first);
    cf_marker_release(&second);
    world_expect_clean(&w, 3);
}
END_TEST

START_TEST(equal_contents_upload_nothing)
{
    struct cf_marker first;
    struct cf_marker second;
    ck_assert_int_eq(world_commit_after(&w.direct, NULL, "a,b", &first, &w.err), 0);
    ck_assert_int_eq(world_commit_after(&w.data, &first, "a,b", &second, &w.err), 0);
    expect_counts(0, 1);
    ck_assert_uint_eq(second.root.version, 1);
    ck_assert_str_eq(second.root.sha256, first.root.sha256);
    cf_marker_release(&first);
    cf_marker_release(&second);
    world_expect_clean(&w, 2);
}
END_TEST

START_TEST(a_payload_that_is_added_twice_is_uploaded_once)
{
    struct cf_blob_ref first;
    struct cf_blob_ref second;
    struct cf_marker marker;
    struct cf_commit *commit = cf_commit_new(&w.data, NULL, NULL, &world_producer);
    cf_commit_add(commit, "same", 4, "text/plain", &first);
    cf_commit_add(commit, "same", 4, "text/html", &second);
    ck_assert_str_eq(first.sha256, second.sha256);
    ck_assert_str_eq(second.type, "text/plain");
    ck_assert_uint_eq(first.version, 1);
    ck_assert_uint_eq(first.bytes, 4);
    ck_assert_uint_gt(first.stored, 4);
    int rc = cf_commit_finish(commit, json_object(), first.sha256, NULL, &marker, &w.err);
    ck_assert_msg(rc == 0, "%s", w.err.message);
    expect_counts(2, 0);
    ck_assert_uint_eq(json_object_size(marker.summary), 0);
    cf_marker_release(&marker);
    cf_commit_free(commit);
    cf_commit_free(NULL);
}
END_TEST

START_TEST(the_root_depends_on_the_contents_alone)
{
    static const char *const orders[] = {"a", "b", "c", "c", "b", "a"};
    char roots[2][CF_SHA256_HEX];
    for (size_t i = 0; i < 2; i++) {
        struct cf_dataset dataset;
        struct cf_blob_ref ref;
        struct cf_marker marker;
        cf_dataset_init(&dataset, w.inner, i ? "one" : "two", "repos");
        struct cf_commit *commit = cf_commit_new(&dataset, NULL, NULL, &world_producer);
        for (size_t j = 0; j < 3; j++) {
            cf_commit_add(commit, orders[3 * i + j], 1, "t", &ref);
        }
        ck_assert_int_eq(cf_commit_finish(commit, json_object(), ref.sha256, NULL, &marker, &w.err),
                         0);
        memcpy(roots[i], marker.root.sha256, CF_SHA256_HEX);
        cf_marker_release(&marker);
        cf_commit_free(commit);
    }
    ck_assert_str_eq(roots[0], roots[1]);
}
END_TEST

START_TEST(a_blob_can_be_kept_without_its_bytes)
{
    struct cf_marker first;
    struct cf_marker second;
    struct cf_blob_ref known;
    struct cf_blob_ref ref;
    json_t *root = NULL;
    ck_assert_int_eq(world_commit_after(&w.direct, NULL, "a,b", &first, &w.err), 0);
    world_find_blob(&w.direct, "a", &known);
    ck_assert_int_eq(cf_dataset_root(&w.direct, &first, &root, &w.err), 0);
    struct cf_commit *commit = cf_commit_new(&w.data, &first, root, &world_producer);
    json_decref(root);
    ck_assert_int_eq(cf_commit_keep(commit, known.sha256, &ref, &w.err), 0);
    ck_assert(memcmp(&ref, &known, sizeof(ref)) == 0);
    ck_assert_int_eq(cf_commit_keep(commit, first.sha256, &ref, &w.err), CF_EINTERNAL);
    root = json_pack("{s:s}", "texts", "a");
    ck_assert_int_eq(cf_commit_finish(commit, root, first.request, NULL, &second, &w.err), 0);
    expect_counts(1, 0);
    cf_commit_free(commit);
    cf_marker_release(&first);
    cf_marker_release(&second);
    world_expect(&w.direct, 2, "a");
    world_expect_clean(&w, 2);
}
END_TEST

START_TEST(inputs_are_recorded)
{
    struct cf_marker marker;
    struct cf_marker back;
    char hash[CF_SHA256_HEX];
    cf_sha256_hex("x", 1, hash);
    struct cf_commit *commit = cf_commit_new(&w.data, NULL, NULL, &world_producer);
    for (uint64_t i = 1; i <= CF_INPUTS_MAX; i++) {
        cf_commit_input(commit, "repos", i, hash);
    }
    ck_assert_int_eq(cf_commit_finish(commit, json_object(), hash, NULL, &marker, &w.err), 0);
    ck_assert_int_eq(cf_dataset_newest(&w.direct, &back, &w.err), 0);
    ck_assert_uint_eq(back.input_count, CF_INPUTS_MAX);
    ck_assert_uint_eq(back.inputs[7].version, 8);
    ck_assert_str_eq(back.inputs[7].sha256, hash);
    ck_assert_str_eq(back.request, hash);
    cf_commit_free(commit);
    /* One more would be forgotten silently. */
    commit = cf_commit_new(&w.data, &marker, NULL, &world_producer);
    cf_marker_release(&marker);
    for (uint64_t i = 1; i <= CF_INPUTS_MAX + 1; i++) {
        cf_commit_input(commit, "repos", i, hash);
    }
    ck_assert_int_eq(cf_commit_finish(commit, json_object(), hash, NULL, &marker, &w.err),
                     CF_EINTERNAL);
    cf_commit_free(commit);
    cf_marker_release(&back);
    world_expect_clean(&w, 1);
}
END_TEST

START_TEST(a_store_that_cannot_create_on_condition_is_refused)
{
    struct counting counting;
    struct cf_dataset dataset;
    struct cf_store *store = counting_store(&counting, w.inner, false);
    cf_dataset_init(&dataset, store, "octocat", "repos");
    ck_assert_int_eq(world_try(&dataset, "a", NULL, &w.err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(w.err.message, "counting:test"));
    ck_assert_uint_eq(counting.counts[CF_OP_PUT_NEW], 0);
    ck_assert_uint_eq(world_count_keys(&w, "tenants/octocat/repos/v/"), 0);
    cf_store_free(store);
}
END_TEST

START_TEST(version_numbers_end)
{
    struct cf_marker parent = {.version = CF_VERSION_MAX, .floor = 1};
    cf_sha256_hex("x", 1, parent.sha256);
    struct cf_commit *commit = cf_commit_new(&w.data, &parent, NULL, &world_producer);
    struct cf_marker marker;
    ck_assert_int_eq(cf_commit_finish(commit, json_object(), parent.sha256, NULL, &marker, &w.err),
                     CF_EDATA);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 0);
    cf_commit_free(commit);
}
END_TEST

START_TEST(a_summary_that_is_too_big_commits_nothing)
{
    char *big = cf_calloc(1, CF_MARKER_MAX + 1);
    char hash[CF_SHA256_HEX];
    struct cf_marker marker;
    memset(big, 's', CF_MARKER_MAX);
    cf_sha256_hex("x", 1, hash);
    struct cf_commit *commit = cf_commit_new(&w.data, NULL, NULL, &world_producer);
    ck_assert_int_eq(cf_commit_finish(commit, json_object(), hash, json_pack("{s:s}", "s", big),
                                      &marker, &w.err),
                     CF_EDATA);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 0);
    cf_commit_free(commit);
    free(big);
}
END_TEST

START_TEST(a_blob_may_be_larger_than_what_a_get_gives_by_default)
{
    const size_t size = (size_t)65 << 20;
    char *data = cf_malloc(size);
    struct cf_buf back = CF_BUF_INIT;
    struct cf_blob_ref ref;
    struct cf_marker marker;
    uint32_t state = 1;
    for (size_t i = 0; i < size; i++) { /* nothing that could be compressed */
        state = state * 1664525 + 1013904223;
        data[i] = (char)(state >> 24);
    }
    struct cf_commit *commit = cf_commit_new(&w.data, NULL, NULL, &world_producer);
    cf_commit_add(commit, data, size, "t", &ref);
    int rc = cf_commit_finish(commit, json_object(), ref.sha256, NULL, &marker, &w.err);
    ck_assert_msg(rc == 0, "%s", w.err.message);
    rc = cf_dataset_blob(&w.data, &ref, &back, &w.err);
    ck_assert_msg(rc == 0, "%s", w.err.message);
    ck_assert_uint_eq(back.length, size);
    ck_assert(memcmp(back.data, data, size) == 0);
    cf_marker_release(&marker);
    cf_commit_free(commit);
    cf_buf_release(&back);
    free(data);
}
END_TEST

START_TEST(a_blob_over_the_limit_commits_nothing)
{
    char *data = cf_calloc(1, CF_BLOB_MAX + 1);
    struct cf_blob_ref ref;
    struct cf_marker marker;
    struct cf_commit *commit = cf_commit_new(&w.data, NULL, NULL, &world_producer);
    cf_commit_add(commit, data, CF_BLOB_MAX + 1, "t", &ref);
    ck_assert_int_eq(cf_commit_finish(commit, json_object(), ref.sha256, NULL, &marker, &w.err),
                     CF_EDATA);
    ck_assert_int_eq(w.err.code, CF_EDATA);
    ck_assert_uint_eq(counting_total(&w.counting), 0);
    cf_commit_free(commit);
    free(data);
}
END_TEST

/* --- rollback and floors ------------------------------------------------------------------------
 */

static struct cf_marker at(uint64_t version)
{
    struct cf_marker marker;
    int rc = cf_dataset_at(&w.direct, version, &marker, &w.err);
    ck_assert_msg(rc == 0, "%s", w.err.message);
    return marker;
}

START_TEST(a_rollback_refers_to_an_older_root)
{
    struct cf_marker out;
    world_commit_many(&w.direct, 3, "x");
    struct cf_marker first = at(1);
    struct cf_marker third = at(3);
    ck_assert_int_eq(cf_commit_rollback(&w.data, &third, &first, &world_producer, &out, &w.err), 0);
    expect_counts(0, 0);
    ck_assert_uint_eq(out.version, 4);
    ck_assert_uint_eq(out.parent_version, 3);
    ck_assert_str_eq(out.parent_sha256, third.sha256);
    ck_assert_str_eq(out.root.sha256, first.root.sha256);
    ck_assert_uint_eq(out.root.version, 1);
    ck_assert_str_eq(out.request, first.request);
    ck_assert_int_eq(json_integer_value(json_object_get(out.summary, "rollback_to")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(out.summary, "undone_request")),
                     third.request);
    ck_assert_str_eq(json_string_value(json_object_get(out.summary, "texts")), "x1,shared");
    ck_assert_ptr_null(json_object_get(first.summary, "rollback_to"));
    cf_marker_release(&first);
    cf_marker_release(&third);
    cf_marker_release(&out);
    world_expect(&w.direct, 4, "x1,shared");
    world_expect_clean(&w, 4);
}
END_TEST

START_TEST(a_rollback_stays_at_or_above_the_floor)
{
    struct cf_marker out;
    world_commit_many(&w.direct, 5, "x");
    struct cf_marker second = at(2);
    struct cf_marker third = at(3);
    struct cf_marker fourth = at(4);
    struct cf_marker fifth = at(5);
    struct cf_marker raised;
    ck_assert_int_eq(cf_commit_floor(&w.direct, &fifth, 3, &world_producer, &raised, &w.err), 0);
    ck_assert_int_eq(cf_commit_rollback(&w.data, &raised, &second, &world_producer, &out, &w.err),
                     CF_EDATA);
    ck_assert_ptr_nonnull(strstr(w.err.message, "3 to 6 can"));
    ck_assert_uint_eq(counting_total(&w.counting), 0);
    ck_assert_int_eq(cf_commit_rollback(&w.data, &fourth, &fifth, &world_producer, &out, &w.err),
                     CF_EDATA);
    ck_assert_int_eq(cf_commit_rollback(&w.data, &fifth, &third, &world_producer, &out, &w.err),
                     CF_ECONFLICT); /* version 6 exists */
    ck_assert_int_eq(cf_commit_rollback(&w.data, &raised, &third, &world_producer, &out, &w.err),
                     0);
    ck_assert_uint_eq(out.floor, 3);
    cf_marker_release(&second);
    cf_marker_release(&third);
    cf_marker_release(&fourth);
    cf_marker_release(&fifth);
    cf_marker_release(&raised);
    cf_marker_release(&out);
}
END_TEST

START_TEST(a_floor_never_goes_down_nor_above_the_newest)
{
    struct cf_marker out;
    struct cf_marker raised;
    world_commit_many(&w.direct, 4, "x");
    struct cf_marker fourth = at(4);
    ck_assert_int_eq(cf_commit_floor(&w.data, &fourth, 5, &world_producer, &out, &w.err),
                     CF_EINTERNAL);
    ck_assert_int_eq(cf_commit_floor(&w.data, &fourth, 4, &world_producer, &raised, &w.err), 0);
    ck_assert_uint_eq(raised.floor, 4);
    ck_assert_uint_eq(raised.version, 5);
    ck_assert_str_eq(raised.root.sha256, fourth.root.sha256);
    ck_assert(json_equal(raised.summary, fourth.summary));
    ck_assert_int_eq(cf_commit_floor(&w.data, &raised, 3, &world_producer, &out, &w.err),
                     CF_EINTERNAL);
    /* An ordinary commit hands the floor on. */
    ck_assert_int_eq(world_commit_after(&w.data, &raised, "y", &out, &w.err), 0);
    ck_assert_uint_eq(out.floor, 4);
    cf_marker_release(&fourth);
    cf_marker_release(&raised);
    cf_marker_release(&out);
}
END_TEST

Suite *contract_commit_suite(void)
{
    Suite *suite = suite_create("contract_commit");
    TCase *tc = tcase_create("commit");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_version_uploads_its_blobs_and_its_root);
    tcase_add_test(tc, blobs_of_the_parent_are_referred_to);
    tcase_add_test(tc, equal_contents_upload_nothing);
    tcase_add_test(tc, a_payload_that_is_added_twice_is_uploaded_once);
    tcase_add_test(tc, the_root_depends_on_the_contents_alone);
    tcase_add_test(tc, a_blob_can_be_kept_without_its_bytes);
    tcase_add_test(tc, inputs_are_recorded);
    tcase_add_test(tc, a_store_that_cannot_create_on_condition_is_refused);
    tcase_add_test(tc, version_numbers_end);
    tcase_add_test(tc, a_summary_that_is_too_big_commits_nothing);
    tcase_add_test(tc, a_blob_may_be_larger_than_what_a_get_gives_by_default);
    tcase_add_test(tc, a_blob_over_the_limit_commits_nothing);
    tcase_add_test(tc, a_rollback_refers_to_an_older_root);
    tcase_add_test(tc, a_rollback_stays_at_or_above_the_floor);
    tcase_add_test(tc, a_floor_never_goes_down_nor_above_the_newest);
    suite_add_tcase(suite, tc);
    return suite;
}
