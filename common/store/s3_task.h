/* Private to the S3 driver: one operation on its way, from its first request to its result. */
#ifndef CF_STORE_S3_TASK_H
#define CF_STORE_S3_TASK_H

#include "common/store/s3_call.h"
#include "common/store/store.h"

#define CF_S3_IN_FLIGHT 32
#define CF_S3_MULTIPART ((uint64_t)64 << 20) /* a PUT above this goes up in parts */
#define CF_S3_PART ((uint64_t)16 << 20)      /* at least; all but the last are equal */

struct cf_s3_task {
    struct cf_s3_call call;
    struct cf_op *op;                       /* NULL: free */
    void *context;                          /* the owner's */
    void (*ended)(struct cf_s3_task *task); /* op->rc and op->error are set; may start another */

    /* GET: all positions count from the object's first byte */
    struct cf_http_sink sink;
    uint64_t first, end; /* what is wanted; end is UINT64_MAX until the size is known */
    uint64_t next;       /* the byte to be delivered next */
    uint64_t at;         /* where the attempt's next byte belongs */
    bool opened;         /* the attempt's headers were looked at */
    unsigned changes;    /* how often the object was replaced under the reading */

    struct cf_http_source source; /* PUT */
    char *after;                  /* LIST: where the page begins */
    char *group;                  /* LIST: the group that start_after lies in */
};

/* Starts an operation that takes few small requests: any but a PUT above CF_S3_MULTIPART. */
void cf_s3_task_start(struct cf_s3_task *task, struct cf_op *op);
void cf_s3_task_release(struct cf_s3_task *task);

/* The time a request may take for so many bytes: what any takes, and 64 KiB a second. */
#define CF_S3_TOTAL_MS(bytes) (120000 + (int64_t)((bytes) / 64))

/* Ends the operation with what the call says of it. */
void cf_s3_task_end(struct cf_s3_task *task, int rc);

/* The starts of each kind. */
void cf_s3_get_start(struct cf_s3_task *task);
void cf_s3_stat_start(struct cf_s3_task *task);
void cf_s3_list_start(struct cf_s3_task *task);
void cf_s3_put_start(struct cf_s3_task *task);
void cf_s3_delete_start(struct cf_s3_task *task);

/* Copies size (a Content-Length or Content-Range) and ETag of an answer into the operation. */
int cf_s3_read_headers(const struct cf_http_request *http, struct cf_op *op);

/* An object of any size, in parts; blocks. */
void cf_s3_put_parts(struct cf_s3 *s3, struct cf_op *op);

/* Many deletions, with few requests; blocks. Each operation gets its result. */
void cf_s3_delete_many(struct cf_s3 *s3, struct cf_op **ops, size_t count);

/* Runs operations of any number, CF_S3_IN_FLIGHT at a time; blocks. */
void cf_s3_run_tasks(struct cf_s3 *s3, struct cf_op **ops, size_t count);

#endif
