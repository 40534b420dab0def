/* A bucket that leaks at the rate, counted in the time that it needs to be empty. */

#include "base/rate_budget.h"

#define US_PER_S (NS_PER_S / NS_PER_US)

/* In steps: the product of all may not fit, and where 32 bits are a word there is no larger type. */
static uint64_t get_duration_ns(uint64_t size, uint64_t rate) {
        uint64_t rest = size % rate * US_PER_S;

        return size / rate * NS_PER_S + rest / rate * NS_PER_US + rest % rate * NS_PER_US / rate;
}

void rate_budget_spend(RateBudget *budget, uint64_t size, uint64_t now_ns) {
        if (budget->rate_max == 0)
                return;
        assert(budget->rate_max <= RATE_BUDGET_RATE_MAX);
        budget->paid_ns = MAX(budget->paid_ns, now_ns) + get_duration_ns(size, budget->rate_max);
}

uint64_t rate_budget_get_due_ns(const RateBudget *budget, uint64_t now_ns) {
        if (budget->rate_max == 0 || budget->paid_ns <= now_ns + RATE_BUDGET_BURST_NS)
                return 0;
        return budget->paid_ns - RATE_BUDGET_BURST_NS;
}
