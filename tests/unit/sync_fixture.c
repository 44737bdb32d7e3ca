#include "tests/unit/sync_fixture.h"

#include <check.h>
#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

static char **texts; /* of scripts */
static size_t text_count, text_capacity;

void fixture_quiet(void)
{
    cf_log_configure(CF_LOG_JSON, CF_ERROR);
}

json_t *fixture(const char *text)
{
    char *copy = cf_strdup(text);
    json_error_t error;
    for (char *p = copy; *p; p++) {
        *p = (char)(*p == '\'' ? '"' : *p);
    }
    json_t *value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    ck_assert_msg(value != NULL, "%s near %.40s", error.text, copy + error.position);
    free(copy);
    return value;
}

static const char *keep(char *text)
{
    texts = cf_grow(texts, text_count, &text_capacity, sizeof(*texts));
    texts[text_count++] = text;
    return text;
}

const char *fixture_body_of(json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return keep(text);
}

const char *fixture_body(const char *text)
{
    return fixture_body_of(fixture(text));
}

const char *fixture_text(const char *format, ...)
{
    char buffer[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(buffer, sizeof(buffer), format, args);
    va_end(args);
    ck_assert(length >= 0 && (size_t)length < sizeof(buffer));
    return keep(cf_strdup(buffer));
}

void fixture_texts_free(void)
{
    while (text_count) {
        free(texts[--text_count]);
    }
    free(texts);
    texts = NULL;
    text_capacity = 0;
}

const char *fixture_oid(char digit)
{
    static char ids[4][41];
    static int next;
    char *id = ids[next++ % 4];
    memset(id, digit, 40);
    return id;
}

json_t *fixture_node(unsigned id, const char *name, const char *commit, const char *tree)
{
    json_t *node = fixture(
        "{'databaseId': 1, 'id': 'R_kgDOABPHjQ', 'name': 'x',"
        " 'url': 'https://github.com/octocat/Hello-World',"
        " 'description': 'My first repository on GitHub!', 'homepageUrl': '',"
        " 'visibility': 'PUBLIC', 'createdAt': '2011-01-26T19:01:12Z',"
        " 'updatedAt': '2024-05-01T10:00:00Z', 'pushedAt': '2024-04-30T09:00:00Z',"
        " 'diskUsage': 108, 'isFork': false, 'isArchived': false, 'isDisabled': false,"
        " 'isTemplate': false, 'forkingAllowed': true, 'stargazerCount': 80, 'forkCount': 9,"
        " 'licenseInfo': {'id': 'MDc6TGljZW5zZTEz', 'key': 'mit', 'name': 'MIT License',"
        " 'spdxId': 'MIT'}, 'primaryLanguage': {'name': 'C'},"
        " 'languages': {'edges': [{'size': 78769, 'node': {'name': 'C'}},"
        " {'size': 7769, 'node': {'name': 'Assembly'}}]},"
        " 'repositoryTopics': {'nodes': [{'topic': {'name': 'octocat'}},"
        " {'topic': {'name': 'api'}}]},"
        " 'defaultBranchRef': {'name': 'main', 'target': {'oid': 'x', 'tree': {'oid': 'x'}}}}");
    json_t *target = json_object_get(json_object_get(node, "defaultBranchRef"), "target");
    (void)json_object_set_new(node, "databaseId", json_integer(id));
    (void)json_object_set_new(node, "name", json_string(name));
    (void)json_object_set_new(target, "oid", json_string(commit));
    (void)json_object_set_new(json_object_get(target, "tree"), "oid", json_string(tree));
    return node;
}

json_t *fixture_rest_node(unsigned id, const char *name)
{
    json_t *node = fixture(
        "{'id': 1, 'node_id': 'R_kgDOABPHjQ', 'name': 'x', 'private': false,"
        " 'owner': {'login': 'octocat', 'type': 'User'},"
        " 'html_url': 'https://github.com/octocat/Hello-World',"
        " 'description': 'My first repository on GitHub!', 'homepage': '',"
        " 'visibility': 'public', 'created_at': '2011-01-26T19:01:12Z',"
        " 'updated_at': '2024-05-01T10:00:00Z', 'pushed_at': '2024-04-30T09:00:00Z',"
        " 'size': 108, 'fork': false, 'archived': false, 'disabled': false,"
        " 'is_template': false, 'allow_forking': true, 'stargazers_count': 80, 'forks_count': 9,"
        " 'language': 'C', 'license': {'node_id': 'MDc6TGljZW5zZTEz', 'key': 'mit',"
        " 'name': 'MIT License', 'spdx_id': 'MIT', 'url': 'https://api.github.com/licenses/mit'},"
        " 'topics': ['octocat', 'api'], 'default_branch': 'main'}");
    (void)json_object_set_new(node, "id", json_integer(id));
    (void)json_object_set_new(node, "name", json_string(name));
    return node;
}

json_t *fixture_rest_branch(const char *commit, const char *tree)
{
    return json_pack("{s:s,s:{s:s,s:{s:{s:s}}}}", "name", "main", "commit", "sha", commit, "commit",
                     "tree", "sha", tree);
}

json_t *fixture_page_of(json_t *const *list)
{
    json_t *nodes = json_array();
    for (; *list; list++) {
        (void)json_array_append_new(nodes, *list);
    }
    json_t *page = fixture("{'data': {'rateLimit': {'cost': 1, 'remaining': 4999,"
                           " 'resetAt': '2024-05-01T11:00:00Z'}, 'repositoryOwner':"
                           " {'__typename': 'User', 'login': 'Octocat', 'repositories':"
                           " {'totalCount': 0, 'pageInfo': {'hasNextPage': false,"
                           " 'endCursor': 'Y3Vyc29yOjE='}}}}}");
    json_t *connection = json_object_get(
        json_object_get(json_object_get(page, "data"), "repositoryOwner"), "repositories");
    (void)json_object_set_new(connection, "totalCount",
                              json_integer((json_int_t)json_array_size(nodes)));
    (void)json_object_set_new(connection, "nodes", nodes);
    return page;
}

void fixture_listing(json_t *answer, struct sync_listing *out)
{
    struct cf_error err = {0};
    *out = (struct sync_listing){0};
    int rc = sync_listing_add_page(out, answer, "octocat", FIXTURE_API, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    json_decref(answer);
}

void fixture_blob_oid(const char *bytes, size_t length, char out[CF_OID_HEX])
{
    char header[32];
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct sha1_ctx ctx;
    int printed = snprintf(header, sizeof(header), "blob %zu", length);
    sha1_init(&ctx);
    sha1_update(&ctx, (size_t)printed + 1, (const uint8_t *)header);
    sha1_update(&ctx, length, (const uint8_t *)bytes);
    sha1_digest(&ctx, sizeof(digest), digest);
    base16_encode_update(out, sizeof(digest), digest);
    out[2 * sizeof(digest)] = '\0';
}

const char *fixture_blob(const char *bytes, size_t length)
{
    char oid[CF_OID_HEX];
    char *content = cf_calloc(BASE64_ENCODE_RAW_LENGTH(length) + 1, 1);
    fixture_blob_oid(bytes, length, oid);
    base64_encode_raw(content, length, (const uint8_t *)bytes);
    json_t *blob = json_pack("{s:s,s:I,s:s,s:s}", "sha", oid, "size", (json_int_t)length,
                             "encoding", "base64", "content", content);
    free(content);
    return fixture_body_of(blob);
}

const char *fixture_tree(char digit, bool truncated, const char *entries)
{
    char *text = cf_asprintf("{'sha': '%s', 'truncated': %s, 'tree': [%s]}", fixture_oid(digit),
                             truncated ? "true" : "false", entries);
    const char *body = fixture_body(text);
    free(text);
    return body;
}

uint64_t fixture_file_type(const struct cf_content *content, const char *extension)
{
    for (size_t i = 0; i < content->file_type_count; i++) {
        if (strcmp(content->file_types[i].extension, extension) == 0) {
            return content->file_types[i].count;
        }
    }
    return 0;
}

void fixture_item(struct sync_item *item, unsigned id, const char *name, char tree)
{
    *item = (struct sync_item){.action = SYNC_FETCH};
    struct cf_repository *r = &item->repository;
    r->id = id;
    r->name = cf_strdup(name);
    r->node_id = cf_asprintf("R_%u", id);
    r->metadata.owner_login = cf_strdup("octocat");
    memcpy(r->tree, fixture_oid(tree), 41);
}

void fixture_want(struct sync_item *item, enum cf_document_kind kind, const char *oid,
                  uint64_t bytes)
{
    static const char *const paths[CF_DOCUMENT_KINDS] = {"README.md", "SKILLS-INDEX.md",
                                                         "ARCHITECTURE.md", ".repo-context.json"};
    struct cf_document *document = &item->content.documents[kind];
    memcpy(item->content.tree, item->repository.tree, CF_OID_HEX);
    document->path = cf_strdup(paths[kind]);
    document->bytes = bytes;
    memcpy(document->oid, oid, strlen(oid) + 1);
}

void fixture_item_release(struct sync_item *item)
{
    cf_repository_release(&item->repository);
    cf_content_release(&item->content);
}

const char *fixture_used_up(int seconds)
{
    return fixture_text("X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 0\r\n"
                        "X-RateLimit-Reset: %lld\r\n",
                        (long long)time(NULL) + seconds);
}

/* --- sessions -----------------------------------------------------------------------------------
 */

void fixture_open(struct fixture_session *f, struct net_server *server,
                  const struct sync_github_settings *settings)
{
    struct cf_error err = {0};
    struct sync_github_settings all = settings ? *settings : (struct sync_github_settings){0};
    all.api_url = all.api_url ? all.api_url : net_server_url(server);
    all.backoff_ms = all.backoff_ms ? all.backoff_ms : 5;
    all.total_ms = all.total_ms ? all.total_ms : 5000;
    all.time_limit_ms = all.time_limit_ms ? all.time_limit_ms : 10000;
    f->server = server;
    if (!all.token_sources) {
        ck_assert_int_eq(setenv("GITHUB_TOKEN", FIXTURE_TOKEN, 1), 0);
    }
    ck_assert_msg(sync_github_new(&all, &f->github, &err) == 0, "%s", err.message);
    int rc = sync_session_open(f->github, "octocat", "octocat", &f->session, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
}

void fixture_close(struct fixture_session *f)
{
    sync_session_close(f->session);
    sync_github_free(f->github);
    net_server_free(f->server);
    fixture_texts_free();
}

const char *fixture_request(const struct fixture_session *f, size_t index)
{
    const struct net_seen *seen = net_server_seen(f->server, index);
    ck_assert_ptr_nonnull(seen);
    return seen->body;
}

size_t fixture_count(const struct fixture_session *f, const char *path)
{
    size_t count = 0;
    for (size_t i = 0; i < net_server_requests(f->server); i++) {
        const char *head = net_server_seen(f->server, i)->head;
        const char *at = strstr(head, path);
        count += at && at < strchr(head, '\r');
    }
    return count;
}
