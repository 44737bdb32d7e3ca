/* The URLs of S3 stores, and what the environment adds to them. */
#include "common/store/s3_config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void no_environment(void)
{
    static const char *const names[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION",
                                        "AWS_DEFAULT_REGION"};
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)unsetenv(names[i]);
    }
}

static const struct {
    const char *rest, *endpoint, *other_endpoint, *region, *default_region;
    const char *origin, *host, *path, *prefix, *expected_region;
} good[] = {
    {"//my-bucket", NULL, NULL, NULL, NULL, "https://my-bucket.s3.us-east-1.amazonaws.com",
     "my-bucket.s3.us-east-1.amazonaws.com", "/", "", "us-east-1"},
    {"//my-bucket/a/b/", NULL, NULL, "eu-west-3", "us-west-1",
     "https://my-bucket.s3.eu-west-3.amazonaws.com", "my-bucket.s3.eu-west-3.amazonaws.com", "/",
     "a/b/", "eu-west-3"},
    {"//my.bucket///a//", NULL, NULL, "", "eu-west-3", "https://s3.eu-west-3.amazonaws.com",
     "s3.eu-west-3.amazonaws.com", "/my.bucket/", "a/", "eu-west-3"},
    {"//My_Bucket", NULL, NULL, NULL, NULL, "https://s3.us-east-1.amazonaws.com",
     "s3.us-east-1.amazonaws.com", "/My_Bucket/", "", "us-east-1"},
    {"//bucket", NULL, NULL, "cn-north-1", NULL, "https://bucket.s3.cn-north-1.amazonaws.com.cn",
     "bucket.s3.cn-north-1.amazonaws.com.cn", "/", "", "cn-north-1"},
    {"//bucket/x", "http://127.0.0.1:9000", "https://not.this", NULL, NULL, "http://127.0.0.1:9000",
     "127.0.0.1:9000", "/bucket/", "x/", "us-east-1"},
    {"//bucket", NULL, "https://Store.example.org:443/", "r-1", NULL, "https://store.example.org",
     "store.example.org", "/bucket/", "", "r-1"},
    {"//bucket", "https://example.org:8443/base/s3/", NULL, NULL, NULL, "https://example.org:8443",
     "example.org:8443", "/base/s3/bucket/", "", "us-east-1"},
    {"//bucket", "http://localhost:80", NULL, NULL, NULL, "http://localhost", "localhost",
     "/bucket/", "", "us-east-1"},
    {"//bucket", "http://[::1]:7480", NULL, NULL, NULL, "http://[::1]:7480", "[::1]:7480",
     "/bucket/", "", "us-east-1"},
};

static void set(const char *name, const char *value)
{
    if (value) {
        ck_assert_int_eq(setenv(name, value, 1), 0);
    }
}

START_TEST(stores_are_found)
{
    struct cf_s3_config config;
    struct cf_error err;
    no_environment();
    set("AWS_ENDPOINT_URL_S3", good[_i].endpoint);
    set("AWS_ENDPOINT_URL", good[_i].other_endpoint);
    set("AWS_REGION", good[_i].region);
    set("AWS_DEFAULT_REGION", good[_i].default_region);
    int rc = cf_s3_config_read(good[_i].rest, &config, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_str_eq(config.origin, good[_i].origin);
    ck_assert_str_eq(config.host, good[_i].host);
    ck_assert_str_eq(config.path, good[_i].path);
    ck_assert_str_eq(config.prefix, good[_i].prefix);
    ck_assert_str_eq(config.region, good[_i].expected_region);
    cf_s3_config_release(&config);
}
END_TEST

static const struct {
    const char *rest, *endpoint, *region;
    int code;
} bad[] = {
    {"", NULL, NULL, CF_EUSAGE},
    {"/bucket", NULL, NULL, CF_EUSAGE},
    {"//", NULL, NULL, CF_EUSAGE},
    {"///key", NULL, NULL, CF_EUSAGE},
    {"//ab", NULL, NULL, CF_EUSAGE},
    {"//-abc", NULL, NULL, CF_EUSAGE},
    {"//abc.", NULL, NULL, CF_EUSAGE},
    {"//a..b", NULL, NULL, CF_EUSAGE},
    {"//user@host", NULL, NULL, CF_EUSAGE},
    {"//buck%65t", NULL, NULL, CF_EUSAGE},
    {"//bucket?x", NULL, NULL, CF_EUSAGE},
    {"//b\xc3\xbc"
     "cket",
     NULL, NULL, CF_EUSAGE},
    {"//0123456789012345678901234567890123456789012345678901234567890123", NULL, NULL, CF_EUSAGE},
    {"//bucket/Upper", NULL, NULL, CF_EUSAGE},
    {"//bucket/a//b", NULL, NULL, CF_EUSAGE},
    {"//bucket/../b", NULL, NULL, CF_EUSAGE},
    {"//bucket/a?b", NULL, NULL, CF_EUSAGE},
    {"//bucket", "http://store.example.org", NULL, CF_ECONFIG},
    {"//bucket", "http://169.254.169.254", NULL, CF_ECONFIG},
    {"//bucket", "ftp://127.0.0.1", NULL, CF_ECONFIG},
    {"//bucket", "https://user:password@example.org", NULL, CF_ECONFIG},
    {"//bucket", "https://example.org/?x=1", NULL, CF_ECONFIG},
    {"//bucket", "https://example.org/#x", NULL, CF_ECONFIG},
    {"//bucket", "https://example.org/a%20b", NULL, CF_ECONFIG},
    {"//bucket", "https://store..example.org", NULL, CF_ECONFIG},
    {"//bucket", "https://st\x9are.example.org", NULL, CF_ECONFIG},
    {"//bucket", "store", NULL, CF_ECONFIG},
    {"//bucket", NULL, "EU", CF_ECONFIG},
    {"//bucket", NULL, "us east", CF_ECONFIG},
    {"//bucket", NULL, "evil.example.org/", CF_ECONFIG},
};

START_TEST(what_is_wrong_is_refused)
{
    struct cf_s3_config config;
    struct cf_error err = {0};
    no_environment();
    set("AWS_ENDPOINT_URL_S3", bad[_i].endpoint);
    set("AWS_REGION", bad[_i].region);
    ck_assert_int_eq(cf_s3_config_read(bad[_i].rest, &config, &err), bad[_i].code);
    ck_assert_int_eq(err.code, bad[_i].code);
    ck_assert_ptr_null(strstr(err.message, "password"));
    ck_assert_ptr_null(config.origin);
}
END_TEST

START_TEST(a_long_prefix_is_refused)
{
    char rest[400];
    struct cf_s3_config config;
    struct cf_error err;
    no_environment();
    memset(rest, 'p', sizeof(rest));
    memcpy(rest, "//bucket/", 9);
    rest[9 + 257] = '\0';
    ck_assert_int_eq(cf_s3_config_read(rest, &config, &err), CF_EUSAGE);
    rest[9 + 256] = '\0';
    ck_assert_int_eq(cf_s3_config_read(rest, &config, &err), 0);
    cf_s3_config_release(&config);
}
END_TEST

Suite *s3_config_suite(void)
{
    Suite *suite = suite_create("s3_config");
    TCase *tc = tcase_create("urls");
    tcase_add_loop_test(tc, stores_are_found, 0, (int)COUNT(good));
    tcase_add_loop_test(tc, what_is_wrong_is_refused, 0, (int)COUNT(bad));
    tcase_add_test(tc, a_long_prefix_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
