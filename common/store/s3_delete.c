#include "common/store/s3_task.h"
void cf_s3_delete_many(struct cf_s3 *s3, struct cf_op **ops, size_t count)
{
    cf_s3_run_tasks(s3, ops, count);
}
