/* A bucket that leaks at the rate, counted in the time that it needs to be empty. */

#include "base/rate_budget.h"

void rate_budget_spend(RateBudget *budget, uint64_t size, uint64_t now_ns) {
        if (budget->rate_max == 0)
                return;
        budget->paid_ns = MAX(budget->paid_ns, now_ns) +
                          (uint64_t) ((__uint128_t) size * NS_PER_S / budget->rate_max);
}

uint64_t rate_budget_get_due_ns(const RateBudget *budget, uint64_t now_ns) {
        if (budget->rate_max == 0 || budget->paid_ns <= now_ns + RATE_BUDGET_BURST_NS)
                return 0;
        return budget->paid_ns - RATE_BUDGET_BURST_NS;
}
