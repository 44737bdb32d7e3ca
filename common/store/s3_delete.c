/* Many deletions with few requests: POST ?delete for up to 1,000 keys each. What the answer says is
 * not taken on trust, since some stores answer 200 without having deleted: a LIST over the same
 * names must show none of them. Keys that failed or are still there are deleted one by one. */
#include <nettle/base64.h>
#include <nettle/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/s3_task.h"
#include "common/store/s3_xml.h"

enum { BATCH = 1000 };

struct batch {
    struct cf_s3 *s3;
    struct cf_op **ops; /* sorted by key */
    size_t count;
    bool *again; /* to be deleted by a request of its own */
};

static int by_key(const void *a, const void *b)
{
    return strcmp((*(struct cf_op *const *)a)->key, (*(struct cf_op *const *)b)->key);
}

/* The first operation whose key isn't below this one. */
static size_t lower_bound(const struct batch *batch, const char *key)
{
    size_t low = 0;
    size_t high = batch->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(batch->ops[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void mark(struct batch *batch, const char *key)
{
    for (size_t i = lower_bound(batch, key);
         i < batch->count && strcmp(batch->ops[i]->key, key) == 0; i++) {
        batch->again[i] = true;
    }
}

static void key_failed(void *context, const char *key, const char *code)
{
    struct batch *batch = context;
    size_t length = strlen(batch->s3->config.prefix);
    (void)code; /* the request of its own will tell */
    if (strncmp(key, batch->s3->config.prefix, length) == 0) {
        mark(batch, key + length);
    }
}

static void write_body(const struct batch *batch, struct cf_buf *out)
{
    cf_buf_puts(out,
                "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for (size_t i = 0; i < batch->count; i++) {
        cf_buf_puts(out, "<Object><Key>");
        cf_s3_xml_escape(out, batch->s3->config.prefix);
        cf_s3_xml_escape(out, batch->ops[i]->key);
        cf_buf_puts(out, "</Key></Object>");
    }
    cf_buf_puts(out, "</Delete>");
}

/* This request needs a digest beside the signed hash, and MD5 is what every store knows. */
static void add_digest(struct cf_s3_call *call, const struct cf_buf *body)
{
    struct md5_ctx ctx;
    uint8_t digest[MD5_DIGEST_SIZE];
    char text[BASE64_ENCODE_RAW_LENGTH(MD5_DIGEST_SIZE) + 1] = "";
    md5_init(&ctx);
    md5_update(&ctx, body->length, (const uint8_t *)body->data);
    md5_digest(&ctx, sizeof(digest), digest);
    base64_encode_raw(text, sizeof(digest), digest);
    cf_s3_call_header(call, "content-md5", "%s", text);
}

static int post(struct batch *batch, struct cf_error *err)
{
    struct cf_s3_call call = {.s3 = batch->s3,
                              .operation = "delete",
                              .key = batch->ops[0]->key,
                              .permission = "s3:DeleteObject"};
    struct cf_sigv4_pair pair = {"delete", ""};
    struct cf_buf body = CF_BUF_INIT;
    write_body(batch, &body);
    cf_s3_call_begin(&call, "POST", NULL, &pair, 1);
    cf_s3_call_body(&call, body.data, body.length);
    cf_s3_call_header(&call, "content-type", "application/xml");
    add_digest(&call, &body);
    int rc = cf_s3_call_run(&call);
    bool unknown_request = call.http.status == 405 || call.http.status == 501;
    if (!rc) {
        rc = cf_s3_xml_deleted(call.http.answer.data, call.http.answer.length, key_failed, batch,
                               err);
    } else if (unknown_request) {
        memset(batch->again, true, batch->count);
        rc = 0;
    } else {
        *err = call.error;
    }
    cf_buf_release(&body);
    cf_s3_call_release(&call);
    return rc;
}

/* A name right before a key in the order of names. */
static char *before_key(const char *key)
{
    char *before = cf_asprintf("%s~", key);
    before[strlen(key) - 1]--;
    return before;
}

/* Marks the keys from first on that a LIST shows, and goes on behind its page. */
static int list_some(struct batch *batch, const char *prefix, size_t *first, struct cf_error *err)
{
    char *after = before_key(batch->ops[*first]->key);
    struct cf_op list = {
        .kind = CF_OP_LIST, .key = prefix, .start_after = after, .max_keys = CF_LIST_MAX};
    struct cf_op *one = &list;
    cf_s3_run_tasks(batch->s3, &one, 1);
    if (list.rc) {
        *err = list.error;
        (void)cf_error_prefix(err, "what was deleted can't be verified");
    }
    for (size_t i = 0; i < list.listed_count; i++) {
        mark(batch, list.listed[i].key);
    }
    if (list.more && list.listed_count) {
        const char *last = list.listed[list.listed_count - 1].key;
        while (*first < batch->count && strcmp(batch->ops[*first]->key, last) <= 0) {
            (*first)++;
        }
    } else {
        *first = batch->count;
    }
    int rc = list.rc;
    cf_op_release(&list);
    free(after);
    return rc;
}

/* A page may end before the next key of the batch, so each one begins right before a key: names of
 * others between two keys cost one page at most. */
static int mark_survivors(struct batch *batch, struct cf_error *err)
{
    const char *lowest = batch->ops[0]->key;
    const char *highest = batch->ops[batch->count - 1]->key;
    size_t common = 0;
    while (lowest[common] && lowest[common] == highest[common]) {
        common++;
    }
    char *prefix = cf_strndup(lowest, common);
    size_t first = 0;
    int rc = 0;
    while (!rc && first < batch->count) {
        rc = list_some(batch, prefix, &first, err);
    }
    free(prefix);
    return rc;
}

/* One by one, and another look: what is there after that stays. */
static int delete_marked(struct batch *batch, struct cf_error *err)
{
    struct cf_op **marked = cf_calloc(batch->count, sizeof(struct cf_op *));
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->again[i]) {
            marked[count++] = batch->ops[i];
        }
    }
    int rc = 0;
    if (count) {
        cf_s3_run_tasks(batch->s3, marked, count);
        memset(batch->again, false, batch->count);
        rc = mark_survivors(batch, err);
    }
    free(marked);
    return rc;
}

static void delete_batch(struct batch *batch)
{
    struct cf_error error = {0};
    int rc = post(batch, &error);
    rc = rc ? rc : mark_survivors(batch, &error);
    rc = rc ? rc : delete_marked(batch, &error);
    for (size_t i = 0; i < batch->count; i++) {
        struct cf_op *op = batch->ops[i];
        if (rc && !op->rc) {
            op->rc = rc;
            op->error = error;
            (void)snprintf(op->error.key, sizeof(op->error.key), "%s", op->key);
        } else if (!op->rc && batch->again[i]) {
            op->rc = cf_error_at(&op->error, CF_EUNAVAILABLE, "delete", op->key,
                                 "the store says that it is deleted, and lists it still");
        }
    }
}

void cf_s3_delete_many(struct cf_s3 *s3, struct cf_op **ops, size_t count)
{
    bool again[BATCH];
    qsort(ops, count, sizeof(struct cf_op *), by_key);
    for (size_t i = 0; i < count; i += BATCH) {
        struct batch batch = {.s3 = s3, .ops = ops + i, .again = again};
        batch.count = count - i < BATCH ? count - i : BATCH;
        memset(again, false, sizeof(again));
        delete_batch(&batch);
    }
}
