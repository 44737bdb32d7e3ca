/* The credentials chain: order, exclusivity, refreshing, and documents that are wrong. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"
#include "tests/unit/net_server.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DOCUMENT(id, expires)                                                                      \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s3cret/+=\","          \
    "\"Token\":\"t0ken==\",\"Expiration\":\"" expires "\",\"RoleArn\":\"arn\"}"

static struct cf_error err;
static int64_t now;

static int64_t clock_now(void)
{
    return now;
}

static int64_t at(const char *time)
{
    int64_t ms = 0;
    ck_assert(cf_credentials_time(time, &ms));
    return ms;
}

static void no_environment(void)
{
    static const char *const names[] = {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)unsetenv(names[i]);
    }
    ck_assert_int_eq(setenv("AWS_EC2_METADATA_DISABLED", "true", 1), 0);
}

static void set(const char *name, const char *value)
{
    ck_assert_int_eq(setenv(name, value, 1), 0);
}

static void set_url(const char *name, const struct net_server *server, const char *path)
{
    char *url = cf_asprintf("%s%s", net_server_url(server), path);
    set(name, url);
    free(url);
}

/* --- environment --------------------------------------------------------------------------------
 */

START_TEST(the_environment_comes_first)
{
    const struct cf_credentials *got = NULL;
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    no_environment();
    set("AWS_ACCESS_KEY_ID", "AKID");
    set("AWS_SECRET_ACCESS_KEY", "secret");
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_str_eq(got->access_key, "AKID");
    ck_assert_str_eq(got->secret_key, "secret");
    ck_assert_ptr_null(got->session_token);
    ck_assert_int_eq(got->expires_ms, 0);
    ck_assert_str_eq(got->source, "environment");
    /* There are no others to be had. */
    ck_assert(!cf_credentials_chain_expired(chain, got->generation));
    cf_credentials_chain_free(chain);
    set("AWS_SESSION_TOKEN", "token");
    chain = cf_credentials_chain_new(NULL);
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_str_eq(got->session_token, "token");
    cf_credentials_chain_free(chain);
}
END_TEST

static const struct {
    const char *id, *secret, *named;
} halves[] = {{NULL, "secret", "AWS_ACCESS_KEY_ID"},
              {"AKID", NULL, "AWS_SECRET_ACCESS_KEY"},
              {"AKID", "sec\nret", "AWS_SECRET_ACCESS_KEY"},
              {"AK\xc3\xa9", "secret", "AWS_ACCESS_KEY_ID"},
              {NULL, NULL, "AWS_ACCESS_KEY_ID"}};

START_TEST(half_of_the_environment_is_an_error)
{
    const struct cf_credentials *got = NULL;
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    no_environment();
    if (halves[_i].id) {
        set("AWS_ACCESS_KEY_ID", halves[_i].id);
    }
    if (halves[_i].secret) {
        set("AWS_SECRET_ACCESS_KEY", halves[_i].secret);
    }
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, halves[_i].named));
    ck_assert_ptr_null(strstr(err.message, "sec\n"));
    cf_credentials_chain_free(chain);
}
END_TEST

/* --- container ----------------------------------------------------------------------------------
 */

START_TEST(a_container_gives_credentials_that_are_renewed_in_time)
{
    static const struct net_step script[] = {
        {.body = DOCUMENT("FIRST", "2026-01-31T12:00:00Z"), .path = "GET /creds?x=1 "},
        {.body = DOCUMENT("SECOND", "2026-01-31T18:00:00Z")},
        {.status = 404},
        {.body = DOCUMENT("THIRD", "2026-02-01T00:00:00Z")}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    const struct cf_credentials *got = NULL;
    no_environment();
    set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", server, "/creds?x=1");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
    now = at("2026-01-31T11:00:00Z");
    ck_assert_msg(!cf_credentials_chain_get(chain, &got, &err), "%s", err.message);
    ck_assert_str_eq(got->access_key, "FIRST");
    ck_assert_str_eq(got->session_token, "t0ken==");
    ck_assert_str_eq(got->source, "container");
    ck_assert_int_eq(got->expires_ms, at("2026-01-31T12:00:00Z"));
    ck_assert_ptr_nonnull(
        strstr(net_server_seen(server, 0)->head, "\r\nAuthorization: Basic abc\r\n"));
    now = at("2026-01-31T11:54:59Z");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_str_eq(got->access_key, "FIRST");
    ck_assert_uint_eq(net_server_requests(server), 1);
    now = at("2026-01-31T11:55:00Z");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_str_eq(got->access_key, "SECOND");
    ck_assert_uint_eq(got->generation, 2);
    /* A refresh that fails leaves what is still valid, and isn't tried again at once. */
    now = at("2026-01-31T17:59:00Z");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
        ck_assert_str_eq(got->access_key, "SECOND");
    }
    ck_assert_uint_eq(net_server_requests(server), 3);
    now = at("2026-01-31T18:00:00Z");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_str_eq(got->access_key, "THIRD");
    cf_credentials_chain_free(chain);
    net_server_free(server);
}
END_TEST

START_TEST(what_the_store_rejects_is_renewed)
{
    static const struct net_step script[] = {{.body = DOCUMENT("FIRST", "2030-01-01T00:00:00Z")},
                                             {.body = DOCUMENT("SECOND", "2030-01-01T00:00:00Z")}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    const struct cf_credentials *got = NULL;
    no_environment();
    now = at("2026-01-31T11:00:00Z");
    set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", server, "/");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert(cf_credentials_chain_expired(chain, 1));
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_str_eq(got->access_key, "SECOND");
    /* The news of the first ones comes late. */
    ck_assert(cf_credentials_chain_expired(chain, 1));
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_uint_eq(net_server_requests(server), 2);
    cf_credentials_chain_free(chain);
    net_server_free(server);
}
END_TEST

START_TEST(a_token_file_is_read_at_every_fetch)
{
    static const struct net_step script[] = {{.body = DOCUMENT("A", "2026-01-01T00:00:00Z")},
                                             {.body = DOCUMENT("B", "2030-01-01T00:00:00Z")}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    const struct cf_credentials *got = NULL;
    char path[] = "/tmp/cf-token-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    no_environment();
    now = at("2026-01-31T11:00:00Z");
    set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", server, "/");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this one");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path);
    ck_assert_int_eq((int)pwrite(fd, "one\r\n", 5, 0), 5);
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_int_eq((int)pwrite(fd, "two\n\n", 5, 0), 5);
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), 0);
    ck_assert_ptr_nonnull(strstr(net_server_seen(server, 0)->head, "\r\nAuthorization: one\r\n"));
    ck_assert_ptr_nonnull(strstr(net_server_seen(server, 1)->head, "\r\nAuthorization: two\r\n"));
    ck_assert_int_eq((int)pwrite(fd, "a\r\nX: b", 7, 0), 7);
    cf_credentials_chain_free(chain);
    chain = cf_credentials_chain_new(clock_now);
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), CF_ECONFIG);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), CF_ECONFIG);
    ck_assert_uint_eq(net_server_requests(server), 2);
    (void)close(fd);
    cf_credentials_chain_free(chain);
    net_server_free(server);
}
END_TEST

static const struct {
    const char *variable, *value;
} refused[] = {
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "creds"},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/"},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/a b"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://store.example.org/"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.2.example.org/"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example.org/"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.20/"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.169.254/"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://user@127.0.0.1/"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "file:///etc/passwd"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "nonsense"},
};

START_TEST(a_container_is_asked_only_where_it_may_be)
{
    const struct cf_credentials *got = NULL;
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    no_environment();
    set(refused[_i].variable, refused[_i].value);
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "container"));
    cf_credentials_chain_free(chain);
}
END_TEST

static const struct {
    int status;
    const char *body;
    int code;
} answers[] = {
    {403, "{}", CF_EDENIED},
    {404, "", CF_EDENIED},
    {500, "", CF_EUNAVAILABLE},
    {302, "", CF_EUNAVAILABLE},
    {204, "", CF_EUNAVAILABLE},
    {200, "", CF_EUNAVAILABLE},
    {200, "[]", CF_EUNAVAILABLE},
    {200, "{}", CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":\"a\",\"Token\":\"t\"}", CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":1,\"SecretAccessKey\":\"s3cret\"}", CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"s3cret\"}", CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":\"a\\r\\nX: y\",\"SecretAccessKey\":\"s3cret\"}", CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s3cret\",\"Token\":\"\\u0000\"}",
     CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s3cret\",\"Token\":[]}", CF_EUNAVAILABLE},
    {200, DOCUMENT("a", "tomorrow"), CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s3cret\",\"Expiration\":1700000000}",
     CF_EUNAVAILABLE},
    {200, "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s3cret\"", CF_EUNAVAILABLE},
};

/* The instance's metadata service, which would answer, must not be asked. */
START_TEST(a_container_that_fails_is_not_replaced_by_the_instance)
{
    const struct net_step script[] = {{.status = answers[_i].status, .body = answers[_i].body}};
    static const struct net_step instance_script[] = {
        {.body = DOCUMENT("INSTANCE", "2030-01-01T00:00:00Z")}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct net_server *instance = net_server_new(instance_script, COUNT(instance_script));
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    const struct cf_credentials *got = NULL;
    no_environment();
    set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", server, "/?id=s3cret");
    set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance, "");
    set("AWS_EC2_METADATA_DISABLED", "false");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), answers[_i].code);
    ck_assert_ptr_null(strstr(err.message, "s3cret"));
    ck_assert_ptr_null(strstr(err.key, "s3cret"));
    ck_assert_uint_eq(net_server_requests(instance), 0);
    cf_credentials_chain_free(chain);
    net_server_free(server);
    net_server_free(instance);
}
END_TEST

/* --- instance -----------------------------------------------------------------------------------
 */

START_TEST(an_instance_is_asked_with_a_session)
{
    static const struct net_step script[] = {
        {.body = "SESSION==", .path = "PUT /latest/api/token "},
        {.body = "my-role\n", .path = "GET /latest/meta-data/iam/security-credentials/ "},
        {.body = DOCUMENT("INSTANCE", "2030-01-01T00:00:00Z"),
         .path = "GET /latest/meta-data/iam/security-credentials/my-role "}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    const struct cf_credentials *got = NULL;
    no_environment();
    set("AWS_EC2_METADATA_DISABLED", "false");
    set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", server, "/");
    ck_assert_msg(!cf_credentials_chain_get(chain, &got, &err), "%s", err.message);
    ck_assert_str_eq(got->access_key, "INSTANCE");
    ck_assert_str_eq(got->source, "instance");
    ck_assert_ptr_nonnull(strstr(net_server_seen(server, 0)->head,
                                 "\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
    for (size_t i = 1; i < 3; i++) {
        ck_assert_ptr_nonnull(strstr(net_server_seen(server, i)->head,
                                     "\r\nX-aws-ec2-metadata-token: SESSION==\r\n"));
    }
    cf_credentials_chain_free(chain);
    net_server_free(server);
}
END_TEST

static const struct {
    struct net_step script[3];
    int code;
    const char *said;
} instances[] = {
    {{{.status = 403}}, CF_EDENIED, "403"},
    {{{.body = "tok\nen"}}, CF_EUNAVAILABLE, "malformed"},
    {{{.body = "t"}, {.status = 404}}, CF_ECONFIG, "no role"},
    {{{.body = "t"}, {.body = "../../../evil"}}, CF_EUNAVAILABLE, "names no role"},
    {{{.body = "t"}, {.body = ""}}, CF_EUNAVAILABLE, "names no role"},
    {{{.body = "t"}, {.body = "r"}, {.body = "{\"Code\":\"Failed\"}"}},
     CF_EUNAVAILABLE,
     "AccessKey"},
};

START_TEST(an_instance_may_have_none)
{
    struct net_server *server = net_server_new(instances[_i].script, 3);
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    const struct cf_credentials *got = NULL;
    no_environment();
    set("AWS_EC2_METADATA_DISABLED", "false");
    set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", server, "");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), instances[_i].code);
    ck_assert_msg(strstr(err.message, instances[_i].said) != NULL, "%s", err.message);
    cf_credentials_chain_free(chain);
    net_server_free(server);
}
END_TEST

START_TEST(without_any_source_the_message_says_what_to_set)
{
    const struct cf_credentials *got = NULL;
    struct cf_credentials_chain *chain = cf_credentials_chain_new(clock_now);
    no_environment();
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "AWS_ACCESS_KEY_ID"));
    set("AWS_EC2_METADATA_DISABLED", "no");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    ck_assert_int_eq(cf_credentials_chain_get(chain, &got, &err), CF_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "AWS_ACCESS_KEY_ID"));
    cf_credentials_chain_free(chain);
}
END_TEST

/* --- times --------------------------------------------------------------------------------------
 */

static const struct {
    const char *text;
    int64_t ms; /* -1: no time */
} times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2024-02-29T23:59:59Z", 1709251199000},
    {"2024-02-29T23:59:59.123456789Z", 1709251199000},
    {"2024-03-01T01:59:59+02:00", 1709251199000},
    {"2024-02-29T22:29:59-0130", 1709251199000},
    {"", -1},
    {"2024-02-29", -1},
    {"2024-02-29T23:59:59", -1},
    {"2024-02-29T23:59:59z", -1},
    {"2024-13-01T00:00:00Z", -1},
    {"2024-00-01T00:00:00Z", -1},
    {"2024-01-32T00:00:00Z", -1},
    {"2024-01-01T24:00:00Z", -1},
    {"1969-12-31T23:59:59Z", -1},
    {"2024-01-01T00:00:00.Z", -1},
    {"2024-01-01T00:00:00+99:00", -1},
    {"2024-01-01T00:00:00Zx", -1},
    {"2024-01-01T00:00:00+02:00x", -1},
    {"20240-01-01T00:00:00Z", -1},
    {" 2024-01-01T00:00:00Z", -1},
};

START_TEST(times_are_read_strictly)
{
    int64_t ms = -1;
    ck_assert_int_eq(cf_credentials_time(times[_i].text, &ms), times[_i].ms >= 0);
    if (times[_i].ms >= 0) {
        ck_assert_int_eq(ms, times[_i].ms);
    }
}
END_TEST

Suite *aws_credentials_suite(void)
{
    Suite *suite = suite_create("aws_credentials");
    TCase *tc = tcase_create("chain");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, the_environment_comes_first);
    tcase_add_loop_test(tc, half_of_the_environment_is_an_error, 0, (int)COUNT(halves));
    tcase_add_test(tc, a_container_gives_credentials_that_are_renewed_in_time);
    tcase_add_test(tc, what_the_store_rejects_is_renewed);
    tcase_add_test(tc, a_token_file_is_read_at_every_fetch);
    tcase_add_loop_test(tc, a_container_is_asked_only_where_it_may_be, 0, (int)COUNT(refused));
    tcase_add_loop_test(tc, a_container_that_fails_is_not_replaced_by_the_instance, 0,
                        (int)COUNT(answers));
    tcase_add_test(tc, an_instance_is_asked_with_a_session);
    tcase_add_loop_test(tc, an_instance_may_have_none, 0, (int)COUNT(instances));
    tcase_add_test(tc, without_any_source_the_message_says_what_to_set);
    tcase_add_loop_test(tc, times_are_read_strictly, 0, (int)COUNT(times));
    suite_add_tcase(suite, tc);
    return suite;
}
