#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/hash.h"

/* FIPS 180-4's examples (NIST) and RFC 1321, appendix A.5. */
static const struct {
    const char *text;
    const char *sha256;
    const char *md5;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "d41d8cd98f00b204e9800998ecf8427e"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "900150983cd24fb0d6963f7d28e17f72"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", NULL},
    {"message digest", NULL, "f96b697d7cb7938d525a2f31aaf161d0"},
};

START_TEST(published_vectors)
{
    char sha256[CF_SHA256_HEX];
    char md5[CF_MD5_HEX];
    cf_sha256_hex(vectors[_i].text, strlen(vectors[_i].text), sha256);
    cf_md5_hex(vectors[_i].text, strlen(vectors[_i].text), md5);
    if (vectors[_i].sha256) {
        ck_assert_str_eq(sha256, vectors[_i].sha256);
    }
    if (vectors[_i].md5) {
        ck_assert_str_eq(md5, vectors[_i].md5);
    }
}
END_TEST

START_TEST(a_million_letters_in_uneven_pieces)
{
    char *text = cf_malloc(1000000);
    char whole[CF_SHA256_HEX];
    char pieces[CF_SHA256_HEX];
    struct cf_sha256 *h = cf_sha256_new();
    memset(text, 'a', 1000000);
    cf_sha256_hex(text, 1000000, whole);
    ck_assert_str_eq(whole, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    for (size_t at = 0, n = 1; at < 1000000; at += n, n = n * 3 % 1009 + 1) {
        cf_sha256_update(h, text + at, at + n > 1000000 ? 1000000 - at : n);
    }
    cf_sha256_final(h, pieces);
    ck_assert_str_eq(pieces, whole);
    free(text);
}
END_TEST

START_TEST(random_identifiers_differ)
{
    char a[CF_RANDOM_HEX];
    char b[CF_RANDOM_HEX];
    uint64_t bits = 0;
    uint64_t gaps = UINT64_MAX;
    cf_random_hex(a);
    cf_random_hex(b);
    ck_assert(cf_is_hex(a, 32) && cf_is_hex(b, 32));
    ck_assert_str_ne(a, b);
    for (int i = 0; i < 64; i++) {
        uint64_t r = cf_random_u64();
        bits |= r;
        gaps &= r;
    }
    ck_assert_uint_eq(bits, UINT64_MAX); /* every bit was seen set, and every bit clear */
    ck_assert_uint_eq(gaps, 0);
}
END_TEST

START_TEST(hexadecimal_is_exact)
{
    ck_assert(cf_is_hex("", 0));
    ck_assert(cf_is_hex("0123456789abcdef", 16));
    ck_assert(!cf_is_hex("0123456789abcdeF", 16));
    ck_assert(!cf_is_hex("0123456789abcdeg", 16));
    ck_assert(!cf_is_hex("0123456789abcde", 16));
    ck_assert(!cf_is_hex("0123456789abcdef0", 16));
    ck_assert(!cf_is_hex("0123456789abcde\n", 16));
}
END_TEST

Suite *base_hash_suite(void)
{
    Suite *suite = suite_create("base_hash");
    TCase *tc = tcase_create("hash");
    tcase_add_loop_test(tc, published_vectors, 0, (int)(sizeof(vectors) / sizeof(vectors[0])));
    tcase_add_test(tc, a_million_letters_in_uneven_pieces);
    tcase_add_test(tc, random_identifiers_differ);
    tcase_add_test(tc, hexadecimal_is_exact);
    suite_add_tcase(suite, tc);
    return suite;
}
