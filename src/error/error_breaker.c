/*
 * The ring holds as many times as events are allowed within the window, so the oldest of them alone
 * says whether there may be another one.
 */

#include "error/error_breaker.h"

#include "base/macros.h"

void error_breaker_init(ErrorBreaker *breaker, unsigned n_events_max, uint64_t window_ns) {
        assert(n_events_max > 0);

        *breaker = (ErrorBreaker){
                .n_events_max = MIN(n_events_max, (unsigned) ERROR_BREAKER_EVENTS_MAX),
                .window_ns = window_ns,
        };
}

bool error_breaker_is_open(const ErrorBreaker *breaker, uint64_t now_ns) {
        uint64_t oldest_ns = breaker->times_ns[breaker->next_index];

        return oldest_ns > 0 && now_ns - oldest_ns < breaker->window_ns;
}

void error_breaker_count(ErrorBreaker *breaker, uint64_t now_ns) {
        assert(now_ns > 0);

        breaker->times_ns[breaker->next_index] = now_ns;
        breaker->next_index = (breaker->next_index + 1) % breaker->n_events_max;
}
