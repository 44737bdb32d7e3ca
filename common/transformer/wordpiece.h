/* BERT's uncased WordPiece: text to the token ids that a model was trained with.
 *
 * The result is that of Hugging Face's BertTokenizerFast with do_lower_case, strip_accents and
 * tokenize_chinese_chars, which is what SentenceTransformer(path) uses:
 *
 *   1. Cleaning: U+0000, U+FFFD, bytes that aren't UTF-8, controls, format characters such as the
 *      soft hyphen and U+200D, and private use are dropped and split no word; tab, LF, CR and
 *      Unicode's white space become spaces.
 *   2. Each ideograph of the CJK blocks stands alone. Kana and Hangul are letters like others.
 *   3. NFD, then every mark of category Mn is dropped, then each character is lowered by itself:
 *      İ gives i, and Σ gives σ at a word's end as well. Python's str.lower() of a whole word would
 *      give ς there, but Hugging Face's tokenizers lower character by character.
 *   4. Punctuation (ASCII's, and Unicode's categories P*) stands alone, each character a word.
 *   5. The longest piece of the vocabulary that a word begins with, then the longest that the rest
 *      begins with among those written "##…". A word with a rest that no piece begins, and a word
 *      of more than 100 characters, is one [UNK].
 *
 * "[UNK]", "[CLS]", "[SEP]", "[PAD]" and "[MASK]", written exactly so anywhere in a text, are those
 * tokens, as they are for Hugging Face: never split, also inside of a word. ([MASK] only where the
 * vocabulary has it.)
 *
 * Properties of characters are those of utf8proc's Unicode version. One that is newer, such as an
 * emoji, stays as it is, which makes its word [UNK], as with Hugging Face. */
#ifndef CF_TRANSFORMER_WORDPIECE_H
#define CF_TRANSFORMER_WORDPIECE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

#define CF_WORDPIECE_VOCABULARY_MAX 1000000 /* tokens */
#define CF_WORDPIECE_TOKEN_MAX 1024         /* bytes of one */

struct cf_wordpiece;

/* Reads a vocab.txt: one token a line, whose number from 0 is its id, LF at the ends of lines. The
 * bytes are copied. file is the name that messages use. CF_EDATA names it and the line that is
 * empty, too long, not UTF-8, ends with CR LF or repeats another; or says which of [PAD], [UNK],
 * [CLS] and [SEP] is missing, or that there are too many tokens. */
int cf_wordpiece_new(const char *vocabulary, size_t length, const char *file,
                     struct cf_wordpiece **out, struct cf_error *err);
void cf_wordpiece_free(struct cf_wordpiece *wordpiece); /* NULL is fine */

/* How many tokens there are: ids are smaller. */
size_t cf_wordpiece_count(const struct cf_wordpiece *wordpiece);

/* The id of a token as vocab.txt writes it, -1 when there is none. */
int32_t cf_wordpiece_id(const struct cf_wordpiece *wordpiece, const char *token, size_t length);

/* The token of an id below cf_wordpiece_count, NUL-terminated. */
const char *cf_wordpiece_token(const struct cf_wordpiece *wordpiece, int32_t id);

/* Writes [CLS], the text's tokens and [SEP], at most max_tokens (at least 2) in all: those behind
 * are cut off, and the text isn't read further. Returns how many there are. Nothing is allocated,
 * and any number of threads may encode with one vocabulary at once. */
size_t cf_wordpiece_encode(const struct cf_wordpiece *wordpiece, const char *text, size_t length,
                           size_t max_tokens, int32_t *ids);

#endif
