/* How much one query asks for. */
#include "jobs/sync/batch.h"

#include <check.h>

START_TEST(begins_with_what_worked)
{
    static const struct {
        uint64_t remembered;
        unsigned size;
    } starts[] = {{0, 20}, {1, 1}, {10, 10}, {19, 19}, {20, 20}, {21, 20}, {UINT64_MAX, 20}};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct sync_batch batch;
        sync_batch_init(&batch, 20, starts[i].remembered);
        ck_assert_uint_eq(batch.size, starts[i].size);
        ck_assert_uint_eq(batch.most, 20);
    }
}
END_TEST

START_TEST(is_halved_down_to_one)
{
    static const unsigned sizes[] = {10, 5, 2, 1};
    struct sync_batch batch;
    sync_batch_init(&batch, 20, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_assert(sync_batch_shrink(&batch));
        ck_assert_uint_eq(batch.size, sizes[i]);
    }
    ck_assert(!sync_batch_shrink(&batch));
    ck_assert_uint_eq(batch.size, 1);
}
END_TEST

static void pass(struct sync_batch *batch, int times)
{
    for (int i = 0; i < times; i++) {
        sync_batch_pass(batch);
    }
}

START_TEST(four_in_a_row_make_it_larger)
{
    struct sync_batch batch;
    sync_batch_init(&batch, 50, 0);
    ck_assert(sync_batch_shrink(&batch));
    pass(&batch, 3);
    ck_assert_uint_eq(batch.size, 25);
    ck_assert(sync_batch_shrink(&batch));
    pass(&batch, 3); /* the three before the failure don't count */
    ck_assert_uint_eq(batch.size, 12);
    pass(&batch, 1);
    ck_assert_uint_eq(batch.size, 24);
    pass(&batch, 4);
    ck_assert_uint_eq(batch.size, 48);
    pass(&batch, 4);
    ck_assert_uint_eq(batch.size, 50); /* and not more than the most */
    pass(&batch, 40);
    ck_assert_uint_eq(batch.size, 50);
}
END_TEST

START_TEST(the_next_run_begins_with_what_worked_or_more)
{
    struct sync_batch batch;
    sync_batch_init(&batch, 20, 0);
    ck_assert_uint_eq(sync_batch_next(&batch), 20);
    ck_assert(sync_batch_shrink(&batch));
    ck_assert_uint_eq(sync_batch_next(&batch), 10);
    sync_batch_init(&batch, 20, 5);
    ck_assert_uint_eq(sync_batch_next(&batch), 10);
    sync_batch_init(&batch, 20, 13);
    ck_assert_uint_eq(sync_batch_next(&batch), 20);
    sync_batch_init(&batch, 20, 1);
    ck_assert(!sync_batch_shrink(&batch));
    ck_assert_uint_eq(sync_batch_next(&batch), 1); /* one was too much even so */
    sync_batch_init(&batch, 20, 8);
    ck_assert(sync_batch_shrink(&batch));
    pass(&batch, 4);
    ck_assert_uint_eq(sync_batch_next(&batch), 8);
}
END_TEST

Suite *sync_batch_suite(void);

Suite *sync_batch_suite(void)
{
    Suite *suite = suite_create("sync_batch");
    TCase *tests = tcase_create("batch");
    tcase_add_test(tests, begins_with_what_worked);
    tcase_add_test(tests, is_halved_down_to_one);
    tcase_add_test(tests, four_in_a_row_make_it_larger);
    tcase_add_test(tests, the_next_run_begins_with_what_worked_or_more);
    suite_add_tcase(suite, tests);
    return suite;
}
