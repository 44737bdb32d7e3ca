/* A sentence-transformer's folder as Hugging Face has it, in memory: read with every check, and
 * written so that SentenceTransformer(path) loads it.
 *
 * Read are config.json, model.safetensors and vocab.txt, and where they are there
 * tokenizer_config.json, sentence_bert_config.json, modules.json and 1_Pooling/config.json; any
 * other file is passed over. What this code can't do as the folder's author meant it is refused, by
 * file and field: another architecture, a cased tokenizer, pooling other than the mean, further
 * modules. Vectors are normalised whether or not modules.json says so. */
#ifndef CF_ENCODER_BERT_FOLDER_H
#define CF_ENCODER_BERT_FOLDER_H

#include "common/base/options.h"
#include "common/encoder/artefacts.h"
#include "common/transformer/layout.h"
#include "common/transformer/wordpiece.h"

struct cf_bert_folder {
    struct cf_bert_layout layout;
    float *weights; /* [layout.parameters] */
    struct cf_wordpiece *vocabulary;
    struct cf_string_list skipped; /* names of tensors that an encoder doesn't need */
};

/* The files that are read, in a fixed order; NULL-terminated. The first CF_BERT_FILES_NEEDED must
 * be there. */
extern const char *const cf_bert_files[];
#define CF_BERT_FILES_NEEDED 3

/* Only what the small files say, without tensors and vocabulary. config.max_tokens is
 * sentence_bert_config.json's max_seq_length; without it the lesser of max_position_embeddings and
 * tokenizer_config.json's model_max_length. CF_EDATA names file and field. */
int cf_bert_config_read(const struct cf_artefacts *files, struct cf_bert_config *out,
                        struct cf_error *err);

/* Tensors are those of the layout, all with or all without the prefix "bert.", of the types F32,
 * F16 or BF16; position_ids, token_type_ids, pooler.* and cls.* are skipped. CF_EDATA names file
 * and tensor that is missing, unknown, of another type or shape, outside of the file, over another,
 * or not finite. Until all but the values is checked, nothing as large as the weights is allocated.
 * On success the caller releases *out, on failure it is empty. */
int cf_bert_folder_read(const struct cf_artefacts *files, struct cf_bert_folder *out,
                        struct cf_error *err);
void cf_bert_folder_release(struct cf_bert_folder *folder);

/* Adds the folder's files: those above, config_sentence_transformers.json and
 * special_tokens_map.json. weights are [layout->parameters]. What is read back is equal; equal
 * input gives equal bytes. */
void cf_bert_folder_write(const struct cf_bert_layout *layout, const float *weights,
                          const struct cf_wordpiece *vocabulary, struct cf_artefacts *out);

#endif
