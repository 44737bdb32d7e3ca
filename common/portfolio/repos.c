#include "common/portfolio/repos.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/portfolio/repos_fields.h"

static const char *const state_names[] = {"current", "kept", "empty", "failed"};

const char *cf_repository_state_name(enum cf_repository_state state)
{
    return state_names[state];
}

bool cf_repository_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t length = strlen(name);
    return length >= 1 && length <= 100 && strspn(name, allowed) == length &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool cf_oid_is_valid(const char *s)
{
    return cf_is_hex(s, 40) || cf_is_hex(s, 64);
}

static char *copy_text(const char *s)
{
    return s ? cf_strdup(s) : NULL;
}

void cf_repository_release(struct cf_repository *r)
{
    struct cf_metadata *m = &r->metadata;
    free(r->node_id);
    free(r->name);
    free(r->reason);
    free(r->default_branch);
    cf_fields_release(&cf_metadata_fields, m);
    cf_fields_release(&cf_license_fields, &m->license);
    for (size_t i = 0; i < m->topic_count; i++) {
        free(m->topics[i]);
    }
    free(m->topics);
    free(m->owner_login);
    free(m->owner_url);
    for (size_t i = 0; i < r->language_count; i++) {
        free(r->languages[i].name);
    }
    free(r->languages);
    *r = (struct cf_repository){0};
}

void cf_repository_copy(const struct cf_repository *from, struct cf_repository *to)
{
    *to = *from;
    struct cf_metadata *m = &to->metadata;
    to->node_id = copy_text(from->node_id);
    to->name = copy_text(from->name);
    to->reason = copy_text(from->reason);
    to->default_branch = copy_text(from->default_branch);
    cf_fields_copy(&cf_metadata_fields, m);
    cf_fields_copy(&cf_license_fields, &m->license);
    m->owner_login = copy_text(m->owner_login);
    m->owner_url = copy_text(m->owner_url);
    m->topics = cf_calloc(m->topic_count, sizeof(*m->topics));
    for (size_t i = 0; i < m->topic_count; i++) {
        m->topics[i] = cf_strdup(from->metadata.topics[i]);
    }
    to->languages = cf_calloc(to->language_count, sizeof(*to->languages));
    for (size_t i = 0; i < to->language_count; i++) {
        to->languages[i].name = cf_strdup(from->languages[i].name);
        to->languages[i].bytes = from->languages[i].bytes;
    }
}

void cf_repos_release(struct cf_repos *repos)
{
    for (size_t i = 0; i < repos->count; i++) {
        cf_repository_release(&repos->items[i]);
    }
    free(repos->items);
    free(repos->login);
    free(repos->kind);
    *repos = (struct cf_repos){0};
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_languages(const void *a, const void *b)
{
    return strcmp(((const struct cf_language *)a)->name, ((const struct cf_language *)b)->name);
}

void cf_repository_sort(struct cf_repository *r)
{
    if (r->metadata.topic_count) {
        qsort(r->metadata.topics, r->metadata.topic_count, sizeof(char *), compare_texts);
    }
    if (r->language_count) {
        qsort(r->languages, r->language_count, sizeof(*r->languages), compare_languages);
    }
}

static int compare_repositories(const void *x, const void *y)
{
    const struct cf_repository *a = x;
    const struct cf_repository *b = y;
    int order = strcasecmp(a->name, b->name); /* names are ASCII */
    order = order ? order : strcmp(a->name, b->name);
    return order ? order : (a->id > b->id) - (a->id < b->id);
}

const struct cf_repository *cf_repos_find(const struct cf_repos *repos, uint64_t id)
{
    for (size_t i = 0; i < repos->count; i++) {
        if (repos->items[i].id == id) {
            return &repos->items[i];
        }
    }
    return NULL;
}

static int read_hex(const json_t *object, const char *name, bool (*valid)(const char *), char *out,
                    struct cf_error *err)
{
    const char *text = NULL;
    if (json_is_null(json_object_get(object, name))) {
        return 0;
    }
    int rc = cf_json_get_string(object, name, &text, err);
    if (!rc && !valid(text)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"%s\" must be a hash in hexadecimal digits",
                          name);
    }
    if (!rc) {
        memcpy(out, text, strlen(text) + 1);
    }
    return rc;
}

static bool is_sha256(const char *s)
{
    return cf_is_hex(s, 64);
}

static int read_topics(const json_t *object, struct cf_metadata *m, struct cf_error *err)
{
    json_t *array;
    int rc = cf_json_get_array(object, "topics", &array, err);
    if (rc) {
        return rc;
    }
    m->topics = cf_calloc(json_array_size(array), sizeof(*m->topics));
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *topic = json_array_get(array, i);
        if (!json_is_string(topic)) {
            return cf_error_set(err, CF_EDATA, "the field \"topics\" must hold strings only");
        }
        m->topics[m->topic_count++] = cf_strdup(json_string_value(topic));
    }
    return 0;
}

static int read_metadata(const json_t *object, struct cf_metadata *m, struct cf_error *err)
{
    json_t *owner = NULL;
    const json_t *license = json_object_get(object, "license");
    int rc = cf_fields_read(&cf_metadata_fields, object, m, err);
    if (!rc && !json_is_null(license)) {
        rc = cf_fields_read(&cf_license_fields, license, &m->license, err);
    }
    rc = rc ? rc : read_topics(object, m, err);
    rc = rc ? rc : cf_json_get_object(object, "owner", &owner, err);
    rc = rc ? rc : cf_field_read_text(owner, "login", false, &m->owner_login, err);
    return rc ? rc : cf_field_read_text(owner, "url", false, &m->owner_url, err);
}

static int read_languages(const json_t *object, struct cf_repository *r, struct cf_error *err)
{
    json_t *languages;
    int rc = cf_json_get_object(object, "languages", &languages, err);
    if (rc) {
        return rc;
    }
    const char *name;
    json_t *value;
    r->languages = cf_calloc(json_object_size(languages), sizeof(*r->languages));
    json_object_foreach(languages, name, value)
    {
        struct cf_language *language = &r->languages[r->language_count];
        if ((rc = cf_json_get_u64(languages, name, &language->bytes, err))) {
            return rc;
        }
        language->name = cf_strdup(name);
        r->language_count++;
    }
    return 0;
}

static int read_state(const json_t *object, struct cf_repository *r, struct cf_error *err)
{
    const char *state;
    int rc = cf_json_get_string(object, "state", &state, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
        if (strcmp(state, state_names[i]) == 0) {
            r->state = (enum cf_repository_state)i;
            return 0;
        }
    }
    return cf_error_set(err, CF_EDATA,
                        "the field \"state\" must be current, kept, empty or failed");
}

static int check_state(const struct cf_repository *r, struct cf_error *err)
{
    bool whole = *r->fingerprint && *r->commit && *r->tree && *r->content;
    bool fits = true;
    switch (r->state) {
    case CF_REPOSITORY_CURRENT:
        fits = whole && !r->reason;
        break;
    case CF_REPOSITORY_KEPT:
        fits = r->reason && *r->fingerprint && (whole || !*r->content);
        break;
    case CF_REPOSITORY_EMPTY:
        fits = *r->fingerprint && !*r->commit && !*r->tree && !*r->content;
        break;
    case CF_REPOSITORY_FAILED:
        fits = r->reason && !*r->fingerprint && !*r->content;
        break;
    }
    return fits ? 0
                : cf_error_set(err, CF_EDATA, "its fields don't fit the state \"%s\"",
                               state_names[r->state]);
}

static int read_repository(const json_t *object, struct cf_repository *r, struct cf_error *err)
{
    json_t *metadata = NULL;
    int rc = cf_json_get_u64(object, "id", &r->id, err);
    rc = rc ? rc : cf_field_read_text(object, "node_id", false, &r->node_id, err);
    rc = rc ? rc : cf_field_read_text(object, "name", false, &r->name, err);
    if (!rc && !(r->name && cf_repository_name_is_valid(r->name))) {
        rc = cf_error_set(err, CF_EDATA, "the field \"name\" is not a repository's name");
    }
    rc = rc ? rc : read_state(object, r, err);
    rc = rc ? rc : cf_field_read_text(object, "reason", true, &r->reason, err);
    rc = rc ? rc : read_hex(object, "fingerprint", is_sha256, r->fingerprint, err);
    rc = rc ? rc : cf_field_read_text(object, "default_branch", true, &r->default_branch, err);
    rc = rc ? rc : read_hex(object, "commit", cf_oid_is_valid, r->commit, err);
    rc = rc ? rc : read_hex(object, "tree", cf_oid_is_valid, r->tree, err);
    rc = rc ? rc : cf_json_get_object(object, "metadata", &metadata, err);
    rc = rc ? rc : read_metadata(metadata, &r->metadata, err);
    rc = rc ? rc : read_languages(object, r, err);
    rc = rc ? rc : read_hex(object, "content", is_sha256, r->content, err);
    if (!rc) {
        cf_repository_sort(r);
    }
    return rc ? rc : check_state(r, err);
}

static int read_batch(const json_t *root, struct cf_repos *out, struct cf_error *err)
{
    json_t *batch = NULL;
    if (!json_object_get(root, "batch")) {
        return 0;
    }
    int rc = cf_json_get_object(root, "batch", &batch, err);
    rc = rc ? rc : cf_json_get_u64(batch, "listing", &out->batch.listing, err);
    rc = rc ? rc : cf_json_get_u64(batch, "files", &out->batch.files, err);
    if (!rc && (!out->batch.listing || !out->batch.files)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"batch\" must hold numbers above 0");
    }
    return rc;
}

int cf_repos_read(const json_t *root, struct cf_repos *out, struct cf_error *err)
{
    const char *document;
    json_t *array = NULL;
    *out = (struct cf_repos){0};
    int rc = cf_json_get_string(root, "document", &document, err);
    if (!rc && strcmp(document, "repos") != 0) {
        rc = cf_error_set(err, CF_EDATA, "the field \"document\" must be \"repos\"");
    }
    rc = rc ? rc : cf_field_read_text(root, "login", false, &out->login, err);
    rc = rc ? rc : cf_field_read_text(root, "kind", false, &out->kind, err);
    rc = rc ? rc : read_batch(root, out, err);
    rc = rc ? rc : cf_json_get_array(root, "repositories", &array, err);
    out->items = cf_calloc(json_array_size(array), sizeof(*out->items));
    for (size_t i = 0; i < json_array_size(array) && !rc; i++) {
        struct cf_repository *r = &out->items[out->count++];
        rc = read_repository(json_array_get(array, i), r, err);
        if (rc) {
            (void)cf_error_prefix(err, "repository %zu (%.100s)", i, r->name ? r->name : "");
        }
    }
    if (rc) {
        cf_repos_release(out);
        (void)cf_error_prefix(err, "repos");
    }
    return rc;
}

static json_t *text_json(const char *s)
{
    return cf_json_string_or_null(s && *s ? s : NULL);
}

static json_t *write_topics(const struct cf_metadata *m)
{
    json_t *array = json_array();
    for (size_t i = 0; i < m->topic_count; i++) {
        (void)json_array_append_new(array, cf_json_string_or_null(m->topics[i]));
    }
    return array;
}

static json_t *write_languages(const struct cf_repository *r)
{
    json_t *object = json_object();
    for (size_t i = 0; i < r->language_count; i++) {
        (void)json_object_set_new(object, r->languages[i].name,
                                  json_integer((json_int_t)r->languages[i].bytes));
    }
    return object;
}

static json_t *write_metadata(const struct cf_metadata *m)
{
    json_t *out = cf_fields_write(&cf_metadata_fields, m);
    json_t *owner = json_object();
    (void)json_object_set_new(owner, "login", cf_json_string_or_null(m->owner_login));
    (void)json_object_set_new(owner, "url", cf_json_string_or_null(m->owner_url));
    (void)json_object_set_new(out, "owner", owner);
    (void)json_object_set_new(out, "topics", write_topics(m));
    (void)json_object_set_new(out, "license",
                              m->license.key ? cf_fields_write(&cf_license_fields, &m->license)
                                             : json_null());
    return out;
}

static json_t *write_repository(const struct cf_repository *r)
{
    json_t *out = json_object();
    (void)json_object_set_new(out, "id", json_integer((json_int_t)r->id));
    (void)json_object_set_new(out, "node_id", cf_json_string_or_null(r->node_id));
    (void)json_object_set_new(out, "name", cf_json_string_or_null(r->name));
    (void)json_object_set_new(out, "state", json_string(state_names[r->state]));
    (void)json_object_set_new(out, "reason", cf_json_string_or_null(r->reason));
    (void)json_object_set_new(out, "fingerprint", text_json(r->fingerprint));
    (void)json_object_set_new(out, "default_branch", cf_json_string_or_null(r->default_branch));
    (void)json_object_set_new(out, "commit", text_json(r->commit));
    (void)json_object_set_new(out, "tree", text_json(r->tree));
    (void)json_object_set_new(out, "metadata", write_metadata(&r->metadata));
    (void)json_object_set_new(out, "languages", write_languages(r));
    (void)json_object_set_new(out, "content", text_json(r->content));
    return out;
}

static void sort_repositories(struct cf_repos *repos)
{
    if (repos->count) {
        qsort(repos->items, repos->count, sizeof(*repos->items), compare_repositories);
    }
}

json_t *cf_repos_write_head(const struct cf_repos *repos)
{
    json_t *root = json_object();
    (void)json_object_set_new(root, "document", json_string("repos"));
    (void)json_object_set_new(root, "login", cf_json_string_or_null(repos->login));
    (void)json_object_set_new(root, "kind", cf_json_string_or_null(repos->kind));
    if (repos->batch.listing && repos->batch.files) {
        (void)json_object_set_new(root, "batch",
                                  json_pack("{s:I,s:I}", "listing",
                                            (json_int_t)repos->batch.listing, "files",
                                            (json_int_t)repos->batch.files));
    }
    return root;
}

json_t *cf_repos_write(struct cf_repos *repos)
{
    json_t *root = cf_repos_write_head(repos);
    json_t *array = json_array();
    sort_repositories(repos);
    for (size_t i = 0; i < repos->count; i++) {
        (void)json_array_append_new(array, write_repository(&repos->items[i]));
    }
    (void)json_object_set_new(root, "repositories", array);
    return root;
}

void cf_repos_write_items(struct cf_repos *repos, struct cf_buf *out)
{
    sort_repositories(repos);
    for (size_t i = 0; i < repos->count; i++) {
        json_t *item = write_repository(&repos->items[i]);
        cf_repository_release(&repos->items[i]);
        if (i) {
            cf_buf_putc(out, ',');
        }
        cf_json_dump(item, out);
        json_decref(item);
    }
}

void cf_repository_fingerprint(const struct cf_repository *r, char out[CF_SHA256_HEX])
{
    const struct cf_metadata *m = &r->metadata;
    json_t *parts = json_object();
    (void)json_object_set_new(parts, "commit", text_json(r->commit));
    (void)json_object_set_new(parts, "tree", text_json(r->tree));
    (void)json_object_set_new(parts, "name", cf_json_string_or_null(r->name));
    (void)json_object_set_new(parts, "default_branch", cf_json_string_or_null(r->default_branch));
    (void)json_object_set_new(parts, "description", cf_json_string_or_null(m->description));
    (void)json_object_set_new(parts, "homepage", cf_json_string_or_null(m->homepage));
    (void)json_object_set_new(parts, "topics", write_topics(m));
    (void)json_object_set_new(parts, "languages", write_languages(r));
    (void)json_object_set_new(parts, "fork", json_boolean(m->fork));
    (void)json_object_set_new(parts, "archived", json_boolean(m->archived));
    (void)json_object_set_new(parts, "visibility", cf_json_string_or_null(m->visibility));
    (void)json_object_set_new(parts, "license", cf_json_string_or_null(m->license.key));
    (void)json_object_set_new(parts, "language", cf_json_string_or_null(m->language));
    cf_json_sha256(parts, out);
    json_decref(parts);
}

static int compare_ids(const void *x, const void *y)
{
    const struct cf_repository *a = *(const struct cf_repository *const *)x;
    const struct cf_repository *b = *(const struct cf_repository *const *)y;
    return (a->id > b->id) - (a->id < b->id);
}

void cf_repos_request(const struct cf_repos *repos, char out[CF_SHA256_HEX])
{
    const struct cf_repository **by_id = cf_calloc(repos->count, sizeof(struct cf_repository *));
    for (size_t i = 0; i < repos->count; i++) {
        by_id[i] = &repos->items[i];
    }
    if (repos->count) {
        qsort(by_id, repos->count, sizeof(struct cf_repository *), compare_ids);
    }
    json_t *array = json_array();
    for (size_t i = 0; i < repos->count; i++) {
        json_t *entry = json_array();
        (void)json_array_append_new(entry, json_integer((json_int_t)by_id[i]->id));
        (void)json_array_append_new(entry, text_json(by_id[i]->fingerprint));
        (void)json_array_append_new(entry, json_string(state_names[by_id[i]->state]));
        (void)json_array_append_new(array, entry);
    }
    json_t *parts = json_object();
    (void)json_object_set_new(parts, "login", cf_json_string_or_null(repos->login));
    (void)json_object_set_new(parts, "repositories", array);
    cf_json_sha256(parts, out);
    json_decref(parts);
    free(by_id);
}
