/* Hashes as lower-case hexadecimal text, and random identifiers. */
#ifndef CF_BASE_HASH_H
#define CF_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_SHA256_HEX 65 /* 64 digits and the NUL */
#define CF_MD5_HEX 33
#define CF_RANDOM_HEX 33 /* 128 bits */

void cf_sha256_hex(const void *data, size_t length, char out[CF_SHA256_HEX]);
void cf_md5_hex(const void *data, size_t length, char out[CF_MD5_HEX]);

/* SHA-256 of data that comes in pieces. */
struct cf_sha256;
struct cf_sha256 *cf_sha256_new(void);
void cf_sha256_update(struct cf_sha256 *h, const void *data, size_t length);
void cf_sha256_final(struct cf_sha256 *h, char out[CF_SHA256_HEX]); /* frees h */

/* 128 random bits from the kernel. */
void cf_random_hex(char out[CF_RANDOM_HEX]);
uint64_t cf_random_u64(void);

/* True for exactly length digits of [0-9a-f] and nothing behind them. */
bool cf_is_hex(const char *s, size_t length);

#endif
