/* Many processes that commit versions to one dataset while they are killed at random.
 *
 *     hammer --store file:/tmp/x --seconds 10 --processes 32 [--collect]
 *
 * Each writer notes every version whose commit it was told to have succeeded, in one line that it
 * appends to a common file. At the end every one of those versions must be there exactly once with
 * the bytes that were acknowledged, the chain must be whole, and verification must find nothing but
 * orphans. With --collect, one process collects all the time, and what has fallen below the floor
 * is left out. Exit status 0 when all of that holds, 1 when not. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/options.h"
#include "common/contract/collect.h"
#include "common/contract/root.h"
#include "common/contract/verify.h"

enum { PAYLOADS = 20, PROCESSES_MAX = 512, GRACE_MS = 120000 };

static struct {
    const char *url;
    uint64_t seconds;
    uint64_t processes;
    bool collect;
    bool help;
    char tenant[CF_TENANT_MAX];
    int notes; /* the common file */
    int64_t end_ms;
    pid_t pids[PROCESSES_MAX];
    uint64_t kills;
    uint64_t violations;
} h = {.seconds = 10, .processes = 32};

static const struct cf_producer producer = {.job = "hammer", .build = "test", .run = "test"};

static void violation(const char *what, const char *detail)
{
    h.violations++;
    (void)fprintf(stderr, "hammer: %s: %s\n", what, detail);
}

/* --- in the children ----------------------------------------------------------------------------
 */

/* One line in one write, which appends it whole. */
static void note(const char *line)
{
    size_t length = strlen(line);
    if (write(h.notes, line, length) != (ssize_t)length) {
        _exit(3);
    }
}

static void note_outcome(int rc, const struct cf_marker *marker, const struct cf_error *err)
{
    char line[800];
    if (rc == 0) {
        (void)snprintf(line, sizeof(line), "a %" PRIu64 " %s\n", marker->version, marker->sha256);
    } else if (rc == CF_ECONFLICT) {
        (void)snprintf(line, sizeof(line), "c\n");
    } else if (rc == CF_ERETRY) {
        (void)snprintf(line, sizeof(line), "u\n");
    } else {
        (void)snprintf(line, sizeof(line), "e %s %s: %s\n", cf_code_name(rc), err->key,
                       err->message);
    }
    note(line);
}

static void add_payloads(struct cf_commit *commit, json_t *root)
{
    json_t *used = json_array();
    for (int i = 0; i < 4; i++) {
        struct cf_blob_ref ref;
        char text[64];
        if (i == 0) {
            (void)snprintf(text, sizeof(text), "unique %016" PRIx64, cf_random_u64());
        } else {
            (void)snprintf(text, sizeof(text), "payload %u",
                           (unsigned)(cf_random_u64() % PAYLOADS));
        }
        cf_commit_add(commit, text, strlen(text), "text/plain", &ref);
        (void)json_array_append_new(used, json_string(ref.sha256));
    }
    (void)json_object_set_new(root, "used", used);
}

static int write_version(const struct cf_dataset *dataset, struct cf_marker *out,
                         struct cf_error *err)
{
    struct cf_marker parent;
    json_t *parent_root = NULL;
    char request[CF_SHA256_HEX];
    int rc = cf_dataset_newest(dataset, &parent, err);
    bool first = rc == CF_ENOTFOUND;
    rc = first ? 0 : rc;
    rc = rc || first ? rc : cf_dataset_root(dataset, &parent, &parent_root, err);
    if (!rc) {
        json_t *root = json_pack("{s:s}", "document", "hammer");
        struct cf_commit *commit =
            cf_commit_new(dataset, first ? NULL : &parent, parent_root, &producer);
        add_payloads(commit, root);
        cf_sha256_hex("hammer", 6, request);
        rc = cf_commit_finish(commit, root, request, NULL, out, err);
        cf_commit_free(commit);
    }
    json_decref(parent_root);
    cf_marker_release(&parent);
    return rc;
}

static void collect_once(const struct cf_dataset *dataset)
{
    struct cf_collected collected;
    struct cf_error err = {0};
    uint64_t removed = 0;
    int rc = cf_collect(dataset, CF_COLLECT_KEEP, false, &producer, &collected, &err);
    rc = rc ? rc : cf_store_tidy(dataset->store, &removed, &err);
    if (rc && rc != CF_ERETRY) {
        note_outcome(rc, NULL, &err);
    }
    cf_clock_sleep_ms(20);
}

static int child(bool collects)
{
    struct cf_error err = {0};
    struct cf_store *store = NULL;
    struct cf_dataset dataset;
    int rc = cf_store_open(h.url, &store, &err);
    if (rc) {
        note_outcome(rc == CF_ERETRY ? CF_EINTERNAL : rc, NULL, &err);
        return 1;
    }
    cf_dataset_init(&dataset, store, h.tenant, "repos");
    while (cf_clock_monotonic_ms() < h.end_ms) {
        if (collects) {
            collect_once(&dataset);
            continue;
        }
        struct cf_marker marker = {0};
        rc = write_version(&dataset, &marker, &err);
        note_outcome(rc, &marker, &err);
        cf_marker_release(&marker);
    }
    cf_store_free(store);
    return 0;
}

/* --- in the parent ------------------------------------------------------------------------------
 */

static void start_child(size_t i)
{
    (void)fflush(NULL);
    h.pids[i] = fork();
    if (h.pids[i] < 0) {
        perror("hammer: fork");
        exit(2);
    }
    if (h.pids[i] == 0) {
        exit(child(h.collect && i == 0));
    }
}

/* Waits for a child, which must have been killed or have ended well. */
static void reap(size_t i)
{
    int status = 0;
    char text[32];
    while (waitpid(h.pids[i], &status, 0) < 0 && errno == EINTR) {
    }
    if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) &&
        !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        (void)snprintf(text, sizeof(text), "wait status %d", status);
        violation("a process ended by itself", text);
    }
    h.pids[i] = 0;
}

static void kill_at_random(void)
{
    while (cf_clock_monotonic_ms() < h.end_ms) {
        cf_clock_sleep_ms((int64_t)(cf_random_u64() % 40));
        size_t i = (size_t)(cf_random_u64() % h.processes);
        (void)kill(h.pids[i], SIGKILL);
        h.kills++;
        reap(i);
        start_child(i);
    }
}

/* Has the child ended, without being waited for? */
static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == pid;
}

static void wait_for_all(void)
{
    for (size_t i = 0; i < h.processes; i++) {
        while (!has_ended(h.pids[i]) && cf_clock_monotonic_ms() < h.end_ms + GRACE_MS) {
            cf_clock_sleep_ms(5);
        }
        (void)kill(h.pids[i], SIGKILL);
        reap(i);
    }
}

struct tally {
    uint64_t acknowledged;
    uint64_t conflicts;
    uint64_t unknown;
    uint64_t below; /* acknowledged, and collected since */
};

/* hashes[v]: of the marker of version v, "" below the floor. */
static void check_acknowledged(uint64_t version, const char *sha256, struct cf_marker *newest,
                               char (*hashes)[CF_SHA256_HEX], bool *seen, struct tally *tally)
{
    char text[160];
    (void)snprintf(text, sizeof(text), "version %" PRIu64 " with %s", version, sha256);
    tally->acknowledged++;
    if (version < 1 || version > newest->version) {
        violation("acknowledged, but above the newest version", text);
    } else if (seen[version]) {
        violation("acknowledged twice", text);
    } else if (version < newest->floor) {
        tally->below++;
    } else if (strcmp(hashes[version], sha256) != 0) {
        violation("acknowledged with other bytes", text);
    }
    if (version >= 1 && version <= newest->version) {
        seen[version] = true;
    }
}

static void check_notes(struct cf_marker *newest, char (*hashes)[CF_SHA256_HEX],
                        struct tally *tally)
{
    FILE *notes = fdopen(dup(h.notes), "r");
    bool *seen = cf_calloc((size_t)newest->version + 1, sizeof(*seen));
    char line[800];
    rewind(notes);
    while (fgets(line, sizeof(line), notes)) {
        uint64_t version = 0;
        char sha256[CF_SHA256_HEX] = "";
        if (line[0] == 'a' && sscanf(line, "a %" SCNu64 " %64s", &version, sha256) == 2) {
            check_acknowledged(version, sha256, newest, hashes, seen, tally);
        } else if (line[0] == 'c') {
            tally->conflicts++;
        } else if (line[0] == 'u') {
            tally->unknown++;
        } else {
            line[strcspn(line, "\n")] = '\0';
            violation("a writer met an error", line);
        }
    }
    (void)fclose(notes);
    free(seen);
}

static void found(void *context, enum cf_finding finding, const char *key, const char *what)
{
    (void)context;
    if (finding != CF_FOUND_ORPHAN && finding != CF_FOUND_BELOW) {
        char text[CF_KEY_MAX + 600];
        (void)snprintf(text, sizeof(text), "%s: %s", key, what);
        violation(cf_finding_name(finding), text);
    }
}

static int check(struct cf_store *store, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_marker newest;
    struct cf_verified verified;
    struct tally tally = {0};
    cf_dataset_init(&dataset, store, h.tenant, "repos");
    int rc = cf_dataset_newest(&dataset, &newest, err);
    if (rc) {
        return rc;
    }
    char(*hashes)[CF_SHA256_HEX] = cf_calloc((size_t)newest.version + 1, CF_SHA256_HEX);
    for (uint64_t v = newest.floor; v <= newest.version && !rc; v++) {
        struct cf_marker marker;
        rc = cf_dataset_at(&dataset, v, &marker, err);
        if (!rc) {
            memcpy(hashes[v], marker.sha256, CF_SHA256_HEX);
            cf_marker_release(&marker);
        }
    }
    rc = rc ? rc : cf_verify(&dataset, found, NULL, &verified, err);
    if (!rc) {
        check_notes(&newest, hashes, &tally);
        if (verified.versions != newest.version - newest.floor + 1) {
            violation("the chain has gaps", "see above");
        }
        if (!tally.acknowledged) {
            violation("nothing was acknowledged", h.url);
        }
        (void)printf("hammer: %" PRIu64 " versions, %" PRIu64 " acknowledged, %" PRIu64
                     " conflicts, %" PRIu64 " unknown, %" PRIu64 " kills, floor %" PRIu64
                     ", %" PRIu64 " orphans, %" PRIu64 " violations\n",
                     newest.version, tally.acknowledged, tally.conflicts, tally.unknown, h.kills,
                     newest.floor, verified.findings[CF_FOUND_ORPHAN], h.violations);
    }
    free(hashes);
    cf_marker_release(&newest);
    return rc;
}

static int hammer(struct cf_error *err)
{
    struct cf_store *store = NULL;
    FILE *notes = tmpfile();
    char random[CF_RANDOM_HEX];
    int rc = cf_store_open(h.url, &store, err);
    rc = rc ? rc : cf_root_check(store, err);
    cf_store_free(store); /* each process opens its own */
    if (rc || !notes) {
        return rc ? rc : cf_error_errno(err, errno, "tmpfile", "");
    }
    h.notes = fcntl(fileno(notes), F_DUPFD_CLOEXEC, 3);
    (void)fcntl(h.notes, F_SETFL, O_APPEND);
    cf_random_hex(random);
    (void)snprintf(h.tenant, sizeof(h.tenant), "hammer-%.16s", random);
    h.end_ms = cf_clock_monotonic_ms() + (int64_t)h.seconds * 1000;
    for (size_t i = 0; i < h.processes; i++) {
        start_child(i);
    }
    kill_at_random();
    wait_for_all();
    rc = cf_store_open(h.url, &store, err);
    if (!rc) {
        rc = check(store, err);
        cf_store_free(store);
    }
    (void)close(h.notes);
    (void)fclose(notes);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cf_option options[] = {
        {"store", "CLOUDFOLIO_STORE", "URL", "where to commit", CF_OPTION_STRING, &h.url, 0, 0},
        {"seconds", NULL, "N", "for how long", CF_OPTION_UINT, &h.seconds, 1, 86400},
        {"processes", NULL, "N", "how many at a time", CF_OPTION_UINT, &h.processes, 1,
         PROCESSES_MAX},
        {"collect", NULL, NULL, "one of them collects", CF_OPTION_FLAG, &h.collect, 0, 0},
        {"help", NULL, NULL, "print this", CF_OPTION_FLAG, &h.help, 0, 0},
        {NULL, NULL, NULL, NULL, CF_OPTION_FLAG, NULL, 0, 0},
    };
    struct cf_error err = {0};
    int first = 0;
    int rc = cf_options_parse(options, argc, argv, &first, &err);
    if (!rc && !h.help && !h.url) {
        rc = cf_error_set(&err, CF_EUSAGE, "--store URL is needed");
    }
    if (!rc && h.help) {
        cf_options_help(options, stdout);
        return 0;
    }
    rc = rc ? rc : hammer(&err);
    if (rc) {
        (void)fprintf(stderr, "hammer: %s%s%s\n", err.key, *err.key ? ": " : "", err.message);
        return cf_exit_status(rc);
    }
    return h.violations ? 1 : 0;
}
