#include "tests/unit/store_drivers.h"

#include <check.h>
#include <stdlib.h>

#include "common/base/alloc.h"
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

static void (*const openers[])(struct tested_store *out) = {
    open_memory,
    tested_store_open_file,
};

const int store_driver_count = (int)(sizeof(openers) / sizeof(openers[0]));

void tested_store_open(int driver, struct tested_store *out)
{
    openers[driver](out);
}

void tested_store_close(struct tested_store *tested)
{
    cf_store_free(tested->store);
    if (tested->folder) {
        temporary_remove(tested->folder);
    }
}
