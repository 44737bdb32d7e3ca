/* doctor: is everything in place? */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/contract/root.h"
#include "jobs/cloudfolio/programs.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

static const int64_t YEAR_2024_MS = INT64_C(1704067200000);
static const uint64_t SPACE_NEEDED = UINT64_C(256) * 1000 * 1000;

struct doctor {
    struct tool *tool;
    json_t *rows;
};

/* One line. rc 0: fine, and detail says what was found; else what to do about err. */
static void add(struct doctor *d, const char *check, int rc, const char *detail, const char *advice)
{
    d->tool->status = cf_exit_worst(d->tool->status, cf_exit_status(rc));
    (void)json_array_append_new(
        d->rows, json_pack("{s:s,s:b,s:i,s:o,s:o}", "check", check, "ok", rc == 0, "exit_status",
                           cf_exit_status(rc), "detail", cf_json_string_or_null(detail), "advice",
                           rc ? cf_json_string_or_null(advice) : json_null()));
}

static void check_contract(struct doctor *d, struct cf_store *store)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err;
    int rc = cf_store_get(store, "cloudfolio.json", &text, &err);
    cf_buf_release(&text);
    bool fresh = rc == CF_ENOTFOUND;
    add(d, "store is reachable", fresh ? 0 : rc, rc && !fresh ? err.message : cf_store_url(store),
        "check the address, the network and the permissions");
    if (rc && !fresh) {
        return;
    }
    if (fresh) {
        add(d, "contract", 0, "the place is empty; cloudfolio tenant add LOGIN makes a store of it",
            NULL);
    } else {
        rc = cf_root_check(store, &err);
        add(d, "contract", rc, rc ? err.message : "version 1",
            "use the programs that belong to this store, or another store");
    }
    rc = cf_root_probe(store, &err);
    add(d, "conditional create", rc,
        rc ? err.message : "of 8 writers racing for a key, one won; a second was refused",
        "use a store with atomic conditional create, and check the permission to write");
}

/* The nearest folder above the store's that exists: there the space is. */
static int free_space(const char *path, uint64_t *out)
{
    char *folder = cf_strdup(path);
    struct statvfs fs;
    int rc = statvfs(folder, &fs);
    while (rc != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder) {
            rc = statvfs("/", &fs);
            break;
        }
        *slash = '\0';
        rc = statvfs(folder, &fs);
    }
    *out = rc == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
    free(folder);
    return rc;
}

static void check_space(struct doctor *d, const char *url)
{
    uint64_t available = 0;
    struct cf_error err;
    struct cf_buf text = CF_BUF_INIT;
    if (strncmp(url, "file:", 5) != 0) {
        return;
    }
    int rc = free_space(url + 5, &available) ? cf_error_errno(&err, errno, "statvfs", url) : 0;
    if (!rc) {
        tool_bytes(available, &text);
        rc = available < SPACE_NEEDED ? CF_ERETRY : 0;
    }
    add(d, "free space", rc, text.length ? cf_buf_str(&text) : err.message,
        "256 MB should be free; gc deletes what no version needs");
    cf_buf_release(&text);
}

static void check_store(struct doctor *d)
{
    const char *url = d->tool->store_url;
    struct cf_error err;
    struct cf_store *store = NULL;
    if (!url || !*url) {
        add(d, "store", CF_EUSAGE, "none is named", "give --store URL, or set CLOUDFOLIO_STORE");
        return;
    }
    int rc = cf_store_open(url, &store, &err);
    add(d, "store", rc, rc ? err.message : cf_store_url(store),
        "name a store such as file:/var/lib/cloudfolio");
    if (!rc) {
        check_contract(d, store);
        check_space(d, cf_store_url(store));
    }
    cf_store_free(store);
}

static void check_clock(struct doctor *d)
{
    char now[64];
    time_t seconds = (time_t)(d->tool->now_ms / 1000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(now, sizeof(now), "%Y-%m-%d %H:%M:%S UTC", &tm);
    add(d, "clock", d->tool->now_ms < YEAR_2024_MS ? CF_ECONFIG : 0, now,
        "set the clock: TLS and signatures need it");
}

/* Present or not; never the value. */
static void check_token(struct doctor *d)
{
    const char *token = getenv("GITHUB_TOKEN");
    bool present = token && *token;
    add(d, "GITHUB_TOKEN", present ? 0 : CF_ECONFIG, present ? "is set" : "is not set",
        "sync needs a token that can read public repositories");
}

static void check_programs(struct doctor *d)
{
    static const char *const names[] = {"cloudfolio-sync", "cloudfolio-orchestrate",
                                        "cloudfolio-train"};
    for (size_t i = 0; i < 3; i++) {
        char path[TOOL_PROGRAM_MAX];
        struct cf_error err;
        int rc = tool_find_program(names[i], path, &err);
        add(d, names[i], rc, rc ? err.message : path, "only cloudfolio run needs it");
    }
}

static void print_checks(struct tool *tool, const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        bool ok = json_is_true(json_object_get(row, "ok"));
        const char *advice = json_string_value(json_object_get(row, "advice"));
        if (ok) {
            tool_print(tool, "ok      ");
        } else {
            tool_bold(tool, "failed");
            tool_print(tool, "  ");
        }
        tool_print(tool, "%-23s ", json_string_value(json_object_get(row, "check")));
        tool_text(tool, json_string_value(json_object_get(row, "detail")));
        tool_print(tool, "\n");
        if (advice) {
            tool_print(tool, "        → %s\n", advice);
        }
    }
}

int tool_doctor(struct tool *tool, struct cf_error *err)
{
    struct doctor d = {.tool = tool, .rows = json_array()};
    (void)err; /* what fails is a line of the result */
    check_store(&d);
    check_clock(&d);
    check_token(&d);
    check_programs(&d);
    if (tool->json) {
        tool_json(tool, json_pack("{s:b,s:i,s:O}", "ok", tool->status == 0, "exit_status",
                                  tool->status, "checks", d.rows));
    } else {
        print_checks(tool, d.rows);
    }
    json_decref(d.rows);
    return 0;
}
