#include "common/store/s3_xml.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

enum { DEPTH = 8, PATH_LIMIT = 256, TEXT_LIMIT = 8192 };

/* Calls leaf at the end of each element with the names that lead to it, "Error/Code", and its text.
 * Not 0 ends the walk. */
struct walk {
    XML_Parser parser;
    char path[PATH_LIMIT];
    size_t ends[DEPTH]; /* the path's length outside each open element */
    int depth;
    struct cf_buf text;
    const char *root; /* the name that the outermost element must have; NULL: any */
    int (*leaf)(void *context, const char *path, const char *text);
    void *context;
    bool refused;
};

static void refuse(struct walk *walk)
{
    walk->refused = true;
    (void)XML_StopParser(walk->parser, XML_FALSE);
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct walk *walk = context;
    (void)attributes;
    const char *colon = strrchr(name, ':');
    const char *local = colon ? colon + 1 : name;
    size_t used = strlen(walk->path);
    bool fits = walk->depth < DEPTH && used + strlen(local) + 2 < sizeof(walk->path);
    if (!fits || (!walk->depth && walk->root && strcmp(local, walk->root) != 0)) {
        refuse(walk);
        return;
    }
    walk->ends[walk->depth++] = used;
    (void)snprintf(walk->path + used, sizeof(walk->path) - used, "%s%s", used ? "/" : "", local);
    cf_buf_clear(&walk->text);
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    struct walk *walk = context;
    (void)name;
    if (!walk->refused && walk->leaf(walk->context, walk->path, cf_buf_str(&walk->text))) {
        refuse(walk);
    }
    if (walk->depth) {
        walk->path[walk->ends[--walk->depth]] = '\0';
    }
    cf_buf_clear(&walk->text);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int length)
{
    struct walk *walk = context;
    if (walk->text.length + (size_t)length > TEXT_LIMIT) {
        refuse(walk);
        return;
    }
    cf_buf_append(&walk->text, text, (size_t)length);
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    refuse(context);
}

static bool walk_document(const char *data, size_t length, const char *root,
                          int (*leaf)(void *context, const char *path, const char *text),
                          void *context)
{
    struct walk walk = {.root = root, .leaf = leaf, .context = context};
    walk.parser = XML_ParserCreate("UTF-8");
    if (!walk.parser) {
        (void)cf_malloc((size_t)-1);
    }
    XML_SetUserData(walk.parser, &walk);
    XML_SetElementHandler(walk.parser, on_start, on_end);
    XML_SetCharacterDataHandler(walk.parser, on_text);
    XML_SetStartDoctypeDeclHandler(walk.parser, on_doctype);
    /* Services send white space to keep a connection alive, and the declaration only behind it. */
    while (length && (*data == ' ' || *data == '\n' || *data == '\r' || *data == '\t')) {
        data++;
        length--;
    }
    bool good = length < INT32_MAX &&
                XML_Parse(walk.parser, data ? data : "", (int)length, 1) == XML_STATUS_OK;
    XML_ParserFree(walk.parser);
    cf_buf_release(&walk.text);
    return good && !walk.refused;
}

static int nonsense(struct cf_error *err, const char *what)
{
    return cf_error_set(err, CF_EUNAVAILABLE, "the service's %s is malformed", what);
}

static void copy_printable(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; text[n] && n + 1 < size; n++) {
        out[n] = '?';
        if (text[n] >= ' ' && text[n] <= '~') {
            out[n] = text[n];
        }
    }
    out[n] = '\0';
}

static bool read_size(const char *text, uint64_t *out)
{
    size_t n = strspn(text, "0123456789");
    if (n < 1 || n > 18 || text[n]) {
        return false;
    }
    *out = strtoull(text, NULL, 10);
    return true;
}

bool cf_s3_etag(const char *text, char out[CF_ETAG_MAX])
{
    text += strncmp(text, "W/", 2) == 0 ? 2 : 0;
    size_t length = strlen(text);
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        text++;
        length -= 2;
    }
    out[0] = '\0';
    if (length >= CF_ETAG_MAX || strpbrk(text, "\r\n") || !length) {
        return false;
    }
    (void)snprintf(out, CF_ETAG_MAX, "%.*s", (int)length, text);
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place; false when the text holds a NUL or an incomplete escape. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        char c = *p;
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = hex_digit(p[1]);
            int low = high < 0 ? -1 : hex_digit(p[2]);
            if (low < 0 || high + low == 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            p += 2;
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

void cf_s3_xml_escape(struct cf_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '<':
            cf_buf_puts(out, "&lt;");
            break;
        case '>':
            cf_buf_puts(out, "&gt;");
            break;
        case '&':
            cf_buf_puts(out, "&amp;");
            break;
        case '"':
            cf_buf_puts(out, "&quot;");
            break;
        default:
            cf_buf_putc(out, *p);
        }
    }
}

static int fault_leaf(void *context, const char *path, const char *text)
{
    struct cf_s3_fault *fault = context;
    if (strcmp(path, "Error/Code") == 0) {
        copy_printable(fault->code, sizeof(fault->code), text);
    } else if (strcmp(path, "Error/Message") == 0) {
        copy_printable(fault->message, sizeof(fault->message), text);
    } else if (strcmp(path, "Error/RequestId") == 0) {
        copy_printable(fault->request_id, sizeof(fault->request_id), text);
    } else if (strcmp(path, "Error/Region") == 0) {
        copy_printable(fault->region, sizeof(fault->region), text);
    }
    return 0;
}

bool cf_s3_xml_fault(const char *data, size_t length, struct cf_s3_fault *out)
{
    memset(out, 0, sizeof(*out));
    bool good = walk_document(data, length, "Error", fault_leaf, out) && out->code[0];
    if (!good) {
        memset(out, 0, sizeof(*out));
    }
    return good;
}

/* The entry that is being read: the first element of a Contents opens a new one. */
static struct cf_listed *open_entry(struct cf_listed **items, size_t count, size_t *capacity)
{
    bool started = *items && count < *capacity && (*items)[count].key;
    if (!started) {
        size_t old = *capacity;
        *items = cf_grow(*items, count, capacity, sizeof(**items));
        for (size_t i = old; i < *capacity; i++) {
            (*items)[i] = (struct cf_listed){0};
        }
    }
    return &(*items)[count];
}

static int page_leaf(void *context, const char *path, const char *text)
{
    static const char contents[] = "ListBucketResult/Contents";
    struct cf_s3_page *page = context;
    if (strncmp(path, contents, sizeof(contents) - 1) == 0) {
        struct cf_listed *entry =
            open_entry(&page->objects, page->object_count, &page->object_capacity);
        const char *field = path + sizeof(contents) - 1;
        if (!*field) { /* its end */
            bool whole = entry->key && *entry->key && page->object_count < CF_LIST_MAX;
            page->object_count += whole;
            return !whole;
        }
        if (strcmp(field, "/Key") == 0) {
            if (entry->key) {
                return -1;
            }
            entry->key = cf_strdup(text);
        } else if (strcmp(field, "/Size") == 0) {
            return !read_size(text, &entry->size);
        } else if (strcmp(field, "/ETag") == 0) {
            return !cf_s3_etag(text, entry->etag);
        }
    } else if (strcmp(path, "ListBucketResult/CommonPrefixes/Prefix") == 0) {
        struct cf_listed *entry =
            open_entry(&page->groups, page->group_count, &page->group_capacity);
        *entry = (struct cf_listed){.key = cf_strdup(text), .group = true};
        page->group_count++;
        return page->group_count > CF_LIST_MAX;
    } else if (strcmp(path, "ListBucketResult/IsTruncated") == 0) {
        page->truncated = strcmp(text, "true") == 0;
        return !page->truncated && strcmp(text, "false") != 0;
    } else if (strcmp(path, "ListBucketResult/EncodingType") == 0) {
        page->encoded = strcmp(text, "url") == 0;
    }
    return 0;
}

static size_t decode_entries(struct cf_listed *items, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct cf_listed item = items[i];
        items[i] = (struct cf_listed){0};
        if (decode(item.key)) {
            items[kept++] = item;
        } else {
            free(item.key);
        }
    }
    return kept;
}

int cf_s3_xml_page(const char *data, size_t length, struct cf_s3_page *out, struct cf_error *err)
{
    *out = (struct cf_s3_page){0};
    if (!walk_document(data, length, "ListBucketResult", page_leaf, out)) {
        cf_s3_page_release(out);
        return nonsense(err, "list of names");
    }
    if (out->encoded) {
        out->object_count = decode_entries(out->objects, out->object_count);
        out->group_count = decode_entries(out->groups, out->group_count);
    }
    return 0;
}

/* Up to the capacity, since an entry that was cut off isn't counted. */
static void free_entries(struct cf_listed *items, size_t capacity)
{
    for (size_t i = 0; i < capacity; i++) {
        free(items[i].key);
    }
    free(items);
}

void cf_s3_page_release(struct cf_s3_page *page)
{
    free_entries(page->objects, page->object_capacity);
    free_entries(page->groups, page->group_capacity);
    *page = (struct cf_s3_page){0};
}

struct deleted {
    char *key;
    char code[64];
    void (*failed)(void *context, const char *key, const char *code);
    void *context;
};

static int deleted_leaf(void *context, const char *path, const char *text)
{
    struct deleted *d = context;
    if (strcmp(path, "DeleteResult/Error/Key") == 0) {
        free(d->key);
        d->key = cf_strdup(text);
    } else if (strcmp(path, "DeleteResult/Error/Code") == 0) {
        copy_printable(d->code, sizeof(d->code), text);
    } else if (strcmp(path, "DeleteResult/Error") == 0) {
        if (d->key) {
            d->failed(d->context, d->key, d->code);
        }
        free(d->key);
        d->key = NULL;
        d->code[0] = '\0';
    }
    return 0;
}

int cf_s3_xml_deleted(const char *data, size_t length,
                      void (*failed)(void *context, const char *key, const char *code),
                      void *context, struct cf_error *err)
{
    struct deleted d = {.failed = failed, .context = context};
    bool good = walk_document(data, length, "DeleteResult", deleted_leaf, &d);
    free(d.key);
    return good ? 0 : nonsense(err, "answer to a deletion");
}

static int upload_leaf(void *context, const char *path, const char *text)
{
    if (strcmp(path, "InitiateMultipartUploadResult/UploadId") != 0) {
        return 0;
    }
    size_t length = strlen(text);
    if (length >= CF_S3_UPLOAD_ID_MAX) {
        return -1;
    }
    memcpy(context, text, length + 1);
    return 0;
}

int cf_s3_xml_upload(const char *data, size_t length, char id[CF_S3_UPLOAD_ID_MAX],
                     struct cf_error *err)
{
    id[0] = '\0';
    bool good = walk_document(data, length, "InitiateMultipartUploadResult", upload_leaf, id);
    return good && *id ? 0 : nonsense(err, "answer to the start of an upload");
}

static int completed_leaf(void *context, const char *path, const char *text)
{
    const char *slash = strchr(path, '/');
    return slash && strcmp(slash, "/ETag") == 0 && !cf_s3_etag(text, context);
}

int cf_s3_xml_completed(const char *data, size_t length, char etag[CF_ETAG_MAX],
                        struct cf_error *err)
{
    etag[0] = '\0';
    bool good = walk_document(data, length, NULL, completed_leaf, etag);
    return good && *etag ? 0 : nonsense(err, "answer to the end of an upload");
}
