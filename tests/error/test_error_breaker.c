/* The circuit breaker: so many within a minute, whatever minute that is. */

#include "base/macros.h"
#include "error/error_breaker.h"
#include "unit_test.h"

/* Asks for an event at each of these seconds; 'y': allowed, 'n': refused. */
typedef struct BreakerCase {
        unsigned n_events_max;
        unsigned times_s[8];
        const char *answers;
} BreakerCase;

static const BreakerCase breaker_cases[] = {
        { 1, { 1, 2, 60, 61, 62 }, "ynnyn" },
        { 3, { 1, 1, 1, 1, 2, 60, 61, 61 }, "yyynnnyy" },
        { 3, { 1, 30, 59, 60, 61, 62, 90, 91 }, "yyynynyn" },
        { 2, { 1, 100, 200, 300, 400 }, "yyyyy" },
};

START_TEST(events_are_counted_within_a_minute) {
        const BreakerCase *c = &breaker_cases[_i];
        ErrorBreaker breaker;

        error_breaker_init(&breaker, c->n_events_max, 60 * NS_PER_S);
        for (size_t i = 0; c->answers[i] != '\0'; i++) {
                uint64_t now_ns = c->times_s[i] * NS_PER_S;
                bool is_open = error_breaker_is_open(&breaker, now_ns);

                ck_assert_msg(is_open == (c->answers[i] == 'n'), "at %u s", c->times_s[i]);
                if (!is_open)
                        error_breaker_count(&breaker, now_ns);
        }
}
END_TEST

START_TEST(more_than_it_can_hold_is_cut) {
        ErrorBreaker breaker;

        error_breaker_init(&breaker, 1000, 60 * NS_PER_S);
        for (size_t i = 0; i < ERROR_BREAKER_EVENTS_MAX; i++) {
                ck_assert(!error_breaker_is_open(&breaker, NS_PER_S));
                error_breaker_count(&breaker, NS_PER_S);
        }
        ck_assert(error_breaker_is_open(&breaker, NS_PER_S));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("error_breaker");
        TCase *tcase = tcase_create("error_breaker");

        tcase_add_loop_test(tcase, events_are_counted_within_a_minute, 0,
                            N_ELEMENTS(breaker_cases));
        tcase_add_test(tcase, more_than_it_can_hold_is_cut);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
