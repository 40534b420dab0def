#pragma once

/* What every test program of base ends with, and how it watches code die. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static inline int run_suite(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int n_failed;

        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A suite of one case out of a NULL-terminated list of tests, each between these two (or NULL). */
static inline Suite *suite_with_fixture(const char *name, SFun set_up, SFun tear_down,
                                        const TTest *const tests[]) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);

        if (set_up)
                tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 120);
        for (; *tests; tests++)
                tcase_add_test(tcase, *tests);
        suite_add_tcase(suite, tcase);
        return suite;
}

static inline Suite *suite_of(const char *name, const TTest *const tests[]) {
        return suite_with_fixture(name, NULL, NULL, tests);
}

/* Runs `body` in a process of its own, which then exits with success. Returns its wait status. What
 * it prints about its death is expected, and not shown. */
static inline int run_in_child(void (*body)(void *argument), void *argument) {
        int status = 0;
        pid_t pid;

        (void) fflush(NULL);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) close(STDERR_FILENO);
                body(argument);
                _exit(EXIT_SUCCESS);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status;
}
