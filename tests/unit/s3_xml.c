/* The XML of S3: as services write it, and as nobody should. */
#include "common/store/s3_xml.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define SPACE " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define LIST(inner) HEAD "<ListBucketResult" SPACE ">" inner "</ListBucketResult>"
#define ENTRY(key)                                                                                 \
    "<Contents><Key>" key "</Key><LastModified>2026-01-31T00:00:00.000Z</LastModified>"            \
    "<ETag>&quot;abc-1&quot;</ETag><Size>12</Size><Owner><ID>x</ID></Owner>"                       \
    "<StorageClass>STANDARD</StorageClass></Contents>"

static struct cf_error err;

static int read_page(const char *text, struct cf_s3_page *page)
{
    return cf_s3_xml_page(text, strlen(text), page, &err);
}

START_TEST(a_page_is_read)
{
    static const char text[] =
        LIST("<Name>bucket</Name><Prefix></Prefix><KeyCount>3</KeyCount><IsTruncated>true"
             "</IsTruncated>" ENTRY("a/b") "\n  " ENTRY("a/c") "<CommonPrefixes><Prefix>d/</Prefix>"
                                                               "</CommonPrefixes>");
    struct cf_s3_page page;
    ck_assert_int_eq(read_page(text, &page), 0);
    ck_assert(page.truncated);
    ck_assert_uint_eq(page.object_count, 2);
    ck_assert_str_eq(page.objects[0].key, "a/b");
    ck_assert_str_eq(page.objects[1].key, "a/c");
    ck_assert_str_eq(page.objects[1].etag, "abc-1");
    ck_assert_uint_eq(page.objects[1].size, 12);
    ck_assert_uint_eq(page.group_count, 1);
    ck_assert_str_eq(page.groups[0].key, "d/");
    ck_assert(page.groups[0].group);
    cf_s3_page_release(&page);
    ck_assert_int_eq(read_page(LIST("<IsTruncated>false</IsTruncated>"), &page), 0);
    ck_assert(!page.truncated && !page.object_count && !page.group_count);
    cf_s3_page_release(&page);
}
END_TEST

START_TEST(names_are_decoded_when_the_service_says_so)
{
    static const char entries[] = ENTRY("a%2Fb+c%2B") ENTRY("d%C3%A9%01") ENTRY("nul%00x")
        ENTRY("half%2") "<CommonPrefixes><Prefix>g%2F</Prefix></CommonPrefixes>";
    struct cf_buf text = CF_BUF_INIT;
    struct cf_s3_page page;
    cf_buf_printf(&text,
                  "<l:ListBucketResult xmlns:l=\"x\">%s<EncodingType>url</EncodingType>"
                  "</l:ListBucketResult>",
                  entries);
    ck_assert_int_eq(read_page(cf_buf_str(&text), &page), 0);
    ck_assert_uint_eq(page.object_count, 2);
    ck_assert_str_eq(page.objects[0].key, "a/b c+");
    ck_assert_str_eq(page.objects[1].key, "d\xc3\xa9\x01");
    ck_assert_str_eq(page.groups[0].key, "g/");
    cf_s3_page_release(&page);
    cf_buf_clear(&text);
    cf_buf_printf(&text, "<ListBucketResult>%s</ListBucketResult>", entries);
    ck_assert_int_eq(read_page(cf_buf_str(&text), &page), 0);
    ck_assert_uint_eq(page.object_count, 4);
    ck_assert_str_eq(page.objects[0].key, "a%2Fb+c%2B");
    cf_s3_page_release(&page);
    cf_buf_release(&text);
}
END_TEST

static const char *const hostile[] = {
    "",
    " ",
    "not XML",
    "{\"json\": true}",
    HEAD,
    "<ListBucketResult",
    "<ListBucketResult>",
    "<ListBucketResult><Contents><Key>a</Key>",
    "<ListBucketResult><Contents><Key>a</Contents></ListBucketResult>",
    "<ListBucketResult/><ListBucketResult/>",
    "<Error><Code>SlowDown</Code></Error>",
    "<html><body>proxy</body></html>",
    LIST("<Contents></Contents>"),
    LIST("<Contents><Size>1</Size></Contents>"),
    LIST("<Contents><Key></Key></Contents>"),
    LIST("<Contents><Key>a</Key><Key>b</Key></Contents>"),
    LIST("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
    LIST("<Contents><Key>a</Key><Size>1e3</Size></Contents>"),
    LIST("<Contents><Key>a</Key><Size></Size></Contents>"),
    LIST("<Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>"),
    LIST("<Contents><Key>a</Key><ETag>0123456789012345678901234567890123456789012345678901234567890"
         "12345678901</ETag></Contents>"),
    LIST("<IsTruncated>maybe</IsTruncated>"),
    LIST(ENTRY("a&#1;b")),
    LIST(ENTRY("a&#0;b")),
    LIST(ENTRY("a\x01")),
    LIST(ENTRY("a\xff\xfe")),
    LIST(ENTRY("a\xc0\xaf")),
    LIST("&unknown;"),
    LIST("<a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a>"),
    "<!DOCTYPE ListBucketResult><ListBucketResult></ListBucketResult>",
    ("<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;\">"
     "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;\">]>"
     "<ListBucketResult><Contents><Key>&d;</Key></Contents></ListBucketResult>"),
    ("<!DOCTYPE l SYSTEM \"file:///etc/passwd\" [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
     "<ListBucketResult><Contents><Key>&x;</Key></Contents></ListBucketResult>"),
};

START_TEST(nonsense_is_refused)
{
    struct cf_s3_page page;
    char id[CF_S3_UPLOAD_ID_MAX];
    ck_assert_int_eq(read_page(hostile[_i], &page), CF_EUNAVAILABLE);
    ck_assert_ptr_null(page.objects);
    ck_assert_int_eq(cf_s3_xml_upload(hostile[_i], strlen(hostile[_i]), id, &err), CF_EUNAVAILABLE);
    ck_assert_str_eq(id, "");
}
END_TEST

/* Every cut of a good document is refused, and nothing leaks. */
START_TEST(no_part_of_a_document_will_do)
{
    static const char text[] =
        LIST("<IsTruncated>false</IsTruncated>" ENTRY("a/b") "<CommonPrefixes><Prefix>d/</Prefix>"
                                                             "</CommonPrefixes>");
    struct cf_s3_page page;
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        ck_assert_int_eq(cf_s3_xml_page(text, n, &page, &err), CF_EUNAVAILABLE);
    }
    ck_assert_int_eq(cf_s3_xml_page(NULL, 0, &page, &err), CF_EUNAVAILABLE);
}
END_TEST

START_TEST(huge_documents_are_refused)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_s3_page page;
    cf_buf_puts(&text, "<ListBucketResult><Contents><Key>");
    for (size_t i = 0; i < 9000; i++) {
        cf_buf_putc(&text, 'k');
    }
    cf_buf_puts(&text, "</Key></Contents></ListBucketResult>");
    ck_assert_int_eq(read_page(cf_buf_str(&text), &page), CF_EUNAVAILABLE);
    cf_buf_clear(&text);
    cf_buf_puts(&text, "<ListBucketResult>");
    for (size_t i = 0; i < CF_LIST_MAX + 1; i++) {
        cf_buf_printf(&text, "<Contents><Key>%05zu</Key></Contents>", i);
    }
    cf_buf_puts(&text, "</ListBucketResult>");
    ck_assert_int_eq(read_page(cf_buf_str(&text), &page), CF_EUNAVAILABLE);
    cf_buf_release(&text);
}
END_TEST

START_TEST(faults_are_read_and_made_printable)
{
    static const char text[] =
        HEAD "<Error><Code>SlowDown</Code><Message>Reduce\nyour &lt;rate&gt; \xc3\xa9</Message>"
             "<Resource>/k</Resource><RequestId>4442587FB7D0A2F9</RequestId>"
             "<Region>eu-west-1</Region></Error>";
    struct cf_s3_fault fault;
    ck_assert(cf_s3_xml_fault(text, strlen(text), &fault));
    ck_assert_str_eq(fault.code, "SlowDown");
    ck_assert_str_eq(fault.message, "Reduce?your <rate> ??");
    ck_assert_str_eq(fault.request_id, "4442587FB7D0A2F9");
    ck_assert_str_eq(fault.region, "eu-west-1");
    static const char *const none[] = {"",
                                       "<Error/>",
                                       "<Error><Message>m</Message></Error>",
                                       "<html/>",
                                       "<Error><Code>X</Code>",
                                       "<!DOCTYPE Error><Error><Code>X</Code></Error>"};
    for (size_t i = 0; i < COUNT(none); i++) {
        ck_assert(!cf_s3_xml_fault(none[i], strlen(none[i]), &fault));
        ck_assert_str_eq(fault.code, "");
    }
    ck_assert(!cf_s3_xml_fault(NULL, 0, &fault));
}
END_TEST

static void note(void *context, const char *key, const char *code)
{
    cf_buf_printf(context, "%s=%s;", key, code);
}

START_TEST(what_was_not_deleted_is_told)
{
    static const char text[] =
        HEAD "<DeleteResult" SPACE "><Deleted><Key>a</Key></Deleted><Error><Key>b&amp;c</Key>"
             "<Code>AccessDenied</Code><Message>m</Message></Error><Error><Code>X</Code></Error>"
             "<Error><Key>d</Key></Error></DeleteResult>";
    struct cf_buf told = CF_BUF_INIT;
    ck_assert_int_eq(cf_s3_xml_deleted(text, strlen(text), note, &told, &err), 0);
    ck_assert_str_eq(cf_buf_str(&told), "b&c=AccessDenied;d=;");
    cf_buf_release(&told);
    ck_assert_int_eq(cf_s3_xml_deleted("<DeleteResult/>", 15, note, NULL, &err), 0);
    ck_assert_int_eq(cf_s3_xml_deleted("<Error><Key>a</Key></Error>", 27, note, NULL, &err),
                     CF_EUNAVAILABLE);
    ck_assert_int_eq(cf_s3_xml_deleted("", 0, note, NULL, &err), CF_EUNAVAILABLE);
}
END_TEST

START_TEST(uploads_have_ids_and_ends)
{
    static const char begun[] = HEAD "<InitiateMultipartUploadResult" SPACE
                                     "><Bucket>b</Bucket><Key>k</Key><UploadId>2~a+/=</UploadId>"
                                     "</InitiateMultipartUploadResult>";
    static const char done[] = "   \n<CompleteMultipartUploadResult><ETag>&quot;x-2&quot;</ETag>"
                               "</CompleteMultipartUploadResult>";
    char id[CF_S3_UPLOAD_ID_MAX];
    char etag[CF_ETAG_MAX];
    ck_assert_int_eq(cf_s3_xml_upload(begun, strlen(begun), id, &err), 0);
    ck_assert_str_eq(id, "2~a+/=");
    ck_assert_int_eq(cf_s3_xml_completed(done, strlen(done), etag, &err), 0);
    ck_assert_str_eq(etag, "x-2");
    static const char *const wrong[] = {"", "    ", "<CompleteMultipartUploadResult/>",
                                        "<Error><Code>InternalError</Code></Error>",
                                        "<CompleteMultipartUploadResult><ETag>x</ETag>"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        ck_assert_int_eq(cf_s3_xml_completed(wrong[i], strlen(wrong[i]), etag, &err),
                         CF_EUNAVAILABLE);
    }
}
END_TEST

START_TEST(etags_lose_their_quotes)
{
    char etag[CF_ETAG_MAX];
    ck_assert(cf_s3_etag("\"a\"", etag));
    ck_assert_str_eq(etag, "a");
    ck_assert(cf_s3_etag("W/\"a-1\"", etag));
    ck_assert_str_eq(etag, "a-1");
    ck_assert(cf_s3_etag("plain", etag));
    ck_assert_str_eq(etag, "plain");
    ck_assert(!cf_s3_etag("\"\"", etag));
    ck_assert(!cf_s3_etag("", etag));
    ck_assert(!cf_s3_etag("a\r\nb", etag));
}
END_TEST

START_TEST(text_is_escaped)
{
    struct cf_buf out = CF_BUF_INIT;
    cf_s3_xml_escape(&out, "a<b>&\"c");
    ck_assert_str_eq(cf_buf_str(&out), "a&lt;b&gt;&amp;&quot;c");
    cf_buf_release(&out);
}
END_TEST

Suite *s3_xml_suite(void)
{
    Suite *suite = suite_create("s3_xml");
    TCase *tc = tcase_create("documents");
    tcase_add_test(tc, a_page_is_read);
    tcase_add_test(tc, names_are_decoded_when_the_service_says_so);
    tcase_add_loop_test(tc, nonsense_is_refused, 0, (int)COUNT(hostile));
    tcase_add_test(tc, no_part_of_a_document_will_do);
    tcase_add_test(tc, huge_documents_are_refused);
    tcase_add_test(tc, faults_are_read_and_made_printable);
    tcase_add_test(tc, what_was_not_deleted_is_told);
    tcase_add_test(tc, uploads_have_ids_and_ends);
    tcase_add_test(tc, etags_lose_their_quotes);
    tcase_add_test(tc, text_is_escaped);
    suite_add_tcase(suite, tc);
    return suite;
}
