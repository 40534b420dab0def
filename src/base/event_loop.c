/*
 * EventLoop
 *
 * What all loops have in common: life, iterations, and what an iteration dispatches beside
 * descriptors.
 */

#include <errno.h>

#include "base/event_dispatch.h"
#include "base/task.h"

void event_loop_init(EventLoop *loop, const EventLoopOps *ops) {
        *loop = (EventLoop){ .ops = ops, .alarm_ns = UINT64_MAX };
        list_init(&loop->deferred);
        list_init(&loop->fds);
        list_init(&loop->due);
}

EventLoop *event_loop_free(EventLoop *loop) {
        if (!loop)
                return NULL;

        assert(!loop->is_running);
        loop->task_pool = task_pool_free(loop->task_pool);
        assert(list_is_empty(&loop->deferred));
        assert(list_is_empty(&loop->fds));
        assert(loop->n_timers_initialised == 0);

        free(loop->timers);
        loop->timers = NULL;
        loop->ops->free(loop);
        return NULL;
}

uint64_t event_loop_now_ns(EventLoop *loop) {
        uint64_t now_ns = loop->ops->now_ns(loop);

        assert(now_ns > 0);
        return now_ns;
}

uint64_t event_loop_read_clock_ns(EventLoop *loop) { return loop->ops->read_clock_ns(loop); }

uint64_t event_loop_next_deadline_ns(const EventLoop *loop) {
        if (!list_is_empty(&loop->deferred))
                return 0;
        return loop->n_timers > 0 ? loop->timers[1]->deadline_ns : UINT64_MAX;
}

bool event_loop_dispatch(EventLoop *loop) {
        bool ran = event_timer_dispatch(loop);

        return event_defer_dispatch(loop) || ran;
}

int event_loop_run_once(EventLoop *loop, bool may_wait) {
        int r;

        assert(!loop->is_running);

        loop->is_running = true;
        r = loop->ops->run_once(loop, may_wait);
        loop->is_running = false;
        return r;
}

int event_loop_run(EventLoop *loop) {
        while (!loop->has_exited) {
                int r = event_loop_run_once(loop, /* may_wait= */ true);

                if (r < 0)
                        return r;
                if (r == 0 && !loop->has_exited)
                        return -EDEADLK;
        }
        return loop->exit_code;
}

void event_loop_exit(EventLoop *loop, int code) {
        loop->exit_code = code;
        loop->has_exited = true;
}
