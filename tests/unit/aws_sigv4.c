/* The signer against the examples of Amazon's documentation, and against signatures that botocore
 * made of requests as the driver sends them. */
#include "common/aws/sigv4.h"

#include <check.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define EMPTY                                                                                      \
    {                                                                                              \
        "x-amz-content-sha256", CF_SIGV4_EMPTY                                                     \
    }

struct vector {
    const char *region, *access_key, *secret_key, *date;
    const char *method, *path, *query;
    struct cf_sigv4_pair headers[6];
    size_t header_count;
    const char *body;
    const char *signed_headers, *signature;
};

#define DOCUMENTED                                                                                 \
    .region = "us-east-1", .access_key = "AKIAIOSFODNN7EXAMPLE",                                   \
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", .date = "20130524T000000Z"
#define DOCUMENTED_HOST                                                                            \
    {                                                                                              \
        "host", "examplebucket.s3.amazonaws.com"                                                   \
    }
#define DOCUMENTED_DATE                                                                            \
    {                                                                                              \
        "x-amz-date", "20130524T000000Z"                                                           \
    }
#define OURS                                                                                       \
    .access_key = "AKIDEXAMPLE", .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",         \
    .date = "20260131T235958Z"
#define OUR_DATE                                                                                   \
    {                                                                                              \
        "x-amz-date", "20260131T235958Z"                                                           \
    }

static const struct vector vectors[] = {
    {DOCUMENTED, .method = "GET", .path = "/test.txt", .query = "",
     .headers = {DOCUMENTED_HOST, {"range", "bytes=0-9"}, EMPTY, DOCUMENTED_DATE},
     .header_count = 4, .body = "", .signed_headers = "host;range;x-amz-content-sha256;x-amz-date",
     .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {DOCUMENTED, .method = "PUT", .path = "/test%24file.text", .query = "",
     .headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                 DOCUMENTED_HOST,
                 {"x-amz-content-sha256",
                  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
                 DOCUMENTED_DATE,
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     .header_count = 5, .body = "Welcome to Amazon S3.",
     .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {DOCUMENTED, .method = "GET", .path = "/",
     .query = "lifecycle=", .headers = {DOCUMENTED_HOST, EMPTY, DOCUMENTED_DATE}, .header_count = 3,
     .body = "", .signed_headers = "host;x-amz-content-sha256;x-amz-date",
     .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {DOCUMENTED, .method = "GET", .path = "/", .query = "max-keys=2&prefix=J",
     .headers = {DOCUMENTED_HOST, EMPTY, DOCUMENTED_DATE}, .header_count = 3, .body = "",
     .signed_headers = "host;x-amz-content-sha256;x-amz-date",
     .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    {OURS, .region = "eu-central-1", .method = "GET", .path = "/",
     .query = "encoding-type=url&list-type=2&max-keys=1&prefix=tenants%2Foctocat%2Frepos%2Fv%2F&"
              "start-after=tenants%2Foctocat%2Frepos%2Fv%2F7fffffffffffff00",
     .headers = {{"host", "portfolio-store.s3.eu-central-1.amazonaws.com"}, EMPTY, OUR_DATE},
     .header_count = 3, .body = "", .signed_headers = "host;x-amz-content-sha256;x-amz-date",
     .signature = "494832df2bf88294159f6040f0b534e9ad11d64aa1bafc363cff7fa62007e10f"},
    {OURS, .region = "us-east-1", .method = "PUT",
     .path = "/bucket/tenants/octocat/repos/v/7ffffffffffffffe", .query = "",
     .headers = {{"content-type", "application/json"},
                 {"host", "127.0.0.1:9000"},
                 {"if-none-match", "*"},
                 {"x-amz-content-sha256",
                  "ae4480a18462f6729c4a006939d707c1adf3d67789748f884f73d5f5e0658f35"},
                 OUR_DATE,
                 {"x-amz-security-token", "FwoGZXIvYXdzEXAMPLETOKEN//////////=="}},
     .header_count = 6, .body = "{\"contract\":1}",
     .signed_headers = "content-type;host;if-none-match;x-amz-content-sha256;x-amz-date;"
                       "x-amz-security-token",
     .signature = "8719f2e84b2a2e68c1e73359034842f284e2adc86303b5d401864310d7885beb"},
    {OURS, .region = "cn-north-1", .method = "POST", .path = "/some.bucket/", .query = "delete=",
     .headers = {{"content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="},
                 {"content-type", "application/xml"},
                 {"host", "[::1]:7480"},
                 {"x-amz-content-sha256",
                  "e2000f6b1fc1db795626ddaf9c13324157e9f56cb7820b40d7c3253a08ee5b91"},
                 OUR_DATE},
     .header_count = 5, .body = "<Delete/>",
     .signed_headers = "content-md5;content-type;host;x-amz-content-sha256;x-amz-date",
     .signature = "c2a8578c7523bd1a836088ff76aacf5e6c52bb045abea9218077f011ca2a26d7"},
    {OURS, .region = "us-west-2", .method = "HEAD", .path = "/k%20%2B%C3%BC", .query = "",
     .headers = {{"host", "portfolio-store.s3.us-west-2.amazonaws.com"},
                 {"range", "bytes=0-0"},
                 EMPTY,
                 OUR_DATE},
     .header_count = 4, .body = "", .signed_headers = "host;range;x-amz-content-sha256;x-amz-date",
     .signature = "ccc4426f4b223f31a27911ff709f8ae22fa0f7ff8608384a8dae1d5ff204b604"},
};

static void check_vector(struct cf_sigv4 *signer, const struct vector *v)
{
    char hash[CF_SHA256_HEX];
    struct cf_buf out = CF_BUF_INIT;
    struct cf_buf expected = CF_BUF_INIT;
    cf_sha256_hex(v->body, strlen(v->body), hash);
    struct cf_sigv4_request request = {.method = v->method,
                                       .path = v->path,
                                       .query = v->query,
                                       .headers = v->headers,
                                       .header_count = v->header_count,
                                       .payload_sha256 = hash};
    cf_sigv4_sign(signer, v->access_key, v->secret_key, v->date, &request, &out);
    cf_buf_printf(&expected,
                  "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/s3/aws4_request, SignedHeaders=%s, "
                  "Signature=%s",
                  v->access_key, v->date, v->region, v->signed_headers, v->signature);
    ck_assert_str_eq(cf_buf_str(&out), cf_buf_str(&expected));
    cf_buf_release(&out);
    cf_buf_release(&expected);
}

START_TEST(signs_as_documented)
{
    const struct vector *v = &vectors[_i];
    struct cf_sigv4 signer;
    cf_sigv4_init(&signer, v->region, "s3");
    check_vector(&signer, v);
    check_vector(&signer, v); /* with the day's key kept */
    cf_sigv4_release(&signer);
}
END_TEST

START_TEST(a_kept_key_is_given_up_with_its_day_and_its_secret)
{
    static const struct cf_sigv4_pair headers[] = {{"host", "h"}};
    struct cf_sigv4_request request = {.method = "GET",
                                       .path = "/",
                                       .query = "",
                                       .headers = headers,
                                       .header_count = 1,
                                       .payload_sha256 = CF_SIGV4_EMPTY};
    static const struct {
        const char *secret, *date;
    } uses[] = {{"one", "20260101T000000Z"},
                {"two", "20260101T000000Z"},
                {"two", "20260102T000000Z"},
                {"one", "20260101T000000Z"}};
    struct cf_sigv4 kept;
    cf_sigv4_init(&kept, "us-east-1", "s3");
    for (size_t i = 0; i < COUNT(uses); i++) {
        struct cf_sigv4 fresh;
        struct cf_buf a = CF_BUF_INIT;
        struct cf_buf b = CF_BUF_INIT;
        cf_sigv4_init(&fresh, "us-east-1", "s3");
        cf_sigv4_sign(&kept, "id", uses[i].secret, uses[i].date, &request, &a);
        cf_sigv4_sign(&fresh, "id", uses[i].secret, uses[i].date, &request, &b);
        ck_assert_str_eq(cf_buf_str(&a), cf_buf_str(&b));
        cf_buf_release(&a);
        cf_buf_release(&b);
    }
    cf_sigv4_release(&kept);
}
END_TEST

START_TEST(queries_are_sorted_and_encoded)
{
    struct cf_sigv4_pair pairs[] = {{"uploadId", "a+b/c==~ \xc3\xa9*"}, {"partNumber", "2"}};
    struct cf_sigv4_pair tricky[] = {{"b", "2"}, {"a-", NULL}, {"a", "~"}, {"a", "%"}, {"A", "x"}};
    struct cf_buf out = CF_BUF_INIT;
    cf_sigv4_query(&out, pairs, COUNT(pairs));
    ck_assert_str_eq(cf_buf_str(&out), "partNumber=2&uploadId=a%2Bb%2Fc%3D%3D~%20%C3%A9%2A");
    cf_buf_clear(&out);
    cf_sigv4_query(&out, tricky, COUNT(tricky));
    ck_assert_str_eq(cf_buf_str(&out), "A=x&a=%25&a=~&a-=&b=2");
    cf_buf_clear(&out);
    cf_sigv4_query(&out, NULL, 0);
    ck_assert_str_eq(cf_buf_str(&out), "");
    cf_buf_release(&out);
}
END_TEST

START_TEST(paths_keep_their_slashes)
{
    struct cf_buf out = CF_BUF_INIT;
    cf_sigv4_encode(&out, "a/b c\x7f\"<>+&?#[]@!$'(),;:=", true);
    ck_assert_str_eq(cf_buf_str(&out),
                     "a/b%20c%7F%22%3C%3E%2B%26%3F%23%5B%5D%40%21%24%27%28%29%2C%3B%3A%3D");
    cf_buf_clear(&out);
    cf_sigv4_encode(&out, "a/-._~09AZaz", false);
    ck_assert_str_eq(cf_buf_str(&out), "a%2F-._~09AZaz");
    cf_buf_release(&out);
}
END_TEST

START_TEST(dates_are_utc)
{
    char date[CF_SIGV4_DATE];
    cf_sigv4_date(0, date);
    ck_assert_str_eq(date, "19700101T000000Z");
    cf_sigv4_date(1369353600999, date);
    ck_assert_str_eq(date, "20130524T000000Z");
    cf_sigv4_date(1709251199000, date);
    ck_assert_str_eq(date, "20240229T235959Z");
}
END_TEST

Suite *aws_sigv4_suite(void)
{
    Suite *suite = suite_create("aws_sigv4");
    TCase *tc = tcase_create("signer");
    tcase_add_loop_test(tc, signs_as_documented, 0, (int)COUNT(vectors));
    tcase_add_test(tc, a_kept_key_is_given_up_with_its_day_and_its_secret);
    tcase_add_test(tc, queries_are_sorted_and_encoded);
    tcase_add_test(tc, paths_keep_their_slashes);
    tcase_add_test(tc, dates_are_utc);
    suite_add_tcase(suite, tc);
    return suite;
}
