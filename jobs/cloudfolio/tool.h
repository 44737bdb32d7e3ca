/* The operator's tool: one program, one function a command.
 *
 * A command checks its arguments, opens the store, and puts its result into tool->out, as text for
 * people or, with --json, as one document. Nothing else ever reaches stdout. */
#ifndef CLOUDFOLIO_TOOL_H
#define CLOUDFOLIO_TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"
#include "common/contract/dataset.h"
#include "common/contract/runs.h"
#include "common/store/store.h"

struct tool {
    struct cf_store *store; /* once tool_open succeeded */
    struct cf_buf out;      /* what goes to stdout */
    bool terminal;          /* stdout is one, and NO_COLOR isn't set: bold may be used */
    int status;             /* the exit status of a command that returned 0 */
    char **arguments;       /* what stands behind the command */
    size_t count;
    int64_t now_ms;
    char run[CF_RUN_ID_MAX];
    struct cf_producer producer; /* of what the command commits */

    /* Options. Those that a command doesn't declare are refused before it runs. */
    const char *store_url;
    bool json;
    bool help;
    bool version;
    bool force;
    bool dry_run;
    bool failed;
    bool languages;
    bool marker;
    const char *blob;
    const char *file;
    const char *job;
    const char *name;
    const char *base_model;
    uint64_t limit;     /* 0: not given */
    uint64_t keep;      /* 0: not given */
    uint64_t keep_runs; /* days; 0: not given */
};

struct tool_command {
    const char *name;      /* one or two words: "log", "tenant add"; NULL ends a table */
    const char *arguments; /* "TENANT DATASET", "" for none */
    const char *summary;   /* one line */
    const char *options;   /* names of its own options with spaces between, "" for none */
    const char *notes;     /* what else --help says: details and examples */
    size_t least, most;    /* how many arguments it takes */
    int (*run)(struct tool *tool, struct cf_error *err);
};

/* The whole main function. */
int tool_main(const struct tool_command *commands, int argc, char **argv);

/* Finds the command that the words begin with; *used is set to how many words its name has.
 * CF_EUSAGE names the command that comes nearest. */
int tool_find_command(const struct tool_command *commands, char **words, size_t count,
                      const struct tool_command **out, size_t *used, struct cf_error *err);

enum tool_access {
    TOOL_EXISTING, /* the store must hold the contract already: CF_ENOTFOUND says how to make it */
    TOOL_CREATE,   /* an empty place becomes a store */
};

int tool_open(struct tool *tool, enum tool_access access, struct cf_error *err);

/* The tenant that argument i names, in lower case; CF_EUSAGE says what is wrong with the name. */
int tool_tenant(const struct tool *tool, size_t i, char out[CF_TENANT_MAX], struct cf_error *err);

/* A dataset's name as an argument: CF_EUSAGE names the nearest one that exists. */
int tool_check_dataset(const char *name, struct cf_error *err);

/* A version as an argument: "12" or "v12". */
int tool_version(const char *text, uint64_t *out, struct cf_error *err);

/* The names of all datasets, in the order in which data flows; NULL-terminated. */
extern const char *const tool_datasets[];

/* The tenants that a command works on: the one that argument 0 names, else all of the store's. */
int tool_tenants(struct tool *tool, struct cf_string_list *out, struct cf_error *err);

/* Remembers a failure that doesn't end the command: logs it, and raises the exit status. */
void tool_failed(struct tool *tool, const char *event, const struct cf_error *err);

/* Appends a document in canonical form and a newline to tool->out. The document is stolen. */
void tool_json(struct tool *tool, json_t *document);

/* Appends formatted text; strings from outside go through tool_text first. */
void tool_print(struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends text from outside so that a terminal can show it. */
void tool_text(struct tool *tool, const char *text);

/* Appends text from outside in bold where bold may be used. */
void tool_bold(struct tool *tool, const char *text);

/* Writes what tool->out holds to stdout, and empties it. CF_ERETRY when the disk is full,
 * CF_EUNAVAILABLE for anything else, such as a closed pipe. */
int tool_flush(struct tool *tool, struct cf_error *err);

int tool_tenant_add(struct tool *tool, struct cf_error *err);
int tool_tenant_list(struct tool *tool, struct cf_error *err);
int tool_tenant_show(struct tool *tool, struct cf_error *err);
int tool_tenant_disable(struct tool *tool, struct cf_error *err);
int tool_tenant_set(struct tool *tool, struct cf_error *err);

int tool_model_import(struct tool *tool, struct cf_error *err);
int tool_model_list(struct tool *tool, struct cf_error *err);
int tool_model_show(struct tool *tool, struct cf_error *err);

int tool_run(struct tool *tool, struct cf_error *err);

int tool_status(struct tool *tool, struct cf_error *err);

int tool_log(struct tool *tool, struct cf_error *err);
int tool_cat(struct tool *tool, struct cf_error *err);

int tool_lineage(struct tool *tool, struct cf_error *err);

int tool_search(struct tool *tool, struct cf_error *err);

int tool_rollback(struct tool *tool, struct cf_error *err);
int tool_verify(struct tool *tool, struct cf_error *err);
int tool_gc(struct tool *tool, struct cf_error *err);

int tool_runs(struct tool *tool, struct cf_error *err);
int tool_usage(struct tool *tool, struct cf_error *err);

int tool_export(struct tool *tool, struct cf_error *err);

int tool_doctor(struct tool *tool, struct cf_error *err);

#endif
