/* What a job tells of its progress. */

#include "dbus/bus_job.h"

#include "unit_test.h"

static const struct {
        uint64_t n_done;
        uint64_t n_total;
        uint64_t elapsed_ns;
        double progress;
        uint64_t rate;
        uint64_t end_us; /* after the start; 0: not known */
} cases[] = {
        { 0, 0, 0, 0, 0, 0 },
        { 0, 1000, NS_PER_S, 0, 0, 0 },
        { 500, 1000, 0, 0.5, 0, 0 },
        { 500, 1000, NS_PER_S, 0.5, 500, 2000000 },
        { 1000, 1000, 2 * NS_PER_S, 1, 500, 2000000 },
        { GIB, 4 * GIB, 8 * NS_PER_S, 0.25, GIB / 8, 32000000 },
};

START_TEST(progress_tells_rate_and_end) {
        BusJobFacts facts = { .start_us = 1000000 };

        bus_job_estimate(&facts, cases[_i].n_done, cases[_i].n_total, cases[_i].elapsed_ns);
        ck_assert_double_eq_tol(facts.progress, cases[_i].progress, 0.0001);
        ck_assert_uint_eq(facts.size, cases[_i].n_total);
        ck_assert_uint_eq(facts.rate, cases[_i].rate);
        ck_assert_uint_eq(facts.end_us, cases[_i].end_us ? 1000000 + cases[_i].end_us : 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus_job");
        TCase *tcase = tcase_create("bus_job");

        tcase_add_loop_test(tcase, progress_tells_rate_and_end, 0, (int) N_ELEMENTS(cases));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
