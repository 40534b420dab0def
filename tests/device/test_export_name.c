/* Names of exports: made of what a device sent, used in URIs and paths. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "device/export_name.h"

typedef struct NameCase {
        const char *serial;
        const char *port;
        const char *expected;
} NameCase;

static const NameCase cases[] = {
        { "ABC123", "1-2", "1209-0001-ABC123" },     { "", "1-2.4", "1209-0001-1-2.4" },
        { "a b/../c", "1-2", "1209-0001-a_b_.._c" }, { "\x1b[31m", "1-2", "1209-0001-__31m" },
        { "\xff\xfe", "1-2", "1209-0001-__" },       { "Az09._-", "1-2", "1209-0001-Az09._-" },
};

START_TEST(name_has_only_allowed_characters) {
        char name[EXPORT_NAME_SIZE_MAX];

        export_name_format(name, 0x1209, 1, cases[_i].serial, cases[_i].port);
        ck_assert_str_eq(name, cases[_i].expected);
}
END_TEST

START_TEST(long_serial_is_cut) {
        char name[EXPORT_NAME_SIZE_MAX], serial[300] = {};

        memset(serial, 'x', sizeof(serial) - 1);
        export_name_format(name, 1, 2, serial, "1-1");
        ck_assert_uint_eq(strlen(name), EXPORT_NAME_SIZE_MAX - 1);
}
END_TEST

START_TEST(second_holder_of_a_serial_is_told_apart_by_its_port) {
        char name[EXPORT_NAME_SIZE_MAX];

        export_name_format(name, 0x1209, 1, "SAME", "1-2");
        export_name_add_port(name, "1-2");
        ck_assert_str_eq(name, "1209-0001-SAME-at-1-2");
}
END_TEST

START_TEST(number_is_never_cut_off) {
        char name[EXPORT_NAME_SIZE_MAX], serial[300] = {};

        memset(serial, 'x', sizeof(serial) - 1);
        export_name_format(name, 1, 2, serial, "1-1");
        export_name_add_number(name, 12);
        ck_assert_uint_eq(strlen(name), EXPORT_NAME_SIZE_MAX - 1);
        ck_assert_str_eq(name + strlen(name) - strlen("x-12"), "x-12");
}
END_TEST

START_TEST(port_is_never_cut_off) {
        char name[EXPORT_NAME_SIZE_MAX], serial[300] = {};

        memset(serial, 'x', sizeof(serial) - 1);
        export_name_format(name, 1, 2, serial, "1-1");
        export_name_add_port(name, "1-4.3.2");
        ck_assert_uint_eq(strlen(name), EXPORT_NAME_SIZE_MAX - 1);
        ck_assert_str_eq(name + strlen(name) - strlen("-at-1-4.3.2"), "-at-1-4.3.2");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("export name");
        TCase *tcase = tcase_create("names");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, name_has_only_allowed_characters, 0, N_ELEMENTS(cases));
        tcase_add_test(tcase, long_serial_is_cut);
        tcase_add_test(tcase, second_holder_of_a_serial_is_told_apart_by_its_port);
        tcase_add_test(tcase, number_is_never_cut_off);
        tcase_add_test(tcase, port_is_never_cut_off);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
