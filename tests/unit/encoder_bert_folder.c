/* Folders of sentence-transformers: read, refused with file and tensor, written and read back. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/encoder/bert_folder.h"
#include "common/encoder/safetensors.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char CONFIG[] =
    "{\"model_type\":\"bert\",\"hidden_act\":\"gelu\",\"num_hidden_layers\":1,\"hidden_size\":4,"
    "\"num_attention_heads\":2,\"intermediate_size\":8,\"vocab_size\":6,"
    "\"max_position_embeddings\":5,\"type_vocab_size\":2,\"layer_norm_eps\":1e-12,"
    "\"hidden_dropout_prob\":0.1,\"attention_probs_dropout_prob\":0.1,\"other\":[]}";
static const char VOCABULARY[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\n##s\n";
static const char MODULES[] =
    "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"a.Transformer\"},"
    "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":\"Pooling\"}]";

/* The tensors of CONFIG, as Hugging Face names them: written out, not taken from the layout. */
static const struct {
    const char *name;
    size_t rows, columns;
} named[] = {
    {"embeddings.word_embeddings.weight", 6, 4},
    {"embeddings.position_embeddings.weight", 5, 4},
    {"embeddings.token_type_embeddings.weight", 2, 4},
    {"embeddings.LayerNorm.weight", 4, 0},
    {"embeddings.LayerNorm.bias", 4, 0},
    {"encoder.layer.0.attention.self.query.weight", 4, 4},
    {"encoder.layer.0.attention.self.query.bias", 4, 0},
    {"encoder.layer.0.attention.self.key.weight", 4, 4},
    {"encoder.layer.0.attention.self.key.bias", 4, 0},
    {"encoder.layer.0.attention.self.value.weight", 4, 4},
    {"encoder.layer.0.attention.self.value.bias", 4, 0},
    {"encoder.layer.0.attention.output.dense.weight", 4, 4},
    {"encoder.layer.0.attention.output.dense.bias", 4, 0},
    {"encoder.layer.0.attention.output.LayerNorm.weight", 4, 0},
    {"encoder.layer.0.attention.output.LayerNorm.bias", 4, 0},
    {"encoder.layer.0.intermediate.dense.weight", 8, 4},
    {"encoder.layer.0.intermediate.dense.bias", 8, 0},
    {"encoder.layer.0.output.dense.weight", 4, 8},
    {"encoder.layer.0.output.dense.bias", 4, 0},
    {"encoder.layer.0.output.LayerNorm.weight", 4, 0},
    {"encoder.layer.0.output.LayerNorm.bias", 4, 0},
};

/* Every tensor has numbers of its own: element e of tensor i is i + e / 64, exact in all types. */
static float values[COUNT(named)][64];
static uint16_t halves[COUNT(named)][64];

/* How one tensor of the file differs. */
struct change {
    const char *prefix;
    size_t leave_out; /* index + 1 */
    size_t wrong_shape;
    size_t not_finite;
    size_t integers;
    const char *extra; /* one more, of one number */
    int dtype;         /* CF_F32 … */
};

static void set(struct cf_artefacts *files, const char *path, const void *data, size_t length)
{
    struct cf_artefact *file = (struct cf_artefact *)cf_artefacts_find(files, path);
    file = file ? file : cf_artefacts_add(files, path, "x/x");
    cf_buf_clear(&file->data);
    cf_buf_append(&file->data, data, length);
}

static void set_text(struct cf_artefacts *files, const char *path, const char *text)
{
    set(files, path, text, strlen(text));
}

static void fill(const struct change *c)
{
    for (size_t i = 0; i < COUNT(named); i++) {
        for (size_t e = 0; e < 64; e++) {
            values[i][e] = (float)i + (float)(e % 8) / 8;
            uint32_t bits;
            memcpy(&bits, &values[i][e], sizeof(bits));
            uint32_t exponent = bits >> 23 & 0xff;
            halves[i][e] =
                c->dtype == CF_BF16
                    ? (uint16_t)(bits >> 16)
                    : (uint16_t)(exponent ? (exponent - 112) << 10 | (bits >> 13 & 0x3ff) : 0);
        }
        if (c->not_finite == i + 1) {
            values[i][1] = NAN;
            halves[i][1] = 0x7f80 | 1; /* NaN of both half types */
        }
    }
}

static void make_weights(struct cf_artefacts *files, const struct change *c)
{
    static const int64_t one = 1;
    static int64_t longs[64];
    struct cf_tensors tensors = CF_TENSORS_INIT;
    struct cf_buf bytes = CF_BUF_INIT;
    fill(c);
    for (size_t i = 0; i < COUNT(named); i++) {
        char name[CF_TENSOR_NAME_MAX];
        (void)snprintf(name, sizeof(name), "%s%s", c->prefix ? c->prefix : "", named[i].name);
        size_t rows = c->wrong_shape == i + 1 ? named[i].rows - 1 : named[i].rows;
        const void *data = c->dtype == CF_F32 ? (const void *)values[i] : (const void *)halves[i];
        enum cf_dtype dtype = (enum cf_dtype)c->dtype;
        if (c->integers == i + 1) {
            data = longs;
            dtype = CF_I64;
        }
        if (c->leave_out != i + 1) {
            cf_tensors_add(&tensors, name, dtype, data, rows, named[i].columns);
        }
    }
    if (c->extra) {
        cf_tensors_add(&tensors, c->extra, CF_I64, &one, 1, 0);
    }
    cf_safetensors_write(&tensors, &bytes);
    set(files, "model.safetensors", bytes.data, bytes.length);
    cf_buf_release(&bytes);
    cf_tensors_release(&tensors);
}

static void make(struct cf_artefacts *files, const struct change *c)
{
    *files = (struct cf_artefacts)CF_ARTEFACTS_INIT;
    set_text(files, "config.json", CONFIG);
    set_text(files, "vocab.txt", VOCABULARY);
    make_weights(files, c);
}

static void expect_whole(const struct cf_artefacts *files)
{
    struct cf_bert_folder f;
    struct cf_error err = {0};
    int rc = cf_bert_folder_read(files, &f, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_uint_eq(f.layout.tensor_count, COUNT(named));
    for (size_t i = 0; i < COUNT(named); i++) {
        const struct cf_bert_tensor *t = &f.layout.tensors[i];
        size_t index = 0;
        while (strcmp(named[index].name, t->name) != 0) {
            index++;
        }
        size_t count = t->rows * (t->columns ? t->columns : 1);
        ck_assert_mem_eq(f.weights + t->offset, values[index], count * sizeof(float));
    }
    cf_bert_folder_release(&f);
}

static void expect_refused(const struct cf_artefacts *files, const char *says)
{
    struct cf_bert_folder f;
    struct cf_error err = {0};
    ck_assert_int_eq(cf_bert_folder_read(files, &f, &err), CF_EDATA);
    ck_assert_msg(strstr(err.message, says) != NULL, "\"%s\" doesn't say \"%s\"", err.message,
                  says);
    ck_assert_ptr_null(f.weights);
    ck_assert_ptr_null(f.vocabulary);
    ck_assert_ptr_null(f.layout.tensors);
    ck_assert_uint_eq(f.skipped.count, 0);
}

START_TEST(every_type_with_and_without_prefix)
{
    static const int dtypes[] = {CF_F32, CF_F16, CF_BF16};
    static const char *const prefixes[] = {"", "bert."};
    struct cf_artefacts files;
    make(&files, &(struct change){.dtype = dtypes[_i % 3], .prefix = prefixes[_i / 3]});
    expect_whole(&files);
    cf_artefacts_release(&files);
}
END_TEST

START_TEST(sizes_come_from_the_config)
{
    struct cf_artefacts files;
    struct cf_bert_config c;
    struct cf_error err = {0};
    make(&files, &(struct change){0});
    ck_assert_int_eq(cf_bert_config_read(&files, &c, &err), 0);
    ck_assert_uint_eq(c.layers, 1);
    ck_assert_uint_eq(c.hidden, 4);
    ck_assert_uint_eq(c.heads, 2);
    ck_assert_uint_eq(c.ffn, 8);
    ck_assert_uint_eq(c.vocabulary, 6);
    ck_assert_uint_eq(c.positions, 5);
    ck_assert_uint_eq(c.types, 2);
    ck_assert_uint_eq(c.max_tokens, 5);
    ck_assert(c.layernorm_eps == 1e-12F && c.dropout == 0.1F);
    /* a length beyond 64 bits is what Hugging Face writes for "none" */
    set_text(&files, "tokenizer_config.json",
             "{\"model_max_length\":1000000000000000019884624838656}");
    ck_assert_int_eq(cf_bert_config_read(&files, &c, &err), 0);
    ck_assert_uint_eq(c.max_tokens, 5);
    set_text(&files, "tokenizer_config.json", "{\"model_max_length\":4}");
    ck_assert_int_eq(cf_bert_config_read(&files, &c, &err), 0);
    ck_assert_uint_eq(c.max_tokens, 4);
    set_text(&files, "sentence_bert_config.json", "{\"max_seq_length\":3}");
    ck_assert_int_eq(cf_bert_config_read(&files, &c, &err), 0);
    ck_assert_uint_eq(c.max_tokens, 3);
    set_text(&files, "sentence_bert_config.json", "{\"max_seq_length\":null}");
    ck_assert_int_eq(cf_bert_config_read(&files, &c, &err), 0);
    ck_assert_uint_eq(c.max_tokens, 4);
    cf_artefacts_release(&files);
}
END_TEST

static const char *const harmless[] = {"embeddings.position_ids", "bert.embeddings.position_ids",
                                       "pooler.dense.weight",     "bert.pooler.dense.bias",
                                       "cls.predictions.bias",    "embeddings.token_type_ids"};

START_TEST(tensors_of_no_use_are_skipped_and_named)
{
    struct cf_artefacts files;
    struct cf_bert_folder f;
    struct cf_error err = {0};
    make(&files, &(struct change){.extra = harmless[_i]});
    ck_assert_msg(cf_bert_folder_read(&files, &f, &err) == 0, "%s", err.message);
    ck_assert_uint_eq(f.skipped.count, 1);
    ck_assert_str_eq(f.skipped.items[0], harmless[_i]);
    cf_bert_folder_release(&f);
    cf_artefacts_release(&files);
}
END_TEST

static const struct {
    struct change change;
    const char *says;
} bad_weights[] = {
    {{.leave_out = 1},
     "model.safetensors: tensor \"embeddings.word_embeddings.weight\" is missing"},
    {{.leave_out = COUNT(named)}, "tensor \"encoder.layer.0.output.LayerNorm.bias\" is missing"},
    {{.leave_out = 8, .prefix = "bert."},
     "tensor \"bert.encoder.layer.0.attention.self.key.weight\" is missing"},
    {{.extra = "encoder.layer.1.output.dense.bias"},
     "tensor \"encoder.layer.1.output.dense.bias\" is not one of a BERT encoder"},
    {{.extra = "bert.embeddings.LayerNorm.bias"}, "\"bert.embeddings.LayerNorm.bias\" is not one"},
    {{.extra = "clsx"}, "tensor \"clsx\" is not one"},
    {{.wrong_shape = 16},
     "tensor \"encoder.layer.0.intermediate.dense.weight\" has the shape [7, 4]; config.json makes "
     "it [8, 4]"},
    {{.wrong_shape = 4},
     "\"embeddings.LayerNorm.weight\" has the shape [3]; config.json makes it "
     "[4]"},
    {{.integers = 3}, "\"embeddings.token_type_embeddings.weight\" is of the type I64"},
    {{.not_finite = 21},
     "tensor \"encoder.layer.0.output.LayerNorm.bias\" holds a value that isn't finite"},
    {{.not_finite = 1, .dtype = CF_F16},
     "tensor \"embeddings.word_embeddings.weight\" holds a value that isn't finite"},
    {{.not_finite = 2, .dtype = CF_BF16},
     "tensor \"embeddings.position_embeddings.weight\" holds a value that isn't finite"},
};

START_TEST(bad_weights_name_file_and_tensor)
{
    struct cf_artefacts files;
    make(&files, &bad_weights[_i].change);
    expect_refused(&files, bad_weights[_i].says);
    cf_artefacts_release(&files);
}
END_TEST

/* Offsets in the header, changed in place: one digit makes a tensor lie over another. */
START_TEST(offsets_are_checked)
{
    struct cf_artefacts files;
    make(&files, &(struct change){0});
    const struct cf_artefact *file = cf_artefacts_find(&files, "model.safetensors");
    char *entry = strstr(file->data.data + 8, "\"embeddings.LayerNorm.weight\"");
    char *offsets = strstr(entry, "\"data_offsets\":[16,32]");
    ck_assert_ptr_nonnull(offsets);
    memcpy(offsets, "\"data_offsets\":[12,28]", 22);
    expect_refused(&files, "leaves a gap or overlaps another");
    memcpy(offsets, "\"data_offsets\":[16,48]", 22);
    expect_refused(&files, "tensor \"embeddings.LayerNorm.weight\" has a size that doesn't fit");
    memcpy(offsets, "\"data_offsets\":[16,32]", 22);
    expect_whole(&files);
    ((struct cf_artefact *)file)->data.length--;
    expect_refused(&files, "lies outside the file");
    cf_artefacts_release(&files);
}
END_TEST

static const struct {
    const char *path, *text; /* NULL: the file is left out */
    const char *says;
} bad_files[] = {
    {"config.json", NULL, "config.json: it is missing"},
    {"model.safetensors", NULL, "model.safetensors: it is missing"},
    {"vocab.txt", NULL, "vocab.txt: it is missing"},
    {"config.json", "{", "config.json: not JSON"},
    {"config.json", "[]", "config.json: it must be an object"},
    {"config.json", "{\"model_type\":\"roberta\"}",
     "config.json: \"model_type\" is \"roberta\"; only \"bert\" is known"},
    {"config.json", "{\"x\":1}", "\"model_type\" must be \"bert\""},
    {"config.json", "{\"model_type\":\"bert\",\"hidden_act\":\"relu\"}",
     "\"hidden_act\" is \"relu\""},
    {"config.json", "{\"model_type\":\"bert\",\"position_embedding_type\":\"relative_key\"}",
     "\"position_embedding_type\" is \"relative_key\""},
    {"config.json", "{\"model_type\":\"bert\",\"is_decoder\":true}",
     "\"is_decoder\" must be false"},
    {"config.json", "{\"model_type\":\"bert\"}", "\"num_hidden_layers\" is missing"},
    {"config.json", "{\"model_type\":\"bert\",\"num_hidden_layers\":1.5}",
     "\"num_hidden_layers\" must be a whole number"},
    {"config.json", "{\"model_type\":\"bert\",\"num_hidden_layers\":-1}",
     "\"num_hidden_layers\" must be a whole number"},
    {"config.json", "{\"model_type\":\"bert\",\"num_hidden_layers\":1e300}",
     "\"num_hidden_layers\" must be a whole number"},
    {"config.json",
     "{\"model_type\":\"bert\",\"num_hidden_layers\":65,\"hidden_size\":4,"
     "\"num_attention_heads\":2,\"intermediate_size\":8,\"vocab_size\":6,"
     "\"max_position_embeddings\":5}",
     "config.json: \"num_hidden_layers\" must be from 1 to 64"},
    {"config.json",
     "{\"model_type\":\"bert\",\"num_hidden_layers\":1,\"hidden_size\":4,"
     "\"num_attention_heads\":3,\"intermediate_size\":8,\"vocab_size\":6,"
     "\"max_position_embeddings\":5}",
     "config.json: \"hidden_size\" (4) is not a multiple"},
    {"config.json",
     "{\"model_type\":\"bert\",\"num_hidden_layers\":1,\"hidden_size\":4,"
     "\"num_attention_heads\":2,\"intermediate_size\":8,\"vocab_size\":6,"
     "\"max_position_embeddings\":5,\"hidden_dropout_prob\":0.2}",
     "must be equal"},
    {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\na\n", "vocab.txt: line 6 repeats"},
    {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n",
     "vocab.txt: it has 7 tokens, config.json's \"vocab_size\" is 6"},
    {"tokenizer_config.json", "{\"do_lower_case\":false}",
     "tokenizer_config.json: \"do_lower_case\" must be true"},
    {"tokenizer_config.json", "{\"strip_accents\":false}", "\"strip_accents\" must be true"},
    {"tokenizer_config.json", "{\"tokenizer_class\":\"MPNetTokenizer\"}",
     "\"tokenizer_class\" is \"MPNetTokenizer\""},
    {"tokenizer_config.json", "{\"unk_token\":\"<unk>\"}", "\"unk_token\" is \"<unk>\""},
    {"tokenizer_config.json", "{\"cls_token\":{\"content\":\"<s>\"}}", "\"content\" is \"<s>\""},
    {"sentence_bert_config.json", "{\"max_seq_length\":6}",
     "sentence_bert_config.json: a text's tokens, \"max_seq_length\", must be from 3 to"},
    {"sentence_bert_config.json", "{\"max_seq_length\":2}", "must be from 3 to"},
    {"sentence_bert_config.json", "{\"max_seq_length\":\"3\"}",
     "\"max_seq_length\" must be a whole"},
    {"modules.json", MODULES, "1_Pooling/config.json: it is missing"},
    {"modules.json", "[]", "modules.json: it must list"},
    {"modules.json",
     "[{\"path\":\"\",\"type\":\"Transformer\"},{\"path\":\"1_Pooling\",\"type\":\"Pooling\"},"
     "{\"path\":\"2_Dense\",\"type\":\"sentence_transformers.models.Dense\"}]",
     "modules.json: module 2 is a \"Dense\""},
    {"modules.json",
     "[{\"path\":\"\",\"type\":\"Transformer\"},{\"path\":\"1_Mean\",\"type\":\"Pooling\"}]",
     "modules.json: module 1's path is \"1_Mean\""},
    {"1_Pooling/config.json", "{\"pooling_mode_cls_token\":true}",
     "1_Pooling/config.json: \"pooling_mode_cls_token\" is set"},
    {"1_Pooling/config.json", "{\"pooling_mode_mean_tokens\":false}", "must be true"},
    {"1_Pooling/config.json", "{\"pooling_mode\":\"cls\"}", "\"pooling_mode\" is \"cls\""},
    {"1_Pooling/config.json", "{\"pooling_mode_mean_tokens\":true,\"word_embedding_dimension\":5}",
     "\"word_embedding_dimension\" is 5, config.json's \"hidden_size\" 4"},
};

START_TEST(bad_files_are_named)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct cf_artefacts whole;
    make(&whole, &(struct change){0});
    for (size_t i = 0; i < whole.count; i++) {
        if (bad_files[_i].text || strcmp(whole.items[i].path, bad_files[_i].path) != 0) {
            set(&files, whole.items[i].path, whole.items[i].data.data, whole.items[i].data.length);
        }
    }
    if (bad_files[_i].text) {
        set_text(&files, bad_files[_i].path, bad_files[_i].text);
    }
    expect_refused(&files, bad_files[_i].says);
    cf_artefacts_release(&files);
    cf_artefacts_release(&whole);
}
END_TEST

START_TEST(good_small_files_are_read)
{
    struct cf_artefacts files;
    make(&files, &(struct change){0});
    set_text(&files, "modules.json", MODULES);
    set_text(&files, "1_Pooling/config.json",
             "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_cls_token\":false,"
             "\"word_embedding_dimension\":4,\"include_prompt\":true}");
    set_text(
        &files, "tokenizer_config.json",
        "{\"do_lower_case\":true,\"strip_accents\":null,\"tokenizer_class\":"
        "\"BertTokenizerFast\",\"unk_token\":{\"content\":\"[UNK]\"},\"pad_token\":\"[PAD]\"}");
    expect_whole(&files);
    cf_artefacts_release(&files);
}
END_TEST

/* What is written: read back equal, the same bytes again, and the fields that Hugging Face needs.
 */
START_TEST(written_folders_read_back_equal)
{
    struct cf_artefacts files;
    struct cf_artefacts once = CF_ARTEFACTS_INIT;
    struct cf_artefacts twice = CF_ARTEFACTS_INIT;
    struct cf_bert_folder f;
    struct cf_bert_folder back;
    struct cf_error err = {0};
    make(&files, &(struct change){0});
    set_text(&files, "sentence_bert_config.json", "{\"max_seq_length\":4}");
    ck_assert_int_eq(cf_bert_folder_read(&files, &f, &err), 0);
    cf_bert_folder_write(&f.layout, f.weights, f.vocabulary, &once);
    ck_assert_msg(cf_bert_folder_read(&once, &back, &err) == 0, "%s", err.message);
    ck_assert_mem_eq(back.weights, f.weights, f.layout.parameters * sizeof(float));
    const struct cf_bert_config *a = &f.layout.config;
    const struct cf_bert_config *b = &back.layout.config;
    ck_assert(a->layers == b->layers && a->hidden == b->hidden && a->heads == b->heads &&
              a->ffn == b->ffn && a->vocabulary == b->vocabulary && a->positions == b->positions &&
              a->types == b->types && a->max_tokens == b->max_tokens &&
              a->layernorm_eps == b->layernorm_eps && a->dropout == b->dropout);
    ck_assert_str_eq(cf_buf_str(&cf_artefacts_find(&once, "vocab.txt")->data), VOCABULARY);
    cf_bert_folder_write(&back.layout, back.weights, back.vocabulary, &twice);
    ck_assert_uint_eq(once.count, 9);
    for (size_t i = 0; i < once.count; i++) {
        ck_assert_str_eq(once.items[i].path, twice.items[i].path);
        ck_assert_uint_eq(once.items[i].data.length, twice.items[i].data.length);
        ck_assert_mem_eq(once.items[i].data.data, twice.items[i].data.data,
                         once.items[i].data.length);
    }
    cf_bert_folder_release(&f);
    cf_bert_folder_release(&back);
    cf_artefacts_release(&files);
    cf_artefacts_release(&once);
    cf_artefacts_release(&twice);
}
END_TEST

static const struct {
    const char *path, *has;
} written[] = {
    {"config.json", "\"model_type\":\"bert\""},
    {"config.json", "\"architectures\":[\"BertModel\"]"},
    {"config.json", "\"layer_norm_eps\":9.9999999999999998e-13"}, /* the double nearest to 1e-12 */
    {"config.json", "\"hidden_dropout_prob\":0.10000000000000001"},
    {"config.json", "\"pad_token_id\":0"},
    {"model.safetensors", "\"__metadata__\":{\"format\":\"pt\"}"},
    {"model.safetensors", "\"embeddings.word_embeddings.weight\":{"},
    {"tokenizer_config.json", "\"tokenizer_class\":\"BertTokenizer\""},
    {"tokenizer_config.json", "\"do_lower_case\":true"},
    {"tokenizer_config.json", "\"model_max_length\":5"},
    {"special_tokens_map.json", "\"unk_token\":\"[UNK]\""},
    {"sentence_bert_config.json", "{\"do_lower_case\":false,\"max_seq_length\":5}"},
    {"1_Pooling/config.json", "\"pooling_mode_mean_tokens\":true"},
    {"1_Pooling/config.json", "\"word_embedding_dimension\":4"},
    {"modules.json", "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\",\"type\":"
                     "\"sentence_transformers.models.Normalize\"}"},
    {"config_sentence_transformers.json", "\"__version__\":{"},
};

START_TEST(written_folders_have_what_hugging_face_needs)
{
    struct cf_artefacts files;
    struct cf_artefacts out = CF_ARTEFACTS_INIT;
    struct cf_bert_folder f;
    struct cf_error err = {0};
    make(&files, &(struct change){0});
    ck_assert_int_eq(cf_bert_folder_read(&files, &f, &err), 0);
    cf_bert_folder_write(&f.layout, f.weights, f.vocabulary, &out);
    for (size_t i = 0; i < COUNT(written); i++) {
        const struct cf_artefact *file = cf_artefacts_find(&out, written[i].path);
        ck_assert_ptr_nonnull(file);
        size_t skip = strstr(written[i].path, ".safetensors") ? 8 : 0;
        ck_assert_msg(strstr(file->data.data + skip, written[i].has) != NULL, "%s: %s",
                      written[i].path, file->data.data + skip);
    }
    cf_bert_folder_release(&f);
    cf_artefacts_release(&files);
    cf_artefacts_release(&out);
}
END_TEST

Suite *encoder_bert_folder_suite(void)
{
    Suite *suite = suite_create("encoder_bert_folder");
    TCase *tc = tcase_create("folder");
    tcase_add_loop_test(tc, every_type_with_and_without_prefix, 0, 6);
    tcase_add_test(tc, sizes_come_from_the_config);
    tcase_add_loop_test(tc, tensors_of_no_use_are_skipped_and_named, 0, (int)COUNT(harmless));
    tcase_add_loop_test(tc, bad_weights_name_file_and_tensor, 0, (int)COUNT(bad_weights));
    tcase_add_test(tc, offsets_are_checked);
    tcase_add_loop_test(tc, bad_files_are_named, 0, (int)COUNT(bad_files));
    tcase_add_test(tc, good_small_files_are_read);
    tcase_add_test(tc, written_folders_read_back_equal);
    tcase_add_test(tc, written_folders_have_what_hugging_face_needs);
    suite_add_tcase(suite, tc);
    return suite;
}
