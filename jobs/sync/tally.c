#include "jobs/sync/tally.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "jobs/sync/choose.h"

void sync_tally_init(struct sync_tally *tally)
{
    *tally = (struct sync_tally){.counts = json_object()};
}

void sync_tally_clear(struct sync_tally *tally)
{
    tally->files = 0;
    (void)json_object_clear(tally->counts);
    cf_content_release(&tally->chosen);
}

void sync_tally_release(struct sync_tally *tally)
{
    json_decref(tally->counts);
    tally->counts = NULL;
    cf_content_release(&tally->chosen);
}

static void count_extension(struct sync_tally *tally, const char *extension, json_int_t files)
{
    json_t *count = json_object_get(tally->counts, extension);
    if (count) {
        (void)json_integer_set(count, json_integer_value(count) + files);
    } else if (json_object_size(tally->counts) < SYNC_FILE_TYPES_MAX) {
        (void)json_object_set_new(tally->counts, extension, json_integer(files));
    }
}

void sync_tally_add(struct sync_tally *tally, const struct sync_tree_entry *entry, bool of_root)
{
    const char *name = entry->path;
    size_t length = entry->path_length;
    char extension[SYNC_EXTENSION_MAX];
    if (entry->type != SYNC_TREE_BLOB) {
        return;
    }
    tally->files++;
    if (sync_extension(name, length, extension)) {
        count_extension(tally, extension, 1);
    }
    if (of_root && strlen(name) == length && !strchr(name, '/') && length <= 255) {
        const struct sync_file file = {.name = name,
                                       .oid = entry->oid,
                                       .bytes = entry->bytes,
                                       .link = strcmp(entry->mode, "120000") == 0};
        sync_choose(&tally->chosen, &file);
    }
}

void sync_tally_merge(struct sync_tally *tally, struct sync_tally *other)
{
    const char *extension;
    json_t *count;
    tally->files += other->files;
    json_object_foreach(other->counts, extension, count)
    {
        count_extension(tally, extension, json_integer_value(count));
    }
    for (size_t i = 0; i < CF_DOCUMENT_KINDS; i++) {
        const struct cf_document *document = &other->chosen.documents[i];
        if (document->path) {
            const struct sync_file file = {.name = document->path,
                                           .oid = document->oid,
                                           .bytes = document->bytes,
                                           .link = document->skipped &&
                                                   strcmp(document->skipped, "link") == 0};
            sync_choose(&tally->chosen, &file);
        }
    }
    sync_tally_clear(other);
}

static int compare_types(const void *a, const void *b)
{
    return strcmp(((const struct cf_file_type *)a)->extension,
                  ((const struct cf_file_type *)b)->extension);
}

static void take_counts(json_t *counts, struct cf_content *content)
{
    const char *extension;
    json_t *count;
    content->file_types = cf_calloc(json_object_size(counts), sizeof(*content->file_types));
    json_object_foreach(counts, extension, count)
    {
        struct cf_file_type *type = &content->file_types[content->file_type_count++];
        type->extension = cf_strdup(extension);
        type->count = (uint64_t)json_integer_value(count);
    }
    if (content->file_type_count) {
        qsort(content->file_types, content->file_type_count, sizeof(*content->file_types),
              compare_types);
    }
}

void sync_tally_finish(struct sync_tally *tally, struct cf_content *content)
{
    content->files = tally->files;
    take_counts(tally->counts, content);
    memcpy(content->documents, tally->chosen.documents, sizeof(content->documents));
    tally->chosen = (struct cf_content){0}; /* handed over */
    sync_tally_clear(tally);
}
