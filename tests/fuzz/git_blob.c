/* A document's bytes. Put into the answer that GitHub would give, they read back equal, and no
 * answer with another byte, size or id is accepted; their text is UTF-8 without NULs, the same when
 * it is read again, and the bytes themselves where those are such a text. The input is tried as an
 * answer, too. */
#include "tests/fuzz/fuzz.h"

#include "common/base/alloc.h"

/* The fuzzers link the library only, and this needs nothing else. */
#include "jobs/sync/blob.c"

static void id_of(const uint8_t *data, size_t length, bool longer, char oid[CF_OID_HEX])
{
    struct cf_buf object = CF_BUF_INIT;
    cf_buf_printf(&object, "blob %zu", length);
    cf_buf_putc(&object, '\0');
    cf_buf_append(&object, data, length);
    if (longer) {
        cf_sha256_hex(object.data, object.length, oid);
    } else {
        struct sha1_ctx ctx;
        uint8_t digest[SHA1_DIGEST_SIZE];
        sha1_init(&ctx);
        sha1_update(&ctx, object.length, (const uint8_t *)object.data);
        sha1_digest(&ctx, sizeof(digest), digest);
        base16_encode_update(oid, sizeof(digest), digest);
        oid[2 * SHA1_DIGEST_SIZE] = '\0';
    }
    cf_buf_release(&object);
}

/* Base64 in lines of 60, as GitHub has it. */
static json_t *content_of(const uint8_t *data, size_t length)
{
    struct cf_buf lines = CF_BUF_INIT;
    char *text = cf_calloc(1, BASE64_ENCODE_RAW_LENGTH(length) + 1);
    base64_encode_raw(text, length, data);
    for (size_t i = 0; text[i]; i += strlen(text + i) < 60 ? strlen(text + i) : 60) {
        cf_buf_printf(&lines, "%.60s\n", text + i);
    }
    json_t *content = json_stringn(cf_buf_str(&lines), lines.length);
    free(text);
    cf_buf_release(&lines);
    return content;
}

static void refused(const json_t *answer, const char *oid, size_t length, struct cf_buf *out)
{
    struct cf_error err = {0};
    size_t before = out->length;
    MUST(sync_blob_read(answer, oid, length, SIZE_MAX, out, &err) == CF_EDATA);
    MUST(*err.message && out->length == before && (!out->data || !out->data[before]));
}

static void check_blob(const uint8_t *data, size_t length, bool longer)
{
    char oid[CF_OID_HEX];
    struct cf_buf out = CF_BUF_INIT;
    struct cf_error err = {0};
    id_of(data, length, longer, oid);
    json_t *answer = json_object();
    (void)json_object_set_new(answer, "sha", json_string(oid));
    (void)json_object_set_new(answer, "size", json_integer((json_int_t)length));
    (void)json_object_set_new(answer, "encoding", json_string("base64"));
    (void)json_object_set_new(answer, "content", content_of(data, length));
    MUST(sync_blob_read(answer, oid, length, length, &out, &err) == 0);
    MUST(out.length == length && (!length || memcmp(out.data, data, length) == 0));
    refused(answer, oid, length + 1, &out);
    if (length) {
        MUST(sync_blob_read(answer, oid, length, length - 1, &out, &err) == CF_EDATA);
        out.data[length / 2] ^= 1;
        (void)json_object_set_new(answer, "content",
                                  content_of((const uint8_t *)out.data, out.length));
        refused(answer, oid, length, &out);
    }
    oid[3] = oid[3] == '0' ? '1' : '0';
    (void)json_object_set_new(answer, "content", content_of(data, length));
    (void)json_object_set_new(answer, "sha", json_string(oid));
    refused(answer, oid, length, &out);
    json_decref(answer);
    cf_buf_release(&out);
}

static void check_text(const uint8_t *data, size_t length)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_buf again = CF_BUF_INIT;
    struct cf_buf clean = CF_BUF_INIT;
    bool utf16 = length >= 2 && (data[0] ^ data[1]) == 1 && data[0] >= 0xfe;
    bool nul = length && memchr(data, 0, length < LOOKED_AT ? length : LOOKED_AT);
    bool is_text = sync_text((const char *)data, length, &text);
    cf_utf8_clean((const char *)data, length, &clean);
    MUST(is_text || (nul && !text.length));
    if (is_text && !utf16) {
        MUST(!nul && text.length == clean.length);
        MUST(memcmp(cf_buf_str(&text), cf_buf_str(&clean), clean.length) == 0);
    }
    if (is_text) {
        size_t i = 0;
        while (i < text.length) {
            uint32_t c = 0;
            size_t used = cf_utf8_decode(text.data + i, text.length - i, &c);
            MUST(used && c);
            i += used;
        }
        MUST(text.length <= 3 * length);
        MUST(sync_text(cf_buf_str(&text), text.length, &again));
        MUST(again.length == text.length);
        MUST(memcmp(cf_buf_str(&again), cf_buf_str(&text), text.length) == 0);
    }
    cf_buf_release(&text);
    cf_buf_release(&again);
    cf_buf_release(&clean);
}

static void check_answer(const uint8_t *data, size_t length)
{
    json_t *answer = NULL;
    struct cf_buf out = CF_BUF_INIT;
    struct cf_error err = {0};
    if (cf_json_parse_foreign((const char *)data, length, "the answer", &answer, NULL)) {
        return;
    }
    const char *sha = json_string_value(json_object_get(answer, "sha"));
    json_int_t size = json_integer_value(json_object_get(answer, "size"));
    const char *oid =
        sha && cf_oid_is_valid(sha) ? sha : "8ab686eafeb1f44702738c8b0f24f2567c36da6d";
    int rc = sync_blob_read(answer, oid, (uint64_t)size, 1 << 20, &out, &err);
    MUST(rc ? rc == CF_EDATA && *err.message && !out.length : out.length == (size_t)size);
    if (!rc) {
        char real[CF_OID_HEX];
        id_of((const uint8_t *)cf_buf_str(&out), out.length, strlen(oid) == 64, real);
        MUST(strcmp(real, oid) == 0);
    }
    cf_buf_release(&out);
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    check_blob(data, length, false);
    check_blob(data, length, true);
    check_text(data, length);
    check_answer(data, length);
    return 0;
}
