#include "tests/unit/sync_run_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/task.h"

struct sync_github_settings world_settings;
bool world_force;
volatile int world_stop;

static struct cf_store *store;
static struct fixture_session seen; /* its server only */

void world_setup(void)
{
    struct cf_error err;
    fixture_quiet();
    ck_assert_int_eq(cf_store_open("memory:", &store, &err), 0);
    ck_assert_int_eq(setenv("GITHUB_TOKEN", FIXTURE_TOKEN, 1), 0);
    world_settings = (struct sync_github_settings){
        .backoff_ms = 5, .total_ms = 5000, .time_limit_ms = 3000, .stop = &world_stop};
    world_force = false;
    seen = (struct fixture_session){0};
}

static void end_server(void)
{
    if (seen.server) {
        net_server_free(seen.server);
        seen.server = NULL;
    }
}

void world_teardown(void)
{
    end_server();
    cf_store_free(store);
    fixture_texts_free();
}

const struct fixture_session *world_seen(void)
{
    return &seen;
}

static void run(struct world_outcome *out)
{
    struct sync_github *github = NULL;
    struct sync_github_settings settings = world_settings;
    settings.api_url = net_server_url(seen.server);
    struct cf_run job = {.store = store,
                         .tenant = "octocat",
                         .config = {.login = "octocat", .enabled = true},
                         .config_version = 1,
                         .config_sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                         .producer = {"sync", "build", "run"},
                         .force = world_force,
                         .stop = &world_stop};
    *out = (struct world_outcome){0};
    ck_assert_int_eq(sync_github_new(&settings, &github, &out->err), 0);
    out->rc = sync_run(&job, github, &out->err);
    sync_github_free(github);
    out->record = job.record;
    out->requests = net_server_requests(seen.server);
}

void world_run(const struct net_step *script, size_t count, bool ordered, struct world_outcome *out)
{
    end_server();
    seen.server = ordered ? net_server_new(script, count) : net_server_new_unordered(script, count);
    world_stop = 0;
    run(out);
}

/* --- a signal -----------------------------------------------------------------------------------
 */

struct until {
    const char *path;
    size_t seen;
    struct world_outcome *out;
};

static void run_or_stop(void *context, size_t index)
{
    const struct until *until = context;
    if (index == 0) {
        run(until->out);
        world_stop = 1;
        return;
    }
    while (!world_stop) {
        cf_task_sleep(10, NULL);
        world_stop = world_stop || fixture_count(&seen, until->path) >= until->seen;
    }
}

void world_run_until(const struct net_step *script, size_t count, const char *path, size_t number,
                     struct world_outcome *out)
{
    struct until until = {.path = path, .seen = number, .out = out};
    const struct cf_task_set set = {
        .count = 2, .at_once = 2, .run = run_or_stop, .context = &until};
    end_server();
    seen.server = net_server_new_unordered(script, count);
    world_stop = 0;
    cf_tasks_run(&set);
}

/* --- what was committed -------------------------------------------------------------------------
 */

static bool open_newest(struct cf_dataset *dataset, struct cf_marker *marker)
{
    struct cf_error err;
    cf_dataset_init(dataset, store, "octocat", "repos");
    int rc = cf_dataset_newest(dataset, marker, &err);
    ck_assert(rc == 0 || rc == CF_ENOTFOUND);
    return rc == 0;
}

uint64_t world_version(void)
{
    struct cf_dataset dataset;
    struct cf_marker marker;
    uint64_t version = 0;
    if (open_newest(&dataset, &marker)) {
        version = marker.version;
        cf_marker_release(&marker);
    }
    return version;
}

static json_t *read_root(struct cf_dataset *dataset, uint64_t *version)
{
    struct cf_marker marker;
    struct cf_error err;
    json_t *root = NULL;
    ck_assert(open_newest(dataset, &marker));
    ck_assert_int_eq(cf_dataset_root(dataset, &marker, &root, &err), 0);
    *version = marker.version;
    cf_marker_release(&marker);
    return root;
}

uint64_t world_repos(struct cf_repos *repos)
{
    struct cf_dataset dataset;
    struct cf_error err;
    uint64_t version;
    json_t *root = read_root(&dataset, &version);
    ck_assert_msg(cf_repos_read(root, repos, &err) == 0, "%s", err.message);
    json_decref(root);
    return version;
}

void world_content(size_t index, struct cf_content *content)
{
    struct cf_dataset dataset;
    struct cf_blob_set blobs;
    struct cf_repos repos;
    struct cf_error err;
    struct cf_buf bytes = CF_BUF_INIT;
    uint64_t version;
    json_t *document = NULL;
    json_t *root = read_root(&dataset, &version);
    ck_assert_int_eq(cf_repos_read(root, &repos, &err), 0);
    ck_assert_int_eq(cf_blob_set_read(root, &blobs, &err), 0);
    const struct cf_blob_ref *ref = cf_blob_set_find(&blobs, repos.items[index].content);
    ck_assert_ptr_nonnull(ref);
    ck_assert_int_eq(cf_dataset_blob(&dataset, ref, &bytes, &err), 0);
    ck_assert_int_eq(cf_json_parse(bytes.data, bytes.length, "content", &document, &err), 0);
    ck_assert_msg(cf_content_read(document, content, &err) == 0, "%s", err.message);
    json_decref(document);
    json_decref(root);
    cf_buf_release(&bytes);
    cf_blob_set_release(&blobs);
    cf_repos_release(&repos);
}

/* --- bodies -------------------------------------------------------------------------------------
 */

const char *world_listing(unsigned id, const char *name, char tree)
{
    return fixture_body_of(
        fixture_page(fixture_node(id, name, fixture_oid('c'), fixture_oid(tree)), NULL));
}

const char *world_tree(char tree)
{
    return fixture_tree(tree, false, FIXTURE_BLOB("README.md", WORLD_HELLO, "5"));
}

const char *world_files(size_t count)
{
    json_t *data = fixture("{'rateLimit': {'cost': 1, 'remaining': 4998}}");
    for (size_t i = 0; i < count; i++) {
        char alias[24];
        (void)snprintf(alias, sizeof(alias), "r%zu", i);
        (void)json_object_set_new(data, alias,
                                  fixture("{'d0': {'oid': '" WORLD_HELLO "', 'byteSize': 5, 'text':"
                                          " 'hello', 'isBinary': false, 'isTruncated': false}}"));
    }
    return fixture_body_of(json_pack("{s:o}", "data", data));
}
