/* The documents of the datasets: repos, content, bundle, request, model. One that reads is written
 * to one that says the same and reads, and from then on to the same bytes; copies and hashes don't
 * change with it. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/portfolio/bundle.h"
#include "common/portfolio/content.h"
#include "common/portfolio/model.h"
#include "common/portfolio/repos.h"
#include "common/portfolio/request.h"

/* For each kind: reads root; when that succeeds, *out is what it is written to, else NULL. */
static int round_repos(const json_t *root, json_t **out, struct cf_error *err)
{
    struct cf_repos repos;
    char before[CF_SHA256_HEX];
    char after[CF_SHA256_HEX];
    int rc = cf_repos_read(root, &repos, err);
    if (rc) {
        MUST(!repos.items && !repos.login && !repos.count);
        return rc;
    }
    cf_repos_request(&repos, before);
    *out = cf_repos_write(&repos);
    cf_repos_request(&repos, after);
    MUST(strcmp(before, after) == 0);
    for (size_t i = 0; i < repos.count; i++) {
        struct cf_repository copy;
        MUST(cf_repository_name_is_valid(repos.items[i].name));
        cf_repository_fingerprint(&repos.items[i], before);
        cf_repository_copy(&repos.items[i], &copy);
        cf_repository_fingerprint(&copy, after);
        MUST(strcmp(before, after) == 0);
        cf_repository_release(&copy);
    }
    cf_repos_release(&repos);
    return 0;
}

static int round_content(const json_t *root, json_t **out, struct cf_error *err)
{
    struct cf_content content;
    int rc = cf_content_read(root, &content, err);
    if (rc) {
        MUST(!content.file_types && !content.documents[0].path);
        return rc;
    }
    for (size_t i = 0; i < CF_DOCUMENT_KINDS; i++) {
        const struct cf_document *d = &content.documents[i];
        MUST(!d->path || (!d->text != !d->skipped && cf_oid_is_valid(d->oid)));
        MUST(!d->text || strlen(d->text) == d->text_length);
    }
    *out = cf_content_write(&content);
    cf_content_release(&content);
    return 0;
}

static int round_bundle(const json_t *root, json_t **out, struct cf_error *err)
{
    struct cf_bundle bundle;
    int rc = cf_bundle_read(root, &bundle, err);
    if (rc) {
        MUST(!bundle.entries && !bundle.login);
        return rc;
    }
    for (size_t i = 0; i < bundle.count; i++) {
        struct cf_bundle copy = {.count = 0};
        struct cf_bundle_entry *entry = calloc(1, sizeof(*entry));
        MUST(cf_bundle_find(&bundle, bundle.entries[i].name));
        cf_bundle_entry_copy(&bundle.entries[i], entry);
        copy.entries = entry;
        copy.count = 1;
        cf_bundle_release(&copy);
    }
    *out = cf_bundle_write(&bundle);
    cf_bundle_release(&bundle);
    return 0;
}

static int round_request(const json_t *root, json_t **out, struct cf_error *err)
{
    struct cf_request request;
    struct cf_request again;
    char before[CF_SHA256_HEX];
    char after[CF_SHA256_HEX];
    int rc = cf_request_read(root, &request, err);
    if (rc) {
        return rc;
    }
    *out = cf_request_write(&request);
    cf_request_hash(&request, before);
    MUST(*out && cf_request_read(*out, &again, err) == 0);
    cf_request_hash(&again, after);
    MUST(strcmp(before, after) == 0);
    cf_request_release(&again);
    cf_request_release(&request);
    return 0;
}

static int round_model(const json_t *root, json_t **out, struct cf_error *err)
{
    struct cf_model_document model;
    int rc = cf_model_document_read(root, &model, err);
    if (rc) {
        MUST(!model.gate && !model.current.scores && !model.rejected.scores);
        return rc;
    }
    MUST(model.current.file_count <= CF_MODEL_FILES_MAX);
    MUST(model.rejected.file_count <= CF_MODEL_FILES_MAX);
    *out = cf_model_document_write(&model);
    cf_model_document_release(&model);
    return 0;
}

/* Whether each field that was written has the value that was read. Writing may leave out fields
 * that nobody knows, and put arrays into order: of those, only the length is compared. */
static bool says(const json_t *written, const json_t *was)
{
    const char *key;
    json_t *value;
    if (json_is_null(written)) {
        return !was || json_is_null(was);
    }
    if (json_is_number(written) && json_is_number(was)) {
        return json_number_value(written) == json_number_value(was);
    }
    if (json_is_array(written)) {
        return json_array_size(written) == json_array_size(was);
    }
    if (!json_is_object(written)) {
        return json_equal(written, was);
    }
    bool same = json_is_object(was);
    json_object_foreach((json_t *)written, key, value)
    {
        /* the readers of bundle, request and model don't look at their own name */
        same = same && (strcmp(key, "document") == 0 || says(value, json_object_get(was, key)));
    }
    return same;
}

static bool entries_say(const json_t *written, const json_t *was)
{
    bool same = json_array_size(written) == json_array_size(was);
    for (size_t i = 0; same && i < json_array_size(written); i++) {
        const json_t *a = json_array_get(written, i);
        const json_t *b = json_array_get(was, i);
        const json_t *inner = json_object_get(a, "documents"); /* not of a field nobody knows */
        same = says(a, b) && (!inner || entries_say(inner, json_object_get(b, "documents")));
    }
    return same;
}

static void check(int (*round)(const json_t *, json_t **, struct cf_error *), const json_t *root)
{
    struct cf_error err = {0};
    json_t *first = NULL;
    json_t *second = NULL;
    struct cf_buf once = CF_BUF_INIT;
    struct cf_buf twice = CF_BUF_INIT;
    int rc = round(root, &first, &err);
    if (rc) {
        MUST(rc == CF_EDATA && err.code == rc && *err.message);
        return;
    }
    MUST(first && says(first, root));
    const json_t *entries = json_object_get(first, "entries"); /* a bundle has them */
    MUST(!entries || entries_say(entries, json_object_get(root, "entries")));
    MUST(round(first, &second, &err) == 0);
    MUST(second);
    cf_json_dump(first, &once);
    cf_json_dump(second, &twice);
    MUST(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
    cf_buf_release(&once);
    cf_buf_release(&twice);
    json_decref(first);
    json_decref(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const char *const kinds[] = {"readme", "skills_index", "architecture", "repo_context"};
    struct cf_error err = {0};
    json_t *root = NULL;
    if (cf_json_parse((const char *)data, length, "the document", &root, &err)) {
        return 0;
    }
    check(round_repos, root);
    check(round_content, root);
    check(round_bundle, root);
    check(round_request, root);
    check(round_model, root);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char *text = cf_entry_text(root, kinds[i]);
        MUST(!text || *text);
        free(text);
    }
    json_decref(root);
    return 0;
}
