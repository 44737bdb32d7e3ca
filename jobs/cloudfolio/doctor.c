/* doctor: is everything in place? */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/contract/root.h"
#include "jobs/cloudfolio/programs.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

static const int64_t YEAR_2024_MS = INT64_C(1704067200000);
static const int64_t SOON_MS = 60000; /* renewed credentials last longer */
enum { SKEW_WARN_S = 60, SKEW_MOST_S = 900 };
static const uint64_t SPACE_NEEDED = UINT64_C(256) * 1000 * 1000;

struct doctor {
    struct tool *tool;
    json_t *rows;
};

/* One line. rc 0: fine, and detail says what was found; else what to do about err. Advice on what
 * is fine makes it a warning. */
static void row(struct doctor *d, const char *check, int rc, const char *detail, const char *advice)
{
    d->tool->status = cf_exit_worst(d->tool->status, cf_exit_status(rc));
    (void)json_array_append_new(d->rows, json_pack("{s:s,s:b,s:i,s:o,s:o}", "check", check, "ok",
                                                   rc == 0, "exit_status", cf_exit_status(rc),
                                                   "detail", cf_json_string_or_null(detail),
                                                   "advice", cf_json_string_or_null(advice)));
}

static void add(struct doctor *d, const char *check, int rc, const char *detail, const char *advice)
{
    row(d, check, rc, detail, rc ? advice : NULL);
}

/* What to do when a request has failed. */
static const char *advice_on(int code)
{
    switch (code) {
    case CF_EDENIED:
        return "check the credentials, and what they permit: read, write, delete and list";
    case CF_ECONFIG:
        return "make the bucket, or set its name, the endpoint or the region right";
    case CF_EUNAVAILABLE:
        return "check the address, the network, and whether the service runs";
    default:
        return "check the address, the network and the permissions";
    }
}

static void add_endpoint(struct doctor *d, const json_t *about)
{
    char *detail = cf_asprintf("%s, region %s, %s addressing",
                               json_string_value(json_object_get(about, "endpoint")),
                               json_string_value(json_object_get(about, "region")),
                               json_string_value(json_object_get(about, "addressing")));
    add(d, "endpoint", 0, detail, NULL);
    free(detail);
}

/* Where they come from and until when they are good; never what they are. */
static void add_credentials(struct doctor *d, const json_t *credentials)
{
    const char *error = json_string_value(json_object_get(credentials, "error"));
    const char *source = json_string_value(json_object_get(credentials, "source"));
    int64_t expires = json_integer_value(json_object_get(credentials, "expires_ms"));
    char until[CF_TIMESTAMP] = "";
    if (error) {
        int rc = (int)json_integer_value(json_object_get(credentials, "code"));
        add(d, "credentials", rc, error,
            rc == CF_ECONFIG ? "set them, or run where a role is given; profiles are not read"
                             : "check the service that gives them, and the role");
        return;
    }
    if (expires) {
        cf_clock_format(expires, until);
        until[sizeof("2026-01-31T23:59:59") - 1] = '\0';
    }
    char *detail = expires ? cf_asprintf("from the %s, until %sZ", source, until)
                           : cf_asprintf("from the %s, which names no end", source);
    int64_t left = expires - d->tool->now_ms;
    row(d, "credentials", expires && left <= 0 ? CF_EDENIED : 0, detail,
        expires && left < SOON_MS ? "they were not renewed: check the service that gives them"
                                  : NULL);
    free(detail);
}

static void add_skew(struct doctor *d, const json_t *skew)
{
    if (!json_is_integer(skew)) {
        return; /* there was no answer, and a line says that already */
    }
    long long seconds = json_integer_value(skew);
    char *detail = seconds ? cf_asprintf("%lld s %s the store's", llabs(seconds),
                                         seconds > 0 ? "ahead of" : "behind")
                           : cf_strdup("as the store's");
    row(d, "clock skew", llabs(seconds) > SKEW_MOST_S ? CF_ECONFIG : 0, detail,
        llabs(seconds) > SKEW_WARN_S
            ? "set this machine's clock: stores refuse signatures that are 15 minutes off"
            : NULL);
    free(detail);
}

static void check_service(struct doctor *d, struct cf_store *store)
{
    json_t *about = cf_store_describe(store);
    if (about) {
        add_endpoint(d, about);
        add_credentials(d, json_object_get(about, "credentials"));
        add_skew(d, json_object_get(about, "clock_skew_s"));
    }
    json_decref(about);
}

static void check_probe(struct doctor *d, struct cf_store *store)
{
    static const struct {
        enum cf_probe part;
        const char *check;
        const char *detail;
        const char *advice;
    } parts[] = {
        {CF_PROBE_TWICE, "conditional create", "a second writer of a key was refused",
         "use a store that honours If-None-Match: *; in S3 switch the bucket's versioning off"},
        {CF_PROBE_RACE, "8 racing writers", "one of them won",
         "use a store whose conditional create is atomic"},
        {CF_PROBE_LIST, "list", "shows what was just written, in order",
         "use a store whose LIST is consistent, and no cache in front of it"},
    };
    struct cf_error errors[CF_PROBE_PARTS];
    cf_root_probe_each(store, errors);
    for (size_t i = 0; i < CF_PROBE_PARTS; i++) {
        const struct cf_error *err = &errors[parts[i].part];
        bool failed_request = err->code && err->code != CF_ECONFIG;
        add(d, parts[i].check, err->code, err->code ? err->message : parts[i].detail,
            failed_request ? advice_on(err->code) : parts[i].advice);
        if (failed_request || !cf_store_can_commit(store)) {
            return; /* the others say no more */
        }
    }
}

/* What looks like a conditional create there is none. */
static void check_promise(struct doctor *d, struct cf_store *store)
{
    if (strncmp(cf_store_url(store), "s3v2:", 5) == 0 && cf_store_can_commit(store)) {
        row(d, "single writer", 0, "CLOUDFOLIO_SINGLE_WRITER=1 promises that there is no other",
            "nothing checks it: let one process at a time write to this store");
    }
}

static void check_contract(struct doctor *d, struct cf_store *store)
{
    struct cf_buf text = CF_BUF_INIT;
    struct cf_error err;
    int rc = cf_store_get(store, "cloudfolio.json", &text, &err);
    cf_buf_release(&text);
    bool fresh = rc == CF_ENOTFOUND;
    check_service(d, store); /* once there was an answer */
    add(d, "store is reachable", fresh ? 0 : rc, rc && !fresh ? err.message : cf_store_url(store),
        advice_on(rc));
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
    check_probe(d, store);
    check_promise(d, store);
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
        rc == CF_ECONFIG ? "set that variable right, or unset it"
                         : "name a store such as file:/var/lib/cloudfolio or s3://bucket/prefix");
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
    const char *sources = getenv("CLOUDFOLIO_GITHUB_TOKENS");
    const char *token = getenv("GITHUB_TOKEN");
    bool present = token && *token;
    if (sources && *sources) {
        add(d, "CLOUDFOLIO_GITHUB_TOKENS", 0, "is set", NULL);
        return;
    }
    add(d, "GITHUB_TOKEN", present ? 0 : CF_ECONFIG, present ? "is set" : "is not set",
        "any token will do: without one, GitHub allows sync 60 requests an hour");
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
        if (ok && advice) {
            tool_bold(tool, "warn");
            tool_print(tool, "    ");
        } else if (ok) {
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
