/* Names of orphan files: what we write is read back, and nothing else is taken for one. */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "device/orphan_name.h"

static const OrphanName names[] = {
        { "1209-0001-X", 0, 1 },
        { "1209-0001-A.B_c-at-1-2.4", 15, 4294967295 },
        { "1209-0001-x-lun3.1.orphan", 7, 12 },
};

START_TEST(name_is_read_back) {
        char text[ORPHAN_NAME_SIZE_MAX];
        OrphanName name;

        orphan_name_format(&names[_i], text);
        ck_assert_int_eq(orphan_name_parse(&name, text), 0);
        ck_assert_str_eq(name.base_name, names[_i].base_name);
        ck_assert_uint_eq(name.lun, names[_i].lun);
        ck_assert_uint_eq(name.number, names[_i].number);
}
END_TEST

static const char *const others[] = {
        "",
        ".",
        "..",
        "x.orphan",
        "-lun0.1.orphan",
        "x-lun0.orphan",
        "x-lun0.0.orphan",
        "x-lun0.01.orphan",
        "x-lun+0.1.orphan",
        "x-lun 0.1.orphan",
        "x-lun16.1.orphan",
        "x-lun0.1.orphan~",
        "x-lun0.1.orpha",
        "x-lun0.4294967296.orphan",
        "x-lun0.1.orphan.tmp",
        ".x.0.tmp",
};

START_TEST(other_name_is_refused) {
        OrphanName name;

        ck_assert_msg(orphan_name_parse(&name, others[_i]) == -EINVAL, "\"%s\" was taken",
                      others[_i]);
}
END_TEST

START_TEST(long_name_is_refused) {
        char text[300] = {};
        OrphanName name;

        memset(text, 'x', ORPHAN_BASE_NAME_SIZE_MAX);
        strcat(text, "-lun0.1.orphan");
        ck_assert_int_eq(orphan_name_parse(&name, text), -EINVAL);
        ck_assert_int_eq(orphan_name_parse(&name, text + 1), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("orphan name");
        TCase *tcase = tcase_create("names");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, name_is_read_back, 0, N_ELEMENTS(names));
        tcase_add_loop_test(tcase, other_name_is_refused, 0, N_ELEMENTS(others));
        tcase_add_test(tcase, long_name_is_refused);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
