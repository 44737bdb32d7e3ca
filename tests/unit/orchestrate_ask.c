/* When a training is asked for, and where: against a store in memory. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/contract/collect.h"
#include "jobs/orchestrate/ask.h"

static struct cf_store *store;
static volatile int stop;
static const struct cf_producer producer = {"test", "build", "run"};

static void setup(void)
{
    struct cf_error err;
    ck_assert_int_eq(cf_store_open("memory:", &store, &err), 0);
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

static bool ask(struct cf_run *run, char digit, double gpu_work)
{
    struct orchestrate_bundle bundle;
    struct cf_error err = {0};
    bool asked = false;
    commit_bundle(digit, &bundle);
    ck_assert_msg(orchestrate_ask(run, &bundle, gpu_work, &asked, &err) == 0, "%s", err.message);
    orchestrate_bundle_release(&bundle);
    return asked;
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
    suite_add_tcase(suite, tc);
    return suite;
}
