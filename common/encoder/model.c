#include "common/encoder/model.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/utf8.h"
#include "common/encoder/documents.h"
#include "common/encoder/lsa.h"
#include "common/encoder/model_internal.h"

#define PROJECTS_MAX 100000
#define BYTES_MAX (1UL << 30) /* of all texts: keeps every count within the formats' 31 bits */

const struct cf_encoder_type *cf_encoder_find(const char *name)
{
    static const struct cf_encoder_type *const types[] = {&cf_lsa_type};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i]->name, name) == 0) {
            return types[i];
        }
    }
    return NULL;
}

struct cf_bm25_options cf_model_bm25_options(const struct cf_model_params *params)
{
    return (struct cf_bm25_options){.k1 = params->k1, .b = params->b, .stem = true, .split = true};
}

static int check_corpus(const struct cf_corpus *corpus, struct cf_error *err)
{
    size_t bytes = 0;
    if (corpus->count == 0) {
        return cf_error_set(err, CF_EDATA, "nothing to index");
    }
    for (size_t i = 0; i < corpus->count; i++) {
        for (size_t t = 0; t < corpus->projects[i].text_count; t++) {
            size_t length = corpus->projects[i].texts[t].length;
            bytes = length > BYTES_MAX - bytes ? BYTES_MAX : bytes + length;
        }
    }
    if (corpus->count > PROJECTS_MAX || bytes >= BYTES_MAX) {
        return cf_error_set(err, CF_EDATA, "too much to index: %zu projects, %zu bytes",
                            corpus->count, bytes);
    }
    return 0;
}

struct cf_view *cf_model_texts(const struct cf_model *model, struct cf_buf *buffer)
{
    const struct cf_chunks *chunks = &model->chunks;
    struct cf_view *views = cf_calloc(chunks->count, sizeof(*views));
    size_t total = 0;
    for (size_t i = 0; i < chunks->count; i++) {
        total += strlen(chunks->items[i].heading) + 1 + strlen(chunks->items[i].text);
    }
    cf_buf_reserve(buffer, total);
    for (size_t i = 0; i < chunks->count; i++) {
        size_t start = buffer->length;
        cf_buf_puts(buffer, chunks->items[i].heading);
        cf_buf_putc(buffer, '\n');
        cf_buf_puts(buffer, chunks->items[i].text);
        views[i] = (struct cf_view){buffer->data + start, buffer->length - start};
    }
    return views;
}

static int fit_encoder(struct cf_model *model, struct cf_error *err)
{
    struct cf_buf buffer = CF_BUF_INIT;
    struct cf_view *views = cf_model_texts(model, &buffer);
    struct cf_encoder_input input = {views, model->first, model->projects};
    const struct cf_encoder_type *type = cf_encoder_find(model->params.encoder);
    int code = type->fit(&input, &model->params, &model->encoder, err);
    if (!code) {
        model->dimensions = type->dimensions(model->encoder);
        model->embeddings = cf_calloc(model->chunks.count * model->dimensions, sizeof(float));
        code = type->embed(model->encoder, views, model->chunks.count, model->embeddings, err);
    }
    free(views);
    cf_buf_release(&buffer);
    return code;
}

static void copy_projects(struct cf_model *model, const struct cf_corpus *corpus)
{
    model->projects = corpus->count;
    model->names = cf_calloc(corpus->count, sizeof(*model->names));
    model->languages = cf_calloc(corpus->count, sizeof(*model->languages));
    for (size_t i = 0; i < corpus->count; i++) {
        const struct cf_project *p = &corpus->projects[i];
        struct cf_buf name = CF_BUF_INIT;
        cf_utf8_clean(p->name, strlen(p->name), &name);
        model->names[i] = cf_buf_detach(&name);
        cf_languages_copy(p->languages, p->language_count, &model->languages[i]);
    }
}

int cf_model_fit(const struct cf_corpus *corpus, const struct cf_model_params *params,
                 const struct cf_tuner *tuner, struct cf_model **out, struct cf_error *err)
{
    struct cf_documents documents;
    int code = check_corpus(corpus, err);
    code = code ? code : cf_model_params_check(params, err);
    if (code) {
        return code;
    }
    struct cf_model *model = cf_calloc(1, sizeof(*model));
    struct cf_chunk_options chunking = {params->chunk_limit, params->chunk_minimum};
    struct cf_bm25_options bm25 = cf_model_bm25_options(params);
    model->params = *params;
    copy_projects(model, corpus);
    cf_documents_read(corpus, &chunking, &documents);
    model->bm25 = cf_documents_bm25(&documents, corpus, &bm25, params->field_weight);
    model->chunks = documents.chunks;
    model->first = documents.first;
    documents.chunks = (struct cf_chunks)CF_CHUNKS_INIT;
    documents.first = NULL;
    cf_documents_release(&documents);
    code = fit_encoder(model, err);
    if (!tuner) {
        model->params.transformer = 0;
        model->params.whitening = 0;
    } else if (!code) {
        code = cf_model_add_transformer(model, corpus, tuner, err);
    }
    if (code) {
        cf_model_free(model);
        return code;
    }
    *out = model;
    return 0;
}

void cf_model_free(struct cf_model *model)
{
    if (!model) {
        return;
    }
    for (size_t i = 0; i < model->projects; i++) {
        free(model->names[i]);
        cf_languages_release(&model->languages[i]);
    }
    free(model->names);
    free(model->languages);
    cf_chunks_release(&model->chunks);
    free(model->first);
    free(model->embeddings);
    if (model->encoder) {
        model->encoder->type->free(model->encoder);
    }
    free(model->transformer_embeddings);
    cf_whitening_free(model->whitening);
    if (model->transformer) {
        model->transformer->type->free(model->transformer);
    }
    cf_bm25_free(model->bm25);
    free(model);
}

const struct cf_model_params *cf_model_params(const struct cf_model *model)
{
    return &model->params;
}

size_t cf_model_projects(const struct cf_model *model)
{
    return model->projects;
}

size_t cf_model_chunks(const struct cf_model *model)
{
    return model->chunks.count;
}

size_t cf_model_words(const struct cf_model *model)
{
    return cf_bm25_words(model->bm25);
}

size_t cf_model_dimensions(const struct cf_model *model)
{
    return model->dimensions;
}
