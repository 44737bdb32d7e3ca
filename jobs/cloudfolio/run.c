/* run: sync, orchestrate and train as processes of their own, one after another. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/job/job.h"
#include "jobs/cloudfolio/programs.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { POLL_MS = 20 };

extern char **environ;

/* The jobs get exactly one tenant: what the environment would choose is taken out. */
static void clear_selection(void)
{
    static const char *const names[] = {"CLOUDFOLIO_TENANT",        "CLOUDFOLIO_ALL",
                                        "CLOUDFOLIO_SHARD",         "CLOUDFOLIO_EVENT",
                                        "AWS_BATCH_JOB_ARRAY_SIZE", "AWS_BATCH_JOB_ARRAY_INDEX"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)unsetenv(names[i]);
    }
}

/* A process group of its own, so that Ctrl-C reaches the job once, through us; stdout is stderr,
 * because only our result belongs on stdout. */
static int spawn(const char *program, char **argv, pid_t *out)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int rc = posix_spawnattr_init(&attributes);
    if (rc) {
        return rc;
    }
    rc = posix_spawn_file_actions_init(&actions);
    if (!rc) {
        rc = posix_spawnattr_setpgroup(&attributes, 0);
        rc = rc ? rc : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
        rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
        rc =
            rc ? rc
               : posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        rc = rc ? rc : posix_spawn(out, program, &actions, &attributes, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)posix_spawnattr_destroy(&attributes);
    return rc;
}

/* Waits; passes a request to stop on, once. The exit status; of a process that a signal ended, 75
 * when somebody stopped it, else 70. */
static int wait_for(pid_t pid, const volatile int *stop)
{
    int status = 0;
    bool told = false;
    for (;;) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid) {
            break;
        }
        if (ended < 0 && errno != EINTR) {
            return EX_SOFTWARE;
        }
        if (*stop && !told) {
            (void)kill(pid, SIGTERM);
            told = true;
        }
        cf_clock_sleep_ms(POLL_MS);
    }
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    int number = WTERMSIG(status);
    cf_log(CF_ERROR, "killed", CF_I("signal", number), CF_END);
    return number == SIGKILL || number == SIGTERM || number == SIGINT ? EX_TEMPFAIL : EX_SOFTWARE;
}

static int run_job(struct tool *tool, const char *job, const char *tenant, const volatile int *stop,
                   json_t *rows, struct cf_error *err)
{
    char program[TOOL_PROGRAM_MAX];
    char name[32];
    pid_t pid;
    (void)snprintf(name, sizeof(name), "cloudfolio-%s", job);
    int rc = tool_find_program(name, program, err);
    if (rc) {
        return rc;
    }
    char *argv[] = {name,
                    "--store",
                    (char *)(uintptr_t)tool->store_url,
                    "--tenant",
                    (char *)(uintptr_t)tenant,
                    tool->force ? "--force" : NULL,
                    NULL};
    int64_t started = cf_clock_monotonic_ms();
    rc = spawn(program, argv, &pid);
    if (rc) {
        return cf_error_errno(err, rc, "spawn", program);
    }
    tool->status = wait_for(pid, stop);
    double seconds = (double)(cf_clock_monotonic_ms() - started) / 1000;
    (void)json_array_append_new(rows, json_pack("{s:s,s:i,s:f}", "job", job, "exit_status",
                                                tool->status, "seconds", seconds));
    return 0;
}

int tool_run(struct tool *tool, struct cf_error *err)
{
    static const char *const jobs[] = {"sync", "orchestrate", "train"};
    static const struct tool_column columns[] = {
        {"JOB", "job", TOOL_TEXT},
        {"EXIT", "exit_status", TOOL_NUMBER},
        {"TIME", "seconds", TOOL_SECONDS},
        {0},
    };
    char tenant[CF_TENANT_MAX];
    const volatile int *stop = cf_job_signals();
    json_t *rows = json_array();
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    clear_selection();
    for (size_t i = 0; i < 3 && !rc && !tool->status; i++) {
        rc = *stop ? cf_error_set(err, CF_EINTERRUPTED, "a signal asked to stop")
                   : run_job(tool, jobs[i], tenant, stop, rows, err);
    }
    if (tool->json && !rc) {
        tool_json(tool, json_pack("{s:s,s:O,s:i}", "tenant", tenant, "jobs", rows, "exit_status",
                                  tool->status));
    } else if (json_array_size(rows)) {
        tool_table(rows, columns, tool->now_ms, tool->terminal, &tool->out);
    }
    json_decref(rows);
    return rc;
}
