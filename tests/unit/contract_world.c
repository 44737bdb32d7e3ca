#include "tests/unit/contract_world.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "common/base/json.h"

const struct cf_producer world_producer = {.job = "test", .build = "b1", .run = "r1"};

void world_open(struct world *w)
{
    memset(w, 0, sizeof(*w));
    ck_assert_int_eq(cf_store_open("memory:", &w->inner, &w->err), 0);
    w->store = counting_store(&w->counting, w->inner, true);
    cf_dataset_init(&w->data, w->store, "octocat", "repos");
    cf_dataset_init(&w->direct, w->inner, "octocat", "repos");
}

void world_close(struct world *w)
{
    cf_store_free(w->store);
    cf_store_free(w->inner);
}

static void ignore(int number)
{
    (void)number;
}

void world_hurry(void)
{
    struct sigaction action = {.sa_handler = ignore};
    struct itimerval every = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

int world_commit_after(const struct cf_dataset *dataset, const struct cf_marker *parent,
                       const char *texts, struct cf_marker *out, struct cf_error *err)
{
    json_t *parent_root = NULL;
    struct cf_marker marker;
    struct cf_blob_ref ref;
    char request[CF_SHA256_HEX];
    int rc = parent ? cf_dataset_root(dataset, parent, &parent_root, err) : 0;
    if (rc) {
        return rc;
    }
    struct cf_commit *commit = cf_commit_new(dataset, parent, parent_root, &world_producer);
    for (const char *text = texts; *text; text += text[strcspn(text, ",")] == ',') {
        size_t length = strcspn(text, ",");
        cf_commit_add(commit, text, length, "text/plain", &ref);
        text += length;
    }
    cf_sha256_hex(texts, strlen(texts), request);
    json_t *root = json_pack("{s:s,s:s}", "document", "test", "texts", texts);
    rc = cf_commit_finish(commit, root, request, json_pack("{s:s}", "texts", texts), &marker, err);
    cf_commit_free(commit);
    json_decref(parent_root);
    if (!rc && out) {
        *out = marker;
    } else if (!rc) {
        cf_marker_release(&marker);
    }
    return rc;
}

int world_try(const struct cf_dataset *dataset, const char *texts, struct cf_marker *out,
              struct cf_error *err)
{
    struct cf_marker parent;
    int rc = cf_dataset_newest(dataset, &parent, err);
    if (rc && rc != CF_ENOTFOUND) {
        return rc;
    }
    rc = world_commit_after(dataset, rc ? NULL : &parent, texts, out, err);
    cf_marker_release(&parent);
    return rc;
}

uint64_t world_commit(const struct cf_dataset *dataset, const char *texts)
{
    struct cf_error err = {0};
    struct cf_marker marker;
    int rc = world_try(dataset, texts, &marker, &err);
    ck_assert_msg(rc == 0, "%s: %s", texts, err.message);
    uint64_t version = marker.version;
    cf_marker_release(&marker);
    return version;
}

void world_commit_many(const struct cf_dataset *dataset, size_t count, const char *name)
{
    for (size_t i = 1; i <= count; i++) {
        char texts[64];
        (void)snprintf(texts, sizeof(texts), "%s%zu,shared", name, i);
        (void)world_commit(dataset, texts);
    }
}

void world_expect(const struct cf_dataset *dataset, uint64_t version, const char *texts)
{
    struct cf_error err = {0};
    struct cf_marker marker;
    struct cf_blob_set blobs;
    json_t *root = NULL;
    size_t expected = 0;
    ck_assert_msg(cf_dataset_at(dataset, version, &marker, &err) == 0, "%s", err.message);
    ck_assert_msg(cf_dataset_root(dataset, &marker, &root, &err) == 0, "%s", err.message);
    ck_assert_str_eq(json_string_value(json_object_get(root, "texts")), texts);
    ck_assert_int_eq(cf_blob_set_read(root, &blobs, &err), 0);
    for (const char *text = texts; *text; text += text[strcspn(text, ",")] == ',') {
        char hash[CF_SHA256_HEX];
        struct cf_buf payload = CF_BUF_INIT;
        size_t length = strcspn(text, ",");
        cf_sha256_hex(text, length, hash);
        const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, hash);
        ck_assert_msg(ref != NULL, "version %d lacks %s", (int)version, text);
        int rc = cf_dataset_blob(dataset, ref, &payload, &err);
        ck_assert_msg(rc == 0, "%s", err.message);
        ck_assert(payload.length == length && memcmp(payload.data, text, length) == 0);
        cf_buf_release(&payload);
        text += length;
        expected++;
    }
    ck_assert_uint_eq(blobs.count, expected);
    cf_blob_set_release(&blobs);
    json_decref(root);
    cf_marker_release(&marker);
}

static void tell(void *context, enum cf_finding finding, const char *key, const char *what)
{
    cf_buf_printf(context, "%s %s: %s\n", cf_finding_name(finding), key, what);
}

void world_expect_clean(struct world *w, uint64_t versions)
{
    struct cf_verified verified;
    struct cf_buf told = CF_BUF_INIT;
    int rc = cf_verify(&w->direct, tell, &told, &verified, &w->err);
    ck_assert_msg(rc == 0, "%s", w->err.message);
    ck_assert_msg(cf_verified_clean(&verified), "%s", cf_buf_str(&told));
    ck_assert_uint_eq(verified.versions, versions);
    cf_buf_release(&told);
}

static int count_key(void *context, const struct cf_listed *listed)
{
    (void)listed;
    ++*(size_t *)context;
    return 0;
}

size_t world_count_keys(struct world *w, const char *prefix)
{
    size_t count = 0;
    ck_assert_int_eq(cf_store_walk(w->inner, prefix, NULL, false, count_key, &count, &w->err), 0);
    return count;
}

void world_find_blob(const struct cf_dataset *dataset, const char *text, struct cf_blob_ref *out)
{
    struct cf_error err;
    struct cf_marker marker;
    struct cf_blob_set blobs;
    char hash[CF_SHA256_HEX];
    json_t *root = NULL;
    cf_sha256_hex(text, strlen(text), hash);
    ck_assert_int_eq(cf_dataset_newest(dataset, &marker, &err), 0);
    ck_assert_int_eq(cf_dataset_root(dataset, &marker, &root, &err), 0);
    ck_assert_int_eq(cf_blob_set_read(root, &blobs, &err), 0);
    const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, hash);
    ck_assert_ptr_nonnull(ref);
    *out = *ref;
    cf_blob_set_release(&blobs);
    json_decref(root);
    cf_marker_release(&marker);
}

void world_flip(struct world *w, const char *key, size_t offset)
{
    struct cf_buf body = CF_BUF_INIT;
    ck_assert_int_eq(cf_store_get(w->inner, key, &body, &w->err), 0);
    ck_assert_uint_lt(offset, body.length);
    body.data[offset] = (char)(body.data[offset] ^ 1);
    ck_assert_int_eq(cf_store_put(w->inner, key, body.data, body.length, &w->err), 0);
    cf_buf_release(&body);
}

void world_copy(struct world *w, const char *from, const char *to)
{
    struct cf_buf body = CF_BUF_INIT;
    ck_assert_int_eq(cf_store_get(w->inner, from, &body, &w->err), 0);
    ck_assert_int_eq(cf_store_put(w->inner, to, body.data, body.length, &w->err), 0);
    cf_buf_release(&body);
}
