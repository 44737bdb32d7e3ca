/* Which tenants a job works on. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/job/tenants.h"

static struct cf_selection s;
static struct cf_error err;
static const char *const datasets[] = {"request", "request-gpu", NULL};

static void setup(void)
{
    (void)unsetenv("AWS_BATCH_JOB_ARRAY_INDEX");
    (void)unsetenv("AWS_BATCH_JOB_ARRAY_SIZE");
    memset(&s, 0, sizeof(s));
}

static void teardown(void)
{
    cf_string_list_release(&s.tenants);
}

static void add(const char *tenant)
{
    cf_string_list_add(&s.tenants, tenant, strlen(tenant));
}

START_TEST(tenants_are_normalised)
{
    add("Octocat");
    add("dev_ACME");
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), 0);
    ck_assert_str_eq(s.tenants.items[0], "octocat");
    ck_assert_str_eq(s.tenants.items[1], "dev_acme");
    ck_assert_uint_eq(s.shard_count, 0);
}
END_TEST

START_TEST(a_bad_name_among_good_ones_is_told)
{
    add("octocat");
    add("../x");
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "../x"));
}
END_TEST

#define EVENT "tenants/octocat/request/v/7ffffffffffffffe"

START_TEST(exactly_one_way_to_choose)
{
    /* bits: --tenant, --all, --event; --shard goes with --all alone */
    for (unsigned ways = 0; ways < 8; ways++) {
        for (unsigned shard = 0; shard < 2; shard++) {
            bool good = ways == 2 || (!shard && (ways == 1 || ways == 4));
            if (ways & 1) {
                add("octocat");
            }
            s.all = ways & 2;
            s.event = ways & 4 ? EVENT : NULL;
            s.shard = shard ? "0/2" : NULL;
            int rc = cf_selection_check(&s, datasets, &err);
            ck_assert_msg(rc == (good ? 0 : CF_EUSAGE), "ways %u, shard %u: %d", ways, shard, rc);
            cf_string_list_release(&s.tenants);
        }
    }
}
END_TEST

START_TEST(an_event_names_tenant_dataset_and_version)
{
    s.event = "tenants/dev_acme/request-gpu/v/7fffffffffffffd5";
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), 0);
    ck_assert_uint_eq(s.tenants.count, 1);
    ck_assert_str_eq(s.tenants.items[0], "dev_acme");
    ck_assert_str_eq(s.event_dataset, "request-gpu");
    ck_assert_uint_eq(s.event_version, 42);
}
END_TEST

static const char *const bad_events[] = {
    "",
    "x",
    "tenants/octocat/request/v/",
    "tenants/octocat/request/v",
    "tenants/octocat/request/b/7ffffffffffffffe",
    "tenants/octocat/request/v/7fffffffffffffff",
    "tenants/octocat/request/v/7FFFFFFFFFFFFFFE",
    "tenants/octocat/request/v/7ffffffffffffffe/x",
    "tenants/octocat/request/v/7ffffffffffffffe ",
    "tenants/octocat/request/v/../v/7ffffffffffffffe",
    "tenants/octocat/bundle/v/7ffffffffffffffe",
    "tenants/octocat/request-cpu/v/7ffffffffffffffe",
    "tenants/octocat/request-gpu-and-a-very-long-name/v/7ffffffffffffffe",
    "tenants/Octocat/request/v/7ffffffffffffffe",
    "tenants/../request/v/7ffffffffffffffe",
    "tenants/./request/v/7ffffffffffffffe",
    "tenants//request/v/7ffffffffffffffe",
    "tenants/a--b/request/v/7ffffffffffffffe",
    "/tenants/octocat/request/v/7ffffffffffffffe",
    "prefix/tenants/octocat/request/v/7ffffffffffffffe",
    "shared/request/v/7ffffffffffffffe",
    "tenants/octocat/runs/2026-01-31/sync-1.json",
};

START_TEST(an_event_of_anything_else_is_bad_data)
{
    s.event = bad_events[_i];
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), CF_EDATA);
    ck_assert_int_eq(err.code, CF_EDATA);
    ck_assert_ptr_nonnull(strstr(err.message, "--event"));
    ck_assert_uint_eq(s.tenants.count, 0);
}
END_TEST

START_TEST(a_job_without_events_and_an_endless_key)
{
    static const char *const none[] = {NULL};
    char *endless = cf_asprintf("tenants/%01000d/request/v/7ffffffffffffffe", 1);
    s.event = EVENT;
    ck_assert_int_eq(cf_selection_check(&s, none, &err), CF_EDATA);
    ck_assert_int_eq(cf_selection_check(&s, NULL, &err), CF_EDATA);
    s.event = endless;
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), CF_EDATA);
    free(endless);
}
END_TEST

static const struct {
    const char *text;
    uint64_t index, count; /* 0: refused */
} shards[] = {
    {"0/1", 0, 1},     {"3/4", 3, 4},   {"9999/10000", 9999, 10000},
    {"", 0, 0},        {"1", 0, 0},     {"1/", 0, 0},
    {"/2", 0, 0},      {"2/2", 0, 0},   {"0/0", 0, 0},
    {"0/10001", 0, 0}, {"-1/2", 0, 0},  {"0/-2", 0, 0},
    {"+0/2", 0, 0},    {"0/2x", 0, 0},  {"0x0/2", 0, 0},
    {" 0/2", 0, 0},    {"0/2/3", 0, 0}, {"18446744073709551616/2", 0, 0},
};

START_TEST(shards_are_read)
{
    s.all = true;
    s.shard = shards[_i].text;
    int rc = cf_selection_check(&s, datasets, &err);
    ck_assert_int_eq(rc, shards[_i].count ? 0 : CF_EUSAGE);
    if (!rc) {
        ck_assert_uint_eq(s.shard_index, shards[_i].index);
        ck_assert_uint_eq(s.shard_count, shards[_i].count);
    } else {
        ck_assert_ptr_nonnull(strstr(err.message, "--shard"));
    }
}
END_TEST

START_TEST(array_jobs_give_the_shard)
{
    s.all = true;
    (void)setenv("AWS_BATCH_JOB_ARRAY_INDEX", "2", 1);
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), 0);
    ck_assert_uint_eq(s.shard_count, 0); /* without the size: everything */
    (void)setenv("AWS_BATCH_JOB_ARRAY_SIZE", "5", 1);
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), 0);
    ck_assert_uint_eq(s.shard_index, 2);
    ck_assert_uint_eq(s.shard_count, 5);
    s.shard = "0/3"; /* what is said wins */
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), 0);
    ck_assert_uint_eq(s.shard_count, 3);
    s.shard = NULL;
    (void)setenv("AWS_BATCH_JOB_ARRAY_INDEX", "5", 1);
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "AWS_BATCH_JOB_ARRAY_INDEX"));
    /* a job on one tenant doesn't care */
    s.all = false;
    add("octocat");
    ck_assert_int_eq(cf_selection_check(&s, datasets, &err), 0);
}
END_TEST

/* --- resolving ----------------------------------------------------------------------------------
 */

enum { TENANTS = 60 };

static struct cf_store *open_with_tenants(void)
{
    struct cf_store *store = NULL;
    static const char *const others[] = {"cloudfolio.json", "shared/base/v/7ffffffffffffffe",
                                         "tenants/loose-file", "tenants/a--b/config/v/x",
                                         "tenants/has.dot/config/v/x"};
    ck_assert_int_eq(cf_store_open("memory:", &store, &err), 0);
    for (int i = 0; i < TENANTS; i++) {
        char key[64];
        (void)snprintf(key, sizeof(key), "tenants/user-%02d/config/v/7ffffffffffffffe", i);
        ck_assert_int_eq(cf_store_put(store, key, "x", 1, &err), 0);
        (void)snprintf(key, sizeof(key), "tenants/user-%02d/repos/v/7ffffffffffffffe", i);
        ck_assert_int_eq(cf_store_put(store, key, "x", 1, &err), 0);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_int_eq(cf_store_put(store, others[i], "x", 1, &err), 0);
    }
    return store;
}

START_TEST(all_means_every_tenant_in_order)
{
    struct cf_store *store = open_with_tenants();
    s.all = true;
    ck_assert_int_eq(cf_selection_resolve(&s, store, &err), 0);
    ck_assert_uint_eq(s.tenants.count, TENANTS);
    for (size_t i = 0; i < TENANTS; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "user-%02zu", i);
        ck_assert_str_eq(s.tenants.items[i], name);
    }
    cf_store_free(store);
}
END_TEST

START_TEST(shards_are_complete_and_disjoint)
{
    static const uint64_t counts[] = {1, 2, 3, 7, 16, 100};
    struct cf_store *store = open_with_tenants();
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        unsigned seen[TENANTS] = {0};
        size_t largest = 0;
        for (uint64_t index = 0; index < counts[c]; index++) {
            struct cf_selection part = {
                .all = true, .shard_index = index, .shard_count = counts[c]};
            ck_assert_int_eq(cf_selection_resolve(&part, store, &err), 0);
            for (size_t i = 0; i < part.tenants.count; i++) {
                seen[strtoul(part.tenants.items[i] + 5, NULL, 10)]++;
            }
            largest = part.tenants.count > largest ? part.tenants.count : largest;
            cf_string_list_release(&part.tenants);
        }
        for (size_t i = 0; i < TENANTS; i++) {
            ck_assert_uint_eq(seen[i], 1);
        }
        ck_assert_uint_le(largest, 2 * TENANTS / counts[c] + 5); /* spread, not all in one */
    }
    cf_store_free(store);
}
END_TEST

START_TEST(without_all_nothing_is_looked_up)
{
    add("octocat");
    ck_assert_int_eq(cf_selection_resolve(&s, NULL, &err), 0);
    ck_assert_uint_eq(s.tenants.count, 1);
}
END_TEST

Suite *job_selection_suite(void)
{
    Suite *suite = suite_create("job_selection");
    TCase *tc = tcase_create("selection");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, tenants_are_normalised);
    tcase_add_test(tc, a_bad_name_among_good_ones_is_told);
    tcase_add_test(tc, exactly_one_way_to_choose);
    tcase_add_test(tc, an_event_names_tenant_dataset_and_version);
    tcase_add_loop_test(tc, an_event_of_anything_else_is_bad_data, 0,
                        (int)(sizeof(bad_events) / sizeof(bad_events[0])));
    tcase_add_test(tc, a_job_without_events_and_an_endless_key);
    tcase_add_loop_test(tc, shards_are_read, 0, (int)(sizeof(shards) / sizeof(shards[0])));
    tcase_add_test(tc, array_jobs_give_the_shard);
    tcase_add_test(tc, all_means_every_tenant_in_order);
    tcase_add_test(tc, shards_are_complete_and_disjoint);
    tcase_add_test(tc, without_all_nothing_is_looked_up);
    suite_add_tcase(suite, tc);
    return suite;
}
