/*
 * Future
 *
 * A result, and a deferred call that delivers it. Delivery is the last that a future does: its
 * waiter may free it from there.
 */

#include "base/future.h"

static void future_on_delivery(EventDefer *delivery) {
        Future *future = container_of(delivery, Future, delivery);

        assert(future->state == FUTURE_STATE_COMPLETED);
        future->state = FUTURE_STATE_DELIVERED;
        if (future->done)
                future->done(future);
}

void future_init(Future *future, EventLoop *loop, FutureCancel cancel) {
        *future = (Future){ .state = FUTURE_STATE_PENDING, .cancel = cancel };
        event_defer_init(&future->delivery, loop, future_on_delivery);
}

void future_then(Future *future, FutureDone done) {
        assert(future->state != FUTURE_STATE_DELIVERED);
        assert(!future->done);

        future->done = done;
}

void future_complete(Future *future, int result) {
        assert(future->state == FUTURE_STATE_PENDING);

        future->state = FUTURE_STATE_COMPLETED;
        future->result = result;
        event_defer_schedule(&future->delivery);
}

void future_cancel(Future *future) {
        if (future->state != FUTURE_STATE_PENDING || future->is_cancelled)
                return;

        future->is_cancelled = true;
        if (future->cancel)
                future->cancel(future);
}

bool future_is_completed(const Future *future) { return future->state != FUTURE_STATE_PENDING; }
