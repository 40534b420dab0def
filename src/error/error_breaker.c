/*
 * The ring holds as many times as events are allowed in a minute, so the oldest of them alone says
 * whether there may be another one.
 */

#include "error/error_breaker.h"

#include "base/macros.h"

#define WINDOW_NS (60 * NS_PER_S)

void error_breaker_init(ErrorBreaker *breaker, unsigned n_events_max) {
        assert(n_events_max > 0);

        *breaker = (ErrorBreaker){
                .n_events_max = MIN(n_events_max, (unsigned) ERROR_BREAKER_EVENTS_MAX),
        };
}

bool error_breaker_is_open(const ErrorBreaker *breaker, uint64_t now_ns) {
        uint64_t oldest_ns = breaker->times_ns[breaker->next_index];

        return oldest_ns > 0 && now_ns - oldest_ns < WINDOW_NS;
}

void error_breaker_count(ErrorBreaker *breaker, uint64_t now_ns) {
        assert(now_ns > 0);

        breaker->times_ns[breaker->next_index] = now_ns;
        breaker->next_index = (breaker->next_index + 1) % breaker->n_events_max;
}
