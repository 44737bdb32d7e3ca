/* lineage: from a version, by its pinned inputs, back to the commits on GitHub. */
#include <inttypes.h>
#include <string.h>

#include "common/base/json.h"
#include "common/portfolio/model.h"
#include "common/portfolio/repos.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"
#include "jobs/cloudfolio/versions.h"

enum { DEPTH_MAX = 8, PINS_MAX = CF_INPUTS_MAX + 1 };

struct walk {
    struct tool *tool;
    const char *tenant;
    json_t *seen; /* "repos 5" → true: each version is followed once */
};

static int follow(struct walk *walk, const struct cf_input *pin, int depth, json_t **out,
                  struct cf_error *err);

/* {"name", "state", "commit", "tree"} of each repository of a repos version. */
static int add_repositories(const json_t *root, json_t *node, struct cf_error *err)
{
    struct cf_repos repos;
    json_t *list = json_array();
    int rc = cf_repos_read(root, &repos, err);
    if (rc) {
        json_decref(list);
        return rc;
    }
    for (size_t i = 0; i < repos.count; i++) {
        const struct cf_repository *r = &repos.items[i];
        (void)json_array_append_new(
            list, json_pack("{s:o,s:o,s:s,s:o,s:o}", "name", cf_json_string_or_null(r->name), "url",
                            cf_json_string_or_null(r->metadata.html_url), "state",
                            cf_repository_state_name(r->state), "commit",
                            *r->commit ? json_string(r->commit) : json_null(), "tree",
                            *r->tree ? json_string(r->tree) : json_null()));
    }
    (void)json_object_set_new(node, "repositories", list);
    cf_repos_release(&repos);
    return 0;
}

/* The model in use may be of an earlier training than the version's own: its bundle is a pin too.
 */
static int add_current(const json_t *root, json_t *node, struct cf_input *pins, size_t *count,
                       struct cf_error *err)
{
    struct cf_model_document model;
    int rc = cf_model_document_read(root, &model, err);
    if (rc) {
        return rc;
    }
    if (model.has_current) {
        struct cf_input *pin = &pins[(*count)++];
        *pin = (struct cf_input){.dataset = "bundle", .version = model.current.bundle_version};
        memcpy(pin->sha256, model.current.bundle_sha256, sizeof(pin->sha256));
        (void)json_object_set_new(node, "in_use",
                                  json_pack("{s:s,s:{s:I,s:s}}", "request", model.current.request,
                                            "bundle", "version", (json_int_t)pin->version, "sha256",
                                            pin->sha256));
    }
    cf_model_document_release(&model);
    return 0;
}

static int add_details(struct walk *walk, const struct cf_marker *marker, json_t *node,
                       struct cf_input *pins, size_t *count, struct cf_error *err)
{
    struct cf_dataset dataset;
    json_t *root = NULL;
    bool is_repos = strcmp(marker->dataset, "repos") == 0;
    if (!is_repos && strcmp(marker->dataset, "model") != 0) {
        return 0;
    }
    cf_dataset_init(&dataset, walk->tool->store, walk->tenant, marker->dataset);
    int rc = cf_dataset_root(&dataset, marker, &root, err);
    if (!rc) {
        rc = is_repos ? add_repositories(root, node, err)
                      : add_current(root, node, pins, count, err);
    }
    json_decref(root);
    return rc;
}

static int expand(struct walk *walk, const struct cf_marker *marker, int depth, json_t *node,
                  struct cf_error *err)
{
    struct cf_input pins[PINS_MAX];
    size_t count = marker->input_count;
    json_t *from = json_array();
    memcpy(pins, marker->inputs, sizeof(marker->inputs));
    (void)json_object_set_new(node, "from", from);
    int rc = add_details(walk, marker, node, pins, &count, err);
    for (size_t i = 0; i < count && !rc; i++) {
        json_t *child = NULL;
        rc = follow(walk, &pins[i], depth + 1, &child, err);
        if (child) {
            (void)json_array_append_new(from, child);
        }
    }
    return rc;
}

static json_t *lost_node(const struct cf_input *pin, const char *state)
{
    return json_pack("{s:o,s:I,s:s,s:s,s:[]}", "dataset", cf_json_string_or_null(pin->dataset),
                     "version", (json_int_t)pin->version, "sha256", pin->sha256, "state", state,
                     "from");
}

/* *out stays NULL for a version that was followed already. A version that is gone, or isn't the one
 * that was pinned, ends its branch. */
static int follow(struct walk *walk, const struct cf_input *pin, int depth, json_t **out,
                  struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    struct cf_error failure;
    char name[64];
    (void)snprintf(name, sizeof(name), "%s %" PRIu64, pin->dataset, pin->version);
    bool shared = strcmp(pin->dataset, "base-models") == 0;
    if (depth > DEPTH_MAX || json_object_get(walk->seen, name) ||
        (!shared && !cf_dataset_is_known(pin->dataset))) {
        return 0;
    }
    (void)json_object_set_new(walk->seen, name, json_true());
    cf_dataset_init(&dataset, walk->tool->store, shared ? NULL : walk->tenant, pin->dataset);
    int rc = cf_dataset_at(&dataset, pin->version, &marker, &failure);
    if (rc == CF_ENOTFOUND) {
        *out = lost_node(pin, "collected");
        return 0;
    }
    if (rc) {
        tool_failed(walk->tool, "version_unreadable", &failure);
        *out = lost_node(pin, "unreadable");
        return 0;
    }
    if (strcmp(marker.sha256, pin->sha256) != 0) {
        (void)cf_error_set(&failure, CF_EDATA, "%s is not the version that was pinned", name);
        tool_failed(walk->tool, "version_altered", &failure);
        *out = lost_node(pin, "altered");
    } else {
        *out = tool_version_json(&marker);
        (void)json_object_set_new(*out, "state", json_string("ok"));
        rc = expand(walk, &marker, depth, *out, err);
    }
    cf_marker_release(&marker);
    return rc;
}

static void print_line(struct tool *tool, const struct cf_buf *indent, bool last)
{
    tool_print(tool, "%s%s", cf_buf_str(indent), last ? "└─ " : "├─ ");
}

static void print_field(struct tool *tool, const char *before, const json_t *node,
                        const char *field, enum tool_format format)
{
    tool_print(tool, "%s", before);
    tool_cell(tool_field(node, field), format, tool->now_ms, &tool->out);
}

static void print_version(struct tool *tool, const json_t *node)
{
    const char *state = json_string_value(json_object_get(node, "state"));
    char title[64];
    (void)snprintf(title, sizeof(title), "%s %" JSON_INTEGER_FORMAT,
                   json_string_value(json_object_get(node, "dataset")),
                   json_integer_value(json_object_get(node, "version")));
    tool_bold(tool, title);
    print_field(tool, "  ", node, "sha256", TOOL_HASH);
    if (state && strcmp(state, "ok") != 0) {
        tool_print(tool, "  (%s)\n", state);
        return;
    }
    print_field(tool, "  ", node, "created_at", TOOL_TIME);
    print_field(tool, " UTC  ", node, "producer.job", TOOL_TEXT);
    print_field(tool, ", build ", node, "producer.build", TOOL_TEXT);
    print_field(tool, ", run ", node, "producer.run", TOOL_TEXT);
    const json_t *in_use = tool_field(node, "in_use.request");
    if (in_use && !json_equal((json_t *)in_use, json_object_get(node, "request"))) {
        print_field(tool, "; in use is an earlier one, of bundle ", node, "in_use.bundle.version",
                    TOOL_NUMBER);
    }
    tool_print(tool, "\n");
}

static void print_repository(struct tool *tool, const json_t *repository)
{
    print_field(tool, "", repository, "name", TOOL_TEXT);
    print_field(tool, "  commit ", repository, "commit", TOOL_HASH);
    print_field(tool, ", tree ", repository, "tree", TOOL_HASH);
    const char *state = json_string_value(json_object_get(repository, "state"));
    tool_print(tool, "%s%s\n", strcmp(state, "current") != 0 ? ", " : "",
               strcmp(state, "current") != 0 ? state : "");
}

static void print_below(struct tool *tool, const json_t *node, struct cf_buf *indent)
{
    const json_t *from = json_object_get(node, "from");
    const json_t *repositories = json_object_get(node, "repositories");
    size_t versions = json_array_size(from);
    size_t count = versions + json_array_size(repositories);
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        print_line(tool, indent, last);
        if (i >= versions) {
            print_repository(tool, json_array_get(repositories, i - versions));
            continue;
        }
        size_t before = indent->length;
        print_version(tool, json_array_get(from, i));
        cf_buf_puts(indent, last ? "   " : "│  ");
        print_below(tool, json_array_get(from, i), indent);
        indent->length = before;
        indent->data[before] = '\0';
    }
}

static int start(struct tool *tool, const char *tenant, const char *name, struct cf_input *pin,
                 struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    cf_dataset_init(&dataset, tool->store, tenant, name);
    int rc = cf_dataset_newest(&dataset, &marker, err);
    if (!rc) {
        *pin = (struct cf_input){.version = marker.version};
        memcpy(pin->dataset, marker.dataset, sizeof(pin->dataset));
        memcpy(pin->sha256, marker.sha256, sizeof(pin->sha256));
        cf_marker_release(&marker);
    }
    return rc;
}

int tool_lineage(struct tool *tool, struct cf_error *err)
{
    char tenant[CF_TENANT_MAX];
    struct cf_input pin;
    struct cf_buf indent = CF_BUF_INIT;
    const char *name = tool->count > 1 ? tool->arguments[1] : "model";
    json_t *tree = NULL;
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_check_dataset(name, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    rc = rc ? rc : start(tool, tenant, name, &pin, err);
    if (rc) {
        return rc;
    }
    struct walk walk = {.tool = tool, .tenant = tenant, .seen = json_object()};
    rc = follow(&walk, &pin, 0, &tree, err);
    if (!rc && tool->json) {
        tool_json(tool, json_pack("{s:s,s:O}", "tenant", tenant, "version", tree));
    } else if (!rc) {
        print_version(tool, tree);
        print_below(tool, tree, &indent);
    }
    cf_buf_release(&indent);
    json_decref(tree);
    json_decref(walk.seen);
    return rc;
}
