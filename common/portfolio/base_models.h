/* The document of the shared dataset base-models: the pretrained encoders that tenants' models may
 * start from (docs/decisions/0014-base-models.md).
 *
 *     {"document": "base-models", "models": {"<name>": <model>, …}, "blobs": […]}
 *
 * A model: {"config": {"layers", "hidden", "heads", "ffn", "vocabulary", "positions", "types",
 * "max_tokens"}, "parameters", "imported_at", "files": [{"path", "type", "sha256"}]}. Its files are
 * those of a sentence-transformer's folder, as they were imported. */
#ifndef CF_PORTFOLIO_BASE_MODELS_H
#define CF_PORTFOLIO_BASE_MODELS_H

#include "common/base/clock.h"
#include "common/contract/dataset.h"
#include "common/portfolio/model.h"

#define CF_BASE_MODEL_NAME_MAX 64 /* with the NUL */
#define CF_BASE_MODELS_MAX 256
#define CF_BASE_MODEL_FILES_MAX 16

struct cf_base_model {
    char name[CF_BASE_MODEL_NAME_MAX];
    json_t *config; /* owned: the sizes, whole numbers by name */
    uint64_t parameters;
    char imported_at[CF_TIMESTAMP]; /* for people */
    struct cf_model_file files[CF_BASE_MODEL_FILES_MAX];
    size_t file_count;
};

/* CF_EUSAGE unless a name is 1 to 63 of [A-Za-z0-9._-], begins with a letter or digit, and isn't
 * "none". */
int cf_base_model_check_name(const char *name, struct cf_error *err);

void cf_base_models_dataset(struct cf_dataset *dataset, struct cf_store *store);

/* The newest version, its marker and root released by the caller. CF_ENOTFOUND says how to import a
 * model. */
int cf_base_models_newest(const struct cf_dataset *dataset, struct cf_marker *marker, json_t **root,
                          struct cf_error *err);

/* One model of a root; released by the caller. CF_ENOTFOUND when there is none of that name. */
int cf_base_model_read(const json_t *root, const char *name, struct cf_base_model *out,
                       struct cf_error *err);
void cf_base_model_release(struct cf_base_model *model);

/* True when both have the same files with the same contents. */
bool cf_base_model_same(const struct cf_base_model *a, const struct cf_base_model *b);

/* What it is, whatever its name: the SHA-256 of {"<path>": "<sha256>", …} of its files in canonical
 * form. A request pins it. */
void cf_base_model_hash(const struct cf_base_model *model, char out[CF_SHA256_HEX]);

/* Fetches a model's files, one after the other: out[i] is that of files[i]. Nothing is left in out
 * on failure. */
int cf_base_model_fetch(const struct cf_dataset *dataset, const json_t *root,
                        const struct cf_base_model *model,
                        struct cf_buf out[CF_BASE_MODEL_FILES_MAX], struct cf_error *err);

/* Commits a version in which name is this model and all others are those of parent (NULL: the
 * first), whose root is parent_root. data[i] are the bytes of files[i]. Holds one compressed file
 * at a time. CF_ECONFLICT: somebody else committed. */
int cf_base_models_commit(const struct cf_dataset *dataset, const struct cf_marker *parent,
                          const json_t *parent_root, const struct cf_base_model *model,
                          const struct cf_buf *const data[], const struct cf_producer *producer,
                          struct cf_marker *out, struct cf_error *err);

#endif
