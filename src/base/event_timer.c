/*
 * EventTimer
 *
 * A binary heap by deadline, and by the order of arming among equal ones. Due timers leave the heap
 * all at once before the first of them is called, so that one that is armed again from a handler,
 * even for the past, waits for the next dispatch.
 */

#include <errno.h>

#include "base/event_dispatch.h"

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

bool event_timer_dispatch(EventLoop *loop) {
        uint64_t now_ns;
        ListNode *node;
        bool ran = false;

        if (loop->n_timers == 0 || loop->timers[1]->deadline_ns >= loop->alarm_ns)
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
