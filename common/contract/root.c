#include "common/contract/root.h"

#include <stdio.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/contract/marker.h"

#define ROOT_KEY "cloudfolio.json"
enum { RACERS = 8 };

static int check_document(const struct cf_buf *text, struct cf_error *err)
{
    json_t *document = NULL;
    uint64_t contract = 0;
    int rc = cf_json_parse(cf_buf_str(text), text->length, ROOT_KEY, &document, err);
    rc = rc ? rc : cf_json_get_u64(document, "contract", &contract, err);
    json_decref(document);
    if (!rc && contract != CF_CONTRACT_VERSION) {
        rc = cf_error_at(err, CF_ECONFIG, "get", ROOT_KEY,
                         "the store is of contract %llu, this program knows contract %d",
                         (unsigned long long)contract, CF_CONTRACT_VERSION);
    }
    return rc;
}

static int refused(struct cf_store *store, struct cf_error *err, const char *why)
{
    return cf_error_set(err, CF_ECONFIG, "the store %s can't be committed to: %s",
                        cf_store_url(store), why);
}

static int probe_twice(struct cf_store *store, const char *key, struct cf_error *err)
{
    int rc = cf_store_put_new(store, key, "1", 1, err);
    if (rc) {
        return rc;
    }
    rc = cf_store_put_new(store, key, "2", 1, err);
    if (rc == 0) {
        return refused(store, err, "it let a second writer replace an object that existed");
    }
    return rc == CF_ECONFLICT ? 0 : rc;
}

static int probe_race(struct cf_store *store, const char *key, struct cf_error *err)
{
    struct cf_op ops[RACERS];
    int winners = 0;
    int rc = 0;
    for (size_t i = 0; i < RACERS; i++) {
        ops[i] = (struct cf_op){.kind = CF_OP_PUT_NEW, .key = key, .data = "racer", .length = 5};
    }
    (void)cf_store_run(store, ops, RACERS);
    for (size_t i = 0; i < RACERS; i++) {
        winners += ops[i].rc == 0;
        if (ops[i].rc && ops[i].rc != CF_ECONFLICT) {
            rc = ops[i].rc;
            *err = ops[i].error;
        }
        cf_op_release(&ops[i]);
    }
    if (!rc && winners != 1) {
        rc = refused(store, err, "of 8 writers racing for one key, not exactly one won");
    }
    return rc;
}

static int probe_list(struct cf_store *store, const char *prefix, const char *first,
                      const char *second, struct cf_error *err)
{
    struct cf_op list = {.kind = CF_OP_LIST, .key = prefix};
    int rc = cf_store_run(store, &list, 1);
    if (rc) {
        *err = list.error;
    } else if (list.listed_count != 2 || strcmp(list.listed[0].key, first) != 0 ||
               strcmp(list.listed[1].key, second) != 0) {
        rc = refused(store, err, "LIST does not show what was just written, in order");
    }
    cf_op_release(&list);
    return rc;
}

static void probe(struct cf_store *store, bool to_the_end, struct cf_error errors[CF_PROBE_PARTS])
{
    char random[CF_RANDOM_HEX];
    char prefix[CF_KEY_MAX];
    char first[CF_KEY_MAX + 8];
    char second[CF_KEY_MAX + 8];
    struct cf_error ignored;
    int rc = 0;
    memset(errors, 0, CF_PROBE_PARTS * sizeof(*errors));
    if (!cf_store_can_commit(store)) {
        (void)refused(store, &errors[CF_PROBE_TWICE],
                      "its driver has no conditional create (for s3v2: see docs/decisions/0009)");
        return;
    }
    cf_random_hex(random);
    (void)snprintf(prefix, sizeof(prefix), "probe/%s/", random);
    (void)snprintf(first, sizeof(first), "%sa", prefix);
    (void)snprintf(second, sizeof(second), "%sb", prefix);
    for (int part = 0; part < CF_PROBE_PARTS && (!rc || to_the_end); part++) {
        struct cf_error err = {0};
        rc = part == CF_PROBE_RACE    ? probe_race(store, second, &err)
             : part == CF_PROBE_TWICE ? probe_twice(store, first, &err)
                                      : probe_list(store, prefix, first, second, &err);
        if (rc) {
            errors[part] = err;
            errors[part].code = rc;
        }
    }
    (void)cf_store_delete(store, first, &ignored);
    (void)cf_store_delete(store, second, &ignored);
}

void cf_root_probe_each(struct cf_store *store, struct cf_error errors[CF_PROBE_PARTS])
{
    probe(store, true, errors);
}

int cf_root_probe(struct cf_store *store, struct cf_error *err)
{
    struct cf_error errors[CF_PROBE_PARTS];
    probe(store, false, errors);
    for (int part = 0; part < CF_PROBE_PARTS; part++) {
        if (errors[part].code) {
            *err = errors[part];
            return err->code;
        }
    }
    return 0;
}

int cf_root_check(struct cf_store *store, struct cf_error *err)
{
    struct cf_buf text = CF_BUF_INIT;
    int rc = cf_store_get(store, ROOT_KEY, &text, err);
    if (rc == CF_ENOTFOUND) {
        rc = cf_root_probe(store, err);
        if (!rc) {
            static const char fresh[] = "{\"conditional_create\":true,\"contract\":1}";
            rc = cf_store_put_new(store, ROOT_KEY, fresh, sizeof(fresh) - 1, err);
            rc = rc == CF_ECONFLICT ? cf_store_get(store, ROOT_KEY, &text, err) : rc;
        }
        if (!rc && !text.length) {
            return 0;
        }
    }
    rc = rc ? rc : check_document(&text, err);
    cf_buf_release(&text);
    return rc;
}
