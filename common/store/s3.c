/* The S3 driver: s3://bucket and s3://bucket/prefix, at Amazon or wherever AWS_ENDPOINT_URL_S3
 * points. Operations run side by side on one request engine, which does all retrying. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/store/s3_task.h"
#include "common/store/store.h"

enum { MANY_DELETIONS = 4 };

void cf_s3_task_start(struct cf_s3_task *task, struct cf_op *op)
{
    task->op = op;
    task->call.key = op->key;
    task->call.context = task;
    switch (op->kind) {
    case CF_OP_GET:
        cf_s3_get_start(task);
        break;
    case CF_OP_STAT:
        cf_s3_stat_start(task);
        break;
    case CF_OP_LIST:
        cf_s3_list_start(task);
        break;
    case CF_OP_PUT:
    case CF_OP_PUT_NEW:
        cf_s3_put_start(task);
        break;
    case CF_OP_DELETE:
        cf_s3_delete_start(task);
        break;
    }
}

void cf_s3_task_end(struct cf_s3_task *task, int rc)
{
    struct cf_op *op = task->op;
    const struct cf_error *error = &task->call.error;
    op->rc = rc;
    if (rc && !op->error.code) {
        op->error = *error;
        op->error.code = rc;
    } else if (!rc) {
        op->error = (struct cf_error){0};
    }
    if (rc) {
        (void)snprintf(op->error.operation, sizeof(op->error.operation), "%s",
                       task->call.operation);
        (void)snprintf(op->error.key, sizeof(op->error.key), "%s", op->key);
    }
    task->op = NULL;
    task->ended(task);
}

void cf_s3_task_release(struct cf_s3_task *task)
{
    cf_s3_call_release(&task->call);
    free(task->after);
    free(task->group);
}

struct run {
    struct cf_op **ops;
    size_t count;
    size_t next;
};

static void start_next(struct cf_s3_task *task)
{
    struct run *run = task->context;
    /* An operation may end before it has begun, when its source fails: so this is a loop, and
     * ended, which such an end calls, finds that the task is taken. */
    while (!task->op && run->next < run->count) {
        cf_s3_task_start(task, run->ops[run->next++]);
    }
}

void cf_s3_run_tasks(struct cf_s3 *s3, struct cf_op **ops, size_t count)
{
    size_t width = count < CF_S3_IN_FLIGHT ? count : CF_S3_IN_FLIGHT;
    struct run run = {.ops = ops, .count = count};
    struct cf_s3_task *tasks = cf_calloc(width ? width : 1, sizeof(*tasks));
    for (size_t i = 0; i < width; i++) {
        tasks[i].call.s3 = s3;
        tasks[i].context = &run;
        tasks[i].ended = start_next;
        start_next(&tasks[i]);
    }
    cf_http_wait(s3->http);
    for (size_t i = 0; i < width; i++) {
        cf_s3_task_release(&tasks[i]);
    }
    free(tasks);
}

static int s3_open(const char *rest, void **self, struct cf_error *err)
{
    struct cf_s3_config config;
    int rc = cf_s3_config_read(rest, &config, err);
    if (rc) {
        return rc;
    }
    struct cf_http_options options = {.max_in_flight = CF_S3_IN_FLIGHT,
                                      .max_attempts = 8,
                                      .backoff_ms = 100,
                                      .stop = cf_store_stop(),
                                      .grace_ms = 10000};
    struct cf_s3 *s3 = cf_calloc(1, sizeof(*s3));
    s3->config = config;
    s3->http = cf_http_new(&options);
    s3->credentials = cf_credentials_chain_new(NULL);
    cf_sigv4_init(&s3->signer, config.region, "s3");
    *self = s3;
    return 0;
}

static void s3_close(void *self)
{
    struct cf_s3 *s3 = self;
    cf_http_free(s3->http);
    cf_credentials_chain_free(s3->credentials);
    cf_sigv4_release(&s3->signer);
    cf_s3_config_release(&s3->config);
    free(s3);
}

static uint64_t body_size(const struct cf_op *op)
{
    return op->source ? op->source->size : op->length;
}

static bool is_large(const struct cf_op *op)
{
    return op->kind == CF_OP_PUT && body_size(op) > CF_S3_MULTIPART;
}

static void s3_run(void *self, struct cf_op *ops, size_t count)
{
    struct cf_s3 *s3 = self;
    size_t deletions = 0;
    size_t small = 0;
    size_t removed = 0;
    for (size_t i = 0; i < count; i++) {
        deletions += ops[i].kind == CF_OP_DELETE;
    }
    bool together = deletions >= MANY_DELETIONS;
    struct cf_op **list = cf_calloc(count ? count : 1, sizeof(struct cf_op *));
    for (size_t i = 0; i < count; i++) {
        if (together && ops[i].kind == CF_OP_DELETE) {
            list[count - ++removed] = &ops[i];
        } else if (!is_large(&ops[i])) {
            list[small++] = &ops[i];
        }
    }
    cf_s3_run_tasks(s3, list, small);
    if (removed) {
        cf_s3_delete_many(s3, list + (count - removed), removed);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_large(&ops[i])) {
            cf_s3_put_parts(s3, &ops[i]);
        }
    }
    free(list);
}

static json_t *describe_credentials(struct cf_s3 *s3)
{
    const struct cf_credentials *credentials = NULL;
    struct cf_error error;
    int rc = cf_credentials_chain_get(s3->credentials, &credentials, &error);
    if (rc) {
        return json_pack("{s:s,s:i}", "error", error.message, "code", rc);
    }
    return json_pack("{s:s,s:o}", "source", credentials->source, "expires_ms",
                     credentials->expires_ms ? json_integer(credentials->expires_ms) : json_null());
}

static json_t *s3_describe(void *self)
{
    struct cf_s3 *s3 = self;
    const struct cf_s3_config *config = &s3->config;
    size_t length = strlen(config->bucket);
    bool in_host =
        strncmp(config->host, config->bucket, length) == 0 && strcmp(config->path, "/") == 0;
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "endpoint", config->origin, "bucket",
                     config->bucket, "prefix", config->prefix, "region", config->region,
                     "addressing", in_host ? "virtual-hosted" : "path", "clock_skew_s",
                     s3->skew_known ? json_integer(s3->skew_s) : json_null(), "credentials",
                     describe_credentials(s3));
}

const struct cf_store_driver cf_store_s3_driver = {
    .scheme = "s3",
    .conditional_create = true,
    .open = s3_open,
    .run = s3_run,
    .describe = s3_describe,
    .close = s3_close,
};
