/* Verification finds each kind of damage under the key where it is. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/contract/verify.h"
#include "tests/unit/contract_world.h"

static struct world w;
static struct cf_verified verified;
static struct cf_buf told; /* "<finding> <key>;" for each */

static void setup(void)
{
    world_open(&w);
    world_hurry();
    world_commit_many(&w.direct, 6, "x");
}

static void teardown(void)
{
    world_close(&w);
    cf_buf_release(&told);
}

static void tell(void *context, enum cf_finding finding, const char *key, const char *what)
{
    (void)context;
    ck_assert_str_ne(what, "");
    cf_buf_printf(&told, "%s %s;", cf_finding_name(finding), key);
}

static void verify(void)
{
    cf_buf_clear(&told);
    int rc = cf_verify(&w.data, tell, NULL, &verified, &w.err);
    ck_assert_msg(rc == 0, "%s", w.err.message);
}

/* Exactly one finding. */
static void expect_finding(enum cf_finding finding, const char *key)
{
    char expected[CF_KEY_MAX + 32];
    (void)snprintf(expected, sizeof(expected), "%s %s;", cf_finding_name(finding), key);
    verify();
    ck_assert_str_eq(cf_buf_str(&told), expected);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(verified.findings[i], i == (int)finding ? 1 : 0);
    }
    bool bad =
        finding == CF_FOUND_MISSING || finding == CF_FOUND_ALTERED || finding == CF_FOUND_FOREIGN;
    ck_assert(cf_verified_clean(&verified) == !bad);
}

static const char *marker_key(uint64_t version)
{
    static char key[CF_KEY_MAX];
    cf_dataset_marker_key(&w.data, version, key);
    return key;
}

/* The key of a version's own blob: its "x<n>", or its root. */
static const char *blob_key(uint64_t version, bool root)
{
    static char key[CF_KEY_MAX];
    struct cf_marker marker;
    char text[16];
    char hash[CF_SHA256_HEX];
    ck_assert_int_eq(cf_dataset_at(&w.direct, version, &marker, &w.err), 0);
    (void)snprintf(text, sizeof(text), "x%u", (unsigned)version);
    cf_sha256_hex(text, strlen(text), hash);
    cf_dataset_blob_key(&w.data, version, root ? marker.root.sha256 : hash, key);
    cf_marker_release(&marker);
    return key;
}

static void remove_key(const char *key)
{
    ck_assert_int_eq(cf_store_delete(w.inner, key, &w.err), 0);
}

static void put_key(const char *key)
{
    ck_assert_int_eq(cf_store_put(w.inner, key, "x", 1, &w.err), 0);
}

START_TEST(a_whole_dataset_is_clean)
{
    verify();
    ck_assert_uint_eq(told.length, 0);
    ck_assert(cf_verified_clean(&verified));
    ck_assert_uint_eq(verified.versions, 6);
    ck_assert_uint_eq(verified.blobs, 6 + 6 + 1);
    ck_assert_uint_gt(verified.bytes, 13 * 10);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT] + w.counting.counts[CF_OP_DELETE], 0);
    ck_assert_int_eq(cf_verify(&w.data, NULL, NULL, &verified, &w.err), 0);
}
END_TEST

START_TEST(an_empty_dataset_is_clean)
{
    struct cf_dataset nothing;
    cf_dataset_init(&nothing, w.store, "nobody", "repos");
    ck_assert_int_eq(cf_verify(&nothing, tell, NULL, &verified, &w.err), 0);
    ck_assert(cf_verified_clean(&verified));
    ck_assert_uint_eq(verified.versions + verified.blobs, 0);
    ck_assert_uint_eq(told.length, 0);
}
END_TEST

START_TEST(a_flipped_byte_of_a_blob_is_found)
{
    char key[CF_KEY_MAX];
    (void)snprintf(key, sizeof(key), "%s", blob_key((uint64_t)_i + 1, false));
    world_flip(&w, key, 12);
    expect_finding(CF_FOUND_ALTERED, key);
    ck_assert_uint_eq(verified.versions, 6);
}
END_TEST

START_TEST(a_missing_blob_is_found)
{
    char key[CF_KEY_MAX];
    (void)snprintf(key, sizeof(key), "%s", blob_key((uint64_t)_i + 1, false));
    remove_key(key);
    expect_finding(CF_FOUND_MISSING, key);
}
END_TEST

START_TEST(a_damaged_root_is_found_once)
{
    char key[CF_KEY_MAX];
    char own[CF_KEY_MAX];
    char expected[3 * CF_KEY_MAX];
    (void)snprintf(own, sizeof(own), "%s", blob_key(4, false));
    (void)snprintf(key, sizeof(key), "%s", blob_key(4, true));
    if (_i) {
        remove_key(key);
    } else {
        world_flip(&w, key, 15);
    }
    verify();
    /* what only this root names has become an orphan */
    (void)snprintf(expected, sizeof(expected), "%s %s;orphan %s;", _i ? "missing" : "altered", key,
                   own);
    ck_assert_str_eq(told.data, expected);
}
END_TEST

START_TEST(a_missing_marker_is_found)
{
    char key[CF_KEY_MAX];
    uint64_t version = (uint64_t)_i + 1; /* the first, in the middle, the last but one */
    (void)snprintf(key, sizeof(key), "%s", marker_key(version));
    remove_key(key);
    verify();
    ck_assert_uint_eq(verified.findings[CF_FOUND_MISSING], 1);
    ck_assert(strncmp(told.data, "missing ", 8) == 0);
    ck_assert_ptr_nonnull(strstr(told.data, key));
    ck_assert_uint_eq(verified.versions, 5);
    ck_assert(!cf_verified_clean(&verified));
}
END_TEST

START_TEST(swapped_markers_are_found)
{
    char third[CF_KEY_MAX];
    char fourth[CF_KEY_MAX];
    (void)snprintf(third, sizeof(third), "%s", marker_key(3));
    (void)snprintf(fourth, sizeof(fourth), "%s", marker_key(4));
    world_copy(&w, third, "kept");
    world_copy(&w, fourth, third);
    world_copy(&w, "kept", fourth);
    verify();
    ck_assert_uint_eq(verified.findings[CF_FOUND_ALTERED], 2);
    ck_assert_ptr_nonnull(strstr(told.data, third));
    ck_assert_ptr_nonnull(strstr(told.data, fourth));
}
END_TEST

START_TEST(a_rewritten_marker_breaks_the_chain)
{
    /* A good marker, but not the one that its child knows. */
    const char *key = marker_key(3);
    struct cf_buf body = CF_BUF_INIT;
    struct cf_marker marker;
    ck_assert_int_eq(cf_store_get(w.inner, key, &body, &w.err), 0);
    ck_assert_int_eq(cf_marker_read(body.data, body.length, &marker, &w.err), 0);
    marker.writer[0] = marker.writer[0] == '0' ? '1' : '0';
    cf_buf_clear(&body);
    ck_assert_int_eq(cf_marker_write(&marker, &body, &w.err), 0);
    ck_assert_int_eq(cf_store_put(w.inner, key, body.data, body.length, &w.err), 0);
    expect_finding(CF_FOUND_ALTERED, key);
    cf_marker_release(&marker);
    cf_buf_release(&body);
}
END_TEST

START_TEST(a_marker_of_another_contract_is_found)
{
    static const char text[] = "{\"contract\":2}";
    const char *key = marker_key(3);
    ck_assert_int_eq(cf_store_put(w.inner, key, text, sizeof(text) - 1, &w.err), 0);
    verify();
    ck_assert_uint_eq(verified.findings[CF_FOUND_ALTERED], 1);
    ck_assert(strncmp(told.data, "altered ", 8) == 0 && strstr(told.data, key));
}
END_TEST

START_TEST(a_newest_marker_that_cannot_be_read_is_a_finding)
{
    world_flip(&w, marker_key(6), 0);
    verify();
    ck_assert_uint_eq(verified.findings[CF_FOUND_ALTERED], 1);
    ck_assert_ptr_nonnull(strstr(told.data, marker_key(6)));
}
END_TEST

START_TEST(foreign_names_are_found)
{
    static const char *const names[] = {
        "tenants/octocat/repos/v/readme",
        "tenants/octocat/repos/v/7ffffffffffffff9/x",
        "tenants/octocat/repos/b/readme",
        "tenants/octocat/repos/b/0000000000000001/readme",
        "tenants/octocat/repos/b/0000000000000001/x/"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "tenants/octocat/repos/b/1/"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put_key(names[i]);
        expect_finding(CF_FOUND_FOREIGN, names[i]);
        remove_key(names[i]);
    }
}
END_TEST

START_TEST(orphans_are_found_and_do_no_harm)
{
    static const char *const folders[] = {"0000000000000003", "0000000000000007"};
    for (size_t i = 0; i < 2; i++) { /* left by a lost race, or of a commit under way */
        char key[CF_KEY_MAX];
        (void)snprintf(key, sizeof(key), "tenants/octocat/repos/b/%s/%064d", folders[i], 7);
        put_key(key);
        expect_finding(CF_FOUND_ORPHAN, key);
        remove_key(key);
    }
}
END_TEST

START_TEST(what_lies_below_the_floor_is_found_and_does_no_harm)
{
    struct cf_marker newest;
    struct cf_marker raised;
    ck_assert_int_eq(cf_dataset_newest(&w.direct, &newest, &w.err), 0);
    ck_assert_int_eq(cf_commit_floor(&w.direct, &newest, 3, &world_producer, &raised, &w.err), 0);
    verify();
    ck_assert_uint_eq(verified.findings[CF_FOUND_BELOW], 2 + 2 * 2);
    ck_assert(cf_verified_clean(&verified));
    ck_assert_uint_eq(verified.versions, 5);
    remove_key(marker_key(1)); /* which the collector does next */
    verify();
    ck_assert(cf_verified_clean(&verified));
    cf_marker_release(&newest);
    cf_marker_release(&raised);
}
END_TEST

START_TEST(several_findings_are_all_told)
{
    char missing[CF_KEY_MAX];
    (void)snprintf(missing, sizeof(missing), "%s", blob_key(2, false));
    remove_key(missing);
    world_flip(&w, blob_key(5, false), 12);
    put_key("tenants/octocat/repos/v/readme");
    verify();
    ck_assert_uint_eq(verified.findings[CF_FOUND_MISSING], 1);
    ck_assert_uint_eq(verified.findings[CF_FOUND_ALTERED], 1);
    ck_assert_uint_eq(verified.findings[CF_FOUND_FOREIGN], 1);
    ck_assert_ptr_nonnull(strstr(told.data, missing));
}
END_TEST

START_TEST(a_store_that_fails_ends_the_walk)
{
    counting_fault(&w.counting, (struct fault){.kind = _i % 2 ? CF_OP_GET : CF_OP_LIST,
                                               .first = (size_t)_i / 2 + 1,
                                               .mode = FAULT_FAIL,
                                               .code = CF_EUNAVAILABLE});
    ck_assert_int_eq(cf_verify(&w.data, tell, NULL, &verified, &w.err), CF_EUNAVAILABLE);
    ck_assert_int_eq(w.err.code, CF_EUNAVAILABLE);
    ck_assert_uint_eq(told.length, 0);
}
END_TEST

static void collector_goes_past(void *context, struct cf_op *op)
{
    struct cf_collected collected;
    (void)context;
    (void)op;
    world_commit_many(&w.direct, 50, "later");
    ck_assert_int_eq(cf_collect(&w.direct, 0, false, &world_producer, &collected, &w.err), 0);
    ck_assert_uint_gt(collected.floor, 6);
}

START_TEST(a_collection_meanwhile_is_no_loss)
{
    static const struct {
        enum cf_op_kind kind;
        size_t number;
    } moments[] = {{CF_OP_LIST, 2}, {CF_OP_GET, 2}, {CF_OP_GET, 3}, {CF_OP_GET, 4},
                   {CF_OP_GET, 5},  {CF_OP_GET, 9}, {CF_OP_LIST, 3}};
    counting_fault(&w.counting, (struct fault){.kind = moments[_i].kind,
                                               .first = moments[_i].number,
                                               .times = 1,
                                               .mode = FAULT_BEFORE,
                                               .call = collector_goes_past});
    verify();
    ck_assert_msg(cf_verified_clean(&verified), "%s", cf_buf_str(&told));
}
END_TEST

Suite *contract_verify_suite(void)
{
    Suite *suite = suite_create("contract_verify");
    TCase *tc = tcase_create("verify");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_whole_dataset_is_clean);
    tcase_add_test(tc, an_empty_dataset_is_clean);
    tcase_add_loop_test(tc, a_flipped_byte_of_a_blob_is_found, 0, 6);
    tcase_add_loop_test(tc, a_missing_blob_is_found, 0, 6);
    tcase_add_loop_test(tc, a_damaged_root_is_found_once, 0, 2);
    tcase_add_loop_test(tc, a_missing_marker_is_found, 0, 5);
    tcase_add_test(tc, swapped_markers_are_found);
    tcase_add_test(tc, a_rewritten_marker_breaks_the_chain);
    tcase_add_test(tc, a_marker_of_another_contract_is_found);
    tcase_add_test(tc, a_newest_marker_that_cannot_be_read_is_a_finding);
    tcase_add_test(tc, foreign_names_are_found);
    tcase_add_test(tc, orphans_are_found_and_do_no_harm);
    tcase_add_test(tc, what_lies_below_the_floor_is_found_and_does_no_harm);
    tcase_add_test(tc, several_findings_are_all_told);
    tcase_add_loop_test(tc, a_store_that_fails_ends_the_walk, 0, 6);
    tcase_add_loop_test(tc, a_collection_meanwhile_is_no_loss, 0, 7);
    suite_add_tcase(suite, tc);
    return suite;
}
