/* Keys, resolving the newest version, and reading blobs. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/compress.h"
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

START_TEST(keys_are_those_of_the_contract)
{
    struct cf_dataset shared;
    char key[CF_KEY_MAX];
    cf_dataset_init(&shared, w.store, NULL, "base");
    cf_dataset_prefix(&w.data, 'v', key);
    ck_assert_str_eq(key, "tenants/octocat/repos/v/");
    cf_dataset_prefix(&shared, 'b', key);
    ck_assert_str_eq(key, "shared/base/b/");
    cf_dataset_marker_key(&w.data, 1, key);
    ck_assert_str_eq(key, "tenants/octocat/repos/v/7ffffffffffffffe");
    ck_assert_uint_eq(cf_dataset_key_version(&w.data, key), 1);
    cf_dataset_marker_key(&w.data, CF_VERSION_MAX, key);
    ck_assert_str_eq(key, "tenants/octocat/repos/v/0000000000000001");
    ck_assert_uint_eq(cf_dataset_key_version(&w.data, key), CF_VERSION_MAX);
    cf_dataset_blob_key(&w.data, 255, "abc", key);
    ck_assert_str_eq(key, "tenants/octocat/repos/b/00000000000000ff/abc");
    ck_assert_uint_eq(cf_dataset_blob_version(&w.data, key), 0);
    char hash[CF_SHA256_HEX];
    cf_sha256_hex("x", 1, hash);
    cf_dataset_blob_key(&w.data, 255, hash, key);
    ck_assert_uint_eq(cf_dataset_blob_version(&w.data, key), 255);
    ck_assert_uint_eq(cf_dataset_blob_version(&shared, key), 0);
    key[strlen(key) - 65] = '-';
    ck_assert_uint_eq(cf_dataset_blob_version(&w.data, key), 0);
}
END_TEST

START_TEST(what_is_not_a_markers_key_has_no_version)
{
    static const char *const keys[] = {"",
                                       "tenants/octocat/repos/v/",
                                       "tenants/octocat/repos/v/7fffffffffffffff", /* version 0 */
                                       "tenants/octocat/repos/v/ffffffffffffffff",
                                       "tenants/octocat/repos/v/7FFFFFFFFFFFFFFE",
                                       "tenants/octocat/repos/v/7ffffffffffffff",
                                       "tenants/octocat/repos/v/7ffffffffffffffe0",
                                       "tenants/octocat/repos/v/7ffffffffffffffe/x",
                                       "tenants/octocat/repos/b/7ffffffffffffffe",
                                       "tenants/octocat/bundle/v/7ffffffffffffffe",
                                       "tenants/octoca/repos/v/7ffffffffffffffe"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        ck_assert_msg(cf_dataset_key_version(&w.data, keys[i]) == 0, "%s", keys[i]);
    }
}
END_TEST

static void flip_answer(void *context, struct cf_op *op)
{
    size_t offset = *(size_t *)context;
    op->body.data[offset % op->body.length] ^= 1;
}

/* A bit that flips on the way once: markers and blobs are read again and are whole. Wherever it is,
 * it is never taken. */
START_TEST(what_was_altered_on_the_way_is_read_once_more)
{
    world_commit_many(&w.direct, 2, "x");
    for (size_t offset = 0; offset < 700; offset += 7) {
        struct cf_marker marker;
        json_t *root = NULL;
        counting_reset(&w.counting);
        counting_fault(&w.counting, (struct fault){.kind = CF_OP_GET,
                                                   .first = 1,
                                                   .times = 1,
                                                   .mode = FAULT_AFTER,
                                                   .call = flip_answer,
                                                   .context = &offset});
        counting_fault(&w.counting, (struct fault){.kind = CF_OP_GET,
                                                   .first = 3,
                                                   .times = 1,
                                                   .mode = FAULT_AFTER,
                                                   .call = flip_answer,
                                                   .context = &offset});
        int rc = cf_dataset_newest(&w.data, &marker, &w.err);
        if (rc == CF_ECONFIG) {
            continue; /* the contract's number itself */
        }
        ck_assert_msg(rc == 0, "offset %zu: %s", offset, w.err.message);
        ck_assert_uint_eq(marker.version, 2);
        ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 2);
        ck_assert_int_eq(cf_dataset_root(&w.data, &marker, &root, &w.err), 0);
        ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 4);
        json_decref(root);
        cf_marker_release(&marker);
    }
}
END_TEST

START_TEST(the_newest_version_is_one_list_and_one_get)
{
    struct cf_marker marker;
    ck_assert_int_eq(cf_dataset_newest(&w.data, &marker, &w.err), CF_ENOTFOUND);
    ck_assert_ptr_null(marker.summary);
    ck_assert_uint_eq(w.counting.counts[CF_OP_LIST], 1);
    ck_assert_uint_eq(counting_total(&w.counting), 1);
    world_commit_many(&w.direct, 5, "x");
    counting_reset(&w.counting);
    ck_assert_int_eq(cf_dataset_newest(&w.data, &marker, &w.err), 0);
    ck_assert_uint_eq(marker.version, 5);
    ck_assert_str_ne(marker.etag, "");
    ck_assert_uint_eq(w.counting.counts[CF_OP_LIST], 1);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 1);
    ck_assert_uint_eq(counting_total(&w.counting), 2);
    cf_marker_release(&marker);
}
END_TEST

START_TEST(a_given_version_is_one_get)
{
    struct cf_marker marker;
    world_commit_many(&w.direct, 3, "x");
    ck_assert_int_eq(cf_dataset_at(&w.data, 2, &marker, &w.err), 0);
    ck_assert_uint_eq(marker.version, 2);
    ck_assert_uint_eq(counting_total(&w.counting), 1);
    cf_marker_release(&marker);
    ck_assert_int_eq(cf_dataset_at(&w.data, 4, &marker, &w.err), CF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(w.err.message, "no version 4 of repos"));
    counting_reset(&w.counting);
    ck_assert_int_eq(cf_dataset_at(&w.data, 0, &marker, &w.err), CF_EUSAGE);
    ck_assert_int_eq(cf_dataset_at(&w.data, CF_VERSION_MAX + 1, &marker, &w.err), CF_EUSAGE);
    ck_assert_uint_eq(counting_total(&w.counting), 0);
}
END_TEST

/* --- the object that the LIST saw ---------------------------------------------------------------
 */

static void write_again(void *context, struct cf_op *op)
{
    world_copy(context, op->key, op->key);
}

static void delete_it(void *context, struct cf_op *op)
{
    ck_assert_int_eq(cf_store_delete(((struct world *)context)->inner, op->key, &w.err), 0);
}

START_TEST(a_get_that_meets_another_object_resolves_again)
{
    struct cf_marker marker;
    world_commit_many(&w.direct, 3, "x");
    counting_fault(&w.counting, (struct fault){.kind = CF_OP_GET,
                                               .first = 1,
                                               .times = 2,
                                               .mode = FAULT_BEFORE,
                                               .call = _i ? delete_it : write_again,
                                               .context = &w});
    ck_assert_int_eq(cf_dataset_newest(&w.data, &marker, &w.err), 0);
    ck_assert_uint_eq(marker.version, _i ? 1 : 3);
    ck_assert_uint_eq(w.counting.counts[CF_OP_LIST], 3);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 3);
    cf_marker_release(&marker);
}
END_TEST

START_TEST(an_object_that_changes_for_ever_is_a_conflict)
{
    struct cf_marker marker;
    world_commit_many(&w.direct, 1, "x");
    counting_fault(&w.counting, (struct fault){.kind = CF_OP_GET,
                                               .first = 1,
                                               .mode = FAULT_BEFORE,
                                               .call = write_again,
                                               .context = &w});
    ck_assert_int_eq(cf_dataset_newest(&w.data, &marker, &w.err), CF_ECONFLICT);
    ck_assert_int_eq(w.err.code, CF_ECONFLICT);
    ck_assert_uint_le(w.counting.counts[CF_OP_GET], 64);
    ck_assert_ptr_null(marker.summary);
}
END_TEST

START_TEST(failures_of_the_store_are_passed_on)
{
    struct cf_marker marker;
    world_commit_many(&w.direct, 1, "x");
    counting_fault(&w.counting, (struct fault){.kind = _i ? CF_OP_GET : CF_OP_LIST,
                                               .first = 1,
                                               .mode = FAULT_FAIL,
                                               .code = CF_EUNAVAILABLE});
    ck_assert_int_eq(cf_dataset_newest(&w.data, &marker, &w.err), CF_EUNAVAILABLE);
    ck_assert_int_eq(w.err.code, CF_EUNAVAILABLE);
    ck_assert_uint_le(counting_total(&w.counting), 2);
}
END_TEST

/* --- markers that are wrong ---------------------------------------------------------------------
 */

static void expect_newest_is_bad(const char *key)
{
    struct cf_marker marker;
    ck_assert_int_eq(cf_dataset_newest(&w.data, &marker, &w.err), CF_EDATA);
    ck_assert_str_eq(w.err.key, key);
    ck_assert_msg(strstr(w.err.message, key) != NULL, "%s", w.err.message);
    ck_assert_ptr_null(marker.summary);
}

START_TEST(a_marker_under_another_key_is_refused)
{
    char first[CF_KEY_MAX];
    char second[CF_KEY_MAX];
    struct cf_dataset other;
    world_commit_many(&w.direct, 1, "x");
    cf_dataset_marker_key(&w.data, 1, first);
    cf_dataset_marker_key(&w.data, 2, second);
    world_copy(&w, first, second);
    expect_newest_is_bad(second);
    cf_dataset_init(&other, w.inner, "octocat", "bundle");
    (void)world_commit(&other, "y");
    (void)world_commit(&other, "z");
    cf_dataset_marker_key(&other, 2, first);
    world_copy(&w, first, second);
    expect_newest_is_bad(second);
    cf_dataset_init(&other, w.inner, "somebody", "repos");
    (void)world_commit(&other, "y");
    (void)world_commit(&other, "z");
    cf_dataset_marker_key(&other, 2, first);
    world_copy(&w, first, second);
    expect_newest_is_bad(second);
}
END_TEST

START_TEST(a_foreign_name_among_the_markers_is_told)
{
    static const char key[] = "tenants/octocat/repos/v/0.txt";
    world_commit_many(&w.direct, 1, "x");
    ck_assert_int_eq(cf_store_put(w.inner, key, "x", 1, &w.err), 0);
    expect_newest_is_bad(key);
}
END_TEST

START_TEST(a_marker_that_is_too_big_or_no_json_is_told)
{
    char key[CF_KEY_MAX];
    struct cf_marker marker;
    char *big = cf_calloc(1, CF_MARKER_MAX + 1);
    memset(big, ' ', CF_MARKER_MAX + 1);
    cf_dataset_marker_key(&w.data, 1, key);
    ck_assert_int_eq(cf_store_put(w.inner, key, big, CF_MARKER_MAX + 1, &w.err), 0);
    ck_assert_int_eq(cf_dataset_newest(&w.data, &marker, &w.err), CF_EDATA);
    ck_assert_str_eq(w.err.key, key);
    ck_assert_int_eq(cf_store_put(w.inner, key, big, CF_MARKER_MAX, &w.err), 0);
    expect_newest_is_bad(key);
    ck_assert_int_eq(cf_store_put(w.inner, key, "", 0, &w.err), 0);
    expect_newest_is_bad(key);
    free(big);
}
END_TEST

/* --- blobs --------------------------------------------------------------------------------------
 */

static void expect_blob(const struct cf_blob_ref *ref, int code, const char *key)
{
    struct cf_buf out = CF_BUF_INIT;
    ck_assert_int_eq(cf_dataset_blob(&w.data, ref, &out, &w.err), code);
    ck_assert_int_eq(w.err.code, code);
    ck_assert_str_eq(w.err.key, key);
    ck_assert_msg(strstr(w.err.message, key) != NULL, "%s", w.err.message);
    cf_buf_release(&out);
}

START_TEST(damaged_blobs_are_told_with_their_key)
{
    struct cf_blob_ref ref;
    char key[CF_KEY_MAX];
    struct cf_buf frame = CF_BUF_INIT;
    (void)world_commit(&w.direct, "payload,other");
    world_find_blob(&w.direct, "payload", &ref);
    cf_dataset_blob_key(&w.data, ref.version, ref.sha256, key);
    ck_assert_int_eq(cf_store_get(w.inner, key, &frame, &w.err), 0);
    for (size_t i = 0; i < frame.length; i++) { /* truncated */
        ck_assert_int_eq(cf_store_put(w.inner, key, frame.data, i, &w.err), 0);
        expect_blob(&ref, CF_EDATA, key);
    }
    for (size_t i = 0; i < frame.length; i++) { /* a bit turned over */
        struct cf_buf out = CF_BUF_INIT;
        ck_assert_int_eq(cf_store_put(w.inner, key, frame.data, frame.length, &w.err), 0);
        world_flip(&w, key, i);
        int rc = cf_dataset_blob(&w.data, &ref, &out, &w.err);
        ck_assert(rc == CF_EDATA || strcmp(out.data, "payload") == 0);
        cf_buf_release(&out);
    }
    static const char *const others[] = {"PAYLOAD", "payloads", "payloa", ""};
    for (size_t i = 0; i < 4; i++) { /* a good frame of something else */
        cf_buf_release(&frame);
        cf_zstd_compress(others[i], strlen(others[i]), &frame);
        ck_assert_int_eq(cf_store_put(w.inner, key, frame.data, frame.length, &w.err), 0);
        expect_blob(&ref, CF_EDATA, key);
    }
    cf_buf_release(&frame);
}
END_TEST

START_TEST(a_missing_blob_was_lost_or_collected)
{
    struct cf_blob_ref ref;
    struct cf_marker marker;
    char key[CF_KEY_MAX];
    (void)world_commit(&w.direct, "payload");
    world_find_blob(&w.direct, "payload", &ref);
    cf_dataset_blob_key(&w.data, ref.version, ref.sha256, key);
    ck_assert_int_eq(cf_store_delete(w.inner, key, &w.err), 0);
    expect_blob(&ref, CF_EDATA, key); /* nothing was ever collected: lost */
    world_commit_many(&w.direct, 3, "x");
    ck_assert_int_eq(cf_dataset_newest(&w.direct, &marker, &w.err), 0);
    struct cf_marker raised;
    ck_assert_int_eq(cf_commit_floor(&w.direct, &marker, 2, &world_producer, &raised, &w.err), 0);
    expect_blob(&ref, CF_ECONFLICT, key); /* its folder lies below the floor: read again */
    cf_marker_release(&marker);
    cf_marker_release(&raised);
}
END_TEST

START_TEST(many_blobs_come_in_the_order_that_was_asked)
{
    enum { MANY = 150 };
    struct cf_buf texts = CF_BUF_INIT;
    struct cf_blob_ref *refs = cf_calloc(MANY, sizeof(*refs));
    struct cf_buf *out = cf_calloc(MANY, sizeof(*out));
    char key[CF_KEY_MAX];
    for (int i = 0; i < MANY; i++) {
        cf_buf_printf(&texts, "%sblob-%d", i ? "," : "", i);
    }
    (void)world_commit(&w.direct, texts.data);
    for (int i = 0; i < MANY; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "blob-%d", i * 7 % MANY);
        world_find_blob(&w.direct, text, &refs[i]);
    }
    ck_assert_int_eq(cf_dataset_blobs(&w.data, refs, MANY, out, &w.err), 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], MANY);
    for (int i = 0; i < MANY; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "blob-%d", i * 7 % MANY);
        ck_assert_str_eq(out[i].data, text);
        cf_buf_release(&out[i]);
    }
    /* One that is missing among them is the one that is told. */
    cf_dataset_blob_key(&w.data, refs[100].version, refs[100].sha256, key);
    ck_assert_int_eq(cf_store_delete(w.inner, key, &w.err), 0);
    ck_assert_int_eq(cf_dataset_blobs(&w.data, refs, MANY, out, &w.err), CF_EDATA);
    ck_assert_str_eq(w.err.key, key);
    for (int i = 0; i < MANY; i++) {
        cf_buf_release(&out[i]);
    }
    ck_assert_int_eq(cf_dataset_blobs(&w.data, NULL, 0, NULL, &w.err), 0);
    refs[3].bytes = CF_BLOB_MAX + 1;
    counting_reset(&w.counting);
    ck_assert_int_eq(cf_dataset_blobs(&w.data, refs, MANY, out, &w.err), CF_EDATA);
    ck_assert_uint_eq(counting_total(&w.counting), 0);
    free(refs);
    free(out);
    cf_buf_release(&texts);
}
END_TEST

START_TEST(a_root_needs_its_array_of_blobs)
{
    static const struct {
        const char *root;
        const char *named;
    } bad[] = {
        {"{}", "\"blobs\""},
        {"{\"blobs\":{}}", "\"blobs\""},
        {"{\"blobs\":[1]}", "blobs[0]"},
        {"{\"blobs\":[{\"version\":1}]}", "blobs[0]"},
        {"{\"blobs\":[]", "JSON"},
        {"[]", "\"blobs\""},
    };
    struct cf_marker marker = {.version = 1};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cf_buf frame = CF_BUF_INIT;
        char key[CF_KEY_MAX];
        json_t *root = NULL;
        marker.root = (struct cf_blob_ref){.version = 1, .bytes = strlen(bad[i].root)};
        cf_sha256_hex(bad[i].root, strlen(bad[i].root), marker.root.sha256);
        cf_dataset_blob_key(&w.data, 1, marker.root.sha256, key);
        cf_zstd_compress(bad[i].root, strlen(bad[i].root), &frame);
        ck_assert_int_eq(cf_store_put(w.inner, key, frame.data, frame.length, &w.err), 0);
        ck_assert_int_eq(cf_dataset_root(&w.data, &marker, &root, &w.err), CF_EDATA);
        ck_assert_ptr_null(root);
        ck_assert_msg(strstr(w.err.message, bad[i].named) != NULL, "%s", w.err.message);
        ck_assert_msg(strstr(w.err.message, key) != NULL, "%s", w.err.message);
        cf_buf_release(&frame);
    }
}
END_TEST

Suite *contract_read_suite(void)
{
    Suite *suite = suite_create("contract_read");
    TCase *tc = tcase_create("read");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, keys_are_those_of_the_contract);
    tcase_add_test(tc, what_is_not_a_markers_key_has_no_version);
    tcase_add_test(tc, the_newest_version_is_one_list_and_one_get);
    tcase_add_test(tc, what_was_altered_on_the_way_is_read_once_more);
    tcase_add_test(tc, a_given_version_is_one_get);
    tcase_add_loop_test(tc, a_get_that_meets_another_object_resolves_again, 0, 2);
    tcase_add_test(tc, an_object_that_changes_for_ever_is_a_conflict);
    tcase_add_loop_test(tc, failures_of_the_store_are_passed_on, 0, 2);
    tcase_add_test(tc, a_marker_under_another_key_is_refused);
    tcase_add_test(tc, a_foreign_name_among_the_markers_is_told);
    tcase_add_test(tc, a_marker_that_is_too_big_or_no_json_is_told);
    tcase_add_test(tc, damaged_blobs_are_told_with_their_key);
    tcase_add_test(tc, a_missing_blob_was_lost_or_collected);
    tcase_add_test(tc, many_blobs_come_in_the_order_that_was_asked);
    tcase_add_test(tc, a_root_needs_its_array_of_blobs);
    suite_add_tcase(suite, tc);
    return suite;
}
