#include "jobs/train/corpus.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

struct train_corpus {
    struct cf_bundle bundle;
    json_t **entries; /* borrowed by the projects' names, descriptions, topics and languages */
    struct cf_project *projects;
    struct cf_corpus view;
};

static const char **strings_of(const json_t *array, size_t *count)
{
    const char **out = cf_calloc(json_array_size(array), sizeof(*out));
    *count = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text) {
            out[(*count)++] = text;
        }
    }
    return out;
}

static const char **keys_of(const json_t *object, size_t *count)
{
    const char **out = cf_calloc(json_object_size(object), sizeof(*out));
    const char *key;
    json_t *value;
    *count = 0;
    json_object_foreach((json_t *)object, key, value)
    {
        out[(*count)++] = key;
    }
    return out;
}

static struct cf_text *texts_of(const json_t *entry, const struct cf_bundle_entry *listed,
                                size_t *count)
{
    struct cf_text *texts = cf_calloc(listed->document_count, sizeof(*texts));
    *count = 0;
    for (size_t i = 0; i < listed->document_count; i++) {
        char *text = cf_entry_text(entry, listed->documents[i].kind);
        if (text) {
            texts[(*count)++] = (struct cf_text){
                .path = listed->documents[i].path, .text = text, .length = strlen(text)};
        }
    }
    return texts;
}

static void fill_project(struct cf_project *project, const struct cf_bundle_entry *listed,
                         const json_t *entry)
{
    const json_t *metadata = json_object_get(entry, "metadata");
    project->name = listed->name;
    project->description = json_string_value(json_object_get(metadata, "description"));
    project->topics = strings_of(json_object_get(metadata, "topics"), &project->topic_count);
    project->languages = keys_of(json_object_get(entry, "languages"), &project->language_count);
    project->texts = texts_of(entry, listed, &project->text_count);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cf_project *)a)->name, ((const struct cf_project *)b)->name);
}

/* Finds and fetches the blobs of all entries. */
static int fetch_entries(const struct cf_dataset *dataset, const struct cf_bundle *bundle,
                         const struct cf_blob_set *blobs, struct cf_buf *texts,
                         struct cf_error *err)
{
    struct cf_blob_ref *refs = cf_calloc(bundle->count, sizeof(*refs));
    int rc = 0;
    for (size_t i = 0; i < bundle->count && !rc; i++) {
        const struct cf_blob_ref *ref = cf_blob_set_find(blobs, bundle->entries[i].entry);
        if (!ref) {
            rc = cf_error_set(err, CF_EDATA, "bundle: the blob of \"%.100s\" is not listed",
                              bundle->entries[i].name);
        } else {
            refs[i] = *ref;
        }
    }
    rc = rc ? rc : cf_dataset_blobs(dataset, refs, bundle->count, texts, err);
    free(refs);
    return rc;
}

static int parse_entries(struct train_corpus *corpus, const struct cf_buf *texts,
                         struct cf_error *err)
{
    const struct cf_bundle *bundle = &corpus->bundle;
    corpus->entries = cf_calloc(bundle->count, sizeof(json_t *));
    corpus->projects = cf_calloc(bundle->count, sizeof(*corpus->projects));
    corpus->view.projects = corpus->projects;
    for (size_t i = 0; i < bundle->count; i++) {
        int rc = cf_json_parse(cf_buf_str(&texts[i]), texts[i].length, bundle->entries[i].name,
                               &corpus->entries[i], err);
        if (rc) {
            return rc;
        }
        if (bundle->entries[i].words) {
            fill_project(&corpus->projects[corpus->view.count++], &bundle->entries[i],
                         corpus->entries[i]);
        }
    }
    qsort(corpus->projects, corpus->view.count, sizeof(*corpus->projects), by_name);
    return 0;
}

int train_corpus_read(const struct cf_dataset *dataset, const struct cf_marker *marker,
                      struct train_corpus **out, struct cf_error *err)
{
    struct train_corpus *corpus = cf_calloc(1, sizeof(*corpus));
    struct cf_blob_set blobs = {0};
    struct cf_buf *texts = NULL;
    json_t *root = NULL;
    int rc = cf_dataset_root(dataset, marker, &root, err);
    rc = rc ? rc : cf_bundle_read(root, &corpus->bundle, err);
    rc = rc ? rc : cf_blob_set_read(root, &blobs, err);
    if (!rc) {
        texts = cf_calloc(corpus->bundle.count, sizeof(*texts));
        rc = fetch_entries(dataset, &corpus->bundle, &blobs, texts, err);
        rc = rc ? rc : parse_entries(corpus, texts, err);
        for (size_t i = 0; i < corpus->bundle.count; i++) {
            cf_buf_release(&texts[i]);
        }
        free(texts);
    }
    cf_blob_set_release(&blobs);
    json_decref(root);
    if (rc) {
        train_corpus_free(corpus);
    } else {
        *out = corpus;
    }
    return rc;
}

const struct cf_corpus *train_corpus_view(const struct train_corpus *corpus)
{
    return &corpus->view;
}

void train_corpus_free(struct train_corpus *corpus)
{
    if (!corpus) {
        return;
    }
    for (size_t i = 0; i < corpus->view.count; i++) {
        struct cf_project *p = &corpus->projects[i];
        for (size_t j = 0; j < p->text_count; j++) {
            free((char *)p->texts[j].text);
        }
        free((struct cf_text *)p->texts);
        free((const char **)p->topics);
        free((const char **)p->languages);
    }
    for (size_t i = 0; corpus->entries && i < corpus->bundle.count; i++) {
        json_decref(corpus->entries[i]);
    }
    free(corpus->entries);
    free(corpus->projects);
    cf_bundle_release(&corpus->bundle);
    free(corpus);
}
