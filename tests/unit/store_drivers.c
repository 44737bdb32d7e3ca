#include "tests/unit/store_drivers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "common/base/options.h"
#include "common/store/module.h"
#include "tests/unit/temporary.h"

static void open_url(const char *url, struct tested_store *out)
{
    struct cf_error err = {0};
    int rc = cf_store_open(url, &out->store, &err);
    ck_assert_msg(rc == 0, "%s: %s", url, err.message);
}

static void open_memory(struct tested_store *out)
{
    *out = (struct tested_store){.bounded_memory = false};
    open_url("memory:", out);
}

void tested_store_open_file(struct tested_store *out)
{
    *out = (struct tested_store){.bounded_memory = true, .folder = temporary_folder()};
    char *url = cf_asprintf("file:%s/store", out->folder); /* not there before the first put */
    open_url(url, out);
    free(url);
}

/* A store below a prefix of its own, in the bucket that the variable names; the AWS variables say
 * where and who. */
static void open_bucket(const char *variable, struct tested_store *out)
{
    char random[CF_RANDOM_HEX];
    cf_random_hex(random);
    *out = (struct tested_store){.bounded_memory = true, .remote = true, .content_etags = true};
    char *url = cf_asprintf("%s/%s", getenv(variable), random);
    open_url(url, out);
    free(url);
}

static void open_s3(struct tested_store *out)
{
    open_bucket("CLOUDFOLIO_TEST_S3", out);
}

/* As the one writer, since without that it can only be read: store_s3v2.c has the tests of that. */
static void open_s3v2(struct tested_store *out)
{
    (void)setenv("CLOUDFOLIO_SINGLE_WRITER", "1", 1);
    open_bucket("CLOUDFOLIO_TEST_S3V2", out);
}

/* Those that need a server come last, so that the others keep their numbers without one. */
static const struct {
    void (*open)(struct tested_store *out);
    const char *variable; /* that must be set; or NULL */
} drivers[] = {
    {open_memory, NULL},
    {tested_store_open_file, NULL},
    {open_s3, "CLOUDFOLIO_TEST_S3"},
    {open_s3v2, "CLOUDFOLIO_TEST_S3V2"},
};

/* NULL when a driver can be run here, else what is missing. */
static const char *missing(size_t i)
{
    const char *variable = drivers[i].variable;
    const struct cf_store_driver *module = NULL;
    struct cf_error err;
    if (variable && !(getenv(variable) && *getenv(variable))) {
        return "is not set";
    }
    if (drivers[i].open == open_s3v2 && cf_store_sigv2_load(&module, &err)) {
        return "is set, but the module can't be loaded";
    }
    return NULL;
}

int store_driver_count(void)
{
    static bool told;
    int count = 0;
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        const char *what = missing(i);
        count += !what;
        if (what && !told) {
            (void)fprintf(stderr, "%s %s: the suites of all drivers leave that one out\n",
                          drivers[i].variable, what);
        }
    }
    told = true;
    return count;
}

void tested_store_open(int driver, struct tested_store *out)
{
    size_t i = 0;
    while (missing(i) || driver-- > 0) {
        i++;
        ck_assert_uint_lt(i, sizeof(drivers) / sizeof(drivers[0]));
    }
    drivers[i].open(out);
}

static int collect(void *context, const struct cf_listed *listed)
{
    cf_string_list_add(context, listed->key, strlen(listed->key));
    return 0;
}

static void delete_all(struct cf_store *store)
{
    struct cf_string_list keys = {0};
    struct cf_error err;
    ck_assert_int_eq(cf_store_walk(store, "", NULL, false, collect, &keys, &err), 0);
    struct cf_op *ops = cf_calloc(keys.count + 1, sizeof(*ops));
    for (size_t i = 0; i < keys.count; i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_DELETE, .key = keys.items[i]};
    }
    ck_assert_int_eq(cf_store_run(store, ops, keys.count), 0);
    free(ops);
    cf_string_list_release(&keys);
}

void tested_store_close(struct tested_store *tested)
{
    if (tested->remote) {
        delete_all(tested->store);
    }
    cf_store_free(tested->store);
    if (tested->folder) {
        temporary_remove(tested->folder);
    }
}
