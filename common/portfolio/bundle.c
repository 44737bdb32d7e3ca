#include "common/portfolio/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

static int read_document(const json_t *value, struct cf_bundle_document *out, struct cf_error *err)
{
    const char *kind;
    const char *path;
    int rc = cf_json_get_string(value, "kind", &kind, err);
    rc = rc ? rc : cf_json_get_string(value, "path", &path, err);
    rc = rc ? rc : cf_json_get_u64(value, "bytes", &out->bytes, err);
    if (!rc && strcmp(kind, "readme") != 0 && strcmp(kind, "skills_index") != 0 &&
        strcmp(kind, "architecture") != 0 && strcmp(kind, "repo_context") != 0) {
        rc = cf_error_set(err, CF_EDATA, "the field \"kind\" names no kind of document");
    }
    if (!rc) {
        (void)snprintf(out->kind, sizeof(out->kind), "%s", kind);
        out->path = cf_strdup(path);
    }
    return rc;
}

static int read_entry(const json_t *value, struct cf_bundle_entry *out, struct cf_error *err)
{
    const char *name;
    json_t *documents;
    int rc = cf_json_get_string(value, "name", &name, err);
    if (rc) {
        return rc;
    }
    out->name = cf_strdup(name);
    if (cf_json_get_sha256(value, "source", out->source, err) ||
        cf_json_get_sha256(value, "entry", out->entry, err) ||
        cf_json_get_sha256(value, "content_fingerprint", out->content_fingerprint, err) ||
        cf_json_get_bool(value, "has_documentation", &out->has_documentation, err) ||
        cf_json_get_u64(value, "words", &out->words, err) ||
        cf_json_get_array(value, "documents", &documents, err)) {
        return cf_error_prefix(err, "the entry \"%.100s\"", name);
    }
    out->documents = cf_calloc(json_array_size(documents), sizeof(*out->documents));
    out->document_count = json_array_size(documents);
    for (size_t i = 0; i < out->document_count; i++) {
        rc = read_document(json_array_get(documents, i), &out->documents[i], err);
        if (rc) {
            return cf_error_prefix(err, "the entry \"%.100s\", documents[%zu]", name, i);
        }
    }
    return 0;
}

int cf_bundle_read(const json_t *root, struct cf_bundle *out, struct cf_error *err)
{
    const char *login;
    json_t *entries;
    memset(out, 0, sizeof(*out));
    int rc = cf_json_get_string(root, "login", &login, err);
    rc = rc ? rc : cf_json_get_sha256(root, "content_fingerprint", out->content_fingerprint, err);
    rc = rc ? rc : cf_json_get_array(root, "entries", &entries, err);
    if (rc) {
        return cf_error_prefix(err, "bundle");
    }
    out->login = cf_strdup(login);
    out->count = json_array_size(entries);
    out->entries = cf_calloc(out->count, sizeof(*out->entries));
    for (size_t i = 0; i < out->count && !rc; i++) {
        rc = read_entry(json_array_get(entries, i), &out->entries[i], err);
    }
    if (rc) {
        (void)cf_error_prefix(err, "bundle");
        cf_bundle_release(out);
    }
    return rc;
}

json_t *cf_bundle_write(const struct cf_bundle *bundle)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < bundle->count; i++) {
        const struct cf_bundle_entry *e = &bundle->entries[i];
        json_t *documents = json_array();
        for (size_t j = 0; j < e->document_count; j++) {
            const struct cf_bundle_document *d = &e->documents[j];
            (void)json_array_append_new(documents,
                                        json_pack("{s:s,s:o,s:I}", "kind", d->kind, "path",
                                                  cf_json_string_or_null(d->path), "bytes",
                                                  (json_int_t)d->bytes));
        }
        (void)json_array_append_new(
            entries,
            json_pack("{s:o,s:s,s:s,s:s,s:b,s:I,s:o}", "name", cf_json_string_or_null(e->name),
                      "source", e->source, "entry", e->entry, "content_fingerprint",
                      e->content_fingerprint, "has_documentation", (int)e->has_documentation,
                      "words", (json_int_t)e->words, "documents", documents));
    }
    return json_pack("{s:s,s:o,s:s,s:o}", "document", "bundle", "login",
                     cf_json_string_or_null(bundle->login), "content_fingerprint",
                     bundle->content_fingerprint, "entries", entries);
}

const struct cf_bundle_entry *cf_bundle_find(const struct cf_bundle *bundle, const char *name)
{
    for (size_t i = 0; i < bundle->count; i++) {
        if (strcmp(bundle->entries[i].name, name) == 0) {
            return &bundle->entries[i];
        }
    }
    return NULL;
}

void cf_bundle_entry_copy(const struct cf_bundle_entry *from, struct cf_bundle_entry *to)
{
    *to = *from;
    to->name = cf_strdup(from->name);
    to->documents = cf_calloc(from->document_count, sizeof(*to->documents));
    for (size_t i = 0; i < from->document_count; i++) {
        to->documents[i] = from->documents[i];
        to->documents[i].path = cf_strdup(from->documents[i].path);
    }
}

void cf_bundle_release(struct cf_bundle *bundle)
{
    for (size_t i = 0; i < bundle->count && bundle->entries; i++) {
        struct cf_bundle_entry *e = &bundle->entries[i];
        for (size_t j = 0; j < e->document_count; j++) {
            free(e->documents[j].path);
        }
        free(e->documents);
        free(e->name);
    }
    free(bundle->entries);
    free(bundle->login);
    memset(bundle, 0, sizeof(*bundle));
}

char *cf_entry_text(const json_t *entry, const char *kind)
{
    if (strcmp(kind, "repo_context") == 0) {
        const json_t *context = json_object_get(entry, "repoContext");
        struct cf_buf text = CF_BUF_INIT;
        if (!json_is_object(context) || !json_object_size(context)) {
            return NULL;
        }
        cf_json_dump(context, &text);
        return cf_buf_detach(&text);
    }
    const char *text = json_string_value(json_object_get(entry, kind));
    return text && *text ? cf_strdup(text) : NULL;
}
