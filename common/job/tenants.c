#include "common/job/tenants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"

static int parse_shard(struct cf_selection *s, const char *text, const char *name,
                       struct cf_error *err)
{
    const char *slash = strchr(text, '/');
    if (!slash || strspn(text, "0123456789") != (size_t)(slash - text) || slash == text ||
        strspn(slash + 1, "0123456789") != strlen(slash + 1) || strlen(text) > 11) {
        slash = NULL;
    } else {
        s->shard_index = strtoull(text, NULL, 10);
        s->shard_count = strtoull(slash + 1, NULL, 10);
    }
    if (!slash || s->shard_count < 1 || s->shard_count > 10000 ||
        s->shard_index >= s->shard_count) {
        return cf_error_set(err, CF_EUSAGE,
                            "%s: \"%.40s\" is not I/N with I from 0 to N-1 and N at most 10000",
                            name, text);
    }
    return 0;
}

/* AWS Batch numbers the children of an array job. */
static int shard_of_environment(struct cf_selection *s, struct cf_error *err)
{
    const char *index = getenv("AWS_BATCH_JOB_ARRAY_INDEX");
    const char *size = getenv("AWS_BATCH_JOB_ARRAY_SIZE");
    char text[64];
    if (!index || !*index || !size || !*size) {
        return 0;
    }
    (void)snprintf(text, sizeof(text), "%s/%s", index, size);
    return parse_shard(s, text, "AWS_BATCH_JOB_ARRAY_INDEX/AWS_BATCH_JOB_ARRAY_SIZE", err);
}

static int wrong_event(struct cf_error *err, const char *key, const char *why)
{
    return cf_error_set(err, CF_EDATA, "--event: \"%.200s\" %s", key, why);
}

/* Copies what comes before the next slash and moves behind it. False when there is none, or no
 * room. */
static bool take_segment(const char **rest, char *out, size_t size)
{
    size_t length = strcspn(*rest, "/");
    if ((*rest)[length] != '/' || length >= size) {
        return false;
    }
    memcpy(out, *rest, length);
    out[length] = '\0';
    *rest += length + 1;
    return true;
}

/* tenants/<tenant>/<dataset>/v/<name>, of a dataset that the job serves. */
static int parse_event(struct cf_selection *s, const char *const *datasets, struct cf_error *err)
{
    char tenant[CF_TENANT_MAX];
    char dataset[CF_DATASET_MAX];
    char lower[CF_TENANT_MAX];
    struct cf_dataset d;
    const char *rest = s->event;
    if (!take_segment(&rest, dataset, sizeof(dataset)) || strcmp(dataset, "tenants") != 0 ||
        !take_segment(&rest, tenant, sizeof(tenant)) ||
        !take_segment(&rest, dataset, sizeof(dataset))) {
        return wrong_event(err, s->event, "is not the key of a version's marker");
    }
    if (cf_tenant_normalise(tenant, lower, err) || strcmp(tenant, lower) != 0) {
        return wrong_event(err, s->event, "names no tenant");
    }
    size_t i = 0;
    while (datasets && datasets[i] && strcmp(datasets[i], dataset) != 0) {
        i++;
    }
    if (!datasets || !datasets[i]) {
        return wrong_event(err, s->event, "is of a dataset that does not start this job");
    }
    cf_dataset_init(&d, NULL, tenant, dataset);
    s->event_version = cf_dataset_key_version(&d, s->event);
    if (!s->event_version) {
        return wrong_event(err, s->event, "does not end in a marker's name");
    }
    (void)snprintf(s->event_dataset, sizeof(s->event_dataset), "%s", datasets[i]);
    cf_string_list_add(&s->tenants, tenant, strlen(tenant));
    return 0;
}

static int add_tenant(void *context, const struct cf_listed *listed)
{
    char lower[CF_TENANT_MAX];
    const char *name = listed->key + strlen("tenants/");
    size_t length = strlen(name);
    if (listed->group && length && length <= CF_TENANT_MAX) {
        char tenant[CF_TENANT_MAX + 1];
        (void)snprintf(tenant, sizeof(tenant), "%.*s", (int)length - 1, name);
        if (cf_tenant_normalise(tenant, lower, NULL) == 0 && strcmp(tenant, lower) == 0) {
            cf_string_list_add(context, tenant, length - 1);
        }
    }
    return 0;
}

int cf_job_tenants(struct cf_store *store, struct cf_string_list *out, struct cf_error *err)
{
    return cf_store_walk(store, "tenants/", NULL, true, add_tenant, out, err);
}

int cf_selection_check(struct cf_selection *s, const char *const *event_datasets,
                       struct cf_error *err)
{
    int ways = (s->tenants.count > 0) + s->all + (s->event != NULL);
    if (ways != 1) {
        return cf_error_set(err, CF_EUSAGE,
                            "exactly one of --tenant NAME, --all and --event KEY is needed");
    }
    if (s->shard && !s->all) {
        return cf_error_set(err, CF_EUSAGE, "--shard goes with --all");
    }
    for (size_t i = 0; i < s->tenants.count; i++) {
        char lower[CF_TENANT_MAX];
        int rc = cf_tenant_normalise(s->tenants.items[i], lower, err);
        if (rc) {
            return rc;
        }
        memcpy(s->tenants.items[i], lower, strlen(lower) + 1);
    }
    if (s->event) {
        return parse_event(s, event_datasets, err);
    }
    if (s->all) {
        return s->shard ? parse_shard(s, s->shard, "--shard", err) : shard_of_environment(s, err);
    }
    return 0;
}

int cf_selection_resolve(struct cf_selection *s, struct cf_store *store, struct cf_error *err)
{
    struct cf_string_list all = {0};
    if (!s->all) {
        return 0;
    }
    int rc = cf_job_tenants(store, &all, err);
    for (size_t i = 0; i < all.count && !rc; i++) {
        /* By the name's hash, so that a new tenant doesn't move the others to another shard. */
        char hash[CF_SHA256_HEX];
        cf_sha256_hex(all.items[i], strlen(all.items[i]), hash);
        hash[15] = '\0';
        if (!s->shard_count || strtoull(hash, NULL, 16) % s->shard_count == s->shard_index) {
            cf_string_list_add(&s->tenants, all.items[i], strlen(all.items[i]));
        }
    }
    cf_string_list_release(&all);
    return rc;
}
