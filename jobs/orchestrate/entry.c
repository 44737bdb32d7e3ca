#include "jobs/orchestrate/entry.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "jobs/orchestrate/category.h"
#include "jobs/orchestrate/legacy.h"

static json_t *string_array(char *const *items, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, cf_json_string_or_null(items[i]));
    }
    return array;
}

static json_t *languages_json(const struct cf_repository *r)
{
    json_t *languages = json_object();
    for (size_t i = 0; i < r->language_count; i++) {
        (void)json_object_set_new(languages, r->languages[i].name,
                                  json_integer((json_int_t)r->languages[i].bytes));
    }
    return languages;
}

static json_t *license_json(const struct cf_license *l)
{
    if (!l->key) {
        return json_null();
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "key", cf_json_string_or_null(l->key), "name",
                     cf_json_string_or_null(l->name), "spdx_id", cf_json_string_or_null(l->spdx_id),
                     "url", cf_json_string_or_null(l->url), "node_id",
                     cf_json_string_or_null(l->node_id));
}

/* The fields of GitHub's repository object that the old system kept. */
static json_t *metadata_json(const struct cf_repository *r)
{
    const struct cf_metadata *m = &r->metadata;
    json_t *owner = json_pack("{s:o,s:o}", "login", cf_json_string_or_null(m->owner_login), "url",
                              cf_json_string_or_null(m->owner_url));
    return json_pack(
        "{s:I,s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:I,s:o,s:o,s:b,s:o,s:o,s:o}", "id", (json_int_t)r->id,
        "name", cf_json_string_or_null(r->name), "url", cf_json_string_or_null(m->url),
        "description", cf_json_string_or_null(m->description), "fork", (int)m->fork, "created_at",
        cf_json_string_or_null(m->created_at), "updated_at", cf_json_string_or_null(m->updated_at),
        "pushed_at", cf_json_string_or_null(m->pushed_at), "size", (json_int_t)m->size, "language",
        cf_json_string_or_null(m->language), "license", license_json(&m->license), "allow_forking",
        (int)m->allow_forking, "topics", string_array(m->topics, m->topic_count), "visibility",
        cf_json_string_or_null(m->visibility), "owner", owner);
}

void orchestrate_entry_source(const struct cf_repository *r, char out[CF_SHA256_HEX])
{
    json_t *source = json_pack("{s:i,s:o,s:o,s:o,s:s}", "rules", ORCHESTRATE_RULES, "metadata",
                               metadata_json(r), "languages", languages_json(r), "default_branch",
                               cf_json_string_or_null(r->default_branch), "content", r->content);
    cf_json_sha256(source, out);
    json_decref(source);
}

static const char *text_of(const struct cf_content *content, enum cf_document_kind kind)
{
    const char *text = content ? content->documents[kind].text : NULL;
    return text ? text : "";
}

static json_t *context_of(const struct cf_content *content, bool *bad)
{
    const char *text = text_of(content, CF_DOCUMENT_REPO_CONTEXT);
    json_t *context = NULL;
    *bad = false;
    if (*text && (cf_json_parse(text, strlen(text), "context", &context, NULL) ||
                  !json_is_object(context))) {
        json_decref(context);
        context = NULL;
        *bad = true;
    }
    return context ? context : json_object();
}

static json_t *file_types_of(const struct cf_content *content)
{
    json_t *types = json_object();
    for (size_t i = 0; content && i < content->file_type_count; i++) {
        (void)json_object_set_new(types, content->file_types[i].extension,
                                  json_integer((json_int_t)content->file_types[i].count));
    }
    return types;
}

static uint64_t count_words(const char *text)
{
    uint64_t words = 0;
    bool inside = false;
    for (; text && *text; text++) {
        bool letter = isalnum((unsigned char)*text) || (unsigned char)*text >= 0x80;
        words += letter && !inside;
        inside = letter;
    }
    return words;
}

/* What training reads of an entry: its hash, and how many words that is. */
static void fingerprint_content(const struct cf_repository *r, const json_t *entry,
                                struct cf_bundle_entry *listed)
{
    json_t *languages = json_array();
    json_t *topics = string_array(r->metadata.topics, r->metadata.topic_count);
    json_t *documents = json_object();
    listed->words = count_words(r->name) + count_words(r->metadata.description);
    for (size_t i = 0; i < r->metadata.topic_count; i++) {
        listed->words += count_words(r->metadata.topics[i]);
    }
    for (size_t i = 0; i < r->language_count; i++) {
        (void)json_array_append_new(languages, cf_json_string_or_null(r->languages[i].name));
    }
    for (int kind = 0; kind < CF_DOCUMENT_KINDS; kind++) {
        const char *name = cf_document_kind_name((enum cf_document_kind)kind);
        char *text = cf_entry_text(entry, name);
        listed->words += count_words(text);
        (void)json_object_set_new(documents, name, cf_json_string_or_null(text));
        free(text);
    }
    json_t *all = json_pack("{s:o,s:o,s:o,s:o,s:o}", "name", cf_json_string_or_null(r->name),
                            "description", cf_json_string_or_null(r->metadata.description),
                            "topics", topics, "languages", languages, "documents", documents);
    cf_json_sha256(all, listed->content_fingerprint);
    json_decref(all);
}

static void list_documents(const struct cf_content *content, const json_t *entry,
                           struct cf_bundle_entry *listed)
{
    listed->documents = cf_calloc(CF_DOCUMENT_KINDS, sizeof(*listed->documents));
    for (int kind = 0; content && kind < CF_DOCUMENT_KINDS; kind++) {
        const struct cf_document *d = &content->documents[kind];
        const char *name = cf_document_kind_name((enum cf_document_kind)kind);
        char *text = cf_entry_text(entry, name);
        if (d->path && text) {
            struct cf_bundle_document *out = &listed->documents[listed->document_count++];
            (void)snprintf(out->kind, sizeof(out->kind), "%s", name);
            out->path = cf_strdup(d->path);
            out->bytes = d->bytes;
        }
        free(text);
    }
}

json_t *orchestrate_entry(const struct cf_repository *r, const struct cf_content *content,
                          struct cf_bundle_entry *listed, bool *bad_context)
{
    char fingerprint[CF_MD5_HEX];
    json_t *file_types = file_types_of(content);
    json_t *context = context_of(content, bad_context);
    json_t *metadata = metadata_json(r);
    const char *readme = text_of(content, CF_DOCUMENT_README);
    memset(listed, 0, sizeof(*listed));
    listed->name = cf_strdup(r->name);
    listed->has_documentation = *readme && json_object_size(context) > 0;

    json_t *compared = json_copy(metadata);
    (void)json_object_set_new(compared, "default_branch",
                              cf_json_string_or_null(r->default_branch));
    orchestrate_legacy_fingerprint(compared, fingerprint);
    json_decref(compared);

    json_t *entry = json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o,s:O,s:o,s:s,s:o,s:b}", "name", cf_json_string_or_null(r->name),
        "metadata", metadata, "repoContext", context, "readme", cf_json_string_or_null(readme),
        "skills_index", cf_json_string_or_null(text_of(content, CF_DOCUMENT_SKILLS_INDEX)),
        "architecture", cf_json_string_or_null(text_of(content, CF_DOCUMENT_ARCHITECTURE)),
        "file_types", file_types, "categorized_types", orchestrate_categorise(file_types),
        "fingerprint", fingerprint, "languages", languages_json(r), "has_documentation",
        (int)listed->has_documentation);
    json_decref(file_types);
    orchestrate_entry_source(r, listed->source);
    list_documents(content, entry, listed);
    fingerprint_content(r, entry, listed);
    return entry;
}
