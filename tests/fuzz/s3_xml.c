/* The XML of S3. A document is of one kind only; a page that reads is written to a page that reads
 * equal; whatever may end in a log or a header is printable and has its length; escaped text
 * comes back as it was. */
#include "tests/fuzz/fuzz.h"

#include "common/store/s3_xml.h"

enum { TEXT_LIMIT = 8192 };

static void must_be_printable(const char *text)
{
    for (; *text; text++) {
        MUST(*text >= ' ' && *text <= '~');
    }
}

static void put_encoded(struct cf_buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        cf_buf_printf(out, "%%%02X", *p);
    }
}

static void put_entry(struct cf_buf *out, const struct cf_listed *entry)
{
    cf_buf_puts(out, entry->group ? "<CommonPrefixes><Prefix>" : "<Contents><Key>");
    put_encoded(out, entry->key);
    if (entry->group) {
        cf_buf_puts(out, "</Prefix></CommonPrefixes>");
        return;
    }
    cf_buf_printf(out, "</Key><Size>%llu</Size>", (unsigned long long)entry->size);
    if (*entry->etag) {
        cf_buf_puts(out, "<ETag>&quot;");
        cf_s3_xml_escape(out, entry->etag);
        cf_buf_puts(out, "&quot;</ETag>");
    }
    cf_buf_puts(out, "</Contents>");
}

static bool fits(const struct cf_listed *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(entries[i].key) * 3 > TEXT_LIMIT) {
            return false;
        }
    }
    return true;
}

static void must_be_equal(const struct cf_listed *a, const struct cf_listed *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        MUST(strcmp(a[i].key, b[i].key) == 0 && strcmp(a[i].etag, b[i].etag) == 0);
        MUST(a[i].size == b[i].size && a[i].group == b[i].group);
    }
}

static void check_round(const struct cf_s3_page *page)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_s3_page again;
    struct cf_error err = {0};
    cf_buf_puts(&text, "<ListBucketResult><EncodingType>url</EncodingType>");
    for (size_t i = 0; i < page->object_count; i++) {
        put_entry(&text, &page->objects[i]);
    }
    for (size_t i = 0; i < page->group_count; i++) {
        put_entry(&text, &page->groups[i]);
    }
    cf_buf_printf(&text, "<IsTruncated>%s</IsTruncated></ListBucketResult>",
                  page->truncated ? "true" : "false");
    MUST(cf_s3_xml_page(text.data, text.length, &again, &err) == 0);
    MUST(again.object_count == page->object_count && again.group_count == page->group_count);
    MUST(again.truncated == page->truncated);
    must_be_equal(page->objects, again.objects, page->object_count);
    must_be_equal(page->groups, again.groups, page->group_count);
    cf_s3_page_release(&again);
    cf_buf_release(&text);
}

static bool check_page(const char *data, size_t length)
{
    struct cf_s3_page page;
    struct cf_error err = {0};
    int rc = cf_s3_xml_page(data, length, &page, &err);
    if (rc) {
        MUST(rc == CF_EUNAVAILABLE && *err.message);
        MUST(!page.objects && !page.groups && !page.object_count && !page.group_count);
        return false;
    }
    MUST(page.object_count <= CF_LIST_MAX && page.group_count <= CF_LIST_MAX);
    for (size_t i = 0; i < page.object_count; i++) {
        MUST(page.objects[i].key && *page.objects[i].key && !page.objects[i].group);
        MUST(strlen(page.objects[i].etag) < CF_ETAG_MAX);
        MUST(!strpbrk(page.objects[i].etag, "\r\n"));
    }
    for (size_t i = 0; i < page.group_count; i++) {
        MUST(page.groups[i].key && page.groups[i].group);
    }
    if (fits(page.objects, page.object_count) && fits(page.groups, page.group_count)) {
        check_round(&page);
    }
    cf_s3_page_release(&page);
    return true;
}

static bool check_fault(const char *data, size_t length)
{
    struct cf_s3_fault fault;
    static const struct cf_s3_fault nothing;
    if (!cf_s3_xml_fault(data, length, &fault)) {
        MUST(memcmp(&fault, &nothing, sizeof(fault)) == 0);
        return false;
    }
    MUST(*fault.code);
    must_be_printable(fault.code);
    must_be_printable(fault.message);
    must_be_printable(fault.request_id);
    must_be_printable(fault.region);
    return true;
}

static void on_failed(void *context, const char *key, const char *code)
{
    (*(size_t *)context)++;
    MUST(key && code);
    must_be_printable(code);
}

static bool check_deleted(const char *data, size_t length)
{
    size_t failures = 0;
    struct cf_error err = {0};
    int rc = cf_s3_xml_deleted(data, length, on_failed, &failures, &err);
    MUST(rc == 0 || (rc == CF_EUNAVAILABLE && *err.message));
    MUST(failures <= length / sizeof("<Key/>"));
    return rc == 0;
}

static bool check_upload(const char *data, size_t length)
{
    char id[CF_S3_UPLOAD_ID_MAX];
    char etag[CF_ETAG_MAX];
    struct cf_error err = {0};
    int rc = cf_s3_xml_upload(data, length, id, &err);
    MUST(rc ? rc == CF_EUNAVAILABLE : *id && strlen(id) < sizeof(id));
    int completed = cf_s3_xml_completed(data, length, etag, &err);
    MUST(completed ? completed == CF_EUNAVAILABLE : *etag && !strpbrk(etag, "\r\n"));
    return rc == 0;
}

static void check_escape(const char *data, size_t length)
{
    char text[CF_S3_UPLOAD_ID_MAX] = "";
    char id[CF_S3_UPLOAD_ID_MAX];
    struct cf_error err = {0};
    struct cf_buf document = CF_BUF_INIT;
    size_t n = 0;
    for (size_t i = 0; i < length && n + 1 < sizeof(text); i++) {
        if (data[i] >= ' ' && data[i] <= '~') {
            text[n++] = data[i];
        }
    }
    cf_buf_puts(&document, "<InitiateMultipartUploadResult><UploadId>");
    cf_s3_xml_escape(&document, text);
    cf_buf_puts(&document, "</UploadId></InitiateMultipartUploadResult>");
    int rc = cf_s3_xml_upload(document.data, document.length, id, &err);
    MUST(n ? rc == 0 && strcmp(id, text) == 0 : rc == CF_EUNAVAILABLE);
    cf_buf_release(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    const char *text = (const char *)data;
    int kinds = check_page(text, length) + check_fault(text, length) + check_deleted(text, length) +
                check_upload(text, length);
    MUST(kinds <= 1);
    check_escape(text, length);
    return 0;
}
