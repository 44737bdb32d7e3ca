#include "common/store/s3_task.h"
void cf_s3_put_parts(struct cf_s3 *s3, struct cf_op *op)
{
    cf_s3_run_tasks(s3, &op, 1);
}
