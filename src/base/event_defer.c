/*
 * EventDefer
 *
 * Deferred calls run first in, first out, in bounded batches.
 */

#include "base/event_dispatch.h"

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

bool event_defer_dispatch(EventLoop *loop) {
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
