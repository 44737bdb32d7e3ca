/* Where tenants' tokens come from, in which order, and what of them is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/task.h"
#include "jobs/sync/tokens.h"
#include "tests/unit/net_fixture.h"
#include "tests/unit/sync_keys.h"
#include "tests/unit/temporary.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct sync_keys keys;
static char *folder;
static struct cf_error err;

static void make_keys(void)
{
    sync_keys_make(&keys);
}

static void remove_keys(void)
{
    sync_keys_remove(&keys);
}

static void set_up(void)
{
    folder = temporary_folder();
    (void)unsetenv("GITHUB_TOKEN");
    (void)unsetenv("TEST_TOKEN");
}

static void tear_down(void)
{
    temporary_remove(folder);
}

static void set(const char *name, const char *value)
{
    ck_assert_int_eq(setenv(name, value, 1), 0);
}

static void write_bytes(const char *name, const char *text, size_t length)
{
    char *path = cf_asprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    free(path);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* Every @ of the list is the test's folder. */
static struct sync_tokens *open_list(const char *list)
{
    struct cf_buf sources = CF_BUF_INIT;
    struct sync_tokens *tokens = NULL;
    for (const char *p = list; *p; p++) {
        if (*p == '@') {
            cf_buf_puts(&sources, folder);
        } else {
            cf_buf_putc(&sources, *p);
        }
    }
    const struct sync_tokens_settings settings = {.sources = sources.data};
    ck_assert_msg(!sync_tokens_new(&settings, &tokens, &err), "%s", err.message);
    cf_buf_release(&sources);
    return tokens;
}

static void expect(struct sync_tokens *tokens, const char *tenant, const char *value,
                   const char *source)
{
    struct sync_token token;
    char sha256[CF_SHA256_HEX] = "";
    int rc = sync_tokens_get(tokens, tenant, NULL, &token, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_pstr_eq(token.value, value);
    ck_assert_pstr_eq(token.source, source);
    if (value) {
        cf_sha256_hex(value, strlen(value), sha256);
    }
    ck_assert_str_eq(token.sha256, sha256);
    sync_token_release(&token);
    ck_assert_ptr_null(token.value);
}

static void expect_error(struct sync_tokens *tokens, int code, const char *said)
{
    struct sync_token token;
    ck_assert_int_eq(sync_tokens_get(tokens, "octocat", NULL, &token, &err), code);
    ck_assert_int_eq(err.code, code);
    ck_assert_msg(strstr(err.message, said) != NULL, "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "s3"));
    ck_assert_ptr_null(token.value);
}

/* --- the list -----------------------------------------------------------------------------------
 */

static const struct {
    const char *list, *said;
} wrong_lists[] = {
    {"ghp_s3cret", "part 1 of CLOUDFOLIO_GITHUB_TOKENS"},
    {"env:A,ghp_s3cret", "part 2 of"},
    {"env:A,", "part 2 of"},
    {",env:A", "part 1 of"},
    {"env:A,,env:B", "part 2 of"},
    {"env:A, env:B", "part 2 of"},
    {"env", "part 1 of"},
    {"ENV:A", "part 1 of"},
    {"app:1", "part 1 of"},
    {"appx", "part 1 of"},
    {"vault:s3cret", "env:NAME, file:/PATH"},
    {"env:", "name of a variable"},
    {"env:1A", "name of a variable"},
    {"env:A-s3cret", "name of a variable"},
    {"env:A_{tenant}", "name of a variable"},
    {"file:", "absolute path"},
    {"file:tokens/{tenant}", "absolute path"},
    {"file:/a/../{tenant}", "absolute path"},
    {"file:/{tenant}/..", "absolute path"},
    {"file:/a/{tenant}/", "absolute path"},
    {"file:/a/{user}", "absolute path"},
    {"file:/a/{tenant", "absolute path"},
    {"file:/a/{tenant}}", "absolute path"},
    {"ssm:", "name of a parameter"},
    {"ssm:/a b", "name of a parameter"},
    {"ssm:/a/{user}", "name of a parameter"},
    {"secretsmanager:", "ARN of a secret"},
    {"secretsmanager:a/{user}", "ARN of a secret"},
    {"secretsmanager:a\"b", "ARN of a secret"},
    {"app", "GITHUB_APP_ID"},
};

START_TEST(a_wrong_list_is_named)
{
    const struct sync_tokens_settings settings = {.sources = wrong_lists[_i].list};
    struct sync_tokens *tokens = NULL;
    ck_assert_int_eq(sync_tokens_new(&settings, &tokens, &err), CF_ECONFIG);
    ck_assert_ptr_null(tokens);
    ck_assert_msg(strstr(err.message, wrong_lists[_i].said) != NULL, "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "s3cret"));
}
END_TEST

START_TEST(good_lists)
{
    static const char *const good[] = {
        "env:A",
        "env:_a1",
        "file:/a..b/..c/{tenant}-{tenant}.x",
        "ssm:/github/{tenant}/token",
        "ssm:arn:aws:ssm:eu-central-1:123456789012:parameter/x",
        "secretsmanager:github+x=y@z/{tenant}",
        "secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:x-AbCdEf",
        "env:A,file:/b,ssm:c,secretsmanager:d,env:E",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        sync_tokens_free(open_list(good[i])); /* no AWS is asked */
    }
    sync_tokens_free(NULL);
    char *path = cf_calloc(1, 3000);
    memset(path, 'a', 2999);
    memcpy(path, "file:/", 6);
    const struct sync_tokens_settings settings = {.sources = path};
    struct sync_tokens *tokens = NULL;
    ck_assert_int_eq(sync_tokens_new(&settings, &tokens, &err), CF_ECONFIG);
    free(path);
}
END_TEST

/* --- variables and files ------------------------------------------------------------------------
 */

START_TEST(without_a_list_there_is_one_variable)
{
    static const char *const lists[] = {NULL, ""};
    for (size_t i = 0; i < COUNT(lists); i++) {
        const struct sync_tokens_settings settings = {.sources = lists[i]};
        struct sync_tokens *tokens = NULL;
        set("GITHUB_TOKEN", "one");
        ck_assert_int_eq(sync_tokens_new(&settings, &tokens, &err), 0);
        set("GITHUB_TOKEN", "two"); /* it was read already */
        expect(tokens, "octocat", "one", "env");
        expect(tokens, "hubot", "one", "env");
        sync_tokens_free(tokens);
    }
}
END_TEST

START_TEST(no_token_is_no_error)
{
    struct sync_tokens *tokens = open_list("env:GITHUB_TOKEN,file:@/{tenant}");
    expect(tokens, "octocat", NULL, NULL);
    sync_tokens_free(tokens);
    set("GITHUB_TOKEN", "");
    tokens = open_list("env:GITHUB_TOKEN");
    expect(tokens, "octocat", NULL, NULL);
    sync_tokens_free(tokens);
}
END_TEST

START_TEST(the_first_that_has_one_wins)
{
    struct sync_tokens *tokens;
    set("GITHUB_TOKEN", "common");
    write_text("octocat", "own");
    write_text("octocat.2", "second");
    tokens = open_list("env:TEST_TOKEN,file:@/{tenant},file:@/{tenant}.2,env:GITHUB_TOKEN");
    expect(tokens, "octocat", "own", "file");
    expect(tokens, "OctoCat", "own", "file");
    expect(tokens, "hubot", "common", "env");
    write_text("hubot.2", "later"); /* files are read each time */
    expect(tokens, "hubot", "later", "file");
    sync_tokens_free(tokens);
    set("TEST_TOKEN", "first");
    tokens = open_list("env:TEST_TOKEN,file:@/{tenant},env:GITHUB_TOKEN");
    expect(tokens, "octocat", "first", "env");
    sync_tokens_free(tokens);
}
END_TEST

START_TEST(tenants_that_are_none)
{
    static const char *const bad[] = {"", "..", "a/b", "../octocat", "a.b", "{tenant}", "a b"};
    struct sync_tokens *tokens = open_list("file:@/x/{tenant},env:GITHUB_TOKEN");
    struct sync_token token;
    set("GITHUB_TOKEN", "common");
    write_text("octocat", "own");
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_int_eq(sync_tokens_get(tokens, bad[i], NULL, &token, &err), CF_EUSAGE);
        ck_assert_ptr_null(token.value);
    }
    sync_tokens_free(tokens);
}
END_TEST

static const struct {
    const char *text, *value;
} files[] = {
    {"token", "token"},   {"token\n", "token"}, {"token\r\n", "token"}, {"s3cret\n\n", NULL},
    {"s3 cret", NULL},    {" s3cret", NULL},    {"s3cret\r", NULL},     {"s3cret\xc3\xa9", NULL},
    {"s3cret\x7f", NULL}, {"", NULL},           {"\n", NULL},
};

START_TEST(a_file_holds_a_token)
{
    struct sync_tokens *tokens = open_list("file:@/{tenant},env:GITHUB_TOKEN");
    set("GITHUB_TOKEN", "common");
    write_text("octocat", files[_i].text);
    if (files[_i].value) {
        expect(tokens, "octocat", files[_i].value, "file");
    } else {
        expect_error(tokens, CF_ECONFIG, "/{tenant} ");
    }
    sync_tokens_free(tokens);
}
END_TEST

START_TEST(a_file_has_a_limit)
{
    struct sync_tokens *tokens = open_list("file:@/{tenant}");
    char *text = cf_calloc(1, 65538);
    memset(text, 't', 65537);
    write_text("octocat", text);
    expect_error(tokens, CF_ECONFIG, "64 KiB");
    text[65536] = '\0';
    write_text("octocat", text);
    expect(tokens, "octocat", text, "file");
    write_bytes("octocat", "s3cret\0", 7);
    expect_error(tokens, CF_ECONFIG, "no token has");
    free(text);
    sync_tokens_free(tokens);
}
END_TEST

/* None of these means that the tenant has no token, so the variable mustn't be used. */
START_TEST(what_cannot_be_read_is_no_reason_to_go_on)
{
    char *path = cf_asprintf("%s/octocat", folder);
    set("GITHUB_TOKEN", "common");
    struct sync_tokens *tokens = open_list("file:@/{tenant},env:GITHUB_TOKEN");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    expect_error(tokens, CF_ECONFIG, "not a regular file");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0); /* without a writer it would block */
    expect_error(tokens, CF_ECONFIG, "not a regular file");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("octocat", path), 0);
    expect_error(tokens, CF_EUNAVAILABLE, "the token of file:");
    ck_assert_int_eq(unlink(path), 0);
    expect(tokens, "octocat", "common", "env");
    if (geteuid() != 0) {
        write_text("octocat", "own");
        ck_assert_int_eq(chmod(path, 0), 0);
        expect_error(tokens, CF_EDENIED, "the token of file:");
    }
    sync_tokens_free(tokens);
    free(path);
}
END_TEST

START_TEST(a_folder_that_is_missing_is_named)
{
    set("GITHUB_TOKEN", "common");
    write_text("file", "x");
    struct sync_tokens *tokens = open_list("file:@/tokens/{tenant}/token,env:GITHUB_TOKEN");
    expect_error(tokens, CF_ECONFIG, "no such folder");
    ck_assert_msg(strstr(err.key, "/tokens") && !strstr(err.key, "octocat"), "%s", err.key);
    char *path = cf_asprintf("%s/tokens", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    expect(tokens, "octocat", "common", "env");
    sync_tokens_free(tokens);
    tokens = open_list("file:@/file/{tenant},env:GITHUB_TOKEN");
    expect_error(tokens, CF_ECONFIG, "not a folder");
    sync_tokens_free(tokens);
    tokens = open_list("file:@/nowhere/token,env:GITHUB_TOKEN"); /* one for all may be missing */
    expect(tokens, "octocat", "common", "env");
    sync_tokens_free(tokens);
    free(path);
}
END_TEST

START_TEST(a_variable_is_checked_at_once)
{
    static const char *const bad[] = {"s3cret\n", "s3 cret", "s3cret\xc3\xa9", "\ts3cret"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct sync_tokens_settings settings = {.sources = "env:A,env:TEST_TOKEN"};
        struct sync_tokens *tokens = NULL;
        set("TEST_TOKEN", bad[i]);
        ck_assert_int_eq(sync_tokens_new(&settings, &tokens, &err), CF_ECONFIG);
        ck_assert_ptr_null(tokens);
        ck_assert_ptr_nonnull(strstr(err.message, "env:TEST_TOKEN"));
        ck_assert_ptr_null(strstr(err.message, "s3"));
    }
}
END_TEST

/* --- AWS ----------------------------------------------------------------------------------------
 */

static void set_aws(struct net_server *server)
{
    set("AWS_REGION", "eu-central-1");
    set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    set("AWS_SECRET_ACCESS_KEY", "s3cret");
    set("AWS_ENDPOINT_URL", net_server_url(server));
    (void)unsetenv("AWS_ENDPOINT_URL_SSM");
    (void)unsetenv("AWS_ENDPOINT_URL_SECRETS_MANAGER");
    (void)unsetenv("AWS_SESSION_TOKEN");
}

static const struct {
    const char *list;
    struct net_step step;
    const char *value, *source, *asked;
    int code;
} secrets[] = {
    {"ssm:/github/{tenant}/token,env:GITHUB_TOKEN",
     {.body = "{\"Parameter\":{\"Value\":\"own\\n\"}}"},
     "own",
     "ssm",
     "\"/github/octocat/token\"",
     0},
    {"ssm:/github/{tenant}/token,env:GITHUB_TOKEN",
     {.status = 400, .body = "{\"__type\":\"ParameterNotFound\"}"},
     "common",
     "env",
     "\"/github/octocat/token\"",
     0},
    {"ssm:/github/{tenant}/token,env:GITHUB_TOKEN",
     {.status = 400, .body = "{\"__type\":\"AccessDeniedException\"}"},
     NULL,
     NULL,
     "octocat",
     CF_EDENIED},
    {"ssm:/github/{tenant},env:GITHUB_TOKEN",
     {.body = "{\"Parameter\":{\"Value\":\"s3 cret\"}}"},
     NULL,
     NULL,
     "octocat",
     CF_ECONFIG},
    {"secretsmanager:github/{tenant},env:GITHUB_TOKEN",
     {.body = "{\"SecretString\":\"own\"}"},
     "own",
     "secretsmanager",
     "\"github/octocat\"",
     0},
    {"secretsmanager:github/{tenant},env:GITHUB_TOKEN",
     {.status = 400, .body = "{\"__type\":\"ResourceNotFoundException\"}"},
     "common",
     "env",
     "\"github/octocat\"",
     0},
    {"secretsmanager:github/{tenant},env:GITHUB_TOKEN",
     {.status = 400, .body = "{\"__type\":\"AccessDeniedException\"}"},
     NULL,
     NULL,
     "octocat",
     CF_EDENIED},
};

START_TEST(secrets_of_aws)
{
    struct net_server *server = net_server_new(&secrets[_i].step, 1);
    set("GITHUB_TOKEN", "common");
    set_aws(server);
    struct sync_tokens *tokens = open_list(secrets[_i].list);
    if (secrets[_i].code) {
        expect_error(tokens, secrets[_i].code, "/{tenant}");
    } else {
        expect(tokens, "Octocat", secrets[_i].value, secrets[_i].source);
    }
    ck_assert_uint_eq(net_server_requests(server), 1);
    ck_assert_ptr_nonnull(strstr(net_server_seen(server, 0)->body, secrets[_i].asked));
    sync_tokens_free(tokens);
    net_server_free(server);
}
END_TEST

/* --- a GitHub App -------------------------------------------------------------------------------
 */

static struct cf_http *engine;

static int open_app(const char *list, const char *key, struct net_server *server,
                    struct sync_tokens **out)
{
    struct cf_buf source = CF_BUF_INIT;
    for (const char *p = key; *p; p++) {
        if (*p == '@') {
            cf_buf_puts(&source, folder);
        } else {
            cf_buf_putc(&source, *p);
        }
    }
    engine = cf_http_new(&net_quick);
    const struct sync_tokens_settings settings = {.sources = list,
                                                  .app_id = "12345",
                                                  .app_key = cf_buf_str(&source),
                                                  .api_url = server ? net_server_url(server) : NULL,
                                                  .http = engine};
    set("GITHUB_TOKEN", "common");
    int rc = sync_tokens_new(&settings, out, &err);
    cf_buf_release(&source);
    return rc;
}

static void close_app(struct sync_tokens *tokens, struct net_server *server)
{
    sync_tokens_free(tokens);
    cf_http_free(engine);
    if (server) {
        net_server_free(server);
    }
}

static const struct net_step app_script[] = {
    {.body = "{\"id\":7}", .path = "GET /users/Octo-Cat/installation "},
    {.status = 201,
     .body = "{\"token\":\"ghs_1\",\"expires_at\":\"2026-01-31T12:00:00Z\"}",
     .path = "POST /app/installations/7/access_tokens "},
    {.status = 404, .body = "{}", .path = "GET /users/hubot/installation "}};

START_TEST(an_app_gives_tokens)
{
    static const char *const sources[] = {"file:@/key.pem", "env:TEST_TOKEN"};
    struct net_server *server = net_server_new(app_script, COUNT(app_script));
    struct sync_tokens *tokens = NULL;
    struct sync_token token;
    set("TEST_TOKEN", keys.rsa);
    write_text("key.pem", keys.rsa_pkcs1);
    ck_assert_msg(!open_app("app,env:GITHUB_TOKEN", sources[_i], server, &tokens), "%s",
                  err.message);
    ck_assert_msg(!sync_tokens_get(tokens, "octo-cat", "Octo-Cat", &token, &err), "%s",
                  err.message);
    ck_assert_str_eq(token.value, "ghs_1");
    ck_assert_str_eq(token.source, "app");
    ck_assert_int_eq(token.expires_ms, 1769860800000);
    sync_token_release(&token);
    write_text("key.pem", "gone"); /* the key was read already */
    expect(tokens, "hubot", "common", "env");
    ck_assert_uint_eq(net_server_requests(server), 3);
    close_app(tokens, server);
}
END_TEST

static const struct {
    struct net_step step;
    int code;
} app_errors[] = {
    {{.status = 401, .body = "{}"}, CF_EDENIED},
    {{.status = 403, .body = "{}"}, CF_EDENIED},
    {{.status = 404, .body = "{\"message\":\"Integration not found\"}"}, CF_EDENIED},
    {{.status = 429, .body = "{}"}, CF_ERETRY},
    {{.status = 503}, CF_EUNAVAILABLE},
    {{.body = "{}"}, CF_EUNAVAILABLE},
};

START_TEST(an_app_that_fails_is_no_reason_to_go_on)
{
    struct net_server *server = net_server_new(&app_errors[_i].step, 1);
    struct sync_tokens *tokens = NULL;
    write_text("key.pem", keys.rsa);
    ck_assert_int_eq(open_app("app,env:GITHUB_TOKEN", "file:@/key.pem", server, &tokens), 0);
    expect_error(tokens, app_errors[_i].code, "the GitHub App for \"octocat\"");
    close_app(tokens, server);
}
END_TEST

START_TEST(the_key_of_an_app)
{
    static const struct net_step script[] = {{.status = 404, .body = "{}"}};
    struct net_server *server = net_server_new(script, 1);
    struct sync_tokens *tokens = NULL;
    ck_assert_int_eq(open_app("app,env:GITHUB_TOKEN", "file:@/key.pem", server, &tokens), 0);
    expect_error(tokens, CF_ECONFIG, "is not there");
    write_text("key.pem", "s3cret");
    expect_error(tokens, CF_ECONFIG, "GITHUB_APP_KEY");
    write_text("key.pem", keys.ec);
    expect_error(tokens, CF_ECONFIG, "GITHUB_APP_KEY");
    ck_assert_uint_eq(net_server_requests(server), 0);
    write_text("key.pem", keys.rsa);
    expect(tokens, "octocat", "common", "env");
    ck_assert_uint_eq(net_server_requests(server), 1);
    close_app(tokens, server);
}
END_TEST

static int64_t jump(void)
{
    static int64_t at = 1700000000000;
    at += 600000;
    return at;
}

static void get_in_a_task(void *context, size_t index)
{
    static const char *const tenants[] = {"octocat", "hubot", "mona", "defunkt"};
    expect(context, tenants[index], "common", "env");
}

/* While one waits for its answer, each of the others makes a new JSON web token. */
START_TEST(tenants_in_turns)
{
    static const struct net_step script[] = {
        {.status = 503}, {.status = 503}, {.status = 404, .body = "{}"}};
    struct net_server *server = net_server_new(script, COUNT(script));
    struct sync_tokens *tokens = NULL;
    engine = cf_http_new(&net_quick);
    set("GITHUB_TOKEN", "common");
    set("TEST_TOKEN", keys.rsa);
    const struct sync_tokens_settings settings = {.sources = "app,env:GITHUB_TOKEN",
                                                  .app_id = "12345",
                                                  .app_key = "env:TEST_TOKEN",
                                                  .api_url = net_server_url(server),
                                                  .http = engine,
                                                  .now_ms = jump};
    ck_assert_int_eq(sync_tokens_new(&settings, &tokens, &err), 0);
    const struct cf_task_set set_of_tasks = {
        .count = 4, .at_once = 4, .run = get_in_a_task, .context = tokens};
    cf_tasks_run(&set_of_tasks);
    ck_assert_uint_eq(net_server_requests(server), 6);
    for (size_t i = 0; i < 6; i++) {
        char jwt[2048];
        const char *header = strstr(net_server_seen(server, i)->head, "Authorization: Bearer ");
        ck_assert_ptr_nonnull(header);
        ck_assert_int_eq(sscanf(header, "Authorization: Bearer %2047[^\r]", jwt), 1);
        ck_assert(sync_keys_signed(&keys, jwt));
    }
    close_app(tokens, server);
}
END_TEST

/* The first to come back with the key makes the app, which the others use. */
START_TEST(one_key_for_tenants_in_turns)
{
    static const struct net_step script[] = {{.status = 404, .body = "{}"}};
    struct cf_buf answer = CF_BUF_INIT;
    cf_buf_puts(&answer, "{\"Parameter\":{\"Value\":\"");
    for (const char *p = keys.rsa; *p; p++) {
        cf_buf_puts(&answer, *p == '\n' ? "\\n" : (const char[]){*p, '\0'});
    }
    cf_buf_puts(&answer, "\"}}");
    const struct net_step aws_script[] = {{.body = answer.data}};
    struct net_server *server = net_server_new(script, 1);
    struct net_server *aws = net_server_new(aws_script, 1);
    struct sync_tokens *tokens = NULL;
    set_aws(aws);
    ck_assert_int_eq(open_app("app,env:GITHUB_TOKEN", "ssm:/app/key", server, &tokens), 0);
    const struct cf_task_set set_of_tasks = {
        .count = 4, .at_once = 4, .run = get_in_a_task, .context = tokens};
    cf_tasks_run(&set_of_tasks);
    ck_assert_uint_eq(net_server_requests(aws), 4); /* none had it when the others began */
    cf_tasks_run(&set_of_tasks);
    ck_assert_uint_eq(net_server_requests(aws), 4);
    ck_assert_uint_eq(net_server_requests(server), 8);
    close_app(tokens, server);
    net_server_free(aws);
    cf_buf_release(&answer);
}
END_TEST

static const struct {
    const char *key, *said;
} wrong_keys[] = {
    {"", "GITHUB_APP_KEY"},
    {"-----BEGIN RSA PRIVATE KEY-----\ns3cret", "GITHUB_APP_KEY"},
    {"/path/key.pem", "GITHUB_APP_KEY"},
    {"file:/path/{tenant}", "without {tenant}"},
    {"app", "not \"app\""},
    {"env:TEST_TOKEN", "TEST_TOKEN, which is not set"},
    {"env:-----BEGIN s3cret", "name of a variable"},
};

START_TEST(what_names_no_key)
{
    struct sync_tokens *tokens = NULL;
    ck_assert_int_eq(open_app("env:GITHUB_TOKEN,app", wrong_keys[_i].key, NULL, &tokens),
                     CF_ECONFIG);
    ck_assert_ptr_null(tokens);
    ck_assert_msg(strstr(err.message, wrong_keys[_i].said) != NULL, "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "s3cret"));
    cf_http_free(engine);
    /* Nobody asks when no source is an app. */
    ck_assert_int_eq(open_app("env:GITHUB_TOKEN", wrong_keys[_i].key, NULL, &tokens), 0);
    close_app(tokens, NULL);
}
END_TEST

Suite *sync_tokens_suite(void);

Suite *sync_tokens_suite(void)
{
    Suite *suite = suite_create("sync_tokens");
    TCase *sources = tcase_create("sources");
    tcase_add_checked_fixture(sources, set_up, tear_down);
    tcase_add_loop_test(sources, a_wrong_list_is_named, 0, COUNT(wrong_lists));
    tcase_add_test(sources, good_lists);
    tcase_add_test(sources, without_a_list_there_is_one_variable);
    tcase_add_test(sources, no_token_is_no_error);
    tcase_add_test(sources, the_first_that_has_one_wins);
    tcase_add_test(sources, tenants_that_are_none);
    tcase_add_loop_test(sources, a_file_holds_a_token, 0, COUNT(files));
    tcase_add_test(sources, a_file_has_a_limit);
    tcase_add_test(sources, what_cannot_be_read_is_no_reason_to_go_on);
    tcase_add_test(sources, a_folder_that_is_missing_is_named);
    tcase_add_test(sources, a_variable_is_checked_at_once);
    tcase_add_loop_test(sources, secrets_of_aws, 0, COUNT(secrets));
    suite_add_tcase(suite, sources);
    TCase *app = tcase_create("app");
    tcase_set_timeout(app, 30);
    tcase_add_unchecked_fixture(app, make_keys, remove_keys);
    tcase_add_checked_fixture(app, set_up, tear_down);
    tcase_add_loop_test(app, an_app_gives_tokens, 0, 2);
    tcase_add_loop_test(app, an_app_that_fails_is_no_reason_to_go_on, 0, COUNT(app_errors));
    tcase_add_test(app, the_key_of_an_app);
    tcase_add_test(app, tenants_in_turns);
    tcase_add_test(app, one_key_for_tenants_in_turns);
    tcase_add_loop_test(app, what_names_no_key, 0, COUNT(wrong_keys));
    suite_add_tcase(suite, app);
    return suite;
}
