#include "common/portfolio/content.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

static const char *const kind_names[CF_DOCUMENT_KINDS] = {"readme", "skills_index", "architecture",
                                                          "repo_context"};

const char *cf_document_kind_name(enum cf_document_kind kind)
{
    return kind_names[kind];
}

void cf_content_release(struct cf_content *content)
{
    for (size_t i = 0; i < content->file_type_count; i++) {
        free(content->file_types[i].extension);
    }
    free(content->file_types);
    for (size_t i = 0; i < CF_DOCUMENT_KINDS; i++) {
        free(content->documents[i].path);
        free(content->documents[i].text);
        free(content->documents[i].skipped);
    }
    *content = (struct cf_content){0};
}

static int read_oid(const json_t *object, const char *name, char out[CF_OID_HEX],
                    struct cf_error *err)
{
    const char *text;
    int rc = cf_json_get_string(object, name, &text, err);
    if (!rc && !cf_oid_is_valid(text)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"%s\" must be a git object's id", name);
    }
    if (!rc) {
        memcpy(out, text, strlen(text) + 1);
    }
    return rc;
}

static int read_document(const json_t *object, struct cf_content *content, struct cf_error *err)
{
    const char *kind;
    const char *path;
    const char *text;
    const char *skipped;
    int rc = cf_json_get_string(object, "kind", &kind, err);
    if (rc) {
        return rc;
    }
    size_t i = 0;
    while (i < CF_DOCUMENT_KINDS && strcmp(kind, kind_names[i]) != 0) {
        i++;
    }
    if (i == CF_DOCUMENT_KINDS || content->documents[i].path) {
        return cf_error_set(err, CF_EDATA, "the kind \"%.40s\" is unknown or there twice", kind);
    }
    struct cf_document *document = &content->documents[i];
    rc = cf_json_get_string(object, "path", &path, err);
    rc = rc ? rc : read_oid(object, "oid", document->oid, err);
    rc = rc ? rc : cf_json_get_u64(object, "bytes", &document->bytes, err);
    rc = rc ? rc : cf_json_opt_string(object, "text", NULL, &text, err);
    rc = rc ? rc : cf_json_opt_string(object, "skipped", NULL, &skipped, err);
    if (!rc && !text == !skipped) {
        rc = cf_error_set(err, CF_EDATA, "a document has either a text or a reason");
    }
    if (!rc) {
        document->path = cf_strdup(path);
        document->text = text ? cf_strdup(text) : NULL;
        document->text_length = text ? strlen(text) : 0;
        document->skipped = skipped ? cf_strdup(skipped) : NULL;
    }
    return rc;
}

static int compare_file_types(const void *a, const void *b)
{
    return strcmp(((const struct cf_file_type *)a)->extension,
                  ((const struct cf_file_type *)b)->extension);
}

static int read_file_types(const json_t *object, struct cf_content *content, struct cf_error *err)
{
    json_t *types;
    int rc = cf_json_get_object(object, "file_types", &types, err);
    if (rc) {
        return rc;
    }
    const char *extension;
    json_t *value;
    content->file_types = cf_calloc(json_object_size(types), sizeof(*content->file_types));
    json_object_foreach(types, extension, value)
    {
        struct cf_file_type *type = &content->file_types[content->file_type_count];
        if ((rc = cf_json_get_u64(types, extension, &type->count, err))) {
            return rc;
        }
        type->extension = cf_strdup(extension);
        content->file_type_count++;
    }
    if (content->file_type_count) {
        qsort(content->file_types, content->file_type_count, sizeof(*content->file_types),
              compare_file_types);
    }
    return 0;
}

int cf_content_read(const json_t *document, struct cf_content *out, struct cf_error *err)
{
    const char *name;
    json_t *documents = NULL;
    *out = (struct cf_content){0};
    int rc = cf_json_get_string(document, "document", &name, err);
    if (!rc && strcmp(name, "content") != 0) {
        rc = cf_error_set(err, CF_EDATA, "the field \"document\" must be \"content\"");
    }
    rc = rc ? rc : read_oid(document, "tree", out->tree, err);
    rc = rc ? rc : cf_json_get_u64(document, "files", &out->files, err);
    rc = rc ? rc : cf_json_get_bool(document, "truncated", &out->truncated, err);
    rc = rc ? rc : read_file_types(document, out, err);
    rc = rc ? rc : cf_json_get_array(document, "documents", &documents, err);
    for (size_t i = 0; i < json_array_size(documents) && !rc; i++) {
        rc = read_document(json_array_get(documents, i), out, err);
    }
    if (rc) {
        cf_content_release(out);
        (void)cf_error_prefix(err, "content");
    }
    return rc;
}

static json_t *write_document(const struct cf_document *document, size_t kind)
{
    json_t *out = json_object();
    (void)json_object_set_new(out, "kind", json_string(kind_names[kind]));
    (void)json_object_set_new(out, "path", cf_json_string_or_null(document->path));
    (void)json_object_set_new(out, "oid", json_string(document->oid));
    (void)json_object_set_new(out, "bytes", json_integer((json_int_t)document->bytes));
    (void)json_object_set_new(out, "text",
                              document->text ? cf_json_text(document->text, document->text_length)
                                             : json_null());
    (void)json_object_set_new(out, "skipped", cf_json_string_or_null(document->skipped));
    return out;
}

json_t *cf_content_write(const struct cf_content *content)
{
    json_t *types = json_object();
    for (size_t i = 0; i < content->file_type_count; i++) {
        (void)json_object_set_new(types, content->file_types[i].extension,
                                  json_integer((json_int_t)content->file_types[i].count));
    }
    json_t *documents = json_array();
    for (size_t i = 0; i < CF_DOCUMENT_KINDS; i++) {
        if (content->documents[i].path) {
            (void)json_array_append_new(documents, write_document(&content->documents[i], i));
        }
    }
    json_t *out = json_object();
    (void)json_object_set_new(out, "document", json_string("content"));
    (void)json_object_set_new(out, "tree", json_string(content->tree));
    (void)json_object_set_new(out, "files", json_integer((json_int_t)content->files));
    (void)json_object_set_new(out, "truncated", json_boolean(content->truncated));
    (void)json_object_set_new(out, "file_types", types);
    (void)json_object_set_new(out, "documents", documents);
    return out;
}
