/* The line that shows how far something is. */

#include "cli/ctl_progress.h"

#include "../base/unit_test.h"

static const struct {
        uint64_t seconds;
        uint64_t done_start;
        uint64_t done;
        uint64_t sum;
        unsigned n_columns;
        const char *note;
        const char *line;
} cases[] = {
        { 0, 0, 0, 1000, 60, "", "copy   0% [..............................] 0 B/s, -:-- left" },
        { 10, 0, 500, 1000, 60, "", "copy  50% [##############...............] 50 B/s, 0:10 left" },
        /* What was there before says nothing about the rate. */
        { 10, 400, 500, 1000, 30, "", "copy  50% [##...] 10 B/s, 0:50 left" },
        { 10, 0, 1000, 1000, 30, "2 bad", "copy 100% [#####] 100 B/s, 0:00 left, 2 bad" },
        { 10, 0, 2000, 1000, 30, "", "copy 100% [#####] 200 B/s, 0:00 left" },
        { 10, 0, 0, 0, 30, "", "copy   0% [.....] 0 B/s, -:-- left" },
};

START_TEST(it_has_share_rate_and_remaining_time) {
        const CtlProgress progress = {
                .title = "copy",
                .start_ns = 5,
                .done_start = cases[_i].done_start,
        };
        _cleanup_(freep) char *line = ctl_progress_format(
                        &progress, 5 + cases[_i].seconds * NS_PER_S, cases[_i].done, cases[_i].sum,
                        cases[_i].note, cases[_i].n_columns);

        ck_assert_str_eq(line, cases[_i].line);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl_progress");
        TCase *tcase = tcase_create("lines");

        tcase_add_loop_test(tcase, it_has_share_rate_and_remaining_time, 0, N_ELEMENTS(cases));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
