#include "tests/unit/sync_keys.h"

#include <check.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tests/unit/temporary.h"

static char *read_file(const char *folder, const char *name)
{
    char *path = cf_asprintf("%s/%s", folder, name);
    char *text = cf_calloc(1, 65536);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_uint_gt(fread(text, 1, 65535, file), 0);
    (void)fclose(file);
    free(path);
    return text;
}

static void write_file(const char *folder, const char *name, const void *data, size_t length)
{
    char *path = cf_asprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_uint_eq(fwrite(data, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    free(path);
}

static int run(const char *folder, const char *command)
{
    char *line = cf_asprintf("cd '%s' && { %s; } >/dev/null 2>&1", folder, command);
    int status = system(line);
    free(line);
    return status;
}

void sync_keys_make(struct sync_keys *keys)
{
    keys->folder = temporary_folder();
    int status = run(keys->folder, "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 "
                                   "-out rsa && openssl rsa -in rsa -traditional -out pkcs1 && "
                                   "openssl rsa -in rsa -aes256 -passout pass:x -out encrypted && "
                                   "openssl rsa -in rsa -pubout -out public && "
                                   "openssl genpkey -algorithm EC -pkeyopt "
                                   "ec_paramgen_curve:P-256 -out ec");
    ck_assert_int_eq(status, 0);
    keys->rsa = read_file(keys->folder, "rsa");
    keys->rsa_pkcs1 = read_file(keys->folder, "pkcs1");
    keys->encrypted = read_file(keys->folder, "encrypted");
    keys->public = read_file(keys->folder, "public");
    keys->ec = read_file(keys->folder, "ec");
}

void sync_keys_remove(struct sync_keys *keys)
{
    free(keys->rsa);
    free(keys->rsa_pkcs1);
    free(keys->encrypted);
    free(keys->public);
    free(keys->ec);
    temporary_remove(keys->folder);
}

static char *decode(const char *text, size_t length, size_t *decoded)
{
    struct base64_decode_ctx ctx;
    char *out = cf_calloc(1, BASE64_DECODE_LENGTH(length) + 4);
    *decoded = BASE64_DECODE_LENGTH(length) + 4;
    base64url_decode_init(&ctx);
    ck_assert(base64_decode_update(&ctx, decoded, (uint8_t *)out, length, text));
    return out;
}

char *sync_keys_part(const char *jwt, int part)
{
    size_t decoded;
    for (int i = 0; i < part; i++) {
        jwt = strchr(jwt, '.');
        ck_assert_ptr_nonnull(jwt);
        jwt++;
    }
    return decode(jwt, strcspn(jwt, "."), &decoded);
}

bool sync_keys_signed(const struct sync_keys *keys, const char *jwt)
{
    const char *dot = strrchr(jwt, '.');
    size_t length = 0;
    ck_assert_ptr_nonnull(dot);
    char *signature = decode(dot + 1, strlen(dot + 1), &length);
    write_file(keys->folder, "signature", signature, length);
    write_file(keys->folder, "signed", jwt, (size_t)(dot - jwt));
    free(signature);
    return run(keys->folder, "openssl dgst -sha256 -verify public -signature signature signed") ==
           0;
}
