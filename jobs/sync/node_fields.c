#include "jobs/sync/node_fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/contract/tenant.h"

int sync_field_too_long(const char *field, struct cf_error *err)
{
    return cf_error_set(err, CF_EDATA, "the field \"%s\" is too long", field);
}

int sync_value_text(const json_t *value, const char *field, size_t most, char **out,
                    struct cf_error *err)
{
    if (!json_is_string(value)) {
        return cf_error_set(err, CF_EDATA, "the field \"%s\" must be a string", field);
    }
    if (json_string_length(value) > most) {
        return sync_field_too_long(field, err);
    }
    json_t *clean = cf_json_text(json_string_value(value), json_string_length(value));
    *out = cf_strdup(json_string_value(clean));
    json_decref(clean);
    return 0;
}

int sync_field_text(const json_t *object, const char *field, size_t most, bool or_null, char **out,
                    struct cf_error *err)
{
    const json_t *value = json_object_get(object, field);
    if (or_null && json_is_null(value)) {
        return 0;
    }
    return sync_value_text(value, field, most, out, err);
}

int sync_field_texts(const json_t *object, const struct sync_text_field *fields, size_t count,
                     struct cf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        const struct sync_text_field *f = &fields[i];
        rc = sync_field_text(object, f->field, f->most, f->or_null, f->out, err);
    }
    return rc;
}

int sync_field_flags(const json_t *object, const struct sync_flag_field *fields, size_t count,
                     struct cf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        rc = cf_json_get_bool(object, fields[i].field, fields[i].out, err);
    }
    return rc;
}

int sync_field_oid(const json_t *object, const char *field, char out[CF_OID_HEX],
                   struct cf_error *err)
{
    const char *oid = NULL;
    int rc = cf_json_get_string(object, field, &oid, err);
    if (!rc && !cf_oid_is_valid(oid)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"%s\" must be a git object's id", field);
    }
    if (!rc) {
        memcpy(out, oid, strlen(oid) + 1);
    }
    return rc;
}

int sync_field_account(const json_t *account, const char *kind_field, const char *asked,
                       char **login, char **kind, struct cf_error *err)
{
    const char *given_login = NULL;
    const char *given_kind = NULL;
    char wanted[CF_TENANT_MAX];
    char given[CF_TENANT_MAX];
    int rc = cf_json_get_string(account, "login", &given_login, err);
    rc = rc ? rc : cf_json_get_string(account, kind_field, &given_kind, err);
    if (rc) {
        return rc;
    }
    if (cf_tenant_normalise(asked, wanted, NULL) || cf_tenant_normalise(given_login, given, NULL) ||
        strcmp(wanted, given) != 0) {
        return cf_error_set(err, CF_EDATA, "GitHub answered for another account than \"%s\"",
                            asked);
    }
    if (strcmp(given_kind, "User") != 0 && strcmp(given_kind, "Organization") != 0) {
        return cf_error_set(err, CF_EDATA, "the account is neither a user nor an organization");
    }
    *login = cf_strdup(given_login);
    *kind = cf_strdup(given_kind);
    return 0;
}

int sync_field_identity(const json_t *node, const char *id_field, struct cf_repository *out,
                        struct cf_error *err)
{
    const char *visibility = NULL;
    int rc = cf_json_get_u64(node, id_field, &out->id, err);
    if (!rc && !out->id) {
        rc = cf_error_set(err, CF_EDATA, "the field \"%s\" must be above 0", id_field);
    }
    rc = rc ? rc : cf_json_get_string(node, "visibility", &visibility, err);
    if (!rc && strcasecmp(visibility, "public") != 0) {
        return cf_error_set(err, CF_EDENIED, "it isn't public");
    }
    out->metadata.visibility = cf_strdup("public");
    rc = rc ? rc : sync_field_text(node, "name", SYNC_MOST_NAME, false, &out->name, err);
    if (!rc && !cf_repository_name_is_valid(out->name)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"name\" is not a repository's name");
    }
    return rc;
}

int sync_field_license(const json_t *node, const struct sync_license_fields *fields,
                       const char *api_url, struct cf_license *out, struct cf_error *err)
{
    const json_t *license = json_object_get(node, fields->license);
    if (json_is_null(license)) {
        return 0;
    }
    const struct sync_text_field texts[] = {{"key", SYNC_MOST_NAME, false, &out->key},
                                            {"name", SYNC_MOST_NAME, false, &out->name},
                                            {fields->spdx_id, SYNC_MOST_NAME, true, &out->spdx_id},
                                            {fields->node_id, SYNC_MOST_NAME, true, &out->node_id}};
    int rc = sync_field_texts(license, texts, sizeof(texts) / sizeof(texts[0]), err);
    if (!rc && strcmp(out->key, "other") != 0) {
        out->url = cf_asprintf("%s/licenses/%s", api_url, out->key);
    }
    return rc;
}

void sync_node_addresses(struct cf_repository *r, const char *owner, const char *api_url)
{
    struct cf_metadata *m = &r->metadata;
    m->url = cf_asprintf("%s/repos/%s/%s", api_url, owner, r->name);
    m->owner_login = cf_strdup(owner);
    m->owner_url = cf_asprintf("%s/users/%s", api_url, owner);
}

void sync_node_finish(struct cf_repository *r)
{
    r->state = *r->tree ? CF_REPOSITORY_CURRENT : CF_REPOSITORY_EMPTY;
    cf_repository_sort(r);
    cf_repository_fingerprint(r, r->fingerprint);
}
