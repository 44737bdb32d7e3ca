/* Arguments, dispatch, help and output: what is common to all commands. */
#include "jobs/cloudfolio/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/build.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/contract/collect.h"
#include "common/contract/root.h"
#include "common/job/job.h"
#include "jobs/cloudfolio/names.h"
#include "jobs/cloudfolio/table.h"

enum { OPTIONS_MAX = 24, COMMANDS_MAX = 64, GLOBAL_OPTIONS = 4, LEFT = 34 };

static bool lists_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = list; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        if (strcspn(p, " ") == length && strncmp(p, word, length) == 0) {
            return true;
        }
    }
    return false;
}

/* The options of one command; those of all commands, without their variables, when it is NULL. */
static void option_table(struct tool *t, const struct tool_command *command,
                         struct cf_option out[OPTIONS_MAX])
{
    const struct cf_option all[] = {
        {"store", "CLOUDFOLIO_STORE", "URL",
         "where everything is kept, such as file:/var/lib/cloudfolio", CF_OPTION_STRING,
         &t->store_url, 0, 0},
        {"json", "CLOUDFOLIO_JSON", NULL, "print one JSON document instead of text", CF_OPTION_FLAG,
         &t->json, 0, 0},
        {"help", NULL, NULL, "print this", CF_OPTION_FLAG, &t->help, 0, 0},
        {"version", NULL, NULL, "print the build", CF_OPTION_FLAG, &t->version, 0, 0},
        {"force", "CLOUDFOLIO_FORCE", NULL, "do the work even if nothing changed", CF_OPTION_FLAG,
         &t->force, 0, 0},
        {"dry-run", "CLOUDFOLIO_DRY_RUN", NULL, "say what would be done, change nothing",
         CF_OPTION_FLAG, &t->dry_run, 0, 0},
        {"limit", NULL, "N", "print at most N", CF_OPTION_UINT, &t->limit, 1, 100000},
        {"marker", NULL, NULL, "print the version's marker", CF_OPTION_FLAG, &t->marker, 0, 0},
        {"blob", NULL, "SHA256", "print the payload of that hash; 8 digits or more will do",
         CF_OPTION_STRING, &t->blob, 0, 0},
        {"file", NULL, "PATH", "print a file of the model, such as README.md", CF_OPTION_STRING,
         &t->file, 0, 0},
        {"languages", "CLOUDFOLIO_SEARCH_LANGUAGES", NULL,
         "prefer repositories in the languages that the query names", CF_OPTION_FLAG, &t->languages,
         0, 0},
        {"keep", NULL, "N", "versions that stay readable behind the newest, from 32",
         CF_OPTION_UINT, &t->keep, CF_COLLECT_KEEP, 1000000},
        {"keep-runs", NULL, "DAYS", "also delete run records of earlier days, from 7 on",
         CF_OPTION_UINT, &t->keep_runs, 7, 36500},
        {"job", NULL, "JOB", "only runs of this job: sync, orchestrate or train", CF_OPTION_STRING,
         &t->job, 0, 0},
        {"name", NULL, "NAME", "what the base model is called here, such as all-MiniLM-L6-v2",
         CF_OPTION_STRING, &t->name, 0, 0},
        {"base-model", NULL, "NAME", "the base model that the tenant's models start from, or none",
         CF_OPTION_STRING, &t->base_model, 0, 0},
        {"failed", NULL, NULL, "only runs that failed", CF_OPTION_FLAG, &t->failed, 0, 0},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!command || i < GLOBAL_OPTIONS || lists_word(command->options, all[i].name)) {
            out[n] = all[i];
            out[n++].variable = command ? all[i].variable : NULL;
        }
    }
    out[n] = (struct cf_option){0};
}

static bool same_words(const char *name, char **words, size_t count, size_t *used)
{
    const char *space = strchr(name, ' ');
    *used = space ? 2 : 1;
    if (count < *used) {
        return false;
    }
    if (!space) {
        return strcmp(name, words[0]) == 0;
    }
    size_t first = (size_t)(space - name);
    return strlen(words[0]) == first && strncmp(name, words[0], first) == 0 &&
           strcmp(space + 1, words[1]) == 0;
}

static int unknown_command(const struct tool_command *commands, char **words, size_t count,
                           struct cf_error *err)
{
    const char *names[COMMANDS_MAX];
    size_t n = 0;
    char typed[128];
    size_t group = strlen(words[0]);
    bool grouped = false;
    for (; n < COMMANDS_MAX && commands[n].name; n++) {
        names[n] = commands[n].name;
        grouped =
            grouped || (strncmp(names[n], words[0], group) == 0 && names[n][group] == ' ' && group);
    }
    (void)snprintf(typed, sizeof(typed), "%.60s%s%.60s", words[0], grouped && count > 1 ? " " : "",
                   grouped && count > 1 ? words[1] : "");
    const char *nearest = tool_nearest(typed, names, n);
    if (!nearest && grouped) {
        for (size_t i = 0; i < n && !nearest; i++) {
            nearest = strncmp(names[i], words[0], group) == 0 ? names[i] : NULL;
        }
    }
    if (nearest) {
        return cf_error_set(err, CF_EUSAGE,
                            "\"%s\" is not a command; \"%s\" is. --help lists all of them", typed,
                            nearest);
    }
    return cf_error_set(err, CF_EUSAGE, "\"%s\" is not a command; --help lists all of them", typed);
}

int tool_find_command(const struct tool_command *commands, char **words, size_t count,
                      const struct tool_command **out, size_t *used, struct cf_error *err)
{
    *out = NULL;
    if (!count) {
        return cf_error_set(err, CF_EUSAGE, "a command is needed; --help lists all of them");
    }
    for (size_t i = 0; commands[i].name; i++) {
        if (same_words(commands[i].name, words, count, used)) {
            *out = &commands[i];
            return 0;
        }
    }
    return unknown_command(commands, words, count, err);
}

static void print_options(struct tool *tool, const struct cf_option *options)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory) {
        cf_options_help(options, memory);
        (void)fclose(memory);
        tool_print(tool, "%s", text);
    }
    free(text);
}

static void help_command(struct tool *tool, const struct tool_command *command)
{
    struct cf_option options[OPTIONS_MAX];
    option_table(tool, command, options);
    tool_print(tool, "cloudfolio %s: %s\n\n  cloudfolio %s%s%s [options]\n\n", command->name,
               command->summary, command->name, *command->arguments ? " " : "", command->arguments);
    print_options(tool, options);
    tool_print(tool, "\n%s\n", command->notes);
}

static void help_all(struct tool *tool, const struct tool_command *commands)
{
    static const struct tool_command none = {.options = ""};
    struct cf_option options[OPTIONS_MAX];
    option_table(tool, &none, options);
    tool_print(tool, "cloudfolio: the operator's tool\n\n"
                     "  cloudfolio [--store URL] [--json] COMMAND …\n\n");
    for (size_t i = 0; commands[i].name; i++) {
        struct cf_buf left = CF_BUF_INIT;
        cf_buf_printf(&left, "%s %s", commands[i].name, commands[i].arguments);
        size_t width = tool_width(cf_buf_str(&left), left.length);
        tool_print(tool, "  %s%*s %s\n", cf_buf_str(&left), width < LEFT ? (int)(LEFT - width) : 0,
                   "", commands[i].summary);
        cf_buf_release(&left);
    }
    tool_print(tool, "\nOptions of every command:\n");
    print_options(tool, options);
    tool_print(tool,
               "\nExamples:\n"
               "  export CLOUDFOLIO_STORE=file:/var/lib/cloudfolio\n"
               "  cloudfolio doctor\n"
               "  cloudfolio tenant add octocat && cloudfolio run octocat\n"
               "  cloudfolio search octocat who has done Terraform on AWS with Go\n\n"
               "COMMAND --help says more. Results go to stdout, the log to stderr "
               "(CLOUDFOLIO_LOG=json|text,\nCLOUDFOLIO_LOG_LEVEL=debug|info|warn|error).\n"
               "Exit status: 0 done or nothing to do, 64 usage, 65 bad data or not there, 69 a "
               "service is down,\n70 a bug, 75 try again later, 77 not allowed, 78 "
               "configuration.\n");
}

static void print_version(struct tool *tool)
{
    if (tool->json) {
        tool_json(tool,
                  json_pack("{s:s,s:i}", "version", cf_build(), "contract", CF_CONTRACT_VERSION));
    } else {
        tool_print(tool, "cloudfolio %s, contract %d\n", cf_build(), CF_CONTRACT_VERSION);
    }
}

static int check_arguments(const struct tool *tool, const struct tool_command *command,
                           struct cf_error *err)
{
    if (tool->count >= command->least && tool->count <= command->most) {
        return 0;
    }
    return cf_error_set(err, CF_EUSAGE, "%s: cloudfolio %s %s",
                        tool->count < command->least ? "an argument is missing"
                                                     : "one argument is too many",
                        command->name, command->arguments);
}

/* "help" and "version" are commands that need nothing else. */
static bool is_word(char **words, size_t count, const char *word)
{
    return count && strcmp(words[0], word) == 0;
}

static int run_command(struct tool *tool, const struct tool_command *commands, int argc,
                       char **argv, struct cf_error *err)
{
    struct cf_option options[OPTIONS_MAX];
    const struct tool_command *command = NULL;
    size_t used = 0;
    int first = 0;
    option_table(tool, NULL, options);
    int rc = cf_options_parse(options, argc, argv, &first, err);
    if (rc) {
        return rc;
    }
    char **words = argv + first;
    size_t count = (size_t)(argc - first);
    if (is_word(words, count, "help")) {
        tool->help = true;
        words++;
        count--;
    }
    if (is_word(words, count, "version") || (!count && tool->version)) {
        print_version(tool);
        return 0;
    }
    if (!count && tool->help) {
        help_all(tool, commands);
        return 0;
    }
    rc = tool_find_command(commands, words, count, &command, &used, err);
    if (rc || !command) {
        return rc;
    }
    if (tool->help) {
        help_command(tool, command);
        return 0;
    }
    /* Now that the command is known: its own options, and the environment. */
    option_table(tool, command, options);
    rc = cf_options_parse(options, argc, argv, &first, err);
    tool->arguments = words + used;
    tool->count = count - used;
    rc = rc ? rc : check_arguments(tool, command, err);
    return rc ? rc : command->run(tool, err);
}

static void tool_init(struct tool *tool)
{
    const char *no_color = getenv("NO_COLOR");
    tool->terminal = isatty(STDOUT_FILENO) && !(no_color && *no_color);
    tool->now_ms = cf_clock_now_ms();
    cf_run_id(tool->run);
    tool->producer =
        (struct cf_producer){.job = "cloudfolio", .build = cf_build(), .run = tool->run};
}

int tool_main(const struct tool_command *commands, int argc, char **argv)
{
    struct tool tool = {0};
    struct cf_error err = {0};
    struct cf_error write_error = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    tool_init(&tool);
    cf_log_context("cloudfolio", NULL, NULL);
    int rc = cf_job_configure_log(&err);
    rc = rc ? rc : run_command(&tool, commands, argc, argv, &err);
    int status = rc ? cf_exit_worst(cf_exit_status(rc), tool.status) : tool.status;
    if (rc) {
        cf_log_error(CF_ERROR, "failed", &err);
    }
    rc = tool_flush(&tool, &write_error);
    if (rc) {
        status = cf_exit_worst(status, cf_exit_status(rc));
    }
    cf_store_free(tool.store);
    cf_buf_release(&tool.out);
    return status;
}

const char *const tool_datasets[] = {"config",      "repos",      "bundle", "request",
                                     "request-gpu", "checkpoint", "model",  NULL};

/* Opens a place that must be a store already: nothing is created in one that was mistyped. */
static int open_existing(struct tool *tool, struct cf_error *err)
{
    struct cf_buf text = CF_BUF_INIT;
    int rc = cf_store_open(tool->store_url, &tool->store, err);
    if (rc) {
        return rc;
    }
    rc = cf_store_get(tool->store, "cloudfolio.json", &text, err);
    cf_buf_release(&text);
    if (rc == CF_ENOTFOUND) {
        rc = cf_error_set(err, rc,
                          "there is no CloudFolio store at %s; cloudfolio tenant add LOGIN makes "
                          "one",
                          cf_store_url(tool->store));
    }
    return rc ? rc : cf_root_check(tool->store, err);
}

int tool_open(struct tool *tool, enum tool_access access, struct cf_error *err)
{
    if (tool->store) {
        return 0; /* by an earlier part of the command */
    }
    if (access == TOOL_EXISTING && tool->store_url && *tool->store_url) {
        return open_existing(tool, err);
    }
    return cf_job_open_store(tool->store_url, &tool->store, err);
}

int tool_tenant(const struct tool *tool, size_t i, char out[CF_TENANT_MAX], struct cf_error *err)
{
    return cf_tenant_normalise(tool->arguments[i], out, err);
}

int tool_check_dataset(const char *name, struct cf_error *err)
{
    size_t count = 0;
    while (tool_datasets[count]) {
        count++;
    }
    if (cf_dataset_is_known(name)) {
        return 0;
    }
    const char *nearest = tool_nearest(name, tool_datasets, count);
    if (nearest) {
        return cf_error_set(err, CF_EUSAGE, "\"%.60s\" is not a dataset; \"%s\" is", name, nearest);
    }
    return cf_error_set(err, CF_EUSAGE,
                        "\"%.60s\" is not a dataset: config, repos, bundle, request, request-gpu, "
                        "checkpoint and model are",
                        name);
}

int tool_version(const char *text, uint64_t *out, struct cf_error *err)
{
    const char *digits = text + (text[0] == 'v');
    char *end = NULL;
    errno = 0;
    *out = strtoull(digits, &end, 10);
    if (errno || *digits < '0' || *digits > '9' || *end || *out < 1 || *out > CF_VERSION_MAX) {
        return cf_error_set(err, CF_EUSAGE, "\"%.40s\" is not a version number", text);
    }
    return 0;
}

int tool_tenants(struct tool *tool, struct cf_string_list *out, struct cf_error *err)
{
    char tenant[CF_TENANT_MAX];
    if (!tool->count) {
        int rc = tool_open(tool, TOOL_EXISTING, err);
        return rc ? rc : cf_job_tenants(tool->store, out, err);
    }
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    if (!rc) {
        cf_string_list_add(out, tenant, strlen(tenant));
    }
    return rc;
}

void tool_failed(struct tool *tool, const char *event, const struct cf_error *err)
{
    cf_log_error(CF_ERROR, event, err);
    tool->status = cf_exit_worst(tool->status, cf_exit_status(err->code));
}

void tool_json(struct tool *tool, json_t *document)
{
    cf_json_dump(document, &tool->out);
    cf_buf_putc(&tool->out, '\n');
    json_decref(document);
}

void tool_print(struct tool *tool, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length > 0) {
        cf_buf_reserve(&tool->out, (size_t)length + 1);
        (void)vsnprintf(tool->out.data + tool->out.length, (size_t)length + 1, format, again);
        tool->out.length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void tool_text(struct tool *tool, const char *text)
{
    cf_utf8_printable(text, strlen(text), &tool->out);
}

void tool_bold(struct tool *tool, const char *text)
{
    cf_buf_puts(&tool->out, tool->terminal ? "\033[1m" : "");
    tool_text(tool, text);
    cf_buf_puts(&tool->out, tool->terminal ? "\033[0m" : "");
}

int tool_flush(struct tool *tool, struct cf_error *err)
{
    size_t done = 0;
    int rc = 0;
    while (done < tool->out.length && !rc) {
        ssize_t n = write(STDOUT_FILENO, tool->out.data + done, tool->out.length - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EPIPE) {
            /* Whoever reads, such as head, has enough: the exit status says so, the log doesn't. */
            rc = cf_error_errno(err, errno, "write", "stdout");
        } else if (errno != EINTR) {
            rc = cf_error_errno(err, errno, "write", "stdout");
            cf_log_error(CF_ERROR, "failed", err);
        }
    }
    cf_buf_clear(&tool->out);
    return rc;
}
