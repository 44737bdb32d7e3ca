/* The options of a fine-tuning: their JSON, to the bit of every float, and the list of an option.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/portfolio/finetune.h"

static void expect_bytes(const struct cf_finetune_options *options, const char *text)
{
    struct cf_buf bytes = CF_BUF_INIT;
    json_t *json = cf_finetune_to_json(options);
    cf_json_dump(json, &bytes);
    ck_assert_str_eq(cf_buf_str(&bytes), text);
    cf_buf_release(&bytes);
    json_decref(json);
}

static bool equal(const struct cf_finetune_options *a, const struct cf_finetune_options *b)
{
    return a->batch == b->batch && a->epochs == b->epochs && a->seed == b->seed &&
           a->pairs == b->pairs && a->hard_negatives == b->hard_negatives &&
           memcmp(&a->rate, &b->rate, sizeof(a->rate)) == 0 &&
           memcmp(&a->warmup, &b->warmup, sizeof(a->warmup)) == 0 &&
           memcmp(&a->decay, &b->decay, sizeof(a->decay)) == 0 &&
           memcmp(&a->clip, &b->clip, sizeof(a->clip)) == 0 &&
           memcmp(&a->dropout, &b->dropout, sizeof(a->dropout)) == 0;
}

static int read_text(const char *text, struct cf_finetune_options *out, struct cf_error *err)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(json);
    int rc = cf_finetune_from_json(json, out, err);
    json_decref(json);
    return rc;
}

/* The bytes are part of a request's hash: these must stay. */
START_TEST(defaults)
{
    struct cf_finetune_options o;
    struct cf_error err;
    ck_assert_int_eq(cf_finetune_check(&cf_finetune_defaults, &err), 0);
    expect_bytes(&cf_finetune_defaults,
                 "{\"batch\":8,\"clip\":1.0,\"decay\":0.01,\"dropout\":0.10000000000000001,"
                 "\"epochs\":2,\"hard_negatives\":false,\"pairs\":150,"
                 "\"rate\":2.0000000000000002e-5,\"seed\":1,\"warmup\":0.10000000000000001}");
    ck_assert_int_eq(read_text("{}", &o, &err), 0);
    ck_assert(equal(&o, &cf_finetune_defaults));
    ck_assert_int_eq(read_text("{\"seed\":5}", &o, &err), 0);
    ck_assert_uint_eq(o.seed, 5);
    o.seed = 1;
    ck_assert(equal(&o, &cf_finetune_defaults));
}
END_TEST

static struct cf_finetune_options round_trip(const struct cf_finetune_options *options)
{
    struct cf_finetune_options again;
    struct cf_error err;
    struct cf_buf bytes = CF_BUF_INIT;
    json_t *parsed = NULL;
    json_t *json = cf_finetune_to_json(options);
    cf_json_dump(json, &bytes);
    ck_assert_int_eq(cf_json_parse(bytes.data, bytes.length, "options", &parsed, &err), 0);
    ck_assert_msg(cf_finetune_from_json(parsed, &again, &err) == 0, "%s: %s", bytes.data,
                  err.message);
    json_decref(parsed);
    json_decref(json);
    cf_buf_release(&bytes);
    return again;
}

/* Floats of every magnitude: those with few digits, those that need all nine, their neighbours. */
START_TEST(floats_survive)
{
    struct cf_finetune_options o = cf_finetune_defaults;
    uint32_t state = 1;
    for (int i = 0; i < 2000; i++) {
        state = state * 1664525U + 1013904223U;
        uint32_t bits = state % 0x3f800000U; /* below 1, denormal ones among them */
        memcpy(&o.rate, &bits, sizeof(o.rate));
        o.warmup = nextafterf(o.rate, 1);
        o.clip = o.rate * 1e9F;
        o.decay = (float)(i % 1000) / 1000;
        o.dropout = i % 2 ? 0.99F : 0;
        struct cf_finetune_options again = round_trip(&o);
        ck_assert_msg(equal(&again, &o), "%a", (double)o.rate);
    }
}
END_TEST

START_TEST(extremes_survive)
{
    struct cf_finetune_options o = {1024, 1000, 1, 1, 1, 1e9F, 0.99F, INT64_MAX, true, 100000};
    struct cf_finetune_options least = {.batch = 2, .epochs = 1, .pairs = 2};
    struct cf_finetune_options again = round_trip(&o);
    ck_assert(equal(&again, &o));
    again = round_trip(&least);
    ck_assert(equal(&again, &least));
}
END_TEST

static const struct {
    const char *field, *json, *text; /* what can't be, as JSON and in a list; NULL: can't be said */
} wrong[] = {
    {"batch", "1", "1"},
    {"batch", "1025", "1025"},
    {"batch", "2.0", "2.0"},
    {"batch", "-2", "-2"},
    {"batch", "true", "x"},
    {"batch", "\"8\"", "+8"},
    {"batch", "null", " 8"},
    {"epochs", "0", "0"},
    {"epochs", "1001", "1001"},
    {"rate", "-1e-5", "-1e-5"},
    {"rate", "1.001", "1.001"},
    {"rate", "\"1\"", "nan"},
    {"rate", "1e300", "1e300"},
    {"warmup", "1.5", "1.5"},
    {"decay", "2", "2"},
    {"decay", "true", "0x1p-1"},
    {"clip", "1000000100", "1000000100"},
    {"clip", "{}", "inf"},
    {"clip", "[]", "1e"},
    {"dropout", "0.991", "0.991"},
    {"dropout", "1", "."},
    {"seed", "-1", "-1"},
    {"seed", "1.5", "9223372036854775808"},
    {"seed", "\"1\"", "18446744073709551617"},
    {"hard_negatives", "1", "true"},
    {"hard_negatives", "null", "2"},
    {"hard_negatives", "\"1\"", "01"},
    {"pairs", "1", "1"},
    {"pairs", "100001", "100001"},
    {"pairs", "150.5", ""},
    {"Epochs", "2", "2"},
    {"epoch", "2", "2"},
    {"epochss", "2", "2"},
    {"", "2", "2"},
};

START_TEST(refused)
{
    struct cf_finetune_options o = cf_finetune_defaults;
    struct cf_error err = {0};
    char text[128];
    o.batch = 77;
    const struct cf_finetune_options before = o;
    (void)snprintf(text, sizeof(text), "{\"epochs\":9,\"%s\":%s}", wrong[_i].field, wrong[_i].json);
    if (strcmp(wrong[_i].field, "epochs") == 0) {
        (void)snprintf(text, sizeof(text), "{\"epochs\":%s}", wrong[_i].json);
    }
    ck_assert_msg(read_text(text, &o, &err) == CF_EDATA, "%s", text);
    (void)snprintf(text, sizeof(text), "\"%s\"", wrong[_i].field);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    (void)snprintf(text, sizeof(text), "seed=9,%s=%s,pairs=3", wrong[_i].field, wrong[_i].text);
    ck_assert_msg(cf_finetune_parse(text, &o, &err) == CF_EUSAGE, "%s", text);
    (void)snprintf(text, sizeof(text), "\"%s=%s\"", wrong[_i].field, wrong[_i].text);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    ck_assert(equal(&o, &before));
}
END_TEST

START_TEST(not_an_object)
{
    struct cf_finetune_options o;
    struct cf_error err;
    ck_assert_int_eq(read_text("[]", &o, &err), CF_EDATA);
    ck_assert_int_eq(cf_finetune_from_json(NULL, &o, &err), CF_EDATA);
}
END_TEST

START_TEST(checked)
{
    struct cf_error err;
    struct cf_finetune_options o = cf_finetune_defaults;
    o.clip = NAN;
    ck_assert_int_eq(cf_finetune_check(&o, &err), CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "\"clip\""));
    o = cf_finetune_defaults;
    o.seed = UINT64_MAX;
    ck_assert_int_eq(cf_finetune_check(&o, &err), CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "\"seed\""));
    o = cf_finetune_defaults;
    o.pairs = 1;
    ck_assert_int_eq(cf_finetune_check(&o, &err), CF_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "\"pairs\" must be a whole number from 2 to 100000"));
}
END_TEST

START_TEST(list_of_all)
{
    struct cf_finetune_options o = cf_finetune_defaults;
    struct cf_finetune_options all = {16, 3, 3e-5F, 0, 0.5F, 0, 0.25F, 7, true, 400};
    struct cf_error err;
    ck_assert_int_eq(cf_finetune_parse("", &o, &err), 0);
    ck_assert(equal(&o, &cf_finetune_defaults));
    ck_assert_int_eq(cf_finetune_parse("batch=16,epochs=3,rate=3e-5,warmup=0,decay=.5,clip=0,"
                                       "dropout=0.25,seed=7,hard_negatives=1,pairs=400",
                                       &o, &err),
                     0);
    ck_assert(equal(&o, &all));
    ck_assert_int_eq(cf_finetune_parse("hard_negatives=0", &o, &err), 0); /* of what is there */
    all.hard_negatives = false;
    ck_assert(equal(&o, &all));
}
END_TEST

START_TEST(broken_lists)
{
    static const struct {
        const char *list, *text;
    } lists[] = {{"epochs", "\"epochs\" is not NAME=VALUE"},
                 {"epochs=3,", "\"\" is not NAME=VALUE"},
                 {",epochs=3", "\"\" is not NAME=VALUE"},
                 {"epochs=3,,batch=4", "\"\" is not NAME=VALUE"},
                 {"epochs=3 ,batch=4", "\"epochs=3 \""},
                 {"epochs=3, batch=4", "\" batch=4\""},
                 {"epochs=3,batch=4,epochs=3", "\"epochs=3\": \"epochs\" is given twice"},
                 {"epochs==3", "\"epochs==3\""},
                 {"epochs=33333333333333333333333333333333333333333333333333333333333333333333333",
                  "epochs"}};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct cf_finetune_options o = cf_finetune_defaults;
        struct cf_error err = {0};
        ck_assert_msg(cf_finetune_parse(lists[i].list, &o, &err) == CF_EUSAGE, "%s", lists[i].list);
        ck_assert_msg(strstr(err.message, lists[i].text) != NULL, "%s", err.message);
        ck_assert(equal(&o, &cf_finetune_defaults));
    }
}
END_TEST

Suite *portfolio_finetune_suite(void)
{
    Suite *suite = suite_create("portfolio: fine-tuning");
    TCase *tc = tcase_create("options");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, defaults);
    tcase_add_test(tc, floats_survive);
    tcase_add_test(tc, extremes_survive);
    tcase_add_loop_test(tc, refused, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(tc, not_an_object);
    tcase_add_test(tc, checked);
    tcase_add_test(tc, list_of_all);
    tcase_add_test(tc, broken_lists);
    suite_add_tcase(suite, tc);
    return suite;
}
