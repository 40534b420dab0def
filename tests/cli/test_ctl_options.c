/* Command lines, and what becomes of them. */

#include <errno.h>
#include <string.h>

#include "cli/ctl_options.h"
#include "cli/ctl_verb.h"

#include "../base/unit_test.h"

#define N_WORDS_MAX 8

/* Returns what ctl_options_parse() does; complaints are not shown. */
static int parse(CtlOptions *options, const char *const *words, int *ret_first) {
        char *argv[N_WORDS_MAX + 2] = { (char *) "usb-storagectl" };
        int argc = 1;

        while (*words)
                argv[argc++] = (char *) *words++;
        (void) freopen("/dev/null", "w", stderr);
        return ctl_options_parse(options, "usb-storagectl", argc, argv, ret_first);
}

START_TEST(options_may_stand_anywhere) {
        static const char *const words[] = { "list", "-b",   "--json", "short", "x",
                                             "-o",   "NAME", "--",     NULL };
        CtlOptions options;
        int first;

        ck_assert_int_eq(parse(&options, words, &first), 0);
        ck_assert_int_eq(options.json, CTL_JSON_SHORT);
        ck_assert_str_eq(options.columns, "NAME");
        ck_assert(ctl_options_has(&options, CTL_OPTION_BYTES));
        ck_assert(!ctl_options_has(&options, CTL_OPTION_FORCE));
        ck_assert_int_eq(first, 7);
}
END_TEST

START_TEST(values_are_read) {
        static const char *const words[] = { "--in=64K", "--timeout=5",     "-n3", "-d",
                                             "2",        "--address=unix:", NULL };
        CtlOptions options;
        int first;

        ck_assert_int_eq(parse(&options, words, &first), 0);
        ck_assert_uint_eq(options.n_in, 65536);
        ck_assert_uint_eq(options.timeout_s, 5);
        ck_assert_uint_eq(options.n_iterations, 3);
        ck_assert_uint_eq(options.delay_s, 2);
        ck_assert_str_eq(options.address, "unix:");
}
END_TEST

START_TEST(without_options_there_is_no_json_and_a_second_between_looks) {
        static const char *const words[] = { NULL };
        CtlOptions options;
        int first;

        ck_assert_int_eq(parse(&options, words, &first), 0);
        ck_assert_int_eq(options.json, CTL_JSON_OFF);
        ck_assert_uint_eq(options.delay_s, 1);
        ck_assert_uint_eq(options.given, 0);
}
END_TEST

static const char *const wrong_words[] = {
        "--json=xml",  "--in=1X",        "--in=1G",     "--depth=0",     "--depth=65",
        "--timeout=0", "--timeout=-1",   "--seconds=x", "--strange",     "--json",
        "-Z",          "--no-pager=yes", "--delay=0",   "--iterations=",
};

START_TEST(wrong_options_are_refused) {
        const char *const words[] = { wrong_words[_i], NULL };
        CtlOptions options;
        int first;

        ck_assert_msg(parse(&options, words, &first) == -EINVAL, "%s", wrong_words[_i]);
}
END_TEST

START_TEST(every_verb_is_found_by_its_names) {
        for (size_t i = 0; i < ctl_verbs_n; i++) {
                const CtlVerb *verb = &ctl_verbs[i];

                ck_assert_ptr_eq(ctl_verb_find(verb->name), verb);
                if (verb->link)
                        ck_assert_ptr_eq(ctl_verb_find_link(verb->link), verb);
                ck_assert_uint_le(verb->n_arguments_min, verb->n_arguments_max);
                ck_assert_uint_le(verb->n_arguments_max, CTL_ARGUMENTS_MAX);
        }
        ck_assert_ptr_null(ctl_verb_find("strange"));
        ck_assert_ptr_null(ctl_verb_find_link("usb-storagectl"));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                options_may_stand_anywhere,
                values_are_read,
                without_options_there_is_no_json_and_a_second_between_looks,
                every_verb_is_found_by_its_names,
                NULL,
        };
        Suite *suite = suite_of("ctl_options", tests);
        TCase *wrong = tcase_create("wrong");

        tcase_add_loop_test(wrong, wrong_options_are_refused, 0, N_ELEMENTS(wrong_words));
        suite_add_tcase(suite, wrong);
        return run_suite(suite);
}
