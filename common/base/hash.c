#include "common/base/hash.h"

#include <nettle/base16.h>
#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "common/base/alloc.h"

struct cf_sha256 {
    struct sha256_ctx ctx;
};

static void to_hex(const uint8_t *digest, size_t length, char *out)
{
    base16_encode_update(out, length, digest);
    out[2 * length] = '\0';
}

void cf_sha256_hex(const void *data, size_t length, char out[CF_SHA256_HEX])
{
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&ctx);
    sha256_update(&ctx, length, data);
    sha256_digest(&ctx, sizeof(digest), digest);
    to_hex(digest, sizeof(digest), out);
}

void cf_md5_hex(const void *data, size_t length, char out[CF_MD5_HEX])
{
    struct md5_ctx ctx;
    uint8_t digest[MD5_DIGEST_SIZE];
    md5_init(&ctx);
    md5_update(&ctx, length, data);
    md5_digest(&ctx, sizeof(digest), digest);
    to_hex(digest, sizeof(digest), out);
}

struct cf_sha256 *cf_sha256_new(void)
{
    struct cf_sha256 *h = cf_malloc(sizeof(*h));
    sha256_init(&h->ctx);
    return h;
}

void cf_sha256_update(struct cf_sha256 *h, const void *data, size_t length)
{
    sha256_update(&h->ctx, length, data);
}

void cf_sha256_final(struct cf_sha256 *h, char out[CF_SHA256_HEX])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&h->ctx, sizeof(digest), digest);
    to_hex(digest, sizeof(digest), out);
    free(h);
}

static void random_bytes(void *out, size_t length)
{
    if (getrandom(out, length, 0) != (ssize_t)length) {
        _Exit(EX_OSERR); /* the kernel can't refuse requests this small once it has booted */
    }
}

void cf_random_hex(char out[CF_RANDOM_HEX])
{
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    to_hex(bytes, sizeof(bytes), out);
}

uint64_t cf_random_u64(void)
{
    uint64_t value;
    random_bytes(&value, sizeof(value));
    return value;
}

bool cf_is_hex(const char *s, size_t length)
{
    return strlen(s) == length && strspn(s, "0123456789abcdef") == length;
}
