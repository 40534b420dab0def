/* What passes in a while is what the rate allows, whatever the sizes and pauses are. */

#include "base/rate_budget.h"
#include "unit_test.h"

#define RATE (10 * MIB)
#define RUN_NS (100 * NS_PER_S)

/* As much as may pass, in parts of `size`, with a look every `step_ns`. */
static uint64_t pass(RateBudget *budget, uint64_t size, uint64_t step_ns) {
        uint64_t passed = 0;

        for (uint64_t now_ns = NS_PER_S; now_ns < NS_PER_S + RUN_NS; now_ns += step_ns)
                while (rate_budget_get_due_ns(budget, now_ns) == 0) {
                        rate_budget_spend(budget, size, now_ns);
                        passed += size;
                }
        return passed;
}

START_TEST(the_rate_is_kept_and_used) {
        static const struct {
                uint64_t size, step_ns;
        } cases[] = {
                { 4096, NS_PER_MS },
                { 64 * KIB, 50 * NS_PER_MS },
                { 1 * MIB, 1000 },
                { 32 * MIB, 10 * NS_PER_MS },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                RateBudget budget = { .rate_max = RATE };
                uint64_t allowed = RATE * (RUN_NS / NS_PER_S);
                uint64_t passed = pass(&budget, cases[i].size, cases[i].step_ns);

                ck_assert_uint_ge(passed, allowed - RATE / 10);
                ck_assert_uint_le(passed, allowed + RATE / 5 + cases[i].size);
        }
}
END_TEST

START_TEST(a_rest_is_worth_a_moment_only) {
        RateBudget budget = { .rate_max = RATE };
        uint64_t passed = 0, now_ns = 1000 * NS_PER_S;

        rate_budget_spend(&budget, 4096, NS_PER_S);
        while (rate_budget_get_due_ns(&budget, now_ns) == 0) {
                rate_budget_spend(&budget, 4096, now_ns);
                passed += 4096;
        }
        ck_assert_uint_le(passed, RATE / 10 + 4096);
}
END_TEST

START_TEST(what_is_due_may_pass_then) {
        RateBudget budget = { .rate_max = RATE };
        uint64_t due_ns;

        rate_budget_spend(&budget, 5 * MIB, NS_PER_S);
        due_ns = rate_budget_get_due_ns(&budget, NS_PER_S);
        ck_assert_uint_eq(due_ns, NS_PER_S + NS_PER_S / 2 - RATE_BUDGET_BURST_NS);
        ck_assert_uint_eq(rate_budget_get_due_ns(&budget, due_ns), 0);
        ck_assert_uint_eq(rate_budget_get_due_ns(&budget, due_ns - 1), due_ns);
}
END_TEST

/* Products of them do not fit into 64 bits. */
START_TEST(large_sizes_and_rates_are_counted_to_the_nanosecond) {
        static const struct {
                uint64_t rate, size, duration_ns;
        } cases[] = {
                { 4096, UINT32_MAX, 1048575999755859 },
                { RATE_BUDGET_RATE_MAX, RATE_BUDGET_RATE_MAX - 1, 999999999 },
                { RATE_BUDGET_RATE_MAX, 64 * GIB * KIB + 12345678, 4000000701 },
                { 1000, 9 * GIB + 1, 9663676417000000 },
                { 7 * GIB, 20 * GIB, 2857142857 },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                RateBudget budget = { .rate_max = cases[i].rate };

                rate_budget_spend(&budget, cases[i].size, NS_PER_S);
                ck_assert_uint_eq(rate_budget_get_due_ns(&budget, NS_PER_S),
                                  NS_PER_S + cases[i].duration_ns - RATE_BUDGET_BURST_NS);
        }
}
END_TEST

START_TEST(without_a_rate_all_may_pass) {
        RateBudget budget = { 0 };

        rate_budget_spend(&budget, UINT64_MAX, NS_PER_S);
        ck_assert_uint_eq(rate_budget_get_due_ns(&budget, NS_PER_S), 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                the_rate_is_kept_and_used,   a_rest_is_worth_a_moment_only,
                what_is_due_may_pass_then,   large_sizes_and_rates_are_counted_to_the_nanosecond,
                without_a_rate_all_may_pass, NULL,
        };

        return run_suite(suite_of("rate budget", tests));
}
