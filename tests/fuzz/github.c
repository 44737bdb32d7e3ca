/* GitHub's GraphQL answers: page, one of a listing, and files, one with documents' texts, and the
 * headers that came with them. What is listed has its own id and reads to what its document says; a
 * page that comes again adds nothing; a text is UTF-8 and its document's; errors name something. */
#include "tests/fuzz/fuzz.h"

#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "jobs/sync/files.h"
#include "jobs/sync/listing.h"
#include "tests/fuzz/json_mutator.h"

enum { ITEMS = 2 };

static bool is_clean(const char *text, size_t length)
{
    struct cf_buf clean = CF_BUF_INIT;
    cf_utf8_clean(text, length, &clean);
    bool same = clean.length == length && memcmp(cf_buf_str(&clean), text, length) == 0;
    cf_buf_release(&clean);
    return same;
}

static void check_name(const char *name)
{
    MUST(name && *name && strlen(name) <= 100 && !strchr(name, '/'));
    for (const char *p = name; *p; p++) {
        MUST(*p > ' ' && *p < 0x7f);
    }
}

/* Written and read, the document stays as it is. The version's content is added, as the plan does.
 */
static void check_round(const struct cf_repository *r)
{
    struct cf_error err = {0};
    struct cf_repos repos = {.login = cf_strdup("Octocat"), .kind = cf_strdup("User"), .count = 1};
    struct cf_repos again;
    repos.items = cf_calloc(1, sizeof(*repos.items));
    cf_repository_copy(r, repos.items);
    if (r->state == CF_REPOSITORY_CURRENT) {
        memset(repos.items->content, 'a', CF_SHA256_HEX - 1);
    }
    json_t *written = cf_repos_write(&repos);
    MUST(cf_repos_read(written, &again, &err) == 0 && again.count == 1);
    json_t *twice = cf_repos_write(&again);
    MUST(json_equal(written, twice));
    json_decref(twice);
    json_decref(written);
    cf_repos_release(&again);
    cf_repos_release(&repos);
}

static void check_listed(const struct sync_listed *listed)
{
    const struct cf_repository *r = &listed->repository;
    MUST(r->id);
    if (listed->problem) {
        MUST(*listed->problem && !r->name && !r->node_id && !*r->commit && !r->language_count);
        return;
    }
    check_name(r->name);
    MUST((!*r->commit) == (!*r->tree) && (!*r->tree) == (!r->default_branch));
    MUST(r->state == (*r->tree ? CF_REPOSITORY_CURRENT : CF_REPOSITORY_EMPTY));
    MUST(strlen(r->fingerprint) == CF_SHA256_HEX - 1);
    MUST(strcmp(r->metadata.visibility, "public") == 0);
    MUST(r->metadata.topic_count <= 100 && r->language_count <= 100);
    check_round(r);
}

static void check_error(int rc, const struct cf_error *err)
{
    MUST(rc == CF_EDATA || rc == CF_ENOTFOUND || rc == CF_EDENIED || rc == CF_EUNAVAILABLE);
    MUST(err->code == rc && *err->message);
}

static void check_page(const json_t *page)
{
    struct cf_error err = {0};
    struct sync_listing listing = {0};
    int rc = sync_listing_add_page(&listing, page, "octocat", "https://api.github.com", &err);
    if (rc) {
        check_error(rc, &err);
    } else {
        MUST(strcasecmp(listing.login, "octocat") == 0 && listing.kind);
        MUST(!listing.more || listing.cursor);
    }
    for (size_t i = 0; i < listing.count; i++) {
        check_listed(&listing.items[i]);
        for (size_t j = 0; j < i; j++) {
            MUST(listing.items[j].repository.id != listing.items[i].repository.id);
        }
    }
    if (!rc) {
        size_t before = listing.count;
        bool more = listing.more;
        rc = sync_listing_add_page(&listing, page, "octocat", "https://api.github.com", &err);
        MUST(rc == (more ? CF_EDATA : 0) && listing.count == before);
    }
    sync_listing_release(&listing);
}

static void check_errors(const json_t *errors, const char *headers)
{
    struct cf_error err = {0};
    struct cf_http_request answer = {.status = 200};
    cf_buf_puts(&answer.response_headers, headers);
    int rc = sync_errors_check(&answer, errors, &err);
    MUST(rc == 0 || (rc == CF_ERETRY && err.code == rc && *err.message));
    MUST(*sync_error_reason(json_array_get(errors, 0)));
    if (json_array_size(errors)) {
        rc = sync_errors_fatal(errors, "the page is incomplete", &err);
        check_error(rc, &err);
        MUST(strstr(err.message, "the page is incomplete") && rc != CF_ENOTFOUND);
    }
    cf_http_request_release(&answer);
}

/* The documents that are asked for: two of the first item, one of the second. */
static void make_items(struct sync_item items[ITEMS])
{
    static const struct {
        size_t item;
        enum cf_document_kind kind;
        const char *path;
        char digit;
    } documents[] = {{0, CF_DOCUMENT_README, "README.md", 'a'},
                     {0, CF_DOCUMENT_REPO_CONTEXT, ".repo-context.json", 'b'},
                     {1, CF_DOCUMENT_README, "readme", 'c'}};
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        struct cf_document *d = &items[documents[i].item].content.documents[documents[i].kind];
        d->path = cf_strdup(documents[i].path);
        d->bytes = 5;
        memset(d->oid, documents[i].digit, 40);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        items[i].action = SYNC_FETCH;
        items[i].repository.node_id = cf_strdup("R_kgDOABPHjQ");
        memset(items[i].repository.tree, 'd', 40);
        memset(items[i].content.tree, 'd', 40);
    }
}

static void check_files(const json_t *answer)
{
    struct sync_item items[ITEMS] = {{.action = SYNC_FETCH}};
    struct sync_item *list[ITEMS] = {&items[0], &items[1]};
    make_items(items);
    (void)sync_files_read(answer, list, ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        MUST(!items[i].reason || *items[i].reason);
        for (size_t j = 0; j < CF_DOCUMENT_KINDS; j++) {
            const struct cf_document *d = &items[i].content.documents[j];
            MUST(!d->text || (d->path && !d->skipped && d->bytes == 5));
            MUST(!d->text || strlen(d->text) == d->text_length);
            MUST(!d->text || is_clean(d->text, d->text_length));
            MUST(!d->skipped || *d->skipped);
        }
        cf_repository_release(&items[i].repository);
        cf_content_release(&items[i].content);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static bool quiet;
    json_t *root = NULL;
    if (!quiet) {
        cf_log_configure(CF_LOG_JSON, CF_ERROR);
        quiet = true;
    }
    if (cf_json_parse_foreign((const char *)data, length, "the answers", &root, NULL)) {
        return 0;
    }
    const json_t *page = json_object_get(root, "page");
    const json_t *files = json_object_get(root, "files");
    const char *headers = json_string_value(json_object_get(root, "headers"));
    check_page(page);
    check_files(files);
    check_errors(json_object_get(page, "errors"), headers ? headers : "");
    check_errors(json_object_get(files, "errors"), headers ? headers : "");
    json_decref(root);
    return 0;
}
