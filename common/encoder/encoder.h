/* What turns texts into vectors: the interface behind which LSA stands, and other encoders can.
 *
 * An encoder is fitted to the chunks of a portfolio (or fine-tuned on them), embeds chunks and
 * questions into one space, and saves itself as artefacts from which it loads again. Embeddings
 * have length 1, so that a scalar product is a cosine, or are all zero for a text about which the
 * encoder knows nothing. */
#ifndef CF_ENCODER_ENCODER_H
#define CF_ENCODER_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/encoder/artefacts.h"
#include "common/encoder/params.h"

struct cf_view {
    const char *text;
    size_t length;
};

/* The chunks of all projects, one after another. */
struct cf_encoder_input {
    const struct cf_view *chunks;
    const size_t
        *first; /* [projects + 1]: the chunks of project p are first[p] … first[p + 1] − 1 */
    size_t projects; /* at least 1 */
};

struct cf_encoder;

struct cf_encoder_type {
    const char *name;
    /* NULL for one that is made elsewhere, such as by a training. */
    int (*fit)(const struct cf_encoder_input *input, const struct cf_model_params *params,
               struct cf_encoder **out, struct cf_error *err);
    /* Every size and value is checked; CF_EDATA names file and tensor. */
    int (*load)(const struct cf_artefacts *artefacts, const struct cf_model_params *params,
                struct cf_encoder **out, struct cf_error *err);
    void (*save)(const struct cf_encoder *encoder, struct cf_artefacts *artefacts);
    size_t (*dimensions)(const struct cf_encoder *encoder);
    /* out: [count × dimensions]. An encoder is used by one thread at a time. CF_EUNAVAILABLE: what
     * it computes with fails. */
    int (*embed)(struct cf_encoder *encoder, const struct cf_view *texts, size_t count, float *out,
                 struct cf_error *err);
    /* Whether it knows anything of the text, whose embedding means nothing otherwise. NULL:
     * wherever the embedding isn't all zero. */
    bool (*knows)(struct cf_encoder *encoder, const struct cf_view *text);
    void (*free)(struct cf_encoder *encoder);
};

/* The first member of every encoder. */
struct cf_encoder {
    const struct cf_encoder_type *type;
};

#endif
