#include "common/portfolio/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"

static int read_stage(const json_t *root, char out[8], struct cf_error *err)
{
    static const char *const stages[] = {"exam", "model", "none"};
    const char *stage;
    int rc = cf_json_get_string(root, "stage", &stage, err);
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]) && !rc; i++) {
        if (strcmp(stage, stages[i]) == 0) {
            (void)snprintf(out, 8, "%s", stage);
            return 0;
        }
    }
    return rc ? rc
              : cf_error_set(err, CF_EDATA,
                             "the field \"stage\" must be \"exam\", \"model\" or \"none\"");
}

int cf_checkpoint_document_read(const json_t *root, struct cf_checkpoint_document *out,
                                struct cf_error *err)
{
    memset(out, 0, sizeof(*out));
    if (cf_json_get_sha256(root, "request", out->request, err) ||
        read_stage(root, out->stage, err) || cf_json_get_u64(root, "step", &out->step, err) ||
        cf_json_get_u64(root, "steps", &out->steps, err) ||
        cf_model_files_read(root, out->files, CF_CHECKPOINT_FILES_MAX, &out->file_count, err)) {
        return cf_error_prefix(err, "checkpoint");
    }
    if (out->step > out->steps) {
        return cf_error_set(err, CF_EDATA, "checkpoint: \"step\" is above \"steps\"");
    }
    if ((strcmp(out->stage, "none") == 0) != (out->file_count == 0)) {
        return cf_error_set(err, CF_EDATA, "checkpoint: stage \"%s\" %s files", out->stage,
                            out->file_count ? "has no" : "needs");
    }
    return 0;
}

json_t *cf_checkpoint_document_write(const struct cf_checkpoint_document *d)
{
    return json_pack("{s:s,s:s,s:s,s:I,s:I,s:o}", "document", "checkpoint", "request", d->request,
                     "stage", d->stage, "step", (json_int_t)d->step, "steps", (json_int_t)d->steps,
                     "files", cf_model_files_write(d->files, d->file_count));
}
