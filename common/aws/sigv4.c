#include "common/aws/sigv4.h"

#include <nettle/base16.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char ALGORITHM[] = "AWS4-HMAC-SHA256";

void cf_sigv4_init(struct cf_sigv4 *signer, const char *region, const char *service)
{
    memset(signer, 0, sizeof(*signer));
    (void)snprintf(signer->region, sizeof(signer->region), "%s", region);
    (void)snprintf(signer->service, sizeof(signer->service), "%s", service);
}

void cf_sigv4_release(struct cf_sigv4 *signer)
{
    explicit_bzero(signer, sizeof(*signer));
}

void cf_sigv4_date(int64_t ms, char out[CF_SIGV4_DATE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    if (!gmtime_r(&seconds, &t) || !strftime(out, CF_SIGV4_DATE, "%Y%m%dT%H%M%SZ", &t)) {
        out[0] = '\0';
    }
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void cf_sigv4_encode(struct cf_buf *out, const char *text, bool keep_slash)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (is_unreserved(c) || (c == '/' && keep_slash)) {
            cf_buf_putc(out, (char)c);
        } else {
            cf_buf_printf(out, "%%%02X", c);
        }
    }
}

/* What counts is the order after encoding. */
static int compare_encoded(const char *a, const char *b)
{
    struct cf_buf x = CF_BUF_INIT;
    struct cf_buf y = CF_BUF_INIT;
    cf_sigv4_encode(&x, a ? a : "", false);
    cf_sigv4_encode(&y, b ? b : "", false);
    int order = strcmp(cf_buf_str(&x), cf_buf_str(&y));
    cf_buf_release(&x);
    cf_buf_release(&y);
    return order;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct cf_sigv4_pair *x = a;
    const struct cf_sigv4_pair *y = b;
    int order = compare_encoded(x->name, y->name);
    return order ? order : compare_encoded(x->value, y->value);
}

void cf_sigv4_query(struct cf_buf *out, struct cf_sigv4_pair *pairs, size_t count)
{
    if (count) {
        qsort(pairs, count, sizeof(*pairs), compare_pairs);
    }
    for (size_t i = 0; i < count; i++) {
        if (i) {
            cf_buf_putc(out, '&');
        }
        cf_sigv4_encode(out, pairs[i].name, false);
        cf_buf_putc(out, '=');
        cf_sigv4_encode(out, pairs[i].value ? pairs[i].value : "", false);
    }
}

static void hmac(struct hmac_sha256_ctx *key, const char *text, uint8_t out[SHA256_DIGEST_SIZE])
{
    hmac_sha256_update(key, strlen(text), (const uint8_t *)text);
    hmac_sha256_digest(key, SHA256_DIGEST_SIZE, out);
}

/* Four nested HMACs, which a day's requests have in common. */
static void derive_key(struct cf_sigv4 *signer, const char *secret_key, const char *day)
{
    char sha256[CF_SHA256_HEX];
    cf_sha256_hex(secret_key, strlen(secret_key), sha256);
    if (strncmp(signer->day, day, 8) == 0 && strcmp(signer->secret_sha256, sha256) == 0) {
        return;
    }
    struct cf_buf first = CF_BUF_INIT;
    struct hmac_sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];
    (void)snprintf(signer->day, sizeof(signer->day), "%.8s", day);
    memcpy(signer->secret_sha256, sha256, sizeof(sha256));
    cf_buf_printf(&first, "AWS4%s", secret_key);
    hmac_sha256_set_key(&ctx, first.length, (const uint8_t *)first.data);
    const char *const steps[] = {signer->day, signer->region, signer->service, "aws4_request"};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        hmac(&ctx, steps[i], digest);
        hmac_sha256_set_key(&ctx, sizeof(digest), digest);
    }
    signer->key = ctx;
    explicit_bzero(first.data, first.length);
    explicit_bzero(&ctx, sizeof(ctx));
    explicit_bzero(digest, sizeof(digest));
    cf_buf_release(&first);
}

static void append_names(struct cf_buf *out, const struct cf_sigv4_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        cf_buf_puts(out, i ? ";" : "");
        cf_buf_puts(out, request->headers[i].name);
    }
}

static void canonical_request_sha256(const struct cf_sigv4_request *request,
                                     char out[CF_SHA256_HEX])
{
    struct cf_buf text = CF_BUF_INIT;
    cf_buf_reserve(&text, 1024);
    cf_buf_printf(&text, "%s\n%s\n%s\n", request->method, request->path, request->query);
    for (size_t i = 0; i < request->header_count; i++) {
        cf_buf_puts(&text, request->headers[i].name);
        cf_buf_putc(&text, ':');
        cf_buf_puts(&text, request->headers[i].value);
        cf_buf_putc(&text, '\n');
    }
    cf_buf_putc(&text, '\n');
    append_names(&text, request);
    cf_buf_putc(&text, '\n');
    cf_buf_puts(&text, request->payload_sha256);
    cf_sha256_hex(text.data, text.length, out);
    cf_buf_release(&text);
}

void cf_sigv4_sign(struct cf_sigv4 *signer, const char *access_key, const char *secret_key,
                   const char *date, const struct cf_sigv4_request *request, struct cf_buf *out)
{
    char scope[128];
    char text[512];
    char sha256[CF_SHA256_HEX];
    uint8_t signature[SHA256_DIGEST_SIZE];
    char hex[CF_SHA256_HEX];
    derive_key(signer, secret_key, date);
    canonical_request_sha256(request, sha256);
    (void)snprintf(scope, sizeof(scope), "%s/%s/%s/aws4_request", signer->day, signer->region,
                   signer->service);
    (void)snprintf(text, sizeof(text), "%s\n%s\n%s\n%s", ALGORITHM, date, scope, sha256);
    struct hmac_sha256_ctx key = signer->key;
    hmac(&key, text, signature);
    base16_encode_update(hex, sizeof(signature), signature);
    hex[sizeof(hex) - 1] = '\0';
    cf_buf_printf(out, "%s Credential=%s/%s, SignedHeaders=", ALGORITHM, access_key, scope);
    append_names(out, request);
    cf_buf_printf(out, ", Signature=%s", hex);
}
