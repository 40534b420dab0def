#include "loop_steps.h"

#include <check.h>

#include "base/virtual_event_loop.h"

void loop_steps_settle(EventLoop *loop) {
        for (;;) {
                int r = event_loop_run_once(loop, /* may_wait= */ false);

                ck_assert_int_ge(r, 0);
                if (r == 0)
                        return;
        }
}

void loop_steps_pass_time(EventLoop *loop, uint64_t duration_ns) {
        uint64_t until_ns = event_loop_now_ns(loop) + duration_ns;

        ck_assert_int_eq(virtual_event_loop_run_until(loop, until_ns), 0);
}
