#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "tests/unit/capture.h"

static struct {
    bool flag;
    const char *text;
    uint64_t number;
    uint64_t any;
    struct cf_string_list list;
} given;

static const struct cf_option table[] = {
    {"flag", "T_FLAG", NULL, "a switch", CF_OPTION_FLAG, &given.flag, 0, 0},
    {"text", "T_TEXT", "TEXT", "a text", CF_OPTION_STRING, &given.text, 0, 0},
    {"number", "T_NUMBER", "N", "a number", CF_OPTION_UINT, &given.number, 2, 9},
    {"any", NULL, "N", "any number", CF_OPTION_UINT, &given.any, 0, UINT64_MAX},
    {"list", "T_LIST", "NAME", "names", CF_OPTION_LIST, &given.list, 0, 0},
    {"list-of-more", NULL, NULL, "another with that beginning", CF_OPTION_FLAG, &given.flag, 0, 0},
    {NULL, NULL, NULL, NULL, CF_OPTION_FLAG, NULL, 0, 0},
};

static void setup(void)
{
    static const char *const variables[] = {"T_FLAG", "T_TEXT", "T_NUMBER", "T_LIST"};
    memset(&given, 0, sizeof(given));
    for (size_t i = 0; i < 4; i++) {
        (void)unsetenv(variables[i]);
    }
}

static void teardown(void)
{
    cf_string_list_release(&given.list);
}

/* Parses arguments that are written with blanks between them. *rest gets the first that is no
 * option. */
static int parse(const char *line, char *rest, struct cf_error *err)
{
    char *copy = cf_strdup(line);
    char *argv[16] = {"program"};
    int argc = 1;
    int first = 0;
    static char kept[512]; /* options keep pointers into argv */
    (void)snprintf(kept, sizeof(kept), "%s", copy);
    free(copy);
    for (char *word = strtok(kept, " "); word && argc < 15; word = strtok(NULL, " ")) {
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    int rc = cf_options_parse(table, argc, argv, &first, err);
    if (rest) {
        rest[0] = '\0';
        for (int i = first; i < argc && !rc; i++) {
            strcat(strcat(rest, argv[i]), ";");
        }
    }
    return rc;
}

static void expect_list(const char *joined)
{
    char all[256] = "";
    for (size_t i = 0; i < given.list.count; i++) {
        strcat(strcat(all, given.list.items[i]), ";");
    }
    ck_assert_str_eq(all, joined);
}

START_TEST(nothing_given_changes_nothing)
{
    struct cf_error err;
    given.number = 5;
    given.text = "default";
    ck_assert_int_eq(parse("", NULL, &err), 0);
    ck_assert(!given.flag);
    ck_assert_uint_eq(given.number, 5);
    ck_assert_str_eq(given.text, "default");
    ck_assert_uint_eq(given.list.count, 0);
}
END_TEST

START_TEST(the_command_line_is_read_in_any_order)
{
    struct cf_error err;
    char rest[128];
    ck_assert_int_eq(
        parse("one --list a --flag --text=x=y two --number 9 --list b,c -- --three", rest, &err),
        0);
    ck_assert(given.flag);
    ck_assert_str_eq(given.text, "x=y");
    ck_assert_uint_eq(given.number, 9);
    expect_list("a;b,c;");
    ck_assert_str_eq(rest, "one;two;--three;");
}
END_TEST

START_TEST(the_environment_is_read)
{
    struct cf_error err;
    (void)setenv("T_FLAG", "1", 1);
    (void)setenv("T_TEXT", "from outside", 1);
    (void)setenv("T_NUMBER", "2", 1);
    (void)setenv("T_LIST", ",a,,b,", 1);
    ck_assert_int_eq(parse("", NULL, &err), 0);
    ck_assert(given.flag);
    ck_assert_str_eq(given.text, "from outside");
    ck_assert_uint_eq(given.number, 2);
    expect_list("a;b;");
}
END_TEST

START_TEST(the_command_line_wins)
{
    struct cf_error err;
    (void)setenv("T_FLAG", "0", 1);
    (void)setenv("T_TEXT", "outside", 1);
    (void)setenv("T_NUMBER", "3", 1);
    (void)setenv("T_LIST", "a,b", 1);
    ck_assert_int_eq(parse("--flag --text inside --number 4 --list c --list d", NULL, &err), 0);
    ck_assert(given.flag);
    ck_assert_str_eq(given.text, "inside");
    ck_assert_uint_eq(given.number, 4);
    expect_list("c;d;");
}
END_TEST

START_TEST(a_variable_that_is_empty_or_0_means_no)
{
    struct cf_error err;
    given.flag = true;
    (void)setenv("T_FLAG", "", 1);
    (void)setenv("T_NUMBER", "", 1);
    (void)setenv("T_LIST", "", 1);
    ck_assert_int_eq(parse("", NULL, &err), 0);
    ck_assert(given.flag);
    (void)setenv("T_FLAG", "0", 1);
    ck_assert_int_eq(parse("", NULL, &err), 0);
    ck_assert(!given.flag);
    ck_assert_uint_eq(given.list.count, 0);
}
END_TEST

static const struct {
    const char *arguments;
    const char *named; /* what the message must name */
} wrong[] = {
    {"--nothing", "--nothing"},
    {"--nothing=5", "--nothing"},
    {"first --nothing", "--nothing"},
    {"-x", "-x"},
    {"-xyz", "-x"},
    {"first -xyz last", "-x"},
    {"--text", "--text"},
    {"--flag --number", "--number"},
    {"--flag=1", "--flag"},
    {"--li a", "--li"},
    {"--number 1", "--number"},
    {"--number 10", "--number"},
    {"--number=-3", "--number"},
    {"--number +3", "--number"},
    {"--number 3x", "--number"},
    {"--number 0x3", "--number"},
    {"--number ''", "--number"},
    {"--number 3.0", "--number"},
    {"--any 18446744073709551616", "--any"},
    {"--any -1", "--any"},
};

START_TEST(wrong_arguments_are_named)
{
    struct cf_error err = {0};
    ck_assert_int_eq(parse(wrong[_i].arguments, NULL, &err), CF_EUSAGE);
    ck_assert_int_eq(err.code, CF_EUSAGE);
    ck_assert_msg(strstr(err.message, wrong[_i].named) != NULL, "%s", err.message);
}
END_TEST

START_TEST(blanks_do_not_hide_a_sign)
{
    struct cf_error err = {0};
    char *argv[] = {"program", "--any", " -1", NULL};
    int first = 0;
    ck_assert_int_eq(cf_options_parse(table, 3, argv, &first, &err), CF_EUSAGE);
}
END_TEST

START_TEST(the_largest_number_fits)
{
    struct cf_error err = {0};
    ck_assert_int_eq(parse("--any 18446744073709551615", NULL, &err), 0);
    ck_assert_uint_eq(given.any, UINT64_MAX);
}
END_TEST

START_TEST(wrong_variables_are_configuration_errors)
{
    static const char *const pairs[][2] = {
        {"T_FLAG", "yes"}, {"T_FLAG", "10"}, {"T_NUMBER", "1"}, {"T_NUMBER", "many"}};
    struct cf_error err = {0};
    (void)setenv(pairs[_i][0], pairs[_i][1], 1);
    ck_assert_int_eq(parse("", NULL, &err), CF_ECONFIG);
    ck_assert_msg(strstr(err.message, pairs[_i][0]) != NULL, "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "--"));
}
END_TEST

START_TEST(parsing_twice_starts_afresh)
{
    struct cf_error err = {0};
    char rest[128];
    ck_assert_int_eq(parse("a --text 1 b", rest, &err), 0);
    ck_assert_int_eq(parse("c --text 2", rest, &err), 0);
    ck_assert_str_eq(given.text, "2");
    ck_assert_str_eq(rest, "c;");
}
END_TEST

static int help(void *context)
{
    (void)context;
    cf_options_help(table, stdout);
    return 0;
}

START_TEST(the_help_has_every_option_with_its_variable)
{
    struct captured captured;
    size_t lines = 0;
    capture_run(help, NULL, &captured);
    const char *text = cf_buf_str(&captured.out);
    for (const char *p = text; (p = strchr(p, '\n')); p++) {
        lines++;
    }
    ck_assert_uint_eq(lines, 6);
    ck_assert_ptr_nonnull(strstr(text, "  --flag                     a switch [T_FLAG]\n"));
    ck_assert_ptr_nonnull(strstr(text, "  --number N                 a number [T_NUMBER]\n"));
    ck_assert_ptr_nonnull(strstr(text, "  --any N                    any number\n"));
    captured_release(&captured);
}
END_TEST

Suite *base_options_suite(void)
{
    Suite *suite = suite_create("base_options");
    TCase *tc = tcase_create("options");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nothing_given_changes_nothing);
    tcase_add_test(tc, the_command_line_is_read_in_any_order);
    tcase_add_test(tc, the_environment_is_read);
    tcase_add_test(tc, the_command_line_wins);
    tcase_add_test(tc, a_variable_that_is_empty_or_0_means_no);
    tcase_add_loop_test(tc, wrong_arguments_are_named, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_test(tc, blanks_do_not_hide_a_sign);
    tcase_add_test(tc, the_largest_number_fits);
    tcase_add_loop_test(tc, wrong_variables_are_configuration_errors, 0, 4);
    tcase_add_test(tc, parsing_twice_starts_afresh);
    tcase_add_test(tc, the_help_has_every_option_with_its_variable);
    suite_add_tcase(suite, tc);
    return suite;
}
