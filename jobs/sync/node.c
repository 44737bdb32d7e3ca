/* One node of the listing. What comes from outside is bounded here, before it is copied. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "jobs/sync/listing.h"

enum { MOST_ITEMS = 100, MOST_NAME = 200, MOST_URL = 2048, MOST_TEXT = 16384 };

static int too_long(const char *field, struct cf_error *err)
{
    return cf_error_set(err, CF_EDATA, "the field \"%s\" is too long", field);
}

/* A text that is copied with NULs and invalid bytes replaced, since our own documents hold neither.
 */
static int get_text(const json_t *object, const char *field, size_t most, bool or_null, char **out,
                    struct cf_error *err)
{
    const json_t *value = json_object_get(object, field);
    if (or_null && json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value)) {
        return cf_error_set(err, CF_EDATA, "the field \"%s\" must be a string", field);
    }
    if (json_string_length(value) > most) {
        return too_long(field, err);
    }
    json_t *clean = cf_json_text(json_string_value(value), json_string_length(value));
    *out = cf_strdup(json_string_value(clean));
    json_decref(clean);
    return 0;
}

static int get_oid(const json_t *object, char out[CF_OID_HEX], struct cf_error *err)
{
    const char *oid = NULL;
    int rc = cf_json_get_string(object, "oid", &oid, err);
    if (!rc && !cf_oid_is_valid(oid)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"oid\" must be a git object's id");
    }
    if (!rc) {
        memcpy(out, oid, strlen(oid) + 1);
    }
    return rc;
}

static int read_branch(const json_t *node, struct cf_repository *r, struct cf_error *err)
{
    const json_t *branch = json_object_get(node, "defaultBranchRef");
    json_t *target = NULL;
    json_t *tree = NULL;
    if (json_is_null(branch)) {
        return 0; /* no commit yet */
    }
    int rc = get_text(branch, "name", 1024, false, &r->default_branch, err);
    rc = rc ? rc : cf_json_get_object(branch, "target", &target, err);
    rc = rc ? rc : get_oid(target, r->commit, err);
    rc = rc ? rc : cf_json_get_object(target, "tree", &tree, err);
    return rc ? rc : get_oid(tree, r->tree, err);
}

static int read_license(const json_t *node, const char *api_url, struct cf_license *license,
                        struct cf_error *err)
{
    const json_t *info = json_object_get(node, "licenseInfo");
    if (json_is_null(info)) {
        return 0;
    }
    int rc = get_text(info, "key", MOST_NAME, false, &license->key, err);
    rc = rc ? rc : get_text(info, "name", MOST_NAME, false, &license->name, err);
    rc = rc ? rc : get_text(info, "spdxId", MOST_NAME, true, &license->spdx_id, err);
    rc = rc ? rc : get_text(info, "id", MOST_NAME, true, &license->node_id, err);
    if (!rc && strcmp(license->key, "other") != 0) {
        license->url = cf_asprintf("%s/licenses/%s", api_url, license->key);
    }
    return rc;
}

static int read_topics(const json_t *node, struct cf_metadata *m, struct cf_error *err)
{
    json_t *connection = NULL;
    json_t *nodes = NULL;
    int rc = cf_json_get_object(node, "repositoryTopics", &connection, err);
    rc = rc ? rc : cf_json_get_array(connection, "nodes", &nodes, err);
    if (!rc && json_array_size(nodes) > MOST_ITEMS) {
        rc = too_long("repositoryTopics", err);
    }
    if (rc) {
        return rc;
    }
    m->topics = cf_calloc(json_array_size(nodes), sizeof(*m->topics));
    for (size_t i = 0; i < json_array_size(nodes) && !rc; i++) {
        const json_t *topic = json_object_get(json_array_get(nodes, i), "topic");
        rc = get_text(topic, "name", MOST_NAME, false, &m->topics[i], err);
        m->topic_count += !rc;
    }
    return rc;
}

static int read_languages(const json_t *node, struct cf_repository *r, struct cf_error *err)
{
    const json_t *connection = json_object_get(node, "languages");
    json_t *edges = NULL;
    if (json_is_null(connection)) {
        return 0;
    }
    int rc = cf_json_get_array(connection, "edges", &edges, err);
    if (!rc && json_array_size(edges) > MOST_ITEMS) {
        rc = too_long("languages", err);
    }
    if (rc) {
        return rc;
    }
    r->languages = cf_calloc(json_array_size(edges), sizeof(*r->languages));
    for (size_t i = 0; i < json_array_size(edges) && !rc; i++) {
        const json_t *edge = json_array_get(edges, i);
        struct cf_language *language = &r->languages[i];
        rc =
            get_text(json_object_get(edge, "node"), "name", MOST_NAME, false, &language->name, err);
        r->language_count += !rc;
        rc = rc ? rc : cf_json_get_u64(edge, "size", &language->bytes, err);
        for (size_t j = 0; j < i && !rc; j++) {
            if (strcmp(r->languages[j].name, language->name) == 0) {
                rc = cf_error_set(err, CF_EDATA, "the field \"languages\" names one twice");
            }
        }
    }
    return rc;
}

static int read_texts(const json_t *node, struct cf_repository *r, struct cf_error *err)
{
    struct cf_metadata *m = &r->metadata;
    const struct {
        const char *field;
        size_t most;
        bool or_null;
        char **out;
    } texts[] = {{"id", MOST_NAME, false, &r->node_id},
                 {"url", MOST_URL, false, &m->html_url},
                 {"description", MOST_TEXT, true, &m->description},
                 {"homepageUrl", MOST_URL, true, &m->homepage},
                 {"createdAt", MOST_NAME, false, &m->created_at},
                 {"updatedAt", MOST_NAME, false, &m->updated_at},
                 {"pushedAt", MOST_NAME, true, &m->pushed_at}};
    int rc = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !rc; i++) {
        rc = get_text(node, texts[i].field, texts[i].most, texts[i].or_null, texts[i].out, err);
    }
    const json_t *language = json_object_get(node, "primaryLanguage");
    if (!rc && !json_is_null(language)) {
        rc = get_text(language, "name", MOST_NAME, false, &m->language, err);
    }
    return rc;
}

static int read_flags_and_counts(const json_t *node, struct cf_metadata *m, struct cf_error *err)
{
    const struct {
        const char *field;
        bool *out;
    } flags[] = {{"isFork", &m->fork},
                 {"isArchived", &m->archived},
                 {"isDisabled", &m->disabled},
                 {"isTemplate", &m->is_template},
                 {"forkingAllowed", &m->allow_forking}};
    int rc = 0;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && !rc; i++) {
        rc = cf_json_get_bool(node, flags[i].field, flags[i].out, err);
    }
    rc = rc ? rc : cf_json_get_u64(node, "stargazerCount", &m->stars, err);
    rc = rc ? rc : cf_json_get_u64(node, "forkCount", &m->forks, err);
    if (!rc && !json_is_null(json_object_get(node, "diskUsage"))) {
        rc = cf_json_get_u64(node, "diskUsage", &m->size, err);
    }
    return rc;
}

static int read_identity(const json_t *node, struct cf_repository *r, struct cf_error *err)
{
    const char *visibility = NULL;
    int rc = cf_json_get_u64(node, "databaseId", &r->id, err);
    if (!rc && !r->id) {
        rc = cf_error_set(err, CF_EDATA, "the field \"databaseId\" must be above 0");
    }
    rc = rc ? rc : cf_json_get_string(node, "visibility", &visibility, err);
    if (!rc && strcmp(visibility, "PUBLIC") != 0) {
        return cf_error_set(err, CF_EDENIED, "it isn't public");
    }
    r->metadata.visibility = cf_strdup("public");
    rc = rc ? rc : get_text(node, "name", MOST_NAME, false, &r->name, err);
    if (!rc && !cf_repository_name_is_valid(r->name)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"name\" is not a repository's name");
    }
    return rc;
}

int sync_listing_read_node(const json_t *node, const char *owner, const char *api_url,
                           struct cf_repository *out, struct cf_error *err)
{
    struct cf_metadata *m = &out->metadata;
    *out = (struct cf_repository){0};
    int rc = read_identity(node, out, err);
    rc = rc ? rc : read_texts(node, out, err);
    rc = rc ? rc : read_flags_and_counts(node, m, err);
    rc = rc ? rc : read_branch(node, out, err);
    rc = rc ? rc : read_license(node, api_url, &m->license, err);
    rc = rc ? rc : read_topics(node, m, err);
    rc = rc ? rc : read_languages(node, out, err);
    if (rc) {
        return rc;
    }
    m->url = cf_asprintf("%s/repos/%s/%s", api_url, owner, out->name);
    m->owner_login = cf_strdup(owner);
    m->owner_url = cf_asprintf("%s/users/%s", api_url, owner);
    out->state = *out->tree ? CF_REPOSITORY_CURRENT : CF_REPOSITORY_EMPTY;
    cf_repository_sort(out);
    cf_repository_fingerprint(out, out->fingerprint);
    return 0;
}
