#include "jobs/sync/rest_node.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "jobs/sync/node_fields.h"

enum { MOST_LANGUAGES = 2000, TOPICS = 20 };

int sync_rest_read_owner(const json_t *user, const char *asked, char **login, char **kind,
                         struct cf_error *err)
{
    return sync_field_account(user, "type", asked, login, kind, err);
}

/* A list of what an account owns names no other owner. */
static int check_owner(const json_t *node, const char *owner, struct cf_error *err)
{
    json_t *object = NULL;
    const char *login = NULL;
    int rc = cf_json_get_object(node, "owner", &object, err);
    rc = rc ? rc : cf_json_get_string(object, "login", &login, err);
    if (!rc && strcasecmp(login, owner) != 0) {
        rc = cf_error_set(err, CF_EDATA, "the field \"owner\" names another account");
    }
    return rc;
}

static int read_texts(const json_t *node, struct cf_repository *r, struct cf_error *err)
{
    struct cf_metadata *m = &r->metadata;
    const struct sync_text_field texts[] = {
        {"node_id", SYNC_MOST_NAME, false, &r->node_id},
        {"default_branch", SYNC_MOST_BRANCH, false, &r->default_branch},
        {"html_url", SYNC_MOST_URL, false, &m->html_url},
        {"description", SYNC_MOST_TEXT, true, &m->description},
        {"homepage", SYNC_MOST_URL, true, &m->homepage},
        {"language", SYNC_MOST_NAME, true, &m->language},
        {"created_at", SYNC_MOST_NAME, false, &m->created_at},
        {"updated_at", SYNC_MOST_NAME, false, &m->updated_at},
        {"pushed_at", SYNC_MOST_NAME, true, &m->pushed_at}};
    return sync_field_texts(node, texts, sizeof(texts) / sizeof(texts[0]), err);
}

static int read_flags_and_counts(const json_t *node, struct cf_metadata *m, struct cf_error *err)
{
    const struct sync_flag_field flags[] = {{"fork", &m->fork}, {"archived", &m->archived}};
    const struct {
        struct sync_flag_field field;
        bool otherwise;
    } optional[] = {{{"disabled", &m->disabled}, false},
                    {{"is_template", &m->is_template}, false},
                    {{"allow_forking", &m->allow_forking}, true}};
    int rc = sync_field_flags(node, flags, sizeof(flags) / sizeof(flags[0]), err);
    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]) && !rc; i++) {
        const struct sync_flag_field *flag = &optional[i].field;
        *flag->out = optional[i].otherwise;
        if (json_object_get(node, flag->field)) {
            rc = sync_field_flags(node, flag, 1, err);
        }
    }
    rc = rc ? rc : cf_json_get_u64(node, "stargazers_count", &m->stars, err);
    rc = rc ? rc : cf_json_get_u64(node, "forks_count", &m->forks, err);
    return rc ? rc : cf_json_get_u64(node, "size", &m->size, err);
}

static int read_topics(const json_t *node, struct cf_metadata *m, struct cf_error *err)
{
    json_t *topics = NULL;
    int rc = cf_json_get_array(node, "topics", &topics, err);
    if (!rc && json_array_size(topics) > SYNC_MOST_ITEMS) {
        rc = sync_field_too_long("topics", err);
    }
    if (rc) {
        return rc;
    }
    m->topics = cf_calloc(TOPICS, sizeof(*m->topics));
    for (size_t i = 0; i < json_array_size(topics) && i < TOPICS && !rc; i++) {
        rc = sync_value_text(json_array_get(topics, i), "topics", SYNC_MOST_NAME, &m->topics[i],
                             err);
        m->topic_count += !rc;
    }
    return rc;
}

int sync_rest_read_node(const json_t *node, const char *owner, const char *api_url,
                        struct cf_repository *out, struct cf_error *err)
{
    static const struct sync_license_fields license = {"license", "spdx_id", "node_id"};
    struct cf_metadata *m = &out->metadata;
    bool hidden = false;
    *out = (struct cf_repository){0};
    int rc = sync_field_identity(node, "id", out, err);
    rc = rc ? rc : cf_json_get_bool(node, "private", &hidden, err);
    if (!rc && hidden) {
        rc = cf_error_set(err, CF_EDENIED, "it isn't public");
    }
    rc = rc ? rc : check_owner(node, owner, err);
    rc = rc ? rc : read_texts(node, out, err);
    rc = rc ? rc : read_flags_and_counts(node, m, err);
    rc = rc ? rc : sync_field_license(node, &license, api_url, &m->license, err);
    rc = rc ? rc : read_topics(node, m, err);
    if (!rc) {
        sync_node_addresses(out, owner, api_url);
    }
    return rc;
}

int sync_rest_read_branch(const json_t *answer, struct cf_repository *r, struct cf_error *err)
{
    char *name = NULL;
    json_t *outer = NULL;
    json_t *inner = NULL;
    json_t *tree = NULL;
    char commit_oid[CF_OID_HEX];
    char tree_oid[CF_OID_HEX];
    int rc = sync_field_text(answer, "name", SYNC_MOST_BRANCH, false, &name, err);
    if (!rc && (!r->default_branch || strcmp(name, r->default_branch) != 0)) {
        rc = cf_error_set(err, CF_EDATA, "GitHub answered with another branch");
    }
    free(name);
    rc = rc ? rc : cf_json_get_object(answer, "commit", &outer, err);
    rc = rc ? rc : sync_field_oid(outer, "sha", commit_oid, err);
    rc = rc ? rc : cf_json_get_object(outer, "commit", &inner, err);
    rc = rc ? rc : cf_json_get_object(inner, "tree", &tree, err);
    rc = rc ? rc : sync_field_oid(tree, "sha", tree_oid, err);
    if (!rc) {
        memcpy(r->commit, commit_oid, sizeof(r->commit));
        memcpy(r->tree, tree_oid, sizeof(r->tree));
    }
    return rc;
}

static void release_languages(struct cf_repository *r)
{
    for (size_t i = 0; i < r->language_count; i++) {
        free(r->languages[i].name);
    }
    free(r->languages);
    r->languages = NULL;
    r->language_count = 0;
}

struct named_size {
    const char *name; /* borrowed */
    uint64_t bytes;
};

static int compare_sizes(const void *x, const void *y)
{
    const struct named_size *a = x;
    const struct named_size *b = y;
    int order = (a->bytes < b->bytes) - (a->bytes > b->bytes);
    return order ? order : strcmp(b->name, a->name);
}

/* All of them, before the cut. */
static int read_sizes(const json_t *answer, struct named_size *sizes, struct cf_error *err)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    json_object_foreach((json_t *)answer, name, value)
    {
        if (strlen(name) > SYNC_MOST_NAME) {
            return cf_error_set(err, CF_EDATA, "the name of a language is too long");
        }
        int rc = cf_json_get_u64(answer, name, &sizes[count].bytes, err);
        if (rc) {
            return rc;
        }
        sizes[count++].name = name;
    }
    return 0;
}

int sync_rest_read_languages(const json_t *answer, struct cf_repository *r, struct cf_error *err)
{
    size_t count = json_object_size(answer);
    if (!json_is_object(answer)) {
        return cf_error_set(err, CF_EDATA, "the languages must be an object");
    }
    if (count > MOST_LANGUAGES) {
        return cf_error_set(err, CF_EDATA, "there are too many languages");
    }
    struct named_size *sizes = cf_calloc(count + 1, sizeof(*sizes));
    int rc = read_sizes(answer, sizes, err);
    if (!rc) {
        qsort(sizes, count, sizeof(*sizes), compare_sizes);
        count = count < SYNC_LANGUAGES ? count : SYNC_LANGUAGES;
        release_languages(r);
        r->languages = cf_calloc(count, sizeof(*r->languages));
        for (; r->language_count < count; r->language_count++) {
            const struct named_size *from = &sizes[r->language_count];
            r->languages[r->language_count] =
                (struct cf_language){.name = cf_strdup(from->name), .bytes = from->bytes};
        }
    }
    free(sizes);
    return rc;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Reads so many digits and the character behind them. */
static bool take_number(const char **s, size_t digits, const char *behind, int *out)
{
    *out = 0;
    for (; digits; digits--, (*s)++) {
        if (**s < '0' || **s > '9') {
            return false;
        }
        *out = 10 * *out + (**s - '0');
    }
    return **s && strchr(behind, *(*s)++);
}

/* Seconds since 1970 of "2026-01-31T23:59:59Z", with or without fractions; -1 for anything else. */
static int64_t seconds_of(const char *iso)
{
    struct tm tm = {0};
    if (!take_number(&iso, 4, "-", &tm.tm_year) || !take_number(&iso, 2, "-", &tm.tm_mon) ||
        !take_number(&iso, 2, "T", &tm.tm_mday) || !take_number(&iso, 2, ":", &tm.tm_hour) ||
        !take_number(&iso, 2, ":", &tm.tm_min) || !take_number(&iso, 2, ".Z", &tm.tm_sec)) {
        return -1;
    }
    if (iso[-1] == '.') {
        iso += strspn(iso, "0123456789");
        iso += *iso == 'Z';
    }
    if (iso[-1] != 'Z' || *iso) {
        return -1;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm);
}

/* Whether so much time had passed since the last push that GitHub had done what follows from it. */
static bool is_settled(const char *pushed_at, const char *read_at)
{
    if (!read_at || !pushed_at) {
        return true;
    }
    int64_t pushed = seconds_of(pushed_at);
    int64_t read = seconds_of(read_at);
    return pushed >= 0 && read >= 0 && read - pushed > SYNC_REST_SETTLED;
}

bool sync_rest_same(const struct cf_repository *listed, const struct cf_repository *last,
                    const char *read_at)
{
    if (!last || listed->id != last->id ||
        (last->state != CF_REPOSITORY_CURRENT && last->state != CF_REPOSITORY_EMPTY)) {
        return false;
    }
    const struct cf_metadata *a = &listed->metadata;
    const struct cf_metadata *b = &last->metadata;
    return same_text(a->pushed_at, b->pushed_at) && same_text(a->updated_at, b->updated_at) &&
           same_text(listed->name, last->name) &&
           (last->state == CF_REPOSITORY_EMPTY ||
            same_text(listed->default_branch, last->default_branch)) &&
           is_settled(a->pushed_at, read_at);
}

void sync_rest_reuse(const struct cf_repository *last, struct cf_repository *r)
{
    memcpy(r->commit, last->commit, sizeof(r->commit));
    memcpy(r->tree, last->tree, sizeof(r->tree));
    release_languages(r);
    r->languages = cf_calloc(last->language_count, sizeof(*r->languages));
    for (; r->language_count < last->language_count; r->language_count++) {
        const struct cf_language *from = &last->languages[r->language_count];
        r->languages[r->language_count] =
            (struct cf_language){.name = cf_strdup(from->name), .bytes = from->bytes};
    }
}

void sync_rest_finish(struct cf_repository *r)
{
    if (!*r->tree) {
        free(r->default_branch);
        r->default_branch = NULL;
    }
    if (!r->metadata.language) {
        const struct cf_language *largest = NULL;
        for (size_t i = 0; i < r->language_count; i++) {
            const struct cf_language *l = &r->languages[i];
            bool larger = !largest || l->bytes > largest->bytes ||
                          (l->bytes == largest->bytes && strcmp(l->name, largest->name) < 0);
            largest = larger ? l : largest;
        }
        r->metadata.language = largest ? cf_strdup(largest->name) : NULL;
    }
    sync_node_finish(r);
}
