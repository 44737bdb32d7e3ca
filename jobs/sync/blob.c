#include "jobs/sync/blob.h"

#include <inttypes.h>
#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/utf8.h"
#include "common/portfolio/repos.h"

/* What git looks at when it decides whether a file is binary. */
enum { LOOKED_AT = 8000 };

static const uint32_t REPLACEMENT = 0xfffd;

/* The id that git gives to these bytes, of as many digits as oid has. */
static bool is_blob_of(const char *oid, const char *bytes, size_t length)
{
    char header[32];
    char hex[CF_OID_HEX];
    uint8_t digest[SHA256_DIGEST_SIZE];
    int printed = snprintf(header, sizeof(header), "blob %zu", length);
    size_t header_length = (size_t)printed + 1; /* with its NUL */
    size_t digest_length = strlen(oid) == 64 ? SHA256_DIGEST_SIZE : SHA1_DIGEST_SIZE;
    if (digest_length == SHA256_DIGEST_SIZE) {
        struct sha256_ctx ctx;
        sha256_init(&ctx);
        sha256_update(&ctx, header_length, (const uint8_t *)header);
        sha256_update(&ctx, length, (const uint8_t *)bytes);
        sha256_digest(&ctx, SHA256_DIGEST_SIZE, digest);
    } else {
        struct sha1_ctx ctx;
        sha1_init(&ctx);
        sha1_update(&ctx, header_length, (const uint8_t *)header);
        sha1_update(&ctx, length, (const uint8_t *)bytes);
        sha1_digest(&ctx, SHA1_DIGEST_SIZE, digest);
    }
    base16_encode_update(hex, digest_length, digest);
    return strncmp(oid, hex, 2 * digest_length) == 0 && !oid[2 * digest_length];
}

/* Base64 with its padding; line feeds may stand anywhere, as GitHub breaks lines. */
static int decode_base64(const json_t *content, struct cf_buf *out, struct cf_error *err)
{
    const char *text = json_string_value(content);
    size_t length = json_string_length(content);
    struct base64_decode_ctx ctx;
    size_t decoded = 0;
    cf_buf_reserve(out, BASE64_DECODE_LENGTH(length) + 1);
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &decoded, (uint8_t *)out->data + out->length, length, text) ||
        !base64_decode_final(&ctx)) {
        return cf_error_set(err, CF_EDATA, "the field \"content\" is not base64");
    }
    out->length += decoded;
    out->data[out->length] = '\0';
    return 0;
}

static int read_content(const json_t *answer, struct cf_buf *out, struct cf_error *err)
{
    const json_t *content = json_object_get(answer, "content");
    const char *encoding = NULL;
    int rc = cf_json_get_string(answer, "encoding", &encoding, err);
    if (!rc && !json_is_string(content)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"content\" must be a string");
    }
    if (rc) {
        return rc;
    }
    if (strcmp(encoding, "base64") == 0) {
        return decode_base64(content, out, err);
    }
    if (strcmp(encoding, "utf-8") == 0) {
        cf_buf_append(out, json_string_value(content), json_string_length(content));
        return 0;
    }
    return cf_error_set(err, CF_EDATA, "the field \"encoding\" must be base64 or utf-8");
}

int sync_blob_read(const json_t *answer, const char *oid, uint64_t bytes, size_t most,
                   struct cf_buf *out, struct cf_error *err)
{
    const char *sha = NULL;
    uint64_t size = 0;
    size_t before = out->length;
    if (bytes > most) {
        return cf_error_set(err, CF_EDATA, "the blob has %" PRIu64 " bytes, more than %zu", bytes,
                            most);
    }
    int rc = cf_json_get_string(answer, "sha", &sha, err);
    rc = rc ? rc : cf_json_get_u64(answer, "size", &size, err);
    if (!rc && (strcmp(sha, oid) != 0 || size != bytes)) {
        rc = cf_error_set(err, CF_EDATA, "GitHub answered with another blob");
    }
    rc = rc ? rc : read_content(answer, out, err);
    size_t length = out->length - before;
    if (!rc && (length != bytes || !is_blob_of(oid, length ? out->data + before : "", length))) {
        rc = cf_error_set(err, CF_EDATA, "the blob's bytes are not those that its id stands for");
    }
    if (rc && out->data) {
        out->length = before;
        out->data[before] = '\0';
    }
    return rc;
}

static uint32_t unit_at(const unsigned char *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static bool is_high(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Decodes what follows the byte order mark. */
static void append_utf16(const unsigned char *p, size_t length, bool big, struct cf_buf *out)
{
    size_t i = 0;
    while (i + 1 < length) {
        uint32_t c = unit_at(p + i, big);
        i += 2;
        if (is_high(c) && i + 1 < length && is_low(unit_at(p + i, big))) {
            c = 0x10000 + ((c - 0xd800) << 10) + (unit_at(p + i, big) - 0xdc00);
            i += 2;
        } else if (!c || is_high(c) || is_low(c)) {
            c = REPLACEMENT;
        }
        cf_utf8_encode(c, out);
    }
    if (i < length) {
        cf_utf8_encode(REPLACEMENT, out);
    }
}

static bool has_nul_unit(const unsigned char *p, size_t length)
{
    size_t looked_at = length < LOOKED_AT ? length : LOOKED_AT;
    for (size_t i = 0; i + 1 < looked_at; i += 2) {
        if (!p[i] && !p[i + 1]) {
            return true;
        }
    }
    return false;
}

bool sync_text(const char *bytes, size_t length, struct cf_buf *out)
{
    const unsigned char *p = (const unsigned char *)bytes;
    bool big = length >= 2 && p[0] == 0xfe && p[1] == 0xff;
    if (big || (length >= 2 && p[0] == 0xff && p[1] == 0xfe)) {
        if (has_nul_unit(p, length)) {
            return false;
        }
        append_utf16(p + 2, length - 2, big, out);
        return true;
    }
    if (length && memchr(bytes, 0, length < LOOKED_AT ? length : LOOKED_AT)) {
        return false;
    }
    cf_utf8_clean(bytes, length, out);
    return true;
}
