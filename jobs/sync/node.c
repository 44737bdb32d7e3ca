/* One node of the listing by GraphQL. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "jobs/sync/listing.h"
#include "jobs/sync/node_fields.h"

static int read_branch(const json_t *node, struct cf_repository *r, struct cf_error *err)
{
    const json_t *branch = json_object_get(node, "defaultBranchRef");
    json_t *target = NULL;
    json_t *tree = NULL;
    if (json_is_null(branch)) {
        return 0; /* no commit yet */
    }
    int rc = sync_field_text(branch, "name", SYNC_MOST_BRANCH, false, &r->default_branch, err);
    rc = rc ? rc : cf_json_get_object(branch, "target", &target, err);
    rc = rc ? rc : sync_field_oid(target, "oid", r->commit, err);
    rc = rc ? rc : cf_json_get_object(target, "tree", &tree, err);
    return rc ? rc : sync_field_oid(tree, "oid", r->tree, err);
}

static int read_topics(const json_t *node, struct cf_metadata *m, struct cf_error *err)
{
    json_t *connection = NULL;
    json_t *nodes = NULL;
    int rc = cf_json_get_object(node, "repositoryTopics", &connection, err);
    rc = rc ? rc : cf_json_get_array(connection, "nodes", &nodes, err);
    if (!rc && json_array_size(nodes) > SYNC_MOST_ITEMS) {
        rc = sync_field_too_long("repositoryTopics", err);
    }
    if (rc) {
        return rc;
    }
    m->topics = cf_calloc(json_array_size(nodes), sizeof(*m->topics));
    for (size_t i = 0; i < json_array_size(nodes) && !rc; i++) {
        const json_t *topic = json_object_get(json_array_get(nodes, i), "topic");
        rc = sync_field_text(topic, "name", SYNC_MOST_NAME, false, &m->topics[i], err);
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
    if (!rc && json_array_size(edges) > SYNC_MOST_ITEMS) {
        rc = sync_field_too_long("languages", err);
    }
    if (rc) {
        return rc;
    }
    r->languages = cf_calloc(json_array_size(edges), sizeof(*r->languages));
    for (size_t i = 0; i < json_array_size(edges) && !rc; i++) {
        const json_t *edge = json_array_get(edges, i);
        struct cf_language *language = &r->languages[i];
        rc = sync_field_text(json_object_get(edge, "node"), "name", SYNC_MOST_NAME, false,
                             &language->name, err);
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
    const struct sync_text_field texts[] = {{"id", SYNC_MOST_NAME, false, &r->node_id},
                                            {"url", SYNC_MOST_URL, false, &m->html_url},
                                            {"description", SYNC_MOST_TEXT, true, &m->description},
                                            {"homepageUrl", SYNC_MOST_URL, true, &m->homepage},
                                            {"createdAt", SYNC_MOST_NAME, false, &m->created_at},
                                            {"updatedAt", SYNC_MOST_NAME, false, &m->updated_at},
                                            {"pushedAt", SYNC_MOST_NAME, true, &m->pushed_at}};
    int rc = sync_field_texts(node, texts, sizeof(texts) / sizeof(texts[0]), err);
    const json_t *language = json_object_get(node, "primaryLanguage");
    if (!rc && !json_is_null(language)) {
        rc = sync_field_text(language, "name", SYNC_MOST_NAME, false, &m->language, err);
    }
    return rc;
}

static int read_flags_and_counts(const json_t *node, struct cf_metadata *m, struct cf_error *err)
{
    const struct sync_flag_field flags[] = {{"isFork", &m->fork},
                                            {"isArchived", &m->archived},
                                            {"isDisabled", &m->disabled},
                                            {"isTemplate", &m->is_template},
                                            {"forkingAllowed", &m->allow_forking}};
    int rc = sync_field_flags(node, flags, sizeof(flags) / sizeof(flags[0]), err);
    rc = rc ? rc : cf_json_get_u64(node, "stargazerCount", &m->stars, err);
    rc = rc ? rc : cf_json_get_u64(node, "forkCount", &m->forks, err);
    if (!rc && !json_is_null(json_object_get(node, "diskUsage"))) {
        rc = cf_json_get_u64(node, "diskUsage", &m->size, err);
    }
    return rc;
}

int sync_listing_read_node(const json_t *node, const char *owner, const char *api_url,
                           struct cf_repository *out, struct cf_error *err)
{
    static const struct sync_license_fields license = {"licenseInfo", "spdxId", "id"};
    struct cf_metadata *m = &out->metadata;
    *out = (struct cf_repository){0};
    int rc = sync_field_identity(node, "databaseId", out, err);
    rc = rc ? rc : read_texts(node, out, err);
    rc = rc ? rc : read_flags_and_counts(node, m, err);
    rc = rc ? rc : read_branch(node, out, err);
    rc = rc ? rc : sync_field_license(node, &license, api_url, &m->license, err);
    rc = rc ? rc : read_topics(node, m, err);
    rc = rc ? rc : read_languages(node, out, err);
    if (!rc) {
        sync_node_addresses(out, owner, api_url);
        sync_node_finish(out);
    }
    return rc;
}
