#include "tests/unit/encoder_tuner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/transformer.h"
#include "tests/unit/transformer_fixture.h"

const char tuner_words[] = "audio\nplayer\nnetwork\nport\nscanner\ncloud\ncode\nweb\nzebra\n";

void tuner_parts_make(struct tuner_parts *parts)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err = {0};
    cf_buf_puts(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    for (char c = 'a'; c <= 'z'; c++) {
        cf_buf_printf(&text, "%c\n##%c\n", c, c);
    }
    cf_buf_puts(&text, tuner_words);
    ck_assert_int_eq(
        cf_wordpiece_new(text.data, text.length, "vocab.txt", &parts->vocabulary, &err), 0);
    cf_buf_release(&text);
    const struct cf_bert_config config = {.layers = 1,
                                          .hidden = TUNER_HIDDEN,
                                          .heads = 2,
                                          .ffn = 32,
                                          .vocabulary = cf_wordpiece_count(parts->vocabulary),
                                          .positions = 32,
                                          .types = 2,
                                          .layernorm_eps = 1e-12F,
                                          .dropout = 0.1F,
                                          .max_tokens = TUNER_TOKENS};
    struct transformer_model *model = transformer_make(
        &config,
        (struct cf_bert_options){.most_tokens = TUNER_TOKENS, .most_texts = 1, .threads = 1});
    size_t bytes = model->layout.parameters * sizeof(float);
    ck_assert_int_eq(cf_bert_layout_make(&config, &parts->layout, &err), 0);
    parts->weights = cf_malloc(bytes);
    memcpy(parts->weights, cf_bert_weights(model->bert), bytes);
    transformer_free(model);
}

void tuner_parts_release(struct tuner_parts *parts)
{
    cf_bert_layout_release(&parts->layout);
    cf_wordpiece_free(parts->vocabulary);
    free(parts->weights);
}

struct cf_encoder *tuner_transformer(void)
{
    struct tuner_parts parts;
    struct cf_encoder *encoder = NULL;
    struct cf_error err = {0};
    tuner_parts_make(&parts);
    ck_assert_msg(
        !cf_transformer_new(&parts.layout, parts.weights, parts.vocabulary, 2, &encoder, &err),
        "%s", err.message);
    tuner_parts_release(&parts);
    return encoder;
}

/* --- fakes ---------------------------------------------------------------------------------------
 */

struct fake {
    struct cf_encoder base;
    size_t dimensions;
    void (*embed)(const struct cf_view *text, float *out);
};

static size_t fake_dimensions(const struct cf_encoder *encoder)
{
    return ((const struct fake *)encoder)->dimensions;
}

static int fake_embed(struct cf_encoder *encoder, const struct cf_view *texts, size_t count,
                      float *out, struct cf_error *err)
{
    const struct fake *f = (const struct fake *)encoder;
    (void)err;
    memset(out, 0, count * f->dimensions * sizeof(*out));
    for (size_t i = 0; i < count; i++) {
        f->embed(&texts[i], out + i * f->dimensions);
    }
    return 0;
}

/* Its files would be of no use. */
static void fake_save(const struct cf_encoder *encoder, struct cf_artefacts *artefacts)
{
    (void)encoder;
    (void)artefacts;
}

static void fake_free(struct cf_encoder *encoder)
{
    free(encoder);
}

struct cf_encoder *tuner_fake(size_t dimensions,
                              void (*embed)(const struct cf_view *text, float *out))
{
    static const struct cf_encoder_type type = {.name = "fake",
                                                .save = fake_save,
                                                .dimensions = fake_dimensions,
                                                .embed = fake_embed,
                                                .free = fake_free};
    struct fake *f = cf_calloc(1, sizeof(*f));
    f->base.type = &type;
    f->dimensions = dimensions;
    f->embed = embed;
    return &f->base;
}

/* --- the tuner -----------------------------------------------------------------------------------
 */

static int tune(void *context, const struct cf_corpus *corpus, struct cf_encoder **out,
                struct cf_error *err)
{
    struct tuner_state *state = context;
    state->tunes++;
    state->descriptions = false;
    for (size_t i = 0; i < corpus->count; i++) {
        state->descriptions = state->descriptions || corpus->projects[i].description;
    }
    if (state->fails) {
        return cf_error_set(err, state->fails, "the tuner fails");
    }
    *out = state->fake ? tuner_fake(state->dimensions, state->fake) : tuner_transformer();
    return 0;
}

static bool stopped(void *context)
{
    struct tuner_state *state = context;
    return ++state->asked == state->stop_at;
}

struct cf_tuner tuner_of(struct tuner_state *state)
{
    return (struct cf_tuner){tune, stopped, state};
}
