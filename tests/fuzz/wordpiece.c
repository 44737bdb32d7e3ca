/* A vocabulary, a NUL, and a text. What reads as a vocabulary encodes any text: within the limit,
 * between [CLS] and [SEP], with ids of the vocabulary; a lower limit gives the beginning of the
 * same; tokens of the vocabulary are found by their ids. */
#include "tests/fuzz/fuzz.h"

#include "common/base/alloc.h"
#include "common/transformer/wordpiece.h"

enum { TOKENS_MAX = 8192 };

static const char small[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nab\n##ab\nabc\n!\n#\n"
                            "\xe4\xb8\xad\n##\xcc\x81\n\xc3\x9f\n##\xcf\x83\n";

static void check_tokens(const struct cf_wordpiece *w)
{
    for (size_t i = 0; i < cf_wordpiece_count(w); i++) {
        const char *token = cf_wordpiece_token(w, (int32_t)i);
        MUST(*token && strlen(token) <= CF_WORDPIECE_TOKEN_MAX);
        MUST(cf_wordpiece_id(w, token, strlen(token)) == (int32_t)i);
    }
}

static void check_text(const struct cf_wordpiece *w, const char *text, size_t length)
{
    static int32_t whole[TOKENS_MAX + 1];
    static int32_t part[TOKENS_MAX + 1];
    int32_t cls = cf_wordpiece_id(w, "[CLS]", 5);
    int32_t sep = cf_wordpiece_id(w, "[SEP]", 5);
    whole[TOKENS_MAX] = -7;
    size_t n = cf_wordpiece_encode(w, text, length, TOKENS_MAX, whole);
    MUST(n >= 2 && n <= length + 2 && whole[TOKENS_MAX] == -7);
    MUST(whole[0] == cls && whole[n - 1] == sep);
    for (size_t i = 0; i < n; i++) {
        MUST(whole[i] >= 0 && (size_t)whole[i] < cf_wordpiece_count(w));
    }
    for (size_t limit = 2; limit <= n + 1; limit += 1 + limit / 4) {
        part[limit] = -7;
        size_t m = cf_wordpiece_encode(w, text, length, limit, part);
        MUST(m == (limit < n ? limit : n) && part[limit] == -7);
        MUST(memcmp(part, whole, (m - 1) * sizeof(*part)) == 0 && part[m - 1] == sep);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct cf_error err = {0};
    struct cf_wordpiece *w = NULL;
    const uint8_t *nul = length ? memchr(data, 0, length) : NULL;
    size_t head = nul ? (size_t)(nul - data) : 0;
    size_t skip = nul ? head + 1 : 0;
    /* copies of exactly their size, so that a read beyond one is noticed */
    char *vocabulary = cf_malloc(head);
    char *text = cf_malloc(length - skip);
    if (head) {
        memcpy(vocabulary, data, head);
    }
    if (length > skip) {
        memcpy(text, data + skip, length - skip);
    }
    int rc = cf_wordpiece_new(vocabulary, head, "fuzz", &w, &err);
    if (rc) {
        MUST(rc == CF_EDATA && *err.message && !w);
        MUST(cf_wordpiece_new(small, sizeof(small) - 1, "small", &w, &err) == 0);
    }
    check_tokens(w);
    check_text(w, text, length - skip);
    cf_wordpiece_free(w);
    free(vocabulary);
    free(text);
    return 0;
}
