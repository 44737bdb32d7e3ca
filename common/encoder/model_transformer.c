/* The transformer's part of a model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/model_internal.h"
#include "common/encoder/tuner.h"

enum { BATCH = 64 }; /* chunks between two questions whether to stop */

static bool are_finite(const float *values, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        finite = finite && isfinite(values[i]);
    }
    return finite;
}

static int embed_batches(struct cf_encoder *transformer, const struct cf_view *texts, size_t count,
                         const struct cf_tuner *tuner, float *out, struct cf_error *err)
{
    size_t n = transformer->type->dimensions(transformer);
    int rc = 0;
    for (size_t done = 0; done < count && !rc; done += BATCH) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        if (tuner->stopped && tuner->stopped(tuner->context)) {
            return cf_error_set(err, CF_EINTERRUPTED, "stopped while texts were embedded");
        }
        rc = transformer->type->embed(transformer, texts + done, batch, out + done * n, err);
        if (!rc && !are_finite(out + done * n, batch * n)) {
            rc = cf_error_set(err, CF_EDATA,
                              "the transformer's embeddings of the texts from %zu on aren't finite",
                              done);
        }
    }
    return rc;
}

int cf_model_embed(const struct cf_model *model, struct cf_encoder *transformer,
                   const struct cf_tuner *tuner, float **out, struct cf_error *err)
{
    struct cf_buf buffer = CF_BUF_INIT;
    struct cf_view *views = cf_model_texts(model, &buffer);
    size_t n = transformer->type->dimensions(transformer);
    float *embeddings = cf_calloc(model->chunks.count * n, sizeof(*embeddings));
    int rc = embed_batches(transformer, views, model->chunks.count, tuner, embeddings, err);
    free(views);
    cf_buf_release(&buffer);
    if (rc) {
        free(embeddings);
        return rc;
    }
    *out = embeddings;
    return 0;
}

int cf_model_embed_question(struct cf_encoder *transformer, const char *question, float *z,
                            bool *knows, struct cf_error *err)
{
    const struct cf_encoder_type *type = transformer->type;
    size_t n = type->dimensions(transformer);
    struct cf_view view = {question, strlen(question)};
    int rc = type->embed(transformer, &view, 1, z, err);
    if (!rc && !are_finite(z, n)) {
        rc =
            cf_error_set(err, CF_EDATA, "the transformer's embedding of the question isn't finite");
    }
    *knows = !rc && type->knows && type->knows(transformer, &view);
    for (size_t i = 0; i < n && !rc && !type->knows; i++) {
        *knows = *knows || z[i] != 0;
    }
    return rc;
}

/* Replaces the embeddings by whitened ones, if there is anything to whiten. */
static int whiten(struct cf_model *model, struct cf_error *err)
{
    size_t count = model->chunks.count;
    int rc = cf_whitening_fit(model->transformer_embeddings, count, model->transformer_dimensions,
                              model->params.whitening, &model->whitening, err);
    if (rc || !model->whitening) {
        model->params.whitening = 0;
        return rc;
    }
    size_t n = model->whitening->dimensions;
    float *white = cf_calloc(count * n, sizeof(*white));
    cf_whitening_apply(model->whitening, model->transformer_embeddings, count, white);
    free(model->transformer_embeddings);
    model->transformer_embeddings = white;
    model->transformer_dimensions = n;
    model->params.whitening = (unsigned)n;
    return 0;
}

int cf_model_add_transformer(struct cf_model *model, const struct cf_corpus *corpus,
                             const struct cf_tuner *tuner, struct cf_error *err)
{
    int rc = tuner->tune(tuner->context, corpus, &model->transformer, err);
    if (rc || !(model->params.transformer > 0)) {
        model->params.whitening = 0;
        return rc;
    }
    model->transformer_dimensions = model->transformer->type->dimensions(model->transformer);
    rc = cf_model_embed(model, model->transformer, tuner, &model->transformer_embeddings, err);
    return rc ? rc : whiten(model, err);
}
