/* Command-line options that are also environment variables.
 *
 * A program declares a table; each row names the option, its variable and where the value goes. The
 * environment is read first, then the command line, which wins. */
#ifndef CF_BASE_OPTIONS_H
#define CF_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/error.h"

/* Strings given more than once: --tenant a --tenant b. A variable holds them with commas between.
 */
struct cf_string_list {
    char **items;
    size_t count;
    size_t capacity;
};

void cf_string_list_add(struct cf_string_list *list, const char *item, size_t length);
void cf_string_list_release(struct cf_string_list *list);

enum cf_option_kind {
    CF_OPTION_FLAG,   /* bool *: present, or the variable is 1; 0 turns it off */
    CF_OPTION_STRING, /* const char ** : borrowed from argv or the environment */
    CF_OPTION_UINT,   /* uint64_t *, from min to max */
    CF_OPTION_LIST,   /* struct cf_string_list * */
};

struct cf_option {
    const char *name;     /* "store", given as --store; NULL ends a table */
    const char *variable; /* "CLOUDFOLIO_STORE", or NULL */
    const char *argument; /* "URL" in the help; NULL for flags */
    const char *help;     /* one line */
    enum cf_option_kind kind;
    void *target;
    uint64_t min, max; /* of CF_OPTION_UINT */
};

/* Reads the environment and argv[1…]. *first is set to the index of the first argument that is no
 * option (arguments are reordered so that those come last). CF_EUSAGE names the option that is
 * wrong; a wrong value in the environment is CF_ECONFIG and names the variable. */
int cf_options_parse(const struct cf_option *table, int argc, char **argv, int *first,
                     struct cf_error *err);

/* Prints the table, aligned, each row with its variable. */
void cf_options_help(const struct cf_option *table, FILE *out);

#endif
