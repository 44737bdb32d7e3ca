/* Keys for the tests of GitHub Apps, made by openssl in a folder of the tests' own. */
#ifndef TESTS_UNIT_SYNC_KEYS_H
#define TESTS_UNIT_SYNC_KEYS_H

#include <stdbool.h>

struct sync_keys {
    char *folder;
    char *rsa;       /* PEM, PKCS #8 */
    char *rsa_pkcs1; /* the same key as GitHub writes it */
    char *encrypted; /* the same with a passphrase */
    char *public;    /* of the same */
    char *ec;        /* one of another kind */
};

/* For unchecked fixtures: once for all tests of a case. */
void sync_keys_make(struct sync_keys *keys);
void sync_keys_remove(struct sync_keys *keys);

/* True when openssl finds that a JSON web token was signed by the key, with RS256. */
bool sync_keys_signed(const struct sync_keys *keys, const char *jwt);

/* Part 0 (header) or 1 (payload) of a JSON web token, decoded; freed by the caller. */
char *sync_keys_part(const char *jwt, int part);

#endif
