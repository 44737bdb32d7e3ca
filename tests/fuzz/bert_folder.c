/* A sentence-transformer's folder: the files behind one another, each as its number in
 * cf_bert_files (a byte), its length (two bytes, little-endian) and its bytes. What reads has only
 * finite weights and is written to a folder that reads equal; nothing stays of what doesn't. */
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "common/encoder/bert_folder.h"

enum { FILES = 7, HEADER = 3, SMALL = 1 << 20 };

/* Changes one of the files and sets its length, or else the input as it is. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t most, unsigned seed)
{
    size_t starts[FILES];
    size_t count = 0;
    for (size_t i = 0; i + HEADER <= length && count < FILES;) {
        size_t n = (size_t)data[i + 1] | (size_t)data[i + 2] << 8;
        if (n > length - i - HEADER) {
            break;
        }
        starts[count++] = i;
        i += HEADER + n;
    }
    if (!count || seed % 8 == 0) {
        return LLVMFuzzerMutate(data, length, most);
    }
    uint8_t *file = data + starts[seed / 8 % count];
    size_t n = (size_t)file[1] | (size_t)file[2] << 8;
    size_t behind = length - (size_t)(file - data) - HEADER - n;
    size_t room = most - length + n < 0xffff ? most - length + n : 0xffff;
    uint8_t *rest = malloc(behind + 1);
    MUST(rest != NULL);
    memcpy(rest, file + HEADER + n, behind);
    /* of a file of tensors mostly the header: its length is kept right */
    uint64_t header = 0;
    size_t skip = 0;
    if (file[0] % FILES == 1 && n > sizeof(header) && seed % 3) {
        memcpy(&header, file + HEADER, sizeof(header));
        skip = header <= n - sizeof(header) ? sizeof(header) : 0;
    }
    size_t changed;
    if (skip) {
        size_t body = n - sizeof(header) - (size_t)header;
        uint8_t *tail = malloc(body + 1);
        MUST(tail != NULL);
        memcpy(tail, file + HEADER + skip + header, body);
        size_t made = LLVMFuzzerMutate(file + HEADER + skip, (size_t)header, room - skip - body);
        header = made;
        memcpy(file + HEADER, &header, sizeof(header));
        memcpy(file + HEADER + skip + made, tail, body);
        changed = skip + made + body;
        free(tail);
    } else {
        changed = LLVMFuzzerMutate(file + HEADER, n, room);
    }
    file[1] = (uint8_t)(changed & 0xff);
    file[2] = (uint8_t)(changed >> 8);
    memcpy(file + HEADER + changed, rest, behind);
    free(rest);
    return (size_t)(file - data) + HEADER + changed + behind;
}

static void split(const uint8_t *data, size_t length, struct cf_artefacts *files)
{
    for (size_t i = 0; i + HEADER <= length;) {
        size_t n = (size_t)data[i + 1] | (size_t)data[i + 2] << 8;
        n = n < length - i - HEADER ? n : length - i - HEADER;
        struct cf_artefact *file = cf_artefacts_add(files, cf_bert_files[data[i] % FILES], "x/x");
        cf_buf_append(&file->data, data + i + HEADER, n);
        i += HEADER + n;
    }
}

static void check_equal(const struct cf_bert_folder *a, const struct cf_bert_folder *b)
{
    const struct cf_bert_config *x = &a->layout.config;
    const struct cf_bert_config *y = &b->layout.config;
    MUST(x->layers == y->layers && x->hidden == y->hidden && x->heads == y->heads &&
         x->ffn == y->ffn && x->vocabulary == y->vocabulary && x->positions == y->positions &&
         x->types == y->types && x->max_tokens == y->max_tokens);
    MUST(x->layernorm_eps == y->layernorm_eps && x->dropout == y->dropout);
    MUST(a->layout.parameters == b->layout.parameters && b->skipped.count == 0);
    MUST(memcmp(a->weights, b->weights, a->layout.parameters * sizeof(float)) == 0);
    MUST(cf_wordpiece_count(a->vocabulary) == cf_wordpiece_count(b->vocabulary));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct cf_artefacts files = CF_ARTEFACTS_INIT;
    struct cf_artefacts written = CF_ARTEFACTS_INIT;
    struct cf_bert_folder folder;
    struct cf_bert_folder back;
    struct cf_error err = {0};
    split(data, length, &files);
    int rc = cf_bert_folder_read(&files, &folder, &err);
    if (rc) {
        MUST(rc == CF_EDATA && *err.message && strchr(err.message, '.'));
        MUST(!folder.weights && !folder.vocabulary && !folder.layout.tensors);
    } else {
        MUST(folder.layout.parameters < SMALL); /* no more than the input holds */
        for (size_t i = 0; i < folder.layout.parameters; i++) {
            MUST(isfinite(folder.weights[i]));
        }
        cf_bert_folder_write(&folder.layout, folder.weights, folder.vocabulary, &written);
        MUST(cf_bert_folder_read(&written, &back, &err) == 0);
        check_equal(&folder, &back);
        cf_bert_folder_release(&back);
        cf_bert_folder_release(&folder);
    }
    cf_artefacts_release(&written);
    cf_artefacts_release(&files);
    return 0;
}
