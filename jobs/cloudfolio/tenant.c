/* tenant add, list, show, disable, set: the dataset config. */
#include <string.h>

#include "common/base/json.h"
#include "common/job/job.h"
#include "common/portfolio/config.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { ATTEMPTS = 5 };

struct change {
    const char *login;
    char tenant[CF_TENANT_MAX];
    bool enable;
    const char *action; /* "added", "enabled", "disabled", "unchanged" */
    uint64_t version;
};

/* Reads and, unless all is as wanted, commits. CF_ECONFLICT: somebody else did meanwhile. */
static int change_once(struct tool *tool, struct change *c, struct cf_error *err)
{
    struct cf_config config = {0};
    struct cf_marker parent = {0};
    struct cf_marker made;
    int rc = cf_config_read(tool->store, c->tenant, &config, &parent, err);
    bool exists = rc == 0;
    if (rc == CF_ENOTFOUND && c->enable) {
        rc = 0;
    }
    if (!rc && exists && config.enabled == c->enable) {
        c->action = "unchanged";
        c->version = parent.version;
    } else if (!rc) {
        config.enabled = c->enable;
        if (c->enable) {
            (void)snprintf(config.login, sizeof(config.login), "%s", c->login);
        }
        rc = cf_config_commit(tool->store, c->tenant, &config, exists ? &parent : NULL,
                              &tool->producer, &made, err);
        if (!rc) {
            c->action = !exists ? "added" : c->enable ? "enabled" : "disabled";
            c->version = made.version;
            cf_marker_release(&made);
        }
    }
    cf_marker_release(&parent);
    return rc;
}

static void report(struct tool *tool, const struct change *c)
{
    if (tool->json) {
        tool_json(tool, json_pack("{s:s,s:s,s:b,s:I}", "tenant", c->tenant, "action", c->action,
                                  "enabled", (int)c->enable, "version", (json_int_t)c->version));
    } else if (strcmp(c->action, "unchanged") == 0) {
        tool_print(tool, "%s is %s already (config version %llu)\n", c->tenant,
                   c->enable ? "enabled" : "disabled", (unsigned long long)c->version);
    } else {
        tool_print(tool, "%s %s (config version %llu)\n", c->tenant, c->action,
                   (unsigned long long)c->version);
    }
}

static int change(struct tool *tool, bool enable, struct cf_error *err)
{
    struct change c = {.login = tool->arguments[0], .enable = enable};
    int rc = tool_tenant(tool, 0, c.tenant, err);
    rc = rc ? rc : tool_open(tool, enable ? TOOL_CREATE : TOOL_EXISTING, err);
    if (rc) {
        return rc;
    }
    rc = CF_ECONFLICT;
    for (int i = 0; i < ATTEMPTS && rc == CF_ECONFLICT; i++) {
        rc = change_once(tool, &c, err);
    }
    if (!rc) {
        report(tool, &c);
    }
    return rc;
}

int tool_tenant_add(struct tool *tool, struct cf_error *err)
{
    return change(tool, true, err);
}

int tool_tenant_disable(struct tool *tool, struct cf_error *err)
{
    return change(tool, false, err);
}

/* CF_ENOTFOUND unless the store has the base model. */
static int check_base_model(struct tool *tool, const char *name, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_base_model model;
    json_t *root;
    cf_base_models_dataset(&dataset, tool->store);
    int rc = cf_base_models_newest(&dataset, &marker, &root, err);
    if (rc) {
        return rc;
    }
    rc = cf_base_model_read(root, name, &model, err);
    cf_base_model_release(&model);
    json_decref(root);
    cf_marker_release(&marker);
    return rc;
}

/* Reads and, unless the base model is set already, commits. base_model "" takes it away. */
static int set_once(struct tool *tool, const char *tenant, const char *base_model,
                    uint64_t *version, bool *changed, struct cf_error *err)
{
    struct cf_config config = {0};
    struct cf_marker parent = {0};
    struct cf_marker made = {0};
    int rc = cf_config_read(tool->store, tenant, &config, &parent, err);
    *version = parent.version;
    *changed = !rc && strcmp(config.base_model, base_model) != 0;
    if (*changed) {
        (void)snprintf(config.base_model, sizeof(config.base_model), "%s", base_model);
        rc = cf_config_commit(tool->store, tenant, &config, &parent, &tool->producer, &made, err);
    }
    if (*changed && !rc) {
        *version = made.version;
        cf_marker_release(&made);
    }
    cf_marker_release(&parent);
    return rc;
}

int tool_tenant_set(struct tool *tool, struct cf_error *err)
{
    char tenant[CF_TENANT_MAX];
    uint64_t version = 0;
    bool changed = false;
    if (!tool->base_model) {
        return cf_error_set(err, CF_EUSAGE, "--base-model NAME is needed, or --base-model none");
    }
    const char *name = strcmp(tool->base_model, "none") == 0 ? "" : tool->base_model;
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc || !*name ? rc : cf_base_model_check_name(name, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    rc = rc || !*name ? rc : check_base_model(tool, name, err);
    if (rc) {
        return rc;
    }
    rc = CF_ECONFLICT;
    for (int i = 0; i < ATTEMPTS && rc == CF_ECONFLICT; i++) {
        rc = set_once(tool, tenant, name, &version, &changed, err);
    }
    if (!rc && tool->json) {
        tool_json(tool, json_pack("{s:s,s:s,s:o,s:I}", "tenant", tenant, "action",
                                  changed ? "set" : "unchanged", "base_model",
                                  cf_json_string_or_null(*name ? name : NULL), "version",
                                  (json_int_t)version));
    } else if (!rc) {
        tool_print(tool, "%s has the base model %s%s (config version %llu)\n", tenant,
                   *name ? name : "none", changed ? "" : " already", (unsigned long long)version);
    }
    return rc;
}

/* {"tenant", "login", "enabled", "base_model", "version", "created_at"}; login and what follows are
 * null for a tenant that has data but no configuration. */
static int describe(struct tool *tool, const char *tenant, json_t **out, struct cf_error *err)
{
    struct cf_config config;
    struct cf_marker marker;
    int rc = cf_config_read(tool->store, tenant, &config, &marker, err);
    if (rc) {
        *out = json_pack("{s:s,s:n,s:n,s:n,s:n,s:n}", "tenant", tenant, "login", "enabled",
                         "base_model", "version", "created_at");
        return rc;
    }
    *out = json_pack("{s:s,s:s,s:b,s:o,s:I,s:s}", "tenant", tenant, "login", config.login,
                     "enabled", (int)config.enabled, "base_model",
                     cf_json_string_or_null(*config.base_model ? config.base_model : NULL),
                     "version", (json_int_t)marker.version, "created_at", marker.created_at);
    cf_marker_release(&marker);
    return 0;
}

int tool_tenant_list(struct tool *tool, struct cf_error *err)
{
    static const struct tool_column columns[] = {
        {"TENANT", "tenant", TOOL_TEXT},     {"LOGIN", "login", TOOL_TEXT},
        {"ENABLED", "enabled", TOOL_YES},    {"CONFIG", "version", TOOL_NUMBER},
        {"CHANGED", "created_at", TOOL_AGE}, {0},
    };
    struct cf_string_list tenants = {0};
    json_t *rows = json_array();
    int rc = tool_tenants(tool, &tenants, err);
    for (size_t i = 0; i < tenants.count && !rc; i++) {
        json_t *row;
        struct cf_error failure;
        if (describe(tool, tenants.items[i], &row, &failure)) {
            tool_failed(tool, "tenant_unreadable", &failure);
        }
        (void)json_array_append_new(rows, row);
    }
    if (!rc && tool->json) {
        tool_json(tool, json_pack("{s:O}", "tenants", rows));
    } else if (!rc && !tenants.count) {
        tool_print(tool, "no tenants yet; cloudfolio tenant add LOGIN makes one\n");
    } else if (!rc) {
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
    }
    json_decref(rows);
    cf_string_list_release(&tenants);
    return rc;
}

/* {"dataset", "version", "floor", "created_at", "job"} of each dataset that has a version. */
static json_t *datasets_of(struct tool *tool, const char *tenant)
{
    json_t *rows = json_array();
    for (size_t i = 0; tool_datasets[i]; i++) {
        struct cf_dataset dataset;
        struct cf_marker m;
        struct cf_error err;
        cf_dataset_init(&dataset, tool->store, tenant, tool_datasets[i]);
        int rc = cf_dataset_newest(&dataset, &m, &err);
        if (!rc) {
            (void)json_array_append_new(rows, json_pack("{s:s,s:I,s:I,s:s,s:s}", "dataset",
                                                        m.dataset, "version", (json_int_t)m.version,
                                                        "floor", (json_int_t)m.floor, "created_at",
                                                        m.created_at, "job", m.job));
            cf_marker_release(&m);
        } else if (rc != CF_ENOTFOUND) {
            tool_failed(tool, "dataset_unreadable", &err);
        }
    }
    return rows;
}

int tool_tenant_show(struct tool *tool, struct cf_error *err)
{
    static const struct tool_column columns[] = {
        {"DATASET", "dataset", TOOL_TEXT}, {"VERSION", "version", TOOL_NUMBER},
        {"FLOOR", "floor", TOOL_NUMBER},   {"AGE", "created_at", TOOL_AGE},
        {"JOB", "job", TOOL_TEXT},         {0},
    };
    char tenant[CF_TENANT_MAX];
    json_t *row = NULL;
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    rc = rc ? rc : describe(tool, tenant, &row, err);
    if (!rc) {
        json_t *datasets = datasets_of(tool, tenant);
        if (tool->json) {
            (void)json_object_set(row, "datasets", datasets);
            tool_json(tool, json_incref(row));
        } else {
            tool_print(tool, "%s (GitHub: ", tenant);
            tool_text(tool, json_string_value(json_object_get(row, "login")));
            tool_print(tool, ") is %s",
                       json_is_true(json_object_get(row, "enabled")) ? "enabled" : "disabled");
            const char *base_model = json_string_value(json_object_get(row, "base_model"));
            tool_print(tool, "%s%s\n\n", base_model ? ", base model " : "",
                       base_model ? base_model : "");
            tool_table(datasets, columns, tool->now_ms, tool->terminal, &tool->out);
        }
        json_decref(datasets);
    }
    json_decref(row);
    return rc;
}
