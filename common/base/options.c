#include "common/base/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"

void cf_string_list_add(struct cf_string_list *list, const char *item, size_t length)
{
    list->items = cf_grow(list->items, list->count, &list->capacity, sizeof(*list->items));
    list->items[list->count++] = cf_strndup(item, length);
}

void cf_string_list_release(struct cf_string_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct cf_string_list){0};
}

static int parse_uint(const struct cf_option *option, const char *text, struct cf_error *err,
                      int code, const char *name)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || value < option->min ||
        value > option->max) {
        return cf_error_set(err, code, "%s: \"%s\" is not a whole number from %llu to %llu", name,
                            text, (unsigned long long)option->min, (unsigned long long)option->max);
    }
    *(uint64_t *)option->target = value;
    return 0;
}

static void split(struct cf_string_list *list, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, ",");
        if (length) {
            cf_string_list_add(list, text, length);
        }
        text += length + (text[length] == ',');
    }
}

static int apply(const struct cf_option *option, const char *text, bool from_variable,
                 struct cf_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s%s", from_variable ? "" : "--",
                   from_variable ? option->variable : option->name);
    int code = from_variable ? CF_ECONFIG : CF_EUSAGE;
    switch (option->kind) {
    case CF_OPTION_FLAG:
        if (text && strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
            return cf_error_set(err, code, "%s: \"%s\" is neither 0 nor 1", name, text);
        }
        *(bool *)option->target = !text || *text == '1';
        return 0;
    case CF_OPTION_STRING:
        *(const char **)option->target = text;
        return 0;
    case CF_OPTION_UINT:
        return parse_uint(option, text, err, code, name);
    case CF_OPTION_LIST:
        if (from_variable) {
            split(option->target, text);
        } else {
            cf_string_list_add(option->target, text, strlen(text));
        }
        return 0;
    }
    return 0;
}

static int read_environment(const struct cf_option *table, bool *from_variable,
                            struct cf_error *err)
{
    for (size_t i = 0; table[i].name; i++) {
        const char *value = table[i].variable ? getenv(table[i].variable) : NULL;
        if (value && *value) {
            int rc = apply(&table[i], value, true, err);
            if (rc) {
                return rc;
            }
            from_variable[i] = true;
        }
    }
    return 0;
}

/* The first value of a list on the command line replaces what the environment gave. */
static void forget_variable(const struct cf_option *option, bool *from_variable)
{
    if (option->kind == CF_OPTION_LIST && *from_variable) {
        cf_string_list_release(option->target);
    }
    *from_variable = false;
}

static int read_arguments(const struct cf_option *table, const struct option *names, int argc,
                          char **argv, bool *from_variable, struct cf_error *err)
{
    int c;
    int index = 0;
    char letter[3] = "-?";
    opterr = 0;
    optind = 0;
    while ((c = getopt_long(argc, argv, ":", names, &index)) != -1) {
        const char *given = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (c == ':') {
            return cf_error_set(err, CF_EUSAGE, "%s needs a value", given);
        }
        if (c == '?') {
            if (optopt) { /* of several letters in one argument, the one that is wrong */
                letter[1] = (char)optopt;
                given = letter;
            }
            return cf_error_set(err, CF_EUSAGE,
                                "%s is not an option, is given short but means "
                                "several, or takes no value; --help lists the options",
                                given);
        }
        forget_variable(&table[index], &from_variable[index]);
        int rc = apply(&table[index], optarg, false, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

int cf_options_parse(const struct cf_option *table, int argc, char **argv, int *first,
                     struct cf_error *err)
{
    size_t count = 0;
    while (table[count].name) {
        count++;
    }
    struct option *names = cf_calloc(count + 1, sizeof(*names));
    bool *from_variable = cf_calloc(count + 1, sizeof(*from_variable));
    for (size_t i = 0; i < count; i++) {
        names[i].name = table[i].name;
        names[i].has_arg = table[i].kind == CF_OPTION_FLAG ? no_argument : required_argument;
    }
    int rc = read_environment(table, from_variable, err);
    if (!rc) {
        rc = read_arguments(table, names, argc, argv, from_variable, err);
    }
    *first = optind;
    free(names);
    free(from_variable);
    return rc;
}

void cf_options_help(const struct cf_option *table, FILE *out)
{
    for (size_t i = 0; table[i].name; i++) {
        struct cf_buf left = CF_BUF_INIT;
        cf_buf_printf(&left, "--%s %s", table[i].name, table[i].argument ? table[i].argument : "");
        (void)fprintf(out, "  %-26s %s", cf_buf_str(&left), table[i].help);
        if (table[i].variable) {
            (void)fprintf(out, " [%s]", table[i].variable);
        }
        (void)fputc('\n', out);
        cf_buf_release(&left);
    }
}
