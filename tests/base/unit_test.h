#pragma once

/* The end of every test program: runs one suite and tells by the exit code. */

#include <check.h>
#include <stdlib.h>

static inline int run_suite(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int n_failed;

        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A suite of one case out of a NULL-terminated list of tests. */
static inline Suite *suite_of(const char *name, const TTest *const tests[]) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);

        for (; *tests; tests++)
                tcase_add_test(tcase, *tests);
        suite_add_tcase(suite, tcase);
        return suite;
}
