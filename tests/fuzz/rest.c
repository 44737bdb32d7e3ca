/* The answers from which sync lists by REST, in one document: user, node, branch, languages and
 * last, a node of the last version. What is read is within its bounds and equals what its document
 * reads to; what isn't leaves nothing behind, and its error names something. */
#include "tests/fuzz/fuzz.h"

#include "common/base/utf8.h"
#include "tests/fuzz/json_mutator.h"

/* The fuzzers link the library only, and these two need nothing else. */
#include "jobs/sync/node_fields.c"
#include "jobs/sync/rest_node.c"

static void check_text(const char *text, size_t most)
{
    struct cf_buf clean = CF_BUF_INIT;
    size_t length = text ? strlen(text) : 0;
    MUST(length <= 3 * most); /* a NUL becomes three bytes */
    cf_utf8_clean(text ? text : "", length, &clean);
    MUST(strcmp(cf_buf_str(&clean), text ? text : "") == 0);
    cf_buf_release(&clean);
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
    char fingerprint[CF_SHA256_HEX];
    cf_repository_fingerprint(&again.items[0], fingerprint);
    MUST(strcmp(fingerprint, r->fingerprint) == 0);
    json_decref(twice);
    json_decref(written);
    cf_repos_release(&again);
    cf_repos_release(&repos);
}

static void check_repository(const struct cf_repository *r)
{
    const struct cf_metadata *m = &r->metadata;
    MUST(r->id && (!*r->commit) == (!*r->tree) && (!*r->tree) == (!r->default_branch));
    MUST(r->state == (*r->tree ? CF_REPOSITORY_CURRENT : CF_REPOSITORY_EMPTY));
    MUST(!*r->tree || (cf_oid_is_valid(r->tree) && cf_oid_is_valid(r->commit)));
    MUST(strcmp(m->visibility, "public") == 0 && strcmp(m->owner_login, "Octocat") == 0);
    check_name(r->name);
    check_text(r->node_id, SYNC_MOST_NAME);
    check_text(r->default_branch, SYNC_MOST_BRANCH);
    check_text(m->html_url, SYNC_MOST_URL);
    check_text(m->description, SYNC_MOST_TEXT);
    check_text(m->homepage, SYNC_MOST_URL);
    MUST(m->topic_count <= 20 && r->language_count <= SYNC_LANGUAGES);
    for (size_t i = 0; i < m->topic_count; i++) {
        check_text(m->topics[i], SYNC_MOST_NAME);
        MUST(!i || strcmp(m->topics[i - 1], m->topics[i]) <= 0);
    }
    for (size_t i = 0; i < r->language_count; i++) {
        check_text(r->languages[i].name, SYNC_MOST_NAME);
        MUST(!i || strcmp(r->languages[i - 1].name, r->languages[i].name) < 0);
    }
    MUST(!r->language_count || m->language);
    MUST(!m->license.key == !m->license.name);
    check_round(r);
}

static bool failed(int rc, const struct cf_error *err)
{
    MUST(!rc || ((rc == CF_EDATA || rc == CF_EDENIED) && err->code == rc && *err->message));
    return rc != 0;
}

static void check_user(const json_t *user)
{
    struct cf_error err = {0};
    char *login = NULL;
    char *kind = NULL;
    char normal[CF_TENANT_MAX];
    if (failed(sync_rest_read_owner(user, "octocat", &login, &kind, &err), &err)) {
        MUST(!login && !kind && err.code == CF_EDATA);
        return;
    }
    MUST(cf_tenant_normalise(login, normal, NULL) == 0 && strcmp(normal, "octocat") == 0);
    MUST(strcmp(kind, "User") == 0 || strcmp(kind, "Organization") == 0);
    free(login);
    free(kind);
}

/* False when node isn't one; then *r is released. */
static bool read_whole(const json_t *node, const json_t *branch, const json_t *languages,
                       struct cf_repository *r)
{
    struct cf_error err = {0};
    int rc = sync_rest_read_node(node, "Octocat", "https://api.github.com", r, &err);
    MUST(rc != CF_EDENIED || r->id);
    if (failed(rc, &err)) {
        cf_repository_release(r);
        return false;
    }
    MUST(!*r->commit && !*r->tree && !r->language_count && !*r->fingerprint);
    rc = sync_rest_read_branch(branch, r, &err);
    MUST(!failed(rc, &err) || (!*r->commit && !*r->tree && rc == CF_EDATA));
    rc = sync_rest_read_languages(languages, r, &err);
    MUST(!failed(rc, &err) || (!r->language_count && rc == CF_EDATA));
    return true;
}

static void check_same(const struct cf_repository *r, const json_t *node, const json_t *last,
                       const json_t *root)
{
    struct cf_error err = {0};
    struct cf_repository listed;
    struct cf_repository old;
    MUST(sync_rest_read_node(node, "Octocat", "https://api.github.com", &listed, &err) == 0);
    MUST(sync_rest_same(&listed, r, NULL));
    const char *read_at = json_string_value(json_object_get(root, "read_at"));
    if (read_whole(last, NULL, NULL, &old)) {
        sync_rest_finish(&old);
        bool same = sync_rest_same(&listed, &old, read_at);
        MUST(!same || (listed.id == old.id && strcmp(listed.name, old.name) == 0));
        MUST(!same || sync_rest_same(&listed, &old, NULL));
        cf_repository_release(&old);
    }
    sync_rest_reuse(r, &listed);
    sync_rest_finish(&listed);
    MUST(strcmp(listed.fingerprint, r->fingerprint) == 0);
    cf_repository_release(&listed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    json_t *root = NULL;
    struct cf_repository r;
    if (cf_json_parse_foreign((const char *)data, length, "the answers", &root, NULL)) {
        return 0;
    }
    check_user(json_object_get(root, "user"));
    const json_t *node = json_object_get(root, "node");
    if (read_whole(node, json_object_get(root, "branch"), json_object_get(root, "languages"), &r)) {
        sync_rest_finish(&r);
        check_repository(&r);
        check_same(&r, node, json_object_get(root, "last"), root);
        cf_repository_release(&r);
    }
    json_decref(root);
    return 0;
}
