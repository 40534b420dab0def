/* Tables as people and as JSON see them. */

#include <errno.h>
#include <locale.h>
#include <string.h>

#include "cli/ctl_table.h"

#include "../base/unit_test.h"

static const CtlColumn columns[] = {
        { "NAME", .is_default = true },
        { "SIZE", .is_right = true, .is_default = true },
        { "MODEL", .is_default = true, .can_shrink = true },
        { "TEMP" },
};

static CtlTable *make_table(void) {
        CtlTable *table = ctl_table_new(columns, N_ELEMENTS(columns));

        ctl_table_begin_row(table);
        ctl_table_set(table, 0, json_object_new_string("1-4.0"), NULL);
        ctl_table_set(table, 1, json_object_new_int(8192), "8K");
        ctl_table_set(table, 2, json_object_new_string("A model\nof a disk"), "A model\nof a disk");
        ctl_table_begin_row(table);
        ctl_table_set(table, 0, json_object_new_string("2"), NULL);
        ctl_table_set_colour(table, 0, CTL_COLOUR_RED);
        return table;
}

static char *print(const CtlTable *table, CtlTerminal terminal, bool has_legend) {
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(file);
        ctl_table_print(table, file, &terminal, has_legend);
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

START_TEST(columns_are_aligned_and_no_value_is_a_dash) {
        _cleanup_(ctl_table_freep) CtlTable *table = make_table();
        _cleanup_(freep) char *text = print(table, (CtlTerminal){}, true);
        _cleanup_(freep) char *bare = print(table, (CtlTerminal){}, false);

        ck_assert_str_eq(text, "NAME  SIZE MODEL\n"
                               "1-4.0   8K A model of a disk\n"
                               "2        - -\n");
        ck_assert_str_eq(bare, "1-4.0 8K A model of a disk\n"
                               "2      - -\n");
}
END_TEST

START_TEST(what_is_too_wide_is_cut_with_a_mark) {
        _cleanup_(ctl_table_freep) CtlTable *table = make_table();
        _cleanup_(freep) char *ascii = print(table, (CtlTerminal){ .n_columns = 20 }, true);
        _cleanup_(freep) char *narrow = print(table, (CtlTerminal){ .n_columns = 1 }, true);

        ck_assert_str_eq(ascii, "NAME  SIZE MODEL\n"
                                "1-4.0   8K A model ~\n"
                                "2        - -\n");
        ck_assert_str_eq(narrow, "NAME  SIZE MODEL\n"
                                 "1-4.0   8K A mod~\n"
                                 "2        - -\n");
}
END_TEST

START_TEST(what_is_copied_is_cut_last) {
        static const CtlColumn two[] = {
                { "EXPORT", .is_default = true, .can_shrink = true, .is_copied = true },
                { "MODEL", .is_default = true, .can_shrink = true },
        };
        _cleanup_(ctl_table_freep) CtlTable *table = ctl_table_new(two, N_ELEMENTS(two));
        _cleanup_(freep) char *narrow = NULL, *narrower = NULL;

        ctl_table_begin_row(table);
        ctl_table_set(table, 0, json_object_new_string("1209-0001-0123456789"), NULL);
        ctl_table_set(table, 1, json_object_new_string("SIMULATED DISK"), NULL);
        narrow = print(table, (CtlTerminal){ .n_columns = 29 }, false);
        narrower = print(table, (CtlTerminal){ .n_columns = 25 }, false);

        ck_assert_str_eq(narrow, "1209-0001-0123456789 SIMULAT~\n");
        ck_assert_str_eq(narrower, "1209-0001-0123456~ SIMUL~\n");
}
END_TEST

START_TEST(colours_surround_a_cell_and_not_its_padding) {
        _cleanup_(ctl_table_freep) CtlTable *table = make_table();
        _cleanup_(freep) char *text = print(table, (CtlTerminal){ .has_colours = true }, false);

        ck_assert_ptr_nonnull(strstr(text, "\033[1;31m2\033[0m     "));
}
END_TEST

START_TEST(columns_can_be_chosen_added_and_all_shown) {
        static const struct {
                const char *names;
                const char *heading;
        } cases[] = {
                { "model,NAME", "MODEL             NAME" },
                { "+TEMP", "NAME  SIZE MODEL             TEMP" },
                { "all", "NAME  SIZE MODEL             TEMP" },
                { "NAME,NAME", "NAME" },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                _cleanup_(ctl_table_freep) CtlTable *table = make_table();
                _cleanup_(freep) char *text = NULL, *wrong = NULL;

                ck_assert_int_eq(ctl_table_select(table, cases[i].names, &wrong), 0);
                text = print(table, (CtlTerminal){}, true);
                ck_assert_uint_eq(strcspn(text, "\n"), strlen(cases[i].heading));
                ck_assert_mem_eq(text, cases[i].heading, strlen(cases[i].heading));
        }
}
END_TEST

START_TEST(a_strange_column_is_named) {
        static const char *const cases[] = { "COLOUR", "NAME,COLOUR", "+COLOUR" };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                _cleanup_(ctl_table_freep) CtlTable *table = make_table();
                _cleanup_(freep) char *wrong = NULL;

                ck_assert_int_eq(ctl_table_select(table, cases[i], &wrong), -EINVAL);
                ck_assert_str_eq(wrong, "COLOUR");
        }
}
END_TEST

START_TEST(json_has_values_and_null_for_none) {
        _cleanup_(ctl_table_freep) CtlTable *table = make_table();
        _cleanup_(json_object_putp) json_object *all = ctl_table_to_json(table), *one = NULL;
        _cleanup_(freep) char *wrong = NULL;

        ck_assert_str_eq(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN),
                         "[{\"name\":\"1-4.0\",\"size\":8192,\"model\":\"A model\\nof a disk\","
                         "\"temp\":null},"
                         "{\"name\":\"2\",\"size\":null,\"model\":null,\"temp\":null}]");
        ck_assert_int_eq(ctl_table_select(table, "SIZE", &wrong), 0);
        one = ctl_table_to_json(table);
        ck_assert_str_eq(json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN),
                         "[{\"size\":8192},{\"size\":null}]");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                columns_are_aligned_and_no_value_is_a_dash,
                what_is_too_wide_is_cut_with_a_mark,
                what_is_copied_is_cut_last,
                colours_surround_a_cell_and_not_its_padding,
                columns_can_be_chosen_added_and_all_shown,
                a_strange_column_is_named,
                json_has_values_and_null_for_none,
                NULL,
        };

        return run_suite(suite_of("ctl_table", tests));
}
