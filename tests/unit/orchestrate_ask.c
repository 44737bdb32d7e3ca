/* When a training is asked for, and where: against a store in memory. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/contract/collect.h"
#include "jobs/orchestrate/ask.h"

static struct cf_store *store;
static volatile int stop;
static const struct cf_producer producer = {"test", "build", "run"};
static struct cf_finetune_options finetune;

static void setup(void)
{
    struct cf_error err;
    ck_assert_int_eq(cf_store_open("memory:", &store, &err), 0);
    finetune = cf_finetune_defaults;
}

static void teardown(void)
{
    cf_store_free(store);
}

static struct cf_run a_run(void)
{
    return (struct cf_run){
        .store = store, .tenant = "octocat", .producer = producer, .stop = &stop};
}

/* Commits a bundle of one entry whose content fingerprint consists of the given digit. */
static void commit_bundle(char digit, struct orchestrate_bundle *out)
{
    struct cf_dataset dataset;
    struct cf_error err;
    struct cf_bundle bundle = {.count = 1};
    struct cf_marker parent = {0};
    json_t *parent_root = NULL;
    bundle.login = cf_strdup("octocat");
    bundle.entries = cf_calloc(1, sizeof(*bundle.entries));
    bundle.entries[0].name = cf_strdup("a");
    bundle.entries[0].words = 100;
    memset(bundle.content_fingerprint, digit, 64);
    memset(bundle.entries[0].source, digit, 64);
    memset(bundle.entries[0].entry, digit, 64);
    memset(bundle.entries[0].content_fingerprint, digit, 64);
    cf_dataset_init(&dataset, store, "octocat", "bundle");
    bool first = cf_dataset_newest(&dataset, &parent, &err) == CF_ENOTFOUND;
    *out = (struct orchestrate_bundle){0};
    struct cf_commit *c = cf_commit_new(&dataset, first ? NULL : &parent, parent_root, &producer);
    ck_assert_int_eq(cf_commit_finish(c, cf_bundle_write(&bundle), bundle.content_fingerprint, NULL,
                                      &out->marker, &err),
                     0);
    cf_commit_free(c);
    cf_marker_release(&parent);
    out->bundle = bundle;
}

static bool ask_for(struct cf_run *run, const struct orchestrate_bundle *bundle, double gpu_work)
{
    const struct orchestrate_options options = {gpu_work, finetune};
    struct cf_error err = {0};
    bool asked = false;
    ck_assert_msg(orchestrate_ask(run, bundle, &options, &asked, &err) == 0, "%s", err.message);
    return asked;
}

static bool ask(struct cf_run *run, char digit, double gpu_work)
{
    struct orchestrate_bundle bundle;
    commit_bundle(digit, &bundle);
    bool asked = ask_for(run, &bundle, gpu_work);
    orchestrate_bundle_release(&bundle);
    return asked;
}

/* Commits a version of base-models in which name has the given weights. */
static void import(const char *name, const char *weights)
{
    struct cf_dataset dataset;
    struct cf_marker parent = {0};
    struct cf_marker marker;
    struct cf_error err;
    json_t *root = NULL;
    struct cf_buf data = CF_BUF_INIT;
    const struct cf_buf *const files[] = {&data};
    struct cf_base_model model = {.parameters = 1000,
                                  .imported_at = "2026-01-01T00:00:00.000Z",
                                  .files = {{"model.safetensors", "application/octet-stream", ""}},
                                  .file_count = 1};
    model.config = json_object();
    (void)snprintf(model.name, sizeof(model.name), "%s", name);
    cf_buf_puts(&data, weights);
    cf_sha256_hex(data.data, data.length, model.files[0].sha256);
    cf_base_models_dataset(&dataset, store);
    bool first = cf_base_models_newest(&dataset, &parent, &root, &err) == CF_ENOTFOUND;
    ck_assert_int_eq(cf_base_models_commit(&dataset, first ? NULL : &parent, root, &model, files,
                                           &producer, &marker, &err),
                     0);
    cf_base_model_release(&model);
    cf_marker_release(&parent);
    cf_marker_release(&marker);
    cf_buf_release(&data);
    json_decref(root);
}

/* The newest document of a dataset and its marker, both released by the caller. */
static void read_request(const char *name, struct cf_request *out, struct cf_marker *marker)
{
    struct cf_dataset dataset;
    struct cf_error err;
    json_t *root = NULL;
    cf_dataset_init(&dataset, store, "octocat", name);
    ck_assert_int_eq(cf_dataset_newest(&dataset, marker, &err), 0);
    ck_assert_int_eq(cf_dataset_root(&dataset, marker, &root, &err), 0);
    ck_assert_int_eq(cf_request_read(root, out, &err), 0);
    json_decref(root);
}

static uint64_t turn_of(const char *name)
{
    struct cf_request request;
    struct cf_marker marker;
    read_request(name, &request, &marker);
    uint64_t turn = request.turn;
    cf_request_release(&request);
    cf_marker_release(&marker);
    return turn;
}

static uint64_t newest(const char *name, char request[CF_SHA256_HEX])
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_error err;
    cf_dataset_init(&dataset, store, "octocat", name);
    int rc = cf_dataset_newest(&dataset, &marker, &err);
    uint64_t version = rc ? 0 : marker.version;
    if (!rc && request) {
        memcpy(request, marker.request, CF_SHA256_HEX);
    }
    cf_marker_release(&marker);
    return version;
}

static void commit_model(const char *request)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_error err;
    cf_dataset_init(&dataset, store, "octocat", "model");
    struct cf_commit *c = cf_commit_new(&dataset, NULL, NULL, &producer);
    ck_assert_int_eq(cf_commit_finish(c, json_object(), request, NULL, &marker, &err), 0);
    cf_marker_release(&marker);
    cf_commit_free(c);
}

START_TEST(new_content_asks_once)
{
    struct cf_run run = a_run();
    ck_assert(ask(&run, 'a', 1e13));
    ck_assert(!ask(&run, 'a', 1e13)); /* a later bundle with the same content */
    ck_assert_uint_eq(newest("request", NULL), 1);
    ck_assert(ask(&run, 'b', 1e13));
    ck_assert(ask(&run, 'a', 1e13)); /* back to what was trained before the last */
    ck_assert_uint_eq(newest("request", NULL), 3);
    ck_assert_uint_eq(newest("request-gpu", NULL), 0);
}
END_TEST

START_TEST(much_work_goes_to_the_gpu)
{
    struct cf_run run = a_run();
    double work = 100.0 * 65536;
    ck_assert(ask(&run, 'a', work - 1));
    ck_assert_uint_eq(newest("request-gpu", NULL), 1);
    ck_assert_uint_eq(newest("request", NULL), 0);
    ck_assert(!ask(&run, 'a', work)); /* asked already, though the threshold has moved */
    ck_assert(ask(&run, 'b', work));
    ck_assert_uint_eq(newest("request", NULL), 1);
    ck_assert(ask(&run, 'a', work)); /* the newest of both datasets counts: that was b */
    ck_assert_uint_eq(newest("request", NULL), 2);
}
END_TEST

START_TEST(force_and_dry_run)
{
    struct cf_run run = a_run();
    run.dry_run = true;
    ck_assert(ask(&run, 'a', 1e13));
    ck_assert_uint_eq(newest("request", NULL), 0);
    run.dry_run = false;
    ck_assert(ask(&run, 'a', 1e13));
    run.force = true;
    ck_assert(ask(&run, 'a', 1e13));
    ck_assert_uint_eq(newest("request", NULL), 2);
}
END_TEST

/* A request that pins a collected bundle is issued again, unless its model is there. */
START_TEST(stale_requests_are_issued_again)
{
    struct cf_run run = a_run();
    struct cf_dataset bundles;
    struct cf_collected collected;
    struct cf_error err;
    char request[CF_SHA256_HEX];
    ck_assert(ask(&run, 'a', 1e13));
    for (int i = 0; i < 2 * CF_COLLECT_KEEP; i++) {
        ck_assert(!ask(&run, 'a', 1e13));
    }
    cf_dataset_init(&bundles, store, "octocat", "bundle");
    ck_assert_int_eq(cf_collect(&bundles, CF_COLLECT_KEEP, false, &producer, &collected, &err), 0);
    ck_assert_uint_gt(collected.floor, 1);
    ck_assert(ask(&run, 'a', 1e13));
    ck_assert_uint_eq(newest("request", request), 2);

    commit_model(request);
    for (int i = 0; i < 2 * CF_COLLECT_KEEP; i++) {
        ck_assert(!ask(&run, 'a', 1e13));
    }
    ck_assert_int_eq(cf_collect(&bundles, CF_COLLECT_KEEP, false, &producer, &collected, &err), 0);
    ck_assert(!ask(&run, 'a', 1e13));
}
END_TEST

START_TEST(base_models_are_pinned)
{
    struct cf_run run = a_run();
    struct cf_request request;
    struct cf_marker marker;
    char weights[CF_SHA256_HEX];
    char hash[CF_SHA256_HEX];
    char text[256];
    (void)strcpy(run.config.base_model, "mini");
    import("other", "0");
    import("mini", "1");
    finetune.epochs = 7;
    ck_assert(ask(&run, 'a', 1e13));
    read_request("request", &request, &marker);
    cf_sha256_hex("1", 1, weights);
    (void)snprintf(text, sizeof(text), "{\"model.safetensors\":\"%s\"}", weights);
    cf_sha256_hex(text, strlen(text), hash);
    ck_assert_str_eq(request.base_model, "mini");
    ck_assert_str_eq(request.base_model_sha256, hash);
    ck_assert_uint_eq(request.base_model_parameters, 1000);
    ck_assert_uint_eq(request.finetune.epochs, 7);
    ck_assert_uint_eq(request.finetune.batch, cf_finetune_defaults.batch);
    ck_assert_double_eq(request.work, 100.0 * 7 * 1000); /* words × epochs × parameters */
    ck_assert_uint_eq(request.turn, 0);
    cf_request_hash(&request, hash);
    ck_assert_str_eq(marker.request, hash);
    ck_assert_uint_eq(marker.input_count, 2);
    ck_assert_str_eq(marker.inputs[0].dataset, "bundle");
    ck_assert_str_eq(marker.inputs[1].dataset, "base-models");
    ck_assert_uint_eq(marker.inputs[1].version, 2);
    ck_assert_uint_eq(run.record.input_count, 1);
    ck_assert_str_eq(run.record.inputs[0].dataset, "base-models");
    cf_request_release(&request);
    cf_marker_release(&marker);
}
END_TEST

/* What a training is made of is asked for once; any other base model or option is asked for, though
 * the content is the same. */
START_TEST(another_base_model_asks_again)
{
    struct cf_run run = a_run();
    struct orchestrate_bundle bundle;
    commit_bundle('a', &bundle);
    import("mini", "1");
    ck_assert(ask_for(&run, &bundle, 1e13));
    ck_assert(!ask_for(&run, &bundle, 1e13));
    finetune.rate = 1e-3F;
    ck_assert(!ask_for(&run, &bundle, 1e13)); /* without a base model nothing is fine-tuned */
    (void)strcpy(run.config.base_model, "mini");
    ck_assert(ask_for(&run, &bundle, 1e13));
    ck_assert(!ask_for(&run, &bundle, 1e13));
    import("other", "1"); /* which nobody chose */
    ck_assert(!ask_for(&run, &bundle, 1e13));
    (void)strcpy(run.config.base_model, "other");
    ck_assert(ask_for(&run, &bundle, 1e13));
    import("other", "2");
    ck_assert(ask_for(&run, &bundle, 1e13));
    ck_assert(!ask_for(&run, &bundle, 1e13));
    finetune.rate = 2e-3F;
    ck_assert(ask_for(&run, &bundle, 1e13));
    *run.config.base_model = '\0';
    ck_assert(ask_for(&run, &bundle, 1e13));
    ck_assert(!ask_for(&run, &bundle, 1e13));
    ck_assert_uint_eq(newest("request", NULL), 6);
    ck_assert_uint_eq(turn_of("request"), 0); /* there is none in the other dataset */
    orchestrate_bundle_release(&bundle);
}
END_TEST

START_TEST(base_models_that_are_not_there)
{
    struct cf_run run = a_run();
    struct orchestrate_bundle bundle;
    const struct orchestrate_options options = {1e13, finetune};
    struct cf_error err = {0};
    bool asked = true;
    commit_bundle('a', &bundle);
    (void)strcpy(run.config.base_model, "mini");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(orchestrate_ask(&run, &bundle, &options, &asked, &err), CF_EDATA);
        ck_assert_ptr_nonnull(strstr(err.message, "config of octocat"));
        ck_assert_ptr_nonnull(strstr(err.message, "\"mini\""));
        ck_assert_ptr_nonnull(strstr(err.message, "cloudfolio model list"));
        ck_assert(!asked);
        ck_assert_uint_eq(newest("request", NULL), 0);
        import("minis", "1"); /* first there are none, then another */
    }
    ck_assert_uint_eq(run.record.input_count, 0);
    import("mini", "1");
    ck_assert(ask_for(&run, &bundle, 1e13));
    orchestrate_bundle_release(&bundle);
}
END_TEST

/* With and without a base model the work differs, and with it the dataset: of two requests that pin
 * the same bundle, the one that was asked for last counts. */
START_TEST(turns)
{
    struct cf_run run = a_run();
    struct orchestrate_bundle bundle;
    commit_bundle('a', &bundle);
    import("mini", "1");
    finetune.epochs = 100; /* a work of 10^7, without a base model 6.5536 × 10^6 */
    for (uint64_t i = 0; i < 6; i++) {
        (void)strcpy(run.config.base_model, i % 2 ? "" : "mini");
        ck_assert(ask_for(&run, &bundle, 8e6));
        ck_assert(!ask_for(&run, &bundle, 8e6));
        ck_assert_uint_eq(turn_of(i % 2 ? "request" : "request-gpu"), i);
        ck_assert_uint_eq(newest("request-gpu", NULL), i / 2 + 1);
        ck_assert_uint_eq(newest("request", NULL), (i + 1) / 2);
    }
    finetune.epochs = 101;
    (void)strcpy(run.config.base_model, "mini");
    ck_assert(ask_for(&run, &bundle, 8e6));
    finetune.epochs = 102; /* once more in the dataset whose turn it is already */
    ck_assert(ask_for(&run, &bundle, 8e6));
    ck_assert_uint_eq(turn_of("request-gpu"), 6);
    ck_assert(!ask_for(&run, &bundle, 8e6));
    orchestrate_bundle_release(&bundle);
    *run.config.base_model = '\0';
    ck_assert(ask(&run, 'a', 8e6)); /* a later bundle says by itself that it is later */
    ck_assert_uint_eq(turn_of("request"), 0);
}
END_TEST

Suite *orchestrate_ask_suite(void)
{
    Suite *suite = suite_create("orchestrate: requests");
    TCase *tc = tcase_create("ask");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, new_content_asks_once);
    tcase_add_test(tc, much_work_goes_to_the_gpu);
    tcase_add_test(tc, force_and_dry_run);
    tcase_add_test(tc, stale_requests_are_issued_again);
    tcase_add_test(tc, base_models_are_pinned);
    tcase_add_test(tc, another_base_model_asks_again);
    tcase_add_test(tc, base_models_that_are_not_there);
    tcase_add_test(tc, turns);
    suite_add_tcase(suite, tc);
    return suite;
}
