#include "common/encoder/documents.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

static void append_list(const char *const *items, size_t count, struct cf_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        cf_buf_puts(out, i ? ", " : out->length ? "\n" : "");
        cf_buf_puts(out, items[i]);
    }
}

static void add_metadata(const struct cf_project *p, size_t project, struct cf_chunks *chunks)
{
    struct cf_buf text = CF_BUF_INIT;
    cf_buf_puts(&text, p->description ? p->description : "");
    append_list(p->topics, p->topic_count, &text);
    append_list(p->languages, p->language_count, &text);
    cf_chunks_add(chunks, project, "", p->name, cf_buf_str(&text), text.length);
    cf_buf_release(&text);
}

void cf_documents_read(const struct cf_corpus *corpus, const struct cf_chunk_options *options,
                       struct cf_documents *out)
{
    *out = (struct cf_documents){.projects = corpus->count};
    out->first = cf_calloc(corpus->count + 1, sizeof(*out->first));
    out->titles = cf_calloc(corpus->count, sizeof(*out->titles));
    for (size_t i = 0; i < corpus->count; i++) {
        const struct cf_project *p = &corpus->projects[i];
        struct cf_buf title = CF_BUF_INIT;
        add_metadata(p, i, &out->chunks);
        for (size_t t = 0; t < p->text_count; t++) {
            cf_chunk_text(&p->texts[t], i, options, &out->chunks, t == 0 ? &title : NULL);
        }
        out->titles[i] = cf_buf_detach(&title);
        out->first[i + 1] = out->chunks.count;
    }
}

void cf_documents_release(struct cf_documents *documents)
{
    for (size_t i = 0; i < documents->projects; i++) {
        free(documents->titles[i]);
    }
    free(documents->titles);
    free(documents->first);
    cf_chunks_release(&documents->chunks);
    *documents = (struct cf_documents){.projects = 0};
}

static void add(struct cf_bm25 *index, const char *text, double weight)
{
    if (text && *text && weight > 0) {
        cf_bm25_add(index, text, strlen(text), weight);
    }
}

static void add_project(struct cf_bm25 *index, const struct cf_project *p,
                        const struct cf_documents *documents, size_t project, double field_weight)
{
    const struct cf_chunk *chunks = documents->chunks.items;
    cf_bm25_begin(index);
    add(index, p->name, field_weight);
    add(index, p->description, 1);
    for (size_t i = 0; i < p->topic_count; i++) {
        add(index, p->topics[i], field_weight);
    }
    for (size_t i = 0; i < p->language_count; i++) {
        add(index, p->languages[i], 1);
    }
    add(index, documents->titles[project], field_weight - 1);
    for (size_t c = documents->first[project] + 1; c < documents->first[project + 1]; c++) {
        if (strcmp(chunks[c].heading, chunks[c - 1].heading) != 0 ||
            strcmp(chunks[c].path, chunks[c - 1].path) != 0) {
            add(index, chunks[c].heading, 1); /* once a section, however often it was cut */
        }
        add(index, chunks[c].text, 1);
    }
}

struct cf_bm25 *cf_documents_bm25(const struct cf_documents *documents,
                                  const struct cf_corpus *corpus,
                                  const struct cf_bm25_options *options, double field_weight)
{
    struct cf_bm25 *index = cf_bm25_new(options);
    for (size_t i = 0; i < corpus->count; i++) {
        add_project(index, &corpus->projects[i], documents, i, field_weight);
    }
    cf_bm25_finish(index);
    return index;
}
