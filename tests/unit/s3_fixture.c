#include "tests/unit/s3_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "s3cretKeyOfTheTest"

void s3_fixture_open(struct s3_fixture *f, const struct net_step *script, size_t count)
{
    struct cf_error err = {0};
    f->server = net_server_new(script, count);
    (void)setenv("AWS_ENDPOINT_URL_S3", net_server_url(f->server), 1);
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHETEST", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    (void)unsetenv("AWS_SESSION_TOKEN");
    (void)unsetenv("AWS_REGION");
    (void)unsetenv("AWS_DEFAULT_REGION");
    ck_assert_msg(!cf_store_open("s3://bucket/base", &f->store, &err), "%s", err.message);
    ck_assert_uint_eq(net_server_requests(f->server), 0);
}

void s3_fixture_close(struct s3_fixture *f)
{
    cf_store_free(f->store);
    net_server_free(f->server);
}

void s3_check_secrecy(const struct cf_error *error)
{
    ck_assert_ptr_null(strstr(error->message, SECRET));
    ck_assert_ptr_null(strstr(error->message, "AKIDOFTHETEST"));
    ck_assert_ptr_null(strstr(error->message, "ignature="));
    ck_assert_ptr_null(strstr(error->key, "ignature="));
}

void s3_expect(struct s3_fixture *f, struct cf_op *op, int rc)
{
    int got = cf_store_run(f->store, op, 1);
    ck_assert_msg(got == rc, "%s instead of %s: %s", cf_code_name(got), cf_code_name(rc),
                  op->error.message);
    ck_assert_int_eq(op->rc, rc);
    ck_assert_int_eq(op->error.code, rc);
    if (rc) {
        ck_assert_str_eq(op->error.key, op->key);
        ck_assert_str_ne(op->error.message, "");
    }
    s3_check_secrecy(&op->error);
}

const char *s3_head(const struct s3_fixture *f, size_t index)
{
    const struct net_seen *seen = net_server_seen(f->server, index);
    ck_assert_ptr_nonnull(seen);
    return seen->head;
}
