/* The folder that SentenceTransformer(path) loads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/encoder/bert_folder.h"
#include "common/encoder/safetensors.h"

/* The document is stolen. */
static void add_json(struct cf_artefacts *out, const char *path, json_t *document)
{
    cf_json_dump(document, &cf_artefacts_add(out, path, "application/json")->data);
    json_decref(document);
}

/* A float as the shortest decimal number that is it: 1e-12 stays 1e-12. */
static double decimal(float value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
    return strtod(text, NULL);
}

static json_int_t id_of(const struct cf_wordpiece *vocabulary, const char *token)
{
    return cf_wordpiece_id(vocabulary, token, strlen(token));
}

static json_t *config_json(const struct cf_bert_config *c, const struct cf_wordpiece *vocabulary)
{
    json_t *config =
        json_pack("{s:[s], s:s, s:s, s:s, s:s, s:b, s:f}", "architectures", "BertModel",
                  "model_type", "bert", "hidden_act", "gelu", "position_embedding_type", "absolute",
                  "torch_dtype", "float32", "use_cache", 1, "initializer_range", 0.02);
    json_t *sizes = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "num_hidden_layers", (json_int_t)c->layers,
        "hidden_size", (json_int_t)c->hidden, "num_attention_heads", (json_int_t)c->heads,
        "intermediate_size", (json_int_t)c->ffn, "vocab_size", (json_int_t)c->vocabulary,
        "max_position_embeddings", (json_int_t)c->positions, "type_vocab_size",
        (json_int_t)c->types, "pad_token_id", id_of(vocabulary, "[PAD]"));
    (void)json_object_update(config, sizes);
    json_decref(sizes);
    (void)json_object_set_new(config, "layer_norm_eps", json_real(decimal(c->layernorm_eps)));
    (void)json_object_set_new(config, "hidden_dropout_prob", json_real(decimal(c->dropout)));
    (void)json_object_set_new(config, "attention_probs_dropout_prob",
                              json_real(decimal(c->dropout)));
    return config;
}

static json_t *special_tokens(const struct cf_wordpiece *vocabulary)
{
    json_t *tokens = json_pack("{s:s, s:s, s:s, s:s}", "unk_token", "[UNK]", "cls_token", "[CLS]",
                               "sep_token", "[SEP]", "pad_token", "[PAD]");
    if (id_of(vocabulary, "[MASK]") >= 0) {
        (void)json_object_set_new(tokens, "mask_token", json_string("[MASK]"));
    }
    return tokens;
}

static json_t *tokenizer_json(const struct cf_bert_config *c, const struct cf_wordpiece *vocabulary)
{
    json_t *config = json_pack("{s:s, s:b, s:b, s:n, s:b, s:n, s:I}", "tokenizer_class",
                               "BertTokenizer", "do_basic_tokenize", 1, "do_lower_case", 1,
                               "strip_accents", "tokenize_chinese_chars", 1, "never_split",
                               "model_max_length", (json_int_t)c->max_tokens);
    json_t *tokens = special_tokens(vocabulary);
    (void)json_object_update(config, tokens);
    json_decref(tokens);
    return config;
}

static json_t *modules_json(void)
{
    static const char *const modules[][2] = {
        {"", "Transformer"}, {"1_Pooling", "Pooling"}, {"2_Normalize", "Normalize"}};
    json_t *list = json_array();
    for (int i = 0; i < 3; i++) {
        char name[12];
        char type[64];
        (void)snprintf(name, sizeof(name), "%d", i);
        (void)snprintf(type, sizeof(type), "sentence_transformers.models.%s", modules[i][1]);
        (void)json_array_append_new(list, json_pack("{s:i, s:s, s:s, s:s}", "idx", i, "name", name,
                                                    "path", modules[i][0], "type", type));
    }
    return list;
}

static json_t *pooling_json(const struct cf_bert_config *c)
{
    return json_pack("{s:I, s:b, s:b, s:b, s:b}", "word_embedding_dimension", (json_int_t)c->hidden,
                     "pooling_mode_cls_token", 0, "pooling_mode_mean_tokens", 1,
                     "pooling_mode_max_tokens", 0, "pooling_mode_mean_sqrt_len_tokens", 0);
}

/* The versions say which form the files have: the first that knew all of it. */
static json_t *versions_json(void)
{
    return json_pack("{s:{s:s, s:s, s:s}}", "__version__", "sentence_transformers", "2.0.0",
                     "transformers", "4.6.1", "pytorch", "1.8.1");
}

static void add_weights(const struct cf_bert_layout *layout, const float *weights,
                        struct cf_artefacts *out)
{
    struct cf_tensors tensors = CF_TENSORS_INIT;
    for (size_t i = 0; i < layout->tensor_count; i++) {
        const struct cf_bert_tensor *t = &layout->tensors[i];
        cf_tensors_add(&tensors, t->name, CF_F32, weights + t->offset, t->rows, t->columns);
    }
    cf_safetensors_write_pt(
        &tensors, &cf_artefacts_add(out, "model.safetensors", "application/octet-stream")->data);
    cf_tensors_release(&tensors);
}

static void add_vocabulary(const struct cf_wordpiece *vocabulary, struct cf_artefacts *out)
{
    struct cf_buf *text = &cf_artefacts_add(out, "vocab.txt", "text/plain")->data;
    for (size_t i = 0; i < cf_wordpiece_count(vocabulary); i++) {
        cf_buf_puts(text, cf_wordpiece_token(vocabulary, (int32_t)i));
        cf_buf_putc(text, '\n');
    }
}

void cf_bert_folder_write(const struct cf_bert_layout *layout, const float *weights,
                          const struct cf_wordpiece *vocabulary, struct cf_artefacts *out)
{
    const struct cf_bert_config *c = &layout->config;
    add_json(out, "config.json", config_json(c, vocabulary));
    add_weights(layout, weights, out);
    add_vocabulary(vocabulary, out);
    add_json(out, "tokenizer_config.json", tokenizer_json(c, vocabulary));
    add_json(
        out, "sentence_bert_config.json",
        json_pack("{s:I, s:b}", "max_seq_length", (json_int_t)c->max_tokens, "do_lower_case", 0));
    add_json(out, "modules.json", modules_json());
    add_json(out, "1_Pooling/config.json", pooling_json(c));
    add_json(out, "config_sentence_transformers.json", versions_json());
    add_json(out, "special_tokens_map.json", special_tokens(vocabulary));
}
