#pragma once

/*
 * Future
 *
 * The promise of one result. It is embedded in its producer's or its waiter's frame, completes
 * exactly once, and its waiter learns of it later, from the loop, never from within
 * future_complete().
 */

#include "base/event_loop.h"

typedef struct Future Future;

/* Asks the producer to give up. The future must still complete, soon; now is allowed. */
typedef void (*FutureCancel)(Future *future);
/* Called once, from the loop, after completion. */
typedef void (*FutureDone)(Future *future);

typedef enum FutureState {
        FUTURE_STATE_PENDING,
        FUTURE_STATE_COMPLETED, /* has its result; the waiter does not know yet */
        FUTURE_STATE_DELIVERED,
} FutureState;

struct Future {
        FutureState state;
        bool is_cancelled; /* `cancel` was called: it is asked only once */
        int result;        /* 0 or more, or -errno; valid from COMPLETED on */
        FutureCancel cancel;
        FutureDone done;
        void *waiter; /* borrowed; for the use of whoever set `done` */
        EventDefer delivery;
};

/* `cancel` may be NULL: then it can't be hurried. */
void future_init(Future *future, EventLoop *loop, FutureCancel cancel);
/* Sets who is told; at most one. Harmless after completion, if before delivery. */
void future_then(Future *future, FutureDone done);
void future_complete(Future *future, int result);
void future_cancel(Future *future);
bool future_is_completed(const Future *future);
