#pragma once

/*
 * RateBudget
 *
 * How many bytes a second may pass, on the average over a moment. Several who pass share one. Plain
 * data.
 */

#include "base/macros.h"

/* What may pass at once after a rest: as much as in so long. */
#define RATE_BUDGET_BURST_NS (100 * NS_PER_MS)

#define RATE_BUDGET_RATE_MAX (16 * GIB * KIB)

typedef struct RateBudget {
        uint64_t rate_max; /* bytes a second, at most RATE_BUDGET_RATE_MAX; 0: no limit */
        uint64_t paid_ns;  /* all that has passed is paid for at this time */
} RateBudget;

/* Something passes, of whatever size. */
void rate_budget_spend(RateBudget *budget, uint64_t size, uint64_t now_ns);
/* When something may pass again; 0: now. */
uint64_t rate_budget_get_due_ns(const RateBudget *budget, uint64_t now_ns);
