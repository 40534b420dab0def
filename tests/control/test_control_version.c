/* Who is told another version than its own ends. */

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "control/control_version.h"

START_TEST(version_of_the_same_release_is_accepted) {
        char text[CONTROL_VERSION_TEXT_SIZE];
        char *arguments[] = { (char *) "child", text, NULL };

        control_version_format(text);
        ck_assert_int_eq(control_version_check(2, arguments), 0);
}
END_TEST

static const char *const others[] = { "", "0", "4294967295", "-1", "x" };

START_TEST(version_of_another_release_is_refused) {
        char *arguments[] = { (char *) "child", (char *) others[_i], NULL };

        ck_assert_int_eq(control_version_check(2, arguments), -EPROTO);
}
END_TEST

START_TEST(version_is_the_only_argument) {
        char text[CONTROL_VERSION_TEXT_SIZE];
        char *arguments[] = { (char *) "child", text, text, NULL };

        control_version_format(text);
        ck_assert_int_eq(control_version_check(3, arguments), -EPROTO);
        ck_assert_int_eq(control_version_check(1, arguments), -EPROTO);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("control version");
        TCase *tcase = tcase_create("command line");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, version_of_the_same_release_is_accepted);
        tcase_add_loop_test(tcase, version_of_another_release_is_refused, 0, N_ELEMENTS(others));
        tcase_add_test(tcase, version_is_the_only_argument);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
