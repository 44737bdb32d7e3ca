/* Runs every suite of the unit tests; SUITES is the generated list. Arguments: names of suites to
 * run. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

#define SUITE(name) Suite *name(void);
#include SUITES
#undef SUITE

int main(int argc, char **argv)
{
    cf_log_configure(CF_LOG_JSON, CF_ERROR); /* tests of the log set their own */
    SRunner *runner = srunner_create(NULL);
#define SUITE(name)                                                                                \
    if (argc < 2 || strncmp(#name, argv[1], strlen(argv[1])) == 0) {                               \
        srunner_add_suite(runner, name());                                                         \
    }
#include SUITES
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
