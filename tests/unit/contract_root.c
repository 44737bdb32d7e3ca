/* cloudfolio.json, the probe, and run records. */
#include <check.h>
#include <string.h>

#include "common/base/json.h"
#include "common/contract/root.h"
#include "common/contract/runs.h"
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

static void put_root(const char *text)
{
    ck_assert_int_eq(cf_store_put(w.inner, "cloudfolio.json", text, strlen(text), &w.err), 0);
}

START_TEST(a_fresh_store_is_probed_and_marked)
{
    struct cf_buf text = CF_BUF_INIT;
    json_t *document = NULL;
    int rc = cf_root_check(w.store, &w.err);
    ck_assert_msg(rc == 0, "%s", w.err.message);
    ck_assert_uint_eq(w.counting.counts[CF_OP_PUT_NEW], 8 + 2 + 1);
    ck_assert_uint_eq(world_count_keys(&w, ""), 1); /* what the probe wrote is gone */
    ck_assert_int_eq(cf_store_get(w.inner, "cloudfolio.json", &text, &w.err), 0);
    ck_assert_int_eq(cf_json_parse(text.data, text.length, "it", &document, &w.err), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(document, "contract")), 1);
    json_decref(document);
    cf_buf_release(&text);
    counting_reset(&w.counting);
    ck_assert_int_eq(cf_root_check(w.store, &w.err), 0);
    ck_assert_uint_eq(w.counting.counts[CF_OP_GET], 1);
    ck_assert_uint_eq(counting_total(&w.counting), 1);
}
END_TEST

static const struct {
    const char *text;
    int code;
    const char *named;
} documents[] = {
    {"{\"contract\":1}", 0, ""},
    {"{\"contract\":1,\"more\":[]}\n", 0, ""},
    {"{\"contract\":2}", CF_ECONFIG, "contract 2"},
    {"{\"contract\":0}", CF_ECONFIG, "contract 0"},
    {"{\"contract\":\"1\"}", CF_EDATA, "contract"},
    {"{}", CF_EDATA, "contract"},
    {"", CF_EDATA, "cloudfolio.json"},
    {"contract: 1", CF_EDATA, "cloudfolio.json"},
    {"{\"contract\":1,\"contract\":1}", CF_EDATA, "cloudfolio.json"},
};

START_TEST(another_contract_is_refused)
{
    put_root(documents[_i].text);
    ck_assert_int_eq(cf_root_check(w.store, &w.err), documents[_i].code);
    ck_assert_uint_eq(counting_total(&w.counting), 1);
    if (documents[_i].code) {
        ck_assert_int_eq(w.err.code, documents[_i].code);
        ck_assert_msg(strstr(w.err.message, documents[_i].named) != NULL, "%s", w.err.message);
    }
}
END_TEST

static void put_root_first(void *context, struct cf_op *op)
{
    (void)op;
    put_root(context);
}

START_TEST(two_programs_may_mark_a_store_at_once)
{
    static char same[] = "{\"contract\":1}";
    static char other[] = "{\"contract\":2}";
    counting_fault(&w.counting, (struct fault){.kind = CF_OP_PUT_NEW,
                                               .first = 11,
                                               .times = 1,
                                               .mode = FAULT_BEFORE,
                                               .call = put_root_first,
                                               .context = _i ? other : same});
    ck_assert_int_eq(cf_root_check(w.store, &w.err), _i ? CF_ECONFIG : 0);
}
END_TEST

/* --- stores that must not be committed to -------------------------------------------------------
 */

static void forget_condition(void *context, struct cf_op *op)
{
    (void)context;
    op->kind = CF_OP_PUT;
}

static void show_nothing(void *context, struct cf_op *op)
{
    (void)context;
    cf_op_release(op);
}

static void swap_names(void *context, struct cf_op *op)
{
    (void)context;
    char *first = op->listed[0].key;
    op->listed[0].key = op->listed[1].key;
    op->listed[1].key = first;
}

static const struct {
    struct fault fault;
    const char *why;
} bad_stores[] = {
    {{.kind = CF_OP_PUT_NEW, .first = 1, .mode = FAULT_BEFORE, .call = forget_condition}, "racing"},
    {{.kind = CF_OP_PUT_NEW,
      .first = 4,
      .times = 1,
      .mode = FAULT_BEFORE,
      .call = forget_condition},
     "racing"},
    {{.kind = CF_OP_PUT_NEW, .first = 10, .mode = FAULT_BEFORE, .call = forget_condition},
     "second writer"},
    {{.kind = CF_OP_PUT_NEW, .first = 1, .times = 8, .mode = FAULT_FAIL, .code = CF_ECONFLICT},
     "racing"},
    {{.kind = CF_OP_LIST, .first = 1, .mode = FAULT_AFTER, .call = show_nothing}, "LIST"},
    {{.kind = CF_OP_LIST, .first = 1, .mode = FAULT_AFTER, .call = swap_names}, "LIST"},
};

START_TEST(a_store_that_fails_the_probe_is_refused_with_the_reason)
{
    counting_fault(&w.counting, bad_stores[_i].fault);
    ck_assert_int_eq(cf_root_check(w.store, &w.err), CF_ECONFIG);
    ck_assert_msg(strstr(w.err.message, bad_stores[_i].why) != NULL, "%s", w.err.message);
    ck_assert_msg(strstr(w.err.message, "counting:test") != NULL, "%s", w.err.message);
    ck_assert_uint_eq(world_count_keys(&w, ""), 0);
}
END_TEST

START_TEST(a_driver_without_conditional_create_is_refused)
{
    struct counting counting;
    struct cf_store *store = counting_store(&counting, w.inner, false);
    ck_assert_int_eq(cf_root_probe(store, &w.err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(w.err.message, "conditional create"));
    ck_assert_uint_eq(counting_total(&counting), 0);
    cf_store_free(store);
}
END_TEST

START_TEST(failures_during_the_probe_are_passed_on)
{
    static const struct {
        enum cf_op_kind kind;
        size_t number;
    } moments[] = {{CF_OP_GET, 1},      {CF_OP_PUT_NEW, 3}, {CF_OP_PUT_NEW, 9},
                   {CF_OP_PUT_NEW, 10}, {CF_OP_LIST, 1},    {CF_OP_PUT_NEW, 11}};
    counting_fault(&w.counting, (struct fault){.kind = moments[_i].kind,
                                               .first = moments[_i].number,
                                               .times = 1,
                                               .mode = FAULT_FAIL,
                                               .code = CF_EDENIED});
    ck_assert_int_eq(cf_root_check(w.store, &w.err), CF_EDENIED);
    ck_assert_int_eq(w.err.code, CF_EDENIED);
    ck_assert_uint_eq(world_count_keys(&w, ""), 0);
}
END_TEST

/* --- run records --------------------------------------------------------------------------------
 */

static json_t *read_record(const char *key)
{
    struct cf_buf text = CF_BUF_INIT;
    json_t *document = NULL;
    ck_assert_int_eq(cf_store_get(w.inner, key, &text, &w.err), 0);
    ck_assert_int_eq(cf_json_parse(text.data, text.length, "it", &document, &w.err), 0);
    cf_buf_release(&text);
    return document;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "(none)";
}

static int64_t number_of(const json_t *object, const char *key)
{
    ck_assert_msg(json_is_integer(json_object_get(object, key)), "%s", key);
    return json_integer_value(json_object_get(object, key));
}

static const struct cf_run_record sample = {
    .job = "sync", .run = "run-1", .tenant = "octocat", .build = "b1", .started_ms = 1769903999123};

START_TEST(a_record_is_written_at_the_start)
{
    static const char key[] = "tenants/octocat/runs/2026-01-31/sync-run-1.json";
    struct cf_run_record r = sample;
    char built[CF_KEY_MAX];
    cf_run_record_key(&r, built);
    ck_assert_str_eq(built, key);
    ck_assert_int_eq(cf_run_record_put(w.store, &r, &w.err), 0);
    json_t *document = read_record(key);
    ck_assert_int_eq(number_of(document, "contract"), 1);
    ck_assert_str_eq(text_of(document, "job"), "sync");
    ck_assert_str_eq(text_of(document, "run"), "run-1");
    ck_assert_str_eq(text_of(document, "tenant"), "octocat");
    ck_assert_str_eq(text_of(document, "build"), "b1");
    ck_assert_str_eq(text_of(document, "started"), "2026-01-31T23:59:59.123Z");
    static const char *const nulls[] = {"ended", "exit_status", "outcome", "error"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_msg(json_is_null(json_object_get(document, nulls[i])), "%s", nulls[i]);
    }
    ck_assert_uint_eq(json_array_size(json_object_get(document, "inputs")), 0);
    json_decref(document);
}
END_TEST

START_TEST(a_record_is_written_again_at_the_end)
{
    struct cf_run_record r = sample;
    struct cf_marker marker = {.dataset = "repos", .version = 7};
    cf_sha256_hex("x", 1, marker.sha256);
    ck_assert_int_eq(cf_run_record_put(w.store, &r, &w.err), 0);
    r.ended_ms = r.started_ms + 1000; /* after midnight: the key stays */
    r.exit_status = 69;
    (void)cf_error_at(&r.error, CF_EUNAVAILABLE, "get", "a/b", "down \xff");
    r.error.http_status = 503;
    memcpy(r.error.service_code, "SlowDown", 9);
    memcpy(r.outcome, "failed", 7);
    r.github_requests = 11;
    r.github_points = 12;
    r.bytes_in = 13;
    r.bytes_out = 14;
    r.cpu_seconds = 1.5;
    r.peak_memory_bytes = 16;
    for (int i = 0; i < CF_INPUTS_MAX + 2; i++) {
        cf_run_record_input(&r, &marker);
        marker.version++;
    }
    cf_run_record_output(&r, &marker);
    ck_assert_int_eq(cf_run_record_put(w.store, &r, &w.err), 0);
    ck_assert_uint_eq(world_count_keys(&w, ""), 1);
    json_t *document = read_record("tenants/octocat/runs/2026-01-31/sync-run-1.json");
    const json_t *error = json_object_get(document, "error");
    const json_t *inputs = json_object_get(document, "inputs");
    const json_t *output = json_array_get(json_object_get(document, "outputs"), 0);
    ck_assert_str_eq(text_of(document, "ended"), "2026-02-01T00:00:00.123Z");
    ck_assert_int_eq(number_of(document, "exit_status"), 69);
    ck_assert_str_eq(text_of(document, "outcome"), "failed");
    ck_assert_str_eq(text_of(error, "code"), "unavailable");
    ck_assert_str_eq(text_of(error, "message"), "down \xef\xbf\xbd");
    ck_assert_str_eq(text_of(error, "operation"), "get");
    ck_assert_str_eq(text_of(error, "key"), "a/b");
    ck_assert_str_eq(text_of(error, "service_code"), "SlowDown");
    ck_assert_int_eq(number_of(error, "http_status"), 503);
    ck_assert_uint_eq(json_array_size(inputs), CF_INPUTS_MAX);
    ck_assert_int_eq(number_of(json_array_get(inputs, 0), "version"), 7);
    ck_assert_str_eq(text_of(output, "dataset"), "repos");
    ck_assert_int_eq(number_of(output, "version"), 7 + CF_INPUTS_MAX + 2);
    ck_assert_str_eq(text_of(output, "sha256"), marker.sha256);
    ck_assert_int_eq(number_of(document, "github_requests"), 11);
    ck_assert_int_eq(number_of(document, "github_points"), 12);
    ck_assert_int_eq(number_of(document, "bytes_in"), 13);
    ck_assert_int_eq(number_of(document, "bytes_out"), 14);
    ck_assert_double_eq(json_real_value(json_object_get(document, "cpu_seconds")), 1.5);
    ck_assert_int_eq(number_of(document, "peak_memory_bytes"), 16);
    json_decref(document);
}
END_TEST

START_TEST(run_ids_differ_and_sort_by_time)
{
    char before[CF_RUN_ID_MAX] = "";
    for (int i = 0; i < 100; i++) {
        char id[CF_RUN_ID_MAX];
        cf_run_id(id);
        ck_assert_uint_eq(strlen(id), 29);
        ck_assert_str_ne(id, before);
        ck_assert_int_ge(strncmp(id, before, 12), 0);
        char key[64] = "k/";
        strcat(key, id);
        ck_assert(cf_key_is_valid(key, false));
        memcpy(before, id, sizeof(id));
    }
}
END_TEST

START_TEST(a_record_that_cannot_be_written_is_told)
{
    counting_fault(
        &w.counting,
        (struct fault){.kind = CF_OP_PUT, .first = 1, .mode = FAULT_FAIL, .code = CF_EDENIED});
    ck_assert_int_eq(cf_run_record_put(w.store, &sample, &w.err), CF_EDENIED);
}
END_TEST

Suite *contract_root_suite(void)
{
    Suite *suite = suite_create("contract_root");
    TCase *tc = tcase_create("root");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_fresh_store_is_probed_and_marked);
    tcase_add_loop_test(tc, another_contract_is_refused, 0,
                        (int)(sizeof(documents) / sizeof(documents[0])));
    tcase_add_loop_test(tc, two_programs_may_mark_a_store_at_once, 0, 2);
    tcase_add_loop_test(tc, a_store_that_fails_the_probe_is_refused_with_the_reason, 0,
                        (int)(sizeof(bad_stores) / sizeof(bad_stores[0])));
    tcase_add_test(tc, a_driver_without_conditional_create_is_refused);
    tcase_add_loop_test(tc, failures_during_the_probe_are_passed_on, 0, 6);
    tcase_add_test(tc, a_record_is_written_at_the_start);
    tcase_add_test(tc, a_record_is_written_again_at_the_end);
    tcase_add_test(tc, run_ids_differ_and_sort_by_time);
    tcase_add_test(tc, a_record_that_cannot_be_written_is_told);
    suite_add_tcase(suite, tc);
    return suite;
}
