#pragma once

/*
 * ErrorBreaker
 *
 * A circuit breaker: so many events within a while and no more. Plain data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERROR_BREAKER_EVENTS_MAX 64

typedef struct ErrorBreaker {
        uint64_t times_ns[ERROR_BREAKER_EVENTS_MAX]; /* a ring of the newest */
        unsigned n_events_max;
        unsigned next_index;
        uint64_t window_ns;
} ErrorBreaker;

/* `n_events_max` is cut to ERROR_BREAKER_EVENTS_MAX. */
void error_breaker_init(ErrorBreaker *breaker, unsigned n_events_max, uint64_t window_ns);
/* Whether one more event would be one too many. */
bool error_breaker_is_open(const ErrorBreaker *breaker, uint64_t now_ns);
/* `now_ns` > 0. */
void error_breaker_count(ErrorBreaker *breaker, uint64_t now_ns);
