/* Copies every object of one store into another, whatever their kinds, or prints the keys of one;
 * for tests that need a fresh copy of a store that no folder can be copied for.
 *
 *   store_copy FROM TO      copies; nothing is deleted in TO
 *   store_copy --list URL   prints each key and its size
 *   store_copy --clear URL  deletes everything */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/options.h"
#include "common/store/store.h"

static struct cf_store *from;
static struct cf_store *to;

static int add_key(void *context, const struct cf_listed *listed)
{
    cf_string_list_add(context, listed->key, strlen(listed->key));
    return 0;
}

static int print_key(void *context, const struct cf_listed *listed)
{
    (void)context;
    (void)printf("%s %" PRIu64 "\n", listed->key, listed->size);
    return 0;
}

static int copy(const char *key, struct cf_error *err)
{
    struct cf_buf body = CF_BUF_INIT;
    int rc = cf_store_get(from, key, &body, err);
    rc = rc ? rc : cf_store_put(to, key, body.data, body.length, err);
    cf_buf_release(&body);
    return rc;
}

static int each(int (*action)(const char *key, struct cf_error *err), struct cf_error *err)
{
    struct cf_string_list keys = {0};
    int rc = cf_store_walk(from, "", NULL, false, add_key, &keys, err);
    for (size_t i = 0; i < keys.count && !rc; i++) {
        rc = action(keys.items[i], err);
    }
    cf_string_list_release(&keys);
    return rc;
}

static int clear(const char *key, struct cf_error *err)
{
    return cf_store_delete(from, key, err);
}

int main(int argc, char **argv)
{
    struct cf_error err = {0};
    if (argc != 3) {
        (void)fprintf(stderr, "store_copy FROM TO | --list URL | --clear URL\n");
        return 64;
    }
    bool list = strcmp(argv[1], "--list") == 0;
    bool clears = strcmp(argv[1], "--clear") == 0;
    int rc = cf_store_open(list || clears ? argv[2] : argv[1], &from, &err);
    if (!rc && !list && !clears) {
        rc = cf_store_open(argv[2], &to, &err);
    }
    if (!rc && list) {
        rc = cf_store_walk(from, "", NULL, false, print_key, NULL, &err);
    } else if (!rc) {
        rc = each(clears ? clear : copy, &err);
    }
    if (rc) {
        (void)fprintf(stderr, "store_copy: %s\n", err.message);
    }
    cf_store_free(from);
    cf_store_free(to);
    return cf_exit_status(rc);
}
