/* The small files of a sentence-transformer's folder. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/json.h"
#include "common/encoder/bert_folder.h"

enum { TOKENS_LEAST = 3 }; /* [CLS], one token, [SEP] */

/* CF_EDATA: "<file>: <what>". */
static int wrong(struct cf_error *err, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int wrong(struct cf_error *err, const char *file, const char *format, ...)
{
    char what[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return cf_error_at(err, CF_EDATA, "load", file, "%s: %s", file, what);
}

/* The document of a file, NULL when the file isn't there. Whole numbers that don't fit 64 bits, as
 * in tokenizer_config.json's model_max_length, are reals. */
static int parse(const struct cf_artefacts *files, const char *path, json_t **out,
                 struct cf_error *err)
{
    const struct cf_artefact *file = cf_artefacts_find(files, path);
    json_error_t fault;
    *out = NULL;
    if (!file) {
        return 0;
    }
    *out = json_loadb(cf_buf_str(&file->data), file->data.length,
                      JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &fault);
    return *out ? 0 : wrong(err, path, "not JSON: %.200s, line %d", fault.text, fault.line);
}

/* A whole number from 0 to 2^31; fallback when it is missing or null and may be (SIZE_MAX: it may
 * not). */
static int get_size(const json_t *document, const char *file, const char *key, size_t fallback,
                    size_t *out, struct cf_error *err)
{
    const json_t *value = json_object_get(document, key);
    double number = json_number_value(value);
    if ((!value || json_is_null(value)) && fallback != SIZE_MAX) {
        *out = fallback;
        return 0;
    }
    if (!value) {
        return wrong(err, file, "\"%s\" is missing", key);
    }
    if (!json_is_number(value) || !(number >= 0 && number <= 2147483648.0) ||
        number != floor(number)) {
        return wrong(err, file, "\"%s\" must be a whole number from 0 to 2^31", key);
    }
    *out = (size_t)number;
    return 0;
}

static int get_float(const json_t *document, const char *file, const char *key, double fallback,
                     float *out, struct cf_error *err)
{
    const json_t *value = json_object_get(document, key);
    if (value && !json_is_number(value)) {
        return wrong(err, file, "\"%s\" must be a number", key);
    }
    *out = (float)(value ? json_number_value(value) : fallback);
    return 0;
}

/* A text that must be want where it is given; required: it must be given. */
static int must_be(const json_t *document, const char *file, const char *key, const char *want,
                   bool required, struct cf_error *err)
{
    const json_t *value = json_object_get(document, key);
    const char *text = json_string_value(value);
    if (!required && (!value || json_is_null(value))) {
        return 0;
    }
    if (!text) {
        return wrong(err, file, "\"%s\" must be \"%s\"", key, want);
    }
    return strcmp(text, want) == 0
               ? 0
               : wrong(err, file, "\"%s\" is \"%.60s\"; only \"%s\" is known", key, text, want);
}

/* A switch that must be as wanted where it is given. */
static int must_be_set(const json_t *document, const char *file, const char *key, bool want,
                       struct cf_error *err)
{
    const json_t *value = json_object_get(document, key);
    if (!value || json_is_null(value) || (json_is_boolean(value) && json_is_true(value) == want)) {
        return 0;
    }
    return wrong(err, file, "\"%s\" must be %s", key, want ? "true" : "false");
}

static int read_sizes(const json_t *d, const char *file, struct cf_bert_config *c,
                      struct cf_error *err)
{
    const struct {
        const char *name;
        size_t fallback;
        size_t *out;
    } sizes[] = {
        {"num_hidden_layers", SIZE_MAX, &c->layers},
        {"hidden_size", SIZE_MAX, &c->hidden},
        {"num_attention_heads", SIZE_MAX, &c->heads},
        {"intermediate_size", SIZE_MAX, &c->ffn},
        {"vocab_size", SIZE_MAX, &c->vocabulary},
        {"max_position_embeddings", SIZE_MAX, &c->positions},
        {"type_vocab_size", 2, &c->types},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !rc; i++) {
        rc = get_size(d, file, sizes[i].name, sizes[i].fallback, sizes[i].out, err);
    }
    return rc;
}

/* What is missing has the value that Hugging Face's BertConfig gives it. */
static int read_config(const json_t *d, struct cf_bert_config *c, struct cf_error *err)
{
    static const char file[] = "config.json";
    float attention_dropout = 0;
    int rc = json_is_object(d) ? 0 : wrong(err, file, "it must be an object");
    rc = rc ? rc : must_be(d, file, "model_type", "bert", true, err);
    rc = rc ? rc : must_be(d, file, "hidden_act", "gelu", false, err);
    rc = rc ? rc : must_be(d, file, "position_embedding_type", "absolute", false, err);
    rc = rc ? rc : must_be_set(d, file, "is_decoder", false, err);
    rc = rc ? rc : must_be_set(d, file, "add_cross_attention", false, err);
    rc = rc ? rc : read_sizes(d, file, c, err);
    rc = rc ? rc : get_float(d, file, "layer_norm_eps", 1e-12, &c->layernorm_eps, err);
    rc = rc ? rc : get_float(d, file, "hidden_dropout_prob", 0.1, &c->dropout, err);
    rc = rc ? rc : get_float(d, file, "attention_probs_dropout_prob", 0.1, &attention_dropout, err);
    if (!rc && c->dropout != attention_dropout) {
        rc = wrong(err, file,
                   "\"hidden_dropout_prob\" and \"attention_probs_dropout_prob\" must be equal");
    }
    if (!rc && json_object_size(json_object_get(d, "pruned_heads"))) {
        rc = wrong(err, file, "\"pruned_heads\" must be empty");
    }
    return rc;
}

/* A special token stands as text, or as an object with "content". */
static int check_special(const json_t *d, const char *file, const char *key, const char *want,
                         struct cf_error *err)
{
    const json_t *value = json_object_get(d, key);
    return json_is_object(value) ? must_be(value, file, "content", want, true, err)
                                 : must_be(d, file, key, want, false, err);
}

static int check_tokenizer(const json_t *d, struct cf_error *err)
{
    static const char file[] = "tokenizer_config.json";
    static const char *const special[][2] = {{"unk_token", "[UNK]"},
                                             {"cls_token", "[CLS]"},
                                             {"sep_token", "[SEP]"},
                                             {"pad_token", "[PAD]"},
                                             {"mask_token", "[MASK]"}};
    const char *class = json_string_value(json_object_get(d, "tokenizer_class"));
    if (!json_is_object(d)) {
        return wrong(err, file, "it must be an object");
    }
    if (class && strcmp(class, "BertTokenizer") != 0 && strcmp(class, "BertTokenizerFast") != 0) {
        return wrong(err, file, "\"tokenizer_class\" is \"%.60s\"; only BertTokenizer is known",
                     class);
    }
    int rc = must_be_set(d, file, "do_lower_case", true, err);
    rc = rc ? rc : must_be_set(d, file, "strip_accents", true, err);
    rc = rc ? rc : must_be_set(d, file, "tokenize_chinese_chars", true, err);
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]) && !rc; i++) {
        rc = check_special(d, file, special[i][0], special[i][1], err);
    }
    return rc;
}

/* max_seq_length, of the files that may say it. */
static int read_length(const json_t *sentence, const json_t *tokenizer, struct cf_bert_config *c,
                       struct cf_error *err)
{
    static const char file[] = "sentence_bert_config.json";
    double longest = json_number_value(json_object_get(tokenizer, "model_max_length"));
    size_t most = c->positions;
    if (longest > 0 && longest < (double)most) {
        most = (size_t)longest;
    }
    if (sentence && !json_is_object(sentence)) {
        return wrong(err, file, "it must be an object");
    }
    int rc = get_size(sentence, file, "max_seq_length", most, &c->max_tokens, err);
    if (!rc && (c->max_tokens < TOKENS_LEAST || c->max_tokens > c->positions)) {
        rc = wrong(err, file,
                   "a text's tokens, \"max_seq_length\", must be from %d to "
                   "\"max_position_embeddings\" (%zu), and are %zu",
                   TOKENS_LEAST, c->positions, c->max_tokens);
    }
    return rc;
}

static int check_pooling(const json_t *d, size_t hidden, struct cf_error *err)
{
    static const char file[] = "1_Pooling/config.json";
    static const char mode[] = "pooling_mode_";
    const char *key;
    json_t *value;
    size_t dimension = 0;
    if (!json_is_object(d)) {
        return wrong(err, file, "it must be an object");
    }
    bool mean = json_is_true(json_object_get(d, "pooling_mode_mean_tokens"));
    json_object_foreach((json_t *)d, key, value)
    {
        if (strncmp(key, mode, sizeof(mode) - 1) == 0 && json_is_true(value) &&
            strcmp(key, "pooling_mode_mean_tokens") != 0) {
            return wrong(err, file, "\"%.60s\" is set; only pooling by the mean is known", key);
        }
    }
    int rc = must_be(d, file, "pooling_mode", "mean", false, err);
    if (!rc && !mean && !json_object_get(d, "pooling_mode")) {
        rc = wrong(err, file, "\"pooling_mode_mean_tokens\" must be true");
    }
    rc = rc ? rc : get_size(d, file, "word_embedding_dimension", hidden, &dimension, err);
    if (!rc && dimension != hidden) {
        rc = wrong(err, file,
                   "\"word_embedding_dimension\" is %zu, config.json's \"hidden_size\" "
                   "%zu",
                   dimension, hidden);
    }
    return rc;
}

/* Transformer, Pooling and perhaps Normalize, in this order. */
static int check_modules(const json_t *d, struct cf_error *err)
{
    static const char file[] = "modules.json";
    static const char *const known[] = {"Transformer", "Pooling", "Normalize"};
    size_t count = json_array_size(d);
    if (!json_is_array(d) || count < 2) {
        return wrong(err, file, "it must list a Transformer and a Pooling");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *module = json_array_get(d, i);
        const char *type = json_string_value(json_object_get(module, "type"));
        const char *path = json_string_value(json_object_get(module, "path"));
        const char *dot = type ? strrchr(type, '.') : NULL;
        const char *name = dot ? dot + 1 : type;
        if (!name || !path) {
            return wrong(err, file, "module %zu must have a type and a path", i);
        }
        if (i >= sizeof(known) / sizeof(known[0]) || strcmp(name, known[i]) != 0) {
            return wrong(err, file,
                         "module %zu is a \"%.60s\"; Transformer, Pooling and Normalize are known, "
                         "in this order",
                         i, name);
        }
        if (i < 2 && strcmp(path, i ? "1_Pooling" : "") != 0) {
            return wrong(err, file, "module %zu's path is \"%.60s\", not \"%s\"", i, path,
                         i ? "1_Pooling" : "");
        }
    }
    return 0;
}

int cf_bert_config_read(const struct cf_artefacts *files, struct cf_bert_config *out,
                        struct cf_error *err)
{
    enum { CONFIG, TOKENIZER, SENTENCE, MODULES, POOLING, DOCUMENTS };
    static const char *const paths[DOCUMENTS] = {"config.json", "tokenizer_config.json",
                                                 "sentence_bert_config.json", "modules.json",
                                                 "1_Pooling/config.json"};
    json_t *d[DOCUMENTS] = {NULL};
    int rc = 0;
    *out = (struct cf_bert_config){0};
    for (size_t i = 0; i < DOCUMENTS && !rc; i++) {
        rc = parse(files, paths[i], &d[i], err);
    }
    if (!rc && !d[CONFIG]) {
        rc = wrong(err, paths[CONFIG], "it is missing");
    }
    rc = rc ? rc : read_config(d[CONFIG], out, err);
    rc = rc || !d[TOKENIZER] ? rc : check_tokenizer(d[TOKENIZER], err);
    rc = rc ? rc : read_length(d[SENTENCE], d[TOKENIZER], out, err);
    rc = rc || !d[MODULES] ? rc : check_modules(d[MODULES], err);
    rc = rc || !d[POOLING] ? rc : check_pooling(d[POOLING], out->hidden, err);
    if (!rc && d[MODULES] && !d[POOLING]) {
        rc = wrong(err, paths[POOLING], "it is missing, and modules.json names it");
    }
    for (size_t i = 0; i < DOCUMENTS; i++) {
        json_decref(d[i]);
    }
    return rc;
}
