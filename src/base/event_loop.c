/*
 * EventLoop
 *
 * What all loops have in common: timers in a binary heap, deferred calls in a list, and their
 * dispatch in bounded batches. Waiting and descriptors are the implementation's. Due timers leave
 * the heap all at once before the first of them is called, so that one that is armed again from a
 * handler, even for the past, waits for the next dispatch.
 */

#include <errno.h>

#include "base/event_loop.h"
#include "base/task.h"

/* Heap */

static bool timer_is_before(const EventTimer *a, const EventTimer *b) {
        if (a->deadline_ns != b->deadline_ns)
                return a->deadline_ns < b->deadline_ns;
        return a->sequence < b->sequence;
}

static void heap_place(EventLoop *loop, EventTimer *timer, size_t index) {
        loop->timers[index] = timer;
        timer->heap_index = index;
}

static void heap_sift_up(EventLoop *loop, EventTimer *timer, size_t index) {
        for (; index > 1 && timer_is_before(timer, loop->timers[index / 2]); index /= 2)
                heap_place(loop, loop->timers[index / 2], index);
        heap_place(loop, timer, index);
}

static void heap_sift_down(EventLoop *loop, EventTimer *timer, size_t index) {
        size_t child;

        for (; (child = 2 * index) <= loop->n_timers; index = child) {
                if (child < loop->n_timers &&
                    timer_is_before(loop->timers[child + 1], loop->timers[child]))
                        child++;
                if (!timer_is_before(loop->timers[child], timer))
                        break;
                heap_place(loop, loop->timers[child], index);
        }
        heap_place(loop, timer, index);
}

static void heap_insert(EventLoop *loop, EventTimer *timer) {
        assert(loop->n_timers < loop->n_timers_reserved);

        loop->n_timers++;
        heap_sift_up(loop, timer, loop->n_timers);
}

static void heap_remove(EventLoop *loop, EventTimer *timer) {
        size_t index = timer->heap_index;
        EventTimer *last = loop->timers[loop->n_timers];

        assert(loop->timers[index] == timer);

        loop->n_timers--;
        timer->heap_index = 0;
        if (last == timer)
                return;
        if (index > 1 && timer_is_before(last, loop->timers[index / 2]))
                heap_sift_up(loop, last, index);
        else
                heap_sift_down(loop, last, index);
}

/* Room for one timer more than there are. */
static int heap_reserve(EventLoop *loop) {
        size_t n = MAX(2 * loop->n_timers_reserved, (size_t) 8);
        EventTimer **timers;

        if (loop->n_timers_initialised < loop->n_timers_reserved)
                return 0;

        timers = reallocarray(loop->timers, n + 1, sizeof(*timers));
        if (!timers)
                return -ENOMEM;
        loop->timers = timers;
        loop->n_timers_reserved = n;
        return 0;
}

/* Timers */

int event_timer_init(EventTimer *timer, EventLoop *loop, EventTimerHandler handler) {
        int r;

        assert(loop);
        assert(handler);

        r = heap_reserve(loop);
        if (r < 0)
                return r;

        loop->n_timers_initialised++;
        *timer = (EventTimer){ .loop = loop, .handler = handler };
        list_init(&timer->node);
        return 0;
}

void event_timer_done(EventTimer *timer) {
        if (!timer->loop)
                return;

        event_timer_clear(timer);
        assert(timer->loop->n_timers_initialised > 0);
        timer->loop->n_timers_initialised--;
        timer->loop = NULL;
}

void event_timer_set(EventTimer *timer, uint64_t deadline_ns) {
        assert(timer->loop);

        event_timer_clear(timer);
        timer->deadline_ns = deadline_ns;
        timer->sequence = ++timer->loop->timer_sequence;
        heap_insert(timer->loop, timer);
}

void event_timer_clear(EventTimer *timer) {
        if (!timer->loop)
                return;
        if (timer->heap_index > 0)
                heap_remove(timer->loop, timer);
        list_unlink(&timer->node);
}

bool event_timer_is_armed(const EventTimer *timer) {
        return timer->loop && (timer->heap_index > 0 || !list_is_empty(&timer->node));
}

/* Deferred calls */

void event_defer_init(EventDefer *defer, EventLoop *loop, EventDeferHandler handler) {
        assert(loop);
        assert(handler);

        *defer = (EventDefer){ .loop = loop, .handler = handler };
        list_init(&defer->node);
}

void event_defer_schedule(EventDefer *defer) {
        assert(defer->loop);

        if (list_is_empty(&defer->node))
                list_append(&defer->loop->deferred, &defer->node);
}

bool event_defer_is_scheduled(const EventDefer *defer) {
        return defer->loop && !list_is_empty(&defer->node);
}

void event_defer_cancel(EventDefer *defer) {
        if (defer->loop)
                list_unlink(&defer->node);
}

/* Descriptors */

int event_fd_add(EventFd *watch, EventLoop *loop, int fd, uint32_t events, EventFdHandler handler) {
        int r;

        assert(loop);
        assert(fd >= 0);
        assert(handler);

        *watch = (EventFd){ .loop = loop, .handler = handler, .fd = fd, .events = events };
        list_init(&watch->node);

        r = loop->ops->fd_add(loop, watch);
        if (r < 0) {
                watch->loop = NULL;
                return r;
        }
        list_append(&loop->fds, &watch->node);
        return 0;
}

void event_fd_set_events(EventFd *watch, uint32_t events) {
        assert(watch->loop);

        if (watch->events == events)
                return;
        watch->events = events;
        watch->loop->ops->fd_update(watch->loop, watch);
}

void event_fd_remove(EventFd *watch) {
        if (!watch->loop)
                return;

        watch->loop->ops->fd_remove(watch->loop, watch);
        list_unlink(&watch->node);
        watch->loop = NULL;
}

/* Loop */

void event_loop_init(EventLoop *loop, const EventLoopOps *ops) {
        *loop = (EventLoop){ .ops = ops };
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

uint64_t event_loop_next_deadline_ns(const EventLoop *loop) {
        if (!list_is_empty(&loop->deferred))
                return 0;
        return loop->n_timers > 0 ? loop->timers[1]->deadline_ns : UINT64_MAX;
}

static bool dispatch_timers(EventLoop *loop) {
        uint64_t now_ns;
        ListNode *node;
        bool ran = false;

        if (loop->n_timers == 0)
                return false;

        now_ns = event_loop_now_ns(loop);
        while (loop->n_timers > 0 && loop->timers[1]->deadline_ns <= now_ns) {
                EventTimer *timer = loop->timers[1];

                heap_remove(loop, timer);
                list_append(&loop->due, &timer->node);
        }

        /* Handlers may clear timers that are about to fire: those leave this list. */
        while ((node = list_take_first(&loop->due))) {
                EventTimer *timer = list_entry(node, EventTimer, node);

                timer->handler(timer);
                ran = true;
        }
        return ran;
}

static bool dispatch_deferred(EventLoop *loop) {
        ListNode *node;
        unsigned n = 0;

        while (n < EVENT_LOOP_DEFERS_PER_DISPATCH_MAX &&
               (node = list_take_first(&loop->deferred))) {
                EventDefer *defer = list_entry(node, EventDefer, node);

                defer->handler(defer);
                n++;
        }
        return n > 0;
}

bool event_loop_dispatch(EventLoop *loop) {
        bool ran = dispatch_timers(loop);

        return dispatch_deferred(loop) || ran;
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
